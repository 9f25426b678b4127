//! `pointsman demo`: four issues in two projects walk from prep to done, in a throw-away home, on real parts.

#![expect(
    clippy::disallowed_methods,
    reason = "the demo makes its own repositories with git"
)]

mod stage;
mod story;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use tokio::signal::unix::{Signal, SignalKind, signal};

use self::stage::{make_repository, write_project};
use self::story::Story;
use crate::cli::{Failure, edge, run};
use crate::config;
use crate::daemon::places::Places;
use crate::daemon::runner::Message;
use crate::daemon::{Daemon, open_local};
use crate::domain::{IssueNumber, Label, ProjectName};
use crate::tracker::NewIssue;

/// The profile of the scripted agent.
const SCRIPTED: &str = "demo";
/// The longest the demo may take with the scripted agent.
const DEMO_MAX: Duration = Duration::from_mins(2);
/// With a real agent.
const REAL_MAX: Duration = Duration::from_mins(30);
/// How often progress is looked for.
const LOOK: Duration = Duration::from_millis(200);

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    /// Use this agent of yours instead of the scripted one: claude-code, codex, opencode. Your account pays; its dialogs are yours to answer
    #[arg(long, value_name = "PROFILE", default_value = SCRIPTED)]
    agent: String,
    /// Leave everything running until Enter is pressed, to look around
    #[arg(long)]
    keep: bool,
    /// Say more
    #[arg(short, long, action = clap::ArgAction::Count)]
    verbose: u8,
}

/// The demo's issues: project, title, body, and what the scripted agent does wrong in it.
const ISSUES: [(&str, &str, &str, &str); 4] = [
    (
        "shop",
        "Greet customers by name",
        "`greet.sh` says hello to nobody in particular. It should take a name.",
        "",
    ),
    (
        "shop",
        "Round prices up",
        "Prices with cents look odd on the sign; round them up.",
        " [demo:bounce]",
    ),
    (
        "docs",
        "Say how to install",
        "The page does not say how to install the shop.",
        " [demo:liar]",
    ),
    (
        "docs",
        "List the opening hours",
        "Customers ask for the opening hours all the time.",
        "",
    ),
];

/// Runs the demo.
pub(super) fn demo(args: &DemoArgs) -> Result<(), Failure> {
    if args.verbose > 0 {
        run::trace(args.verbose);
    }
    let folder = tempfile::Builder::new()
        .prefix("pointsman-demo-")
        .tempdir()?;
    let home = folder.path().to_owned();
    let places = places(&home, args)?;
    for (name, check) in [("shop", "sh tests/run.sh"), ("docs", "sh tests/run.sh")] {
        make_repository(&home, name)?;
        write_project(&places, &home, name, check, &args.agent)?;
    }
    let config = run::load(&places)?;
    installed(&config, &args.agent)?;
    let runtime = run::runtime()?;
    let outcome = runtime.block_on(walk(places.clone(), config, args));
    let ended = runtime.block_on(places.tmux().kill_server());
    let closed = folder.close();
    outcome?;
    ended.map_err(Failure::of_tmux)?;
    closed.map_err(|error| {
        anyhow::Error::new(error).context("the demo's folder could not be removed")
    })?;
    Ok(())
}

/// The scripted agent gets a home of its own; a real one has its account in the user's.
fn places(home: &Path, args: &DemoArgs) -> Result<Places, Failure> {
    let mut env = edge::passed_on();
    let mut agents_home = edge::home()?;
    if args.agent == SCRIPTED {
        env.retain(|(key, _)| key != "HOME" && key != "SHELL");
        env.push(("HOME".to_owned(), home.to_string_lossy().into_owned()));
        // Fast enough to end within a minute, slow enough to be followed.
        env.push(("POINTSMAN_DEMO_PACE_MS".to_owned(), "40".to_owned()));
        home.clone_into(&mut agents_home);
    }
    Ok(Places {
        config: home.join("config"),
        state: home.join("state"),
        runtime: home.join("run"),
        socket: home.join("tmux/sock"),
        default_socket: edge::default_socket(),
        home: agents_home,
        binary: edge::binary()?,
        env,
        offered: edge::offered(),
        apart: None,
    })
}

/// Refuses an agent that cannot be started, before anything is.
fn installed(config: &config::Config, agent: &str) -> Result<(), Failure> {
    let profile = config
        .profiles
        .values()
        .find(|profile| profile.name.as_str() == agent);
    let Some(program) = profile.and_then(|profile| profile.start.first()) else {
        return Ok(());
    };
    if program.starts_with('{') || edge::on_path(program) {
        return Ok(());
    }
    let why = anyhow::anyhow!("there is no program `{program}` on PATH")
        .context(format!("the agent `{agent}` cannot be started"));
    Err(Failure::new(why).hint(format!(
        "install it and run `{program}` once to log in, or leave out `--agent` for the scripted one"
    )))
}

