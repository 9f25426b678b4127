//! Pointsman: label an issue; the right coding agent does it; the label moves only when the work is really there.

pub mod domain;
pub mod machine;

pub mod config;
pub mod ledger;
pub mod repo;
pub mod terminal;
pub mod tracker;
pub mod view;

pub mod daemon;

pub mod demo_agent;

pub mod cli;
