//! The rehearsal of `pointsman agent check`: a brief with the steps that every task has, in the session and with the permissions of
//! the real ones. What was done is looked at in the tree, not believed.
//!
//! It ends at the first step that does not work: a dialog is a person's to answer, and what follows it was not seen unasked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    Action, Activity, Answer, Attention, Basis, Cause, CheckResult, CheckStep, Checked, Dispatch,
    DispatchId, Errand, Event, Fresh, GateName, Hold, Liveness, Observation, Opening, PaneSample,
    Phase, Profile, Rehearsed, Report, Rules, SessionChoice, SkillName, Stage, Verb, Window,
};
use crate::machine::dispatch::errand::{self, Refusal};
use crate::machine::dispatch::watchdog;
use crate::machine::starting::open::{profile_of, window_hold};
use crate::machine::state::State;
use crate::machine::step::Step;
use crate::machine::text::sha256;

/// How long a rehearsal may take.
const TIMEOUT: Duration = Duration::from_mins(15);
/// An agent that is idle since before its end may not have begun yet; after that it has not.
const SETTLED_AFTER: jiff::SignedDuration = jiff::SignedDuration::from_secs(20);
/// Letters of the word that only the brief has.
const WORD_CHARS: usize = 12;

/// What a survey found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found<'a> {
    /// The file is there, with the brief's word in it.
    pub written: bool,
    /// And committed.
    pub committed: bool,
    /// What the window asks a person, if it does.
    pub dialog: Option<&'a str>,
    /// What the program says of its version.
    pub version: Option<&'a str>,
}

/// Returns the stage of a rehearsal: it asks for nothing and leads nowhere.
pub fn stage() -> Stage {
    errand::stage(
        &SkillName::new("rehearsal"),
        "rehearsal",
        "The agent shows what it does without a person: no label moves".to_owned(),
        TIMEOUT,
    )
}

/// Says whether a dispatch is a rehearsal.
pub fn is_rehearsal(dispatch: &Dispatch) -> bool {
    matches!(dispatch.opening.errand(), Some(Errand::Check { .. }))
}

/// Names the file that is written.
pub fn file(dispatch: &DispatchId) -> String {
    format!("pointsman-check-{dispatch}.md")
}

/// Names the branch that is thrown away.
pub fn branch(dispatch: &DispatchId) -> String {
    format!("pointsman/check-{dispatch}")
}

/// Returns what the file holds: known from the brief alone.
pub fn word(opening: &Opening) -> String {
    let digest = sha256(format!("word:{}:{}", opening.id, opening.secret_hash).as_bytes());
    digest.chars().take(WORD_CHARS).collect()
}

/// Returns the digest by which a rehearsal belongs to a profile.
pub fn digest(profile: &Profile) -> String {
    sha256(&serde_json::to_vec(profile).expect("a profile is plain data"))
}

/// Returns the steps that a stage needs its agent to take alone.
pub fn needed(stage: &Stage) -> Vec<CheckStep> {
    let writes = |gate: &GateName| {
        matches!(
            gate,
            GateName::Spec
                | GateName::Branch
                | GateName::Verdict
                | GateName::Coverage
                | GateName::File
        )
    };
    let mut steps = vec![CheckStep::Read, CheckStep::Report];
    if stage.needs.iter().any(writes) {
        steps.push(CheckStep::Write);
    }
    if stage.makes_commits() {
        steps.push(CheckStep::Commit);
    }
    steps
}

/// Holds a stage whose agent was seen to need a person for a step of it. What was not rehearsed holds nothing.
pub fn not_ready(rules: &Rules, state: &State, stage: &Stage) -> Option<Hold> {
    let checked = state.checks.get(&profile_of(rules, stage))?;
    let (step, result) = checked.stopped_at()?;
    let profile = rules.profiles.get(&checked.profile)?;
    if !needed(stage).contains(&step) || digest(profile) != checked.digest {
        return None;
    }
    Some(Hold::AgentNotReady {
        project: rules.project.name.clone(),
        step,
        why: match result {
            CheckResult::Asks { dialog } => format!("it asks `{dialog}`"),
            CheckResult::Fails { why } | CheckResult::NotTried { why } => why.clone(),
            CheckResult::Works | CheckResult::NotReached => String::new(),
        },
    })
}

