//! Renames, transfers, deletions: what is elsewhere is never taken for gone, and nothing is written there unasked.

use pointsman::domain::{IssueNumber, Label, SingleRead};
use pointsman::tracker::{PollMark, TrackerError};

use super::World;

fn moved_to(error: &TrackerError) -> Option<&str> {
    match error {
        TrackerError::Moved { to, .. } => Some(to),
        TrackerError::Unreachable { .. }
        | TrackerError::RateLimited { .. }
        | TrackerError::TokenRejected { .. }
        | TrackerError::Forbidden { .. }
        | TrackerError::NotFound { .. }
        | TrackerError::Refused { .. }
        | TrackerError::Malformed { .. } => None,
    }
}

#[tokio::test]
async fn a_renamed_repository_is_reported_by_its_new_name() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    world.fake.model().rename_repo("me/blog", "me/journal");
    let error = world
        .github
        .poll(&PollMark::default())
        .await
        .expect_err("it moved");
    assert_eq!(moved_to(&error), Some("me/journal"));
    let error = world.github.issue(number).await.expect_err("it moved");
    assert_eq!(moved_to(&error), Some("me/journal"));
    assert_eq!(
        error.hint().as_deref(),
        Some("set repo = \"me/journal\" in the project's file")
    );
    assert_eq!(
        world.github.repo().await.expect("it reads").full_name,
        "me/journal"
    );
}

#[tokio::test]
async fn a_write_to_the_old_name_is_not_carried_out() {
    let world = World::start().await;
    let number = world.open("t");
    world.fake.model().rename_repo("me/blog", "me/journal");
    let error = world
        .github
        .comment(IssueNumber(number), "hello")
        .await
        .expect_err("it moved");
    assert_eq!(moved_to(&error), Some("me/journal"));
    assert!(
        world
            .fake
            .model()
            .issue("me/journal", number)
            .comments
            .is_empty()
    );
    let label = world
        .github
        .remove_label(IssueNumber(number), &Label::new("QA"))
        .await
        .expect_err("it moved");
    assert_eq!(moved_to(&label), Some("me/journal"));
}

#[tokio::test]
async fn a_transferred_issue_is_followed_by_name_only() {
    let world = World::start().await;
    let number = world.open("t");
    world.fake.model().add_repo("other/place");
    let there = world
        .fake
        .model()
        .transfer("me/blog", number, "other/place");
    let read = world
        .github
        .issue(IssueNumber(number))
        .await
        .expect("it reads");
    assert_eq!(
        read,
        SingleRead::Transferred {
            to: format!("other/place#{there}")
        }
    );
    let error = world
        .github
        .add_label(IssueNumber(number), &Label::new("QA"))
        .await
        .expect_err("it moved");
    assert_eq!(moved_to(&error), Some("other/place"));
}

#[tokio::test]
async fn a_transfer_to_where_we_may_not_look_is_still_a_transfer() {
    let world = World::start().await;
    let number = world.open("t");
    world.fake.model().add_repo("other/secret");
    world.fake.model().repo("other/secret").private = true;
    world
        .fake
        .model()
        .transfer("me/blog", number, "other/secret");
    let read = world
        .github
        .issue(IssueNumber(number))
        .await
        .expect("it reads");
    assert!(matches!(read, SingleRead::Transferred { to } if to.starts_with("/repositories/")));
}

#[tokio::test]
async fn a_deleted_issue_is_gone() {
    let world = World::start().await;
    let number = world.open("t");
    world.fake.model().delete("me/blog", number);
    assert_eq!(
        world
            .github
            .issue(IssueNumber(number))
            .await
            .expect("it reads"),
        SingleRead::Gone
    );
    let error = world
        .github
        .comment(IssueNumber(number), "x")
        .await
        .expect_err("it is gone");
    assert!(matches!(error, TrackerError::NotFound { .. }));
}

#[tokio::test]
async fn a_repository_that_was_made_anew_has_another_id() {
    let world = World::start().await;
    world.open("t");
    let old = world.github.sweep().await.expect("it sweeps").open[0]
        .repo
        .clone();
    {
        let mut model = world.fake.model();
        let id = model.repo("me/blog").id;
        model.repos.remove(&id);
        model.add_repo("me/blog");
    }
    world.open("t");
    let new = world.github.sweep().await.expect("it sweeps").open[0]
        .repo
        .clone();
    assert_ne!(old, new);
}
