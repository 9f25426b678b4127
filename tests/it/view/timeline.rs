//! One sentence for every kind of event.

use std::collections::BTreeMap;

use insta::assert_snapshot;
use pointsman::domain::*;
use pointsman::view::sentence;

use super::{NINE, TWELVE, delivery, report, row};
use crate::builders::{alice, dev, minutes, opening, pane, sha, ten};

#[test]
fn every_event_is_one_line() {
    let lines: Vec<String> = events().iter().map(sentence).collect();
    assert!(
        lines
            .iter()
            .all(|line| !line.contains('\n') && !line.ends_with('.'))
    );
    assert_snapshot!(lines.join("\n"), @r#"
    project seen for the first time; labels set before 2026-11-20T10:00:00Z do not start
    alice paused the project
    standing: #9 paused
    dispatch ab12cd opened: #12 to dev (round 1, attempt 1), labelled by alice
    tree prepared for ab12cd at bbbbbbbbbb
    ab12cd stalled until 2026-11-20T10:00:00Z: mirror busy
    fresh agent for ab12cd in %7
    ab12cd said nothing, and went idle at cccccccccc: page and tests
    gate build started for ab12cd
    gate build is red at cccccccccc: `npm test` exited 1
    report of ab12cd not accepted: Missing: branch: no commit
    ab12cd opens an issue: An empty name is greeted
    post of ab12cd: not accepted. Missing: branch: no commit
    report 01JREPORT answered: not accepted. Missing: branch: no commit
    `pointsman/12-faq` pushed at cccccccccc
    spec published (d1d1d1d1d1)
    ann wants #12 at QA
    #12 is not moved: the issue is closed
    question of ab12cd put on the issue
    question of ab12cd answered by alice: Blue, please
    question of ab12cd is over: its label is off the issue
    ab12cd watched at work for 30 min
    ab12cd closed: verified at cccccccccc, unreported
    ab12cd cleared away
    delivery k7k7k7k7 planned: the nudge of ab12cd
    delivery k7k7k7k7: file written and read back
    delivery k7k7k7k7: about to paste into %7
    delivery k7k7k7k7: pasted
    delivery k7k7k7k7: about to send Enter 1
    delivery k7k7k7k7: submitted with Enter 1
    delivery k7k7k7k7: no receipt yet, wait 1 over
    delivery k7k7k7k7: about to launch an agent with it
    delivery k7k7k7k7: launched in %7
    delivery k7k7k7k7: confirmed (transcript line 42)
    #12 moves from QA to ready-for-dev (rework)
    #12: the new label is set
    #12: the move is not to be seen yet; read again in a minute
    #12 moved
    #12 was moved by alice meanwhile; found: no routing label
    alice moved #12 to QA
    alice approved #12
    #12 merged into main at cccccccccc
    #12 goes to a person: 3 attempts are spent
    #12 is with a person
    #12 may be tried again
    #12 left: closed
    #12 rests on alice's word
    alice resumed the project
    "#);
}

fn events() -> Vec<Event> {
    let mut all = of_dispatches();
    all.extend(of_deliveries());
    all.extend(of_issues());
    all
}

#[expect(clippy::too_many_lines, reason = "one entry per kind")]
fn of_dispatches() -> Vec<Event> {
    let dispatch = || DispatchId::new("ab12cd");
    let answer = Answer {
        report: ReportId::new("01JREPORT"),
        accepted: false,
        text: "not accepted. Missing:\nbranch: no commit".into(),
    };
    let spec = Spec {
        issue: TWELVE,
        text: String::new(),
        digest: "d1d1d1d1d1d1d1d1".into(),
    };
    let cause = Cause::Verified {
        subject: Some(sha("c")),
        reported: false,
    };
    vec![
        Event::ProjectAdded { added: ten() },
        Event::ProjectPaused { by: "alice".into() },
        Event::HoldsChanged {
            holds: BTreeMap::from([(NINE, Hold::Paused { by: "alice".into() })]),
        },
        Event::DispatchOpened {
            opening: Box::new(opening("ab12cd", 12, "Add a FAQ", dev())),
        },
        Event::TreePrepared {
            dispatch: dispatch(),
            base: Some(sha("b")),
            known: Vec::new(),
        },
        Event::DispatchStalled {
            dispatch: dispatch(),
            why: "mirror\nbusy".into(),
            until: ten(),
            hold: None,
        },
        Event::WindowOpened {
            dispatch: dispatch(),
            pane: pane(),
            context: "c1".into(),
        },
        Event::ReportReceived {
            report: Box::new(report(Verb::Unreported)),
        },
        Event::GateStarted {
            dispatch: dispatch(),
            gate: GateName::Build,
        },
        Event::GateFinished {
            dispatch: dispatch(),
            evidence: row(GateName::Build, false, "`npm test` exited 1"),
        },
        Event::ReportRefused {
            dispatch: dispatch(),
            answer: answer.clone(),
        },
        Event::PostIntended {
            post: Box::new(Post {
                id: ReportId::new("01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                dispatch: dispatch(),
                what: Posting::Issue {
                    title: "An empty name is greeted".into(),
                    body: String::new(),
                },
                proven: true,
                at: minutes(-1),
            }),
        },
        Event::PostSettled {
            dispatch: dispatch(),
            answer: answer.clone(),
        },
        Event::ReportIgnored { answer },
        Event::BranchPushed {
            dispatch: dispatch(),
            branch: "pointsman/12-faq".into(),
            subject: sha("c"),
        },
        Event::SpecPublished {
            dispatch: dispatch(),
            comment: None,
            spec,
        },
        Event::Routed {
            issue: IssueNumber(12),
            to: Label::new("QA"),
            by: "ann".into(),
            rework: false,
        },
        Event::RouteDropped {
            issue: IssueNumber(12),
            why: "the issue is closed".into(),
        },
        Event::QuestionPublished {
            dispatch: dispatch(),
            comment: None,
        },
        Event::QuestionAnswered {
            dispatch: dispatch(),
            replies: vec![Reply {
                comment: CommentId::new("c7"),
                by: alice(),
                at: minutes(-1),
                body: "Blue,\nplease".into(),
            }],
        },
        Event::ParkLabelRemoved {
            dispatch: dispatch(),
        },
        Event::DispatchObserved {
            dispatch: dispatch(),
            seconds: 1800,
        },
        Event::DispatchClosed {
            dispatch: dispatch(),
            cause,
        },
        Event::DispatchTidied {
            dispatch: dispatch(),
        },
    ]
}

fn of_deliveries() -> Vec<Event> {
    let id = || DeliveryId::new("k7k7k7k7");
    let composer = Composer {
        x: 2,
        y: 20,
        width: 80,
        height: 24,
    };
    vec![
        Event::DeliveryPlanned {
            delivery: Box::new(delivery("k7k7k7k7", Purpose::Nudge, DeliveryStep::Planned)),
        },
        Event::BriefStaged { delivery: id() },
        Event::PasteIntended {
            delivery: id(),
            pane: pane(),
            context: "c1".into(),
        },
        Event::LinePasted {
            delivery: id(),
            baseline: String::new(),
        },
        Event::EnterIntended {
            delivery: id(),
            n: 1,
            composer,
        },
        Event::LineSubmitted {
            delivery: id(),
            n: 1,
        },
        Event::ReceiptMissed {
            delivery: id(),
            waits: 1,
        },
        Event::LaunchIntended { delivery: id() },
        Event::LineLaunched {
            delivery: id(),
            pane: pane(),
            context: "c1".into(),
            baseline: String::new(),
        },
        Event::DeliverySettled {
            delivery: id(),
            verdict: Verdict::Confirmed,
            witness: "transcript line 42".into(),
        },
    ]
}

fn of_issues() -> Vec<Event> {
    let issue = TWELVE;
    let event = LabelEventId::new("1202");
    let transition = Transition {
        issue,
        from: Label::new("QA"),
        to: Next::Stage(Label::new("ready-for-dev")),
        dispatch: None,
        after: None,
        rework: true,
        at: ten(),
        unchanged_since: None,
        step: TransitionStep::Intended,
    };
    let approval = opening("ab12cd", 12, "Add a FAQ", dev());
    let approval = approval.approval().expect("it was labelled").clone();
    let overridden = Settled::Overridden {
        by: "alice".into(),
        found: Vec::new(),
    };
    vec![
        Event::TransitionIntended { transition },
        Event::TransitionStepped {
            issue,
            step: TransitionStep::Added,
        },
        Event::TransitionUnseen { issue },
        Event::TransitionSettled {
            issue,
            outcome: Settled::Moved { event: None },
        },
        Event::TransitionSettled {
            issue,
            outcome: overridden,
        },
        Event::Overridden {
            rework: false,
            issue,
            by: alice(),
            from: None,
            to: Label::new("QA"),
            event: event.clone(),
        },
        Event::Approved {
            issue,
            by: "alice".into(),
            at: ten(),
        },
        Event::Merged {
            issue,
            subject: sha("c"),
            into: "main".into(),
        },
        Event::ParkIntended {
            issue,
            label: Label::new("needs-human"),
            why: "3 attempts are spent".into(),
        },
        Event::IssueParked { issue },
        Event::IssueUnparked { issue, event },
        Event::IssueLeft {
            issue,
            how: "closed".into(),
        },
        Event::WalkApproved { issue, approval },
        Event::ProjectResumed { by: "alice".into() },
    ]
}
