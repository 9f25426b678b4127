//! `pointsman remove` and `pointsman uninstall`: everything that was ever written, listed, and on request taken back.
//!
//! The list is made first and is all that is done. What a person made is never touched, nor is work that is not merged: both stand in
//! the list with the reason. Comments and labels are an issue's history, so they are named and left.

mod installation;
mod project;
mod tree;

use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use crate::cli::{Failure, client, edge, known, run, say, service};
use crate::daemon::desk::control::Call;
use crate::daemon::places::Places;
use crate::domain::{IssueNumber, ProjectName, Window};
use crate::machine::state::State;
use crate::machine::text::count;
use crate::terminal::TmuxError;
use project::Beside;
use tree::Hand;

/// Arguments of `remove`.
#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The project
    project: String,
    #[command(flatten)]
    how: How,
}

/// Arguments of `uninstall`.
#[derive(Debug, Args)]
pub(super) struct UninstallArgs {
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Args)]
struct How {
    /// Say what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
    /// Print JSON, and do nothing
    #[arg(long, conflicts_with = "yes")]
    json: bool,
}

impl How {
    /// Whether more than the list is wanted.
    fn acts(&self) -> bool {
        !self.dry_run && !self.json
    }
}

/// One thing that was written, and what becomes of it.
#[derive(Debug)]
struct Trace {
    what: String,
    fate: Fate,
}

#[derive(Debug)]
enum Fate {
    Goes(Step),
    Stays { why: String },
}

/// How something is taken back.
#[derive(Debug)]
enum Step {
    /// The agent and every other window of the project's session.
    EndSession(ProjectName, Vec<Window>),
    /// A worktree of ours.
    Worktree {
        project: PathBuf,
        tree: PathBuf,
    },
    /// A branch of ours, merged, as it was seen.
    Branch {
        project: PathBuf,
        name: String,
        commit: String,
    },
    /// The person's tree goes back to its default branch.
    Switch {
        project: PathBuf,
        branch: String,
    },
    File(PathBuf),
    Folder(PathBuf),
    /// A folder that goes only if nothing is left in it.
    EmptyFolder(PathBuf),
    /// Our state, whatever a daemon wrote since the list was made; the issues that live in it stay.
    State(PathBuf),
    Units(Box<service::Site>, service::Traces),
    Server,
}

impl Trace {
    fn goes(what: impl Into<String>, step: Step) -> Self {
        Self {
            what: what.into(),
            fate: Fate::Goes(step),
        }
    }

    fn stays(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            fate: Fate::Stays { why: why.into() },
        }
    }

    fn folder(path: PathBuf) -> Option<Self> {
        let is_there = std::fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_dir());
        is_there.then(|| Self::goes(path.display().to_string(), Step::Folder(path)))
    }

    fn file(path: PathBuf) -> Option<Self> {
        let is_there = std::fs::symlink_metadata(&path).is_ok_and(|facts| !facts.is_dir());
        is_there.then(|| Self::goes(path.display().to_string(), Step::File(path)))
    }
}

#[derive(Serialize)]
struct Row<'a> {
    fate: &'static str,
    what: &'a str,
    why: Option<&'a str>,
}

/// Removes one project.
pub(super) fn remove(args: &RemoveArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let config = run::load(&places)?;
    let project = known::project(&config, &args.project)?;
    run::runtime()?.block_on(async {
        if args.how.acts() {
            refuse_open(&places, &project.name)?;
        }
        let traces = project::traces(&places, &config, project, Beside::Nothing).await?;
        if !agreed(&traces, &args.how)? {
            return Ok(());
        }
        let done = perform(&places, traces).await;
        let config = run::load(&places)?;
        service::projects_changed(&places, &config)?;
        client::reread(&places).await;
        done
    })
}

/// Removes everything.
pub(super) fn uninstall(args: &UninstallArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let config = run::load(&places)?;
    run::runtime()?.block_on(async {
        if args.how.acts() {
            for project in config.projects.values() {
                refuse_open(&places, &project.name)?;
            }
            installation::refuse(&places)?;
        }
        let mut traces = installation::units(&places)?;
        for project in config.projects.values() {
            traces.extend(project::traces(&places, &config, project, Beside::Everything).await?);
        }
        traces.extend(installation::traces(&places, &config).await);
        if !agreed(&traces, &args.how)? {
            return Ok(());
        }
        perform(&places, traces).await
    })
}

/// Prints the list; `true` if it is to be done.
fn agreed(traces: &[Trace], how: &How) -> Result<bool, Failure> {
    if how.json {
        let rows: Vec<Row<'_>> = traces.iter().map(row).collect();
        say::json(&rows)?;
        return Ok(false);
    }
    for trace in traces {
        let Row { fate, what, why } = row(trace);
        let why = why.map_or_else(String::new, |why| format!("   {why}"));
        say::out(&format!("{fate:<6} {what}{why}"))?;
    }
    if how.dry_run {
        say::talk("nothing was changed");
        return Ok(false);
    }
    say::agreed("Remove these?", how.yes)?;
    Ok(true)
}

