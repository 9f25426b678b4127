//! What an agent was seen to do without a person: the record that `pointsman agent check` leaves.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::ProfileName;

/// A step that every task takes, in the order of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckStep {
    /// Read the brief.
    Read,
    /// Write a file into the tree.
    Write,
    /// Commit it.
    Commit,
    /// Run a report verb.
    Report,
}

impl CheckStep {
    /// All of them, in the order of a task.
    pub const ALL: [Self; 4] = [Self::Read, Self::Write, Self::Commit, Self::Report];

    /// Returns its word, as profiles and tables write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Commit => "commit",
            Self::Report => "report",
        }
    }
}

impl fmt::Display for CheckStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What became of one step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "is")]
pub enum CheckResult {
    /// It was done without a person.
    Works,
    /// The agent asks a person first.
    Asks {
        /// The dialog, as the screen words it.
        dialog: String,
    },
    /// It was not done.
    Fails {
        /// The agent's words, or ours.
        why: String,
    },
    /// An earlier step stopped the rehearsal.
    NotReached,
    /// It is not part of this project's work.
    NotTried {
        /// Why not.
        why: String,
    },
}

/// One rehearsal: valid for this very profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The agent's profile.
    pub profile: ProfileName,
    /// SHA-256 of the profile as it was: another one was not rehearsed.
    pub digest: String,
    /// What the program said of its version, if it says one.
    pub version: Option<String>,
    /// Each step's result.
    pub steps: BTreeMap<CheckStep, CheckResult>,
}

impl Checked {
    /// Returns the step that an agent cannot take without a person, if there is one.
    pub fn stopped_at(&self) -> Option<(CheckStep, &CheckResult)> {
        let stops = |result: &&CheckResult| {
            matches!(result, CheckResult::Asks { .. } | CheckResult::Fails { .. })
        };
        let mut steps = self.steps.iter();
        steps.find_map(|(step, result)| Some((*step, Some(result).filter(stops)?)))
    }
}

/// How a rehearsal came to its end; what was done until then is looked at in the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ended")]
pub enum Rehearsed {
    /// The agent reported `done`.
    Done,
    /// It reported `fail`.
    Refused {
        /// Its words.
        why: String,
    },
    /// It went idle without a word.
    Silent,
    /// A dialog is open.
    Asks,
}
