//! What the ledger says: past-tense facts. State is their fold, and nothing else.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{
    Actor, Answer, Approval, Basis, Cause, Checked, CommentId, Composer, Delivery, DeliveryId,
    DispatchId, Errand, Evidence, GateName, Hold, IssueNumber, Label, LabelEventId, Marker, Note,
    Opening, Pane, Post, Pull, PullEnd, Reply, Report, Settled, Sighting, SkillName, Spec, Subject,
    Transition, TransitionStep, Verdict,
};

/// One fact of a project's stream. Carries what was decided, so that replay needs no configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
#[expect(missing_docs, reason = "each variant's sentence names its fields")]
pub enum Event {
    /// The first cycle of a project: labels set before this do not start.
    ProjectAdded { added: Timestamp },
    /// An operator paused the project.
    ProjectPaused { by: String },
    /// An operator resumed it.
    ProjectResumed { by: String },
    /// An agent rehearsed what stages need of it.
    AgentChecked {
        dispatch: DispatchId,
        checked: Box<Checked>,
    },
    /// A person wants the agent to stop; its interrupting key is about to be sent, once.
    InterruptIntended { by: String, pane: Pane },
    /// It was sent; or the guard refused, and says why. Without this event nobody knows, and nothing is repeated.
    InterruptSettled { refused: Option<String> },
    /// The reasons not to act changed.
    HoldsChanged {
        #[serde(with = "pairs")]
        holds: BTreeMap<IssueNumber, Hold>,
    },
    /// The configured schedules changed: minutes after local midnight.
    SchedulesChanged { schedules: BTreeMap<SkillName, u16> },
    /// A labelling was claimed and a dispatch opened for it; or an errand was.
    DispatchOpened { opening: Box<Opening> },
    /// The working tree stands where the stage needs it.
    TreePrepared {
        dispatch: DispatchId,
        base: Option<Subject>,
        known: Vec<Subject>,
    },
    /// A step before the paste failed; nothing was typed.
    DispatchStalled {
        dispatch: DispatchId,
        why: String,
        until: Timestamp,
        /// What is a person's to clear away; else it failed. Older events have none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hold: Option<Hold>,
    },
    /// A text was written for the session.
    DeliveryPlanned { delivery: Box<Delivery> },
    /// Its file is there and reads back.
    BriefStaged { delivery: DeliveryId },
    /// The line is about to be pasted.
    PasteIntended {
        delivery: DeliveryId,
        pane: Pane,
        context: String,
    },
    /// tmux took the paste.
    LinePasted {
        delivery: DeliveryId,
        baseline: String,
    },
    /// A fresh agent is about to be started with the line.
    LaunchIntended { delivery: DeliveryId },
    /// It was started, and has the line.
    LineLaunched {
        delivery: DeliveryId,
        pane: Pane,
        context: String,
        baseline: String,
    },
    /// A fresh agent was started and is idle.
    WindowOpened {
        dispatch: DispatchId,
        pane: Pane,
        context: String,
    },
    /// Enter is about to be sent.
    EnterIntended {
        delivery: DeliveryId,
        n: u8,
        composer: Composer,
    },
    /// tmux took the Enter.
    LineSubmitted { delivery: DeliveryId, n: u8 },
    /// The line was wanted no more and was cleared before it was submitted: nothing of it was delivered.
    LineCleared { delivery: DeliveryId },
    /// A wait ended without a receipt.
    ReceiptMissed { delivery: DeliveryId, waits: u8 },
    /// The delivery ended.
    DeliverySettled {
        delivery: DeliveryId,
        verdict: Verdict,
        witness: String,
    },
    /// An agent said something, or went idle without a word.
    ReportReceived { report: Box<Report> },
    /// A gate is about to run.
    GateStarted {
        dispatch: DispatchId,
        gate: GateName,
    },
    /// It has a result.
    GateFinished {
        dispatch: DispatchId,
        evidence: Evidence,
    },
    /// The gates do not hold: the agent is told what is missing.
    ReportRefused {
        dispatch: DispatchId,
        answer: Answer,
    },
    /// A post of an agent's is about to be written on the tracker.
    PostIntended { post: Box<Post> },
    /// It was, or the tracker does not take it: the answer says so.
    PostSettled {
        dispatch: DispatchId,
        answer: Answer,
    },
    /// A report that names no open dispatch of ours was answered.
    ReportIgnored { answer: Answer },
    /// The branch is on the remote at this commit.
    BranchPushed {
        dispatch: DispatchId,
        branch: String,
        subject: Subject,
    },
    /// The branch's pull request is there and says what is known.
    PullKept {
        dispatch: DispatchId,
        issue: IssueNumber,
        pull: Pull,
    },
    /// Commits of others are on it: the evidence is of another one.
    PullMoved { issue: IssueNumber, head: Subject },
    /// It was merged, or closed without. `anew`: the label by which a person asked for the issue since, so that this ends nothing.
    PullEnded {
        issue: IssueNumber,
        end: PullEnd,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        anew: Option<LabelEventId>,
    },
    /// A review asks for changes: another round. `again`: the stage is the one the issue is in, and no label moves.
    ReworkWanted {
        issue: IssueNumber,
        by: Actor,
        review: u64,
        findings: String,
        again: bool,
    },
    /// The spec is on the issue.
    SpecPublished {
        dispatch: DispatchId,
        comment: Option<CommentId>,
        spec: Spec,
    },
    /// A question is on the issue.
    QuestionPublished {
        dispatch: DispatchId,
        comment: Option<CommentId>,
    },
    /// Trusted people replied to it: these are new.
    QuestionAnswered {
        dispatch: DispatchId,
        replies: Vec<Reply>,
    },
    /// The park label that was set for it is off.
    ParkLabelRemoved { dispatch: DispatchId },
    /// So much of its agent's time was watched since the receipt: a mark, so that a restart forgets little of it.
    DispatchObserved { dispatch: DispatchId, seconds: u64 },
    /// The dispatch ended. `holds` names the labelling's end for a person's stage.
    DispatchClosed { dispatch: DispatchId, cause: Cause },
    /// Answer, brief and window were cleared away.
    DispatchTidied { dispatch: DispatchId },
    /// A label is about to move.
    TransitionIntended { transition: Transition },
    /// A step of it is known to have happened.
    TransitionStepped {
        issue: IssueNumber,
        step: TransitionStep,
    },
    /// The old label alone was read since the intent: a lost write or a slow replica.
    TransitionUnseen { issue: IssueNumber },
    /// The move ended.
    TransitionSettled {
        issue: IssueNumber,
        outcome: Settled,
    },
    /// A person moved the label: honoured, by name.
    Overridden {
        issue: IssueNumber,
        by: Actor,
        from: Option<Label>,
        to: Label,
        event: LabelEventId,
        /// Back to where the work is made, after its pull request was shown: another round.
        #[serde(default)]
        rework: bool,
    },
    /// A person wants the label moved by our hand: honoured, by name.
    Routed {
        issue: IssueNumber,
        to: Label,
        by: String,
        /// Whether it is another round of the same work.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        rework: bool,
    },
    /// That cannot be, or is so already.
    RouteDropped { issue: IssueNumber, why: String },
    /// A person said that this may go on.
    Approved {
        issue: IssueNumber,
        by: String,
        at: Timestamp,
    },
    /// The default branch was moved to the issue's work.
    Merged {
        issue: IssueNumber,
        subject: Subject,
        into: String,
    },
    /// A person is about to be asked to take the issue.
    ParkIntended {
        issue: IssueNumber,
        label: Label,
        why: String,
    },
    /// It is theirs.
    IssueParked { issue: IssueNumber },
    /// A person has to know something: one comment is about to be written.
    NoteIntended { note: Note },
    /// It is on the issue, or the issue takes none.
    NoteWritten { issue: IssueNumber, key: String },
    /// The park label was removed: attempts start anew.
    IssueUnparked {
        issue: IssueNumber,
        event: LabelEventId,
    },
    /// The issue was closed or lost its routing label.
    IssueLeft { issue: IssueNumber, how: String },
    /// The issue's status comment is about to be written; with the marker line of a dispatch, if it names one.
    StatusIntended {
        issue: IssueNumber,
        dispatch: Option<DispatchId>,
        digest: String,
    },
    /// It is there, with that marker line too; without a comment the tracker does not take it.
    StatusWritten {
        issue: IssueNumber,
        comment: Option<CommentId>,
        marker: Option<Box<Marker>>,
        digest: String,
        last: bool,
        /// The highest round of dispatches that a ledger before this one had opened for the issue; 0 if there is none.
        #[serde(default, skip_serializing_if = "is_zero")]
        round: u32,
    },
    /// The issue bears a marker line that this ledger cannot account for.
    LedgerSighted {
        issue: IssueNumber,
        sighting: Sighting,
    },
    /// A person takes over what was sighted: this ledger goes on here.
    LedgerAdopted { by: String },
    /// A labelling was seen whose approval is now known.
    WalkApproved {
        issue: IssueNumber,
        approval: Approval,
    },
}

