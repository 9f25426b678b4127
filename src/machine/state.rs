//! What a project's stream says now: the fold's result, and nothing that the ledger does not have.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::Timestamp;
use jiff::civil::Date;

use crate::domain::{
    ActorId, Adopted, Answer, Approval, Cause, Checked, Delivery, DeliveryId, Dispatch, DispatchId,
    FleetLoad, Ground, Hold, IssueNumber, Label, LabelEventId, Note, ProfileName, ReportId,
    Sighting, SkillName, Spec, Subject, Transition, Window, order,
};

use crate::machine::pull::{Kept, Proof};
use crate::machine::telling::status::Notice;

/// The openings that are remembered for the daily cap; more than any sensible cap.
pub(crate) const OPENINGS_MAX: usize = 1024;

/// The words to go on that are remembered; more than an hour takes.
pub(crate) const RESUMES_KEPT: usize = 16;

/// The fold of one project's events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct State {
    /// How many events of the stream it has seen: the version the next append expects.
    pub version: u64,
    /// When the project was first seen.
    pub added: Option<Timestamp>,
    /// Who paused it.
    pub paused: Option<String>,
    /// What is remembered of each issue.
    pub walks: BTreeMap<IssueNumber, Walk>,
    /// Dispatches that are open or not yet tidied.
    pub dispatches: BTreeMap<DispatchId, Dispatch>,
    /// Their deliveries.
    pub deliveries: BTreeMap<DeliveryId, Delivery>,
    /// Moves that are not settled.
    pub transitions: BTreeMap<IssueNumber, Transition>,
    /// Moves that people asked for and that are not begun.
    pub routes: BTreeMap<IssueNumber, Route>,
    /// Parks that are not known to have happened.
    pub parks: BTreeMap<IssueNumber, (Label, String)>,
    /// What people have to know and that is not on the issue yet, oldest first.
    pub notes: VecDeque<Note>,
    /// What they were told of which issue, newest last: once each.
    pub told: VecDeque<(IssueNumber, String)>,
    /// Who has the seat of a stage.
    pub seats: BTreeMap<Label, IssueNumber>,
    /// The dispatches that were opened last, oldest first.
    pub openings: VecDeque<Opened>,
    /// When agents were told to go on after an error, oldest first.
    pub resumes: VecDeque<Timestamp>,
    /// Reports that were taken, newest last: a spool file is taken once.
    pub reports: VecDeque<ReportId>,
    /// The answers that were given last, newest last: a report that still lies unanswered gets its own again.
    pub answers: VecDeque<Answer>,
    /// What the report that ended a dispatch said, as a digest, and its answer: of dispatches that are cleared away, newest last.
    pub farewells: VecDeque<(String, Answer)>,
    /// The schedules as they were configured last.
    pub schedules: BTreeMap<SkillName, Scheduled>,
    /// The local day for which a schedule ran last; kept when the schedule goes, so that no day is run twice.
    pub ran: BTreeMap<SkillName, Date>,
    /// The newest rehearsal of each profile.
    pub checks: BTreeMap<ProfileName, Checked>,
    /// The status comments: one per issue, from its first dispatch to its end.
    pub notices: BTreeMap<IssueNumber, Notice>,
    /// Marker lines that the ledger cannot account for, until a person takes them over.
    pub sightings: BTreeMap<IssueNumber, Sighting>,
    /// What a person took over.
    pub adopted: Adopted,
    /// The holds that were recorded last.
    pub holds: BTreeMap<IssueNumber, Hold>,
}

/// A dispatch that was opened, as the caps count it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// When.
    pub at: Timestamp,
    /// For which issue; an errand may be about none.
    pub issue: Option<IssueNumber>,
    /// Whose labelling it took up: none for another attempt, and for a label that we moved on.
    pub asked: Option<ActorId>,
}

/// A schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scheduled {
    /// Minutes after local midnight.
    pub minute: u16,
    /// Since when it says so: what was due before was never missed.
    pub since: Timestamp,
}

/// A move that a person asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// To this routing label.
    pub to: Label,
    /// Whose word it is.
    pub by: String,
    /// Whether it is another round of the same work.
    pub rework: bool,
}

