//! One project on this machine: its folder, its session, its agents, its skills and its own rules.

use std::collections::{BTreeMap, BTreeSet};

use super::{Findings, Mark, templates};
use crate::cli::edge;
use crate::config::{self, Config};
use crate::daemon::places::Places;
use crate::domain::{Profile, Project, SessionChoice, SkillName, Window, Workflow};
use crate::machine::starting::open::is_fresh;
use crate::repo::spool;
use crate::terminal::TmuxError;

/// What agents read by themselves when they start.
const INSTRUCTIONS: [&str; 2] = ["CLAUDE.md", "AGENTS.md"];

/// The versions that programs said; `None` for one that says none.
pub(super) type Versions = BTreeMap<String, Option<String>>;

pub(super) async fn look(
    places: &Places,
    config: &Config,
    project: &Project,
    found: &mut Findings,
) {
    folder(places, project, found);
    session(places, project, found).await;
    idle_agents(project, config.workflow_of(project), found);
    instructions(project, found);
    skills(config, project, found);
    let workflow = config.workflow_of(project);
    templates::look(project, workflow, found);
}

fn folder(places: &Places, project: &Project, found: &mut Findings) {
    let path = project.path.display();
    if !project.path.is_dir() {
        return found.wrong(
            "folder",
            &format!("`{path}` is not there, or is no folder"),
            "set `path` in the project's file to where the project lies",
        );
    }
    // With two users it is the agents', and only `.pointsman` in it is both's.
    let place = match places.apart {
        Some(_) => project.path.join(".pointsman"),
        None => project.path.clone(),
    };
    let may = rustix::fs::access(&place, rustix::fs::Access::WRITE_OK);
    if let Err(error) = may {
        return found.wrong(
            "folder",
            &format!("`{}` cannot be written: {error}", place.display()),
            "briefs go to `.pointsman` in it: check who owns it",
        );
    }
    // Goes the way every brief and report goes, so what it refuses they are refused, too.
    if let Err(error) = spool::list(&project.path) {
        let cause = std::error::Error::source(&error);
        let why = cause.map_or_else(String::new, |cause| format!(": {cause}"));
        return found.add(
            "folder",
            Mark::Wrong,
            &format!("{error}{why}"),
            error.hint(),
        );
    }
    let kind = if project.git {
        "a git working tree"
    } else {
        "a folder without git"
    };
    found.ok("folder", &format!("`{path}` is {kind}"));
}

async fn session(places: &Places, project: &Project, found: &mut Findings) {
    for window in project.agents() {
        window_of(places, project, window, found).await;
    }
}

/// Agents that nothing could be given to, as the workflow's limits are.
fn idle_agents(project: &Project, workflow: Option<&Workflow>, found: &mut Findings) {
    let Some(workflow) = workflow.filter(|_| project.sessions > 1) else {
        return;
    };
    let stages = workflow.stages.iter().filter(|stage| !is_fresh(stage));
    let open: u32 = stages.map(|stage| stage.wip).fold(0, u32::saturating_add);
    let most = open.min(workflow.limits.active_max);
    if most < u32::from(project.sessions) {
        let key = if open == most { "wip" } else { "active_max" };
        found.note(
            "sessions",
            &format!(
                "`sessions = {}`, and `{key}` lets {most} of them work at once",
                project.sessions
            ),
            &format!(
                "raise `{key}` in {} (`pointsman labels eject`)",
                workflow.name
            ),
        );
    }
}

async fn window_of(places: &Places, project: &Project, window: Window, found: &mut Findings) {
    let tmux = places.tmux_of(project, window);
    let name = &project.name;
    let of = match window {
        Window::AGENT => String::new(),
        _ => format!("{}: ", window.as_str()),
    };
    let row = match &project.session {
        SessionChoice::Managed => tmux.find(name.as_str(), window.as_str()).await,
        SessionChoice::Adopted { target, .. } => tmux.resolve_target(target).await.map(Some),
    };
    let said = match (&project.session, row) {
        (_, Ok(Some(row))) if !row.dead => {
            let path = row.path.display();
            return found.ok("session", &format!("{of}`{}` runs in {path}", row.command));
        }
        (SessionChoice::Managed, Ok(_) | Err(TmuxError::NoServer { .. })) => {
            return found.note(
                "session",
                &format!("{of}no agent is up; the daemon starts one"),
                &format!("pointsman up {name}"),
            );
        }
        (SessionChoice::Adopted { target, .. }, Ok(_) | Err(TmuxError::NoTarget { .. })) => {
            format!("the pane `{target}` is not there")
        }
        (_, Err(TmuxError::Missing)) => return,
        (_, Err(error)) => error.to_string(),
    };
    let hint = "start it yourself, or mend `session` in the project's file";
    found.wrong("session", &said, hint);
}

