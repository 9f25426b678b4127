//! `pointsman issue dup`: which known issues may be about the same. The tracker is not asked: what was read before is enough.

use clap::Args;

use crate::cli::issue::Where;
use crate::cli::{Failure, edge, known, run, say};
use crate::daemon::store;
use crate::ledger::Store as _;
use crate::machine::text::alike::alike;
use crate::machine::text::{count, one_line};

/// Characters of a title in a list.
const TITLE_CHARS_MAX: usize = 80;

#[derive(Debug, Args)]
pub(super) struct DupArgs {
    /// The title to compare with
    title: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    at: Where,
}

/// Prints the best matches, as a planner's brief names them.
pub(super) fn dup(args: &DupArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let config = run::load(&places)?;
    let project = known::the_project(&config, args.at.project())?;
    let heads = match known::ledger_if_any(&places)? {
        Some(ledger) => store::heads_of(&project.name, ledger.heads().map_err(known::unreadable)?),
        None => std::collections::BTreeMap::new(),
    };
    if heads.is_empty() {
        return Err(
            Failure::new(anyhow::anyhow!("no issue of {} is known yet", project.name)).hint(
                "`pointsman cycle` reads the tracker once, `pointsman run` keeps on reading it"
                    .to_owned(),
            ),
        );
    }
    let found = alike(&args.title, &heads, None);
    if args.json {
        return say::json(&found);
    }
    let lines: Vec<String> = found
        .iter()
        .map(|alike| {
            let state = if alike.open { "open" } else { "closed" };
            let title = one_line(&alike.title, TITLE_CHARS_MAX);
            format!(
                "{:<5} {:>3} %  {state:<6}  {title}  {}",
                alike.number.to_string(),
                alike.percent,
                one_line(&alike.url, 200)
            )
        })
        .collect();
    if lines.is_empty() {
        say::talk(&format!(
            "nothing like it among {}",
            count(heads.len(), "known issue")
        ));
    }
    say::out(&lines.join("\n"))
}
