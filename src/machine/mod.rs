//! The verbs (layer 1): every decision, as plain functions over plain values. No clock, no disk, no network, no async.

pub mod anchor;
pub mod brief;
pub mod decide;
pub mod delivery;
pub mod engine;
pub mod errand;
pub mod evolve;
pub mod flow;
pub mod gate;
pub mod markdown;
pub mod open;
pub mod post;
pub mod question;
pub mod rank;
pub mod resolve;
pub mod route;
pub mod schedule;
pub mod state;
pub mod step;
pub mod text;
pub mod transition;
pub mod trust;
pub mod watchdog;
