//! A person is called: from an agent's question to the operator's own command.

use std::time::{Duration, Instant};

use crate::support::patience::PATIENCE;
use crate::support::world::World;

async fn calls(world: &World, count: usize) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = std::fs::read_to_string(world.home().join("calls")).unwrap_or_default();
        if text.matches("Pointsman: ").count() >= count {
            return text;
        }
        assert!(Instant::now() < deadline, "nobody is called: {text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn an_agents_question_reaches_the_command_once_also_over_a_restart() {
    let mut world = World::new();
    let notify = "[notify]\ncommand = \"cat >>$HOME/calls\"\n";
    world.settings(notify);
    world.project("shop");
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "[demo:ask]", "ready-for-prep")
        .await;
    let hold = world.until_held("shop", issue, "asked").await.to_string();
    let question = hold.trim_start_matches("the agent asked: ");
    assert!(!question.is_empty());
    let text = calls(&world, 1).await;
    assert!(
        text.starts_with("Pointsman: 1 thing needs you (shop)\nshop #1 "),
        "{text}"
    );
    assert!(text.contains(question), "{text}");
    assert!(text.contains("reply in a comment on the issue"), "{text}");
    // What is told is written down after the call: stopped in between, it would be told again.
    let told = world.places.state.join("told.json");
    let deadline = Instant::now() + PATIENCE;
    while !told.exists() {
        assert!(Instant::now() < deadline, "it is not written down");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }

    world.stop().await;
    world.start().await;
    world.until_held("shop", issue, "asked").await;
    world.cycles("shop", 2).await;
    // A mistake in the files is the next call, and the question is not in it.
    world.settings(&format!("{notify}webhok = \"https://push.example\"\n"));
    let text = calls(&world, 2).await;
    assert_eq!(text.matches(question).count(), 1, "{text}");
    assert!(
        text.contains("(configuration): the files have mistakes"),
        "{text}"
    );
    world.end().await;
}
