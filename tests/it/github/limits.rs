//! Limits, pace, deadlines: what stops, until when, and that nothing waits for longer than it said.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{IssueNumber, Label};
use pointsman::tracker::github::{Account, Auth, Config, GitHub};
use pointsman::tracker::{Poll, PollMark, TrackerError};
use secrecy::SecretString;

use super::{World, config};
use crate::support::github::{Fault, Kind};

fn limited(error: &TrackerError) -> (Timestamp, &'static str) {
    match error {
        TrackerError::RateLimited { until, kind } => (*until, kind),
        other => panic!("a limit was expected: {other}"),
    }
}

fn account(world: &World, change: impl FnOnce(&mut Config)) -> Account {
    let mut config = config(
        &world.fake,
        Auth::Token(SecretString::from(world.token.as_str())),
    );
    change(&mut config);
    Account::open(&config).expect("the configuration is good")
}

/// Asserts that a time is so many seconds after the fake's clock, or up to one later: our own clock runs on meanwhile.
fn assert_in(world: &World, until: Timestamp, seconds: i64) {
    let wait = until.duration_since(world.fake.model().now).as_millis();
    let exact = i128::from(seconds) * 1000;
    assert!(
        (exact..exact + 1000).contains(&wait),
        "{wait} ms, not {seconds} s"
    );
}

async fn poll(github: &GitHub) -> Result<Poll, TrackerError> {
    github.poll(&PollMark::default()).await
}

#[tokio::test]
async fn retry_after_stops_all_repositories_of_the_account_at_once() {
    for status in [403, 429] {
        let world = World::start().await;
        world.fake.model().add_repo("me/other");
        let account = account(&world, |_| {});
        let (one, two) = (
            account.repository("me", "blog"),
            account.repository("me", "other"),
        );
        world.fake.arm(Fault::once(
            "GET",
            "/blog/issues",
            Kind::Limit {
                status,
                retry_after: Some(90),
            },
        ));
        let started = Instant::now();
        let (until, kind) = limited(&poll(&one).await.expect_err("a limit"));
        assert_eq!(kind, "secondary");
        assert_in(&world, until, 90);
        world.fake.take_log();
        limited(&poll(&two).await.expect_err("the same account"));
        limited(
            &one.comment(IssueNumber(1), "x")
                .await
                .expect_err("writes, too"),
        );
        assert!(
            world.fake.take_log().is_empty(),
            "nothing is sent while it lasts"
        );
        assert!(
            started.elapsed() < Duration::from_secs(3),
            "nobody slept through it"
        );
    }
}

#[tokio::test]
async fn another_account_is_not_stopped() {
    let world = World::start().await;
    world.open("t");
    world.fake.arm(Fault::once(
        "GET",
        "/issues",
        Kind::Limit {
            status: 429,
            retry_after: Some(90),
        },
    ));
    limited(&poll(&world.github).await.expect_err("a limit"));
    poll(&account(&world, |_| {}).repository("me", "blog"))
        .await
        .expect("its allowance is its own");
}

#[tokio::test]
async fn calls_go_on_after_the_stated_time() {
    let world = World::start().await;
    world.fake.arm(Fault::once(
        "GET",
        "/issues",
        Kind::Limit {
            status: 403,
            retry_after: Some(1),
        },
    ));
    limited(&poll(&world.github).await.expect_err("a limit"));
    tokio::time::sleep(Duration::from_millis(1100)).await;
    poll(&world.github).await.expect("it goes on");
}

#[tokio::test]
async fn a_secondary_limit_without_a_time_waits_a_minute_or_more() {
    let world = World::start().await;
    world.fake.arm(Fault::once(
        "GET",
        "/issues",
        Kind::Limit {
            status: 403,
            retry_after: None,
        },
    ));
    let (until, _) = limited(&poll(&world.github).await.expect_err("a limit"));
    assert_in(&world, until, 60);
}

#[tokio::test]
async fn an_exhausted_allowance_stops_until_its_reset() {
    let world = World::start().await;
    world.fake.model().limit = 2;
    world.github.repo().await.expect("the first");
    world.github.repo().await.expect("the last");
    world.fake.take_log();
    let (until, kind) = limited(&world.github.repo().await.expect_err("used up"));
    assert_eq!(kind, "primary");
    assert!(until >= world.fake.model().now + SignedDuration::from_hours(1));
    assert!(
        world.fake.take_log().is_empty(),
        "the last answer told us already"
    );
}

#[tokio::test]
async fn a_primary_limit_that_others_used_up_is_understood() {
    let world = World::start().await;
    world.fake.model().limit = 0;
    let (until, kind) = limited(&world.github.repo().await.expect_err("used up"));
    assert_eq!(kind, "primary");
    assert_in(&world, until, 3601);
}

#[tokio::test]
async fn the_reserve_is_left_to_the_person() {
    let world = World::start().await;
    world.fake.model().limit = 100;
    let github = account(&world, |config| config.reserve = 40).repository("me", "blog");
    let mut made = 0;
    let error = loop {
        match github.repo().await {
            Ok(_) => made += 1,
            Err(error) => break error,
        }
    };
    assert_eq!((made, limited(&error).1), (60, "reserve"));
    let all = account(&world, |config| config.reserve = 1_000_000).repository("me", "blog");
    assert!(
        all.repo().await.is_ok(),
        "the first call always tells how much there is"
    );
}

