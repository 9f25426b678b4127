//! What the engine remembers from cycle to cycle.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Details, Dispatch, DispatchId, Event, Head, Hold, IssueNumber, Observation, ReportId, Rules,
    SingleRead,
};
use crate::machine::dispatch::{stall, watchdog};
use crate::machine::labels::trust;
use crate::machine::pace::Pace;
use crate::machine::pull;
use crate::machine::starting::decide::Standing;
use crate::machine::starting::starved::Starved;
use crate::machine::state::State;
use crate::machine::step::Flow;

/// Between two looks for the event of a label that nobody is known to have set.
const UNATTRIBUTED_AGAIN: SignedDuration = SignedDuration::from_mins(1);

/// A single read that led to nothing is made again after so long, then after as long as that goes on, and at least so often. Many
/// cycles may be decided meanwhile: an agent at work is looked at every few seconds.
const READ_AGAIN: SignedDuration = SignedDuration::from_secs(15);
const READ_AGAIN_MAX: SignedDuration = SignedDuration::from_mins(5);

/// A single read. One that led to nothing is made again at growing pauses, or once a list says something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Since when it is made and the list says the same.
    pub since: Timestamp,
    /// When it was made last.
    pub at: Timestamp,
    /// When it is made again.
    pub again: Timestamp,
    /// What the list said of the issue then; nothing if it is not there.
    pub head: Option<Head>,
}

impl Tried {
    fn new(since: Timestamp, head: Option<&Head>, now: Timestamp) -> Self {
        let pause = now.duration_since(since);
        Self {
            since,
            at: now,
            again: now + pause.clamp(READ_AGAIN, READ_AGAIN_MAX),
            head: head.cloned(),
        }
    }

    /// Returns whether it was made a moment ago, and the list says what it said then.
    pub fn holds(&self, head: Option<&Head>, now: Timestamp) -> bool {
        (self.at..self.again).contains(&now) && self.head.as_ref() == head
    }
}

/// An issue that cannot be read, or only as it once was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    /// When it was tried.
    pub tried: Tried,
    /// The tracker's reason.
    pub why: String,
}

/// What the engine remembers between cycles and may lose: nothing here is truth.
#[derive(Clone, Debug, Default)]
pub struct Memory {
    /// Flows with an effect in flight, or an append on its way.
    pub busy: BTreeSet<Flow>,
    /// Flows that rest until then: a fault that passes, or a look that found nothing new.
    pub rests: BTreeMap<Flow, Timestamp>,
    /// What failed of a flow, or was done and does not last: how often in a row, and why; until a step of it succeeds.
    pub faults: BTreeMap<Flow, (u32, String)>,
    /// When a write of an issue's status comment ended last, well or not.
    pub told: BTreeMap<IssueNumber, Timestamp>,
    /// How often what was started lately, and how it went.
    pub pace: Pace,
    /// Refusals on detail, valid while the issue's head is unchanged.
    pub refused: BTreeMap<IssueNumber, (Head, Hold)>,
    /// Reports that say what was being judged when they came: they have its answer.
    pub joined: BTreeSet<ReportId>,
    /// Issues whose label nobody is known to have set: since when, and when it was last looked for.
    pub unattributed: BTreeMap<IssueNumber, (Timestamp, Timestamp)>,
    /// Issues that cannot be read, or only as they once were.
    pub unread: BTreeMap<IssueNumber, Unread>,
    /// For how long a dispatch's pane was observed since its receipt.
    pub observed: BTreeMap<DispatchId, SignedDuration>,
    /// When an issue was read singly last.
    pub read: BTreeMap<IssueNumber, Tried>,
    /// Our pull requests as they were read last.
    pub pulls: pull::Known,
    /// How often in a row a dispatch's pane was missing.
    pub missing: BTreeMap<DispatchId, u32>,
    /// Ready work that nothing is dispatched of, and for how long that was watched.
    pub starved: Option<Starved>,
}

impl Memory {
    /// Returns whether a flow has something under way, or rests for a moment.
    pub fn waits(&self, flow: &Flow) -> bool {
        self.busy.contains(flow) || self.rests.contains_key(flow)
    }

    /// Returns whether an issue was read singly, refused, and is as it was.
    pub fn is_refused(&self, issue: IssueNumber, head: Option<&Head>) -> bool {
        let refused = self.refused.get(&issue);
        refused.is_some_and(|(read, _)| Some(read) == head)
    }

    /// Counts a failure of a flow; returns when it is tried again.
    pub fn failed(
        &mut self,
        flow: &Flow,
        why: &str,
        until: Timestamp,
        now: Timestamp,
    ) -> Timestamp {
        let fault = self.faults.entry(flow.clone()).or_default();
        *fault = (fault.0 + 1, why.to_owned());
        stall::again_at(fault.0, until, now)
    }

    /// Returns whether a person has it if a flow fails once more.
    pub fn is_last_try(&self, flow: &Flow) -> bool {
        let fault = self.faults.get(flow);
        fault.is_some_and(|(times, _)| times + 1 >= stall::STALLS_MAX)
    }

