//! Whether there is new work on the issue's own branch, and nothing of anybody else's.

use super::{Judged, gate_inputs, is_test, list};
use crate::domain::{IssueNumber, Subject};
use crate::machine::text::count;

/// What the daemon read from the bare mirror after the report. Never by date: dates are the agent's to set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BranchFacts {
    /// The branch the dispatch was given.
    pub expected_branch: String,
    /// The HEAD that the report names; `None` when nobody reported.
    pub reported_head: Option<Subject>,
    /// Where the branch stands; `None` when there is no such branch.
    pub branch_tip: Option<Subject>,
    /// The default branch's name.
    pub default_branch: String,
    /// Whether the reported HEAD is on the default branch instead.
    pub is_on_default: bool,
    /// Commits reachable from the tip and from no ref recorded at dispatch.
    pub new_commits: Vec<Subject>,
    /// Commits that are already evidence of other issues.
    pub taken: Vec<(IssueNumber, Subject)>,
    /// Commits on the branch that are neither the default branch's nor this issue's, and whose they are.
    pub foreign: Vec<(Subject, String)>,
    /// Files that are changed and not committed.
    pub dirty: Vec<String>,
    /// Files that the branch changes; empty when nobody looked.
    pub changed: Vec<String>,
}

/// Judges the issue's branch. Uncommitted files do not make it red: what counts is the commit, and that is built and read.
pub fn branch(facts: &BranchFacts) -> Judged {
    let branch = &facts.expected_branch;
    if facts.is_on_default {
        return Judged::red(format!(
            "the report was made on the default branch `{}`: commit on `{branch}` and report from there",
            facts.default_branch
        ));
    }
    let Some(tip) = &facts.branch_tip else {
        return Judged::red(format!(
            "there is no branch `{branch}`: it was checked out with the brief; commit your work on it"
        ));
    };
    if let Some(head) = facts.reported_head.as_ref().filter(|head| *head != tip) {
        return Judged::red(format!(
            "the report names commit {}, but `{branch}` is at {}: bring your work onto that branch and report from there",
            head.short(),
            tip.short()
        ));
    }
    if facts.new_commits.is_empty() {
        return Judged::red(format!(
            "no commit on `{branch}` since the brief: commit your work on that branch{}",
            uncommitted(&facts.dirty)
        ));
    }
    if let Some((issue, commit)) = facts
        .taken
        .iter()
        .find(|(_, commit)| facts.new_commits.contains(commit))
    {
        return Judged::red(format!(
            "commit {} on `{branch}` is already the work of {issue}: take it off this branch",
            commit.short()
        ));
    }
    if !facts.foreign.is_empty() {
        let named: Vec<String> = facts
            .foreign
            .iter()
            .map(|(commit, whose)| format!("{} ({whose})", commit.short()))
            .collect();
        return Judged::red(format!(
            "`{branch}` has commits that are neither `{}`'s nor this issue's: {}. Take them off this branch; if the other name is your own as well, delete that name",
            facts.default_branch,
            list(&named)
        ));
    }
    Judged::green(format!(
        "{} on `{branch}`, now at {}{}",
        count(facts.new_commits.len(), "new commit"),
        tip.short(),
        uncommitted(&facts.dirty)
    ))
    .warning(untested(&facts.changed))
    .naming(&gate_inputs(&facts.changed))
}

/// Tests may stand beside the code they test, in the same file: never red, and said to whoever approves.
fn untested(changed: &[String]) -> Option<String> {
    let is_silent = changed.is_empty() || changed.iter().any(|path| is_test(path));
    (!is_silent).then(|| "warning: no test file is touched".to_owned())
}

fn uncommitted(dirty: &[String]) -> String {
    if dirty.is_empty() {
        return String::new();
    }
    format!("; not committed: {}", list(dirty))
}
