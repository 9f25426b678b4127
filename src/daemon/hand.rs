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
    kept: Arc<Mutex<BTreeMap<PathBuf, File>>>,
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
        if let Some(file) = kept {
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
        let PaneHeld { path, file } = held;
        self.kept().insert(path.clone(), file);
        let locks = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(KEPT_MAX).await;
            drop(locks.kept().remove(&path));
        });
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, BTreeMap<PathBuf, File>> {
        self.kept.lock().expect("no holder of this lock panics")
    }
}
