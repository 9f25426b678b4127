//! Transitions: add the new label, remove the old one, read back (PROTOCOLS 6). A person's move is never fought.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Action, Actor, Event, Label, LabelEvent, Next, Outcome, Project, Role, Rules, Settled,
    Transition, TransitionStep, order,
};
use crate::machine::labels::trust;
use crate::machine::starting::open;
use crate::machine::step::Step;

/// Two reads this far apart must agree that a lost write never arrived, before it is written again.
pub const UNSEEN_TWICE: SignedDuration = SignedDuration::from_secs(60);

/// Says what a transition needs next. `fresh` = this very engine wrote the intent and nothing failed since: then the new label
/// is set at once. The old one is removed right after a read only: somebody may have set it again.
pub fn next(transition: &Transition, fresh: bool) -> Step {
    let issue = transition.issue;
    if !fresh {
        return Step::Do(Action::ReadLabels { issue });
    }
    match (transition.step, &transition.to) {
        (TransitionStep::Intended, Next::Stage(label)) => Step::Do(Action::AddLabel {
            issue,
            label: label.clone(),
        }),
        (TransitionStep::Removed, Next::Done) => Step::Do(Action::CloseIssue { issue }),
        (TransitionStep::Intended, Next::Done)
        | (TransitionStep::Added, _)
        | (TransitionStep::Removed, Next::Stage(_)) => Step::Do(Action::ReadLabels { issue }),
    }
}

/// Whose hand a label event is.
#[derive(Clone, Copy, Debug)]
pub struct Hands<'a> {
    /// The account we write with.
    pub us: Option<&'a Actor>,
    /// Who may start work there.
    pub project: &'a Project,
    /// What accounts may do.
    pub roles: &'a BTreeMap<Actor, Role>,
}

impl Hands<'_> {
    fn is_ours(&self, event: &LabelEvent) -> bool {
        match (&event.actor, self.us) {
            (Some(actor), Some(us)) => actor.id == us.id,
            _ => false,
        }
    }

    /// Who may not start work: what they set is ignored. What they take away is gone: stopping is always honoured.
    fn is_a_strangers(&self, event: &LabelEvent) -> bool {
        let actor = event.actor.as_ref().filter(|_| !self.is_ours(event));
        actor.is_some_and(|actor| !trust::is_trusted(self.project, actor, self.roles))
    }
}

/// Turns what came of an effect into what is written down. `us` is the account we write with.
pub fn settle(
    transition: &Transition,
    action: &Action,
    outcome: &Outcome,
    rules: &Rules,
    us: Option<&Actor>,
    now: Timestamp,
) -> Step {
    let issue = transition.issue;
    let stepped = |step| Step::Record(vec![Event::TransitionStepped { issue, step }]);
    match (action, outcome) {
        (Action::AddLabel { .. }, Outcome::Done) => stepped(TransitionStep::Added),
        (Action::RemoveLabel { .. }, Outcome::Done) => stepped(TransitionStep::Removed),
        (Action::CloseIssue { .. }, Outcome::Done) => Step::Do(Action::ReadLabels { issue }),
        (
            Action::ReadLabels { .. },
            Outcome::Labels {
                labels,
                open,
                events,
                roles,
            },
        ) => {
            let hands = Hands {
                us,
                project: &rules.project,
                roles,
            };
            let routing = open::routing_labels(rules);
            judge(transition, labels, *open, events, &hands, &routing, now)
        }
        _ => Step::Rest,
    }
}

