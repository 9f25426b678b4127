//! What was read of our pull requests, and when another read may say more.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{IssueNumber, Observation, PullHead, PullRead};

/// How long one that cannot be read is left alone, unless a list says something new of it.
const UNREAD_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// What a list calls younger may change again without a sign: times are whole seconds, and readers of the tracker lag behind each other.
/// The clocks of both sides may differ by less than this.
const YOUNG: SignedDuration = SignedDuration::from_mins(1);
/// After which such a change is read once more.
const SETTLED: SignedDuration = SignedDuration::from_secs(10);

/// The newest read of each, until a list says that it changed.
#[derive(Clone, Debug, Default)]
pub struct Known(BTreeMap<IssueNumber, Reading>);

/// One read.
#[derive(Clone, Debug)]
struct Reading {
    /// What the list said then.
    listed: Option<PullHead>,
    /// What was read; nothing of one that cannot be read.
    read: Option<PullRead>,
    /// When it is read again, although no list says anything new.
    again: Option<Timestamp>,
}

/// What is known of one of them now.
#[derive(Clone, Copy, Debug)]
pub(super) enum Now<'a> {
    /// As it was read, it is.
    Read(&'a PullRead),
    /// It cannot be read, and it is too early to try again.
    Unreadable,
    /// It has to be read.
    Unread,
}

impl Known {
    /// Keeps what a look read, or tried to.
    pub fn take(&mut self, seen: &Observation, now: Timestamp) {
        for (number, read) in &seen.pull_reads {
            let listed = seen.pulls.get(number).copied();
            let before = self.0.get(number);
            let twice = before.is_some_and(|one| one.listed == listed && one.read.is_some());
            let young = listed.is_some_and(|head| now.duration_since(head.updated_at) < YOUNG);
            let again = match read {
                None => Some(now + UNREAD_AGAIN),
                Some(_) => (young && !twice).then(|| now + SETTLED),
            };
            let read = read.clone();
            let reading = Reading {
                listed,
                read,
                again,
            };
            self.0.insert(*number, reading);
        }
    }

    pub(super) fn of(&self, number: IssueNumber, seen: &Observation, now: Timestamp) -> Now<'_> {
        let listed = seen.pulls.get(&number);
        let known = self.0.get(&number);
        let known = known.filter(|one| one.listed.as_ref() == listed);
        match known.filter(|one| one.again.is_none_or(|again| again > now)) {
            Some(Reading {
                read: Some(read), ..
            }) => Now::Read(read),
            Some(Reading { read: None, .. }) => Now::Unreadable,
            None => Now::Unread,
        }
    }

    /// When the next of them is to be read again.
    pub fn again_at(&self, now: Timestamp) -> Option<Timestamp> {
        let moments = self.0.values().filter_map(|one| one.again);
        moments.filter(|again| *again > now).min()
    }

    /// Forgets one that was written to.
    pub fn forget(&mut self, number: IssueNumber) {
        self.0.remove(&number);
    }

    /// Forgets those that are nobody's any more.
    pub fn keep(&mut self, is_ours: impl Fn(IssueNumber) -> bool) {
        self.0.retain(|number, _| is_ours(*number));
    }

    /// Forgets everything: what no list said is found by reading.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}
