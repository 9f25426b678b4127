//! Drives the real engine through a modelled world: performs its effects, keeps its ledger, kills it at any instant.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Action, Details, EffectId, Event, Finding, IssueNumber, Observation, Outcome, Questions,
    Request,
};
use pointsman::ledger::{AppendError, Claim, Memory, NewRecord, Records, Store};
use pointsman::machine::engine::{Effect, Engine, Input};
use pointsman::machine::evolve::evolve;
use pointsman::machine::state::State;

use super::invariants::{self, Watch};
use super::perform::Performed;
use super::told::{self, Rehearsed};
use super::world::World;

/// The project's stream.
const STREAM: &str = "blog";
/// So many cycles at one instant are a hot loop.
const CYCLES_AT_ONCE_MAX: u32 = 60;

/// The words of one look in so many are compared with what was decided.
const HEARD: u64 = 7;

/// A bug that the driver plants, to test the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plant {
    Nothing,
    /// Recovery does not look: it says "no trace".
    SkipsTheLook,
    /// Enter is sent twice.
    SendsEnterTwice,
    /// An append is acknowledged and not stored.
    DropsAppends,
    /// An append is acknowledged before it is stored.
    AcknowledgesFirst,
    /// The paste guard is left out.
    PastesUnguarded,
    /// Labels are never read back: always what they were.
    ReadsOldLabels,
    /// Wake-ups are lost, and nothing ticks.
    NeverWakes,
    /// Nobody remembers which day of a schedule was run, and no claim is made of it.
    ForgetsTheDay,
    /// A restart forgets the last event.
    ForgetsAnEvent,
    /// The request is not read again before the paste.
    SkipsTheReread,
    /// A line that is wanted no more stays in the composer.
    LeavesTheLine,
    /// Label events of people who set the old label again are not read.
    OverlooksPeople,
    /// Answers to reports are not written.
    NeverAnswers,
}

#[derive(Debug)]
enum Task {
    Look(Questions),
    Saw(Box<Observation>),
    Store(Timestamp, u64, Vec<Event>),
    Stored(Result<(), String>),
    Perform(EffectId, Box<Action>),
    Outcome(EffectId, Outcome),
}

/// Engine, ledger and world of one run.
pub(crate) struct Driver {
    pub(crate) world: World,
    pub(crate) engine: Engine,
    /// The fold of what the ledger has, kept beside the engine's own.
    pub(crate) shadow: State,
    pub(crate) watch: Watch,
    pub(crate) log: Vec<String>,
    pub(crate) verbose: bool,
    pub(crate) plant: Plant,
    /// The longest that anything takes, in milliseconds; zero in scenarios.
    pub(crate) slowness: u64,
    /// Time between cycles when nothing wakes one.
    pub(crate) cycle: Option<SignedDuration>,
    pub(crate) ledger: Memory,
    tasks: BTreeMap<(Timestamp, u64), Task>,
    serial: u64,
    wake: Option<Timestamp>,
    looking: bool,
    /// What this cycle's looks read singly.
    details: BTreeMap<IssueNumber, Details>,
    cycled: Timestamp,
    cycles_at_once: u32,
    waited: String,
}

impl Driver {
    pub(crate) fn new(world: World, plant: Plant) -> Self {
        let now = world.now;
        Self {
            world,
            engine: Engine::new(State::default()),
            shadow: State::default(),
            watch: Watch::default(),
            log: Vec::new(),
            verbose: false,
            plant,
            slowness: 0,
            cycle: None,
            ledger: Memory::new("sim"),
            tasks: BTreeMap::new(),
            serial: 0,
            wake: None,
            looking: false,
            details: BTreeMap::new(),
            cycled: now,
            cycles_at_once: 0,
            waited: String::new(),
        }
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.verbose {
            let at = self.world.now.strftime("%d %H:%M:%S");
            self.log.push(format!("{at}  {}", line()));
        }
    }

