//! The life of a dispatch, and of an errand that no label asked for (PROTOCOLS 2 to 5).
//!
//! | file | what is in it |
//! |---|---|
//! | [`flow`], `in_hand` | the steps: prepare, deliver, judge, finish, clear away; where an issue stands meanwhile |
//! | [`delivery`], [`recovery`], [`interrupt`] | how a line gets into a session; an agent whose provider failed; one key to an agent at work |
//! | [`watchdog`], [`stall`] | what time alone changes; what fails is tried again, told, handed over |
//! | `judging`, [`gate`], `claim` | a report and its gates; a label that an agent's account moved on is a report as well |
//! | [`question`], `ending`, `repeat` | what an agent asks; what is cleared away; the same report has the same answer |
//! | [`errand`], [`check`] | trials, schedules and rehearsals |

pub mod check;
pub(super) mod claim;
pub mod delivery;
pub(super) mod ending;
pub mod errand;
pub mod flow;
pub mod gate;
pub(super) mod in_hand;
pub mod interrupt;
pub(super) mod judging;
pub mod question;
pub mod recovery;
pub(super) mod repeat;
pub mod stall;
pub mod watchdog;
