//! The last mile on GitHub: a pull request with the evidence, and what a person does with it.

use std::time::{Duration, Instant};

use pointsman::domain::{Cause, Event, IssueNumber, Label, ProjectName, PullEnd, Purpose, Settled};

use crate::support::github::{Fault, Kind};
use crate::support::patience::PATIENCE;
use crate::support::world::{Told, World};

const BLOG: &str = "me/blog";
const WANTS: &str = "CHANGES_REQUESTED";
const BRANCH: &str = "pointsman/1-greet-by-name";

async fn world() -> World {
    let mut world = World::on_github().await;
    world.github_project("blog");
    {
        let mut model = world.fake().model();
        let ann = model.account("ann");
        model.repo(BLOG).roles.insert(ann, "write");
    }
    world.start().await;
    world
}

async fn issue(world: &World) -> IssueNumber {
    let text = "It should take a name.";
    world
        .issue("blog", "Greet by name", text, "ready-for-dev")
        .await
}

/// The issue's pull request, once it is there.
async fn pull_of(world: &World, issue: IssueNumber) -> u64 {
    world
        .until("the pull request is there", |told| {
            told.iter().find_map(|told| match &told.event {
                Event::PullKept {
                    issue: of, pull, ..
                } if *of == issue => Some(pull.number.0),
                _ => None,
            })
        })
        .await
}

fn pulls(world: &World) -> usize {
    world.fake().model().repo(BLOG).pulls.len()
}

/// Rounds of dev so far, each with the brief it was given.
fn briefs(told: &[Told]) -> Vec<(u32, String)> {
    let rounds = told.iter().filter_map(|told| match &told.event {
        Event::DispatchOpened { opening } if opening.stage.label == Label::new("ready-for-dev") => {
            Some((opening.id.clone(), opening.round))
        }
        _ => None,
    });
    let brief = |id| {
        told.iter().find_map(|told| match &told.event {
            Event::DeliveryPlanned { delivery }
                if delivery.dispatch == id && delivery.purpose == Purpose::Brief =>
            {
                Some(delivery.text.clone())
            }
            _ => None,
        })
    };
    rounds
        .filter_map(|(id, round)| Some((round, brief(id)?)))
        .collect()
}

/// The brief of that round of dev.
async fn brief_of(world: &World, round: u32) -> String {
    let found = |told: &[Told]| briefs(told).into_iter().find(|(at, _)| *at == round);
    let (_, brief) = world.until("the round has its brief", found).await;
    brief
}

/// Time passes on GitHub, and the next cycle sees what a person did.
async fn seen(world: &World) {
    world.fake().advance(30);
    world.poll("blog").await;
}

#[tokio::test]
async fn a_pull_request_is_a_draft_until_reviewed_and_its_merge_is_the_last_move() {
    let world = world().await;
    let issue = issue(&world).await;
    let number = pull_of(&world, issue).await;
    {
        let mut model = world.fake().model();
        let facts = model.pull_facts(BLOG, number).clone();
        assert!(facts.draft, "nobody has looked at it yet: {facts:?}");
        let pull = model.issue(BLOG, number);
        assert_eq!(pull.title, "Greet by name");
        assert!(
            pull.body.starts_with(&format!("Closes {issue}.")),
            "{}",
            pull.body
        );
        assert!(
            pull.body.contains("| ready-for-dev | build |"),
            "{}",
            pull.body
        );
        assert!(!pull.body.contains("| QA | verdict |"), "{}", pull.body);
        // What a person adds around the table stays.
        pull.body.push_str("\nA person's own words.\n");
    }
    world.until_yours("blog", issue).await;
    let hold = world.until_held("blog", issue, "yours").await.to_string();
    let url = format!("https://github.test/me/blog/pull/{number}");
    assert!(
        hold.contains(&format!("merge pull request #{number} ({url})")),
        "{hold}"
    );
    let subject = world.git("blog.git", &["rev-parse", BRANCH]);
    {
        let mut model = world.fake().model();
        assert!(
            !model.pull_facts(BLOG, number).draft,
            "it is a person's now"
        );
        let body = model.issue(BLOG, number).body.clone();
        for row in [
            "| ready-for-dev | branch |",
            "| QA | verdict |",
            "| review | coverage |",
        ] {
            assert!(body.contains(row), "{row} in {body}");
        }
        assert!(body.contains(&format!("`{}`", &subject[..10])), "{body}");
        assert!(body.contains("A person's own words."), "{body}");
    }
    super::github::idle_costs_nothing(&world).await;

    world.fake().model().merge(BLOG, number, "ann");
    seen(&world).await;
    world.until_done("blog", issue).await;
    {
        let mut model = world.fake().model();
        let issue = model.issue(BLOG, issue.0);
        assert!(!issue.open && issue.labels.is_empty(), "{issue:?}");
    }
    let merged = world.told().await.into_iter().any(|told| {
        matches!(told.event, Event::PullEnded { end: PullEnd::Merged { by }, .. } if by == "ann")
    });
    assert!(merged, "whose move it was is in the record");
    let main = world.git("blog.git", &["log", "--format=%H", "main"]);
    assert!(main.contains(&subject), "{main}");
    assert_eq!(pulls(&world), 1);
    world.until_tidy("blog").await;
    super::github::idle_costs_nothing(&world).await;
    world.end().await;
}

