//! How a line gets into a modelled pane, is submitted, received or cleared.

use jiff::SignedDuration;
use pointsman::domain::{
    Composer, Delivery, DeliveryStep, Dispatch, Finding, Outcome, Pane, Purpose, Via, Window,
};

use super::faults::Fault;
use super::laws::Law;
use super::panes::{Doing, SimPane, Trace};
use super::perform::Performed;
use super::world::{Lose, World};

fn composer() -> Composer {
    Composer {
        x: 2,
        y: 30,
        width: 120,
        height: 40,
    }
}

impl World {
    /// Whether the paste guard would let a line into a pane.
    pub(crate) fn is_open(&self, pane: &Pane) -> bool {
        let window = self.window_of(pane);
        window.is_some_and(|window| self.panes[&window].is_open())
    }

    fn window_of(&self, pane: &Pane) -> Option<Window> {
        self.panes
            .iter()
            .find(|(_, found)| found.pane == *pane && !matches!(found.doing, Doing::Dead { .. }))
            .map(|(window, _)| *window)
    }

    fn typed(&mut self, dispatch: &Dispatch, delivery: &Delivery) {
        if delivery.purpose != Purpose::Brief {
            return;
        }
        self.marked(dispatch);
        let typed = self.typed.entry(dispatch.id().clone()).or_default();
        typed.push(delivery.id.clone());
        if typed.len() > 1 {
            let what = format!("the brief of {} was typed twice: {typed:?}", dispatch.id());
            self.breaks(Law::TypedOnce, what);
        }
    }

    pub(super) fn paste(
        &mut self,
        dispatch: &Dispatch,
        delivery: &Delivery,
        pane: &Pane,
    ) -> Outcome {
        if delivery.purpose == Purpose::Brief
            && let Err(outcome) = self.wanted(dispatch)
        {
            return outcome;
        }
        let window = self.window_of(pane);
        let Some(window) = window.filter(|window| self.panes[window].is_open()) else {
            return Outcome::NotTyped {
                why: "the guard refused".to_owned(),
            };
        };
        self.type_into(window, dispatch, delivery);
        Outcome::Pasted {
            baseline: "0".to_owned(),
        }
    }

    /// Types a line, whatever is there: the guards are before it.
    pub(crate) fn type_into(&mut self, window: Window, dispatch: &Dispatch, delivery: &Delivery) {
        let Some(pane) = self.panes.get_mut(&window) else {
            return;
        };
        let has_failed = matches!(pane.doing, Doing::Failed { .. });
        let open = pane.is_open() && (!has_failed || delivery.purpose == Purpose::Resume);
        let brief = delivery.purpose == Purpose::Brief;
        pane.composer.push_str(&delivery.line());
        pane.traces.insert(delivery.id.clone(), Trace::default());
        let id = &delivery.id;
        if !open {
            self.breaks(Law::IdleProven, format!("{id} was pasted into a busy pane"));
        }
        if brief && self.wanted(dispatch).is_err() {
            self.breaks(Law::Wanted, format!("{id} was typed, and nobody wants it"));
        }
        if self.strikes(Fault::DialogAfterPaste)
            && let Some(pane) = self.panes.get_mut(&window)
        {
            pane.doing = Doing::Dialog;
        }
        self.typed(dispatch, delivery);
    }

    pub(super) fn launch(&mut self, dispatch: &Dispatch, delivery: &Delivery) -> Outcome {
        if let Err(outcome) = self.wanted(dispatch) {
            return outcome;
        }
        let mut pane = self.fresh_pane();
        pane.traces.insert(delivery.id.clone(), Trace::default());
        let outcome = opened(&pane);
        self.panes.insert(Window::Check, pane);
        self.typed(dispatch, delivery);
        self.submitted(Window::Check, &delivery.id);
        outcome
    }

    pub(super) fn open_window(&mut self) -> Outcome {
        let pane = self.fresh_pane();
        let outcome = opened(&pane);
        self.panes.insert(Window::Check, pane);
        outcome
    }

