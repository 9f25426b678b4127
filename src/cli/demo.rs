//! `pointsman demo`: four issues in two projects walk from prep to done, in a throw-away home, on real parts.

#![expect(
    clippy::disallowed_methods,
    reason = "the demo makes its own repositories with git"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use crate::cli::{Failure, edge, run};
use crate::config;
use crate::daemon::hands::now;
use crate::daemon::places::Places;
use crate::daemon::runner::Message;
use crate::daemon::{Daemon, open_local, store};
use crate::domain::{
    Attention, DispatchId, Event, IssueNumber, Label, ProjectName, Request, Window,
};
use crate::tracker::NewIssue;
use crate::view::timeline;

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

/// The demo's issues: project, title, body.
const ISSUES: [(&str, &str, &str); 4] = [
    (
        "shop",
        "Greet customers by name",
        "`greet.sh` says hello to nobody in particular. It should take a name.",
    ),
    (
        "shop",
        "Round prices up",
        "Prices with cents look odd on the sign; round them up. [demo:bounce]",
    ),
    (
        "docs",
        "Say how to install",
        "The page does not say how to install the shop. [demo:liar]",
    ),
    (
        "docs",
        "List the opening hours",
        "Customers ask for the opening hours all the time.",
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
    let outcome = run::runtime()?.block_on(walk(places.clone(), config, args));
    end_server(&places);
    let closed = folder.close();
    outcome?;
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

/// A small real repository with a build command and a bare remote.
fn make_repository(home: &Path, name: &str) -> Result<(), Failure> {
    let tree = home.join(name);
    let remote = home.join(format!("{name}.git"));
    std::fs::create_dir_all(tree.join("tests"))?;
    std::fs::write(
        tree.join("README.md"),
        format!("# {name}\n\nA small project.\n"),
    )?;
    std::fs::write(tree.join("greet.sh"), "#!/bin/sh\necho \"hello\"\n")?;
    std::fs::write(
        tree.join("tests/run.sh"),
        "set -e\nfor script in *.sh tests/*.sh; do sh -n \"$script\"; done\nsh greet.sh | grep -q hello\n",
    )?;
    git(
        home,
        home,
        &[
            "init",
            "-q",
            "--bare",
            "-b",
            "main",
            &remote.to_string_lossy(),
        ],
    )?;
    git(home, &tree, &["init", "-q", "-b", "main"])?;
    git(home, &tree, &["add", "-A"])?;
    git(
        home,
        &tree,
        &[
            "-c",
            "user.name=Demo",
            "-c",
            "user.email=demo@localhost",
            "commit",
            "-q",
            "-m",
            "a small project",
        ],
    )?;
    git(
        home,
        &tree,
        &["remote", "add", "origin", &remote.to_string_lossy()],
    )?;
    git(home, &tree, &["push", "-q", "-u", "origin", "main"])?;
    git(home, &tree, &["remote", "set-head", "origin", "main"])
}

fn git(home: &Path, at: &Path, args: &[&str]) -> Result<(), Failure> {
    let output = Command::new("git")
        .args(args)
        .current_dir(at)
        .env("HOME", home)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(std::process::Stdio::null())
        .output()
        .map_err(|error| {
            Failure::new(anyhow::Error::new(error).context("git cannot be started"))
                .hint("install git".to_owned())
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(anyhow::anyhow!("git {} failed: {said}", args.join(" ")).into())
}

fn write_project(
    places: &Places,
    home: &Path,
    name: &str,
    build: &str,
    agent: &str,
) -> Result<(), Failure> {
    let folder = places.config.join("projects");
    std::fs::create_dir_all(&folder)?;
    let path = home.join(name);
    let text = format!(
        "tracker = \"local\"\npath = {:?}\nadded = \"2020-01-01T00:00:00Z\"\nagent = {agent:?}\nbuild = {build:?}\n",
        path.to_string_lossy()
    );
    std::fs::write(folder.join(format!("{name}.toml")), text)?;
    std::fs::write(
        places.config.join("pointsman.toml"),
        "cycle = \"10s\"\nidle_without_report = \"10s\"\n",
    )?;
    Ok(())
}

#[expect(clippy::too_many_lines, reason = "the demo's own story, in order")]
async fn walk(places: Places, config: config::Config, args: &DemoArgs) -> Result<(), Failure> {
    let folder = places.config.parent().unwrap_or(&places.config);
    println!(
        "Two projects, four issues, the agent `{}`; everything lies in {}",
        args.agent,
        folder.display()
    );
    if args.agent != SCRIPTED {
        println!(
            "It is your own {}: your account pays, and its settings decide what it may do unasked.",
            args.agent
        );
    }
    let started = now();
    let daemon = run::start(places, config).await?;
    let listening = tokio::spawn(crate::daemon::control::serve(Arc::clone(&daemon)));
    let waiting = label_issues(&daemon).await?;
    let limit = if args.agent == SCRIPTED {
        DEMO_MAX
    } else {
        REAL_MAX
    };
    let mut story = Story {
        seen: 0,
        open: waiting,
        started,
        approved: BTreeSet::new(),
        issues: BTreeMap::new(),
        called: BTreeSet::new(),
    };
    let deadline = tokio::time::Instant::now() + limit;
    while !story.open.is_empty() && tokio::time::Instant::now() < deadline {
        story.tell(&daemon).await?;
        story.play_the_person(&daemon).await;
        story.call_the_person(&daemon);
        tokio::time::sleep(LOOK).await;
    }
    story.tell(&daemon).await?;
    let took = now().duration_since(started).as_secs();
    let done = story.open.is_empty();
    if done {
        println!(
            "\nAll four issues are done after {took} s. Every brief was confirmed, every move rests on evidence."
        );
    }
    if args.keep {
        keep(&daemon).await?;
    }
    daemon.drain(Duration::from_secs(20)).await;
    listening.await??;
    if !done {
        let left: Vec<String> = story
            .open
            .iter()
            .map(|(project, issue)| format!("{project} {issue}"))
            .collect();
        return Err(Failure::new(anyhow::anyhow!(
            "after {took} s these are not done: {}",
            left.join(", ")
        ))
        .hint("run it again with -v to see every decision".to_owned()));
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

async fn label_issues(daemon: &Daemon) -> Result<Vec<(ProjectName, IssueNumber)>, Failure> {
    let mut open = Vec::new();
    for (project, title, body) in ISSUES {
        let name = ProjectName::new(project);
        let tracker = open_local(&daemon.places, &name)?;
        let issue = NewIssue {
            title: title.to_owned(),
            body: body.to_owned(),
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

/// What is told while the demo runs.
struct Story {
    seen: u64,
    open: Vec<(ProjectName, IssueNumber)>,
    started: jiff::Timestamp,
    approved: BTreeSet<(ProjectName, IssueNumber)>,
    issues: BTreeMap<DispatchId, IssueNumber>,
    /// Windows whose dialog was told; again once it is answered and another comes.
    called: BTreeSet<(ProjectName, Window)>,
}

/// What a person wants to see go by; the ledger has the rest.
fn is_news(event: &Event) -> bool {
    matches!(
        event,
        Event::DispatchOpened { .. }
            | Event::DeliverySettled { .. }
            | Event::GateFinished { .. }
            | Event::ReportRefused { .. }
            | Event::BranchPushed { .. }
            | Event::SpecPublished { .. }
            | Event::DispatchClosed { .. }
            | Event::TransitionSettled { .. }
            | Event::Merged { .. }
            | Event::IssueParked { .. }
            | Event::Overridden { .. }
    )
}

impl Story {
    /// Prints what was written down since the last look.
    async fn tell(&mut self, daemon: &Daemon) -> Result<(), Failure> {
        loop {
            let records = daemon.ledger().read(self.seen, 500).await?;
            if records.is_empty() {
                return Ok(());
            }
            for record in records {
                self.seen = record.seq;
                let event = store::event_of(&record)?;
                let name = ProjectName::new(record.stream.clone());
                if let Event::DispatchOpened { opening } = &event
                    && let Some(issue) = opening.issue()
                {
                    self.issues.insert(opening.id.clone(), issue);
                }
                if is_news(&event) {
                    let of_dispatch = record
                        .dispatch
                        .as_ref()
                        .and_then(|id| self.issues.get(&DispatchId::new(id.clone())));
                    let issue = record.issue.map(IssueNumber).or(of_dispatch.copied());
                    let issue = issue.map_or_else(String::new, |issue| issue.to_string());
                    let second = record.at.duration_since(self.started).as_secs();
                    println!(
                        "{second:>4} s  {name:<5} {issue:<3} {}",
                        timeline::sentence(&event)
                    );
                }
                if let Event::TransitionSettled {
                    issue,
                    outcome: crate::domain::Settled::Moved { event: None },
                } = &event
                {
                    self.open.retain(|open| *open != (name.clone(), *issue));
                }
            }
        }
    }

    /// The last move is a person's: the demo says and does what they would.
    async fn play_the_person(&mut self, daemon: &Daemon) {
        for (name, issue) in self.open.clone() {
            let Some(shown) = daemon.show(&name).await else {
                continue;
            };
            let yours = shown
                .report
                .standing
                .get(&issue)
                .is_some_and(|hold| hold.word() == "yours");
            if yours && self.approved.insert((name.clone(), issue)) {
                println!("        {name:<5} $ pointsman approve {}", issue.0);
                daemon
                    .ask(
                        &name,
                        Request::Approve {
                            issue,
                            by: "you".to_owned(),
                        },
                    )
                    .await;
            }
        }
    }
}

impl Story {
    /// A dialog of the agent's own is a person's to answer: no key is sent to it.
    fn call_the_person(&mut self, daemon: &Daemon) {
        for name in daemon.projects() {
            for window in [Window::Agent, Window::Check] {
                let sampled = daemon.hands(&name).and_then(|hands| hands.sampled(window));
                let Some(state) = sampled.map(|sampled| sampled.sample.state) else {
                    continue;
                };
                let asks = matches!(
                    state.attention,
                    Attention::Dialog | Attention::Permission | Attention::Question
                );
                if !asks {
                    self.called.remove(&(name.clone(), window));
                } else if self.called.insert((name.clone(), window)) {
                    println!(
                        "        {name:<5} the agent's own dialog waits for you (leave again with control-b d):"
                    );
                    println!(
                        "              tmux -S {} attach -t {name}:{}",
                        daemon.places.socket.display(),
                        window.as_str()
                    );
                }
            }
        }
    }
}

async fn keep(daemon: &Daemon) -> Result<(), Failure> {
    println!("\nEverything is still up. Look around from another terminal:");
    println!(
        "    tmux -S {} attach -t shop",
        daemon.places.socket.display()
    );
    println!("Press Enter to end it.");
    let read = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)
    });
    read.await??;
    Ok(())
}

/// Ends the demo's own tmux server; its sessions, agents and gates go with it.
fn end_server(places: &Places) {
    let socket: PathBuf = places.socket.clone();
    let ended = Command::new("tmux")
        .arg("-S")
        .arg(&socket)
        .arg("kill-server")
        .stdin(std::process::Stdio::null())
        .output();
    if let Err(error) = ended {
        tracing::debug!(%error, "there was no tmux server to end");
    }
}
