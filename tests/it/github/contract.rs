//! The GitHub tracker on the fake GitHub, under the contract of all trackers.

use pointsman::domain::IssueNumber;
use pointsman::tracker::Tracker;

use crate::support::github::FakeGitHub;
use crate::tracker_contract::{Fixture, contract};

contract!(stories, crate::github::contract::OnGitHub);

/// A repository of ours, with a person who may write.
pub(crate) struct OnGitHub {
    fake: FakeGitHub,
    tracker: Tracker,
}

impl Fixture for OnGitHub {
    async fn start() -> Self {
        let fake = FakeGitHub::start().await;
        let token = {
            let mut model = fake.model();
            model.add_repo("us/project");
            model.grant("us/project", "person", "write");
            model.token_for("us")
        };
        let github = super::connect(&fake, &token, "us", "project");
        Self {
            fake,
            tracker: Tracker::GitHub(github),
        }
    }

    fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    async fn person_labels(&self, number: IssueNumber, label: &str) {
        self.fake
            .model()
            .label("us/project", number.0, label, "person");
    }

    async fn person_unlabels(&self, number: IssueNumber, label: &str) {
        self.fake
            .model()
            .unlabel("us/project", number.0, label, "person");
    }

    async fn person_closes(&self, number: IssueNumber) {
        self.fake.model().close("us/project", number.0, "person");
    }

    async fn time_passes(&self) {
        self.fake.advance(10);
    }
}
