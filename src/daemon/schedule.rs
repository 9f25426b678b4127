//! Wake-ups by the clock, in UTC, by tokio-cron-scheduler. They only wake: what is due is decided from the ledger.
//!
//! The crate's traps (facts: overlapping runs, lost activations, no waiting at shutdown) cannot hurt a wake-up: a lost one is
//! made up for by the next tick, a double one finds nothing to do.

use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::daemon::Daemon;
use crate::daemon::hands::{chain, now};
use crate::daemon::runner::Message;
use crate::machine::schedule;

/// How long ago a schedule's minute began at most, when the minute's job runs.
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Starts the wake-ups: every project reads its tracker whole, once per `every`; and whoever has a schedule looks when its minute
/// comes.
pub async fn start(
    daemon: &Arc<Daemon>,
    every: Duration,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let sweeping = Arc::clone(daemon);
    let job = Job::new_async(cron(every), move |_, _| {
        let daemon = Arc::clone(&sweeping);
        Box::pin(async move {
            if let Err(error) = daemon.start_projects().await {
                tracing::error!(error = chain(&error), "a project cannot be started");
            }
            for name in daemon.projects() {
                daemon.send(&name, Message::Sweep).await;
            }
        })
    })?;
    scheduler.add(job).await?;
    scheduler.add(due(daemon)?).await?;
    scheduler.start().await?;
    Ok(scheduler)
}

/// Whole minutes, at least one, or whole hours: what a cron line can say, and never more rarely than asked for.
fn cron(every: Duration) -> String {
    match every.as_secs() / 60 {
        minutes @ 0..60 => format!("0 */{} * * * *", minutes.max(1)),
        minutes => match minutes / 60 {
            hours @ 0..24 => format!("0 0 */{hours} * * *"),
            _ => "0 0 0 * * *".to_owned(),
        },
    }
}

/// Every minute, because the configuration changes: the projects for which a schedule's minute is now look what they owe.
fn due(daemon: &Arc<Daemon>) -> Result<Job, JobSchedulerError> {
    let daemon = Arc::clone(daemon);
    Job::new_async("0 * * * * *", move |_, _| {
        let daemon = Arc::clone(&daemon);
        Box::pin(async move {
            let (config, at) = (daemon.config(), now());
            for schedule in &config.settings.schedules {
                let run = schedule::newest(schedule.at, &TimeZone::system(), at);
                if run.is_some_and(|run| at.duration_since(run.at) < A_MINUTE) {
                    daemon.send(&schedule.project, Message::Wake).await;
                }
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_comes_as_often_as_it_was_asked_for() {
        for (minutes, line) in [
            (1, "0 */1 * * * *"),
            (15, "0 */15 * * * *"),
            (59, "0 */59 * * * *"),
            (60, "0 0 */1 * * *"),
            (150, "0 0 */2 * * *"),
            (24 * 60, "0 0 0 * * *"),
        ] {
            assert_eq!(cron(Duration::from_mins(minutes)), line);
            assert!(Job::new_async(line, |_, _| Box::pin(async {})).is_ok());
        }
        assert_eq!(cron(Duration::from_secs(10)), "0 */1 * * * *");
    }
}
