//! Does what the engine asks for, once, and says what came of it. No decision is made here.

use crate::daemon::desk::check;
use crate::daemon::hands::{Hands, chain, failed, gone, now, unconfigured};
use crate::daemon::jobs::{gates, logs, merge, push, tree};
use crate::daemon::panes::{compose, deliver, said, session};
use crate::daemon::posting::{posts, pulls, status, writes};
use crate::domain::{Action, Answer, Dispatch, DispatchId, Outcome, Window};
use crate::repo::{RepoError, spool};

/// Performs one action.
#[expect(clippy::too_many_lines, reason = "a table, one row an action")]
pub async fn perform(hands: &Hands, action: Action, dispatch: Option<Dispatch>) -> Outcome {
    let owner =
        |id: &crate::domain::DispatchId| dispatch.as_ref().filter(|dispatch| dispatch.id() == id);
    match action {
        Action::PrepareTree { dispatch } => tree::prepare(hands, &dispatch).await,
        Action::Compose {
            dispatch,
            delivery,
            ground,
        } => compose::compose(hands, &dispatch, &delivery, &ground).await,
        Action::Stage { delivery } => match owner(&delivery.dispatch) {
            Some(owner) => deliver::stage(hands, owner.opening.window, &delivery).await,
            None => gone("its dispatch"),
        },
        Action::Paste {
            dispatch,
            delivery,
            pane,
        } => deliver::paste(hands, &dispatch, &delivery, &pane).await,
        Action::Launch { dispatch, delivery } => deliver::launch(hands, &dispatch, &delivery).await,
        Action::OpenWindow { dispatch } => deliver::open_window(hands, &dispatch).await,
        Action::Echo { delivery, pane } => match owner(&delivery.dispatch) {
            Some(owner) => deliver::echo(hands, owner, &delivery, &pane).await,
            None => gone("its dispatch"),
        },
        Action::Enter {
            dispatch,
            delivery,
            pane,
            n,
            late,
        } => deliver::enter(hands, &dispatch, &delivery, &pane, n, late).await,
        Action::Clear {
            dispatch,
            delivery,
            pane,
        } => deliver::clear(hands, &dispatch, &delivery, &pane).await,
        Action::AwaitReceipt {
            delivery,
            pane,
            until,
        } => match owner(&delivery.dispatch) {
            Some(owner) => deliver::await_receipt(hands, owner, &delivery, &pane, until).await,
            None => gone("its dispatch"),
        },
        Action::Inspect { delivery, pane } => match owner(&delivery.dispatch) {
            Some(owner) => deliver::inspect(hands, owner, &delivery, pane.as_ref()).await,
            None => gone("its dispatch"),
        },
        Action::Gate {
            dispatch,
            gate,
            report,
            ground,
        } => gates::measure(hands, &dispatch, &gate, &report, &ground).await,
        Action::Push {
            dispatch,
            branch,
            subject,
        } => push::push(hands, &dispatch, &branch, &subject).await,
        Action::KeepPull { plan, known, .. } => pulls::keep(hands, &plan, known).await,
        Action::Leave {
            issue,
            labels,
            why,
            closing,
        } => pulls::leave(hands, issue, &labels, &why, &closing).await,
        Action::Publish {
            dispatch,
            issue,
            what,
        } => writes::publish(hands, &dispatch, issue, &what).await,
        Action::Post { post, issue, again } => posts::write(hands, &post, issue, again).await,
        Action::Answer { answer, window } => reply(hands, window, &answer).await,
        Action::Tidy {
            dispatch,
            answer,
            open,
        } => {
            sweep(hands, open).await;
            tidy(hands, &dispatch, answer.as_ref()).await
        }
        Action::Survey { dispatch, .. } => check::survey(hands, &dispatch).await,
        Action::Interrupt { pane } => said::press(hands, &pane).await,
        Action::AddLabel { issue, label } => writes::add_label(hands, issue, &label).await,
        Action::RemoveLabel { issue, label } => writes::remove_label(hands, issue, &label).await,
        Action::ReadLabels { issue } => writes::read_labels(hands, issue).await,
        Action::CloseIssue { issue } => writes::close(hands, issue).await,
        Action::Merge {
            pull: Some(pull),
            subject,
            ..
        } => pulls::merge(hands, pull, &subject).await,
        Action::Merge { issue, subject, .. } => merge::merge(hands, issue, &subject).await,
        Action::State { statement } => status::write(hands, &statement).await,
        Action::Tell { note } => writes::tell(hands, &note).await,
        Action::Park { issue, label, why } => writes::park(hands, issue, &label, &why).await,
    }
}

