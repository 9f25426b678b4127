//! The status comment: one per issue, edited in place, so that whoever labels from a phone sees what happens (PROTOCOLS 8).
//!
//! It is there from the first dispatch on, because its hidden tail carries the marker line that has to stand before anything is
//! typed (PROTOCOLS 9). Everything else it says is told at leisure: at most once a minute and issue, and only when the words changed.
//! No moment that moves by itself is in the words, or they would change all the time.

mod words;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Action, Cause, CommentId, CommentMode, Dispatch, DispatchId, Event, Evidence, Hold,
    IssueNumber, Label, Marker, Observation, Outcome, Phase, Rules, Sighting, Statement,
};
use crate::machine::dispatch::watchdog;
use crate::machine::memory::Memory;
use crate::machine::starting::decide::{Act, Decision, Standing};
use crate::machine::state::State;
use crate::machine::step::{Flow, Step};
use crate::machine::text::sha256;

pub use words::text;

/// Between two edits of one issue's comment; marker lines do not wait (PROTOCOLS 8).
pub const EDIT_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// Marker lines of one comment, the newest: an issue of that many dispatches is no longer told apart by the first ones.
pub const MARKERS_MAX: usize = 40;

/// What the fold knows of an issue's status comment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notice {
    /// Its id when it was last written.
    pub comment: Option<CommentId>,
    /// SHA-256 of the text that is there; `None` before the first one.
    pub written: Option<String>,
    /// SHA-256 of the text that is on its way, or may be there; and the dispatch whose marker line goes with it.
    pub intended: Option<(String, Option<DispatchId>)>,
    /// When the last write was intended, or is known to have happened.
    pub at: Timestamp,
    /// Its marker lines, oldest first.
    pub markers: Vec<Marker>,
    /// The dispatch that ended last.
    pub last: Option<Past>,
    /// The end of the issue's way, until it is in hand again.
    pub over: Option<Over>,
}

/// A dispatch that ended, for words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Past {
    /// Its stage.
    pub stage: Label,
    /// Its round.
    pub round: u32,
    /// Why it ended.
    pub cause: Cause,
    /// What was measured.
    pub evidence: Vec<Evidence>,
    /// When.
    pub at: Timestamp,
}

/// How an issue's way ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Over {
    /// Through its last stage.
    Done,
    /// By a person: closed, label taken off, gone.
    Left(String),
}

/// Says whether a dispatch waits for its marker line: nothing is delivered before it stands on the issue.
pub fn is_unmarked(state: &State, dispatch: &Dispatch, mode: CommentMode) -> bool {
    let Some(labelling) = dispatch.opening.labelling() else {
        return false;
    };
    if mode == CommentMode::Off || dispatch.phase != Phase::Delivering {
        return false;
    }
    let notice = state.notices.get(&labelling.issue);
    let names_it = |marker: &Marker| marker.dispatch == *dispatch.id();
    !notice.is_some_and(|notice| notice.markers.iter().any(names_it))
}

fn unmarked(state: &State, mode: CommentMode) -> impl Iterator<Item = (IssueNumber, &Dispatch)> {
    let dispatches = state.dispatches.values();
    let waiting = dispatches.filter(move |dispatch| is_unmarked(state, dispatch, mode));
    waiting.filter_map(|dispatch| Some((dispatch.issue()?, dispatch)))
}

/// Marker lines come first: a dispatch waits for each.
pub(in crate::machine) fn marks(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
) -> Option<Decision> {
    if seen.gap.is_some() {
        return None;
    }
    let forgotten = state.dispatches.values().find(|it| is_forgotten(state, it));
    if let Some(decision) = forgotten.and_then(|dispatch| close_sighted(memory, dispatch)) {
        return Some(decision);
    }
    unmarked(state, rules.comment).find_map(|(issue, dispatch)| {
        if stops(state, issue) {
            return close_sighted(memory, dispatch);
        }
        let flow = Flow::Status(issue);
        if memory.waits(&flow) {
            return None;
        }
        // A mark that the tracker never takes must not outrun the look that finds out why: the issue may be gone.
        let busy = memory.busy.contains(&Flow::Dispatch(dispatch.id().clone()));
        match watchdog::unwanted(rules, state, memory, seen, dispatch, seen.at) {
            // The job in its tree ends first, or the next dispatch would meet it there.
            Some(Decision::Act(_)) if busy => None,
            Some(decision) => Some(decision),
            None => {
                let did = format!("marking {issue} for dispatch {}", dispatch.id());
                Some(Act::carry_on(flow, did))
            }
        }
    })
}

