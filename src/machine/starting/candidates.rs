//! Who may start in this cycle: the candidates, best first, and what can be said against each without reading it singly.
//!
//! What holds a whole stage is found once a cycle: there may be ten thousand candidates.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{Head, Hold, IssueNumber, Observation, Rules, Stage};
use crate::machine::labels::legend::{Legend, Reading};
use crate::machine::labels::trust;
use crate::machine::memory::Memory;
use crate::machine::starting::decide::Standing;
use crate::machine::starting::rank::{Rank, rank};
use crate::machine::starting::{beside, dependencies, open};
use crate::machine::state::{State, Walk};
use crate::machine::telling::status;

/// An open issue that asks for a stage.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    /// The issue.
    pub head: &'a Head,
    /// The stage it asks for.
    pub stage: &'a Stage,
    /// The stage's place in the workflow.
    pub position: usize,
    reading: Reading,
}

/// All open issues that ask for a stage, in the order in which a cycle takes them.
#[derive(Debug, Default)]
pub struct Ranked<'a> {
    /// The issues, best first.
    pub candidates: Vec<Candidate<'a>>,
    /// An open issue that pauses the project.
    pub pausing: Option<&'a Head>,
}

/// Reads every open issue's labels once, and ranks who asks for a stage.
pub fn ranked<'a>(
    rules: &'a Rules,
    state: &State,
    seen: &'a Observation,
    now: Timestamp,
) -> Ranked<'a> {
    let mut legend = Legend::of(&rules.workflow);
    let mut ranked = Ranked::default();
    let mut places: Vec<Vec<(Rank, usize)>> = vec![Vec::new(); rules.workflow.stages.len()];
    for head in seen.heads.values().filter(|head| head.open) {
        let reading = legend.read(head);
        if reading.pauses {
            ranked.pausing = ranked.pausing.or(Some(head));
        }
        let Some(position) = reading.stage else {
            continue;
        };
        let place = rank(head, position, &reading, state, now);
        places[position].push((place, ranked.candidates.len()));
        ranked.candidates.push(Candidate {
            head,
            stage: &rules.workflow.stages[position],
            position,
            reading,
        });
    }
    // Downstream first, and in a stage by their numbers: most often that is the order already, and a stable sort sees it.
    let mut places: Vec<_> = places.into_iter().rev().flatten().collect();
    places.sort_by(|left, right| left.0.cmp(&right.0));
    let found = ranked.candidates;
    ranked.candidates = places.iter().map(|(_, at)| found[*at]).collect();
    ranked
}

/// Those with exactly one routing label and nothing of ours open; the rest is held.
pub(super) fn candidates<'a>(
    mut found: Vec<Candidate<'a>>,
    rules: &Rules,
    state: &State,
    standing: &mut Standing,
) -> Vec<Candidate<'a>> {
    let mut held = Standing::new();
    found.retain(|candidate| {
        let number = candidate.head.number;
        if standing.contains_key(&number) {
            return false;
        }
        let refusal = candidate.reading.refusal(candidate.head, &rules.workflow);
        let Some(mut hold) = refusal else {
            return true;
        };
        if let Hold::Parked { why, .. } = &mut hold {
            let walk = state.walks.get(&number);
            *why = walk.and_then(|walk| walk.parked.clone());
        }
        held.insert(number, hold);
        false
    });
    standing.append(&mut held);
    found
}

/// Says what stops everything new in the project, for whoever asks outside of a cycle.
pub fn held(rules: &Rules, state: &State, seen: &Observation, now: Timestamp) -> Option<Hold> {
    let pausing = ranked(rules, state, seen, now).pausing;
    project_hold(rules, state, seen, pausing, now)
}

/// A reason that stops every candidate of the project.
pub(super) fn project_hold(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    pausing: Option<&Head>,
    now: Timestamp,
) -> Option<Hold> {
    let limits = &rules.workflow.limits;
    if let Some(by) = &state.paused {
        return Some(Hold::Paused { by: by.clone() });
    }
    if let Some(hold) = status::other_daemon(state) {
        return Some(hold);
    }
    if let Some((why, since)) = &seen.gap {
        return Some(Hold::Tracker {
            why: why.clone(),
            since: *since,
        });
    }
    if let Some(head) = pausing {
        return Some(Hold::Paused {
            by: format!("{} ({})", rules.workflow.labels.pause, head.number),
        });
    }
    if let Some(hours) = limits
        .hours
        .filter(|hours| !hours.contains(minute_of_the_day(rules, now)))
    {
        return Some(Hold::Hours {
            from: hours.from,
            to: hours.to,
        });
    }
    let day = SignedDuration::from_hours(24);
    let (opened, oldest) = state.opened_since(now - day, |_| true);
    if opened >= limits.dispatches_per_day {
        let until = oldest.map_or(now, |at| at + day);
        return Some(Hold::DailyCap {
            limit: limits.dispatches_per_day,
            until,
        });
    }
    let own = state
        .openings
        .back()
        .and_then(|one| gap(one.at, limits.gap, now));
    let any = seen
        .fleet
        .opened
        .and_then(|at| gap(at, rules.fleet.gap, now));
    own.max(any).map(|until| Hold::Gap { until })
}

