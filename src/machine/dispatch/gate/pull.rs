//! The `pr` gate: the branch's pull request is open at the commit.

use super::Judged;
use crate::domain::{IssueNumber, Subject};

/// Judges a pull request: its number, whether it is open, and its newest commit; `None` if there is none.
pub fn pr(pull: Option<(IssueNumber, bool, &Subject)>, subject: Option<&Subject>) -> Judged {
    match (pull, subject) {
        (None, _) => Judged::red("the branch has no pull request of ours"),
        (Some((number, false, _)), _) => {
            Judged::red(format!("pull request {number} is not open any more"))
        }
        (Some((number, true, head)), Some(subject)) if head == subject => Judged::green(format!(
            "pull request {number} is open at {}",
            subject.short()
        )),
        (Some((number, true, head)), _) => Judged::red(format!(
            "pull request {number} is at {}, which is not the commit that was verified",
            head.short()
        )),
    }
}
