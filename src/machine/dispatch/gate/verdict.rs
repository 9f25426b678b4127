//! The typed verdict of a checker, and whether it covers what changed.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::{Judged, count, list};
use crate::domain::report::Finding;
use crate::domain::{VerdictFile, VerdictWord};
use crate::machine::text::{one_line, sanitise, sha256};

/// The shape that every complaint about a verdict repeats.
const EXPECTED: &str = "expected one JSON object with `verdict` (\"pass\" or \"rework\"), `summary`, and the lists `blockers`, `majors`, `minors` \
     (each entry: `title`, `where`, `evidence`) and `files_reviewed`";
/// Findings of one kind that are carried into the next round.
const FINDINGS_MAX: usize = 50;
/// Bytes of one finding's evidence that are carried over.
const EVIDENCE_BYTES_MAX: usize = 2 * 1024;
/// Bytes of all findings.
const TOTAL_BYTES_MAX: usize = 24 * 1024;

/// Judges the text of `done --verdict`. A valid failing verdict has findings, an unusable one has none: only the first sends the issue
/// back. `proven` is whether the secret was right and the spool the dispatch's own (PROTOCOLS 4).
pub fn verdict(text: Option<&str>, proven: bool) -> Judged {
    let Some(text) = text.filter(|text| !text.trim().is_empty()) else {
        return Judged::red(
            "no verdict came with the report: write it to the file the brief names and report with `--verdict`",
        );
    };
    let judged = if proven {
        parse(text).map_or_else(Judged::red, |file| weigh(&file))
    } else {
        Judged::red(unproven("verdict"))
    };
    judged.of(sha256(text.as_bytes()))
}

/// Says why what anybody may have written does not count, and what does.
pub fn unproven(what: &str) -> String {
    format!(
        "it is not proven where this {what} comes from, so it does not count: report with the command line of the brief, from the tree it was read in"
    )
}

fn parse(text: &str) -> Result<VerdictFile, String> {
    let file: VerdictFile = serde_json::from_str(text)
        .map_err(|error| format!("the verdict cannot be read: {error}; {EXPECTED}"))?;
    if file.summary.trim().is_empty() {
        return Err(
            "the verdict's `summary` is empty: say what was tried and what held".to_owned(),
        );
    }
    for (kind, findings) in [("blockers", &file.blockers), ("majors", &file.majors)] {
        if findings
            .iter()
            .any(|finding| finding.title.trim().is_empty())
        {
            return Err(format!("an entry of the verdict's `{kind}` has no `title`"));
        }
    }
    Ok(file)
}

fn weigh(file: &VerdictFile) -> Judged {
    let counts = format!(
        "{}, {}, {}",
        count(file.blockers.len(), "blocker"),
        count(file.majors.len(), "major"),
        count(file.minors.len(), "minor")
    );
    let grave = file.blockers.len() + file.majors.len();
    match file.verdict {
        VerdictWord::Pass if grave > 0 => Judged::red(format!(
            "the verdict contradicts itself: `pass` with {counts}; write `rework`, or empty both lists"
        )),
        VerdictWord::Pass => Judged::green(format!(
            "pass: {counts}; {} read",
            count(file.files_reviewed.len(), "file")
        )),
        VerdictWord::Rework => Judged {
            findings: Some(findings(file)),
            ..Judged::red(format!("rework: {counts}"))
        },
    }
}

/// Writes the findings as a markdown list for the maker's next brief and for the issue.
fn findings(file: &VerdictFile) -> String {
    let mut text = sanitise(file.summary.trim(), 2 * EVIDENCE_BYTES_MAX);
    text.push('\n');
    for (kind, entries) in [
        ("blocker", &file.blockers),
        ("major", &file.majors),
        ("minor", &file.minors),
    ] {
        for entry in entries.iter().take(FINDINGS_MAX) {
            if text.len() > TOTAL_BYTES_MAX {
                text.push_str("\n- [cut: more findings are in the verdict]");
                return text;
            }
            text.push_str(&item(kind, entry));
        }
        if entries.len() > FINDINGS_MAX {
            let more = count(entries.len() - FINDINGS_MAX, kind);
            let _ = write!(text, "\n- and {more} more");
        }
    }
    text
}

fn item(kind: &str, entry: &Finding) -> String {
    let mut text = format!("\n- {kind}: {}", one_line(&entry.title, 300));
    if !entry.place.trim().is_empty() {
        let _ = write!(text, " (`{}`)", one_line(&entry.place, 300));
    }
    for line in sanitise(entry.evidence.trim(), EVIDENCE_BYTES_MAX).lines() {
        let _ = write!(text, "\n  {line}");
    }
    text
}

/// Judges whether the verdict names every changed file.
pub fn coverage(changed: &[String], verdict: Option<&str>) -> Judged {
    let Some(text) = verdict.filter(|text| !text.trim().is_empty()) else {
        return Judged::red("no verdict came with the report, so no file counts as read");
    };
    let judged = match parse(text) {
        Err(why) => Judged::red(why),
        Ok(file) => covered(changed, &file.files_reviewed),
    };
    judged.of(sha256(text.as_bytes()))
}

/// Judges coverage where nobody can say what changed.
pub fn no_base() -> Judged {
    Judged::red(
        "no default branch is known, so nobody can say which files changed: a person runs `git remote set-head origin --auto` in the project",
    )
}

fn covered(changed: &[String], reviewed: &[String]) -> Judged {
    let reviewed: BTreeSet<String> = reviewed.iter().map(|path| normal(path)).collect();
    let missing: Vec<String> = changed
        .iter()
        .filter(|path| !reviewed.contains(&normal(path)))
        .cloned()
        .collect();
    if missing.is_empty() {
        return Judged::green(format!(
            "all {} were read",
            count(changed.len(), "changed file")
        ));
    }
    Judged::red(format!(
        "{} of {} are not in the verdict's `files_reviewed`: {}. Read them",
        missing.len(),
        count(changed.len(), "changed file"),
        list(&missing)
    ))
}

fn normal(path: &str) -> String {
    let mut path = path.trim();
    while let Some(rest) = path.strip_prefix("./") {
        path = rest;
    }
    path.to_owned()
}
