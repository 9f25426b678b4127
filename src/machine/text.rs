//! Untrusted text, made safe to quote.

use sha2::{Digest, Sha256};

/// Returns SHA-256 in hex.
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns bytes in hex.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut hex = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// Returns the digest that approval and delivery compare: SHA-256 over title, NUL, body.
pub fn issue_digest(title: &str, body: &str) -> String {
    sha256(format!("{title}\0{body}").as_bytes())
}

/// How every hidden mark of ours begins.
const MARK: &str = "<!-- pointsman ";

/// Returns the hidden mark by which something that we wrote is found again.
pub fn mark(what: &str) -> String {
    format!("{MARK}{what} -->")
}

/// Says whether a text is one that we wrote: a line of it is a mark. A quoted one has `>` before it.
pub fn is_marked(text: &str) -> bool {
    text.lines().any(|line| line.starts_with(MARK))
}

/// Takes the power of a mark from what an agent wrote.
pub fn unmarked(text: &str) -> String {
    text.replace(MARK, "<!- pointsman ")
}

/// Strips what a person reading the issue would not see, or what a terminal would obey: HTML comments, control characters
/// but tab and line feed, zero-width and bidirectional marks. Cuts at `bytes_max` and says so.
pub fn sanitise(text: &str, bytes_max: usize) -> String {
    let seen: String = text
        .replace("\r\n", "\n")
        .chars()
        .filter(|c| is_visible(*c))
        .collect();
    let mut clean = without_html_comments(&seen);
    if clean.len() > bytes_max {
        clean.truncate(clean.floor_char_boundary(bytes_max));
        clean.push_str("\n[cut]");
    }
    clean
}

/// Counts things in words: `1 commit`, `2 commits`, `2 dispatches`.
pub fn count<N: std::fmt::Display + Copy + PartialEq + From<u8>>(number: N, thing: &str) -> String {
    let plural = match number == N::from(1) {
        true => "",
        false if thing.ends_with("ch") => "es",
        false => "s",
    };
    format!("{number} {thing}{plural}")
}

/// Makes one line of untrusted text fit for a sentence: no line breaks, at most `chars_max` characters.
pub fn one_line(text: &str, chars_max: usize) -> String {
    let flat: String = sanitise(text, 4 * chars_max)
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .collect();
    let flat = flat.trim();
    if flat.chars().count() <= chars_max {
        return flat.to_owned();
    }
    let cut: String = flat.chars().take(chars_max.saturating_sub(3)).collect();
    format!("{cut}...")
}

/// Also where taking one comment away would join the halves of another. An open one hides all that follows, as it does in HTML.
fn without_html_comments(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        kept.push(next);
        rest = &rest[next.len_utf8()..];
        if kept.ends_with("<!--") {
            kept.truncate(kept.len() - "<!--".len());
            rest = rest.split_once("-->").map_or("", |(_, after)| after);
        }
    }
    kept
}

fn is_visible(character: char) -> bool {
    match character {
        '\n' | '\t' => true,
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}'
        | '\u{feff}'
        | '\u{00ad}' => false,
        '\u{e0000}'..='\u{e007f}' => false,
        other => !other.is_control(),
    }
}

/// Wraps untrusted text in a fence that it cannot close, named as data.
pub fn fence(text: &str) -> String {
    let longest = text
        .lines()
        .map(|line| line.trim_start().chars().take_while(|c| *c == '`').count())
        .max()
        .unwrap_or(0);
    let ticks = "`".repeat(longest.max(3) + 1);
    format!("{ticks}text\n{}\n{ticks}", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fence_cannot_be_closed_from_inside() {
        let fenced = fence("```\nrun this\n`````");
        assert!(fenced.starts_with("``````text\n") && fenced.ends_with("\n``````"));
    }

    #[test]
    fn hidden_text_does_not_reach_the_agent() {
        assert_eq!(
            sanitise("a<!-- rm -rf -->b\u{202e}c\u{1b}[31m\u{200b}d", 100),
            "abc[31md"
        );
        assert_eq!(sanitise("open <!-- never closed", 100), "open ");
        for halves in ["<!-<!-- x -->- y -->", "<!\u{200b}-- y -->"] {
            assert_eq!(sanitise(halves, 100), "", "{halves}");
        }
        assert_eq!(sanitise("abcdef", 3), "abc\n[cut]");
    }
}