    fn delay(&mut self) -> SignedDuration {
        let slowness = self.slowness;
        let ms = if slowness == 0 {
            0
        } else {
            self.world.rng.below(slowness)
        };
        SignedDuration::from_millis(i64::try_from(ms).expect("small"))
    }

    fn schedule(&mut self, at: Timestamp, task: Task) {
        self.serial += 1;
        self.tasks.insert((at, self.serial), task);
    }

    fn soon(&mut self, task: Task) {
        let at = self.world.now + self.delay();
        self.schedule(at, task);
    }

    /// Asks for a cycle at that time, if none comes earlier.
    pub(crate) fn wake_at(&mut self, at: Timestamp) {
        if self.plant != Plant::NeverWakes {
            self.wake = Some(self.wake.map_or(at, |wake| wake.min(at)));
        }
    }

    /// Returns when something happens next, and nothing later than `limit`.
    fn next_time(&self, limit: Timestamp) -> Option<Timestamp> {
        let tick = self
            .cycle
            .filter(|_| self.plant != Plant::NeverWakes)
            .map(|cycle| self.cycled + cycle);
        let wake = [self.wake, tick].into_iter().flatten().min();
        let task = self.tasks.keys().next().map(|(at, _)| *at);
        [
            wake.filter(|_| !self.looking),
            task,
            self.world.next_moment(),
        ]
        .into_iter()
        .flatten()
        .min()
        .map(|at| at.max(self.world.now))
        .filter(|at| *at <= limit)
    }

    /// Returns whether an effect, an append or a look is under way.
    pub(crate) fn is_busy(&self) -> bool {
        !self.tasks.is_empty() || self.wake.is_some_and(|at| at <= self.world.now)
    }

    /// Does the next thing that is due until `limit`; returns whether there was one.
    pub(crate) fn step(&mut self, limit: Timestamp) -> bool {
        let Some(at) = self.next_time(limit) else {
            self.world.now = self.world.now.max(limit);
            return false;
        };
        if at > self.world.now {
            self.cycles_at_once = 0;
        }
        self.world.now = at;
        self.world.tick();
        let due = self
            .tasks
            .first_key_value()
            .is_some_and(|((task, _), _)| *task <= at);
        if due {
            let (_, task) = self.tasks.pop_first().expect("it is due");
            self.run(task);
        } else if !self.looking && (self.wake.is_some_and(|wake| wake <= at) || self.ticks(at)) {
            self.wake = None;
            self.cycled = at;
            self.cycles_at_once += 1;
            if self.cycles_at_once > CYCLES_AT_ONCE_MAX {
                self.world.breaks("a hot loop of cycles");
            }
            self.input(Input::Woken);
        }
        true
    }

    fn ticks(&self, at: Timestamp) -> bool {
        self.cycle.is_some_and(|cycle| self.cycled + cycle <= at)
    }

    fn input(&mut self, input: Input) {
        let now = self.world.now;
        let effects = self.engine.step(&self.world.rules, input, now);
        if self.plant == Plant::ForgetsTheDay {
            self.engine.state.ran.clear();
            self.shadow.ran.clear();
        }
        for effect in effects {
            match effect {
                Effect::Look(questions) => {
                    self.looking = true;
                    self.soon(Task::Look(questions));
                }
                Effect::Append {
                    at,
                    version,
                    events,
                } => self.take_append(at, version, events),
                Effect::Do(id, action) => {
                    if let Err(what) = self.watch.starts(&self.shadow, &action, now) {
                        self.world.breaks(what);
                    }
                    self.soon(Task::Perform(id, Box::new(action)));
                }
                Effect::WakeAt(at) => self.wake_at(at),
            }
        }
    }

    fn take_append(&mut self, at: Timestamp, version: u64, events: Vec<Event>) {
        match self.plant {
            Plant::AcknowledgesFirst => {
                let slow = self.world.now + SignedDuration::from_secs(5);
                self.schedule(slow, Task::Store(at, version, events));
                self.soon(Task::Stored(Ok(())));
            }
            Plant::DropsAppends if self.world.rng.chance(50) => self.soon(Task::Stored(Ok(()))),
            _ => self.soon(Task::Store(at, version, events)),
        }
    }

