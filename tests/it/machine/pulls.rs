//! What a person did with a pull request, and what of it still counts: as data.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Actor, ActorId, ActorKind, Cause, Details, Event, Evidence, GateName, IssueNumber, Label,
    LabelEvent, LabelEventId, Next, Observation, Phase, Pull, PullEnd, PullHead, PullRead,
    Questions, Role, Settled, SingleRead, Text, Transition, TransitionStep, Verb,
};
use pointsman::machine::dispatch::flow;
use pointsman::machine::engine::{Effect, Engine, Input};
use pointsman::machine::evolve::evolve;
use pointsman::machine::memory::Memory;
use pointsman::machine::pull::Kept;
use pointsman::machine::starting::decide::{Decision, decide};
use pointsman::machine::state::{State, Walk};
use pointsman::machine::step::Step;

use crate::builders::{alice, dev, dispatch, head, minutes, opening, rules, seen, sha, ten};

const SEVEN: IssueNumber = IssueNumber(7);
const EIGHT: IssueNumber = IssueNumber(8);

fn kept(end: Option<PullEnd>) -> Kept {
    Kept {
        pull: Pull {
            number: EIGHT,
            url: "https://github.test/me/blog/pull/8".to_owned(),
            evidence: String::new(),
            draft: false,
        },
        moved: None,
        end,
        stale: false,
    }
}

/// Reviewed and shown; the last move is a person's.
fn shown(end: Option<PullEnd>) -> State {
    let walk = Walk {
        yours: Some(Label::new("review")),
        event: Some(LabelEventId::new("700")),
        subject: Some(sha("c")),
        branch: Some("pointsman/7-faq".to_owned()),
        pull: Some(kept(end)),
        ..Walk::default()
    };
    State {
        added: Some(minutes(-6000)),
        walks: BTreeMap::from([(SEVEN, walk)]),
        ..State::default()
    }
}

fn merged() -> PullEnd {
    PullEnd::Merged {
        by: "ann".to_owned(),
    }
}

fn read(end: Option<PullEnd>) -> PullRead {
    PullRead {
        end,
        head: Some(sha("c")),
        ..PullRead::default()
    }
}

fn listed(open: bool) -> PullHead {
    PullHead {
        open,
        updated_at: minutes(-10),
    }
}

/// The issue as it is read singly: its label was set so many minutes after ten, by whom.
fn details(label: &str, by: &Actor, at: i64) -> Details {
    let head = head(7, "Add an FAQ", label);
    let text = Text {
        title: head.title.clone(),
        body: String::new(),
        edits: Vec::new(),
    };
    let event = LabelEvent {
        id: LabelEventId::new("702"),
        set: true,
        label: Label::new(label),
        actor: Some(by.clone()),
        at: minutes(at),
    };
    Details {
        read: SingleRead::Found(Box::new((head, text))),
        events: vec![event],
        roles: BTreeMap::from([(alice(), Role::Write)]),
        comments: None,
        at: ten(),
    }
}

fn follow(state: &mut State, events: &[Event]) {
    for event in events {
        evolve(state, ten(), event).unwrap();
    }
}

fn decided(state: &State, memory: &Memory, seen: &Observation) -> Decision {
    decide(&rules(), state, memory, seen, ten()).0
}

fn did(decision: &Decision) -> &str {
    match decision {
        Decision::Act(act) => &act.did,
        Decision::Look(_) => "a look",
        Decision::Wait(_) => "nothing",
    }
}

/// Says whether the end of the pull request ends what is open.
fn withdraws(decision: &Decision) -> bool {
    let withdrawn = |event: &Event| {
        let Event::DispatchClosed { cause, .. } = event else {
            return false;
        };
        matches!(cause, Cause::Withdrawn { why, .. } if why.contains("pull request"))
    };
    matches!(decision, Decision::Act(act) if act.events.iter().any(withdrawn))
}

