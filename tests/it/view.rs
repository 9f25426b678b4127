//! What people read: the status table, an explanation, a rehearsal, and one sentence for every kind of event.

mod blockers;
mod decisions;
mod explained;
mod health;
mod inbox;
mod period;
mod timeline;

use std::collections::BTreeMap;

use insta::assert_snapshot;
use pointsman::domain::*;
use pointsman::machine::engine::CycleReport;
use pointsman::machine::starting::decide::{Act, Decision, Standing};
use pointsman::machine::state::{State, Walk};
use pointsman::view::{
    About, Ink, ProjectView, Remembered, Sight, Snapshot, Story, Told, dry_run, explain,
    render_explanation, render_status,
};

use crate::builders::{
    dev, dispatch, head, minutes, opening, pane, prep, review, rules, sample, seen, sha, ten,
};

const TWELVE: IssueNumber = IssueNumber(12);
const NINE: IssueNumber = IssueNumber(9);

fn delivery(id: &str, purpose: Purpose, step: DeliveryStep) -> Delivery {
    Delivery {
        id: DeliveryId::new(id),
        dispatch: DispatchId::new("ab12cd"),
        purpose,
        via: Via::Paste,
        text: String::new(),
        digest: String::new(),
        issue_text: String::new(),
        ms: 0,
        step,
        since: minutes(-4),
        submitted_at: None,
        composer: None,
        baseline: String::new(),
    }
}

fn row(gate: GateName, holds: bool, says: &str) -> Evidence {
    Evidence {
        gate,
        subject: Some(sha("c")),
        holds,
        warned: false,
        says: says.into(),
        findings: None,
        exit: None,
        digest: None,
        log: Some("gate/ab12cd-build.log".into()),
        at: minutes(-1),
        ms: 1200,
    }
}

fn report(verb: Verb) -> Report {
    Report {
        id: ReportId::new("01JREPORT"),
        dispatch: DispatchId::new("ab12cd"),
        verb,
        head: Some(sha("c")),
        branch: Some("pointsman/12-faq".into()),
        spec: None,
        verdict: None,
        note: Some("page\nand tests".into()),
        moved: None,
        proven: true,
        at: minutes(-2),
    }
}

fn standing() -> Standing {
    BTreeMap::from([
        (
            TWELVE,
            Hold::InHand {
                dispatch: DispatchId::new("ab12cd"),
                phase: "being judged".into(),
            },
        ),
        (
            NINE,
            Hold::TreeDirty {
                files: vec!["src/app.ts".into()],
            },
        ),
    ])
}

/// #12 is being judged for the second time, #9 waits for a person.
fn busy() -> (State, CycleReport, Observation) {
    let mut state = State::default();
    let mut open = dispatch("ab12cd", 12, "Add a FAQ", dev());
    open.opening.round = 2;
    open.phase = Phase::Judging;
    open.pane = Some(pane());
    open.opened_at = minutes(-6);
    open.confirmed_at = Some(minutes(-4));
    open.report = Some(report(Verb::Done));
    open.evidence = vec![row(
        GateName::Branch,
        true,
        "1 new commit on `pointsman/12-faq`",
    )];
    open.running = Some("build".into());
    let settled = DeliveryStep::Settled {
        verdict: Verdict::Confirmed,
        witness: "transcript line 42".into(),
    };
    let brief = delivery("k7k7k7k7", Purpose::Brief, settled);
    open.deliveries = vec![brief.id.clone()];
    state.deliveries.insert(brief.id.clone(), brief);
    state.dispatches.insert(open.id().clone(), open);
    let walk = Walk {
        approval: opening("ab12cd", 12, "Add a FAQ", dev())
            .approval()
            .cloned(),
        attempts: 1,
        rounds: 1,
        spec: Some(Spec {
            issue: TWELVE,
            text: "## Decision\n\nAdd a page at /faq.\n".into(),
            digest: "d1d1d1d1d1d1d1d1".into(),
        }),
        branch: Some("pointsman/12-faq".into()),
        failed_on: Some("An empty name\nis stored".into()),
        ..Walk::default()
    };
    state.walks.insert(TWELVE, walk);
    let report = CycleReport {
        at: Some(minutes(-1)),
        did: Some("going on with dispatch ab12cd of #12".into()),
        standing: standing(),
        ..CycleReport::default()
    };
    let mut seen = seen(vec![
        head(12, "Add a FAQ", "ready-for-dev"),
        head(
            9,
            "Dark \u{1b}[31mmode\nfor every page of the whole site, also the old ones",
            "ready-for-prep",
        ),
        head(30, "Third", "ready-for-prep"),
    ]);
    seen.panes
        .insert(Window::AGENT, sample(Activity::Busy, Attention::None));
    (state, report, seen)
}