/// Until when the gap after an opening lasts. One that our clock has still before it says nothing: the clock was set back.
fn gap(opened: Timestamp, gap: Duration, now: Timestamp) -> Option<Timestamp> {
    let until = opened + gap;
    (opened <= now && now < until).then_some(until)
}

/// Minutes after the local midnight, now: what was seen may be from before a suspend.
fn minute_of_the_day(rules: &Rules, now: Timestamp) -> u16 {
    let local = now.to_zoned(rules.zone.clone());
    u16::try_from(i16::from(local.hour()) * 60 + i16::from(local.minute())).unwrap_or(0)
}

/// What holds the candidates of one stage alike.
#[derive(Debug)]
struct StageHolds {
    /// Who keeps the seat.
    seat: Option<IssueNumber>,
    is_full: bool,
    /// How many begun issues stand after it, where that is too many.
    backlog: Option<(u32, u32)>,
    session: Option<Hold>,
}

/// What can be said of each candidate without reading it singly.
pub(super) struct CheapHolds<'a> {
    rules: &'a Rules,
    state: &'a State,
    memory: &'a Memory,
    seen: &'a Observation,
    stages: Vec<StageHolds>,
    /// The issues whose own dispatches of a day are spent, with the time at which there is one again.
    capped: BTreeMap<IssueNumber, Timestamp>,
    now: Timestamp,
}

impl<'a> CheapHolds<'a> {
    pub(super) fn new(
        rules: &'a Rules,
        state: &'a State,
        memory: &'a Memory,
        seen: &'a Observation,
        now: Timestamp,
    ) -> Self {
        let standing = standing_places(rules, state, seen);
        let capped = capped(rules, state, now);
        let of_stage = |(position, stage): (usize, &Stage)| StageHolds {
            seat: state
                .seats
                .get(&stage.label)
                .copied()
                .filter(|_| stage.seat)
                .filter(|holder| !waits_for_a_person(rules, state, memory, seen, *holder))
                // Until tomorrow nobody else would be checked.
                .filter(|holder| {
                    state.open_dispatch(*holder).is_some() || !capped.contains_key(holder)
                }),
            is_full: state.open_in(&stage.label) >= stage.wip,
            backlog: stage.backlog.and_then(|limit| {
                let after = standing.iter().filter(|at| **at > position).count();
                let count = u32::try_from(after).unwrap_or(u32::MAX);
                (count >= limit).then_some((count, limit))
            }),
            session: open::place(rules, state, seen, stage, None).err(),
        };
        Self {
            rules,
            state,
            memory,
            seen,
            stages: rules
                .workflow
                .stages
                .iter()
                .enumerate()
                .map(of_stage)
                .collect(),
            capped,
            now,
        }
    }

    /// Returns why a candidate cannot start, if that is known.
    pub(super) fn of(&self, candidate: &Candidate) -> Option<Hold> {
        let (number, stage) = (candidate.head.number, candidate.stage);
        let holds = &self.stages[candidate.position];
        if let Some((refused, hold)) = self.memory.refused.get(&number)
            && refused == candidate.head
            && !beside::is_over(hold, self.state, self.seen, number)
            && !self.is_ebbed(hold)
        {
            return Some(hold.clone());
        }
        if let Some(hold) = status::behind(self.state, number) {
            return Some(hold);
        }
        if let Some(holder) = holds.seat.filter(|holder| *holder != number) {
            return Some(Hold::Seat {
                stage: stage.label.clone(),
                holder,
            });
        }
        let seated = || self.state.seats.values().any(|holder| *holder == number);
        // Who has a seat goes on, or both might wait for each other: one for the issue, the other for the seat.
        if let Some(hold) = dependencies::hold(candidate.head, self.seen)
            && !seated()
        {
            return Some(hold);
        }
        if holds.is_full && !seated() {
            return Some(Hold::Wip {
                stage: stage.label.clone(),
                limit: stage.wip,
            });
        }
        if let Some((count, limit)) = holds.backlog
            && !seated()
            && !self.is_begun(number)
        {
            return Some(Hold::Backlog {
                stage: stage.label.clone(),
                count,
                limit,
            });
        }
        let waiting = self.seen.fleet.waiting;
        if let Some(limit) = self
            .rules
            .fleet
            .waiting_max
            .filter(|limit| waiting >= *limit)
            && !seated()
            && !self.is_begun(number)
        {
            return Some(Hold::Attention { waiting, limit });
        }
        self.back_off(number)
            .or_else(|| self.issue_cap(number))
            .or_else(|| holds.session.clone())
            .or_else(|| open::issue_hold(self.rules, self.state, self.seen, stage, number))
    }

