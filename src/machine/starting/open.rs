//! Opening a dispatch: from a candidate to the events that claim it, or the reason why not.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Activity, Actor, Attention, Basis, Details, Dispatch, Errand, Event, FirstLine, Head, Hold,
    IssueNumber, Label, Liveness, Observation, Opening, ProfileName, Rules, Stage, Window,
};
use crate::machine::dispatch::check;
use crate::machine::dispatch::{delivery, stall};
use crate::machine::labels::trust::{self, Request};
use crate::machine::labels::walks::Park;
use crate::machine::pull;
use crate::machine::starting::beside::{self, Beside};
use crate::machine::starting::decide::Act;
use crate::machine::state::{Opened, State, Walk};
use crate::machine::step::Flow;
use crate::machine::text::one_line;

/// Back-off after a failed attempt: 30 s, doubling.
const BACK_OFF: SignedDuration = SignedDuration::from_secs(30);
/// It doubles this often at most: 30 s to 32 min.
const BACK_OFF_DOUBLINGS_MAX: u32 = 6;

/// What became of the best candidate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// It has to be read singly first.
    Unknown,
    /// It cannot start.
    Held(Hold),
    /// It starts, or is parked.
    Open(Act),
}

/// Returns how long to wait after the nth failed attempt.
pub fn back_off(attempt: u32) -> SignedDuration {
    BACK_OFF * (1 << attempt.saturating_sub(1).min(BACK_OFF_DOUBLINGS_MAX))
}

/// Returns whether a fresh agent works a stage, in the `check` window: for checkers; all else is a persistent agent's.
pub fn is_fresh(stage: &Stage) -> bool {
    !stage.not_by.is_empty()
}

/// Returns the profile that works a stage.
pub fn profile_of(rules: &Rules, stage: &Stage) -> ProfileName {
    rules
        .project
        .stages
        .get(&stage.label)
        .unwrap_or(&rules.project.agent)
        .clone()
}

/// Returns the branch of an issue: stable once it has one.
pub fn branch_of(walk: Option<&Walk>, head: &Head) -> String {
    if let Some(branch) = walk.and_then(|walk| walk.branch.clone()) {
        return branch;
    }
    let mut slug: String = head
        .title
        .to_lowercase()
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
        .take(5)
        .collect::<Vec<_>>()
        .join("-");
    slug.truncate(40);
    format!(
        "pointsman/{}-{}",
        head.number.0,
        if slug.is_empty() {
            "work"
        } else {
            slug.trim_end_matches('-')
        }
    )
}

/// Finds the window for a dispatch of a stage, or a reason that lies in the sessions, the tree or the account. Without an issue:
/// whether there is one at all.
pub fn place(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    stage: &Stage,
    issue: Option<IssueNumber>,
) -> Result<Window, Hold> {
    if !rules.skills.contains_key(&stage.skill) {
        return Err(Hold::NoSkill {
            skill: stage.skill.to_string(),
        });
    }
    if let Some(hold) = check::not_ready(rules, state, stage)
        .or_else(|| account_hold(rules, state, seen, stage))
        .or_else(|| issue.and_then(|issue| still_held(rules, state, seen, stage, issue)))
    {
        return Err(hold);
    }
    let mut taken = Vec::new();
    for window in windows_for(rules, state, seen, stage, issue) {
        match taken_by(rules, state, seen, stage, window) {
            None => return Ok(window),
            Some(hold) => taken.push((window, hold)),
        }
    }
    Err(match taken.len() {
        1 => taken.remove(0).1,
        _ => Hold::Sessions { taken },
    })
}

