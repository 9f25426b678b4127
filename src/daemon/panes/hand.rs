//! One hand at a pane: an OS lock for as long as a line is being typed, so that two daemons with two ledgers never type at once.
//!
//! It is held from before the look that proves the composer empty until the line is seen there: from then on everybody else's guard
//! refuses. A process that ends lets go of it.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use tokio::time::Instant;

use crate::daemon::places::private_folder;
use crate::domain::Pane;
use crate::machine::text::sha256;

/// How long a lock is kept for the look that follows a paste; the look itself takes 5 s at most.
const KEPT_MAX: Duration = Duration::from_secs(15);
/// Bytes read of what a holder says of itself.
const HOLDER_BYTES_MAX: u64 = 1024;

/// The locks of one project's panes.
#[derive(Clone, Debug)]
pub struct PaneLocks {
    folder: PathBuf,
    /// Who we are, for whoever finds a pane taken.
    us: String,
    kept: Arc<Mutex<BTreeMap<PathBuf, Kept>>>,
}

/// A lock that waits for the next act, until then at most.
#[derive(Debug)]
struct Kept {
    until: Instant,
    file: File,
}

/// A pane that is ours alone, until this is dropped.
#[derive(Debug)]
pub struct PaneHeld {
    path: PathBuf,
    file: File,
}

impl PaneLocks {
    /// Locks lie in `runtime`; `state` says whose they are.
    pub fn new(runtime: &Path, state: &Path) -> Self {
        Self {
            folder: runtime.join("panes"),
            us: format!(
                "process {}, ledger in {}",
                std::process::id(),
                state.display()
            ),
            kept: Arc::default(),
        }
    }

    /// Takes a pane, or says who has it.
    pub fn take(&self, pane: &Pane) -> Result<PaneHeld, String> {
        let server = sha256(pane.socket.as_os_str().as_encoded_bytes());
        let name = format!("{}-{}.lock", &server[..16], pane.id.trim_start_matches('%'));
        let path = self.folder.join(name);
        let kept = self.kept().remove(&path);
        if let Some(Kept { file, .. }) = kept {
            return Ok(PaneHeld { path, file });
        }
        let cannot = |error: std::io::Error| format!("the pane cannot be locked: {error}");
        private_folder(&self.folder).map_err(cannot)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(&path).map_err(cannot)?;
        if let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(cannot(error.into()));
            }
            let mut holder = String::new();
            let read = file.take(HOLDER_BYTES_MAX).read_to_string(&mut holder);
            let who = read.ok().filter(|bytes| *bytes > 0);
            let holder = who.map_or("nobody says who", |_| holder.trim());
            return Err(format!("another daemon types into the pane ({holder})"));
        }
        let said = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(self.us.as_bytes()));
        said.map_err(cannot)?;
        Ok(PaneHeld { path, file })
    }

    /// Keeps a pane for the next act, which may never come.
    pub fn keep(&self, held: PaneHeld) {
        self.keep_for(held, KEPT_MAX);
    }

    fn keep_for(&self, held: PaneHeld, limit: Duration) {
        let PaneHeld { path, file } = held;
        let until = Instant::now() + limit;
        self.kept().insert(path.clone(), Kept { until, file });
        let locks = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep_until(until).await;
            let mut kept = locks.kept();
            // It may have been taken meanwhile, and kept anew for another act.
            if kept.get(&path).is_some_and(|own| own.until <= until) {
                kept.remove(&path);
            }
        });
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, Kept>> {
        self.kept.lock().expect("no holder of this lock panics")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_is_kept_for_its_own_act_and_not_for_the_last_ones_time() {
        const SHORT: Duration = Duration::from_millis(50);
        let dir = tempfile::TempDir::new().unwrap();
        let daemon = |state: &str| PaneLocks::new(dir.path(), Path::new(state));
        let (ours, theirs) = (daemon("/ours"), daemon("/theirs"));
        let pane = Pane {
            socket: "/run/sock".into(),
            generation: "1.2".to_owned(),
            id: "%3".to_owned(),
            pid: 4,
        };
        ours.keep_for(ours.take(&pane).unwrap(), SHORT);
        ours.keep_for(ours.take(&pane).unwrap(), KEPT_MAX);
        tokio::time::sleep(4 * SHORT).await;
        let said = theirs.take(&pane).unwrap_err();
        assert!(said.contains("ledger in /ours"), "{said}");

        // The act that it was kept for never came.
        ours.keep_for(ours.take(&pane).unwrap(), SHORT);
        while theirs.take(&pane).is_err() {
            tokio::time::sleep(SHORT).await;
        }
    }
}
