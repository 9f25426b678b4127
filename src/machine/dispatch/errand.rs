//! Errands: a skill delivered once, for a person who tries it or because its hour came. From the delivery to the report they are
//! dispatches like any other; at their end nothing moves: no label, no attempt, no seat, nothing that a walk remembers.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{
    Advance, Answer, Basis, Cause, Delivery, DeliveryStep, Dispatch, Errand, Event, Fresh, Hold,
    IssueNumber, Label, Next, Observation, Opening, PaneSample, Phase, ProjectName, Report, Rules,
    SkillName, Stage, Verb, Verdict, Window,
};
use crate::machine::dispatch::check;
use crate::machine::labels::trust;
use crate::machine::starting::candidates;
use crate::machine::starting::open::{place, profile_of, window_hold};
use crate::machine::state::State;
use crate::machine::step::Step;
use crate::machine::text::one_line;

/// How long an errand may take.
const TIMEOUT: Duration = Duration::from_hours(2);
/// How long an agent that was idle as the errand began may be in doubt: three looks at an idle window.
const SETTLES_MAX: Duration = Duration::from_secs(15);
/// How often the agent may be in doubt right before something is typed; then it was more than a moment.
const TRIES_MAX: u32 = 2;
/// Characters of a title.
const TITLE_CHARS_MAX: usize = 120;

/// Returns the stage of a person's trial.
pub fn trial_stage(skill: &SkillName) -> Stage {
    let description = format!("A person tries the skill `{skill}`: no label moves");
    stage(skill, "trial", description, TIMEOUT)
}

/// Returns the stage of what the clock asks for.
pub fn due_stage(skill: &SkillName) -> Stage {
    let description = format!("The skill `{skill}` is due by the clock: no label moves");
    stage(skill, "schedule", description, TIMEOUT)
}

/// A stage that asks for nothing and leads nowhere.
pub fn stage(skill: &SkillName, label: &str, description: String, timeout: Duration) -> Stage {
    Stage {
        label: Label::new(label),
        color: String::new(),
        description,
        role: skill.to_string(),
        skill: skill.clone(),
        needs: Vec::new(),
        next: Next::Done,
        back: None,
        timeout,
        wip: 1,
        backlog: None,
        seat: false,
        not_by: Vec::new(),
        advance: Advance::Human,
        file: None,
    }
}

/// Describes an errand of that stage in that window.
pub fn opening(
    rules: &Rules,
    basis: Basis,
    (stage, window): (Stage, Window),
    title: String,
    fresh: Fresh,
) -> Opening {
    let profile = profile_of(rules, &stage);
    let account = rules.profiles.get(&profile);
    Opening {
        id: fresh.dispatch,
        basis,
        workflow: rules.workflow.digest.clone(),
        attempt: 1,
        round: 1,
        window,
        account: account.map_or_else(String::new, |profile| profile.account.clone()),
        profile,
        title,
        skill_digest: rules.skills.get(&stage.skill).cloned().unwrap_or_default(),
        secret_hash: fresh.secret_hash,
        branch: None,
        subject: None,
        touches: Vec::new(),
        stage,
    }
}

/// Why an errand cannot begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The reason, for the person.
    pub why: String,
    /// Whether the next look at the agent may say otherwise: what was seen of it may be old.
    pub passes: bool,
}

impl Refusal {
    /// Says what is not done, and which hold is in the way.
    pub fn of_hold(what: &str, hold: &Hold, rules: &Rules, state: &State) -> Self {
        Self {
            why: format!("{what}: {}", words(&rules.project.name, hold)),
            passes: passes(hold, state),
        }
    }
}

fn passes(hold: &Hold, state: &State) -> bool {
    match hold {
        // What was seen of the agent may be old, or from before it came up.
        Hold::AgentNotIdle { .. } | Hold::NoAgent { .. } => true,
        // What is over is only cleared away, and what a person waited for ends soon.
        Hold::Session { dispatch, .. } => {
            let other = state.dispatches.get(dispatch);
            other.is_none_or(|other| !other.is_open() || is_waited_for(other))
        }
        Hold::Sessions { taken } => taken.iter().any(|(_, hold)| passes(hold, state)),
        _ => false,
    }
}

impl From<String> for Refusal {
    fn from(why: String) -> Self {
        Self { why, passes: false }
    }
}

/// Describes a person's trial, or says why it cannot begin now.
pub fn trial(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    (skill, issue, by): (&SkillName, IssueNumber, &str),
    fresh: Fresh,
    now: Timestamp,
) -> Result<Opening, Refusal> {
    if !rules.skills.contains_key(skill) {
        let names: Vec<&str> = rules.skills.keys().map(SkillName::as_str).collect();
        let names = names.join(", ");
        return Err(format!("there is no skill `{skill}`. There are: {names}").into());
    }
    let head = seen.heads.get(&issue).filter(|head| head.open);
    let head = head.ok_or_else(|| format!("{issue} is not an open issue"))?;
    let refused = |why: String| Refusal::from(format!("`{skill}` is not tried: {why}"));
    if let Some(other) = state.open_dispatch(issue) {
        return Err(refused(format!("dispatch {} works on {issue}", other.id())));
    }
    if is_moving(state, issue) {
        return Err(refused(format!(
            "{issue} is being moved; try again in a moment"
        )));
    }
    let stage = trial_stage(skill);
    let hold =
        candidates::held(rules, state, seen, now).or_else(|| trust::vetoed(head, &rules.workflow));
    let window = hold.map_or_else(|| place(rules, state, seen, &stage, Some(issue)), Err);
    let held = |hold| Refusal::of_hold(&format!("`{skill}` is not tried"), &hold, rules, state);
    let window = window.map_err(held)?;
    let basis = Basis::Errand(Errand::Trial {
        by: by.to_owned(),
        repo: head.repo.clone(),
        issue_id: head.id.clone(),
        issue,
    });
    let title = one_line(&head.title, TITLE_CHARS_MAX);
    Ok(opening(rules, basis, (stage, window), title, fresh))
}

