//! `pointsman session explain`: who says what of a project's agents.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::cli::{Failure, client, edge, known, run, say};
use crate::config::Config;
use crate::daemon::hands::now;
use crate::daemon::panes::fleet::WindowSample;
use crate::daemon::panes::samplers::Samplers;
use crate::daemon::panes::session;
use crate::daemon::places::Places;
use crate::domain::{ProfileName, Project, SessionChoice, Window};
use crate::terminal::{PaneRow, Sampler, TmuxError};
use crate::view::{SessionView, render_session};

/// Between the two looks that idle takes, and a little.
const BETWEEN: Duration = Duration::from_millis(1100);

/// Arguments of `session explain`.
#[derive(Debug, Args)]
pub(in crate::cli) struct ExplainArgs {
    /// The project
    project: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// By the daemon's last look, or by two looks of our own: nothing is started, typed or written.
pub(super) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let view = run::runtime()?.block_on(view(&places, &args.project))?;
    if args.json {
        return say::json(&view);
    }
    say::out(&render_session(&view))
}

async fn view(places: &Places, name: &str) -> Result<SessionView, Failure> {
    let config = run::load(places)?;
    let project = known::project(&config, name)?;
    if let Some(bytes) = client::get(places, &format!("/session/{name}")).await? {
        return Ok(serde_json::from_slice(&bytes)?);
    }
    say::talk("no daemon runs: this is what two looks of our own say");
    let mut windows = Vec::new();
    let mut missing = None;
    for window in places.windows(project) {
        match find(places, project, window).await {
            Ok(Some(row)) => match look(places, &config, project, window, &row).await? {
                Some(sampled) => windows.push(sampled.view(window)),
                None => missing = Some("its pane went away while we looked".to_owned()),
            },
            Ok(None) => {}
            Err(TmuxError::NoServer { .. }) => {
                missing = Some("its tmux server does not run".to_owned());
            }
            Err(TmuxError::NoTarget { what }) => missing = Some(format!("{what} is not there")),
            Err(error) => return Err(Failure::of_tmux(error)),
        }
    }
    let nothing = windows
        .is_empty()
        .then(|| "no window of it is there".to_owned());
    Ok(SessionView {
        project: name.to_owned(),
        at: now(),
        windows,
        missing: missing.or(nothing),
    })
}

async fn find(
    places: &Places,
    project: &Project,
    window: Window,
) -> Result<Option<PaneRow>, TmuxError> {
    let tmux = places.tmux_of(project, window);
    match &project.session {
        SessionChoice::Adopted { target, .. } if window == Window::AGENT => {
            tmux.resolve_target(target).await.map(Some)
        }
        SessionChoice::Adopted { .. } | SessionChoice::Managed => {
            tmux.find(project.name.as_str(), window.as_str()).await
        }
    }
}

/// Looks twice: idle takes two samples.
async fn look(
    places: &Places,
    config: &Config,
    project: &Project,
    window: Window,
    row: &PaneRow,
) -> Result<Option<WindowSample>, Failure> {
    let tmux = places.tmux_of(project, window);
    let samplers = Samplers::new(&config.profiles, places.agents_home())?;
    let managed = window != Window::AGENT || project.session == SessionChoice::Managed;
    let station = session::station_of(places, &project.name, window, managed)?;
    let mut last: Option<WindowSample> = None;
    for n in 0..2 {
        if n > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        let seen = match tmux.look(&row.pane).await {
            Ok(seen) => Arc::new(seen),
            Err(TmuxError::NoTarget { .. } | TmuxError::NoServer { .. }) => return Ok(None),
            Err(error) => return Err(Failure::of_tmux(error)),
        };
        let before = last.as_ref().map(|last| &last.resolved);
        // Which program a check is done with is the dispatch's own affair: it is the one that is seen there.
        let mut best: Option<WindowSample> = None;
        for sampler in candidates(&samplers, project, window) {
            let sampled = sampler.sample(&seen, &station, before, now());
            let is_it = sampled.agent.is_some();
            if best.is_none() || is_it {
                let profile = sampler.profile().clone();
                best = Some(WindowSample::new(sampled, profile, Arc::clone(&seen)));
            }
            if is_it {
                break;
            }
        }
        last = best;
    }
    Ok(last)
}

fn candidates(samplers: &Samplers, project: &Project, window: Window) -> Vec<Arc<Sampler>> {
    let mut names: Vec<&ProfileName> = vec![&project.agent];
    if window == Window::Check {
        names.extend(project.stages.values());
    }
    names
        .into_iter()
        .filter_map(|name| samplers.get(name))
        .collect()
}
