//! The screen: transcript above, composer below, status line last. Laid out as plain rows, drawn as differences.

use std::io::{self, Write};

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::style::{Attribute, Print, SetAttribute};
use crossterm::terminal::{Clear, ClearType};
use crossterm::{QueueableCommand, queue};
use unicode_width::UnicodeWidthStr;

use super::composer::{Composer, wrap};

/// Lines of the transcript that are kept.
const LINES_MAX: usize = 2_000;
/// Shown dim in an empty composer, as the real ones do. Never taken for a draft: drafts are not dim.
const PLACEHOLDER: &str = "a task, or Ctrl-D to leave";

/// How a row is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// As it is.
    Plain,
    /// What the user said.
    Bold,
    /// What the program says about itself.
    Dim,
}

/// What is below the transcript.
#[derive(Clone, Copy, Debug)]
pub(super) enum Below<'a> {
    /// The composer.
    Composer(&'a Composer),
    /// A question with its answers; there is no composer while it is open.
    Question(&'a str),
}

/// What was said, oldest first.
#[derive(Clone, Debug, Default)]
pub(super) struct Lines {
    lines: Vec<(Ink, String)>,
}

impl Lines {
    /// Adds a text, line by line.
    pub(super) fn add(&mut self, ink: Ink, text: &str) {
        self.lines
            .extend(text.lines().map(|line| (ink, line.to_owned())));
        let over = self.lines.len().saturating_sub(LINES_MAX);
        self.lines.drain(..over);
    }

    /// Returns the last `height` rows of `width` columns.
    fn rows(&self, width: usize, height: usize) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        for (ink, line) in self.lines.iter().rev() {
            let mut wrapped = Vec::new();
            wrap(line, width, &mut wrapped);
            rows.extend(wrapped.into_iter().rev().map(|text| Row::new(*ink, text)));
            if rows.len() >= height {
                break;
            }
        }
        rows.truncate(height);
        rows.reverse();
        rows
    }
}

/// One row: a plain part, then one in its own ink.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Row {
    mark: &'static str,
    ink: Ink,
    text: String,
}

impl Row {
    fn new(ink: Ink, text: impl Into<String>) -> Self {
        Self {
            mark: "",
            ink,
            text: text.into(),
        }
    }
}

/// The rows and where the cursor is, if it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Layout {
    rows: Vec<Row>,
    cursor: Option<(u16, u16)>,
}

/// What is on the terminal now.
#[derive(Debug, Default)]
pub(super) struct Screen {
    drawn: Vec<Row>,
    size: (u16, u16),
}

impl Screen {
    /// Forgets what is on the terminal: the next drawing is a whole one.
    pub(super) fn forget(&mut self) {
        self.drawn.clear();
        self.size = (0, 0);
    }

    /// Draws what changed, in one write.
    pub(super) fn draw(
        &mut self,
        out: &mut impl Write,
        size: (u16, u16),
        lines: &Lines,
        below: Below,
        status: &str,
    ) -> io::Result<()> {
        let layout = lay_out(size, lines, below, status);
        let mut bytes: Vec<u8> = Vec::new();
        bytes.queue(Hide)?;
        if self.size != size {
            bytes.queue(Clear(ClearType::All))?;
            self.drawn.clear();
            self.size = size;
        }
        for (at, row) in layout.rows.iter().enumerate() {
            if self.drawn.get(at) != Some(row) {
                draw_row(&mut bytes, u16::try_from(at).unwrap_or(u16::MAX), row)?;
            }
        }
        if let Some((x, y)) = layout.cursor {
            queue!(bytes, MoveTo(x, y), Show)?;
        }
        self.drawn = layout.rows;
        out.write_all(&bytes)?;
        out.flush()
    }
}

fn draw_row(out: &mut Vec<u8>, at: u16, row: &Row) -> io::Result<()> {
    queue!(out, MoveTo(0, at), SetAttribute(Attribute::Reset))?;
    queue!(out, Clear(ClearType::UntilNewLine), Print(row.mark))?;
    let attribute = match row.ink {
        Ink::Plain => Attribute::Reset,
        Ink::Bold => Attribute::Bold,
        Ink::Dim => Attribute::Dim,
    };
    queue!(out, SetAttribute(attribute), Print(&row.text))?;
    queue!(out, SetAttribute(Attribute::Reset))
}

fn lay_out(size: (u16, u16), lines: &Lines, below: Below, status: &str) -> Layout {
    let (width, height) = (usize::from(size.0).max(4), usize::from(size.1).max(4));
    let (below, column) = match below {
        Below::Composer(composer) => composer_rows(composer, width, height / 2),
        Below::Question(question) => (question_rows(question, width), None),
    };
    let mut foot = vec![Row::new(Ink::Dim, "\u{2500}".repeat(width))];
    let last = below.len();
    foot.extend(below);
    // A question has no rule below: it and its answers are the last two rows, where a profile looks for them.
    if column.is_some() {
        foot.push(Row::new(Ink::Dim, "\u{2500}".repeat(width)));
        let mut wrapped = Vec::new();
        wrap(status, width, &mut wrapped);
        foot.push(Row::new(Ink::Dim, wrapped.swap_remove(0)));
    }
    foot.truncate(height);
    let space = height - foot.len();
    let mut rows = lines.rows(width, space);
    let filled = rows.len();
    rows.extend((filled..space).map(|_| Row::new(Ink::Plain, "")));
    rows.extend(foot);
    let cursor = column.map(|column| {
        let y = u16::try_from(space + last).unwrap_or(u16::MAX);
        (u16::try_from(column).unwrap_or(u16::MAX), y)
    });
    Layout { rows, cursor }
}

/// Returns the composer's rows and the cursor's column in the last of them.
fn composer_rows(composer: &Composer, width: usize, rows_max: usize) -> (Vec<Row>, Option<usize>) {
    const MARK: &str = "> ";
    const INDENT: &str = "  ";
    if composer.is_empty() {
        let mut row = Row::new(Ink::Dim, PLACEHOLDER);
        row.mark = MARK;
        return (vec![row], Some(MARK.len()));
    }
    // One column stays free for the cursor behind the last letter.
    let mut texts = composer.rows(width - MARK.len() - 1);
    texts.drain(..texts.len().saturating_sub(rows_max.max(1)));
    let column = MARK.len() + texts.last().map_or(0, |text| text.width());
    let row = |(at, text): (usize, String)| Row {
        mark: if at == 0 { MARK } else { INDENT },
        ink: Ink::Plain,
        text,
    };
    (
        texts.into_iter().enumerate().map(row).collect(),
        Some(column),
    )
}

fn question_rows(question: &str, width: usize) -> Vec<Row> {
    let mut wrapped = Vec::new();
    wrap(&format!("? {question}"), width, &mut wrapped);
    let question = wrapped.swap_remove(0);
    vec![
        Row::new(Ink::Bold, question),
        Row::new(Ink::Dim, "  y yes   n no"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_72_columns_stays_in_one_row_of_80() {
        let mut composer = Composer::default();
        composer.paste(&"x".repeat(72));
        let layout = lay_out((80, 24), &Lines::default(), Below::Composer(&composer), "");
        assert_eq!(layout.rows.len(), 24);
        assert_eq!(layout.rows[21].mark, "> ");
        assert_eq!(layout.cursor, Some((74, 21)));
    }

    #[test]
    fn the_last_two_rows_are_the_question() {
        let layout = lay_out(
            (80, 24),
            &Lines::default(),
            Below::Question("May I?"),
            "status",
        );
        assert_eq!(layout.rows[22].text, "? May I?");
        assert_eq!(layout.cursor, None);
    }
}
