//! What the engine asks the daemon to do, and what came of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Actor, Answer, Closing, CommentId, Composer, Delivery, DeliveryId, Dispatch, DispatchId,
    Evidence, GateName, Hold, IssueNumber, Label, LabelEvent, Marker, Note, Opening, Pane, Post,
    Pull, PullPlan, Rehearsed, Report, ReportId, Reserved, Role, Sighting, Spec, Statement,
    Subject, Window,
};

/// Numbers effects of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub u64);

/// One thing to do in the world. Each is safe to ask for once its intent is acknowledged.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
pub enum Action {
    /// Puts the window's clean tree where the stage needs it and lists the refs that exist.
    PrepareTree { dispatch: Box<Dispatch> },
    /// Writes the facts block and the whole text of the brief.
    Compose {
        dispatch: Box<Dispatch>,
        delivery: DeliveryId,
        ground: Box<Ground>,
    },
    /// Writes the delivery's file and reads it back.
    Stage { delivery: Box<Delivery> },
    /// Reads the issue again and, if nothing changed, pastes the line under guard G1.
    Paste {
        dispatch: Box<Dispatch>,
        delivery: Box<Delivery>,
        pane: Pane,
    },
    /// Starts a fresh agent with the line as its argument.
    Launch {
        dispatch: Box<Dispatch>,
        delivery: Box<Delivery>,
    },
    /// Starts a fresh agent and waits until it is proven idle.
    OpenWindow { dispatch: Box<Dispatch> },
    /// Waits until the line is seen in the composer.
    Echo { delivery: Box<Delivery>, pane: Pane },
    /// Sends Enter under guard G2; `late` reads the issue again first.
    Enter {
        dispatch: Box<Dispatch>,
        delivery: Box<Delivery>,
        pane: Pane,
        n: u8,
        late: bool,
    },
    /// Clears our own line, wanted no more, under guard G2, and reads the composer back.
    Clear {
        dispatch: Box<Dispatch>,
        delivery: Box<Delivery>,
        pane: Pane,
    },
    /// Waits for a receipt until then.
    AwaitReceipt {
        delivery: Box<Delivery>,
        pane: Pane,
        until: Timestamp,
    },
    /// Looks what a delivery of unknown outcome left behind.
    Inspect {
        delivery: Box<Delivery>,
        pane: Option<Pane>,
    },
    /// Measures one gate.
    Gate {
        dispatch: Box<Dispatch>,
        gate: GateName,
        report: Box<Report>,
        ground: Box<Ground>,
    },
    /// Pushes the dispatch's branch, never by force.
    Push {
        dispatch: Box<Dispatch>,
        branch: String,
        subject: Subject,
    },
    /// Opens the branch's pull request, or brings the one there is up to date; `known` is its number, if it was ever told.
    KeepPull {
        dispatch: Box<Dispatch>,
        plan: Box<PullPlan>,
        known: Option<IssueNumber>,
    },
    /// Takes an issue out of the workflow: one comment that says why, and its routing labels go, but for those set since that closing.
    Leave {
        issue: IssueNumber,
        labels: Vec<Label>,
        why: String,
        closing: Closing,
    },
    /// Puts a comment on the issue once.
    Publish {
        dispatch: DispatchId,
        issue: IssueNumber,
        what: Publish,
    },
    /// Writes on the tracker what an agent asked for; `again` looks first whether it is there.
    Post {
        post: Box<Post>,
        issue: Option<IssueNumber>,
        again: bool,
    },
    /// Writes the answer to a report.
    Answer { answer: Answer, window: Window },
    /// Clears away brief, answer and window of a closed dispatch.
    Tidy {
        dispatch: Box<Dispatch>,
        answer: Option<Answer>,
        /// Those whose logs are still needed.
        open: Vec<DispatchId>,
    },
    /// Looks which steps of a rehearsal are to be seen in the tree, and what the window shows.
    Survey {
        dispatch: Box<Dispatch>,
        ended: Rehearsed,
    },
    /// Sends the agent's interrupting key once, under a guard.
    Interrupt { pane: Pane },
    /// Sets the new label of a transition.
    AddLabel { issue: IssueNumber, label: Label },
    /// Removes the old one.
    RemoveLabel { issue: IssueNumber, label: Label },
    /// Reads labels and label events.
    ReadLabels { issue: IssueNumber },
    /// Closes the issue after its routing label was removed.
    CloseIssue { issue: IssueNumber },
    /// Moves the default branch to the subject: by the pull request, if there is one, else from here.
    Merge {
        issue: IssueNumber,
        pull: Option<IssueNumber>,
        subject: Subject,
    },
    /// Writes the issue's status comment: edits the one that is there, else makes it.
    State { statement: Box<Statement> },
    /// Tell a person something by one comment of its own.
    Tell {
        /// What.
        note: Note,
    },
    /// Hands the issue to a person: one comment, one label.
    Park {
        issue: IssueNumber,
        label: Label,
        why: String,
    },
}

