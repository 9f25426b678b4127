//! The real client against the fake GitHub.

mod checks;
mod contract;
mod fidelity;
mod identity;
mod limits;
mod moves;
mod polling;
mod pulls;
mod reading;
mod third_party;
mod writing;

use std::time::Duration;

use jiff::Timestamp;
use pointsman::tracker::github::{Auth, Config, GitHub};
use secrecy::SecretString;

use crate::support::github::FakeGitHub;

/// The machine's clock of these tests is wrong on purpose: only the tracker's own may count.
fn wrong_clock() -> Timestamp {
    "2026-11-20T12:07:00Z".parse().expect("a time")
}

/// How the tests reach a fake: fast writes, short deadlines.
pub(crate) fn config(fake: &FakeGitHub, auth: Auth) -> Config {
    Config {
        reserve: 0,
        pace: Duration::from_millis(1),
        deadline: Duration::from_secs(5),
        clock: wrong_clock,
        ..Config::new(fake.url.clone(), auth)
    }
}

pub(crate) fn connect(fake: &FakeGitHub, token: &str, owner: &str, repo: &str) -> GitHub {
    let auth = Auth::Token(SecretString::from(token));
    GitHub::connect(&config(fake, auth), owner, repo).expect("the configuration is good")
}

/// One repository `me/blog`, read by its owner.
struct World {
    fake: FakeGitHub,
    github: GitHub,
    token: String,
}

impl World {
    async fn start() -> Self {
        let fake = FakeGitHub::start().await;
        let token = {
            let mut model = fake.model();
            model.add_repo("me/blog");
            model.token_for("me")
        };
        let github = connect(&fake, &token, "me", "blog");
        Self {
            fake,
            github,
            token,
        }
    }

    /// Opens an issue as a person.
    fn open(&self, title: &str) -> u64 {
        self.fake.model().open_issue("me/blog", "me", title, "body")
    }

    /// Takes the log as `METHOD target status` lines.
    fn requests(&self) -> Vec<String> {
        let log = self.fake.take_log();
        log.iter()
            .map(|line| format!("{} {} {}", line.method, line.target, line.status))
            .collect()
    }
}

/// Returns an error with all its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
