//! One brief for one labelling, and the texts typed for it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Actor, Basis, CommentId, DeliveryId, DispatchId, Evidence, IssueId, IssueNumber, Label,
    LabelEventId, Next, Pane, Post, ProfileName, RepoId, Report, ReportId, Stage, Stall, Subject,
    Window,
};

/// One act of setting a routing label: the unit of request (PROTOCOLS 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelling {
    /// The repository at that moment.
    pub repo: RepoId,
    /// The issue's own id.
    pub issue_id: IssueId,
    /// The number people use.
    pub issue: IssueNumber,
    /// The routing label.
    pub label: Label,
    /// The event that set it. Never invented.
    pub event: LabelEventId,
    /// Who set it.
    pub by: Actor,
    /// When, by the tracker's clock.
    pub at: Timestamp,
    /// The event that removed the park label since: the same labelling, asked for once more.
    pub again: Option<LabelEventId>,
}

impl Labelling {
    /// Returns the key that a claim is made of.
    pub fn key(&self) -> String {
        let again = self
            .again
            .as_ref()
            .map_or(String::new(), |event| format!("+{event}"));
        format!("{}/{}/{}{again}", self.repo, self.issue_id, self.event)
    }
}

/// The last labelling or `approve` by a trusted person in an issue's walk; later stages inherit it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Who.
    pub by: Actor,
    /// When, by the tracker's clock.
    pub at: Timestamp,
    /// SHA-256 of the title and body they approved.
    pub text: String,
}

/// What opened a dispatch, all that was decided: replay needs no configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opening {
    /// The dispatch's id.
    pub id: DispatchId,
    /// Why it was opened.
    pub basis: Basis,
    /// The stage's row as it was; an errand's own, which asks for nothing and leads nowhere.
    pub stage: Stage,
    /// The workflow file's digest.
    pub workflow: String,
    /// 1 for the first.
    pub attempt: u32,
    /// 1 for the first.
    pub round: u32,
    /// Where the brief goes.
    pub window: Window,
    /// Which agent program.
    pub profile: ProfileName,
    /// Whose allowance it spends.
    pub account: String,
    /// The issue's title, for words.
    pub title: String,
    /// SHA-256 of the skill's body.
    pub skill_digest: String,
    /// SHA-256 of the report secret; the brief alone has the secret.
    pub secret_hash: String,
    /// The branch the stage works on, in a git project.
    pub branch: Option<String>,
    /// The commit a checker stands on: the maker's evidence.
    pub subject: Option<Subject>,
    /// Paths that the work of a stage with commits was to change, as its issue and its spec said then.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub touches: Vec<String>,
}

/// A dispatch as the fold knows it.
#[expect(
    clippy::struct_excessive_bools,
    reason = "four facts that do not exclude each other"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    /// What opened it.
    pub opening: Opening,
    /// When.
    pub opened_at: Timestamp,
    /// Where it stands.
    pub phase: Phase,
    /// Whether the tree stands where the next delivery needs it.
    pub prepared: bool,
    /// The commit its tree stood on when it was prepared.
    pub base: Option<Subject>,
    /// Tips of every ref at that moment: what is reachable from them is not this dispatch's work.
    pub known: Vec<Subject>,
    /// Where the brief was typed.
    pub pane: Option<Pane>,
    /// The conversation it was typed into.
    pub context: Option<String>,
    /// Its deliveries, oldest first.
    pub deliveries: Vec<DeliveryId>,
    /// Deliveries that were proven not to have been typed, in a row.
    pub undelivered: u32,
    /// When the brief was confirmed.
    pub confirmed_at: Option<Timestamp>,
    /// For how long its agent was watched at its work, up to the last mark.
    #[serde(default)]
    pub observed: jiff::SignedDuration,
    /// The report that is being judged, or the last one.
    pub report: Option<Report>,
    /// Evidence collected for the report, newest last.
    pub evidence: Vec<Evidence>,
    /// The gate that was started and has no result yet.
    pub running: Option<String>,
    /// Whether its agent said that the brief arrived.
    pub acked: bool,
    /// Whether the one nudge was spent.
    pub nudged: bool,
    /// A question, until its answer is with the agent.
    pub asked: Option<Question>,
    /// Whether the park label on its issue may be ours: set for a question, not yet taken off.
    pub park_label: bool,
    /// The replies that were taken for it, newest last.
    #[serde(default)]
    pub taken: Vec<Taken>,
    /// What its agent had written on the tracker, oldest first.
    pub posts: Vec<Posted>,
    /// What stops it for the moment.
    pub stalled: Option<Stall>,
    /// Whether the answer, the brief and the window were cleared away after the end.
    pub tidied: bool,
}

impl Dispatch {
    /// Returns its id.
    pub fn id(&self) -> &DispatchId {
        &self.opening.id
    }

