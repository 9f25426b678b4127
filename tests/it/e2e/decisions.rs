//! D25: which decisions no person approved, by the real verb over a real walk.

use crate::support::world::World;

#[tokio::test]
async fn a_decision_is_nobodys_until_a_person_approves_the_work() {
    let world = World::running("shop").await;
    let issue = world
        .issue(
            "shop",
            "Greet by name",
            "It should take a name.",
            "ready-for-prep",
        )
        .await;
    world.until_yours("shop", issue).await;
    let unapproved = &["ledger", "decisions", "--unapproved"];
    let (code, before, _) = world.says(unapproved).await;
    assert_eq!(code, Some(0));
    let (head, words) = before.split_once('\n').expect("two lines");
    assert!(head.starts_with(&format!("shop {issue}  ")), "{before}");
    assert!(head.ends_with("approved by nobody"), "{before}");
    assert!(words.trim().len() > 10, "what was decided: {before}");
    world.approve("shop", issue).await;
    world.until_done("shop", issue).await;
    let (_, after, _) = world.says(unapproved).await;
    assert_eq!(after, "no decision of that kind is on record");
    let (_, all, _) = world
        .says(&["ledger", "decisions", "--project", "shop"])
        .await;
    assert!(all.contains(" (approve) at "), "{all}");
    assert!(all.contains(words.trim()), "{all}");
    let (_, json, _) = world.says(&["ledger", "decisions", "--json"]).await;
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(json[0]["issue"], issue.0, "{json}");
    world.end().await;
}
