//! The verbs (layer 1): every decision, as plain functions over plain values. No clock, no disk, no network, no async.
//!
//! | room | what is in it |
//! |---|---|
//! | [`engine`], [`step`], [`memory`], [`pace`] | the loop: inputs, appends, effects; what a step answers; what is remembered between cycles and is no truth; how often anything may come again |
//! | [`state`], [`evolve`] | the fold of the ledger, and the one table of what may follow what |
//! | [`decide`], `in_hand`, [`candidates`], [`legend`], [`rank`], [`open`] | what is done next: open matters first, then the best candidate; every other one has its hold |
//! | [`flow`], [`delivery`], `judging`, `ending`, `repeat` | the life of a dispatch: prepare, deliver, judge, clear away; the same report has the same answer |
//! | [`gate`], [`anchor`], [`alike`] | whether the work is there; whether what a text claims is true; which issues may be about the same |
//! | [`transition`], `walks`, [`route`], [`trust`], [`older`] | labels: ours, a person's, and whose word counts; which read is older than what is known |
//! | [`pull`], [`reserved`] | the pull request of an issue's branch, and what a person does with it |
//! | `claim` | a label that the agent's account moved on: a report, and undone once if the work is not there |
//! | `note` | what a person has to know, by one comment each |
//! | [`stall`], [`starved`] | what fails or is in the way: tried again, told, handed over; ready work and no dispatch for hours |
//! | [`question`], [`post`] | what agents ask and write down |
//! | [`errand`], [`check`], [`schedule`], [`interrupt`] | what no label asks for: trials, rehearsals, a person's words, the clock |
//! | [`status`] | the one comment per issue that says where it stands, and its marker lines |
//! | [`resolve`], [`watchdog`] | what an agent is doing, from its witnesses; what time alone changes |
//! | [`brief`], [`markdown`], [`text`], [`quote`] | the words, and which of them a comment quotes |

pub mod alike;
pub mod anchor;
pub mod beside;
pub mod brief;
pub mod candidates;
pub mod check;
mod claim;
pub mod decide;
pub mod delivery;
mod dependencies;
mod ending;
pub mod engine;
pub mod errand;
pub mod evolve;
pub mod flow;
pub mod gate;
mod in_hand;
pub mod interrupt;
mod judging;
pub mod legend;
pub mod markdown;
pub mod memory;
mod note;
pub mod older;
pub mod open;
pub mod pace;
pub mod post;
pub mod pull;
pub mod question;
pub mod quote;
pub mod rank;
pub mod recovery;
mod repeat;
pub mod reserved;
pub mod resolve;
pub mod route;
pub mod schedule;
pub mod stall;
pub mod starved;
pub mod state;
pub mod status;
pub mod step;
pub mod text;
pub mod touches;
pub mod transition;
pub mod trust;
mod walks;
pub mod watchdog;
