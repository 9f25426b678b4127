//! What agents and people are told, each with the words of one place (DESIGN 5, PROTOCOLS 8).
//!
//! | file | what is in it |
//! |---|---|
//! | [`brief`] | the skill's text, then a facts block of our own making |
//! | [`status`] | the one comment per issue that says where it stands, and its marker lines |
//! | `note` | what a person has to know, by one comment each |
//! | [`post`] | what an agent asked us to write on the tracker |

pub mod brief;
pub(super) mod note;
pub mod post;
pub mod status;
