//! The verbs (layer 1): every decision, as plain functions over plain values. No clock, no disk, no network, no async.
//!
//! | room | what is in it |
//! |---|---|
//! | [`engine`], [`step`], [`memory`], [`pace`] | the loop: inputs, appends, effects; what a step answers; what is remembered between cycles and is no truth; how often anything may come again |
//! | [`state`], [`evolve`] | the fold of the ledger, and the one table of what may follow what |
//! | [`starting`] | what is started next, and why everything else waits |
//! | [`dispatch`] | the life of what was started: prepare, deliver, watch, judge, clear away |
//! | [`labels`] | labels: ours, a person's, and whose word counts |
//! | [`pull`] | the pull request of an issue's branch, and what a person does with it |
//! | [`resolve`] | what an agent is doing, from its witnesses |
//! | [`telling`] | what agents and people are told: briefs, comments, the one comment that says where an issue stands |
//! | [`text`] | what others wrote: made safe to quote, and looked through for claims |

pub mod dispatch;
pub mod engine;
pub mod evolve;
pub mod labels;
pub mod memory;
pub mod pace;
pub mod pull;
pub mod resolve;
pub mod starting;
pub mod state;
pub mod step;
pub mod telling;
pub mod text;
