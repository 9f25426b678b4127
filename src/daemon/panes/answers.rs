//! The commands of a project whose answers stand among the facts of a brief: jobs in the `gate` tree, at the commit the agent stands on.

use std::time::Duration;

use crate::daemon::hands::{Hands, chain};
use crate::daemon::jobs::tree;
use crate::domain::{DeliveryId, Dispatch, FactCommand, Outcome, Project};
use crate::machine::telling::brief::{ANSWER_BYTES_MAX, FactAnswer};

/// How long one command may take: it counts and lists, and a brief waits for it.
const FACT_LIMIT: Duration = Duration::from_secs(20);

/// Asks each of the project's commands, one after another. That one cannot be run is an answer too: no brief waits for it.
pub(super) async fn all(
    hands: &Hands,
    project: &Project,
    dispatch: &Dispatch,
    delivery: &DeliveryId,
) -> Vec<FactAnswer> {
    if project.facts.is_empty() {
        return Vec::new();
    }
    let tree = hands.places.gate_tree(project);
    // To the last command: a gate would put the tree on another commit.
    let _ours = hands.gate_tree.lock().await;
    let base = dispatch.base.as_ref();
    let stands = if project.git {
        Some(tree::own_tree(hands, project, &tree, "gate", base).await)
    } else {
        None
    };
    let refused = stands.and_then(Result::err).map(|outcome| match outcome {
        Outcome::Failed { why, .. } => why,
        _ => "there is no tree for it".to_owned(),
    });
    let mut answers = Vec::new();
    for (n, FactCommand { name, run }) in project.facts.iter().enumerate() {
        let job = format!("fact{n}-{}-{delivery}", dispatch.id());
        let ran = match &refused {
            Some(why) => Err(why.clone()),
            None => tree::run(hands, &tree, &job, run, Vec::new(), FACT_LIMIT)
                .await
                .map_err(|error| chain(&error)),
        };
        let ran = ran.map(|ran| {
            let exit = ran.exit.filter(|_| !ran.timed_out);
            let end = ran.output.floor_char_boundary(2 * ANSWER_BYTES_MAX);
            (exit, ran.output[..end].to_owned())
        });
        answers.push(FactAnswer {
            name: name.clone(),
            run: run.clone(),
            ran,
        });
    }
    answers
}
