//! tests
mod config;
mod ledger;
