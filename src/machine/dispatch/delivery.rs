//! Delivery: how one line gets into one session, proven at both ends (PROTOCOLS 3, facts/terminal.md 3.3).
//!
//! `next` says what to do from the recorded step alone, so recovery is the same function on the replayed state: an intent
//! without outcome is resolved by looking. `settle` turns what came of it into events. Text is never pasted twice; Enter is
//! repeated only while our own line is seen in the composer; only a receipt with this delivery's id confirms.

use jiff::{SignedDuration, Timestamp};

use crate::domain::{
    Action, Delivery, DeliveryStep, Dispatch, Event, Finding, Outcome, PaneSample, Purpose,
    Verdict, Via,
};
use crate::machine::step::Step;

/// How long each wait for a receipt is; between them Enter is sent again if the line is still in the composer
/// (facts/terminal.md 3.3: at +3, +10, +30 s, giving up at 90 s).
pub const RECEIPT_WAITS: [SignedDuration; 4] = [
    SignedDuration::from_secs(3),
    SignedDuration::from_secs(7),
    SignedDuration::from_secs(20),
    SignedDuration::from_secs(60),
];
/// How often Enter is sent at most.
pub const ENTERS_MAX: u8 = 4;
/// How long an unknown delivery is looked for before a person gets it (PROTOCOLS 2).
pub const RECONCILE_MAX: SignedDuration = SignedDuration::from_mins(10);
/// An Enter this long after the paste is late: the request is read again first (PROTOCOLS 3).
pub const LATE_AFTER: SignedDuration = SignedDuration::from_secs(10);
/// Back-off after a delivery that was proven not to have been typed: doubles from here, five times at most (PROTOCOLS 2).
const REDELIVER_AFTER: SignedDuration = SignedDuration::from_secs(5);
/// Pause between two looks at an unknown delivery.
pub const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(15);

/// Says what a delivery needs next. `sample` is the watch's newest sample of the window it goes to.
pub fn next(
    dispatch: &Dispatch,
    delivery: &Delivery,
    sample: Option<&PaneSample>,
    now: Timestamp,
) -> Step {
    let boxed = || Box::new(delivery.clone());
    let pane = || dispatch.pane.clone();
    match &delivery.step {
        DeliveryStep::Planned => Step::Do(Action::Stage { delivery: boxed() }),
        DeliveryStep::Staged => begin(dispatch, delivery, sample),
        DeliveryStep::PasteIntended
        | DeliveryStep::LaunchIntended
        | DeliveryStep::EnterIntended { .. } => Step::Do(Action::Inspect {
            delivery: boxed(),
            pane: pane(),
        }),
        DeliveryStep::Pasted => match pane() {
            Some(pane) => Step::Do(Action::Echo {
                delivery: boxed(),
                pane,
            }),
            None => Step::Rest,
        },
        DeliveryStep::Submitted { n, waits } => match pane() {
            Some(pane) => {
                let wait = RECEIPT_WAITS[wait_of(*n, *waits).min(RECEIPT_WAITS.len() - 1)];
                Step::Do(Action::AwaitReceipt {
                    delivery: boxed(),
                    pane,
                    until: now + wait,
                })
            }
            None => Step::Rest,
        },
        DeliveryStep::Settled {
            verdict: Verdict::Confirmed | Verdict::NotDelivered,
            ..
        } => Step::Rest,
        DeliveryStep::Settled { .. } => Step::Do(Action::Inspect {
            delivery: boxed(),
            pane: pane(),
        }),
    }
}

/// The first irreversible step: its intent is written down before it happens.
fn begin(dispatch: &Dispatch, delivery: &Delivery, sample: Option<&PaneSample>) -> Step {
    let owner = Box::new(dispatch.clone());
    let boxed = Box::new(delivery.clone());
    match delivery.via {
        Via::Launch => Step::Intend(
            vec![Event::LaunchIntended {
                delivery: delivery.id.clone(),
            }],
            Action::Launch {
                dispatch: owner,
                delivery: boxed,
            },
        ),
        // Only a brief may go to another agent than the one that has the work.
        Via::Paste
            if delivery.purpose != Purpose::Brief
                && sample.is_none_or(|sample| Some(&sample.pane) != dispatch.pane.as_ref()) =>
        {
            Step::Record(vec![Event::DeliverySettled {
                delivery: delivery.id.clone(),
                verdict: Verdict::NotDelivered,
                witness: "its session is gone".to_owned(),
            }])
        }
        Via::Paste => match sample.filter(|sample| sample.state.takes(delivery.purpose)) {
            None => Step::Rest,
            Some(sample) => Step::Intend(
                vec![Event::PasteIntended {
                    delivery: delivery.id.clone(),
                    pane: sample.pane.clone(),
                    context: sample.context.clone(),
                }],
                Action::Paste {
                    dispatch: owner,
                    delivery: boxed,
                    pane: sample.pane.clone(),
                },
            ),
        },
    }
}

