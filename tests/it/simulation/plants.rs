//! Bugs that are planted, to test the tests: each is caught, by the law that it breaks.

use std::collections::BTreeMap;
use std::time::Duration;

use pointsman::domain::{
    Action, Cause, Event, Hold, IssueNumber, Label, LabelEvent, LabelEventId, Limits, Observation,
    Outcome, Rules, Statement, Subject, Window,
};
use pointsman::machine::engine::CycleReport;
use pointsman::machine::state::State;

use super::driver::Driver;
use super::laws::Law;
use super::rules::us;
use super::world::World;

/// A bug of a daemon that somebody could write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    Nothing,
    /// Recovery does not look: it says "no trace".
    SkipsTheLook,
    /// Enter is sent twice.
    SendsEnterTwice,
    /// An append is acknowledged and not stored.
    DropsAppends,
    /// An append is acknowledged before it is stored.
    AcknowledgesFirst,
    /// A crash leaves half of an append.
    TornTail,
    /// The paste guard is left out.
    PastesUnguarded,
    /// Labels are never read back: always what they were.
    ReadsOldLabels,
    /// Wake-ups are lost, and nothing ticks.
    NeverWakes,
    /// Nobody remembers which day of a schedule was run, and no claim is made of it.
    ForgetsTheDay,
    /// A restart forgets the last event.
    ForgetsAnEvent,
    /// A dispatch is forgotten as soon as it is open.
    ForgetsDispatches,
    /// The request is not read again before the paste.
    SkipsTheReread,
    /// Nothing is written on the issue before the paste.
    SkipsTheMarker,
    /// A line that is wanted no more stays in the composer.
    LeavesTheLine,
    /// Label events of people who set the old label again are not read.
    OverlooksPeople,
    /// Labels are written as a whole set.
    PutsTheWholeSet,
    /// Answers to reports are not written.
    NeverAnswers,
    /// A restart empties the spool.
    LosesReports,
    /// One cycle decides twice.
    DecidesTwice,
    /// The limits are not read.
    IgnoresLimits,
    /// It looks every second.
    PollsEverySecond,
    /// One issue is never looked at.
    Starves,
    /// One candidate is left out of where everything stands.
    SaysNothing,
    /// A candidate is said to be held by something else.
    SaysSomethingElse,
    /// Two issues are held by each other.
    HoldsEachOther,
    /// What a stage ends with is another commit than what was measured.
    KeepsAnotherCommit,
    /// What an open dispatch was asked for is read singly in every cycle.
    ReadsInEveryCycle,
    /// A read that is older than what is known is believed.
    BelievesOldReads,
    /// Two processes may open one ledger.
    LeavesTheLockOpen,
    /// Every dispatch goes to the first agent.
    AsksTheFirstAlone,
    /// A tree keeps the branch that another one needs.
    KeepsTheBranch,
}

/// Each with the laws that may catch it: which of them is first depends on what a world does.
pub(crate) const PLANTED: [(Plant, &[Law]); 31] = [
    (Plant::SkipsTheLook, &[Law::TypedOnce]),
    (Plant::SendsEnterTwice, &[Law::TypedOnce]),
    (Plant::DropsAppends, &[Law::Fold]),
    (Plant::AcknowledgesFirst, &[Law::IntentFirst]),
    (Plant::TornTail, &[Law::Whole]),
    (Plant::PastesUnguarded, &[Law::IdleProven, Law::NothingLeft]),
    // A move that never sees its own writes either fights a person or never ends.
    (
        Plant::ReadsOldLabels,
        &[Law::PeopleWin, Law::Rest, Law::Budget],
    ),
    (Plant::NeverWakes, &[Law::Rest, Law::Fair]),
    (Plant::ForgetsTheDay, &[Law::DayOnce]),
    (Plant::ForgetsAnEvent, &[Law::Fold]),
    (Plant::ForgetsDispatches, &[Law::OneAttempt]),
    (Plant::SkipsTheReread, &[Law::Wanted]),
    (Plant::SkipsTheMarker, &[Law::MarkedFirst]),
    (Plant::LeavesTheLine, &[Law::NothingLeft]),
    (Plant::OverlooksPeople, &[Law::PeopleWin]),
    (Plant::PutsTheWholeSet, &[Law::LabelsKept]),
    (Plant::NeverAnswers, &[Law::ReportsKept, Law::Rest]),
    (Plant::LosesReports, &[Law::ReportsKept]),
    (Plant::DecidesTwice, &[Law::OneAction]),
    (Plant::IgnoresLimits, &[Law::Caps]),
    (Plant::PollsEverySecond, &[Law::Budget]),
    (Plant::ReadsInEveryCycle, &[Law::Budget]),
    (Plant::Starves, &[Law::Fair]),
    (Plant::SaysNothing, &[Law::EveryNo]),
    (Plant::SaysSomethingElse, &[Law::WordsAgree]),
    (Plant::HoldsEachOther, &[Law::NoRing]),
    (Plant::KeepsAnotherCommit, &[Law::OneCommit]),
    (Plant::BelievesOldReads, &[Law::WorkIsKept]),
    (Plant::LeavesTheLockOpen, &[Law::OneDaemon]),
    (Plant::AsksTheFirstAlone, &[Law::OneWindow]),
    (Plant::KeepsTheBranch, &[Law::OneTree]),
];