/// Says whether a sighting stops an issue: another daemon's all of them, a missing dispatch its own.
fn stops(state: &State, issue: IssueNumber) -> bool {
    state.sightings.contains_key(&issue) || other_daemon(state).is_some()
}

/// Says whether the ledger knows that it opened a dispatch, and not what it has sent since: nothing may be sent again.
fn is_forgotten(state: &State, dispatch: &Dispatch) -> bool {
    let sighting = dispatch
        .issue()
        .and_then(|issue| state.sightings.get(&issue));
    let names_it = |sighting: &Sighting| matches!(sighting, Sighting::Ahead { dispatch: named } if named == dispatch.id());
    dispatch.is_open() && sighting.is_some_and(names_it)
}

/// Another ledger's marker holds the whole repository.
pub(in crate::machine) fn other_daemon(state: &State) -> Option<Hold> {
    state
        .sightings
        .iter()
        .find_map(|(issue, sighting)| match sighting {
            Sighting::Other { ledger } => Some(Hold::OtherDaemon {
                ledger: ledger.clone(),
                issue: *issue,
            }),
            Sighting::Ahead { .. } => None,
        })
}

/// A marker of a dispatch that the ledger lacks holds its issue.
pub(in crate::machine) fn behind(state: &State, issue: IssueNumber) -> Option<Hold> {
    match state.sightings.get(&issue)? {
        Sighting::Ahead { dispatch } => Some(Hold::LedgerBehind {
            dispatch: dispatch.clone(),
        }),
        Sighting::Other { .. } => other_daemon(state),
    }
}

/// Nothing was delivered, and nothing will be before a person has looked: the attempt is over.
fn close_sighted(memory: &Memory, dispatch: &Dispatch) -> Option<Decision> {
    let flow = Flow::Dispatch(dispatch.id().clone());
    if memory.busy.contains(&flow) {
        return None;
    }
    let why = "the issue bears a mark that the ledger cannot account for".to_owned();
    let event = Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause: Cause::Lost { why },
    };
    let did = format!("dispatch {} is not delivered", dispatch.id());
    Some(Act::record(vec![event], Some(flow), did))
}

/// A marker line that the tracker did not take a moment ago says so.
pub(in crate::machine) fn note_unmarked(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    standing: &mut Standing,
) {
    for (issue, _) in unmarked(state, rules.comment) {
        let flow = Flow::Status(issue);
        if let (Some((_, why)), Some(until)) = (memory.faults.get(&flow), memory.rests.get(&flow)) {
            let (why, until) = (why.clone(), *until);
            standing.insert(issue, Hold::Unmarked { why, until });
        }
    }
}

/// The comments whose words changed, each with when it may be edited.
#[derive(Debug)]
pub(in crate::machine) struct Edits(Vec<(Timestamp, IssueNumber)>);

impl Edits {
    pub(in crate::machine) fn new(
        rules: &Rules,
        state: &State,
        memory: &Memory,
        seen: &Observation,
        standing: &Standing,
    ) -> Self {
        if rules.comment == CommentMode::Off || seen.gap.is_some() {
            return Self(Vec::new());
        }
        let due = state.notices.iter().filter_map(|(issue, notice)| {
            let changed = notice.intended.is_some()
                || notice.written != Some(wanted(state, rules, standing.get(issue), *issue).1);
            let flow = Flow::Status(*issue);
            let waits = memory.waits(&flow) || stops(state, *issue);
            // A write whose answer was lost may have happened, long after it was intended.
            let last = memory.told.get(issue).copied().max(Some(notice.at));
            (changed && !waits).then_some((last? + EDIT_EVERY, *issue))
        });
        Self(due.collect())
    }

