//! `pointsman run`, and what other verbs start a daemon with.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{Failure, edge};
use crate::config::{self, Config};
use crate::daemon::desk::control;
use crate::daemon::places::Places;
use crate::daemon::{Daemon, StartError, schedule};
use crate::machine::engine::Scope;
use crate::machine::text::count;

/// How long SIGTERM waits for what is under way: systemd's default stop time is 90 s.
const DRAIN_MAX: Duration = Duration::from_mins(1);
/// How long what is being read may then take.
const LEAVES_MAX: Duration = Duration::from_secs(2);

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(super) struct RunArgs {
    /// Say more: -v decisions, -vv every effect
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// Starts tracing on stderr; journald keeps it.
pub(super) fn trace(verbose: u8) {
    log(match verbose {
        0 => "pointsman=info",
        1 => "pointsman=debug",
        _ => "pointsman=trace,debug",
    });
}

/// Starts tracing for a verb whose answer is on stdout: only what goes wrong.
pub(super) fn trace_faults() {
    log("pointsman=warn");
}

fn log(default: &str) {
    use tracing_subscriber::EnvFilter;
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let ansi = std::io::IsTerminal::is_terminal(&std::io::stderr());
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(ansi)
        .finish();
    // A second call, in tests, keeps the first.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Reads the configuration; its problems end with code 78.
pub(super) fn load(places: &Places) -> Result<Config, Failure> {
    config::load(&places.config, &places.home).map_err(Failure::config)
}

/// Makes the runtime that verbs of the daemon's kind run in.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?)
}

/// Starts a daemon in this process.
pub(super) async fn start(places: Places, config: Config) -> Result<Arc<Daemon>, Failure> {
    start_within(Scope::Everything, places, config).await
}

/// Starts one in this process that may begin only so much.
pub(super) async fn start_within(
    scope: Scope,
    places: Places,
    config: Config,
) -> Result<Arc<Daemon>, Failure> {
    Daemon::start_within(scope, places, config, edge::find_auth())
        .await
        .map_err(|error| match error {
            StartError::Ledger(error) => Failure::of_ledger(error),
            StartError::Replay(error) => Failure::of_replay(error),
            other => {
                let hint = other.hint();
                Failure::new(other).hint(hint)
            }
        })
}

/// Runs the daemon until it is told to stop.
pub(super) fn run(args: &RunArgs) -> Result<(), Failure> {
    trace(args.verbose);
    #[cfg(debug_assertions)]
    if let Some(folder) = edge::variable(crate::knife::VARIABLE) {
        crate::knife::arm(folder.as_ref())?;
    }
    let places = edge::places()?;
    let config = load(&places)?;
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let daemon = start(places, config).await?;
        let listening = tokio::spawn(control::serve(Arc::clone(&daemon)));
        tokio::spawn(Arc::clone(&daemon).watch_config());
        let sweep = daemon.config().settings.sweep;
        let mut scheduler = schedule::start(&daemon, sweep).await?;
        tokio::spawn(watchdog(Arc::clone(&daemon)));
        notify(&[
            sd_notify::NotifyState::Ready,
            sd_notify::NotifyState::Status(&status(&daemon)),
        ]);
        tracing::info!(
            projects = daemon.projects().len(),
            version = env!("CARGO_PKG_VERSION"),
            "running"
        );
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut hangup = signal(SignalKind::hangup())?;
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => {
                    tracing::info!("SIGHUP: the configuration is read again");
                    // What is wrong with it is logged and stands in `status`.
                    drop(daemon.reload().await);
                }
            }
        }
        notify(&[sd_notify::NotifyState::Stopping]);
        tracing::info!("stopping: what is under way ends first");
        daemon.drain(DRAIN_MAX).await;
        scheduler.shutdown().await?;
        listening.await??;
        Ok(())
    });
    // A thread that reads from a disk that does not answer ends with the process, and not before.
    runtime.shutdown_timeout(LEAVES_MAX);
    ended
}

fn status(daemon: &Daemon) -> String {
    count(daemon.projects().len(), "project")
}

pub(super) fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!(%error, "systemd was not told");
    }
}

/// Pets systemd's watchdog for as long as every runner answers.
async fn watchdog(daemon: Arc<Daemon>) {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return;
    };
    loop {
        let turning = tokio::time::timeout(limit / 4, daemon.is_turning()).await;
        if turning == Ok(true) {
            notify(&[
                sd_notify::NotifyState::Watchdog,
                sd_notify::NotifyState::Status(&status(&daemon)),
            ]);
        }
        tokio::time::sleep(limit / 4).await;
    }
}
