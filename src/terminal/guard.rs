//! The guards G1 and G2: what must hold, inside the server, at the instant a byte is sent (PROTOCOLS 3).
//!
//! A guard is one comparison of formats with what they must answer, so tmux evaluates it and acts in one queue entry.

use super::argv::format_text;
use super::ere;
use super::row::{Seen, TRACE_PREFIX};
use super::screen::{Composer, Recogniser, SIDEBAR_GAP};
use crate::domain::{DeliveryId, Pane};

/// Columns a pane needs so that our line, at most 72, does not wrap behind a prompt (PROTOCOLS 3; facts/terminal.md F31).
pub(super) const COLUMNS_MIN: u16 = 80;

/// What must hold when a command acts on a pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    pane: Pane,
    fields: Vec<Field>,
}

/// One fact: its name for people, the format that asks, the answer that must come.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Field {
    name: &'static str,
    format: String,
    wanted: String,
}

/// Why a guard did not let something through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Which fact: `generation`, `pane`, `pane pid`, `dead`, `copy mode`, `input off`, `synchronized`, `cursor`, `size`,
    /// `dialog`, `foreground`, `composer`, `width`, `composer text`, `step`.
    pub field: &'static str,
    /// What had to hold.
    pub wanted: String,
    /// What was found.
    pub found: String,
}

impl std::fmt::Display for Blocked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} is `{}`, not `{}`",
            self.field, self.found, self.wanted
        )
    }
}

/// What a guarded command did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guarded {
    /// It acted.
    Done,
    /// It did not act; no byte was sent.
    Blocked(Blocked),
}

impl Guard {
    /// Pins who the pane is and nothing else: for commands that type nothing.
    pub fn identity(pane: &Pane) -> Self {
        let fields = vec![
            field("generation", "#{pid}.#{start_time}", &pane.generation),
            field("pane", "#{pane_id}", &pane.id),
            field("pane pid", "#{pane_pid}", pane.pid),
        ];
        Self {
            pane: pane.clone(),
            fields,
        }
    }

    /// G1: nothing may have changed since `seen`, in which the composer was empty and no dialog was open.
    pub fn g1(seen: &Seen, recogniser: &Recogniser) -> Result<Self, Blocked> {
        let reading = recogniser.read(&seen.capture);
        match reading.composer {
            Composer::Empty => {}
            Composer::Absent => return Err(blocked("composer", "empty", "not on the screen")),
            Composer::Draft(text) => return Err(blocked("composer", "empty", text)),
        }
        Self::as_seen(seen, recogniser)
    }

    /// G2: as G1, and the composer's whole text is `line`, both in `seen` and at the instant of acting.
    pub fn g2(seen: &Seen, recogniser: &Recogniser, line: &str) -> Result<Self, Blocked> {
        let reading = recogniser.read(&seen.capture);
        let Composer::Draft(text) = reading.composer else {
            return Err(blocked("composer text", line, ""));
        };
        if !same_letters(&text, line) {
            return Err(blocked("composer text", line, text));
        }
        let row = reading.composer_row.unwrap_or(0);
        if recogniser.cursor_in_composer && row != seen.row.cursor.1 {
            return Err(blocked(
                "cursor",
                format!("row {row}"),
                format!("row {}", seen.row.cursor.1),
            ));
        }
        let mut guard = Self::as_seen(seen, recogniser)?;
        // The search answers with the first row that matches, counted from 1: it must be the composer's.
        let drawn = seen
            .capture
            .rows
            .get(usize::from(row))
            .map_or("", |row| row.text.as_str());
        let prompt = drawn.split_once(line).map_or("", |(before, _)| before);
        // What stands far to the right of it is a sidebar's (OpenCode).
        let (before, line, gap) = (
            letters_of(prompt),
            ere::literal(line),
            " ".repeat(SIDEBAR_GAP),
        );
        let pattern = format!("^{before}{line}([^A-Za-z0-9]*|{gap}.*)$");
        guard.fields.push(field(
            "composer text",
            &format!("#{{C/r:{}}}", format_text(&pattern)),
            row + 1,
        ));
        Ok(guard)
    }

    /// For one key to an agent at work: its screen moves, so that neither cursor nor size is pinned; but no dialog may be open.
    pub fn at_work(seen: &Seen, recogniser: &Recogniser) -> Result<Self, Blocked> {
        if let Some(dialog) = recogniser.read(&seen.capture).dialog {
            return Err(blocked("dialog", "none", dialog.0));
        }
        let mut guard = Self::identity(&seen.row.pane);
        guard.fields.extend([
            field("dead", "#{pane_dead}", 0),
            field("copy mode", "#{pane_in_mode}", 0),
            field("input off", "#{pane_input_off}", 0),
            field("synchronized", "#{pane_synchronized}", 0),
            foreground(seen),
        ]);
        Ok(guard)
    }