impl Event {
    /// The version of every kind's body. A change of a body's shape gets another one and an upcast.
    pub const VERSION: u16 = 1;

    /// Returns the stable name of its kind.
    pub fn kind(&self) -> String {
        let value = serde_json::to_value(self).expect("an event is plain data");
        value["kind"]
            .as_str()
            .expect("every event is tagged")
            .to_owned()
    }

    /// Returns the issue it is about, if it names one itself.
    pub fn issue(&self) -> Option<IssueNumber> {
        match self {
            Self::DispatchOpened { opening } => opening.issue(),
            Self::TransitionIntended { transition } => Some(transition.issue),
            Self::SpecPublished { spec, .. } => Some(spec.issue),
            Self::TransitionStepped { issue, .. }
            | Self::TransitionUnseen { issue }
            | Self::TransitionSettled { issue, .. }
            | Self::Overridden { issue, .. }
            | Self::Routed { issue, .. }
            | Self::RouteDropped { issue, .. }
            | Self::Approved { issue, .. }
            | Self::Merged { issue, .. }
            | Self::PullKept { issue, .. }
            | Self::PullMoved { issue, .. }
            | Self::PullEnded { issue, .. }
            | Self::ReworkWanted { issue, .. }
            | Self::ParkIntended { issue, .. }
            | Self::IssueParked { issue }
            | Self::NoteWritten { issue, .. }
            | Self::NoteIntended {
                note: Note { issue, .. },
            }
            | Self::IssueUnparked { issue, .. }
            | Self::IssueLeft { issue, .. }
            | Self::StatusIntended { issue, .. }
            | Self::StatusWritten { issue, .. }
            | Self::LedgerSighted { issue, .. }
            | Self::WalkApproved { issue, .. } => Some(*issue),
            _ => None,
        }
    }