/// It left the workflow with its pull request open; whoever ended that one afterwards did not speak of what is asked for now.
#[test]
fn a_pull_request_of_before_the_issue_left_ends_nothing_that_was_begun_since() {
    for end in [None, Some(merged())] {
        let mut state = shown(None);
        follow(
            &mut state,
            &[
                Event::IssueLeft {
                    issue: SEVEN,
                    how: "closed".to_owned(),
                },
                Event::DispatchOpened {
                    opening: Box::new(opening("d1", 7, "Add an FAQ", dev())),
                },
            ],
        );
        // A ledger may say so from before.
        follow(
            &mut state,
            &Vec::from_iter(end.map(|end| Event::PullEnded {
                issue: SEVEN,
                end,
                anew: None,
            })),
        );
        let mut seen = seen(vec![head(7, "Add an FAQ", "ready-for-dev")]);
        seen.pulls.insert(EIGHT, listed(false));
        let decision = decided(&state, &Memory::default(), &seen);
        let asks = |questions: &Questions| questions.pulls.clone();
        assert!(
            !matches!(&decision, Decision::Look(questions) if !asks(questions).is_empty()),
            "{decision:?}"
        );
        assert!(!withdraws(&decision), "{decision:?}");
        // Our next push finds what is open for the branch then, and that one counts again.
        let mut dispatch = state.dispatches.values().next().unwrap().clone();
        dispatch.phase = Phase::Judging;
        state.dispatches.insert(dispatch.id().clone(), dispatch);
        follow(
            &mut state,
            &[Event::PullKept {
                dispatch: pointsman::domain::DispatchId::new("d1"),
                issue: SEVEN,
                pull: kept(None).pull,
            }],
        );
        let Decision::Look(questions) = decided(&state, &Memory::default(), &seen) else {
            panic!("it is not looked at");
        };
        assert_eq!(questions.pulls, [EIGHT]);
    }
}

#[test]
fn a_merge_of_an_issue_that_cannot_be_read_keeps_nobody_else_waiting() {
    let state = shown(Some(merged()));
    let mut seen = seen(vec![
        head(7, "Add an FAQ", "review"),
        head(9, "Dark mode", "ready-for-dev"),
    ]);
    let Decision::Look(questions) = decided(&state, &Memory::default(), &seen) else {
        panic!("it is not looked at");
    };
    assert_eq!(questions.issues, [SEVEN]);
    seen.unread.insert(SEVEN, "403".to_owned());
    let decision = decided(&state, &Memory::default(), &seen);
    assert!(
        !matches!(&decision, Decision::Look(questions) if questions.issues.contains(&SEVEN)),
        "{decision:?}"
    );
}

/// `approve` merged it, and while the issue moved to its end a person set another label: what was merged is over, and the pull
/// request of the next round is looked at like any other.
#[test]
fn what_approve_merged_is_over_when_a_person_sends_the_issue_elsewhere() {
    let mut state = shown(None);
    let transition = Transition {
        issue: SEVEN,
        from: Label::new("review"),
        to: Next::Done,
        dispatch: None,
        after: None,
        rework: false,
        at: ten(),
        unchanged_since: None,
        step: TransitionStep::Intended,
    };
    follow(
        &mut state,
        &[
            Event::Merged {
                issue: SEVEN,
                subject: sha("c"),
                into: "main".to_owned(),
            },
            Event::TransitionIntended { transition },
            Event::TransitionSettled {
                issue: SEVEN,
                outcome: Settled::Overridden {
                    by: "alice".to_owned(),
                    found: vec![Label::new("ready-for-dev")],
                },
            },
        ],
    );
    let mut seen = seen(vec![head(7, "Add an FAQ", "ready-for-dev")]);
    let first = decided(&state, &Memory::default(), &seen);
    assert!(
        !matches!(&first, Decision::Look(questions) if !questions.pulls.is_empty()),
        "{first:?}"
    );
    // A ledger may say so from before.
    let end = merged();
    follow(
        &mut state,
        &[Event::PullEnded {
            issue: SEVEN,
            end,
            anew: None,
        }],
    );
    assert_eq!(did(&decided(&state, &Memory::default(), &seen)), "nothing");

    state.walks.get_mut(&SEVEN).unwrap().subject = Some(sha("d"));
    state.walks.get_mut(&SEVEN).unwrap().pull = Some(kept(None));
    seen.pulls.insert(EIGHT, listed(false));
    seen.pull_reads.insert(
        EIGHT,
        Some(read(Some(PullEnd::Closed {
            by: "ann".to_owned(),
            at: None,
        }))),
    );
    seen.details
        .insert(SEVEN, details("ready-for-dev", &alice(), -9));
    let mut memory = Memory::default();
    memory.pulls.take(&seen, ten());
    let Decision::Act(act) = decided(&state, &memory, &seen) else {
        panic!("it is not seen");
    };
    follow(&mut state, &act.events);
    assert_eq!(
        did(&decided(&state, &memory, &seen)),
        "#7 leaves the workflow: its pull request was closed unmerged by ann"
    );
}

fn row(gate: &GateName) -> Evidence {
    Evidence {
        gate: gate.clone(),
        subject: Some(sha("c")),
        holds: true,
        warned: false,
        exit: None,
        digest: None,
        says: "it holds".to_owned(),
        findings: None,
        log: None,
        ms: 1,
        at: ten(),
    }
}

