//! `pointsman say` and `pointsman interrupt`: a person's word to an agent at its prompt, and one key to an agent at work.

use std::sync::Arc;
use std::time::Duration;

use crate::daemon::Daemon;
use crate::daemon::desk::control::Reply;
use crate::daemon::desk::news::{LOOK, hear};
use crate::daemon::desk::trial::{FRESH_LOOK_MAX, open_errand};
use crate::daemon::hands::{Hands, now, rules_of};
use crate::domain::{
    Cause, DeliveryId, Event, Outcome, Pane, ProjectName, Request, Verdict, Window,
};
use crate::machine::dispatch::{errand, interrupt as rules_of_interrupt};
use crate::terminal::{Guard, Guarded};

/// How long a receipt is waited for: as long as a delivery looks for it itself.
const RECEIPT_MAX: Duration = Duration::from_mins(11);
/// How long the key may take.
const KEY_MAX: Duration = Duration::from_secs(20);
/// How long a look at the agent from after the question is waited for: the watch's slow tick, and some.
const FRESH_MAX: Duration = Duration::from_secs(7);

/// Delivers a person's words once.
pub async fn say(
    daemon: &Daemon,
    (project, window): (&ProjectName, Window),
    by: &str,
    text: &str,
) -> Reply {
    if let Err(reply) = has_agent(daemon, project, window) {
        return reply;
    }
    let opened = open_errand(
        daemon,
        project,
        FRESH_LOOK_MAX,
        |rules, state, seen, fresh| errand::said(rules, state, seen, (by, text, window), fresh),
    );
    let (id, after) = match opened.await {
        Ok(opened) => opened,
        Err(reply) => return reply,
    };
    let mut delivery: Option<DeliveryId> = None;
    let mut receipt = None;
    let heard = hear(daemon, project, after, RECEIPT_MAX, |event| match event {
        Event::DeliveryPlanned { delivery: planned } if planned.dispatch == id => {
            delivery = Some(planned.id);
            None
        }
        Event::DeliverySettled {
            delivery: settled,
            verdict: Verdict::Confirmed,
            witness,
        } if Some(&settled) == delivery.as_ref() => {
            receipt = Some(witness);
            None
        }
        Event::DispatchClosed { dispatch, cause } if dispatch == id => {
            Some(ended(project, &cause, receipt.as_deref()))
        }
        _ => None,
    });
    let unheard = |_| {
        Reply::refused("it is on its way, and no receipt is there yet: see `pointsman ledger show`")
    };
    heard.await.unwrap_or_else(unheard)
}

fn ended(project: &ProjectName, cause: &Cause, receipt: Option<&str>) -> Reply {
    match cause {
        Cause::Verified { .. } => {
            let shows = receipt.map_or_else(String::new, |receipt| format!(" ({receipt})"));
            Reply::done(format!("the agent of {project} has it{shows}"))
        }
        Cause::Failed { why }
        | Cause::Lost { why }
        | Cause::Parked { why }
        | Cause::Withdrawn { why, .. }
        | Cause::Rework { findings: why } => Reply::refused(format!("not said: {why}")),
        Cause::TimedOut => Reply::refused("not said: it took too long"),
    }
}

/// Refuses a window in which the project has no persistent agent.
fn has_agent(daemon: &Daemon, project: &ProjectName, window: Window) -> Result<(), Reply> {
    let hands = daemon.hands(project);
    let known = hands.and_then(|hands| hands.project().map(|known| (hands, known)));
    let Some((hands, known)) = known else {
        return Err(Reply::refused(format!("there is no project `{project}`")));
    };
    let agents = hands.agents(&known);
    // One of those that it had before is there for as long as nobody ends it.
    if agents.contains(&window) || (window.is_agent() && hands.sampled(window).is_some()) {
        return Ok(());
    }
    let agents: Vec<&str> = agents.into_iter().map(Window::as_str).collect();
    Err(Reply::refused(format!(
        "{project} has no agent in a window `{}`: it has {}",
        window.as_str(),
        agents.join(", ")
    )))
}

