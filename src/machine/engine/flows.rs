//! Each kind of flow meets its own rules here: what it does next, and what came of what it did.

use jiff::Timestamp;

use super::{Effect, Engine};
use crate::domain::{Action, EffectId, Event, IssueNumber, Outcome, Rules, TransitionStep};
use crate::machine::dispatch::{delivery, flow, interrupt};
use crate::machine::labels::{older, route, transition, walks};
use crate::machine::pull;
use crate::machine::step::{Flow, Step};
use crate::machine::telling::{note, post, status};

impl Engine {
    /// Asks a flow for its next step.
    pub(super) fn pump(
        &mut self,
        rules: &Rules,
        flow: &Flow,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let step = match flow {
            Flow::Dispatch(id) => self
                .state
                .dispatches
                .get(id)
                .map_or(Step::Rest, |dispatch| {
                    let sample = self.samples.get(&dispatch.opening.window);
                    flow::next(&self.state, dispatch, rules, sample, now)
                }),
            Flow::Transition(issue) => self
                .state
                .transitions
                .get(issue)
                .map_or(Step::Rest, |transition| {
                    transition::next(transition, self.fresh.contains(issue))
                }),
            Flow::Park(issue) => self
                .state
                .parks
                .get(issue)
                .map_or(Step::Rest, |(label, why)| {
                    Step::Do(Action::Park {
                        issue: *issue,
                        label: label.clone(),
                        why: why.clone(),
                    })
                }),
            Flow::Note(issue) => note::next(&self.state, *issue),
            Flow::Merge(issue) => self.merge(*issue),
            Flow::Leave(issue) => pull::next(&self.state, rules, *issue),
            Flow::Route(issue) => route::next(&self.state, *issue, &rules.workflow.labels.park),
            Flow::Post(dispatch, post) => {
                let again = !self.fresh_posts.remove(post);
                let owner = self.state.dispatches.get(dispatch);
                owner.map_or(Step::Rest, |owner| post::next(owner, post, again))
            }
            Flow::Status(issue) => {
                let hold = self.report.standing.get(issue);
                status::next(&self.state, rules, hold, *issue, now)
            }
            Flow::Answer(_) | Flow::Interrupt => Step::Rest,
        };
        self.take(flow.clone(), step, now, effects);
    }

    fn merge(&self, issue: IssueNumber) -> Step {
        let Some(walk) = self.state.walks.get(&issue) else {
            return Step::Rest;
        };
        match &walk.subject {
            Some(subject) if walk.approved.is_some() && walk.merged.as_ref() != Some(subject) => {
                let kept = walk.pull.as_ref().filter(|kept| kept.stands());
                Step::Do(Action::Merge {
                    issue,
                    pull: kept.map(|kept| kept.pull.number),
                    subject: subject.clone(),
                })
            }
            _ => Step::Rest,
        }
    }

    pub(super) fn outcome(
        &mut self,
        rules: &Rules,
        id: EffectId,
        outcome: &Outcome,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Some((flow, action)) = self.running.remove(&id) else {
            return;
        };
        let outcome = &*older::answer(&self.state, &action, outcome, now);
        let step = match &flow {
            Flow::Dispatch(id) => match self.state.dispatches.get(id) {
                Some(dispatch) => flow::settle(&self.state, dispatch, rules, &action, outcome, now),
                None => Step::Rest,
            },
            Flow::Transition(issue) => self.settle_transition(rules, *issue, &action, outcome, now),
            Flow::Park(issue) => match outcome {
                Outcome::Done => Step::Record(vec![Event::IssueParked { issue: *issue }]),
                _ => Step::Rest,
            },
            Flow::Post(dispatch, _) => match (self.state.dispatches.get(dispatch), &action) {
                (Some(owner), Action::Post { post, .. }) => post::settle(owner, post, outcome),
                _ => Step::Rest,
            },
            Flow::Note(_) => note::settle(&action, outcome),
            Flow::Status(issue) => {
                self.memory.told.insert(*issue, now);
                status::settle(&self.state, *issue, &action, outcome)
            }
            Flow::Answer(_) | Flow::Route(_) => Step::Rest,
            Flow::Interrupt => interrupt::settle(outcome),
            Flow::Merge(issue) => self.settle_merge(rules, *issue, &action, outcome),
            Flow::Leave(issue) => match (&action, outcome) {
                (Action::Leave { why, .. }, Outcome::Done) => {
                    let (issue, how) = (*issue, why.clone());
                    Step::Record(vec![Event::IssueLeft { issue, how }])
                }
                _ => Step::Rest,
            },
        };
        // A passing fault rests the flow without an immediate wake-up: the next cycle, or its own time, takes it up.
        // So does a look that found nothing new.
        let until = match (&step, outcome) {
            (Step::Rest, Outcome::Failed { why, until } | Outcome::Refused { why, until, .. }) => {
                let until = status::rest(&action, *until, now);
                Some(self.memory.failed(&flow, why, until, now))
            }
            (Step::Rest, Outcome::Held { until, .. }) => Some(*until),
            (Step::Rest, Outcome::Found(_) | Outcome::NotCleared { .. }) => {
                Some(now + delivery::LOOK_AGAIN)
            }
            _ => None,
        };
        let is_fault = matches!(
            (&step, outcome),
            (_, Outcome::Failed { .. }) | (Step::Rest, Outcome::Refused { .. })
        );
        if !is_fault {
            self.memory.faults.remove(&flow);
        }
        if let Some(until) = until {
            return self.rest(flow, until, effects);
        }
        let answered = matches!(flow, Flow::Answer(_)).then(|| flow.clone());
        self.take(flow, step, now, effects);
        // An answer that was written and is not there any more is not written at once again.
        if let Some(flow) = answered {
            self.memory.rests.insert(flow, now + delivery::LOOK_AGAIN);
        }
    }

    fn settle_merge(
        &self,
        rules: &Rules,
        issue: IssueNumber,
        action: &Action,
        outcome: &Outcome,
    ) -> Step {
        match (action, outcome) {
            (Action::Merge { subject, .. }, Outcome::Merged { into }) => {
                Step::Record(vec![Event::Merged {
                    issue,
                    subject: subject.clone(),
                    into: into.clone(),
                }])
            }
            (_, Outcome::NotMerged { why }) => walks::not_merged(&self.state, rules, issue, why),
            // Not yet, again and again: what stands in the way is nothing that passes.
            (_, Outcome::Refused { why, .. }) if self.memory.is_last_try(&Flow::Merge(issue)) => {
                walks::not_merged(&self.state, rules, issue, why)
            }
            _ => Step::Rest,
        }
    }

    fn settle_transition(
        &mut self,
        rules: &Rules,
        issue: IssueNumber,
        action: &Action,
        outcome: &Outcome,
        now: Timestamp,
    ) -> Step {
        if matches!(outcome, Outcome::Failed { .. }) {
            self.fresh.remove(&issue);
        }
        let Some(transition) = self.state.transitions.get(&issue) else {
            return Step::Rest;
        };
        let us = self.us.as_ref();
        let step = transition::settle(transition, action, outcome, rules, us, now);
        if matches!(&step, Step::Record(events) if matches!(events.first(), Some(Event::TransitionStepped { step: TransitionStep::Added | TransitionStep::Removed, .. })))
        {
            return step;
        }
        if !matches!(step, Step::Do(_)) {
            self.fresh.remove(&issue);
        }
        step
    }
}
