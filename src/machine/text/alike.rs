//! Which known issues may be about the same: by the words of their titles, over what the tracker said anyway. Nothing is asked for it.
//!
//! A hint for whoever plans or files: it never holds or closes anything.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::domain::{Dispatch, Errand, GateName, Head, IssueNumber};

/// The best matches that are named.
pub const ALIKE_MAX: usize = 5;
/// Open issues that are listed for an errand without an issue of its own.
pub const LISTED_MAX: usize = 50;
/// In percent: half of the words that matter are the same.
const ALIKE_MIN: u32 = 50;

/// Words that say nothing of what an issue is about, as [`stem`] leaves them.
const SAYS_NOTHING: [&str; 44] = [
    "a", "add", "all", "allow", "an", "and", "are", "as", "at", "be", "but", "by", "can", "cannot",
    "do", "doe", "don", "fix", "for", "from", "ha", "hav", "i", "if", "in", "is", "it", "mak",
    "no", "not", "of", "on", "or", "should", "so", "support", "that", "th", "thi", "to", "wa",
    "when", "with", "without",
];

/// A known issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alike {
    /// Its number.
    pub number: IssueNumber,
    /// Its title, untrusted.
    pub title: String,
    /// Whether it is open.
    pub open: bool,
    /// How many of the words that matter are the same, in percent.
    pub percent: u32,
    /// Where a person reads it.
    pub url: String,
}

/// Returns the known issues whose titles are most like this one, best first.
pub fn alike(
    title: &str,
    heads: &BTreeMap<IssueNumber, Head>,
    except: Option<IssueNumber>,
) -> Vec<Alike> {
    let wanted = words(title);
    let mut found: Vec<Alike> = heads
        .values()
        .filter(|head| Some(head.number) != except)
        .map(|head| of(head, percent(&wanted, &words(&head.title))))
        .filter(|alike| alike.percent >= ALIKE_MIN)
        .collect();
    found.sort_by_key(|alike| (u32::MAX - alike.percent, !alike.open, alike.number));
    found.truncate(ALIKE_MAX);
    found
}

/// Returns what a brief names: to a planner issues like its own, to a scout the open ones, newest first; to nobody else anything.
pub fn for_brief(
    dispatch: &Dispatch,
    title: &str,
    heads: &BTreeMap<IssueNumber, Head>,
) -> Vec<Alike> {
    if matches!(dispatch.opening.errand(), Some(Errand::Due { .. })) {
        let open = heads.values().rev().filter(|head| head.open);
        return open.take(LISTED_MAX).map(|head| of(head, 0)).collect();
    }
    if plans(dispatch) {
        return alike(title, heads, dispatch.issue());
    }
    Vec::new()
}

/// Tells whether a dispatch decides what is to be built.
pub fn plans(dispatch: &Dispatch) -> bool {
    dispatch.opening.stage.needs.contains(&GateName::Spec)
}

fn of(head: &Head, percent: u32) -> Alike {
    Alike {
        number: head.number,
        title: head.title.clone(),
        open: head.open,
        percent,
        url: head.url.clone(),
    }
}

/// Twice what both have, of what each has.
fn percent(one: &BTreeSet<String>, other: &BTreeSet<String>) -> u32 {
    let both = one.intersection(other).count();
    let all = one.len() + other.len();
    u32::try_from((200 * both).checked_div(all).unwrap_or(0)).unwrap_or(0)
}

fn words(title: &str) -> BTreeSet<String> {
    title
        .to_lowercase()
        .split(|letter: char| !letter.is_alphanumeric())
        .map(stem)
        .filter(|word| !word.is_empty() && !SAYS_NOTHING.contains(&word.as_str()))
        .collect()
}

/// Cuts what grammar adds, so that `logs`, `logged` and `logging` are one word.
fn stem(word: &str) -> String {
    let plural = word.strip_suffix('s').filter(|rest| !rest.ends_with('s'));
    let word = plural.unwrap_or(word);
    let longer = |rest: &&str| rest.chars().count() >= 3;
    let bare = ["ing", "ed"]
        .iter()
        .find_map(|end| word.strip_suffix(end).filter(longer));
    let mut letters: Vec<char> = bare.unwrap_or(word).chars().collect();
    if let [.., before, last] = letters.as_slice()
        && (before == last && bare.is_some() || *last == 'e')
    {
        letters.pop();
    }
    letters.into_iter().collect()
}
