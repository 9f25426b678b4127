//! PROTOCOLS 2 and 4 as data: what follows the end of a dispatch, what is counted, and what a report may overtake.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Activity, Attention, Basis, Cause, CommentMode, Details, Event, FirstLine, IssueNumber, Label,
    LabelEvent, LabelEventId, Next, Observation, Phase, Profile, Report, ReportId, Role, Rules,
    ScreenRules, Settled, Signals, SingleRead, Subject, Submit, Text, Transition, TransitionStep,
    Verb, Window,
};
use pointsman::machine::dispatch::watchdog;
use pointsman::machine::evolve::evolve;
use pointsman::machine::labels::older::set_aside;
use pointsman::machine::starting::decide::{Decision, Memory, Standing, decide};
use pointsman::machine::state::{State, Walk};
use pointsman::machine::step::Flow;
use pointsman::machine::text::issue_digest;

use crate::builders::{
    alice, dev, dispatch, head, minutes, opening, review, rules, sample, seen, ten,
};

const SEVEN: IssueNumber = IssueNumber(7);

pub(super) fn working_rules() -> Rules {
    let mut rules = rules();
    let profile = Profile {
        name: rules.project.agent.clone(),
        account: "anthropic".to_owned(),
        start: Vec::new(),
        resume: None,
        env: Vec::new(),
        pass_env: Vec::new(),
        processes: Vec::new(),
        versions: String::new(),
        first_line: FirstLine::Typed,
        submit: Submit {
            floor: Duration::from_millis(300),
            cursor_in_composer: true,
            clear_key: None,
            interrupt_key: None,
        },
        signals: Signals::default(),
        screen: ScreenRules {
            composer: Some("^> (.*)$".to_owned()),
            ..ScreenRules::default()
        },
        loosens: Vec::new(),
        go_on: None,
        mends: BTreeMap::new(),
    };
    rules.profiles = BTreeMap::from([(profile.name.clone(), profile)]);
    let skills = rules.workflow.stages.iter();
    rules.skills = skills
        .map(|stage| (stage.skill.clone(), "digest".to_owned()))
        .collect();
    rules
}

/// Issue 7, labelled by alice, with an idle agent.
pub(super) fn looked(at: Timestamp) -> Observation {
    let head = head(7, "Add an FAQ", "ready-for-dev");
    let text = Text {
        title: head.title.clone(),
        body: String::new(),
        edits: Vec::new(),
    };
    let mut seen = seen(vec![head.clone()]);
    seen.at = at;
    let details = Details {
        read: SingleRead::Found(Box::new((head, text))),
        events: vec![LabelEvent {
            id: LabelEventId::new("701"),
            set: true,
            label: Label::new("ready-for-dev"),
            actor: Some(alice()),
            at: minutes(-10),
        }],
        roles: BTreeMap::from([(alice(), Role::Admin)]),
        comments: None,
        at,
    };
    seen.details = BTreeMap::from([(SEVEN, details)]);
    let idle = sample(Activity::Idle { since: ten() }, Attention::None);
    seen.panes = BTreeMap::from([(Window::AGENT, idle)]);
    seen
}

fn ended(attempts: u32, cause: &Cause) -> State {
    let mut state = State::default();
    for attempt in 1..=attempts {
        let mut opening = opening(&format!("d{attempt}"), 7, "Add an FAQ", dev());
        opening.attempt = attempt;
        if let Basis::Labelling { approval, .. } = &mut opening.basis {
            approval.text = issue_digest("Add an FAQ", "");
        }
        let id = opening.id.clone();
        let events = [
            Event::DispatchOpened {
                opening: Box::new(opening),
            },
            Event::DispatchClosed {
                dispatch: id.clone(),
                cause: cause.clone(),
            },
            Event::DispatchTidied { dispatch: id },
        ];
        for event in events {
            evolve(&mut state, ten(), &event).unwrap();
        }
    }
    state
}

fn follows(state: &State, at: Timestamp) -> String {
    let (decision, standing) = decide(&working_rules(), state, &Memory::default(), &looked(at), at);
    match (decision, standing.get(&SEVEN)) {
        (Decision::Act(act), _) => act.did,
        (_, Some(hold)) => hold.word().to_owned(),
        (other, None) => format!("{other:?}"),
    }
}

