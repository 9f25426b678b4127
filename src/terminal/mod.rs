//! Terminals (layer 2): tmux, the agents in its panes, and the proof that a text reached one of them.
//!
//! [`Tmux`] runs short-lived clients, each with a deadline and a classified error, or lets the [`Relay`] of another account run
//! them; [`Watch`] keeps one control-mode client per socket and starts no process per tick. What acts on a pane ([`Tmux::paste`],
//! [`Tmux::enter`], [`Tmux::clear_line`]) checks a [`Guard`] and acts in *one* entry of the server's command queue, so nothing can change
//! in between (PROTOCOLS 3).
//!
//! Absent on purpose: deciding. Nothing here judges whether a text should be typed, and nothing types it twice.

mod agent_files;
pub mod argv;
mod client;
mod control;
mod deliver;
mod ending;
mod ere;
mod error;
mod guard;
mod limit;
mod mask;
mod native;
mod open;
mod process;
pub mod receipt;
pub mod relay;
mod rollout;
mod row;
mod sample;
mod screen;
mod server;
mod turns;
mod variables;
mod watch;

pub use client::{Tmux, as_account};
pub use deliver::{Trace, Traced};
pub use error::TmuxError;
pub use guard::{Blocked, Guard, Guarded};
pub use mask::masked;
pub use process::{Process, ProcessTree};
pub use relay::{AgentsHome, Relay};
pub use row::{PaneRow, ROW_FORMAT, Seen};
pub use sample::{Sampled, Sampler, Station};
pub use screen::{Capture, Composer, ProfileError, Recogniser, Row, ScreenReading};
pub use server::{NewWindow, SENTINEL};
pub use variables::Environment;
pub use watch::{Snapshot, Watch};
