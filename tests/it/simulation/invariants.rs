//! What must hold at every step, checked against the ledger and the world, never against the engine's own word.

mod caps;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Action, Basis, Cause, DeliveryStep, DispatchId, Errand, Event, GateName, IssueNumber, Label,
    LabelEvent, LabelEventId, Labelling, Limits, Next, Opening, Phase, PullEnd, Rules, SkillName,
    Subject, line_of,
};
use pointsman::machine::engine::CycleReport;
use pointsman::machine::state::State;

use caps::{Opened, in_hours};

use super::laws::{Broken, Law};
use super::rules::{mallory, us};
use super::tracker::LAG_MAX;
use super::trees::one_window;
use super::world::World;

/// What is counted over a whole run, from the events alone.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// Per labelling: the newest attempt, and whether it was closed.
    attempts: BTreeMap<String, (u32, DispatchId, bool)>,
    opened: Vec<Opened>,
    /// How many dispatches were opened in all.
    pub(crate) dispatches: u64,
    /// Days of schedules that were run.
    ran: BTreeSet<(SkillName, Date)>,
    /// How many errands were opened.
    pub(crate) errands: u64,
    /// How many issues were moved or finished.
    pub(crate) moves: u64,
    /// What was started for whom within the last hour, since the last restart.
    started: BTreeMap<(String, &'static str), VecDeque<Timestamp>>,
    /// Where people want issues that are not there yet.
    routed: BTreeMap<IssueNumber, Label>,
    /// How often each issue was overtaken since it could have been started.
    overtaken: BTreeMap<IssueNumber, u64>,
    /// The most of it.
    pub(crate) overtaken_most: u64,
}

/// A read that a decision rested on may be this old, with what it takes to get here and to act.
const SEEN_LATE_MAX: SignedDuration = SignedDuration::from_secs(15);

/// So often an action may be started for one issue within an hour. Several dispatches may share it.
const STARTS_AN_HOUR_MAX: usize = 100;
/// A look changes nothing; it may come every ten seconds or so.
const LOOKS_AN_HOUR_MAX: usize = 400;

impl Watch {
    /// Judges an event that the ledger takes, with the state before it.
    pub(crate) fn event(
        &mut self,
        rules: &Rules,
        before: &State,
        at: Timestamp,
        event: &Event,
    ) -> Result<(), Broken> {
        let limits = &rules.workflow.limits;
        match event {
            Event::DispatchOpened { opening } => {
                one_window((before, rules), opening)?;
                self.overtakes(rules, before, opening)?;
                in_hours(rules, at, opening)?;
                self.opens(limits, before, at, opening)
            }
            Event::DispatchClosed { dispatch, cause } => {
                if let Cause::Verified { subject, .. } = cause {
                    agrees(before, dispatch, subject.as_ref())?;
                }
                for (_, id, closed) in self.attempts.values_mut() {
                    *closed |= id == dispatch;
                }
                Ok(())
            }
            Event::TransitionSettled { .. } => {
                self.moves += 1;
                Ok(())
            }
            Event::Routed { issue, to, .. } => {
                self.routed.insert(*issue, to.clone());
                Ok(())
            }
            Event::RouteDropped { issue, .. } => {
                self.routed.remove(issue);
                Ok(())
            }
            Event::TransitionIntended { transition } => {
                let wanted = self.routed.remove(&transition.issue);
                match wanted.filter(|to| transition.to != Next::Stage(to.clone())) {
                    None => Ok(()),
                    Some(to) => Law::PeopleWin.broken(format!(
                        "{} moves to {}, a person wants it at {to}",
                        transition.issue, transition.to
                    )),
                }
            }
            _ => Ok(()),
        }
    }