#[test]
fn what_follows_the_end_of_a_dispatch() {
    let why = || "why".to_owned();
    let verified = Cause::Verified {
        subject: None,
        reported: true,
    };
    let again = "dispatch zz9zz9 of #7 to dev (attempt 2)";
    // attempts so far, how the last one ended, what follows at once, and an hour later
    let table = [
        (1, Cause::Failed { why: why() }, "back-off", again),
        (1, Cause::TimedOut, "back-off", again),
        (1, Cause::Lost { why: why() }, "back-off", again),
        (3, Cause::Failed { why: why() }, "parking #7", "parking #7"),
        (3, Cause::TimedOut, "parking #7", "parking #7"),
        (1, verified, "yours", "yours"),
        (1, Cause::Rework { findings: why() }, "spent", "spent"),
        (1, Cause::Parked { why: why() }, "spent", "spent"),
        (
            1,
            Cause::Withdrawn {
                by: why(),
                why: why(),
            },
            "spent",
            "spent",
        ),
    ];
    for (attempts, cause, now, later) in table {
        let state = ended(attempts, &cause);
        assert_eq!(follows(&state, ten()), now, "{cause:?}");
        assert_eq!(follows(&state, minutes(60)), later, "{cause:?}, later");
    }
}

fn sent_back() -> [Event; 2] {
    let transition = Transition {
        issue: SEVEN,
        from: Label::new("review"),
        to: Next::Stage(Label::new("ready-for-dev")),
        dispatch: None,
        after: None,
        rework: true,
        at: ten(),
        unchanged_since: None,
        step: TransitionStep::Intended,
    };
    [
        Event::TransitionIntended { transition },
        Event::TransitionSettled {
            issue: SEVEN,
            outcome: Settled::Moved { event: None },
        },
    ]
}

/// Rounds are the issue's: a label taken off and set again does not make them good; a park that a person ended does.
#[test]
fn rounds_count_until_the_issue_is_done_or_parked() {
    let left = || Event::IssueLeft {
        issue: SEVEN,
        how: "left the workflow".to_owned(),
    };
    let unparked = || Event::IssueUnparked {
        issue: SEVEN,
        event: LabelEventId::new("800"),
    };
    let twice: Vec<Event> = sent_back().into_iter().chain(sent_back()).collect();
    let table = [
        ("sent back twice", Vec::new(), 2),
        ("and the label was taken off", vec![left()], 2),
        ("and the park label was taken off", vec![unparked()], 0),
    ];
    for (what, then, rounds) in table {
        let mut state = State::default();
        for event in twice.iter().chain(&then) {
            evolve(&mut state, ten(), event).unwrap();
        }
        assert_eq!(state.walks[&SEVEN].rounds, rounds, "{what}");
    }
}

pub(super) fn report(id: &str, note: &str, verb: Verb) -> Report {
    Report {
        id: ReportId::new(id),
        dispatch: pointsman::domain::DispatchId::new("d1"),
        verb,
        head: Some(crate::builders::sha("a")),
        branch: None,
        spec: None,
        verdict: None,
        note: Some(note.to_owned()),
        moved: None,
        proven: true,
        at: ten(),
    }
}

/// A dispatch whose build is being measured for the report `r1`.
fn measuring() -> (State, Memory) {
    let mut dispatch = dispatch("d1", 7, "Add an FAQ", dev());
    dispatch.phase = Phase::Judging;
    dispatch.running = Some("build".to_owned());
    dispatch.report = Some(report("r1", "it is done", Verb::Done));
    let mut state = State::default();
    state.reports.push_back(ReportId::new("r1"));
    let mut memory = Memory::default();
    memory.busy.insert(Flow::Dispatch(dispatch.id().clone()));
    state.dispatches.insert(dispatch.id().clone(), dispatch);
    (state, memory)
}

