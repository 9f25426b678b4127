//! Who we are: tokens, Apps, where a token is found, and that no token is ever said.

use std::io;
use std::path::PathBuf;

use pointsman::domain::{ActorKind, IssueNumber};
use pointsman::tracker::github::{
    Account, Auth, GitHub, TokenPlace, TokenSearchError, TokenSources, find_token,
};
use pointsman::tracker::{Poll, TrackerError};
use secrecy::{ExposeSecret, SecretString};

use super::{World, chain, config, connect};
use crate::support::github::{Fact, Fault, Kind, app_key};

fn app(world: &World, installation_id: u64) -> GitHub {
    let auth = Auth::App {
        app_id: 12345,
        installation_id,
        key_pem: SecretString::from(app_key()),
    };
    GitHub::connect(&config(&world.fake, auth), "me", "blog").expect("the key is good")
}

fn mints(world: &World) -> usize {
    world
        .fake
        .take_log()
        .iter()
        .filter(|line| line.target.ends_with("/access_tokens") && line.status == 201)
        .count()
}

#[tokio::test]
async fn a_rejected_token_is_told_with_what_to_do() {
    let world = World::start().await;
    let error = connect(&world.fake, "ghp_unknown", "me", "blog")
        .repo()
        .await
        .expect_err("unknown");
    assert!(
        matches!(&error, TrackerError::TokenRejected { .. }),
        "{error}"
    );
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("GITHUB_TOKEN"))
    );
}

#[tokio::test]
async fn a_token_never_appears_in_debug_or_errors() {
    let world = World::start().await;
    let config = config(
        &world.fake,
        Auth::Token(SecretString::from(world.token.as_str())),
    );
    let account = Account::open(&config).expect("it opens");
    let shown = format!("{config:?} {account:?} {:?}", world.github);
    assert!(!shown.contains(&world.token), "{shown}");
    for kind in [
        Kind::EchoToken,
        Kind::Status(500),
        Kind::Lost,
        Kind::Body("{".to_owned()),
        Kind::Status(401),
    ] {
        world.fake.arm(Fault::once("POST", "/comments", kind));
        let error = world
            .github
            .comment(IssueNumber(world.open("t")), "x")
            .await
            .expect_err("a failure");
        let said = format!("{} {error:?}", chain(&error));
        assert!(!said.contains(&world.token), "{said}");
    }
}

#[tokio::test]
async fn an_app_acts_as_its_bot() {
    let world = World::start().await;
    let github = app(&world, 100);
    let us = github.whoami().await.expect("it answers");
    assert_eq!(
        (us.login.as_str(), us.kind),
        ("pointsman-test[bot]", ActorKind::App)
    );
    let number = IssueNumber(world.open("t"));
    github.comment(number, "hello").await.expect("it writes");
    assert_eq!(
        github.comments(number).await.expect("it reads")[0]
            .author
            .as_ref()
            .map(|author| &author.id),
        Some(&us.id)
    );
}

#[tokio::test]
async fn many_calls_share_one_installation_token() {
    let world = World::start().await;
    let github = app(&world, 100);
    let calls = (0..8).map(|_| github.repo());
    for result in futures_util::future::join_all(calls).await {
        result.expect("it answers");
    }
    assert_eq!(mints(&world), 1);
    world.fake.advance(50 * 60);
    github.repo().await.expect("it answers");
    assert_eq!(
        mints(&world),
        0,
        "a token is kept its whole hour: each new one makes every ETag worthless"
    );
}

#[tokio::test]
async fn a_token_that_ended_is_replaced_and_the_call_goes_on() {
    let world = World::start().await;
    let github = app(&world, 100);
    github.repo().await.expect("it answers");
    world.fake.take_log();
    world.fake.advance(61 * 60);
    let number = IssueNumber(world.open("t"));
    github.comment(number, "hello").await.expect("it writes");
    let log = world.fake.take_log();
    let statuses: Vec<u16> = log.iter().map(|line| line.status).collect();
    assert_eq!(
        statuses,
        [401, 201, 201],
        "refused, which proves it was not done; a new token; done"
    );
    assert_eq!(
        world.fake.model().issue("me/blog", number.0).comments.len(),
        1
    );
}

#[tokio::test]
async fn a_new_installation_token_makes_the_next_poll_unconditional() {
    let world = World::start().await;
    world.open("t");
    world.fake.advance(60);
    let github = app(&world, 100);
    let mark = github.sweep().await.expect("it sweeps").mark;
    assert_eq!(github.poll(&mark).await.expect("it polls"), Poll::Unchanged);
    world.fake.advance(61 * 60);
    github.repo().await.expect("it answers, with a new token");
    assert!(matches!(
        github.poll(&mark).await.expect("it polls"),
        Poll::Changed { .. }
    ));
}