/// In whatever order a stage names them: the pull request shows what was measured, so nothing is shown before that.
#[test]
fn a_pull_request_is_wanted_after_everything_else_holds() {
    for needs in [
        ["pr", "branch", "build"],
        ["branch", "pr", "build"],
        ["branch", "build", "pr"],
        // GitHub checks what was pushed, so that is pushed first as well.
        ["checks", "branch", "build"],
    ] {
        let mut stage = dev();
        stage.needs = needs.map(GateName::parse).to_vec();
        let mut dispatch = dispatch("d1", 7, "Add an FAQ", stage);
        dispatch.phase = Phase::Judging;
        dispatch.report = Some(super::life::report("r1", "", Verb::Done));
        let mut done = Vec::new();
        for _ in 0..needs.len() {
            let step = flow::next(&State::default(), &dispatch, &rules(), None, ten());
            let gate = match &step {
                Step::Intend(events, _) => match &events[..] {
                    [Event::GateStarted { gate, .. }] => gate.clone(),
                    other => panic!("{other:?}"),
                },
                Step::Do(action) => {
                    done.push(action.word().to_owned());
                    break;
                }
                other => panic!("{other:?}"),
            };
            done.push(gate.to_string());
            dispatch.evidence.push(row(&gate));
        }
        assert_eq!(done, ["branch", "build", "push"], "{needs:?}");
    }
}

/// An engine that looks at issue 7 and its pull request, and is answered.
struct Looker {
    engine: Engine,
    now: Timestamp,
    seen: Observation,
}

impl Looker {
    fn new() -> Self {
        let mut seen = seen(vec![head(7, "Add an FAQ", "review")]);
        seen.pulls.insert(EIGHT, listed(true));
        Self {
            engine: Engine::new(shown(None)),
            now: ten(),
            seen,
        }
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        self.engine.step(&rules(), input, self.now)
    }

    /// One cycle that begins then: whether it asked for the pull request, and what the tracker's answer made it write down.
    fn cycle(&mut self, seconds: i64, answer: Option<PullRead>) -> (bool, Vec<Event>) {
        self.now = ten() + SignedDuration::from_secs(seconds);
        self.seen.at = self.now;
        self.step(Input::Woken);
        let seen = Box::new(self.seen.clone());
        let effects = self.step(Input::Seen(seen));
        let asks = |effect: &Effect| matches!(effect, Effect::Look(questions) if !questions.pulls.is_empty());
        if !effects.iter().any(asks) {
            return (false, Vec::new());
        }
        let mut seen = Box::new(self.seen.clone());
        seen.pull_reads = BTreeMap::from([(EIGHT, answer)]);
        let effects = self.step(Input::Seen(seen));
        assert!(!effects.iter().any(asks), "it asks twice: {effects:?}");
        let written = effects.into_iter().find_map(|effect| match effect {
            Effect::Append { events, .. } => Some(events),
            _ => None,
        });
        self.step(Input::Appended);
        (true, written.unwrap_or_default())
    }
}

#[test]
fn a_pull_request_is_read_when_it_changed_and_when_everything_is_doubted() {
    let mut looker = Looker::new();
    assert!(looker.cycle(0, Some(read(None))).0);
    assert!(!looker.cycle(60, None).0);
    looker.seen.pulls.insert(
        EIGHT,
        PullHead {
            updated_at: minutes(-5),
            ..listed(true)
        },
    );
    assert!(looker.cycle(120, Some(read(None))).0);
    assert!(!looker.cycle(180, None).0);
    // What a list did not say, a sweep finds.
    looker.engine.doubt();
    let (asked, written) = looker.cycle(240, Some(read(Some(merged()))));
    assert!(asked);
    assert!(
        matches!(written[..], [Event::PullEnded { .. }]),
        "{written:?}"
    );
}

/// The tracker's times are whole seconds, and one of its readers may be behind another.
#[test]
fn what_changed_just_now_is_read_once_more_a_little_later() {
    let mut looker = Looker::new();
    let updated_at = ten() - SignedDuration::from_secs(1);
    looker.seen.pulls.insert(
        EIGHT,
        PullHead {
            open: true,
            updated_at,
        },
    );
    assert!(looker.cycle(0, Some(read(None))).0);
    assert!(!looker.cycle(5, None).0);
    let (asked, written) = looker.cycle(15, Some(read(Some(merged()))));
    assert!(asked);
    assert!(
        matches!(written[..], [Event::PullEnded { .. }]),
        "{written:?}"
    );
    // Once is enough.
    let mut looker = Looker::new();
    looker.seen.pulls.insert(
        EIGHT,
        PullHead {
            open: true,
            updated_at,
        },
    );
    for (seconds, asks) in [(0, true), (15, true), (30, false), (45, false)] {
        assert_eq!(looker.cycle(seconds, Some(read(None))).0, asks, "{seconds}");
    }
}

