//! The watch: every pane of one server, each tick, without starting a process.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::argv;
use super::client::{DEADLINE, Tmux};
use super::control::{Control, end_orphans, lost, timeout};
use super::error::TmuxError;
use super::row::{PaneRow, Seen, traces};
use super::screen::Capture;
use super::server::SENTINEL;
use crate::domain::Pane;

/// Panes asked for before their answers are read: 32 requests of about 1 KB fit in an empty pipe, so writing never blocks.
const CHUNK: usize = 32;

/// The server's generation.
const GENERATION: &str = "#{pid}.#{start_time}";
/// What is compared from tick to tick, and no more: every field costs the server 1.5 us per pane (measured on 3.3a, 150 panes).
/// Pane id and `window_activity` first; the rest is only ever compared as a whole, so the texts need no lengths.
const SIGNATURE: &str = concat!(
    "#{pane_id}|#{window_activity}|#{pane_pid}|#{pane_dead}#{pane_in_mode}#{pane_input_off}#{pane_synchronized}|",
    "#{cursor_x}.#{cursor_y}.#{cursor_flag}|#{pane_width}x#{pane_height}|#{history_size}|#{session_attached}|",
    "#{session_activity}|#{session_name}|#{window_name}|#{s/[\u{1}-\u{1f}]/_/:pane_current_command}|#{=200:pane_title}"
);

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

impl Snapshot {
    /// Returns the pane that a person named: `%7`, or `session:window.pane` with the window's name or index.
    pub fn at(&self, target: &str) -> Option<&Arc<Seen>> {
        if target.starts_with('%') {
            return self.panes.get(target);
        }
        let (session, rest) = target.rsplit_once(':')?;
        let (window, pane) = rest.rsplit_once('.')?;
        self.panes.values().find(|seen| {
            let row = &seen.row;
            row.session == session
                && (row.window == window || row.window_index.to_string() == window)
                && row.pane_index.to_string() == pane
        })
    }
}

/// What is remembered of a pane between ticks.
#[derive(Debug)]
struct Kept {
    seen: Arc<Seen>,
    /// What `list-panes` said of it, to be compared with the next.
    signature: String,
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
        match self.attempt(now).await {
            // The server may have been replaced since the last tick: one fresh connection tells.
            Err(TmuxError::Failed { .. }) if was_connected => self.attempt(now).await,
            answer => answer,
        }
    }

    async fn attempt(&mut self, now: Timestamp) -> Result<Snapshot, TmuxError> {
        let mut control = self.connection().await?;
        let looked = tokio::time::timeout(DEADLINE, self.look_around(&mut control, now)).await;
        self.give_back(control, looked).await
    }

    /// Looks at one pane now, through the same connection: for the echo of a paste.
    pub async fn look(&mut self, pane: &Pane) -> Result<Seen, TmuxError> {
        let mut control = self.connection().await?;
        let looked = tokio::time::timeout(DEADLINE, async {
            control.send(&request(&pane.id)).await?;
            answer(&mut control, &self.tmux).await
        });
        let looked = looked.await;
        let seen = self.give_back(control, looked).await?;
        let what = || format!("pane {} of server {}", pane.id, pane.generation);
        let is_same = |seen: &Seen| seen.row.pane == *pane;
        seen.filter(is_same)
            .ok_or_else(|| TmuxError::NoTarget { what: what() })
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

    /// Takes the connection out: a call that is dropped half-way drops it too, and no answer of it is read as another's.
    async fn connection(&mut self) -> Result<Control, TmuxError> {
        if let Some(control) = self.control.take() {
            return Ok(control);
        }
        self.tmux.ensure_sentinel().await?;
        end_orphans(&self.tmux, SENTINEL).await?;
        Control::attach(&self.tmux, SENTINEL).await
    }

    /// Keeps the connection if it is still in step.
    async fn give_back<T>(
        &mut self,
        control: Control,
        looked: Result<Result<T, TmuxError>, tokio::time::error::Elapsed>,
    ) -> Result<T, TmuxError> {
        let answer = looked.unwrap_or_else(|_| Err(timeout()));
        if answer.is_ok() {
            self.control = Some(control);
        } else {
            control.leave().await;
        }
        answer
    }

    async fn look_around(
        &mut self,
        control: &mut Control,
        now: Timestamp,
    ) -> Result<Snapshot, TmuxError> {
        let server = argv::print(&format!("={SENTINEL}:"), GENERATION);
        control
            .send(&line(&[server, argv::list_panes(SIGNATURE)]))
            .await?;
        let server = control.reply(None).await?;
        let list = control.reply(None).await?;
        let generation = server.lines.into_iter().next().unwrap_or_default();
        if !list.ok || !generation.contains('.') {
            return Err(lost());
        }
        let new_server = self
            .generation
            .as_ref()
            .is_some_and(|last| *last != generation);
        if new_server {
            self.kept.clear();
        }
        let signatures: BTreeMap<String, String> =
            list.lines.into_iter().filter_map(with_id).collect();
        self.kept.retain(|id, _| signatures.contains_key(id));
        let is_stale = |(id, signature): &(&String, &String)| {
            self.kept
                .get(*id)
                .is_none_or(|kept| kept.is_stale(signature))
        };
        let changed: Vec<(String, String)> = signatures
            .iter()
            .filter(is_stale)
            .map(|(id, signature)| (id.clone(), signature.clone()))
            .collect();
        refresh(control, &self.tmux, &mut self.kept, changed, now).await?;
        self.generation = Some(generation.clone());
        let panes = self
            .kept
            .iter()
            .filter(|(_, kept)| kept.seen.row.session != SENTINEL)
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
    mut changed: Vec<(String, String)>,
    now: Timestamp,
) -> Result<(), TmuxError> {
    while !changed.is_empty() {
        let chunk: Vec<_> = changed.drain(..changed.len().min(CHUNK)).collect();
        let lines: String = chunk.iter().map(|(id, _)| request(id)).collect();
        control.send(&lines).await?;
        for (id, signature) in chunk {
            let Some(seen) = answer(control, tmux).await? else {
                kept.remove(&id);
                continue;
            };
            let (seen, captured) = (Arc::new(seen), now.as_second());
            kept.insert(
                id,
                Kept {
                    seen,
                    signature,
                    captured,
                },
            );
        }
    }
    Ok(())
}

/// Splits a signature's pane id off: the key it is kept under.
fn with_id(line: String) -> Option<(String, String)> {
    let id = line
        .split('|')
        .next()
        .filter(|id| id.starts_with('%'))?
        .to_owned();
    Some((id, line))
}

impl Kept {
    /// Returns whether the screen may differ from the capture. `window_activity` has a resolution of one second, so a
    /// capture of the same second may have missed what came after it.
    fn is_stale(&self, signature: &str) -> bool {
        let active = signature
            .split('|')
            .nth(1)
            .and_then(|field| field.parse::<i64>().ok());
        self.signature != signature || active.is_none_or(|active| active >= self.captured)
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
