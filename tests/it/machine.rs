//! The transition table: every (state, event) pair is legal or refused, for live appends and for replay alike.

mod alike;
mod due;
mod life;
mod merged;
mod movers;
mod moves;
mod notes;
mod pace;
mod pool;
mod pulls;
mod rehearsal;
mod stalls;
mod starved;
mod watched;

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use pointsman::domain::{
    Actor, ActorId, ActorKind, Advance, Answer, Approval, Basis, Cause, Composer, Delivery,
    DeliveryId, DeliveryStep, DispatchId, Event, Evidence, GateName, IssueId, IssueNumber, Label,
    LabelEventId, Labelling, Next, Opening, Pane, Phase, Post, Posting, ProfileName, Purpose,
    RepoId, Report, ReportId, SkillName, Spec, Stage, Subject, Transition, TransitionStep, Verb,
    Verdict, Via, Window,
};
use pointsman::machine::evolve::evolve;
use pointsman::machine::state::State;

fn now() -> Timestamp {
    "2026-11-20T09:00:00Z".parse().unwrap()
}

fn alice() -> Actor {
    Actor {
        id: ActorId::new("11"),
        login: "alice".to_owned(),
        kind: ActorKind::User,
    }
}

fn stage() -> Stage {
    Stage {
        label: Label::new("ready"),
        color: String::new(),
        description: String::new(),
        role: String::new(),
        skill: SkillName::new("dev"),
        needs: vec![GateName::Build],
        next: Next::Done,
        back: None,
        timeout: Duration::from_mins(1),
        wip: 1,
        backlog: None,
        seat: false,
        not_by: Vec::new(),
        advance: Advance::Gates,
        file: None,
    }
}

fn id() -> DispatchId {
    DispatchId::new("d1")
}

fn line() -> DeliveryId {
    DeliveryId::new("v1")
}

fn pane() -> Pane {
    Pane {
        socket: "/sock".into(),
        generation: "1.1".to_owned(),
        id: "%1".to_owned(),
        pid: 1,
    }
}

fn composer() -> Composer {
    Composer {
        x: 0,
        y: 0,
        width: 80,
        height: 24,
    }
}

fn opening() -> Opening {
    Opening {
        id: id(),
        basis: Basis::Labelling {
            labelling: Labelling {
                repo: RepoId::new("r"),
                issue_id: IssueId::new("i"),
                issue: IssueNumber(1),
                label: Label::new("ready"),
                event: LabelEventId::new("100"),
                by: alice(),
                at: now(),
                again: None,
            },
            approval: Approval {
                by: alice(),
                at: now(),
                text: String::new(),
            },
        },
        stage: stage(),
        workflow: String::new(),
        attempt: 1,
        round: 1,
        window: Window::AGENT,
        profile: ProfileName::new("fake"),
        account: "fake".to_owned(),
        title: "title".to_owned(),
        skill_digest: String::new(),
        secret_hash: String::new(),
        branch: None,
        subject: None,
        touches: Vec::new(),
    }
}

fn delivery(id: DeliveryId, purpose: Purpose) -> Delivery {
    Delivery {
        id,
        dispatch: self::id(),
        purpose,
        via: Via::Paste,
        text: String::new(),
        digest: String::new(),
        issue_text: String::new(),
        ms: 0,
        step: DeliveryStep::Planned,
        since: now(),
        submitted_at: None,
        composer: None,
        baseline: String::new(),
    }
}

fn report(verb: Verb) -> Report {
    Report {
        id: ReportId::new("r1"),
        dispatch: id(),
        verb,
        head: None,
        branch: None,
        spec: None,
        verdict: None,
        note: None,
        moved: None,
        proven: true,
        at: now(),
    }
}

fn opened() -> State {
    let mut state = State::default();
    let opening = Box::new(opening());
    evolve(&mut state, now(), &Event::DispatchOpened { opening }).unwrap();
    state
}

fn settled(verdict: Verdict) -> DeliveryStep {
    DeliveryStep::Settled {
        verdict,
        witness: String::new(),
    }
}

