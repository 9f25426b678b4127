//! Writing: once, and honest about what happened.

use pointsman::domain::{CommentId, IssueNumber, Label};
use pointsman::tracker::{NewIssue, TrackerError};

use super::{World, connect};
use crate::support::github::{Fault, Kind};

fn posts(world: &World, part: &str) -> usize {
    let log = world.fake.take_log();
    log.iter()
        .filter(|line| line.method != "GET" && line.target.contains(part))
        .count()
}

#[tokio::test]
async fn a_post_is_never_sent_twice() {
    for kind in [
        Kind::Status(502),
        Kind::StatusAfter(502),
        Kind::Lost,
        Kind::Status(500),
        Kind::Status(503),
    ] {
        let world = World::start().await;
        let number = IssueNumber(world.open("t"));
        world
            .fake
            .arm(Fault::once("POST", "/comments", kind.clone()));
        let error = world
            .github
            .comment(number, "once")
            .await
            .expect_err("no good answer");
        assert!(
            matches!(error, TrackerError::Unreachable { .. }),
            "{kind:?}: {error}"
        );
        assert_eq!(posts(&world, "/comments"), 1, "{kind:?}");
    }
}

#[tokio::test]
async fn no_write_is_sent_twice() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    let comment = world.github.comment(number, "c").await.expect("it writes");
    let label = Label::new("QA");
    world.fake.take_log();
    for (method, part) in [
        ("POST", "/labels"),
        ("DELETE", "/labels"),
        ("PATCH", "/comments/"),
        ("PATCH", "/issues/"),
    ] {
        world
            .fake
            .arm(Fault::once(method, part, Kind::StatusAfter(502)));
    }
    world
        .github
        .add_label(number, &label)
        .await
        .expect_err("a bad gateway");
    assert_eq!(posts(&world, "/labels"), 1);
    world
        .github
        .remove_label(number, &label)
        .await
        .expect_err("a bad gateway");
    assert_eq!(posts(&world, "/labels"), 1);
    world
        .github
        .edit_comment(number, &comment, "new")
        .await
        .expect_err("a bad gateway");
    assert_eq!(posts(&world, "/comments/"), 1);
    world.github.close(number).await.expect_err("a bad gateway");
    assert_eq!(posts(&world, "/issues/"), 1);
}

#[tokio::test]
async fn a_lost_answer_is_resolved_by_reading() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    world.fake.arm(Fault::once("POST", "/comments", Kind::Lost));
    world
        .github
        .comment(number, "<!-- marker 7 -->")
        .await
        .expect_err("lost");
    let comments = world.github.comments(number).await.expect("it reads");
    assert_eq!(
        comments
            .iter()
            .filter(|comment| comment.body.contains("marker 7"))
            .count(),
        1
    );
}

#[tokio::test]
async fn labels_are_never_replaced_as_a_set() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    world
        .fake
        .model()
        .label("me/blog", number.0, "somebody-elses", "me");
    world
        .github
        .add_label(number, &Label::new("QA"))
        .await
        .expect("it adds");
    world
        .github
        .remove_label(number, &Label::new("QA"))
        .await
        .expect("it goes");
    world.github.close(number).await.expect("it closes");
    assert_eq!(
        world.fake.model().issue("me/blog", number.0).labels,
        ["somebody-elses"]
    );
    assert!(
        world
            .fake
            .take_log()
            .iter()
            .all(|line| line.method != "PUT")
    );
}

#[tokio::test]
async fn a_label_that_was_dropped_without_a_word_is_noticed() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    world
        .fake
        .arm(Fault::once("POST", "/labels", Kind::Body("[]".to_owned())));
    let error = world
        .github
        .add_label(number, &Label::new("QA"))
        .await
        .expect_err("not set");
    assert!(matches!(error, TrackerError::Forbidden { .. }), "{error}");
}

#[tokio::test]
async fn an_issue_whose_labels_fail_is_named_in_the_error() {
    let world = World::start().await;
    let token = world.fake.model().token_for("stranger");
    let stranger = connect(&world.fake, &token, "me", "blog");
    let issue = NewIssue {
        title: "t".to_owned(),
        body: String::new(),
        labels: vec![Label::new("ready-for-dev")],
    };
    let error = stranger
        .create_issue(&issue)
        .await
        .expect_err("no right to label");
    assert!(
        error.to_string().contains("issue #1, which is open now"),
        "{error}"
    );
}

#[tokio::test]
async fn a_refusal_tells_what_and_why() {
    let world = World::start().await;
    let issue = NewIssue {
        title: String::new(),
        body: String::new(),
        labels: Vec::new(),
    };
    let error = world
        .github
        .create_issue(&issue)
        .await
        .expect_err("no title");
    assert_eq!(
        error.to_string(),
        "the tracker refused to open an issue: Validation Failed"
    );
}

#[tokio::test]
async fn a_comment_id_that_is_none_never_becomes_a_path() {
    let world = World::start().await;
    for id in ["", "../7", "7/reactions", "abc"] {
        let id = CommentId::new(id);
        assert!(
            world
                .github
                .edit_comment(IssueNumber(1), &id, "x")
                .await
                .is_err()
        );
    }
    assert!(world.fake.take_log().is_empty());
}

#[tokio::test]
async fn removing_from_an_issue_that_is_not_there_is_not_done() {
    let world = World::start().await;
    let error = world
        .github
        .remove_label(IssueNumber(9), &Label::new("QA"))
        .await
        .expect_err("no issue");
    assert!(matches!(error, TrackerError::NotFound { .. }), "{error}");
}
