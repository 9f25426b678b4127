//! The watch: every pane of one server, each tick, without starting a process.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::argv;
use super::client::{DEADLINE, Tmux};
use super::control::{Control, lost, timeout};
use super::error::TmuxError;
use super::row::{PaneRow, ROW_FORMAT, Seen, traces};
use super::screen::Capture;
use super::server::SENTINEL;
use crate::domain::Pane;

/// Panes asked for before their answers are read: 32 requests of about 1 KB fit in an empty pipe, so writing never blocks.
const CHUNK: usize = 32;

/// Everything one tick saw.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The server's generation, `#{pid}.#{start_time}`.
    pub generation: String,
    /// Whether the server is another one than at the last tick that succeeded: every pinned pane is gone.
    pub new_server: bool,
    /// When the tick began.
    pub at: Timestamp,
    /// Every pane but our own, by id; unchanged ones are shared with the last snapshot.
    pub panes: BTreeMap<String, Arc<Seen>>,
}

impl Snapshot {
    /// Returns a pane if it still is the one that was pinned.
    pub fn pane(&self, pane: &Pane) -> Option<&Arc<Seen>> {
        self.panes
            .get(&pane.id)
            .filter(|seen| seen.row.pane == *pane)
    }

    /// Returns a window's pane by exact names, a living one before a dead one.
    pub fn find(&self, session: &str, window: &str) -> Option<&Arc<Seen>> {
        let hits = || {
            self.panes
                .values()
                .filter(|seen| seen.row.session == session && seen.row.window == window)
        };
        hits().find(|seen| !seen.row.dead).or_else(|| hits().next())
    }
}

/// What is remembered of a pane between ticks.
#[derive(Debug)]
struct Kept {
    seen: Arc<Seen>,
    /// The row as `list-panes` told it, to be compared with the next.
    row: PaneRow,
    /// The second in which the capture was taken, or an earlier one.
    captured: i64,
}

/// One server, watched through one persistent control-mode client.
#[derive(Debug)]
pub struct Watch {
    tmux: Tmux,
    control: Option<Control>,
    generation: Option<String>,
    kept: BTreeMap<String, Kept>,
}

impl Watch {
    /// Watches a server; connects with the first tick.
    pub fn new(tmux: Tmux) -> Self {
        Self {
            tmux,
            control: None,
            generation: None,
            kept: BTreeMap::new(),
        }
    }

    /// Looks at every pane. Connects anew if the connection was lost; an error means that nothing is known now, not that panes died.
    pub async fn tick(&mut self, now: Timestamp) -> Result<Snapshot, TmuxError> {
        let was_connected = self.control.is_some();
        let mut answer = self.attempt(now).await;
        if answer.is_err() && was_connected {
            // The server may have been replaced since the last tick: one fresh connection tells.
            answer = self.attempt(now).await;
        }
        answer
    }

    async fn attempt(&mut self, now: Timestamp) -> Result<Snapshot, TmuxError> {
        self.connect().await?;
        let answer = match tokio::time::timeout(DEADLINE, self.look_around(now)).await {
            Ok(answer) => answer,
            Err(_) => Err(timeout()),
        };
        if answer.is_err() {
            // Half an answer may still be under way on this connection.
            self.control = None;
        }
        answer
    }

    /// Looks at one pane now, through the same connection: for the echo of a paste.
    pub async fn look(&mut self, pane: &Pane) -> Result<Seen, TmuxError> {
        self.connect().await?;
        let control = self.control.as_mut().expect("it was just connected");
        let looked = tokio::time::timeout(DEADLINE, async {
            control.send(&request(&pane.id)).await?;
            answer(control, &self.tmux).await
        });
        match looked.await {
            Ok(Ok(seen)) => {
                seen.filter(|seen| seen.row.pane == *pane)
                    .ok_or_else(|| TmuxError::NoTarget {
                        what: format!("pane {} of server {}", pane.id, pane.generation),
                    })
            }
            Ok(Err(error)) => {
                self.control = None;
                Err(error)
            }
            Err(_) => {
                self.control = None;
                Err(timeout())
            }
        }
    }

    /// Waits until the server says that a session or window appeared or went away, or until the connection is lost.
    /// Never returns while there is no connection. May be dropped at any point; correctness does not depend on it.
    pub async fn woken(&mut self) {
        let Some(control) = &mut self.control else {
            return std::future::pending().await;
        };
        if control.notified().await.is_err() {
            self.control = None;
        }
    }

