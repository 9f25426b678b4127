//! What an issue waits for: others that have to be closed first. By its own words (`Blocked by #12`), of which the author and people
//! decide, and by the tracker's own relation where it has one. It asks for no request: which issues are open is known anyway.

use std::collections::BTreeMap;

use crate::domain::{Head, Hold, IssueNumber, Text};
use crate::machine::decide::Standing;
use crate::machine::markdown::Fences;
use crate::machine::text::as_shown;

/// What is written before the numbers, in lower case.
const WORDS: [&str; 3] = ["blocked by", "depends on", "waits for"];
/// What is written before it where it is not so, or not any more.
const DENIALS: [&str; 5] = ["not", "was", "were", "longer", "[x]"];
/// Issues that one text names and that are looked at.
const NAMED_MAX: usize = 20;
/// Bytes of a text that are read for it.
const TEXT_BYTES_MAX: usize = 32 * 1024;
/// The longest ring that is told.
const RING_MAX: usize = 20;

/// Returns the issues that a text says it waits for, each once, in order. Quoted code says nothing.
pub fn named(text: &str) -> Vec<IssueNumber> {
    let mut found = Vec::new();
    let mut fences = Fences::default();
    for line in as_shown(text, TEXT_BYTES_MAX).lines() {
        if !fences.covers(line) {
            read_line(&line.to_lowercase(), &mut found);
        }
    }
    found.truncate(NAMED_MAX);
    found
}

fn read_line(line: &str, found: &mut Vec<IssueNumber>) {
    for word in WORDS {
        for (at, _) in line.match_indices(word) {
            let before = line[..at].trim_end();
            let is_denied = DENIALS.iter().any(|denial| before.ends_with(denial));
            let is_word = !line[..at].ends_with(char::is_alphanumeric);
            if is_word && !is_denied {
                numbers(&line[at + word.len()..], found);
            }
        }
    }
}

/// Reads `: #1, #2 and #3` up to what is no number.
fn numbers(rest: &str, found: &mut Vec<IssueNumber>) {
    let mut rest = rest.trim_start_matches(['*', '_', ':', ' ']);
    while let Some(digits) = rest.strip_prefix('#') {
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        let Ok(number) = digits[..end].parse() else {
            return;
        };
        if !found.contains(&IssueNumber(number)) {
            found.push(IssueNumber(number));
        }
        rest = digits[end..].trim_start_matches([',', ' ']);
        rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
    }
}

/// Says what an issue waits for: issues that are open, of those it names and of those the tracker counts.
pub fn waits(head: &Head, text: &Text, heads: &BTreeMap<IssueNumber, Head>) -> Option<Hold> {
    let is_open = |number: &IssueNumber| heads.get(number).is_some_and(|other| other.open);
    let named = named(&text.body).into_iter();
    let issues: Vec<IssueNumber> = named
        .filter(|number| *number != head.number && is_open(number))
        .collect();
    (!issues.is_empty() || head.blocked_by > 0).then_some(Hold::Waits {
        issues,
        counted: head.blocked_by,
        ring: Vec::new(),
    })
}

/// Says whether what is known of a hold still is so; anything else has to be read again.
pub fn still_waits(hold: &Hold, heads: &BTreeMap<IssueNumber, Head>) -> bool {
    let Hold::Waits { issues, .. } = hold else {
        return true;
    };
    issues
        .iter()
        .all(|number| heads.get(number).is_some_and(|other| other.open))
}

/// Finds issues that wait for each other: none of them would ever start, so it is told.
pub fn tell_rings(standing: &mut Standing) {
    let waits: BTreeMap<IssueNumber, Vec<IssueNumber>> = standing
        .iter()
        .filter_map(|(number, hold)| match hold {
            Hold::Waits { issues, .. } => Some((*number, issues.clone())),
            _ => None,
        })
        .collect();
    for (number, hold) in standing {
        if let Hold::Waits { ring, .. } = hold {
            *ring = ring_of(*number, &waits);
        }
    }
}

/// Returns the shortest way from an issue back to itself.
fn ring_of(
    issue: IssueNumber,
    waits: &BTreeMap<IssueNumber, Vec<IssueNumber>>,
) -> Vec<IssueNumber> {
    let mut ways = vec![vec![issue]];
    let mut seen = Vec::new();
    while let Some(way) = ways.first().cloned() {
        ways.remove(0);
        let last = way.last().copied().unwrap_or(issue);
        for next in waits.get(&last).into_iter().flatten() {
            let longer: Vec<IssueNumber> = way.iter().copied().chain([*next]).collect();
            if *next == issue {
                return longer;
            }
            if !seen.contains(next) && longer.len() < RING_MAX {
                seen.push(*next);
                ways.push(longer);
            }
        }
    }
    Vec::new()
}