/// Nothing is not "nothing is wanted".
#[test]
fn one_that_cannot_be_read_is_tried_again_in_a_minute_or_when_it_changed() {
    let mut looker = Looker::new();
    for (seconds, asks) in [(0, true), (30, false), (59, false), (61, true), (90, false)] {
        assert_eq!(looker.cycle(seconds, None).0, asks, "{seconds}");
    }
    let updated_at = minutes(-5);
    let changed = PullHead {
        updated_at,
        ..listed(true)
    };
    looker.seen.pulls.insert(EIGHT, changed);
    assert!(looker.cycle(95, None).0);
    let (asked, written) = looker.cycle(160, Some(read(Some(merged()))));
    assert!(asked);
    assert!(
        matches!(written[..], [Event::PullEnded { .. }]),
        "{written:?}"
    );
}

fn routed() -> Vec<Event> {
    let transition = Transition {
        issue: SEVEN,
        from: Label::new("review"),
        to: Next::Stage(Label::new("ready-for-dev")),
        dispatch: None,
        after: None,
        rework: false,
        at: ten(),
        unchanged_since: None,
        step: TransitionStep::Intended,
    };
    vec![
        Event::Routed {
            issue: SEVEN,
            to: Label::new("ready-for-dev"),
            by: "ann".to_owned(),
            rework: false,
        },
        Event::TransitionIntended { transition },
        Event::TransitionSettled {
            issue: SEVEN,
            outcome: Settled::Moved {
                event: Some(LabelEventId::new("702")),
            },
        },
    ]
}

/// `pointsman route` after the closing was seen: the newer word counts.
#[test]
fn a_person_who_routes_the_issue_after_its_pull_request_was_closed_keeps_it_in_the_workflow() {
    let mut state = shown(Some(PullEnd::Closed {
        by: "ann".to_owned(),
        at: None,
    }));
    follow(&mut state, &routed());
    let seen = seen(vec![head(7, "Add an FAQ", "ready-for-dev")]);
    assert_eq!(did(&decided(&state, &Memory::default(), &seen)), "nothing");
}

/// Closed at ten; what the issue's label then means, by when and by whom it was set.
#[test]
fn a_label_set_after_a_pull_request_was_closed_is_the_newer_word() {
    let mallory = Actor {
        id: ActorId::new("666"),
        login: "mallory".to_owned(),
        kind: ActorKind::User,
    };
    // What moved it, who its label's event names, minutes after the closing, and whether it stays.
    let table = [
        ("a person", &alice(), -1, false),
        ("a person", &alice(), 0, true),
        ("a stranger", &mallory, 1, false),
        ("gates", &alice(), 1, false),
        ("route", &mallory, 1, true),
        ("route", &mallory, -1, false),
    ];
    for (index, (what, by, at, stays)) in table.into_iter().enumerate() {
        let mut state = shown(None);
        match what {
            "route" => follow(&mut state, &routed()),
            "gates" => {
                let walk = state.walks.get_mut(&SEVEN).unwrap();
                walk.own_event = Some(LabelEventId::new("702"));
            }
            _ => {}
        }
        // What was begun for it goes on, too.
        let mut opening = opening("d1", 7, "Add an FAQ", dev());
        opening.branch = Some("pointsman/7-faq".to_owned());
        let opening = Box::new(opening);
        follow(&mut state, &[Event::DispatchOpened { opening }]);
        let mut seen = seen(vec![head(7, "Add an FAQ", "ready-for-dev")]);
        let end = PullEnd::Closed {
            by: "ann".to_owned(),
            at: Some(ten()),
        };
        seen.pulls.insert(EIGHT, listed(false));
        seen.pull_reads.insert(EIGHT, Some(read(Some(end))));
        let mut memory = Memory::default();
        memory.pulls.take(&seen, ten());
        let Decision::Look(questions) = decided(&state, &memory, &seen) else {
            panic!("{index}: the issue is not read");
        };
        assert_eq!(questions.issues, [SEVEN], "{index}");
        seen.details.insert(SEVEN, details("ready-for-dev", by, at));
        let Decision::Act(act) = decided(&state, &memory, &seen) else {
            panic!("{index}: it is not seen");
        };
        let [Event::PullEnded { anew, .. }] = &act.events[..] else {
            panic!("{index}: {act:?}");
        };
        assert_eq!(anew.is_some(), stays, "{index}");
        follow(&mut state, &act.events);
        let is_withdrawn = withdraws(&decided(&state, &memory, &seen));
        assert_eq!(is_withdrawn, !stays, "{index}");
    }
}

#[test]
fn a_ledger_from_before_says_that_a_pull_request_was_closed() {
    let body = r#"{"kind":"pull-ended","issue":7,"end":{"end":"closed","by":"ann"}}"#;
    let event: Event = serde_json::from_str(body).unwrap();
    assert_eq!(serde_json::to_string(&event).unwrap(), body);
    let mut state = shown(None);
    follow(&mut state, &[event]);
    let kept = state.walks[&SEVEN].pull.as_ref().unwrap();
    assert!(kept.end.is_some());
}
