//! The acts of a delivery on real tmux, each proven by looking (PROTOCOLS 3). What to do next is `machine::delivery`'s.

use std::time::Duration;

use jiff::Timestamp;

use crate::daemon::hands::{Comments, Hands, chain, failed, now, tracker_failed, unconfigured};
use crate::daemon::session;
use crate::daemon::session::Sources;
use crate::domain::{
    Composer, Delivery, Dispatch, Finding, Outcome, Pane, Purpose, SingleRead, Window,
};
use crate::machine::delivery::LATE_AFTER;
use crate::machine::{schedule, text, trust};
use crate::repo::brief;
use crate::terminal::receipt::{Receipt, ReceiptKind};
use crate::terminal::{self, Guard, Guarded, Sampler, Seen, TmuxError, Trace};

/// Between two looks for the echo or a receipt (facts/terminal.md 3.3: 100 ms and 250 ms).
const ECHO_PAUSE: Duration = Duration::from_millis(100);
const RECEIPT_PAUSE: Duration = Duration::from_millis(200);
/// How long the line may take to appear (facts/terminal.md 3.3).
const ECHO_MAX: Duration = Duration::from_secs(5);
/// How long a refused Enter is tried before it is given up.
const ENTER_MAX: Duration = Duration::from_secs(30);
/// Evidence of idleness older than this does not count.
const SAMPLE_AGE_MAX: jiff::SignedDuration = jiff::SignedDuration::from_secs(10);

/// Writes the delivery's file into the window's tree and reads it back.
pub async fn stage(hands: &Hands, window: Window, delivery: &Delivery) -> Outcome {
    let Some(project) = hands.project() else {
        return unconfigured();
    };
    let tree = hands.places.tree(&project, window);
    let users = hands.places.users();
    let (id, text) = (delivery.id.clone(), delivery.text.clone());
    let written = tokio::task::spawn_blocking(move || brief::write(&tree, users, &id, &text)).await;
    match written {
        Ok(Ok(staged)) if staged.sha256 == delivery.digest => Outcome::Staged,
        Ok(Ok(_)) => Outcome::NotTyped {
            why: "the brief's file reads back as another text".to_owned(),
        },
        Ok(Err(error)) => Outcome::NotTyped { why: chain(&error) },
        Err(error) => failed(&error),
    }
}

/// Reads the request again; `Some` is the reason why nothing may be typed now.
async fn unwanted(hands: &Hands, dispatch: &Dispatch, delivery: &Delivery) -> Option<Outcome> {
    if delivery.purpose == Purpose::Stop {
        return None;
    }
    let rules = hands.rules()?;
    let Some(issue) = dispatch.issue() else {
        let (by, why) = schedule::gone(&rules, dispatch)?;
        return Some(Outcome::NoLongerWanted { by, why });
    };
    let details = match hands.details(issue, Comments::Unread).await {
        Ok(details) => details,
        Err(error) => return Some(tracker_failed(&error)),
    };
    if let Err((by, why)) = trust::still_wanted(dispatch, &rules.project, &rules.workflow, &details)
    {
        return Some(Outcome::NoLongerWanted { by, why });
    }
    if delivery.purpose == Purpose::Brief
        && let Some((by, why)) = trust::unapproved_text(dispatch, &rules.project, &details)
    {
        return Some(Outcome::NoLongerWanted { by, why });
    }
    if let SingleRead::Found(found) = &details.read {
        let digest = text::issue_digest(&found.1.title, &found.1.body);
        if delivery.purpose == Purpose::Brief && digest != delivery.issue_text {
            return Some(Outcome::NotTyped {
                why: "the issue's text changed while the brief was written".to_owned(),
            });
        }
    }
    None
}

