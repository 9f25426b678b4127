//! The acts of a delivery: the request is read again before each that cannot be taken back, then `daemon::panes::typing` acts at the pane.

use jiff::Timestamp;

use crate::daemon::hands::{
    Comments, Hands, RETRY_AFTER, chain, failed, now, tracker_failed, unconfigured,
};
use crate::daemon::panes::session;
use crate::daemon::panes::session::Sources;
use crate::daemon::panes::typing::{Known, Patience, Typist};
use crate::domain::{
    Delivery, DeliveryStep, Dispatch, Finding, Outcome, Pane, Purpose, SingleRead, Window,
};
use crate::machine::labels::{older, trust};
use crate::machine::starting::schedule;
use crate::machine::text;
use crate::repo::brief;
use crate::terminal::{Sampler, TmuxError};

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
    if older::than_the_labelling(dispatch, &details) {
        let (why, until) = (older::OLDER.to_owned(), now() + RETRY_AFTER);
        return Some(Outcome::Failed { why, until });
    }
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

/// Takes a window's server and what is known of its program; `None` if the profile is no longer configured.
fn typist(hands: &Hands, dispatch: &Dispatch) -> Option<Typist> {
    Some(Typist {
        tmux: hands.terminal(dispatch.opening.window),
        sampler: hands.samplers.get(&dispatch.opening.profile)?,
        station: session::station(hands, dispatch.opening.window),
        panes: hands.panes.clone(),
        patience: Patience::default(),
    })
}

/// Pastes the line under guard G1, after one more read of the request.
pub async fn paste(
    hands: &Hands,
    dispatch: &Dispatch,
    delivery: &Delivery,
    pane: &Pane,
) -> Outcome {
    let Some(typist) = typist(hands, dispatch) else {
        return unconfigured();
    };
    match unwanted(hands, dispatch, delivery).await {
        // Nothing was typed, and that is proven: the delivery ends, a new one follows.
        Some(Outcome::Failed { why, .. }) => return Outcome::NotTyped { why },
        Some(outcome) => return outcome,
        None => {}
    }
    let last = hands.sampled(dispatch.opening.window);
    let known = last.map(|sampled| Known {
        sample: sampled.sample,
        resolved: sampled.resolved,
    });
    let sources = sources(hands, &typist.sampler, dispatch, pane);
    typist.paste(delivery, pane, known.as_ref(), &sources).await
}

/// Waits until the line is seen in the composer.
pub async fn echo(hands: &Hands, dispatch: &Dispatch, delivery: &Delivery, pane: &Pane) -> Outcome {
    match typist(hands, dispatch) {
        Some(typist) => typist.echo(delivery, pane).await,
        None => unconfigured(),
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
    let Some(typist) = typist(hands, dispatch) else {
        return unconfigured();
    };
    let unwanted = || no_more(hands, dispatch, delivery, pane);
    typist.enter(delivery, pane, n, late, unwanted).await
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
    match typist(hands, dispatch) {
        Some(typist) => typist.clear(delivery, pane).await,
        None => unconfigured(),
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
    let Some(typist) = typist(hands, dispatch) else {
        return unconfigured();
    };
    let sources = || sources(hands, &typist.sampler, dispatch, pane);
    typist.await_receipt(delivery, pane, until, sources).await
}

/// Finds out what a delivery of unknown outcome left behind.
pub async fn inspect(
    hands: &Hands,
    dispatch: &Dispatch,
    delivery: &Delivery,
    pane: Option<&Pane>,
) -> Outcome {
    let Some(typist) = typist(hands, dispatch) else {
        return unconfigured();
    };
    if delivery.step == DeliveryStep::LaunchIntended {
        return inspect_launch(hands, delivery).await;
    }
    let Some(pane) = pane else {
        return Outcome::Found(Finding::NoTrace);
    };
    let sources = sources(hands, &typist.sampler, dispatch, pane);
    typist.inspect(delivery, pane, &sources).await
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
        // A server that is younger than the launch had a chance to forget it: the agent may have taken the line before.
        Ok(None) => match hands.tmux.started().await {
            Ok(started) if started <= delivery.since => Outcome::Found(Finding::NoTrace),
            Ok(_) | Err(TmuxError::NoServer { .. } | TmuxError::NoTarget { .. }) => {
                Outcome::Found(Finding::PaneGone)
            }
            Err(error) => failed(&error),
        },
        Err(TmuxError::NoServer { .. }) => Outcome::Found(Finding::PaneGone),
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
            until: now() + RETRY_AFTER,
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
                until: now() + RETRY_AFTER,
            };
        }
    }
}
