//! One project's loop: feeds the engine, performs its effects, writes the heartbeat. It decides nothing.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::daemon::desk::notify::Notifier;
use crate::daemon::hands::{Hands, now};
use crate::daemon::heartbeat;
use crate::daemon::load::Load;
use crate::daemon::looking::observe::{Ask, Observer};
use crate::daemon::looking::witness;
use crate::daemon::pace::{BREATH, Jitter, Pace};
use crate::daemon::perform::perform;
use crate::daemon::store;
use crate::domain::{
    Action, Dispatch, EffectId, Event, FleetLoad, Observation, Outcome, Questions, Request, Rules,
};
use crate::knife;
use crate::machine::engine::{CycleReport, Effect, Engine, Input, Scope};
use crate::machine::starting::decide::Memory;
use crate::machine::state::State;
use crate::view::{ACCOUNTS, ProjectView, Remembered, Sight, account_limits};

/// Letters in a runner's mailbox.
pub const MAILBOX: usize = 256;

/// What a runner is told.
#[derive(Debug)]
pub enum Message {
    /// Something may have changed.
    Wake,
    /// The tracker changed, as far as somebody says.
    Poll,
    /// Time for an unconditional read of everything.
    Sweep,
    /// A look is ready.
    Seen(Box<Observation>, Box<Observer>),
    /// An append is in the ledger, or is not.
    Appended(Result<(), String>),
    /// What came of an effect.
    Outcome(EffectId, Outcome),
    /// A person asks for something.
    Ask(Request, oneshot::Sender<()>),
    /// What is known now, for surfaces.
    Show(oneshot::Sender<Box<Shown>>),
    /// No new work; what is under way ends.
    Drain(oneshot::Sender<()>),
}

/// What a surface renders.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The fold.
    pub state: State,
    /// The last cycle.
    pub report: CycleReport,
    /// The last observation.
    pub seen: Option<Observation>,
    /// Without a daemon: what was stored at the last look.
    pub remembered: Option<Remembered>,
    /// What the next cycle remembers if it sees the same again: refusals, what is under way.
    pub memory: Memory,
}

impl Shown {
    /// Returns what is known of the tracker and of the panes.
    pub fn sight(&self) -> Sight<'_> {
        match (&self.seen, &self.remembered) {
            (Some(seen), _) => Sight::Live(seen),
            (None, Some(remembered)) => Sight::Remembered(remembered),
            (None, None) => Sight::Nothing,
        }
    }
}

/// How long a look waits for the watch's first one.
const FIRST_LOOK_MAX: Duration = Duration::from_secs(10);

/// One project's runner.
#[derive(Debug)]
pub struct Runner {
    hands: Hands,
    engine: Engine,
    observer: Option<Box<Observer>>,
    inbox: mpsc::Receiver<Message>,
    outbox: mpsc::Sender<Message>,
    load: Arc<Load>,
    notifier: Arc<Notifier>,
    seen: Option<Observation>,
    /// The last rules in force: what was under way when the project's file was removed ends by them.
    rules: Option<Rules>,
    cycle: Duration,
    ask: Ask,
    wanted: bool,
    wake_at: Option<jiff::Timestamp>,
    polled: tokio::time::Instant,
    jitter: Jitter,
    pace: Pace,
    draining: Option<oneshot::Sender<()>>,
}

impl Runner {
    /// Makes a runner that goes on from the replayed state.
    pub fn new(
        hands: Hands,
        state: State,
        observer: Observer,
        mailbox: (mpsc::Sender<Message>, mpsc::Receiver<Message>),
        load: Arc<Load>,
        notifier: Arc<Notifier>,
    ) -> Self {
        let cycle = hands.config.borrow().settings.cycle;
        let jitter = Jitter::of(&hands.name);
        Self {
            hands,
            engine: Engine::new(state),
            observer: Some(Box::new(observer)),
            outbox: mailbox.0,
            inbox: mailbox.1,
            load,
            notifier,
            seen: None,
            rules: None,
            cycle,
            ask: Ask::Changes,
            wanted: true,
            wake_at: None,
            polled: tokio::time::Instant::now(),
            jitter,
            pace: Pace::default(),
            draining: None,
        }
    }

    /// Narrows what it begins.
    #[must_use]
    pub fn within(mut self, scope: Scope) -> Self {
        self.engine = self.engine.within(scope);
        self
    }

