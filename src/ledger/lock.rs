//! One writer per state folder.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::ledger::LockError;

/// The lock's file in the state folder. It stays when the lock goes: removing it would let two processes lock two files.
const LOCK_FILE: &str = "ledger.lock";
/// The most bytes read from it: more than any process id has.
const PID_BYTES_MAX: u64 = 32;

/// A child that was forked and has not begun its program yet has a copy of its parent's lock, a moment longer than the parent itself.
const HANDOVER_MAX: Duration = Duration::from_secs(2);
/// Between two looks whether it began.
const LOOK: Duration = Duration::from_millis(20);

/// The right to write the ledger of one state folder. The kernel takes it back when the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of `state_dir`, or names the process that has it.
    pub fn take(state_dir: &Path) -> Result<Self, LockError> {
        let path = state_dir.join(LOCK_FILE);
        let unusable = |source| LockError::Unusable {
            path: path.clone(),
            source,
        };
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(unusable)?;
        let deadline = Instant::now() + HANDOVER_MAX;
        loop {
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => break,
                Err(Errno::WOULDBLOCK) => {}
                Err(errno) => return Err(unusable(errno.into())),
            }
            let pid = written_pid(&file);
            if is_anothers(pid) || Instant::now() >= deadline {
                return Err(LockError::Held { pid });
            }
            wait(LOOK);
        }
        file.set_len(0).map_err(unusable)?;
        file.rewind().map_err(unusable)?;
        writeln!(file, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { _file: file })
    }
}

/// Whether another process has it that still runs. What this one or one that has ended wrote there may be over in a moment.
fn is_anothers(pid: Option<u32>) -> bool {
    let runs = |pid: u32| Path::new("/proc").join(pid.to_string()).exists();
    pid.is_some_and(|pid| pid != std::process::id() && runs(pid))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a ledger is opened once, before anything else"
)]
fn wait(time: Duration) {
    std::thread::sleep(time);
}

fn written_pid(mut file: &File) -> Option<u32> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}
