//! Pull requests over the real client: found, opened, brought up to date, reviewed, merged, and what GitHub refuses.

use pointsman::domain::{IssueNumber, Subject};
use pointsman::tracker::pulls::{FoundPull, MergeAnswer, NewPull};
use pointsman::tracker::{Poll, TrackerError};

use super::{World, connect};
use crate::support::github::{Fact, Fault, Kind};

const BLOG: &str = "me/blog";
const BRANCH: &str = "pointsman/1-faq";

fn draft() -> NewPull {
    NewPull {
        title: "FAQ".to_owned(),
        body: "Closes #1.".to_owned(),
        branch: BRANCH.to_owned(),
        draft: true,
    }
}

async fn opened(world: &World) -> FoundPull {
    world.open("FAQ");
    world
        .github
        .open_pull(&draft())
        .await
        .expect("it is opened")
}

#[tokio::test]
async fn a_pull_request_is_opened_found_written_and_marked_as_ready() {
    let world = World::start().await;
    let pull = opened(&world).await;
    assert!(pull.draft && pull.open && !pull.merged, "{pull:?}");
    let found = world.github.find_pull(BRANCH).await.expect("it looks");
    assert_eq!(found.map(|found| found.number), Some(pull.number));
    let github = &world.github;
    github
        .edit_pull(pull.number, "new")
        .await
        .expect("it writes");
    github.ready_pull(&pull).await.expect("it is ready");
    let read = github.pull(pull.number).await.expect("it reads");
    assert_eq!((read.draft, read.body.as_str()), (false, "new"));
}

#[tokio::test]
async fn a_pull_request_of_a_fork_with_our_branch_name_is_not_ours() {
    let world = World::start().await;
    // A fork of the very owner would pass GitHub's own filter.
    for author in ["stranger", "me"] {
        world.fake.model().open_fork_pull(BLOG, author, BRANCH);
    }
    assert_eq!(
        world.github.find_pull(BRANCH).await.expect("it looks"),
        None
    );
    world.fake.model().without(Fact::PullsAreFilteredByHead);
    assert_eq!(
        world.github.find_pull(BRANCH).await.expect("it looks"),
        None
    );
}

#[tokio::test]
async fn a_pull_request_of_our_branch_into_another_one_is_not_ours() {
    let world = World::start().await;
    let IssueNumber(number) = opened(&world).await.number;
    world.fake.model().pull_facts(BLOG, number).base = "release".to_owned();
    let found = world.github.find_pull(BRANCH).await.expect("it looks");
    assert_eq!(found, None);
    let ours = world
        .github
        .open_pull(&draft())
        .await
        .expect("it is opened");
    assert_ne!(ours.number, IssueNumber(number));
    // Ours may be turned into another direction later.
    world.github.ready_pull(&ours).await.expect("it is ready");
    world.fake.model().pull_facts(BLOG, ours.number.0).base = "release".to_owned();
    let merge = world.github.merge_pull(ours.number, &ours.head).await;
    let refused = MergeAnswer::Refused("it goes into `release` now".to_owned());
    assert_eq!(merge.expect("it answers"), refused);
}

#[tokio::test]
async fn opening_is_sent_once_and_a_second_one_is_refused() {
    for kind in [Kind::StatusAfter(502), Kind::Lost] {
        let world = World::start().await;
        world.fake.arm(Fault::once("POST", "/pulls", kind));
        let lost = world.github.open_pull(&draft()).await;
        assert!(
            matches!(lost, Err(TrackerError::Unreachable { .. })),
            "{lost:?}"
        );
        assert!(
            world
                .github
                .find_pull(BRANCH)
                .await
                .expect("it looks")
                .is_some()
        );
        let posts = world.requests();
        let posts = posts.iter().filter(|line| line.starts_with("POST"));
        assert_eq!(posts.count(), 1);
        let again = world
            .github
            .open_pull(&draft())
            .await
            .expect_err("there is one");
        assert!(again.to_string().contains("already exists"), "{again}");
    }
}

#[tokio::test]
async fn a_repository_without_drafts_gets_a_plain_one() {
    let world = World::start().await;
    world.fake.model().repo(BLOG).drafts = false;
    let pull = opened(&world).await;
    assert!(!pull.draft, "{pull:?}");
}

#[tokio::test]
async fn of_each_reviewer_the_newest_word_stands() {
    let world = World::start().await;
    let IssueNumber(number) = opened(&world).await.number;
    {
        let mut model = world.fake.model();
        model.review(BLOG, number, "ann", "CHANGES_REQUESTED", "no");
        model.review(BLOG, number, "bob", "CHANGES_REQUESTED", "name it");
        model.review(BLOG, number, "ann", "APPROVED", "yes");
        model.review(BLOG, number, "bob", "COMMENTED", "by the way");
        model.review(BLOG, number, "eve", "CHANGES_REQUESTED", "gone");
        model.review(BLOG, number, "eve", "DISMISSED", "");
        model.remark(BLOG, number, "bob", ("greet.sh", 2), "here");
    }
    let wants = world.github.wanted_changes(IssueNumber(number)).await;
    let wants: Vec<_> = wants
        .expect("it reads")
        .into_iter()
        .map(|one| (one.by.login, one.body))
        .collect();
    assert_eq!(wants, [("bob".to_owned(), "name it".to_owned())]);
    let said = world
        .github
        .pull_remarks(IssueNumber(number))
        .await
        .expect("it reads");
    let last = said.last().expect("something was said");
    assert_eq!(last.body, "On `greet.sh:2`:\n\nhere");
}

