//! A rehearsal, a person's words and one key as data: when they may begin, and what of them is left alone.

use jiff::SignedDuration;
use pointsman::domain::{
    Action, Activity, Attention, Cause, Delivery, DeliveryId, DeliveryStep, Dispatch, Event, Hold,
    Liveness, Opening, Outcome, PaneSample, Phase, Purpose, Rehearsed, Verdict, Window,
};
use pointsman::machine::dispatch::{check, errand, flow, interrupt};
use pointsman::machine::evolve::evolve;
use pointsman::machine::starting::open::place;
use pointsman::machine::state::State;
use pointsman::machine::step::Step;

use super::delivery;
use super::life::working_rules;
use crate::builders::{dev, dispatch, minutes, opening, review, sample, seen, ten};

fn idle() -> PaneSample {
    sample(Activity::Idle { since: ten() }, Attention::None)
}

fn observed(pane: PaneSample) -> pointsman::domain::Observation {
    let mut seen = seen(Vec::new());
    seen.panes.insert(Window::AGENT, pane);
    seen
}

/// A rehearsal as it may begin in a state, or why not, and whether that passes by itself.
fn rehearsal(state: &State) -> Result<Opening, (String, bool)> {
    let (rules, seen) = (working_rules(), observed(idle()));
    let opened = check::opening(&rules, state, &seen, "ann", seen.fresh.clone());
    opened.map_err(|refusal| (refusal.why, refusal.passes))
}

fn opened(opening: Opening) -> Event {
    Event::DispatchOpened {
        opening: Box::new(opening),
    }
}

