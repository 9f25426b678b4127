//! `explain` as words and as JSON: one value behind both, for issues and for what is due by the clock.

use insta::assert_snapshot;
use jiff::SignedDuration;
use pointsman::domain::*;
use pointsman::machine::engine::CycleReport;
use pointsman::machine::evolve;
use pointsman::machine::state::State;
use pointsman::view::{About, Explanation, Sight, Story, explain, render_explanation};

use super::busy;
use crate::builders::{minutes, rules, sample, seen};

fn explained(about: &str) -> Explanation {
    let (state, report, seen) = busy();
    explain(&Story {
        rules: &rules(),
        state: &state,
        report: &report,
        sight: Sight::Live(&seen),
        about: &About::parse(about),
        events: &[],
    })
}

#[test]
fn the_words_of_an_explanation_come_from_its_json() {
    let told = explained("#12");
    let json = serde_json::to_string(&told).expect("plain data");
    let back: Explanation = serde_json::from_str(&json).expect("what was written can be read");
    assert_eq!(back, told);
    assert_eq!(render_explanation(&back), render_explanation(&told));
}

#[test]
fn the_json_of_an_explanation_has_stable_names() {
    let mut told = explained("12");
    told.window = None;
    let json = serde_json::to_string_pretty(&told).expect("plain data");
    assert_snapshot!("explanation_as_json", json);
}

/// A scout that is due at two in the morning, while its project is paused.
fn scout(sight: impl FnOnce(&Observation) -> Sight<'_>) -> String {
    let mut rules = rules();
    rules.schedules = [(SkillName::new("scout"), 120)].into();
    let written = Event::SchedulesChanged {
        schedules: rules.schedules.clone(),
    };
    let (state, at) = (State::default(), minutes(-6000));
    let state = evolve::try_all(&state, at, &[written]).expect("it may be written");
    let paused = Event::ProjectPaused { by: "ada".into() };
    let state = evolve::try_all(&state, at, &[paused]).expect("it may be paused");
    let mut seen = seen(Vec::new());
    seen.panes
        .insert(Window::AGENT, sample(Activity::Unknown, Attention::Dialog));
    render_explanation(&explain(&Story {
        rules: &rules,
        state: &state,
        report: &CycleReport::default(),
        sight: sight(&seen),
        about: &About::parse("scout"),
        events: &[],
    }))
}

#[test]
fn a_schedule_says_what_holds_it() {
    assert_snapshot!("schedule_held", scout(|seen| Sight::Live(seen)));
    assert_snapshot!("schedule_unseen", scout(|_| Sight::Nothing));
}

#[test]
fn no_moment_is_told_to_the_nanosecond() {
    let odd = minutes(-4) + SignedDuration::from_nanos(123_456_789);
    let holds = [
        Hold::BackOff {
            attempt: 1,
            until: odd,
        },
        Hold::BeforeStart { added: odd },
        Hold::DailyCap {
            limit: 3,
            until: odd,
        },
        Hold::Stalled {
            why: "no".into(),
            until: odd,
        },
        Hold::Tracker {
            why: "no".into(),
            since: odd,
        },
        Hold::Unattributed {
            since: None,
            until: Some(odd),
        },
        Hold::Unreadable {
            why: "no".into(),
            until: Some(odd),
        },
    ];
    let mut told = explained("12");
    told.as_of.cycle_at = Some(odd);
    let dispatch = told.dispatch.as_mut().expect("it is open");
    dispatch.opened_at = odd;
    dispatch.deliveries[0].since = odd;
    dispatch.report.as_mut().expect("it reported").at = odd;
    let words: Vec<String> = holds.iter().map(ToString::to_string).collect();
    for text in words.iter().chain([&render_explanation(&told)]) {
        assert!(!text.contains(".123"), "{text}");
        assert!(text.contains("09:56:00Z"), "{text}");
    }
}