    fn run(&mut self, task: Task) {
        match task {
            Task::Look(questions) => self.look(&questions),
            Task::Saw(seen) => self.saw(*seen),
            Task::Store(at, version, events) => {
                let stored = self.store(at, version, &events);
                if self.plant != Plant::AcknowledgesFirst {
                    self.soon(Task::Stored(stored));
                }
            }
            Task::Stored(Ok(())) => {
                self.input(Input::Appended);
                if self.engine.state != self.shadow && self.plant != Plant::AcknowledgesFirst {
                    self.world.breaks("state is not the fold of the ledger");
                }
            }
            Task::Stored(Err(why)) => {
                self.note(|| format!("    not appended: {why}"));
                self.input(Input::NotAppended(why));
            }
            Task::Perform(id, action) => self.perform(id, action),
            Task::Outcome(id, outcome) => {
                self.note(|| format!("    outcome {}: {outcome:?}", id.0));
                self.input(Input::Outcome(id, outcome));
            }
        }
    }

    fn look(&mut self, questions: &Questions) {
        if *questions == Questions::default() {
            self.details.clear();
        }
        let seen = self.world.observe(questions, &self.engine.state);
        self.soon(Task::Saw(Box::new(seen)));
    }

    fn saw(&mut self, seen: Observation) {
        self.looking = false;
        self.details.extend(seen.details.clone());
        let told = Observation {
            details: self.details.clone(),
            ..seen.clone()
        };
        let before = self.engine.report.clone();
        // Words cost time: a world hears them now and then, and there are many worlds.
        let heard = self.serial.is_multiple_of(HEARD);
        let rehearsed = heard
            .then(|| Rehearsed::new(&self.world.rules, &self.engine, &told, self.world.now))
            .transpose();
        self.input(Input::Seen(Box::new(seen)));
        let report = self.engine.report.clone();
        if report == before {
            return;
        }
        if let Some(did) = &report.did {
            self.note(|| format!("cycle: {did}"));
        } else {
            let words: Vec<String> = report
                .standing
                .iter()
                .map(|(issue, hold)| format!("{issue} {}", hold.word()))
                .collect();
            let words = words.join(", ");
            if self.waited != words {
                self.note(|| format!("cycle: waits ({words})"));
                self.waited = words;
            }
        }
        let rules = &self.world.rules;
        let checked = invariants::standing(rules, &self.shadow, &told.heads, &report)
            .and(rehearsed)
            .and_then(|rehearsed| match rehearsed {
                Some(rehearsed) => told::agrees(rules, &self.engine, &told)
                    .and_then(|()| rehearsed.came_true(&self.engine)),
                None => Ok(()),
            });
        if let Err(what) = checked {
            self.world.breaks(what);
        }
    }

