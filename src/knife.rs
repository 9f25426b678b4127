//! The knife: in a build for tests the daemon can be told to kill itself, as `kill -9` does, at a named point.
//!
//! Points stand at the doors out of the process (ledger, tracker, tmux, git, files) and around every action. A name is made of what
//! goes through: the kinds of events, an action's word, a request's method and path, a command. So there is no list of points to
//! keep, and a new event or request has its points by itself. Nothing of this is in a release build.

use std::future::Future;

/// The variable that names the knife's folder. In it, `passed` gets a line for every point that is passed, and a line `<n> <point>` of
/// `at` is where the daemon dies: at the nth pass of that point, counted over all daemons that had this folder.
#[cfg(debug_assertions)]
pub const VARIABLE: &str = "POINTSMAN_KNIFE";

/// Passes a point. If the knife is there, nothing comes after this.
#[inline]
pub fn point(name: impl FnOnce() -> String) {
    #[cfg(debug_assertions)]
    blade::pass(name);
    #[cfg(not(debug_assertions))]
    drop(name);
}

/// Does something that cannot be taken back, between two points: `before <name>` and `after <name>`. Without a name there is none: it
/// only looks.
#[cfg(debug_assertions)]
pub async fn around<T>(name: impl FnOnce() -> Option<String>, act: impl Future<Output = T>) -> T {
    let Some(name) = name() else {
        return act.await;
    };
    point(|| format!("before {name}"));
    let done = act.await;
    point(|| format!("after {name}"));
    done
}

/// Does it.
#[cfg(not(debug_assertions))]
pub async fn around<T>(_: impl FnOnce() -> Option<String>, act: impl Future<Output = T>) -> T {
    act.await
}

#[cfg(debug_assertions)]
pub use blade::arm;

#[cfg(debug_assertions)]
mod blade {
    use std::collections::BTreeMap;
    use std::fs::{File, OpenOptions};
    use std::io::{self, Write as _};
    use std::path::Path;
    use std::sync::{Mutex, OnceLock};

    use rustix::process::{Signal, getpid, kill_process};

    static KNIFE: OnceLock<Mutex<Knife>> = OnceLock::new();

    struct Knife {
        at: Vec<(u64, String)>,
        counts: BTreeMap<String, u64>,
        log: File,
    }

    /// Reads where to die from a folder, and from now on notes there what is passed. Once in a process.
    pub fn arm(folder: &Path) -> io::Result<()> {
        let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap_or_default();
        let place = |line: &str| {
            let (nth, name) = line.split_once(' ')?;
            Some((nth.parse().ok()?, name.to_owned()))
        };
        let mut counts = BTreeMap::new();
        for line in read("passed").lines() {
            *counts.entry(line.to_owned()).or_insert(0) += 1;
        }
        let knife = Knife {
            at: read("at").lines().filter_map(place).collect(),
            counts,
            log: OpenOptions::new()
                .create(true)
                .append(true)
                .open(folder.join("passed"))?,
        };
        KNIFE
            .set(Mutex::new(knife))
            .map_err(|_| io::Error::other("there is one knife"))
    }

    pub(super) fn pass(name: impl FnOnce() -> String) {
        let Some(knife) = KNIFE.get() else {
            return;
        };
        let name = name();
        let mut knife = knife.lock().expect("no holder of this lock panics");
        let count = knife.counts.entry(name.clone()).or_insert(0);
        *count += 1;
        let place = (*count, name);
        writeln!(knife.log, "{}", place.1).expect("the test's folder takes a line");
        if knife.at.contains(&place) {
            kill_process(getpid(), Signal::KILL).expect("a process may kill itself");
            loop {
                std::thread::park();
            }
        }
    }
}
