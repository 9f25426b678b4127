//! The verbs (layer 1), all pure and sync.

pub mod resolve;
