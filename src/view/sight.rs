//! What is known of the tracker and of the panes: seen by a running daemon, or remembered from when there was one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::words::age;
use crate::domain::{Head, IssueNumber, Observation};

/// What is known of the tracker and of the panes.
#[derive(Clone, Copy, Debug)]
pub enum Sight<'a> {
    /// Nobody ever looked.
    Nothing,
    /// What the last look left behind; nobody looks now, and nothing is known of the panes.
    Remembered(&'a Remembered),
    /// What the last cycle saw.
    Live(&'a Observation),
}

/// The heads that were stored, and how old they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What the tracker said last of each issue.
    pub heads: BTreeMap<IssueNumber, Head>,
    /// When it said so.
    pub at: Timestamp,
    /// Now: what its age is counted to.
    pub now: Timestamp,
}

impl Remembered {
    /// Says how old it is: `3h`.
    pub fn age(&self) -> String {
        age(self.at, self.now)
    }
}

impl<'a> Sight<'a> {
    /// Returns what an issue looked like, if it was ever seen.
    pub fn head(self, issue: IssueNumber) -> Option<&'a Head> {
        self.heads().and_then(|heads| heads.get(&issue))
    }

    pub(super) fn heads(self) -> Option<&'a BTreeMap<IssueNumber, Head>> {
        match self {
            Self::Nothing => None,
            Self::Remembered(remembered) => Some(&remembered.heads),
            Self::Live(seen) => Some(&seen.heads),
        }
    }

    pub(super) fn live(self) -> Option<&'a Observation> {
        match self {
            Self::Live(seen) => Some(seen),
            Self::Nothing | Self::Remembered(_) => None,
        }
    }

    pub(super) fn remembered(self) -> Option<&'a Remembered> {
        match self {
            Self::Remembered(remembered) => Some(remembered),
            Self::Nothing | Self::Live(_) => None,
        }
    }
}

impl<'a> From<Option<&'a Observation>> for Sight<'a> {
    fn from(seen: Option<&'a Observation>) -> Self {
        seen.map_or(Self::Nothing, Self::Live)
    }
}
