//! `pointsman inbox`: what waits for a person, over all projects.

use clap::Args;

use crate::cli::{Failure, edge, run, say, status};
use crate::view::{Inbox, render_inbox};

/// Arguments of `inbox`.
#[derive(Debug, Args)]
pub(super) struct InboxArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what waits for a person, from what `status` shows.
pub(super) fn inbox(args: &InboxArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let snapshot = run::runtime()?.block_on(status::snapshot(&places))?;
    let inbox = Inbox::new(&snapshot);
    if args.json {
        return say::json(&inbox);
    }
    say::out(&render_inbox(&inbox, edge::columns()))
}
