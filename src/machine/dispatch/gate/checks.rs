//! The `checks` gate: what GitHub's own checks say of the pushed commit. They are heuristics, so whatever they say, it never gates.

use super::{Judged, list, warn};
use crate::domain::{CheckRun, RunState, Subject};
use crate::machine::text::count;

/// Judges GitHub's checks of a commit, or why they could not be read.
pub fn checks(subject: Option<&Subject>, read: Result<&[CheckRun], &str>) -> Judged {
    let Some(subject) = subject else {
        return warn("there is no commit that GitHub could check");
    };
    let runs = match read {
        Ok(runs) => runs,
        Err(why) => {
            return warn(format!("GitHub's checks could not be read: {why}"));
        }
    };
    let named = |state: RunState| -> Vec<String> {
        let runs = runs.iter().filter(|run| run.state == state);
        runs.map(|run| run.name.replace('`', "'")).collect()
    };
    let (failed, pending) = (named(RunState::Failed), named(RunState::Pending));
    let passed = count(named(RunState::Passed).len(), "check");
    if runs.is_empty() {
        return Judged::green(format!("GitHub has no checks of {}", subject.short()));
    }
    if failed.is_empty() && pending.is_empty() {
        return Judged::green(format!("{passed} of GitHub's passed"));
    }
    let parts = [("failed", failed), ("not ended", pending)];
    let parts = parts.iter().filter(|(_, names)| !names.is_empty());
    let parts = parts.map(|(word, names)| format!("{word}: {}", list(names)));
    let parts: Vec<String> = parts.chain([format!("passed: {passed}")]).collect();
    warn(parts.join("; "))
}
