//! `pointsman ledger report`: what happened in a period, counted from events alone. No tracker, no configuration and no daemon is
//! asked, so the same ledger and the same period give the same report, whenever it is made.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{timeline, words};
use crate::domain::{
    Cause, DispatchId, Errand, Event, Evidence, IssueNumber, Next, Opening, Settled, Transition,
};
use crate::machine::text::{count, one_line};

/// Characters of an issue's title.
const TITLE_CHARS_MAX: usize = 80;
/// Issues that are told one by one; the rest is counted, and all are in the JSON.
const ISSUES_MAX: usize = 50;

/// What happened in a period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Period {
    /// Its first moment.
    pub since: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
    /// By project, stage and agent.
    pub rows: Vec<PeriodRow>,
    /// By gate.
    pub gates: Vec<GateRow>,
    /// What came of each issue, by project and number.
    pub issues: Vec<IssueAccount>,
}

/// What one agent did in one stage of one project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeriodRow {
    /// The project.
    pub project: String,
    /// The stage's label; `schedule` and `trial` are errands; `-` when nothing was ever dispatched for it.
    pub stage: String,
    /// The agent's profile.
    pub agent: String,
    /// What was counted.
    #[serde(flatten)]
    pub tally: Tally,
}

/// What is counted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// Dispatches that were opened.
    pub opened: u32,
    /// Of these, once more for a labelling: the attempt before had failed or was lost.
    #[serde(default)]
    pub again: u32,
    /// How dispatches ended, by the word of the cause.
    pub ended: BTreeMap<String, u32>,
    /// Gates that held.
    pub held: u32,
    /// Gates that were red.
    pub red: u32,
    /// Dispatches whose findings sent the issue back.
    pub bounces: u32,
    /// Issues that were handed to a person.
    pub parks: u32,
    /// Questions that were put to a person.
    pub questions: u32,
    /// Seconds from the opening to the end, of those that ended.
    pub in_hand_seconds: i64,
}

/// One gate, over everything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GateRow {
    /// Its name.
    pub gate: String,
    /// How often it held.
    pub held: u32,
    /// How often it was red.
    pub red: u32,
}

/// What came of one issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueAccount {
    /// The project.
    pub project: String,
    /// Its number.
    pub issue: IssueNumber,
    /// Its title when it was last dispatched; empty if it never was.
    pub title: String,
    /// What happened to it, oldest first.
    pub steps: Vec<String>,
}

/// Whose work something counts as.
type Key = (String, String, String);

/// Takes the events of all projects in their order, also those before the period: they say whose dispatch it is.
#[derive(Clone, Debug)]
pub struct Counter {
    since: Timestamp,
    until: Timestamp,
    dispatches: BTreeMap<(String, DispatchId), Known>,
    last: BTreeMap<(String, IssueNumber), Key>,
    titles: BTreeMap<(String, IssueNumber), String>,
    moving: BTreeMap<(String, IssueNumber), Transition>,
    rows: BTreeMap<Key, Tally>,
    gates: BTreeMap<String, (u32, u32)>,
    issues: BTreeMap<(String, IssueNumber), Vec<String>>,
}

/// A dispatch that may still end.
#[derive(Clone, Debug)]
struct Known {
    key: Key,
    issue: Option<IssueNumber>,
    opened_at: Timestamp,
}

impl Counter {
    /// Starts to count from `since` on, up to `until`.
    pub fn new(since: Timestamp, until: Timestamp) -> Self {
        Self {
            since,
            until,
            dispatches: BTreeMap::new(),
            last: BTreeMap::new(),
            titles: BTreeMap::new(),
            moving: BTreeMap::new(),
            rows: BTreeMap::new(),
            gates: BTreeMap::new(),
            issues: BTreeMap::new(),
        }
    }

    /// Takes the next event.
    pub fn take(&mut self, project: &str, at: Timestamp, event: &Event) {
        if at >= self.until {
            return;
        }
        let counts = at >= self.since;
        match event {
            Event::DispatchOpened { opening } => self.opened(project, at, opening, counts),
            Event::DispatchClosed { dispatch, cause } => {
                self.closed((project, dispatch), at, cause, counts);
            }
            Event::TransitionIntended { transition } => {
                let key = (project.to_owned(), transition.issue);
                self.moving.insert(key, transition.clone());
            }
            Event::TransitionSettled { issue, outcome } => {
                self.moved((project, *issue), outcome, counts);
            }
            _ if counts => self.happened(project, event),
            _ => {}
        }
    }

