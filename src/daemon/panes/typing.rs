//! The acts of a delivery at one pane: guarded in the server, proven by looking (PROTOCOLS 3). What to do next is
//! `machine::dispatch::delivery`'s, and whether the text is still wanted is asked by `daemon::panes::deliver`.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::daemon::hands::{chain, failed, now};
use crate::daemon::looking::looks::{LOOK_MAX, UNREAD};
use crate::daemon::panes::hand::PaneLocks;
use crate::daemon::panes::session::Sources;
use crate::domain::{
    Activity, AgentState, Composer, Delivery, Finding, Liveness, Outcome, Pane, PaneSample, Purpose,
};
use crate::machine::dispatch::delivery::LATE_AFTER;
use crate::machine::resolve::Resolved;
use crate::terminal::receipt::{Receipt, ReceiptKind};
use crate::terminal::{self, Guard, Guarded, Sampler, Seen, Station, Tmux, TmuxError, Trace};

/// Between two looks for the echo or a receipt (facts/terminal.md 3.3: 100 ms and 250 ms).
const ECHO_PAUSE: Duration = Duration::from_millis(100);
const RECEIPT_PAUSE: Duration = Duration::from_millis(200);
/// Between two tries of a refused Enter.
const ENTER_PAUSE: Duration = Duration::from_millis(500);
/// Evidence of idleness older than this does not count.
const SAMPLE_AGE_MAX: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// How long is waited for what a program draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// For the line to appear (facts/terminal.md 3.3).
    pub echo: Duration,
    /// For a refused Enter to be let through.
    pub enter: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            echo: Duration::from_secs(5),
            enter: Duration::from_secs(30),
        }
    }
}

/// What the watch knows of a pane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its newest sample.
    pub sample: PaneSample,
    /// What the next sample of the same pane needs of it.
    pub resolved: Resolved,
}

/// What the acts are done with: a server, and what is known of the program.
#[derive(Clone, Debug)]
pub struct Typist {
    /// The server of the pane.
    pub tmux: Tmux,
    /// The program's profile.
    pub sampler: Arc<Sampler>,
    /// What is known of the window besides its screen.
    pub station: Station,
    /// Nobody else types while it does.
    pub panes: PaneLocks,
    /// How long it waits.
    pub patience: Patience,
}

impl Typist {
    /// Pastes the line under guard G1. `known` proved the pane idle; a sample of this instant has to agree, because a second is enough
    /// for a program to begin something, to ask something, or to end and leave its shell behind.
    pub async fn paste(
        &self,
        delivery: &Delivery,
        pane: &Pane,
        known: Option<&Known>,
        sources: &Sources,
    ) -> Outcome {
        let known = match proven_idle(known, pane, delivery.purpose, now()) {
            Ok(known) => known,
            Err(why) => return Outcome::NotTyped { why },
        };
        let held = match self.panes.take(pane) {
            Ok(held) => held,
            Err(why) => return Outcome::NotTyped { why },
        };
        let seen = match self.tmux.look(pane).await {
            Ok(seen) => seen,
            Err(error) => return Outcome::NotTyped { why: chain(&error) },
        };
        let state = self.state(&seen, Some(known)).await;
        if !state.takes(delivery.purpose) {
            return Outcome::NotTyped {
                why: format!("the agent is not idle any more: {}", state.because),
            };
        }
        let guard = match Guard::g1(&seen, self.sampler.recogniser()) {
            Ok(guard) => guard,
            Err(blocked) => {
                return Outcome::NotTyped {
                    why: blocked.to_string(),
                };
            }
        };
        // Without it an older receipt could not be told from this one's.
        let Some(baseline) = sources.baseline().await else {
            return Outcome::NotTyped {
                why: "what the agent wrote so far cannot be read".to_owned(),
            };
        };
        match self
            .tmux
            .paste(&guard, &delivery.id, &delivery.line())
            .await
        {
            Ok(Guarded::Done) => {
                self.panes.keep(held);
                Outcome::Pasted { baseline }
            }
            Ok(Guarded::Blocked(blocked)) => Outcome::NotTyped {
                why: blocked.to_string(),
            },
            Err(TmuxError::Timeout { .. }) => Outcome::Failed {
                why: "tmux did not answer".to_owned(),
                until: now(),
            },
            Err(error) => failed(&error),
        }
    }

