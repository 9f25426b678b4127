//! The one read model: what every surface renders, and what `status --json` prints.
//!
//! Built from the fold, the last cycle's report, the last observation and the rules; from nothing else, so that two surfaces
//! never disagree.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::scheduled::{self, ScheduleRow};
use super::sight::Sight;
use super::standing::{blockers, hold, standing};
use super::words;
use crate::domain::{
    AccountLimit, Build, Cause, Dispatch, Head, Hold, IssueNumber, Label, Observation, PaneSample,
    ProjectName, Rules, SessionChoice, TrackerChoice, Window,
};
use crate::machine::dispatch::recovery;
use crate::machine::engine::CycleReport;
use crate::machine::labels::trust;
use crate::machine::starting::dependencies;
use crate::machine::starting::starved::Starved;
use crate::machine::state::{State, Walk};
use crate::machine::text::markdown;
use crate::machine::text::one_line;

/// What stands in a project's place where something concerns an account; no project can be called so, or both would undo each other's
/// calls.
pub const ACCOUNTS: &str = "(accounts)";
/// A tracker that does not answer is no matter before that.
const GAP_PATIENCE: SignedDuration = SignedDuration::from_mins(10);
/// Issues of ready work that are named; the rest is counted.
const STARVED_NAMED_MAX: usize = 5;
/// Characters of a title.
const TITLE_CHARS_MAX: usize = 120;
/// Characters of a goal line.
const GOAL_CHARS_MAX: usize = 160;

/// Everything that is known at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The moment.
    pub at: Timestamp,
    /// The daemon's version.
    pub version: String,
    /// Every project, by name.
    pub projects: Vec<ProjectView>,
    /// What a person has to look at, most urgent project first as they come.
    pub attention: Vec<Attention>,
    /// Between two cycles, as configured; 0 where nobody said.
    #[serde(default)]
    pub cycle_seconds: u64,
}

/// One project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProjectView {
    /// Its name.
    pub name: String,
    /// `me/blog`, or `local`.
    pub tracker: String,
    /// Where it lies.
    pub path: String,
    /// The tmux session, or the adopted pane.
    pub session: String,
    /// Who paused it.
    pub paused: Option<String>,
    /// The agents, one per window.
    pub agents: Vec<AgentView>,
    /// The branch the agent's tree is on, as far as a dispatch put it there.
    pub branch: Option<String>,
    /// The build command, or `none`.
    pub build: String,
    /// Issues in the workflow: in hand first, then as they stand.
    pub rows: Vec<IssueRow>,
    /// What is due by the clock, as far as somebody looks.
    #[serde(default)]
    pub schedules: Vec<ScheduleRow>,
    /// What the last cycle did.
    pub did: Option<String>,
    /// When it ended.
    pub cycle_at: Option<Timestamp>,
    /// Why the tracker's state cannot be trusted, and since when.
    pub gap: Option<Gap>,
    /// Without a daemon: when the tracker was as it is shown here.
    #[serde(default)]
    pub remembered: Option<Timestamp>,
    /// Accounts whose allowance is used up, over all projects.
    #[serde(default)]
    pub limits: Vec<AccountLimit>,
    /// Ready work that nothing was dispatched of for hours.
    #[serde(default)]
    pub starved: Option<StarvedView>,
    /// Why the ledger takes nothing.
    #[serde(default)]
    pub unwritten: Option<String>,
}

/// Ready work without a dispatch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StarvedView {
    /// Whole hours that were watched.
    pub hours: i64,
    /// What each issue waits for, as a stable word.
    pub issues: BTreeMap<IssueNumber, String>,
}

/// A tracker that does not answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Why.
    pub why: String,
    /// When it was last read well.
    pub since: Timestamp,
}