/// Says whether something of ours is on its way for an issue.
pub fn is_moving(state: &State, issue: IssueNumber) -> bool {
    state.transitions.contains_key(&issue)
        || state.routes.contains_key(&issue)
        || state.parks.contains_key(&issue)
}

/// Words a hold with what ends it.
pub fn words(project: &ProjectName, hold: &Hold) -> String {
    match hold.hint(project) {
        Some(hint) => format!("{hold} ({hint})"),
        None => hold.to_string(),
    }
}

/// Says what an errand needs of itself while its agent has it, or may have it.
pub fn at_work(state: &State, dispatch: &Dispatch, sample: Option<&PaneSample>) -> Option<Step> {
    match dispatch.opening.errand()? {
        Errand::Check { .. } => check::at_work(state, dispatch, sample),
        // Nothing is reported: that it arrived is all there is.
        Errand::Said { .. } if dispatch.phase == Phase::Working => {
            Some(Step::Record(vec![Event::DispatchClosed {
                dispatch: dispatch.id().clone(),
                cause: Cause::Verified {
                    subject: None,
                    reported: false,
                },
            }]))
        }
        Errand::Said { .. } | Errand::Trial { .. } | Errand::Due { .. } => None,
    }
}

/// Ends an errand that a person waits for when nothing can be typed: the agent is not at its prompt any more, or the guard refused.
pub fn refused(
    dispatch: &Dispatch,
    last: Option<&Delivery>,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Option<Step> {
    // A prompt that was drawn anew is proven idle a second later: not known is no refusal yet.
    let may_settle = now < dispatch.opened_at + SETTLES_MAX;
    let is_settling = |sample: &PaneSample| may_settle && sample.state.is_unknown();
    let is_passing = |sample: &PaneSample| sample.state.takes_text() || sample.state.is_unknown();
    let why = match last.map(|last| &last.step) {
        Some(DeliveryStep::Settled {
            verdict: Verdict::NotDelivered,
            ..
        }) if dispatch.undelivered < TRIES_MAX && sample.is_some_and(is_passing) => return None,
        Some(DeliveryStep::Settled {
            verdict: Verdict::NotDelivered,
            witness,
        }) => witness,
        None | Some(DeliveryStep::Planned | DeliveryStep::Staged) => {
            &sample
                .filter(|sample| !sample.state.takes_text() && !is_settling(sample))?
                .state
                .because
        }
        Some(_) => return None,
    };
    given_up(dispatch, why)
}

/// Ends an errand that a person waits for at the first thing that does not work: they are there, and told why.
pub fn given_up(dispatch: &Dispatch, why: &str) -> Option<Step> {
    let cause = Cause::Failed {
        why: why.to_owned(),
    };
    let closed = Event::DispatchClosed {
        dispatch: dispatch.id().clone(),
        cause,
    };
    is_waited_for(dispatch).then(|| Step::Record(vec![closed]))
}

/// Whether a person stands by until the errand has ended.
fn is_waited_for(dispatch: &Dispatch) -> bool {
    matches!(
        dispatch.opening.errand(),
        Some(Errand::Check { .. } | Errand::Said { .. })
    )
}

/// Describes a person's own words for the agent, or says why they cannot be delivered now.
pub fn said(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    (by, text, window): (&str, &str, Window),
    fresh: Fresh,
) -> Result<Opening, Refusal> {
    let skill = SkillName::new("say");
    let stage = stage(&skill, "say", "A person says something".to_owned(), TIMEOUT);
    if let Some(hold) = window_hold(rules, state, seen, &stage, window) {
        return Err(Refusal::of_hold("not said", &hold, rules, state));
    }
    let basis = Basis::Errand(Errand::Said {
        by: by.to_owned(),
        text: text.to_owned(),
    });
    Ok(opening(rules, basis, (stage, window), String::new(), fresh))
}

/// Judges a report: an errand has no gates, so its agent's word is all there is.
pub fn judge(dispatch: &Dispatch, report: &Report) -> Step {
    if let Some(Errand::Check { .. }) = dispatch.opening.errand() {
        return check::judge(dispatch, report);
    }
    let dispatch_id = || dispatch.id().clone();
    let closed = |cause| {
        Step::Record(vec![Event::DispatchClosed {
            dispatch: dispatch_id(),
            cause,
        }])
    };
    match report.verb {
        Verb::Fail => {
            let why = report.note.clone();
            let why = why.unwrap_or_else(|| "no reason given".to_owned());
            closed(Cause::Failed { why })
        }
        // Silence is no word: it is asked for once, then the errand ends.
        Verb::Unreported | Verb::Moved => Step::Record(vec![Event::ReportRefused {
            dispatch: dispatch_id(),
            answer: Answer {
                report: report.id.clone(),
                accepted: false,
                text: MISSING.to_owned(),
            },
        }]),
        Verb::Done | Verb::Ask | Verb::Ack => closed(Cause::Verified {
            subject: None,
            reported: true,
        }),
    }
}

/// What an errand lacks whose agent says nothing.
pub const MISSING: &str = "no report";
