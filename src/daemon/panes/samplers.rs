//! The agent profiles of the configuration in force, compiled. One list for all projects, replaced as a whole on reload.

use std::collections::BTreeMap;
use std::sync::{Arc, RwLock};

use crate::domain::{Profile, ProfileName};
use crate::terminal::{AgentsHome, ProfileError, Sampler};

/// Every profile's patterns, by the profile's name.
#[derive(Clone, Debug)]
pub struct Samplers(Arc<RwLock<Compiled>>);

type Compiled = BTreeMap<ProfileName, Arc<Sampler>>;

impl Samplers {
    /// Compiles the profiles; `home` is the agents' home.
    pub fn new(
        profiles: &BTreeMap<ProfileName, Profile>,
        home: impl Into<AgentsHome>,
    ) -> Result<Self, ProfileError> {
        let compiled = compile(profiles, &home.into())?;
        Ok(Self(Arc::new(RwLock::new(compiled))))
    }

    /// Returns a profile's patterns as they are now.
    pub fn get(&self, name: &ProfileName) -> Option<Arc<Sampler>> {
        let compiled = self.0.read().expect("no holder of this lock panics");
        compiled.get(name).cloned()
    }

    /// Replaces all of them, or none if one does not compile.
    pub fn replace(
        &self,
        profiles: &BTreeMap<ProfileName, Profile>,
        home: impl Into<AgentsHome>,
    ) -> Result<(), ProfileError> {
        let compiled = compile(profiles, &home.into())?;
        *self.0.write().expect("no holder of this lock panics") = compiled;
        Ok(())
    }
}

fn compile(
    profiles: &BTreeMap<ProfileName, Profile>,
    home: &AgentsHome,
) -> Result<Compiled, ProfileError> {
    let compile = |(name, profile): (&ProfileName, &Profile)| {
        let sampler = Sampler::new(profile.clone(), home.clone())?;
        Ok((name.clone(), Arc::new(sampler)))
    };
    profiles.iter().map(compile).collect()
}
