//! The one total order of candidates: the smaller key goes first.

use std::cmp::Reverse;

use jiff::Timestamp;

use crate::domain::{Head, IssueNumber};
use crate::machine::labels::legend::Reading;
use crate::machine::state::State;

/// An issue that waits this long counts as one priority step higher, again and again: nothing starves.
const AGING_STEP_SECONDS: i64 = 24 * 60 * 60;

/// A candidate's place. Ordered field by field.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rank {
    /// Holders of a downstream seat first.
    seat: u8,
    /// Downstream stages first.
    stage: Reverse<usize>,
    /// Priority label, lowered by age: one step a day.
    priority: i64,
    /// Milestone, none last.
    milestone: u64,
    /// Oldest first.
    age: Timestamp,
    /// Ties end here.
    number: IssueNumber,
}

/// Returns the rank of an issue whose labels say `reading` and ask for the stage at `position`.
pub fn rank(
    head: &Head,
    position: usize,
    reading: &Reading,
    state: &State,
    now: Timestamp,
) -> Rank {
    let waited_seconds = (now.as_second() - head.created_at.as_second()).max(0);
    let seated = state.seats.values().any(|holder| *holder == head.number);
    Rank {
        seat: u8::from(!seated),
        stage: Reverse(position),
        priority: i64::try_from(reading.priority).unwrap_or(i64::MAX)
            - waited_seconds / AGING_STEP_SECONDS,
        milestone: head.milestone.unwrap_or(u64::MAX),
        age: head.created_at,
        number: head.number,
    }
}