async fn walk(places: Places, config: config::Config, args: &DemoArgs) -> Result<(), Failure> {
    let mut stop = StopSignals::listen()?;
    introduce(&places, &args.agent);
    let daemon = run::start(places, config).await?;
    let listening = tokio::spawn(crate::daemon::desk::control::serve(Arc::clone(&daemon)));
    let mut story = Story::new(&args.agent, label_issues(&daemon, &args.agent).await?);
    let followed = tokio::select! {
        followed = follow(&mut story, &daemon, limit_of(&args.agent)) => followed,
        () = stop.heard() => Err(anyhow::anyhow!("it was told to stop").into()),
    };
    if followed.is_ok() && story.open.is_empty() {
        println!("\n{}", story.sum());
    }
    if args.keep && followed.is_ok() {
        keep(&daemon, &mut stop).await?;
    }
    daemon.drain(Duration::from_secs(20)).await;
    listening.await??;
    followed?;
    if !story.open.is_empty() {
        return Err(not_done(&story));
    }
    println!("\nNothing is left behind. What to try next (README, \"Your first hour\"):");
    println!(
        "    pointsman run                    on a project file of yours; then label an issue"
    );
    println!(
        "    pointsman status                 what every agent does, and why everything else waits"
    );
    println!(
        "    pointsman explain 12             one issue: the decision, the witnesses, the last events"
    );
    println!("    pointsman attach blog            look at the agent's own screen");
    Ok(())
}

fn limit_of(agent: &str) -> Duration {
    if agent == SCRIPTED {
        DEMO_MAX
    } else {
        REAL_MAX
    }
}

fn introduce(places: &Places, agent: &str) {
    let folder = places.config.parent().unwrap_or(&places.config);
    println!(
        "Two projects, four issues, the agent `{agent}`; everything lies in {}",
        folder.display()
    );
    if agent == SCRIPTED {
        return;
    }
    println!(
        "It is your own {agent}: your account pays, and its settings decide what it may do unasked.\n\
         It may ask whether you trust these new folders, and for permissions. No key is pressed for you: this says where to\n\
         answer, and waits. What you answer, {agent} keeps in its own settings; the demo writes nothing there.\n\
         It takes {} minutes at most; control-c ends it and everything in it.",
        REAL_MAX.as_secs() / 60
    );
}

/// Tells the story until all is done or the time is up.
async fn follow(story: &mut Story, daemon: &Daemon, limit: Duration) -> Result<(), Failure> {
    let deadline = tokio::time::Instant::now() + limit;
    while !story.open.is_empty() && tokio::time::Instant::now() < deadline {
        story.tell(daemon).await?;
        story.play_the_person(daemon).await;
        story.call_the_person(daemon);
        story.break_the_silence(daemon);
        story.give_up_on_the_dead(daemon).await?;
        tokio::time::sleep(LOOK).await;
    }
    story.tell(daemon).await
}

fn not_done(story: &Story) -> Failure {
    let left: Vec<String> = story
        .open
        .iter()
        .map(|(project, issue)| format!("{project} {issue}"))
        .collect();
    Failure::new(anyhow::anyhow!(
        "after {} s these are not done: {}",
        story.took_seconds(),
        left.join(", ")
    ))
    .hint("run it again with -v to see every decision".to_owned())
}

/// What ends the demo early, and everything in it with it.
struct StopSignals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    async fn heard(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            _ = self.hangup.recv() => {}
        }
    }
}

async fn label_issues(
    daemon: &Daemon,
    agent: &str,
) -> Result<Vec<(ProjectName, IssueNumber)>, Failure> {
    let mut open = Vec::new();
    for (project, title, body, quirk) in ISSUES {
        // A quirk is the script's; a real agent is promised none.
        let quirk = if agent == SCRIPTED { quirk } else { "" };
        let name = ProjectName::new(project);
        let tracker = open_local(&daemon.places, &name)?;
        let issue = NewIssue {
            title: title.to_owned(),
            body: format!("{body}{quirk}"),
            labels: vec![Label::new("ready-for-prep")],
        };
        let number = tracker.create_issue(&issue).await?;
        println!("   {project:<5} {number} {title}  [ready-for-prep]");
        open.push((name.clone(), number));
        daemon.send(&name, Message::Poll).await;
    }
    println!();
    Ok(open)
}

async fn keep(daemon: &Daemon, stop: &mut StopSignals) -> Result<(), Failure> {
    println!("\nEverything is still up. Look around from another terminal:");
    println!(
        "    TMUX= tmux -S {} attach -t shop",
        daemon.places.socket.display()
    );
    println!("Press Enter to end it.");
    let (pressed, enter) = tokio::sync::oneshot::channel();
    // A thread of its own: the runtime would wait for a blocking task, also after control-c.
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().read_line(&mut line);
        // Nobody waits any more: then the demo is ending.
        let _unheard = pressed.send(read.map(drop));
    });
    tokio::select! {
        read = enter => read.map_err(anyhow::Error::new)??,
        () = stop.heard() => {}
    }
    Ok(())
}