/// Describes a rehearsal, or says why it cannot begin now.
pub fn opening(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    by: &str,
    fresh: Fresh,
) -> Result<Opening, Refusal> {
    let stage = stage();
    let session = |other: &Dispatch| Hold::Session {
        dispatch: other.id().clone(),
        issue: other.issue(),
    };
    // Alone: also beside work in the other window nobody could say whose commits are whose.
    let others = || state.dispatches.values().filter(|other| !other.tidied);
    let mut open = others().filter(|other| other.is_open());
    let hold = open.next().map(session);
    let hold = hold
        .or_else(|| window_hold(rules, state, seen, &stage, Window::AGENT))
        .or_else(|| others().next().map(session));
    if let Some(hold) = hold {
        return Err(Refusal::of_hold("no rehearsal now", &hold, rules, state));
    }
    let basis = Basis::Errand(Errand::Check { by: by.to_owned() });
    let mut opening = errand::opening(rules, basis, (stage, Window::AGENT), String::new(), fresh);
    // A person's own pane is not put on a branch of ours.
    let ours = rules.project.session == SessionChoice::Managed;
    opening.branch = (rules.project.git && ours).then(|| branch(&opening.id));
    Ok(opening)
}

/// Says whether an agent that was at work on an errand is at it still: then nothing of it is cleared away.
pub fn is_at_it(dispatch: &Dispatch, mine: Option<&PaneSample>, now: Timestamp) -> bool {
    let errand = dispatch.opening.errand();
    let Phase::Closed { at, .. } = dispatch.phase else {
        return false;
    };
    if !matches!(errand, Some(Errand::Check { .. } | Errand::Said { .. })) {
        return false;
    }
    let Some(mine) = mine.filter(|mine| mine.state.liveness != Liveness::Dead) else {
        return false;
    };
    if dispatch.confirmed_at.is_none() {
        // Nobody knows whether it has the text: while it does something, it may be that.
        return mine.state.activity == Activity::Busy || mine.state.attention.is_open();
    }
    match mine.state.activity {
        Activity::Idle { since } if mine.state.takes_text() => {
            since <= at && now.duration_since(at) < SETTLED_AFTER
        }
        _ => true,
    }
}

/// Looks whether the agent stands before a dialog: the rehearsal has its answer then.
pub fn at_work(state: &State, dispatch: &Dispatch, sample: Option<&PaneSample>) -> Option<Step> {
    let mine = sample.filter(|sample| Some(&sample.pane) == dispatch.pane.as_ref())?;
    match mine.state.attention {
        Attention::Permission | Attention::Question | Attention::Dialog | Attention::Survey => {
            Some(survey(dispatch, Rehearsed::Asks))
        }
        // None of these says anything of permissions.
        Attention::RateLimited { .. }
        | Attention::Error
        | Attention::Refused
        | Attention::Login => {
            let why = format!("the agent stopped: {}", mine.state.because);
            Some(Step::Record(closed(state, dispatch, Cause::Failed { why })))
        }
        Attention::None | Attention::Stuck | Attention::HumanPresent => None,
    }
}

/// Says what a report of a rehearsal leads to.
pub fn judge(dispatch: &Dispatch, report: &Report) -> Step {
    survey(
        dispatch,
        match report.verb {
            Verb::Done | Verb::Ask | Verb::Ack => Rehearsed::Done,
            Verb::Unreported | Verb::Moved => Rehearsed::Silent,
            Verb::Fail => Rehearsed::Refused {
                why: report
                    .note
                    .clone()
                    .unwrap_or_else(|| "no reason given".to_owned()),
            },
        },
    )
}

fn survey(dispatch: &Dispatch, ended: Rehearsed) -> Step {
    Step::Do(Action::Survey {
        dispatch: Box::new(dispatch.clone()),
        ended,
    })
}

/// Ends a rehearsal. A line that no receipt proves may be in the composer still, and is not left there.
fn closed(state: &State, dispatch: &Dispatch, cause: Cause) -> Vec<Event> {
    let settled = watchdog::settled_by(state, dispatch, "the rehearsal is over");
    let closed = Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause,
    };
    settled.into_iter().chain([closed]).collect()
}

/// Writes down what a survey found, and ends the rehearsal.
pub fn settle(
    rules: &Rules,
    state: &State,
    dispatch: &Dispatch,
    ended: &Rehearsed,
    found: Found<'_>,
) -> Step {
    if *ended == Rehearsed::Asks && found.dialog.is_none() {
        // Somebody answered it meanwhile, or it was gone by itself.
        return Step::Rest;
    }
    let profile = &dispatch.opening.profile;
    let checked = Checked {
        profile: profile.clone(),
        digest: rules.profiles.get(profile).map_or_else(String::new, digest),
        version: found.version.map(str::to_owned),
        steps: steps(dispatch, ended, found),
    };
    let cause = match checked.stopped_at() {
        None => Cause::Verified {
            subject: None,
            reported: true,
        },
        Some((step, _)) => Cause::Failed {
            why: format!("the agent cannot {step} without a person"),
        },
    };
    let mut events = vec![Event::AgentChecked {
        dispatch: dispatch.id().clone(),
        checked: Box::new(checked),
    }];
    events.extend(closed(state, dispatch, cause));
    let reported = dispatch.report.as_ref();
    match reported.filter(|report| report.verb != Verb::Unreported) {
        // What lies in the tree is cleared away once the agent's turn has ended, so its verb is answered before.
        Some(report) => Step::Intend(
            events,
            Action::Answer {
                answer: Answer {
                    report: report.id.clone(),
                    accepted: true,
                    text: "recorded. Nothing else is wanted: end your turn.".to_owned(),
                },
                window: dispatch.opening.window,
            },
        ),
        None => Step::Record(events),
    }
}

