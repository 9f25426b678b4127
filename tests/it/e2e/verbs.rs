//! The verbs about agents and daemons, as a person types them: the real binary, real tmux on a socket of its own.

#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use pointsman::domain::{Cause, Event};

use crate::support::patience;
use crate::support::world::World;

/// Runs a verb that must end well.
fn says(world: &World, words: &[&str]) -> String {
    let (code, out, err) = told(world, words);
    assert_eq!(code, Some(0), "{words:?}: {out}{err}");
    out
}

fn told(world: &World, words: &[&str]) -> (Option<i32>, String, String) {
    let output = world.command(words).output().expect("it runs");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn agent_pid(world: &World) -> String {
    world.tmux(&["list-panes", "-t", "=shop:agent", "-F", "#{pane_pid}"])
}

async fn until(what: &str, done: impl Fn() -> bool) {
    patience::until(what, || done().then_some(())).await;
}

#[tokio::test]
async fn an_agent_goes_up_down_and_up_again_without_a_daemon() {
    let world = World::new();
    world.project("shop");
    assert_eq!(says(&world, &["down", "shop"]), "shop has no agent\n");
    assert_eq!(
        says(&world, &["up", "shop"]),
        "the agent of shop was started\n"
    );
    let first = agent_pid(&world);
    assert_eq!(says(&world, &["up", "shop"]), "the agent of shop is up\n");
    assert_eq!(agent_pid(&world), first, "it is the same one");
    assert_eq!(
        says(&world, &["restart", "shop"]),
        "the agent of shop was ended\nthe agent of shop was started\n"
    );
    let second = agent_pid(&world);
    assert!(!second.is_empty() && second != first, "{first} {second}");
    assert_eq!(
        says(&world, &["down", "shop"]),
        "the agent of shop was ended\n"
    );
    assert_eq!(says(&world, &["down", "shop"]), "shop has no agent\n");
    world.end().await;
}

#[tokio::test]
async fn one_cycle_without_a_daemon_hands_the_brief_over_and_another_goes_on() {
    let world = World::new();
    world.project("shop");
    says(&world, &["up", "shop"]);
    world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    let mut lines = Vec::new();
    for _ in 0..10 {
        let line = says(&world, &["cycle"]);
        assert!(
            line.starts_with("at=") && line.lines().count() == 1,
            "{line}"
        );
        let opened = line.contains("did=\"dispatch ");
        lines.push(line);
        if opened {
            break;
        }
    }
    assert!(
        lines.last().expect("one").contains("did=\"dispatch "),
        "{lines:#?}"
    );
    for _ in 0..10 {
        says(&world, &["cycle"]);
        let moved = world
            .told()
            .await
            .iter()
            .any(|told| matches!(told.event, Event::TransitionSettled { .. }));
        if moved {
            break;
        }
    }
    let told = world.told().await;
    assert!(
        told.iter()
            .any(|told| matches!(told.event, Event::TransitionSettled { .. })),
        "{told:#?}"
    );
    assert!(says(&world, &["ledger", "verify"]).contains("all whole"));
    assert!(world.taken_by_delivery().values().all(|count| *count == 1));
    world.end().await;
}

/// A client in a terminal of its own: `script` makes one.
fn in_a_terminal(world: &World, line: &str) -> std::process::Child {
    let mut command = Command::new("script");
    command
        .args(["-q", "-e", "-c", line, "/dev/null"])
        .env_clear()
        .envs(world.places.env.iter().cloned())
        .env("TERM", "xterm")
        .current_dir(world.home())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.spawn().expect("`script` is there")
}

#[tokio::test]
async fn attach_shows_the_session_outside_of_tmux_and_switches_inside() {
    let world = World::new();
    world.project("shop").project("docs");
    says(&world, &["up", "shop"]);
    says(&world, &["up", "docs"]);
    let binary = world.places.binary.display().to_string();
    let mut outside = in_a_terminal(&world, &format!("{binary} attach shop"));
    let shown = || world.tmux(&["list-clients", "-F", "#{client_session}"]);
    until("a client shows shop", || shown() == "shop").await;
    // From a window of that very session the same client goes over to the other one.
    world.tmux(&[
        "new-window",
        "-t",
        "=shop:",
        &format!("HOME={} {binary} attach docs", world.home().display()),
    ]);
    until("the client shows docs", || shown() == "docs").await;
    world.tmux(&["detach-client", "-s", "=docs"]);
    let ended = outside.wait().expect("it is ours");
    assert!(ended.success(), "{ended}");
    let mut elsewhere = world.command(&["attach", "shop"]);
    let output = elsewhere
        .env("TMUX", "/nowhere/sock,1,0")
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!(
            "tmux -S {} attach-session -t =shop\n",
            world.places.socket.display()
        )
    );
    assert_eq!(
        String::from_utf8_lossy(&output.stderr),
        "Error: this terminal is inside another tmux, and sessions are not nested\nHint: run the printed command in a terminal of its own\n"
    );
    world.end().await;
}