/// Turns what came of an effect into what is written down, and what follows at once.
pub fn settle(dispatch: &Dispatch, delivery: &Delivery, outcome: &Outcome, now: Timestamp) -> Step {
    let id = || delivery.id.clone();
    let ended = |verdict, witness: &str| {
        Step::Record(vec![Event::DeliverySettled {
            delivery: id(),
            verdict,
            witness: witness.to_owned(),
        }])
    };
    match outcome {
        Outcome::Staged => Step::Record(vec![Event::BriefStaged { delivery: id() }]),
        Outcome::Pasted { baseline } => Step::Record(vec![Event::LinePasted {
            delivery: id(),
            baseline: baseline.clone(),
        }]),
        Outcome::NotTyped { why } => ended(Verdict::NotDelivered, why),
        Outcome::Opened {
            pane,
            context,
            baseline,
        } => Step::Record(vec![Event::LineLaunched {
            delivery: id(),
            pane: pane.clone(),
            context: context.clone(),
            baseline: baseline.clone(),
        }]),
        Outcome::Echoed { composer } => enter(dispatch, delivery, 1, composer, now),
        Outcome::NotEchoed => ended(
            Verdict::TypedNotSubmitted,
            "tmux took the paste, the line was not seen",
        ),
        Outcome::Entered => match delivery.step {
            DeliveryStep::EnterIntended { n } => {
                Step::Record(vec![Event::LineSubmitted { delivery: id(), n }])
            }
            _ => Step::Rest,
        },
        Outcome::NotEntered { why } => ended(Verdict::TypedNotSubmitted, why),
        Outcome::Cleared => Step::Record(vec![Event::LineCleared { delivery: id() }]),
        Outcome::NotCleared { .. } if matches!(delivery.step, DeliveryStep::Settled { .. }) => {
            Step::Rest
        }
        Outcome::NotCleared { why } => ended(Verdict::TypedNotSubmitted, why),
        Outcome::Receipt { witness } => ended(Verdict::Confirmed, witness),
        Outcome::Queued { witness } => ended(Verdict::Queued, witness),
        Outcome::NoReceipt { in_composer } => missed(dispatch, delivery, *in_composer, now),
        Outcome::Found(finding) => resolve(dispatch, delivery, finding, now),
        _ => Step::Rest,
    }
}

fn enter(
    dispatch: &Dispatch,
    delivery: &Delivery,
    n: u8,
    composer: &crate::domain::Composer,
    now: Timestamp,
) -> Step {
    let late = n > 1 || now.duration_since(delivery.since) > LATE_AFTER;
    let Some(pane) = dispatch.pane.clone() else {
        return Step::Rest;
    };
    let mut boxed = Box::new(delivery.clone());
    boxed.composer = Some(composer.clone());
    Step::Intend(
        vec![Event::EnterIntended {
            delivery: delivery.id.clone(),
            n,
            composer: composer.clone(),
        }],
        Action::Enter {
            dispatch: Box::new(dispatch.clone()),
            delivery: boxed,
            pane,
            n,
            late,
        },
    )
}

/// Which wait this is, from 0: each Enter after the first one ended a wait too.
fn wait_of(n: u8, waits: u8) -> usize {
    usize::from(n.saturating_sub(1)) + usize::from(waits)
}

/// A wait ended without a receipt: Enter again if our line is provably still there, else wait longer, else say so.
fn missed(dispatch: &Dispatch, delivery: &Delivery, in_composer: bool, now: Timestamp) -> Step {
    let DeliveryStep::Submitted { n, waits } = delivery.step else {
        return Step::Rest;
    };
    if in_composer
        && n > 0
        && n < ENTERS_MAX
        && let Some(composer) = &delivery.composer
    {
        return enter(dispatch, delivery, n + 1, composer, now);
    }
    let id = delivery.id.clone();
    if wait_of(n, waits) + 1 < RECEIPT_WAITS.len() {
        return Step::Record(vec![Event::ReceiptMissed {
            delivery: id,
            waits: waits + 1,
        }]);
    }
    let (verdict, witness) = if in_composer {
        (
            Verdict::TypedNotSubmitted,
            "the line is in the composer and Enter does not submit it",
        )
    } else {
        (Verdict::Unconfirmed, "submitted, and no receipt names it")
    };
    Step::Record(vec![Event::DeliverySettled {
        delivery: id,
        verdict,
        witness: witness.to_owned(),
    }])
}