    /// Returns its issue; what the clock asked for has none.
    pub fn issue(&self) -> Option<IssueNumber> {
        self.opening.issue()
    }

    /// Returns where the default branch stood when its tree was prepared: of the tips that are known then, it is told first.
    pub fn began(&self) -> Option<&Subject> {
        self.known.first()
    }

    /// Returns what it is about, in words.
    pub fn about(&self) -> String {
        self.opening.about()
    }

    /// Returns whether it ended because its labelling no longer holds.
    pub fn is_withdrawn(&self) -> bool {
        matches!(
            self.phase,
            Phase::Closed {
                cause: Cause::Withdrawn { .. },
                ..
            }
        )
    }

    /// Returns whether it is still open.
    pub fn is_open(&self) -> bool {
        !matches!(self.phase, Phase::Closed { .. })
    }

    /// Returns whether a person is asked and has not replied: it keeps its session and its tree then, and nothing else.
    pub fn waits_for_a_person(&self) -> bool {
        let unanswered = |asked: &Question| asked.replies.is_empty();
        self.is_open() && self.asked.as_ref().is_some_and(unanswered)
    }
}

/// A question of the agent's, from its report until the answer is with the agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// The report that asked.
    pub report: ReportId,
    /// What is asked.
    pub text: String,
    /// Its comment, once it is on the issue: only what comes after it is a reply.
    pub comment: Option<CommentId>,
    /// What trusted people replied, oldest first.
    pub replies: Vec<Reply>,
    /// How many of them the newest delivery of an answer has.
    pub told: usize,
}

/// A post of a dispatch's agent, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Posted {
    /// What was to be written, by whom, where.
    pub post: Post,
    /// Absent while it is not known to be there.
    pub answer: Option<Answer>,
}

/// What a trusted person said after a question.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Where it stands.
    pub comment: CommentId,
    /// Who.
    pub by: Actor,
    /// When, by the tracker's clock.
    pub at: Timestamp,
    /// Markdown.
    pub body: String,
}

/// What is remembered of a reply that was taken: enough to see that it was edited since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Where it stands.
    pub comment: CommentId,
    /// The comment of the question that it answers.
    pub question: CommentId,
    /// Who.
    pub by: Actor,
    /// SHA-256 of the words that were taken, in hex.
    pub digest: String,
}

/// Where a dispatch stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// The brief is not yet proven to be there.
    Delivering,
    /// The agent has it.
    Working,
    /// A report is being judged.
    Judging,
    /// It ended.
    Closed {
        /// Why.
        cause: Cause,
        /// When.
        at: Timestamp,
    },
}

/// Why a dispatch ended. Every ending names its cause.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "cause")]
pub enum Cause {
    /// The gates hold.
    Verified {
        /// What they were measured on.
        subject: Option<Subject>,
        /// Whether the agent said so, or we found out.
        reported: bool,
    },
    /// A failing verdict: the issue goes back.
    Rework {
        /// The findings, for the next round's brief.
        findings: String,
    },
    /// The agent said so, or it went idle with red gates after one nudge.
    Failed {
        /// Its words or the gates'.
        why: String,
    },
    /// It took longer than the stage allows.
    TimedOut,
    /// Its session is gone and nothing shows that the brief arrived.
    Lost {
        /// What is gone.
        why: String,
    },
    /// Its labelling no longer holds.
    Withdrawn {
        /// Who, as far as the tracker says.
        by: String,
        /// What changed.
        why: String,
    },
    /// A person has it.
    Parked {
        /// Why.
        why: String,
    },
}

impl Cause {
    /// Returns whether the attempt counts and another may follow.
    pub fn ends_the_attempt(&self) -> bool {
        matches!(
            self,
            Self::Failed { .. } | Self::TimedOut | Self::Lost { .. }
        )
    }

    /// Returns one word for surfaces and metrics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Verified { .. } => "verified",
            Self::Rework { .. } => "rework",
            Self::Failed { .. } => "failed",
            Self::TimedOut => "timed-out",
            Self::Lost { .. } => "lost",
            Self::Withdrawn { .. } => "withdrawn",
            Self::Parked { .. } => "parked",
        }
    }
}

/// A text typed into a session, from the plan to its verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Delivery {
    /// Its own id, never reused.
    pub id: DeliveryId,
    /// The dispatch it belongs to.
    pub dispatch: DispatchId,
    /// What it is for.
    pub purpose: Purpose,
    /// How it gets there.
    pub via: Via,
    /// The file's whole text. The ledger keeps it; the file is removed with the dispatch.
    pub text: String,
    /// SHA-256 of `text`.
    pub digest: String,
    /// SHA-256 of the issue's title and body as the text quotes them: compared right before the paste.
    pub issue_text: String,
    /// How long reading what the text says took, in milliseconds: tracker, git objects, the project's commands.
    #[serde(default)]
    pub ms: u64,
    /// How far it is.
    pub step: DeliveryStep,
    /// When the current step began.
    pub since: Timestamp,
    /// When the line was first submitted.
    pub submitted_at: Option<Timestamp>,
    /// What the paste guard proved, needed by later guards.
    pub composer: Option<Composer>,
    /// Where the receipts' sources ended before the line was submitted.
    pub baseline: String,
}

