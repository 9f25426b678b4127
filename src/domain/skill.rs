//! A skill: a markdown file that says what is wanted and within which constraints.

use serde::{Deserialize, Serialize};

use crate::domain::SkillName;

/// One skill, as it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skill {
    /// Its name: the file's stem, or the folder's of a `SKILL.md`.
    pub name: SkillName,
    /// What it is for, from the front matter; empty if that does not say.
    pub description: String,
    /// What the agent reads, byte for byte as in the file, without the front matter.
    pub body: String,
    /// SHA-256 of the body in hex: recorded with each dispatch.
    pub digest: String,
    /// Where it was found.
    pub source: SkillSource,
}

/// Where a skill was found, in the order of lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SkillSource {
    /// The operator's config folder.
    Operator,
    /// The project's `.pointsman/skills`, as it stands on the default branch.
    Project,
    /// Embedded in the binary.
    Shipped,
}

impl std::fmt::Display for SkillSource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Operator => "operator",
            Self::Project => "project",
            Self::Shipped => "shipped",
        })
    }
}
