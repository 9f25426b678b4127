//! The real client against doubles that nobody here wrote: `tests/github-doubles/run.sh` starts them and runs this.

use std::time::Duration;

use pointsman::domain::{IssueNumber, Label, Role, SingleRead};
use pointsman::tracker::github::{Auth, Config, GitHub};
use pointsman::tracker::{NewIssue, Poll, PollMark, RepoLabel, Written};
use secrecy::SecretString;

#[expect(
    clippy::disallowed_methods,
    reason = "run.sh says by a variable where it listens"
)]
fn address() -> String {
    std::env::var("POINTSMAN_THIRD_PARTY_GITHUB")
        .expect("start this by tests/github-doubles/run.sh")
}

/// Waits until a mark may keep its validator.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(5)).await;
}

async fn changed(github: &GitHub, mark: &PollMark) -> PollMark {
    match github.poll(mark).await.expect("it polls") {
        Poll::Changed { mark, .. } => mark,
        Poll::Unchanged => panic!("a change was expected"),
    }
}

#[tokio::test]
#[ignore = "needs tests/github-doubles/run.sh"]
async fn an_issue_walks_from_opening_to_closing() {
    let auth = Auth::Token(SecretString::from("tok_octocat"));
    let config = Config {
        pace: Duration::from_millis(10),
        ..Config::new(address(), auth)
    };
    let github = GitHub::connect(&config, "octocat", "hello").expect("the configuration is good");
    let us = github.whoami().await.expect("we are somebody");
    assert_eq!(us.login, "octocat");
    let facts = github.repo().await.expect("it is there");
    assert_eq!(facts.full_name, "octocat/hello");
    assert!(github.role(&us).await.expect("it answers") >= Role::Write);

    for name in ["ready-for-dev", "QA"] {
        let label = RepoLabel {
            name: Label::new(name),
            color: "c5def5".to_owned(),
            description: "a stage".to_owned(),
        };
        assert_eq!(
            github.create_label(&label).await.expect("it makes"),
            Written::Changed
        );
        assert_eq!(
            github.create_label(&label).await.expect("it answers"),
            Written::Already
        );
        let label = RepoLabel {
            color: "000000".to_owned(),
            ..label
        };
        assert_eq!(
            github.change_label(&label).await.expect("it changes"),
            Written::Changed
        );
        assert!(github.labels().await.expect("it lists").contains(&label));
    }

    settle().await;
    let mark = github.sweep().await.expect("it sweeps").mark;
    let issue = NewIssue {
        title: "Fix the login".to_owned(),
        body: "It fails.".to_owned(),
        labels: Vec::new(),
    };
    let number = github.create_issue(&issue).await.expect("it opens");
    let (dev, qa) = (Label::new("ready-for-dev"), Label::new("QA"));
    assert_eq!(
        github.add_label(number, &dev).await.expect("it adds"),
        Written::Changed
    );
    settle().await;
    let mark = changed(&github, &mark).await;
    assert_eq!(
        github.poll(&mark).await.expect("it polls"),
        Poll::Unchanged,
        "a 304 through the whole chain"
    );

    walk_on(&github, number, &dev, &qa).await;
    changed(&github, &mark).await;
    let sweep = github.sweep().await.expect("it sweeps");
    assert!(sweep.open.iter().all(|head| head.number != number));
}

async fn walk_on(github: &GitHub, number: IssueNumber, dev: &Label, qa: &Label) {
    let events = github.label_events(number).await.expect("it has events");
    assert_eq!((events.len(), &events[0].label), (1, dev));
    assert_eq!(
        github.add_label(number, qa).await.expect("it adds"),
        Written::Changed
    );
    assert_eq!(
        github.remove_label(number, dev).await.expect("it removes"),
        Written::Changed
    );
    assert_eq!(
        github.remove_label(number, dev).await.expect("it answers"),
        Written::Already
    );
    let newer = github.label_events(number).await.expect("it has events");
    assert_eq!(newer.len(), 3);
    assert!(newer[1].set && newer[1].label == *qa && newer[1].id != events[0].id);

    let comment = github.comment(number, "started").await.expect("it writes");
    assert_eq!(
        github
            .edit_comment(number, &comment, "done")
            .await
            .expect("it edits"),
        Written::Changed
    );
    assert_eq!(
        github.comments(number).await.expect("it reads")[0].body,
        "done"
    );
    let SingleRead::Found(found) = github.issue(number).await.expect("it reads") else {
        panic!("it is there")
    };
    assert!(found.0.labels.contains(qa) && !found.0.labels.contains(dev));
    assert_eq!(
        github.close(number).await.expect("it closes"),
        Written::Changed
    );
    assert_eq!(
        github.close(number).await.expect("it answers"),
        Written::Already
    );
    assert_eq!(
        github.issue(IssueNumber(999)).await.expect("it answers"),
        SingleRead::Gone
    );
}