/// The windows that a stage may work in, the best one first: the agent that worked on the issue last has its context.
fn windows_for(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    stage: &Stage,
    issue: Option<IssueNumber>,
) -> Vec<Window> {
    if is_fresh(stage) {
        return vec![Window::Check];
    }
    let walk = issue.and_then(|issue| state.walks.get(&issue));
    let mut windows: Vec<Window> = rules.project.agents().collect();
    if let Some(last) = walk.and_then(|walk| walk.window) {
        windows.sort_by_key(|window| *window != last);
        // Elsewhere it would find its branch taken, and block that agent too.
        let is_left =
            windows.first() == Some(&last) && walk.is_some_and(|walk| walk.unsettled.is_some());
        let has_branch = walk.is_some_and(|walk| walk.branch.is_some());
        if has_branch && (is_left || keeps_its_tree(state, seen, last)) {
            return vec![last];
        }
    }
    windows
}

/// Whether an agent may be at work in its tree without a dispatch that puts the tree elsewhere first: for a person, or by itself.
/// Nobody takes a branch from it.
fn keeps_its_tree(state: &State, seen: &Observation, window: Window) -> bool {
    match state.in_window(window) {
        Some(other) => matches!(other.opening.errand(), Some(Errand::Said { .. })),
        None => seen.panes.get(&window).is_some_and(|sample| {
            sample.state.liveness != Liveness::Dead && !sample.state.takes_text()
        }),
    }
}

/// A reason of one candidate's own: the agents that it may go to are taken, and others are free.
pub(super) fn issue_hold(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    stage: &Stage,
    issue: IssueNumber,
) -> Option<Hold> {
    if is_fresh(stage) || (rules.project.sessions == 1 && !was_elsewhere(state, issue)) {
        return None;
    }
    place(rules, state, seen, stage, Some(issue)).err()
}

/// Whether a further agent has, or had, the issue: the project may have had more agents than it has.
fn was_elsewhere(state: &State, issue: IssueNumber) -> bool {
    let last = state.walks.get(&issue).and_then(|walk| walk.window);
    let others = state.dispatches.values().filter(|other| !other.tidied);
    let theirs = others.filter(|other| other.issue() == Some(issue));
    let mut windows = theirs.map(|other| other.opening.window).chain(last);
    windows.any(|window| window.is_agent() && window != Window::AGENT)
}

/// An agent may still be at work on what was withdrawn from it: nobody else has the issue before that is over.
fn still_held(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    stage: &Stage,
    issue: IssueNumber,
) -> Option<Hold> {
    if is_fresh(stage) {
        return None;
    }
    let mut others = state.dispatches.values().filter(|other| !other.tidied);
    let other =
        others.find(|other| other.issue() == Some(issue) && other.opening.window.is_agent());
    other.and_then(|other| taken_by(rules, state, seen, stage, other.opening.window))
}

/// The reasons for one window, without a skill and whatever a rehearsal showed: for a text that is ours or a person's.
pub fn window_hold(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    stage: &Stage,
    window: Window,
) -> Option<Hold> {
    account_hold(rules, state, seen, stage).or_else(|| taken_by(rules, state, seen, stage, window))
}

/// A reason that lies in the folder or the account.
fn account_hold(rules: &Rules, state: &State, seen: &Observation, stage: &Stage) -> Option<Hold> {
    let profile_name = profile_of(rules, stage);
    let Some(profile) = rules.profiles.get(&profile_name) else {
        return Some(Hold::NoAgent {
            window: "agent".to_owned(),
            hint: format!("there is no agents/{profile_name}.toml"),
        });
    };
    if let Some(hold) = &seen.misplaced {
        return Some(hold.clone());
    }
    let limit = rules.workflow.limits.active_max;
    // What a person asks for is decided on the last look, and more may have been opened since.
    let counted = seen.fleet.open.get(&profile.account).copied().unwrap_or(0);
    if counted.max(state.open_of(&profile.account)) >= limit {
        return Some(Hold::ActiveMax {
            account: profile.account.clone(),
            limit,
        });
    }
    let mut limits = seen.limits.iter();
    let limit = limits.find(|limit| limit.account == profile.account)?;
    Some(Hold::AccountLimit {
        account: limit.account.clone(),
        until: limit.until,
    })
}

