//! What a comment of ours quotes (PROTOCOLS 8): all of it where only invited people read it, else nothing. One rule for every comment
//! about work: quoted text may name paths, sessions and logs, and be an agent's words.
//!
//! A spec, a question and a post are not quoted: their text is what the comment is for.

use crate::domain::{CommentMode, IssueNumber};
use crate::machine::text::{fence, sanitise, unmarked};

/// Bytes of a quote: ends of logs are shorter.
const QUOTE_BYTES_MAX: usize = 8 * 1024;

/// Returns a quote; nothing where it may not be shown.
pub fn quote(mode: CommentMode, text: &str) -> Option<String> {
    (mode == CommentMode::Full).then(|| fence(&sanitise(text, QUOTE_BYTES_MAX)))
}

/// Says a reason of ours in a comment: its first clause, and behind it what that quotes or where it is to be read.
pub fn reason(mode: CommentMode, issue: IssueNumber, why: &str) -> String {
    let clause = clause(why);
    let rest = why[clause.len()..].trim_start_matches([':', '.']).trim();
    let clause = unmarked(clause);
    if rest.is_empty() {
        return format!("{clause}.");
    }
    match quote(mode, rest) {
        Some(quote) => format!("{clause}:\n\n{quote}"),
        None => format!("{clause}. `pointsman explain {}` says the rest.", issue.0),
    }
}

/// The first clause of a reason of ours: what it quotes comes behind a colon or in the next sentence.
pub(in crate::machine) fn clause(why: &str) -> &str {
    let end = [": ", ". ", "\n"]
        .iter()
        .filter_map(|end| why.find(end))
        .min();
    &why[..end.unwrap_or(why.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_quoted_where_only_invited_people_read_it() {
        let why = "not merged: main has moved on\n\n```\nset it again";
        let said = |mode| reason(mode, IssueNumber(7), why);
        let short = "not merged. `pointsman explain 7` says the rest.";
        assert_eq!(said(CommentMode::Short), short);
        assert_eq!(said(CommentMode::Off), short);
        assert_eq!(
            said(CommentMode::Full),
            "not merged:\n\n````text\nmain has moved on\n\n```\nset it again\n````"
        );
        let all = reason(CommentMode::Short, IssueNumber(7), "it was not typed");
        assert_eq!(all, "it was not typed.");
    }
}
