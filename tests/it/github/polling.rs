//! Polling: what it costs, what it follows, what it refuses.

use pointsman::domain::IssueNumber;
use pointsman::tracker::{Poll, PollMark, TrackerError};

use super::{World, chain, connect};
use crate::support::github::{Fault, Kind};

const PROBE: &str = "/repos/me/blog/issues?state=all&sort=updated&direction=desc&per_page=1";

async fn settled_mark(world: &World) -> PollMark {
    world.fake.advance(60);
    let mark = world.github.sweep().await.expect("it sweeps").mark;
    world.fake.take_log();
    mark
}

#[tokio::test]
async fn an_unchanged_poll_is_one_conditional_request_that_costs_nothing() {
    let world = World::start().await;
    world.open("t");
    let mark = settled_mark(&world).await;
    assert_eq!(
        world.github.poll(&mark).await.expect("it polls"),
        Poll::Unchanged
    );
    let log = world.fake.take_log();
    assert_eq!(log.len(), 1);
    assert_eq!(
        (
            log[0].target.as_str(),
            log[0].conditional,
            log[0].status,
            log[0].cost
        ),
        (PROBE, true, 304, 0)
    );
}

#[tokio::test]
async fn it_is_one_request_also_after_a_restart_with_the_stored_mark() {
    let world = World::start().await;
    world.open("t");
    let stored =
        serde_json::to_string(&settled_mark(&world).await).expect("a mark is stored as JSON");
    let restarted = connect(&world.fake, &world.token, "me", "blog");
    let mark = serde_json::from_str(&stored).expect("it was stored");
    assert_eq!(
        restarted.poll(&mark).await.expect("it polls"),
        Poll::Unchanged
    );
    assert_eq!(world.fake.take_log().len(), 1);
}

#[tokio::test]
async fn a_mark_of_another_token_is_not_used() {
    let world = World::start().await;
    world.open("t");
    let mark = settled_mark(&world).await;
    let other = world.fake.model().token_for("me");
    let github = connect(&world.fake, &other, "me", "blog");
    assert!(matches!(
        github.poll(&mark).await.expect("it polls"),
        Poll::Changed { .. }
    ));
    assert!(world.fake.take_log().iter().all(|line| !line.conditional));
}

#[tokio::test]
async fn a_change_costs_the_probe_and_one_delta() {
    let world = World::start().await;
    let number = world.open("t");
    let mark = settled_mark(&world).await;
    world.fake.model().label("me/blog", number, "QA", "me");
    world.fake.advance(10);
    assert!(matches!(
        world.github.poll(&mark).await.expect("it polls"),
        Poll::Changed { .. }
    ));
    let requests = world.requests();
    assert_eq!(requests.len(), 2, "{requests:?}");
    assert!(
        requests[1].contains("since=2026-11-20T11%3A58%3A00Z"),
        "{requests:?}"
    );
}

#[tokio::test]
async fn a_fresh_change_is_polled_again_without_a_condition() {
    let world = World::start().await;
    let number = world.open("t");
    let mark = settled_mark(&world).await;
    world.fake.model().label("me/blog", number, "QA", "me");
    let Poll::Changed { mark, .. } = world.github.poll(&mark).await.expect("it polls") else {
        panic!("it changed")
    };
    assert_eq!(
        mark.etag, None,
        "a second change in this second could hide behind it"
    );
}

#[tokio::test]
async fn pages_are_followed_with_our_token_on_any_host() {
    let world = World::start().await;
    for number in 0..230 {
        world.open(&format!("issue {number}"));
    }
    let sweep = world.github.sweep().await.expect("it sweeps");
    assert_eq!(sweep.open.len(), 230);
    let log = world.fake.take_log();
    let pages: Vec<_> = log
        .iter()
        .filter(|line| line.target.starts_with("/repositories/"))
        .collect();
    assert_eq!(pages.len(), 2);
    assert!(log.iter().all(|line| line.authorized));
}

#[tokio::test]
async fn a_sweep_that_something_changed_under_is_read_again() {
    let world = World::start().await;
    for number in 0..101 {
        world.open(&format!("issue {number}"));
    }
    world.github.sweep().await.expect("it sweeps");
    let requests = world.requests();
    let probes = requests
        .iter()
        .filter(|line| line.contains("per_page=1 "))
        .count();
    assert!(probes >= 2, "one before, one after: {requests:?}");
}

#[tokio::test]
async fn pull_requests_are_skipped() {
    let world = World::start().await;
    let issue = world.open("an issue");
    let pull = world
        .fake
        .model()
        .open_pull("me/blog", "me", "a pull request");
    let Poll::Changed { heads, .. } = world
        .github
        .poll(&PollMark::default())
        .await
        .expect("it polls")
    else {
        panic!("everything is new")
    };
    assert_eq!(
        heads.iter().map(|head| head.number).collect::<Vec<_>>(),
        [IssueNumber(issue)]
    );
    let read = world
        .github
        .issue(IssueNumber(pull))
        .await
        .expect("it reads");
    assert_eq!(read, pointsman::domain::SingleRead::Gone);
}

