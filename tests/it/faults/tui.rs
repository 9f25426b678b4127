//! An agent program with every fault of the field: pure, so that a pane on real tmux and a modelled one have the same program behind them.
//!
//! What it does wrong is named by the row of `tests/FAULTS.md`; a row is switched on at the start or by an order while it runs.

use std::collections::{BTreeSet, VecDeque};

/// Where the composer is drawn, from 0.
pub(crate) const COMPOSER_ROW: usize = 30;
/// Rows that a frame has.
pub(crate) const ROWS: usize = 40;
/// For how long after a paste Enter is taken for a part of it (F01).
const ABSORB_MS: u64 = 120;
/// Letters closer together than this, with no frame around them, are a burst that turns Enter into a line break (F02).
const BURST_MS: u64 = 8;
/// How long a turn takes.
const TURN_MS: u64 = 250;
/// A dialog that nobody can have seen yet is no dialog that was answered blindly.
pub(crate) const UNSEEN_MS: u64 = 150;
/// What a person typed and did not send.
pub(crate) const DRAFT: &str = "MINE do not send";

/// Something that takes the keys instead of the composer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Gate {
    row: &'static str,
    lines: &'static [&'static str],
    since: u64,
}

/// What the program says of itself, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    /// A turn began with this text.
    Submitted(String),
    /// A key reached a dialog that had been there for so many milliseconds.
    Astray { row: String, key: u8, age: u64 },
    /// A text was taken while it was busy, and is gone.
    Lost(String),
    /// Enter came again before the first one was read.
    Twice,
    /// Escape, Ctrl-C or another key that nobody may send blindly.
    Control(u8),
}

/// The program.
#[expect(clippy::struct_excessive_bools, reason = "they are its modes")]
#[derive(Clone, Debug, Default)]
pub(crate) struct Tui {
    has: BTreeSet<String>,
    pub(crate) composer: String,
    told: Vec<String>,
    gates: VecDeque<Gate>,
    frozen: Option<Frame>,
    busy_until: u64,
    pasting: bool,
    folded: bool,
    normal: bool,
    pending: Vec<u8>,
    frame_end: Option<u64>,
    plain: Option<u64>,
    burst: bool,
    pub(crate) said: Vec<Said>,
    /// It ended; the code is the process's.
    pub(crate) ended: Option<i32>,
}

/// What it draws.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) rows: Vec<String>,
    pub(crate) cursor: (u16, u16),
    pub(crate) title: String,
}

/// The dialogs: what they show, and which row they belong to. `F42` is drawn nowhere: only the state file knows of it.
const GATES: &[(&str, &[&str])] = &[
    (
        "F33",
        &[
            "Do you trust the files in this folder?",
            "❯ 1. Yes, proceed",
            "  2. No, exit",
            "Enter to confirm · Esc to cancel",
        ],
    ),
    (
        "F34",
        &[
            "Is this a project you created or one you trust?",
            "  Yes, I trust this folder",
            "❯ No, exit",
            "Enter to confirm · Esc to cancel",
        ],
    ),
    (
        "F35",
        &[
            "Bypass permissions: you accept every risk",
            "❯ No, exit",
            "  Yes, I accept",
            "Enter to confirm · Esc to cancel",
        ],
    ),
    ("F36", &["Open this folder?", "[y]es  [n]o, quit"]),
    (
        "F37",
        &[
            "Update available! 1.2.3",
            "❯ Update now",
            "  Skip",
            "Press enter to continue, esc to cancel",
        ],
    ),
    (
        "F38",
        &[
            "Hooks need review before they run",
            "❯ Review hooks",
            "Press enter to confirm or esc to go back",
        ],
    ),
    (
        "F39",
        &[
            "You have reached your usage limit",
            "❯ Upgrade your plan",
            "  Wait until 5pm",
            "Enter to confirm · Esc to cancel",
        ],
    ),
    (
        "F40",
        &[
            "How is it doing this session? (optional)",
            "1: Bad  2: Fine  3: Good  0: Dismiss",
        ],
    ),
    (
        "F41",
        &[
            "Bash command: rm -rf build",
            "Do you want to proceed?",
            "❯ 1. Yes",
            "  2. No",
            "Esc to cancel",
        ],
    ),
    ("F42", &[]),
    (
        "F43",
        &[
            "Rewind: select a point to restore",
            "  (current)",
            "Up/Down to move",
        ],
    ),
    (
        "F44",
        &[
            "Select login method:",
            "❯ Account",
            "  Key",
            "Enter to select",
        ],
    ),
];

