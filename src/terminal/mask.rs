//! A screen as a file that may be shown to others: with the attributes that rules read, and without what is a person's.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::screen::{Capture, Look, Row};
use crate::machine::telling::brief::SECRET_CHARS_MIN;

/// Letters of a word that is taken for a key: ids of commits have 40, most tokens more, words of a screen fewer.
const KEY_CHARS_MIN: usize = 24;

/// Paths of two names and more, what follows `~/`, addresses of mail and of the web.
static PRIVATE: LazyLock<Regex> = LazyLock::new(|| {
    let path = r"(?:~|\.{1,2})?(?:/[\w.@%+-]+){2,}/?|~/[\w.@%+-]+";
    let mail = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+";
    let web = r"\b[a-z]+://[^\s│┃|]+";
    Regex::new(&format!("{web}|{mail}|{path}")).expect("a pattern of ours")
});
static LONG: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!("[A-Za-z0-9_-]{{{KEY_CHARS_MIN},}}")).expect("a pattern of ours")
});

/// A dispatch with its report secret (`machine::telling::brief`), as it stands in a brief and in each report's command line.
static REPORT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(&format!(
        "([a-z0-9]{{4,}}\\.)[A-Za-z0-9_-]{{{SECRET_CHARS_MIN},}}"
    ))
    .expect("a pattern of ours")
});

/// Returns an agent's words without report secrets and keys: they are shown, kept and told to other programs.
pub(super) fn without_keys(words: &str) -> String {
    let words = REPORT.replace_all(words, "${1}[secret]");
    let mask = |found: &Captures<'_>| {
        let found = &found[0];
        let kind = if is_key(found) { "[key]" } else { found };
        kind.to_owned()
    };
    LONG.replace_all(&words, mask).into_owned()
}

/// Returns whether a long word is a key, and no name.
fn is_key(word: &str) -> bool {
    let has = |kind: fn(&u8) -> bool| word.bytes().any(|byte| kind(&byte));
    has(u8::is_ascii_digit) && has(u8::is_ascii_alphabetic)
}

/// Puts an `x` for every letter and digit of paths, addresses, keys and `words`, whatever their case. The length stays, so that
/// whatever stands right of it stays where it was.
pub fn masked(text: &str, words: &[String]) -> String {
    let mut spans: Vec<(usize, usize)> = Vec::new();
    spans.extend(
        PRIVATE
            .find_iter(text)
            .map(|found| (found.start(), found.end())),
    );
    let keys = LONG.find_iter(text).filter(|found| is_key(found.as_str()));
    spans.extend(keys.map(|found| (found.start(), found.end())));
    for word in words.iter().filter(|word| !word.is_empty()) {
        let whole = Regex::new(&format!(r"(?i)\b{}\b", regex::escape(word)));
        let found = whole.iter().flat_map(|pattern| pattern.find_iter(text));
        spans.extend(found.map(|found| (found.start(), found.end())));
    }
    let is_private = |at: usize| {
        spans
            .iter()
            .any(|(start, end)| (*start..*end).contains(&at))
    };
    text.char_indices()
        .map(|(at, letter)| {
            if letter.is_alphanumeric() && is_private(at) {
                'x'
            } else {
                letter
            }
        })
        .collect()
}

impl Capture {
    /// Returns the screen without what is a person's: see [`masked`].
    #[must_use]
    pub fn masked(&self, words: &[String]) -> Self {
        let row = |row: &Row| Row {
            text: masked(&row.text, words),
            looks: row.looks.clone(),
        };
        Self {
            rows: self.rows.iter().map(row).collect(),
        }
    }

    /// Prints the screen as `capture-pane -p -e` does, with those attributes that rules read: [`Capture::parse`] reads the same again.
    pub fn printed(&self) -> String {
        self.rows.iter().map(|row| row.printed() + "\n").collect()
    }
}

impl Row {
    fn printed(&self) -> String {
        let (mut printed, mut drawn) = (String::new(), Look::default());
        let ends = std::iter::once((None, Look::default()));
        for (letter, look) in
            (self.text.chars().map(Some).zip(self.looks.iter().copied())).chain(ends)
        {
            if look != drawn {
                printed.push_str("\u{1b}[0");
                printed.push_str(if look.dim { ";2" } else { "" });
                printed.push_str(if look.reverse { ";7m" } else { "m" });
                drawn = look;
            }
            printed.extend(letter);
        }
        printed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_state_carry_no_secret_and_no_key() {
        let secret = "kq7mkq7mkq7mkq7mkq7mkq7m";
        for (words, wanted) in [
            (
                format!("Bash: pointsman report done --key=fmrb2k8s.{secret} --say ok"),
                "Bash: pointsman report done --key=fmrb2k8s.[secret] --say ok",
            ),
            (
                "Bash: API_KEY=sk-ant-0123456789abcdefghij make".to_owned(),
                "Bash: API_KEY=[key] make",
            ),
            (
                "Which of a-long-name-without-digits and v1.2.3?".to_owned(),
                "Which of a-long-name-without-digits and v1.2.3?",
            ),
            ("Read: src/lib.rs".to_owned(), "Read: src/lib.rs"),
        ] {
            assert_eq!(without_keys(&words), wanted);
        }
    }
}
