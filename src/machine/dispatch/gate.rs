//! The judges: what a gate makes of the facts that the daemon gathered for it.
//!
//! Nothing here runs a command or opens a file, and nothing depends on the time: the same facts get the same judgement. Every
//! refusal says what is missing in words that an agent can act on without asking.

mod agreement;
mod branch;
mod checks;
mod inputs;
mod pull;
mod searches;
mod verdict;

pub use agreement::disagreement;
pub use branch::{BranchFacts, branch};
pub use checks::{CHECKS_UNREAD, checks};
pub use inputs::{gate_inputs, is_test};
pub use pull::pr;
pub use searches::{Found, SEARCHES_MAX, Search, Searches, searches, verify};
pub use verdict::{coverage, no_base, unproven, verdict};

use crate::domain::OwnGate;
use crate::machine::text::anchor;
use crate::machine::text::markdown;
use crate::machine::text::{count, sanitise, sha256};

/// The headings of a spec, in the order in which they are asked for.
pub const SPEC_HEADINGS: [&str; 6] = [
    "Problem",
    "Decision",
    "Scope",
    "Acceptance",
    "Verify",
    "Anchors",
];
/// Lines of a log that are quoted to the agent.
const LOG_LINES_MAX: usize = 20;
/// Bytes of a log that are quoted to the agent.
const LOG_BYTES_MAX: usize = 2 * 1024;
/// Names that one sentence lists.
const NAMES_MAX: usize = 20;

/// What a judge says: the part of an evidence row that does not depend on where and when it was measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// Whether the gate holds.
    pub holds: bool,
    /// Whether it holds only because it never gates.
    pub warned: bool,
    /// What was found, or exactly what is missing.
    pub says: String,
    /// What a valid, failing verdict wants changed, as markdown. Only [`verdict()`] sets it.
    pub findings: Option<String>,
    /// SHA-256 of the text or log that was judged.
    pub digest: Option<String>,
}

impl Judged {
    /// Returns a judgement that holds.
    pub fn green(says: impl Into<String>) -> Self {
        Self {
            holds: true,
            warned: false,
            says: says.into(),
            findings: None,
            digest: None,
        }
    }

    /// Returns a judgement that does not hold.
    pub fn red(says: impl Into<String>) -> Self {
        Self {
            holds: false,
            ..Self::green(says)
        }
    }

    fn of(mut self, digest: impl Into<Option<String>>) -> Self {
        self.digest = digest.into();
        self
    }

    /// Adds what a person should know and what does not change the judgement.
    #[must_use]
    fn warning(mut self, warning: Option<String>) -> Self {
        if let Some(warning) = warning {
            self.says = format!("{}; {warning}", self.says);
        }
        self
    }

    /// Names the gates' own inputs that the change touches (PROTOCOLS 5). They do not change the judgement.
    #[must_use]
    pub fn naming(mut self, inputs: &[String]) -> Self {
        if !inputs.is_empty() {
            self.says = format!("{}; changes how it is judged: {}", self.says, list(inputs));
        }
        self
    }
}

/// Judges the text of `done --spec`: all headings there with content, and at least one anchor that can be checked.
pub fn spec(text: Option<&str>) -> Judged {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Judged::red(
            "no spec came with the report: write it to the file the brief names and report with `--spec`",
        );
    };
    let mut missing = Vec::new();
    for name in SPEC_HEADINGS {
        match markdown::section(text, name) {
            None => missing.push(format!("the heading `## {name}` is missing")),
            Some(section) if section.is_empty() => {
                missing.push(format!("nothing stands below `## {name}`"));
            }
            Some(_) => {}
        }
    }
    missing.extend(searches::faults(text));
    let anchors = anchor::of_spec(text);
    let named_section = markdown::section(text, "Anchors").is_some_and(|found| !found.is_empty());
    if named_section && anchors.found.is_empty() {
        missing.push(
            "`## Anchors` has no claim that can be checked: give at least one `path:line`, `path:from-to` or `new: path`".to_owned(),
        );
    }
    for refused in &anchors.refused {
        missing.push(format!(
            "the anchor `{refused}` leaves the tree: name it from the tree's root"
        ));
    }
    if anchors.over > 0 {
        missing.push(format!(
            "{} anchors are more than the {} that are checked: keep the ones the decision rests on",
            anchors.found.len() + anchors.over,
            anchor::ANCHORS_MAX
        ));
    }
    let judged = if missing.is_empty() {
        Judged::green(format!(
            "all {} headings, {} to check",
            SPEC_HEADINGS.len(),
            count(anchors.found.len(), "anchor")
        ))
    } else {
        Judged::red(missing.join("; "))
    };
    judged.of(sha256(text.as_bytes()))
}

