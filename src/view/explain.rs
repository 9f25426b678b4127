//! `pointsman explain <n>`: why an issue stands where it stands, with the witnesses, from the same values the decision used.

use std::fmt::Write as _;

use jiff::Timestamp;

use super::sight::Sight;
use super::snapshot::{self, IssueRow};
use super::timeline::{self, Told};
use super::words;
use crate::domain::{
    Basis, Delivery, Dispatch, Errand, Evidence, IssueNumber, Observation, PaneSample, Report,
    Rules, Window,
};
use crate::machine::engine::CycleReport;
use crate::machine::state::{State, Walk};
use crate::machine::text::one_line;

/// Events that are told.
pub const EVENTS_MAX: usize = 15;
/// Characters of a sentence.
const SENTENCE_CHARS_MAX: usize = 400;

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
    /// Which issue.
    pub issue: IssueNumber,
    /// Its events, oldest first; the last ones are told.
    pub events: &'a [Told<'a>],
}

/// Writes the explanation: the standing first, then what it rests on, then what happened.
pub fn explain(story: &Story) -> String {
    let Story {
        rules,
        state,
        report,
        sight,
        issue,
        ..
    } = *story;
    let row = snapshot::row(rules, state, report, sight, issue);
    let closed = sight.head(issue).is_some_and(|head| !head.open);
    let mut text = first_line(&row, known(story), closed);
    let stage = row
        .stage
        .as_ref()
        .map_or("no stage", |label| label.as_str());
    let title = match row.title.as_str() {
        "" => String::new(),
        title => format!(" \"{title}\""),
    };
    let _ = write!(text, "\n\n{issue}{title}, {stage}\n");
    if let Some(url) = &row.url {
        let _ = writeln!(text, "{}", one_line(url, SENTENCE_CHARS_MAX));
    }
    text.push_str(&as_of(report, sight));
    if let Some(walk) = state.walks.get(&issue) {
        explain_walk(&mut text, rules, walk);
    }
    let dispatch = current(state, issue);
    if let Some(dispatch) = dispatch {
        explain_dispatch(&mut text, state, dispatch);
        explain_evidence(&mut text, dispatch);
    }
    let window = dispatch.map_or(Window::Agent, |dispatch| dispatch.opening.window);
    explain_pane(&mut text, window, sight.live());
    explain_events(&mut text, story.events);
    text
}

fn known(story: &Story) -> bool {
    let Story { state, issue, .. } = story;
    story.report.standing.contains_key(issue)
        || state.holds.contains_key(issue)
        || state.walks.contains_key(issue)
        || state.open_dispatch(*issue).is_some()
        || story.sight.head(*issue).is_some()
}

/// Says what moment this is the truth of.
fn as_of(report: &CycleReport, sight: Sight<'_>) -> String {
    match (report.at, sight) {
        (Some(at), _) => {
            let did = report.did.as_deref().unwrap_or("nothing to start");
            format!("last cycle {at}: {did}\n")
        }
        (None, Sight::Remembered(remembered)) => format!(
            "as the ledger knows it; the tracker was read {} ago, at {}\n",
            remembered.age(),
            remembered.at
        ),
        (None, _) => "no cycle yet: this is what the ledger alone says\n".to_owned(),
    }
}

/// `held: tree-dirty. src/app.ts changed, not by us. Hint: commit or stash them`
fn first_line(row: &IssueRow, known: bool, closed: bool) -> String {
    if !known {
        return "not seen: no open issue of that number, and nothing of it in the ledger"
            .to_owned();
    }
    let standing = &row.standing;
    if standing.word == "next" && closed {
        return "closed: nothing is started for it".to_owned();
    }
    if standing.word == "next" && row.stage.is_none() {
        return "not in the workflow: it has no routing label".to_owned();
    }
    let says = one_line(&standing.says, SENTENCE_CHARS_MAX);
    let mut line = match standing.word.as_str() {
        "in-hand" => format!("in hand: {says}"),
        "next" => format!("next: {says}"),
        word => format!("held: {word}. {says}"),
    };
    if let Some(hint) = &standing.hint {
        let _ = write!(line, ". Hint: {hint}");
    }
    line
}