/// A table with a row per state and a column of the events it takes.
fn table(rows: &[(String, State)], events: &[(String, Event)]) -> String {
    let mut table = String::new();
    for (name, state) in rows {
        let legal: Vec<&str> = events
            .iter()
            .filter(|(_, event)| evolve(&mut state.clone(), now(), event).is_ok())
            .map(|(name, _)| name.as_str())
            .collect();
        let legal = if legal.is_empty() {
            "nothing".to_owned()
        } else {
            legal.join(", ")
        };
        writeln!(table, "{name:<32} takes {legal}").unwrap();
    }
    table
}

fn delivery_events() -> Vec<(String, Event)> {
    let id = line;
    let settles = [
        Verdict::Confirmed,
        Verdict::Queued,
        Verdict::Unconfirmed,
        Verdict::TypedNotSubmitted,
        Verdict::NotDelivered,
    ];
    let mut events = vec![
        Event::BriefStaged { delivery: id() },
        Event::PasteIntended {
            delivery: id(),
            pane: pane(),
            context: String::new(),
        },
        Event::LinePasted {
            delivery: id(),
            baseline: String::new(),
        },
        Event::LaunchIntended { delivery: id() },
        Event::LineLaunched {
            delivery: id(),
            pane: pane(),
            context: String::new(),
            baseline: String::new(),
        },
    ];
    for n in 1..=2 {
        events.push(Event::EnterIntended {
            delivery: id(),
            n,
            composer: composer(),
        });
        events.push(Event::LineSubmitted { delivery: id(), n });
    }
    events.push(Event::LineCleared { delivery: id() });
    events.push(Event::ReceiptMissed {
        delivery: id(),
        waits: 1,
    });
    events.extend(settles.map(|verdict| Event::DeliverySettled {
        delivery: id(),
        verdict,
        witness: String::new(),
    }));
    events
        .into_iter()
        .map(|event| (short(&event), event))
        .collect()
}

fn short(event: &Event) -> String {
    match event {
        Event::EnterIntended { n, .. } | Event::LineSubmitted { n, .. } => {
            format!("{}({n})", event.kind())
        }
        Event::DeliverySettled { verdict, .. } => format!("settled({})", verdict.as_str()),
        Event::ReportReceived { report } => format!("report({:?})", report.verb).to_lowercase(),
        Event::DeliveryPlanned { delivery } => {
            format!("planned({:?})", delivery.purpose).to_lowercase()
        }
        _ => event.kind(),
    }
}

#[test]
fn a_delivery_takes_only_what_may_follow() {
    let steps = [
        DeliveryStep::Planned,
        DeliveryStep::Staged,
        DeliveryStep::PasteIntended,
        DeliveryStep::Pasted,
        DeliveryStep::LaunchIntended,
        DeliveryStep::EnterIntended { n: 1 },
        DeliveryStep::Submitted { n: 0, waits: 0 },
        DeliveryStep::Submitted { n: 1, waits: 0 },
        DeliveryStep::Submitted { n: 1, waits: 1 },
        settled(Verdict::Confirmed),
        settled(Verdict::Queued),
        settled(Verdict::Unconfirmed),
        settled(Verdict::TypedNotSubmitted),
        settled(Verdict::NotDelivered),
    ];
    let rows: Vec<_> = steps
        .into_iter()
        .map(|step| {
            let mut state = opened();
            let mut delivery = delivery(line(), Purpose::Brief);
            let name = match &step {
                DeliveryStep::Settled { verdict, .. } => format!("settled {}", verdict.as_str()),
                step => format!("{step:?}"),
            };
            delivery.step = step;
            let owner = state.dispatches.get_mut(&id()).unwrap();
            owner.deliveries.push(line());
            state.deliveries.insert(line(), delivery);
            (name, state)
        })
        .collect();
    insta::assert_snapshot!(table(&rows, &delivery_events()));
}

fn transition() -> Transition {
    Transition {
        issue: IssueNumber(1),
        from: Label::new("ready"),
        to: Next::Done,
        dispatch: Some(id()),
        after: None,
        rework: false,
        at: now(),
        unchanged_since: None,
        step: TransitionStep::Intended,
    }
}