    pub(super) fn echo(&mut self, delivery: &Delivery, pane: &Pane) -> Outcome {
        let seen = self
            .window_of(pane)
            .is_some_and(|window| self.panes[&window].composer == delivery.line());
        if seen && !self.strikes(Fault::NoEcho) {
            Outcome::Echoed {
                composer: composer(),
            }
        } else {
            Outcome::NotEchoed
        }
    }

    pub(super) fn enter(
        &mut self,
        dispatch: &Dispatch,
        delivery: &Delivery,
        pane: &Pane,
        late: bool,
    ) -> Outcome {
        if late
            && delivery.purpose == Purpose::Brief
            && let Err(outcome) = self.wanted(dispatch)
        {
            return outcome;
        }
        let refused = Outcome::NotEntered {
            why: "the guard refused".to_owned(),
        };
        let Some(window) = self.window_of(pane) else {
            return refused;
        };
        let swallowed = self.lose.remove(&Lose::Enter) || self.strikes(Fault::Swallow);
        let pane = self.panes.get_mut(&window).expect("it was found");
        let guard = pane.waits() && pane.composer == delivery.line();
        if !guard {
            return refused;
        }
        if let Some(trace) = pane.traces.get_mut(&delivery.id) {
            trace.enters += 1;
        }
        if !swallowed {
            self.submitted(window, &delivery.id);
        }
        Outcome::Entered
    }

    pub(super) fn clear(&mut self, delivery: &Delivery, pane: &Pane) -> Outcome {
        let now = self.now;
        let window = self.window_of(pane);
        let pane = window.and_then(|window| self.panes.get_mut(&window));
        match pane {
            Some(pane) if pane.waits() && pane.composer == delivery.line() => {
                pane.composer.clear();
                pane.doing = Doing::Idle { since: now };
                Outcome::Cleared
            }
            _ => Outcome::NotCleared {
                why: "no longer wanted, and the guard refused".to_owned(),
            },
        }
    }

    fn has_receipt(&self, delivery: &Delivery) -> bool {
        self.receipts
            .get(&delivery.id)
            .is_some_and(|at| *at <= self.now)
    }

    pub(super) fn await_receipt(
        &mut self,
        delivery: &Delivery,
        until: jiff::Timestamp,
    ) -> Performed {
        if self.has_receipt(delivery) {
            return Performed::Ended(Outcome::Receipt {
                witness: "transcript".to_owned(),
            });
        }
        if self.queued.contains(&delivery.id) {
            return Performed::Ended(Outcome::Queued {
                witness: "transcript".to_owned(),
            });
        }
        if self.now >= until {
            let in_composer = self
                .panes
                .values()
                .any(|pane| pane.composer == delivery.line());
            return Performed::Ended(Outcome::NoReceipt { in_composer });
        }
        Performed::Later(until.min(self.now + SignedDuration::from_secs(2)))
    }

    pub(super) fn inspect(&mut self, delivery: &Delivery, pane: Option<&Pane>) -> Finding {
        let launched = self
            .panes
            .get(&Window::Check)
            .filter(|pane| pane.traces.contains_key(&delivery.id));
        if delivery.via == Via::Launch && delivery.step == DeliveryStep::LaunchIntended {
            return match launched {
                Some(pane) => Finding::Launched {
                    pane: pane.pane.clone(),
                    context: pane.context.clone(),
                    baseline: "0".to_owned(),
                },
                None if self.server_since < delivery.since => Finding::NoTrace,
                None => Finding::PaneGone,
            };
        }
        if self.has_receipt(delivery) {
            return Finding::Receipt {
                witness: "transcript".to_owned(),
            };
        }
        let found = self
            .panes
            .values()
            .find(|found| Some(&found.pane) == pane && !matches!(found.doing, Doing::Dead { .. }));
        match found {
            None => Finding::PaneGone,
            Some(found) => match found.traces.get(&delivery.id) {
                None => Finding::NoTrace,
                Some(trace) if found.composer == delivery.line() => Finding::InComposer {
                    composer: composer(),
                    enters: trace.enters,
                },
                Some(trace) => Finding::Typed {
                    enters: trace.enters,
                },
            },
        }
    }
}

fn opened(pane: &SimPane) -> Outcome {
    Outcome::Opened {
        pane: pane.pane.clone(),
        context: pane.context.clone(),
        baseline: "0".to_owned(),
    }
}
