//! What is started next: the candidates, their one order, and the hold of every one that waits.
//!
//! | file | what is in it |
//! |---|---|
//! | [`decide`] | the decision of one cycle, as a value |
//! | [`candidates`], [`rank`] | who may start, best first, and what can be said against each without reading it singly |
//! | [`open`] | from the best candidate to the events that claim it, or the reason why not |
//! | [`beside`], `dependencies` | which issues wait for others: for their files, for their end |
//! | [`schedule`] | what is due by the clock |
//! | [`starved`] | ready work, and no dispatch for hours |

pub mod beside;
pub mod candidates;
pub mod decide;
pub(crate) mod dependencies;
pub mod open;
pub mod rank;
pub mod schedule;
pub mod starved;