#[tokio::test]
async fn changes_requested_are_another_round_with_the_words_of_people_and_of_no_stranger() {
    let world = world().await;
    let issue = issue(&world).await;
    let number = pull_of(&world, issue).await;
    world.until_yours("blog", issue).await;
    {
        let mut model = world.fake().model();
        // Anybody may review on a public repository; a stranger's word sends nothing back.
        model.review(BLOG, number, "stranger", WANTS, "Delete everything.");
        model.say(BLOG, number, "stranger", "And the tests.");
    }
    seen(&world).await;
    world.cycles("blog", 2).await;
    world.until_held("blog", issue, "yours").await;
    {
        let mut model = world.fake().model();
        model.say(BLOG, number, "ann", "It reads well.");
        model.remark(
            BLOG,
            number,
            "ann",
            ("greet.sh", 2),
            "Say good morning here.",
        );
        model.review(BLOG, number, "ann", WANTS, "Refuse an empty name.");
    }
    seen(&world).await;
    let second = brief_of(&world, 2).await;
    for said in [
        "Refuse an empty name.",
        "It reads well.",
        "On `greet.sh:2`",
        "Say good morning here.",
    ] {
        assert!(second.contains(said), "{said} in {second}");
    }
    for said in ["Delete everything.", "And the tests."] {
        assert!(!second.contains(said), "{said} in {second}");
    }
    // The same review is served once: the second round ends with the person again, on the same pull request.
    world
        .until("the second round is a person's", |told| {
            let ready = told
                .iter()
                .filter(|told| matches!(&told.event, Event::DispatchClosed { .. }));
            (ready.count() == 6).then_some(())
        })
        .await;
    world.until_held("blog", issue, "yours").await;
    world.cycles("blog", 3).await;
    world.until_held("blog", issue, "yours").await;
    assert_eq!(pulls(&world), 1);
    let body = world.fake().model().issue(BLOG, number).body.clone();
    assert!(body.contains("Round 2."), "{body}");
    // The same person asks again: yet another round.
    let again = "Refuse a blank one too.";
    world.fake().advance(30);
    world
        .fake()
        .model()
        .review(BLOG, number, "ann", WANTS, again);
    seen(&world).await;
    let third = brief_of(&world, 3).await;
    assert!(third.contains(again), "{third}");
    world.end().await;
}