    /// Judges that an action is started: nothing comes again without a bound.
    pub(crate) fn starts(
        &mut self,
        state: &State,
        action: &Action,
        now: Timestamp,
    ) -> Result<(), Broken> {
        let of_dispatch = action.dispatch().and_then(|id| state.dispatches.get(id));
        let whom = match (action, of_dispatch) {
            (_, Some(dispatch)) => dispatch.about(),
            (
                Action::AddLabel { issue, .. }
                | Action::RemoveLabel { issue, .. }
                | Action::ReadLabels { issue }
                | Action::CloseIssue { issue }
                | Action::Merge { issue, .. }
                | Action::Park { issue, .. },
                None,
            ) => issue.to_string(),
            (Action::Answer { answer, .. }, None) => answer.report.to_string(),
            (Action::Post { post, .. }, None) => post.id.to_string(),
            (other, None) => format!("{:?}", other.dispatch()),
        };
        let word = action.word();
        let looks = ["read-labels", "inspect", "echo", "await-receipt"].contains(&word);
        let most = if looks {
            LOOKS_AN_HOUR_MAX
        } else {
            STARTS_AN_HOUR_MAX
        };
        let lately = self.started.entry((whom.clone(), word)).or_default();
        lately.push_back(now);
        let hour = SignedDuration::from_hours(1);
        while lately
            .front()
            .is_some_and(|at| now.duration_since(*at) >= hour)
        {
            lately.pop_front();
        }
        if lately.len() > most {
            return Law::Budget.broken(format!(
                "{word} of {whom}: more than {most} times in an hour"
            ));
        }
        Ok(())
    }

    /// Work begins: whoever could have been started waits once more, and not more often than the others have steps to go.
    fn overtakes(
        &mut self,
        rules: &Rules,
        before: &State,
        opening: &Opening,
    ) -> Result<(), Broken> {
        let Some(issue) = opening.labelling().map(|labelling| labelling.issue) else {
            return Ok(());
        };
        self.overtaken.remove(&issue);
        let limits = &rules.workflow.limits;
        let others = before.holds.len().max(3) as u64;
        let steps = rules.workflow.stages.len() as u64 * u64::from(limits.attempts);
        // People ask anew, and each time all begins again: some patience for that.
        let most = others * steps * u64::from(limits.rounds + 1) + 40;
        for (waiting, times) in &mut self.overtaken {
            *times += 1;
            self.overtaken_most = self.overtaken_most.max(*times);
            if *times > most {
                return Law::Fair.broken(format!("{waiting} was overtaken {times} times"));
            }
        }
        Ok(())
    }

    /// A cycle ended: who could have been started and was not is counted from here; who could not is not.
    pub(crate) fn waits(&mut self, report: &CycleReport) {
        let ours = [
            "behind",
            "next-cycle",
            "seat",
            "wip",
            "session-taken",
            "active-max",
        ];
        for (issue, hold) in &report.standing {
            if ours.contains(&hold.word()) {
                self.overtaken.entry(*issue).or_default();
            } else {
                self.overtaken.remove(issue);
            }
        }
        self.overtaken
            .retain(|issue, _| report.standing.contains_key(issue));
    }

    /// A restart forgets how often something was tried.
    pub(crate) fn restarts(&mut self) {
        self.started.clear();
    }

    fn opens(
        &mut self,
        limits: &Limits,
        before: &State,
        at: Timestamp,
        opening: &Opening,
    ) -> Result<(), Broken> {
        self.dispatches += 1;
        match opening.basis.clone() {
            Basis::Labelling { labelling, .. } => {
                self.begins(limits, before, opening, &labelling)?;
            }
            Basis::Errand(errand) => self.runs(opening, &errand)?,
        }
        self.spends(limits, before, at, opening)
    }

    /// An errand of the clock's: a day of a schedule is run once.
    fn runs(&mut self, opening: &Opening, errand: &Errand) -> Result<(), Broken> {
        self.errands += 1;
        let Errand::Due { on, .. } = errand else {
            return Ok(());
        };
        let skill = &opening.stage.skill;
        if !self.ran.insert((skill.clone(), *on)) {
            return Law::DayOnce.broken(format!("`{skill}` of {on} is run twice"));
        }
        Ok(())
    }