    fn opened(&mut self, project: &str, at: Timestamp, opening: &Opening, counts: bool) {
        let key = key_of(project, opening);
        if let Some(issue) = opening.issue() {
            self.last.insert((project.to_owned(), issue), key.clone());
            self.titles
                .insert((project.to_owned(), issue), opening.title.clone());
        }
        if counts {
            let row = self.rows.entry(key.clone()).or_default();
            row.opened += 1;
            row.again += u32::from(opening.attempt > 1);
        }
        let known = Known {
            key,
            issue: opening.issue(),
            opened_at: at,
        };
        self.dispatches
            .insert((project.to_owned(), opening.id.clone()), known);
    }

    fn closed(&mut self, of: (&str, &DispatchId), at: Timestamp, cause: &Cause, counts: bool) {
        let (project, dispatch) = of;
        let known = self
            .dispatches
            .remove(&(project.to_owned(), dispatch.clone()));
        let Some(known) = known.filter(|_| counts) else {
            return;
        };
        let took = at.duration_since(known.opened_at).max(SignedDuration::ZERO);
        let row = self.rows.entry(known.key.clone()).or_default();
        *row.ended.entry(cause.word().to_owned()).or_default() += 1;
        row.in_hand_seconds += took.as_secs();
        row.bounces += u32::from(matches!(cause, Cause::Rework { .. }));
        if let Some(issue) = known.issue {
            let (_, stage, _) = &known.key;
            let says = match cause {
                Cause::Verified { .. } | Cause::Rework { .. } | Cause::TimedOut => {
                    cause.word().to_owned()
                }
                Cause::Failed { .. }
                | Cause::Lost { .. }
                | Cause::Withdrawn { .. }
                | Cause::Parked { .. } => timeline::closed(cause),
            };
            self.step(project, issue, format!("{stage} {says}"));
        }
    }

    fn moved(&mut self, of: (&str, IssueNumber), outcome: &Settled, counts: bool) {
        let (project, issue) = of;
        let intended = self.moving.remove(&(project.to_owned(), issue));
        let done = intended.is_some_and(|transition| transition.to == Next::Done);
        if counts && done && matches!(outcome, Settled::Moved { .. }) {
            self.step(project, issue, "done".to_owned());
        }
    }

    fn happened(&mut self, project: &str, event: &Event) {
        match event {
            Event::GateFinished { dispatch, evidence } => {
                self.measured(project, dispatch, evidence);
            }
            Event::QuestionPublished { dispatch, .. } => {
                let known = self.of(project, dispatch).map(|known| known.key.clone());
                if let Some(key) = known {
                    self.rows.entry(key).or_default().questions += 1;
                }
            }
            Event::ParkIntended { issue, why, .. } => {
                let why = one_line(why, 160);
                self.step(project, *issue, format!("to a person: {why}"));
            }
            Event::IssueParked { issue } => {
                let nobody = || (project.to_owned(), "-".to_owned(), "-".to_owned());
                let key = self.last.get(&(project.to_owned(), *issue)).cloned();
                let row = self.rows.entry(key.unwrap_or_else(nobody)).or_default();
                row.parks += 1;
            }
            Event::Overridden { issue, by, to, .. } => {
                self.step(project, *issue, format!("moved to {to} by {}", by.login));
            }
            Event::Routed { issue, to, by, .. } => {
                self.step(project, *issue, format!("sent to {to} by {by}"));
            }
            Event::Approved { issue, by, .. } => {
                self.step(project, *issue, format!("approved by {by}"));
            }
            Event::Merged { issue, into, .. } => {
                self.step(project, *issue, format!("merged into {into}"));
            }
            Event::IssueLeft { issue, how } => {
                self.step(project, *issue, format!("left: {}", one_line(how, 160)));
            }
            _ => {}
        }
    }

    fn measured(&mut self, project: &str, dispatch: &DispatchId, evidence: &Evidence) {
        let (held, red) = (u32::from(evidence.holds), u32::from(!evidence.holds));
        let gate = self
            .gates
            .entry(evidence.gate.as_str().to_owned())
            .or_default();
        *gate = (gate.0 + held, gate.1 + red);
        let known = self.of(project, dispatch).map(|known| known.key.clone());
        if let Some(key) = known {
            let row = self.rows.entry(key).or_default();
            row.held += held;
            row.red += red;
        }
    }

    fn of(&self, project: &str, dispatch: &DispatchId) -> Option<&Known> {
        self.dispatches.get(&(project.to_owned(), dispatch.clone()))
    }

    fn step(&mut self, project: &str, issue: IssueNumber, says: String) {
        let steps = self.issues.entry((project.to_owned(), issue)).or_default();
        steps.push(says);
    }