/// Reads the steps' results off what is there.
fn steps(
    dispatch: &Dispatch,
    ended: &Rehearsed,
    found: Found<'_>,
) -> BTreeMap<CheckStep, CheckResult> {
    let commits = dispatch.opening.branch.is_some();
    let reported = matches!(ended, Rehearsed::Done | Rehearsed::Refused { .. });
    let is_done = |step: CheckStep| match step {
        // Only the brief has the word and the report's secret.
        CheckStep::Read => dispatch.acked || reported || found.written || found.committed,
        CheckStep::Write => found.written || found.committed,
        CheckStep::Commit => found.committed,
        CheckStep::Report => reported,
    };
    let tried = CheckStep::ALL
        .into_iter()
        .filter(|step| commits || *step != CheckStep::Commit);
    let missing: Vec<CheckStep> = tried.filter(|step| !is_done(*step)).collect();
    let named = found
        .dialog
        .filter(|_| !is_done(CheckStep::Write))
        .and_then(|dialog| named(dispatch, dialog));
    let stop = named.or(missing.first().copied());
    let stopped = || match (ended, found.dialog) {
        (Rehearsed::Asks | Rehearsed::Silent, Some(dialog)) => CheckResult::Asks {
            dialog: dialog.to_owned(),
        },
        (Rehearsed::Refused { why }, _) => CheckResult::Fails { why: why.clone() },
        (Rehearsed::Done, _) => CheckResult::Fails {
            why: "it said `done`, and nothing of it is in the tree".to_owned(),
        },
        (Rehearsed::Silent | Rehearsed::Asks, _) => CheckResult::Fails {
            why: "it went idle without doing it".to_owned(),
        },
    };
    let result = |step: CheckStep| {
        if step == CheckStep::Commit && !commits {
            let why = "the tree is not put on a branch of ours".to_owned();
            return CheckResult::NotTried { why };
        }
        match stop {
            _ if is_done(step) => CheckResult::Works,
            Some(stop) if stop == step => stopped(),
            _ => CheckResult::NotReached,
        }
    };
    CheckStep::ALL.map(|step| (step, result(step))).into()
}

/// Before anything was written no step has left a trace but `ack`: the dialog's own words say which one it is about.
fn named(dispatch: &Dispatch, dialog: &str) -> Option<CheckStep> {
    if dialog.contains(&file(dispatch.id())) {
        return Some(CheckStep::Write);
    }
    (!dispatch.acked && dialog.contains(" ack ")).then_some(CheckStep::Report)
}

/// Returns the rehearsal as a person reads it: one line if all is well, else a table, and the setting that mends it.
pub fn table(checked: &Checked, profile: Option<&Profile>) -> String {
    let version = checked.version.as_deref().unwrap_or_default();
    let agent = format!("{} {version}", checked.profile);
    let agent = agent.trim_end();
    if checked.stopped_at().is_none() {
        let word = |(step, result): (&CheckStep, &CheckResult)| match result {
            CheckResult::NotTried { .. } => format!("{step} not tried"),
            _ => format!("{step} ok"),
        };
        let words: Vec<String> = checked.steps.iter().map(word).collect();
        return format!("{agent}: {}   ready", words.join("   "));
    }
    let mut text = format!("{agent}: not ready");
    for (step, result) in &checked.steps {
        let says = match result {
            CheckResult::Works => "ok".to_owned(),
            CheckResult::Asks { dialog } => format!("asks a person: {dialog}"),
            CheckResult::Fails { why } => format!("fails: {why}"),
            CheckResult::NotReached => "not reached".to_owned(),
            CheckResult::NotTried { why } => format!("not tried: {why}"),
        };
        let _ = write!(text, "\n  {:<8}{says}", step.as_str());
    }
    let mend = checked
        .stopped_at()
        .and_then(|(step, _)| profile?.mends.get(&step));
    if let Some(mend) = mend {
        let _ = write!(text, "\nHint: {mend}");
    }
    text
}
