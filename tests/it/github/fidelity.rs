//! The fake against its own list: each fact has a story that holds, and that turns red when the fact is switched off.

use serde_json::{Value, json};

use pointsman::domain::{Actor, ActorId, ActorKind, IssueNumber, Label, Role, SingleRead};
use pointsman::tracker::github::{Auth, Config, GitHub};
use pointsman::tracker::{Poll, PollMark, TrackerError, Written};
use secrecy::SecretString;

use super::{World, config, connect};
use crate::support::github::{Answer, Call, Fact, Logged, app_key};

const LIST: &str = include_str!("../support/github/FIDELITY.md");
const BLOG: &str = "me/blog";

#[tokio::test]
async fn every_fact_has_a_story_that_turns_red_without_it() {
    for fact in Fact::ALL {
        assert!(
            holds(*fact, &World::start().await).await,
            "{} does not hold",
            fact.name()
        );
        let without = World::start().await;
        without.fake.model().without(*fact);
        assert!(
            !holds(*fact, &without).await,
            "nobody notices that {} is off",
            fact.name()
        );
    }
}

#[test]
fn the_list_names_every_fact_and_no_other() {
    let rows = LIST
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let mut listed: Vec<&str> = rows.map(|(name, _)| name).collect();
    let mut known: Vec<&str> = Fact::ALL.iter().map(|fact| fact.name()).collect();
    listed.sort_unstable();
    known.sort_unstable();
    assert_eq!(listed, known);
}

async fn holds(fact: Fact, world: &World) -> bool {
    match fact {
        Fact::EtagNeedsSameToken => etag_needs_same_token(world),
        Fact::NotModifiedIsFree => poll_twice(world)
            .await
            .is_some_and(|last| last.status == 304 && last.cost == 0),
        Fact::PullRequestsAreListed => pull_requests_are_listed(world),
        Fact::LinksByRepositoryId => links_by_repository_id(world).await,
        Fact::RenameRedirects | Fact::RenamedWritesAre307 => renamed(world, fact).await,
        Fact::DeletedIs410 | Fact::TransferRedirects => elsewhere(world, fact).await,
        Fact::GhostsAreNull => ghosts_are_null(world),
        Fact::UnknownTokenIs401 => {
            let read = connect(&world.fake, "ghp_unknown", "me", "blog")
                .repo()
                .await;
            matches!(read, Err(TrackerError::TokenRejected { .. }))
        }
        Fact::LabellingNeedsTriage => {
            let number = IssueNumber(world.open("t"));
            matches!(
                stranger(world).add_label(number, &Label::new("QA")).await,
                Err(TrackerError::Forbidden { .. })
            )
        }
        Fact::LabelsIgnoreCase => {
            let number = world.open("t");
            world.fake.model().label(BLOG, number, "QA", "me");
            let removed = world
                .github
                .remove_label(IssueNumber(number), &Label::new("qa"))
                .await;
            matches!(removed, Ok(Written::Changed))
                && world.fake.model().issue(BLOG, number).labels.is_empty()
        }
        Fact::EachLabellingHasItsEvent => each_labelling_has_its_event(world).await,
        Fact::CreationLabelsHaveEvents => created_with_label(world, &world.token).1.len() == 1,
        Fact::CreationLabelsAreDroppedSilently => {
            let token = world.fake.model().token_for("stranger");
            let (answer, events) = created_with_label(world, &token);
            answer.status == 201 && events.is_empty()
        }
        Fact::AbsentLabelIs404 => {
            let number = IssueNumber(world.open("t"));
            matches!(
                world.github.remove_label(number, &Label::new("QA")).await,
                Ok(Written::Already)
            )
        }
        Fact::DependenciesAreCounted | Fact::SubIssuesAreCounted => are_counted(world, fact).await,
        Fact::LabellingMovesUpdatedAt => labelling_moves_updated_at(world).await,
        Fact::PermissionIsCoarse | Fact::StrangersHaveNoPermission => permission(world, fact).await,
        Fact::GraphqlKnowsEdits | Fact::GraphqlErrorsAre200 => graphql(world, fact).await,
        Fact::PrimaryLimitStops | Fact::LimitIsPerAccount => limit(world, fact).await,
        Fact::InstallationTokensAreScoped
        | Fact::InstallationTokensEnd
        | Fact::FutureAssertionsAreRefused => app(world, fact).await,
        Fact::OnePullPerBranch
        | Fact::PullsAreFilteredByHead
        | Fact::DraftsAreNotMerged
        | Fact::MergesCheckTheHead
        | Fact::MergesCloseIssues
        | Fact::NobodyRequestsChangesOfTheirOwn
        | Fact::GraphqlMarksReady
        | Fact::ReviewsMoveIssues => super::pulls::holds(fact, world).await,
        Fact::ChecksAreTwoLists
        | Fact::OnlyTheNewestRunIsListed
        | Fact::ChecksOfUnknownCommitsAre422 => super::checks::holds(fact, world).await,
        Fact::TimesAreWholeSeconds => times_are_whole_seconds(world),
    }
}