#[tokio::test]
async fn a_page_that_leads_back_is_refused() {
    let world = World::start().await;
    world.open("t");
    let id = world.fake.model().repo("me/blog").id;
    let target = format!(
        "{}/repositories/{id}/issues?per_page=100&page=2",
        world.fake.url
    );
    world.fake.arm(Fault::always(
        "GET",
        "per_page=100",
        Kind::Link(format!("<{target}>; rel=\"next\"")),
    ));
    let error = world.github.sweep().await.expect_err("a circle");
    assert!(matches!(error, TrackerError::Malformed { .. }), "{error}");
    assert!(chain(&error).contains("circle"), "{}", chain(&error));
}

#[tokio::test]
async fn a_link_to_another_host_is_refused_and_our_token_stays_here() {
    let world = World::start().await;
    let other = crate::support::github::FakeGitHub::start().await;
    world.open("t");
    let link = format!("<{}/repositories/1/issues?page=2>; rel=\"next\"", other.url);
    world
        .fake
        .arm(Fault::always("GET", "per_page=100", Kind::Link(link)));
    let error = world.github.sweep().await.expect_err("a foreign link");
    assert!(matches!(error, TrackerError::Malformed { .. }), "{error}");
    assert!(chain(&error).contains("leads away"), "{}", chain(&error));
    assert!(other.take_log().is_empty());
}

#[tokio::test]
async fn a_deleted_account_does_not_fail_the_page() {
    let world = World::start().await;
    world
        .fake
        .model()
        .open_issue("me/blog", "ghost", "left behind", "body");
    world.fake.model().forget_account("ghost");
    let sweep = world.github.sweep().await.expect("it sweeps");
    assert_eq!(sweep.open[0].author, None);
}

#[tokio::test]
async fn malformed_json_is_said_to_be_malformed() {
    let world = World::start().await;
    for body in [
        "{\"not\": \"a list\"}",
        "[{\"id\": 1}]",
        "<html>",
        "",
        "[null]",
    ] {
        world.fake.arm(Fault::once(
            "GET",
            "per_page=1",
            Kind::Body(body.to_owned()),
        ));
        let error = world
            .github
            .poll(&PollMark::default())
            .await
            .expect_err("nonsense");
        assert!(
            matches!(error, TrackerError::Malformed { .. }),
            "{body}: {error}"
        );
    }
}

#[tokio::test]
async fn an_etag_cut_in_transfer_is_never_kept() {
    let world = World::start().await;
    let number = world.open("t");
    let mark = settled_mark(&world).await;
    world.fake.model().label("me/blog", number, "QA", "me");
    world.fake.advance(10);
    for _ in 0..3 {
        world.fake.arm(Fault::once("GET", "since=", Kind::Lost));
    }
    assert!(matches!(
        world.github.poll(&mark).await,
        Err(TrackerError::Unreachable { .. })
    ));
    assert!(
        matches!(
            world.github.poll(&mark).await.expect("it polls"),
            Poll::Changed { .. }
        ),
        "the old mark still works"
    );
}

#[tokio::test]
async fn a_list_without_an_end_is_given_up() {
    let world = World::start().await;
    world.open("t");
    world
        .fake
        .arm(Fault::always("GET", "per_page=100", Kind::Endless));
    let error = world.github.sweep().await.expect_err("too many pages");
    assert_eq!(
        error.to_string(),
        "the tracker refused to read the list of issues: it has more than 50 pages"
    );
    assert_eq!(
        world.fake.take_log().len(),
        52,
        "the repository, the probe, 50 pages"
    );
}

#[tokio::test]
async fn a_list_that_lags_behind_the_probe_is_read_again() {
    let world = World::start().await;
    let number = world.open("t");
    let mark = settled_mark(&world).await;
    world.fake.model().label("me/blog", number, "QA", "me");
    world.fake.advance(10);
    world
        .fake
        .arm(Fault::once("GET", "since=", Kind::Body("[]".to_owned())));
    let Poll::Changed { heads, mark, .. } = world.github.poll(&mark).await.expect("it polls")
    else {
        panic!("it changed")
    };
    assert!(heads.is_empty(), "a replica that has not heard of it");
    let Poll::Changed { heads, .. } = world.github.poll(&mark).await.expect("it polls") else {
        panic!("still news")
    };
    assert_eq!(heads.len(), 1);
}

#[tokio::test]
async fn an_answer_beyond_all_bounds_is_not_read() {
    let world = World::start().await;
    let huge = format!("[{}]", " ".repeat(33 * 1024 * 1024));
    world
        .fake
        .arm(Fault::once("GET", "per_page=1", Kind::Body(huge)));
    let error = world
        .github
        .poll(&PollMark::default())
        .await
        .expect_err("too much");
    assert!(matches!(error, TrackerError::Malformed { .. }), "{error}");
    assert!(chain(&error).contains("larger than"), "{}", chain(&error));
}