    fn store(&mut self, at: Timestamp, version: u64, events: &[Event]) -> Result<(), String> {
        if self.world.rng.chance(self.world.faults.disk_full) {
            return Err("the disk is full".to_owned());
        }
        let mut claims = Vec::new();
        let mut records = Vec::new();
        for event in events {
            let forgets = self.plant == Plant::ForgetsTheDay;
            let kept = |claim: &String| !(forgets && claim.starts_with("schedule/"));
            claims.extend(event.claims().into_iter().filter(kept).map(Claim));
            records.push(NewRecord {
                at,
                kind: event.kind(),
                v: Event::VERSION,
                issue: event.issue().map(|issue| issue.0),
                dispatch: event.dispatch().map(ToString::to_string),
                body: serde_json::to_string(event).expect("an event is plain data"),
            });
        }
        let bodies: Vec<String> = records.iter().map(|record| record.body.clone()).collect();
        if let Err(error) = self.ledger.append(STREAM, version, records, claims) {
            if matches!(
                error,
                AppendError::WrongVersion { .. } | AppendError::Invalid(_)
            ) {
                self.world.breaks(format!("an append was refused: {error}"));
            }
            return Err(error.to_string());
        }
        for (event, body) in events.iter().zip(bodies) {
            self.note(|| format!("    ledger: {}", brief(event)));
            let read: Event = serde_json::from_str(&body).expect("the ledger wrote it");
            if read != *event {
                self.world
                    .breaks(format!("{} is not read back as written", event.kind()));
            }
            let limits = self.world.rules.workflow.limits.clone();
            if let Err(what) = self.watch.event(&limits, &self.shadow, at, &read) {
                self.world.breaks(what);
            }
            if let Event::DispatchTidied { dispatch } = &read
                && let Err(what) = invariants::tidied(&self.shadow, &self.world, dispatch)
            {
                self.world.breaks(what);
            }
            if let Err(illegal) = evolve(&mut self.shadow, at, &read) {
                self.world
                    .breaks(format!("the ledger took what is illegal: {illegal}"));
            }
            if let Err(what) = invariants::state(&self.shadow) {
                self.world.breaks(what);
            }
        }
        Ok(())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "an effect is handed over once"
    )]
    fn perform(&mut self, id: EffectId, action: Box<Action>) {
        if let Err(what) = invariants::action(&self.shadow, &self.world, &action) {
            self.world.breaks(what);
        }
        let outcome = match (self.plant, action.as_ref()) {
            (
                Plant::PastesUnguarded,
                Action::Paste {
                    dispatch, delivery, ..
                },
            ) if self.world.wanted(dispatch).is_ok() => {
                let window = dispatch.opening.window;
                self.world.type_into(window, dispatch, delivery);
                Outcome::Pasted {
                    baseline: String::new(),
                }
            }
            (
                Plant::SkipsTheReread,
                Action::Paste {
                    dispatch,
                    delivery,
                    pane,
                },
            ) if self.world.is_open(pane) => {
                let window = dispatch.opening.window;
                self.world.type_into(window, dispatch, delivery);
                Outcome::Pasted {
                    baseline: String::new(),
                }
            }
            (Plant::LeavesTheLine, Action::Clear { .. }) => Outcome::Cleared,
            (Plant::NeverAnswers, Action::Answer { .. }) => Outcome::Done,
            (Plant::SkipsTheLook, Action::Inspect { .. }) => Outcome::Found(Finding::NoTrace),
            (plant, action) => match self.world.act(action) {
                Performed::Later(at) => {
                    let again = Box::new(action.clone());
                    self.schedule(at, Task::Perform(id, again));
                    return;
                }
                Performed::Ended(outcome) => self.planted(plant, action, outcome),
            },
        };
        self.note(|| format!("    did {}: {}", id.0, word(&action)));
        self.soon(Task::Outcome(id, outcome));
    }

    fn planted(&mut self, plant: Plant, action: &Action, outcome: Outcome) -> Outcome {
        match (plant, action, outcome) {
            (
                Plant::SendsEnterTwice,
                Action::Enter {
                    dispatch, delivery, ..
                },
                Outcome::Entered,
            ) => {
                self.world.submitted(dispatch.opening.window, &delivery.id);
                Outcome::Entered
            }
            (Plant::ReadsOldLabels, Action::ReadLabels { issue }, Outcome::Labels { open, .. }) => {
                let from = self
                    .shadow
                    .transitions
                    .get(issue)
                    .map(|one| one.from.clone());
                Outcome::Labels {
                    labels: from.into_iter().collect(),
                    open,
                    events: Vec::new(),
                    roles: BTreeMap::new(),
                }
            }
            (
                Plant::OverlooksPeople,
                Action::ReadLabels { .. },
                Outcome::Labels {
                    labels,
                    open,
                    mut events,
                    roles,
                },
            ) => {
                events.retain(|event| event.actor == Some(super::rules::us()));
                Outcome::Labels {
                    labels,
                    open,
                    events,
                    roles,
                }
            }
            (_, _, outcome) => outcome,
        }
    }

    /// Kills the process: what was under way may have happened, and nobody says so.
    pub(crate) fn crash(&mut self) {
        self.note(|| "CRASH".to_owned());
        for (_, task) in std::mem::take(&mut self.tasks) {
            match task {
                Task::Store(at, version, events) if self.world.rng.chance(500) => {
                    drop(self.store(at, version, &events));
                }
                Task::Perform(_, action) if self.world.rng.chance(300) => {
                    let legal = invariants::action(&self.shadow, &self.world, &action);
                    if let Err(what) = legal {
                        self.world.breaks(what);
                    }
                    drop(self.world.act(&action));
                }
                _ => {}
            }
        }
        self.restarts();
        let pause = self.delay() * 10;
        self.wake_at(self.world.now + pause);
    }

    /// Kills the process between an append and what follows it, and wakes nobody.
    pub(crate) fn crash_idle(&mut self) {
        self.tasks.clear();
        self.restarts();
    }

    fn restarts(&mut self) {
        let mut replayed = self.replay();
        if self.plant == Plant::ForgetsTheDay {
            replayed.ran.clear();
        }
        if replayed != self.shadow {
            self.world
                .breaks("the replayed state is not the fold of the ledger");
        }
        self.engine = Engine::new(replayed);
        self.watch.restarts();
        self.looking = false;
        self.wake = None;
    }

    /// Folds the ledger from its first record.
    pub(crate) fn replay(&self) -> State {
        let mut state = State::default();
        let records: Vec<_> = Records::after(&self.ledger, 0).collect();
        let forgotten = usize::from(self.plant == Plant::ForgetsAnEvent);
        for record in records.iter().take(records.len().saturating_sub(forgotten)) {
            let record = record.as_ref().expect("memory can be read");
            let event: Event = serde_json::from_str(&record.body).expect("the ledger wrote it");
            evolve(&mut state, record.at, &event).expect("it was legal when it was written");
        }
        state
    }

    /// A person's or a verb's request.
    pub(crate) fn ask(&mut self, request: Request) {
        self.note(|| format!("ASKED {request:?}"));
        self.input(Input::Asked(request));
    }
}