impl Tui {
    /// Starts it with some rows switched on.
    pub(crate) fn new(rows: &[String]) -> Self {
        let mut tui = Self::default();
        for row in rows {
            tui.order(row, 0);
        }
        tui
    }

    /// Returns whether a row is switched on.
    pub(crate) fn has(&self, row: &str) -> bool {
        self.has.contains(row)
    }

    /// Switches a row on, or makes it happen now.
    pub(crate) fn order(&mut self, row: &str, now: u64) {
        if let Some((row, lines)) = GATES.iter().find(|(gate, _)| *gate == row) {
            self.gates.push_back(Gate {
                row,
                lines,
                since: now,
            });
            if *row == "F35" {
                let (row, lines) = GATES[1];
                self.gates.push_front(Gate {
                    row,
                    lines,
                    since: now,
                });
            }
            return;
        }
        match row {
            // Nobody types into a picture that stands still, and nobody could know of it.
            "F28" if self.frozen.is_some() => {}
            "F28" => self.composer.push_str(DRAFT),
            "F30" => self.frozen = Some(self.frame(200, now)),
            "F61" | "F62" => self.busy_until = now + 3000,
            "F53" => self.ended = Some(0),
            _ => {}
        }
        self.has.insert(row.to_owned());
    }

    /// Returns the word of its state file.
    pub(crate) fn status(&self, now: u64) -> &'static str {
        match self.gates.front() {
            // A dialog has a witness: the screen, or the program's own word. What neither shows nobody can know of.
            Some(gate) if gate.lines.is_empty() || self.frozen.is_some() => "question",
            _ if now < self.busy_until && !self.has("F62") => "busy",
            _ => "idle",
        }
    }

    /// Takes what one read returned.
    pub(crate) fn read(&mut self, bytes: &[u8], now: u64) {
        self.pending.extend_from_slice(bytes);
        if bytes.split(|key| *key == b'\r').count() > 2 {
            self.said.push(Said::Twice);
        }
        while self.ended.is_none() && !self.pending.is_empty() {
            let starts = |mark: &[u8]| self.pending.starts_with(mark);
            let taken = if starts(b"\x1b[200~") {
                self.marked(true, now)
            } else if starts(b"\x1b[201~") {
                self.marked(false, now)
            } else if starts(b"\x1b[27;5;109~") {
                // C-m in its long form, which no program of this kind knows (F04).
                11
            } else {
                self.key(self.pending[0], now);
                1
            };
            self.pending.drain(..taken);
        }
    }

    fn marked(&mut self, begins: bool, now: u64) -> usize {
        if let Some(gate) = self.gates.front() {
            self.said.push(Said::Astray {
                row: gate.row.to_owned(),
                key: 0x1b,
                age: now.saturating_sub(gate.since),
            });
        }
        self.pasting = begins;
        self.burst = false;
        if !begins {
            self.frame_end = Some(now);
            self.folded = self.has("F13") && self.composer.len() > 20;
        }
        6
    }

    fn key(&mut self, key: u8, now: u64) {
        if let Some(gate) = self.gates.front().cloned() {
            return self.answer(&gate, key, now);
        }
        if self.pasting {
            let letter = if matches!(key, b'\r' | b'\n') {
                '\n'
            } else {
                char::from(key)
            };
            return self.composer.push(letter);
        }
        if self.normal {
            return self.said.push(Said::Control(key));
        }
        match key {
            b'\r' => self.enter(now),
            b'\n' => self.composer.push('\n'),
            0x15 => self.composer.clear(),
            0x1b => {
                self.normal = self.has("F08");
                self.busy_until = 0;
                self.said.push(Said::Control(key));
            }
            0x20..0x7f => {
                // A first letter that opens a menu takes the next Enter (F26).
                if self.composer.is_empty() && b"/!@#?~".contains(&key) && self.has("F26") {
                    self.order("F44", now);
                }
                self.burst = self.plain.is_some_and(|last| now - last < BURST_MS);
                self.plain = Some(now);
                self.composer.push(char::from(key));
            }
            other => self.said.push(Said::Control(other)),
        }
    }

    fn answer(&mut self, gate: &Gate, key: u8, now: u64) {
        self.said.push(Said::Astray {
            row: gate.row.to_owned(),
            key,
            age: now.saturating_sub(gate.since),
        });
        match (gate.row, key) {
            ("F34" | "F35" | "F37", b'\r') | ("F36", b'n' | b't' | b'T') => self.ended = Some(1),
            (_, b'\r') | ("F36" | "F40", _) => drop(self.gates.pop_front()),
            _ => {}
        }
        if let Some(next) = self.gates.front_mut() {
            next.since = now;
        }
    }

    fn enter(&mut self, now: u64) {
        let absorbed = self.frame_end.is_some_and(|end| now - end < ABSORB_MS);
        let burst = self.burst && self.plain.is_some_and(|last| now - last < ABSORB_MS);
        if self.has("F06") || (self.has("F01") && absorbed) {
            return;
        }
        if self.has("F07") || (self.has("F02") && burst) {
            return self.composer.push('\n');
        }
        if self.composer.is_empty() {
            return;
        }
        let text = std::mem::take(&mut self.composer);
        self.folded = false;
        if now < self.busy_until && self.has("F61") {
            return self.said.push(Said::Lost(text));
        }
        self.told.push(text.clone());
        self.said.push(Said::Submitted(text));
        self.busy_until = now + TURN_MS;
        // What it does with the text may be a question at once: a second Enter would answer it.
        if self.has("F45") {
            self.order("F41", now);
        }
    }

    /// Draws.
    pub(crate) fn frame(&self, width: usize, now: u64) -> Frame {
        if let Some(frame) = &self.frozen {
            return frame.clone();
        }
        let mut rows = vec![String::new(); ROWS];
        rows[0] = "fake agent".into();
        if self.has("F69") {
            rows[2] = "Usage limit reached, resets in 5 minutes".into();
        }
        if self.has("F70") {
            rows[3] = "> the footer says \"Enter to confirm · Esc to cancel\"".into();
            rows[4] = "> and it asks: Do you want to proceed?".into();
        }
        for (row, text) in self.told.iter().rev().take(3).enumerate() {
            rows[6 + row] = format!("> {text}");
        }
        let busy = now < self.busy_until;
        if busy {
            rows[COMPOSER_ROW - 2] = "⠋ Working… (esc to interrupt)".into();
        }
        let spins = if self.has("F62") || busy {
            "⠋ fake"
        } else {
            "✳ fake"
        };
        let dialog = self
            .gates
            .front()
            .is_some_and(|gate| !gate.lines.is_empty());
        if !dialog {
            for (row, text) in [
                "────",
                "  ? for shortcuts",
                "  model x · 43%",
                "  main · 3 files",
            ]
            .iter()
            .enumerate()
            {
                rows[COMPOSER_ROW + 4 + row] = (*text).into();
            }
        }
        let title = if self.has("F32") {
            String::new()
        } else {
            spins.to_owned()
        };
        if self.has("F32") {
            rows[ROWS - 1] = format!("  {} tokens", now / 100 % 10);
        }
        match self.gates.front().filter(|gate| !gate.lines.is_empty()) {
            Some(gate) => {
                for (row, text) in gate.lines.iter().enumerate() {
                    rows[COMPOSER_ROW + row] = (*text).into();
                }
                Frame {
                    rows,
                    cursor: (0, row(COMPOSER_ROW + gate.lines.len())),
                    title,
                }
            }
            None => self.composed(rows, width, title),
        }
    }

    fn composed(&self, mut rows: Vec<String>, width: usize, title: String) -> Frame {
        let text = if self.folded {
            "[Pasted text #1]"
        } else {
            &self.composer
        };
        let room = width.saturating_sub(3).max(10);
        let letters: Vec<char> = text.chars().collect();
        let mut parts: Vec<String> = letters
            .chunks(room)
            .map(|part| part.iter().collect())
            .collect();
        if parts.is_empty() {
            parts.push(String::new());
        }
        let mut lines: Vec<String> = parts
            .iter()
            .flat_map(|part| part.split('\n'))
            .map(str::to_owned)
            .collect();
        lines.truncate(4);
        let last = lines.last().map_or(0, |line| line.chars().count());
        let cursor = (row(last + 2), row(COMPOSER_ROW + lines.len() - 1));
        for (at, line) in lines.iter().enumerate() {
            let mark = if at == 0 { "❯\u{a0}" } else { "  " };
            rows[COMPOSER_ROW + at] = format!("{mark}{line}");
        }
        if self.has("F29") && self.composer.is_empty() {
            rows[COMPOSER_ROW].push_str("\u{1b}[2mwrite a test for it\u{1b}[0m");
        }
        Frame {
            rows,
            cursor,
            title,
        }
    }
}

fn row(number: usize) -> u16 {
    u16::try_from(number).expect("a small screen")
}
