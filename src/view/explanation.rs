//! What an explanation consists of: one value for the words and for `explain --json`, from the same values the decision used.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::scheduled::{self, ScheduleRow};
use super::sight::Sight;
use super::snapshot::{self, IssueRow, Standing};
use super::timeline::{self, Told};
use super::words;
use crate::domain::{
    Approval, Basis, Delivery, Dispatch, Errand, Evidence, GateName, IssueNumber, Observation,
    Pane, PaneSample, Report, Rules, SkillName, Subject, Window,
};
use crate::machine::engine::CycleReport;
use crate::machine::state::{State, Walk};
use crate::machine::text::one_line;

/// Events that are told.
pub const EVENTS_MAX: usize = 15;
/// Characters of a sentence.
pub(super) const SENTENCE_CHARS_MAX: usize = 400;

/// What is explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum About {
    /// An issue.
    Issue(IssueNumber),
    /// What is due by the clock.
    Schedule(SkillName),
}

/// All that an explanation is made of.
#[derive(Clone, Copy, Debug)]
pub struct Story<'a> {
    /// The project's rules.
    pub rules: &'a Rules,
    /// The fold.
    pub state: &'a State,
    /// The last cycle.
    pub report: &'a CycleReport,
    /// What it saw, or what was stored before.
    pub sight: Sight<'a>,
    /// Which issue or schedule.
    pub about: &'a About,
    /// Its events, oldest first; the last ones are told.
    pub events: &'a [Told<'a>],
}

/// Why an issue or a schedule stands where it stands: the standing, then what it rests on, then what happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// Which project.
    pub project: String,
    /// The answer in one line.
    pub says: String,
    /// The issue's row of `status`; absent for a schedule.
    pub issue: Option<IssueRow>,
    /// The schedule's row of `status`; absent for an issue.
    pub schedule: Option<ScheduleRow>,
    /// What moment this is the truth of.
    pub as_of: AsOf,
    /// What is remembered of the issue over its stages.
    pub walk: Option<WalkView>,
    /// The open dispatch, or the last one that is not cleared away.
    pub dispatch: Option<DispatchView>,
    /// Its window; absent when nobody looks.
    pub window: Option<WindowView>,
    /// Events before the ones that are told.
    pub earlier: usize,
    /// What happened, oldest first.
    pub events: Vec<EventView>,
}

/// What moment an explanation is the truth of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf {
    /// When the last cycle ended.
    pub cycle_at: Option<Timestamp>,
    /// What it did.
    pub did: Option<String>,
    /// Without a daemon: when the tracker was read.
    pub read_at: Option<Timestamp>,
    /// How long ago that was, in words.
    pub read_ago: Option<String>,
}

/// What is remembered of an issue over its stages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the fold, by their names there")]
pub struct WalkView {
    pub approval: Option<Approval>,
    pub attempts: u32,
    pub attempts_max: u32,
    pub rounds: u32,
    pub rounds_max: u32,
    pub spec: Option<SpecView>,
    pub branch: Option<String>,
    pub verified: Option<Subject>,
    pub ended: Option<EndView>,
    pub failed_on: Option<String>,
    pub approved: Option<String>,
    pub parked: Option<String>,
}

/// A recorded spec; its text is in `ledger show --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpecView {
    /// Its SHA-256.
    pub digest: String,
    /// How long it is.
    pub bytes: usize,
}

/// How the last dispatch ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndView {
    /// One word.
    pub cause: String,
    /// A sentence.
    pub says: String,
    /// When.
    pub at: Timestamp,
}

/// A dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields of the fold, by their names there")]
pub struct DispatchView {
    pub id: String,
    pub skill: SkillName,
    pub profile: String,
    pub round: u32,
    pub attempt: u32,
    pub phase: String,
    pub opened_at: Timestamp,
    /// `labelled`, `tried` or `due`.
    pub basis: String,
    /// By whom, or when.
    pub rests_on: String,
    pub prepared: bool,
    pub base: Option<Subject>,
    pub pane: Option<Pane>,
    pub stalled: Option<StallView>,
    pub asked: Option<String>,
    pub deliveries: Vec<DeliveryView>,
    pub report: Option<ReportView>,
    /// What gates found, newest last.
    pub evidence: Vec<Evidence>,
    /// The gate that runs.
    pub running: Option<String>,
    /// Gates without a result.
    pub unmeasured: Vec<GateName>,
}

/// What stops a dispatch for the moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StallView {
    /// Why.
    pub why: String,
    /// When it is tried again.
    pub until: Timestamp,
}

