//! What is in the way and is a person's: said as the README shows it, and gone on with once it is cleared away.

use std::time::Duration;

use pointsman::domain::{Cause, Event};

use crate::support::world::World;

/// Runs a verb beside the daemon, which answers from this thread.
async fn says(world: &World, words: &[&str]) -> String {
    let mut command = world.command(words);
    let output = tokio::task::spawn_blocking(move || command.output());
    let output = output.await.expect("it does not panic").expect("it runs");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn a_dirty_tree_is_a_persons_and_work_goes_on_once_it_is_clean() {
    let mut world = World::new();
    world.project("shop");
    let theirs = world.home().join("shop/notes.txt");
    std::fs::write(&theirs, "a person's\n").unwrap();
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    world.until_held("shop", issue, "tree-dirty").await;
    let explained = says(&world, &["explain", "1"]).await;
    let line = "held: tree-dirty. notes.txt changed, not by us. Hint: commit or stash them\n";
    assert!(explained.starts_with(line), "{explained}");
    let inbox = says(&world, &["inbox"]).await;
    assert!(inbox.contains("tree-dirty"), "{inbox}");

    // It is looked at again, and nothing more is written down.
    tokio::time::sleep(Duration::from_secs(35)).await;
    let stalls = world.told().await;
    let stalls = stalls
        .iter()
        .filter(|told| matches!(told.event, Event::DispatchStalled { .. }));
    assert_eq!(stalls.count(), 1);
    assert_eq!(std::fs::read_to_string(&theirs).unwrap(), "a person's\n");
    std::fs::remove_file(&theirs).unwrap();
    world
        .until_event("the brief is there", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    world.end().await;
}

/// PROTOCOLS 3: an Enter more than ten seconds after the paste reads the request again, however often the guard has refused by then.
#[tokio::test]
async fn an_enter_that_the_guard_holds_back_is_not_sent_once_nobody_wants_it() {
    let mut world = World::new();
    world.project("shop");
    let profile = world.home().join(".config/pointsman/agents/demo.toml");
    let text = std::fs::read_to_string(&profile).unwrap();
    std::fs::write(&profile, text.replace("\"300ms\"", "\"6s\"")).unwrap();
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    world
        .until_event("the line is there", "shop", |event| {
            matches!(event, Event::EnterIntended { .. })
        })
        .await;
    world.tmux(&["copy-mode", "-t", "=shop:agent"]);
    world.label("shop", issue, "hold").await;
    tokio::time::sleep(Duration::from_secs(13)).await;
    world.tmux(&["send-keys", "-t", "=shop:agent", "-X", "cancel"]);
    let closed = world
        .until_event("it ends", "shop", |event| {
            matches!(event, Event::DispatchClosed { .. })
        })
        .await;
    let Event::DispatchClosed { cause, .. } = closed.event else {
        unreachable!("it was asked for")
    };
    assert!(matches!(cause, Cause::Withdrawn { .. }), "{cause:?}");
    assert_eq!(world.taken(), Vec::<String>::new());
    world.end().await;
}

#[tokio::test]
async fn two_agents_of_ours_in_the_check_window_are_both_ended() {
    let mut world = World::new();
    world.agents_wait().project("shop");
    world.start().await;
    world.issue("shop", "Greet by name", "", "QA").await;
    world
        .until_event("the checker has it", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    let second = "new-window -d -P -F #{pane_id} -t =shop: -n check sleep 1000";
    let second = world.tmux(&second.split(' ').collect::<Vec<_>>());
    world.tmux(&[
        "set-option",
        "-p",
        "-t",
        second.trim(),
        "@pointsman_x1",
        "submitted:0",
    ]);
    world.agents_go_on();
    world
        .until_event("it is cleared away", "shop", |event| {
            matches!(event, Event::DispatchTidied { .. })
        })
        .await;
    let windows = world.windows();
    assert!(!windows.contains(&"shop:check".to_owned()), "{windows:?}");
    world.end().await;
}
