//! Regular expressions for the server: POSIX extended, from plain texts and from a profile's rules.

/// Escapes a plain text for an extended regular expression.
pub(super) fn literal(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if r"\.[]{}()*+?^$|".contains(letter) {
            out.push('\\');
        }
        out.push(letter);
    }
    out
}

/// Translates a rule's pattern into what both the server and [`regex`] read alike, or `None` if it cannot be said there.
pub(super) fn translate(pattern: &str) -> Option<String> {
    let letters: Vec<char> = pattern.chars().collect();
    let mut out = String::with_capacity(pattern.len() + 8);
    let mut at = 0;
    while at < letters.len() {
        let letter = letters[at];
        at += match letter {
            '\\' => escape(*letters.get(at + 1)?, &mut out)?,
            '(' if letters.get(at + 1) == Some(&'?') => group(&letters[at..], &mut out)?,
            '[' => class(&letters[at..], &mut out)?,
            '*' | '+' | '?' | '}' => {
                out.push(letter);
                // A lazy mark changes what is captured, not whether it matches.
                if letters.get(at + 1) == Some(&'?') {
                    2
                } else {
                    1
                }
            }
            '\n' => return None,
            other => {
                out.push(other);
                1
            }
        };
    }
    Some(out)
}

/// Translates `\x`; returns the letters it took.
fn escape(letter: char, out: &mut String) -> Option<usize> {
    match letter {
        'd' => out.push_str("[0-9]"),
        'D' => out.push_str("[^0-9]"),
        's' => out.push_str("[[:space:]]"),
        'S' => out.push_str("[^[:space:]]"),
        'w' => out.push_str("[[:alnum:]_]"),
        'W' => out.push_str("[^[:alnum:]_]"),
        'b' => {}
        other if other.is_ascii_punctuation() => {
            out.push('\\');
            out.push(other);
        }
        _ => return None,
    }
    Some(2)
}

/// Translates `(?:` and drops `(?i)`-like marks (the search ignores case and goes row by row anyway); returns the letters it took.
fn group(letters: &[char], out: &mut String) -> Option<usize> {
    if letters.get(2) == Some(&':') {
        out.push('(');
        return Some(3);
    }
    let end = letters.iter().position(|&letter| letter == ')')?;
    letters[2..end]
        .iter()
        .all(|mark| "imsux".contains(*mark))
        .then_some(end + 1)
}

/// Copies a bracket expression that means the same in both; returns the letters it took.
fn class(letters: &[char], out: &mut String) -> Option<usize> {
    let mut at = 1;
    out.push('[');
    if letters.get(at) == Some(&'^') {
        out.push('^');
        at += 1;
    }
    loop {
        match *letters.get(at)? {
            ']' => {
                out.push(']');
                return Some(at + 1);
            }
            '[' | '&' | '~' => return None,
            '\\' => {
                match *letters.get(at + 1)? {
                    'd' => out.push_str("0-9"),
                    's' => out.push_str("[:space:]"),
                    'w' => out.push_str("[:alnum:]_"),
                    mark @ ('.' | '/' | '(' | ')' | '|' | '*' | '+' | '?' | '$' | '{' | '}'
                    | '!' | ':') => out.push(mark),
                    _ => return None,
                }
                at += 2;
            }
            other => {
                out.push(other);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{literal, translate};

    #[test]
    fn a_pattern_is_said_in_the_servers_words_or_not_at_all() {
        let cases = [
            (r"(?i)esc to cancel", Some("esc to cancel")),
            (r"^\s*❯ \d+\. Yes", Some(r"^[[:space:]]*❯ [0-9]+\. Yes")),
            (r"(?:to|or) select.*?$", Some(r"(to|or) select.*$")),
            (r"[\d.]+ left", Some("[0-9.]+ left")),
            (r"\p{Braille}", None),
            (r"(?P<n>x)", None),
        ];
        for (pattern, wanted) in cases {
            assert_eq!(translate(pattern).as_deref(), wanted, "{pattern}");
        }
        assert_eq!(literal("a.b: {c}"), r"a\.b: \{c\}");
    }
}
