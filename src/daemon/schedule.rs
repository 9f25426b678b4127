//! Wake-ups by the clock, in UTC, by tokio-cron-scheduler. They only wake: what is due is decided from the ledger.
//!
//! The crate's traps (facts: overlapping runs, lost activations, no waiting at shutdown) cannot hurt a wake-up: a lost one is
//! made up for by the next tick, a double one finds nothing to do.

use std::sync::Arc;
use std::time::Duration;

use tokio_cron_scheduler::{Job, JobScheduler, JobSchedulerError};

use crate::daemon::Daemon;
use crate::daemon::hands::chain;
use crate::daemon::runner::Message;

/// Starts the sweep's wake-ups: every project reads its tracker whole, once per `every` (minutes, at least one).
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
    scheduler.start().await?;
    Ok(scheduler)
}
