//! Two users: the accounts, and the folders in which each finds what the other wrote (PROTOCOLS 13).
//!
//! What lies in a folder of the agents' is made by a process of theirs, never by root: they could put a link where root would write.

#![expect(
    clippy::disallowed_methods,
    reason = "`cli` alone starts programs: useradd, and a shell as the agents"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::site;
use super::units::Site;
use crate::cli::{Failure, edge, say};
use crate::config::Config;
use crate::terminal::as_account;

/// The daemon's account.
pub(super) const DAEMON: &str = "pointsman";
/// What lies in the agents' state: work trees of ours, logs of jobs, the hooks' spool, with their modes.
pub(super) const STATE: [(&str, u32); 3] = [("trees", 0o2750), ("logs", 0o2770), ("hooks", 0o2770)];

/// Makes `.pointsman` in a project's folder (`$1`) and a folder for its logs (`$2`), with the group (`$3`) that both users share.
/// The set group id hands the group on, also to what an agent makes anew.
const PROJECT: &str = r#"set -e; umask 027
mkdir -p "$2" && chmod 2770 "$2"
cd "$1" && chgrp "$3" . && chmod g+rxs .
mkdir -p .pointsman
[ ! -L .pointsman ] && mkdir -p .pointsman/briefs .pointsman/spool
chgrp "$3" .pointsman .pointsman/briefs .pointsman/spool && chmod 2770 .pointsman .pointsman/briefs .pointsman/spool"#;

/// Returns where the home of an account will be that is not there yet.
pub(super) fn home_of(name: &str) -> PathBuf {
    Path::new("/home").join(name)
}

/// Returns the commands that make the accounts that are not there. One that is there in another shape is a person's to change.
pub(super) fn missing(site: &Site) -> Result<Vec<Vec<String>>, Failure> {
    let Some((agents, daemon)) = site.scope.two() else {
        return Ok(Vec::new());
    };
    let words = |text: String| text.split(' ').map(str::to_owned).collect();
    let mut commands = Vec::new();
    match edge::account(agents) {
        None => commands.push(words(format!(
            "useradd --create-home --user-group --shell /bin/bash {agents}"
        ))),
        Some(found) if found.uid == 0 => {
            return Err(shape(
                agents,
                "is root, and root reads everything",
                "name another account: `--account <ACCOUNT>`".to_owned(),
            ));
        }
        Some(_) if edge::groups(agents).first().map(String::as_str) != Some(agents) => {
            return Err(shape(
                agents,
                "has another group than its own as its first, and what it writes would be that group's",
                format!("`sudo groupadd {agents} && sudo usermod --gid {agents} {agents}`"),
            ));
        }
        Some(_) if edge::groups(agents).iter().any(|group| group == daemon) => {
            return Err(shape(
                agents,
                &format!(
                    "is a member of the group `{daemon}`, whose members may do what the daemon may"
                ),
                format!("`sudo gpasswd --delete {agents} {daemon}`"),
            ));
        }
        Some(_) => {}
    }
    match edge::account(daemon) {
        None => commands.push(words(format!(
            "useradd --system --user-group --home-dir {} --no-create-home --shell /usr/sbin/nologin --groups {agents} {daemon}",
            site.state.display()
        ))),
        Some(_) if !edge::groups(daemon).iter().any(|group| group == agents) => {
            return Err(shape(
                daemon,
                &format!("is not in the group `{agents}`, so it could read none of their work"),
                format!("`sudo usermod --append --groups {agents} {daemon}`"),
            ));
        }
        Some(_) => {}
    }
    Ok(commands)
}

fn shape(account: &str, why: &str, hint: String) -> Failure {
    Failure::new(anyhow::anyhow!("the account `{account}` {why}")).hint(hint)
}

/// Makes the accounts.
pub(super) fn add(commands: &[Vec<String>]) -> Result<(), Failure> {
    for words in commands {
        let done = Command::new(&words[0])
            .args(&words[1..])
            .stdin(Stdio::null())
            .output();
        succeeded(
            done,
            &format!("`{}` failed", words.join(" ")),
            "make the account yourself, and install again",
        )?;
    }
    Ok(())
}

/// Makes the folders of the agents' state, and those in every project.
pub(super) fn folders(site: &Site, config: &Config) -> Result<(), Failure> {
    let Some((agents, _)) = site.scope.two() else {
        return Ok(());
    };
    let owner = edge::account(agents).expect("it was made");
    let state = edge::agents_state(&site.state);
    // Root's, so that agents cannot put a link in the place of one of the folders below it.
    site::make(&state, 0o750)?;
    site::own(&state, 0, owner.gid)?;
    site::mode(&state, 0o750)?;
    for (name, bits) in STATE {
        let folder = state.join(name);
        site::make(&folder, bits)?;
        site::own(&folder, owner.uid, owner.gid)?;
        site::mode(&folder, bits)?;
    }
    for project in config.projects.values() {
        let logs = state.join("logs").join(project.name.as_str());
        let front = as_account(owner.uid, owner.gid);
        let done = Command::new(&front[0])
            .args(&front[1..])
            .args(["/bin/sh", "-c", PROJECT, "folders"])
            .arg(&project.path)
            .arg(&logs)
            .arg(agents)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .current_dir("/")
            .stdin(Stdio::null())
            .output();
        let path = project.path.display();
        succeeded(
            done,
            &format!("`{path}` cannot be shared with the daemon"),
            &format!(
                "agents work there, so it has to be theirs: `sudo chown -R {agents}: {path}`, and install again"
            ),
        )?;
    }
    Ok(())
}

/// Says what [`folders`] would make.
pub(super) fn tell_folders(site: &Site, config: &Config) -> Result<(), Failure> {
    if site.scope.two().is_none() {
        return Ok(());
    }
    let state = edge::agents_state(&site.state);
    let ours = STATE.iter().map(|(name, _)| state.join(name));
    let theirs = config
        .projects
        .values()
        .map(|project| project.path.join(".pointsman"));
    for folder in ours.chain(theirs) {
        let word = if folder.is_dir() { "same" } else { "new" };
        say::out(&format!("{word:<9} {}", folder.display()))?;
    }
    Ok(())
}

/// Returns what an `uninstall` leaves of two users, each with the command that ends it: an account may own more than we know.
pub(super) fn kept(site: &Site) -> Vec<String> {
    let Some((agents, daemon)) = site.scope.two() else {
        return Vec::new();
    };
    let state = edge::agents_state(&site.state);
    let mut kept = Vec::new();
    if state.exists() {
        kept.push(format!(
            "{0}   work trees and logs of the agents: `sudo rm -r {0}`",
            state.display()
        ));
    }
    for name in [daemon, agents] {
        if edge::account(name).is_some() {
            kept.push(format!(
                "account {name}   it may own more: `sudo userdel {name}`"
            ));
        }
    }
    kept
}

fn succeeded(
    done: std::io::Result<std::process::Output>,
    what: &str,
    hint: &str,
) -> Result<(), Failure> {
    let why = match done {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        Err(error) => error.to_string(),
    };
    Err(Failure::new(anyhow::anyhow!("{why}").context(what.to_owned())).hint(hint.to_owned()))
}