/// Resolves an unknown outcome by what a look found.
fn resolve(dispatch: &Dispatch, delivery: &Delivery, finding: &Finding, now: Timestamp) -> Step {
    let ended = |verdict, witness: &str| {
        Step::Record(vec![Event::DeliverySettled {
            delivery: delivery.id.clone(),
            verdict,
            witness: witness.to_owned(),
        }])
    };
    let settled = matches!(delivery.step, DeliveryStep::Settled { .. });
    match finding {
        Finding::Receipt { witness } => ended(Verdict::Confirmed, witness),
        _ if settled => Step::Rest,
        Finding::Queued { witness } => ended(Verdict::Queued, witness),
        Finding::NoTrace => match delivery.step {
            DeliveryStep::PasteIntended | DeliveryStep::LaunchIntended => {
                ended(Verdict::NotDelivered, "the pane has no trace of it")
            }
            _ => ended(Verdict::Unconfirmed, "it was typed, and its trace is gone"),
        },
        Finding::Launched {
            pane,
            context,
            baseline,
        } => Step::Record(vec![Event::LineLaunched {
            delivery: delivery.id.clone(),
            pane: pane.clone(),
            context: context.clone(),
            baseline: baseline.clone(),
        }]),
        Finding::InComposer { composer, enters } => {
            found_in_composer(dispatch, delivery, composer, *enters, now)
        }
        Finding::Typed { enters } => match delivery.step {
            DeliveryStep::EnterIntended { n } if *enters >= n => {
                Step::Record(vec![Event::LineSubmitted {
                    delivery: delivery.id.clone(),
                    n,
                }])
            }
            _ => ended(
                Verdict::TypedNotSubmitted,
                "tmux took the paste, and the line is not to be seen",
            ),
        },
        Finding::PaneGone => ended(
            Verdict::Unconfirmed,
            "its session is gone, and no receipt names it",
        ),
    }
}

fn found_in_composer(
    dispatch: &Dispatch,
    delivery: &Delivery,
    composer: &crate::domain::Composer,
    enters: u8,
    now: Timestamp,
) -> Step {
    match delivery.step {
        // It was sent, and the program has not taken it yet: the receipt's waits decide about another one.
        DeliveryStep::EnterIntended { n } if enters >= n => {
            Step::Record(vec![Event::LineSubmitted {
                delivery: delivery.id.clone(),
                n,
            }])
        }
        DeliveryStep::PasteIntended => Step::Record(vec![Event::LinePasted {
            delivery: delivery.id.clone(),
            baseline: delivery.baseline.clone(),
        }]),
        DeliveryStep::EnterIntended { n } => enter(dispatch, delivery, n, composer, now),
        _ => Step::Rest,
    }
}

/// Says whether a delivery ended without anybody knowing whether the agent has it.
pub fn is_unknown(delivery: &Delivery) -> bool {
    matches!(
        delivery.step,
        DeliveryStep::Settled {
            verdict: Verdict::Unconfirmed | Verdict::TypedNotSubmitted | Verdict::Queued,
            ..
        }
    )
}

/// Says whether a delivery of unknown outcome has been looked for long enough.
pub fn gave_up(delivery: &Delivery, now: Timestamp) -> bool {
    is_unknown(delivery) && now.duration_since(delivery.since) > RECONCILE_MAX
}

/// Returns when a text that was proven not to have been typed is delivered anew.
pub fn again_at(dispatch: &Dispatch, last: &Delivery) -> Timestamp {
    last.since + REDELIVER_AFTER * (1 << dispatch.undelivered.min(5))
}

/// Says whether a delivery is over, one way or the other, as far as its dispatch is concerned.
pub fn is_over(delivery: &Delivery) -> bool {
    match delivery.step {
        DeliveryStep::Settled {
            verdict: Verdict::Confirmed | Verdict::NotDelivered,
            ..
        } => true,
        // A nudge or a farewell that nobody took is not worth a person's time.
        DeliveryStep::Settled { .. } => {
            matches!(
                delivery.purpose,
                Purpose::Nudge | Purpose::Stop | Purpose::Resume
            )
        }
        _ => false,
    }
}
