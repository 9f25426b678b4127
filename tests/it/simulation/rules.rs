//! The rules of a modelled project: the default workflow, with small limits.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use pointsman::domain::{
    Actor, ActorId, ActorKind, Advance, Build, CommentMode, FirstLine, FleetCaps, GateName, Label,
    Limits, Merge, Next, Profile, ProfileName, Project, ProjectName, Rules, ScreenRules,
    SessionChoice, Signals, SkillName, SpecialLabels, Stage, Submit, TrackerChoice, Workflow,
};

use super::faults::Rng;

/// When every world begins.
pub(crate) fn start() -> Timestamp {
    "2026-11-20T09:00:00Z"
        .parse()
        .expect("a time of this century")
}

fn person(id: &str, login: &str) -> Actor {
    Actor {
        id: ActorId::new(id),
        login: login.to_owned(),
        kind: ActorKind::User,
    }
}

/// The person with write access.
pub(crate) fn alice() -> Actor {
    person("11", "alice")
}

/// A stranger, who may label but not push.
pub(crate) fn mallory() -> Actor {
    person("66", "mallory")
}

/// The account we write with.
pub(crate) fn us() -> Actor {
    person("1", "pointsman")
}

fn stage(label: &str, skill: &str, needs: &[&str], next: &str) -> Stage {
    Stage {
        label: Label::new(label),
        color: "c5def5".to_owned(),
        description: String::new(),
        role: skill.to_owned(),
        skill: SkillName::new(skill),
        needs: needs.iter().map(|name| GateName::parse(name)).collect(),
        next: match next {
            "done" => Next::Done,
            label => Next::Stage(Label::new(label)),
        },
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

fn stages() -> Vec<Stage> {
    let dev = Label::new("ready-for-dev");
    vec![
        stage("ready-for-prep", "prep", &["spec"], "ready-for-dev"),
        stage("ready-for-dev", "dev", &["branch", "build"], "QA"),
        Stage {
            back: Some(dev.clone()),
            seat: true,
            not_by: vec![dev.clone()],
            ..stage("QA", "qa", &["build", "verdict"], "review")
        },
        Stage {
            back: Some(dev.clone()),
            seat: true,
            not_by: vec![dev],
            advance: Advance::Human,
            ..stage(
                "review",
                "review",
                &["build", "verdict", "coverage"],
                "done",
            )
        },
    ]
}

/// Draws a workflow: one to four stages, makers first, checkers that may send back, seats and people's stages anywhere.
pub(crate) fn drawn(rng: &mut Rng, git: bool) -> Vec<Stage> {
    let skills = ["prep", "dev", "qa", "review"];
    let count = 1 + usize::try_from(rng.below(4)).expect("small");
    let label = |at: usize| format!("stage-{at}");
    let mut stages = Vec::new();
    for (at, skill) in skills.iter().enumerate().take(count) {
        let next = if at + 1 == count {
            "done".to_owned()
        } else {
            label(at + 1)
        };
        let checks = at > 0 && rng.chance(600);
        let needs: &[&str] = match (checks, git, rng.below(3)) {
            (true, true, 0) => &["build", "verdict", "coverage"],
            (true, true, _) => &["build", "verdict"],
            (true, false, _) => &["verdict"],
            (false, true, 0) => &["spec"],
            (false, true, _) => &["branch", "build"],
            (false, false, _) => &["file"],
        };
        let back = Label::new(label(usize::try_from(rng.below(at as u64)).expect("small")));
        // From a copy: the worlds of known seeds stay what they were.
        let mut aside = Rng::new(rng.clone().below(u64::MAX));
        stages.push(Stage {
            not_by: if checks && rng.chance(500) {
                vec![back.clone()]
            } else {
                Vec::new()
            },
            back: checks.then_some(back),
            seat: rng.chance(400),
            wip: 1 + u32::try_from(rng.below(2)).expect("small"),
            backlog: aside
                .chance(200)
                .then(|| 1 + u32::try_from(aside.below(3)).expect("small")),
            advance: if rng.chance(200) {
                Advance::Human
            } else {
                Advance::Gates
            },
            file: (!git).then(|| "drafts/{n}.md".to_owned()),
            ..stage(&label(at), skill, needs, &next)
        });
    }
    stages
}

fn profile(first_line: FirstLine) -> Profile {
    Profile {
        name: ProfileName::new("fake"),
        account: "fake".to_owned(),
        start: vec!["fake".to_owned(), "{line}".to_owned()],
        resume: None,
        env: Vec::new(),
        pass_env: Vec::new(),
        processes: vec!["fake".to_owned()],
        versions: String::new(),
        first_line,
        submit: Submit {
            floor: Duration::from_millis(300),
            cursor_in_composer: true,
            clear_key: None,
            interrupt_key: Some("1b".to_owned()),
        },
        signals: Signals::default(),
        screen: ScreenRules {
            composer: Some("^> (.*)$".to_owned()),
            ..ScreenRules::default()
        },
        loosens: Vec::new(),
        go_on: Some("Go on.".to_owned()),
        mends: BTreeMap::new(),
    }
}

/// The rules of a git project with the default workflow.
pub(crate) fn rules(limits: Limits, first_line: FirstLine, merge: Merge) -> Rules {
    let skills = ["prep", "dev", "qa", "review", "scout"];
    Rules {
        project: Project {
            name: ProjectName::new("blog"),
            tracker: TrackerChoice::Local,
            path: PathBuf::from("/src/blog"),
            added: Some(start()),
            agent: ProfileName::new("fake"),
            stages: BTreeMap::new(),
            build: Build::Command("make".to_owned()),
            prepare: None,
            sessions: 1,
            session: SessionChoice::Managed,
            workflow: "labels.toml".to_owned(),
            allow: Vec::new(),
            agents: Vec::new(),
            reserved: Vec::new(),
            facts: Vec::new(),
            merge,
            comment: None,
            git: true,
        },
        workflow: Workflow {
            name: "labels.toml".to_owned(),
            stages: stages(),
            gates: Vec::new(),
            limits,
            labels: SpecialLabels::default(),
            digest: "d".to_owned(),
        },
        profiles: BTreeMap::from([(ProfileName::new("fake"), profile(first_line))]),
        skills: skills
            .iter()
            .map(|name| (SkillName::new(*name), format!("digest of {name}")))
            .collect(),
        idle_without_report: Duration::from_mins(1),
        looks_every: Duration::from_mins(1),
        fleet: FleetCaps::default(),
        schedules: BTreeMap::new(),
        zone: TimeZone::UTC,
        comment: CommentMode::Off,
    }
}
