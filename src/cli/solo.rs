//! One project's hands without its loops: for verbs that act once while no daemon runs. Takes the ledger's lock.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::cli::{Failure, known};
use crate::config::Config;
use crate::daemon::hands::{Hands, Own, Shared};
use crate::daemon::key::Key;
use crate::daemon::load::Load;
use crate::daemon::looking::elsewhere::Reads;
use crate::daemon::looking::observe::{Ask, Observer};
use crate::daemon::panes::fleet::{Fleet, Member, Members, Samples};
use crate::daemon::panes::samplers::Samplers;
use crate::daemon::places::Places;
use crate::daemon::runner::{MAILBOX, Message};
use crate::daemon::store;
use crate::daemon::trackers::Trackers;
use crate::domain::{Hold, Observation, Questions, Rules, Window};
use crate::ledger::{Ledger, LedgerThread, Lock};
use crate::machine::starting::decide::{self, Decision, Memory, Standing};
use crate::machine::starting::{beside, candidates};
use crate::machine::state::State;

/// How long the panes are watched before a decision is made on them: idleness takes several looks.
pub(super) const WATCHED: Duration = Duration::from_secs(4);
/// How often issues are read before a decision is told.
const READS_MAX: u8 = 20;
/// How many of the first in line are read together.
const READ_AT_ONCE_MAX: usize = 20;

/// One project, and the right to write the ledger.
pub(super) struct Solo {
    pub(super) hands: Hands,
    pub(super) state: State,
    observer: Observer,
    samples: watch::Sender<Arc<Samples>>,
    _thread: LedgerThread,
    _lock: Lock,
}

impl Solo {
    /// Takes the lock and replays one project.
    pub(super) async fn start(
        places: &Places,
        config: Config,
        name: &str,
        trackers: &Trackers,
    ) -> Result<Self, Failure> {
        let project = known::project(&config, name)?.clone();
        let (lock, store) = known::to_write(places)?;
        let (ledger, thread) = Ledger::start(Box::new(store))?;
        let ledger_id = ledger.ledger_id().await.map_err(known::unreadable)?;
        let state = store::replay(&ledger, &project.name)
            .await
            .map_err(known::illegal)?;
        let (mark, heads) = store::load(&ledger, &project.name).await;
        let tracker = trackers
            .open(places, &config, &project)
            .map_err(known::unopened)?;
        let samplers = Samplers::new(&config.profiles, places.agents_home())?;
        let known = !heads.is_empty() || mark.etag.is_some();
        let (samples, seen) = watch::channel(Arc::new(Samples::default()));
        let shared = Shared {
            places: places.clone(),
            ledger,
            ledger_id,
            samplers,
            samples: seen,
            config: watch::channel(Arc::new(config)).1,
            key: Key::open(&places.state.join("key"))?,
            reads: Reads::default(),
        };
        let own = Own {
            name: project.name,
            tracker,
            state: &state,
            heads,
            // Looking starts nothing: an agent that is not there stays away.
            kept: false,
        };
        let hands = Hands::new(shared, own);
        Ok(Self {
            hands,
            state,
            observer: Observer::new(mark, known),
            samples,
            _thread: thread,
            _lock: lock,
        })
    }

    /// Watches the panes for a moment.
    pub(super) async fn watch(&self) {
        let members = Members::default();
        let (mailbox, mut inbox) = mpsc::channel::<Message>(MAILBOX);
        let member = Member {
            hands: self.hands.clone(),
            mailbox,
        };
        members
            .lock()
            .expect("no holder of this lock panics")
            .insert(self.hands.name.clone(), member);
        let (stop, stopped) = watch::channel(false);
        // Nothing is dispatched here, so nothing opens.
        let load = Arc::<Load>::default();
        let fleet = Fleet::new(self.hands.tmux.clone(), members, load, self.samples.clone());
        let fleet = tokio::spawn(fleet.run(stopped));
        let deadline = tokio::time::Instant::now() + WATCHED;
        while tokio::time::timeout_at(deadline, inbox.recv())
            .await
            .is_ok()
        {
            let ready = |sample: crate::daemon::panes::fleet::WindowSample| {
                sample.sample.state.takes_text()
            };
            if self.hands.sampled(Window::AGENT).is_some_and(ready) {
                break;
            }
        }
        stop.send_replace(true);
        // A watch that ended badly saw nothing, and that is what the samples say.
        drop(fleet.await);
    }

    /// Looks at everything once.
    pub(super) async fn look(&mut self, ask: Ask, questions: &Questions) -> Observation {
        self.observer.refresh(&self.hands, ask).await;
        self.observer
            .observe(&self.hands, &self.state, questions)
            .await
    }

    /// Decides as a cycle would, and starts nothing.
    pub(super) async fn decide(&mut self) -> Result<(Observation, (Decision, Standing)), Failure> {
        let rules = self
            .hands
            .rules()
            .expect("the project was found in this configuration");
        self.watch().await;
        let mut memory = Memory::default();
        let mut seen = self.look(Ask::Changes, &Questions::default()).await;
        for _ in 0..READS_MAX {
            let decided = decide::decide(&rules, &self.state, &memory, &seen, seen.at);
            let questions = unread(&rules, &self.state, &seen, &decided);
            if questions.issues.is_empty() {
                return Ok((seen, decided));
            }
            let details = seen.details;
            seen = self.look(Ask::Nothing, &questions).await;
            for (issue, known) in details {
                seen.details.entry(issue).or_insert(known);
            }
            // Also of those whose agent is not up: it would be, and they would still not start.
            let refusals = decide::refusals(&rules, &self.state, &seen, seen.at);
            memory.note(&rules, &self.state, &seen, &refusals, true, seen.at);
        }
        let decided = decide::decide(&rules, &self.state, &memory, &seen, seen.at);
        Ok((seen, decided))
    }
}

/// What is read before a person is told who goes first: a cycle reads one issue after the other, in its own time, but who asks once
/// must not be told that an issue starts which was labelled long ago.
fn unread(
    rules: &Rules,
    state: &State,
    seen: &Observation,
    (decision, standing): &(Decision, Standing),
) -> Questions {
    let mut questions = match decision {
        Decision::Look(questions) => questions.clone(),
        Decision::Act(_) | Decision::Wait(_) => Questions::default(),
    };
    let ranked = candidates::ranked(rules, state, seen, seen.at).candidates;
    for candidate in ranked.iter().take(READ_AT_ONCE_MAX) {
        let number = candidate.head.number;
        let about_another = matches!(
            standing.get(&number),
            None | Some(
                Hold::NoAgent { .. }
                    | Hold::AgentNotIdle { .. }
                    | Hold::AgentAsks { .. }
                    | Hold::Behind { .. }
                    | Hold::NextCycle
            )
        );
        let is_known = seen.details.contains_key(&number) || seen.unread.contains_key(&number);
        if about_another && !is_known && !questions.issues.contains(&number) {
            questions.issues.push(number);
            let (head, stage) = (candidate.head, candidate.stage);
            let mut beside = beside::branches(rules, state, seen, head, stage);
            questions.branches.append(&mut beside);
        }
    }
    questions
}
