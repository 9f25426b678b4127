//! `pointsman say` and `interrupt`: a person's words and one key, without an issue.

use std::time::Instant;

use pointsman::daemon::key::Key;
use pointsman::domain::Event;

use crate::support::patience::{LOOK, PATIENCE};
use crate::support::world::{World, assert_confirmed};

#[tokio::test]
async fn a_persons_words_go_to_an_idle_agent_once_and_to_nobody_elses_draft() {
    let mut world = World::new();
    world.project("shop");
    world.start().await;
    let head = world.git("shop", &["rev-parse", "--abbrev-ref", "HEAD"]);
    let (code, out, err) = world
        .says(&["say", "shop", "Have a look at greet.sh; `$(date)` is text."])
        .await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.starts_with("the agent of shop has it ("), "{out}");
    world.until_tidy("shop").await;
    let told = world.told().await;
    assert_confirmed(&told);
    let said: Vec<&str> = told
        .iter()
        .filter_map(|told| match &told.event {
            Event::DeliveryPlanned { delivery } => Some(delivery.text.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(said.len(), 1);
    assert!(
        said[0].contains(
            "\nann, who runs this project, says to you:\n\nHave a look at greet.sh; `$(date)` is text.\n"
        ),
        "{}",
        said[0]
    );
    assert_eq!(
        world.git("shop", &["rev-parse", "--abbrev-ref", "HEAD"]),
        head
    );
    let tree = world.home().join("shop");
    assert_eq!(world.left_in(&tree, "briefs"), Vec::<String>::new());

    world.tmux(&["send-keys", "-t", "=shop:agent", "my own draft"]);
    world.cycles("shop", 2).await;
    let (code, _, err) = world.says(&["say", "shop", "and this?"]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("Error: not said: ") && err.contains("draft"),
        "{err}"
    );
    assert!(world.screen("=shop:agent").contains("my own draft"));
    assert_eq!(world.taken().len(), 1);
    world.end().await;
}

#[tokio::test]
async fn an_agent_at_work_is_stopped_by_one_key_and_an_idle_one_is_left_alone() {
    let mut world = World::new();
    world.project("shop").agents_wait();
    world.start().await;
    world.cycles("shop", 2).await;
    let (code, _, err) = world.says(&["interrupt", "shop"]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("Error: not interrupted: the agent is "),
        "{err}"
    );

    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    world
        .until_event("the agent has the brief", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    let (code, out, err) = world.says(&["interrupt", "shop"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert_eq!(out, "the agent of shop was told to stop what it does, once");
    world
        .until("it stopped", |_| {
            let screen = world.screen("=shop:agent");
            screen
                .contains("Interrupted. What I had begun is in the tree")
                .then_some(())
        })
        .await;
    let told = world.told().await;
    let keys = told
        .iter()
        .filter(|told| matches!(&told.event, Event::InterruptIntended { by, .. } if by == "ann"))
        .count();
    assert_eq!(keys, 1);
    assert!(
        world
            .shown("shop")
            .await
            .state
            .open_dispatch(issue)
            .is_some()
    );
    world.end().await;
}

#[tokio::test]
async fn whoever_stands_before_a_dialog_is_neither_spoken_to_nor_interrupted() {
    let mut world = World::new();
    world.project("shop").rehearses("commit=asks");
    world.start().await;
    let (code, _, err) = world.says(&["agent", "check", "shop"]).await;
    assert_eq!(code, Some(1), "{err}");
    let before = world.screen("=shop:agent");
    assert!(before.contains("May I commit?"), "{before}");
    let (code, _, err) = world.says(&["say", "shop", "go on"]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("Error: not said: the agent asks: for a permission"),
        "{err}"
    );
    let (code, _, err) = world.says(&["interrupt", "shop"]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("Error: not interrupted: the agent asks something ("),
        "{err}"
    );
    assert_eq!(world.screen("=shop:agent"), before, "not one key was sent");
    world.end().await;
}

#[tokio::test]
async fn a_session_is_explained_by_its_witnesses_with_a_daemon_and_without_one() {
    let mut world = World::new();
    world.project("shop");
    world.start().await;
    let explain = ["session", "explain", "shop"];
    let mut told = String::new();
    let deadline = Instant::now() + PATIENCE;
    while !told.contains("verdict idle;") && Instant::now() < deadline {
        let (code, out, err) = world.says(&explain).await;
        assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
        told = out.split_whitespace().collect::<Vec<_>>().join(" ");
        tokio::time::sleep(LOOK).await;
    }
    for wanted in [
        "verdict idle; a text may be typed because ",
        " because state file: idle (idle) and title: idle (demo: idle) and screen: the composer is empty rule none matched ",
        " evidence process the agent runs 0 of 2 s pointsman ",
        " state file idle 0 of 5 s idle ",
        " screen the composer is empty 0 of 5 s",
    ] {
        assert!(told.contains(wanted), "{wanted:?} in:\n{told}");
    }
    assert!(!told.contains("to be idle"), "{told}");
    world.tmux(&["send-keys", "-t", "=shop:agent", "my own draft"]);
    world.stop().await;
    // Without a daemon two looks of our own say the same, and nothing is written.
    let written = || {
        std::fs::metadata(world.places.ledger())
            .unwrap()
            .modified()
            .unwrap()
    };
    // A ledger that was closed a moment ago settles: the second time counts.
    drop(world.says(&explain).await);
    let before = (written(), world.screen("=shop:agent"));
    let (code, out, err) = world
        .says(&[explain[0], explain[1], explain[2], "--json"])
        .await;
    assert_eq!(code, Some(0), "{err}");
    assert!(err.contains("no daemon runs"), "{err}");
    let view: serde_json::Value = serde_json::from_str(&out).unwrap();
    let window = &view["windows"][0];
    assert_eq!(window["verdict"], "holds a draft", "{out}");
    assert_eq!(window["takes_text"], false);
    assert_eq!(
        window["lacks"],
        serde_json::json!([
            "this has to end: screen: a draft is in the composer",
            "the screen does not show an empty composer"
        ])
    );
    let rows = window["rows"].as_array().unwrap();
    assert!(
        rows.iter()
            .all(|row| row["heard"] == true && row["ttl"].as_u64() > Some(0)),
        "{out}"
    );
    assert_eq!((written(), world.screen("=shop:agent")), before);
    let (_, _, err) = world.says(&["session", "explain", "shopp"]).await;
    assert!(
        err.contains("no project `shopp`") && err.contains("Hint: "),
        "{err}"
    );
    world.tmux(&["kill-session", "-t", "=shop"]);
    let (code, out, err) = world.says(&explain).await;
    assert_eq!(
        (code, out.as_str()),
        (Some(0), "shop: no window of it is there"),
        "{err}"
    );
    world.end().await;
}

/// The brief's secret proves a report: who reads a log may not write one.
#[tokio::test]
async fn the_most_talkative_log_has_no_secret_and_no_brief() {
    let mut world = World::new();
    world.project("shop");
    world.spawn();
    world
        .issue("shop", "Greet by name", "In a low voice.", "ready-for-prep")
        .await;
    let opened = world
        .until_event("it is opened", "shop", |event| {
            matches!(event, Event::DispatchOpened { .. })
        })
        .await;
    let Event::DispatchOpened { opening } = opened.event else {
        unreachable!()
    };
    world
        .until_event("the agent has it", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    let key = Key::open(&world.places.state.join("key")).expect("the daemon made it");
    let log = world.log();
    assert!(log.contains("compose"), "it talks: {log}");
    for unsaid in [key.secret(&opening.id).as_str(), "In a low voice."] {
        assert!(!log.contains(unsaid), "`{unsaid}` is in the log");
    }
    world.end().await;
}
