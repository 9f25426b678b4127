//! When a schedule is due: local days, days that lack an hour, days that have one twice.

use jiff::civil::{Date, date};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{Event, Rules, SkillName};
use pointsman::machine::evolve::evolve;
use pointsman::machine::starting::schedule::{moment, newest, next, owed};
use pointsman::machine::state::State;

use crate::builders::rules;

/// Half past two.
const HALF_PAST_TWO: u16 = 2 * 60 + 30;

/// New York: the clock leaps from 02:00 to 03:00 on 8 March 2026 and is put back from 02:00 to 01:00 on 1 November.
fn new_york() -> TimeZone {
    TimeZone::posix("EST5EDT,M3.2.0,M11.1.0").expect("a POSIX time zone")
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

#[test]
fn a_minute_that_does_not_exist_becomes_the_next_that_does() {
    let leap = moment(date(2026, 3, 8), HALF_PAST_TWO, &new_york());
    assert_eq!(leap, Some(at("2026-03-08T07:00:00Z")), "03:00 local");
    let before = moment(date(2026, 3, 8), 119, &new_york());
    assert_eq!(before, Some(at("2026-03-08T06:59:00Z")));
    let day_after = moment(date(2026, 3, 9), HALF_PAST_TWO, &new_york());
    assert_eq!(day_after, Some(at("2026-03-09T06:30:00Z")));
}

#[test]
fn a_minute_that_comes_twice_is_the_first() {
    let half_past_one = 90;
    let first = moment(date(2026, 11, 1), half_past_one, &new_york());
    assert_eq!(first, Some(at("2026-11-01T05:30:00Z")));
    let again = at("2026-11-01T06:30:00Z");
    let run = newest(half_past_one, &new_york(), again).expect("it is past");
    assert_eq!((run.on, Some(run.at)), (date(2026, 11, 1), first));
    let coming = next(half_past_one, &new_york(), Some(date(2026, 11, 1)), again);
    assert_eq!(coming, Some(at("2026-11-02T06:30:00Z")));
}

#[test]
fn the_newest_run_belongs_to_its_local_day() {
    let late = 23 * 60 + 30;
    let run = newest(late, &new_york(), at("2026-06-10T04:10:00Z")).expect("it is past");
    assert_eq!(run.on, date(2026, 6, 9), "ten past midnight in New York");
    assert_eq!(run.at, at("2026-06-10T03:30:00Z"));
}

fn scout() -> SkillName {
    SkillName::new("scout")
}

/// A project with a scout at half past two, configured since then; run for that day, if for one.
fn configured(since: &str, ran: Option<Date>) -> (Rules, State) {
    let mut rules = rules();
    rules.zone = new_york();
    rules.schedules = [(scout(), HALF_PAST_TWO)].into();
    let mut state = State::default();
    let event = Event::SchedulesChanged {
        schedules: rules.schedules.clone(),
    };
    evolve(&mut state, at(since), &event).expect("it is legal");
    state.ran.extend(ran.map(|on| (scout(), on)));
    (rules, state)
}

fn owes(since: &str, ran: Option<Date>, now: &str) -> Option<Date> {
    let (rules, state) = configured(since, ran);
    owed(&rules, &state, &scout(), at(now)).map(|run| run.on)
}

#[test]
fn a_missed_run_is_owed_for_half_a_day_and_two_are_one() {
    let long_ago = "2026-06-01T00:00:00Z";
    let due = at("2026-06-10T06:30:00Z");
    let day = Some(date(2026, 6, 10));
    let minutes = |minutes| (due + SignedDuration::from_mins(minutes)).to_string();
    let yesterday = Some(date(2026, 6, 9));
    assert_eq!(owes(long_ago, yesterday, &minutes(-1)), None);
    assert_eq!(owes(long_ago, yesterday, &minutes(0)), day);
    assert_eq!(owes(long_ago, yesterday, &minutes(12 * 60)), day);
    assert_eq!(owes(long_ago, yesterday, &minutes(12 * 60 + 1)), None);
    assert_eq!(owes(long_ago, day, &minutes(1)), None, "once a day");
    let week_ago = Some(date(2026, 6, 3));
    assert_eq!(
        owes(long_ago, week_ago, &minutes(60)),
        day,
        "only the newest"
    );
}

#[test]
fn what_was_due_before_the_schedule_was_written_is_not_owed() {
    let now = "2026-06-10T08:00:00Z";
    assert_eq!(owes("2026-06-10T07:00:00Z", None, now), None);
    assert_eq!(
        owes("2026-06-10T06:00:00Z", None, now),
        Some(date(2026, 6, 10))
    );
}

#[test]
fn a_schedule_that_goes_and_comes_back_does_not_run_its_day_again() {
    let (mut rules, mut state) = configured("2026-06-01T00:00:00Z", Some(date(2026, 6, 10)));
    let now = at("2026-06-10T07:00:00Z");
    for schedules in [[].into(), [(scout(), 4 * 60)].into()] {
        let event = Event::SchedulesChanged { schedules };
        evolve(&mut state, now, &event).expect("it is legal");
    }
    rules.schedules = [(scout(), 4 * 60)].into();
    assert_eq!(
        owed(&rules, &state, &scout(), at("2026-06-10T09:00:00Z")),
        None
    );
    let tomorrow = owed(&rules, &state, &scout(), at("2026-06-11T09:00:00Z"));
    assert_eq!(tomorrow.map(|run| run.on), Some(date(2026, 6, 11)));
}
