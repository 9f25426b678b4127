//! `pointsman demo-agent` (layer 5): a scripted coding agent with a real terminal interface.
//!
//! It has what Pointsman meets in the real ones: an alternate screen, a composer that takes bracketed paste, a title and a state
//! file that say what it is doing, a transcript that is the receipt, and bad habits on request. Absent on purpose: a model, a
//! network, and knowledge of Pointsman beyond what a brief prints.

mod app;
mod brief;
mod check;
mod composer;
mod hands;
mod record;
mod rehearse;
mod screen;
mod script;
mod work;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

/// Between two lines of the transcript, so that a person can follow.
const PACE: Duration = Duration::from_millis(120);
/// Overrides [`PACE`], in milliseconds.
const PACE_VARIABLE: &str = "POINTSMAN_DEMO_PACE_MS";
/// The slowest pace.
const PACE_MAX: Duration = Duration::from_secs(10);

/// Names a file: while it is there, nothing is said or done after the line that is on the screen.
const WAIT_VARIABLE: &str = "POINTSMAN_DEMO_WAIT_FILE";
/// A step of a rehearsal that does not work, and how: `commit=asks`, `write=refused`, `report=silent`.
const REHEARSAL_VARIABLE: &str = "POINTSMAN_DEMO_REHEARSAL";

/// Arguments of `demo-agent`.
#[derive(Clone, Debug, Args)]
pub struct DemoAgentArgs {
    /// The first text, taken as submitted at once
    #[arg(value_name = "LINE")]
    pub line: Option<String>,
}

/// Runs the agent in this terminal until Ctrl-D, SIGTERM or SIGHUP.
#[expect(
    clippy::print_stderr,
    reason = "without a terminal there is no other place to say so"
)]
pub fn run(args: &DemoAgentArgs) -> ExitCode {
    let ran = setting().and_then(|setting| app::run(&setting, args.line.clone()));
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("Error: the demo agent cannot go on");
            eprintln!("Caused by: {error}");
            eprintln!("Hint: run it in a terminal, with HOME naming a folder it may write to");
            ExitCode::FAILURE
        }
    }
}

/// Where the agent runs.
#[derive(Clone, Debug)]
struct Setting {
    home: PathBuf,
    folder: PathBuf,
    pace: Duration,
    wait_file: Option<PathBuf>,
    rehearsal: Option<String>,
}

#[expect(clippy::disallowed_methods, reason = "the edge reads the environment")]
fn setting() -> std::io::Result<Setting> {
    let no_home = || std::io::Error::other("HOME is not set");
    let home = std::env::var_os("HOME")
        .filter(|home| !home.is_empty())
        .ok_or_else(no_home)?;
    let pace = std::env::var(PACE_VARIABLE)
        .ok()
        .and_then(|text| text.parse().ok());
    Ok(Setting {
        home: PathBuf::from(home),
        folder: std::env::current_dir()?,
        wait_file: std::env::var_os(WAIT_VARIABLE).map(PathBuf::from),
        rehearsal: std::env::var(REHEARSAL_VARIABLE).ok(),
        pace: pace.map_or(PACE, Duration::from_millis).min(PACE_MAX),
    })
}
