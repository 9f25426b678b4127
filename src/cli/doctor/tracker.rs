//! One project's tracker: whether it answers, what we may do there, what is left of the allowance, its labels, and who is who.

use jiff::SignedDuration;

use super::Findings;
use crate::cli::issue::failed;
use crate::cli::{Failure, known, labels};
use crate::config::{Config, check_against};
use crate::daemon::places::Places;
use crate::daemon::trackers::Trackers;
use crate::domain::{Actor, ActorKind, Label, Project, Role, TrackerChoice};
use crate::tracker::{RepoFacts, Tracker};

/// A clock that is off by more makes times in comments and logs misleading.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(1);

pub(super) async fn look(
    places: &Places,
    config: &Config,
    project: &Project,
    trackers: &Trackers,
    found: &mut Findings,
) {
    // Opening a local tracker makes its folder and takes in what was edited by hand: this verb only looks.
    if project.tracker == TrackerChoice::Local {
        let folder = places.tracker(&project.name);
        return found.ok(
            "tracker",
            &format!("issues on this machine, in `{}`", folder.display()),
        );
    }
    let asked = match trackers.open(places, config, project) {
        Ok(tracker) => ask(config, project, &tracker, found).await,
        Err(error) => Err(known::unopened(error)),
    };
    if let Err(failure) = asked {
        found.failed("tracker", &failure);
    }
}

async fn ask(
    config: &Config,
    project: &Project,
    tracker: &Tracker,
    found: &mut Findings,
) -> Result<(), Failure> {
    let facts = tracker.repo().await.map_err(failed)?;
    repository(project, &facts, found);
    let us = tracker.whoami().await.map_err(failed)?;
    rights(&us, facts.our_role, found);
    match us.kind {
        ActorKind::User => found.note(
            "accounts",
            &whose(&us),
            "a label, comment or push of one cannot be told from another's; an App or a machine account under [github] can",
        ),
        ActorKind::App => found.ok("accounts", &whose(&us)),
    }
    label_findings(config, project, tracker, found).await?;
    if let Tracker::GitHub(github) = tracker {
        if let Some(left) = github.allowance() {
            allowance(
                left.remaining,
                left.limit,
                config.settings.github.reserve,
                found,
            );
        }
        if let Some(skew) = github.clock_skew() {
            clock(skew, found);
        }
    }
    Ok(())
}

fn repository(project: &Project, facts: &RepoFacts, found: &mut Findings) {
    let TrackerChoice::GitHub { owner, repo } = &project.tracker else {
        return;
    };
    let name = &facts.full_name;
    if !name.eq_ignore_ascii_case(&format!("{owner}/{repo}")) {
        return found.wrong(
            "tracker",
            &format!("`{owner}/{repo}` is `{name}` now"),
            &format!("set repo = \"{name}\" in the project's file"),
        );
    }
    let seen = if facts.public { "public" } else { "private" };
    found.ok("tracker", &format!("`{name}` answers, {seen}"));
}

fn rights(us: &Actor, role: Role, found: &mut Findings) {
    let says = format!("`{}` is {role:?} here", us.login).to_lowercase();
    if role >= Role::Write {
        return found.ok("rights", &says);
    }
    found.wrong(
        "rights",
        &says,
        "labels cannot be moved and branches not pushed: give it write access",
    );
}

/// Says who acts under an account, and what follows for a person's phone.
pub(in crate::cli) fn whose(us: &Actor) -> String {
    match us.kind {
        ActorKind::User => format!(
            "personal token: you, Pointsman and its agents are all `{}`, and GitHub will not notify you of its comments",
            us.login
        ),
        ActorKind::App => format!(
            "`{}` is an account of its own: GitHub notifies you of what it says",
            us.login
        ),
    }
}

async fn label_findings(
    config: &Config,
    project: &Project,
    tracker: &Tracker,
    found: &mut Findings,
) -> Result<(), Failure> {
    let Some(workflow) = config.workflow_of(project) else {
        return Ok(());
    };
    let name = &project.name;
    for mismatch in check_against(workflow, project) {
        found.wrong("workflow", &mismatch.to_string(), &mismatch.hint());
    }
    let there = tracker.labels().await.map_err(failed)?;
    let missing = labels::missing(workflow, &there);
    let differing = labels::differing(workflow, &there);
    if missing > 0 {
        found.note(
            "labels",
            &format!("{missing} of the workflow's are missing"),
            &format!("pointsman labels sync --project {name}"),
        );
    }
    if !differing.is_empty() {
        let names: Vec<&str> = differing.iter().map(Label::as_str).collect();
        found.note(
            "labels",
            &format!(
                "with another colour or text, so perhaps with another meaning: {}",
                names.join(", ")
            ),
            &format!("pointsman labels sync --force --project {name}, if they are the workflow's"),
        );
    }
    if missing == 0 && differing.is_empty() {
        found.ok("labels", "all of the workflow's are there");
    }
    Ok(())
}

fn allowance(remaining: u64, limit: u64, reserve: u64, found: &mut Findings) {
    let says = format!("{remaining} of {limit} requests are left this hour");
    // A tenth more than what is kept for the person, and the next cycles stop.
    if remaining <= reserve.saturating_add(limit / 10).min(limit / 2) {
        return found.note(
            "allowance",
            &says,
            "it is shared by everything that uses this token; Pointsman stops at its reserve",
        );
    }
    found.ok("allowance", &says);
}

fn clock(skew: SignedDuration, found: &mut Findings) {
    if skew.abs() <= SKEW_MAX {
        return found.ok("clock", "as the tracker's");
    }
    let seconds = skew.as_secs().unsigned_abs();
    let is = if skew.is_positive() {
        "behind"
    } else {
        "ahead of"
    };
    found.note(
        "clock",
        &format!("this machine is {seconds} s {is} the tracker"),
        "switch time synchronisation on: `timedatectl set-ntp true`",
    );
}
