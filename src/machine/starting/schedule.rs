//! Work that is due by the clock: `[[schedule]]`, in local time. What is due, missed or done is decided here, from the ledger;
//! timers only wake a cycle.
//!
//! A schedule counts from the moment it was first seen: one that is written at noon for two in the morning is not late. A day's run
//! belongs to its local date, and a date is run once, also when the clock is put back or the daemon was down for a while.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp, ToSpan};

use crate::domain::{
    Basis, DeliveryStep, Dispatch, DispatchId, Errand, Event, Hold, Observation, Rules, SkillName,
    Verdict,
};
use crate::machine::dispatch::errand;
use crate::machine::starting::decide::{Act, Decision};
use crate::machine::starting::open;
use crate::machine::state::State;
use crate::machine::step::Flow;

/// A run that was missed is done this much later at most; then it is the next day's turn.
pub const LATE_MAX: SignedDuration = SignedDuration::from_hours(12);

/// One run of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The local day it belongs to.
    pub on: Date,
    /// When it is due.
    pub at: Timestamp,
}

/// Where a schedule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Not before then.
    Later(Timestamp),
    /// Its dispatch is open.
    InHand(DispatchId),
    /// It is due and cannot start.
    Held(Run, Hold),
    /// It is due, and nothing holds it.
    Due(Run),
}

/// Returns when a minute of a local day is. A minute that the clock leaps over becomes the first that exists after it; of one that
/// comes twice it is the first.
pub fn moment(on: Date, minute: u16, zone: &TimeZone) -> Option<Timestamp> {
    let (hour, minute) = (
        i8::try_from(minute / 60).ok()?,
        i8::try_from(minute % 60).ok()?,
    );
    let wanted = DateTime::from_parts(on, Time::new(hour, minute, 0, 0).ok()?);
    let ambiguous = zone.to_ambiguous_timestamp(wanted);
    match ambiguous.offset() {
        AmbiguousOffset::Gap { after, .. } => {
            // Read with the later offset it lies before the leap: the leap comes next.
            let before = after.to_timestamp(wanted).ok()?;
            zone.following(before).next().map(|leap| leap.timestamp())
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
            ambiguous.earlier().ok()
        }
    }
}

/// Returns the newest run that is not in the future. Two that were missed are one: only the newest is ever looked at.
pub fn newest(minute: u16, zone: &TimeZone, now: Timestamp) -> Option<Run> {
    let today = now.to_zoned(zone.clone()).date();
    let mut days = (-1..=2).filter_map(|days| today.checked_sub(days.days()).ok());
    days.find_map(|on| {
        let at = moment(on, minute, zone)?;
        (at <= now).then_some(Run { on, at })
    })
}

/// Returns when a schedule comes next, after `now` and after the day that was run last.
pub fn next(minute: u16, zone: &TimeZone, ran: Option<Date>, now: Timestamp) -> Option<Timestamp> {
    let today = now.to_zoned(zone.clone()).date();
    let days = (-1..=3).filter_map(|days| today.checked_add(days.days()).ok());
    let mut coming = days.filter(|on| ran.is_none_or(|ran| ran < *on));
    coming.find_map(|on| moment(on, minute, zone).filter(|at| *at > now))
}

/// Writes down that the configured schedules changed: they count from now on.
pub fn noted(rules: &Rules, state: &State) -> Option<Decision> {
    let known = state
        .schedules
        .iter()
        .map(|(skill, known)| (skill, known.minute));
    if known.eq(rules
        .schedules
        .iter()
        .map(|(skill, minute)| (skill, *minute)))
    {
        return None;
    }
    let event = Event::SchedulesChanged {
        schedules: rules.schedules.clone(),
    };
    let did = "the schedules are written down".to_owned();
    Some(Act::record(vec![event], None, did))
}

/// Returns the run that a schedule owes, if it owes one.
pub fn owed(rules: &Rules, state: &State, skill: &SkillName, now: Timestamp) -> Option<Run> {
    let known = state.schedules.get(skill)?;
    let minute = rules
        .schedules
        .get(skill)
        .filter(|minute| **minute == known.minute)?;
    let run = newest(*minute, &rules.zone, now)?;
    let ran = state.ran.get(skill).is_some_and(|ran| *ran >= run.on);
    let is_late = now.duration_since(run.at) > LATE_MAX;
    (!ran && !is_late && run.at >= known.since).then_some(run)
}

