//! The command line (layer 5): one file per verb, the composition root, errors in words and exit codes.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "stdout is data, stderr is talk"
)]

mod client;
mod demo;
mod edge;
mod failure;
pub mod report;
mod run;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::demo_agent;

pub use failure::Failure;

/// Label an issue; the right coding agent does it; the label moves only when the work is really there
#[derive(Debug, Parser)]
#[command(
    name = "pointsman",
    version,
    propagate_version = true,
    disable_help_subcommand = true
)]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run the daemon in the foreground
    Run(run::RunArgs),
    /// Let every project look and act once, and print what happened
    Cycle(run::CycleArgs),
    /// Watch four issues walk to the end in a throw-away home
    Demo(demo::DemoArgs),
    #[command(flatten)]
    Report(report::ReportVerb),
    /// Run the scripted agent of `pointsman demo` in this terminal
    #[command(hide = true)]
    DemoAgent(demo_agent::DemoAgentArgs),
}

/// Takes argv, returns the exit code: 0 done, 1 failed, 2 usage, 78 configuration.
pub fn main() -> ExitCode {
    let verb = Arguments::parse().verb;
    let result = match verb {
        Verb::Report(verb) => return report::run(verb),
        Verb::DemoAgent(args) => return demo_agent::run(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Cycle(args) => run::cycle(&args),
        Verb::Demo(args) => demo::demo(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            failure.code()
        }
    }
}