    /// Forgets what is over: rests that ended, refusals of issues that changed since or are to be read again.
    pub fn forget(&mut self, seen: &Observation, now: Timestamp) {
        self.rests.retain(|_, until| *until > now);
        self.pace.forget(now);
        for (issue, (since, looked)) in &self.unattributed {
            if *looked < *since + trust::UNATTRIBUTED_FOR && *looked + UNATTRIBUTED_AGAIN <= now {
                self.refused.remove(issue);
            }
        }
        self.refused
            .retain(|issue, (head, _)| seen.heads.get(issue) == Some(head));
    }

    /// Forgets what was found out singly, so that all of it is read again (the sweep's duty). A flood ends by its own time: hundreds
    /// that are read once more would keep everybody behind them from being read.
    pub fn doubt(&mut self) {
        self.refused
            .retain(|_, (_, hold)| matches!(hold, Hold::Flood { .. }));
        self.pulls.clear();
    }

    /// Forgets what something that was just written down makes old.
    pub fn follow(&mut self, state: &State, event: &Event) {
        match event {
            // What was read led to it: the next read is of what became of it. Who read the issue before a question was published
            // read no reply to it.
            Event::DispatchOpened { .. }
            | Event::DispatchClosed { .. }
            | Event::QuestionPublished { .. } => {
                let dispatch = event.dispatch().and_then(|id| state.dispatches.get(id));
                if let Some(issue) = dispatch.and_then(Dispatch::issue) {
                    self.read.remove(&issue);
                }
            }
            // It was written to a moment ago.
            Event::PullKept { pull, .. } => self.pulls.forget(pull.number),
            Event::PullMoved { issue, .. }
            | Event::PullEnded { issue, .. }
            | Event::ReworkWanted { issue, .. } => drop(self.refused.remove(issue)),
            Event::IssueLeft { .. } | Event::TransitionSettled { .. } => {
                let walks = state.walks.values();
                let ours: BTreeSet<IssueNumber> = walks
                    .filter_map(|walk| walk.pull.as_ref().map(|kept| kept.pull.number))
                    .collect();
                self.pulls.keep(|number| ours.contains(&number));
            }
            // It waits for a person now, and what it announced holds nobody.
            Event::IssueParked { .. } => self
                .refused
                .retain(|_, (_, hold)| !matches!(hold, Hold::Collides { .. })),
            _ => {}
        }
    }

    /// Keeps what a decision found out on detail. `acted`: it was about something else, perhaps, than what was read.
    pub fn note(
        &mut self,
        rules: &Rules,
        state: &State,
        seen: &Observation,
        standing: &Standing,
        acted: bool,
        now: Timestamp,
    ) {
        self.note_unread(seen, now);
        self.note_unattributed(seen, standing, now);
        self.note_refusals(seen, standing, acted);
        self.note_reads(rules, state, seen, acted, now);
    }

    /// Keeps which reports in the spool say what is being judged.
    pub fn join(&mut self, state: &State, seen: &Observation) {
        let spooled = |id: &ReportId| seen.reports.iter().any(|report| report.id == *id);
        self.joined.retain(spooled);
        self.joined.extend(watchdog::joining(state, seen).cloned());
    }

    /// A label's event, or the issue itself, may be late: it is looked for again from the first look on, and after a while a person
    /// has to know.
    pub fn dated(&self, issue: IssueNumber, hold: Hold, now: Timestamp) -> Hold {
        let until = |since: Timestamp| {
            let end = since + trust::UNATTRIBUTED_FOR;
            (now < end).then_some(end)
        };
        match hold {
            Hold::Unattributed { until: Some(_), .. } => {
                let since = self.unattributed.get(&issue).map_or(now, |known| known.0);
                Hold::Unattributed {
                    since: Some(since),
                    until: until(since),
                }
            }
            Hold::Unreadable {
                why,
                until: Some(_),
            } => Hold::Unreadable {
                why,
                until: until(
                    self.unread
                        .get(&issue)
                        .map_or(now, |known| known.tried.since),
                ),
            },
            hold => hold,
        }
    }

    /// Why an issue was not read for so long that a person should know.
    pub fn unread_for_long(&self, issue: IssueNumber, now: Timestamp) -> Option<&str> {
        let unread = self.unread.get(&issue)?;
        (now.duration_since(unread.tried.since) >= trust::UNATTRIBUTED_FOR).then_some(&unread.why)
    }