    /// Leaves the server politely.
    pub async fn close(mut self) {
        if let Some(control) = self.control.take() {
            control.leave().await;
        }
    }

    async fn connect(&mut self) -> Result<(), TmuxError> {
        if self.control.is_some() {
            return Ok(());
        }
        // First a call that never starts a server: `attach-session` does, even in control mode.
        self.tmux.ensure_sentinel().await?;
        self.control = Some(Control::attach(&self.tmux, SENTINEL).await?);
        Ok(())
    }

    async fn look_around(&mut self, now: Timestamp) -> Result<Snapshot, TmuxError> {
        let control = self.control.as_mut().ok_or_else(lost)?;
        control.send(&line(&[argv::list_panes(ROW_FORMAT)])).await?;
        let list = control.reply(None).await?;
        if !list.ok {
            return Err(TmuxError::classify(
                "list-panes",
                self.tmux.socket(),
                &list.lines.join(" "),
            ));
        }
        let rows: Vec<PaneRow> = list
            .lines
            .iter()
            .filter_map(|line| PaneRow::parse(self.tmux.socket(), line))
            .collect();
        let generation = rows
            .first()
            .map(|row| row.pane.generation.clone())
            .ok_or_else(lost)?;
        let new_server = self
            .generation
            .as_ref()
            .is_some_and(|last| *last != generation);
        if new_server {
            self.kept.clear();
        }
        let rows: BTreeMap<String, PaneRow> = rows
            .into_iter()
            .filter(|row| row.session != SENTINEL)
            .map(|row| (row.pane.id.clone(), row))
            .collect();
        self.kept.retain(|id, _| rows.contains_key(id));
        let changed: Vec<PaneRow> = rows
            .values()
            .filter(|row| {
                self.kept
                    .get(&row.pane.id)
                    .is_none_or(|kept| kept.is_stale(row))
            })
            .cloned()
            .collect();
        refresh(control, &self.tmux, &mut self.kept, &changed, now).await?;
        self.generation = Some(generation.clone());
        let panes = self
            .kept
            .iter()
            .map(|(id, kept)| (id.clone(), Arc::clone(&kept.seen)))
            .collect();
        Ok(Snapshot {
            generation,
            new_server,
            at: now,
            panes,
        })
    }
}

/// Captures the changed panes, pipelined.
async fn refresh(
    control: &mut Control,
    tmux: &Tmux,
    kept: &mut BTreeMap<String, Kept>,
    changed: &[PaneRow],
    now: Timestamp,
) -> Result<(), TmuxError> {
    for chunk in changed.chunks(CHUNK) {
        let lines: String = chunk.iter().map(|row| request(&row.pane.id)).collect();
        control.send(&lines).await?;
        for row in chunk {
            let id = row.pane.id.clone();
            let Some(seen) = answer(control, tmux).await? else {
                kept.remove(&id);
                continue;
            };
            let (seen, row, captured) = (Arc::new(seen), row.clone(), now.as_second());
            kept.insert(
                id,
                Kept {
                    seen,
                    row,
                    captured,
                },
            );
        }
    }
    Ok(())
}

impl Kept {
    /// Returns whether the screen may differ from the capture. `window_activity` has a resolution of one second, so a
    /// capture of the same second may have missed what came after it.
    fn is_stale(&self, row: &PaneRow) -> bool {
        self.row != *row || row.window_activity >= self.captured
    }
}

/// Asks for one pane: its row, its screen and its traces, of the same instant.
fn request(pane: &str) -> String {
    line(&[
        argv::row(pane),
        argv::capture(pane),
        argv::pane_options(pane),
    ])
}

fn line(commands: &[argv::Command]) -> String {
    format!("{}\n", argv::script(commands))
}

/// Reads the answers to one [`request`]; `None` if the pane is gone.
async fn answer(control: &mut Control, tmux: &Tmux) -> Result<Option<Seen>, TmuxError> {
    let reply = control.reply(None).await?;
    let Some(row) = reply
        .lines
        .first()
        .and_then(|line| PaneRow::parse(tmux.socket(), line))
    else {
        // The second command found no pane, which ended the line: its error is all that comes.
        control.reply(None).await?;
        return Ok(None);
    };
    let screen = control.reply(Some(row.size.1)).await?;
    let options = control.reply(None).await?;
    let capture = Capture::parse(screen.lines.iter().map(String::as_str));
    let traces = traces(options.lines.iter().map(String::as_str));
    Ok(Some(Seen {
        row,
        capture,
        traces,
    }))
}