/// The open dispatch, or the last one that is not yet cleared away.
fn current(state: &State, issue: IssueNumber) -> Option<&Dispatch> {
    state.open_dispatch(issue).or_else(|| {
        state
            .dispatches
            .values()
            .filter(|dispatch| dispatch.issue() == Some(issue))
            .max_by_key(|dispatch| dispatch.opened_at)
    })
}

fn entry(text: &mut String, name: &str, value: &str) {
    let _ = writeln!(text, "  {}  {value}", words::pad(name, 9));
}

fn explain_walk(text: &mut String, rules: &Rules, walk: &Walk) {
    text.push_str("\nwalk\n");
    let limits = &rules.workflow.limits;
    if let Some(approval) = &walk.approval {
        let said = format!(
            "{} ({}) at {}, text {}",
            approval.by.login,
            approval.by.id,
            approval.at,
            timeline::digest(&approval.text)
        );
        entry(text, "approval", &said);
    }
    entry(
        text,
        "attempts",
        &format!(
            "{} of {} for this labelling",
            walk.attempts, limits.attempts
        ),
    );
    entry(
        text,
        "rounds",
        &format!("{} of {} back for rework", walk.rounds, limits.rounds),
    );
    if let Some(spec) = &walk.spec {
        let said = format!(
            "{}, {} bytes",
            timeline::digest(&spec.digest),
            spec.text.len()
        );
        entry(text, "spec", &said);
    }
    if let Some(branch) = &walk.branch {
        entry(text, "branch", branch);
    }
    if let Some(subject) = &walk.subject {
        entry(text, "verified", subject.as_str());
    }
    if let Some((cause, at)) = &walk.ended {
        entry(
            text,
            "ended",
            &format!("{} at {at}", timeline::closed(cause)),
        );
    }
    if let Some(failed_on) = &walk.failed_on {
        entry(text, "failed on", &one_line(failed_on, SENTENCE_CHARS_MAX));
    }
    if let Some(by) = &walk.approved {
        entry(text, "approve", &format!("said by {by}"));
    }
    if let Some(why) = &walk.parked {
        entry(text, "parked", &one_line(why, SENTENCE_CHARS_MAX));
    }
}

fn explain_dispatch(text: &mut String, state: &State, dispatch: &Dispatch) {
    let opening = &dispatch.opening;
    let _ = write!(
        text,
        "\ndispatch {}: {} by {}, round {}, attempt {}\n",
        opening.id, opening.stage.skill, opening.profile, opening.round, opening.attempt
    );
    entry(text, "phase", words::phase(&dispatch.phase));
    entry(text, "opened", &dispatch.opened_at.to_string());
    match &opening.basis {
        Basis::Labelling { labelling, .. } => {
            let said = format!("by {}, event {}", labelling.by.login, labelling.event);
            entry(text, "labelled", &said);
        }
        Basis::Errand(Errand::Trial { by, .. }) => {
            entry(text, "tried", &format!("by {by}; no label moves"));
        }
        Basis::Errand(Errand::Due { at, .. }) => entry(text, "due", &at.to_string()),
        Basis::Errand(Errand::Check { by }) => {
            entry(text, "rehearsed", &format!("for {by}; no label moves"));
        }
        Basis::Errand(Errand::Said { by, .. }) => entry(text, "said", &format!("by {by}")),
    }
    let prepared = match (&dispatch.base, dispatch.prepared) {
        (Some(base), true) => format!("prepared at {base}"),
        (None, true) => "prepared".to_owned(),
        (_, false) => "to be prepared".to_owned(),
    };
    entry(text, "tree", &prepared);
    if let Some(pane) = &dispatch.pane {
        entry(
            text,
            "pane",
            &format!("{} pid {} of server {}", pane.id, pane.pid, pane.generation),
        );
    }
    if let Some((why, until)) = &dispatch.stalled {
        let said = format!("until {until}: {}", one_line(why, SENTENCE_CHARS_MAX));
        entry(text, "stalled", &said);
    }
    if let Some(question) = &dispatch.asked {
        entry(text, "asked", &one_line(&question.text, SENTENCE_CHARS_MAX));
    }
    let deliveries = dispatch
        .deliveries
        .iter()
        .filter_map(|id| state.deliveries.get(id));
    for delivery in deliveries {
        entry(text, "delivery", &delivered(delivery));
    }
}