    /// Returns the dispatch it is about, if it names one itself.
    pub fn dispatch(&self) -> Option<&DispatchId> {
        match self {
            Self::DispatchOpened { opening } => Some(&opening.id),
            Self::DeliveryPlanned { delivery } => Some(&delivery.dispatch),
            Self::ReportReceived { report } => Some(&report.dispatch),
            Self::PostIntended { post } => Some(&post.dispatch),
            Self::PostSettled { dispatch, .. } => Some(dispatch),
            Self::StatusIntended { dispatch, .. } => dispatch.as_ref(),
            Self::TransitionIntended { transition } => transition.dispatch.as_ref(),
            Self::AgentChecked { dispatch, .. }
            | Self::TreePrepared { dispatch, .. }
            | Self::DispatchStalled { dispatch, .. }
            | Self::PullKept { dispatch, .. }
            | Self::WindowOpened { dispatch, .. }
            | Self::GateStarted { dispatch, .. }
            | Self::GateFinished { dispatch, .. }
            | Self::ReportRefused { dispatch, .. }
            | Self::BranchPushed { dispatch, .. }
            | Self::SpecPublished { dispatch, .. }
            | Self::QuestionPublished { dispatch, .. }
            | Self::QuestionAnswered { dispatch, .. }
            | Self::ParkLabelRemoved { dispatch }
            | Self::DispatchObserved { dispatch, .. }
            | Self::DispatchClosed { dispatch, .. }
            | Self::DispatchTidied { dispatch } => Some(dispatch),
            _ => None,
        }
    }

    /// Returns the claims that must be new in the ledger together with this event (PROTOCOLS 1 and 9).
    pub fn claims(&self) -> Vec<String> {
        match self {
            Self::DispatchOpened { opening } => {
                let once = match &opening.basis {
                    Basis::Labelling { labelling, .. } => {
                        Some(format!("labelling:{}:{}", labelling.key(), opening.attempt))
                    }
                    Basis::Errand(Errand::Due { project, on, .. }) => {
                        Some(format!("schedule/{project}/{}/{on}", opening.stage.skill))
                    }
                    Basis::Errand(
                        Errand::Trial { .. } | Errand::Check { .. } | Errand::Said { .. },
                    ) => None,
                };
                let dispatch = format!("dispatch:{}", opening.id);
                once.into_iter().chain([dispatch]).collect()
            }
            Self::DeliveryPlanned { delivery } => vec![format!("delivery:{}", delivery.id)],
            Self::ReportReceived { report } => vec![format!("report:{}", report.id)],
            Self::PostIntended { post } => vec![format!("report:{}", post.id)],
            Self::ReportIgnored { answer } => vec![format!("report:{}", answer.report)],
            Self::TransitionIntended { transition } => match &transition.dispatch {
                Some(dispatch) => vec![format!("transition:{dispatch}")],
                None => Vec::new(),
            },
            _ => Vec::new(),
        }
    }
}

/// A map with numbers for keys, as a list of pairs: a tagged enum cannot read numbers back from JSON's text keys.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    use crate::domain::{Hold, IssueNumber};

    pub(super) fn serialize<S: Serializer>(
        holds: &BTreeMap<IssueNumber, Hold>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        holds.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<IssueNumber, Hold>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into_iter().collect())
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for a reference"
)]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
