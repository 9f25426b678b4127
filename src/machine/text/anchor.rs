//! Anchors: what a text claims about the tree, and whether it is still true (DESIGN 5, PROTOCOLS 11).
//!
//! A claim is checked against git objects of one pinned commit, behind [`Tree`]; never against the file system. What cannot be
//! recognised for sure is no anchor: a missed one costs nothing, an invented one would hold work back.

mod parse;

use std::fmt;

use crate::domain::{GateName, IssueNumber, Rules, Subject};
use crate::machine::text::markdown;
use crate::machine::text::one_line;

pub use parse::parse;

/// Anchors of one text that are checked.
pub const ANCHORS_MAX: usize = 50;
/// The longest snippet that is looked up, in bytes.
pub const SNIPPET_BYTES_MAX: usize = 4 * 1024;
/// The longest path, in bytes.
pub const PATH_BYTES_MAX: usize = 512;

/// One claim that can be checked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Anchor {
    /// A place in the tree, and what stands there if the text quotes it.
    Place {
        /// From the tree's root; a folder ends in `/`.
        path: String,
        /// First and last line, from 1; equal for a single one.
        lines: Option<(u32, u32)>,
        /// The quoted text.
        snippet: Option<String>,
    },
    /// A quoted text without a place.
    Snippet(String),
    /// Another issue.
    Issue(IssueNumber),
    /// A branch.
    Branch(String),
    /// A commit, 7 to 40 hex digits.
    Commit(String),
    /// A file that the work will create.
    New(String),
}

impl fmt::Display for Anchor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Place {
                path,
                lines,
                snippet,
            } => {
                f.write_str(path)?;
                match lines {
                    Some((from, to)) if from == to => write!(f, ":{from}")?,
                    Some((from, to)) => write!(f, ":{from}-{to}")?,
                    None => {}
                }
                match snippet {
                    Some(text) => write!(f, " \"{text}\""),
                    None => Ok(()),
                }
            }
            Self::Snippet(text) => write!(f, "\"{text}\""),
            Self::Issue(number) => number.fmt(f),
            Self::Branch(name) => write!(f, "branch {name}"),
            Self::Commit(sha) => write!(f, "commit {sha}"),
            Self::New(path) => write!(f, "new: {path}"),
        }
    }
}

/// What a text claims.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Anchors {
    /// The claims in the order of the text, each once, at most [`ANCHORS_MAX`].
    pub found: Vec<Anchor>,
    /// How many more there were.
    pub over: usize,
    /// Paths that leave the tree: absolute ones and ones with `..`. They are never looked up.
    pub refused: Vec<String>,
}

/// Returns the claims of a spec: those of its section `## Anchors`.
pub fn of_spec(text: &str) -> Anchors {
    markdown::section(text, "Anchors").map_or_else(Anchors::default, |section| parse(&section.body))
}

/// What became of a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It holds.
    Ok,
    /// The quoted text stands elsewhere.
    Moved {
        /// `path:line`.
        to: String,
    },
    /// It does not hold.
    Missing,
    /// Nobody looked.
    Unchecked(String),
}

/// What a claim is checked against: the objects of one pinned commit, or a map in tests.
pub trait Tree {
    /// Returns a file's bytes.
    fn file(&self, path: &str) -> Option<Vec<u8>>;
    /// Returns whether a folder has files in it; `path` has no closing slash.
    fn has_folder(&self, path: &str) -> bool;
    /// Returns path and line of every place of a fixed string, in the tree's order; may stop early.
    fn grep(&self, text: &str) -> Vec<(String, u32)>;
    /// Returns whether a branch or a commit of that name exists.
    fn has_ref(&self, name: &str) -> bool;
    /// Returns whether an issue exists; `None` if that is not known.
    fn has_issue(&self, _number: IssueNumber) -> Option<bool> {
        None
    }
}

/// Checks one claim.
pub fn check(anchor: &Anchor, tree: &impl Tree) -> Checked {
    match anchor {
        Anchor::Place {
            path,
            lines,
            snippet,
        } => place(tree, path, *lines, snippet.as_deref()),
        Anchor::Snippet(text) => held(!tree.grep(text).is_empty()),
        Anchor::Issue(number) => match tree.has_issue(*number) {
            Some(there) => held(there),
            None => Checked::Unchecked("issues were not read".to_owned()),
        },
        Anchor::Branch(name) | Anchor::Commit(name) => held(tree.has_ref(name)),
        // There or not yet there: both are as declared, since a later round finds what an earlier one made.
        Anchor::New(_) => Checked::Ok,
    }
}

