//! What waits for a person, from a running daemon and from the ledger alone.

use pointsman::domain::{IssueNumber, Label};

use crate::support::world::World;

async fn inbox(world: &World) -> String {
    let mut command = world.command(&["inbox"]);
    let ran = tokio::task::spawn_blocking(move || command.output());
    let output = ran.await.expect("it does not panic").expect("it starts");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[tokio::test]
async fn what_waits_for_a_person_is_listed_with_and_without_a_daemon() {
    let mut world = World::new();
    world.project("shop").project("docs");
    world.start().await;
    let asked = world
        .issue("shop", "Greet by name", "[demo:ask]", "ready-for-prep")
        .await;
    let both = world.issue("docs", "Both", "", "").await;
    let tracker = world.tracker("docs");
    for label in ["hold", "ready-for-prep", "QA"] {
        let label = Label::new(label);
        tracker.add_label(both, &label).await.expect("it is set");
    }
    world.unlabel("docs", both, "hold").await;
    world.until_held("docs", both, "several-labels").await;
    world.until_held("shop", asked, "asked").await;
    let told = inbox(&world).await;
    let lines: Vec<&str> = told.lines().collect();
    let [question, labels] = lines[..] else {
        panic!("{told}");
    };
    assert_eq!((asked, both), (IssueNumber(1), IssueNumber(1)));
    assert!(
        question.starts_with("shop  #1  asked           the agent asked: ")
            && question.ends_with("  pointsman issue comment 1 \"<ANSWER>\" --project shop"),
        "{told}"
    );
    assert!(
        labels.starts_with("docs  #1  several-labels  several routing labels: ")
            && labels.ends_with("  pointsman labels fix --project docs"),
        "{told}"
    );
    world.stop().await;
    assert_eq!(inbox(&world).await, told, "the ledger knows the same");
    world.end().await;
}
