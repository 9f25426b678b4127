//! What an agent says of its dispatch, and what gates make of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{DispatchId, GateName, IssueNumber, Label, LabelEventId, ReportId, Subject};

/// The largest text a report may carry in one field, in bytes (PROTOCOLS 4).
pub const REPORT_TEXT_BYTES_MAX: usize = 256 * 1024;

/// What an agent says. A hint: the gates decide.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The ulid of its spool file.
    pub id: ReportId,
    /// The dispatch it names.
    pub dispatch: DispatchId,
    /// What it says.
    pub verb: Verb,
    /// HEAD of the folder it was written in.
    pub head: Option<Subject>,
    /// Branch of that folder, unless detached.
    pub branch: Option<String>,
    /// `--spec`.
    pub spec: Option<String>,
    /// `--verdict`.
    pub verdict: Option<String>,
    /// `--note`, or the question of `ask`.
    pub note: Option<String>,
    /// Whether the secret was right and the spool the dispatch's own.
    pub proven: bool,
    /// The move that is taken for a report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Moved>,
    /// When it was received.
    pub at: Timestamp,
}

/// A routing label that was moved on while its dispatch was open, by the account that the agent shares (PROTOCOLS 7).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// To this routing label.
    pub to: Label,
    /// Whose account did it.
    pub by: String,
    /// The event that set it.
    pub event: LabelEventId,
}

/// The verbs of agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// The work is there.
    Done,
    /// It cannot be done.
    Fail,
    /// A person has to answer something.
    Ask,
    /// The brief arrived.
    Ack,
    /// Nobody said anything: we looked, because the agent went idle.
    Unreported,
    /// Nobody said anything: the label was moved on instead.
    Moved,
}

/// A spool file, as the verbs write it (`.pointsman/spool/<ulid>.json`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpoolFile {
    /// The format's version, 1.
    pub version: u32,
    /// `<dispatch>.<secret>`, as the brief prints it.
    pub token: String,
    /// What is said.
    #[serde(flatten)]
    pub said: Said,
    /// HEAD of the working folder.
    #[serde(default)]
    pub head: Option<String>,
    /// Its branch.
    #[serde(default)]
    pub branch: Option<String>,
}

/// What a spool file says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "verb")]
pub enum Said {
    /// `pointsman done`.
    Done {
        /// The text of `--spec`.
        #[serde(default)]
        spec: Option<String>,
        /// The text of `--verdict`.
        #[serde(default)]
        verdict: Option<String>,
        /// `--note`.
        #[serde(default)]
        note: Option<String>,
    },
    /// `pointsman fail`.
    Fail {
        /// Why.
        note: String,
    },
    /// `pointsman ask`.
    Ask {
        /// The question.
        question: String,
    },
    /// `pointsman ack`.
    Ack {
        /// The delivery that arrived.
        #[serde(default)]
        delivery: Option<String>,
    },
    /// `pointsman issue new --for`.
    Issue {
        /// One line.
        title: String,
        /// Markdown.
        body: String,
    },
    /// `pointsman issue comment --for`.
    Comment {
        /// Markdown.
        body: String,
    },
}

/// What an agent wants written on the tracker for its dispatch: `issue new --for`, `issue comment --for`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Post {
    /// The ulid of its spool file.
    pub id: ReportId,
    /// The dispatch it names.
    pub dispatch: DispatchId,
    /// What to write.
    pub what: Posting,
    /// Whether the secret was right and the spool the dispatch's own.
    pub proven: bool,
    /// When it was received.
    pub at: Timestamp,
}

/// What a post writes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "post")]
pub enum Posting {
    /// A new issue, without a label.
    Issue {
        /// One line.
        title: String,
        /// Markdown.
        body: String,
    },
    /// A comment on the dispatch's issue.
    Comment {
        /// Markdown.
        body: String,
    },
}

/// One gate's result, tied to what it was measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// Which gate.
    pub gate: GateName,
    /// What it was measured on; evidence for another subject is void.
    pub subject: Option<Subject>,
    /// Whether it holds.
    pub holds: bool,
    /// Whether its command failed and that is only a warning: it holds all the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub warned: bool,
    /// One sentence: what was found or what is missing.
    pub says: String,
    /// What a valid verdict wants changed: the issue goes back. Only the verdict gate sets it.
    pub findings: Option<String>,
    /// The exit status of a command, if one ran.
    pub exit: Option<i32>,
    /// SHA-256 of the log or of the text that was judged.
    pub digest: Option<String>,
    /// Where the log is kept.
    pub log: Option<String>,
    /// When it was measured.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub ms: u64,
}

impl Evidence {
    /// Returns how it stands, in a word or two.
    pub fn word(&self) -> &'static str {
        match (self.holds, self.warned) {
            (true, false) => "holds",
            (true, true) => "warns",
            (false, _) => "is red",
        }
    }
}

/// The typed verdict of a checker (`--verdict`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictFile {
    /// `pass` or `rework`.
    pub verdict: VerdictWord,
    /// Must be empty to pass.
    #[serde(default)]
    pub blockers: Vec<Finding>,
    /// Must be empty to pass.
    #[serde(default)]
    pub majors: Vec<Finding>,
    /// May stay.
    #[serde(default)]
    pub minors: Vec<Finding>,
    /// Every changed file the checker read.
    #[serde(default)]
    pub files_reviewed: Vec<String>,
    /// A paragraph.
    pub summary: String,
}

/// The word of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VerdictWord {
    /// Nothing that matters was found.
    Pass,
    /// Something has to change.
    Rework,
}

/// One finding of a checker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Finding {
    /// One line.
    pub title: String,
    /// `path:line`.
    #[serde(rename = "where", default)]
    pub place: String,
    /// What shows it.
    #[serde(default)]
    pub evidence: String,
}

/// A spec that passed its gate: later stages quote it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    /// Of which issue.
    pub issue: IssueNumber,
    /// The text as it was judged.
    pub text: String,
    /// Its SHA-256.
    pub digest: String,
}
