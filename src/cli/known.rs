//! What is known without a daemon: the configuration, and the ledger opened for reading.

use crate::cli::Failure;
use crate::config::Config;
use crate::daemon::OpenTrackerError;
use crate::daemon::desk::surface::{self, Entry, Trail};
use crate::daemon::hands::now;
use crate::daemon::heartbeat;
use crate::daemon::places::{Places, private_folder};
use crate::daemon::runner::Shown;
use crate::daemon::store::{self, ReplayError};
use crate::domain::{IssueNumber, Project, ProjectName};
use crate::ledger::{Lock, OpenError, Sqlite, Store as _, StoreError};
use crate::machine::engine::CycleReport;
use crate::machine::starting::decide::Memory;
use crate::machine::state::State;
use crate::view::{About, Remembered};

/// Records read at once.
const PAGE: usize = 2_000;

/// Opens the ledger for reading.
pub(super) fn ledger(places: &Places) -> Result<Sqlite, Failure> {
    Sqlite::open_read_only(&places.ledger()).map_err(Failure::of_ledger)
}

/// Opens the ledger for reading; `None` when nothing was written yet.
pub(super) fn ledger_if_any(places: &Places) -> Result<Option<Sqlite>, Failure> {
    match Sqlite::open_read_only(&places.ledger()) {
        Ok(store) => Ok(Some(store)),
        Err(OpenError::Missing { .. }) => Ok(None),
        Err(error) => Err(Failure::of_ledger(error)),
    }
}

/// Takes the lock and opens the ledger for writing: the right to be the daemon for one request.
pub(super) fn to_write(places: &Places) -> Result<(Lock, Sqlite), Failure> {
    let mut folders = vec![places.state.as_path(), places.runtime.as_path()];
    folders.extend(places.socket.parent());
    for folder in folders {
        private_folder(folder).map_err(|error| {
            Failure::new(
                anyhow::Error::new(error).context(format!("cannot make `{}`", folder.display())),
            )
            .hint("check who owns it, and whether the disk is full".to_owned())
        })?;
    }
    let lock = Lock::take(&places.state).map_err(|error| {
        let hint = error.hint();
        Failure::new(error).hint(hint)
    })?;
    let store = Sqlite::open_whole(&places.ledger()).map_err(Failure::of_ledger)?;
    Ok((lock, store))
}

/// Says a fault of the store with what to do about it.
pub(super) fn unreadable(error: StoreError) -> Failure {
    let hint = error.hint();
    Failure::new(error).hint(hint)
}

/// Says a fault of the fold with what to do about it.
pub(super) fn illegal(error: ReplayError) -> Failure {
    Failure::of_replay(error)
}

/// Says why a project's tracker cannot be used, and what to do about it.
pub(super) fn unopened(error: OpenTrackerError) -> Failure {
    let hint = error.hint();
    Failure::new(error).hint(hint)
}

/// Folds one project's stream.
pub(super) fn fold(store: &Sqlite, name: &ProjectName) -> Result<State, Failure> {
    let mut state = State::default();
    loop {
        let page = store
            .read_stream(name.as_str(), state.version, PAGE)
            .map_err(unreadable)?;
        if page.is_empty() {
            return Ok(state);
        }
        for record in &page {
            store::fold(&mut state, record).map_err(illegal)?;
        }
    }
}

/// Returns what the ledger alone says of a project, with the issues as they were stored.
pub(super) fn shown(
    places: &Places,
    store: Option<&Sqlite>,
    name: &ProjectName,
) -> Result<Shown, Failure> {
    let state = store
        .map(|store| fold(store, name))
        .transpose()?
        .unwrap_or_default();
    let remembered = store
        .map(|store| remembered(places, store, name))
        .transpose()?
        .flatten();
    Ok(Shown {
        remembered,
        ..of_state(state)
    })
}

/// Returns what a fold alone says.
pub(super) fn of_state(state: State) -> Shown {
    Shown {
        state,
        report: CycleReport::default(),
        seen: None,
        remembered: None,
        memory: Memory::default(),
    }
}

/// The issues as they were stored. The last good cycle's line says how old they are; without one, the newest change among them.
fn remembered(
    places: &Places,
    store: &Sqlite,
    name: &ProjectName,
) -> Result<Option<Remembered>, Failure> {
    let heads = store::heads_of(name, store.heads().map_err(unreadable)?);
    let read = heartbeat::last_read(&heartbeat::tail(places), name.as_str());
    let at = read.or_else(|| heads.values().map(|head| head.updated_at).max());
    Ok(at.map(|at| Remembered {
        heads,
        at,
        now: now(),
    }))
}

