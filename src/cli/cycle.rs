//! `pointsman cycle`: every project looks and acts once, or only says what it would do.

use std::time::Duration;

use clap::Args;

use crate::cli::solo::{Solo, WATCHED};
use crate::cli::{Failure, client, edge, known, run, say};
use crate::config::Config;
use crate::daemon::desk::control::Call;
use crate::daemon::heartbeat;
use crate::daemon::places::Places;
use crate::daemon::runner::Message;
use crate::daemon::trackers::Trackers;
use crate::domain::{Hold, ProjectName};
use crate::machine::engine::CycleReport;
use crate::view::dry_run;

/// How long one cycle may take.
const CYCLE_MAX: Duration = Duration::from_mins(3);
/// How long what is under way may take to end.
const DRAIN_MAX: Duration = Duration::from_mins(1);
/// Between two looks for its end.
const LOOK: Duration = Duration::from_millis(200);

/// Arguments of `cycle`.
#[derive(Debug, Args)]
pub(super) struct CycleArgs {
    /// Only this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print every candidate with its rank or its hold, and start nothing
    #[arg(long)]
    dry_run: bool,
}

/// Lets every project look and act once: asks the running daemon, or is the daemon for that long.
pub(super) fn cycle(args: &CycleArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let config = run::load(&places)?;
    let names: Vec<ProjectName> = known::projects(&config, args.project.as_deref())?
        .iter()
        .map(|project| project.name.clone())
        .collect();
    run::runtime()?.block_on(async {
        let daemon = client::get(&places, "/version").await?.is_some();
        match (daemon, args.dry_run) {
            (true, false) => ask(&places, &names).await,
            (true, true) => ask_what(&places, &names).await,
            (false, false) => be(places, config, &names).await,
            (false, true) => rehearse(&places, &config, &names).await,
        }
    })
}

async fn ask(places: &Places, names: &[ProjectName]) -> Result<(), Failure> {
    for project in names {
        if let Some(reply) = client::call(
            places,
            &Call::Cycle {
                project: project.clone(),
            },
        )
        .await?
        {
            client::settle(reply)?;
        }
    }
    Ok(())
}

async fn ask_what(places: &Places, names: &[ProjectName]) -> Result<(), Failure> {
    for name in names {
        let bytes = client::get(places, &format!("/rehearse/{name}"))
            .await?
            .unwrap_or_default();
        say::out(&format!("{name}: {}", String::from_utf8_lossy(&bytes)))?;
    }
    Ok(())
}

pub(super) async fn rehearse(
    places: &Places,
    config: &Config,
    names: &[ProjectName],
) -> Result<(), Failure> {
    let trackers = Trackers::new(edge::find_auth());
    for name in names {
        let mut solo = Solo::start(places, config.clone(), name.as_str(), &trackers).await?;
        let rules = solo
            .hands
            .rules()
            .expect("the project was found in this configuration");
        let (seen, decided) = solo.decide().await?;
        say::out(&format!(
            "{name}: {}",
            dry_run(&rules, &solo.state, &seen, &decided)
        ))?;
    }
    Ok(())
}

async fn be(places: Places, mut config: Config, names: &[ProjectName]) -> Result<(), Failure> {
    run::trace_faults();
    config.projects.retain(|name, _| names.contains(name));
    let daemon = run::start(places, config).await?;
    let started = tokio::time::Instant::now();
    for name in names {
        daemon.send(name, Message::Poll).await;
    }
    for name in names {
        while started.elapsed() < CYCLE_MAX {
            let shown = daemon.show(name).await;
            let watched = started.elapsed() >= WATCHED;
            if let Some(shown) = shown.filter(|shown| is_over(&shown.report, watched)) {
                say::out(&heartbeat::line(
                    name.as_str(),
                    &shown.report,
                    shown.seen.as_ref(),
                ))?;
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
    daemon.drain(DRAIN_MAX).await;
    Ok(())
}

/// Whether this was the cycle. Nobody watched the panes before, so that an agent is first taken for busy, and what an earlier cycle
/// left half done cannot go on: that waits for the watch.
fn is_over(report: &CycleReport, watched: bool) -> bool {
    let unwatched = |hold: &Hold| {
        matches!(
            hold,
            Hold::AgentNotIdle { .. } | Hold::NoAgent { .. } | Hold::InHand { .. }
        )
    };
    let early = report.did.is_none() && report.standing.values().any(unwatched);
    report.at.is_some() && (watched || !early)
}
