//! Who is who on this machine, and under two users whether each line of PROTOCOLS 13 holds: owner, group, mode, and who is in whose group.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::Findings;
use crate::cli::edge;
use crate::daemon::places::{Apart, Places};
use crate::domain::{Project, SessionChoice, TrackerChoice};

/// Makes everything that is looked at here as it should be.
const INSTALL: &str = "`sudo pointsman service install --two-users` puts it right";
/// Where the system's units find the token.
const TOKEN: &str = "/etc/credstore/pointsman.github-token";

/// What a path has to be.
struct Wanted {
    path: PathBuf,
    uid: u32,
    gid: u32,
    mode: u32,
}

/// The installation's part of the table.
pub(super) fn look(places: &Places, found: &mut Findings) {
    let owner = |path: &Path| std::fs::metadata(path).ok().map(|facts| facts.uid());
    let uid = rustix::process::geteuid().as_raw();
    let Some(apart) = &places.apart else {
        let agents = owner(&places.socket).unwrap_or(uid);
        return found.note(
            "users",
            &format!(
                "daemon and agents are one user (uid {agents}): an agent can read the token and the ledger, and do what the daemon can"
            ),
            "SECURITY.md says what that means; two users keep them apart: `sudo pointsman service install --two-users`",
        );
    };
    found.note(
        "users",
        &format!(
            "two: the daemon is uid {uid}, its agents are `{}`, uid {}: what is the daemon's is closed to them, also by way of their tmux server",
            apart.name, apart.uid
        ),
        "SECURITY.md says what was tried, and what stays: read the issues of a public repository before agents do",
    );
    groups(apart, found);
    let Some(agents) = edge::account(&apart.name) else {
        return;
    };
    let gid = rustix::process::getegid().as_raw();
    let (ours, theirs) = ((uid, gid), (agents.uid, agents.gid));
    let shared = (uid, agents.gid);
    let jobs = &apart.state;
    let socket = places.socket.parent().unwrap_or(&places.socket);
    let relay = apart.relay.parent().unwrap_or(&apart.relay);
    let rows = [
        (places.state.clone(), ours, 0o700),
        (places.runtime.clone(), ours, 0o711),
        (places.control(), ours, 0o660),
        (places.sessions(), shared, 0o2770),
        (socket.to_owned(), theirs, 0o700),
        (relay.to_owned(), theirs, 0o750),
        (apart.relay.clone(), theirs, 0o660),
        (jobs.clone(), (0, agents.gid), 0o750),
        (jobs.join("trees"), theirs, 0o2750),
        (jobs.join("logs"), theirs, 0o2770),
        (jobs.join("hooks"), theirs, 0o2770),
    ];
    let table = rows.map(wanted);
    holds("shared", &table, INSTALL, found);
    closed(&places.config, found);
    closed(Path::new(TOKEN), found);
    if let Some(why) = places.agents_home().unread() {
        found.wrong(
            "relay",
            &why,
            "its unit starts it again; `journalctl -u pointsman-relay -n 50` says why it does not",
        );
    } else {
        found.ok(
            "relay",
            "reads the agents' home and runs their tmux for the daemon",
        );
    }
}

fn wanted((path, (uid, gid), mode): (PathBuf, (u32, u32), u32)) -> Wanted {
    Wanted {
        path,
        uid,
        gid,
        mode,
    }
}

/// The daemon is in the agents' group (without that no verb gets as far as here), and never the reverse.
fn groups(apart: &Apart, found: &mut Findings) {
    let uid = rustix::process::geteuid().as_raw().to_string();
    let Some(daemon) = edge::account(&uid) else {
        return;
    };
    let theirs = edge::groups(&apart.name);
    if theirs.contains(&daemon.name) {
        found.wrong(
            "users",
            &format!(
                "`{}` is in the group `{}`: agents can do what operators can",
                apart.name, daemon.name
            ),
            &format!("`sudo gpasswd --delete {} {}`", apart.name, daemon.name),
        );
    }
}

