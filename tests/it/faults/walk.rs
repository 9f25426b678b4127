//! One brief on its way: the product's own decisions, driven step by step, with a schedule of what goes wrong between any two of them.

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Action, Delivery, DeliveryId, DeliveryStep, Dispatch, Event, Outcome, PaneSample, Purpose,
    Verdict, Via,
};
use pointsman::machine::dispatch::delivery;
use pointsman::machine::evolve::evolve;
use pointsman::machine::state::State;
use pointsman::machine::step::Step;

use crate::builders;

/// Where something goes wrong: before the first act, then before each of the following ones.
pub(crate) const PASTE: usize = 0;
pub(crate) const ECHO: usize = 1;
pub(crate) const ENTER: usize = 2;
pub(crate) const RECEIPT: usize = 3;
/// Acts of one schedule, at most: a walk that needs more does not come to an end.
const ACTS_MAX: usize = 120;
/// A brief that was proven not to have been typed is delivered anew so often.
const TRIES_MAX: usize = 3;
/// Looks for a sample that proves idle.
const SAMPLES_MAX: usize = 12;

/// Bugs that are planted in the driver, each of which a peer has had (facts/terminal.md, 2). The checks have to catch them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bug {
    /// Enter is sent without a look.
    BlindEnter,
    /// The line is pasted without a look, into whatever is there: also a dead pane.
    BlindPaste,
    /// No echo: pasted again.
    SecondPaste,
    /// The program looks busy: taken for a receipt.
    BusyIsReceipt,
    /// tmux took the keys: taken for a receipt.
    AcceptedIsReceipt,
    /// No receipt: Enter again, whatever the screen says.
    BlindRetry,
    /// No receipt: the whole brief again.
    Resend,
    /// The composer is emptied first, whoever wrote in it.
    ClearFirst,
}

/// Every planted bug.
pub(crate) const BUGS: [Bug; 8] = [
    Bug::BlindEnter,
    Bug::BlindPaste,
    Bug::SecondPaste,
    Bug::BusyIsReceipt,
    Bug::AcceptedIsReceipt,
    Bug::BlindRetry,
    Bug::Resend,
    Bug::ClearFirst,
];

/// A pane, real or modelled, and what can be done to it.
pub(crate) trait Hand {
    /// The machine's time.
    fn now(&self) -> Timestamp;
    /// Lets go wrong what is due before act number `act`; `true` if the daemon dies within the act.
    async fn before(&mut self, act: usize) -> bool;
    /// Samples the pane as the watch would.
    async fn sample(&mut self) -> Option<PaneSample>;
    /// Performs one act; `None` if the daemon died and nobody knows what came of it.
    async fn perform(&mut self, action: &Action, dies: bool) -> Option<Outcome>;
    /// Sends bytes without any guard, as a paste or as keys.
    async fn blind(&mut self, bytes: &str, as_paste: bool);
    /// Whether the program looks busy.
    async fn looks_busy(&mut self) -> bool;
}

/// What came of a schedule.
#[derive(Clone, Debug, Default)]
pub(crate) struct Told {
    /// One verdict for each delivery, in order.
    pub(crate) verdicts: Vec<(DeliveryId, Verdict)>,
    /// The acts that were performed, in words.
    pub(crate) acts: Vec<String>,
}

impl Told {
    pub(crate) fn last(&self) -> Verdict {
        self.verdicts.last().expect("a walk ends with a verdict").1
    }
}

/// Delivers one brief to its end, as `machine::dispatch::flow` would: anew only what was proven not to have been typed.
pub(crate) async fn walk(hand: &mut impl Hand, tag: &str, bug: Option<Bug>) -> Told {
    let mut walk = Walk {
        state: State::default(),
        told: Told::default(),
        bug,
        act: 0,
    };
    let dispatch = builders::dispatch("d-1", 1, "Greet", builders::dev());
    walk.state
        .dispatches
        .insert(dispatch.id().clone(), dispatch.clone());
    for n in 0..TRIES_MAX {
        let id = DeliveryId::new(format!("{tag}{n}"));
        walk.plan(hand, &dispatch, &id);
        walk.deliver(hand, &id).await;
        let verdict = match &walk.state.deliveries[&id].step {
            DeliveryStep::Settled { verdict, .. } => *verdict,
            // Never begun: the pane was never proven idle.
            DeliveryStep::Staged => Verdict::NotDelivered,
            other => panic!("{tag}: no end after {:?}, at {other:?}", walk.told.acts),
        };
        walk.told.verdicts.push((id, verdict));
        let resend = bug == Some(Bug::Resend) && verdict != Verdict::Confirmed;
        if verdict != Verdict::NotDelivered && !resend {
            break;
        }
    }
    walk.told
}

/// A brief that is written and not yet typed.
pub(crate) fn planned(dispatch: &Dispatch, id: &DeliveryId, now: Timestamp) -> Delivery {
    Delivery {
        id: id.clone(),
        dispatch: dispatch.id().clone(),
        purpose: Purpose::Brief,
        via: Via::Paste,
        text: "do it".to_owned(),
        digest: String::new(),
        issue_text: String::new(),
        ms: 0,
        step: DeliveryStep::Staged,
        since: now,
        submitted_at: None,
        composer: None,
        baseline: String::new(),
    }
}

