//! Pointsman: label an issue; the right coding agent does it; the label moves only when the work is really there.

pub mod domain;
pub mod machine;
pub mod terminal;
