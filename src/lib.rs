//! Pointsman: label an issue; the right coding agent does it; the label moves only when the work is really there.
//!
//! # Bird's-eye view
//!
//! ```text
//!   tracker --.                                     .-> tracker (labels, comments)
//!   tmux    --+-> Observation -> engine::step -> Effect --> tmux (one guarded line)
//!   git     --+                   |      ^          '-> git (mirror, push)
//!   reports --'                   v      |
//!                               ledger --'  state = fold(events)
//! ```
//!
//! Look, decide, write down, do, write down. A cycle looks at everything that is true now, [`machine`] decides with plain functions
//! over plain values, the intent goes into the [`ledger`], [`daemon`] performs it, and the outcome goes into the ledger as well. An
//! intent without an outcome is *unknown* and is resolved by looking, never by repeating. Timers, tmux, files and the control socket
//! only wake a cycle: each starts again from what is true, so a missed wake-up costs time and nothing else.
//!
//! The daemon and the simulator of the tests drive the same [`engine::step`](machine::engine::Engine::step); the simulator crashes between any two effects.
//!
//! # Code map
//!
//! In layer order. A module uses layers above it, never below; modules of layer 2 do not use each other, they meet in layer 3.
//! `tests/it/tidy.rs` reads the source and fails on anything else.
//!
//! | layer | module | what it is |
//! |---|---|---|
//! | 0 | [`knife`] | where a test may kill the daemon; nothing of it is in a release |
//! | 0 | [`domain`] | the nouns: issue, stage, dispatch, delivery, report, event, hold |
//! | 1 | [`machine`] | the verbs, pure and sync: `engine` (step), `evolve` (the fold), `starting` (what is next), `dispatch` (its life), `labels` (moves and trust), `resolve` (agent state), `telling` (briefs, comments), `text` |
//! | 2 | [`config`] | text to typed settings, workflows, profiles and skills; all problems of a file at once, with line and caret |
//! | 2 | [`ledger`] | the append-only record: `SQLite` and in-memory behind one trait |
//! | 2 | [`repo`] | git facts from a bare mirror; briefs going in, reports coming out |
//! | 2 | [`terminal`] | tmux: clients, the watch, guard and act in one server command, receipts |
//! | 2 | [`tracker`] | GitHub and the local file tracker behind one contract |
//! | 2 | [`view`] | what every surface renders: snapshot, explanation, rehearsal, timeline |
//! | 3 | [`daemon`] | performs effects and feeds outcomes back; one runner per project, one watch, one writer |
//! | 4 | [`demo_agent`] | the scripted agent of `pointsman demo`; it meets the daemon through files, like any agent |
//! | 5 | [`cli`] | one file per verb, the composition root, errors in words and exit codes |
//!
//! Data, not code: `labels.toml` and `workflows/` (stages), `skills/` (briefs), `agents/` (what is known of each agent program). They
//! are embedded in the binary and read by the same code as the operator's own files.
//!
//! To follow one issue through the code: [`engine::step`](machine::engine::Engine::step), [`machine::starting::decide`], [`machine::dispatch::flow`] (the life of a dispatch),
//! [`machine::dispatch::delivery`], `daemon::perform`, [`machine::dispatch::gate`], [`machine::labels::transition`].
//!
//! # Invariants of absence
//!
//! What is *not* there is what holds the rest together.
//!
//! - [`domain`], [`machine`] and [`view`] never read a clock, a disk, a network or the environment, never await, and iterate over
//!   nothing unordered. The time is an argument. So a decision can be computed again, and a seed replays a whole world.
//! - [`machine::evolve`] never sees rules: events carry what was decided, so a replay needs no configuration.
//! - [`config`], [`ledger`] and [`repo`] never read a clock either.
//! - [`daemon`] never decides. If it had a choice, the choice is a missing [`machine::engine::Effect`] or outcome.
//! - The daemon never runs git, hooks or filters in a project, and no project code as its child: git facts come from objects in a bare
//!   mirror; builds, gates and branch switches run in windows of the agents' tmux server.
//! - Nothing but [`tracker`], git's own push and the operator's own `[notify]` reaches the network, and no agent needs a token. The
//!   command of `[notify]` is the daemon's one child that is not tmux or git: it runs outside of every project, without a token.
//! - [`terminal`] never judges whether a text should be typed and never types one twice. Issue text is never on a typed line.
//! - Nothing below [`cli`] asks the environment who or where it is; folders, tokens and variables come in as values. (The scripted
//!   agent is a program of its own, and `terminal` takes an allow-list for its clients.)
//! - Under two users the daemon opens nothing in the agents' home and is no client of their tmux server, which opens files through its
//!   clients: `pointsman relay`, a process of theirs, does both with the same code.
//! - No timers per issue and no retry library: back-off is a decision, hence pure and tested; the cycle is the retry.
//! - No model is called anywhere.

pub mod knife;

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
