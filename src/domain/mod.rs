//! The nouns (layer 0): values every other layer speaks of. No clock, no disk, no network, no async.

pub mod agent;
pub mod id;
pub mod issue;
pub mod profile;
pub mod project;
pub mod rules;

pub use agent::*;
pub use id::*;
pub use issue::*;
pub use profile::*;
pub use project::*;
pub use rules::*;