    /// The edit that is due longest.
    pub(in crate::machine) fn first(&self, now: Timestamp) -> Option<Decision> {
        let (at, issue) = self.0.iter().min()?;
        let flow = Flow::Status(*issue);
        (*at <= now).then(|| Act::carry_on(flow, format!("saying on {issue} where it stands")))
    }

    /// When the next one is due.
    pub(in crate::machine) fn moment(&self, now: Timestamp) -> Option<Timestamp> {
        let moments = self.0.iter().map(|(at, _)| *at);
        moments.filter(|at| *at > now).min()
    }
}

fn wanted(
    state: &State,
    rules: &Rules,
    hold: Option<&Hold>,
    issue: IssueNumber,
) -> (String, String) {
    let text = words::text(rules, state, hold, issue);
    let digest = sha256(text.as_bytes());
    (text, digest)
}

/// Says what an issue's status comment needs next.
pub fn next(
    state: &State,
    rules: &Rules,
    hold: Option<&Hold>,
    issue: IssueNumber,
    now: Timestamp,
) -> Step {
    let notice = state.notices.get(&issue);
    let mut waiting = unmarked(state, rules.comment);
    let marks = waiting.find(|(of, _)| *of == issue).map(|(_, one)| one);
    let stopped = stops(state, issue);
    let early = notice.is_none_or(|notice| now < notice.at + EDIT_EVERY);
    if rules.comment == CommentMode::Off || stopped || (marks.is_none() && early) {
        return Step::Rest;
    }
    let (text, digest) = wanted(state, rules, hold, issue);
    let dispatch = marks.map(|dispatch| dispatch.id().clone());
    let intended = notice.and_then(|notice| notice.intended.as_ref());
    let is_there = notice.is_some_and(|notice| notice.written.as_ref() == Some(&digest));
    if marks.is_none() && intended.is_none() && is_there {
        return Step::Rest;
    }
    let statement = Statement {
        issue,
        text,
        markers: notice.map_or_else(Vec::new, |notice| notice.markers.clone()),
        adopted: state.adopted.clone(),
        last: notice.is_some_and(|notice| notice.over.is_some()),
        marks: marks.map(|dispatch| Box::new(dispatch.opening.clone())),
    };
    let action = Action::State {
        statement: Box::new(statement),
    };
    // What is intended already may be there: it is looked for before it is written, so asking again does no harm.
    if intended.is_some_and(|(text, marking)| *text == digest && *marking == dispatch) {
        return Step::Do(action);
    }
    let event = Event::StatusIntended {
        issue,
        dispatch,
        digest,
    };
    Step::Intend(vec![event], action)
}

/// When a write that failed may be tried again: it may have happened, and an edit keeps its pace.
pub fn rest(action: &Action, until: Timestamp, now: Timestamp) -> Timestamp {
    match action {
        Action::State { statement } if statement.marks.is_none() => until.max(now + EDIT_EVERY),
        _ => until,
    }
}

/// Turns what came of a write into what is written down.
pub fn settle(state: &State, issue: IssueNumber, action: &Action, outcome: &Outcome) -> Step {
    let (Action::State { statement }, Some(_)) = (action, state.notices.get(&issue)) else {
        return Step::Rest;
    };
    let (comment, marker, round) = match outcome {
        Outcome::Stated {
            comment,
            marker,
            round,
        } => (Some(comment.clone()), marker.clone(), *round),
        Outcome::NotPosted { .. } => (None, None, 0),
        Outcome::Sighted(sighting) => {
            let sighting = sighting.clone();
            return Step::Record(vec![Event::LedgerSighted { issue, sighting }]);
        }
        _ => return Step::Rest,
    };
    Step::Record(vec![Event::StatusWritten {
        issue,
        comment,
        marker,
        round,
        digest: sha256(statement.text.as_bytes()),
        last: statement.last,
    }])
}