#[tokio::test]
async fn a_daemon_is_steered_watched_reloaded_and_drained() {
    let mut world = World::new();
    world.agents_wait().project("shop");
    world.spawn();
    until("it answers", || told(&world, &["status"]).2.is_empty()).await;
    assert_eq!(
        says(&world, &["pause", "shop"]),
        "shop is paused: nothing new starts, what is open ends\n"
    );
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    until("it is held", || {
        told(&world, &["explain", "1"])
            .1
            .starts_with("held: paused. the project is paused by ")
    })
    .await;
    let rehearsed = says(&world, &["cycle", "--dry-run"]);
    assert!(
        rehearsed.starts_with("shop: would start nothing"),
        "{rehearsed}"
    );
    watched(&world);
    assert_eq!(says(&world, &["resume", "shop"]), "shop goes on\n");
    world
        .until_event("the agent has it", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    assert_eq!(
        says(&world, &["up", "shop"]),
        "the agent of shop is kept up\n"
    );
    hangup(&world);
    until("it reads again", || {
        world
            .log()
            .contains("SIGHUP: the configuration is read again")
    })
    .await;
    assert!(says(&world, &["cycle"]).starts_with("at="), "it lives on");
    let agent = agent_pid(&world);
    assert!(world.terminate().await, "{}", world.log());
    assert!(world.log().contains("drained"), "{}", world.log());
    assert_eq!(agent_pid(&world), agent, "the agent does not notice");
    let after = told(&world, &["explain", &issue.0.to_string()]);
    assert!(after.1.starts_with("in hand: "), "{after:?}");
    assert_eq!(
        after.2,
        "no daemon runs: this is what the ledger says. Start one with `pointsman run`\n"
    );
    says(&world, &["down", "shop"]);
    world.end().await;
}

/// Three pictures of `status --watch`, a second apart.
fn watched(world: &World) {
    let mut watch = world
        .command(&["status", "--watch", "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let reader = BufReader::new(watch.stdout.take().expect("piped"));
    let pictures: Vec<serde_json::Value> = reader
        .lines()
        .take(3)
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("JSON"))
        .collect();
    watch.kill().expect("it is ours");
    watch.wait().expect("it is ours");
    assert_eq!(pictures.len(), 3);
    assert!(
        pictures
            .iter()
            .all(|picture| picture["projects"][0]["name"] == "shop")
    );
    assert!(
        pictures[0]["at"].as_str() < pictures[2]["at"].as_str(),
        "{pictures:#?}"
    );
}

fn hangup(world: &World) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(world.pid()).expect("small"))
        .expect("not zero");
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).expect("it is ours");
}

/// K9: a goal in one command, with the gates of its stage; no server and no other tool.
#[tokio::test]
async fn a_goal_given_on_the_command_line_is_work_with_gates() {
    let mut world = World::new();
    world.project("shop");
    world.start().await;
    let goal = ["issue", "new", "Greet by name", "--label", "ready-for-dev"];
    let (code, said, error) = world.says(&goal).await;
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("#1"), "{said}");
    world
        .until_event("its gates hold", "shop", |event| {
            matches!(
                event,
                Event::DispatchClosed {
                    cause: Cause::Verified { .. },
                    ..
                }
            )
        })
        .await;
    world.end().await;
}