fn snapshot() -> Snapshot {
    let (state, report, seen) = busy();
    let view = ProjectView::new(&rules(), &state, &report, Sight::Live(&seen));
    Snapshot::new(ten(), "0.1.0", vec![view])
}

#[test]
fn the_status_of_a_busy_project() {
    assert_snapshot!(render_status(&snapshot(), 100, Ink::Plain), @r#"
    pointsman 0.1.0 at 2026-11-20 10:00 UTC: 1 in hand, 2 waiting, 1 for you

    blog  me/blog  agent busy  on pointsman/12-faq  build: npm test
      > #12  ready-for-dev   dispatch ab12cd is being judged           4m    Add a FAQ
          round 2, attempt 1; last change 1m ago; goal: Add a page at /faq.
      ! #9   ready-for-prep  tree-dirty: src/app.ts changed, not by..        Dark [31mmode for every p..
        #30  ready-for-prep  looked at in the next cycle                     Third
      last cycle 1m ago: going on with dispatch ab12cd of #12

    for you
      ! blog #9: src/app.ts changed, not by us
          hint: commit or stash them
    "#);
}

#[test]
fn the_status_fits_and_means_the_same_without_colour() {
    let plain = render_status(&snapshot(), 60, Ink::Plain);
    assert!(
        plain.lines().all(|line| line.chars().count() <= 60),
        "{plain}"
    );
    let coloured = render_status(&snapshot(), 60, Ink::Colour);
    let mut bare = coloured.clone();
    for code in [
        "\u{1b}[0m",
        "\u{1b}[1m",
        "\u{1b}[2m",
        "\u{1b}[32m",
        "\u{1b}[33m",
    ] {
        bare = bare.replace(code, "");
    }
    assert_ne!(coloured, plain);
    assert_eq!(bare, plain);
}

#[test]
fn the_status_of_an_empty_a_held_and_an_unseen_project() {
    let empty = ProjectView::new(
        &rules(),
        &State::default(),
        &CycleReport::default(),
        Sight::Nothing,
    );
    let (mut state, mut report, mut seen) = busy();
    state.dispatches.clear();
    state.paused = Some("alice".into());
    report.did = None;
    report.standing = BTreeMap::from([(NINE, Hold::Paused { by: "alice".into() })]);
    seen.gap = Some(("connection refused".into(), minutes(-90)));
    seen.panes.insert(
        Window::AGENT,
        sample(
            Activity::Idle {
                since: minutes(-240),
            },
            Attention::Dialog,
        ),
    );
    let held = ProjectView::new(&rules(), &state, &report, Sight::Live(&seen));
    let both = Snapshot::new(ten(), "0.1.0", vec![empty, held]);
    assert_snapshot!(render_status(&both, 100, Ink::Plain), @r#"
    pointsman 0.1.0 at 2026-11-20 10:00 UTC: 0 in hand, 3 waiting, 2 for you

    blog  me/blog  build: npm test
        the tracker was not read yet
      no cycle yet

    blog  me/blog  agent shows a dialog 4h  build: npm test
      ! paused by alice (pointsman resume blog)
      ! the tracker was last read 1h ago: connection refused
        #9   ready-for-prep  paused: the project is paused by alice          Dark [31mmode for every p..
        #12  ready-for-dev   looked at in the next cycle                     Add a FAQ
        #30  ready-for-prep  looked at in the next cycle                     Third
      last cycle 1m ago: nothing to start

    for you
      ! blog: the tracker is not known since 2026-11-20T08:30:00Z: connection refused
      ! blog: the window `agent` shows a dialog
          hint: pointsman attach blog
    "#);
}

#[test]
fn a_long_list_is_counted_and_the_json_has_all() {
    let heads = (1..=40)
        .map(|n| head(n, "One of many", "ready-for-prep"))
        .collect();
    let seen = seen(heads);
    let view = ProjectView::new(
        &rules(),
        &State::default(),
        &CycleReport::default(),
        Sight::Live(&seen),
    );
    let snapshot = Snapshot::new(ten(), "0.1.0", vec![view]);
    assert!(
        render_status(&snapshot, 80, Ink::Plain).contains("and 28 more: pointsman status --json")
    );
    let json = serde_json::to_string(&snapshot).expect("plain data");
    let back: Snapshot = serde_json::from_str(&json).expect("what was written can be read");
    assert_eq!((back.projects[0].rows.len(), back == snapshot), (40, true));
}

#[test]
fn a_row_of_the_json_has_stable_names() {
    let row = &snapshot().projects[0].rows[1];
    assert_snapshot!(serde_json::to_string_pretty(row).expect("plain data"), @r#"
    {
      "number": 9,
      "title": "Dark [31mmode for every page of the whole site, also the old ones",
      "url": "https://example.test/me/blog/issues/9",
      "stage": "ready-for-prep",
      "standing": {
        "word": "tree-dirty",
        "says": "src/app.ts changed, not by us",
        "hint": "commit or stash them",
        "yours": true
      },
      "dispatch": null,
      "phase": null,
      "attempt": 0,
      "round": 1,
      "since": null,
      "goal": "What ready-for-prep does",
      "changed": "2026-11-20T09:50:00Z"
    }
    "#);
}

fn explained(issue: IssueNumber, events: &[Event]) -> String {
    let (state, report, seen) = busy();
    let told: Vec<Told> = (40..)
        .zip(events)
        .map(|(seq, event)| Told {
            seq,
            at: minutes(-4),
            event,
        })
        .collect();
    render_explanation(&explain(&Story {
        rules: &rules(),
        state: &state,
        report: &report,
        sight: Sight::Live(&seen),
        about: &About::Issue(issue),
        events: &told,
    }))
}

#[test]
fn an_explanation_says_the_reason_first_and_then_what_it_rests_on() {
    let opened = Event::DispatchOpened {
        opening: Box::new(opening("ab12cd", 12, "Add a FAQ", dev())),
    };
    let report = Event::ReportReceived {
        report: Box::new(report(Verb::Done)),
    };
    assert_snapshot!(explained(TWELVE, &[opened, report]), @r#"
    in hand: dispatch ab12cd is being judged

    #12 "Add a FAQ", ready-for-dev
    https://example.test/me/blog/issues/12
    last cycle 2026-11-20T09:59:00Z: going on with dispatch ab12cd of #12

    walk
      approval   alice (1) at 2026-11-20T09:50:00Z, text 4f2a4f2a4f
      attempts   1 of 3 for this labelling
      rounds     1 of 3 back for rework
      spec       d1d1d1d1d1, 33 bytes
      branch     pointsman/12-faq
      failed on  An empty name is stored

    dispatch ab12cd: dev by claude-code, round 2, attempt 1
      phase      judging
      opened     2026-11-20T09:54:00Z
      labelled   by alice, event 1201
      tree       prepared at bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb
      pane       %7 pid 4242 of server 900.1763632800
      delivery   k7k7k7k7 (brief): confirmed (transcript line 42), since 2026-11-20T09:56:00Z

    evidence: the agent said done at cccccccccc, 2026-11-20T09:58:00Z (origin proven)
      holds branch @ cccccccccc: 1 new commit on `pointsman/12-faq` (log: gate/ab12cd-build.log)
      ...   build: running

    window agent
      state      busy; takes no text
      because    session registry says idle; title says idle
      pane       %7 pid 4242 of server 900.1763632800, managed
      sampled    2026-11-20T10:00:00Z

    what happened
        40  11-20 09:56:00  dispatch ab12cd opened: #12 to dev (round 1, attempt 1), labelled by alice
        41  11-20 09:56:00  ab12cd said done at cccccccccc: page and tests
    "#);
}

#[test]
fn an_explanation_of_a_held_and_of_an_unknown_issue() {
    assert_snapshot!(explained(NINE, &[]), @r#"
    held: tree-dirty. src/app.ts changed, not by us. Hint: commit or stash them

    #9 "Dark [31mmode for every page of the whole site, also the old ones", ready-for-prep
    https://example.test/me/blog/issues/9
    last cycle 2026-11-20T09:59:00Z: going on with dispatch ab12cd of #12

    window agent
      state      busy; takes no text
      because    session registry says idle; title says idle
      pane       %7 pid 4242 of server 900.1763632800, managed
      sampled    2026-11-20T10:00:00Z
    "#);
    assert_snapshot!(explained(IssueNumber(30), &[]).lines().next().unwrap_or_default(), @"next: looked at in the next cycle");
    assert_snapshot!(explained(IssueNumber(77), &[]).lines().next().unwrap_or_default(), @"not seen: no open issue of that number, and nothing of it in the ledger");
}

#[test]
fn only_the_last_events_are_told() {
    let many = vec![Event::IssueParked { issue: NINE }; 40];
    let text = explained(NINE, &many);
    assert_eq!(text.matches("#9 is with a person").count(), 15);
    assert!(text.contains("25 earlier"));
}

#[test]
fn without_a_daemon_the_ledger_alone_explains() {
    let (mut state, _, _) = busy();
    state.holds = BTreeMap::from([(
        NINE,
        Hold::Yours {
            how: "`pointsman approve 9`".into(),
        },
    )]);
    let story = Story {
        rules: &rules(),
        state: &state,
        report: &CycleReport::default(),
        sight: Sight::Nothing,
        about: &About::Issue(NINE),
        events: &[],
    };
    assert_snapshot!(render_explanation(&explain(&story)), @r#"
    held: yours. `pointsman approve 9`

    #9, no stage
    no cycle yet: this is what the ledger alone says
    "#);
}

#[test]
fn without_a_daemon_what_was_stored_is_shown_with_its_age() {
    let (mut state, _, seen) = busy();
    state.dispatches.clear();
    let remembered = Remembered {
        heads: seen.heads,
        at: minutes(-185),
        now: ten(),
    };
    let sight = Sight::Remembered(&remembered);
    let report = CycleReport::default();
    let view = ProjectView::new(&rules(), &state, &report, sight);
    let snapshot = Snapshot::new(ten(), "0.1.0", vec![view]);
    assert_snapshot!(render_status(&snapshot, 100, Ink::Plain), @r#"
    pointsman 0.1.0 at 2026-11-20 10:00 UTC: 0 in hand, 3 waiting, 0 for you

    blog  me/blog  build: npm test
        #9   ready-for-prep  looked at in the next cycle                     Dark [31mmode for every p..
        #12  ready-for-dev   looked at in the next cycle                     Add a FAQ
        #30  ready-for-prep  looked at in the next cycle                     Third
      nobody looks; the tracker was read 3h ago
    "#);
    let story = Story {
        rules: &rules(),
        state: &state,
        report: &report,
        sight,
        about: &About::Issue(IssueNumber(30)),
        events: &[],
    };
    assert_snapshot!(render_explanation(&explain(&story)), @r#"
    next: looked at in the next cycle

    #30 "Third", ready-for-prep
    https://example.test/me/blog/issues/30
    as the ledger knows it; the tracker was read 3h ago, at 2026-11-20T06:55:00Z
    "#);
}

#[test]
fn a_closed_issue_is_never_next() {
    let (_, _, mut seen) = busy();
    let head = seen.heads.get_mut(&IssueNumber(30)).expect("it was seen");
    head.open = false;
    let story = Story {
        rules: &rules(),
        state: &State::default(),
        report: &CycleReport::default(),
        sight: Sight::Live(&seen),
        about: &About::Issue(IssueNumber(30)),
        events: &[],
    };
    let told = render_explanation(&explain(&story));
    assert!(
        told.starts_with("closed: nothing is started for it\n"),
        "{told}"
    );
}

#[test]
fn a_closed_dispatch_is_not_in_hand_any_more() {
    let (mut state, report, seen) = busy();
    let open = state.dispatches.values_mut().next().expect("one is open");
    open.phase = Phase::Closed {
        cause: Cause::TimedOut,
        at: ten(),
    };
    let view = ProjectView::new(&rules(), &state, &report, Sight::Live(&seen));
    let row = view
        .rows
        .iter()
        .find(|row| row.number == TWELVE)
        .expect("it is routed");
    assert_eq!(row.standing.word, "next");
}

#[test]
fn a_rehearsal_ranks_every_candidate_or_says_why_not() {
    let (state, _, mut seen) = busy();
    seen.heads
        .insert(IssueNumber(5), head(5, "Check it", "review"));
    seen.panes.insert(
        Window::AGENT,
        sample(Activity::Idle { since: minutes(-4) }, Attention::None),
    );
    let mut standing = BTreeMap::from([(NINE, Hold::BeforeStart { added: minutes(-5) })]);
    standing.insert(
        TWELVE,
        Hold::Behind {
            first: IssueNumber(5),
        },
    );
    standing.insert(IssueNumber(2), Hold::Moving { to: "QA".into() });
    let act = |issue, stage| {
        Decision::Act(Act {
            events: vec![Event::DispatchOpened {
                opening: Box::new(opening("zz9zz9", issue, "t", stage)),
            }],
            flow: None,
            answer: None,
            did: format!("dispatch zz9zz9 of #{issue}"),
        })
    };
    let fresh = (act(5, review()), standing);
    assert_snapshot!(dry_run(&rules(), &state, &seen, &fresh), @r#"
    would start: dispatch zz9zz9 of #5
      1. #5  review -> blog (a fresh agent)  "Check it"
      2. #12  held: behind. #5 goes first  "Add a FAQ"
      3. #9  held: before-start. labelled before you added this project (2026-11-20T09:55:00Z)  "Dark [31mmode for every page of the whole site, also the ..."
      4. #30  prep -> blog, not now  "Third"
      -. #2  held: moving. moving to QA
    "#);
    let persistent = (act(30, prep()), fresh.1.clone());
    let text = dry_run(&rules(), &state, &seen, &persistent);
    assert!(text.contains("#30  prep -> blog (idle 4m)"), "{text}");
    let waits = (Decision::Wait(Some(minutes(5))), BTreeMap::new());
    assert_snapshot!(dry_run(&rules(), &State::default(), &crate::builders::seen(Vec::new()), &waits), @r#"
    would start nothing before 2026-11-20T10:05:00Z
    no issue has a routing label
    "#);
}
