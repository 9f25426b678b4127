//! Errands: dispatches that rest on no labelling. They move nothing on the tracker.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::domain::{Approval, IssueId, IssueNumber, Labelling, Opening, ProjectName, RepoId};

/// What a dispatch rests on.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all dispatches rest on a labelling, and openings are boxed"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// A labelling that a trusted person stands behind: a step on an issue's walk.
    Labelling {
        /// The request.
        labelling: Labelling,
        /// Whose word it rests on.
        approval: Approval,
    },
    /// A person's wish, or the clock.
    Errand(Errand),
}

/// A brief that is delivered once: no label, no attempt, no seat, no gates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Errand {
    /// `pointsman skill try`: a person looks what a skill does to an issue.
    Trial {
        /// Who.
        by: String,
        /// The repository at that moment.
        repo: RepoId,
        /// The issue's own id.
        issue_id: IssueId,
        /// The number people use.
        issue: IssueNumber,
    },
    /// `[[schedule]]`: a local time came. There is no issue.
    Due {
        /// For which project.
        project: ProjectName,
        /// The local day it belongs to, also when it is done late.
        on: Date,
        /// When it was due.
        at: Timestamp,
    },
    /// `pointsman agent check`: the agent rehearses what stages need of it. There is no issue.
    Check {
        /// Whose wish it is.
        by: String,
    },
    /// `pointsman say`: a person's own words, delivered once. There is no issue, and nothing is reported.
    Said {
        /// Who says it.
        by: String,
        /// The words.
        text: String,
    },
}

impl Errand {
    /// Returns the issue it is about, if it is about one.
    pub fn issue(&self) -> Option<IssueNumber> {
        match self {
            Self::Trial { issue, .. } => Some(*issue),
            Self::Due { .. } | Self::Check { .. } | Self::Said { .. } => None,
        }
    }

    /// Returns whether it counts toward the dispatches of a day: a person's word and a rehearsal do not.
    pub fn is_counted(&self) -> bool {
        matches!(self, Self::Trial { .. } | Self::Due { .. })
    }
}

impl Opening {
    /// Returns the request, if it rests on one.
    pub fn labelling(&self) -> Option<&Labelling> {
        match &self.basis {
            Basis::Labelling { labelling, .. } => Some(labelling),
            Basis::Errand(_) => None,
        }
    }

    /// Returns whose word it rests on, if it rests on a labelling.
    pub fn approval(&self) -> Option<&Approval> {
        match &self.basis {
            Basis::Labelling { approval, .. } => Some(approval),
            Basis::Errand(_) => None,
        }
    }

    /// Returns the errand, if it is one.
    pub fn errand(&self) -> Option<&Errand> {
        match &self.basis {
            Basis::Labelling { .. } => None,
            Basis::Errand(errand) => Some(errand),
        }
    }

    /// Returns the issue it is about; what the clock asked for has none.
    pub fn issue(&self) -> Option<IssueNumber> {
        match &self.basis {
            Basis::Labelling { labelling, .. } => Some(labelling.issue),
            Basis::Errand(errand) => errand.issue(),
        }
    }

    /// Returns what it is about, in words: the issue, or the skill that was due.
    pub fn about(&self) -> String {
        match &self.basis {
            Basis::Labelling { labelling, .. } => labelling.issue.to_string(),
            Basis::Errand(Errand::Trial { issue, .. }) => issue.to_string(),
            Basis::Errand(Errand::Due { .. }) => format!("the scheduled `{}`", self.stage.skill),
            Basis::Errand(Errand::Check { .. }) => "the rehearsal".to_owned(),
            Basis::Errand(Errand::Said { by, .. }) => format!("what {by} says"),
        }
    }
}
