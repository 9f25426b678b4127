//! One project's engine: sync, told the time, touching nothing. The daemon and the simulator drive the same `step`.
//!
//! State changes only by acknowledged appends. An effect whose intent is written down starts only after that append was
//! acknowledged; what came of it is written down before the next effect of the same flow. The engine may be dropped at any
//! instant and made again from the ledger: nothing but [`Memory`] is lost, and nothing in it is truth.

mod flows;
mod load;

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;

use crate::domain::{
    Action, Actor, Details, EffectId, Event, Hold, IssueNumber, Observation, Outcome, Questions,
    ReportId, Request, Rules, Window,
};
use crate::machine::dispatch::watchdog;
use crate::machine::evolve::{self, Illegal};
use crate::machine::labels::older;
use crate::machine::labels::route;
use crate::machine::memory::Memory;
use crate::machine::pace;
use crate::machine::starting::decide::{self, Act, Decision, LOOKS_MAX, Standing};
use crate::machine::starting::starved::{self, Starved};
use crate::machine::state::State;
use crate::machine::step::{Flow, Step};

/// What is fed into the engine.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Time to look at the world: a tick, a wake-up.
    Woken,
    /// What a look saw.
    Seen(Box<Observation>),
    /// The oldest append that is under way is in the ledger.
    Appended,
    /// It is not, and nothing of it is: no intent, no effect.
    NotAppended(String),
    /// What came of an effect.
    Outcome(EffectId, Outcome),
    /// A person asks for something.
    Asked(Request),
}

/// What the engine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Observe; answer the questions too.
    Look(Questions),
    /// Append these in one transaction, expecting that version; acknowledge in order.
    Append {
        /// When they happened: the fold counts from it, so the record keeps exactly this time.
        at: Timestamp,
        /// The stream's version before.
        version: u64,
        /// The facts.
        events: Vec<Event>,
    },
    /// Do this; say what came of it.
    Do(EffectId, Action),
    /// Wake the engine then, if nothing else does earlier.
    WakeAt(Timestamp),
}

/// What follows an append.
#[derive(Clone, Debug)]
struct Pending {
    at: Timestamp,
    events: Vec<Event>,
    flow: Option<Flow>,
    then: Option<Action>,
}

/// The report of the last finished cycle, for the heartbeat and `explain`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CycleReport {
    /// When it ended.
    pub at: Option<Timestamp>,
    /// What was started.
    pub did: Option<String>,
    /// Where everything else stands.
    pub standing: Standing,
    /// Ready work that nothing is dispatched of.
    pub starved: Option<Starved>,
    /// Why the ledger does not take what is to be written down: nothing is done then.
    pub unwritten: Option<String>,
}

/// What an engine begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Whatever is due.
    Everything,
    /// Nothing but what a person asks for; what is open goes on. For a verb that is the daemon for one request.
    Asked,
}

/// One project's engine.
#[derive(Clone, Debug)]
pub struct Engine {
    /// The fold of the ledger.
    pub state: State,
    /// The last cycle.
    pub report: CycleReport,
    scope: Scope,
    memory: Memory,
    appends: VecDeque<Pending>,
    running: BTreeMap<EffectId, (Flow, Action)>,
    fresh: std::collections::BTreeSet<IssueNumber>,
    /// Posts that this very engine took and did not try yet: only those are not looked for first.
    fresh_posts: std::collections::BTreeSet<ReportId>,
    samples: BTreeMap<Window, crate::domain::PaneSample>,
    details: BTreeMap<IssueNumber, Details>,
    unread: BTreeMap<IssueNumber, String>,
    changed: BTreeMap<IssueNumber, Result<Vec<String>, String>>,
    us: Option<Actor>,
    effects: u64,
    looks: u8,
    again: bool,
    last_seen: Option<Timestamp>,
}

impl Engine {
    /// Makes an engine that goes on from a replayed state.
    pub fn new(state: State) -> Self {
        Self {
            state,
            report: CycleReport::default(),
            scope: Scope::Everything,
            memory: Memory::default(),
            appends: VecDeque::new(),
            running: BTreeMap::new(),
            fresh: std::collections::BTreeSet::new(),
            fresh_posts: std::collections::BTreeSet::new(),
            samples: BTreeMap::new(),
            details: BTreeMap::new(),
            unread: BTreeMap::new(),
            changed: BTreeMap::new(),
            us: None,
            effects: 0,
            looks: 0,
            again: false,
            last_seen: None,
        }
    }

