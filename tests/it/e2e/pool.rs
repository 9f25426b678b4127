//! Several agents work on one project: whoever is free gets what comes next, and what they made is merged.

use std::collections::BTreeMap;
use std::path::PathBuf;

use pointsman::domain::{
    Activity, AgentState, DispatchId, Event, IssueNumber, ProjectName, Verdict, Window,
};

use crate::support::world::{Told, World, assert_confirmed};

/// A project with two agents and one stage that lets three issues be worked on.
fn two_agents() -> World {
    let world = World::new();
    world.project("shop");
    let labels = include_str!("../../../workflows/solo.toml").replace("wip = 1", "wip = 3");
    std::fs::write(world.places.config.join("labels.toml"), labels).expect("it is written");
    world.write_project(
        "shop",
        "tracker = \"local\"\nbuild = \"sh tests/run.sh\"\nsessions = 2\n",
    );
    world
}

/// The window of each dispatch, by its issue.
fn windows(told: &[Told]) -> BTreeMap<IssueNumber, Window> {
    let opened = told.iter().filter_map(|told| match &told.event {
        Event::DispatchOpened { opening } => Some((opening.issue()?, opening.window)),
        _ => None,
    });
    opened.collect()
}

/// Waits until so many briefs are with an agent.
async fn until_delivered(world: &World, count: usize) {
    let confirmed = |told: &&Told| {
        let settled = &told.event;
        matches!(
            settled,
            Event::DeliverySettled {
                verdict: Verdict::Confirmed,
                ..
            }
        )
    };
    world
        .until("the briefs are delivered", |told| {
            (told.iter().filter(confirmed).count() >= count).then_some(())
        })
        .await;
}

#[tokio::test]
async fn two_agents_work_at_the_same_time_a_third_issue_waits_and_all_are_merged() {
    let mut world = two_agents();
    world.agents_wait();
    world.start().await;
    let mut issues = Vec::new();
    for title in ["Greet by name", "Round prices", "Say the hours"] {
        let issue = world.issue("shop", title, "", "ready-for-dev");
        issues.push(issue.await);
    }
    until_delivered(&world, 2).await;
    let both = windows(&world.told().await);
    assert_eq!(both[&issues[0]], Window::AGENT);
    assert_eq!(both[&issues[1]], Window::Agent(2));
    let hold = world.until_held("shop", issues[2], "session-taken").await;
    let says = hold.to_string();
    assert!(
        says.contains("agent: #1 (dispatch ") && says.contains("agent-2: #2 (dispatch "),
        "{says}"
    );
    each_in_its_own_tree(&world).await;

    // A restart in the middle: both go on, and nobody gets anything twice.
    world.stop().await;
    world.start().await;
    world.cycles("shop", 2).await;
    let (_, session, _) = world.says(&["session", "explain", "shop"]).await;
    assert!(
        session.contains("shop agent  ") && session.contains("shop agent-2  "),
        "{session}"
    );
    world.until_held("shop", issues[2], "session-taken").await;
    world.agents_go_on();
    for issue in &issues {
        world.until_yours("shop", *issue).await;
    }
    for issue in &issues {
        world.approve("shop", *issue).await;
        world.until_done("shop", *issue).await;
    }
    world.until_tidy("shop").await;

    let told = world.told().await;
    assert_eq!(
        two_in_hand_at_most(&told),
        2,
        "they worked at the same time"
    );
    assert_confirmed(&told);
    let taken = world.taken_by_delivery();
    assert!(taken.values().all(|count| *count == 1), "{taken:?}");
    let merged = world.git("shop.git", &["ls-tree", "-r", "--name-only", "main"]);
    for file in [
        "greet-by-name-1.sh",
        "round-prices-2.sh",
        "say-the-hours-3.sh",
    ] {
        assert!(merged.contains(&format!("scripts/{file}")), "{merged}");
    }
    let left = world.left_in(&second_tree(&world), "briefs");
    assert_eq!(left, Vec::<String>::new());
    world.end().await;
}

fn second_tree(world: &World) -> PathBuf {
    let trees = world.places.trees(&ProjectName::new("shop"));
    trees.join("agent-2")
}

/// Both are at work, each on its own branch and with its own brief, and `status` says so.
async fn each_in_its_own_tree(world: &World) {
    let tree = second_tree(world);
    assert_eq!(
        world.git("shop", &["rev-parse", "--abbrev-ref", "HEAD"]),
        "pointsman/1-greet-by-name"
    );
    let path = tree.display().to_string();
    assert_eq!(
        world.git("", &["-C", &path, "rev-parse", "--abbrev-ref", "HEAD"]),
        "pointsman/2-round-prices"
    );
    assert_eq!(world.left_in(&tree, "briefs").len(), 1);
    for window in [Window::AGENT, Window::Agent(2)] {
        until_seen(world, window, |state| state.activity == Activity::Busy).await;
    }
    world.cycles("shop", 1).await;
    let (_, status, _) = world.says(&["status"]).await;
    assert!(
        status.contains("  agent #1 busy  agent-2 #2 busy  "),
        "{status}"
    );
}