    /// Runs until drained.
    pub async fn run(mut self) {
        if self.engine.state.added.is_none() {
            let project = self.hands.project();
            let added = project.and_then(|project| project.added);
            let added = added.unwrap_or_else(now);
            self.record(&[Event::ProjectAdded { added }]).await;
        }
        let lost = witness::unaccounted(&self.hands, &self.engine.state).await;
        if !lost.is_empty() {
            self.record(&lost).await;
        }
        loop {
            self.cycle = self.hands.config.borrow().settings.cycle;
            self.begin_cycle();
            if self.draining.is_some() && self.engine.is_quiet() && self.observer.is_some() {
                break;
            }
            let pause = self.pause();
            let message = tokio::select! {
                message = self.inbox.recv() => message,
                () = tokio::time::sleep(pause) => { self.due(); continue }
            };
            match message {
                Some(message) => self.take(message),
                None => break,
            }
        }
        if let Some(done) = self.draining.take()
            && done.send(()).is_err()
        {
            tracing::debug!("nobody waits for it any more");
        }
    }

    /// Records what is true before the first cycle.
    async fn record(&mut self, events: &[Event]) {
        let at = now();
        match store::append(&self.hands, self.engine.state.version, at, events).await {
            Ok(()) => {
                for event in events {
                    crate::machine::evolve::evolve(&mut self.engine.state, at, event)
                        .expect("both are legal in every state");
                }
            }
            Err(error) => {
                tracing::error!(%error, project = %self.hands.name, "the project cannot be recorded");
            }
        }
    }

    /// How long nothing has to be done.
    fn pause(&self) -> Duration {
        if self.wanted && self.observer.is_some() {
            return self.pace.pause(tokio::time::Instant::now()).max(BREATH);
        }
        let tick = self.jitter.pause(self.cycle);
        let tick = tick.saturating_sub(self.polled.elapsed());
        let own = self
            .wake_at
            .map(|at| Duration::try_from(at.duration_since(now())).unwrap_or(Duration::ZERO));
        own.map_or(tick, |own| own.min(tick)).max(BREATH)
    }

    /// Time passed: a tick of the cycle, or a moment the engine named.
    fn due(&mut self) {
        if self.polled.elapsed() >= self.jitter.pause(self.cycle) {
            self.ask = self.ask.max_of(Ask::Changes);
            self.wanted = true;
            self.pace.tick();
        }
        if self.wake_at.is_some_and(|at| now() >= at) {
            self.wake_at = None;
            self.wanted = true;
        }
    }

    fn begin_cycle(&mut self) {
        let now = tokio::time::Instant::now();
        let recovered = self.pace.pause(now).is_zero();
        if !self.wanted || !recovered || self.draining.is_some() || self.observer.is_none() {
            return;
        }
        self.wanted = false;
        self.pace.begin(now);
        let effects = self.feed(Input::Woken);
        self.perform_all(effects);
    }

    fn feed(&mut self, input: Input) -> Vec<Effect> {
        let current = self.hands.rules();
        let is_removed = current.is_none();
        self.rules = current.or(self.rules.take());
        // A project without a file starts nothing. What ended meanwhile is still taken: dropped, it would be waited for without end.
        let begins = matches!(input, Input::Woken | Input::Seen(_) | Input::Asked(_));
        let Some(rules) = self.rules.clone().filter(|_| !(is_removed && begins)) else {
            self.share(is_removed);
            return Vec::new();
        };
        let before = self.engine.report.at;
        let effects = self.decide(&rules, input, is_removed);
        if self.engine.report.at != before {
            heartbeat::write(&self.hands, &self.engine.report, self.seen.as_ref());
            if let Some(seen) = &self.seen {
                let view = ProjectView::new(
                    &rules,
                    &self.engine.state,
                    &self.engine.report,
                    Sight::Live(seen),
                );
                self.notifier.hear_project(&view, now());
                let limits = self.hands.samples.borrow().limits.clone();
                self.notifier.hear(ACCOUNTS, account_limits(&limits));
            }
        }
        effects
    }

    /// One step, while no other project takes one: what this one opens counts for the next.
    fn decide(&mut self, rules: &Rules, mut input: Input, is_removed: bool) -> Vec<Effect> {
        let load = Arc::clone(&self.load);
        let _turn = load.turn();
        if let Input::Seen(seen) = &mut input {
            seen.fleet = load.sum();
        }
        let effects = self.engine.step(rules, input, now());
        self.share(is_removed);
        effects
    }

    /// Says what is taken here of what all projects share. A removed project takes nothing from the others.
    fn share(&self, is_removed: bool) {
        let share = if is_removed {
            FleetLoad::default()
        } else {
            self.engine.load()
        };
        self.load.put(&self.hands.name, share);
    }