/// A reason that lies in a window.
fn taken_by(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    stage: &Stage,
    window: Window,
) -> Option<Hold> {
    if let Some(other) = state.in_window(window) {
        // What is over and only waits for its agent's turn to end may wait for a person's answer.
        let asks = agent_hold(rules, seen, window)
            .filter(|hold| matches!(hold, Hold::AgentAsks { .. }))
            .filter(|_| window.is_agent() && !other.is_open());
        return asks.or_else(|| Some(taken(state, seen, other)));
    }
    // Without git there is one folder and one hand in it; and what is rehearsed is rehearsed alone.
    let mut others = state.dispatches.values().filter(|other| !other.tidied);
    if let Some(other) = others.find(|other| !rules.project.git || check::is_rehearsal(other)) {
        return Some(Hold::Session {
            dispatch: other.id().clone(),
            issue: other.issue(),
        });
    }
    if window.is_agent() {
        return agent_hold(rules, seen, window);
    }
    // A program that takes no text cannot check anything: a person's shell.
    let profile = rules.profiles.get(&profile_of(rules, stage))?;
    let takes_text = profile.screen.composer.is_some() || profile.first_line == FirstLine::Argument;
    (!takes_text).then(|| Hold::NoChecker {
        stage: stage.label.clone(),
    })
}

/// A reason that lies in the agent's own window.
pub(in crate::machine) fn agent_hold(
    rules: &Rules,
    seen: &Observation,
    window: Window,
) -> Option<Hold> {
    let Some(sample) = seen.panes.get(&window) else {
        let why = seen.no_agent.get(&window).cloned();
        return Some(why.unwrap_or_else(|| Hold::NoAgent {
            window: window.as_str().to_owned(),
            hint: format!("pointsman up {}", rules.project.name),
        }));
    };
    if let Attention::RateLimited { until } = sample.state.attention {
        let profile = rules.profiles.get(&rules.project.agent);
        return Some(Hold::AccountLimit {
            account: profile.map_or_else(String::new, |profile| profile.account.clone()),
            until,
        });
    }
    if let Some(what) = asked(&sample.state.attention) {
        return Some(Hold::AgentAsks { what });
    }
    (!sample.state.takes_text()).then(|| Hold::AgentNotIdle {
        is: activity_word(sample.state.activity).to_owned(),
        because: sample.state.because.clone(),
    })
}

/// Says what an agent asks for; `None` when it asks for nothing.
fn asked(attention: &Attention) -> Option<String> {
    Some(match attention {
        Attention::None | Attention::RateLimited { .. } => return None,
        Attention::Permission => "for a permission".to_owned(),
        Attention::Question => "a question of its own".to_owned(),
        Attention::Dialog => "to settle a dialog".to_owned(),
        Attention::Login => "to be logged in".to_owned(),
        Attention::Survey => "how it did".to_owned(),
        Attention::Error => "for help: it stopped with an error".to_owned(),
        Attention::Refused => "for help: its provider refused its request".to_owned(),
        Attention::Stuck => "to be looked at: nobody can tell what it does".to_owned(),
        Attention::HumanPresent => "to be left alone: a person is at its pane".to_owned(),
    })
}

/// Why a window is not free: its dispatch is open, or is not cleared away yet.
fn taken(state: &State, seen: &Observation, other: &Dispatch) -> Hold {
    let id = other.id().clone();
    let last = state.last_delivery(other);
    let left = last.filter(|last| !other.is_open() && delivery::is_unknown(last));
    let draft = seen
        .panes
        .get(&other.opening.window)
        .is_some_and(|sample| sample.state.activity == Activity::Draft);
    if let (Some(left), true) = (left, draft) {
        let line = left.line();
        return Hold::LineLeft { dispatch: id, line };
    }
    let stall = other.stalled.as_ref().filter(|_| !other.is_open());
    match stall.filter(|stall| stall.times >= stall::STALLS_TOLD) {
        Some(stall) => stall::standing(stall.times, &stall.why, stall.until),
        None => Hold::Session {
            dispatch: id,
            issue: other.issue(),
        },
    }
}