impl Gap {
    /// Returns whether it is more than a moment's: most come back by themselves.
    pub fn lasts(&self, now: Timestamp) -> bool {
        now.duration_since(self.since) >= GAP_PATIENCE
    }
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentView {
    /// `agent` or `check`.
    pub window: Window,
    /// What it is doing, in words.
    pub state: String,
    /// The issue that it has, where several agents share the project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issue: Option<IssueNumber>,
    /// Since when, if that is known.
    pub since: Option<Timestamp>,
    /// What shows it.
    pub because: String,
    /// Whether it wants a person.
    pub asks: bool,
    /// What that person does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// Its version, if its profile was not measured with it.
    #[serde(default)]
    pub other_version: Option<String>,
}

/// One issue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IssueRow {
    /// Its number.
    pub number: IssueNumber,
    /// Untrusted, made fit for one line.
    pub title: String,
    /// Where a person reads it, if it was seen.
    pub url: Option<String>,
    /// Where its open pull request is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pull: Option<String>,
    /// Its stage's label; `None` if it has none or several.
    pub stage: Option<Label>,
    /// Why it waits, or how far it is.
    pub standing: Standing,
    /// The open dispatch.
    pub dispatch: Option<String>,
    /// Its phase: delivering, working or judging.
    pub phase: Option<String>,
    /// 1 for the first dispatch of a labelling.
    pub attempt: u32,
    /// 1 for the first.
    pub round: u32,
    /// Since when it stands so, if that is known.
    pub since: Option<Timestamp>,
    /// What it is about, in one line: the spec's decision, or what its stage does.
    pub goal: String,
    /// When anything about it last changed.
    pub changed: Option<Timestamp>,
    /// What it waits for, each as people write it: `#9`, `me/api#4`; what the tracker only counts, as its number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blockers: Vec<String>,
}

/// Where an issue stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// The stable word: a hold's, or `next`.
    pub word: String,
    /// The reason as a sentence.
    pub says: String,
    /// What a person can do, if it does not end by itself.
    pub hint: Option<String>,
    /// Whether it waits for a person.
    pub yours: bool,
}

/// Something that a person has to look at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attention {
    /// In which project.
    pub project: String,
    /// About which issue, if it is about one.
    pub issue: Option<IssueNumber>,
    /// The stable word for what is the matter: a hold's, `tracker`, `window`, `configuration` or `not-running`.
    #[serde(default)]
    pub kind: String,
    /// Where a person reads the issue, if it was seen.
    #[serde(default)]
    pub url: Option<String>,
    /// What is the matter.
    pub says: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Snapshot {
    /// Puts the projects together; what needs a person is collected from them.
    pub fn new(at: Timestamp, version: impl Into<String>, projects: Vec<ProjectView>) -> Self {
        let mut attention: Vec<Attention> =
            projects.iter().flat_map(ProjectView::attention).collect();
        // Every project saw the same ones: one of them tells.
        let limits = projects.iter().map(|project| &project.limits);
        let limits = limits.max_by_key(|limits| limits.len());
        attention.extend(limits.into_iter().flat_map(|limits| account_limits(limits)));
        Self {
            at,
            version: version.into(),
            projects,
            attention,
            cycle_seconds: 0,
        }
    }
}

impl ProjectView {
    /// Builds one project's view.
    pub fn new(rules: &Rules, state: &State, report: &CycleReport, sight: Sight<'_>) -> Self {
        let project = &rules.project;
        let tracker = match &project.tracker {
            TrackerChoice::GitHub { owner, repo } => format!("{owner}/{repo}"),
            TrackerChoice::Local => "local".to_owned(),
        };
        let session = match &project.session {
            SessionChoice::Managed => project.name.to_string(),
            SessionChoice::Adopted { socket, target } => format!("{socket}:{target}"),
        };
        let build = match &project.build {
            Build::Command(command) => command.clone(),
            Build::None => "none".to_owned(),
        };
        let gap = sight.live().and_then(|seen| seen.gap.clone());
        Self {
            name: project.name.to_string(),
            tracker,
            path: project.path.display().to_string(),
            session,
            paused: state.paused.clone(),
            agents: agents(rules, state, sight.live()),
            branch: state
                .in_window(Window::AGENT)
                .filter(|_| project.sessions == 1)
                .and_then(|dispatch| dispatch.opening.branch.clone()),
            build,
            rows: rows(rules, state, report, sight),
            schedules: sight
                .live()
                .map(|seen| scheduled::rows(rules, state, seen))
                .unwrap_or_default(),
            did: report.did.clone(),
            cycle_at: report.at,
            gap: gap.map(|(why, since)| Gap { why, since }),
            remembered: sight.remembered().map(|remembered| remembered.at),
            limits: sight
                .live()
                .map(|seen| seen.limits.clone())
                .unwrap_or_default(),
            starved: report
                .starved
                .as_ref()
                .filter(|starved| starved.is_due())
                .map(starved),
            unwritten: report.unwritten.clone(),
        }
    }