/// What is remembered of one issue over its stages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Walk {
    /// Whose word it rests on.
    pub approval: Option<Approval>,
    /// The newest label event that one of our transitions made.
    pub own_event: Option<LabelEventId>,
    /// The newest label event known before a person's move made the own one nobody's: what is no newer is no news.
    pub known_event: Option<LabelEventId>,
    /// Whether that move was a person's word: `route`, `approve`, a review.
    pub asked: bool,
    /// The label event last dispatched: what is newer happened since.
    pub event: Option<LabelEventId>,
    /// Whether the issue left the workflow: what is kept is what it may not be asked for twice.
    pub left: bool,
    /// The key of the labelling last dispatched.
    pub labelling: Option<String>,
    /// Its dispatches so far.
    pub attempts: u32,
    /// How its last dispatch ended.
    pub ended: Option<(Cause, Timestamp)>,
    /// Re-entries after rework.
    pub rounds: u32,
    /// Contexts that worked in a stage.
    pub makers: BTreeMap<Label, BTreeSet<String>>,
    /// The recorded spec.
    pub spec: Option<Spec>,
    /// The issue's branch.
    pub branch: Option<String>,
    /// The persistent agent that worked on it last.
    pub window: Option<Window>,
    /// The same while its last dispatch there is not verified: what it did may lie in that agent's tree, and nowhere else.
    pub unsettled: Option<Window>,
    /// What its work was to change, as it was said when it began.
    pub touches: Vec<String>,
    /// The commit that was verified last.
    pub subject: Option<Subject>,
    /// Where the default branch stood when the work on it began.
    pub began: Option<Subject>,
    /// What the last round or attempt failed on.
    pub failed_on: Option<String>,
    /// Who said `approve`, since the last stage was verified.
    pub approved: Option<String>,
    /// The stage whose gates hold and whose last move is a person's.
    pub yours: Option<Label>,
    /// The commit the default branch was moved to.
    pub merged: Option<Subject>,
    /// Its pull request.
    pub pull: Option<Kept>,
    /// The newest review that was served: ids only grow.
    pub reviewed: u64,
    /// What was measured and holds.
    pub proofs: Vec<Proof>,
    /// The event that removed the park label, or the review that wants the same stage once more: part of the next labelling's key.
    pub again: Option<LabelEventId>,
    /// Whether its label was moved on under an open dispatch without the work, and was moved back: once.
    pub reverted: bool,
    /// Why it was parked.
    pub parked: Option<String>,
    /// The issue's title when it was last dispatched.
    pub title: String,
}

impl Walk {
    /// Returns the newest label event that is known of it: the one it was dispatched for, or the one that our own last move made.
    pub fn newest_event(&self) -> Option<&LabelEventId> {
        let known = [&self.event, &self.own_event, &self.known_event].map(Option::as_ref);
        let known = known.into_iter().flatten();
        known.max_by_key(|id| order(id.as_str()))
    }
}

/// Answers that are remembered; more than lie unanswered at any time.
pub(crate) const ANSWERS_MAX: usize = 128;
/// Ends of dispatches whose answer is remembered: many days' worth.
pub(crate) const FAREWELLS_MAX: usize = 256;
/// Report ids that are remembered; answered files are removed long before.
pub(crate) const REPORTS_MAX: usize = 4096;

impl State {
    /// Returns the answer that was decided for a report.
    pub fn answer(&self, report: &ReportId) -> Option<&Answer> {
        self.answers
            .iter()
            .rev()
            .find(|answer| answer.report == *report)
    }

    /// Returns whether a report was taken before.
    pub fn has_report(&self, report: &ReportId) -> bool {
        self.reports.contains(report)
    }

    /// Returns whether people were told that of an issue, or will be.
    pub fn is_told(&self, issue: IssueNumber, key: &str) -> bool {
        let (mut told, mut waiting) = (self.told.iter(), self.notes.iter());
        told.any(|(of, told)| *of == issue && told == key)
            || waiting.any(|note| note.issue == issue && note.key == key)
    }

    /// Returns whether the last move of an issue is a person's, and nobody made it.
    pub fn waits_for_approval(&self, issue: IssueNumber) -> bool {
        let waits = |walk: &Walk| walk.yours.is_some() && walk.approved.is_none();
        self.walks.get(&issue).is_some_and(waits)
    }

    /// Returns the open dispatch of an issue.
    pub fn open_dispatch(&self, issue: IssueNumber) -> Option<&Dispatch> {
        self.dispatches
            .values()
            .find(|dispatch| dispatch.is_open() && dispatch.issue() == Some(issue))
    }