impl Delivery {
    /// Returns the line that is typed (PROTOCOLS 3): ASCII, at most 72 columns, names the file and the id.
    pub fn line(&self) -> String {
        line_of(&self.id)
    }
}

/// Returns the line of a delivery.
pub fn line_of(id: &DeliveryId) -> String {
    format!("Task {id}: read .pointsman/briefs/{id}.md and follow it.")
}

/// What a delivery is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Purpose {
    /// The dispatch's brief.
    Brief,
    /// What is missing, once.
    Nudge,
    /// A person's answer to a question.
    Answer,
    /// The labelling no longer holds: stop, leave the tree as it is.
    Stop,
    /// The agent's provider failed: go on.
    Resume,
}

/// How a delivery gets into the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Via {
    /// Pasted into the composer.
    Paste,
    /// As launch argument of a fresh agent.
    Launch,
}

/// The composer as it was proven at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Composer {
    /// Cursor column.
    pub x: u16,
    /// Cursor row.
    pub y: u16,
    /// Pane width.
    pub width: u16,
    /// Pane height.
    pub height: u16,
}

/// How far a delivery is. An intent without outcome is *unknown* and is resolved by looking.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "step")]
pub enum DeliveryStep {
    /// Decided; nothing done.
    Planned,
    /// The file is written and read back.
    Staged,
    /// The paste is about to happen, or happened.
    PasteIntended,
    /// The line is in the composer, as far as tmux says.
    Pasted,
    /// The launch is about to happen, or happened.
    LaunchIntended,
    /// Enter is about to be sent for the nth time, or was.
    EnterIntended {
        /// 1 for the first.
        n: u8,
    },
    /// Enter was sent `n` times (0: the launch argument); receipts were looked for `waits` times.
    Submitted {
        /// How often Enter was sent.
        n: u8,
        /// How many waits ended without a receipt.
        waits: u8,
    },
    /// It ended.
    Settled {
        /// How.
        verdict: Verdict,
        /// What shows it.
        witness: String,
    },
}

/// How a delivery ended (facts/terminal.md 3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Evidence from the agent's side contains this delivery's id.
    Confirmed,
    /// The agent said it will take it later.
    Queued,
    /// Submitted, no receipt: never sent again by itself.
    Unconfirmed,
    /// The line is or was in the composer and was not submitted.
    TypedNotSubmitted,
    /// Proven: nothing was typed. The only one that is delivered anew by itself.
    NotDelivered,
}

impl Verdict {
    /// Returns the word of every surface.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::Queued => "queued",
            Self::Unconfirmed => "unconfirmed",
            Self::TypedNotSubmitted => "typed_not_submitted",
            Self::NotDelivered => "not_delivered",
        }
    }
}

/// A verified move between stages, written by us (PROTOCOLS 6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Which issue.
    pub issue: IssueNumber,
    /// From this routing label.
    pub from: Label,
    /// To this one, or to the end.
    pub to: Next,
    /// The dispatch whose gates hold, if it rests on one.
    pub dispatch: Option<DispatchId>,
    /// The highest label event known when it was intended: own events are newer.
    pub after: Option<LabelEventId>,
    /// Whether it opens another round.
    pub rework: bool,
    /// When it was intended.
    pub at: Timestamp,
    /// Reads of the unchanged state `{old}` since a lost POST, with the time of the first.
    pub unchanged_since: Option<Timestamp>,
    /// How far it is.
    pub step: TransitionStep,
}

/// How far a transition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TransitionStep {
    /// Nothing was written, as far as we know: labels are read first unless the intent is our own and fresh.
    Intended,
    /// The new label was set.
    Added,
    /// The old one was removed; read back next.
    Removed,
}

/// How a transition ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "outcome")]
pub enum Settled {
    /// The label moved; the event that set the new one is ours.
    Moved {
        /// The own event, absent when the walk ended.
        event: Option<LabelEventId>,
    },
    /// Somebody else moved it meanwhile: theirs stands.
    Overridden {
        /// Who, as far as the tracker says.
        by: String,
        /// The labels found.
        found: Vec<Label>,
    },
}

/// The answer to a report, as its file says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// To which report.
    pub report: ReportId,
    /// Whether the work was accepted.
    pub accepted: bool,
    /// What the agent reads.
    pub text: String,
}