impl Action {
    /// Returns one word for logs.
    pub fn word(&self) -> &'static str {
        match self {
            Self::PrepareTree { .. } => "prepare-tree",
            Self::Compose { .. } => "compose",
            Self::Stage { .. } => "stage",
            Self::Paste { .. } => "paste",
            Self::Launch { .. } => "launch",
            Self::OpenWindow { .. } => "open-window",
            Self::Echo { .. } => "echo",
            Self::Enter { .. } => "enter",
            Self::Clear { .. } => "clear",
            Self::AwaitReceipt { .. } => "await-receipt",
            Self::Inspect { .. } => "inspect",
            Self::Gate { .. } => "gate",
            Self::Push { .. } => "push",
            Self::KeepPull { .. } => "keep-pull",
            Self::Leave { .. } => "leave",
            Self::Publish { .. } => "publish",
            Self::Post { .. } => "post",
            Self::Answer { .. } => "answer",
            Self::Tidy { .. } => "tidy",
            Self::Survey { .. } => "survey",
            Self::Interrupt { .. } => "interrupt",
            Self::AddLabel { .. } => "add-label",
            Self::RemoveLabel { .. } => "remove-label",
            Self::ReadLabels { .. } => "read-labels",
            Self::CloseIssue { .. } => "close-issue",
            Self::Merge { .. } => "merge",
            Self::State { .. } => "state",
            Self::Tell { .. } => "tell",
            Self::Park { .. } => "park",
        }
    }

    /// Returns the dispatch it belongs to, if it belongs to one.
    pub fn dispatch(&self) -> Option<&DispatchId> {
        match self {
            Self::PrepareTree { dispatch }
            | Self::Compose { dispatch, .. }
            | Self::Paste { dispatch, .. }
            | Self::Launch { dispatch, .. }
            | Self::OpenWindow { dispatch }
            | Self::Enter { dispatch, .. }
            | Self::Clear { dispatch, .. }
            | Self::Gate { dispatch, .. }
            | Self::Push { dispatch, .. }
            | Self::KeepPull { dispatch, .. }
            | Self::Survey { dispatch, .. }
            | Self::Tidy { dispatch, .. } => Some(dispatch.id()),
            Self::Stage { delivery }
            | Self::Echo { delivery, .. }
            | Self::AwaitReceipt { delivery, .. }
            | Self::Inspect { delivery, .. } => Some(&delivery.dispatch),
            Self::Publish { dispatch, .. } => Some(dispatch),
            Self::Answer { .. }
            | Self::Interrupt { .. }
            | Self::Post { .. }
            | Self::AddLabel { .. }
            | Self::RemoveLabel { .. }
            | Self::ReadLabels { .. }
            | Self::CloseIssue { .. }
            | Self::Merge { .. }
            | Self::Leave { .. }
            | Self::State { .. }
            | Self::Tell { .. }
            | Self::Park { .. } => None,
        }
    }
}

/// What the fold knows that a brief or a gate needs beyond the dispatch itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ground {
    /// The recorded spec.
    pub spec: Option<Spec>,
    /// What the last round or attempt failed on.
    pub failed_on: Option<String>,
    /// Other issues in flight in this repository: number, stage, title.
    pub in_flight: Vec<(IssueNumber, Label, String)>,
    /// What earlier stages were warned of, a line each: stage, gate, commit, what it says.
    #[serde(default)]
    pub warned: Vec<String>,
    /// The commit of this issue that was verified last.
    pub verified: Option<Subject>,
    /// Where the default branch stood when the work on the issue's branch began.
    #[serde(default)]
    pub began: Option<Subject>,
    /// Commits that are already evidence of other issues.
    pub taken: Vec<(IssueNumber, Subject)>,
    /// Whether a person approved this stage.
    pub approved: bool,
    /// The pull request of the issue's branch.
    #[serde(default)]
    pub pull: Option<IssueNumber>,
    /// Why the text is written.
    pub purpose: Option<crate::domain::Purpose>,
    /// A text for the session: what is missing, the answer, or why to stop.
    pub message: Option<String>,
}

/// What is put on an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Publish {
    /// A spec that passed its gate.
    Spec(Spec),
    /// An agent's question; the label says on the issue that a person is needed.
    Question {
        /// The report that asked: one comment each.
        report: ReportId,
        /// What is asked.
        text: String,
        /// The park label.
        label: Label,
    },
}

/// A text that no log shows: a brief has its dispatch's secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Confidential(pub String);

impl std::fmt::Debug for Confidential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "[{} bytes]", self.0.len())
    }
}