#[test]
fn a_report_that_says_something_else_overtakes_a_running_gate() {
    let table = [
        (
            "the same again",
            report("r2", "it is done", Verb::Done),
            false,
        ),
        ("another note", report("r2", "now it is", Verb::Done), true),
        (
            "that it failed",
            report("r2", "it is done", Verb::Fail),
            true,
        ),
        (
            "an acknowledgement",
            report("r2", "it is done", Verb::Ack),
            false,
        ),
    ];
    for (what, new, overtakes) in table {
        let (mut state, memory) = measuring();
        let mut seen = seen(Vec::new());
        seen.reports = vec![report("r1", "it is done", Verb::Done), new.clone()];
        let decided = watchdog::reports(&state, &memory, &seen);
        let Some(Decision::Act(act)) = decided else {
            assert!(!overtakes, "{what} was not taken");
            continue;
        };
        assert!(overtakes, "{what} was taken: {}", act.did);
        for event in &act.events {
            evolve(&mut state, ten(), event).unwrap();
        }
        let dispatch = state.dispatches.values().next().unwrap();
        assert_eq!(dispatch.running, None, "{what}: the gate is over");
        assert_eq!(dispatch.report.as_ref(), Some(&new), "{what}");
    }
}

#[test]
fn a_report_that_joined_has_the_same_answer() {
    let (mut state, mut memory) = measuring();
    let mut seen = seen(Vec::new());
    seen.reports = vec![report("r2", "it is done", Verb::Done)];
    memory.join(&state, &seen);
    memory.busy.clear();
    let refused = Event::ReportRefused {
        dispatch: pointsman::domain::DispatchId::new("d1"),
        answer: pointsman::domain::Answer {
            report: ReportId::new("r1"),
            accepted: false,
            text: "not accepted".to_owned(),
        },
    };
    evolve(&mut state, ten(), &refused).unwrap();
    let Some(Decision::Act(act)) = watchdog::reports(&state, &memory, &seen) else {
        panic!("it has no answer");
    };
    let answer = act.answer.unwrap();
    assert_eq!(
        (answer.report.as_str(), answer.text.as_str()),
        ("r2", "not accepted")
    );
    // Said after the answer it is judged again: what was red may lie outside of the work.
    memory.joined.clear();
    let Some(Decision::Act(act)) = watchdog::reports(&state, &memory, &seen) else {
        panic!("it is not taken");
    };
    assert!(matches!(act.events[..], [Event::ReportReceived { .. }]));
}

/// Only what was watched counts, from the receipt on; a gap (suspend) adds nothing.
#[test]
fn time_outs_count_what_was_watched_since_the_receipt() {
    let mut dispatch = dispatch("d1", 7, "Add an FAQ", dev());
    dispatch.phase = Phase::Working;
    dispatch.confirmed_at = Some(minutes(8));
    dispatch.pane = Some(crate::builders::pane());
    let id = dispatch.id().clone();
    let mut state = State::default();
    state.dispatches.insert(id.clone(), dispatch);
    let mut memory = Memory::default();
    watchdog::remember(
        &mut memory,
        &state,
        &looked(minutes(10)),
        &working_rules(),
        SignedDuration::from_mins(10),
    );
    assert_eq!(memory.observed[&id], SignedDuration::from_mins(2));
}