#[tokio::test]
async fn graphql_says_200_and_means_a_limit() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    let body =
        r#"{"data":null,"errors":[{"type":"RATE_LIMITED","message":"API rate limit exceeded"}]}"#;
    world
        .fake
        .arm(Fault::once("POST", "/graphql", Kind::Body(body.to_owned())));
    limited(&world.github.issue(number).await.expect_err("a limit"));
    limited(
        &world
            .github
            .repo()
            .await
            .expect_err("and REST stops with it"),
    );
}

#[tokio::test]
async fn a_refusal_without_a_limit_is_no_limit() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    let token = world.fake.model().token_for("stranger");
    let stranger = super::connect(&world.fake, &token, "me", "blog");
    let error = stranger
        .add_label(number, &Label::new("QA"))
        .await
        .expect_err("no right");
    assert!(matches!(error, TrackerError::Forbidden { .. }), "{error}");
    stranger.repo().await.expect("reading goes on");
}

#[tokio::test]
async fn a_hung_server_is_unreachable_within_the_deadline() {
    let world = World::start().await;
    world.fake.arm(Fault::always("GET", "/issues", Kind::Hang));
    let github = account(&world, |config| {
        config.deadline = Duration::from_millis(400);
    })
    .repository("me", "blog");
    let started = Instant::now();
    let error = poll(&github).await.expect_err("silence");
    assert!(matches!(error, TrackerError::Unreachable { .. }), "{error}");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test]
async fn a_read_is_repeated_a_bounded_number_of_times() {
    let world = World::start().await;
    world
        .fake
        .arm(Fault::once("GET", "/repos/me/blog", Kind::Status(502)));
    world
        .fake
        .arm(Fault::once("GET", "/repos/me/blog", Kind::Lost));
    world.github.repo().await.expect("the third attempt");
    assert_eq!(world.fake.take_log().len(), 3);
    world
        .fake
        .arm(Fault::always("GET", "/repos/me/blog", Kind::Status(503)));
    let error = world.github.repo().await.expect_err("down");
    assert!(matches!(error, TrackerError::Unreachable { .. }), "{error}");
    assert_eq!(world.fake.take_log().len(), 3);
}

#[tokio::test]
async fn writes_keep_their_pace_and_their_order() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    let comment = world
        .github
        .comment(number, "status")
        .await
        .expect("it writes");
    let pace = Duration::from_millis(150);
    let github = account(&world, |config| config.pace = pace).repository("me", "blog");
    github
        .comment(number, "first")
        .await
        .expect("it writes, and starts the pace");
    world.fake.take_log();
    let started = Instant::now();
    let label = Label::new("QA");
    let (said, marked, moved) = tokio::join!(
        github.comment(number, "last"),
        github.edit_comment(number, &comment, "marker"),
        github.remove_label(number, &label),
    );
    said.expect("it writes");
    marked.expect("it edits");
    moved.expect("it removes");
    let log = world.fake.take_log();
    let writes: Vec<&str> = log
        .iter()
        .filter(|line| line.method != "GET")
        .map(|line| line.method.as_str())
        .collect();
    assert_eq!(
        writes,
        ["DELETE", "PATCH", "POST"],
        "transitions before markers before comments"
    );
    assert!(started.elapsed() >= pace * 2, "{:?}", started.elapsed());
}

#[tokio::test]
async fn edits_that_may_wait_take_a_fifth_of_the_writes_and_markers_go_on() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    let github = account(&world, |config| config.pace = Duration::ZERO).repository("me", "blog");
    let comment = github.comment(number, "0").await.expect("it writes");
    for n in 1..=100 {
        let body = n.to_string();
        let edited = github.edit_comment_later(number, &comment, &body);
        edited.await.expect("there is some to spare");
    }
    let error = github.edit_comment_later(number, &comment, "101").await;
    let (until, kind) = limited(&error.expect_err("not within the hour"));
    assert_eq!(kind, "spare");
    let wait = until.duration_since(world.fake.model().now).as_mins();
    assert!((50..=60).contains(&wait), "{wait} min");
    github
        .edit_comment(number, &comment, "a marker")
        .await
        .expect("a dispatch waits for this one");
}

#[tokio::test]
async fn a_write_that_waits_too_long_is_known_not_to_be_sent() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    let change = |config: &mut Config| {
        config.pace = Duration::from_mins(1);
        config.deadline = Duration::from_millis(600);
    };
    let github = account(&world, change).repository("me", "blog");
    github
        .comment(number, "one")
        .await
        .expect("the first goes at once");
    let error = github.comment(number, "two").await.expect_err("not now");
    assert_eq!(limited(&error).1, "pace");
    assert_eq!(
        world.fake.model().issue("me/blog", number.0).comments.len(),
        1
    );
}

#[tokio::test]
async fn a_cancelled_write_does_not_keep_the_others_waiting() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    world.fake.arm(Fault::once("POST", "/comments", Kind::Hang));
    let cancelled = tokio::time::timeout(
        Duration::from_millis(200),
        world.github.comment(number, "one"),
    )
    .await;
    assert!(cancelled.is_err());
    world
        .github
        .comment(number, "two")
        .await
        .expect("it is its turn");
}
