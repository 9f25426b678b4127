//! The nouns (layer 0): values every other layer speaks of. No clock, no disk, no network, no async.

pub mod action;
pub mod agent;
pub mod check;
pub mod dispatch;
pub mod errand;
pub mod event;
pub mod hold;
pub mod id;
pub mod issue;
pub mod notice;
pub mod observation;
pub mod profile;
pub mod project;
pub mod pull;
pub mod report;
pub mod rules;
pub mod skill;

pub use action::*;
pub use agent::*;
pub use check::*;
pub use dispatch::*;
pub use errand::*;
pub use event::*;
pub use hold::*;
pub use id::*;
pub use issue::*;
pub use notice::*;
pub use observation::*;
pub use profile::*;
pub use project::*;
pub use pull::*;
pub use report::{
    Evidence, Moved, Post, Posting, REPORT_TEXT_BYTES_MAX, Report, Said, Spec, SpoolFile, Verb,
    VerdictFile, VerdictWord,
};
pub use rules::*;
pub use skill::*;
