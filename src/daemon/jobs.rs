//! What runs a project's own code or moves its commits: jobs in windows of the agents' server, never children of the daemon.

pub mod gates;
pub mod job;
pub mod logs;
pub mod merge;
pub mod push;
pub mod tree;
