//! Wake-ups by the clock, in UTC, by tokio-cron-scheduler. They only wake: what is due is decided from the ledger.
//!
//! The crate's traps (facts: overlapping runs, lost activations, no waiting at shutdown) cannot hurt a wake-up: a lost one is
//! made up for by the next tick, a double one finds nothing to do.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tokio::sync::Mutex;
use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::daemon::Daemon;
use crate::daemon::hands::{chain, now};
use crate::daemon::runner::Message;
use crate::machine::starting::schedule;

/// Sweeps that come as often are a cron line's own: a minute's step has to fit into the hour.
const HALF_AN_HOUR: Duration = Duration::from_mins(30);
/// How often it is looked whether a rarer one is due.
const LOOK_MINUTES: u64 = 5;
/// How early a wake-up may come.
const A_MOMENT: Duration = Duration::from_secs(30);
/// How long ago a schedule's minute began at most, when the minute's job runs.
const A_MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// Starts the wake-ups: every project reads its tracker whole, once per `every` (minutes, at least one); and whoever has a schedule
/// looks when its minute comes. A project that could not be started is tried again with every wake-up.
pub async fn start(
    daemon: &Arc<Daemon>,
    every: Duration,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let sweeping = Arc::clone(daemon);
    let swept = Arc::new(Mutex::new(Instant::now()));
    let minutes = match every.as_secs() / 60 {
        minutes if every <= HALF_AN_HOUR => minutes.max(1),
        _ => LOOK_MINUTES,
    };
    let job = Job::new_async(format!("0 */{minutes} * * * *"), move |_, _| {
        let (daemon, swept) = (Arc::clone(&sweeping), Arc::clone(&swept));
        Box::pin(async move {
            if let Err(error) = daemon.start_projects().await {
                tracing::error!(error = chain(&error), "a project cannot be started");
            }
            let mut swept = swept.lock().await;
            if !is_time(swept.elapsed(), every) {
                return;
            }
            *swept = Instant::now();
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

/// Whether a sweep is due: where a cron line cannot say `every`, its wake-ups come more often. The first one after a start may come early.
fn is_time(since: Duration, every: Duration) -> bool {
    every <= HALF_AN_HOUR || since + A_MOMENT >= every
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
    fn a_long_sweep_is_as_long_as_it_was_asked_for() {
        let minutes = Duration::from_mins;
        let is_time = |since: u64, every: u64| is_time(minutes(since), minutes(every));
        assert!(is_time(1, 5) && is_time(5, 5) && is_time(90, 90) && is_time(24 * 60, 24 * 60));
        assert!(!is_time(30, 60) && !is_time(60, 90) && !is_time(23 * 60, 24 * 60));
        let late = Duration::from_secs(90 * 60 - 1);
        assert!(super::is_time(late, minutes(90)), "a timer is never exact");
    }
}
