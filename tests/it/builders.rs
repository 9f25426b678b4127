//! Plain values to test pure functions with: one project, one issue, one dispatch, all at one moment.

#![expect(clippy::unwrap_used, reason = "a builder that fails is a broken test")]
#![allow(
    unreachable_pub,
    missing_docs,
    reason = "a test's builders are named by their tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Activity, Actor, ActorId, ActorKind, Advance, AgentState, Approval, Attention, Basis, Build,
    CommentMode, Dispatch, DispatchId, FleetCaps, FleetLoad, Fresh, GateName, Head, IssueId,
    IssueNumber, Label, LabelEventId, Labelling, Limits, Liveness, Merge, Next, Observation,
    Opening, Pane, PaneSample, Phase, ProfileName, Project, ProjectName, RepoId, Rules,
    SessionChoice, SkillName, SpecialLabels, Stage, Subject, TrackerChoice, Window, Workflow,
};

/// Ten in the morning of the day on which everything happens.
pub fn ten() -> Timestamp {
    "2026-11-20T10:00:00Z".parse().unwrap()
}

/// So many minutes after ten.
pub fn minutes(after_ten: i64) -> Timestamp {
    ten() + SignedDuration::from_mins(after_ten)
}

pub fn alice() -> Actor {
    Actor {
        id: ActorId::new("1"),
        login: "alice".into(),
        kind: ActorKind::User,
    }
}

pub fn stage(label: &str, skill: &str, needs: &[&str], next: Next) -> Stage {
    Stage {
        label: Label::new(label),
        color: "c5def5".into(),
        description: format!("What {label} does"),
        role: format!("{skill}-role"),
        skill: SkillName::new(skill),
        needs: needs.iter().map(|name| GateName::parse(name)).collect(),
        next,
        back: None,
        timeout: Duration::from_hours(2),
        wip: 1,
        backlog: None,
        seat: false,
        not_by: Vec::new(),
        advance: Advance::Gates,
        file: None,
    }
}

pub fn prep() -> Stage {
    let next = Next::Stage(Label::new("ready-for-dev"));
    stage("ready-for-prep", "prep", &["spec"], next)
}

pub fn dev() -> Stage {
    let next = Next::Stage(Label::new("QA"));
    stage("ready-for-dev", "dev", &["branch", "build"], next)
}

pub fn review() -> Stage {
    Stage {
        back: Some(Label::new("ready-for-dev")),
        seat: true,
        not_by: vec![Label::new("ready-for-dev")],
        advance: Advance::Human,
        ..stage(
            "review",
            "review",
            &["build", "verdict", "coverage"],
            Next::Done,
        )
    }
}

pub fn labelling(issue: u64, label: &Label) -> Labelling {
    Labelling {
        repo: RepoId::new("r1"),
        issue_id: IssueId::new(format!("i{issue}")),
        issue: IssueNumber(issue),
        label: label.clone(),
        event: LabelEventId::new(format!("{issue}01")),
        by: alice(),
        at: minutes(-10),
        again: None,
    }
}

pub fn opening(id: &str, issue: u64, title: &str, stage: Stage) -> Opening {
    let checks = !stage.not_by.is_empty();
    Opening {
        id: DispatchId::new(id),
        basis: Basis::Labelling {
            labelling: labelling(issue, &stage.label),
            approval: Approval {
                by: alice(),
                at: minutes(-10),
                text: "4f2a".repeat(16),
            },
        },
        workflow: "w".into(),
        attempt: 1,
        round: 1,
        window: if checks { Window::Check } else { Window::AGENT },
        profile: ProfileName::new("claude-code"),
        account: "anthropic".into(),
        title: title.into(),
        skill_digest: "s".into(),
        secret_hash: "h".into(),
        branch: stage
            .makes_commits()
            .then(|| format!("pointsman/{issue}-faq")),
        subject: checks.then(|| sha("c")),
        touches: Vec::new(),
        stage,
    }
}