fn dispatch_events() -> Vec<(String, Event)> {
    let answer = Answer {
        report: ReportId::new("r1"),
        accepted: false,
        text: String::new(),
    };
    let mut events = vec![
        Event::DispatchOpened {
            opening: Box::new(opening()),
        },
        Event::TreePrepared {
            dispatch: id(),
            base: None,
            known: Vec::new(),
        },
        Event::DispatchStalled {
            dispatch: id(),
            why: String::new(),
            until: now(),
            hold: None,
        },
        Event::WindowOpened {
            dispatch: id(),
            pane: pane(),
            context: String::new(),
        },
    ];
    for purpose in [
        Purpose::Brief,
        Purpose::Nudge,
        Purpose::Answer,
        Purpose::Stop,
        Purpose::Resume,
    ] {
        events.push(Event::DeliveryPlanned {
            delivery: Box::new(delivery(DeliveryId::new("v2"), purpose)),
        });
    }
    for verb in [
        Verb::Done,
        Verb::Fail,
        Verb::Ask,
        Verb::Ack,
        Verb::Unreported,
    ] {
        events.push(Event::ReportReceived {
            report: Box::new(report(verb)),
        });
    }
    events.extend(judging_events(answer));
    events
        .into_iter()
        .map(|event| (short(&event), event))
        .collect()
}

fn post() -> Post {
    Post {
        id: ReportId::new("p1"),
        dispatch: id(),
        what: Posting::Comment {
            body: "noted".to_owned(),
        },
        proven: true,
        at: now(),
    }
}

#[expect(clippy::too_many_lines, reason = "a row an event")]
fn judging_events(answer: Answer) -> Vec<Event> {
    vec![
        Event::GateStarted {
            dispatch: id(),
            gate: GateName::Build,
        },
        Event::GateFinished {
            dispatch: id(),
            evidence: Evidence {
                gate: GateName::Build,
                subject: None,
                holds: true,
                warned: false,
                says: String::new(),
                findings: None,
                exit: None,
                digest: None,
                log: None,
                at: now(),
                ms: 0,
            },
        },
        Event::ReportRefused {
            dispatch: id(),
            answer,
        },
        Event::BranchPushed {
            dispatch: id(),
            branch: String::new(),
            subject: Subject::new("c"),
        },
        Event::SpecPublished {
            dispatch: id(),
            comment: None,
            spec: Spec {
                issue: IssueNumber(1),
                text: String::new(),
                digest: String::new(),
            },
        },
        Event::PostIntended {
            post: Box::new(post()),
        },
        Event::PostSettled {
            dispatch: id(),
            answer: Answer {
                report: post().id,
                accepted: true,
                text: String::new(),
            },
        },
        Event::QuestionPublished {
            dispatch: id(),
            comment: None,
        },
        Event::QuestionAnswered {
            dispatch: id(),
            replies: Vec::new(),
        },
        Event::ParkLabelRemoved { dispatch: id() },
        Event::DispatchObserved {
            dispatch: id(),
            seconds: 60,
        },
        Event::DispatchClosed {
            dispatch: id(),
            cause: Cause::TimedOut,
        },
        Event::DispatchTidied { dispatch: id() },
        Event::TransitionIntended {
            transition: transition(),
        },
        Event::ParkIntended {
            issue: IssueNumber(1),
            label: Label::new("needs-human"),
            why: String::new(),
        },
    ]
}

#[test]
fn a_dispatch_takes_only_what_may_follow() {
    let phases = [
        Phase::Delivering,
        Phase::Working,
        Phase::Judging,
        Phase::Closed {
            cause: Cause::TimedOut,
            at: now(),
        },
    ];
    let mut rows = vec![("no dispatch".to_owned(), State::default())];
    rows.extend(phases.into_iter().map(|phase| {
        let mut state = opened();
        let name = match &phase {
            Phase::Closed { .. } => "Closed".to_owned(),
            phase => format!("{phase:?}"),
        };
        state.dispatches.get_mut(&id()).unwrap().phase = phase;
        (name, state)
    }));
    insta::assert_snapshot!(table(&rows, &dispatch_events()));
}
