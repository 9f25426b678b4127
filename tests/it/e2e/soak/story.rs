//! What the ledger says, read as it grows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use jiff::Timestamp;
use pointsman::daemon::store;
use pointsman::domain::{
    Advance, Cause, DeliveryId, DispatchId, Event, Hold, IssueNumber, Settled, Verdict, Window,
};
use pointsman::ledger::{Sqlite, Store as _};

use super::cast::{Cast, Member};
use crate::support::world::World;

/// An issue of a project.
pub(super) type Of = (String, IssueNumber);

/// One dispatch.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) of: Of,
    pub(super) window: Window,
    pub(super) is_yours: bool,
    pub(super) opened: u64,
    /// Its end, and how.
    pub(super) closed: Option<(u64, &'static str)>,
}

/// How it stands with an issue between its dispatches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Its last stage's evidence holds, and the last move is a person's.
    Yours,
    /// A person has it, and why.
    Parked(String),
    /// It ended then.
    Done(Timestamp),
}

/// The fold of it that a person and the proofs need.
#[derive(Default)]
pub(super) struct Story {
    seq: u64,
    pub(super) dispatches: BTreeMap<DispatchId, Span>,
    pub(super) standing: BTreeMap<Of, Standing>,
    /// Questions that are to be read on their issue.
    pub(super) asked: BTreeSet<(Of, DispatchId)>,
    /// How often an issue was parked.
    pub(super) parked: BTreeMap<Of, usize>,
    /// The pull requests that a person may merge.
    pub(super) pulls: BTreeMap<Of, u64>,
    whys: BTreeMap<Of, String>,
    holds: BTreeMap<Of, Hold>,
    pub(super) deliveries: BTreeMap<DeliveryId, Option<Verdict>>,
    kinds: BTreeMap<String, usize>,
}

impl Story {
    /// Reads what was written since.
    pub(super) fn read(&mut self, world: &World) {
        let Ok(ledger) = Sqlite::open_read_only(&world.places.ledger()) else {
            return;
        };
        for record in ledger.read(self.seq, 100_000).expect("it is read") {
            self.seq = record.seq;
            let event = store::event_of(&record).expect("it is understood");
            *self.kinds.entry(event.kind()).or_default() += 1;
            self.take(&record.stream, record.seq, record.at, event);
        }
    }

    fn take(&mut self, project: &str, seq: u64, at: Timestamp, event: Event) {
        let of = |issue: IssueNumber| (project.to_owned(), issue);
        match event {
            Event::DispatchOpened { opening } => {
                let Some(issue) = opening.issue() else { return };
                self.standing.remove(&of(issue));
                let span = Span {
                    of: of(issue),
                    window: opening.window,
                    is_yours: opening.stage.advance == Advance::Human,
                    opened: seq,
                    closed: None,
                };
                self.dispatches.insert(opening.id.clone(), span);
            }
            Event::DispatchClosed { dispatch, cause } => self.close(&dispatch, seq, &cause),
            Event::QuestionPublished { dispatch, .. } => {
                let span = &self.dispatches[&dispatch];
                self.asked.insert((span.of.clone(), dispatch));
            }
            Event::PullKept { issue, pull, .. } if !pull.draft => {
                self.pulls.insert(of(issue), pull.number.0);
            }
            Event::ParkIntended { issue, why, .. } => {
                self.whys.insert(of(issue), why);
            }
            Event::IssueParked { issue } => {
                let is_open = |span: &Span| span.of == of(issue) && span.closed.is_none();
                if !self.dispatches.values().any(is_open) {
                    *self.parked.entry(of(issue)).or_default() += 1;
                    let why = self.whys.get(&of(issue)).cloned().unwrap_or_default();
                    self.standing.insert(of(issue), Standing::Parked(why));
                }
            }
            Event::Routed { issue, .. } | Event::IssueUnparked { issue, .. } => {
                self.standing.remove(&of(issue));
            }
            Event::TransitionSettled {
                issue,
                outcome: Settled::Moved { event: None },
            } => {
                self.standing.insert(of(issue), Standing::Done(at));
            }
            Event::HoldsChanged { holds } => {
                self.holds.retain(|(name, _), _| name != project);
                let holds = holds.into_iter().map(|(issue, hold)| (of(issue), hold));
                self.holds.extend(holds);
            }
            Event::DeliveryPlanned { delivery } => {
                self.deliveries.insert(delivery.id.clone(), None);
            }
            Event::DeliverySettled {
                delivery, verdict, ..
            } => {
                self.deliveries.insert(delivery, Some(verdict));
            }
            _ => {}
        }
    }

    fn close(&mut self, dispatch: &DispatchId, seq: u64, cause: &Cause) {
        let Some(span) = self.dispatches.get_mut(dispatch) else {
            return;
        };
        span.closed = Some((seq, cause.word()));
        if span.is_yours && matches!(cause, Cause::Verified { .. }) {
            self.standing.insert(span.of.clone(), Standing::Yours);
        }
    }

    /// Whether an issue is done, or parked as often as the person takes it up again and once more.
    pub(super) fn is_over(&self, one: &Member) -> bool {
        match self.standing.get(&key(one)) {
            Some(Standing::Done(_)) => true,
            Some(Standing::Parked(_)) => self.parked[&key(one)] > super::person::REROUTES_MAX,
            Some(Standing::Yours) | None => false,
        }
    }

    /// Why an issue waits, as far as was written down.
    pub(super) fn hold(&self, one: &Member) -> Option<&Hold> {
        self.holds.get(&key(one))
    }

    /// What there was, in numbers.
    pub(super) fn counted(&self, cast: &Cast) -> String {
        let mut ends: BTreeMap<&str, usize> = BTreeMap::new();
        for span in self.dispatches.values() {
            let word = span.closed.map_or("open", |(_, word)| word);
            *ends.entry(word).or_default() += 1;
        }
        let done = |one: &&Member| matches!(self.standing.get(&key(one)), Some(Standing::Done(_)));
        let done = cast.issues.iter().filter(done).count();
        let mut text = format!(
            "{done} issues done, {} parked; {} dispatches {ends:?}; {} deliveries; {} events:",
            cast.issues.len() - done,
            self.dispatches.len(),
            self.deliveries.len(),
            self.seq
        );
        for kind in [
            "report-refused",
            "report-ignored",
            "question-answered",
            "line-cleared",
            "receipt-missed",
            "routed",
            "merged",
            "pull-ended",
        ] {
            let count = self.kinds.get(kind).copied().unwrap_or_default();
            write!(text, " {kind} {count}").expect("a String takes everything");
        }
        text
    }
}

/// The issue of a member.
pub(super) fn key(one: &Member) -> Of {
    (one.project.name.to_owned(), one.number)
}