/// Holds a spec against the tree it was written for: every anchor is there, or its new place is named.
#[must_use]
pub fn spec_at(spec: Judged, survey: &anchor::Survey) -> Judged {
    let missing: Vec<String> = survey.missing().map(ToString::to_string).collect();
    if missing.is_empty() {
        return spec;
    }
    let why = format!(
        "not in the tree, and not declared as `new:`: {}",
        list(&missing)
    );
    let says = if spec.holds {
        why
    } else {
        format!("{}; {why}", spec.says)
    };
    Judged {
        holds: false,
        says,
        ..spec
    }
}

/// What came of a gate's command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandRun<'a> {
    /// The command, as the operator wrote it.
    pub command: &'a str,
    /// Its exit status; `None` if it did not exit by itself, or nobody knows.
    pub exit: Option<i32>,
    /// Whether it was ended at its time limit.
    pub timed_out: bool,
    /// The end of its log.
    pub tail: &'a str,
    /// SHA-256 of the whole log.
    pub log_digest: Option<String>,
}

/// Judges the project's build.
pub fn build(run: &CommandRun) -> Judged {
    command("the build", run)
}

/// Judges the word `build = "none"`: it holds, and it is said.
pub fn no_build() -> Judged {
    Judged::green("build: none; nothing was run")
}

/// Judges a gate of the workflow's own. One that only warns lets everything pass: checks are heuristics, what is built is not.
pub fn own(gate: &OwnGate, run: &CommandRun) -> Judged {
    let judged = command(&format!("the gate {}", gate.name), run);
    if judged.holds || !gate.warn {
        return judged;
    }
    Judged {
        digest: judged.digest,
        ..warn(judged.says)
    }
}

/// What failed and is only told: it holds all the same.
fn warn(says: impl std::fmt::Display) -> Judged {
    Judged {
        warned: true,
        ..Judged::green(format!("a warning, and nothing waits for it: {says}"))
    }
}

fn command(what: &str, run: &CommandRun) -> Judged {
    let line = run.command;
    let judged = match (run.timed_out, run.exit) {
        (true, _) => Judged::red(format!(
            "{what} `{line}` was ended at its time limit{}",
            quoted(run.tail)
        )),
        (false, Some(0)) => Judged::green(format!("`{line}` exited 0")),
        (false, Some(status)) => Judged::red(format!(
            "{what} `{line}` exited {status}{}",
            quoted(run.tail)
        )),
        (false, None) => Judged::red(format!(
            "{what} `{line}` ended without an exit status{}",
            quoted(run.tail)
        )),
    };
    judged.of(run.log_digest.clone())
}

/// Quotes the end of a log, without what a terminal would obey.
fn quoted(tail: &str) -> String {
    let clean = sanitise(&without_escapes(tail), tail.len());
    let lines: Vec<&str> = clean
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    let mut kept = Vec::new();
    let mut bytes = 0;
    for line in lines.iter().rev().take(LOG_LINES_MAX) {
        bytes += line.len() + 1;
        if bytes > LOG_BYTES_MAX {
            break;
        }
        kept.push(format!("    {line}"));
    }
    if kept.is_empty() {
        return "; it printed nothing".to_owned();
    }
    kept.reverse();
    format!(". The end of its output:\n{}", kept.join("\n"))
}

/// Drops escape sequences whole; the sanitiser alone would leave their letters.
pub(in crate::machine) fn without_escapes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character != '\u{1b}' {
            kept.push(character);
            continue;
        }
        match characters.next() {
            Some('[') => {
                characters.by_ref().find(|c| ('@'..='~').contains(c));
            }
            Some(']') => while !matches!(characters.next(), None | Some('\u{7}' | '\u{1b}')) {},
            _ => {}
        }
    }
    kept
}

/// Judges the file of a stage without git: there, not empty, and another than at dispatch.
pub fn file(before: Option<&str>, after: Option<&[u8]>, path: &str) -> Judged {
    let Some(bytes) = after else {
        return Judged::red(format!("there is no `{path}`: write it"));
    };
    let digest = sha256(bytes);
    let judged = if bytes.iter().all(u8::is_ascii_whitespace) {
        Judged::red(format!("`{path}` is empty: write it"))
    } else if before == Some(digest.as_str()) {
        Judged::red(format!(
            "`{path}` is the same as before this dispatch: nothing was written"
        ))
    } else if before.is_some() {
        Judged::green(format!("`{path}` changed"))
    } else {
        Judged::green(format!("`{path}` is new"))
    };
    judged.of(digest)
}

/// Lists names for a sentence; the rest is counted.
fn list(names: &[String]) -> String {
    let shown: Vec<String> = names
        .iter()
        .take(NAMES_MAX)
        .map(|name| format!("`{}`", crate::machine::text::one_line(name, 200)))
        .collect();
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
