//! The searches that a spec asks for below `## Verify`: what has to stand in the finished commit, and what must not any more.

use std::fmt;

use super::{Judged, list};
use crate::machine::text::markdown;
use crate::machine::text::{count, one_line};

/// Searches that are run for one spec.
pub const SEARCHES_MAX: usize = 50;
/// The longest path or text of one, in bytes.
const PART_BYTES_MAX: usize = 512;
/// Characters of a line that is quoted because it cannot be read.
const QUOTED_CHARS_MAX: usize = 120;

/// One search for a fixed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Search {
    /// Whether the text has to be there; else it must not be.
    pub wanted: bool,
    /// A file from the tree's root; a folder ends in `/` and means every file below it.
    pub path: String,
    /// What is searched for, in one line.
    pub text: String,
}

impl fmt::Display for Search {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.wanted {
            "must_contain"
        } else {
            "must_not_contain"
        };
        write!(f, "{verb} {} \"{}\"", self.path, self.text)
    }
}

/// What a spec asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Searches {
    /// In the order of the text, at most [`SEARCHES_MAX`].
    pub found: Vec<Search>,
    /// Lines that begin like a search and are none.
    pub broken: Vec<String>,
    /// How many more there were.
    pub over: usize,
}

/// What a commit says to a search.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// The text is there.
    There,
    /// It is not.
    NotThere,
    /// The path names nothing.
    NoFile,
    /// It could not be found out.
    Unknown(String),
}

/// Reads the searches of a spec, in code fences or not.
pub fn searches(spec: &str) -> Searches {
    let mut searches = Searches::default();
    let section = markdown::section(spec, "Verify").map_or_else(String::new, |found| found.body);
    for line in section.lines() {
        let line = without_mark(line).trim_start_matches('`').trim_end();
        let (wanted, rest) = match (
            line.strip_prefix("must_contain"),
            line.strip_prefix("must_not_contain"),
        ) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            // Behind other words, in a table: said, and not passed over.
            (None, None) if line.contains("_contain ") && line.contains('"') => {
                searches.broken.push(one_line(line, QUOTED_CHARS_MAX));
                continue;
            }
            (None, None) => continue,
        };
        match search(wanted, rest) {
            Some(_) if searches.found.len() == SEARCHES_MAX => searches.over += 1,
            Some(search) => searches.found.push(search),
            None => searches.broken.push(one_line(line, QUOTED_CHARS_MAX)),
        }
    }
    searches
}

/// Takes off what makes a line an item of a list: `-`, `*`, `+`, `1.`, `[ ]`.
fn without_mark(line: &str) -> &str {
    let line = line.trim_start_matches([' ', '\t', '-', '*', '+', '>']);
    let digits = line.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let numbered = digits.strip_prefix(['.', ')']);
    let line = numbered
        .filter(|_| digits.len() < line.len())
        .unwrap_or(line);
    let line = line.trim_start();
    let boxed = ["[ ]", "[x]", "[X]"]
        .iter()
        .find_map(|mark| line.strip_prefix(mark));
    boxed.unwrap_or(line).trim_start()
}

/// Reads `path "text"`; the text ends at the line's last quotation mark.
fn search(wanted: bool, rest: &str) -> Option<Search> {
    let (path, rest) = rest.strip_prefix([' ', '\t'])?.split_once('"')?;
    let path = path.trim().trim_matches('`');
    let path = path.strip_prefix("./").unwrap_or(path);
    let text = rest.trim_end_matches('`').trim_end().strip_suffix('"')?;
    let folder = path.strip_suffix('/').unwrap_or(path);
    let inside = |part: &str| !part.is_empty() && part != "." && part != "..";
    let is_odd = |letter: char| letter.is_control() && letter != '\t';
    let plain =
        !path.contains(char::is_control) && !text.contains(is_odd) && folder.split('/').all(inside);
    let fits = path.len() <= PART_BYTES_MAX && text.len() <= PART_BYTES_MAX;
    (plain && fits && !text.is_empty()).then(|| Search {
        wanted,
        path: path.to_owned(),
        text: text.to_owned(),
    })
}

/// Says what is wrong with a spec's searches before there is anything to search.
pub(super) fn faults(spec: &str) -> Vec<String> {
    let searches = searches(spec);
    let mut faults: Vec<String> = searches.broken.iter().map(|line| {
        format!("`{line}` below `## Verify` is no search: write `must_contain path \"text\"` or `must_not_contain path \"text\"`, with a path from the tree's root")
    }).collect();
    if searches.over > 0 {
        faults.push(format!(
            "{} searches are more than the {SEARCHES_MAX} that are run: keep the ones that show the change",
            searches.found.len() + searches.over
        ));
    }
    faults
}

/// Judges what a commit said to them.
pub fn verify(results: &[(Search, Found)]) -> Judged {
    let missed = |(search, found): &(Search, Found)| {
        let why = match (search.wanted, found) {
            (true, Found::There) | (false, Found::NotThere | Found::NoFile) => return None,
            (true, Found::NotThere) => "it is not there",
            (true, Found::NoFile) => "there is no such file",
            (false, Found::There) => "it is still there",
            (_, Found::Unknown(why)) => why,
        };
        Some(format!("{why}: {search}"))
    };
    let missed: Vec<String> = results.iter().filter_map(missed).collect();
    match (missed.is_empty(), results.len()) {
        (true, 0) => Judged::green("no spec of this issue asks for a search"),
        (true, all) => Judged::green(format!("the spec's {} hold", count(all, "search"))),
        (false, all) => Judged::red(format!(
            "{} of the {} that the spec asks for below `## Verify` hold: {}. If the spec is wrong, say so with `fail`",
            match all - missed.len() {
                0 => "none".to_owned(),
                some => format!("only {some}"),
            },
            count(all, "search"),
            list(&missed)
        )),
    }
}
