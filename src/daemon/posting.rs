//! What is written on the tracker: each write is done once, or found to be done already.

pub mod posts;
pub mod pulls;
pub mod status;
pub mod writes;
