//! The checker's work: run the build, try what the change does, read what changed, and say it in a verdict.

use std::collections::BTreeSet;
use std::path::Path;

use crate::domain::report::Finding;
use crate::domain::{VerdictFile, VerdictWord};

use super::brief::Brief;
use super::hands::{Hands, Step};
use super::script::{last_line, outcome, place_after, tracked};
use super::work::Plan;

/// Where a default branch may be found, in this order.
const DEFAULT_BRANCHES: [&str; 5] = [
    "origin/HEAD",
    "main",
    "master",
    "origin/main",
    "origin/master",
];

/// Judges the commit that is checked out, writes the verdict where the brief wants it and returns the report's note.
pub(super) fn verdict(hands: &Hands, brief: &Brief) -> Step<String> {
    let changed = changed(hands, brief)?;
    hands.say(format!("I read {} changed files:", changed.len()))?;
    for path in &changed {
        hands.say(format!("  {path}"))?;
    }
    let mut blockers = Vec::new();
    let mut tried = Vec::new();
    if let Some(build) = &brief.build {
        let ran = hands.shell(build)?;
        hands.say(format!("$ {build}   -> {}", outcome(&ran)))?;
        tried.push(format!("`{build}`: {}", outcome(&ran)));
        if !ran.is_good() {
            blockers.push(finding(
                "The build is red",
                build,
                &format!("`{build}` printed: {}", last_line(&ran)),
            ));
        }
    }
    let plan = Plan::of(brief, &tracked(hands)?);
    if changed.contains(&plan.source) {
        hands.say("I try what the maker may not have thought of: an empty name.")?;
        let probe = plan.probe();
        let ran = hands.shell(&probe)?;
        hands.say(format!("$ {probe}   -> {}", outcome(&ran)))?;
        tried.push(format!("an empty name is refused: {}", ran.is_good()));
        if !ran.is_good() {
            let evidence = format!(
                "`sh -c \"{probe}\"` shows that it is accepted, and prints: {}",
                last_line(&ran)
            );
            blockers.push(finding(
                "An empty name is accepted",
                &format!("{}:3", plan.source),
                &evidence,
            ));
        }
    }
    let passes = blockers.is_empty();
    let verdict = VerdictFile {
        verdict: if passes {
            VerdictWord::Pass
        } else {
            VerdictWord::Rework
        },
        summary: format!(
            "Tried: {}. Read: {} files.",
            tried.join("; "),
            changed.len()
        ),
        blockers,
        majors: Vec::new(),
        minors: Vec::new(),
        files_reviewed: changed.into_iter().collect(),
    };
    let place = place_after(brief, "--verdict")?;
    let json = serde_json::to_string_pretty(&verdict).expect("a verdict is always JSON");
    hands.write(Path::new(&place), &json)?;
    let word = if passes { "pass" } else { "rework" };
    hands.say(format!("My verdict: {word}. It is in {place}."))?;
    Ok(verdict.summary)
}

fn finding(title: &str, place: &str, evidence: &str) -> Finding {
    Finding {
        title: title.to_owned(),
        place: place.to_owned(),
        evidence: evidence.to_owned(),
    }
}

/// Returns what changed since the work left the default branch, and whatever else the brief lists.
fn changed(hands: &Hands, brief: &Brief) -> Step<BTreeSet<String>> {
    let mut changed: BTreeSet<String> = brief.changed.iter().cloned().collect();
    let head = hands.git_says(&["rev-parse", "HEAD"])?;
    let mut base = None;
    for branch in DEFAULT_BRANCHES {
        let found = hands.git_says(&["merge-base", "HEAD", branch])?;
        base = base.or(found.filter(|found| Some(found) != head.as_ref()));
    }
    let range = format!("{}..HEAD", base.as_deref().unwrap_or("HEAD~1"));
    let listed = hands
        .git_says(&["diff", "--name-only", "-z", &range])?
        .unwrap_or_default();
    changed.extend(
        listed
            .split('\0')
            .filter(|path| !path.is_empty())
            .map(str::to_owned),
    );
    Ok(changed)
}
