//! Files -> typed settings, projects, workflows, profiles and skills (layer 2).
//!
//! Text goes in, a typed value or *all* problems of the file come out, each with its line and a caret. Only `load` touches
//! the disk; nothing here reads a clock or the environment. Absent on purpose: defaults that depend on the machine, and warnings.
//! What a file says holds or stops the file; on reload the last good one stays in force.

mod assemble;
mod graph;
mod lint;
mod load;
mod problem;
mod profile;
mod project;
mod settings;
mod sheet;
pub mod shipped;
mod skill;
mod table;
mod value;
mod workflow;
mod workflow_check;

use std::collections::BTreeMap;

use crate::domain::{
    Profile, ProfileName, Project, ProjectName, Settings, Skill, SkillName, Workflow,
};

pub use assemble::{Files, Found, Names, assemble};
pub use graph::graph;
pub use lint::{Finding, HEADINGS, lint};
pub use load::{Stamp, load, reload, stamp};
pub use problem::{Problem, Problems};
pub use profile::parse as parse_profile;
pub use project::{
    Folder, PROTECTED_DEFAULT, Surroundings, WORKFLOW_DEFAULT, parse as parse_project,
};
pub use settings::parse as parse_settings;
pub use sheet::{FILE_BYTES_MAX, text_of};
pub use skill::{
    SKILL_BYTES_MAX, lookup as lookup_skill, name_of as skill_name_of, parse as parse_skill,
};
pub(crate) use value::duration;
pub use workflow::{BUILT_IN_GATES, parse as parse_workflow};
pub use workflow_check::{Mismatch, check_against};

/// All that the files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The installation's own settings.
    pub settings: Settings,
    /// The projects.
    pub projects: BTreeMap<ProjectName, Project>,
    /// The workflows, by file name.
    pub workflows: BTreeMap<String, Workflow>,
    /// The agent profiles.
    pub profiles: BTreeMap<ProfileName, Profile>,
    /// The operator's and the shipped skills; a project's own are looked up per dispatch.
    pub skills: BTreeMap<SkillName, Skill>,
}

impl Config {
    /// Returns the workflow a project walks.
    pub fn workflow_of(&self, project: &Project) -> Option<&Workflow> {
        self.workflows.get(&project.workflow)
    }
}

/// The outcome of reading the files again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reload {
    /// What holds now.
    pub config: Config,
    /// What is wrong with the files whose last good version stays in force.
    pub problems: Option<Problems>,
}
