//! The modelled pull requests: one for a branch, opened by us, merged, closed and reviewed by people.

use std::collections::BTreeMap;

use jiff::Timestamp;
use pointsman::domain::{
    Closing, Dispatch, IssueNumber, Label, Outcome, Pull, PullEnd, PullHead, PullPlan, PullRead,
    Questions, Review, Role, Subject, TrackerChoice,
};
use pointsman::machine::labels::trust::standing_event;
use pointsman::machine::text::{mark, sha256};

use super::faults::Fault;
use super::rules::{alice, mallory, us};
use super::tracker::Tracker;
use super::world::World;

/// One pull request as it really is.
#[derive(Clone, Debug)]
pub(crate) struct SimPull {
    pub(crate) issue: IssueNumber,
    pub(crate) draft: bool,
    pub(crate) end: Option<PullEnd>,
    pub(crate) head: Subject,
    pub(crate) wants: Vec<Review>,
    pub(crate) at: Timestamp,
}

impl Tracker {
    /// Everything the list says of pull requests.
    pub(crate) fn list_pulls(&self) -> BTreeMap<IssueNumber, PullHead> {
        let head = |pull: &SimPull| PullHead {
            open: pull.end.is_none(),
            updated_at: pull.at,
        };
        let pulls = self.pulls.iter();
        pulls.map(|(number, pull)| (*number, head(pull))).collect()
    }

    fn read_pull(&self, number: IssueNumber) -> Option<PullRead> {
        let pull = self.pulls.get(&number)?;
        Some(PullRead {
            end: pull.end.clone(),
            merged_by: None,
            head: Some(pull.head.clone()),
            wants: pull.wants.clone(),
            roles: BTreeMap::from([(alice(), Role::Write), (mallory(), Role::Read)]),
        })
    }

    /// Those that were asked for; with a gap nobody decides on them.
    pub(crate) fn read_pulls(
        &self,
        questions: &Questions,
    ) -> BTreeMap<IssueNumber, Option<PullRead>> {
        let asked = questions.pulls.iter();
        asked
            .map(|number| (*number, self.read_pull(*number)))
            .collect()
    }

    /// The open one of an issue.
    pub(crate) fn open_pull(&mut self, issue: IssueNumber) -> Option<(IssueNumber, &mut SimPull)> {
        let mut pulls = self.pulls.iter_mut();
        let open = pulls.find(|(_, pull)| pull.issue == issue && pull.end.is_none());
        open.map(|(number, pull)| (*number, pull))
    }

    /// A person merges it, which closes the issue, or closes it, which does not.
    pub(crate) fn end_pull(&mut self, issue: IssueNumber, end: PullEnd, at: Timestamp) {
        let stamp = self.stamp(at);
        let Some((_, pull)) = self.open_pull(issue) else {
            return;
        };
        let merged = matches!(end, PullEnd::Merged { .. });
        pull.end = Some(end);
        pull.at = stamp;
        if merged {
            self.set_open(issue, false, at);
        }
    }

    /// Somebody asks for changes.
    pub(crate) fn want_changes(&mut self, issue: IssueNumber, trusted: bool, at: Timestamp) {
        self.reviews += 1;
        let at = self.stamp(at);
        let (id, by) = (self.reviews, if trusted { alice() } else { mallory() });
        let Some((_, pull)) = self.open_pull(issue) else {
            return;
        };
        let body = "do it otherwise".to_owned();
        pull.wants.retain(|review| review.by != by);
        pull.wants.push(Review { id, by, body });
        pull.at = at;
    }
}

impl World {
    pub(crate) fn keep_pull(&mut self, dispatch: &Dispatch, plan: &PullPlan) -> Outcome {
        let now = self.tracker.stamp(self.now);
        let head = dispatch.opening.subject.clone();
        let head = head.unwrap_or_else(|| self.tip(plan.issue));
        let fresh = IssueNumber(1000 + self.tracker.pulls.len() as u64);
        let number = if let Some((number, pull)) = self.tracker.open_pull(plan.issue) {
            pull.draft &= !plan.ready;
            pull.head = head;
            pull.at = now;
            number
        } else {
            let pull = SimPull {
                issue: plan.issue,
                draft: !plan.ready,
                end: None,
                head,
                wants: Vec::new(),
                at: now,
            };
            self.tracker.pulls.insert(fresh, pull);
            fresh
        };
        Outcome::PullKept {
            pull: Pull {
                number,
                url: format!("https://tracker/{number}"),
                evidence: sha256(plan.evidence.as_bytes()),
                draft: self.tracker.pulls[&number].draft,
            },
        }
    }

    pub(crate) fn leave(
        &mut self,
        issue: IssueNumber,
        labels: &[Label],
        why: &str,
        closing: &Closing,
    ) -> Outcome {
        let now = self.now;
        let events = self.tracker.issues[&issue].events.clone();
        if !self.tracker.is_gone(issue) {
            let body = format!("{why}\n{}", mark("left"));
            self.tracker.comment_once(issue, &body, now);
            let is_over = |label: &&Label| {
                let event = standing_event(&events, label);
                !event.is_some_and(|event| closing.is_before(event))
            };
            for label in labels.iter().filter(is_over) {
                self.tracker.label(issue, label, false, &us(), now);
            }
        }
        Outcome::Done
    }

    /// Whether its tracker has pull requests.
    pub(crate) fn has_pulls(&self) -> bool {
        matches!(self.rules.project.tracker, TrackerChoice::GitHub { .. })
    }

    /// A rule of the remote, a right that is missing: once a person has ended it, it goes on.
    pub(crate) fn push(&mut self) -> Outcome {
        if !self.has_pulls() || !self.strikes(Fault::RedBuild) || self.rng.chance(500) {
            return Outcome::Done;
        }
        Outcome::Refused {
            why: "a rule of the remote".to_owned(),
            hint: "change it".to_owned(),
            until: self.now + jiff::SignedDuration::from_secs(15),
        }
    }

    /// By the pull request, if there is one; now and then it conflicts.
    pub(crate) fn merge(&mut self, issue: IssueNumber, pull: Option<IssueNumber>) -> Outcome {
        let now = self.now;
        if self.has_pulls() && self.strikes(Fault::RedBuild) {
            return Outcome::NotMerged {
                why: "it conflicts".to_owned(),
            };
        }
        // Another one was merged a moment ago.
        if self.has_pulls() && self.strikes(Fault::RedBuild) {
            return Outcome::Refused {
                why: "not yet".to_owned(),
                hint: String::new(),
                until: now + jiff::SignedDuration::from_secs(15),
            };
        }
        if pull.is_some() {
            let by = us().login;
            self.tracker.end_pull(issue, PullEnd::Merged { by }, now);
        }
        Outcome::Merged {
            into: "main".to_owned(),
        }
    }

    /// Somebody does something with an issue's pull request.
    pub(crate) fn at_the_pull(&mut self, issue: IssueNumber) {
        let (now, by) = (self.now, alice().login);
        match self.rng.below(6) {
            0 => self.tracker.end_pull(issue, PullEnd::Merged { by }, now),
            1 => {
                let at = Some(self.tracker.stamp(now));
                let end = PullEnd::Closed { by, at };
                self.tracker.end_pull(issue, end, now);
            }
            2 => self.tracker.want_changes(issue, false, now),
            3 => {
                let now = self.tracker.stamp(now);
                if let Some((_, pull)) = self.tracker.open_pull(issue) {
                    pull.head = Subject::new("somebody's");
                    pull.at = now;
                }
            }
            _ => self.tracker.want_changes(issue, true, now),
        }
    }
}
