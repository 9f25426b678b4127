//! Several agents of one project as data: who gets what, who waits, and who goes back to whom.

use jiff::SignedDuration;
use pointsman::domain::{
    AccountLimit, Activity, AgentState, Attention, Basis, Cause, CommentMode, Details, Errand,
    Event, Head, Hold, IssueNumber, Label, LabelEvent, LabelEventId, Liveness, Observation,
    Opening, PaneSample, Role, Rules, SingleRead, Text, Window,
};
use pointsman::machine::dispatch::errand;
use pointsman::machine::evolve::evolve;
use pointsman::machine::starting::decide::{Decision, Memory, Standing, decide};
use pointsman::machine::state::State;
use pointsman::machine::step::Flow;
use pointsman::machine::text::issue_digest;

use super::life::working_rules;
use crate::builders::{alice, dev, head, minutes, opening, prep, review, sample, seen, ten};

const FIRST: Window = Window::AGENT;
const SECOND: Window = Window::Agent(2);

/// Two agents, and stages that let both work.
fn two() -> Rules {
    let mut rules = working_rules();
    rules.project.sessions = 2;
    rules.comment = CommentMode::Off;
    for stage in &mut rules.workflow.stages {
        stage.wip = 3;
    }
    rules
}

fn idle() -> PaneSample {
    sample(Activity::Idle { since: ten() }, Attention::None)
}

fn busy() -> PaneSample {
    sample(Activity::Busy, Attention::None)
}

fn dead() -> PaneSample {
    let mut dead = sample(Activity::Unknown, Attention::None);
    dead.state = AgentState {
        liveness: Liveness::Dead,
        ..AgentState::unknown("its process ended")
    };
    dead
}

fn read(head: &Head) -> Details {
    let text = Text {
        title: head.title.clone(),
        body: String::new(),
        edits: Vec::new(),
    };
    Details {
        read: SingleRead::Found(Box::new((head.clone(), text))),
        events: vec![LabelEvent {
            id: LabelEventId::new(format!("{}01", head.number.0)),
            set: true,
            label: head.labels.first().expect("one label").clone(),
            actor: Some(alice()),
            at: minutes(-10),
        }],
        roles: [(alice(), Role::Admin)].into(),
        comments: None,
        at: ten(),
    }
}

/// Issues that are ready for dev, and what each agent does.
fn looked(issues: &[u64], agents: [PaneSample; 2]) -> Observation {
    let heads = issues
        .iter()
        .map(|number| head(*number, "Add an FAQ", "ready-for-dev"));
    let heads: Vec<Head> = heads.collect();
    let details = heads.iter().map(|head| (head.number, read(head))).collect();
    let mut seen = seen(heads);
    seen.details = details;
    let [first, second] = agents;
    seen.panes = [(FIRST, first), (SECOND, second)].into();
    seen
}

fn decided(rules: &Rules, state: &State, seen: &Observation) -> (Option<Opening>, Standing) {
    // What is open has something under way.
    let mut memory = Memory::default();
    let flows = state.dispatches.keys().cloned().map(Flow::Dispatch);
    memory.busy.extend(flows);
    let (decision, standing) = decide(rules, state, &memory, seen, ten());
    let events = match decision {
        Decision::Act(act) => act.events,
        Decision::Look(_) | Decision::Wait(_) => Vec::new(),
    };
    let opened = events.into_iter().find_map(|event| match event {
        Event::DispatchOpened { opening } => Some(*opening),
        _ => None,
    });
    (opened, standing)
}

/// What is opened for whom, and where.
fn opened(state: &State, seen: &Observation) -> Option<(u64, Window)> {
    let (opened, _) = decided(&two(), state, seen);
    opened.map(|one| (one.issue().expect("it is an issue's").0, one.window))
}

fn working(id: &str, issue: u64, window: Window) -> Opening {
    let mut opening = opening(id, issue, "Add an FAQ", dev());
    opening.window = window;
    if let Basis::Labelling { approval, .. } = &mut opening.basis {
        approval.text = issue_digest("Add an FAQ", "");
    }
    opening
}

fn open(state: &mut State, opening: Opening) {
    let opening = Box::new(opening);
    evolve(state, ten(), &Event::DispatchOpened { opening }).expect("it is legal");
}

/// An attempt of an issue's that came to nothing, an hour ago.
fn failed_in(issue: u64, window: Window, tidied: bool) -> State {
    ended_in(issue, window, Cause::TimedOut, tidied)
}

/// An issue's work that was verified an hour ago, and a person wants it once more.
fn verified_in(issue: u64, window: Window) -> State {
    let cause = Cause::Verified {
        subject: None,
        reported: true,
    };
    let mut state = ended_in(issue, window, cause, true);
    let walk = state.walks.get_mut(&IssueNumber(issue));
    walk.expect("it was opened").labelling = None;
    state
}

