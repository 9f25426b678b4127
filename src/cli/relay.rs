//! `pointsman relay`: one process of the agents' account that reads their home, and runs clients of their tmux, for a daemon of another
//! one.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Failure, edge, run};
use crate::terminal::relay;

/// Arguments of `relay`.
#[derive(Debug, Args)]
pub(super) struct RelayArgs {
    /// The socket of the agents' tmux server
    tmux: PathBuf,
    /// Where to listen
    #[arg(long, value_name = "SOCKET")]
    listen: PathBuf,
    /// The daemon's account, by name or number: nobody else is answered
    #[arg(long = "for", value_name = "ACCOUNT")]
    daemon: String,
}

/// Answers until it is ended.
pub(super) fn relay(args: &RelayArgs) -> Result<(), Failure> {
    let number = args.daemon.parse().ok();
    let named = || edge::account(&args.daemon).map(|account| account.uid);
    let daemon = number.or_else(named).ok_or_else(|| {
        Failure::new(anyhow::anyhow!("there is no account `{}`", args.daemon)).hint(
            "`sudo pointsman service install --two-users` makes both accounts, and starts this"
                .to_owned(),
        )
    })?;
    let ready = || run::notify(&[sd_notify::NotifyState::Ready]);
    relay::serve(&args.listen, &args.tmux, daemon, ready).map_err(|error| {
        let what = format!("cannot listen on `{}`", args.listen.display());
        Failure::new(anyhow::Error::new(error).context(what)).hint(
            "it runs as the agents' account, which owns the folder, and alone there".to_owned(),
        )
    })
}
