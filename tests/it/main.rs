//! tests
mod brief;
mod builders;
mod gates;
mod ledger;