    /// Waits until the line is seen in the composer.
    pub async fn echo(&self, delivery: &Delivery, pane: &Pane) -> Outcome {
        // What the paste left to us; after a restart nobody else can have the pane's composer to itself.
        let _held = self.panes.take(pane);
        let deadline = tokio::time::Instant::now() + self.patience.echo;
        loop {
            match self.tmux.look(pane).await {
                Ok(seen) if self.in_composer(&seen, &delivery.line()) => {
                    return Outcome::Echoed {
                        composer: composer_of(&seen),
                    };
                }
                Ok(_) => {}
                Err(TmuxError::NoServer { .. } | TmuxError::NoTarget { .. }) => {
                    return Outcome::NotEchoed;
                }
                Err(error) => return failed(&error),
            }
            if tokio::time::Instant::now() >= deadline {
                return Outcome::NotEchoed;
            }
            tokio::time::sleep(ECHO_PAUSE).await;
        }
    }

    /// Sends Enter under guard G2. Before a late one, and again whenever one was refused for a while, `unwanted` reads the request
    /// anew; what it answers ends the act.
    pub async fn enter<F>(
        &self,
        delivery: &Delivery,
        pane: &Pane,
        n: u8,
        late: bool,
        unwanted: impl Fn() -> F,
    ) -> Outcome
    where
        F: Future<Output = Option<Outcome>>,
    {
        if late && let Some(outcome) = unwanted().await {
            return outcome;
        }
        let mut read_at = if late { now() } else { delivery.since };
        tokio::time::sleep(self.sampler.profile().submit.floor).await;
        let deadline = tokio::time::Instant::now() + self.patience.enter;
        loop {
            // A guard that refuses for a while makes every try a late one.
            if now().duration_since(read_at) > LATE_AFTER {
                if let Some(outcome) = unwanted().await {
                    return outcome;
                }
                read_at = now();
            }
            let held = self.panes.take(pane);
            let line = match &held {
                Ok(_) => self.our_line(delivery, pane).await,
                Err(why) => Ok(Err(why.clone())),
            };
            let why = match line {
                Err(error) => return failed(&error),
                Ok(Err(why)) => why,
                Ok(Ok(guard)) => match self.tmux.enter(&guard, &delivery.id, u32::from(n)).await {
                    Ok(Guarded::Done) => return Outcome::Entered,
                    Ok(Guarded::Blocked(blocked)) => blocked.to_string(),
                    Err(error) => return failed(&error),
                },
            };
            if tokio::time::Instant::now() >= deadline {
                return Outcome::NotEntered { why };
            }
            tokio::time::sleep(ENTER_PAUSE).await;
        }
    }

    /// The only clearing there is: our own line, wanted no more, under G2.
    pub async fn clear(&self, delivery: &Delivery, pane: &Pane) -> Outcome {
        let not_cleared = |why: &str| Outcome::NotCleared {
            why: format!("no longer wanted, and {why}"),
        };
        let _held = match self.panes.take(pane) {
            Ok(held) => held,
            Err(why) => return not_cleared(&why),
        };
        let guard = match self.our_line(delivery, pane).await {
            Ok(Ok(guard)) => guard,
            Ok(Err(why)) => return not_cleared(&why),
            Err(error) => return failed(&error),
        };
        let clearing = self
            .tmux
            .clear_line(&guard, &delivery.id, self.sampler.recogniser());
        match clearing.await {
            Ok(Guarded::Done) => Outcome::Cleared,
            Ok(Guarded::Blocked(blocked)) => not_cleared(&blocked.to_string()),
            Err(error) => failed(&error),
        }
    }

    /// G2, for a program that listens: nothing it says of itself stands against a key, and it has read what was typed before. A key
    /// that waits in the terminal of a program that stands still would be taken together with the next one (facts/terminal.md F71).
    async fn our_line(
        &self,
        delivery: &Delivery,
        pane: &Pane,
    ) -> Result<Result<Guard, String>, TmuxError> {
        if self.tmux.has_unread(pane).await? {
            return Ok(Err("it has not read what was typed before".to_owned()));
        }
        let seen = self.tmux.look(pane).await?;
        if let Some(why) = stands_against(&self.state(&seen, None).await) {
            return Ok(Err(why));
        }
        let guard = Guard::g2(&seen, self.sampler.recogniser(), &delivery.line());
        Ok(guard.map_err(|blocked| blocked.to_string()))
    }

    /// Samples the pane as it was seen: files and `/proc` are read where nobody else waits.
    async fn state(&self, seen: &Seen, known: Option<&Known>) -> AgentState {
        let (sampler, seen, known) = (self.sampler.clone(), seen.clone(), known.cloned());
        let station = self.station.clone();
        let sampling = tokio::task::spawn_blocking(move || {
            let previous = known.as_ref().map(|known| &known.resolved);
            sampler
                .sample(&seen, &station, previous, now())
                .sample
                .state
        });
        match tokio::time::timeout(LOOK_MAX, sampling).await {
            Ok(sampled) => sampled.unwrap_or_else(|_| AgentState::unknown("the daemon ends")),
            Err(_) => AgentState::unknown(UNREAD),
        }
    }