    /// Narrows what it begins.
    #[must_use]
    pub fn within(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Takes one input and says what to do.
    pub fn step(&mut self, rules: &Rules, input: Input, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        match input {
            Input::Woken => {
                self.looks = 0;
                effects.push(Effect::Look(Questions::default()));
            }
            Input::Seen(seen) => self.seen(rules, *seen, now, &mut effects),
            Input::Appended => self.appended(rules, now, &mut effects),
            Input::NotAppended(why) => self.not_appended(&why),
            Input::Outcome(id, outcome) => self.outcome(rules, id, &outcome, now, &mut effects),
            Input::Asked(request) => self.asked(rules, request, now, &mut effects),
        }
        effects
    }

    /// Returns whether nothing is under way: no append, no effect.
    pub fn is_quiet(&self) -> bool {
        self.appends.is_empty() && self.running.is_empty()
    }

    /// Returns the memory that a look is decided with; a rehearsal of the next cycle takes it too.
    pub fn memory_for(&self, rules: &Rules, seen: &Observation, now: Timestamp) -> Memory {
        let mut memory = self.memory.clone();
        if self.looks == 0 {
            let elapsed = seen.at.duration_since(self.last_seen.unwrap_or(seen.at));
            watchdog::remember(&mut memory, &self.state, seen, rules, elapsed);
            if let Some(starved) = &mut memory.starved {
                starved.watched += watchdog::watched(rules, Window::Check, elapsed);
            }
        }
        memory.forget(seen, now);
        memory.pulls.take(seen, now);
        memory
    }

    /// Has every candidate and every pull request read singly again (the sweep's duty).
    pub fn doubt(&mut self) {
        self.memory.doubt();
    }

    fn seen(
        &mut self,
        rules: &Rules,
        mut seen: Observation,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        self.memory = self.memory_for(rules, &seen, now);
        if self.looks == 0 {
            self.details.clear();
            self.unread.clear();
            self.changed.clear();
            self.last_seen = Some(seen.at);
        }
        // A look answers its own questions only; the cycle decides on all of its looks.
        self.details.append(&mut seen.details);
        seen.details.clone_from(&self.details);
        self.unread.append(&mut seen.unread);
        seen.unread.clone_from(&self.unread);
        self.changed.append(&mut seen.changed);
        seen.changed.clone_from(&self.changed);
        let seen = older::set_aside(&self.state, &seen).into_owned();
        self.memory.join(&self.state, &seen);
        self.samples.clone_from(&seen.panes);
        self.us = seen.us.clone().or(self.us.take());
        if !self.appends.is_empty() {
            // A decision on a state that is about to change would be stale: the acknowledgement wakes the next cycle.
            self.again = true;
            return;
        }
        let (decision, mut standing) = match self.scope {
            Scope::Everything => decide::decide(rules, &self.state, &self.memory, &seen, now),
            // Where the rest stands is not found out, so that what the ledger says of it stays.
            Scope::Asked => (
                decide::carry_on(rules, &self.state, &self.memory, &seen, now),
                self.state.holds.clone(),
            ),
        };
        let acts = matches!(decision, Decision::Act(_));
        self.memory
            .note(rules, &self.state, &seen, &standing, acts, now);
        match decision {
            Decision::Look(questions) if self.looks < LOOKS_MAX => {
                self.looks += 1;
                effects.push(Effect::Look(questions));
            }
            Decision::Look(questions) => {
                for issue in questions.issues {
                    standing.entry(issue).or_insert(Hold::NextCycle);
                }
                self.ended(now, None, standing, effects);
            }
            Decision::Wait(until) => {
                let until = until
                    .into_iter()
                    .chain(self.memory.look_again_at(now))
                    .min();
                self.ended(now, None, standing, effects);
                effects.extend(until.map(Effect::WakeAt));
            }
            Decision::Act(act) => self.act(rules, act, standing, now, effects),
        }
    }

    fn ended(
        &mut self,
        now: Timestamp,
        did: Option<String>,
        standing: Standing,
        effects: &mut Vec<Effect>,
    ) {
        self.record_holds(&standing, now, effects);
        if self.appends.is_empty() {
            self.report.unwritten = None;
        }
        self.report(now, did, standing);
    }

    fn report(&mut self, now: Timestamp, did: Option<String>, standing: Standing) {
        self.memory.starved = starved::find(&self.state, &standing, self.memory.starved.as_ref());
        self.report = CycleReport {
            at: Some(now),
            did,
            standing,
            starved: self.memory.starved.clone(),
            unwritten: self.report.unwritten.take(),
        };
    }

    /// The ledger gets an event only when the reasons changed; moments inside a reason are not a change.
    fn record_holds(&mut self, standing: &Standing, now: Timestamp, effects: &mut Vec<Effect>) {
        let words = |holds: &Standing| -> BTreeMap<IssueNumber, &'static str> {
            holds
                .iter()
                .map(|(issue, hold)| (*issue, hold.word()))
                .collect()
        };
        if words(&self.state.holds) != words(standing) {
            let event = Event::HoldsChanged {
                holds: standing.clone(),
            };
            self.append(
                Pending {
                    at: now,
                    events: vec![event],
                    flow: None,
                    then: None,
                },
                effects,
            );
        }
    }

