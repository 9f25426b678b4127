//! What all projects share: tmux and its servers, the state folder, the ledger and the daemon.

use super::{Findings, users};
use crate::cli::{client, edge, known, ledger};
use crate::daemon::places::Places;
use crate::machine::text::count;
use crate::terminal::{Tmux, TmuxError};

/// The first tmux whose guards work.
const TMUX_MIN: (u32, u32) = (3, 3);
/// Below this the next mirror or back-up fails.
const DISK_BYTES_MIN: u64 = 100 << 20;
/// Below this a person should look after it.
const DISK_BYTES_LOW: u64 = 1 << 30;

pub(super) async fn look(places: &Places, found: &mut Findings) {
    tmux(found).await;
    let ours = places.tmux();
    server(found, "our server", &ours).await;
    // Under two users no pane is adopted.
    if places.apart.is_none() {
        yours(places, found).await;
    }
    disk(places, found);
    record(places, found);
    daemon(places, found).await;
    users::look(places, found);
}

async fn yours(places: &Places, found: &mut Findings) {
    let socket = &places.default_socket;
    let folder = socket.parent().filter(|folder| folder.exists());
    match (edge::own_socket(), folder) {
        (None, Some(folder)) => found.wrong(
            "your server",
            &format!(
                "`{}` is not yours: no server in it is asked",
                folder.display()
            ),
            "find out who made it, and remove it",
        ),
        (Some(_) | None, _) => server(found, "your server", &Tmux::new(socket)).await,
    }
}

async fn tmux(found: &mut Findings) {
    if !edge::on_path("tmux") {
        let missing = TmuxError::Missing;
        let hint = missing.hint().unwrap_or_default();
        return found.wrong("tmux", &missing.to_string(), hint);
    }
    let Some(said) = edge::version("tmux", "-V").await else {
        return found.note(
            "tmux",
            "its version is not a number",
            "tmux 3.3 or later is needed",
        );
    };
    match major_and_minor(&said) {
        Some(version) if version < TMUX_MIN => found.wrong(
            "tmux",
            &format!("version {said} is too old"),
            "install tmux 3.3 or later",
        ),
        Some(_) => found.ok("tmux", &format!("version {said}")),
        None => found.note(
            "tmux",
            &format!("version {said} cannot be compared"),
            "tmux 3.3 or later is needed",
        ),
    }
}

/// Reads `3.5a` as 3 and 5.
fn major_and_minor(version: &str) -> Option<(u32, u32)> {
    let (major, rest) = version.split_once('.')?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    Some((major.parse().ok()?, digits.parse().ok()?))
}

/// One tmux server. One that does not run is no mistake: `up` and `run` start ours, and yours is needed by adopted panes only.
async fn server(found: &mut Findings, about: &'static str, tmux: &Tmux) {
    let socket = tmux.socket().display();
    match tmux.list_panes().await {
        Ok(panes) => {
            let panes = u64::try_from(panes.len()).unwrap_or(u64::MAX);
            let panes = count(panes, "pane");
            found.ok(about, &format!("listens on `{socket}`, {panes}"));
        }
        // Said above.
        Err(TmuxError::Missing) => {}
        Err(TmuxError::NoServer { .. }) => found.ok(about, &format!("does not run (`{socket}`)")),
        Err(error) => {
            let hint = error.hint().map(str::to_owned);
            found.add(about, super::Mark::Wrong, &error.to_string(), hint);
        }
    }
}

fn disk(places: &Places, found: &mut Findings) {
    let folder = places.state.display();
    let Some(there) = places.state.ancestors().find(|path| path.exists()) else {
        return;
    };
    let may = rustix::fs::access(there, rustix::fs::Access::WRITE_OK);
    if let Err(error) = may {
        return found.wrong(
            "state folder",
            &format!("`{folder}` cannot be written: {error}"),
            "check who owns it: the daemon's user needs it",
        );
    }
    let Ok(disk) = rustix::fs::statvfs(there) else {
        return;
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let says = format!("`{folder}` has {} MB free", free >> 20);
    let hint = "free some space: nothing starts while the ledger cannot be written";
    match free {
        0..DISK_BYTES_MIN => found.wrong("state folder", &says, hint),
        DISK_BYTES_MIN..DISK_BYTES_LOW => found.note("state folder", &says, hint),
        _ => found.ok("state folder", &says),
    }
}

fn record(places: &Places, found: &mut Findings) {
    let verified = match known::ledger_if_any(places) {
        Ok(None) => return found.ok("ledger", "nothing was written yet"),
        Ok(Some(store)) => ledger::verified(&store),
        Err(failure) => Err(failure),
    };
    match verified {
        Ok(says) => found.ok("ledger", &says),
        Err(failure) => found.failed("ledger", &failure),
    }
}

async fn daemon(places: &Places, found: &mut Findings) {
    let ours = env!("CARGO_PKG_VERSION");
    match client::get(places, "/version").await {
        Ok(None) => found.note(
            "daemon",
            "does not run: nothing happens by itself",
            "pointsman run, or systemctl --user start pointsman",
        ),
        Ok(Some(version)) if version == ours.as_bytes() => {
            found.ok("daemon", &format!("runs, version {ours}"));
        }
        Ok(Some(version)) => {
            let theirs = String::from_utf8_lossy(&version);
            found.wrong(
                "daemon",
                &format!("runs version {theirs}, this program is {ours}"),
                "systemctl --user restart pointsman",
            );
        }
        Err(failure) => found.failed("daemon", &failure),
    }
}