    /// Collects what a person has to look at.
    pub fn attention(&self) -> Vec<Attention> {
        let about = |kind: &str, says: String, hint: Option<String>| Attention {
            project: self.name.clone(),
            issue: None,
            kind: kind.to_owned(),
            url: None,
            says,
            hint,
        };
        let mut found = Vec::new();
        if let Some(why) = &self.unwritten {
            let says = format!("the ledger takes nothing, so nothing is done: {why}");
            let hint = "see whether the disk is full; it goes on by itself".to_owned();
            found.push(about("ledger", says, Some(hint)));
        }
        if let Some(starved) = &self.starved {
            let first = starved.issues.keys().next().map_or(0, |issue| issue.0);
            let hint = format!("pointsman explain {first} --project {}", self.name);
            found.push(about("no-dispatch", says(starved), Some(hint)));
        }
        if let Some(gap) = &self.gap {
            let says = format!(
                "the tracker is not known since {:.0}: {}",
                gap.since, gap.why
            );
            found.push(about("tracker", says, None));
        }
        for agent in self.agents.iter().filter(|agent| agent.asks) {
            let says = format!("the window `{}` {}", agent.window.as_str(), agent.state);
            found.push(about("window", says, agent.hint.clone()));
        }
        // One matter for all windows: it is the same program.
        let mut agents = self.agents.iter();
        if let Some(version) = agents.find_map(|agent| agent.other_version.as_ref()) {
            let says = format!("its agent is {version}: it is believed more slowly");
            let hint = format!(
                "if `pointsman agent check {}` ends well, widen `versions` in a copy of the profile",
                self.name
            );
            found.push(about("version", says, Some(hint)));
        }
        for row in self.rows.iter().filter(|row| row.standing.yours) {
            let standing = &row.standing;
            found.push(Attention {
                issue: Some(row.number),
                url: row.url.clone(),
                ..about(&standing.word, standing.says.clone(), standing.hint.clone())
            });
        }
        found
    }
}

fn starved(starved: &Starved) -> StarvedView {
    let issues = starved.issues.iter();
    StarvedView {
        hours: starved.watched.as_hours(),
        issues: issues
            .map(|(issue, word)| (*issue, (*word).to_owned()))
            .collect(),
    }
}

fn says(starved: &StarvedView) -> String {
    let named = starved.issues.iter().take(STARVED_NAMED_MAX);
    let mut named: Vec<String> = named
        .map(|(issue, word)| format!("{issue} ({word})"))
        .collect();
    if starved.issues.len() > STARVED_NAMED_MAX {
        named.push(format!(
            "and {} more",
            starved.issues.len() - STARVED_NAMED_MAX
        ));
    }
    format!(
        "nothing was dispatched for {} h although there is work: {}",
        starved.hours,
        named.join(", ")
    )
}

/// What is told of limits: one matter an account, however many projects share it.
pub fn account_limits(limits: &[AccountLimit]) -> Vec<Attention> {
    let matter = |limit: &AccountLimit| {
        let until = limit
            .until
            .map_or_else(String::new, |until| format!(" until {until:.0}"));
        let names: Vec<&str> = limit.projects.iter().map(ProjectName::as_str).collect();
        Attention {
            project: ACCOUNTS.to_owned(),
            issue: None,
            kind: "limit".to_owned(),
            url: None,
            says: format!(
                "{} is at its limit{until}: {} wait",
                limit.account,
                names.join(", ")
            ),
            hint: Some("it ends by itself".to_owned()),
        }
    };
    limits.iter().map(matter).collect()
}

