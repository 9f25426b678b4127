//! GitHub as a tracker: octocrab as transport, our own layers around it, our own tolerant reading of the answers.
//!
//! ```text
//! call -> deadline -> retry (GET only) -> credentials -> limiter -> headers, bounded body -> connection
//! ```
//!
//! A call makes at most its bounded number of requests and says in its error what stops (DESIGN 10). **Absent on purpose:** no
//! stored state (a [`PollMark`](super::PollMark) is returned, never kept), no repeated write, no sleeping through a limit, no
//! clock (the caller passes one), no environment.

mod auth;
mod base;
mod checks;
mod client;
mod credentials;
mod dto;
mod edits;
mod failure;
mod issues;
mod layers;
mod limiter;
mod poll;
mod pulls;
mod repository;
mod wire;
mod writes;

pub use auth::{Auth, FoundToken, TokenPlace, TokenSearchError, TokenSources, find_token};
pub use client::{Account, Clock, Config, GitHub, system_clock};
pub use limiter::Allowance;