struct Walk {
    state: State,
    told: Told,
    bug: Option<Bug>,
    act: usize,
}

impl Walk {
    fn plan(&mut self, hand: &impl Hand, dispatch: &Dispatch, id: &DeliveryId) {
        let delivery = planned(dispatch, id, hand.now());
        self.state.deliveries.insert(id.clone(), delivery);
        let owner = self.state.dispatches.get_mut(dispatch.id());
        owner.expect("it is there").deliveries.push(id.clone());
    }

    fn of(&self, id: &DeliveryId) -> (Dispatch, Delivery) {
        let delivery = self.state.deliveries[id].clone();
        (self.state.dispatches[&delivery.dispatch].clone(), delivery)
    }

    fn write(&mut self, hand: &impl Hand, events: &[Event]) {
        for event in events {
            self.told.acts.push(format!("= {}", event.kind()));
            evolve(&mut self.state, hand.now(), event).expect("what is decided can follow");
        }
    }

    async fn deliver(&mut self, hand: &mut impl Hand, id: &DeliveryId) {
        let (mut looks, mut samples) = (0, 0);
        for _ in 0..ACTS_MAX {
            let (dispatch, delivery) = self.of(id);
            let mut sample = None;
            if delivery.step == DeliveryStep::Staged {
                sample = hand.sample().await;
                samples += 1;
            }
            if matches!(delivery.step, DeliveryStep::Settled { .. }) {
                looks += 1;
            }
            if looks > 2 {
                return;
            }
            match delivery::next(&dispatch, &delivery, sample.as_ref(), hand.now()) {
                Step::Record(events) => self.write(hand, &events),
                Step::Intend(events, action) => self.act(hand, id, events, action).await,
                Step::Do(action) => self.act(hand, id, Vec::new(), action).await,
                Step::Rest if samples < SAMPLES_MAX && delivery.step == DeliveryStep::Staged => {}
                Step::Rest => return,
            }
        }
    }

    /// Writes the intent down, acts, writes down what came of it; once more for what follows at once.
    async fn act(
        &mut self,
        hand: &mut impl Hand,
        id: &DeliveryId,
        events: Vec<Event>,
        action: Action,
    ) {
        let (mut events, mut action) = (events, action);
        loop {
            self.write(hand, &events);
            let dies = hand.before(self.act).await;
            self.act += 1;
            let outcome = match self.planted(hand, id, &action).await {
                Some(outcome) => Some(outcome),
                None => hand.perform(&action, dies).await,
            };
            let Some(mut outcome) = outcome else {
                // The daemon died in it: the next one has what was written down, and looks.
                return self.told.acts.push(format!("{} (died)", action.word()));
            };
            outcome = self.misread(hand, id, outcome).await;
            self.told.acts.push(
                format!("{}: {outcome:?}", action.word())
                    .chars()
                    .take(160)
                    .collect(),
            );
            let (dispatch, delivery) = self.of(id);
            match delivery::settle(&dispatch, &delivery, &outcome, hand.now()) {
                Step::Record(settled) => return self.write(hand, &settled),
                Step::Intend(intent, next) => (events, action) = (intent, next),
                Step::Do(next) => (events, action) = (Vec::new(), next),
                Step::Rest => return,
            }
        }
    }

    /// What a planted bug does in place of an act.
    async fn planted(
        &self,
        hand: &mut impl Hand,
        id: &DeliveryId,
        action: &Action,
    ) -> Option<Outcome> {
        match (self.bug?, action) {
            (Bug::BlindEnter, Action::Enter { .. }) => {
                hand.blind("\r", false).await;
                Some(Outcome::Entered)
            }
            (Bug::BlindPaste, Action::Paste { .. }) => {
                hand.blind(&self.of(id).1.line(), true).await;
                Some(Outcome::Pasted {
                    baseline: "{}".to_owned(),
                })
            }
            (Bug::ClearFirst, Action::Paste { .. }) => {
                hand.blind("\u{15}", false).await;
                None
            }
            _ => None,
        }
    }

    /// What a planted bug makes of an answer.
    async fn misread(&self, hand: &mut impl Hand, id: &DeliveryId, outcome: Outcome) -> Outcome {
        let receipt = |witness: &str| Outcome::Receipt {
            witness: witness.to_owned(),
        };
        match (self.bug, &outcome) {
            (Some(Bug::SecondPaste), Outcome::NotEchoed) => {
                hand.blind(&self.of(id).1.line(), true).await;
            }
            (Some(Bug::BlindRetry), Outcome::NoReceipt { .. }) => hand.blind("\r", false).await,
            (Some(Bug::BusyIsReceipt), Outcome::NoReceipt { .. }) if hand.looks_busy().await => {
                return receipt("busy");
            }
            (
                Some(Bug::AcceptedIsReceipt),
                Outcome::NoReceipt { .. } | Outcome::NotEntered { .. },
            ) => {
                return receipt("tmux took it");
            }
            _ => {}
        }
        outcome
    }
}

/// A clock that runs faster than the wall's, so that a minute's patience is over in seconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fast {
    pub(crate) factor: i32,
}

impl Fast {
    /// The machine's time after so much real time.
    pub(crate) fn at(self, begun: Timestamp, passed: SignedDuration) -> Timestamp {
        begun + passed * self.factor
    }
}
