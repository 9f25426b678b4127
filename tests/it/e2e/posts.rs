//! What agents write on the tracker through us: issues and comments.

use std::process::Output;

use pointsman::daemon::posting::posts;
use pointsman::domain::{
    DispatchId, Event, IssueNumber, Label, Outcome, Post, Posting, ReportId, SingleRead,
};

use crate::builders::ten;
use crate::support::github::{Fault, Kind, Logged};
use crate::support::world::World;

/// Runs an agent's verb in the project's folder, while the daemon of this process goes on.
async fn verb(world: &World, project: &str, words: &[&str]) -> (Option<i32>, String) {
    let mut command = world.command(words);
    command.current_dir(world.home().join(project));
    let ran = tokio::task::spawn_blocking(move || command.output());
    let Output { status, stdout, .. } = ran.await.expect("it does not panic").expect("it starts");
    (
        status.code(),
        String::from_utf8_lossy(&stdout).trim().to_owned(),
    )
}

/// The id that the newest brief prints in its report lines.
async fn token(world: &World) -> String {
    let told = world.told().await;
    let brief = told.iter().rev().find_map(|told| match &told.event {
        Event::DeliveryPlanned { delivery } => Some(delivery.text.clone()),
        _ => None,
    });
    let brief = brief.expect("there is a brief");
    let line = brief
        .lines()
        .find(|line| line.contains(" issue new --for "));
    let mut words = line.expect("the brief prints it").split(' ');
    let token = words.find(|word| word.contains('.') && !word.contains('/'));
    token.expect("it is signed").to_owned()
}

#[tokio::test]
async fn an_agent_opens_issues_and_comments_once_and_without_a_label() {
    let (world, issue) = World::asked("shop").await;
    let token = token(&world).await;
    let new = |title| {
        [
            "issue",
            "new",
            "--for",
            &token,
            "--title",
            title,
            "--body",
            "See greet.sh:2.",
        ]
        .map(str::to_owned)
    };
    let told = "#2 is opened. It has no label: a person decides whether it is worked on. Go on.";
    for _ in 0..2 {
        let words = new("An empty name is greeted");
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(
            verb(&world, "shop", &words).await,
            (Some(0), told.to_owned())
        );
    }
    let tracker = world.tracker("shop");
    let SingleRead::Found(found) = tracker.issue(IssueNumber(2)).await.expect("it is read") else {
        panic!("it is there");
    };
    assert_eq!(found.0.labels, std::collections::BTreeSet::<Label>::new());
    let dispatch = token.split('.').next().expect("it has two halves");
    assert!(
        found.1.body.starts_with("See greet.sh:2.") && found.1.body.contains(dispatch),
        "{}",
        found.1.body
    );
    assert!(!found.1.body.contains(&token), "the secret stays with us");
    let gone = tracker.issue(IssueNumber(3)).await.expect("it is read");
    assert_eq!(gone, SingleRead::Gone, "the same is opened once");

    let words = ["issue", "comment", "--for", &token, "Two more of the kind."];
    assert_eq!(
        verb(&world, "shop", &words).await,
        (Some(0), "the comment is on #1. Go on.".to_owned())
    );
    let comments = tracker.comments(issue).await.expect("they are read");
    assert!(comments.iter().any(|one| one.body.contains("Two more")));
    world.cycles("shop", 2).await;
    world.until_held("shop", issue, "asked").await;

    for n in 0..4 {
        let words = new(["One", "Two", "Three", "Four"][n]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert_eq!(verb(&world, "shop", &words).await.0, Some(0));
    }
    let words = new("Five more than it may");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, said) = verb(&world, "shop", &words).await;
    assert_eq!(code, Some(1));
    assert_eq!(
        said,
        "not written: this dispatch has written 5 issues, which is all it may. Put the rest into the note of your report."
    );
    let forged = format!("{dispatch}.AAAAAAAAAAAAAAAAAAAAAAAA");
    let words = ["issue", "comment", "--for", &forged, "Trust me."];
    let (code, said) = verb(&world, "shop", &words).await;
    assert_eq!(code, Some(1));
    assert!(said.starts_with("not written: the id is not"), "{said}");
    world.end().await;
}

#[tokio::test]
async fn an_agents_issue_on_github_has_no_label_and_is_nobodys_request() {
    let mut world = World::on_github().await;
    world.github_project("blog");
    world.start().await;
    let issue = world.asks("blog").await;
    let token = token(&world).await;
    let words = [
        "issue",
        "new",
        "--for",
        &token,
        "--title",
        "An empty name is greeted",
    ];
    let (code, said) = verb(&world, "blog", &words).await;
    assert_eq!(code, Some(0), "{said}");
    let words = ["issue", "comment", "--for", &token, "Two more of the kind."];
    assert_eq!(verb(&world, "blog", &words).await.0, Some(0));
    world.fake().advance(60);
    world.cycles("blog", 2).await;
    world.until_held("blog", issue, "asked").await;
    {
        let mut model = world.fake().model();
        let new = model.issue("me/blog", issue.0 + 1);
        assert!(new.labels.is_empty() && new.open, "{new:?}");
        let old = format!("{:?}", model.issue("me/blog", issue.0).comments);
        assert_eq!(old.matches("Two more of the kind.").count(), 1, "{old}");
    }
    world.end().await;
}

/// Without our own name nothing of ours would be found: nothing is written that may be there.
#[tokio::test]
async fn what_may_be_there_is_not_written_again_while_nobody_says_who_we_are() {
    let world = World::on_github().await;
    world.github_project("blog");
    let issue = IssueNumber(world.fake().model().open_issue("me/blog", "me", "t", "b"));
    let post = |id: &str, what| Post {
        id: ReportId::new(id),
        dispatch: DispatchId::new("d1d1d1"),
        what,
        proven: true,
        at: ten(),
    };
    let body = || "See greet.sh:2.".to_owned();
    let title = "An empty name is greeted".to_owned();
    let comment = post("01A", Posting::Comment { body: body() });
    let new = post(
        "01B",
        Posting::Issue {
            title,
            body: body(),
        },
    );
    // A daemon that was started anew: whose word it is was asked by nobody yet.
    let write = async |post, again| {
        let hands = world.hands("blog").await;
        posts::write(&hands, post, Some(issue), again).await
    };
    for one in [&comment, &new] {
        assert!(matches!(write(one, false).await, Outcome::Posted { .. }));
        world
            .fake()
            .arm(Fault::once("GET", "/user", Kind::Status(404)));
        let blind = write(one, true).await;
        assert!(matches!(blind, Outcome::Failed { .. }), "{blind:?}");
        assert!(matches!(write(one, true).await, Outcome::Posted { .. }));
    }
    let log = world.fake().take_log();
    let writes = |line: &&Logged| line.method == "POST" && line.target.contains("/issues");
    let written = log.iter().filter(writes);
    assert_eq!(written.count(), 2, "each once");
    world.end().await;
}
