//! What an issue's text says that it waits for: "blocked by #12", "depends on #12, #14 and owner/name#15".
//!
//! Anybody may write it: it holds only the issue that it stands in.

use std::collections::BTreeSet;

use crate::domain::{Elsewhere, IssueNumber};
use crate::machine::text::as_shown;
use crate::machine::text::markdown::Fences;

/// What people write before the numbers.
const PHRASES: [&str; 2] = ["blocked by", "depends on"];
/// With one of these among the last two words before it, it says the contrary, or nothing for certain.
const NEGATIONS: [&str; 17] = [
    "not",
    "never",
    "longer",
    "no",
    "nothing",
    "isn't",
    "aren't",
    "doesn't",
    "don't",
    "won't",
    "wasn't",
    "was",
    "were",
    "previously",
    "formerly",
    "if",
    "unless",
];
/// Numbers taken from one text: nobody waits for more, and the rest of a hostile one is left alone.
const NUMBERS_MAX: usize = 50;
/// Bytes of a text that are read for it: GitHub's longest (65,536 characters) is said in fewer.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// The issues that a text names so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Named {
    /// Of the same repository.
    pub(super) here: BTreeSet<IssueNumber>,
    /// Of others.
    pub(super) elsewhere: BTreeSet<Elsewhere>,
}

impl Named {
    fn is_full(&self) -> bool {
        self.here.len() + self.elsewhere.len() >= NUMBERS_MAX
    }
}

/// Returns the issues that a text names so where people see it, code and quotations left out. `own`: the repository itself, `owner/name`.
pub(super) fn named(text: &str, own: Option<&str>) -> Named {
    let mut found = Named::default();
    let mut fences = Fences::default();
    for line in as_shown(text, TEXT_BYTES_MAX).lines() {
        let bare = line.trim_start();
        // A ticked box is settled, whatever it says.
        let is_done = bare
            .get(1..5)
            .is_some_and(|tick| tick.eq_ignore_ascii_case(" [x]"));
        if fences.covers(line) || bare.starts_with('>') || is_done {
            continue;
        }
        for phrase in PHRASES {
            in_line(line, phrase, &mut found);
        }
    }
    let own = own.map(str::to_ascii_lowercase);
    let is_own = |other: &Elsewhere| own.as_ref() == Some(&other.repo);
    let (ours, others) = found.elsewhere.into_iter().partition(is_own);
    let ours: BTreeSet<Elsewhere> = ours;
    found
        .here
        .extend(ours.into_iter().map(|other| other.number));
    found.elsewhere = others;
    found
}

fn in_line(line: &str, phrase: &str, found: &mut Named) {
    // Lower case of ASCII alone keeps every place in the line where it is.
    let lower = line.to_ascii_lowercase();
    for (at, _) in lower.match_indices(phrase) {
        let before = &lower[..at];
        let is_a_word = !before.ends_with(|c: char| c.is_alphanumeric() || c == '`');
        let is_open = |mark: &str| before.matches(mark).count() % 2 == 1;
        if is_a_word && !is_open("`") && !is_open("~~") && !is_denied(before) {
            numbers(&lower[at + phrase.len()..], found);
        }
    }
}

/// Whether the words before a phrase turn it round, or tell it of another issue: "#14 is blocked by #12".
fn is_denied(before: &str) -> bool {
    let clause = before.rsplit(['.', ',', ';', ':', '!', '?', '(', '\u{2013}', '\u{2014}']);
    let clause = clause.map(|clause| clause.rsplit(" - ").next().unwrap_or(clause));
    let clause = clause.take(1).collect::<String>().replace('\u{2019}', "'");
    let mut words = clause.split_whitespace().rev();
    let (last, other) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
    let is_issue = |word: &str| {
        let number = word.strip_prefix('#').unwrap_or("");
        !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
    };
    let is_anothers = is_issue(last) || (is_issue(other) && matches!(last, "is" | "are"));
    is_anothers || NEGATIONS.iter().any(|word| [last, other].contains(word))
}

/// Takes `#1, owner/name#2 and #3` from the beginning of a text.
fn numbers(text: &str, found: &mut Named) {
    let mut rest = text;
    while !found.is_full() {
        rest = rest.trim_start_matches([' ', '\t', ':', ',', '&', '*', '_']);
        rest = rest.strip_prefix("and ").unwrap_or(rest).trim_start();
        let Some((repo, behind)) = repository(rest) else {
            return;
        };
        let end = behind
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(behind.len());
        let Ok(number) = behind[..end].parse() else {
            return;
        };
        let number = IssueNumber(number);
        match repo {
            Some(repo) => found.elsewhere.insert(Elsewhere { repo, number }),
            None => found.here.insert(number),
        };
        rest = &behind[end..];
    }
}

