//! The `checks` gate: what GitHub's own checks say of the pushed commit. They are heuristics, so whatever they say, it never gates.

use super::{Judged, warn};
use crate::domain::{CheckRun, RunState, Subject};
use crate::machine::text::{count, one_line};

/// What is said of checks that could not be read, before the reason. The reason is ours and not for GitHub's pages.
pub const CHECKS_UNREAD: &str = "GitHub's checks could not be read";
/// Names that are said of each kind, and characters of one: all that is said stays below the 600 characters that a pull request shows,
/// so that no quotation is cut open.
const NAMES_MAX: usize = 5;
const NAME_CHARS_MAX: usize = 40;

/// Judges GitHub's checks of a commit, or why they could not be read.
pub fn checks(subject: Option<&Subject>, read: Result<&[CheckRun], &str>) -> Judged {
    let Some(subject) = subject else {
        return warn("there is no commit that GitHub could check");
    };
    let runs = match read {
        Ok(runs) => runs,
        Err(why) => {
            return warn(format!("{CHECKS_UNREAD}: {why}"));
        }
    };
    if runs.is_empty() {
        // Right after the push none has begun, and that looks as if there were none.
        return warn(format!("GitHub has no checks of {} yet", subject.short()));
    }
    let named = |state: RunState| -> Vec<String> {
        let runs = runs.iter().filter(|run| run.state == state);
        runs.map(|run| quoted(&run.name)).collect()
    };
    let (failed, pending) = (named(RunState::Failed), named(RunState::Pending));
    let passed = count(named(RunState::Passed).len(), "check");
    if failed.is_empty() && pending.is_empty() {
        return Judged::green(format!("{passed} of GitHub's passed"));
    }
    let parts = [("failed", failed), ("not ended", pending)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    let parts = parts.map(|(word, names)| format!("{word}: {}", listed(names)));
    let parts: Vec<String> = parts.chain([format!("passed: {passed}")]).collect();
    warn(parts.join("; "))
}

/// A name is whoever's that may report checks: it ends no quotation and begins no comment.
fn quoted(name: &str) -> String {
    let plain = name.chars().map(|c| match c {
        '`' => '\'',
        '<' => '(',
        '>' => ')',
        c => c,
    });
    let plain: String = plain.collect();
    format!("`{}`", one_line(&plain, NAME_CHARS_MAX))
}

fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMES_MAX)].join(", ");
    match names.len().saturating_sub(NAMES_MAX) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
