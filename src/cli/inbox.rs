//! `pointsman inbox`: what waits for a person, over all projects.

use clap::Args;

use crate::cli::{Failure, edge, run, say, status};
use crate::view::{Inbox, blockers, render_blockers, render_inbox};

/// The order is that of `view::inbox`.
const ORDER: &str = "What keeps an agent or finished work waiting stands first: questions, last moves that are yours, parked issues, texts \
     that were changed after their approval, several routing labels, an agent's dialog. The rest follows as `pointsman status` has it: by \
     project, and by number in it.";

/// Arguments of `inbox`.
#[derive(Debug, Args)]
#[command(after_help = ORDER)]
pub(super) struct InboxArgs {
    /// List what issues wait for instead, with the issues that wait for it
    #[arg(long)]
    blocked: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Prints what waits for a person, from what `status` shows.
pub(super) fn inbox(args: &InboxArgs) -> Result<(), Failure> {
    let places = edge::places()?;
    let snapshot = run::runtime()?.block_on(status::snapshot(&places))?;
    if args.blocked {
        let found = blockers(&snapshot);
        return if args.json {
            say::json(&found)
        } else {
            say::out(&render_blockers(&found))
        };
    }
    let inbox = Inbox::new(&snapshot);
    if args.json {
        return say::json(&inbox);
    }
    say::out(&render_inbox(&inbox, edge::columns()))
}