    /// Ends the count.
    pub fn report(self) -> Period {
        let titles = self.titles;
        let rows = self.rows.into_iter();
        let issues = self.issues.into_iter();
        Period {
            since: self.since,
            until: self.until,
            rows: rows
                .map(|((project, stage, agent), tally)| PeriodRow {
                    project,
                    stage,
                    agent,
                    tally,
                })
                .collect(),
            gates: self
                .gates
                .into_iter()
                .map(|(gate, (held, red))| GateRow { gate, held, red })
                .collect(),
            issues: issues
                .map(|((project, issue), steps)| IssueAccount {
                    title: titles
                        .get(&(project.clone(), issue))
                        .map(|title| one_line(title, TITLE_CHARS_MAX))
                        .unwrap_or_default(),
                    project,
                    issue,
                    steps,
                })
                .collect(),
        }
    }
}

/// Errands have a stage of their own, which no workflow names.
fn key_of(project: &str, opening: &Opening) -> Key {
    let stage = match opening.errand() {
        None => opening.stage.label.to_string(),
        Some(Errand::Check { .. }) => "rehearsal".to_owned(),
        Some(Errand::Said { .. }) => "say".to_owned(),
        Some(Errand::Due { .. }) => format!("schedule: {}", opening.stage.skill),
        Some(Errand::Trial { .. }) => format!("trial: {}", opening.stage.skill),
    };
    (project.to_owned(), stage, opening.profile.to_string())
}

/// Writes the period as Markdown.
pub fn render_period(period: &Period) -> String {
    let stamp = |at: Timestamp| at.strftime("%Y-%m-%d %H:%M UTC").to_string();
    let mut text = format!(
        "# Pointsman, {} to {}\n\n{}\n",
        stamp(period.since),
        stamp(period.until),
        summary(period)
    );
    if !period.rows.is_empty() {
        text.push_str("\n| project | stage | agent | opened | ended | gates held | red | bounces | parked | questions | in hand |\n|---|---|---|--:|---|--:|--:|--:|--:|--:|--:|\n");
    }
    for row in &period.rows {
        let tally = &row.tally;
        let took = SignedDuration::from_secs(tally.in_hand_seconds);
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            cell(&row.project),
            cell(&row.stage),
            cell(&row.agent),
            tally.opened,
            ends(&tally.ended),
            tally.held,
            tally.red,
            tally.bounces,
            tally.parks,
            tally.questions,
            words::age(period.since, period.since + took)
        );
    }
    if !period.gates.is_empty() {
        text.push_str("\n| gate | held | red |\n|---|--:|--:|\n");
    }
    for row in &period.gates {
        let _ = writeln!(text, "| {} | {} | {} |", cell(&row.gate), row.held, row.red);
    }
    if !period.issues.is_empty() {
        text.push_str("\n## Issues\n\n");
    }
    for told in period.issues.iter().take(ISSUES_MAX) {
        let title = match told.title.as_str() {
            "" => String::new(),
            title => format!(" \"{title}\""),
        };
        let _ = writeln!(
            text,
            "- {} {}{title}: {}",
            told.project,
            told.issue,
            told.steps.join("; ")
        );
    }
    if let more @ 1.. = period.issues.len().saturating_sub(ISSUES_MAX) {
        let _ = writeln!(text, "- and {more} more: pointsman ledger report --json");
    }
    text
}

/// One sentence over everything.
fn summary(period: &Period) -> String {
    let sum = |of: fn(&Tally) -> u32| period.rows.iter().map(|row| of(&row.tally)).sum::<u32>();
    let mut ended: BTreeMap<String, u32> = BTreeMap::new();
    for (word, times) in period.rows.iter().flat_map(|row| &row.tally.ended) {
        *ended.entry(word.clone()).or_default() += times;
    }
    let is_done = |told: &&IssueAccount| told.steps.iter().any(|step| step == "done");
    let done = period.issues.iter().filter(is_done).count();
    if period.rows.is_empty() && period.issues.is_empty() {
        return "Nothing happened.".to_owned();
    }
    let again = match sum(|tally| tally.again) {
        0 => String::new(),
        again => format!(", {again} of them once more"),
    };
    format!(
        "{} opened{again}; ended: {}. {} held, {} red. {}, {} parked, {}. {} done.",
        count(sum(|tally| tally.opened), "dispatch"),
        ends(&ended),
        count(sum(|tally| tally.held), "gate"),
        sum(|tally| tally.red),
        count(sum(|tally| tally.bounces), "bounce"),
        sum(|tally| tally.parks),
        count(sum(|tally| tally.questions), "question"),
        count(done, "issue")
    )
}

fn ends(ended: &BTreeMap<String, u32>) -> String {
    if ended.is_empty() {
        return "none".to_owned();
    }
    let words: Vec<String> = ended
        .iter()
        .map(|(word, times)| format!("{times} {word}"))
        .collect();
    words.join(", ")
}

/// A name that cannot end its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
