//! The git objects that a set of anchors asks about, read from the mirror before they are checked.

use std::collections::BTreeMap;
use std::path::Path;

use crate::domain::Subject;
use crate::machine::anchor::{Anchor, Tree};
use crate::repo::{GrepLimits, Mirror, RepoError};

/// What one commit says to a set of anchors. The file system is never asked.
#[derive(Debug, Default)]
pub struct Objects {
    files: BTreeMap<String, Vec<u8>>,
    found: BTreeMap<String, Vec<(String, u32)>>,
    refs: Vec<String>,
}

impl Objects {
    /// Reads what `anchors` name at `commit`.
    pub async fn load(mirror: &Mirror, commit: &Subject, anchors: &[Anchor]) -> Result<Self, RepoError> {
        let mut objects = Self { refs: mirror.list_refs().await?.into_iter().map(|one| one.name).collect(), ..Self::default() };
        for anchor in anchors {
            if let Some(path) = anchor.path() {
                if let Some(bytes) = mirror.file_at(commit, Path::new(path)).await? {
                    objects.files.insert(path.to_owned(), bytes);
                }
            }
            if let Some(text) = anchor.needle() {
                let hits = mirror.grep_fixed(commit, text, &GrepLimits::default()).await?;
                let places = hits.matches.into_iter().map(|hit| (hit.path, hit.line)).collect();
                objects.found.insert(text.to_owned(), places);
            }
        }
        Ok(objects)
    }
}

impl Tree for Objects {
    fn file(&self, path: &str) -> Option<Vec<u8>> {
        self.files.get(path).cloned()
    }

    fn grep(&self, text: &str) -> Vec<(String, u32)> {
        self.found.get(text).cloned().unwrap_or_default()
    }

    fn has_ref(&self, name: &str) -> bool {
        self.refs.iter().any(|known| known == name || known.ends_with(&format!("/{name}")))
    }
}