    fn begins(
        &mut self,
        limits: &Limits,
        before: &State,
        opening: &Opening,
        labelling: &Labelling,
    ) -> Result<(), Broken> {
        let id = &opening.id;
        let issue = labelling.issue;
        let last = self
            .attempts
            .insert(labelling.key(), (opening.attempt, id.clone(), false));
        match last {
            Some((_, _, false)) => {
                return Law::OneAttempt.broken(format!("{id}: the attempt before it is open"));
            }
            Some((attempt, ..)) if attempt + 1 != opening.attempt => {
                return Law::OneAttempt
                    .broken(format!("{id}: attempt {} after {attempt}", opening.attempt));
            }
            None if opening.attempt != 1 => {
                return Law::OneAttempt
                    .broken(format!("{id}: the first attempt is {}", opening.attempt));
            }
            _ => {}
        }
        // What a person wants of a pull request is another round however many there were.
        let walk = before.walks.get(&issue);
        let shown = walk.is_some_and(|walk| walk.pull.is_some());
        let rounds_over = opening.round > limits.rounds + 1 && !shown;
        if opening.attempt > limits.attempts || rounds_over {
            return Law::Caps.broken(format!(
                "{id}: attempt {}, round {}",
                opening.attempt, opening.round
            ));
        }
        let label = &opening.stage.label;
        let seated = before.seats.values().any(|holder| *holder == issue);
        let in_stage = before
            .dispatches
            .values()
            .filter(|other| other.is_open() && !other.waits_for_a_person())
            .filter(|other| other.opening.stage.label == *label);
        if !seated && in_stage.count() >= usize::try_from(opening.stage.wip).expect("small") {
            return Law::Caps.broken(format!("{id}: more than the WIP of {label}"));
        }
        let holder = before.seats.get(label).filter(|holder| **holder != issue);
        if opening.stage.seat
            && holder
                .and_then(|holder| before.open_dispatch(*holder))
                .is_some_and(|other| !other.waits_for_a_person())
        {
            return Law::Caps.broken(format!("{id}: the seat of {label} is taken"));
        }
        Ok(())
    }
}

/// What a stage ends with was measured on one commit, and that one is kept.
fn agrees(before: &State, id: &DispatchId, kept: Option<&Subject>) -> Result<(), Broken> {
    let evidence = before.dispatches.get(id).map(|one| &one.evidence);
    let rows = evidence.into_iter().flatten();
    let work = rows.filter(|row| row.gate != GateName::Spec);
    let mut subjects: Vec<&Subject> = work.filter_map(|row| row.subject.as_ref()).collect();
    subjects.sort();
    subjects.dedup();
    match subjects.as_slice() {
        [] => Ok(()),
        [one] if Some(*one) == kept => Ok(()),
        more => Law::OneCommit.broken(format!(
            "{id} is verified at {kept:?}, measured at {more:?}"
        )),
    }
}

/// Judges a state as such.
pub(crate) fn state(state: &State) -> Result<(), Broken> {
    let mut windows = BTreeSet::new();
    let mut issues = BTreeSet::new();
    for dispatch in state.dispatches.values() {
        if !windows.insert(dispatch.opening.window) {
            return Law::OneWindow.broken(format!("two have {:?}", dispatch.opening.window));
        }
        let Some(issue) = dispatch.issue().filter(|_| dispatch.is_open()) else {
            continue;
        };
        if !issues.insert(issue) {
            return Law::OneAttempt.broken(format!("{issue} has two open dispatches"));
        }
        if state.transitions.contains_key(&issue) {
            return Law::OneAttempt.broken(format!("{issue} moves with a dispatch open"));
        }
    }
    Ok(())
}