/// Writes the answer to a report into the spool it came from.
async fn reply(hands: &Hands, window: Window, answer: &Answer) -> Outcome {
    let Some(project) = hands.project() else {
        return unconfigured();
    };
    let mut trees = hands.places.agents_trees(&project);
    trees.sort_by_key(|(other, _)| *other != window);
    let json = serde_json::to_vec(answer).expect("an answer is plain data");
    let (report, users) = (answer.report.clone(), hands.places.users());
    let written = tokio::task::spawn_blocking(move || {
        let there = trees.iter().filter(|(_, tree)| tree.exists());
        for (_, tree) in there {
            if spool::answer(tree, users, &report, &json)? {
                break;
            }
        }
        // In none of them: who wrote it took it away, and waits for nothing.
        Ok::<(), RepoError>(())
    });
    match written.await {
        Ok(Ok(())) => Outcome::Done,
        Ok(Err(error)) => failed(&error),
        Err(error) => failed(&error),
    }
}

/// After the end of a dispatch: answer, then brief and window.
async fn tidy(hands: &Hands, dispatch: &Dispatch, answer: Option<&Answer>) -> Outcome {
    let window = dispatch.opening.window;
    if let Some(answer) = answer {
        if let outcome @ Outcome::Failed { .. } = reply(hands, window, answer).await {
            return outcome;
        }
        // The verb reads its answer before the window that it runs in goes.
        if window == Window::Check {
            tokio::time::sleep(ANSWER_READ).await;
        }
    }
    if let Err(why) = tree::remove_briefs(hands, window, &dispatch.deliveries) {
        tracing::warn!(why, dispatch = %dispatch.id(), "a brief could not be removed");
    }
    clear_spool(hands, dispatch).await;
    if let Err(outcome) = check::clear_away(hands, dispatch).await {
        return outcome;
    }
    match session::close_fresh(hands, dispatch).await {
        Ok(()) => Outcome::Done,
        Err(why) => Outcome::Failed {
            why,
            until: now() + crate::daemon::hands::RETRY_AFTER,
        },
    }
}

/// Removes old logs and packs the mirror. Nothing rests on either: what fails is tried at the next dispatch's end.
async fn sweep(hands: &Hands, open: Vec<DispatchId>) {
    let folder = hands.places.logs(&hands.name);
    let swept = tokio::task::spawn_blocking(move || logs::sweep(&folder, &open));
    if let Ok(Err(error)) = swept.await {
        tracing::warn!(error = chain(&error), project = %hands.name, "old logs could not be removed");
    }
    if let Some(mirror) = hands.mirror.get()
        && let Err(error) = mirror.maintain().await
    {
        tracing::warn!(error = chain(&error), project = %hands.name, "the mirror could not be packed");
    }
}

/// Removes what the dispatch's agent put together in the spool, and reports that were answered a day ago or earlier.
async fn clear_spool(hands: &Hands, dispatch: &Dispatch) {
    let Some(project) = hands.project() else {
        return;
    };
    let tree = hands.places.tree(&project, dispatch.opening.window);
    let scratch = crate::machine::telling::brief::scratch_names(dispatch.id());
    let swept = tokio::task::spawn_blocking(move || {
        for name in &scratch {
            spool::remove_scratch(&tree, name)?;
        }
        spool::sweep(&tree, now() - ANSWERED_KEPT)
    });
    match swept.await {
        Ok(Ok(_)) => {}
        // Nothing rests on it: the next dispatch's end tries again.
        Ok(Err(error)) => {
            tracing::warn!(error = chain(&error), dispatch = %dispatch.id(), "the spool could not be cleared");
        }
        Err(error) => {
            tracing::warn!(%error, dispatch = %dispatch.id(), "the spool could not be cleared");
        }
    }
}

/// How long an answered report stays: no verb waits longer than ten minutes, a person may want to look the next morning.
const ANSWERED_KEPT: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);
/// How long a fresh agent's window stays after its last answer: the verb polls every 50 ms, and a person sees the end.
const ANSWER_READ: std::time::Duration = std::time::Duration::from_secs(1);
