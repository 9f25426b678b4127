//! The command line (layer 5): one file per verb, the composition root, errors in words and exit codes.

#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "stdout is data, stderr is talk"
)]

mod agent;
mod capture;
mod client;
mod cycle;
mod demo;
mod doctor;
mod dup;
mod edge;
mod explain;
mod failure;
mod health;
mod inbox;
mod init;
mod issue;
mod known;
mod labels;
mod leave;
mod ledger;
mod reference;
mod relay;
pub mod report;
mod run;
mod say;
mod service;
mod session;
mod skill;
mod solo;
mod status;
mod steer;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

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
    /// Add projects: write one commented file each, from what lies in the folder
    Init(init::InitArgs),
    /// Run the daemon in the foreground
    Run(run::RunArgs),
    /// Let every project look and act once, and print what happened
    Cycle(cycle::CycleArgs),
    /// Show where every project, agent and issue stands
    Status(status::StatusArgs),
    /// Say why an issue, or what is due by the clock, stands where it stands
    Explain(explain::ExplainArgs),
    /// List what waits for you, each with what ends it
    Inbox(inbox::InboxArgs),
    /// Say whether the daemon does its work, for a monitor: 0 if it does, else 1 and why
    Health(health::HealthArgs),
    /// Look at everything Pointsman needs, and say what is wrong and what to do
    Doctor(doctor::DoctorArgs),
    /// Read and write a project's issues
    #[command(subcommand)]
    Issue(issue::IssueVerb),
    /// Approve the work on an issue
    Approve(steer::ApproveArgs),
    /// Send the work on an issue back, with a reason, instead of approving it
    Deny(steer::DenyArgs),
    /// Move an issue to a stage, whatever its evidence
    Route(steer::RouteArgs),
    /// Start nothing new in a project
    Pause(steer::ProjectArgs),
    /// Let a paused project go on
    Resume(steer::ProjectArgs),
    /// Keep a project's agent up
    Up(steer::ProjectArgs),
    /// End a project's agent
    Down(steer::ProjectArgs),
    /// End a project's agent and start it again
    Restart(steer::ProjectArgs),
    /// Show a project's session in this terminal
    Attach(session::AttachArgs),
    /// Say who says what of a project's agent
    #[command(subcommand)]
    Session(session::SessionVerb),
    /// Find out what a project's agent does without a person
    #[command(subcommand)]
    Agent(agent::AgentVerb),
    /// Say something to a project's idle agent
    Say(agent::SayArgs),
    /// Stop what a project's agent does, by its own key, once
    Interrupt(agent::InterruptArgs),
    /// Keep a tracker's labels and a workflow together
    #[command(subcommand)]
    Labels(labels::LabelsVerb),
    /// Write and look at skills
    #[command(subcommand)]
    Skill(skill::SkillVerb),
    /// Read the ledger
    #[command(subcommand)]
    Ledger(ledger::LedgerVerb),
    /// Remove a project: list what was written for it, and take it back
    Remove(leave::RemoveArgs),
    /// Remove everything Pointsman ever wrote on this machine, after listing it
    Uninstall(leave::UninstallArgs),
    /// Keep the daemon running by systemd
    #[command(subcommand)]
    Service(service::ServiceVerb),
    /// Print completions for a shell
    Completions(reference::CompletionsArgs),
    /// Print the manual page
    Man,
    /// Print the help of every verb
    #[command(hide = true)]
    HelpAll,
    /// Watch four issues walk to the end in a throw-away home
    Demo(demo::DemoArgs),
    #[command(flatten)]
    Report(report::ReportVerb),
    /// Read the agents' home and run their tmux's clients for a daemon of another account; its unit starts it
    #[command(hide = true)]
    Relay(relay::RelayArgs),
    /// Run the scripted agent of `pointsman demo` in this terminal
    #[command(hide = true)]
    DemoAgent(demo_agent::DemoAgentArgs),
}

/// Takes argv, returns the exit code: 0 done, 1 failed, 2 usage, 78 configuration.
pub fn main() -> ExitCode {
    let verb = Arguments::parse().verb;
    match run_verb(verb) {
        Ok(code) => code,
        Err(failure) => {
            if failure.speaks() {
                eprintln!("{failure}");
            }
            failure.code()
        }
    }
}

fn run_verb(verb: Verb) -> Result<ExitCode, Failure> {
    let done = match verb {
        Verb::Report(verb) => return Ok(report::run(verb)),
        Verb::DemoAgent(args) => return Ok(demo_agent::run(&args)),
        Verb::Issue(verb) => return issue::issue(verb),
        Verb::Health(args) => return health::health(&args),
        Verb::Init(args) => init::init(&args),
        Verb::Run(args) => run::run(&args),
        Verb::Relay(args) => relay::relay(&args),
        Verb::Cycle(args) => cycle::cycle(&args),
        Verb::Demo(args) => demo::demo(&args),
        Verb::Status(args) => status::status(&args),
        Verb::Explain(args) => explain::explain(&args),
        Verb::Inbox(args) => inbox::inbox(&args),
        Verb::Doctor(args) => doctor::doctor(&args),
        Verb::Approve(args) => steer::approve(&args),
        Verb::Deny(args) => steer::deny(args),
        Verb::Route(args) => steer::route(&args),
        Verb::Pause(args) => steer::pause(&args),
        Verb::Resume(args) => steer::resume(&args),
        Verb::Up(args) => session::up(&args),
        Verb::Down(args) => session::down(&args),
        Verb::Restart(args) => session::restart(&args),
        Verb::Attach(args) => session::attach(&args),
        Verb::Session(verb) => session::session(&verb),
        Verb::Agent(verb) => agent::agent(&verb),
        Verb::Say(args) => agent::tell(&args),
        Verb::Interrupt(args) => agent::interrupt(&args),
        Verb::Labels(verb) => labels::labels(&verb),
        Verb::Skill(verb) => skill::skill(&verb),
        Verb::Ledger(verb) => ledger::ledger(&verb),
        Verb::Remove(args) => leave::remove(&args),
        Verb::Uninstall(args) => leave::uninstall(&args),
        Verb::Service(verb) => service::service(&verb),
        Verb::Completions(args) => reference::completions(&args, Arguments::command()),
        Verb::Man => reference::man(Arguments::command()),
        Verb::HelpAll => reference::help_all(Arguments::command()),
    };
    done.map(|()| ExitCode::SUCCESS)
}