fn ended_in(issue: u64, window: Window, cause: Cause, tidied: bool) -> State {
    let mut state = State::default();
    let opening = Box::new(working("d1", issue, window));
    let dispatch = opening.id.clone();
    let then = ten() - SignedDuration::from_hours(1);
    let mut events = vec![
        Event::DispatchOpened { opening },
        Event::DispatchClosed {
            dispatch: dispatch.clone(),
            cause,
        },
    ];
    events.extend(tidied.then_some(Event::DispatchTidied { dispatch }));
    for event in events {
        evolve(&mut state, then, &event).expect("it is legal");
    }
    state
}

#[test]
fn each_of_two_idle_agents_gets_one() {
    let mut state = State::default();
    let seen = looked(&[7, 8, 9], [idle(), idle()]);
    assert_eq!(opened(&state, &seen), Some((7, FIRST)));
    open(&mut state, working("d1", 7, FIRST));
    assert_eq!(opened(&state, &seen), Some((8, SECOND)));
    open(&mut state, working("d2", 8, SECOND));
    assert_eq!(opened(&state, &seen), None);
}

#[test]
fn who_is_busy_asks_or_is_not_there_is_skipped() {
    let asks = sample(Activity::Unknown, Attention::Permission);
    for other in [busy(), dead(), asks] {
        let seen = looked(&[7], [other, idle()]);
        assert_eq!(opened(&State::default(), &seen), Some((7, SECOND)));
    }
    let mut seen = looked(&[7], [idle(), idle()]);
    seen.panes.remove(&FIRST);
    assert_eq!(opened(&State::default(), &seen), Some((7, SECOND)));
}

#[test]
fn if_all_are_taken_it_is_said_who_has_which() {
    let mut state = State::default();
    open(&mut state, working("d1", 7, FIRST));
    let seen = looked(&[7, 9], [busy(), busy()]);
    let (opened, standing) = decided(&two(), &state, &seen);
    assert_eq!(opened, None);
    let hold = &standing[&IssueNumber(9)];
    assert_eq!(hold.word(), "session-taken");
    assert_eq!(
        hold.to_string(),
        "no agent is free; agent: #7 (dispatch d1) has the session; agent-2: the agent is busy \
         (session registry says idle; title says idle)"
    );
    let read: Hold = serde_json::from_str(&serde_json::to_string(hold).unwrap()).unwrap();
    assert_eq!(read, *hold);
}

#[test]
fn one_agent_is_all_that_a_project_has_unless_it_says_so() {
    let (mut rules, mut state) = (two(), State::default());
    rules.project.sessions = 1;
    open(&mut state, working("d1", 7, FIRST));
    let (opened, standing) = decided(&rules, &state, &looked(&[7, 9], [idle(), idle()]));
    assert_eq!(opened, None);
    let hold = standing[&IssueNumber(9)].to_string();
    assert_eq!(hold, "#7 (dispatch d1) has the session");
}

#[test]
fn an_issue_goes_back_to_the_agent_that_worked_on_it_or_to_whom_is_free() {
    let state = failed_in(7, SECOND, true);
    let both = looked(&[7], [idle(), idle()]);
    assert_eq!(
        opened(&state, &both),
        Some((7, SECOND)),
        "its context is there"
    );
    let state = verified_in(7, SECOND);
    assert_eq!(opened(&state, &both), Some((7, SECOND)));
    let gone = looked(&[7], [idle(), dead()]);
    assert_eq!(opened(&state, &gone), Some((7, FIRST)), "it is dead");

    // Another issue's work put that tree elsewhere, or will.
    let mut state = verified_in(7, SECOND);
    open(&mut state, working("d2", 8, SECOND));
    let taken = looked(&[7, 8], [idle(), busy()]);
    assert_eq!(opened(&state, &taken), Some((7, FIRST)));

    // Fewer agents than there were.
    let mut rules = two();
    rules.project.sessions = 1;
    let (opened, _) = decided(&rules, &failed_in(7, SECOND, true), &both);
    assert_eq!(opened.map(|one| one.window), Some(FIRST));
}

/// What was not verified may lie in its agent's tree, not committed: another agent could not have the branch, and would wait as well.
#[test]
fn what_was_not_verified_waits_for_its_own_agent_and_nobody_else_does() {
    let state = failed_in(7, SECOND, true);
    let mut seen = looked(&[7, 8], [idle(), dead()]);
    let (opened, standing) = decided(&two(), &state, &seen);
    assert_eq!(standing[&IssueNumber(7)].word(), "agent-not-idle");
    let opened = opened.map(|one| (one.issue(), one.window));
    assert_eq!(opened, Some((Some(IssueNumber(8)), FIRST)), "others go on");
    seen.panes.remove(&SECOND);
    let (_, standing) = decided(&two(), &state, &seen);
    assert_eq!(standing[&IssueNumber(7)].word(), "no-agent");
}