pub(super) fn ask(world: &World, method: &str, target: &str, token: &str) -> Answer {
    world.fake.model().handle(&Call::new(method, target, token))
}

fn stranger(world: &World) -> GitHub {
    let token = world.fake.model().token_for("stranger");
    connect(&world.fake, &token, "me", "blog")
}

async fn poll_twice(world: &World) -> Option<Logged> {
    world.open("t");
    world.fake.advance(60);
    let mark = world.github.sweep().await.ok()?.mark;
    world.fake.take_log();
    world.github.poll(&mark).await.ok()?;
    world.fake.take_log().pop()
}

fn etag_needs_same_token(world: &World) -> bool {
    let other = world.fake.model().token_for("me");
    let etag = ask(world, "GET", "/repos/me/blog/issues", &world.token)
        .header("etag")
        .map(str::to_owned);
    let mut call = Call::new("GET", "/repos/me/blog/issues", &other);
    call.headers
        .push(("if-none-match".to_owned(), etag.unwrap_or_default()));
    world.fake.model().handle(&call).status == 200
}

fn pull_requests_are_listed(world: &World) -> bool {
    world.fake.model().open_pull(BLOG, "me", "a pull request");
    ask(world, "GET", "/repos/me/blog/issues", &world.token).value()[0]
        .get("pull_request")
        .is_some()
}

async fn links_by_repository_id(world: &World) -> bool {
    for _ in 0..101 {
        world.open("t");
    }
    world.github.sweep().await.expect("it sweeps");
    world
        .fake
        .take_log()
        .iter()
        .any(|line| line.target.starts_with("/repositories/"))
}

async fn renamed(world: &World, fact: Fact) -> bool {
    let number = IssueNumber(world.open("t"));
    world.fake.model().rename_repo(BLOG, "me/journal");
    let result = match fact {
        Fact::RenamedWritesAre307 => world.github.comment(number, "x").await.map(drop),
        _ => world.github.poll(&PollMark::default()).await.map(drop),
    };
    matches!(result, Err(TrackerError::Moved { to, .. }) if to == "me/journal")
}

async fn elsewhere(world: &World, fact: Fact) -> bool {
    let number = world.open("t");
    if fact == Fact::DeletedIs410 {
        world.fake.model().delete(BLOG, number);
        return ask(
            world,
            "GET",
            &format!("/repos/me/blog/issues/{number}"),
            &world.token,
        )
        .status
            == 410;
    }
    world.fake.model().add_repo("other/place");
    world.fake.model().transfer(BLOG, number, "other/place");
    matches!(
        world.github.issue(IssueNumber(number)).await,
        Ok(SingleRead::Transferred { .. })
    )
}

fn ghosts_are_null(world: &World) -> bool {
    world.fake.model().open_issue(BLOG, "ghost", "t", "b");
    world.fake.model().forget_account("ghost");
    ask(world, "GET", "/repos/me/blog/issues", &world.token).value()[0].get("user")
        == Some(&Value::Null)
}

async fn each_labelling_has_its_event(world: &World) -> bool {
    let number = world.open("t");
    for _ in 0..2 {
        world.fake.model().label(BLOG, number, "QA", "me");
        world.fake.model().unlabel(BLOG, number, "QA", "me");
    }
    let events = world
        .github
        .label_events(IssueNumber(number))
        .await
        .expect("it reads");
    events.iter().filter(|event| event.set).count() == 2
}

fn created_with_label(world: &World, token: &str) -> (Answer, Vec<Value>) {
    let call = Call::new("POST", "/repos/me/blog/issues", token)
        .json(&json!({ "title": "t", "labels": ["QA"] }));
    let answer = world.fake.model().handle(&call);
    let events = ask(
        world,
        "GET",
        &format!("/repos/me/blog/issues/{}/events", answer.value()["number"]),
        token,
    );
    let labelled = !answer.value()["labels"]
        .as_array()
        .is_some_and(Vec::is_empty);
    let events = events.value().as_array().cloned().unwrap_or_default();
    // A label without an event counts as one event too few, an event without a label cannot be.
    (
        answer,
        if labelled || events.is_empty() {
            events
        } else {
            Vec::new()
        },
    )
}

async fn are_counted(world: &World, fact: Fact) -> bool {
    if fact == Fact::SubIssuesAreCounted {
        return sub_issues_are_counted(world).await;
    }
    let (blocked, first) = (world.open("second"), world.open("first"));
    world.fake.model().issue(BLOG, blocked).blocked_by = vec![first];
    let counted = async || {
        let open = world.github.sweep().await.expect("it sweeps").open;
        let head = open.into_iter().find(|head| head.number.0 == blocked);
        head.expect("it is listed").blocked_by
    };
    let before = counted().await;
    world.fake.model().close(BLOG, first, "me");
    (before, counted().await) == (1, 0)
}