#[tokio::test]
async fn a_sweep_sees_a_review_that_the_list_of_issues_does_not_show() {
    let world = World::start().await;
    world.fake.model().without(Fact::ReviewsMoveIssues);
    let IssueNumber(number) = opened(&world).await.number;
    let head = async || {
        let sweep = world.github.sweep().await.expect("it sweeps");
        sweep.pulls.into_iter().find(|(at, _)| at.0 == number)
    };
    let before = head().await.expect("it is listed");
    world.fake.advance(30);
    world
        .fake
        .model()
        .review(BLOG, number, "ann", "CHANGES_REQUESTED", "no");
    let after = head().await.expect("it is listed");
    assert!(after.1.updated_at > before.1.updated_at, "{after:?}");
}

#[tokio::test]
async fn a_merge_that_github_refuses_says_why_and_is_no_fault() {
    let world = World::start().await;
    let pull = opened(&world).await;
    let refused = |answer| match answer {
        MergeAnswer::Refused(why) => why,
        other => panic!("{other:?}"),
    };
    let merge = async |head: &Subject| {
        world
            .github
            .merge_pull(pull.number, head)
            .await
            .expect("it answers")
    };
    let why = refused(merge(&pull.head).await);
    assert!(why.contains("draft"), "{why}");
    world.github.ready_pull(&pull).await.expect("it is ready");
    let why = refused(merge(&Subject::new("9".repeat(40))).await);
    assert!(why.contains("modified"), "{why}");
    world.fake.model().repo(BLOG).merge_rule = Some("2 approving reviews are required".to_owned());
    let why = refused(merge(&pull.head).await);
    assert!(why.contains("approving"), "{why}");
    world.fake.model().repo(BLOG).merge_rule = None;
    assert_eq!(
        merge(&pull.head).await,
        MergeAnswer::Merged("main".to_owned())
    );
    // The answer of the first try may have been lost.
    assert_eq!(
        merge(&pull.head).await,
        MergeAnswer::Merged("main".to_owned())
    );
}

/// Right after another merge GitHub refuses the next one, and works out anew what can be merged.
#[tokio::test]
async fn a_merge_that_comes_too_soon_after_another_is_none_yet_and_not_refused() {
    let world = World::start().await;
    let pull = opened(&world).await;
    world.github.ready_pull(&pull).await.expect("it is ready");
    let merge = async || {
        let merged = world.github.merge_pull(pull.number, &pull.head).await;
        merged.expect("it answers")
    };
    let modified = "Base branch was modified. Review and try the merge again.";
    world.fake.model().repo(BLOG).merge_rule = Some(modified.to_owned());
    assert_eq!(merge().await, MergeAnswer::Later(modified.to_owned()));
    world.fake.model().repo(BLOG).merge_rule = None;
    let mergeable = |mergeable| {
        let mut model = world.fake.model();
        model.pull_facts(BLOG, pull.number.0).mergeable = mergeable;
    };
    let not = "Pull Request is not mergeable".to_owned();
    mergeable(None);
    assert_eq!(merge().await, MergeAnswer::Later(not.clone()));
    mergeable(Some(false));
    assert_eq!(merge().await, MergeAnswer::Refused(not));
    mergeable(Some(true));
    assert_eq!(merge().await, MergeAnswer::Merged("main".to_owned()));
}

#[tokio::test]
async fn a_token_without_the_right_is_told_which_one() {
    let world = World::start().await;
    let token = world.fake.model().token_for("stranger");
    let stranger = connect(&world.fake, &token, "me", "blog");
    let error = stranger.open_pull(&draft()).await.expect_err("it may not");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("Pull requests: write")),
        "{error}"
    );
}

/// The stories behind the list of modelled facts.
pub(super) async fn holds(fact: Fact, world: &World) -> bool {
    let pull = opened(world).await;
    let IssueNumber(number) = pull.number;
    let github = &world.github;
    match fact {
        Fact::OnePullPerBranch => github.open_pull(&draft()).await.is_err(),
        Fact::PullsAreFilteredByHead => {
            world.fake.model().open_fork_pull(BLOG, "stranger", BRANCH);
            let call = format!("/repos/me/blog/pulls?head=me:{BRANCH}");
            let answer = super::fidelity::ask(world, "GET", &call, &world.token);
            let listed: Vec<serde_json::Value> =
                serde_json::from_slice(&answer.body).expect("a list");
            listed.len() == 1
        }
        Fact::ReviewsMoveIssues => {
            world.fake.advance(30);
            let mark = github.sweep().await.expect("it sweeps").mark;
            world.fake.advance(30);
            world
                .fake
                .model()
                .review(BLOG, number, "ann", "CHANGES_REQUESTED", "no");
            matches!(github.poll(&mark).await, Ok(Poll::Changed { .. }))
        }
        Fact::GraphqlMarksReady => github.ready_pull(&pull).await.is_ok(),
        Fact::NobodyRequestsChangesOfTheirOwn => {
            let mut call = crate::support::github::Call::new(
                "POST",
                &format!("/repos/me/blog/pulls/{number}/reviews"),
                &world.token,
            );
            call.body = br#"{ "event": "REQUEST_CHANGES", "body": "no" }"#.to_vec();
            world.fake.model().handle(&call).status == 422
        }
        Fact::DraftsAreNotMerged => {
            matches!(
                github.merge_pull(pull.number, &pull.head).await,
                Ok(MergeAnswer::Refused(_))
            )
        }
        Fact::MergesCheckTheHead => {
            world.fake.model().pull_facts(BLOG, number).draft = false;
            let other = Subject::new("9".repeat(40));
            matches!(
                github.merge_pull(pull.number, &other).await,
                Ok(MergeAnswer::Refused(_))
            )
        }
        _ => {
            world.fake.model().pull_facts(BLOG, number).draft = false;
            world.fake.model().merge(BLOG, number, "me");
            !world.fake.model().issue(BLOG, 1).open
        }
    }
}