/// Judges an effect that is about to happen: its intent is in the ledger.
#[expect(clippy::too_many_lines, reason = "a table, one row an action")]
pub(crate) fn action(state: &State, world: &World, action: &Action) -> Result<(), Broken> {
    let step = |id| state.deliveries.get(id).map(|delivery| &delivery.step);
    let phase = |id| state.dispatches.get(id).map(|dispatch| &dispatch.phase);
    let intended = match action {
        Action::Paste { delivery, .. } => step(&delivery.id) == Some(&DeliveryStep::PasteIntended),
        Action::Launch { delivery, .. } => {
            step(&delivery.id) == Some(&DeliveryStep::LaunchIntended)
        }
        Action::Enter { delivery, n, .. } => {
            step(&delivery.id) == Some(&DeliveryStep::EnterIntended { n: *n })
        }
        Action::AddLabel { issue, label } => {
            fought(state, world, *issue, label)?;
            state
                .transitions
                .get(issue)
                .is_some_and(|one| one.to == Next::Stage(label.clone()))
        }
        Action::RemoveLabel { issue, label } => {
            let moves = state.transitions.get(issue);
            let park = *label == world.rules.workflow.labels.park;
            if !park {
                asked_anew(state, world, *issue, label)?;
            }
            let mut asking = state.dispatches.values().filter(|one| one.park_label);
            // A write of ours that arrived late is taken back.
            let new = Next::Stage(label.clone());
            moves.is_some_and(|one| one.from == *label || one.to == new)
                || (park && state.routes.contains_key(issue))
                || (park && asking.any(|one| one.issue() == Some(*issue)))
        }
        Action::Clear { dispatch, .. } => {
            matches!(phase(dispatch.id()), Some(Phase::Closed { .. }))
        }
        Action::CloseIssue { issue } => state
            .transitions
            .get(issue)
            .is_some_and(|one| one.to == Next::Done),
        Action::Park { issue, .. } => state.parks.contains_key(issue),
        Action::Tell { note } => state.notes.contains(note),
        Action::State { statement } => state
            .notices
            .get(&statement.issue)
            .is_some_and(|notice| notice.intended.is_some()),
        Action::Gate { dispatch, gate, .. } => state
            .dispatches
            .get(dispatch.id())
            .is_some_and(|one| one.running.as_deref() == Some(gate.as_str())),
        Action::Push { dispatch, .. } | Action::KeepPull { dispatch, .. } => {
            phase(dispatch.id()) == Some(&Phase::Judging)
        }
        Action::Leave { issue, .. } => {
            let pull = state.walks.get(issue).and_then(|walk| walk.pull.as_ref());
            pull.is_some_and(|kept| matches!(kept.end, Some(PullEnd::Closed { .. })))
        }
        Action::Merge { issue, .. } => state
            .walks
            .get(issue)
            .is_some_and(|walk| walk.approved.is_some()),
        Action::Publish { dispatch, .. } => phase(dispatch).is_some(),
        Action::Post { post, .. } => state
            .dispatches
            .get(&post.dispatch)
            .is_some_and(|one| one.posts.iter().any(|posted| posted.post.id == post.id)),
        Action::Survey { dispatch, .. } => phase(dispatch.id()).is_some(),
        Action::PrepareTree { .. }
        | Action::Interrupt { .. }
        | Action::Compose { .. }
        | Action::Stage { .. }
        | Action::OpenWindow { .. }
        | Action::Echo { .. }
        | Action::AwaitReceipt { .. }
        | Action::Inspect { .. }
        | Action::Answer { .. }
        | Action::Tidy { .. }
        | Action::ReadLabels { .. } => true,
    };
    if intended {
        Ok(())
    } else {
        let text: String = format!("{action:?}").chars().take(120).collect();
        Law::IntentFirst.broken(format!("an effect without its intent: {text}"))
    }
}