fn agents(rules: &Rules, state: &State, seen: Option<&Observation>) -> Vec<AgentView> {
    let Some(seen) = seen else {
        return Vec::new();
    };
    let has = |window: Window| {
        let own = state.in_window(window);
        own.filter(|_| rules.project.sessions > 1)?.issue()
    };
    let view = |window: Window, sample: &PaneSample| {
        let wanted = &sample.state.attention;
        // While it is told to go on by itself, nobody has to come.
        let asks = wanted.wants_somebody() && !recovery::is_hoped_for(state, rules, window, sample);
        AgentView {
            window,
            state: words::agent_asks(&sample.state),
            issue: has(window),
            since: words::agent_since(&sample.state),
            because: sample.state.because.clone(),
            asks,
            hint: asks.then(|| words::agent_ends(wanted, &rules.project.name, window)),
            other_version: sample.other_version.clone(),
        }
    };
    let panes = seen.panes.iter();
    let mut found: Vec<AgentView> = panes.map(|(window, it)| view(*window, it)).collect();
    let missing = rules.project.agents();
    for window in missing.filter(|window| !seen.panes.contains_key(window)) {
        let because = seen
            .no_agent
            .get(&window)
            .map_or_else(|| "no such window was seen".to_owned(), Hold::to_string);
        found.push(AgentView {
            window,
            state: "not there".to_owned(),
            issue: has(window),
            since: None,
            because,
            asks: false,
            hint: None,
            other_version: None,
        });
    }
    found.sort_by_key(|agent| agent.window);
    found
}

/// Every issue that is routed, or that something of ours is open for.
fn rows(rules: &Rules, state: &State, report: &CycleReport, sight: Sight<'_>) -> Vec<IssueRow> {
    let open = state
        .dispatches
        .values()
        .filter(|dispatch| dispatch.is_open())
        .filter_map(Dispatch::issue);
    let mut numbers: BTreeSet<IssueNumber> = open.collect();
    match report.at {
        Some(_) => numbers.extend(report.standing.keys()),
        None => numbers.extend(state.holds.keys()),
    }
    numbers.extend(state.transitions.keys());
    numbers.extend(state.parks.keys());
    if let Some(heads) = sight.heads() {
        let routed = |head: &&Head| head.open && !routing(rules, head).is_empty();
        numbers.extend(heads.values().filter(routed).map(|head| head.number));
    }
    let mut rows: Vec<IssueRow> = numbers
        .into_iter()
        .map(|number| row(rules, state, report, sight, number))
        .collect();
    rows.sort_by_key(|row| (row.dispatch.is_none(), row.number));
    rows
}

fn routing<'a>(rules: &'a Rules, head: &Head) -> Vec<&'a Label> {
    rules
        .workflow
        .stages
        .iter()
        .map(|stage| &stage.label)
        .filter(|label| head.labels.contains(label))
        .collect()
}