#[test]
fn nothing_begins_beside_a_rehearsal_and_it_begins_beside_nothing() {
    let rules = working_rules();
    let rehearsal_of = |state: &State| rehearsal(state);
    let free = rehearsal_of(&State::default()).expect("nothing is open");
    assert_eq!(free.branch.as_deref(), Some("pointsman/check-zz9zz9"));

    let mut state = State::default();
    evolve(&mut state, ten(), &opened(free.clone())).expect("it is legal");
    for stage in [dev(), review()] {
        let hold = place(&rules, &state, &observed(idle()), &stage, None).err();
        assert!(matches!(&hold, Some(Hold::Session { .. })), "{hold:?}");
    }

    for stage in [dev(), review()] {
        let mut state = State::default();
        let other = opening("d1", 7, "Add an FAQ", stage);
        let id = other.id.clone();
        evolve(&mut state, ten(), &opened(other)).expect("it is legal");
        let (why, passes) = rehearsal_of(&state).expect_err("work is open");
        assert!(
            why.contains("#7 (dispatch d1) has the session") && !passes,
            "{why}"
        );
        evolve(&mut state, ten(), &opened(free.clone())).expect_err("nor by a request too late");
        let cause = Cause::TimedOut;
        let closed = Event::DispatchClosed {
            dispatch: id.clone(),
            cause,
        };
        evolve(&mut state, ten(), &closed).expect("it is legal");
        let (_, passes) = rehearsal_of(&state).expect_err("it is not cleared away");
        assert!(passes, "what is over is only cleared away");
        evolve(&mut state, ten(), &Event::DispatchTidied { dispatch: id }).expect("it is legal");
        rehearsal_of(&state).expect("nothing is open");
    }
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_persons_words_are_for_an_agent_at_its_prompt_and_one_key_for_an_agent_at_work() {
    let mut rules = working_rules();
    let profile = rules.profiles.values_mut().next().expect("there is one");
    profile.submit.interrupt_key = Some("1b".to_owned());
    let profile = profile.clone();
    let since = Activity::Idle { since: ten() };
    // what the agent does, what it wants, then what is said of words and of the key; nothing: it is done
    let table = [
        (since, Attention::None, "", "there is nothing to stop"),
        (Activity::Busy, Attention::None, "the agent is busy", ""),
        (
            Activity::Draft,
            Attention::None,
            "holding somebody's draft",
            "not seen at work",
        ),
        (
            Activity::Obscured,
            Attention::None,
            "behind a viewer",
            "not seen at work",
        ),
        (
            Activity::Unknown,
            Attention::None,
            "unknown state",
            "not seen at work",
        ),
        (
            Activity::Starting,
            Attention::None,
            "starting",
            "not seen at work",
        ),
        (
            Activity::Busy,
            Attention::Permission,
            "for a permission",
            "would answer it",
        ),
        (
            since,
            Attention::Dialog,
            "to settle a dialog",
            "would answer it",
        ),
        (
            since,
            Attention::Question,
            "a question of its own",
            "would answer it",
        ),
        (
            since,
            Attention::HumanPresent,
            "a person is at its pane",
            "there is nothing to stop",
        ),
    ];
    for (activity, attention, words, key) in table {
        let pane = sample(activity, attention.clone());
        let seen = observed(pane.clone());
        let fresh = seen.fresh.clone();
        let said = errand::said(
            &rules,
            &State::default(),
            &seen,
            ("ann", "hm", Window::AGENT),
            fresh,
        );
        let said = said.map_or_else(|refusal| refusal.why, |_| String::new());
        let pressed = interrupt::target(Some(&pane), Some(&profile)).err();
        let pressed = pressed.unwrap_or_default();
        for (found, wanted) in [(said, words), (pressed, key)] {
            let agrees = found.is_empty() == wanted.is_empty() && found.contains(wanted);
            assert!(
                agrees,
                "{activity:?} {attention:?}: {found:?}, not {wanted:?}"
            );
        }
    }
    for liveness in [Liveness::Dead, Liveness::Unknown] {
        let mut pane = sample(Activity::Busy, Attention::None);
        pane.state.liveness = liveness;
        interrupt::target(Some(&pane), Some(&profile)).expect_err("a shell gets no key");
    }
    interrupt::target(None, Some(&profile)).expect_err("nobody is there");
}

#[test]
fn what_an_agent_may_still_be_at_is_not_cleared_away() {
    let at = |activity, attention| Some(sample(activity, attention));
    let before = Activity::Idle { since: minutes(-1) };
    let after = Activity::Idle { since: minutes(1) };
    let mut dead = sample(Activity::Busy, Attention::None);
    dead.state.liveness = Liveness::Dead;
    // its pane; whether it is at it when the brief was received, and when nobody knows
    let table = [
        (at(Activity::Busy, Attention::None), true, true),
        (at(before, Attention::Dialog), true, true),
        (at(before, Attention::None), true, false),
        (at(after, Attention::None), false, false),
        // Our own line may be what stands there: it is taken back then.
        (at(Activity::Draft, Attention::None), true, false),
        (Some(dead), false, false),
        (None, false, false),
    ];
    for (pane, received, unknown) in table {
        for (confirmed, wanted) in [(Some(ten()), received), (None, unknown)] {
            let closed = Dispatch {
                opening: rehearsal(&State::default()).expect("nothing is open"),
                phase: Phase::Closed {
                    cause: Cause::TimedOut,
                    at: ten(),
                },
                confirmed_at: confirmed,
                ..dispatch("d1", 7, "Add an FAQ", dev())
            };
            let soon = ten() + SignedDuration::from_secs(5);
            let found = check::is_at_it(&closed, pane.as_ref(), soon);
            assert_eq!(found, wanted, "{pane:?} {confirmed:?}");
        }
    }
}

/// A prompt that is drawn anew in between is proven idle a second later; what is known to be in the way ends it at once.
#[test]
fn an_agent_in_doubt_for_a_moment_ends_nothing_that_a_person_waits_for() {
    let (rules, seen) = (working_rules(), observed(idle()));
    let mut waiting = dispatch("ab12cd", 7, "", dev());
    waiting.opening = check::opening(&rules, &State::default(), &seen, "ann", seen.fresh.clone())
        .expect("nothing is in the way");
    let ends = |activity: Activity, seconds: i64| {
        let sample = sample(activity, Attention::None);
        let now = ten() + SignedDuration::from_secs(seconds);
        errand::refused(&waiting, None, Some(&sample), now).is_some()
    };
    assert!(!ends(Activity::Idle { since: ten() }, 60));
    assert!(!ends(Activity::Unknown, 14));
    assert!(ends(Activity::Unknown, 15));
    assert!(ends(Activity::Busy, 1));
    assert!(ends(Activity::Draft, 1));
}

/// What may be in doubt at the very moment of typing as well is tried once more; what is in the way ends it, and so does a second doubt.
#[test]
fn what_could_not_be_typed_in_a_moment_of_doubt_is_typed_in_the_next() {
    let (rules, seen) = (working_rules(), observed(idle()));
    let mut waiting = dispatch("ab12cd", 7, "", dev());
    waiting.opening = check::opening(&rules, &State::default(), &seen, "ann", seen.fresh.clone())
        .expect("nothing is in the way");
    let mut last = delivery(DeliveryId::new("aaaabbbb"), Purpose::Brief);
    last.step = DeliveryStep::Settled {
        verdict: Verdict::NotDelivered,
        witness: "a second sample is due".to_owned(),
    };
    let idle = Activity::Idle { since: ten() };
    for (times, activity, ends) in [
        (1, idle, false),
        (1, Activity::Unknown, false),
        (1, Activity::Draft, true),
        (1, Activity::Busy, true),
        (2, idle, true),
        (2, Activity::Unknown, true),
    ] {
        waiting.undelivered = times;
        let sample = sample(activity, Attention::None);
        let ended = errand::refused(&waiting, Some(&last), Some(&sample), ten());
        assert_eq!(ended.is_some(), ends, "{times} {activity:?}");
    }
    waiting.undelivered = 1;
    let gone = errand::refused(&waiting, Some(&last), None, ten());
    assert!(gone.is_some(), "nobody sees the agent");
}

/// A dialog ended it, and its Enter was swallowed: what no receipt proves is taken for unknown, so that it is looked for and cleared.
#[test]
fn a_rehearsal_that_a_dialog_ended_forgets_no_line_of_its_own() {
    let id = DeliveryId::new("ab12cd-1");
    let opening = rehearsal(&State::default()).expect("nothing is open");
    let asked = Dispatch {
        deliveries: vec![id.clone()],
        phase: Phase::Delivering,
        opening,
        ..dispatch("ab12cd", 7, "", dev())
    };
    let submitted = Delivery {
        dispatch: asked.id().clone(),
        step: DeliveryStep::Submitted { n: 1, waits: 1 },
        ..super::delivery(id.clone(), Purpose::Brief)
    };
    let mut state = State::default();
    state.deliveries.insert(id.clone(), submitted);
    state.dispatches.insert(asked.id().clone(), asked.clone());
    let surveyed = Outcome::Surveyed {
        written: false,
        committed: false,
        dialog: Some("Do you trust this folder?".to_owned()),
        version: None,
    };
    let action = Action::Survey {
        dispatch: Box::new(asked.clone()),
        ended: Rehearsed::Asks,
    };
    let limited = sample(Activity::Busy, Attention::RateLimited { until: None });
    let stopped = Dispatch {
        pane: Some(limited.pane.clone()),
        ..asked.clone()
    };
    for step in [
        flow::settle(&state, &asked, &working_rules(), &action, &surveyed, ten()),
        check::at_work(&state, &stopped, Some(&limited)).expect("it is over"),
    ] {
        let Step::Record(events) = step else {
            panic!("{step:?}");
        };
        let [.., settled, closed] = events.as_slice() else {
            panic!("{events:?}");
        };
        assert!(
            matches!(settled, Event::DeliverySettled { delivery, verdict: Verdict::Unconfirmed, .. } if *delivery == id),
            "{settled:?}"
        );
        assert!(matches!(closed, Event::DispatchClosed { .. }), "{closed:?}");
    }
}

/// A clock that was put back: what was seen before the line was typed bears a later time, and says nothing of the composer.
#[test]
fn a_line_is_looked_for_with_eyes_of_after_even_if_the_clock_was_put_back() {
    let id = DeliveryId::new("ab12cd-1");
    let over = Dispatch {
        deliveries: vec![id.clone()],
        phase: Phase::Closed {
            cause: Cause::TimedOut,
            at: ten(),
        },
        pane: Some(idle().pane),
        ..dispatch("ab12cd", 7, "Add an FAQ", dev())
    };
    let typed = Delivery {
        dispatch: over.id().clone(),
        step: DeliveryStep::Settled {
            verdict: Verdict::TypedNotSubmitted,
            witness: "the guard refused".to_owned(),
        },
        since: ten(),
        ..super::delivery(id.clone(), Purpose::Brief)
    };
    let mut state = State::default();
    state.deliveries.insert(id, typed);
    state.dispatches.insert(over.id().clone(), over.clone());
    let next = |at| {
        let mut pane = idle();
        pane.at = at;
        flow::next(&state, &over, &working_rules(), Some(&pane), minutes(1))
    };
    assert_eq!(next(minutes(-1)), Step::Rest);
    assert_eq!(next(minutes(60)), Step::Rest);
    let after = next(minutes(1));
    assert!(matches!(after, Step::Do(Action::Tidy { .. })), "{after:?}");
}