/// Pastes the line under guard G1, after one more read of the request.
pub async fn paste(
    hands: &Hands,
    dispatch: &Dispatch,
    delivery: &Delivery,
    pane: &Pane,
) -> Outcome {
    let Some(sampler) = hands.samplers.get(&dispatch.opening.profile) else {
        return unconfigured();
    };
    match unwanted(hands, dispatch, delivery).await {
        // Nothing was typed, and that is proven: the delivery ends, a new one follows.
        Some(Outcome::Failed { why, .. }) => return Outcome::NotTyped { why },
        Some(outcome) => return outcome,
        None => {}
    }
    if let Some(why) = not_idle(hands, dispatch.opening.window, pane, now()) {
        return Outcome::NotTyped { why };
    }
    let tmux = hands.terminal(dispatch.opening.window);
    let seen = match tmux.look(pane).await {
        Ok(seen) => seen,
        Err(error) => return Outcome::NotTyped { why: chain(&error) },
    };
    let guard = match Guard::g1(&seen, sampler.recogniser()) {
        Ok(guard) => guard,
        Err(blocked) => {
            return Outcome::NotTyped {
                why: blocked.to_string(),
            };
        }
    };
    let baseline = sources(hands, &sampler, dispatch, pane).baseline().await;
    match tmux.paste(&guard, &delivery.id, &delivery.line()).await {
        Ok(Guarded::Done) => Outcome::Pasted { baseline },
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

/// Says why a pane is not proven idle by the watch's last samples.
fn not_idle(hands: &Hands, window: Window, pane: &Pane, now: Timestamp) -> Option<String> {
    let Some(sampled) = hands.sampled(window) else {
        return Some("the watch does not see the pane".to_owned());
    };
    let sample = &sampled.sample;
    if sample.pane != *pane {
        return Some("another process has the pane".to_owned());
    }
    if now.duration_since(sample.at) > SAMPLE_AGE_MAX {
        return Some("the watch has no fresh sample of the pane".to_owned());
    }
    (!sample.state.takes_text()).then(|| format!("the agent is not idle: {}", sample.state.because))
}

/// Waits until the line is seen in the composer.
pub async fn echo(hands: &Hands, dispatch: &Dispatch, delivery: &Delivery, pane: &Pane) -> Outcome {
    let Some(sampler) = hands.samplers.get(&dispatch.opening.profile) else {
        return unconfigured();
    };
    let tmux = hands.terminal(dispatch.opening.window);
    let deadline = tokio::time::Instant::now() + ECHO_MAX;
    loop {
        match tmux.look(pane).await {
            Ok(seen) if in_composer(&sampler, &seen, &delivery.line()) => {
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

fn composer_of(seen: &Seen) -> Composer {
    let row = &seen.row;
    Composer {
        x: row.cursor.0,
        y: row.cursor.1,
        width: row.size.0,
        height: row.size.1,
    }
}

fn in_composer(sampler: &Sampler, seen: &Seen, line: &str) -> bool {
    let letters = |text: &str| {
        text.chars()
            .filter(|c| !c.is_whitespace())
            .collect::<String>()
    };
    match sampler.recogniser().read(&seen.capture).composer {
        terminal::Composer::Draft(found) => letters(&found) == letters(line),
        terminal::Composer::Absent | terminal::Composer::Empty => false,
    }
}

/// Sends Enter under guard G2; a late one reads the request again first.
pub async fn enter(
    hands: &Hands,
    dispatch: &Dispatch,
    delivery: &Delivery,
    pane: &Pane,
    n: u8,
    late: bool,
) -> Outcome {
    let Some(sampler) = hands.samplers.get(&dispatch.opening.profile) else {
        return unconfigured();
    };
    let tmux = hands.terminal(dispatch.opening.window);
    if late && let Some(outcome) = no_more(hands, dispatch, delivery, pane).await {
        return outcome;
    }
    let mut read_at = if late { now() } else { delivery.since };
    tokio::time::sleep(sampler.profile().submit.floor).await;
    let deadline = tokio::time::Instant::now() + ENTER_MAX;
    loop {
        // A guard that refuses for a while makes every try a late one.
        if now().duration_since(read_at) > LATE_AFTER {
            if let Some(outcome) = no_more(hands, dispatch, delivery, pane).await {
                return outcome;
            }
            read_at = now();
        }
        let why = match tmux.look(pane).await {
            Err(error) => return failed(&error),
            Ok(seen) => match Guard::g2(&seen, sampler.recogniser(), &delivery.line()) {
                Err(blocked) => blocked.to_string(),
                Ok(guard) => match tmux.enter(&guard, &delivery.id, u32::from(n)).await {
                    Ok(Guarded::Done) => return Outcome::Entered,
                    Ok(Guarded::Blocked(blocked)) => blocked.to_string(),
                    Err(error) => return failed(&error),
                },
            },
        };
        if tokio::time::Instant::now() >= deadline {
            return Outcome::NotEntered { why };
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

/// Reads the request again before an Enter; `Some` is what came of a line that is wanted no more.
async fn no_more(
    hands: &Hands,
    dispatch: &Dispatch,
    delivery: &Delivery,
    pane: &Pane,
) -> Option<Outcome> {
    match unwanted(hands, dispatch, delivery).await? {
        // The text changed: this line goes, and another one follows.
        Outcome::NotTyped { .. } => Some(clear(hands, dispatch, delivery, pane).await),
        outcome => Some(outcome),
    }
}

/// The only clearing there is: our own line, wanted no more, under G2.
pub async fn clear(
    hands: &Hands,
    dispatch: &Dispatch,
    delivery: &Delivery,
    pane: &Pane,
) -> Outcome {
    let Some(sampler) = hands.samplers.get(&dispatch.opening.profile) else {
        return unconfigured();
    };
    let tmux = hands.terminal(dispatch.opening.window);
    let seen = match tmux.look(pane).await {
        Ok(seen) => seen,
        Err(error) => return failed(&error),
    };
    let not_cleared = |blocked: terminal::Blocked| Outcome::NotCleared {
        why: format!("no longer wanted, and {blocked}"),
    };
    let guard = match Guard::g2(&seen, sampler.recogniser(), &delivery.line()) {
        Ok(guard) => guard,
        Err(blocked) => return not_cleared(blocked),
    };
    match tmux
        .clear_line(&guard, &delivery.id, sampler.recogniser())
        .await
    {
        Ok(Guarded::Done) => Outcome::Cleared,
        Ok(Guarded::Blocked(blocked)) => not_cleared(blocked),
        Err(error) => failed(&error),
    }
}

/// Where a receipt of this dispatch's agent can be.
fn sources(hands: &Hands, sampler: &Sampler, dispatch: &Dispatch, pane: &Pane) -> Sources {
    let sampled = hands
        .sampled(dispatch.opening.window)
        .filter(|sampled| sampled.sample.pane == *pane);
    session::sources(
        hands,
        sampler,
        dispatch.opening.window,
        sampled.as_ref(),
        pane,
    )
}

/// Looks for a receipt until then; afterwards says whether the line is still in the composer.
pub async fn await_receipt(
    hands: &Hands,
    dispatch: &Dispatch,
    delivery: &Delivery,
    pane: &Pane,
    until: Timestamp,
) -> Outcome {
    let Some(sampler) = hands.samplers.get(&dispatch.opening.profile) else {
        return unconfigured();
    };
    loop {
        // The agent's process may be seen only after the launch: the sources are asked for anew.
        let sources = sources(hands, &sampler, dispatch, pane);
        if let Some(Receipt { kind, witness }) =
            sources.find(&delivery.baseline, &delivery.id).await
        {
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
    let seen = hands.terminal(dispatch.opening.window).look(pane).await;
    Outcome::NoReceipt {
        in_composer: seen.is_ok_and(|seen| in_composer(&sampler, &seen, &delivery.line())),
    }
}

/// Finds out what a delivery of unknown outcome left behind.
pub async fn inspect(
    hands: &Hands,
    dispatch: &Dispatch,
    delivery: &Delivery,
    pane: Option<&Pane>,
) -> Outcome {
    use crate::domain::DeliveryStep;
    let Some(sampler) = hands.samplers.get(&dispatch.opening.profile) else {
        return unconfigured();
    };
    if delivery.step == DeliveryStep::LaunchIntended {
        return inspect_launch(hands, delivery).await;
    }
    let Some(pane) = pane else {
        return Outcome::Found(Finding::NoTrace);
    };
    let sources = sources(hands, &sampler, dispatch, pane);
    if let Some(Receipt { kind, witness }) = sources.find(&delivery.baseline, &delivery.id).await {
        return Outcome::Found(match kind {
            ReceiptKind::Prompt => Finding::Receipt { witness },
            ReceiptKind::Queued => Finding::Queued { witness },
        });
    }
    let tmux = hands.terminal(dispatch.opening.window);
    let traced = match tmux.trace(pane, &delivery.id).await {
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
    match tmux.look(pane).await {
        Ok(seen) if in_composer(&sampler, &seen, &delivery.line()) => {
            Outcome::Found(Finding::InComposer {
                composer: composer_of(&seen),
                enters,
            })
        }
        Ok(_) => Outcome::Found(Finding::Typed { enters }),
        Err(error) => failed(&error),
    }
}

async fn inspect_launch(hands: &Hands, delivery: &Delivery) -> Outcome {
    match hands.tmux.traced(&delivery.id).await {
        Ok(Some((pane, _))) => {
            let baseline = String::new();
            let context = format!("{}.{}", pane.generation, pane.pid);
            Outcome::Found(Finding::Launched {
                pane,
                context,
                baseline,
            })
        }
        Ok(None) | Err(TmuxError::NoServer { .. }) => Outcome::Found(Finding::NoTrace),
        Err(error) => failed(&error),
    }
}

/// Starts a fresh agent in the `check` window with the line as its argument.
pub async fn launch(hands: &Hands, dispatch: &Dispatch, delivery: &Delivery) -> Outcome {
    match unwanted(hands, dispatch, delivery).await {
        Some(Outcome::Failed { why, .. }) => return Outcome::NotTyped { why },
        Some(outcome) => return outcome,
        None => {}
    }
    let Some(sampler) = hands.samplers.get(&dispatch.opening.profile) else {
        return unconfigured();
    };
    hands
        .checker
        .lock()
        .expect("no holder of this lock panics")
        .replace(dispatch.opening.profile.clone());
    let window = match session::window(
        hands,
        dispatch.opening.window,
        sampler.profile(),
        Some(&delivery.line()),
        false,
    ) {
        Ok(window) => window,
        Err(why) => return Outcome::NotTyped { why },
    };
    // Whatever is left in that window is not this dispatch's: two agents would do one check.
    if let Err(why) = session::close_fresh(hands, dispatch).await {
        return Outcome::NotTyped { why };
    }
    match hands.tmux.launch(&window, &delivery.id).await {
        Ok(pane) => {
            let baseline = String::new();
            let context = format!("{}.{}", pane.generation, pane.pid);
            Outcome::Opened {
                pane,
                context,
                baseline,
            }
        }
        // It may run, and have the line: the next look decides.
        Err(error @ (TmuxError::Timeout { .. } | TmuxError::Unsettled(_))) => Outcome::Failed {
            why: chain(&error),
            until: now(),
        },
        Err(error) => Outcome::NotTyped { why: chain(&error) },
    }
}

/// Opens the `check` window with a fresh agent and waits until the watch has proven it idle.
pub async fn open_window(hands: &Hands, dispatch: &Dispatch) -> Outcome {
    let window = dispatch.opening.window;
    let Some(sampler) = hands.samplers.get(&dispatch.opening.profile) else {
        return unconfigured();
    };
    if let Err(error) = session::open_fresh(hands, dispatch, sampler.profile()).await {
        return Outcome::Failed {
            why: error,
            until: now() + crate::daemon::hands::RETRY_AFTER,
        };
    }
    let deadline = tokio::time::Instant::now() + session::READY_MAX;
    let mut samples = hands.samples.clone();
    loop {
        let sampled = hands.sampled(window);
        if let Some(sampled) = sampled
            .as_ref()
            .filter(|sampled| sampled.sample.state.takes_text())
        {
            let sample = &sampled.sample;
            return Outcome::Opened {
                pane: sample.pane.clone(),
                context: sample.context.clone(),
                baseline: String::new(),
            };
        }
        let changed = tokio::time::timeout_at(deadline, samples.changed()).await;
        if !matches!(changed, Ok(Ok(()))) {
            let is = sampled.map_or_else(
                || "not there".to_owned(),
                |sampled| sampled.sample.state.because,
            );
            return Outcome::Failed {
                why: format!("the fresh agent is not ready: {is}"),
                until: now() + crate::daemon::hands::RETRY_AFTER,
            };
        }
    }
}