fn activity_word(activity: crate::domain::Activity) -> &'static str {
    match activity {
        Activity::Starting => "starting",
        Activity::Idle { .. } => "idle, but not alive",
        Activity::Busy => "busy",
        Activity::Draft => "holding somebody's draft",
        Activity::Obscured => "hidden behind a viewer or a menu",
        Activity::Unknown => "in an unknown state",
    }
}

/// Opens the best candidate, if its single read allows it.
pub fn open(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    head: &Head,
    stage: &Stage,
    now: Timestamp,
) -> Chosen {
    if let Some(why) = seen.unread.get(&head.number) {
        return Chosen::Held(Hold::Unreadable {
            why: why.clone(),
            until: Some(now + trust::UNATTRIBUTED_FOR),
        });
    }
    let Some(details) = seen.details.get(&head.number) else {
        return Chosen::Unknown;
    };
    let walk = state.walks.get(&head.number);
    let added = rules.project.added.or(state.added).unwrap_or(now);
    let request = match trust::request(
        &rules.project,
        &rules.workflow,
        walk,
        added,
        &stage.label,
        details,
    ) {
        Ok(request) => request,
        Err(hold) => return Chosen::Held(hold),
    };
    if let (Some(adopted), Some(us)) = (state.adopted.at, &seen.us)
        && request.labelling.by.id == us.id
        && request.labelling.at < adopted
    {
        return Chosen::Held(Hold::BeforeAdoption { adopted });
    }
    if let Some(hold) = spent(walk, &request, stage, rules, details) {
        return Chosen::Held(hold);
    }
    if let Some(hold) = flood(rules, state, walk, &request, now) {
        return Chosen::Held(hold);
    }
    let attempt = 1 + walk
        .filter(|walk| walk.labelling == Some(request.labelling.key()))
        .map_or(0, |walk| walk.attempts);
    if attempt > rules.workflow.limits.attempts {
        return Chosen::Open(give_up(rules, head.number, walk, attempt - 1));
    }
    match beside::beside(rules, state, seen, head, stage) {
        Beside::Clear => {}
        Beside::Unread => return Chosen::Unknown,
        Beside::Held(hold) => return Chosen::Held(hold),
    }
    let moved = request.overrides
        && walk.is_some_and(|walk| walk.labelling != Some(request.labelling.key()));
    let rework = moved && pull::is_rework(walk, stage);
    let mut opening = opening(rules, state, seen, head, stage, &request, attempt);
    opening.round += u32::from(rework);
    let did = format!(
        "dispatch {} of {} to {} (attempt {attempt})",
        opening.id, head.number, stage.skill
    );
    let flow = Some(Flow::Dispatch(opening.id.clone()));
    let mut events = Vec::new();
    if moved {
        events.push(overridden(walk, &request, rework));
    }
    events.push(Event::DispatchOpened {
        opening: Box::new(opening),
    });
    Chosen::Open(Act {
        events,
        flow,
        answer: None,
        did,
    })
}

/// As many labellings of an account as an hour allows were taken up: the rest waits, whether a person or a script set them. What was taken
/// up goes on.
fn flood(
    rules: &Rules,
    state: &State,
    walk: Option<&Walk>,
    request: &Request,
    now: Timestamp,
) -> Option<Hold> {
    let labelling = &request.labelling;
    let is_known = |walk: &Walk| {
        walk.own_event.as_ref() == Some(&labelling.event) || walk.labelling == Some(labelling.key())
    };
    if walk.is_some_and(is_known) {
        return None;
    }
    let limit = rules.workflow.limits.labellings_per_hour;
    let hour = SignedDuration::from_hours(1);
    let theirs = |one: &Opened| one.asked.as_ref() == Some(&labelling.by.id);
    let (taken, oldest) = state.opened_since(now - hour, theirs);
    let until = oldest.map_or(now, |at| at + hour);
    let by = labelling.by.login.clone();
    (taken >= limit).then_some(Hold::Flood { by, limit, until })
}