/// The most dispatches that were open at once.
fn two_in_hand_at_most(told: &[Told]) -> usize {
    let (mut open, mut most) = (Vec::<DispatchId>::new(), 0);
    for one in told {
        match &one.event {
            Event::DispatchOpened { opening } => open.push(opening.id.clone()),
            Event::DispatchClosed { dispatch, .. } => open.retain(|other| other != dispatch),
            _ => {}
        }
        most = most.max(open.len());
    }
    most
}

#[tokio::test]
async fn verbs_know_the_further_agents() {
    let mut world = two_agents();
    world.start().await;
    until_up(&world, true).await;
    until_seen(&world, Window::Agent(2), AgentState::takes_text).await;

    let (code, said, err) = world
        .says(&["say", "shop", "hello", "--window", "agent-2"])
        .await;
    assert_eq!(code, Some(0), "{said}{err}");
    let told = world.told().await;
    let to = told.iter().find_map(|told| match &told.event {
        Event::DispatchOpened { opening } => Some(opening.window),
        _ => None,
    });
    assert_eq!(to, Some(Window::Agent(2)));
    for (words, says) in [
        (
            ["say", "shop", "hello", "--window", "agent-3"],
            "it has agent, agent-2",
        ),
        (
            ["say", "shop", "hello", "--window", "check"],
            "it has agent, agent-2",
        ),
        (
            ["say", "shop", "hello", "--window", "second"],
            "there is no window `second`",
        ),
    ] {
        let (code, _, err) = world.says(&words).await;
        assert!(code != Some(0) && err.contains(says), "{words:?}: {err}");
    }
    let (_, _, err) = world.says(&["attach", "shop", "--window", "agent-3"]).await;
    assert!(
        err.contains("shop has no agent in a window `agent-3`"),
        "{err}"
    );

    let (_, said, _) = world.says(&["doctor"]).await;
    assert!(said.contains("agent-2: `"), "{said}");
    assert!(!said.contains("work at once"), "{said}");
    let labels = include_str!("../../../workflows/solo.toml");
    std::fs::write(world.places.config.join("labels.toml"), labels).expect("it is written");
    let (_, said, _) = world.says(&["doctor"]).await;
    assert!(
        said.contains("`sessions = 2`, and `wip` lets 1 of them work at once"),
        "{said}"
    );

    world.end().await;
}

#[tokio::test]
async fn further_agents_come_back_and_leave_without_taking_work_along() {
    let mut world = two_agents();
    world.start().await;
    until_up(&world, true).await;
    // The tmux server dies: both come back.
    world.tmux(&["kill-server"]);
    until_up(&world, true).await;
    let (code, said, _) = world.says(&["down", "shop"]).await;
    assert!(code == Some(0) && said.contains("agent, agent-2"), "{said}");
    until_up(&world, false).await;
    world.stop().await;

    // What lies in its tree and is not committed is nobody's to remove.
    let tree = second_tree(&world);
    std::fs::write(tree.join("notes.txt"), "not committed\n").expect("it is written");
    let (code, said, err) = world.says(&["remove", "shop", "--dry-run"]).await;
    assert_eq!(code, Some(0), "{said}{err}");
    assert!(
        said.contains("agent-2") && said.contains("changes lie in it that are not committed"),
        "{said}"
    );
    let (code, said, err) = world.says(&["remove", "shop", "--yes"]).await;
    assert_eq!(code, Some(0), "{said}{err}");
    assert!(tree.join("notes.txt").is_file(), "{said}{err}");
    let left = world.git("shop", &["worktree", "list"]);
    assert_eq!(left.lines().count(), 2, "{left}");
    world.end().await;
}

async fn until_up(world: &World, up: bool) {
    let is_up = |name: &str| world.windows().contains(&format!("shop:{name}"));
    until(world, || is_up("agent") == up && is_up("agent-2") == up).await;
}

async fn until(world: &World, holds: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + crate::support::patience::PATIENCE;
    while !holds() {
        let windows = world.windows();
        assert!(std::time::Instant::now() < deadline, "{windows:?}");
        tokio::time::sleep(crate::support::patience::LOOK).await;
    }
}

async fn until_seen(world: &World, window: Window, wanted: impl Fn(&AgentState) -> bool) {
    let hands = world.daemon().hands(&ProjectName::new("shop"));
    let hands = hands.expect("the project runs");
    until(world, || {
        let sampled = hands.sampled(window);
        sampled.is_some_and(|sampled| wanted(&sampled.sample.state))
    })
    .await;
}
