//! Drives the real engine through a modelled world: performs its effects, keeps its ledger, kills it at any instant.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Action, Details, DispatchId, EffectId, Event, Finding, IssueNumber, Observation, Outcome,
    Questions, ReportId, Request,
};
use pointsman::ledger::{AppendError, Claim, Memory, NewRecord, Records, Store};
use pointsman::machine::engine::{Effect, Engine, Input};
use pointsman::machine::evolve::evolve;
use pointsman::machine::state::State;

use super::faults::Fault;
use super::invariants::{self, Watch};
use super::laws::Law;
use super::noted::{brief, word};
use super::perform::Performed;
pub(crate) use super::plants::Plant;
use super::plants::without_limits;
use super::resting;
use super::told::{self, Rehearsed};
use super::trees::Trees;
use super::world::{LISTS_EVERY, World};

/// The project's stream.
pub(super) const STREAM: &str = "blog";
/// So many cycles at one instant are a hot loop.
const CYCLES_AT_ONCE_MAX: u32 = 60;

/// The words of one look in so many are compared with what was decided.
const HEARD: u64 = 7;

/// What is under way.
#[derive(Debug)]
pub(super) enum Task {
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
    pub(super) tasks: BTreeMap<(Timestamp, u64), Task>,
    pub(super) serial: u64,
    pub(super) wake: Option<Timestamp>,
    pub(super) looking: bool,
    /// What this cycle's looks read, each for its own questions.
    details: BTreeMap<IssueNumber, Details>,
    unread: BTreeMap<IssueNumber, String>,
    changed: BTreeMap<IssueNumber, Result<Vec<String>, String>>,
    pub(super) cycled: Timestamp,
    cycles_at_once: u32,
    waited: String,
    /// What this cycle began.
    began: u64,
    /// Reports that the ledger has, and dispatches that it closed.
    pub(crate) reports: BTreeSet<ReportId>,
    pub(crate) closed: BTreeSet<DispatchId>,
    /// Another process with the same ledger, as it stood when it read it.
    pub(super) rival: Option<Engine>,
    /// How often it was killed.
    pub(crate) crashes: u64,
    pub(crate) steps: u64,
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
            unread: BTreeMap::new(),
            changed: BTreeMap::new(),
            cycled: now,
            cycles_at_once: 0,
            waited: String::new(),
            began: 0,
            reports: BTreeSet::new(),
            closed: BTreeSet::new(),
            rival: None,
            crashes: 0,
            steps: 0,
        }
    }

    /// Begins to live as the daemon does: slowly, and every minute.
    pub(crate) fn begins(&mut self) {
        self.slowness = 3000;
        self.cycle = Some(SignedDuration::from_secs(60));
        self.wake_at(self.world.now);
    }

    pub(crate) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.verbose {
            let at = self.world.now.strftime("%d %H:%M:%S");
            self.log.push(format!("{at}  {}", line()));
        }
    }

    pub(super) fn delay(&mut self) -> SignedDuration {
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
    pub(crate) fn next_time(&self, limit: Timestamp) -> Option<Timestamp> {
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
        self.steps += 1;
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
                self.world.breaks(Law::Budget, "a hot loop of cycles");
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
        let seen = matches!(input, Input::Seen(_));
        if input == Input::Woken {
            self.began = 0;
        }
        let loose = (self.plant == Plant::IgnoresLimits).then(|| without_limits(&self.world.rules));
        let rules = loose.as_ref().unwrap_or(&self.world.rules);
        let effects = self.engine.step(rules, input, now);
        if seen {
            self.began += effects.iter().filter(|effect| begins(effect)).count() as u64;
            if self.began > 1 {
                let how = format!("{:?} and {} more", self.engine.report.did, self.began - 1);
                self.world.breaks(Law::OneAction, how);
            }
        }
        for state in [&mut self.engine.state, &mut self.shadow] {
            self.plant.forgets(state);
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
                    let judged = self.watch.starts(&self.shadow, &action, now);
                    self.world.holds_to(judged);
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
            _ if self.world.strikes(Fault::DiskSlow) => {
                let wait = i64::try_from(1 + self.world.rng.below(30)).expect("small");
                let slow = self.world.now + SignedDuration::from_secs(wait);
                self.schedule(slow, Task::Store(at, version, events));
            }
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
                    let how = "state is not the fold of the ledger";
                    self.world.breaks(Law::Fold, how);
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
            self.unread.clear();
            self.changed.clear();
            if self.plant == Plant::ReadsInEveryCycle {
                let open = self.shadow.dispatches.values().filter(|one| one.is_open());
                self.world.asks(2 * open.count() as u64);
            }
        } else {
            self.note(|| format!("    asks for {}", asked(questions)));
        }
        let seen = self.world.observe(questions, &self.engine.state);
        self.soon(Task::Saw(Box::new(seen)));
    }

    fn saw(&mut self, seen: Observation) {
        self.looking = false;
        let mut seen = seen;
        if self.plant == Plant::Starves && seen.heads.len() > 1 {
            seen.heads.pop_first();
        }
        self.plant.dates(&self.engine.state, &mut seen);
        self.details.extend(seen.details.clone());
        self.unread.extend(seen.unread.clone());
        self.changed.extend(seen.changed.clone());
        let told = Observation {
            details: self.details.clone(),
            unread: self.unread.clone(),
            changed: self.changed.clone(),
            ..seen.clone()
        };
        let before = self.engine.report.clone();
        // Words cost time: a world hears them now and then, and there are many worlds.
        let heard = self.serial.is_multiple_of(HEARD) && self.plant != Plant::IgnoresLimits;
        let rehearsed = heard
            .then(|| Rehearsed::new(&self.world.rules, &self.engine, &told, self.world.now))
            .transpose();
        let again = (self.plant == Plant::DecidesTwice).then(|| Box::new(seen.clone()));
        self.input(Input::Seen(Box::new(seen)));
        if let Some(again) = again {
            self.input(Input::Seen(again));
        }
        if self.plant == Plant::PollsEverySecond {
            self.wake_at(self.world.now + SignedDuration::from_secs(1));
            self.world.listed = self.world.now - LISTS_EVERY;
        }
        self.plant.forges(&mut self.engine.report);
        let report = self.engine.report.clone();
        if report == before {
            return;
        }
        self.watch.waits(&report);
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
        let words = |how| (Law::WordsAgree, how);
        let checked = resting::reasons(rules, &self.shadow, &told.heads, &report)
            .and_then(|()| resting::ring(&report, &self.shadow))
            .and_then(|()| resting::labels(&self.world, false))
            .and_then(|()| rehearsed.map_err(words))
            .and_then(|rehearsed| match rehearsed {
                Some(rehearsed) => told::agrees(rules, &self.engine, &told)
                    .and_then(|()| rehearsed.came_true(&self.engine))
                    .map_err(words),
                None => Ok(()),
            });
        self.world.holds_to(checked);
    }

    pub(super) fn store(
        &mut self,
        at: Timestamp,
        version: u64,
        events: &[Event],
    ) -> Result<(), String> {
        if self.world.strikes(Fault::DiskFull) {
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
            let how = format!("an append was refused: {error}");
            match error {
                AppendError::WrongVersion { .. } => self.world.breaks(Law::OneDaemon, how),
                AppendError::Invalid(_) => self.world.breaks(Law::Whole, how),
                _ => {}
            }
            return Err(error.to_string());
        }
        for (event, body) in events.iter().zip(bodies) {
            self.note(|| format!("    ledger: {}", brief(event)));
            let read: Event = serde_json::from_str(&body).expect("the ledger wrote it");
            if read != *event {
                let how = format!("{} is not read back as written", event.kind());
                self.world.breaks(Law::Fold, how);
            }
            let mut kept = read.clone();
            self.plant.alters(&mut kept);
            let judged = (self.watch).event(&self.world.rules, &self.shadow, at, &kept);
            self.world.holds_to(judged);
            match &read {
                Event::DispatchTidied { dispatch } => {
                    let judged = invariants::tidied(&self.shadow, &self.world, dispatch);
                    self.world.holds_to(judged);
                }
                Event::TransitionIntended { transition } => {
                    let before = self.world.tracker.ids();
                    self.world.intended.insert(transition.issue, before);
                }
                Event::ReportReceived { report } => {
                    self.reports.insert(report.id.clone());
                }
                Event::DispatchClosed { dispatch, cause } => {
                    let judged = invariants::kept(&self.shadow, &self.world, dispatch, cause);
                    self.world.holds_to(judged);
                    self.closed.insert(dispatch.clone());
                }
                _ => {}
            }
            if let Err(illegal) = evolve(&mut self.shadow, at, &read) {
                let how = format!("the ledger took what is illegal: {illegal}");
                self.world.breaks(Law::Whole, how);
            }
            self.world.holds_to(invariants::state(&self.shadow));
        }
        Ok(())
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "an effect is handed over once"
    )]
    fn perform(&mut self, id: EffectId, action: Box<Action>) {
        let judged = invariants::action(&self.shadow, &self.world, &action);
        self.world.holds_to(judged);
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
            (Plant::KeepsTheBranch, Action::PrepareTree { dispatch }) => {
                self.world.prepare(dispatch, Trees::Keep)
            }
            (Plant::LeavesTheLine, Action::Clear { .. }) => Outcome::Cleared,
            (Plant::NeverAnswers, Action::Answer { .. }) => Outcome::Done,
            (Plant::SkipsTheMarker, Action::State { statement }) if statement.marks.is_some() => {
                self.world.unmarked(statement)
            }
            (Plant::PutsTheWholeSet, Action::AddLabel { issue, label }) => {
                self.world.tracker.puts(*issue, label);
                Outcome::Done
            }
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

/// What is read singly.
fn asked(questions: &Questions) -> String {
    let issues: Vec<String> = questions.issues.iter().map(ToString::to_string).collect();
    let (pulls, branches) = (questions.pulls.len(), questions.branches.len());
    format!("{} ({pulls} pulls, {branches} branches)", issues.join(" "))
}

/// Whether an effect begins something: that reasons changed is not anything.
fn begins(effect: &Effect) -> bool {
    match effect {
        Effect::Do(..) => true,
        Effect::Append { events, .. } => !matches!(events.as_slice(), [Event::HoldsChanged { .. }]),
        Effect::Look(_) | Effect::WakeAt(_) => false,
    }
}
