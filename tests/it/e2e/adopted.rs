//! An agent in a pane of its person's own tmux server: used, and otherwise left alone (DESIGN 7).

#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::process::{Command, Stdio};
use std::time::Duration;

use pointsman::daemon::panes::said;
use pointsman::domain::{Activity, Hold, Outcome, ProjectName, Verdict, Window};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::world::{World, assert_confirmed};

/// Runs tmux on the person's server.
fn theirs(world: &World, words: &[&str]) -> String {
    let out = Command::new("tmux")
        .arg("-S")
        .arg(&world.places.default_socket)
        .args(words)
        .env_clear()
        .envs(world.places.env.iter().cloned())
        .env("LANG", "C.UTF-8")
        .current_dir(world.home().join("shop"))
        .stdin(Stdio::null())
        .output()
        .expect("tmux runs");
    String::from_utf8_lossy(&out.stdout).trim_end().to_owned()
}

/// Everything of theirs that we could have changed.
fn their_things(world: &World) -> Vec<String> {
    [
        &["show-options", "-s"][..],
        &["show-options", "-g"],
        &["show-options", "-gw"],
        &["show-hooks", "-g"],
        &["list-keys"],
        &[
            "list-panes",
            "-s",
            "-t",
            "work",
            "-F",
            "#{pane_id} #{pane_pid} #{window_name}",
        ],
    ]
    .into_iter()
    .map(|words| theirs(world, words))
    .collect()
}

/// A project whose agent runs in a pane that its person started.
fn adopting() -> World {
    let world = World::new();
    world.project("shop");
    world.write_project(
        "shop",
        "tracker = \"local\"\nbuild = \"sh tests/run.sh\"\nsession = \"default:work:mine.0\"\n",
    );
    let binary = world.places.binary_text();
    their_pane(&world, &[&binary, "demo-agent"]);
    world
}

/// Runs a command in the pane `work:mine.0` of the person's own server.
fn their_pane(world: &World, command: &[&str]) {
    let window = "new-session -d -x 120 -y 40 -s work -n mine";
    let window: Vec<&str> = window.split(' ').collect();
    theirs(world, &[&window, command].concat());
}

#[tokio::test]
async fn an_adopted_pane_gets_briefs_and_nothing_else_of_ours() {
    let mut world = adopting();
    let before = their_things(&world);
    world.start().await;
    let issue = world
        .issue(
            "shop",
            "Greet by name",
            "It should take a name.",
            "ready-for-prep",
        )
        .await;

    // The tree is its person's: no branch is switched under their hands, and it is said which one is needed.
    let hold = world.until_held("shop", issue, "tree-elsewhere").await;
    let wanted = "git switch -c pointsman/1-greet-by-name main";
    assert_eq!(
        hold.hint(&ProjectName::new("shop")).as_deref(),
        Some(wanted)
    );
    assert_eq!(
        world.git("shop", &["symbolic-ref", "--short", "HEAD"]),
        "main"
    );
    world.git("shop", &["switch", "-q", "-c", "pointsman/1-greet-by-name"]);

    world.until_yours("shop", issue).await;
    assert_confirmed(&world.told().await);
    assert_eq!(their_things(&world), before, "their server is as it was");
    assert!(theirs(&world, &["capture-pane", "-p", "-t", "work:mine.0"]).contains("Task "));
    assert!(
        !world.windows().contains(&"shop:agent".to_owned()),
        "no agent of ours was started: {:?}",
        world.windows()
    );

    // It is gone: that is said, and nothing is started in its place.
    theirs(&world, &["kill-pane", "-t", "work:mine.0"]);
    while world
        .shown("shop")
        .await
        .seen
        .is_none_or(|seen| seen.no_agent.is_empty())
    {
        world.cycles("shop", 1).await;
    }
    let next = world
        .issue("shop", "Again", "Once more.", "ready-for-prep")
        .await;
    let held = world.until_held("shop", next, "no-agent").await;
    let hint = held
        .hint(&ProjectName::new("shop"))
        .expect("it says what to do");
    assert!(
        hint.contains("start your agent there, or change `session`"),
        "{hint}"
    );
    assert!(!world.windows().contains(&"shop:agent".to_owned()));
    theirs(&world, &["kill-server"]);
    world.end().await;
}

