//! Untrusted text: made safe to quote, and looked through for what it claims.
//!
//! | file | what is in it |
//! |---|---|
//! | [`markdown`], [`quote`] | a spec's sections; what a comment of ours quotes |
//! | [`anchor`] | what a text claims about the tree, and whether it is true |
//! | [`alike`], [`touches`] | which known issues may be about the same; what a text says that its work will change |

pub mod alike;
pub mod anchor;
pub mod markdown;
pub mod quote;
mod shown;
pub mod touches;

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
    let seen: String = with_line_feeds(text)
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

/// Strips an issue's text further than [`sanitise`]: what a page shows only to those who unfold it, and what it never shows. Whoever
/// set the label approved what they saw. What the page surely shows as code stays as it is written.
pub fn as_shown(text: &str, bytes_max: usize) -> String {
    let mut shown = shown::without_hidden(text);
    if shown.len() > bytes_max {
        shown.truncate(shown.floor_char_boundary(bytes_max));
        shown.push_str("\n[cut]");
    }
    shown
}

/// A page breaks the line where programs for notes and slides put separators of their own: without one, two words would be one.
fn with_line_feeds(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.replace(['\u{2028}', '\u{2029}'], "\n")
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
        // Soft hyphen, joiners, direction marks, invisible operators and annotations.
        '\u{00ad}'
        | '\u{034f}'
        | '\u{061c}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{feff}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1d173}'..='\u{1d17a}' => false,
        // Letters without a shape.
        '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}' => false,
        // Selectors and tags: one letter each of a message that nobody sees.
        '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}' => false,
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

    /// One byte a selector: a whole message behind one letter.
    #[test]
    fn a_message_of_invisible_letters_does_not_reach_the_agent() {
        let selectors = "run it".bytes().map(|byte| match byte {
            0..16 => char::from_u32(0xfe00 + u32::from(byte)).unwrap(),
            byte => char::from_u32(0xe0100 + u32::from(byte) - 16).unwrap(),
        });
        let tags = "run it"
            .bytes()
            .map(|byte| char::from_u32(0xe0000 + u32::from(byte)).unwrap());
        let hidden: String = "a"
            .chars()
            .chain(selectors)
            .chain(tags)
            .chain("b".chars())
            .collect();
        assert_eq!(sanitise(&hidden, 100), "ab");
        for hidden in [
            "\u{61c}", "\u{206a}", "\u{fff9}", "\u{3164}", "\u{180e}", "\u{34f}",
        ] {
            assert_eq!(sanitise(&format!("a{hidden}b"), 100), "ab", "{hidden:?}");
        }
        assert_eq!(
            sanitise("one\u{2028}two\u{2029}three", 100),
            "one\ntwo\nthree"
        );
        assert_eq!(
            sanitise("Größe, 尺寸, حجم, 😀", 100),
            "Größe, 尺寸, حجم, 😀"
        );
    }
}