    fn issue_cap(&self, number: IssueNumber) -> Option<Hold> {
        let limit = self.rules.workflow.limits.dispatches_per_issue;
        let until = *self.capped.get(&number)?;
        Some(Hold::IssueCap { limit, until })
    }

    /// Whether a flood is over, or is none any more by the limit of now.
    fn is_ebbed(&self, hold: &Hold) -> bool {
        let allowed = self.rules.workflow.limits.labellings_per_hour;
        matches!(hold, Hold::Flood { until, limit, .. } if *until <= self.now || *limit != allowed)
    }

    /// Whether there is work on it already, or it came back: others may wait for that.
    fn is_begun(&self, number: IssueNumber) -> bool {
        let failed = |walk: &Walk| {
            walk.ended
                .as_ref()
                .is_some_and(|(cause, _)| cause.ends_the_attempt())
        };
        let walk = self.state.walks.get(&number);
        walk.is_some_and(|walk| {
            let rests = walk.yours.is_some() || walk.parked.is_some();
            let came_back = walk.rounds > 0 || walk.again.is_some();
            walk.branch.is_some() || came_back || rests || failed(walk)
        })
    }

    fn back_off(&self, number: IssueNumber) -> Option<Hold> {
        let walk = self.state.walks.get(&number)?;
        let (_, at) = walk
            .ended
            .as_ref()
            .filter(|(cause, _)| cause.ends_the_attempt())?;
        let until = *at + open::back_off(walk.attempts);
        (until > self.now && walk.attempts < self.rules.workflow.limits.attempts).then_some(
            Hold::BackOff {
                attempt: walk.attempts,
                until,
            },
        )
    }
}

/// Finds the issues whose own dispatches of a day are spent: once a cycle, for there may be ten thousand candidates.
fn capped(rules: &Rules, state: &State, now: Timestamp) -> BTreeMap<IssueNumber, Timestamp> {
    let day = SignedDuration::from_hours(24);
    let mut opened: BTreeMap<IssueNumber, (u32, Timestamp)> = BTreeMap::new();
    for one in state.openings.iter().filter(|one| one.at > now - day) {
        if let Some(issue) = one.issue {
            opened.entry(issue).or_insert((0, one.at + day)).0 += 1;
        }
    }
    let limit = rules.workflow.limits.dispatches_per_issue;
    opened.retain(|_, (count, _)| *count >= limit);
    let until = opened.into_iter().map(|(issue, (_, until))| (issue, until));
    until.collect()
}

/// The places in the workflow of all issues that were begun and stand somewhere. Not those that wait for other issues: what keeps
/// new work from beginning may not wait for it.
fn standing_places(rules: &Rules, state: &State, seen: &Observation) -> Vec<usize> {
    let stages = &rules.workflow.stages;
    if stages.iter().all(|stage| stage.backlog.is_none()) {
        return Vec::new();
    }
    let mut legend = Legend::of(&rules.workflow);
    let walks = state.walks.iter().filter(|(_, walk)| !walk.left);
    let heads = walks.filter_map(|(number, _)| seen.heads.get(number));
    let standing = heads.filter(|head| head.open && dependencies::hold(head, seen).is_none());
    let readings = standing.map(|head| legend.read(head));
    let places = readings.filter(Reading::stands);
    places.filter_map(|reading| reading.stage).collect()
}

/// Waiting for a person holds no seat: who comes next takes it over.
fn waits_for_a_person(
    rules: &Rules,
    state: &State,
    memory: &Memory,
    seen: &Observation,
    holder: IssueNumber,
) -> bool {
    let in_hand = state
        .dispatches
        .values()
        .any(|dispatch| dispatch.issue() == Some(holder) && !dispatch.waits_for_a_person())
        || state.transitions.contains_key(&holder)
        || state.parks.contains_key(&holder);
    if in_hand {
        return false;
    }
    if state.open_dispatch(holder).is_some() {
        return true;
    }
    let Some(head) = seen.heads.get(&holder) else {
        return false;
    };
    let refused = memory
        .refused
        .get(&holder)
        .is_some_and(|(read, _)| read == head);
    refused || trust::refused_by_labels(head, &rules.workflow).is_some()
}