/// Builds one issue's row.
pub(super) fn row(
    rules: &Rules,
    state: &State,
    report: &CycleReport,
    sight: Sight<'_>,
    number: IssueNumber,
) -> IssueRow {
    let dispatch = state.open_dispatch(number);
    let walk = state.walks.get(&number);
    let head = sight.head(number);
    // Without a cycle the ledger's word may be older than the labels: what they say for themselves is said.
    let by_labels = head
        .filter(|head| report.at.is_none() && head.open)
        .and_then(|head| trust::refused_by_labels(head, &rules.workflow));
    let hold = hold(state, report, number).or(by_labels);
    let labels = head.map_or_else(Vec::new, |head| routing(rules, head));
    // What it waits for is so whatever else stands in front of it: a pause, the hours, a tracker that does not answer.
    let waits = head
        .filter(|head| head.open && dispatch.is_none() && !labels.is_empty())
        .and_then(|head| dependencies::hold(head, sight.live()?));
    let labelled = (labels.len() == 1).then(|| labels[0].clone());
    let due = dispatch
        .map(|dispatch| dispatch.opening.stage.label.clone())
        .or(labelled);
    let title = head.map(|head| head.title.as_str()).or_else(|| {
        dispatch
            .map(|dispatch| dispatch.opening.title.as_str())
            .or(walk.map(|walk| walk.title.as_str()))
    });
    let attempt = dispatch.map_or_else(
        || walk.map_or(0, |walk| walk.attempts),
        |dispatch| dispatch.opening.attempt,
    );
    let round = dispatch.map_or_else(
        || 1 + walk.map_or(0, |walk| walk.rounds),
        |dispatch| dispatch.opening.round,
    );
    IssueRow {
        number,
        title: one_line(title.unwrap_or_default(), TITLE_CHARS_MAX),
        url: head.map(|head| head.url.clone()),
        pull: walk
            .and_then(|walk| walk.pull.as_ref())
            .filter(|kept| kept.stands())
            .map(|kept| kept.pull.url.clone()),
        goal: goal(rules, walk, due.as_ref()),
        stage: due,
        standing: standing(&rules.project.name, hold.as_ref()),
        dispatch: dispatch.map(|dispatch| dispatch.id().to_string()),
        phase: dispatch.map(|dispatch| words::phase(&dispatch.phase).to_owned()),
        attempt,
        round,
        since: since(dispatch, walk, hold.as_ref()),
        changed: changed(state, dispatch, walk).or(head.map(|head| head.updated_at)),
        blockers: waits
            .as_ref()
            .or(hold.as_ref())
            .map_or_else(Vec::new, blockers),
    }
}

fn goal(rules: &Rules, walk: Option<&Walk>, stage: Option<&Label>) -> String {
    let decided = walk
        .and_then(|walk| walk.spec.as_ref())
        .and_then(|spec| markdown::section(&spec.text, "Decision"))
        .and_then(|section| {
            let said = section.body.lines().find(|line| !line.trim().is_empty());
            said.map(|line| one_line(line, GOAL_CHARS_MAX))
        });
    let does = stage
        .and_then(|label| rules.workflow.stage(label))
        .map(|stage| one_line(&stage.description, GOAL_CHARS_MAX));
    decided.or(does).unwrap_or_default()
}

fn since(
    dispatch: Option<&Dispatch>,
    walk: Option<&Walk>,
    hold: Option<&Hold>,
) -> Option<Timestamp> {
    if let Some(dispatch) = dispatch {
        return Some(dispatch.confirmed_at.unwrap_or(dispatch.opened_at));
    }
    match hold {
        Some(Hold::Tracker { since, .. }) => Some(*since),
        Some(Hold::Unattributed { since, .. }) => *since,
        Some(
            Hold::Yours { .. } | Hold::Parked { .. } | Hold::BackOff { .. } | Hold::Spent { .. },
        ) => walk.and_then(|walk| walk.ended.as_ref()).map(|(_, at)| *at),
        _ => None,
    }
}

fn changed(state: &State, dispatch: Option<&Dispatch>, walk: Option<&Walk>) -> Option<Timestamp> {
    let ended = walk
        .and_then(|walk| walk.ended.as_ref())
        .map(|(_, at): &(Cause, Timestamp)| *at);
    let Some(dispatch) = dispatch else {
        return ended;
    };
    let delivered = state.last_delivery(dispatch).map(|last| last.since);
    let reported = dispatch.report.as_ref().map(|report| report.at);
    let measured = dispatch.evidence.last().map(|row| row.at);
    [
        ended,
        delivered,
        reported,
        measured,
        dispatch.confirmed_at,
        Some(dispatch.opened_at),
    ]
    .into_iter()
    .flatten()
    .max()
}