/// The recovery table: reads label events since the intent, not only labels.
pub fn judge(
    transition: &Transition,
    labels: &[Label],
    open: bool,
    events: &[LabelEvent],
    hands: &Hands,
    routing: &[Label],
    now: Timestamp,
) -> Step {
    let since: Vec<&LabelEvent> = events
        .iter()
        .filter(|event| newer(event, transition))
        .collect();
    let here = |label: &Label| labels.contains(label);
    let by_a_stranger = |label: &Label| {
        trust::standing_event(events, label).filter(|event| hands.is_a_strangers(event))
    };
    let mut others = routing.iter().filter(|label| {
        let is_another =
            **label != transition.from && Next::Stage((*label).clone()) != transition.to;
        here(label) && is_another && by_a_stranger(label).is_none()
    });
    // A label is to be seen before the event that says who set it: a stranger's would be nobody's move.
    let is_unsigned = |label: &Label| trust::standing_event(events, label).is_none();
    if others.clone().any(is_unsigned)
        && let Some(step) = waits_a_minute(transition, now)
    {
        return step;
    }
    let others = others.next().is_some();
    let new = match &transition.to {
        Next::Stage(new) => new,
        Next::Done => {
            let from = here(&transition.from);
            return end(transition, from, others, open, &since, hands);
        }
    };
    let mut sets = since
        .iter()
        .rev()
        .filter(|event| event.set && event.label == *new);
    let own = sets.clone().find(|event| hands.is_ours(event)).copied();
    let remove = |label: &Label| {
        Step::Do(Action::RemoveLabel {
            issue: transition.issue,
            label: label.clone(),
        })
    };
    match (here(&transition.from), here(new)) {
        (_, true)
            if own.is_some_and(|own| is_late(own, new, &since, transition, routing, hands)) =>
        {
            remove(new)
        }
        (false, false) => elsewhere(transition, new, labels, &since, hands, now),
        _ if others => elsewhere(transition, new, labels, &since, hands, now),
        (true, true) => match readded(&since, transition, hands) {
            Some(by) => overridden(transition, labels, by),
            None => remove(&transition.from),
        },
        (false, true) => {
            // A stranger who was faster set no more than what was about to be set.
            let theirs = || by_a_stranger(new).filter(|event| newer(event, transition));
            match own.or_else(theirs) {
                Some(event) => Step::Record(vec![Event::TransitionSettled {
                    issue: transition.issue,
                    outcome: Settled::Moved {
                        event: Some(event.id.clone()),
                    },
                }]),
                // The label is there before the event that says who set it.
                None if sets.next().is_none() => waits_a_minute(transition, now)
                    .unwrap_or_else(|| overridden(transition, labels, who(&since, Some(new)))),
                None => overridden(transition, labels, who(&since, Some(new))),
            }
        }
        (true, false) => match own {
            Some(_) => waits_for_the_write(transition, now)
                .unwrap_or_else(|| overridden(transition, labels, who(&since, Some(new)))),
            None => again(transition, new, now),
        },
    }
}

fn overridden(transition: &Transition, found: &[Label], by: String) -> Step {
    let found = found.to_vec();
    Step::Record(vec![Event::TransitionSettled {
        issue: transition.issue,
        outcome: Settled::Overridden { by, found },
    }])
}

/// Somebody moved the issue elsewhere, or off. A write of ours that was never answered may still arrive; ours is no news to them.
fn elsewhere(
    transition: &Transition,
    new: &Label,
    found: &[Label],
    since: &[&LabelEvent],
    hands: &Hands,
    now: Timestamp,
) -> Step {
    let is_ours = |event: &&LabelEvent| event.label == *new && hands.is_ours(event);
    let theirs: Vec<&LabelEvent> = since
        .iter()
        .copied()
        .filter(|event| !is_ours(event))
        .collect();
    waits_for_the_write(transition, now)
        .unwrap_or_else(|| overridden(transition, found, who(&theirs, None)))
}

/// A write of ours whose answer was lost may still arrive: it is waited for, so that it is known for what it is. That our account was
/// seen to set the label is no answer: a person or an agent may have the account too.
fn waits_for_the_write(transition: &Transition, now: Timestamp) -> Option<Step> {
    let unanswered = transition.step == TransitionStep::Intended;
    unanswered
        .then(|| waits_a_minute(transition, now))
        .flatten()
}

