//! tests
mod ledger;
