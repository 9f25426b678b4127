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

/// Starts the wake-ups: every project reads its tracker whole, once per `every` (minutes, at least one); and whoever has a schedule
/// looks when its minute comes.
pub async fn start(
    daemon: &Arc<Daemon>,
    every: Duration,
) -> Result<JobScheduler, JobSchedulerError> {
    let scheduler = JobScheduler::new().await?;
    let minutes = (every.as_secs() / 60).clamp(1, 59);
    let sweeping = Arc::clone(daemon);
    let job = Job::new_async(format!("0 */{minutes} * * * *"), move |_, _| {
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