/// Parts what stands before the digits of an issue: nothing, `owner/name`, or an address of GitHub's.
fn repository(text: &str) -> Option<(Option<String>, &str)> {
    if let Some(behind) = text.strip_prefix('#') {
        return Some((None, behind));
    }
    let text = text.strip_prefix('<').unwrap_or(text);
    let (text, is_address) = match text.strip_prefix("https://github.com/") {
        Some(path) => (path, true),
        None => (text, false),
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let (owner, rest) = text.split_once('/')?;
    let end = rest.find(|c: char| !allowed(c))?;
    let (name, rest) = rest.split_at(end);
    let behind = rest.strip_prefix(if is_address { "/issues/" } else { "#" })?;
    let is_name = |part: &str| (1..=100).contains(&part.len()) && part.chars().all(allowed);
    (is_name(owner) && is_name(name)).then(|| (Some(format!("{owner}/{name}")), behind))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(text: &str) -> Vec<u64> {
        let here = named(text, Some("Me/Blog")).here;
        here.into_iter().map(|number| number.0).collect()
    }

    fn elsewhere(text: &str) -> Vec<String> {
        let others = named(text, Some("Me/Blog")).elsewhere;
        others.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn issues_of_other_repositories_are_told_from_our_own() {
        assert_eq!(
            elsewhere("blocked by Owner/Repo.js#12"),
            ["owner/repo.js#12"]
        );
        let text = "Depends on #3, me/shop#4 and https://github.com/me/api/issues/5.";
        assert_eq!(elsewhere(text), ["me/api#5", "me/shop#4"]);
        assert_eq!(said(text), [3]);
        assert_eq!(said("blocked by ME/blog#7, #8"), [7, 8], "it is our own");
        for none in [
            "blocked by owner/repo",
            "blocked by owner/re po#1",
            "blocked by a/b/c#1",
            "blocked by /b#1",
            "blocked by a/#1",
            "blocked by ../../b#1",
            "blocked by https://github.com/me/api/pull/5",
            "blocked by https://evil.test/me/api/issues/5",
            "not blocked by a/b#1",
            "- [x] blocked by a/b#1",
            "`blocked by a/b#1`",
        ] {
            assert_eq!(elsewhere(none), [""; 0], "{none}");
        }
    }

    #[test]
    fn what_a_text_waits_for_is_read_as_people_write_it() {
        assert_eq!(said("Blocked by #12"), [12]);
        assert_eq!(said("This is blocked by #12."), [12]);
        assert_eq!(said("- **Depends on:** #12, #14 and #15"), [12, 14, 15]);
        assert_eq!(said("a\r\nblocked by: #3\r\nDEPENDS ON #4"), [3, 4]);
        assert_eq!(said("blocked by #3 (see #9)"), [3], "a mention is none");
        assert_eq!(said("Not ready: blocked by #3"), [3]);
        assert_eq!(said("Do not start (blocked by #3)"), [3]);
        assert_eq!(said("Part of #9 - depends on #3"), [3]);
        assert_eq!(said("- [ ] blocked by #3"), [3]);
        assert_eq!(said("the `x` of #9, blocked by #3"), [3]);
    }

    #[test]
    fn what_says_something_else_is_not_taken_for_it() {
        for text in [
            "",
            "#12",
            "unblocked by #12",
            "it is no longer blocked by #12",
            "not blocked by #12",
            "was blocked by #12",
            "it isn't currently blocked by #12",
            "it isn\u{2019}t blocked by #12",
            "was previously blocked by #12",
            "nothing here depends on #12",
            "if blocked by #12, say so",
            "#14 depends on #12",
            "#14 is blocked by #12",
            "~~blocked by #12~~",
            "- [x] Blocked by #12",
            "write `it is blocked by #12`",
            "blocked by the weather",
            "> blocked by #12",
            "<!-- for example: blocked by #12 -->",
            "```\nblocked by #12\n```",
            "write `blocked by #12`",
            "blocked by #",
            "blocked by #99999999999999999999999",
        ] {
            assert_eq!(said(text), [0_u64; 0], "{text}");
        }
    }

    #[test]
    fn a_hostile_text_names_no_more_than_fifty() {
        let text: Vec<String> = (1..10_000).map(|n| format!("#{n}")).collect();
        let found = named(&format!("blocked by {}", text.join(", ")), None);
        assert_eq!(found.here.len(), NUMBERS_MAX);
        let found = named(&format!("blocked by a/b{}", text.join(", a/b")), None);
        assert_eq!(found.elsewhere.len(), NUMBERS_MAX);
    }

    proptest! {
        #[test]
        fn of_any_text_only_what_it_names_is_taken(text in "[ \\PC\n#0-9]{0,80}", middle in "blocked by|DEPENDS ON|") {
            let text = format!("{text}{middle}{text}");
            for number in named(&text, None).here {
                prop_assert!(text.contains(&number.0.to_string()), "{number} of {text:?}");
            }
        }
    }
}
