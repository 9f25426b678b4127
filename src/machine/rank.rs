//! The one total order of candidates: the smaller key goes first.

use jiff::Timestamp;

use crate::domain::{Head, IssueNumber, Workflow};
use crate::machine::state::State;

/// An issue that waits this long counts as one priority step higher, again and again: nothing starves.
const AGING_STEP_HOURS: i64 = 24;

/// A candidate's place. Ordered field by field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Holders of a downstream seat first.
    seat: u8,
    /// Downstream stages first: distance from the last stage.
    upstream: usize,
    /// Priority label, lowered by age: one step a day.
    priority: i64,
    /// Milestone, none last.
    milestone: u64,
    /// Oldest first.
    age: Timestamp,
    /// Ties end here.
    number: IssueNumber,
}

/// Returns the rank of an issue in the stage at `position`.
pub fn rank(
    head: &Head,
    position: usize,
    workflow: &Workflow,
    state: &State,
    now: Timestamp,
) -> Rank {
    let label = workflow
        .labels
        .priority
        .iter()
        .position(|label| head.labels.contains(label));
    let none = workflow.labels.priority.len();
    let waited_hours = now.duration_since(head.created_at).as_hours().max(0);
    let seated = state.seats.values().any(|holder| *holder == head.number);
    Rank {
        seat: u8::from(!seated),
        upstream: workflow.stages.len() - position,
        priority: i64::try_from(label.unwrap_or(none)).unwrap_or(i64::MAX)
            - waited_hours / AGING_STEP_HOURS,
        milestone: head.milestone.unwrap_or(u64::MAX),
        age: head.created_at,
        number: head.number,
    }
}
