//! What every surface renders (layer 2): one snapshot, one explanation, one line per event.
//!
//! Pure: values in, values and text out. No surface looks at the engine's state itself, and nothing here reads a clock: ages are
//! counted from the snapshot's own moment.

pub mod blockers;
pub mod decisions;
pub mod explain;
pub mod explanation;
pub mod health;
pub mod inbox;
pub mod period;
pub mod rehearse;
mod scheduled;
pub mod session;
mod sight;
pub mod snapshot;
mod standing;
pub mod status;
pub mod timeline;
mod words;

pub use blockers::{Blocker, blockers, render_blockers};
pub use decisions::{Decided, Decisions, render_decisions};
pub use explain::render_explanation;
pub use explanation::{About, Explanation, Story, explain};
pub use health::{Fault, Health, render_health};
pub use inbox::{Inbox, Matter, render_inbox};
pub use period::{Counter, Period, render_period};
pub use rehearse::dry_run;
pub use scheduled::ScheduleRow;
pub use session::{SessionView, WindowView, Witnessed, render_session};
pub use sight::{Remembered, Sight};
pub use snapshot::{
    ACCOUNTS, AgentView, Attention, Gap, IssueRow, ProjectView, Snapshot, Standing, StarvedView,
    account_limits,
};
pub use status::{Ink, render_status};
pub use timeline::{Told, sentence};
pub use words::attach_to;