pub fn dispatch(id: &str, issue: u64, title: &str, stage: Stage) -> Dispatch {
    Dispatch {
        opening: opening(id, issue, title, stage),
        opened_at: ten(),
        phase: Phase::Delivering,
        prepared: true,
        base: Some(sha("b")),
        known: vec![sha("b")],
        pane: None,
        context: None,
        deliveries: Vec::new(),
        undelivered: 0,
        confirmed_at: None,
        observed: SignedDuration::ZERO,
        report: None,
        evidence: Vec::new(),
        running: None,
        acked: false,
        nudged: false,
        asked: None,
        park_label: false,
        taken: Vec::new(),
        posts: Vec::new(),
        stalled: None,
        tidied: false,
    }
}

/// A commit of one repeated digit.
pub fn sha(digit: &str) -> Subject {
    Subject::new(digit.repeat(40))
}

pub fn head(number: u64, title: &str, label: &str) -> Head {
    Head {
        repo: RepoId::new("r1"),
        id: IssueId::new(format!("i{number}")),
        number: IssueNumber(number),
        title: title.into(),
        open: true,
        labels: BTreeSet::from([Label::new(label)]),
        milestone: None,
        author: Some(alice()),
        created_at: minutes(-600),
        updated_at: minutes(-10),
        url: format!("https://example.test/me/blog/issues/{number}"),
        waits_for: BTreeSet::new(),
        waits_elsewhere: BTreeSet::new(),
        sub_issues: 0,
        blocked_by: 0,
        touches: BTreeSet::new(),
    }
}

pub fn pane() -> Pane {
    Pane {
        socket: PathBuf::from("/run/user/1000/pointsman-tmux/sock"),
        generation: "900.1763632800".into(),
        id: "%7".into(),
        pid: 4242,
    }
}

pub fn sample(activity: Activity, attention: Attention) -> PaneSample {
    PaneSample {
        pane: pane(),
        at: ten(),
        state: AgentState {
            liveness: Liveness::Alive,
            activity,
            attention,
            words: None,
            because: "session registry says idle; title says idle".into(),
        },
        managed: true,
        context: "c1".into(),
        traces: Vec::new(),
        other_version: None,
    }
}

pub fn rules() -> Rules {
    let project = Project {
        name: ProjectName::new("blog"),
        tracker: TrackerChoice::GitHub {
            owner: "me".into(),
            repo: "blog".into(),
        },
        path: PathBuf::from("/home/me/src/blog"),
        added: Some(minutes(-6000)),
        agent: ProfileName::new("claude-code"),
        stages: BTreeMap::new(),
        build: Build::Command("npm test".into()),
        prepare: None,
        sessions: 1,
        session: SessionChoice::Managed,
        workflow: "labels.toml".into(),
        allow: Vec::new(),
        agents: Vec::new(),
        reserved: Vec::new(),
        facts: Vec::new(),
        merge: Merge::FastForward,
        comment: None,
        git: true,
    };
    let workflow = Workflow {
        name: "labels.toml".into(),
        stages: vec![prep(), dev(), review()],
        gates: Vec::new(),
        limits: Limits::default(),
        labels: SpecialLabels::default(),
        digest: "w".into(),
    };
    Rules {
        project,
        workflow,
        profiles: BTreeMap::new(),
        skills: BTreeMap::new(),
        idle_without_report: Duration::from_mins(1),
        looks_every: Duration::from_mins(1),
        fleet: FleetCaps::default(),
        schedules: BTreeMap::new(),
        zone: TimeZone::UTC,
        comment: CommentMode::Full,
    }
}

pub fn seen(heads: Vec<Head>) -> Observation {
    Observation {
        unread: BTreeMap::new(),
        at: ten(),
        heads: heads.into_iter().map(|head| (head.number, head)).collect(),
        gap: None,
        us: None,
        details: BTreeMap::new(),
        pulls: BTreeMap::new(),
        elsewhere: BTreeMap::new(),
        changed: BTreeMap::new(),
        pull_reads: BTreeMap::new(),
        panes: BTreeMap::new(),
        no_agent: std::collections::BTreeMap::new(),
        misplaced: None,
        reports: Vec::new(),
        posts: Vec::new(),
        fleet: FleetLoad::default(),
        limits: Vec::new(),
        fresh: Fresh {
            dispatch: DispatchId::new("zz9zz9"),
            secret_hash: "h".into(),
        },
    }
}