impl Plant {
    /// What it forgets, again and again.
    pub(super) fn forgets(self, state: &mut State) {
        match self {
            Self::ForgetsTheDay => state.ran.clear(),
            Self::ForgetsDispatches => state.dispatches.clear(),
            _ => {}
        }
    }

    /// What it writes down in place of what it decided.
    pub(super) fn alters(self, event: &mut Event) {
        if let (
            Self::KeepsAnotherCommit,
            Event::DispatchClosed {
                cause: Cause::Verified { subject, .. },
                ..
            },
        ) = (self, &mut *event)
        {
            *subject = Some(Subject::new("another"));
        }
        if let (Self::AsksTheFirstAlone, Event::DispatchOpened { opening }) = (self, event)
            && opening.window.is_agent()
        {
            opening.window = Window::AGENT;
        }
    }

    /// What it says in place of where everything stands.
    pub(super) fn forges(self, report: &mut CycleReport) {
        let mut issues = report.standing.keys().copied();
        let (first, second) = (issues.next(), issues.next());
        let Some(first) = first else {
            return;
        };
        match (self, second) {
            (Self::SaysNothing, _) => drop(report.standing.remove(&first)),
            (Self::SaysSomethingElse, _) => {
                let how = "somebody said so".to_owned();
                report.standing.insert(first, Hold::Spent { how });
            }
            (Self::HoldsEachOther, Some(second)) => {
                report
                    .standing
                    .insert(first, Hold::Behind { first: second });
                report.standing.insert(second, Hold::Behind { first });
            }
            _ => {}
        }
    }
}

/// Rules that forbid nothing.
pub(super) fn without_limits(rules: &Rules) -> Rules {
    let mut loose = rules.clone();
    loose.workflow.limits = Limits {
        rounds: 1000,
        attempts: 1000,
        dispatches_per_day: 1000,
        labellings_per_hour: 1000,
        dispatches_per_issue: 1000,
        active_max: 1000,
        gap: Duration::ZERO,
        hours: None,
    };
    for stage in &mut loose.workflow.stages {
        (stage.wip, stage.seat) = (1000, false);
    }
    loose
}

impl Plant {
    /// Reads of what is under way seem to be of this moment, whatever they lack.
    pub(super) fn dates(self, state: &State, seen: &mut Observation) {
        let under_way = |issue: &IssueNumber| state.open_dispatch(*issue).is_some();
        let open = seen
            .details
            .iter_mut()
            .filter(|(issue, _)| under_way(issue));
        for (_, details) in open.filter(|_| self == Self::BelievesOldReads) {
            details.events.push(LabelEvent {
                id: LabelEventId::new("999999"),
                set: true,
                label: Label::new("later"),
                actor: None,
                at: details.at,
            });
        }
    }
}

impl World {
    /// Says that the marker line is there, and it is not.
    pub(super) fn unmarked(&mut self, statement: &Statement) -> Outcome {
        let unwritten = self.tracker.clone();
        let stated = self.stated.clone();
        let outcome = self.state(statement);
        (self.tracker, self.stated) = (unwritten, stated);
        outcome
    }
}

impl Driver {
    /// What it says in place of what came of an effect.
    pub(super) fn planted(&mut self, plant: Plant, action: &Action, outcome: Outcome) -> Outcome {
        match (plant, action, outcome) {
            (
                Plant::SendsEnterTwice,
                Action::Enter {
                    dispatch, delivery, ..
                },
                Outcome::Entered,
            ) => {
                self.world.submitted(dispatch.opening.window, &delivery.id);
                Outcome::Entered
            }
            (Plant::ReadsOldLabels, Action::ReadLabels { issue }, Outcome::Labels { open, .. }) => {
                let from = self
                    .shadow
                    .transitions
                    .get(issue)
                    .map(|one| one.from.clone());
                Outcome::Labels {
                    labels: from.into_iter().collect(),
                    open,
                    events: Vec::new(),
                    roles: BTreeMap::new(),
                }
            }
            (
                Plant::OverlooksPeople,
                Action::ReadLabels { issue },
                Outcome::Labels {
                    labels,
                    open,
                    mut events,
                    roles,
                },
            ) => {
                let moves = self.shadow.transitions.get(issue);
                let after = moves.and_then(|moves| moves.after.clone());
                let since =
                    |event: &LabelEvent| after.as_ref().is_some_and(|after| event.id > *after);
                events.retain(|event| event.actor == Some(us()) || !since(event));
                Outcome::Labels {
                    labels,
                    open,
                    events,
                    roles,
                }
            }
            (_, _, outcome) => outcome,
        }
    }
}