/// A text's claims after the look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Every claim that was looked at, in order.
    pub checked: Vec<(Anchor, Checked)>,
    /// How many more there were: not looked at, which holds work from dev on.
    pub over: usize,
    /// Paths that leave the tree: not looked at.
    pub refused: Vec<String>,
}

impl Survey {
    /// Returns the claims that do not hold.
    pub fn missing(&self) -> impl Iterator<Item = &Anchor> {
        self.checked
            .iter()
            .filter(|(_, state)| *state == Checked::Missing)
            .map(|(anchor, _)| anchor)
    }

    /// Returns whether a spec may rest on them: nothing is missing and nothing was left out.
    pub fn holds(&self) -> bool {
        self.over == 0 && self.missing().next().is_none()
    }
}

/// Checks every claim, in order.
pub fn check_all(anchors: &Anchors, tree: &impl Tree) -> Survey {
    let checked = anchors
        .found
        .iter()
        .map(|anchor| (anchor.clone(), check(anchor, tree)));
    Survey {
        checked: checked.collect(),
        over: anchors.over,
        refused: anchors.refused.clone(),
    }
}

/// Claims of a spec that are named when they do not hold any more.
const LOST_TOLD: usize = 5;

/// Says why work is not begun on a spec, and what a person can do.
pub fn lost(claims: &[String], at: &Subject, rules: &Rules) -> String {
    let quoted = |claim: &String| format!("`{}`", one_line(claim, 200).replace('`', "'"));
    let mut named: Vec<String> = claims.iter().take(LOST_TOLD).map(quoted).collect();
    if let Some(more) = claims.len().checked_sub(LOST_TOLD).filter(|more| *more > 0) {
        named.push(format!("{more} more"));
    }
    let park = &rules.workflow.labels.park;
    let mut stages = rules.workflow.stages.iter();
    let plans = stages.find(|stage| stage.needs.contains(&GateName::Spec));
    let anew = plans.map_or_else(String::new, |stage| {
        format!("set `{}` in place of the label it has and remove `{park}` to have the spec written anew, or ", stage.label)
    });
    format!(
        "the spec rests on what is not in the tree any more: {}, looked for in {}; {anew}only remove `{park}` once it is there again",
        named.join(", "),
        at.short(),
    )
}

fn held(holds: bool) -> Checked {
    if holds { Checked::Ok } else { Checked::Missing }
}

fn place(
    tree: &impl Tree,
    path: &str,
    lines: Option<(u32, u32)>,
    snippet: Option<&str>,
) -> Checked {
    if let Some(folder) = path.strip_suffix('/') {
        return held(tree.has_folder(folder));
    }
    let file = tree.file(path);
    let Some(snippet) = snippet else {
        let last = lines.map_or(0, |(_, to)| to);
        return held(file.is_some_and(|bytes| line_count(&bytes) >= last));
    };
    let inside = file.map_or_else(Vec::new, |bytes| lines_with(&bytes, snippet));
    let as_claimed = |line: &u32| lines.is_none_or(|(from, to)| (from..=to).contains(line));
    if inside.iter().any(as_claimed) {
        return Checked::Ok;
    }
    let claimed = lines.map_or(1, |(from, _)| from);
    if let Some(nearest) = inside.iter().min_by_key(|line| line.abs_diff(claimed)) {
        return Checked::Moved {
            to: format!("{path}:{nearest}"),
        };
    }
    match tree.grep(snippet).first() {
        Some((elsewhere, line)) => Checked::Moved {
            to: format!("{elsewhere}:{line}"),
        },
        None => Checked::Missing,
    }
}

fn line_count(bytes: &[u8]) -> u32 {
    let lines = String::from_utf8_lossy(bytes).lines().count();
    u32::try_from(lines).unwrap_or(u32::MAX)
}

/// Returns the numbers of the lines that contain a text.
fn lines_with(bytes: &[u8], text: &str) -> Vec<u32> {
    let file = String::from_utf8_lossy(bytes);
    (1..)
        .zip(file.lines())
        .filter(|(_, line)| line.contains(text))
        .map(|(number, _)| number)
        .collect()
}
