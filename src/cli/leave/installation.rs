//! What was written for all projects together: the units, our folders, the tmux server.

use std::path::PathBuf;

use super::{Step, Trace};
use crate::cli::{Failure, service};
use crate::config::Config;
use crate::daemon::places::Places;
use crate::ledger::{Lock, LockError};

/// What lies in the configuration's folder and is a person's own.
const YOURS: [&str; 6] = [
    "pointsman.toml",
    "labels.toml",
    "workflows",
    "agents",
    "skills",
    "github-token",
];

/// A daemon that a person started has to be ended by a person, and the system's units by root.
pub(super) fn refuse(places: &Places) -> Result<(), Failure> {
    let site = service::installed(places);
    if let Some(site) = &site
        && let service::Scope::System { .. } = &site.scope
    {
        return Err(
            Failure::new(anyhow::anyhow!("the units of the system are installed")).hint(
                "root takes them away first: `sudo pointsman service uninstall --system`"
                    .to_owned(),
            ),
        );
    }
    let is_service =
        site.is_some_and(|site| service::Systemd(&site.scope).is_active(service::DAEMON));
    if is_service || !places.state.is_dir() {
        return Ok(());
    }
    match Lock::take(&places.state) {
        Err(LockError::Held { pid }) => {
            let pid = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
            Err(Failure::new(anyhow::anyhow!("a daemon runs{pid}"))
                .hint("end it where it runs: Ctrl-C, or SIGTERM".to_owned()))
        }
        Ok(_) | Err(LockError::Unusable { .. }) => Ok(()),
    }
}

/// Lists the units. They are taken back before all else: who writes is stopped before what is written goes.
pub(super) fn units(places: &Places) -> Result<Vec<Trace>, Failure> {
    let mut traces = Vec::new();
    if let Some(site) = service::installed(places) {
        let found = service::traces(&site)?;
        for path in &found.changed {
            traces.push(Trace::stays(
                path.display().to_string(),
                "changed since: yours",
            ));
        }
        let named: Vec<String> = found
            .ours
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        traces.push(Trace::goes(
            format!("the units: {}", named.join(", ")),
            Step::Units(Box::new(site), found),
        ));
    }
    Ok(traces)
}

/// Lists the rest, in the order in which it is taken back.
pub(super) async fn traces(places: &Places, config: &Config) -> Vec<Trace> {
    let mut traces = Vec::new();
    if places.tmux().list_panes().await.is_ok() {
        traces.push(Trace::goes(
            format!("the tmux server on {}", places.socket.display()),
            Step::Server,
        ));
    }
    let mut folders = vec![places.runtime.clone()];
    folders.extend(places.socket.parent().map(PathBuf::from));
    // Without a runtime folder of the machine's they lie in the state's.
    folders.retain(|folder| !folder.starts_with(&places.state));
    traces.extend(folders.into_iter().filter_map(Trace::folder));
    traces.extend(state(places, config));
    let mut is_empty = true;
    for name in YOURS {
        let path = places.config.join(name);
        if path.exists() {
            is_empty = false;
            traces.push(Trace::stays(path.display().to_string(), "you wrote it"));
        }
    }
    if is_empty && places.config.is_dir() {
        for folder in [places.config.join("projects"), places.config.clone()] {
            traces.push(Trace::goes(
                folder.display().to_string(),
                Step::EmptyFolder(folder),
            ));
        }
    }
    traces.push(Trace::stays(
        places.binary.display().to_string(),
        "this program: `cargo uninstall pointsman`, or delete it",
    ));
    traces
}

/// The state's folder, but for the issues that live in it.
fn state(places: &Places, config: &Config) -> Vec<Trace> {
    if !places.state.is_dir() {
        return Vec::new();
    }
    let tracker = places.state.join("tracker");
    let but = if tracker.is_dir() {
        ", but for `tracker`"
    } else {
        ""
    };
    let what = format!(
        "{} (ledger, key, mirrors, worktrees, logs){but}",
        places.state.display()
    );
    let mut traces = vec![Trace::goes(what, Step::State(places.state.clone()))];
    // Those of configured projects are listed with them.
    let former = std::fs::read_dir(&tracker)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| {
            !config
                .projects
                .keys()
                .any(|name| path.ends_with(name.as_str()))
        });
    traces.extend(former.map(|path| {
        Trace::stays(
            path.display().to_string(),
            "issues of a former project: yours",
        )
    }));
    traces
}