    /// Looks for a receipt until then; afterwards says whether the line is still in the composer. The agent's process may be seen only
    /// after a launch, so `sources` are asked for anew.
    pub async fn await_receipt(
        &self,
        delivery: &Delivery,
        pane: &Pane,
        until: Timestamp,
        sources: impl Fn() -> Sources,
    ) -> Outcome {
        loop {
            let found = sources().find(&delivery.baseline, &delivery.id).await;
            if let Some(Receipt { kind, witness }) = found {
                return match kind {
                    ReceiptKind::Prompt => Outcome::Receipt { witness },
                    ReceiptKind::Queued => Outcome::Queued { witness },
                };
            }
            if now() >= until {
                break;
            }
            tokio::time::sleep(RECEIPT_PAUSE).await;
        }
        // What it has not read it cannot have refused: the line is drawn, and that says nothing yet.
        let listens = self.tmux.has_unread(pane).await.is_ok_and(|unread| !unread);
        let seen = self.tmux.look(pane).await;
        Outcome::NoReceipt {
            in_composer: listens
                && seen.is_ok_and(|seen| self.in_composer(&seen, &delivery.line())),
        }
    }

    /// Finds out what a pasted delivery of unknown outcome left behind.
    pub async fn inspect(&self, delivery: &Delivery, pane: &Pane, sources: &Sources) -> Outcome {
        if let Some(Receipt { kind, witness }) =
            sources.find(&delivery.baseline, &delivery.id).await
        {
            return Outcome::Found(match kind {
                ReceiptKind::Prompt => Finding::Receipt { witness },
                ReceiptKind::Queued => Finding::Queued { witness },
            });
        }
        let traced = match self.tmux.trace(pane, &delivery.id).await {
            Ok(traced) => traced,
            Err(TmuxError::NoServer { .. } | TmuxError::NoTarget { .. }) => {
                return Outcome::Found(Finding::PaneGone);
            }
            Err(error) => return failed(&error),
        };
        let enters = match traced.trace {
            Trace::Gone => return Outcome::Found(Finding::PaneGone),
            Trace::None => return Outcome::Found(Finding::NoTrace),
            Trace::Submitted(n) => u8::try_from(n).unwrap_or(u8::MAX),
            Trace::Pasted | Trace::Clearing | Trace::Cleared => 0,
        };
        match self.tmux.look(pane).await {
            Ok(seen) if self.in_composer(&seen, &delivery.line()) => {
                Outcome::Found(Finding::InComposer {
                    composer: composer_of(&seen),
                    enters,
                })
            }
            Ok(_) => Outcome::Found(Finding::Typed { enters }),
            Err(error) => failed(&error),
        }
    }

    fn in_composer(&self, seen: &Seen, line: &str) -> bool {
        let letters = |text: &str| {
            text.chars()
                .filter(|c| !c.is_whitespace())
                .collect::<String>()
        };
        match self.sampler.recogniser().read(&seen.capture).composer {
            terminal::Composer::Draft(found) => letters(&found) == letters(line),
            terminal::Composer::Absent | terminal::Composer::Empty => false,
        }
    }
}

/// Returns what proves a pane idle by the watch's last samples, or why nothing does.
fn proven_idle<'a>(
    known: Option<&'a Known>,
    pane: &Pane,
    purpose: Purpose,
    now: Timestamp,
) -> Result<&'a Known, String> {
    let known = known.ok_or("the watch does not see the pane")?;
    let sample = &known.sample;
    if sample.pane != *pane {
        return Err("another process has the pane".to_owned());
    }
    if now.duration_since(sample.at) > SAMPLE_AGE_MAX {
        return Err("the watch has no fresh sample of the pane".to_owned());
    }
    if !sample.state.takes(purpose) {
        return Err(format!("the agent is not idle: {}", sample.state.because));
    }
    Ok(known)
}

/// Says what stands against a key to a program whose composer has our line: it is gone, works, or something else has the keys.
fn stands_against(state: &AgentState) -> Option<String> {
    let is_free = matches!(
        state.activity,
        Activity::Draft | Activity::Idle { .. } | Activity::Unknown
    );
    (state.liveness != Liveness::Alive || !is_free)
        .then(|| format!("the agent takes no keys: {}", state.because))
}

fn composer_of(seen: &Seen) -> Composer {
    let row = &seen.row;
    Composer {
        x: row.cursor.0,
        y: row.cursor.1,
        width: row.size.0,
        height: row.size.1,
    }
}
