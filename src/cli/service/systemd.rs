//! Asking systemd, and the machine's accounts. Every word that is run is one a person could type.

#![expect(
    clippy::disallowed_methods,
    reason = "`cli` alone starts programs: systemctl, loginctl, getent"
)]

use std::process::{Command, Stdio};

use super::units::Scope;
use crate::cli::Failure;

/// One of the two managers.
pub(in crate::cli) struct Systemd<'a>(pub(in crate::cli) &'a Scope);

impl Systemd<'_> {
    /// Returns a command as a person types it.
    pub(in crate::cli) fn typed(&self, words: &[&str]) -> String {
        let sudo: &[&str] = match self.0 {
            Scope::User => &[],
            Scope::System { .. } => &["sudo"],
        };
        [sudo, self.0.systemctl(), words].concat().join(" ")
    }

    /// Runs a command that has to end well.
    pub(in crate::cli) fn run(&self, words: &[&str]) -> Result<(), Failure> {
        let all = [self.0.systemctl(), words].concat();
        let output = output(&all)?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(
            Failure::new(anyhow::anyhow!("{said}").context(format!("`{}` failed", all.join(" "))))
                .hint(self.unreachable_or_journal(&said)),
        )
    }

    fn unreachable_or_journal(&self, said: &str) -> String {
        let is_unreachable = said.contains("connect to bus") || said.contains("booted with");
        match self.0 {
            Scope::User if is_unreachable => "log in as the user it is for (`su` gives no manager of its own), or `sudo loginctl enable-linger` that user first".to_owned(),
            Scope::System { .. } if is_unreachable => "this machine was not started by systemd: keep `pointsman run` up by other means".to_owned(),
            Scope::User => "journalctl --user -u pointsman -u pointsman-tmux -n 50".to_owned(),
            Scope::System { .. } => "journalctl -u pointsman -u pointsman-tmux -n 50".to_owned(),
        }
    }

    /// Returns whether a unit runs. A manager that cannot be asked runs nothing.
    pub(in crate::cli) fn is_active(&self, unit: &str) -> bool {
        let all = [self.0.systemctl(), &["is-active", "--quiet", unit]].concat();
        output(&all).is_ok_and(|output| output.status.success())
    }
}

/// Returns whether the user's manager stays when the user logs out; `None` if that cannot be told.
pub(super) fn lingers() -> Option<bool> {
    let user = rustix::process::geteuid().as_raw().to_string();
    let asked = output(&[
        "loginctl",
        "show-user",
        &user,
        "--property=Linger",
        "--value",
    ]);
    let said = String::from_utf8(asked.ok()?.stdout).ok()?;
    match said.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn output(words: &[&str]) -> Result<std::process::Output, Failure> {
    let (program, rest) = words.split_first().expect("a command has a program");
    let asked = Command::new(program)
        .args(rest)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output();
    asked.map_err(|error| {
        Failure::new(anyhow::Error::new(error).context(format!("cannot start `{program}`"))).hint(
            "this machine seems to have no systemd: keep `pointsman run` up by other means"
                .to_owned(),
        )
    })
}