/// One finding for each that is not as it has to be, or one that all are.
fn holds(about: &'static str, table: &[Wanted], hint: &str, found: &mut Findings) {
    let mut wrong = 0;
    for wanted in table {
        // What only runs with the units is not there without them.
        let Ok(facts) = std::fs::symlink_metadata(&wanted.path) else {
            continue;
        };
        let mode = facts.mode() & 0o7777;
        let is = (facts.uid(), facts.gid(), mode);
        if is != (wanted.uid, wanted.gid, wanted.mode) {
            wrong += 1;
            found.wrong(
                about,
                &format!(
                    "`{}` is uid {} gid {} mode {:o}, and has to be uid {} gid {} mode {:o}",
                    wanted.path.display(),
                    is.0,
                    is.1,
                    is.2,
                    wanted.uid,
                    wanted.gid,
                    wanted.mode
                ),
                hint,
            );
        }
    }
    if wrong == 0 {
        found.ok(
            about,
            &format!("{} paths are whose they have to be", table.len()),
        );
    }
}

/// What is not for agents is closed to everybody else.
fn closed(path: &Path, found: &mut Findings) {
    let Ok(facts) = std::fs::metadata(path) else {
        return;
    };
    if facts.mode() & 0o007 != 0 {
        found.wrong(
            "closed",
            &format!("every account can read `{}`, agents too", path.display()),
            &format!("`sudo chmod o= {}`", path.display()),
        );
    }
}

/// One project's part of the table.
pub(super) fn project(places: &Places, project: &Project, found: &mut Findings) {
    let Some(apart) = &places.apart else {
        return;
    };
    let Some(agents) = edge::account(&apart.name) else {
        return;
    };
    let ours = project.path.join(".pointsman");
    let table: Vec<Wanted> = ["", "briefs", "spool"]
        .iter()
        .map(|name| wanted((ours.join(name), (agents.uid, agents.gid), 0o2770)))
        .collect();
    if ours.is_dir() {
        holds("folder", &table, INSTALL, found);
    } else {
        found.wrong(
            "folder",
            &format!(
                "`{}` is not there, and the daemon may not make it",
                ours.display()
            ),
            INSTALL,
        );
    }
    if project.git
        && let Some((path, error)) = unreadable(&project.path.join(".git"))
    {
        found.wrong(
            "git",
            &format!("the daemon cannot read `{}`: {error}", path.display()),
            &format!(
                "`sudo chmod -R g+rX {}`, and its group has to be `{}`; `git config core.sharedRepository group` keeps it so",
                project.path.display(),
                apart.name
            ),
        );
    }
    if project.session != SessionChoice::Managed {
        found.wrong(
            "session",
            "a pane is adopted, and nothing is typed into another account's tmux",
            "take `session` out of the project's file",
        );
    }
    if matches!(project.tracker, TrackerChoice::GitHub { .. }) && project.git {
        found.note(
            "push",
            &format!(
                "branches are pushed by git as `{}`, with that account's own credentials",
                apart.name
            ),
            "give it a key that may push to this repository alone; the daemon's token is not for agents",
        );
    }
}

/// Returns the first of git's own folders and files that cannot be read.
fn unreadable(git: &Path) -> Option<(PathBuf, std::io::Error)> {
    let fails = |path: PathBuf| {
        let facts = std::fs::metadata(&path);
        let read = facts.and_then(|facts| {
            if facts.is_dir() {
                std::fs::read_dir(&path).map(drop)
            } else {
                std::fs::File::open(&path).map(drop)
            }
        });
        read.err().map(|error| (path, error))
    };
    if git.is_file() {
        return fails(git.to_owned());
    }
    let named = ["", "HEAD", "config", "objects", "refs", "refs/heads"].map(|name| git.join(name));
    if let Some(found) = named.into_iter().find_map(fails) {
        return Some(found);
    }
    // The newest objects: made with another umask than the older ones, they are what a fetch stumbles on.
    let folders = std::fs::read_dir(git.join("objects")).ok()?;
    let folders = folders.flatten().map(|entry| entry.path());
    folders.take(300).find_map(fails)
}