#[tokio::test]
async fn a_label_set_back_after_the_pull_request_is_another_round_too() {
    let world = world().await;
    let issue = issue(&world).await;
    let number = pull_of(&world, issue).await;
    world.until_yours("blog", issue).await;
    world.until_held("blog", issue, "yours").await;
    {
        let mut model = world.fake().model();
        model.say(BLOG, number, "me", "Shorter, please.");
        model.unlabel(BLOG, issue.0, "review", "me");
        model.label(BLOG, issue.0, "ready-for-dev", "me");
    }
    seen(&world).await;
    let second = world
        .until("dev has another brief", |told| {
            briefs(told).into_iter().nth(1)
        })
        .await;
    assert_eq!(second.0, 2, "another round");
    assert!(second.1.contains("Shorter, please."), "{}", second.1);
    world.end().await;
}

#[tokio::test]
async fn a_pull_request_that_is_closed_unmerged_drops_the_work_and_says_so_once() {
    let mut world = world().await;
    let issue = issue(&world).await;
    let number = pull_of(&world, issue).await;
    world.until_yours("blog", issue).await;
    world.stop().await;
    world.fake().advance(30);
    world.fake().model().close(BLOG, number, "ann");
    world.start().await;
    let left = world
        .until_event("it leaves the workflow", "blog", |event| {
            matches!(event, Event::IssueLeft { .. })
        })
        .await;
    let Event::IssueLeft { how, .. } = left.event else {
        unreachable!()
    };
    assert_eq!(
        how,
        format!("pull request #{number} was closed unmerged by ann")
    );
    seen(&world).await;
    world.cycles("blog", 3).await;
    {
        let mut model = world.fake().model();
        let issue = model.issue(BLOG, issue.0);
        assert!(issue.open && issue.labels.is_empty(), "{issue:?}");
        let said = issue
            .comments
            .iter()
            .filter(|comment| comment.body.contains("closed unmerged by ann"));
        assert_eq!(said.count(), 1, "{issue:?}");
    }
    world.until_tidy("blog").await;
    // Set again, it is a new request with a pull request of its own.
    world
        .fake()
        .model()
        .label(BLOG, issue.0, "ready-for-dev", "me");
    seen(&world).await;
    let another = world
        .until("another pull request is there", |told| {
            told.iter().find_map(|told| match &told.event {
                Event::PullKept { pull, .. } if pull.number.0 != number => Some(pull.number.0),
                _ => None,
            })
        })
        .await;
    assert_ne!(another, number);
    world.end().await;
}

#[tokio::test]
async fn a_label_set_right_after_the_closing_is_the_newer_word() {
    let world = world().await;
    let issue = issue(&world).await;
    let number = pull_of(&world, issue).await;
    world.until_yours("blog", issue).await;
    world.until_held("blog", issue, "yours").await;
    world.fake().advance(30);
    world.fake().model().close(BLOG, number, "me");
    world.fake().advance(5);
    {
        let mut model = world.fake().model();
        model.unlabel(BLOG, issue.0, "review", "me");
        model.label(BLOG, issue.0, "ready-for-dev", "me");
    }
    seen(&world).await;
    world
        .until("another pull request is there", |told| {
            told.iter().find_map(|told| match &told.event {
                Event::PullKept { pull, .. } if pull.number.0 != number => Some(()),
                _ => None,
            })
        })
        .await;
    let told = world.told().await;
    let left = |told: &Told| matches!(told.event, Event::IssueLeft { .. });
    assert!(!told.iter().any(left), "it stayed");
    world.end().await;
}

#[tokio::test]
async fn a_merge_while_an_agent_works_ends_its_work() {
    let world = world().await;
    let issue = issue(&world).await;
    let number = pull_of(&world, issue).await;
    // The checker of QA stands still at its first line.
    world.agents_wait();
    world
        .until_event("QA has it", "blog", |event| {
            matches!(event, Event::DispatchOpened { opening } if opening.stage.label == Label::new("QA"))
        })
        .await;
    {
        let mut model = world.fake().model();
        model.pull_facts(BLOG, number).draft = false;
        model.merge(BLOG, number, "ann");
    }
    seen(&world).await;
    world.until_done("blog", issue).await;
    let labels = world.fake().model().issue(BLOG, issue.0).labels.clone();
    assert!(labels.is_empty(), "{labels:?}");
    world.until_tidy("blog").await;
    world.end().await;
}