/// What the pane's keyboard belongs to is looked at for each key: an agent that was at work a moment ago may be gone.
#[tokio::test]
async fn no_interrupting_key_goes_to_what_a_person_runs_after_the_agent() {
    let mut world = World::new();
    world.project("shop");
    let session = "tracker = \"local\"\nbuild = \"true\"\nsession = \"default:work:mine.0\"\n";
    world.write_project("shop", session);
    world.git("shop", &["switch", "-q", "-c", "pointsman/1-greet-by-name"]);
    let (binary, pid) = (world.places.binary_text(), world.home().join("agent.pid"));
    // An agent that ends, and then a person's own program, which shows every key that it is given.
    let shell = format!(
        "POINTSMAN_DEMO_PACE_MS=3000 {binary} demo-agent & echo $! >{}; fg; exec cat -v",
        pid.display()
    );
    their_pane(&world, &["bash", "-mc", &shell]);
    world.start().await;
    world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    let hands = world.daemon().hands(&ProjectName::new("shop"));
    let hands = hands.expect("the project runs");
    let at_work = || {
        let sampled = hands.sampled(Window::AGENT)?;
        let busy = sampled.sample.state.activity == Activity::Busy;
        busy.then_some(sampled.sample.pane)
    };
    let pane = world.until("it is at work", |_| at_work()).await;
    let agent = std::fs::read_to_string(&pid).expect("it was written");
    let agent = rustix::process::Pid::from_raw(agent.trim().parse().expect("a number"));
    rustix::process::kill_process(agent.expect("a pid"), rustix::process::Signal::KILL)
        .expect("it is ours");
    let running = [
        "display-message",
        "-p",
        "-t",
        "work:mine.0",
        "#{pane_current_command}",
    ];
    world
        .until("the person's program has the pane", |_| {
            (theirs(&world, &running) == "cat").then_some(())
        })
        .await;
    // The watch may have seen no more than the agent at work, and in that moment the key is asked for.
    let outcome = said::press(&hands, &pane).await;
    assert!(
        matches!(outcome, Outcome::NotInterrupted { .. }),
        "{outcome:?}"
    );
    let (code, _, err) = world.says(&["interrupt", "shop"]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("not interrupted: "), "{err}");
    let screen = theirs(&world, &["capture-pane", "-p", "-t", "work:mine.0"]);
    assert!(!screen.contains("^["), "{screen}");
    theirs(&world, &["kill-server"]);
    world.end().await;
}

/// A person at the pane goes first: looking at it is enough.
#[tokio::test]
async fn nothing_is_typed_into_an_adopted_pane_that_somebody_looks_at() {
    let mut world = adopting();
    // A terminal that shows it: a window of another server that is attached to theirs.
    let socket = world.places.default_socket.display().to_string();
    let around = world.home().join("around").display().to_string();
    let env = world.places.env.clone();
    let person = |words: &[&str]| {
        let status = Command::new("tmux")
            .args(["-S", &around])
            .args(words)
            .env_clear()
            .envs(env.iter().cloned())
            .env("TERM", "xterm-256color")
            .stdin(Stdio::null())
            .status();
        assert!(status.expect("tmux runs").success());
    };
    person(&[
        "new-session",
        "-d",
        "-s",
        "p",
        &format!("env -u TMUX tmux -S {socket} attach -t work"),
    ]);
    world.start().await;
    let issue = world
        .issue(
            "shop",
            "Greet by name",
            "It should take a name.",
            "ready-for-prep",
        )
        .await;
    let Hold::AgentAsks { what } = world.until_held("shop", issue, "agent-asks").await else {
        panic!("it is held")
    };
    assert_eq!(what, "to be left alone: a person is at its pane");
    person(&["kill-server"]);
    theirs(&world, &["kill-server"]);
    assert!(world.taken().is_empty(), "{:?}", world.taken());
    let told = world.told().await;
    assert!(!told.iter().any(|told| matches!(
        &told.event,
        pointsman::domain::Event::DeliverySettled {
            verdict: Verdict::Confirmed,
            ..
        }
    )));
    world.end().await;
}

/// A process that stands still, and goes on when this is dropped: who stands still for ever cannot be ended politely.
struct Stopped(Pid);

