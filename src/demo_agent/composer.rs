//! The text that is being written: typed letter by letter or pasted whole.

use unicode_width::UnicodeWidthChar;

/// The longest text that can be written, in bytes. What would exceed it is not taken, and it is said.
pub(super) const COMPOSER_BYTES_MAX: usize = 256 << 10;

/// The composer's text. The cursor is always at its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Composer {
    text: String,
}

impl Composer {
    /// Returns whether nothing is written.
    pub(super) fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Adds a typed letter; returns whether there was room.
    pub(super) fn type_letter(&mut self, letter: char) -> bool {
        let fits = self.text.len() + letter.len_utf8() <= COMPOSER_BYTES_MAX;
        if fits {
            self.text.push(letter);
        }
        fits
    }

    /// Adds a paste, in which a line's end is text; returns whether there was room.
    pub(super) fn paste(&mut self, pasted: &str) -> bool {
        // A terminal sends a pasted line's end as carriage return.
        let pasted = pasted.replace("\r\n", "\n").replace('\r', "\n");
        let fits = self.text.len() + pasted.len() <= COMPOSER_BYTES_MAX;
        if fits {
            self.text.push_str(&pasted);
        }
        fits
    }

    /// Removes the last letter.
    pub(super) fn erase(&mut self) {
        self.text.pop();
    }

    /// Removes the last word.
    pub(super) fn erase_word(&mut self) {
        let kept = self.text.trim_end();
        let kept = kept.rfind(char::is_whitespace).map_or(0, |at| at + 1);
        self.text.truncate(kept);
    }

    /// Removes everything.
    pub(super) fn clear(&mut self) {
        self.text.clear();
    }

    /// Takes the text, byte for byte; `None` if there is nothing but blanks.
    pub(super) fn submit(&mut self) -> Option<String> {
        if self.text.trim().is_empty() {
            return None;
        }
        Some(std::mem::take(&mut self.text))
    }

    /// Returns the text in rows of at most `width` columns; the last may be empty, for the cursor.
    pub(super) fn rows(&self, width: usize) -> Vec<String> {
        let mut rows = Vec::new();
        for line in self.text.split('\n') {
            wrap(line, width, &mut rows);
        }
        rows
    }
}

/// Appends one line in rows of at most `width` columns. What a terminal would obey is shown as a blank.
pub(super) fn wrap(line: &str, width: usize, rows: &mut Vec<String>) {
    let width = width.max(2);
    let mut row = String::new();
    let mut columns = 0;
    for letter in line.chars() {
        let letter = if letter.is_control() { ' ' } else { letter };
        let needed = letter.width().unwrap_or(0);
        if columns + needed > width {
            rows.push(std::mem::take(&mut row));
            columns = 0;
        }
        row.push(letter);
        columns += needed;
    }
    rows.push(row);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_line_end_is_text() {
        let mut composer = Composer::default();
        assert!(composer.paste("one\rtwo\r\nthree\n"));
        assert_eq!(composer.submit().as_deref(), Some("one\ntwo\nthree\n"));
        assert!(composer.is_empty());
    }

    #[test]
    fn nothing_but_blanks_is_not_submitted() {
        let mut composer = Composer::default();
        assert!(composer.paste("\r"));
        assert_eq!(composer.submit(), None);
    }

    #[test]
    fn a_wide_letter_does_not_cross_the_edge() {
        let mut composer = Composer::default();
        composer.paste("ab日本");
        assert_eq!(composer.rows(3), ["ab", "日", "本"]);
    }
}