/// An agent that the project has no more may be at work all the same.
#[test]
fn fewer_agents_take_nothing_from_those_that_were() {
    let mut rules = two();
    rules.project.sessions = 1;
    let seen = looked(&[7, 8], [idle(), busy()]);
    for (state, word) in [
        (verified_in(7, SECOND), "agent-not-idle"),
        (failed_in(7, SECOND, true), "agent-not-idle"),
        (failed_in(7, SECOND, false), "session-taken"),
    ] {
        let (opened, standing) = decided(&rules, &state, &seen);
        assert_eq!(standing[&IssueNumber(7)].word(), word);
        let opened = opened.map(|one| (one.issue(), one.window));
        assert_eq!(opened, Some((Some(IssueNumber(8)), FIRST)), "others go on");
    }
}

/// Its branch stands in that agent's tree, where something is going on that no dispatch accounts for.
#[test]
fn a_branch_is_not_taken_from_an_agent_at_work() {
    let state = failed_in(7, SECOND, true);
    let seen = looked(&[7, 8], [idle(), busy()]);
    let (opened, standing) = decided(&two(), &state, &seen);
    assert_eq!(standing[&IssueNumber(7)].word(), "agent-not-idle");
    let opened = opened.map(|one| (one.issue(), one.window));
    assert_eq!(opened, Some((Some(IssueNumber(8)), FIRST)), "others go on");

    // A person said something to it.
    let mut state = failed_in(7, SECOND, true);
    let (rules, words) = (two(), ("ann", "look at the tests", SECOND));
    let both = looked(&[7], [idle(), idle()]);
    let said = errand::said(&rules, &state, &both, words, both.fresh.clone());
    let said = said.expect("it is idle");
    assert_eq!(said.window, SECOND);
    assert!(matches!(said.errand(), Some(Errand::Said { .. })));
    open(&mut state, said);
    let (opened, standing) = decided(&rules, &state, &both);
    assert_eq!(opened, None);
    assert_eq!(standing[&IssueNumber(7)].word(), "session-taken");
}

#[test]
fn what_is_not_cleared_away_is_still_its_agents() {
    let state = failed_in(7, FIRST, false);
    let (opened, standing) = decided(&two(), &state, &looked(&[7, 8], [busy(), idle()]));
    let hold = standing[&IssueNumber(7)].to_string();
    assert_eq!(hold, "#7 (dispatch d1) has the session");
    let opened = opened.and_then(|one| one.issue());
    assert_eq!(opened, Some(IssueNumber(8)), "nobody else waits for it");

    // And what its agent asks for is what a person has to see.
    let asks = sample(Activity::Unknown, Attention::Permission);
    let (_, standing) = decided(&two(), &state, &looked(&[7], [asks, idle()]));
    assert_eq!(standing[&IssueNumber(7)].word(), "agent-asks");
}

#[test]
fn caps_are_those_of_the_project_and_its_account() {
    let mut rules = two();
    let mut state = State::default();
    open(&mut state, working("d1", 7, FIRST));
    let seen = looked(&[7, 8], [busy(), idle()]);
    for stage in &mut rules.workflow.stages {
        stage.wip = 1;
    }
    let (_, standing) = decided(&rules, &state, &seen);
    assert_eq!(standing[&IssueNumber(8)].word(), "wip");

    let mut rules = two();
    rules.workflow.limits.active_max = 1;
    let (_, standing) = decided(&rules, &state, &seen);
    assert_eq!(standing[&IssueNumber(8)].word(), "active-max");

    let mut limited = seen;
    limited.limits = vec![AccountLimit {
        account: "anthropic".to_owned(),
        until: None,
        projects: Vec::new(),
    }];
    let (_, standing) = decided(&two(), &state, &limited);
    assert_eq!(standing[&IssueNumber(8)].word(), "account-limit");
}

#[test]
fn a_window_has_one_dispatch_at_a_time_and_a_checker_none_of_the_agents() {
    let mut state = State::default();
    open(&mut state, working("d1", 7, SECOND));
    let again = Event::DispatchOpened {
        opening: Box::new(working("d2", 8, SECOND)),
    };
    let refused = evolve(&mut state, ten(), &again).expect_err("it is taken");
    assert!(
        refused
            .to_string()
            .contains("dispatch d1 has the window `agent-2`"),
        "{refused}"
    );
    let checks = opening("d3", 9, "Add an FAQ", review());
    assert_eq!(checks.window, Window::Check);
    open(&mut state, checks);
    let mut planned = working("d4", 10, FIRST);
    planned.stage = prep();
    if let Basis::Labelling { labelling, .. } = &mut planned.basis {
        labelling.label = Label::new("ready-for-prep");
    }
    open(&mut state, planned);
}

#[test]
fn ledgers_from_before_are_read() {
    for (name, window) in [
        ("\"agent\"", FIRST),
        ("\"agent-2\"", SECOND),
        ("\"agent-9\"", Window::Agent(9)),
        ("\"check\"", Window::Check),
    ] {
        assert_eq!(serde_json::to_string(&window).unwrap(), name);
        assert_eq!(serde_json::from_str::<Window>(name).unwrap(), window);
    }
    for name in ["\"agent-1\"", "\"agent-10\"", "\"gate\""] {
        let error = serde_json::from_str::<Window>(name).expect_err("there is none");
        assert!(error.to_string().contains("there is no window"), "{error}");
    }
}