#[tokio::test]
async fn our_clock_may_be_wrong_by_minutes() {
    // The clock of these tests is seven minutes ahead: the first assertion is from the future, the second knows the time.
    let world = World::start().await;
    let github = app(&world, 100);
    github.repo().await.expect("it answers");
    let statuses: Vec<u16> = world
        .fake
        .take_log()
        .iter()
        .map(|line| line.status)
        .collect();
    assert_eq!(statuses, [401, 201, 200]);
}

#[tokio::test]
async fn an_installation_token_is_for_its_repository_only() {
    let world = World::start().await;
    world.fake.model().add_repo("me/secret");
    world.fake.model().repo("me/secret").private = true;
    app(&world, 100).repo().await.expect("its own repository");
    let minted = world
        .fake
        .model()
        .installation_tokens
        .keys()
        .next()
        .expect("one was minted")
        .clone();
    let elsewhere = connect(&world.fake, &minted, "me", "secret");
    assert!(matches!(
        elsewhere.repo().await,
        Err(TrackerError::NotFound { .. })
    ));
    world
        .fake
        .model()
        .without(Fact::InstallationTokensAreScoped);
    elsewhere
        .repo()
        .await
        .expect("the switch shows that it was the scope");
}

#[tokio::test]
async fn an_installation_that_is_not_there_is_a_rejected_token() {
    let world = World::start().await;
    let error = app(&world, 7)
        .repo()
        .await
        .expect_err("no such installation");
    assert!(
        matches!(error, TrackerError::TokenRejected { .. }),
        "{error}"
    );
    let auth = Auth::App {
        app_id: 1,
        installation_id: 1,
        key_pem: SecretString::from("not a key"),
    };
    let error = GitHub::connect(&config(&world.fake, auth), "me", "blog").expect_err("no key");
    assert!(
        matches!(error, TrackerError::TokenRejected { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn a_token_goes_nowhere_in_clear_text() {
    let auth = Auth::Token(SecretString::from("t"));
    let config = pointsman::tracker::github::Config::new("http://github.example.com", auth);
    assert!(matches!(
        Account::open(&config),
        Err(TrackerError::Refused { .. })
    ));
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

#[test]
fn a_token_is_looked_for_in_order() {
    let all = TokenSources {
        credential: Some(PathBuf::from("/run/credentials/pointsman/github-token")),
        github_token: Some(secret("from-github-token")),
        gh_token: Some(secret("from-gh-token")),
    };
    let search = |sources: &TokenSources, file: io::Result<String>, gh: Option<&str>| {
        let found = find_token(sources, |_| file, || gh.map(SecretString::from))
            .expect("nothing is broken");
        found.map(|found| (found.token.expose_secret().to_owned(), found.place))
    };
    let none = || Err(io::Error::from(io::ErrorKind::NotFound));
    let place = |found: Option<(String, TokenPlace)>| {
        found.map(|(token, place)| format!("{token}: {place}"))
    };
    let credential = "from-file: the credential `/run/credentials/pointsman/github-token`";
    assert_eq!(
        place(search(&all, Ok("from-file\n".to_owned()), Some("gh"))).as_deref(),
        Some(credential)
    );
    let variable = "from-github-token: the variable `GITHUB_TOKEN`";
    assert_eq!(
        place(search(&all, none(), Some("gh"))).as_deref(),
        Some(variable)
    );
    let blank = TokenSources {
        github_token: Some(secret("  ")),
        credential: None,
        ..all
    };
    assert_eq!(
        place(search(&blank, none(), None)).as_deref(),
        Some("from-gh-token: the variable `GH_TOKEN`")
    );
    let nothing = TokenSources::default();
    assert_eq!(
        place(search(&nothing, none(), Some("gho_x\n"))).as_deref(),
        Some("gho_x: `gh auth token`")
    );
    assert_eq!(search(&nothing, none(), None), None);
}

#[test]
fn a_place_that_is_there_but_unusable_stops_the_search() {
    let sources = TokenSources {
        credential: Some(PathBuf::from("/c")),
        gh_token: Some(secret("other")),
        ..Default::default()
    };
    let denied = |_: &std::path::Path| Err(io::Error::from(io::ErrorKind::PermissionDenied));
    let error = find_token(&sources, denied, || None).expect_err("not readable");
    assert!(matches!(error, TokenSearchError::Unreadable { .. }));
    let error =
        find_token(&sources, |_| Ok("two words".to_owned()), || None).expect_err("no token");
    assert!(!error.to_string().contains("two words"), "{error}");
}
