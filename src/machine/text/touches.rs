//! What a text says that its work will change, `touches: src/auth/**, tests/auth.rs`, and whether two of these meet.
//!
//! A path names a file, or a folder with all that is below it. `*` and `?` stay within a name, `**` stands for any number of
//! folders; everything else is meant as it is written, for file names have brackets and braces too.

use std::collections::BTreeSet;

use crate::machine::text::as_shown;
use crate::machine::text::markdown::Fences;

/// Paths taken from one text: nobody names more, and the rest of a hostile one is left alone.
const PATHS_MAX: usize = 50;
/// The longest path that is taken, in bytes.
const PATH_BYTES_MAX: usize = 200;
/// Bytes of a text that are read for it: GitHub's longest (65,536 characters) is said in fewer.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// Returns the paths that a text declares where people see it, code and quotations left out.
pub fn declared(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut fences = Fences::default();
    for line in as_shown(text, TEXT_BYTES_MAX).lines() {
        if fences.covers(line) {
            continue;
        }
        for word in named(line).unwrap_or_default().split([' ', '\t', ',', ';']) {
            if let Some(path) = path(word).filter(|_| found.len() < PATHS_MAX) {
                found.insert(path);
            }
        }
    }
    found
}

/// Returns what stands behind `touches:` in a line that begins with it, as prose or as an item of a list.
fn named(line: &str) -> Option<&str> {
    let line = line.trim_start_matches([' ', '\t', '-', '*', '+', '_']);
    let (word, rest) = line.split_at_checked("touches".len())?;
    let rest = rest.trim_start_matches(['*', '_', ' ']).strip_prefix(':')?;
    word.eq_ignore_ascii_case("touches")
        .then(|| rest.trim_start_matches("**").trim_start_matches("__"))
}

/// Reads one path from the tree's root; a word of prose is none, and what leaves the tree is none of its paths.
fn path(word: &str) -> Option<String> {
    let bare = word.trim_matches(['`', '"', '\'']);
    let bare = bare.strip_suffix('.').unwrap_or(bare);
    let bare = bare.trim_matches(['`', '"', '\'']);
    let is_quoted = word.contains('`');
    if !is_quoted && !bare.contains(['/', '.', '*']) {
        return None;
    }
    let bare = bare.strip_prefix("./").unwrap_or(bare);
    let bare = bare.strip_suffix('/').unwrap_or(bare);
    let inside = |part: &str| !part.is_empty() && part != "." && part != "..";
    let fits = !bare.is_empty() && bare.len() <= PATH_BYTES_MAX;
    let plain = !bare.contains(|c: char| c.is_control() || "\\:`".contains(c));
    (fits && plain && bare.split('/').all(inside)).then(|| bare.to_owned())
}

/// Returns whether there can be a file that both name. Upper and lower case are one: on some file systems they are.
pub fn meet(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(str::to_lowercase);
    let [one, other] = [&one, &other].map(|path| path.split('/').collect::<Vec<_>>());
    Meeting {
        one: &one,
        other: &other,
        any: |part| *part == "**",
        alike: |left, right| names_meet(left, right),
        is_over: |rest, whole, theirs| {
            // What is named like a file is no folder for whatever `**` may stand for.
            let is_folder = |last: &&str| {
                let is_file = theirs.contains(&"**") && is_named_like_a_file(last);
                !is_wild(last) && !is_file
            };
            rest.is_empty() && whole.last().is_none_or(is_folder)
        },
    }
    .holds()
}

fn is_named_like_a_file(name: &str) -> bool {
    name.trim_start_matches('.').contains('.')
}

fn is_wild(name: &str) -> bool {
    name.contains(['*', '?'])
}

/// Returns whether one name can be both.
fn names_meet(one: &str, other: &str) -> bool {
    let [one, other] = [one, other].map(|name| name.chars().collect::<Vec<_>>());
    Meeting {
        one: &one,
        other: &other,
        any: |mark| *mark == '*',
        alike: |left, right| left == right || *left == '?' || *right == '?',
        is_over: |_, _, _| false,
    }
    .holds()
}

/// Two patterns, part by part.
struct Meeting<'a, T> {
    one: &'a [T],
    other: &'a [T],
    /// Whether a part stands for any number of parts.
    any: fn(&T) -> bool,
    /// Whether two parts can be the same.
    alike: fn(&T, &T) -> bool,
    /// Whether a pattern, of which that much is left, covers whatever is left of the other one: what is left, the whole, the other.
    is_over: fn(&[T], &[T], &[T]) -> bool,
}

