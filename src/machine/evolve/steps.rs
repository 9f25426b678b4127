//! The table of a delivery's steps: every pair of step and event that may follow; the rest is illegal.

use crate::domain::{DeliveryStep, Event, Verdict};

#[expect(clippy::too_many_lines, reason = "a table, one row a pair")]
pub(super) fn step_after(step: &DeliveryStep, event: &Event) -> Option<DeliveryStep> {
    use DeliveryStep as S;
    Some(match (step, event) {
        (S::Planned, Event::BriefStaged { .. }) => S::Staged,
        (S::Staged, Event::PasteIntended { .. }) => S::PasteIntended,
        (S::PasteIntended, Event::LinePasted { .. }) => S::Pasted,
        (S::Staged, Event::LaunchIntended { .. }) => S::LaunchIntended,
        (S::LaunchIntended, Event::LineLaunched { .. }) => S::Submitted { n: 0, waits: 0 },
        (S::Pasted, Event::EnterIntended { n: 1, .. }) => S::EnterIntended { n: 1 },
        // A launch argument (0) is submitted by the launch: no Enter belongs to it.
        (S::Submitted { n, .. }, Event::EnterIntended { n: next, .. })
            if *n > 0 && *next == n + 1 =>
        {
            S::EnterIntended { n: *next }
        }
        (S::EnterIntended { n }, Event::EnterIntended { n: again, .. }) if n == again => {
            S::EnterIntended { n: *n }
        }
        (S::EnterIntended { n }, Event::LineSubmitted { n: sent, .. }) if n == sent => {
            S::Submitted { n: *n, waits: 0 }
        }
        (S::Submitted { n, waits }, Event::ReceiptMissed { waits: now, .. })
            if *now == waits + 1 =>
        {
            S::Submitted { n: *n, waits: *now }
        }
        (
            S::Settled {
                verdict: Verdict::Unconfirmed | Verdict::Queued | Verdict::TypedNotSubmitted,
                ..
            },
            Event::DeliverySettled {
                verdict: Verdict::Confirmed,
                witness,
                ..
            },
        ) => S::Settled {
            verdict: Verdict::Confirmed,
            witness: witness.clone(),
        },
        (
            S::Pasted
            | S::EnterIntended { .. }
            | S::Submitted { n: 1.., .. }
            | S::Settled {
                verdict: Verdict::Unconfirmed | Verdict::Queued | Verdict::TypedNotSubmitted,
                ..
            },
            Event::LineCleared { .. },
        ) => S::Settled {
            verdict: Verdict::NotDelivered,
            witness: "the line was cleared".to_owned(),
        },
        (S::Settled { .. }, _) => return None,
        // Before the intent nothing can have been typed, and that is all that can be said.
        (
            S::Planned | S::Staged,
            Event::DeliverySettled {
                verdict: Verdict::NotDelivered,
                witness,
                ..
            },
        ) => S::Settled {
            verdict: Verdict::NotDelivered,
            witness: witness.clone(),
        },
        (S::Planned | S::Staged, _) => return None,
        // Nothing was typed: proven only while no paste was recorded as done.
        (
            S::PasteIntended | S::LaunchIntended,
            Event::DeliverySettled {
                verdict, witness, ..
            },
        ) => S::Settled {
            verdict: *verdict,
            witness: witness.clone(),
        },
        (
            _,
            Event::DeliverySettled {
                verdict, witness, ..
            },
        ) if *verdict != Verdict::NotDelivered => S::Settled {
            verdict: *verdict,
            witness: witness.clone(),
        },
        _ => return None,
    })
}
