//! tests

mod github;
mod support;
mod tracker_contract;
