//! The commands of a project whose answers stand among the facts of a brief: jobs in the `gate` tree, at the commit the agent stands on.

use std::path::Path;
use std::time::Duration;

use tokio::sync::MutexGuard;

use crate::daemon::hands::{Hands, chain};
use crate::daemon::jobs::{job, tree};
use crate::domain::{DeliveryId, Dispatch, FactCommand, Outcome, Project};
use crate::machine::telling::brief::{ANSWER_BYTES_MAX, FactAnswer};

/// How long one command may take: it counts and lists, and a brief waits for it.
const FACT_LIMIT: Duration = Duration::from_secs(20);
/// How long the tree is waited for: a build may have it for hours.
pub const TREE_WAIT: Duration = Duration::from_secs(20);
/// Between two looks whether a job in the tree has ended.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Asks each of the project's commands, one after another. That one cannot be run is an answer too: no brief waits for it, and none
/// waits longer than `wait` for the tree.
pub async fn all(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    delivery: &DeliveryId,
    wait: Duration,
) -> Vec<FactAnswer> {
    if project.facts.is_empty() {
        return Vec::new();
    }
    let tree = hands.places.gate_tree(project);
    // To the last command: a gate would put the tree on another commit.
    let ours = tokio::time::timeout(wait, free(hands, project, &tree)).await;
    let ours = ours.unwrap_or_else(|_| Err("a gate has the tree".to_owned()));
    let refused = match &ours {
        Err(why) => Some(why.clone()),
        Ok(_) => unfit(hands, project, dispatch, &tree).await,
    };
    let mut answers = Vec::new();
    for (n, FactCommand { name, run }) in project.facts.iter().enumerate() {
        let job = format!("fact{n}-{}-{delivery}", dispatch.id());
        let ran = match &refused {
            Some(why) => Err(why.clone()),
            None => answer(hands, &tree, &job, run).await,
        };
        answers.push(FactAnswer {
            name: name.clone(),
            run: run.clone(),
            ran,
        });
    }
    answers
}

/// Waits for the tree. A job from before a restart has it without the lock, and is not ended for this.
async fn free<'a>(
    hands: &'a Hands,
    project: &Project,
    tree: &Path,
) -> Result<MutexGuard<'a, ()>, String> {
    let ours = hands.gate_tree.lock().await;
    // Without git nothing is moved.
    let runs = async || {
        if project.git {
            job::runs_in(&hands.tmux, tree).await
        } else {
            Ok(false)
        }
    };
    while runs().await.map_err(|error| chain(&error))? {
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(ours)
}

/// Puts the tree at the dispatch's commit, as it was prepared last; returns why it is not there.
async fn unfit(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    tree: &Path,
) -> Option<String> {
    if !project.git {
        return None;
    }
    let stands = tree::stand(hands, project, tree, "gate", dispatch.base.as_ref()).await;
    stands.err().map(|outcome| match outcome {
        Outcome::Failed { why, .. } => why,
        _ => "there is no tree for it".to_owned(),
    })
}

/// Returns how it exited, and the beginning of what it printed.
async fn answer(
    hands: &Hands,
    tree: &Path,
    job: &str,
    run: &str,
) -> Result<(Option<i32>, String), String> {
    let ran = tree::run(hands, tree, job, run, Vec::new(), FACT_LIMIT).await;
    let ran = ran.map_err(|error| chain(&error))?;
    let log = hands.places.gate_log(&hands.name, job);
    let writer = hands.places.apart.as_ref().map(|apart| apart.uid);
    let printed = job::beginning(&log, writer, 2 * ANSWER_BYTES_MAX)
        .map_err(|error| format!("what it printed cannot be read: {error}"))?;
    Ok((ran.exit.filter(|_| !ran.timed_out), printed))
}
