//! Labels: what they mean, who may set them, and our own moves (PROTOCOLS 1, 6, 7).
//!
//! | file | what is in it |
//! |---|---|
//! | [`legend`], [`older`] | what an issue's labels mean in a workflow; which read is older than what is known |
//! | [`trust`] | who asked, and may they |
//! | [`transition`] | our moves: add, remove, read back; a person's move is never fought |
//! | [`route`], `walks` | a person's move by our hand; issues between two dispatches |

pub mod legend;
pub mod older;
pub mod route;
pub mod transition;
pub mod trust;
pub(super) mod walks;