    /// Returns the dispatch that has a window and its tree: open, or not yet cleared away.
    pub fn in_window(&self, window: Window) -> Option<&Dispatch> {
        self.dispatches
            .values()
            .find(|dispatch| dispatch.opening.window == window && !dispatch.tidied)
    }

    /// Returns how many dispatches a stage has: open ones but those that wait for a person, and withdrawn ones until their
    /// session is idle or gone.
    pub fn open_in(&self, stage: &Label) -> u32 {
        let open = self.dispatches.values().filter(|dispatch| {
            let counts = dispatch.is_open() && !dispatch.waits_for_a_person();
            (counts || dispatch.is_withdrawn()) && dispatch.opening.stage.label == *stage
        });
        u32::try_from(open.count()).unwrap_or(u32::MAX)
    }

    /// Returns how many open dispatches spend an account's allowance: those that wait for a person do not.
    pub fn open_of(&self, account: &str) -> u32 {
        self.load().open.get(account).copied().unwrap_or(0)
    }

    /// Returns what the project takes of what all projects share.
    pub fn load(&self) -> FleetLoad {
        let mut open = BTreeMap::new();
        let waits = |walk: &Walk| !walk.left && (walk.yours.is_some() || walk.parked.is_some());
        let walks = self.walks.iter().filter(|(_, walk)| waits(walk));
        let mut waiting: BTreeSet<IssueNumber> = walks.map(|(issue, _)| *issue).collect();
        for dispatch in self.dispatches.values().filter(|one| one.is_open()) {
            if dispatch.waits_for_a_person() {
                waiting.extend(dispatch.issue());
            } else {
                *open.entry(dispatch.opening.account.clone()).or_insert(0) += 1;
            }
        }
        FleetLoad {
            open,
            opened: self.openings.back().map(|one| one.at),
            waiting: u32::try_from(waiting.len()).unwrap_or(u32::MAX),
        }
    }

    /// Returns how many of the counted dispatches were opened since `since`, and when the oldest of them was.
    pub fn opened_since(
        &self,
        since: Timestamp,
        counts: impl Fn(&Opened) -> bool,
    ) -> (u32, Option<Timestamp>) {
        let recent = self.openings.iter().filter(|one| one.at > since);
        let mut recent = recent.filter(|one| counts(one)).peekable();
        let oldest = recent.peek().map(|one| one.at);
        (u32::try_from(recent.count()).unwrap_or(u32::MAX), oldest)
    }

    /// Returns the newest delivery of a dispatch.
    pub fn last_delivery(&self, dispatch: &Dispatch) -> Option<&Delivery> {
        dispatch
            .deliveries
            .last()
            .and_then(|id| self.deliveries.get(id))
    }

    /// Returns what a brief or a gate of this dispatch needs to know of the rest.
    pub fn ground(&self, dispatch: &Dispatch) -> Ground {
        let issue = dispatch.issue();
        let walk = issue.and_then(|issue| self.walks.get(&issue));
        let walk = walk.cloned().unwrap_or_default();
        let others = self
            .dispatches
            .values()
            .filter(|other| other.is_open() && other.issue() != issue);
        let in_flight = others
            .filter_map(|other| {
                Some((
                    other.issue()?,
                    other.opening.stage.label.clone(),
                    other.opening.title.clone(),
                ))
            })
            .collect();
        let taken = self
            .walks
            .iter()
            .filter(|(number, _)| Some(**number) != issue)
            .filter_map(|(number, walk)| walk.subject.clone().map(|subject| (*number, subject)))
            .collect();
        let warned = walk.proofs.into_iter().filter_map(|proof| {
            let at = proof.subject.as_ref().map_or("no commit", Subject::short);
            let (stage, gate, says) = (proof.stage, proof.gate, proof.warned?);
            Some(format!("{stage}, {gate} at {at}: {says}"))
        });
        Ground {
            spec: walk.spec,
            failed_on: walk.failed_on,
            in_flight,
            warned: warned.collect(),
            verified: walk.subject,
            began: dispatch.began().cloned().or(walk.began),
            taken,
            approved: walk.approved.is_some(),
            pull: walk.pull.map(|kept| kept.pull.number),
            purpose: None,
            message: None,
        }
    }
}