    fn as_seen(seen: &Seen, recogniser: &Recogniser) -> Result<Self, Blocked> {
        let row = &seen.row;
        if row.size.0 < COLUMNS_MIN {
            return Err(blocked(
                "width",
                format!("{COLUMNS_MIN} or more"),
                row.size.0,
            ));
        }
        if let Some(dialog) = recogniser.read(&seen.capture).dialog {
            return Err(blocked("dialog", "none", dialog.0));
        }
        let mut guard = Self::identity(&row.pane);
        guard.fields.extend([
            field("dead", "#{pane_dead}", 0),
            field("copy mode", "#{pane_in_mode}", 0),
            field("input off", "#{pane_input_off}", 0),
            field("synchronized", "#{pane_synchronized}", 0),
            field(
                "cursor",
                "#{cursor_x}.#{cursor_y}",
                format!("{}.{}", row.cursor.0, row.cursor.1),
            ),
            field(
                "size",
                "#{pane_width}x#{pane_height}",
                format!("{}x{}", row.size.0, row.size.1),
            ),
            foreground(seen),
        ]);
        if let Some((pattern, found)) = recogniser.dialog_search(&seen.capture) {
            // Pinned to what it answered then, not to 0: a transcript may quote a dialog's words for hours.
            guard.fields.push(field(
                "dialog",
                &format!("#{{C/ri:{}}}", format_text(pattern)),
                found,
            ));
        }
        Ok(guard)
    }

    /// Adds how far a delivery has to be, as its flag says at that instant; empty: not begun. So no act happens twice, whoever asks.
    #[must_use]
    pub(super) fn traced(mut self, id: &DeliveryId, wanted: &str) -> Self {
        let format = format!("#{{{TRACE_PREFIX}{id}}}");
        self.fields.push(field("step", &format, wanted));
        self
    }

    /// Returns the pane it guards.
    pub fn pane(&self) -> &Pane {
        &self.pane
    }

    /// Returns the condition as a format: one comparison, so nothing nests deeply.
    pub fn condition(&self) -> String {
        format!(
            "#{{==:{},{}}}",
            self.question(),
            format_text(&self.wanted())
        )
    }

    /// Returns whether an answer to [`Self::question`] is the wanted one.
    pub fn holds(&self, answer: &str) -> bool {
        answer == self.wanted()
    }

    fn wanted(&self) -> String {
        self.fields
            .iter()
            .map(|field| field.wanted.as_str())
            .collect::<Vec<_>>()
            .join("|")
    }

    /// Returns the format that prints every fact as it is.
    pub fn question(&self) -> String {
        self.fields
            .iter()
            .map(|field| field.format.as_str())
            .collect::<Vec<_>>()
            .join("|")
    }

    /// Finds the first fact that differs in the answer to [`Self::question`].
    pub fn explain(&self, answer: &str) -> Blocked {
        let mut found = answer.split('|');
        for field in &self.fields {
            // A missing pane answers nothing at all.
            let found = found.next().unwrap_or_default();
            if found != field.wanted {
                return blocked(field.name, &field.wanted, found);
            }
        }
        blocked(
            "composer text",
            "unchanged",
            "changed between question and answer",
        )
    }
}

fn foreground(seen: &Seen) -> Field {
    field(
        "foreground",
        "#{s/[\u{1}-\u{1f}|]/_/:pane_current_command}",
        &seen.row.command,
    )
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "numbers and texts alike, at every call"
)]
fn field(name: &'static str, format: &str, wanted: impl ToString) -> Field {
    Field {
        name,
        format: format.to_owned(),
        wanted: wanted.to_string(),
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "numbers and texts alike, at every call"
)]
fn blocked(field: &'static str, wanted: impl ToString, found: impl ToString) -> Blocked {
    Blocked {
        field,
        wanted: wanted.to_string(),
        found: found.to_string(),
    }
}

/// Returns a pattern for what stands before a composer's text: its letters as they are (`aider> `), its frame however it is drawn.
fn letters_of(prompt: &str) -> String {
    let mut pattern = "[^A-Za-z0-9]*".to_owned();
    for word in prompt
        .split(|letter: char| !letter.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
    {
        pattern.push_str(word);
        pattern.push_str("[^A-Za-z0-9]*");
    }
    pattern
}

/// Compares two texts without their white space: a composer may wrap or pad.
fn same_letters(a: &str, b: &str) -> bool {
    a.split_whitespace()
        .flat_map(str::chars)
        .eq(b.split_whitespace().flat_map(str::chars))
}