/// So many attempts came to nothing: a person has it.
fn give_up(rules: &Rules, issue: IssueNumber, walk: Option<&Walk>, attempts: u32) -> Act {
    let why = walk
        .and_then(|walk| walk.failed_on.clone())
        .unwrap_or_else(|| "no reason is known".to_owned());
    Act {
        events: vec![Event::ParkIntended {
            issue,
            label: rules.workflow.labels.park.clone(),
            why: format!("{attempts} attempts are spent. The last one: {why}"),
        }],
        flow: Some(Flow::Park(issue)),
        answer: None,
        did: format!("parking {issue}"),
    }
}

fn overridden(walk: Option<&Walk>, request: &Request, rework: bool) -> Event {
    let by: Actor = request.labelling.by.clone();
    Event::Overridden {
        issue: request.labelling.issue,
        by,
        from: walk.and_then(|walk| walk.yours.clone()),
        to: request.labelling.label.clone(),
        event: request.labelling.event.clone(),
        rework,
    }
}

/// A labelling that was served does not start again by itself.
fn spent(
    walk: Option<&Walk>,
    request: &Request,
    stage: &Stage,
    rules: &Rules,
    details: &Details,
) -> Option<Hold> {
    let walk = walk.filter(|walk| walk.labelling == Some(request.labelling.key()))?;
    if walk.yours.as_ref() == Some(&stage.label) {
        return Some(Hold::Yours {
            how: pull::yours(walk, request.labelling.issue, stage, rules),
        });
    }
    // Who may start work and takes the park label off asks anew; one that is gone otherwise asks for nothing, and is not set again.
    if let Some(why) = &walk.parked {
        let label = rules.workflow.labels.park.clone();
        return Some(match Park::of(rules, details) {
            Park::Off(_) => Hold::NextCycle,
            Park::Stripped(by) => Hold::Parked {
                label,
                why: Some(why.clone()),
                stripped: Some(by),
            },
            Park::Lost => Hold::Spent {
                how: format!("it was parked, and `{label}` did not stay on it"),
            },
        });
    }
    let (cause, _) = walk.ended.as_ref()?;
    (!cause.ends_the_attempt()).then(|| Hold::Spent {
        how: cause.word().to_owned(),
    })
}

fn opening(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    head: &Head,
    stage: &Stage,
    request: &Request,
    attempt: u32,
) -> Opening {
    let walk = state.walks.get(&head.number);
    let profile = profile_of(rules, stage);
    let account = rules
        .profiles
        .get(&profile)
        .map_or_else(String::new, |profile| profile.account.clone());
    // What is asked for in spite of a hold is told of as if its own agent were free.
    let best = || windows_for(rules, state, seen, stage, Some(head.number))[0];
    let window = place(rules, state, seen, stage, Some(head.number)).unwrap_or_else(|_| best());
    Opening {
        id: seen.fresh.dispatch.clone(),
        basis: Basis::Labelling {
            labelling: request.labelling.clone(),
            approval: request.approval.clone(),
        },
        stage: stage.clone(),
        workflow: rules.workflow.digest.clone(),
        attempt,
        round: 1 + walk.map_or(0, |walk| walk.rounds),
        window,
        profile,
        account,
        title: one_line(&head.title, 120),
        skill_digest: rules.skills.get(&stage.skill).cloned().unwrap_or_default(),
        secret_hash: seen.fresh.secret_hash.clone(),
        branch: (rules.project.git && stage.makes_commits()).then(|| branch_of(walk, head)),
        subject: walk
            .filter(|_| window == Window::Check)
            .and_then(|walk| walk.subject.clone()),
        touches: beside::touches(rules, state, head, stage),
    }
}

/// Returns the stages whose label an issue may carry, for messages.
pub fn routing_labels(rules: &Rules) -> Vec<Label> {
    rules
        .workflow
        .stages
        .iter()
        .map(|stage| stage.label.clone())
        .collect()
}