/// Trackers answer from copies: a read that ends before the labelling itself says nothing about it.
#[test]
fn a_read_that_is_older_than_the_labelling_withdraws_nothing_and_after_a_while_it_is_said() {
    let mut dispatch = dispatch("d1", 7, "Add an FAQ", dev());
    let labelling = dispatch.opening.labelling().unwrap().clone();
    (dispatch.prepared, dispatch.phase) = (true, Phase::Working);
    let mut state = State::default();
    state.dispatches.insert(dispatch.id().clone(), dispatch);
    let event = |id: &str, set: bool| LabelEvent {
        id: LabelEventId::new(id),
        set,
        label: labelling.label.clone(),
        actor: Some(alice()),
        at: minutes(-10),
    };
    // The list shows a change, so that the issue is read singly; the label is not on it yet, as it was before the labelling.
    let read = |labelled: bool, events: &[LabelEvent]| {
        let mut seen = looked(ten());
        let details = seen.details.get_mut(&SEVEN).unwrap();
        events.clone_into(&mut details.events);
        let SingleRead::Found(found) = &mut details.read else {
            panic!("it is there");
        };
        (found.0.id, found.0.repo) = (labelling.issue_id.clone(), labelling.repo.clone());
        if !labelled {
            found.0.labels.clear();
        }
        seen
    };
    let rules = working_rules();
    let own = labelling.event.as_str();
    let did = |seen: &Observation| match decide(&rules, &state, &Memory::default(), seen, ten()).0 {
        Decision::Act(act) if act.did.contains("withdrawn") => "withdrawn",
        _ => "kept",
    };
    assert_eq!(did(&read(false, &[])), "kept");
    assert_eq!(did(&read(true, &[])), "kept");
    let before = [event("1", true), event("2", false)];
    assert_eq!(did(&read(false, &before)), "kept");
    // What is known is in it: the label was taken off, or set anew.
    assert_eq!(did(&read(false, &[event(own, true)])), "withdrawn");
    let later = format!("{own}9");
    for is_set in [false, true] {
        let known = [event(own, true), event(&later, is_set)];
        assert_eq!(did(&read(is_set, &known)), "withdrawn");
    }
    // A long history is cut off at its beginning: that is no older read, and nothing speaks against the labelling.
    let foreign = LabelEvent {
        label: Label::new("bug"),
        ..event(&later, true)
    };
    assert_eq!(did(&read(true, std::slice::from_ref(&foreign))), "kept");
    assert_eq!(did(&read(false, &[foreign])), "withdrawn");

    let mut memory = Memory::default();
    let older = set_aside(&state, &read(false, &[])).into_owned();
    let said = |memory: &Memory, at: Timestamp| {
        let (_, standing) = decide(&rules, &state, memory, &older, at);
        standing[&SEVEN].to_string()
    };
    let none = Standing::new();
    let note = |memory: &mut Memory, seen: &Observation, at: Timestamp| {
        memory.note(&rules, &state, seen, &none, false, at);
    };
    for minute in 0..10 {
        assert!(!said(&memory, minutes(minute)).contains("cannot be read"));
        note(&mut memory, &older, minutes(minute));
    }
    assert_eq!(
        said(&memory, minutes(10)),
        "the issue cannot be read: the tracker's answer is older than what it said before"
    );
    let current = read(true, &[event(own, true)]);
    note(&mut memory, &current, minutes(11));
    assert!(!said(&memory, minutes(11)).contains("cannot be read"));
}

/// A review that wants the same stage once more is no event of a label: no read of the issue can be older than that.
#[test]
fn an_issue_that_a_review_asks_for_again_can_be_read() {
    let Basis::Labelling { labelling, .. } = opening("d1", 7, "Add an FAQ", dev()).basis else {
        panic!("it was labelled");
    };
    let mut seen = looked(ten());
    let details = seen.details.get_mut(&SEVEN).unwrap();
    details.events[0].id = labelling.event.clone();
    let SingleRead::Found(found) = &mut details.read else {
        panic!("it is there");
    };
    (found.0.id, found.0.repo) = (labelling.issue_id.clone(), labelling.repo.clone());
    let walk = Walk {
        labelling: Some(labelling.key()),
        event: Some(labelling.event),
        again: Some(LabelEventId::new("review-3")),
        ..Walk::default()
    };
    let mut state = State::default();
    state.walks.insert(SEVEN, walk);
    assert!(set_aside(&state, &seen).unread.is_empty());
    let older = LabelEventId::new("1");
    seen.details.get_mut(&SEVEN).unwrap().events[0].id = older;
    assert!(set_aside(&state, &seen).unread.contains_key(&SEVEN));
}

