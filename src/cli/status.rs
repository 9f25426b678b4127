//! `pointsman status`.

use std::time::Duration;

use clap::Args;

use crate::cli::{Failure, client, edge, known, run, say};
use crate::daemon::desk::surface;
use crate::daemon::hands::now;
use crate::daemon::places::Places;
use crate::view::{Snapshot, render_status};

/// Between two pictures of `--watch`.
const WATCH: Duration = Duration::from_secs(1);
pub(super) const NO_DAEMON: &str =
    "no daemon runs: this is what the ledger says. Start one with `pointsman run`";

/// Arguments of `status`.
#[derive(Debug, Args)]
pub(super) struct StatusArgs {
    /// Show it again every second, until interrupted
    #[arg(long)]
    watch: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints where everything stands.
pub(super) fn status(args: &StatusArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    run::runtime()?.block_on(async {
        loop {
            let snapshot = snapshot(&places).await?;
            print(&snapshot, args)?;
            if !args.watch {
                return Ok(());
            }
            tokio::time::sleep(WATCH).await;
        }
    })
}

/// Returns where everything stands: by the daemon's word, or by the ledger's.
pub(super) async fn snapshot(places: &Places) -> Result<Snapshot, Failure> {
    if let Some(bytes) = client::get(places, "/status").await? {
        return Ok(serde_json::from_slice(&bytes)?);
    }
    let config = run::load(places)?;
    if config.projects.is_empty() {
        say::talk(&format!("no project is configured: {}", known::FIRST_STEP));
    }
    let store = known::ledger_if_any(places)?;
    let mut shown = Vec::new();
    for name in config.projects.keys() {
        shown.push((name.clone(), known::shown(places, store.as_ref(), name)?));
    }
    say::talk(NO_DAEMON);
    Ok(surface::snapshot_of(now(), &config, &shown))
}

fn print(snapshot: &Snapshot, args: &StatusArgs) -> Result<(), Failure> {
    if args.json {
        return if args.watch {
            say::out(&serde_json::to_string(snapshot)?)
        } else {
            say::json(snapshot)
        };
    }
    let text = render_status(snapshot, edge::columns(), edge::ink());
    // Home and clear, so that the picture stands still.
    let before = if args.watch && edge::is_terminal() {
        "\u{1b}[H\u{1b}[2J"
    } else {
        ""
    };
    say::out(&format!("{before}{text}"))
}