/// Returns one line for an event.
fn brief(event: &Event) -> String {
    let about = event.issue().map(|issue| format!(" {issue}"));
    let dispatch = event.dispatch().map(|dispatch| format!(" {dispatch}"));
    let detail = match event {
        Event::DispatchClosed { cause, .. } => format!(" {cause:?}"),
        Event::DeliverySettled {
            verdict, witness, ..
        } => format!(" {} ({witness})", verdict.as_str()),
        Event::TransitionSettled { outcome, .. } => format!(" {outcome:?}"),
        Event::TransitionIntended { transition } => {
            format!(" {} -> {}", transition.from, transition.to)
        }
        Event::ReportReceived { report } => format!(" {:?}", report.verb),
        Event::GateFinished { evidence, .. } => {
            format!(" {} {}", evidence.gate, evidence.holds)
        }
        Event::HoldsChanged { holds } => {
            let words: Vec<String> = holds
                .iter()
                .map(|(issue, hold)| format!("{issue} {}", hold.word()))
                .collect();
            format!(" {}", words.join(", "))
        }
        Event::DispatchStalled { why, .. } => format!(" {why}"),
        Event::DispatchOpened { opening } => format!(
            " {} attempt {} round {}",
            opening.stage.label, opening.attempt, opening.round
        ),
        _ => String::new(),
    };
    format!(
        "{}{}{}{detail}",
        event.kind(),
        about.unwrap_or_default(),
        dispatch.unwrap_or_default()
    )
}

/// Returns the name of an action's kind.
fn word(action: &Action) -> String {
    let text = format!("{action:?}");
    text.split([' ', '{']).next().unwrap_or_default().to_owned()
}
