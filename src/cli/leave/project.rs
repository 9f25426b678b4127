//! What was written for one project: in its tree, on its tracker, in our folders.

use std::collections::BTreeSet;

use super::tree::Hand;
use super::{Step, Trace, tree};
use crate::cli::{Failure, edge, known, labels};
use crate::config::Config;
use crate::daemon::places::Places;
use crate::daemon::store::event_of;
use crate::daemon::trackers::Trackers;
use crate::domain::{Event, IssueNumber, Project, SessionChoice, TrackerChoice};
use crate::ledger::Store as _;
use crate::machine::text::count;

/// Events read at once.
const PAGE: usize = 2_000;

/// What else goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Beside {
    /// Nothing: the ledger stays.
    Nothing,
    /// Everything, and the ledger with it.
    Everything,
}

/// Lists it, in the order in which it is taken back.
pub(super) async fn traces(
    places: &Places,
    config: &Config,
    project: &Project,
    beside: Beside,
) -> Result<Vec<Trace>, Failure> {
    let mut traces = Vec::new();
    let name = &project.name;
    let panes = places.tmux().list_panes().await;
    let has_session = panes.is_ok_and(|rows| rows.iter().any(|row| row.session == name.as_str()));
    if has_session {
        let step = Step::EndSession(name.clone(), places.windows(project));
        traces.push(Trace::goes(format!("the agent of {name}"), step));
    }
    if let SessionChoice::Adopted { target, .. } = &project.session {
        traces.push(Trace::stays(format!("the pane {target}"), "yours"));
    }
    // The file goes first: a running daemon lets the project go before its folders do.
    let file = places.config.join("projects").join(format!("{name}.toml"));
    traces.extend(Trace::file(file));
    let mut some_stay = false;
    if project.git {
        let hand = Hand::of(places);
        let trees = places.trees(name);
        // Its unit goes before all else, and with it who may look.
        if let Some(why) = hand.missing().filter(|_| beside == Beside::Everything) {
            some_stay = tree::of_agents(&trees).next().is_some();
            traces.push(Trace::stays(
                format!(
                    "worktrees and branches of ours in {}",
                    project.path.display()
                ),
                format!("{why}; while the units are there, `pointsman remove {name}` takes them"),
            ));
        } else {
            let mut worktrees = tree::worktrees(&hand, &project.path, &trees);
            traces.append(&mut worktrees.traces);
            traces.extend(tree::traces(&hand, &project.path, &worktrees)?);
            some_stay = worktrees.some_stay;
        }
    }
    traces.extend(in_folder(project));
    let trees = (!some_stay).then(|| places.trees(name));
    let folders = trees
        .into_iter()
        .chain([places.mirror(name), places.logs(name)]);
    traces.extend(folders.filter_map(Trace::folder));
    let issues = places.tracker(name);
    if issues.is_dir() {
        traces.push(Trace::stays(
            issues.display().to_string(),
            "the issues, which live on this machine: yours",
        ));
    }
    traces.extend(written_on_tracker(places, project, beside)?);
    traces.extend(labels_made(places, config, project).await);
    Ok(traces)
}

/// `.pointsman` in the project's folder: ours but for the skills, and never through a link.
fn in_folder(project: &Project) -> Vec<Trace> {
    let ours = project.path.join(".pointsman");
    let is_folder = std::fs::symlink_metadata(&ours).is_ok_and(|facts| facts.is_dir());
    if !is_folder {
        return Vec::new();
    }
    let mut traces: Vec<Trace> = ["briefs", "spool"]
        .into_iter()
        .filter_map(|name| Trace::folder(ours.join(name)))
        .collect();
    let has_skills = ours.join("skills").is_dir();
    if has_skills {
        traces.push(Trace::stays(
            ours.join("skills").display().to_string(),
            "the project's own skills: yours",
        ));
    }
    traces.extend(Trace::file(ours.join(".gitignore")));
    if !has_skills {
        traces.push(Trace::goes(
            ours.display().to_string(),
            Step::EmptyFolder(ours),
        ));
    }
    traces
}

/// What the ledger says was written on the tracker.
fn written_on_tracker(
    places: &Places,
    project: &Project,
    beside: Beside,
) -> Result<Vec<Trace>, Failure> {
    let Some(store) = known::ledger_if_any(places)? else {
        return Ok(Vec::new());
    };
    let name = &project.name;
    let (mut after, mut events) = (0, 0);
    let mut issues: BTreeSet<IssueNumber> = BTreeSet::new();
    loop {
        let page = store
            .read_stream(name.as_str(), after, PAGE)
            .map_err(known::unreadable)?;
        let Some(last) = page.last() else { break };
        after = last.ver;
        events += page.len() as u64;
        for record in &page {
            let writes = matches!(
                event_of(record).map_err(known::illegal)?,
                Event::SpecPublished { .. }
                    | Event::QuestionPublished { .. }
                    | Event::PostIntended { .. }
                    | Event::StatusIntended { .. }
                    | Event::ParkIntended { .. }
                    | Event::TransitionIntended { .. }
            );
            if writes {
                issues.extend(record.issue.map(IssueNumber));
            }
        }
    }
    let mut traces = Vec::new();
    if !issues.is_empty() && project.tracker != TrackerChoice::Local {
        let named: Vec<String> = issues.iter().map(ToString::to_string).collect();
        traces.push(Trace::stays(
            format!("labels moved and comments written on {}", named.join(", ")),
            "the issues' history",
        ));
    }
    if events > 0 && beside == Beside::Nothing {
        traces.push(Trace::stays(
            format!("{} of {name} in the ledger", count(events, "event")),
            "what happened stays told, until `pointsman uninstall`",
        ));
    }
    Ok(traces)
}

/// Labels of the repository that look as `labels sync` makes them. Issues may still bear them, so they are a person's to delete.
async fn labels_made(places: &Places, config: &Config, project: &Project) -> Vec<Trace> {
    let TrackerChoice::GitHub { owner, repo } = &project.tracker else {
        return Vec::new();
    };
    let what = format!("labels of {owner}/{repo}");
    let there = match Trackers::new(edge::find_auth()).open(places, config, project) {
        Ok(tracker) => tracker.labels().await.map_err(anyhow::Error::new),
        Err(error) => Err(anyhow::Error::new(error)),
    };
    let there = match there {
        Ok(there) => there,
        Err(error) => {
            let why = format!("not known, the tracker cannot be asked: {error:#}");
            return vec![Trace::stays(what, why)];
        }
    };
    let workflow = config
        .workflow_of(project)
        .expect("the configuration names workflows that are there");
    let made = labels::made(workflow, &there);
    if made.is_empty() {
        return Vec::new();
    }
    let delete = |name: &String| format!("gh label delete {name:?} --repo {owner}/{repo} --yes");
    let commands: Vec<String> = made.iter().map(delete).collect();
    vec![Trace::stays(
        format!("{what}: {}", made.join(", ")),
        format!(
            "issues may bear them; to delete them: {}",
            commands.join("; ")
        ),
    )]
}