/// A label that a person who may start work set since the intent is a request of theirs: a move does not remove it.
fn asked_anew(
    state: &State,
    world: &World,
    issue: IssueNumber,
    label: &Label,
) -> Result<(), Broken> {
    let (Some(_), Some(found)) = (
        state.transitions.get(&issue),
        world.tracker.issues.get(&issue),
    ) else {
        return Ok(());
    };
    let set = found.events.iter().find(|event| {
        event.set
            && event.label == *label
            && since_intent(world, issue, event)
            && event.actor != Some(us())
            && event.actor != Some(mallory())
            && could_be_seen(world, event)
    });
    match set {
        Some(_) => Law::PeopleWin.broken(format!(
            "{issue}: `{label}` is removed, a person set it again"
        )),
        None => Ok(()),
    }
}

/// Whether it happened after the move was meant.
fn since_intent(world: &World, issue: IssueNumber, event: &LabelEvent) -> bool {
    let id: u64 = event.id.as_str().parse().expect("the model counts them");
    world.intended.get(&issue).is_none_or(|before| id > *before)
}

/// Whether a read that a decision rests on could have it: what is younger than a read's way here could not be seen.
fn could_be_seen(world: &World, event: &LabelEvent) -> bool {
    let late = if world.tracker.remembers {
        SEEN_LATE_MAX + LAG_MAX
    } else {
        SEEN_LATE_MAX
    };
    world.now.duration_since(world.tracker.happened(event)) > late
}

/// Work is withdrawn for a reason: somebody touched the labels since, closed the issue, moved it, or did something with its pull request.
pub(crate) fn kept(
    state: &State,
    world: &World,
    id: &DispatchId,
    cause: &Cause,
) -> Result<(), Broken> {
    let Cause::Withdrawn { why, .. } = cause else {
        return Ok(());
    };
    let labelling = state
        .dispatches
        .get(id)
        .and_then(|one| one.opening.labelling());
    let Some((labelling, issue)) = labelling
        .and_then(|labelling| Some((labelling, world.tracker.issues.get(&labelling.issue)?)))
    else {
        return Ok(());
    };
    let number = labelling.issue;
    let of = |event: &LabelEventId| event.as_str().parse::<u64>().ok();
    let touched = issue
        .events
        .iter()
        .any(|event| of(&event.id) > of(&labelling.event));
    let mut pulls = world.tracker.pulls.values();
    if touched
        || issue.gone.is_some()
        || world.tracker.was_closed(number)
        || pulls.any(|pull| pull.issue == number)
        || state.routes.contains_key(&number)
    {
        return Ok(());
    }
    Law::WorkIsKept.broken(format!(
        "{id} of {number} is withdrawn, nobody did anything: {why}"
    ))
}

/// A dispatch that is over leaves no line of ours behind.
pub(crate) fn tidied(state: &State, world: &World, id: &DispatchId) -> Result<(), Broken> {
    let deliveries = state.dispatches.get(id).map(|one| &one.deliveries);
    let left = deliveries.into_iter().flatten().find(|delivery| {
        let line = line_of(delivery);
        world.panes.values().any(|pane| pane.composer == line)
    });
    match left {
        Some(delivery) => Law::NothingLeft.broken(format!("{delivery} was left in the composer")),
        None => Ok(()),
    }
}

/// A label of ours that a person took away is not set again by the same move.
fn fought(state: &State, world: &World, issue: IssueNumber, label: &Label) -> Result<(), Broken> {
    let (Some(_), Some(found)) = (
        state.transitions.get(&issue),
        world.tracker.issues.get(&issue),
    ) else {
        return Ok(());
    };
    let since: Vec<_> = found
        .events
        .iter()
        .filter(|event| since_intent(world, issue, event) && event.label == *label)
        .collect();
    let ours = since
        .iter()
        .position(|event| event.set && event.actor == Some(us()));
    let taken = ours.and_then(|first| since[first..].iter().find(|event| !event.set));
    match taken {
        Some(event) if could_be_seen(world, event) => Law::PeopleWin.broken(format!(
            "{issue}: `{label}` is set again, a person took it away"
        )),
        _ => Ok(()),
    }
}