    /// Takes what could not be read a moment ago for unread, unless it changed since: it is not asked for in every cycle.
    pub fn recall<'a>(
        &self,
        mut seen: Cow<'a, Observation>,
        now: Timestamp,
    ) -> Cow<'a, Observation> {
        let rests = |(issue, unread): (&IssueNumber, &Unread)| {
            let rests = unread.tried.holds(seen.heads.get(issue), now)
                && !seen.details.contains_key(issue)
                && !seen.unread.contains_key(issue);
            rests.then(|| (*issue, unread.why.clone()))
        };
        let resting: Vec<(IssueNumber, String)> = self.unread.iter().filter_map(rests).collect();
        if !resting.is_empty() {
            seen.to_mut().unread.extend(resting);
        }
        seen
    }

    /// Has an issue read anew: what was found out of it rested on what was so before.
    pub fn doubt_one(&mut self, issue: IssueNumber) {
        self.refused.remove(&issue);
        if let Some(unread) = self.unread.get_mut(&issue) {
            unread.tried.again = unread.tried.at;
        }
    }

    fn note_unread(&mut self, seen: &Observation, now: Timestamp) {
        for (issue, why) in &seen.unread {
            let known = self.unread.get(issue);
            let since = known.map_or(now, |known| known.tried.since);
            let unread = Unread {
                tried: Tried::new(since, seen.heads.get(issue), now),
                why: why.clone(),
            };
            self.unread.insert(*issue, unread);
        }
        self.unread.retain(|issue, unread| {
            let lately = now.duration_since(unread.tried.at) < trust::UNATTRIBUTED_FOR;
            lately && !seen.details.contains_key(issue)
        });
    }

    fn note_unattributed(&mut self, seen: &Observation, standing: &Standing, now: Timestamp) {
        for issue in seen.details.keys() {
            match standing.get(issue) {
                Some(Hold::Unattributed { until, .. })
                    if until.is_some() || self.unattributed.contains_key(issue) =>
                {
                    self.unattributed.entry(*issue).or_insert((now, now)).1 = now;
                }
                _ => drop(self.unattributed.remove(issue)),
            }
        }
    }

    /// When such an event is looked for again, a pull request, or what cannot be read.
    pub fn look_again_at(&self, now: Timestamp) -> Option<Timestamp> {
        let late = self.unattributed.values();
        let unread = self.unread.values().map(|unread| unread.tried.again);
        let unread = unread.filter(|at| *at > now);
        late.filter(|(since, looked)| *looked < *since + trust::UNATTRIBUTED_FOR)
            .map(|(_, looked)| *looked + UNATTRIBUTED_AGAIN)
            .filter(|at| *at > now)
            .chain(self.pulls.again_at(now))
            .chain(unread)
            .min()
    }

    /// Remembers refusals on detail for as long as the issue's head does not change.
    fn note_refusals(&mut self, seen: &Observation, standing: &Standing, acted: bool) {
        for (issue, details) in &seen.details {
            let (Some(hold), Some(head)) = (standing.get(issue), seen.heads.get(issue)) else {
                continue;
            };
            let on_detail = matches!(
                hold,
                Hold::BeforeStart { .. }
                    | Hold::BeforeAdoption { .. }
                    | Hold::Unattributed { .. }
                    | Hold::Untrusted { .. }
                    | Hold::NeedsReapproval { .. }
                    | Hold::Yours { .. }
                    | Hold::Spent { .. }
                    | Hold::Collides { .. }
                    | Hold::Flood { .. }
                    | Hold::Parked {
                        stripped: Some(_),
                        ..
                    }
            );
            // Nobody is to be told of these, or it would be done now.
            let on_detail = on_detail || (!acted && matches!(hold, Hold::SeveralLabels { .. }));
            let agrees =
                matches!(&details.read, SingleRead::Found(found) if found.0.labels == head.labels);
            if on_detail && agrees {
                self.refused.insert(*issue, (head.clone(), hold.clone()));
            }
        }
    }

    /// Remembers what the list said of the issues that were read singly.
    fn note_reads(
        &mut self,
        rules: &Rules,
        state: &State,
        seen: &Observation,
        acted: bool,
        now: Timestamp,
    ) {
        // What was acted on was something else, perhaps: then that work is not wanted any more was not heard yet.
        let is_unheard = |issue: &IssueNumber, details: &Details| {
            let of_it = state.open_dispatch(*issue);
            let wanted = of_it.map(|dispatch| {
                trust::still_wanted(dispatch, &rules.project, &rules.workflow, details)
            });
            acted && wanted.is_some_and(|wanted| wanted.is_err())
        };
        for (issue, details) in &seen.details {
            if is_unheard(issue, details) {
                continue;
            }
            let head = seen.heads.get(issue);
            let known = self.read.get(issue);
            let same = known.filter(|known| known.head.as_ref() == head);
            let since = same.map_or(now, |known| known.since);
            self.read.insert(*issue, Tried::new(since, head, now));
        }
        self.read.retain(|issue, _| {
            seen.heads.contains_key(issue)
                || state.walks.contains_key(issue)
                || state.open_dispatch(*issue).is_some()
        });
    }

    /// Returns whether an issue was read singly a moment ago, and the list says what it said then. A list may be wrong for long: what
    /// it goes on to say is looked into more and more rarely.
    pub fn was_read(&self, issue: IssueNumber, seen: &Observation, now: Timestamp) -> bool {
        let read = self.read.get(&issue);
        read.is_some_and(|read| read.holds(seen.heads.get(&issue), now))
    }
}
