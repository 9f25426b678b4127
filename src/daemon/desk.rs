//! The desk: who calls, what they are shown, what is begun for them, and who is told unasked.
//!
//! | file | what is in it |
//! |---|---|
//! | [`control`], [`caller`] | the socket, and who is on the other side of it |
//! | [`surface`], [`news`] | what surfaces show; what comes next, for a verb that waits for it |
//! | [`trial`], [`check`] | errands of a person: `skill try`, `agent check` |
//! | [`notify`] | what newly needs a person, by command and webhook |

pub mod caller;
pub mod check;
pub mod control;
pub mod news;
pub mod notify;
pub mod surface;
pub mod trial;
