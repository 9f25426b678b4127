//! `pointsman say` and `interrupt`: a person's words and one key, without an issue.

use pointsman::daemon::key::Key;
use pointsman::domain::Event;

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
    world.project("shop").pace(2_000);
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