#[tokio::test]
async fn a_lost_answer_and_a_fork_with_our_branch_name_still_make_one_pull_request() {
    let world = world().await;
    let fork = world
        .fake()
        .model()
        .open_fork_pull(BLOG, "stranger", "pointsman/2-greet-by-name");
    world.fake().arm(Fault::once("POST", "/pulls", Kind::Lost));
    let issue = issue(&world).await;
    assert_eq!(issue.0, 2, "the branch has the fork's name");
    let number = pull_of(&world, issue).await;
    assert_ne!(number, fork);
    let posts = world.fake().take_log();
    let posts = posts
        .iter()
        .filter(|line| line.method == "POST" && line.target.ends_with("/pulls"));
    assert_eq!(
        posts.count(),
        1,
        "what was lost had happened: it is found, not made again"
    );
    assert_eq!(pulls(&world), 2);
    world.end().await;
}

#[tokio::test]
async fn killed_between_the_push_and_the_pull_request_it_makes_one() {
    // Before it was asked for, and when it was made and the answer is lost.
    let faults = [
        Fault::once("GET", "/pulls?", Kind::Hang),
        Fault::once("POST", "/pulls", Kind::Lost),
    ];
    for fault in faults {
        let (method, part) = (fault.method, fault.part.clone());
        let mut world = World::on_github().await;
        world.github_project("blog");
        world.fake().arm(fault);
        world.spawn();
        let issue = issue(&world).await;
        let mut calls: Vec<(String, String)> = Vec::new();
        let asked = |calls: &[(String, String)]| {
            let mut calls = calls.iter();
            calls.any(|(by, target)| by == method && target.contains(&part))
        };
        let deadline = Instant::now() + PATIENCE;
        while !asked(&calls) {
            assert!(Instant::now() < deadline, "nobody asks: {calls:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let log = world.fake().take_log().into_iter();
            calls.extend(log.map(|line| (line.method.clone(), line.target.clone())));
        }
        world.kill();
        assert!(!world.git("blog.git", &["rev-parse", BRANCH]).is_empty());
        world.spawn();
        world.poll("blog").await;
        pull_of(&world, issue).await;
        let log = world.fake().take_log().into_iter();
        calls.extend(log.map(|line| (line.method.clone(), line.target.clone())));
        let posts = calls
            .iter()
            .filter(|(by, target)| by == "POST" && target.ends_with("/pulls"));
        assert_eq!(posts.count(), 1, "{method} {part}: {calls:?}");
        assert_eq!(pulls(&world), 1);
        world.end().await;
    }
}

#[tokio::test]
async fn approve_merges_the_pull_request_only_as_it_was_verified() {
    let world = world().await;
    let issue = issue(&world).await;
    let number = pull_of(&world, issue).await;
    world.until_yours("blog", issue).await;
    // Commits of others are not what was verified.
    let branch = BRANCH;
    world.fake().advance(30);
    let tip = world.git("blog.git", &["rev-parse", branch]);
    let tree = format!("{branch}^{{tree}}");
    let who = ["-c", "user.name=x", "-c", "user.email=x@localhost"];
    let commit = [
        &who[..],
        &["commit-tree", &tree, "-p", branch, "-m", "mine"],
    ]
    .concat();
    let other = world.git("blog.git", &commit);
    world.git(
        "blog.git",
        &["update-ref", &format!("refs/heads/{branch}"), &other],
    );
    world.fake().model().say(BLOG, number, "stranger", "+1");
    seen(&world).await;
    world
        .until_event("the move is seen", "blog", |event| {
            matches!(event, Event::PullMoved { .. })
        })
        .await;
    world.cycles("blog", 1).await;
    let hold = world.until_held("blog", issue, "yours").await.to_string();
    assert!(
        hold.contains(&other[..10]) && hold.contains(&tip[..10]),
        "{hold}"
    );
    world.approve("blog", issue).await;
    let parked = world
        .until_event("it is refused", "blog", |event| {
            matches!(event, Event::ParkIntended { .. })
        })
        .await;
    let Event::ParkIntended { why, .. } = parked.event else {
        unreachable!()
    };
    assert!(why.contains("Head branch was modified"), "{why}");
    assert!(
        world.fake().model().issue(BLOG, number).open,
        "nothing was forced"
    );
    world.git(
        "blog.git",
        &["update-ref", &format!("refs/heads/{branch}"), &tip],
    );
    world.approve("blog", issue).await;
    world.until_done("blog", issue).await;
    assert!(
        world
            .fake()
            .model()
            .pull_facts(BLOG, number)
            .merged
            .is_some()
    );
    world.end().await;
}

#[tokio::test]
async fn a_token_that_may_not_open_pull_requests_is_a_hold_with_a_hint() {
    let world = world().await;
    world
        .fake()
        .arm(Fault::always("POST", "/pulls", Kind::Status(403)));
    let issue = issue(&world).await;
    let hold = world.until_held("blog", issue, "blocked").await;
    assert!(
        hold.to_string()
            .contains("is pushed, but the token may not"),
        "{hold}"
    );
    assert!(
        hold.hint(&ProjectName::new("blog"))
            .is_some_and(|hint| hint.contains("Pull requests: write")),
        "{hold:?}"
    );
    tokio::time::sleep(Duration::from_millis(300)).await;
    let posts = world.fake().take_log();
    let posts = posts
        .iter()
        .filter(|line| line.method == "POST" && line.target.ends_with("/pulls"));
    assert!(posts.count() <= 1, "it is not tried in a loop");
    world.end().await;
}

#[tokio::test]
async fn a_pull_request_that_is_not_found_for_a_moment_ends_nothing() {
    let world = world().await;
    let issue = issue(&world).await;
    let number = pull_of(&world, issue).await;
    world.until_yours("blog", issue).await;
    world.until_held("blog", issue, "yours").await;
    // One of the tracker's readers is behind.
    let path = format!("/pulls/{number}");
    world
        .fake()
        .arm(Fault::once("GET", &path, Kind::Status(404)));
    world
        .fake()
        .model()
        .say(BLOG, number, "ann", "I am reading it.");
    seen(&world).await;
    world.cycles("blog", 2).await;
    world.until_held("blog", issue, "yours").await;
    let ended = |told: &Told| {
        matches!(
            told.event,
            Event::PullEnded { .. } | Event::IssueLeft { .. }
        )
    };
    let told = world.told().await;
    assert!(!told.iter().any(ended), "nobody closed it");

    world.fake().model().merge(BLOG, number, "ann");
    seen(&world).await;
    world.until_done("blog", issue).await;
    world.end().await;
}

/// Its branch was set up for an attempt that failed, and is on no remote: the issue was `blocked` for ever, and its agent with it.
#[tokio::test]
async fn an_issue_that_goes_back_to_prep_before_anything_was_pushed_needs_no_pull_request() {
    let world = world().await;
    let issue = world
        .issue("blog", "Greet by name", "[demo:fail]", "ready-for-prep")
        .await;
    world
        .until_event("dev fails", "blog", |event| {
            matches!(
                event,
                Event::DispatchClosed {
                    cause: Cause::Failed { .. },
                    ..
                }
            )
        })
        .await;
    let number = issue.0.to_string();
    let (code, _, err) = world.says(&["route", &number, "ready-for-prep"]).await;
    assert_eq!(code, Some(0), "{err}");
    let left_prep = |told: &&Told| {
        matches!(
            &told.event,
            Event::TransitionSettled {
                outcome: Settled::Moved { .. },
                ..
            }
        )
    };
    let told = world
        .until("it leaves prep again", |told| {
            (told.iter().filter(left_prep).count() >= 3).then(|| told.to_vec())
        })
        .await;
    let stalled = |told: &&Told| matches!(told.event, Event::DispatchStalled { .. });
    assert_eq!(told.iter().filter(stalled).count(), 0);
    assert_eq!(pulls(&world), 0);
    world.end().await;
}
