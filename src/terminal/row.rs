//! One pane as `list-panes` tells it, and the format that asks for it.

use std::path::PathBuf;

use jiff::Timestamp;

use super::screen::Capture;
use crate::domain::{DeliveryId, Pane};

/// Separates the fields. Printable, because some versions print 0x1f as `\037` (facts/terminal.md F22).
const SEPARATOR: char = '|';
/// Fields before the texts.
const FIXED: usize = 25;
/// The format of one row: numbers first, then the texts, which may hold anything, with the lengths of all but the last.
/// A program names itself and its folder as it likes, a line break included, and could so write a row of another pane: control
/// letters become `_` (as a range, because a colon ends tmux's modifiers). It holds no percent sign, because `display-message` would read it as a date.
pub const ROW_FORMAT: &str = concat!(
    "#{pid}.#{start_time}|#{pane_id}|#{pane_pid}|#{pane_dead}|#{pane_dead_status}|#{pane_in_mode}|#{pane_input_off}|",
    "#{pane_synchronized}|#{cursor_x}|#{cursor_y}|#{cursor_flag}|#{pane_width}|#{pane_height}|#{alternate_on}|#{history_size}|",
    "#{window_activity}|#{session_attached}|#{window_active_clients}|#{session_activity}|#{session_created}|",
    "#{window_index}|#{pane_index}|#{n:session_name}|#{n:window_name}|#{n:#{s/[\u{1}-\u{1f}]/_/:pane_current_path}}|",
    "#{session_name}|#{window_name}|#{s/[\u{1}-\u{1f}]/_/:pane_current_path}|#{s/[\u{1}-\u{1f}|]/_/:pane_current_command}|#{=200:pane_title}"
);

/// One pane, as the server told it at one instant.
#[expect(clippy::struct_excessive_bools, reason = "they are tmux's flags")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PaneRow {
    /// Its pinned identity.
    pub pane: Pane,
    /// The session's name.
    pub session: String,
    /// The window's name.
    pub window: String,
    /// The window's index in its session, as in `session:1.0`.
    pub window_index: u32,
    /// The pane's index in its window.
    pub pane_index: u32,
    /// Its process ended and it was kept (`remain-on-exit`).
    pub dead: bool,
    /// The exit code, if it ended by itself.
    pub dead_status: Option<i32>,
    /// Copy mode or another mode of tmux is open.
    pub in_mode: bool,
    /// `select-pane -d`: keys are thrown away.
    pub input_off: bool,
    /// Keys go to its siblings too.
    pub synchronized: bool,
    /// Column and row of the cursor, from 0.
    pub cursor: (u16, u16),
    /// Whether the program shows the cursor.
    pub cursor_shown: bool,
    /// Columns and rows.
    pub size: (u16, u16),
    /// Whether the alternate screen is on.
    pub alternate: bool,
    /// Lines scrolled off.
    pub history: u64,
    /// When a pane of the window last printed something, Unix seconds. Resolution 1 s; a spinner keeps it fresh.
    pub window_activity: i64,
    /// Clients attached to the session; ours is attached to `_ctl` only.
    pub attached: u32,
    /// Clients that show this pane's window now.
    pub shown: u32,
    /// When a client of the session last sent a key or attached, Unix seconds; the session's birth if none ever did.
    pub client_activity: i64,
    /// When the session was made, Unix seconds.
    pub session_created: i64,
    /// Working folder of the foreground process.
    pub path: PathBuf,
    /// The foreground process, by its argv\[0\].
    pub command: String,
    /// The title, at most 200 columns. Any program in the pane can set it.
    pub title: String,
}