    fn take(&mut self, message: Message) {
        let effects = match message {
            Message::Wake => {
                self.wanted = true;
                return;
            }
            Message::Poll => {
                self.ask = self.ask.max_of(Ask::Changes);
                self.wanted = true;
                self.pace.tick();
                return;
            }
            Message::Sweep => {
                self.ask = Ask::Everything;
                self.engine.doubt();
                self.wanted = true;
                return;
            }
            Message::Seen(seen, observer) => {
                self.observer = Some(observer);
                self.seen = Some((*seen).clone());
                self.feed(Input::Seen(seen))
            }
            Message::Appended(Ok(())) => self.feed(Input::Appended),
            Message::Appended(Err(why)) => self.feed(Input::NotAppended(why)),
            Message::Outcome(id, outcome) => self.feed(Input::Outcome(id, outcome)),
            Message::Ask(request, done) => {
                let effects = self.feed(Input::Asked(request));
                if done.send(()).is_err() {
                    tracing::debug!("nobody waits for it any more");
                }
                effects
            }
            Message::Show(reply) => {
                // What a person asks for, or is shown, is held against what all projects have open now.
                if let Some(seen) = &mut self.seen {
                    seen.fleet = self.load.sum();
                }
                let shown = Shown {
                    state: self.engine.state.clone(),
                    report: self.engine.report.clone(),
                    seen: self.seen.clone(),
                    remembered: None,
                    memory: match (&self.rules, &self.seen) {
                        (Some(rules), Some(seen)) => self.engine.memory_for(rules, seen, now()),
                        _ => Memory::default(),
                    },
                };
                drop(reply.send(Box::new(shown)));
                return;
            }
            Message::Drain(done) => {
                self.draining = Some(done);
                return;
            }
        };
        self.perform_all(effects);
    }

    fn perform_all(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Look(questions) => self.look(questions),
                Effect::Append {
                    at,
                    version,
                    events,
                } => self.append(at, version, events),
                Effect::Do(id, action) => self.act(id, action),
                Effect::WakeAt(at) => {
                    if at <= now() {
                        self.wanted = true;
                    } else {
                        self.wake_at = Some(self.wake_at.map_or(at, |known| known.min(at)));
                    }
                }
            }
        }
    }

    /// The observer goes with the look and comes back with it: there is one look at a time.
    fn look(&mut self, questions: Questions) {
        let Some(mut observer) = self.observer.take() else {
            self.wanted = true;
            return;
        };
        let ask = std::mem::replace(&mut self.ask, Ask::Nothing);
        if ask != Ask::Nothing {
            self.polled = tokio::time::Instant::now();
            self.jitter.draw();
        }
        let (hands, outbox, state) = (
            self.hands.clone(),
            self.outbox.clone(),
            self.engine.state.clone(),
        );
        tokio::spawn(async move {
            observer.refresh(&hands, ask).await;
            watched(&hands).await;
            let seen = observer.observe(&hands, &state, &questions).await;
            // The runner outlives its looks; if it does not, nobody wants them.
            drop(outbox.send(Message::Seen(Box::new(seen), observer)).await);
        });
    }

    fn append(&self, at: jiff::Timestamp, version: u64, events: Vec<Event>) {
        let (hands, outbox) = (self.hands.clone(), self.outbox.clone());
        tokio::spawn(async move {
            let result = store::append(&hands, version, at, &events)
                .await
                .map_err(|error| crate::daemon::hands::chain(&error));
            drop(outbox.send(Message::Appended(result)).await);
        });
    }

    fn act(&self, id: EffectId, action: Action) {
        let dispatch = self.owner(&action);
        let (hands, outbox) = (self.hands.clone(), self.outbox.clone());
        tokio::spawn(async move {
            let name = action.word();
            tracing::debug!(project = %hands.name, effect = id.0, name, "starts");
            knife::point(|| format!("before {name}"));
            let outcome = perform(&hands, action, dispatch).await;
            knife::point(|| format!("after {name}"));
            tracing::debug!(project = %hands.name, effect = id.0, name, ?outcome, "ended");
            drop(outbox.send(Message::Outcome(id, outcome)).await);
        });
    }

    fn owner(&self, action: &Action) -> Option<Dispatch> {
        let id = action.dispatch()?;
        self.engine.state.dispatches.get(id).cloned()
    }
}

impl Ask {
    /// Returns the larger of two wishes.
    fn max_of(self, other: Self) -> Self {
        match (self, other) {
            (Self::Everything, _) | (_, Self::Everything) => Self::Everything,
            (Self::Changes, _) | (_, Self::Changes) => Self::Changes,
            (Self::Nothing, Self::Nothing) => Self::Nothing,
        }
    }
}

/// Waits until the watch has looked for the project's panes once: after a start a pane that nobody looked for is not missing.
async fn watched(hands: &Hands) {
    let mut samples = hands.samples.clone();
    let looked = samples.wait_for(|samples| samples.looked.contains(&hands.name));
    // A watch that hangs or ended sees nothing, and that is what the look then says.
    drop(tokio::time::timeout(FIRST_LOOK_MAX, looked).await);
}