/// One text for the session; the text itself is in `ledger show --json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryView {
    /// Its id.
    pub id: String,
    /// `brief`, `nudge`, `answer` or `stop`.
    pub purpose: String,
    /// How far it is.
    pub step: String,
    /// Since when.
    pub since: Timestamp,
}

/// What the agent said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReportView {
    /// Its verb, in words.
    pub said: String,
    /// HEAD of the folder it was said in.
    pub head: Option<Subject>,
    /// When.
    pub at: Timestamp,
    /// Whether its origin is proven: verdict and approval count only then.
    pub proven: bool,
}

/// The window that the dispatch has, or would have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowView {
    /// `agent` or `check`.
    pub window: Window,
    /// What its agent is doing, in words; why there is none, when there is none.
    pub state: String,
    /// How long it has been idle, in words.
    pub idle: Option<String>,
    /// What was sampled; absent when there is no agent.
    pub sample: Option<PaneSample>,
}

/// One event.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// Its number.
    pub seq: u64,
    /// When it was written.
    pub at: Timestamp,
    /// What happened.
    pub says: String,
}

impl About {
    /// Reads what a person names: an issue's number, with or without `#`, or the skill of a schedule.
    pub fn parse(text: &str) -> Self {
        match text.strip_prefix('#').unwrap_or(text).parse() {
            Ok(number) => Self::Issue(IssueNumber(number)),
            Err(_) => Self::Schedule(SkillName::new(text)),
        }
    }
}

/// Puts an explanation together.
pub fn explain(story: &Story) -> Explanation {
    let Story {
        rules,
        state,
        report,
        sight,
        about,
        ..
    } = *story;
    let (says, issue, schedule) = match about {
        About::Issue(number) => {
            let row = snapshot::row(rules, state, report, sight, *number);
            let closed = sight.head(*number).is_some_and(|head| !head.open);
            let says = answer(&row, known(story, *number), closed);
            (says, Some(row), None)
        }
        About::Schedule(skill) => {
            let row = scheduled::one(rules, state, sight, skill);
            (stands(&row.standing), None, Some(row))
        }
    };
    let dispatch = current(state, about);
    let window = dispatch.map_or(Window::AGENT, |dispatch| dispatch.opening.window);
    let earlier = story.events.len().saturating_sub(EVENTS_MAX);
    Explanation {
        project: rules.project.name.to_string(),
        says,
        issue,
        schedule,
        as_of: as_of(report, sight),
        walk: match about {
            About::Issue(number) => state.walks.get(number).map(|walk| walked(rules, walk)),
            About::Schedule(_) => None,
        },
        dispatch: dispatch.map(|dispatch| dispatched(state, dispatch)),
        window: sight.live().map(|seen| looked(window, seen)),
        earlier,
        events: story.events[earlier..].iter().map(happened).collect(),
    }
}

fn known(story: &Story, issue: IssueNumber) -> bool {
    let state = story.state;
    story.report.standing.contains_key(&issue)
        || state.holds.contains_key(&issue)
        || state.walks.contains_key(&issue)
        || state.open_dispatch(issue).is_some()
        || story.sight.head(issue).is_some()
}

/// `held: tree-dirty. src/app.ts changed, not by us. Hint: commit or stash them`
fn answer(row: &IssueRow, known: bool, closed: bool) -> String {
    if !known {
        return "not seen: no open issue of that number, and nothing of it in the ledger"
            .to_owned();
    }
    if row.standing.word == "next" && closed {
        return "closed: nothing is started for it".to_owned();
    }
    if row.standing.word == "next" && row.stage.is_none() {
        return "not in the workflow: it has no routing label".to_owned();
    }
    stands(&row.standing)
}

fn stands(standing: &Standing) -> String {
    let says = one_line(&standing.says, SENTENCE_CHARS_MAX);
    let line = match standing.word.as_str() {
        "in-hand" => format!("in hand: {says}"),
        word @ ("next" | "later") => format!("{word}: {says}"),
        word => format!("held: {word}. {says}"),
    };
    match &standing.hint {
        Some(hint) => format!("{line}. Hint: {hint}"),
        None => line,
    }
}

fn as_of(report: &CycleReport, sight: Sight<'_>) -> AsOf {
    let remembered = sight.remembered();
    AsOf {
        cycle_at: report.at,
        did: report.did.clone(),
        read_at: remembered.map(|remembered| remembered.at),
        read_ago: remembered.map(super::Remembered::age),
    }
}

