//! How often a managed agent is started again: three times an hour, and then a person is needed (DESIGN 7).
//!
//! Counted is what ended although it ran. The first start is none, and neither is the fresh start after a resume that came to nothing:
//! a program ends at once when there is no conversation to go on with.

use std::time::Duration;

use tokio::time::Instant;

/// Restarts within an hour.
pub const RESTARTS_MAX: usize = 3;
const RESTARTS_IN: Duration = Duration::from_hours(1);

/// How an agent is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// With its last conversation.
    Resumed,
    /// With an empty one.
    Fresh,
}

/// The starts of one project's agent since the daemon's own.
#[derive(Debug, Default)]
pub struct Starts {
    last: Option<Start>,
    is_proven: bool,
    counted: Vec<Instant>,
}

impl Starts {
    /// It was seen at work or idle: a later end is one that counts.
    pub fn proven(&mut self) {
        self.is_proven = true;
    }

    /// Says how it is started next; `None` when it ended too often.
    pub fn next(&self, now: Instant, can_resume: bool) -> Option<Start> {
        if self.is_free() {
            let resumes = self.last.is_none() && can_resume;
            return Some(if resumes {
                Start::Resumed
            } else {
                Start::Fresh
            });
        }
        (self.recent(now).count() < RESTARTS_MAX).then_some(Start::Fresh)
    }

    /// It was started, or that failed.
    pub fn began(&mut self, start: Start, now: Instant) {
        if !self.is_free() {
            self.counted = self.recent(now).chain([now]).collect();
        }
        self.last = Some(start);
        self.is_proven = false;
    }

    /// Nothing ended that ran.
    fn is_free(&self) -> bool {
        match self.last {
            None => !self.is_proven,
            Some(Start::Resumed) => !self.is_proven,
            Some(Start::Fresh) => false,
        }
    }

    fn recent(&self, now: Instant) -> impl Iterator<Item = Instant> {
        let is_recent = move |at: &Instant| now.duration_since(*at) < RESTARTS_IN;
        self.counted.iter().copied().filter(is_recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts it at this minute and says how; `None` if it is not started any more.
    fn start(starts: &mut Starts, minute: u64) -> Option<Start> {
        let now = *EPOCH + Duration::from_mins(minute);
        let start = starts.next(now, true)?;
        starts.began(start, now);
        Some(start)
    }

    static EPOCH: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);

    #[test]
    fn the_first_start_and_a_resume_that_came_to_nothing_do_not_count() {
        let mut starts = Starts::default();
        assert_eq!(start(&mut starts, 0), Some(Start::Resumed));
        assert_eq!(start(&mut starts, 0), Some(Start::Fresh));
        for minute in 1..=3 {
            starts.proven();
            assert_eq!(start(&mut starts, minute), Some(Start::Fresh), "{minute}");
        }
        starts.proven();
        assert_eq!(start(&mut starts, 4), None, "three restarts an hour");
        assert_eq!(start(&mut starts, 61), Some(Start::Fresh), "an hour later");
        assert_eq!(
            start(&mut starts, 61),
            None,
            "the one of minute 1 alone is forgotten"
        );
    }

    #[test]
    fn an_agent_that_never_comes_up_is_started_five_times() {
        let mut starts = Starts::default();
        let all: Vec<Option<Start>> = (0..6).map(|_| start(&mut starts, 0)).collect();
        let (resumed, fresh) = (Some(Start::Resumed), Some(Start::Fresh));
        assert_eq!(all, [resumed, fresh, fresh, fresh, fresh, None]);
    }

    #[test]
    fn one_that_ran_before_the_daemon_did_counts_when_it_ends() {
        let mut starts = Starts::default();
        starts.proven();
        let all: Vec<Option<Start>> = (0..4).map(|_| start(&mut starts, 0)).collect();
        let fresh = Some(Start::Fresh);
        assert_eq!(all, [fresh, fresh, fresh, None]);
    }
}
