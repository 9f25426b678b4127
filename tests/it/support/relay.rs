//! A relay of a test's own: the real program, in this account.
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use pointsman::terminal;

use super::patience::until_blocking;

/// A relay that listens; ended when dropped.
pub(crate) struct Relay {
    pub(crate) child: Child,
    socket: PathBuf,
}

impl Relay {
    /// Starts one for this account, beside the socket of a tmux server that may not be there, and waits until it listens.
    pub(crate) fn beside(tmux: &Path) -> Self {
        Self::answering(tmux, rustix::process::geteuid().as_raw())
    }

    /// Starts one that answers that account alone.
    pub(crate) fn answering(tmux: &Path, uid: u32) -> Self {
        let socket = tmux.with_file_name("relay");
        let child = Command::new(env!("CARGO_BIN_EXE_pointsman"))
            .arg("relay")
            .arg(tmux)
            .arg("--listen")
            .arg(&socket)
            .args(["--for", &uid.to_string()])
            .spawn()
            .expect("it starts");
        let relay = Self { child, socket };
        until_blocking("it listens", || {
            std::os::unix::net::UnixStream::connect(&relay.socket).is_ok()
        });
        relay
    }

    /// Returns it as a daemon knows it.
    pub(crate) fn known(&self) -> terminal::Relay {
        known(&self.socket)
    }
}

/// Returns the relay of this account on a socket.
pub(crate) fn known(socket: &Path) -> terminal::Relay {
    terminal::Relay {
        socket: socket.to_owned(),
        uid: rustix::process::geteuid().as_raw(),
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        // One that ended by itself is what some tests look for.
        let _gone = self.child.kill();
        self.child.wait().expect("it ended");
    }
}
