//! What a flow does next: one effect between two events.

use crate::domain::{Action, DispatchId, Event, IssueNumber, ReportId};

/// Something open that is carried on step by step. At most one effect of a flow is in flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flow {
    /// A dispatch: its deliveries, its gates, its end.
    Dispatch(DispatchId),
    /// An issue's label on its way.
    Transition(IssueNumber),
    /// An issue on its way to a person.
    Park(IssueNumber),
    /// Something a person has to know on its way to the tracker.
    Note(IssueNumber),
    /// An approved issue's branch on its way into the default branch.
    Merge(IssueNumber),
    /// An issue on its way out of the workflow.
    Leave(IssueNumber),
    /// An issue's park label on its way off, before a person's move.
    Route(IssueNumber),
    /// An issue's status comment on its way to the tracker.
    Status(IssueNumber),
    /// What an agent asked for on its way to the tracker.
    Post(DispatchId, ReportId),
    /// A person's interrupt on its way to the agent.
    Interrupt,
    /// The answer to a report on its way into the spool.
    Answer(ReportId),
}

/// The next step of a flow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write these down; then ask again.
    Record(Vec<Event>),
    /// Write these down; once they are acknowledged, do that, once.
    Intend(Vec<Event>, Action),
    /// Do that; repeating it does no harm.
    Do(Action),
    /// Nothing to do until something else changes.
    Rest,
}
