//! A fake GitHub: a model of what `FIDELITY.md` lists, served over HTTP, with faults on demand.
//!
//! [`Model`] is plain data and plain functions (`handle(&Call) -> Answer`); [`FakeGitHub`] puts it behind a port. Time stands
//! still until somebody calls [`Model::advance`]. Every modelled fact has a switch, so that a test can show who relies on it.
#![allow(
    dead_code,
    unused_imports,
    reason = "a library for all stories; not each of them uses all of it"
)]

mod api;
mod checks;
mod entry;
mod fact;
mod fault;
mod graphql;
mod issues;
mod json;
mod model;
mod people;
mod pulls;
mod server;

pub(crate) use entry::{Answer, Call, Logged};
pub(crate) use fact::Fact;
pub(crate) use fault::{Fault, Kind};
pub(crate) use model::{Model, RepoLabel};
pub(crate) use people::app_key;
pub(crate) use server::FakeGitHub;