/// What came of an action. The outside fails as data.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
pub enum Outcome {
    /// The tree is ready.
    Prepared {
        base: Option<Subject>,
        known: Vec<Subject>,
    },
    /// The brief's text, and how long reading what it says took, in milliseconds.
    Composed {
        text: Confidential,
        digest: String,
        issue_text: String,
        ms: u64,
    },
    /// The file is there.
    Staged,
    /// tmux took the paste.
    Pasted { baseline: String },
    /// Nothing was typed, proven.
    NotTyped { why: String },
    /// The request no longer holds; nothing was typed.
    NoLongerWanted { by: String, why: String },
    /// What the spec rests on is not in the tree any more, with what was looked at; nothing was written.
    Unfounded { claims: Vec<String>, at: Subject },
    /// The window is there and idle, or was launched with the line.
    Opened {
        pane: Pane,
        context: String,
        baseline: String,
    },
    /// The line is in the composer.
    Echoed { composer: Composer },
    /// The line is not to be seen.
    NotEchoed,
    /// tmux took the Enter.
    Entered,
    /// The guard refused the Enter.
    NotEntered { why: String },
    /// The line was cleared, and the composer is empty.
    Cleared,
    /// It may still be there: the guard refused, or the key did not clear it.
    NotCleared { why: String },
    /// A receipt with the delivery's id.
    Receipt { witness: String },
    /// The agent says that it has the line, in its queue.
    Queued { witness: String },
    /// No receipt in the time given.
    NoReceipt { in_composer: bool },
    /// What a look found.
    Found(Finding),
    /// A gate was measured.
    Measured(Evidence),
    /// What a rehearsal left in the tree; `dialog` while the window asks for a person.
    Surveyed {
        written: bool,
        committed: bool,
        dialog: Option<String>,
        version: Option<String>,
    },
    /// The interrupting key was sent.
    Interrupted,
    /// It was not, and that is proven.
    NotInterrupted { why: String },
    /// It was done, or was so already.
    Done,
    /// What an agent asked for is on the tracker; an issue has its number.
    Posted { issue: Option<IssueNumber> },
    /// The tracker does not take it, today or tomorrow.
    NotPosted { why: String },
    /// The status comment is there, with that marker line too.
    Stated {
        comment: CommentId,
        marker: Option<Box<Marker>>,
        /// The highest round of dispatches that a ledger before this one had opened for the issue; 0 if there is none.
        round: u32,
    },
    /// The issue bears a marker line that this ledger cannot account for; nothing was written.
    Sighted(Sighting),
    /// A comment is there.
    Commented { comment: Option<CommentId> },
    /// Labels and label events, oldest first, and what the accounts in question may do.
    Labels {
        labels: Vec<Label>,
        open: bool,
        events: Vec<LabelEvent>,
        roles: BTreeMap<Actor, Role>,
    },
    /// The pull request is there, and so it stands.
    PullKept { pull: Pull },
    /// The default branch's name after a merge.
    Merged { into: String },
    /// It cannot be merged as it is: trying again changes nothing.
    NotMerged { why: String },
    /// Nothing was done: something that only a person can clear away is in the way; look again after that.
    Held { hold: Hold, until: Timestamp },
    /// The work touches what is not an agent's to change: nothing was pushed. By whose the changed files are.
    Reserved { found: Vec<Reserved> },
    /// The outside said no, and a person can end that: not done; try again after that.
    Refused {
        why: String,
        hint: String,
        until: Timestamp,
    },
    /// A passing fault of the outside: whether it happened is unknown; look again after that.
    Failed { why: String, until: Timestamp },
}

/// What a look at an unknown delivery found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
pub enum Finding {
    /// Same server, same process, no trace: proven not typed.
    NoTrace,
    /// The line is in the composer.
    InComposer { composer: Composer, enters: u8 },
    /// Typed, and not to be seen now.
    Typed { enters: u8 },
    /// A receipt.
    Receipt { witness: String },
    /// The agent says that it has the line, in its queue.
    Queued { witness: String },
    /// Another server or process: the composer is gone.
    PaneGone,
    /// It runs in this pane: a launch that was not recorded.
    Launched {
        pane: Pane,
        context: String,
        baseline: String,
    },
}

/// What a person or a verb asks of the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "ask")]
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
pub enum Request {
    /// `pointsman approve <n>`.
    Approve { issue: IssueNumber, by: String },
    /// `pointsman deny <n> <why>`: the work waits for a person, and goes back with their words.
    Deny {
        issue: IssueNumber,
        by: String,
        why: String,
    },
    /// `pointsman pause`.
    Pause { by: String },
    /// `pointsman resume`.
    Resume { by: String },
    /// `pointsman ledger adopt`: a person takes over what was sighted.
    Adopt { by: String },
    /// `pointsman skill try`, `agent check`, `say`: the errand as it was found to be possible.
    Try { opening: Box<Opening> },
    /// `pointsman interrupt`: the agent in this pane is to stop what it does.
    Interrupt { by: String, pane: Pane },
    /// `pointsman route <n> <stage>`: a person's move by our hand.
    Route {
        issue: IssueNumber,
        to: Label,
        by: String,
    },
}
