//! `pointsman health`: for a monitor. Exits 0 when the daemon does its work, else 1 with a line that says why not.

use std::process::ExitCode;

use clap::Args;

use crate::cli::{Failure, client, edge, run, say};
use crate::view::{Health, Snapshot, render_health};

/// Arguments of `health`.
#[derive(Debug, Args)]
pub(super) struct HealthArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints whether the dispatcher does its work.
pub(super) fn health(args: &HealthArgs) -> Result<ExitCode, Failure> {
    let places = edge::places()?;
    let answer = run::runtime()?.block_on(client::get(&places, "/status"))?;
    let Some(bytes) = answer else {
        return Err(Failure::new(anyhow::anyhow!("no daemon runs"))
            .hint("start it with `pointsman run`, or `pointsman service install`".to_owned()));
    };
    let snapshot: Snapshot = serde_json::from_slice(&bytes)?;
    let health = Health::new(&snapshot);
    if args.json {
        say::json(&health)?;
    } else {
        say::out(&render_health(&health))?;
    }
    Ok(if health.ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
