//! `pointsman ledger replay` and `report`: how it stood at an event, and what happened in a period.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::cli::{Failure, known, run, say};
use crate::config;
use crate::daemon::desk::surface::{self, Entry, Trail};
use crate::daemon::hands::{now, rules_of};
use crate::daemon::places::Places;
use crate::daemon::store;
use crate::domain::{Event, IssueNumber, ProjectName};
use crate::ledger::{Record, Records, Sqlite};
use crate::machine::state::State;
use crate::machine::text::count;
use crate::view::{About, Counter, Decisions, render_decisions, render_explanation, render_period};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReplayArgs {
    /// Stop after this event
    #[arg(long, value_name = "SEQ")]
    until: Option<u64>,
    /// Explain this issue as it stood then
    #[arg(long, value_name = "NUMBER")]
    issue: Option<u64>,
    /// Only this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct ReportArgs {
    /// How far back: `90m`, `24h`, `7d`
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = duration)]
    since: Duration,
    /// Only this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DecisionsArgs {
    /// Only those that no person approved
    #[arg(long)]
    unapproved: bool,
    /// Only this project
    #[arg(long, value_name = "NAME")]
    project: Option<String>,
    /// Print JSON, each decision whole
    #[arg(long)]
    json: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    config::duration(text)
        .ok()
        .filter(|duration| !duration.is_zero())
        .ok_or_else(|| "not a duration: give a number and a unit, `90m`, `24h`, `7d`".to_owned())
}

/// Folds every project's events anew, up to one of them or all.
pub(super) fn folds(
    store: &Sqlite,
    until: Option<u64>,
) -> Result<BTreeMap<String, State>, Failure> {
    let mut states: BTreeMap<String, State> = BTreeMap::new();
    each(store, until, |record| {
        store::fold(states.entry(record.stream.clone()).or_default(), record)
            .map_err(known::illegal)
    })?;
    Ok(states)
}

/// Goes through the records in their order, up to one of them or all.
fn each(
    store: &Sqlite,
    until: Option<u64>,
    mut work: impl FnMut(&Record) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for record in Records::after(store, 0) {
        let record = record.map_err(known::unreadable)?;
        if until.is_some_and(|until| record.seq > until) {
            return Ok(());
        }
        work(&record)?;
    }
    Ok(())
}

/// Says where the events lead: every project, or one issue as it stood.
pub(super) fn replay(places: &Places, store: &Sqlite, args: &ReplayArgs) -> Result<(), Failure> {
    if let Some(issue) = args.issue {
        return replay_issue(places, store, IssueNumber(issue), args);
    }
    let mut states = folds(store, args.until)?;
    if let Some(name) = &args.project {
        states.retain(|project, _| project == name);
    }
    let open = |state: &State| {
        let dispatches = state.dispatches.values();
        dispatches.filter(|dispatch| dispatch.is_open()).count()
    };
    if args.json {
        let rows: Vec<_> = states.iter().map(|(name, state)| json!({"project": name, "events": state.version, "issues": state.walks.len(), "open": open(state), "held": state.holds.len(), "paused": state.paused})).collect();
        return say::json(&rows);
    }
    for (name, state) in &states {
        let paused = state
            .paused
            .as_ref()
            .map_or_else(String::new, |by| format!(", paused by {by}"));
        say::out(&format!(
            "{name}: {}, {}, {}, {} held{paused}",
            count(state.version, "event"),
            count(state.walks.len(), "issue"),
            count(open(state), "open dispatch"),
            state.holds.len()
        ))?;
    }
    Ok(())
}

/// Explains an issue from the events up to one of them, and from nothing that came after.
fn replay_issue(
    places: &Places,
    store: &Sqlite,
    issue: IssueNumber,
    args: &ReplayArgs,
) -> Result<(), Failure> {
    let config = run::load(places)?;
    let named = args.project.as_deref();
    let mut states = folds(store, args.until)?;
    let knowing: Vec<ProjectName> = states
        .iter()
        .filter(|(name, state)| named.is_none_or(|named| *name == named) && knows(state, issue))
        .map(|(name, _)| ProjectName::new(name.clone()))
        .collect();
    let name = known::the_one(issue, &knowing)?;
    let rules = rules_of(&config, &name).ok_or_else(|| {
        Failure::new(anyhow::anyhow!("{name} is not configured any more"))
            .hint("`pointsman ledger show --issue` needs no configuration".to_owned())
    })?;
    let about = About::Issue(issue);
    let mut trail = Trail::of(&about);
    let mut entries: Vec<Entry> = Vec::new();
    each(store, args.until, |record| {
        if record.stream == name.as_str() {
            entries.extend(surface::entries(std::slice::from_ref(record), &mut trail));
        }
        Ok(())
    })?;
    let state = states.remove(name.as_str()).unwrap_or_default();
    let told = surface::story(&rules, &known::of_state(state), &about, &entries);
    if args.json {
        return say::json(&told);
    }
    say::out(&render_explanation(&told))
}

fn knows(state: &State, issue: IssueNumber) -> bool {
    state.walks.contains_key(&issue)
        || state.holds.contains_key(&issue)
        || state.open_dispatch(issue).is_some()
}

/// Counts what happened.
pub(super) fn report(store: &Sqlite, args: &ReportArgs) -> Result<(), Failure> {
    let until = now();
    let since = SignedDuration::try_from(args.since)
        .ok()
        .and_then(|back| until.checked_sub(back).ok())
        .unwrap_or(Timestamp::MIN);
    let mut counter = Counter::new(since, until);
    events(store, args.project.as_deref(), |record, event| {
        counter.take(&record.stream, record.at, event);
    })?;
    let period = counter.report();
    if args.json {
        return say::json(&period);
    }
    say::out(&render_period(&period))
}

/// Lists what specs decided.
pub(super) fn decisions(store: &Sqlite, args: &DecisionsArgs) -> Result<(), Failure> {
    let mut decisions = Decisions::default();
    events(store, args.project.as_deref(), |record, event| {
        decisions.take(&record.stream, record.at, event);
    })?;
    let found = decisions.found(args.unapproved);
    if args.json {
        return say::json(&found);
    }
    say::out(&render_decisions(&found))
}

/// Goes through the events of one project, or of all, in their order.
fn events(
    store: &Sqlite,
    project: Option<&str>,
    mut take: impl FnMut(&Record, &Event),
) -> Result<(), Failure> {
    each(store, None, |record| {
        if project.is_none_or(|name| name == record.stream) {
            let event = store::event_of(record).map_err(known::illegal)?;
            take(record, &event);
        }
        Ok(())
    })
}