impl Stopped {
    fn new(process: Pid) -> Self {
        kill_process(process, Signal::STOP).expect("it is ours");
        Self(process)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        kill_process(self.0, Signal::CONT).expect("it is ours");
    }
}

/// A person's server that stands still says nothing: what was known of its pane does not stay true, and the others go on.
#[tokio::test]
async fn a_server_that_stands_still_makes_its_pane_unknown_and_stops_no_other_agent() {
    let mut world = adopting();
    world.project("blog");
    world.start().await;
    let state = async |project: &str| {
        let seen = world.cycles(project, 1).await.seen;
        seen.and_then(|seen| seen.panes.get(&Window::AGENT).cloned())
            .map(|sample| sample.state)
    };
    while !state("shop").await.is_some_and(|state| state.takes_text()) {}
    let server = theirs(&world, &["display-message", "-p", "#{pid}"]);
    let server = Pid::from_raw(server.parse().expect("a pid")).expect("a pid");
    let stopped = Stopped::new(server);
    let unknown = loop {
        match state("shop").await {
            Some(state) if !state.takes_text() => break state,
            _ => {}
        }
    };
    assert_eq!(unknown.activity, Activity::Unknown);
    assert!(unknown.because.contains("does not answer"), "{unknown:?}");
    let issue = world
        .issue("blog", "Greet", "It should.", "ready-for-prep")
        .await;
    world.until_yours("blog", issue).await;
    drop(stopped);
    while !state("shop").await.is_some_and(|state| state.takes_text()) {}
}

/// Our own server is the only one here: while it stands still nothing is known, and then everything goes on.
#[tokio::test]
async fn our_own_server_that_stands_still_is_waited_for() {
    let mut world = World::new();
    world.project("blog");
    world.start().await;
    let done = world
        .issue("blog", "Greet", "It should.", "ready-for-prep")
        .await;
    world.until_yours("blog", done).await;
    let out = Command::new("tmux")
        .arg("-S")
        .arg(&world.places.socket)
        .args(["display-message", "-p", "#{pid}"])
        .output()
        .expect("tmux runs");
    let server = String::from_utf8_lossy(&out.stdout);
    let server = Pid::from_raw(server.trim().parse().expect("a pid")).expect("a pid");
    let stopped = Stopped::new(server);
    let is_blind = async || {
        let seen = world.cycles("blog", 1).await.seen;
        seen.is_some_and(|seen| !seen.no_agent.is_empty())
    };
    let unknown = async { while !is_blind().await {} };
    tokio::time::timeout(Duration::from_mins(1), unknown)
        .await
        .expect("it is said that the server does not answer");
    drop(stopped);
    let issue = world
        .issue("blog", "Greet again", "It should.", "ready-for-prep")
        .await;
    world.until_yours("blog", issue).await;
    world.end().await;
}

/// Nobody approves their own work: what runs below an adopted pane is an agent, like below a pane of ours.
#[tokio::test]
async fn a_persons_word_from_an_adopted_pane_is_refused() {
    let mut world = World::new();
    world.project("shop");
    let session = "tracker = \"local\"\nbuild = \"true\"\nsession = \"default:work:mine.0\"\n";
    world.write_project("shop", session);
    let (binary, said) = (world.places.binary_text(), world.home().join("said"));
    let go = world.home().join("go");
    let pane = format!(
        "until [ -e {go} ]; do sleep 0.1; done; {binary} approve 1 --project shop >{said}.part 2>&1; mv {said}.part {said}; exec cat",
        go = go.display(),
        said = said.display(),
    );
    their_pane(&world, &["sh", "-c", &pane]);
    world.start().await;
    std::fs::write(&go, "").expect("a file can be made");
    let heard = world
        .until("it was answered", |_| std::fs::read_to_string(&said).ok())
        .await;
    assert_eq!(
        heard.trim(),
        "Error: this is a person's word, and the call comes from the pane work:mine, where agents and gates run. An agent asks a person with `pointsman ask`; a person says it from another pane or terminal"
    );
    // The daemon first: while it looks for their server, that one stays.
    world.stop().await;
    theirs(&world, &["kill-server"]);
    world.end().await;
}
