//! `pointsman agent check`, `say` and `interrupt`: a person and one project's agent, without any issue.

use clap::{Args, Subcommand};

use crate::cli::{Failure, capture, client, edge, known, run, say};
use crate::daemon::Daemon;
use crate::daemon::desk::control::{Call, Reply};
use crate::daemon::desk::{caller, check};
use crate::daemon::panes::said;
use crate::domain::{ProjectName, Window};
use crate::machine::engine::Scope;

/// How long what is under way may take to end, when the verb was the daemon.
const DRAIN_MAX: std::time::Duration = std::time::Duration::from_mins(1);

/// Verbs of `agent`.
#[derive(Debug, Subcommand)]
pub(super) enum AgentVerb {
    /// Let the agent rehearse once: read a brief, write a file, commit on a throw-away branch, report
    #[command(
        after_help = "It happens in the project's own session, with its permissions and in its tree, only while nothing else is open there, and leaves nothing behind. \
        Without a daemon this is one for that long, and starts nothing else. Exit code 0: ready.\n\n\
        With --capture nothing is asked of the agent and no key is sent: you have brought it into a state, say which, and are told what is read. \
        Exit code 0: the same."
    )]
    Check(CheckArgs),
}

/// Arguments of `agent check`.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The project
    project: String,
    /// Look only: you brought the agent into this state. Its screen is kept, without paths, names and keys
    #[arg(long, value_enum, value_name = "STATE")]
    capture: Option<capture::State>,
    /// Keep the screen in this folder
    #[arg(long, value_name = "FOLDER", default_value = ".", requires = "capture")]
    into: std::path::PathBuf,
}

/// Arguments of `say`.
#[derive(Debug, Args)]
#[command(
    after_help = "The words go through the same guarded delivery as a brief, and only to an idle agent with an empty prompt."
)]
pub(super) struct SayArgs {
    /// The project
    project: String,
    /// The words, in quotes
    text: String,
    /// Which of the project's agents
    #[arg(long, value_name = "WINDOW", default_value = "agent", value_parser = window)]
    window: Window,
}

/// Arguments of `interrupt`.
#[derive(Debug, Args)]
pub(super) struct InterruptArgs {
    /// The project
    project: String,
    /// Which of the project's agents
    #[arg(long, value_name = "WINDOW", default_value = "agent", value_parser = window)]
    window: Window,
}

/// Reads a window's name.
pub(super) fn window(name: &str) -> Result<Window, String> {
    Window::try_from(name.to_owned())
}

/// Lets an agent rehearse.
pub(super) fn agent(verb: &AgentVerb) -> Result<(), Failure> {
    let AgentVerb::Check(args) = verb;
    if let Some(state) = args.capture {
        return capture::check(&args.project, state, &args.into);
    }
    say::talk(&format!(
        "the agent of {} is asked to rehearse; with most agents this takes a minute or two",
        args.project
    ));
    ask(
        &args.project,
        |project, by| Call::Check { project, by },
        async |daemon, project, by| check::run(&daemon, &project, &by).await,
    )
}

/// Delivers a person's words.
pub(super) fn tell(args: &SayArgs) -> Result<(), Failure> {
    let text = args.text.trim();
    if text.is_empty() {
        return Err(Failure::new(anyhow::anyhow!("there is nothing to say"))
            .hint(format!("pointsman say {} \"the words\"", args.project)));
    }
    ask(
        &args.project,
        |project, by| Call::Say {
            project,
            by,
            text: text.to_owned(),
            window: args.window,
        },
        async |daemon, project, by| said::say(&daemon, (&project, args.window), &by, text).await,
    )
}

/// Stops what an agent does.
pub(super) fn interrupt(args: &InterruptArgs) -> Result<(), Failure> {
    ask(
        &args.project,
        |project, by| Call::Interrupt {
            project,
            by,
            window: args.window,
        },
        async |daemon, project, by| said::interrupt(&daemon, (&project, args.window), &by).await,
    )
}

/// Asks the daemon, or is one for this single request: its lock, its engine, and nothing that nobody asked for.
fn ask(
    name: &str,
    call: impl Fn(ProjectName, String) -> Call,
    alone: impl AsyncFn(std::sync::Arc<Daemon>, ProjectName, String) -> Reply,
) -> Result<(), Failure> {
    let places = edge::places()?;
    let mut config = run::load(&places)?;
    let project = known::project(&config, name)?.name.clone();
    let by = edge::person();
    let reply = run::runtime()?.block_on(async {
        let asked = call(project.clone(), by.clone());
        if let Some(reply) = client::call(&places, &asked).await? {
            return Ok::<Reply, Failure>(reply);
        }
        let above = caller::pane_above(&places, &config, std::process::id());
        if let Some(pane) = above.await {
            return Ok(Reply::refused(caller::refusal(&pane)));
        }
        run::trace_faults();
        config.projects.retain(|known, _| *known == project);
        let daemon = run::start_within(Scope::Asked, places.clone(), config).await?;
        let reply = match daemon.waiting(&project) {
            Some(waiting) => Reply::refused(waiting.why),
            None => alone(std::sync::Arc::clone(&daemon), project, by).await,
        };
        daemon.drain(DRAIN_MAX).await;
        Ok(reply)
    })?;
    client::settle(reply)
}
