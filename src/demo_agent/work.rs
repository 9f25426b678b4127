//! What the agent makes for an issue: a small shell function with a test, and the texts about it.
//!
//! Deterministic, so that the spec of one stage and the work of the next name the same files. Shell, because it runs everywhere
//! and breaks nobody's build.

use std::fmt::Write as _;
use std::path::{Component, Path};

use crate::machine::text::one_line;

use super::brief::Brief;

/// Letters of a title in a file's name.
const SLUG_CHARS_MAX: usize = 30;
/// Letters of a quoted line.
const SNIPPET_CHARS_MAX: usize = 60;
/// The refusal that a bounced issue lacks at first.
const GUARD: &str = "a name is needed";

/// Which files an issue gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// The function's file.
    pub source: String,
    /// Its test's file.
    pub test: String,
    function: String,
    number: u64,
    title: String,
}

impl Plan {
    /// Plans the work for a brief: what its spec declares as new, or what follows from title and tree.
    pub(super) fn of(brief: &Brief, tracked: &[String]) -> Self {
        let declared: Vec<&str> = brief.spec().lines().filter_map(declared).collect();
        let is_test = |path: &&&str| path.starts_with("test");
        let source = declared.iter().find(|path| !is_test(path));
        let stem = format!("{}-{}", slug(&brief.title), brief.issue);
        let folder = if tracked.iter().any(|path| path.starts_with("src/")) {
            "src"
        } else {
            "scripts"
        };
        let source =
            source.map_or_else(|| format!("{folder}/{stem}.sh"), |path| (*path).to_owned());
        let test = declared.iter().find(is_test);
        let test = test.map_or_else(|| format!("tests/{stem}.sh"), |path| (*path).to_owned());
        let stem = Path::new(&source)
            .file_stem()
            .map_or(stem, |stem| stem.to_string_lossy().into_owned());
        let function: String = stem
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        Self {
            source,
            test,
            function: format!("do_{function}"),
            number: brief.issue,
            title: one_line(&brief.title, 80),
        }
    }

    /// Returns the function's file, complete or with the defect that a tester finds.
    pub(super) fn source_text(&self, is_complete: bool) -> String {
        let Self {
            function,
            number,
            title,
            ..
        } = self;
        let guard = if is_complete {
            self.guard()
        } else {
            String::new()
        };
        format!(
            "# {title} (issue {number})\n\n{function}() {{\n{guard}  printf 'hello, %s\\n' \"$1\"\n}}\n"
        )
    }

    /// Returns the test's file.
    pub(super) fn test_text(&self, is_complete: bool) -> String {
        let Self {
            function,
            number,
            source,
            ..
        } = self;
        let mut text = format!(
            "#!/bin/sh\n# Shows issue {number}: run it from anywhere.\nset -eu\n. \"$(dirname \"$0\")/../{source}\"\n\
             [ \"$({function} Ada)\" = 'hello, Ada' ] || {{ echo 'the greeting is wrong' >&2; exit 1; }}\n"
        );
        if is_complete {
            let _ = writeln!(
                text,
                "if {function} '' 2>/dev/null; then echo 'an empty name was accepted' >&2; exit 1; fi"
            );
        }
        text
    }

    /// Returns whether a function's file refuses an empty name.
    pub(super) fn is_guarded(source_text: &str) -> bool {
        source_text.contains(GUARD)
    }

    /// Returns the line of shell by which a tester tries an empty name; it exits 0 if the name is refused.
    pub(super) fn probe(&self) -> String {
        format!(". ./{}; ! {} ''", self.source, self.function)
    }

    /// Returns a commit message's first line.
    pub(super) fn subject(&self, what: &str) -> String {
        format!("{what} (#{}: {})", self.number, one_line(&self.title, 50))
    }

    /// Returns the spec, with its anchors already worded.
    pub(super) fn spec(&self, anchors: &[String]) -> String {
        let Self {
            source,
            test,
            function,
            title,
            number,
        } = self;
        let mut text = format!(
            "## Problem\n\nIssue {number}, \"{title}\": nothing in the tree does this today, as a search for `{function}` shows.\n\n\
             ## Decision\n\nOne small function `{function}` in a file of its own, because nothing that exists has to change for it. \
             Rejected: building it into an existing file, which would mix two reasons to change.\n\n\
             ## Scope\n\nIn: the function and its test. Out: every existing file.\n\n\
             ## Acceptance\n\n- `{function} Ada` prints `hello, Ada` and returns 0.\n\
             - `{function} ''` prints nothing on stdout and does not return 0.\n- A test in `{test}` shows both.\n\n\
             ## Verify\n\nmust_contain {source} \"{function}()\"\nmust_contain {test} \"{function} Ada\"\n\n\
             ## Anchors\n\n"
        );
        for anchor in anchors {
            let _ = writeln!(text, "- {anchor}");
        }
        let _ = write!(text, "- new: {source}\n- new: {test}\n");
        text
    }

    fn guard(&self) -> String {
        format!(
            "  if [ -z \"$1\" ]; then\n    echo '{}: {GUARD}' >&2\n    return 1\n  fi\n",
            self.function
        )
    }
}

/// Returns an anchor into a file: its first line that says something, quoted.
pub(super) fn anchor(path: &str, text: &str) -> String {
    let fits = |line: &str| {
        let quotable = line
            .chars()
            .all(|c| !matches!(c, '"' | '`' | '\\') && !c.is_control());
        quotable
            && line.is_ascii()
            && (8..=SNIPPET_CHARS_MAX).contains(&line.len())
            && line.contains(char::is_alphabetic)
    };
    let found = text
        .lines()
        .enumerate()
        .find(|(_, line)| fits(line.trim()) && !line.starts_with("#!"));
    match found {
        Some((at, line)) => format!("`{path}:{}` \"{}\"", at + 1, line.trim()),
        None => format!("`{path}`"),
    }
}

/// Reads `new: path` from a line of a spec; a path that is none of ours to write is left out.
fn declared(line: &str) -> Option<&str> {
    let path = line
        .trim_start_matches(['-', '*', ' '])
        .strip_prefix("new:")?
        .trim()
        .trim_matches('`');
    let is_plain = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::Normal(_)));
    let is_shell = Path::new(path).extension().is_some_and(|end| end == "sh");
    let is_safe = path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    (is_plain && is_shell && is_safe && !path.starts_with('.')).then_some(path)
}

fn slug(title: &str) -> String {
    let mut slug = String::new();
    // A marker steers the show and is no part of the matter.
    let title = title.split("[demo:").next().unwrap_or(title);
    for letter in title.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
        if slug.len() >= SLUG_CHARS_MAX {
            break;
        }
    }
    let slug = slug.trim_matches('-');
    if slug.is_empty() {
        "issue".to_owned()
    } else {
        slug.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_becomes_a_file_name() {
        assert_eq!(slug("Fix: the  Login! [demo:liar]"), "fix-the-login");
        assert_eq!(slug("\u{1f600}"), "issue");
    }

    #[test]
    fn a_spec_cannot_make_the_agent_write_elsewhere() {
        assert_eq!(declared("- new: src/a.sh"), Some("src/a.sh"));
        for line in [
            "- new: ../a.sh",
            "- new: /etc/a.sh",
            "- new: .pointsman/a.sh",
            "- new: a.py",
            "- new: a$(x).sh",
        ] {
            assert_eq!(declared(line), None, "{line}");
        }
    }
}
