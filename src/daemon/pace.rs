//! How fast cycles may follow one another: at once as long as there is work, but no mistake of ours may spin.

use std::time::Duration;

use tokio::time::Instant;

/// Cycles in a row that wake each other, before the next waits for its time (DESIGN 3).
const IN_A_ROW_MAX: u32 = 20;
/// Even a cycle that is wanted at once leaves the others a moment.
pub const BREATH: Duration = Duration::from_millis(20);
/// Between two cycles beyond that.
const SLOW: Duration = Duration::from_secs(1);

/// Counts the cycles since the last tick.
#[derive(Debug, Default)]
pub struct Pace {
    in_a_row: u32,
    begun: Option<Instant>,
}

impl Pace {
    /// Returns how long the next cycle has to wait.
    pub fn pause(&self, now: Instant) -> Duration {
        match self.begun {
            Some(begun) if self.in_a_row >= IN_A_ROW_MAX => {
                SLOW.saturating_sub(now.duration_since(begun))
            }
            _ => Duration::ZERO,
        }
    }

    /// Notes that a cycle begins.
    pub fn begin(&mut self, now: Instant) {
        self.in_a_row += 1;
        self.begun = Some(now);
    }

    /// A tick, or news: what follows is a row of its own.
    pub fn tick(&mut self) {
        self.in_a_row = 0;
    }
}
