//! S11, S38: issues of other repositories. A project of ours knows its own; nobody else's repository is ever asked.

use pointsman::domain::{Event, IssueNumber};

use crate::support::patience::PATIENCE;
use crate::support::world::World;

const BLOG: &str = "me/blog";

async fn started(world: &World, issue: IssueNumber) {
    world
        .until_event("it starts", "blog", |event| {
            matches!(event, Event::DispatchOpened { opening } if opening.issue() == Some(issue))
        })
        .await;
}

#[tokio::test]
async fn an_issue_waits_for_one_of_another_project_and_is_told_of_one_that_nobody_looks_at() {
    let mut world = World::on_github().await;
    world.github_project("blog");
    world.github_project("api");
    world.start().await;
    let first = world.issue("api", "New API", "", "question").await;
    world.poll("api").await;
    world.cycles("api", 1).await;
    let text = format!("Blocked by me/api{first} and https://github.com/else/where/issues/5");
    let issue = world.issue("blog", "Use it", &text, "ready-for-dev").await;
    world.poll("blog").await;
    let held = world.until_held("blog", issue, "waits-elsewhere").await;
    let unseen = "else/where#5 (not looked at: no project of ours)";
    assert_eq!(
        held.to_string(),
        format!("its text says that it waits for me/api{first}, and for {unseen}")
    );
    let (_, said, _) = world.says(&["inbox", "--blocked"]).await;
    assert_eq!(
        said,
        format!(
            "blog  me/api{first}  blocks {issue}\nblog  else/where#5 (not looked at)  blocks {issue}"
        )
    );
    let (_, said, _) = world
        .says(&["explain", &issue.0.to_string(), "--project", "blog"])
        .await;
    assert!(said.contains(unseen), "{said}");
    // A person settles what nobody here sees; what a project of ours has is looked at by itself.
    let settled = format!("Blocked by me/api{first}\n- [x] blocked by else/where#5");
    world.fake().advance(5);
    world.fake().model().rewrite(BLOG, issue.0, "me", &settled);
    world.poll("blog").await;
    let left = format!("its text says that it waits for me/api{first}");
    for _ in 0..PATIENCE.as_secs() {
        world.cycles("blog", 1).await;
        let hold = world.hold("blog", issue).await.map(|hold| hold.to_string());
        if hold.as_ref() == Some(&left) {
            break;
        }
    }
    let hold = world.hold("blog", issue).await.map(|hold| hold.to_string());
    assert_eq!(hold, Some(left));
    world.fake().advance(5);
    world.fake().model().close("me/api", first.0, "me");
    world.poll("api").await;
    world.cycles("api", 1).await;
    world.poll("blog").await;
    started(&world, issue).await;
    let log = world.fake().take_log();
    let single = format!("/repos/me/api/issues/{}", first.0);
    let asked = |line: &&crate::support::github::Logged| {
        line.target.contains("else/where") || line.target == single
    };
    assert_eq!(log.iter().filter(asked).count(), 0, "{log:#?}");
    world.end().await;
}