fn row(trace: &Trace) -> Row<'_> {
    match &trace.fate {
        Fate::Goes(step) => Row {
            fate: match step {
                Step::EndSession(..) | Step::Server => "end",
                Step::Switch { .. } => "switch",
                _ => "remove",
            },
            what: &trace.what,
            why: None,
        },
        Fate::Stays { why } => Row {
            fate: "keep",
            what: &trace.what,
            why: Some(why),
        },
    }
}

/// An agent that works has to end its work first: it would lose it.
fn refuse_open(places: &Places, name: &ProjectName) -> Result<(), Failure> {
    let Some(store) = known::ledger_if_any(places)? else {
        return Ok(());
    };
    let state = known::fold(&store, name)?;
    let Some((dispatch, issue)) = open(&state) else {
        return Ok(());
    };
    Err(match issue {
        Some(issue) => Failure::new(anyhow::anyhow!(
            "dispatch {dispatch} of {issue} is open in {name}"
        ))
        .hint(format!(
            "let it end, or take the routing label off {issue} and wait until `pointsman explain {issue}` says it is withdrawn"
        )),
        None => Failure::new(anyhow::anyhow!("dispatch {dispatch} is open in {name}"))
            .hint("let it end: `pointsman status` says when".to_owned()),
    })
}

fn open(state: &State) -> Option<(String, Option<IssueNumber>)> {
    let open = state.dispatches.values().find(|one| one.is_open())?;
    Some((open.id().to_string(), open.issue()))
}

/// Does the list in its order. What cannot be done is said, and does not stop the rest.
async fn perform(places: &Places, traces: Vec<Trace>) -> Result<(), Failure> {
    let mut left = 0;
    for trace in traces {
        let Fate::Goes(step) = trace.fate else {
            continue;
        };
        if let Err(failure) = take_back(places, step).await {
            left += 1;
            say::talk(&format!("{}: {failure}", trace.what));
        }
    }
    match left {
        0 => Ok(()),
        left => Err(Failure::new(anyhow::anyhow!(
            "{} could not be removed",
            count(left, "thing")
        ))
        .hint("mend what is said above, and call this again".to_owned())),
    }
}

async fn take_back(places: &Places, step: Step) -> Result<(), Failure> {
    let hand = Hand::of(places);
    match step {
        Step::EndSession(name, windows) => end_session(places, &name, windows).await,
        Step::Worktree { project, tree } => tree::remove_worktree(&hand, &project, &tree),
        Step::Branch {
            project,
            name,
            commit,
        } => tree::remove_branch(&hand, &project, &name, &commit),
        Step::Switch { project, branch } => tree::switch(&hand, &project, &branch),
        Step::File(path) => gone(std::fs::remove_file(&path), &path),
        Step::Folder(path) => gone(hand.remove(&path, false), &path),
        Step::EmptyFolder(path) => match hand.remove(&path, true) {
            Err(error) if error.kind() == std::io::ErrorKind::DirectoryNotEmpty => Ok(()),
            done => gone(done, &path),
        },
        Step::State(path) => remove_state(&path),
        Step::Units(site, traces) => service::take_away(&site, &traces),
        Step::Server => places.tmux().kill_server().await.map_err(Failure::of_tmux),
    }
}

/// A daemon that runs would start its agent again: it is asked to let it go.
async fn end_session(
    places: &Places,
    name: &ProjectName,
    windows: Vec<Window>,
) -> Result<(), Failure> {
    let call = Call::Keep {
        project: name.clone(),
        up: false,
    };
    // A daemon that does not know the project keeps nothing up in it.
    drop(client::call(places, &call).await?);
    let tmux = places.tmux();
    for window in windows {
        match tmux.find(name.as_str(), window.as_str()).await {
            Ok(Some(row)) => drop(tmux.kill_pane(&row.pane).await.map_err(Failure::of_tmux)?),
            Ok(None) | Err(TmuxError::NoServer { .. }) => {}
            Err(error) => return Err(Failure::of_tmux(error)),
        }
    }
    Ok(())
}

/// Whether the trees of agents are left in the folder of all trees: those that could go have gone before.
fn has_agents_trees(folder: &Path) -> Result<bool, Failure> {
    if !folder.ends_with("trees") {
        return Ok(false);
    }
    for entry in std::fs::read_dir(folder)? {
        if tree::of_agents(&entry?.path()).next().is_some() {
            return Ok(true);
        }
    }
    Ok(false)
}

fn remove_state(folder: &Path) -> Result<(), Failure> {
    let mut is_empty = true;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.ends_with("tracker") || has_agents_trees(&path)? {
            is_empty = false;
        } else if std::fs::symlink_metadata(&path).is_ok_and(|facts| facts.is_dir()) {
            gone(std::fs::remove_dir_all(&path), &path)?;
        } else {
            gone(std::fs::remove_file(&path), &path)?;
        }
    }
    if is_empty {
        gone(std::fs::remove_dir(folder), folder)?;
    }
    Ok(())
}

/// What is gone already is no failure.
fn gone(done: std::io::Result<()>, path: &Path) -> Result<(), Failure> {
    match done {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Failure::new(
            anyhow::Error::new(error).context(format!("cannot remove `{}`", path.display())),
        )
        .hint("check who owns it".to_owned())),
        Ok(()) | Err(_) => Ok(()),
    }
}