/// The open dispatch, or the last one that is not yet cleared away.
fn current<'a>(state: &'a State, about: &About) -> Option<&'a Dispatch> {
    let is_its = |dispatch: &&Dispatch| match about {
        About::Issue(number) => dispatch.issue() == Some(*number),
        About::Schedule(skill) => {
            let due = matches!(dispatch.opening.errand(), Some(Errand::Due { .. }));
            due && dispatch.opening.stage.skill == *skill
        }
    };
    let mine = || state.dispatches.values().filter(is_its);
    mine()
        .find(|dispatch| dispatch.is_open())
        .or_else(|| mine().max_by_key(|dispatch| dispatch.opened_at))
}

fn walked(rules: &Rules, walk: &Walk) -> WalkView {
    let limits = &rules.workflow.limits;
    WalkView {
        approval: walk.approval.clone(),
        attempts: walk.attempts,
        attempts_max: limits.attempts,
        rounds: walk.rounds,
        rounds_max: limits.rounds,
        spec: walk.spec.as_ref().map(|spec| SpecView {
            digest: spec.digest.clone(),
            bytes: spec.text.len(),
        }),
        branch: walk.branch.clone(),
        verified: walk.subject.clone(),
        ended: walk.ended.as_ref().map(|(cause, at)| EndView {
            cause: cause.word().to_owned(),
            says: timeline::closed(cause),
            at: *at,
        }),
        failed_on: walk.failed_on.clone(),
        approved: walk.approved.clone(),
        parked: walk.parked.clone(),
    }
}

fn dispatched(state: &State, dispatch: &Dispatch) -> DispatchView {
    let opening = &dispatch.opening;
    let (basis, rests_on) = match &opening.basis {
        Basis::Labelling { labelling, .. } => (
            "labelled",
            format!("by {}, event {}", labelling.by.login, labelling.event),
        ),
        Basis::Errand(Errand::Trial { by, .. }) => ("tried", format!("by {by}; no label moves")),
        Basis::Errand(Errand::Due { at, .. }) => ("due", format!("{at:.0}")),
        Basis::Errand(Errand::Check { by }) => ("rehearsed", format!("for {by}; no label moves")),
        Basis::Errand(Errand::Said { by, .. }) => ("said", format!("by {by}")),
    };
    let deliveries = dispatch.deliveries.iter();
    let unmeasured = opening.stage.needs.iter().filter(|gate| {
        let measured = dispatch.evidence.iter().any(|row| row.gate == **gate);
        !measured && dispatch.running.as_deref() != Some(gate.as_str())
    });
    DispatchView {
        id: opening.id.to_string(),
        skill: opening.stage.skill.clone(),
        profile: opening.profile.to_string(),
        round: opening.round,
        attempt: opening.attempt,
        phase: words::phase(&dispatch.phase).to_owned(),
        opened_at: dispatch.opened_at,
        basis: basis.to_owned(),
        rests_on,
        prepared: dispatch.prepared,
        base: dispatch.base.clone(),
        pane: dispatch.pane.clone(),
        stalled: dispatch.stalled.as_ref().map(|stall| StallView {
            why: stall.why.clone(),
            until: stall.until,
        }),
        asked: dispatch.asked.as_ref().map(|asked| asked.text.clone()),
        deliveries: deliveries
            .filter_map(|id| state.deliveries.get(id))
            .map(delivered)
            .collect(),
        report: dispatch.report.as_ref().map(reported),
        evidence: dispatch.evidence.clone(),
        running: dispatch.running.clone(),
        unmeasured: unmeasured.cloned().collect(),
    }
}

fn delivered(delivery: &Delivery) -> DeliveryView {
    DeliveryView {
        id: delivery.id.to_string(),
        purpose: words::purpose(delivery.purpose).to_owned(),
        step: words::step(&delivery.step),
        since: delivery.since,
    }
}

fn reported(report: &Report) -> ReportView {
    ReportView {
        said: words::verb(report.verb).to_owned(),
        head: report.head.clone(),
        at: report.at,
        proven: report.proven,
    }
}

fn looked(window: Window, seen: &Observation) -> WindowView {
    if let Some(sample) = seen.panes.get(&window) {
        let since = words::agent_since(&sample.state);
        return WindowView {
            window,
            state: words::agent(&sample.state).to_owned(),
            idle: since.map(|since| words::age(since, seen.at)),
            sample: Some(sample.clone()),
        };
    }
    let no_agent = seen.no_agent.get(&window);
    WindowView {
        window,
        state: no_agent.map_or_else(|| "no such window was seen".to_owned(), ToString::to_string),
        idle: None,
        sample: None,
    }
}

fn happened(told: &Told) -> EventView {
    EventView {
        seq: told.seq,
        at: told.at,
        says: timeline::sentence(told.event),
    }
}