    fn act(
        &mut self,
        rules: &Rules,
        act: Act,
        standing: Standing,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let Act {
            events,
            flow,
            answer,
            did,
        } = act;
        tracing::debug!(%did, "cycle");
        self.report(now, Some(did), standing);
        let then = answer.map(|answer| Action::Answer {
            answer,
            window: Window::AGENT,
        });
        if let Some(flow) = &flow {
            self.memory.busy.insert(flow.clone());
            // A report may come while its receipt is still awaited: what that wait finds is of no use any more.
            self.running.retain(|_, (running, _)| running != flow);
        }
        if events.is_empty() {
            match (flow, then) {
                (Some(flow), Some(action)) => self.take(flow, Step::Do(action), now, effects),
                (Some(flow), None) => self.pump(rules, &flow, now, effects),
                (None, _) => {}
            }
            return;
        }
        self.append(
            Pending {
                at: now,
                events,
                flow,
                then,
            },
            effects,
        );
    }

    fn append(&mut self, mut pending: Pending, effects: &mut Vec<Effect>) {
        pending.events = watchdog::with_settled(&self.state, pending.events);
        self.appends.push_back(pending);
        if self.appends.len() == 1 {
            self.send_append(effects);
        }
    }

    fn send_append(&mut self, effects: &mut Vec<Effect>) {
        while let Some(first) = self.appends.front() {
            if route::outranks(&self.state, &first.events) {
                effects.push(Effect::WakeAt(first.at));
                self.drop_first();
                continue;
            }
            match evolve::try_all(&self.state, first.at, &first.events) {
                Ok(_) => {
                    effects.push(Effect::Append {
                        at: first.at,
                        version: self.state.version,
                        events: first.events.clone(),
                    });
                    return;
                }
                // A request may be overtaken by what was written before it.
                Err(illegal) if first.flow.is_none() => {
                    tracing::info!(%illegal, "a request came too late");
                    self.appends.pop_front();
                }
                Err(illegal) => self.refuse(&illegal),
            }
        }
    }

    /// A bug of ours: it panics in tests; in service it is dropped before it reaches the ledger, and said.
    fn refuse(&mut self, illegal: &Illegal) {
        debug_assert!(
            false,
            "the engine meant to write something illegal: {illegal}"
        );
        tracing::error!(%illegal, version = self.state.version, "an event was refused before it reached the ledger");
        self.drop_first();
    }

    /// What was to be written first is not, and its flow is free.
    fn drop_first(&mut self) {
        if let Some(flow) = self.appends.pop_front().and_then(|pending| pending.flow) {
            self.memory.busy.remove(&flow);
        }
    }

    fn appended(&mut self, rules: &Rules, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(pending) = self.appends.pop_front() else {
            return;
        };
        self.report.unwritten = None;
        for event in &pending.events {
            evolve::evolve(&mut self.state, pending.at, event)
                .expect("it was tried on a copy before it was appended");
            self.memory.follow(&self.state, event);
            // A refusal rested on what was so before.
            if let Some(issue) = event.issue() {
                self.memory.doubt_one(issue);
            }
            if let Event::PostIntended { post } = event {
                self.fresh_posts.insert(post.id.clone());
            }
            if let Event::TransitionIntended { transition } = event {
                self.fresh.insert(transition.issue);
                self.memory.busy.insert(Flow::Transition(transition.issue));
            }
        }
        self.send_append(effects);
        if self.appends.is_empty() && std::mem::take(&mut self.again) {
            effects.push(Effect::WakeAt(now));
        }
        let Pending {
            events, flow, then, ..
        } = pending;
        let moved = events.iter().find_map(|event| match event {
            Event::TransitionIntended { transition } => Some(Flow::Transition(transition.issue)),
            _ => None,
        });
        let moved = moved.filter(|moved| flow.as_ref() != Some(moved));
        match (flow, then) {
            (Some(flow), Some(action)) => self.start(flow, action, now, effects),
            (Some(flow), None) => self.pump(rules, &flow, now, effects),
            // What changed wakes the next cycle at once; that the reasons changed is no change of theirs.
            (None, _) if matches!(events.as_slice(), [Event::HoldsChanged { .. }]) => {}
            (None, _) => effects.push(Effect::WakeAt(now)),
        }
        if let Some(flow) = moved {
            self.pump(rules, &flow, now, effects);
        }
    }