impl<T> Meeting<'_, T> {
    /// Fills the table of all pairs of rests from their ends: its cost is the product of the lengths, however many marks there are.
    fn holds(&self) -> bool {
        let (one, other) = (self.one, self.other);
        let mut below = vec![false; other.len() + 1];
        for at in (0..=one.len()).rev() {
            let mut row = vec![false; other.len() + 1];
            for beside in (0..=other.len()).rev() {
                let (left, right) = (&one[at..], &other[beside..]);
                row[beside] = (self.is_over)(left, one, other)
                    || (self.is_over)(right, other, one)
                    || match (left.first(), right.first()) {
                        (None, None) => true,
                        (Some(part), None) => (self.any)(part) && below[beside],
                        (None, Some(part)) => (self.any)(part) && row[beside + 1],
                        (Some(part), Some(with)) if (self.any)(part) || (self.any)(with) => {
                            below[beside] || row[beside + 1]
                        }
                        (Some(part), Some(with)) => below[beside + 1] && (self.alike)(part, with),
                    };
            }
            below = row;
        }
        below[0]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn said(text: &str) -> Vec<String> {
        declared(text).into_iter().collect()
    }

    #[test]
    fn what_a_text_touches_is_read_as_people_write_it() {
        assert_eq!(said("touches: src/auth/**"), ["src/auth/**"]);
        assert_eq!(
            said("Rename it.\r\n\r\n- **Touches:** `src/auth/`, tests/auth.rs and `Makefile`."),
            ["Makefile", "src/auth", "tests/auth.rs"]
        );
        assert_eq!(
            said("TOUCHES: ./a.rs; b/*.rs\ntouches: c/d"),
            ["a.rs", "b/*.rs", "c/d"]
        );
        assert_eq!(said("__touches__: a/b"), ["a/b"]);
        assert_eq!(said("touches: **/auth/*"), ["**/auth/*"]);
    }

    #[test]
    fn what_says_something_else_or_leaves_the_tree_is_not_taken_for_it() {
        for text in [
            "",
            "it touches: src/auth.rs",
            "touches src/auth.rs",
            "touches: the login page",
            "touches: ../../.ssh/id_rsa, /etc/passwd, a/../b, a//b",
            "touches: https://example.com/a.rs, c:\\a.rs",
            "> touches: src/auth.rs",
            "`touches: src/auth.rs`",
            "<!-- touches: src/auth.rs -->",
            "```\ntouches: src/auth.rs\n```",
        ] {
            assert_eq!(said(text), [""; 0], "{text}");
        }
        let many: Vec<String> = (0..10_000).map(|n| format!("a/{n}")).collect();
        let found = declared(&format!("touches: {}", many.join(" ")));
        assert_eq!(found.len(), PATHS_MAX);
    }

    #[test]
    fn two_paths_meet_if_one_file_can_be_both() {
        for (one, other) in [
            ("src/auth.rs", "src/auth.rs"),
            ("src/auth.rs", "SRC/Auth.rs"),
            ("src/auth", "src/auth/login.rs"),
            ("src", "src/a/b/c.rs"),
            ("src/auth/**", "src/auth/a/b.rs"),
            ("src/**/login.rs", "src/login.rs"),
            ("src/**/login.rs", "src/auth/*.rs"),
            ("src/**/login.rs", "src/auth"),
            ("app/v1.2", "app/v1.2/*.rs"),
            ("src/*.rs", "src/auth.*"),
            ("src/a?th.rs", "src/auth.rs"),
            ("**", "a"),
            ("**/x", "y/**"),
            ("app/[id]/page.tsx", "app/[id]/page.tsx"),
            ("*/b", "a/*"),
        ] {
            assert!(meet(one, other), "{one} and {other}");
            assert!(meet(other, one), "{other} and {one}");
        }
        for (one, other) in [
            ("src/auth.rs", "src/auth2.rs"),
            ("src/auth", "src/auth2/login.rs"),
            ("src/*.rs", "src/auth/login.rs"),
            ("src/auth/**", "tests/auth/login.rs"),
            ("src/**/login.rs", "src/auth/logout.rs"),
            ("app/[id]/page.tsx", "app/i/page.tsx"),
            ("a/*.rs", "a/*.toml"),
            ("?", "ab"),
        ] {
            assert!(!meet(one, other), "{one} and {other}");
            assert!(!meet(other, one), "{other} and {one}");
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_its_length() {
        let stars = "*a".repeat(PATH_BYTES_MAX / 2);
        assert!(!meet(&stars, &"a".repeat(99)));
        let folders = "**/".repeat(66) + "b";
        assert!(!meet(&folders, &("a/".repeat(97) + "c.rs")));
    }

    proptest! {
        #[test]
        fn a_path_meets_itself_and_every_mark_that_covers_it(
            parts in prop::collection::vec("[a-c]{1,2}", 1..5),
            at in 0_usize..5,
        ) {
            let whole = parts.join("/");
            prop_assert!(meet(&whole, &whole));
            let mut marked = parts.clone();
            let at = at % marked.len();
            for mark in ["*", "**", "?*"] {
                marked[at] = mark.to_owned();
                prop_assert!(meet(&marked.join("/"), &whole), "{:?} {}", marked, whole);
                prop_assert!(meet(&whole, &marked.join("/")), "{:?} {}", marked, whole);
            }
            let longer = format!("{whole}x");
            prop_assert!(!meet(&longer, &whole));
        }
    }
}