/// Stops the agent's turn by its own key, once.
pub async fn interrupt(
    daemon: &Daemon,
    (project, window): (&ProjectName, Window),
    by: &str,
) -> Reply {
    if let Err(reply) = has_agent(daemon, project, window) {
        return reply;
    }
    let unknown = || Reply::refused(format!("there is no project `{project}`"));
    let (Some(shown), Some(rules)) = (
        daemon.show(project).await,
        rules_of(&daemon.config(), project),
    ) else {
        return unknown();
    };
    let profile = rules.profiles.get(&rules.project.agent);
    let asked = now();
    let until = tokio::time::Instant::now() + FRESH_MAX;
    let pane = loop {
        let sampled = daemon
            .hands(project)
            .and_then(|hands| hands.sampled(window));
        let sample = sampled.as_ref().map(|sampled| &sampled.sample);
        match rules_of_interrupt::target(sample, profile) {
            Ok(pane) => break pane,
            // What was seen before somebody asked may be over.
            Err(_)
                if sample.is_none_or(|sample| sample.at < asked)
                    && tokio::time::Instant::now() < until =>
            {
                tokio::time::sleep(LOOK).await;
            }
            Err(why) => return Reply::refused(format!("not interrupted: {why}")),
        }
    };
    let by = by.to_owned();
    let after = shown.state.version;
    if !daemon.ask(project, Request::Interrupt { by, pane }).await {
        return unknown();
    }
    let heard = hear(daemon, project, after, KEY_MAX, |event| match event {
        Event::InterruptSettled { refused } => Some(refused),
        _ => None,
    });
    match heard.await {
        Ok(None) => Reply::done(format!(
            "the agent of {project} was told to stop what it does, once"
        )),
        Ok(Some(why)) => Reply::refused(format!("not interrupted: {why}")),
        Err(_) => {
            Reply::refused("asked, and nothing is known of it yet: see `pointsman ledger show`")
        }
    }
}

/// Sends the key under a guard. The pane is looked at once more, with all that says what its agent does: whoever has the pane's
/// keyboard now may be a shell, or a person's own program.
pub async fn press(hands: &Hands, pane: &Pane) -> Outcome {
    let not = |why: String| Outcome::NotInterrupted { why };
    let Some(project) = hands.project() else {
        return not("the project's configuration is gone".to_owned());
    };
    let Some(sampler) = hands.samplers.get(&project.agent) else {
        return not("its profile is gone".to_owned());
    };
    let Some(key) = sampler.profile().submit.interrupt_key.clone() else {
        return not("its profile names no `interrupt_key`".to_owned());
    };
    let has_pane = |window: &Window| {
        let sampled = hands.sampled(*window);
        sampled.is_some_and(|sampled| sampled.sample.pane == *pane)
    };
    let mut agents = Window::all().filter(|window| window.is_agent());
    let Some(window) = agents.find(has_pane) else {
        return not("another process has the pane".to_owned());
    };
    let tmux = hands.terminal(window);
    let seen = match tmux.look(pane).await {
        Ok(seen) => Arc::new(seen),
        Err(error) => return not(crate::daemon::hands::chain(&error)),
    };
    let before = hands.sampled(window).map(|known| known.resolved);
    let station = crate::daemon::panes::session::station(hands, window);
    let looked = {
        let (sampler, seen) = (Arc::clone(&sampler), Arc::clone(&seen));
        tokio::task::spawn_blocking(move || sampler.sample(&seen, &station, before.as_ref(), now()))
    };
    let Ok(sampled) = looked.await else {
        return not("its agent cannot be looked at".to_owned());
    };
    match rules_of_interrupt::target(Some(&sampled.sample), Some(sampler.profile())) {
        Ok(found) if found == *pane => {}
        Ok(_) => return not("another process has the pane".to_owned()),
        Err(why) => return not(why),
    }
    let guard = match Guard::at_work(&seen, sampler.recogniser()) {
        Ok(guard) => guard,
        Err(blocked) => return not(blocked.to_string()),
    };
    match tmux.press(&guard, &key).await {
        Ok(Guarded::Done) => Outcome::Interrupted,
        Ok(Guarded::Blocked(blocked)) => not(blocked.to_string()),
        Err(error) => not(crate::daemon::hands::chain(&error)),
    }
}