/// Says where every schedule of the project stands.
pub fn turns(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    project: Option<&Hold>,
    now: Timestamp,
) -> Vec<(SkillName, u16, Turn)> {
    let turns = rules.schedules.iter().filter_map(|(skill, minute)| {
        let turn = turn(rules, state, seen, project, skill, *minute, now)?;
        Some((skill.clone(), *minute, turn))
    });
    turns.collect()
}

fn turn(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    project: Option<&Hold>,
    skill: &SkillName,
    minute: u16,
    now: Timestamp,
) -> Option<Turn> {
    let mine = |dispatch: &&Dispatch| {
        let due = matches!(dispatch.opening.errand(), Some(Errand::Due { .. }));
        due && dispatch.is_open() && dispatch.opening.stage.skill == *skill
    };
    if let Some(dispatch) = state.dispatches.values().find(mine) {
        return Some(Turn::InHand(dispatch.id().clone()));
    }
    let Some(run) = owed(rules, state, skill, now) else {
        let ran = state.ran.get(skill).copied();
        return next(minute, &rules.zone, ran, now).map(Turn::Later);
    };
    let stage = errand::due_stage(skill);
    let hold = project.cloned();
    let hold = hold.or_else(|| open::place(rules, state, seen, &stage, None).err());
    Some(match hold {
        Some(hold) => Turn::Held(run, hold),
        None => Turn::Due(run),
    })
}

/// Starts what is due and held by nothing; of several, one a cycle.
pub(super) fn due(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    project: Option<&Hold>,
    now: Timestamp,
) -> Option<Decision> {
    let mut turns = turns(rules, state, seen, project, now).into_iter();
    let (skill, run) = turns.find_map(|(skill, _, turn)| match turn {
        Turn::Due(run) => Some((skill, run)),
        Turn::Later(_) | Turn::InHand(_) | Turn::Held(..) => None,
    })?;
    let basis = Basis::Errand(Errand::Due {
        project: rules.project.name.clone(),
        on: run.on,
        at: run.at,
    });
    let stage = errand::due_stage(&skill);
    let window = open::place(rules, state, seen, &stage, None).ok()?;
    let fresh = seen.fresh.clone();
    let opening = errand::opening(rules, basis, (stage, window), String::new(), fresh);
    let late = match now.duration_since(run.at).as_secs() / 60 {
        0 => String::new(),
        minutes => format!(", {minutes} min late"),
    };
    let did = format!("dispatch {} of the scheduled `{skill}`{late}", opening.id);
    let flow = Flow::Dispatch(opening.id.clone());
    let opening = Box::new(opening);
    Some(Act::record(
        vec![Event::DispatchOpened { opening }],
        Some(flow),
        did,
    ))
}

/// Says why a due errand is not wanted any more: its schedule left the configuration before anything was typed.
pub fn unwanted(rules: &Rules, state: &State, dispatch: &Dispatch) -> Option<(String, String)> {
    if !matches!(dispatch.opening.errand(), Some(Errand::Due { .. })) {
        return None;
    }
    let last = state.last_delivery(dispatch).map(|last| &last.step);
    let untyped = matches!(
        last,
        None | Some(
            DeliveryStep::Planned
                | DeliveryStep::Staged
                | DeliveryStep::Settled {
                    verdict: Verdict::NotDelivered,
                    ..
                }
        )
    );
    let gone = gone(rules, dispatch);
    gone.filter(|_| untyped && dispatch.confirmed_at.is_none())
}

/// Says that a due errand's schedule is not configured any more.
pub fn gone(rules: &Rules, dispatch: &Dispatch) -> Option<(String, String)> {
    let skill = &dispatch.opening.stage.skill;
    let due = matches!(dispatch.opening.errand(), Some(Errand::Due { .. }));
    (due && !rules.schedules.contains_key(skill)).then(|| {
        let why = format!("the schedule of `{skill}` was taken out");
        ("the configuration".to_owned(), why)
    })
}