/// An agent at work is looked at every few seconds; what cannot be read may stay so for ever, and every try costs requests.
#[test]
fn what_cannot_be_read_is_tried_at_growing_pauses_and_a_person_is_called_in_the_end() {
    let (rules, state) = (working_rules(), State::default());
    let mut memory = Memory::default();
    let (mut tries, mut says) = (Vec::new(), Vec::new());
    for second in (0..3600).step_by(5) {
        let at = ten() + SignedDuration::from_secs(second);
        let mut seen = looked(at);
        seen.details.clear();
        let (mut decision, mut standing) = decide(&rules, &state, &memory, &seen, at);
        if let Decision::Look(_) = decision {
            tries.push(second);
            seen.unread = BTreeMap::from([(SEVEN, "410 Gone".to_owned())]);
            (decision, standing) = decide(&rules, &state, &memory, &seen, at);
            memory.note(&rules, &state, &seen, &standing, false, at);
        }
        assert!(matches!(decision, Decision::Wait(_)), "{decision:?}");
        let is = standing[&SEVEN].to_string();
        if says.last() != Some(&is) {
            says.push(is);
        }
        let again = memory.look_again_at(at);
        assert!(again.is_some_and(|again| again <= at + SignedDuration::from_mins(5)));
    }
    let growing = [0, 15, 30, 60, 120, 240, 480, 780, 1080];
    assert_eq!(tries[..growing.len()], growing);
    assert_eq!(tries.len(), growing.len() + 8);
    let until = minutes(10);
    assert_eq!(
        says,
        [
            format!("the issue cannot be read yet: 410 Gone; tried again until {until:.0}"),
            "the issue cannot be read: 410 Gone".to_owned(),
        ]
    );
    // News of it is looked at at once: what a list says, or what we did ourselves.
    let looks = |memory: &Memory, seen: &Observation| {
        let decision = decide(&rules, &state, memory, seen, seen.at).0;
        matches!(decision, Decision::Look(_))
    };
    let mut seen = looked(minutes(58));
    seen.details.clear();
    assert!(!looks(&memory, &seen));
    let mut doubted = memory.clone();
    doubted.doubt_one(SEVEN);
    assert!(looks(&doubted, &seen));
    let head = seen.heads.get_mut(&SEVEN).unwrap();
    head.updated_at = minutes(57);
    assert!(looks(&memory, &seen));
}

/// The job that prepares its tree goes on after its end, and would meet the next one there.
#[test]
fn an_unwanted_dispatch_is_withdrawn_once_its_tree_is_not_worked_on() {
    let mut dispatch = dispatch("d1", 7, "Add an FAQ", dev());
    dispatch.prepared = false;
    let flow = Flow::Dispatch(dispatch.id().clone());
    let mut state = State::default();
    state.dispatches.insert(dispatch.id().clone(), dispatch);
    let mut seen = looked(ten());
    for details in seen.details.values_mut() {
        let SingleRead::Found(found) = &mut details.read else {
            panic!("it is there");
        };
        found.0.labels.clear();
        seen.heads.insert(SEVEN, found.0.clone());
    }
    let mut rules = working_rules();
    rules.comment = CommentMode::Short;
    let did = |busy: bool| {
        let mut memory = Memory::default();
        memory.busy.extend(busy.then(|| flow.clone()));
        match decide(&rules, &state, &memory, &seen, ten()).0 {
            Decision::Act(act) => act.did,
            other => format!("{other:?}"),
        }
    };
    assert_eq!(did(false), "dispatch d1 of #7: withdrawn");
    assert_eq!(did(true), "Wait(None)");
}

#[test]
fn what_is_checked_is_held_against_where_the_default_branch_stood_when_it_was_made() {
    let mut made = dispatch("d1", 7, "Add an FAQ", dev());
    made.known = vec![Subject::new("a".repeat(40)), Subject::new("b".repeat(40))];
    made.phase = Phase::Judging;
    let mut state = State::default();
    state.dispatches.insert(made.id().clone(), made.clone());
    let pushed = Event::BranchPushed {
        dispatch: made.id().clone(),
        branch: "pointsman/7-add-an-faq".to_owned(),
        subject: Subject::new("c".repeat(40)),
    };
    evolve(&mut state, ten(), &pushed).unwrap();
    let mut checked = dispatch("d2", 7, "Add an FAQ", review());
    checked.known.clear();
    assert_eq!(state.ground(&checked).began.as_ref(), made.began());
}