/// What was just seen is believed once a read a minute later says the same.
fn waits_a_minute(transition: &Transition, now: Timestamp) -> Option<Step> {
    match transition.unchanged_since {
        Some(first) if now.duration_since(first) >= UNSEEN_TWICE => None,
        Some(_) => Some(Step::Rest),
        None => Some(Step::Record(vec![Event::TransitionUnseen {
            issue: transition.issue,
        }])),
    }
}

/// Whether our write arrived after somebody had moved the issue elsewhere, or off: it is taken back, theirs stands. Who set another
/// label beside one of ours saw ours.
fn is_late(
    own: &LabelEvent,
    new: &Label,
    since: &[&LabelEvent],
    transition: &Transition,
    routing: &[Label],
    hands: &Hands,
) -> bool {
    let before = |event: &LabelEvent| order(event.id.as_str()) < order(own.id.as_str());
    let theirs = |event: &&&LabelEvent| !hands.is_a_strangers(event);
    let wanted = since
        .iter()
        .filter(theirs)
        .any(|event| event.set && event.label == *new && !hands.is_ours(event));
    let elsewhere = routing
        .iter()
        .filter(|label| **label != *new && **label != transition.from)
        .filter_map(|label| since.iter().rfind(|event| event.label == *label))
        .filter(theirs)
        .any(|event| event.set && before(event));
    let off = since
        .iter()
        .rfind(|event| event.label == transition.from)
        .is_some_and(|event| !event.set && !hands.is_ours(event) && before(event));
    !wanted && (elsewhere || off)
}

/// Only the old label, and no own event: written again once two reads a minute apart agree.
fn again(transition: &Transition, new: &Label, now: Timestamp) -> Step {
    waits_a_minute(transition, now).unwrap_or_else(|| {
        Step::Do(Action::AddLabel {
            issue: transition.issue,
            label: new.clone(),
        })
    })
}

fn end(
    transition: &Transition,
    from_here: bool,
    others: bool,
    open: bool,
    since: &[&LabelEvent],
    hands: &Hands,
) -> Step {
    let issue = transition.issue;
    let taken = since
        .iter()
        .rev()
        .find(|event| event.label == transition.from)
        .is_some_and(|event| !event.set && !hands.is_ours(event));
    // Who took the label away wants it to rest; whoever closed the issue did what we were about to do.
    let stopped = !from_here && open && taken;
    if others || stopped || (from_here && readded(since, transition, hands).is_some()) {
        return Step::Record(vec![Event::TransitionSettled {
            issue,
            outcome: Settled::Overridden {
                by: who(since, None),
                found: vec![transition.from.clone()],
            },
        }]);
    }
    match (from_here, open) {
        (true, _) => Step::Do(Action::RemoveLabel {
            issue,
            label: transition.from.clone(),
        }),
        (false, true) => Step::Do(Action::CloseIssue { issue }),
        (false, false) => Step::Record(vec![Event::TransitionSettled {
            issue,
            outcome: Settled::Moved { event: None },
        }]),
    }
}

fn newer(event: &LabelEvent, transition: &Transition) -> bool {
    transition
        .after
        .as_ref()
        .is_none_or(|after| order(event.id.as_str()) > order(after.as_str()))
}

/// Who set the old label again since the intent. We never do in a move of our own, so it is a request of somebody's.
fn readded(since: &[&LabelEvent], transition: &Transition, hands: &Hands) -> Option<String> {
    let known = transition.after.is_some();
    let added = since.iter().rev().find(|event| {
        event.set
            && event.label == transition.from
            && (known || event.at > transition.at)
            && !hands.is_a_strangers(event)
    })?;
    Some(
        added
            .actor
            .as_ref()
            .map_or_else(|| "somebody".to_owned(), |actor| actor.login.clone()),
    )
}

fn who(since: &[&LabelEvent], label: Option<&Label>) -> String {
    let event = since
        .iter()
        .rev()
        .find(|event| label.is_none_or(|label| event.label == *label));
    event
        .and_then(|event| event.actor.as_ref())
        .map_or_else(|| "somebody".to_owned(), |actor| actor.login.clone())
}
