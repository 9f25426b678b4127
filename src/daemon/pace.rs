//! How fast cycles may follow one another: at once as long as there is work, but no mistake of ours may spin.

use std::time::Duration;

use tokio::time::Instant;

use crate::domain::ProjectName;
use crate::machine::text::sha256;

/// Cycles in a row that wake each other, before the next waits for its time (DESIGN 3).
const IN_A_ROW_MAX: u32 = 20;
/// Even a cycle that is wanted at once leaves the others a moment.
pub const BREATH: Duration = Duration::from_millis(20);
/// Between two cycles beyond that.
const SLOW: Duration = Duration::from_secs(1);

/// By how much a pause is shorter or longer than what is configured, in thousandths.
const JITTER_MAX: u64 = 100;

/// Pauses between cycles that differ a little: projects that started together do not look together for ever.
///
/// Drawn from the project's name and the pauses so far, so that a project's pauses are the same in every run.
#[derive(Debug)]
pub struct Jitter {
    seed: u64,
    drawn: u64,
}

impl Jitter {
    /// Of one project.
    pub fn of(project: &ProjectName) -> Self {
        let digest = sha256(project.as_str().as_bytes());
        let seed = digest.bytes().fold(0_u64, |seed, digit| {
            seed.wrapping_mul(31).wrapping_add(u64::from(digit))
        });
        Self { seed, drawn: 0 }
    }

    /// Goes on to the next pause.
    pub fn draw(&mut self) {
        self.drawn += 1;
    }

    /// Returns the pause between this cycle and the next, up to a tenth shorter or longer than `cycle`.
    pub fn pause(&self, cycle: Duration) -> Duration {
        // SplitMix64 and its constants (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014).
        let mut mixed = self
            .seed
            .wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let thousandths = 1000 - JITTER_MAX + mixed % (2 * JITTER_MAX + 1);
        let thousandths = u32::try_from(thousandths).unwrap_or(1000);
        cycle * thousandths / 1000
    }
}

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
