//! Looking: what is true now, with its gaps. Nothing is judged here.

pub mod commits;
pub mod elsewhere;
pub mod looks;
pub mod objects;
pub mod observe;
pub(super) mod witness;
pub mod writable;
