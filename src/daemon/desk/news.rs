//! What a project's stream says next, for a verb that waits for it.

use std::time::Duration;

use crate::daemon::{Daemon, store};
use crate::domain::{Event, ProjectName};

/// Between two looks.
pub const LOOK: Duration = Duration::from_millis(100);
/// Events that are read at once.
const PAGE: usize = 500;

/// Why what was awaited was not heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unheard {
    /// The daemon stops.
    Stopped,
    /// Nothing came in time.
    Late,
}

/// Reads what comes after that version, event by event, until `wanted` has its answer. An unreadable ledger stops the daemon elsewhere.
pub async fn hear<T>(
    daemon: &Daemon,
    project: &ProjectName,
    mut after: u64,
    patience: Duration,
    mut wanted: impl FnMut(Event) -> Option<T>,
) -> Result<T, Unheard> {
    let deadline = tokio::time::Instant::now() + patience;
    let stopped = daemon.stopped();
    while tokio::time::Instant::now() < deadline {
        let news = daemon
            .ledger()
            .read_stream(project.as_str(), after, PAGE)
            .await;
        for record in news.unwrap_or_default() {
            after = record.ver;
            if let Some(answer) = store::event_of(&record).ok().and_then(&mut wanted) {
                return Ok(answer);
            }
        }
        // After the read: what was written down as the daemon stopped is heard.
        if *stopped.borrow() {
            return Err(Unheard::Stopped);
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(Unheard::Late)
}