impl PaneRow {
    /// Reads one line of [`ROW_FORMAT`]; `None` if the pane was not there or the line is broken.
    pub fn parse(socket: &std::path::Path, line: &str) -> Option<Self> {
        let mut fields = line.splitn(FIXED + 1, SEPARATOR);
        let mut fixed = [""; FIXED];
        for slot in &mut fixed {
            *slot = fields.next()?;
        }
        let mut texts = Texts(fields.next()?);
        let [
            generation,
            id,
            pid,
            dead,
            status,
            mode,
            off,
            sync,
            x,
            y,
            flag,
            width,
            height,
            alternate,
            history,
            rest @ ..,
        ] = fixed;
        let [
            activity,
            attached,
            shown,
            client,
            created,
            window_index,
            pane_index,
            session,
            window,
            path,
        ] = rest;
        if !id.starts_with('%') {
            return None;
        }
        Some(Self {
            pane: Pane {
                socket: socket.to_owned(),
                generation: generation.to_owned(),
                id: id.to_owned(),
                pid: pid.parse().ok()?,
            },
            session: texts.take(session.parse().ok()?),
            window: texts.take(window.parse().ok()?),
            path: texts.take(path.parse().ok()?).into(),
            command: texts.until_separator(),
            title: texts.0.to_owned(),
            window_index: window_index.parse().ok()?,
            pane_index: pane_index.parse().ok()?,
            dead: is_on(dead),
            dead_status: status.parse().ok(),
            in_mode: is_on(mode),
            input_off: is_on(off),
            synchronized: is_on(sync),
            cursor: (x.parse().ok()?, y.parse().ok()?),
            cursor_shown: is_on(flag),
            size: (width.parse().ok()?, height.parse().ok()?),
            alternate: is_on(alternate),
            history: history.parse().unwrap_or(0),
            window_activity: activity.parse().ok()?,
            attached: attached.parse().unwrap_or(0),
            shown: shown.parse().unwrap_or(0),
            client_activity: client.parse().unwrap_or(0),
            session_created: created.parse().unwrap_or(0),
        })
    }

    /// Returns when a person last typed in or attached to the session, if anybody ever did.
    pub fn last_human(&self) -> Option<Timestamp> {
        let touched = self.attached > 0 || self.client_activity > self.session_created + 1;
        touched
            .then(|| Timestamp::from_second(self.client_activity).ok())
            .flatten()
    }
}

/// What is left of a row: texts of known length, each followed by a separator.
struct Texts<'a>(&'a str);

impl Texts<'_> {
    /// Takes `bytes` bytes; less if they do not end on a character (a text that changed while the server printed it).
    fn take(&mut self, bytes: usize) -> String {
        let mut end = bytes.min(self.0.len());
        while !self.0.is_char_boundary(end) {
            end -= 1;
        }
        let (text, rest) = self.0.split_at(end);
        self.0 = rest.strip_prefix(SEPARATOR).unwrap_or(rest);
        text.to_owned()
    }

    fn until_separator(&mut self) -> String {
        let (text, rest) = self.0.split_once(SEPARATOR).unwrap_or((self.0, ""));
        self.0 = rest;
        text.to_owned()
    }
}

fn is_on(flag: &str) -> bool {
    !matches!(flag, "" | "0")
}

/// One pane with its screen, taken at one instant of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its row.
    pub row: PaneRow,
    /// Its visible screen.
    pub capture: Capture,
    /// What our deliveries left in the pane's options, as `(id, pasted | submitted:<n> | clearing | cleared)`,
    /// at the time of the capture. [`super::Tmux::trace`] is the word that counts in a recovery.
    pub traces: Vec<(DeliveryId, String)>,
}

/// Prefix of the pane options that trace a delivery.
pub(super) const TRACE_PREFIX: &str = "@pointsman_";

/// Reads `show-options -p`: one `@pointsman_<id> <value>` per line, other options skipped.
pub(super) fn traces<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(DeliveryId, String)> {
    lines
        .filter_map(|line| line.strip_prefix(TRACE_PREFIX)?.split_once(' '))
        .map(|(id, value)| (DeliveryId::new(id), value.trim_matches('"').to_owned()))
        .collect()
}
