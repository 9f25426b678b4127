//! GitHub's own checks of a commit over the real client.

use pointsman::domain::{CheckRun, RunState, Subject};
use pointsman::tracker::TrackerError;

use super::World;
use crate::support::github::{Fact, Fault, Kind};

const BLOG: &str = "me/blog";

/// The commit that `main` of the fake is at.
fn main() -> Subject {
    Subject::new("1".repeat(40))
}

fn run(name: &str, state: RunState) -> CheckRun {
    CheckRun {
        name: name.to_owned(),
        state,
    }
}

async fn read(world: &World) -> Vec<CheckRun> {
    world.github.checks(&main()).await.expect("it reads")
}

#[tokio::test]
async fn check_runs_and_statuses_are_read_to_the_last_page_in_as_many_requests() {
    let world = World::start().await;
    {
        let mut model = world.fake.model();
        let sha = main();
        let sha = Some(sha.as_str());
        for (name, said) in [
            ("lint", "failure"),
            ("late", "timed_out"),
            ("e2e", "in_progress"),
            ("docs", "skipped"),
        ] {
            model.check(BLOG, sha, name, said);
        }
        model.check(BLOG, Some(&"7".repeat(40)), "of another commit", "failure");
        model.status(BLOG, sha, "ci/old", "error");
        model.status(BLOG, sha, "ci/slow", "pending");
        model.status(BLOG, sha, "ci/good", "success");
    }
    assert_eq!(
        read(&world).await,
        [
            run("lint", RunState::Failed),
            run("late", RunState::Failed),
            run("e2e", RunState::Pending),
            run("docs", RunState::Passed),
            run("ci/old", RunState::Failed),
            run("ci/slow", RunState::Pending),
            run("ci/good", RunState::Passed),
        ]
    );
    assert_eq!(world.requests().len(), 2);
    for number in 0..100 {
        let name = format!("part {number}");
        world.fake.model().check(BLOG, None, &name, "success");
    }
    assert_eq!(read(&world).await.len(), 107);
    assert_eq!(world.requests().len(), 3, "one more page, and no more");
}

#[tokio::test]
async fn checks_that_cannot_be_read_say_why() {
    let world = World::start().await;
    let unknown = world.github.checks(&Subject::new("9".repeat(40))).await;
    assert!(
        matches!(&unknown, Err(TrackerError::Refused { why, .. }) if why.contains("No commit")),
        "{unknown:?}"
    );
    let fault = Kind::Body(r#"{"total_count": 1}"#.to_owned());
    world.fake.arm(Fault::once("GET", "/check-runs", fault));
    let malformed = world.github.checks(&main()).await;
    assert!(
        matches!(malformed, Err(TrackerError::Malformed { .. })),
        "{malformed:?}"
    );
}

pub(super) async fn holds(fact: Fact, world: &World) -> bool {
    let sha = main();
    let sha = Some(sha.as_str());
    match fact {
        Fact::ChecksAreTwoLists => {
            world.fake.model().status(BLOG, sha, "ci/old", "pending");
            read(world).await == [run("ci/old", RunState::Pending)]
        }
        Fact::OnlyTheNewestRunIsListed => {
            world.fake.model().check(BLOG, sha, "lint", "failure");
            world.fake.model().check(BLOG, sha, "lint", "success");
            read(world).await == [run("lint", RunState::Passed)]
        }
        _ => {
            let never = world.github.checks(&Subject::new("9".repeat(40))).await;
            matches!(never, Err(TrackerError::Refused { .. }))
        }
    }
}
