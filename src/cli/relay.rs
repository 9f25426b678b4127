//! `pointsman relay`: one process of the agents' account that reads their home for a daemon of another one.

use std::path::PathBuf;

use clap::Args;

use crate::cli::Failure;
use crate::terminal::relay;

/// Arguments of `relay`.
#[derive(Debug, Args)]
pub(super) struct RelayArgs {
    /// The socket of the agents' tmux server; the relay listens beside it
    tmux: PathBuf,
}

/// Answers until it is ended.
pub(super) fn relay(args: &RelayArgs) -> Result<(), Failure> {
    let socket = relay::socket(&args.tmux);
    relay::serve(&socket).map_err(|error| {
        Failure::new(
            anyhow::Error::new(error).context(format!("cannot listen on `{}`", socket.display())),
        )
        .hint("it runs as the agents' account, which owns the folder".to_owned())
    })
}