/// Returns the events of an issue or a schedule.
pub(super) fn entries(
    store: &Sqlite,
    name: &ProjectName,
    about: &About,
) -> Result<Vec<Entry>, Failure> {
    let mut trail = Trail::of(about);
    let mut found = Vec::new();
    let mut after = 0;
    loop {
        let page = store
            .read_stream(name.as_str(), after, PAGE)
            .map_err(unreadable)?;
        let Some(last) = page.last() else {
            return Ok(found);
        };
        after = last.ver;
        found.extend(surface::entries(&page, &mut trail));
    }
}

/// Returns the project of that name.
pub(super) fn project<'a>(config: &'a Config, name: &str) -> Result<&'a Project, Failure> {
    config.projects.get(&ProjectName::new(name)).ok_or_else(|| {
        let names: Vec<&str> = config.projects.keys().map(ProjectName::as_str).collect();
        if names.is_empty() {
            return none();
        }
        Failure::new(anyhow::anyhow!("there is no project `{name}`"))
            .hint(format!("configured are: {}", names.join(", ")))
    })
}

/// Returns the project that is named, or all; a verb about projects has nothing to do without one.
pub(super) fn projects<'a>(
    config: &'a Config,
    named: Option<&str>,
) -> Result<Vec<&'a Project>, Failure> {
    let found = projects_or_none(config, named)?;
    if found.is_empty() {
        Err(none())
    } else {
        Ok(found)
    }
}

/// Returns the project that is named, or all that there are.
pub(super) fn projects_or_none<'a>(
    config: &'a Config,
    named: Option<&str>,
) -> Result<Vec<&'a Project>, Failure> {
    match named {
        Some(name) => Ok(vec![project(config, name)?]),
        None => Ok(config.projects.values().collect()),
    }
}

/// Says what the first step is.
pub(super) const FIRST_STEP: &str = "`pointsman init <FOLDER>` writes the first one's file";

fn none() -> Failure {
    Failure::new(anyhow::anyhow!("no project is configured")).hint(FIRST_STEP.to_owned())
}

/// Returns the project that is named, the only one there is, or the one whose folder this is.
pub(super) fn the_project<'a>(
    config: &'a Config,
    name: Option<&str>,
) -> Result<&'a Project, Failure> {
    if let Some(name) = name {
        return project(config, name);
    }
    let here = std::env::current_dir().ok();
    let mut around = config.projects.values().filter(|project| {
        here.as_ref()
            .is_some_and(|here| here.starts_with(&project.path))
    });
    let mut all = config.projects.values();
    if let Some(project) = around.next() {
        return Ok(project);
    }
    match (all.next(), all.next()) {
        (Some(only), None) => Ok(only),
        (None, _) => Err(none()),
        (Some(_), Some(_)) => {
            let names: Vec<&str> = config.projects.keys().map(ProjectName::as_str).collect();
            Err(Failure::usage(anyhow::anyhow!("which project is not said"))
                .hint(format!("pass --project, one of: {}", names.join(", "))))
        }
    }
}

/// Finds the project that has an issue by the ledger alone.
pub(super) fn project_in_ledger(
    places: &Places,
    issue: IssueNumber,
    named: Option<&str>,
) -> Result<ProjectName, Failure> {
    let config = super::run::load(places)?;
    if named.is_some() || config.projects.len() <= 1 {
        return the_project(&config, named).map(|project| project.name.clone());
    }
    let store = ledger_if_any(places)?;
    let mut knowing = Vec::new();
    for name in config.projects.keys() {
        if surface::knows(&shown(places, store.as_ref(), name)?, issue) {
            knowing.push(name.clone());
        }
    }
    the_one(issue, &knowing)
}

/// Returns the project that knows an issue, out of those that do.
pub(super) fn the_one(issue: IssueNumber, knowing: &[ProjectName]) -> Result<ProjectName, Failure> {
    match knowing {
        [one] => Ok(one.clone()),
        [] => Err(Failure::new(anyhow::anyhow!("no project knows {issue}"))
            .hint("pass --project to ask one of them anyway".to_owned())),
        several => {
            let names: Vec<&str> = several.iter().map(ProjectName::as_str).collect();
            Err(
                Failure::usage(anyhow::anyhow!("several projects have {issue}"))
                    .hint(format!("pass --project, one of: {}", names.join(", "))),
            )
        }
    }
}