    fn not_appended(&mut self, why: &str) {
        tracing::error!(
            why,
            "the ledger did not take an append: nothing of it is done"
        );
        self.report.unwritten = Some(why.to_owned());
        // A step of a move may have been lost with it: its labels are read before anything is written again.
        self.fresh.clear();
        for pending in self.appends.drain(..) {
            if let Some(flow) = pending.flow {
                self.memory.busy.remove(&flow);
            }
        }
    }

    fn start(&mut self, flow: Flow, action: Action, now: Timestamp, effects: &mut Vec<Effect>) {
        self.effects += 1;
        let id = EffectId(self.effects);
        self.memory.pace.started(&flow, &action, now);
        self.memory.busy.insert(flow.clone());
        self.running.insert(id, (flow, action.clone()));
        effects.push(Effect::Do(id, action));
    }

    fn take(&mut self, flow: Flow, step: Step, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Step::Intend(_, action) | Step::Do(action) = &step
            && let Some(until) = self.memory.pace.again_at(&flow, action, now)
        {
            let times = self.memory.pace.starts(&flow, action);
            self.memory
                .faults
                .insert(flow.clone(), (times, pace::in_vain(action)));
            return self.rest(flow, until, effects);
        }
        match step {
            Step::Record(events) => self.append(
                Pending {
                    at: now,
                    events,
                    flow: Some(flow),
                    then: None,
                },
                effects,
            ),
            Step::Intend(events, action) => {
                self.append(
                    Pending {
                        at: now,
                        events,
                        flow: Some(flow),
                        then: Some(action),
                    },
                    effects,
                );
            }
            Step::Do(action) => self.start(flow, action, now, effects),
            Step::Rest => {
                self.memory.busy.remove(&flow);
                effects.push(Effect::WakeAt(now));
            }
        }
    }

    /// Lets a flow rest until then, without an immediate wake-up.
    fn rest(&mut self, flow: Flow, until: Timestamp, effects: &mut Vec<Effect>) {
        self.memory.busy.remove(&flow);
        self.memory.rests.insert(flow, until);
        effects.push(Effect::WakeAt(until));
    }

    /// Returns whether an opening is on its way to the ledger.
    fn is_opening(&self) -> bool {
        let mut events = self.appends.iter().flat_map(|pending| &pending.events);
        events.any(|event| matches!(event, Event::DispatchOpened { .. }))
    }

    fn asked(
        &mut self,
        rules: &Rules,
        request: Request,
        now: Timestamp,
        effects: &mut Vec<Effect>,
    ) {
        let mut then = None;
        let mut events = Vec::new();
        let event = match request {
            Request::Approve { issue, by } if self.state.waits_for_approval(issue) => {
                self.memory.doubt_one(issue);
                Event::Approved { issue, by, at: now }
            }
            Request::Approve { .. } => return,
            Request::Deny { issue, by, why } => {
                self.memory.doubt_one(issue);
                events = route::denied(&self.state, rules, issue, &by, &why);
                match events.pop() {
                    Some(last) => last,
                    None => return,
                }
            }
            Request::Route { issue, to, by } => {
                self.memory.doubt_one(issue);
                let rework = false;
                Event::Routed {
                    issue,
                    to,
                    by,
                    rework,
                }
            }
            // What is possible was found out without what is about to be opened.
            Request::Try { .. } if self.is_opening() => return,
            Request::Try { opening } => Event::DispatchOpened { opening },
            // One press at a time: a second one edits what the first one left.
            Request::Interrupt { .. } if self.memory.busy.contains(&Flow::Interrupt) => return,
            Request::Interrupt { by, pane } => {
                self.memory.busy.insert(Flow::Interrupt);
                then = Some(Action::Interrupt { pane: pane.clone() });
                Event::InterruptIntended { by, pane }
            }
            Request::Adopt { .. } if self.state.sightings.is_empty() => return,
            Request::Adopt { by } => {
                self.memory.refused.clear();
                Event::LedgerAdopted { by }
            }
            Request::Pause { by } => Event::ProjectPaused { by },
            Request::Resume { by } => Event::ProjectResumed { by },
        };
        events.push(event);
        self.append(
            Pending {
                at: now,
                events,
                flow: then.is_some().then_some(Flow::Interrupt),
                then,
            },
            effects,
        );
        effects.push(Effect::WakeAt(now));
    }
}
