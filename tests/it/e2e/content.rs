//! A folder without git walks `content.toml`.

use pointsman::domain::Event;

use crate::support::world::{World, assert_confirmed};

#[tokio::test]
async fn a_folder_without_git_walks_research_draft_and_review() {
    let mut world = World::new();
    world.folder("notes", "content.toml");
    world.start().await;
    let issue = world
        .issue(
            "notes",
            "Why tmux",
            "A short piece on why agents live in tmux.",
            "ready-for-research",
        )
        .await;
    world.until_yours("notes", issue).await;
    for folder in ["research", "drafts"] {
        let text =
            std::fs::read_to_string(world.home().join(format!("notes/{folder}/{}.md", issue.0)))
                .unwrap_or_default();
        assert!(text.contains("Why tmux"), "{folder}: {text:?}");
    }
    let told = world.told().await;
    assert_confirmed(&told);
    let stages: Vec<String> = told
        .iter()
        .filter_map(|told| match &told.event {
            Event::DispatchOpened { opening } => Some(opening.stage.label.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(
        stages,
        ["ready-for-research", "ready-for-draft", "draft-review"]
    );
    world.approve("notes", issue).await;
    world.until_done("notes", issue).await;
    world.until_tidy("notes").await;
    assert!(!world.home().join("notes/.git").exists());
    assert_eq!(
        world.left_in(&world.home().join("notes"), "briefs"),
        Vec::<String>::new()
    );
    world.end().await;
}
