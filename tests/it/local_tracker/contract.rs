//! The local tracker joins the contract suite.

use pointsman::domain::{IssueNumber, Label};
use pointsman::tracker::Tracker;
use pointsman::tracker::local::{Folder, Local};

use super::{Place, clock, me, named};
use crate::tracker_contract::{Fixture, contract};

/// The local tracker in the contract suite: the person beside us is another user of the same folder.
pub(crate) struct Beside {
    _place: Place,
    tracker: Tracker,
    person: Folder,
}

impl Fixture for Beside {
    async fn start() -> Self {
        let place = Place::new();
        let tracker = Tracker::Local(Local::open(&place.path, clock, me(&place.path)).unwrap());
        let person = Folder::open(&place.path, clock, named(4242, "bob")).unwrap();
        Self {
            _place: place,
            tracker,
            person,
        }
    }

    fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    async fn person_labels(&self, number: IssueNumber, label: &str) {
        self.person.add_label(number, &Label::new(label)).unwrap();
    }

    async fn person_unlabels(&self, number: IssueNumber, label: &str) {
        self.person
            .remove_label(number, &Label::new(label))
            .unwrap();
    }

    async fn person_closes(&self, number: IssueNumber) {
        self.person.close(number).unwrap();
    }

    async fn time_passes(&self) {}
}

contract!(stories, crate::local_tracker::contract::Beside);
