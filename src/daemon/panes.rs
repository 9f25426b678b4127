//! Agents' sessions, and every byte that is typed into them.
//!
//! | file | what is in it |
//! |---|---|
//! | [`fleet`], [`samplers`] | one watch over one server for every project; the profiles it reads panes by |
//! | [`session`], [`starts`], [`keep`] | how agents are started, how often again, and whether at all |
//! | `answers`, [`compose`], [`deliver`], [`typing`], [`hand`] | what a project's commands say, and the brief it stands in; the acts of its delivery; the bytes; one hand at a pane |
//! | [`said`] | a person's word, and one key to an agent at work |

pub mod answers;
pub mod compose;
pub mod deliver;
pub mod fleet;
pub mod hand;
pub mod keep;
pub mod said;
pub mod samplers;
pub mod session;
pub mod starts;
pub mod typing;
