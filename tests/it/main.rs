//! One integration binary: faster links, shared support, and no file is forgotten.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails there")]

mod bad_input;
mod brief;
mod builders;
mod cli;
mod config;
mod demo_agent;
mod doctor;
mod e2e;
mod faults;
mod gates;
mod github;
mod incidents;
mod jobs;
mod leave;
mod ledger;
mod liars;
mod local_tracker;
mod machine;
mod notify;
mod real_agent;
mod relay;
mod repo;
mod report_verbs;
mod rows;
mod service;
mod simulation;
mod support;
mod terminal;
mod tidy;
mod tracker_contract;
mod trees;
mod view;
