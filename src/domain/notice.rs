//! What we say on an issue about ourselves: the status comment, and the marker lines in its hidden tail (PROTOCOLS 8 and 9).

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{DispatchId, IssueNumber, Opening};

/// How much the status comment of an issue says (`comment` in the project's file).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommentMode {
    /// Everything; the default where only invited people read.
    Full,
    /// No paths, sessions or logs; the default where everybody reads.
    Short,
    /// There is none, and no marker either.
    Off,
}

/// The ledger's word outside of the ledger: names a dispatch that a lost or restored ledger would lack. The HMAC is not kept: the
/// key makes it anew.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marker {
    /// The ledger's id.
    pub ledger: String,
    /// Its stream.
    pub project: String,
    /// The stream's newest version when it was written.
    pub seq: u64,
    /// The hash of that record, in hex.
    pub head: String,
    /// The labelling's key.
    pub labelling: String,
    /// 1 for the first.
    pub attempt: u32,
    /// The dispatch's round, 1 for the first; 0 in a line of before rounds were named.
    #[serde(default)]
    pub round: u32,
    /// The dispatch.
    pub dispatch: DispatchId,
}

/// A marker line of our own account that this ledger cannot have written, or does not remember.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "sighting")]
pub enum Sighting {
    /// Another ledger's, or one that another key signed: another daemon may work here.
    Other {
        /// The ledger that it names.
        ledger: String,
    },
    /// Our own, of a dispatch that the ledger lacks: it was restored, or lost its end.
    Ahead {
        /// The dispatch.
        dispatch: DispatchId,
    },
}

/// What a person took over with `ledger adopt`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// When last: label events by our own account that are older are nobody's approval.
    pub at: Option<Timestamp>,
    /// Ledgers whose markers stop nothing any more.
    pub ledgers: BTreeSet<String>,
    /// Dispatches that are known to be missing.
    pub dispatches: BTreeSet<DispatchId>,
    /// Issues whose marks were looked through since then: what they name of before is counted.
    pub recalled: BTreeSet<IssueNumber>,
}

impl Adopted {
    /// Returns whether a sighting was taken over.
    pub fn covers(&self, sighting: &Sighting) -> bool {
        match sighting {
            Sighting::Other { ledger } => self.ledgers.contains(ledger),
            Sighting::Ahead { dispatch } => self.dispatches.contains(dispatch),
        }
    }
}

/// A status comment as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// On which issue.
    pub issue: IssueNumber,
    /// What a person reads.
    pub text: String,
    /// The marker lines that are known, oldest first.
    pub markers: Vec<Marker>,
    /// What stops no write.
    pub adopted: Adopted,
    /// Whether nothing more is to be said after this.
    pub last: bool,
    /// A dispatch that is about to be delivered: its marker line is written now, whatever the pace.
    pub marks: Option<Box<Opening>>,
}

/// Something a person has to know: one comment of its own, because nobody is told that another one was edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// On this issue.
    pub issue: IssueNumber,
    /// What it is about: once each.
    pub key: String,
    /// The comment, in Markdown.
    pub text: String,
}