/// The agents of a project and of its stages.
pub(super) async fn agents(
    places: &Places,
    config: &Config,
    project: &Project,
    versions: &mut Versions,
    found: &mut Findings,
) {
    let names: BTreeSet<_> = [&project.agent]
        .into_iter()
        .chain(project.stages.values())
        .collect();
    for profile in names.iter().filter_map(|name| config.profiles.get(*name)) {
        let Some(program) = profile.start.first() else {
            continue;
        };
        if program == "{pointsman}" {
            let path = places.binary_text();
            found.ok("agent", &format!("{}: `{path}`", profile.name));
            continue;
        }
        if !edge::on_path(program)
            && let Some(apart) = &places.apart
        {
            found.note(
                "agent",
                &format!("{}: `{program}` is not on this PATH", profile.name),
                &format!(
                    "the units' PATH counts, and what `{}` finds in its home: `sudo -iu {0} {program} --version`",
                    apart.name
                ),
            );
            continue;
        }
        if !edge::on_path(program) {
            found.wrong(
                "agent",
                &format!("{}: `{program}` is not on PATH", profile.name),
                "install it and log in, or name another `agent` in the project's file",
            );
            continue;
        }
        if let Some(apart) = &places.apart
            && let Some(path) = edge::program(program)
            && (path.starts_with(&places.home) || edge::is_of(&path, apart.uid))
        {
            found.note(
                "agent",
                &format!(
                    "{}: `{}` belongs to the agents: the daemon's account does not start it",
                    profile.name,
                    path.display()
                ),
                &format!(
                    "ask as `{0}`: `sudo -iu {0} {program} --version`",
                    apart.name
                ),
            );
            continue;
        }
        if !versions.contains_key(program) {
            let said = edge::version(program, "--version").await;
            versions.insert(program.clone(), said);
        }
        let version = versions.get(program).cloned().flatten();
        agent(profile, program, version.as_deref(), found);
    }
}

fn agent(profile: &Profile, program: &str, version: Option<&str>, found: &mut Findings) {
    let name = &profile.name;
    let hint = "it may work; what its screens mean was captured with other versions";
    let Some(version) = version else {
        let says = format!("{name}: `{program}` does not say its version");
        return found.note("agent", &says, hint);
    };
    let says = format!("{name}: `{program}` {version}");
    let wanted = semver::VersionReq::parse(&profile.versions).ok();
    let is = semver::Version::parse(version.trim_start_matches('v')).ok();
    match (profile.versions.as_str(), wanted, is) {
        ("", _, _) => found.ok("agent", &says),
        (_, Some(wanted), Some(is)) if wanted.matches(&is) => found.ok("agent", &says),
        (range, _, _) => found.note("agent", &format!("{says}, not in `{range}`"), hint),
    }
}

fn instructions(project: &Project, found: &mut Findings) {
    let there: Vec<&str> = INSTRUCTIONS
        .into_iter()
        .filter(|name| project.path.join(name).is_file())
        .collect();
    if there.is_empty() {
        return found.note(
            "instructions",
            &format!("no {}", INSTRUCTIONS.join(" or ")),
            "write down there what holds for every task in this project: briefs do not repeat it",
        );
    }
    found.ok("instructions", &there.join(", "));
}

/// The findings of `skill lint` for the skills that the workflow names.
fn skills(config: &Config, project: &Project, found: &mut Findings) {
    let Some(workflow) = config.workflow_of(project) else {
        return;
    };
    let used: BTreeSet<&SkillName> = workflow.stages.iter().map(|stage| &stage.skill).collect();
    let mut poor = false;
    // One that is the project's own alone lies in its mirror, which is not touched here.
    for skill in used.iter().filter_map(|name| config.skills.get(*name)) {
        let findings = config::lint(skill);
        if let Some(first) = findings.first() {
            poor = true;
            let rest = match findings.len() {
                1 => String::new(),
                more => format!(", and {} more", more - 1),
            };
            let says = format!("{}: {}{rest}", skill.name, first.message);
            found.note(
                "skill",
                &says,
                &format!("pointsman skill lint {}", skill.name),
            );
        }
    }
    if !poor {
        found.ok("skill", &format!("{} in use, nothing to say", used.len()));
    }
}