fn delivered(delivery: &Delivery) -> String {
    let step = one_line(&words::step(&delivery.step), SENTENCE_CHARS_MAX);
    format!(
        "{} ({}): {step}, since {}",
        delivery.id,
        words::purpose(delivery.purpose),
        delivery.since
    )
}

fn explain_evidence(text: &mut String, dispatch: &Dispatch) {
    let Some(report) = &dispatch.report else {
        return;
    };
    let _ = write!(text, "\nevidence: {}\n", reported(report));
    for row in &dispatch.evidence {
        let _ = writeln!(text, "  {}", measured(row));
    }
    if let Some(gate) = &dispatch.running {
        let _ = writeln!(text, "  ...   {gate}: running");
    }
    let untold = dispatch.opening.stage.needs.iter().filter(|gate| {
        let measured = dispatch.evidence.iter().any(|row| row.gate == **gate);
        !measured && dispatch.running.as_deref() != Some(gate.as_str())
    });
    for gate in untold {
        let _ = writeln!(text, "  -     {gate}: not measured yet");
    }
}

fn reported(report: &Report) -> String {
    let head = report
        .head
        .as_ref()
        .map_or_else(String::new, |head| format!(" at {}", head.short()));
    let origin = if report.proven {
        "origin proven"
    } else {
        "origin not proven: verdict and approval do not count"
    };
    format!(
        "the agent said {}{head}, {} ({origin})",
        words::verb(report.verb),
        report.at
    )
}

fn measured(row: &Evidence) -> String {
    let word = if row.holds { "holds" } else { "red  " };
    let subject = row
        .subject
        .as_ref()
        .map_or_else(String::new, |subject| format!(" @ {}", subject.short()));
    let log = row
        .log
        .as_ref()
        .map_or_else(String::new, |log| format!(" (log: {log})"));
    format!(
        "{word} {}{subject}: {}{log}",
        row.gate,
        one_line(&row.says, SENTENCE_CHARS_MAX)
    )
}

fn explain_pane(text: &mut String, window: Window, seen: Option<&Observation>) {
    let Some(seen) = seen else {
        return;
    };
    let _ = write!(text, "\nwindow {}\n", window.as_str());
    if let Some(sample) = seen.panes.get(&window) {
        explain_sample(text, sample, seen.at);
        return;
    }
    let no_agent = seen.no_agent.as_ref().filter(|_| window == Window::Agent);
    let why = no_agent.map_or_else(|| "no such window was seen".to_owned(), ToString::to_string);
    entry(text, "state", &one_line(&why, SENTENCE_CHARS_MAX));
}

fn explain_sample(text: &mut String, sample: &PaneSample, now: Timestamp) {
    let since = words::agent_since(&sample.state).map_or_else(String::new, |since| {
        format!(" for {}", words::age(since, now))
    });
    let takes = if sample.state.takes_text() {
        "takes text"
    } else {
        "takes no text"
    };
    let state = format!("{}{since}; {takes}", words::agent(&sample.state));
    entry(text, "state", &state);
    entry(
        text,
        "because",
        &one_line(&sample.state.because, SENTENCE_CHARS_MAX),
    );
    let kind = if sample.managed { "managed" } else { "adopted" };
    let pane = &sample.pane;
    entry(
        text,
        "pane",
        &format!(
            "{} pid {} of server {}, {kind}",
            pane.id, pane.pid, pane.generation
        ),
    );
    entry(text, "sampled", &sample.at.to_string());
    for (delivery, trace) in &sample.traces {
        entry(
            text,
            "trace",
            &format!("{delivery} {}", one_line(trace, 60)),
        );
    }
}

fn explain_events(text: &mut String, events: &[Told]) {
    if events.is_empty() {
        return;
    }
    let earlier = events.len().saturating_sub(EVENTS_MAX);
    text.push_str("\nwhat happened\n");
    if earlier > 0 {
        let _ = writeln!(text, "        {earlier} earlier: pointsman ledger show");
    }
    for told in &events[earlier..] {
        let _ = writeln!(text, "{}", timeline::line(told));
    }
}