async fn sub_issues_are_counted(world: &World) -> bool {
    let whole = world.open("whole");
    let (one, two) = (world.open("one"), world.open("two"));
    world.fake.model().issue(BLOG, whole).sub_issues = vec![one, two];
    let counted = async || {
        let open = world.github.sweep().await.expect("it sweeps").open;
        let head = open.into_iter().find(|head| head.number.0 == whole);
        head.expect("it is listed").sub_issues
    };
    let before = counted().await;
    world.fake.model().close(BLOG, one, "me");
    (before, counted().await) == (2, 1)
}

async fn labelling_moves_updated_at(world: &World) -> bool {
    let number = world.open("t");
    world.fake.advance(300);
    let mark = world.github.sweep().await.expect("it sweeps").mark;
    world.fake.model().label(BLOG, number, "QA", "me");
    match world.github.poll(&mark).await.expect("it polls") {
        Poll::Changed { heads, .. } => heads[0].updated_at == world.fake.model().now,
        Poll::Unchanged => false,
    }
}

async fn permission(world: &World, fact: Fact) -> bool {
    let role = if fact == Fact::PermissionIsCoarse {
        "triage"
    } else {
        "none"
    };
    if role == "triage" {
        world.fake.model().grant(BLOG, "helper", "triage");
    }
    let id = world.fake.model().account("helper");
    let answer = ask(
        world,
        "GET",
        "/repos/me/blog/collaborators/helper/permission",
        &world.token,
    )
    .value();
    let actor = Actor {
        id: ActorId(id.to_string()),
        login: "helper".to_owned(),
        kind: ActorKind::User,
    };
    let ours = world.github.role(&actor).await.expect("it answers");
    match fact {
        Fact::PermissionIsCoarse => answer["permission"] == "read" && ours == Role::Triage,
        _ => ours <= Role::Read,
    }
}

async fn graphql(world: &World, fact: Fact) -> bool {
    let number = world.open("t");
    if fact == Fact::GraphqlErrorsAre200 {
        let variables = json!({ "owner": "me", "name": "blog", "number": 99 });
        let call =
            Call::new("POST", "/graphql", &world.token).json(&json!({ "variables": variables }));
        let answer = world.fake.model().handle(&call);
        return answer.status == 200 && answer.value().get("errors").is_some();
    }
    world
        .fake
        .model()
        .rewrite(BLOG, number, "me", "another body");
    let read = world
        .github
        .issue(IssueNumber(number))
        .await
        .expect("it reads");
    matches!(read, SingleRead::Found(found) if !found.1.edits.is_empty())
}

async fn limit(world: &World, fact: Fact) -> bool {
    world.fake.model().limit = 1;
    let second = if fact == Fact::LimitIsPerAccount {
        world.fake.model().token_for("me")
    } else {
        world.token.clone()
    };
    world.github.repo().await.expect("the first");
    let other = connect(&world.fake, &second, "me", "blog");
    matches!(other.repo().await, Err(TrackerError::RateLimited { .. }))
}

async fn app(world: &World, fact: Fact) -> bool {
    let auth = Auth::App {
        app_id: 12345,
        installation_id: 100,
        key_pem: SecretString::from(app_key()),
    };
    // Ahead by more than an assertion is dated back, by less than it may last.
    let clock = || "2026-11-20T12:01:10Z".parse().expect("a time");
    let config = Config {
        clock,
        ..config(&world.fake, auth)
    };
    let github = GitHub::connect(&config, "me", "blog").expect("the key is good");
    github.repo().await.expect("it answers");
    let log = world.fake.take_log();
    let minted = world
        .fake
        .model()
        .installation_tokens
        .keys()
        .next()
        .expect("one was minted")
        .clone();
    match fact {
        Fact::FutureAssertionsAreRefused => log[0].status == 401,
        Fact::InstallationTokensEnd => {
            world.fake.advance(2 * 3600);
            ask(world, "GET", "/repos/me/blog", &minted).status == 401
        }
        _ => {
            world.fake.model().add_repo("me/secret");
            world.fake.model().repo("me/secret").private = true;
            ask(world, "GET", "/repos/me/secret", &minted).status == 404
        }
    }
}

/// Two changes within a second leave the probe's answer as it was: why a fresh `ETag` is not kept.
fn times_are_whole_seconds(world: &World) -> bool {
    let (one, two) = (world.open("one"), world.open("two"));
    let probe = "/repos/me/blog/issues?state=all&sort=updated&direction=desc&per_page=1";
    world.fake.model().label(BLOG, two, "QA", "me");
    let before = ask(world, "GET", probe, &world.token).body;
    world.fake.model().label(BLOG, one, "QA", "me");
    before == ask(world, "GET", probe, &world.token).body
}
