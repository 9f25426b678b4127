//! `pointsman status` and `pointsman explain`.

use std::time::Duration;

use clap::Args;

use crate::cli::{Failure, client, edge, known, run, say};
use crate::daemon::hands::{now, rules_of};
use crate::daemon::places::Places;
use crate::daemon::surface;
use crate::domain::{IssueNumber, ProjectName};
use crate::view::{Snapshot, render_status};

/// Between two pictures of `--watch`.
const WATCH: Duration = Duration::from_secs(1);
const NO_DAEMON: &str =
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

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The issue's number
    issue: u64,
    /// The project, when several have an issue of that number
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
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

/// Explains why an issue stands where it stands.
pub(super) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let issue = IssueNumber(args.issue);
    let text = run::runtime()?.block_on(async {
        match client::project_with(&places, issue, args.project.as_deref()).await? {
            Some(name) => {
                let bytes = client::get(&places, &format!("/explain/{name}/{}", issue.0)).await?;
                Ok(String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned())
            }
            None => from_ledger(&places, issue, args.project.as_deref()),
        }
    });
    text.and_then(|text: String| say::out(&text))
}

fn from_ledger(
    places: &Places,
    issue: IssueNumber,
    named: Option<&str>,
) -> Result<String, Failure> {
    let config = run::load(places)?;
    let store = known::ledger_if_any(places)?;
    let name = project_in_ledger(places, issue, named)?;
    let rules = rules_of(&config, &name).expect("the project was found in this configuration");
    let shown = known::shown(places, store.as_ref(), &name)?;
    let entries = store
        .as_ref()
        .map(|store| known::entries(store, &name, issue))
        .transpose()?
        .unwrap_or_default();
    say::talk(NO_DAEMON);
    Ok(surface::story(&rules, &shown, issue, &entries))
}

/// Finds the project that has an issue by the ledger alone.
pub(super) fn project_in_ledger(
    places: &Places,
    issue: IssueNumber,
    named: Option<&str>,
) -> Result<ProjectName, Failure> {
    let config = run::load(places)?;
    if named.is_some() || config.projects.len() <= 1 {
        return known::the_project(&config, named).map(|project| project.name.clone());
    }
    let store = known::ledger_if_any(places)?;
    let mut knowing = Vec::new();
    for name in config.projects.keys() {
        if surface::knows(&known::shown(places, store.as_ref(), name)?, issue) {
            knowing.push(name.clone());
        }
    }
    known::the_one(issue, &knowing)
}
