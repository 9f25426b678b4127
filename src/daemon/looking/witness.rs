//! The briefs in a project's folder, held against the ledger at start: what they name and it lacks, it lost (PROTOCOLS 9).
//!
//! A brief lies there as long as its dispatch is open. One that the ledger cannot account for is work that may be under way, so
//! nothing is sent for its issue before a person has looked.

use std::collections::BTreeMap;
use std::path::Path;

use crate::daemon::hands::Hands;
use crate::domain::{DeliveryId, Event, IssueNumber, Sighting, Window};
use crate::machine::state::State;
use crate::machine::telling::brief::{Named, named};
use crate::repo::brief;

/// Returns what has to be recorded before the project's first cycle: one sighting an issue, because one is enough to hold it.
pub(in crate::daemon) async fn unaccounted(hands: &Hands, state: &State) -> Vec<Event> {
    let Some(project) = hands.project() else {
        return Vec::new();
    };
    let mut trees = hands.places.agents_trees(&project);
    let is_there = |window: Window, tree: &Path| window == Window::AGENT || tree.exists();
    trees.retain(|(window, tree)| window.is_agent() && is_there(*window, tree));
    let mut sighted = BTreeMap::new();
    for (_, path) in trees {
        for delivery in listed(hands, &path).await {
            let Some(named) = read(hands, &path, &delivery).await else {
                continue;
            };
            let Some((issue, sighting)) = sighting(hands, &delivery, named).await else {
                continue;
            };
            if !state.adopted.covers(&sighting) && !state.sightings.contains_key(&issue) {
                sighted.entry(issue).or_insert(sighting);
            }
        }
    }
    let event = |(issue, sighting)| Event::LedgerSighted { issue, sighting };
    sighted.into_iter().map(event).collect()
}

async fn listed(hands: &Hands, tree: &Path) -> Vec<DeliveryId> {
    let folder = tree.to_owned();
    let listed = tokio::task::spawn_blocking(move || brief::list(&folder)).await;
    listed.expect("listing briefs does not panic").unwrap_or_else(|error| {
        tracing::warn!(%error, project = %hands.name, tree = %tree.display(), "the briefs in an agent's folder cannot be listed");
        Vec::new()
    })
}

/// Reads what one brief names. One that cannot be read is said and passed over: the others are heard all the same.
async fn read(hands: &Hands, project: &Path, delivery: &DeliveryId) -> Option<Named> {
    let (folder, id) = (project.to_owned(), delivery.clone());
    let read = tokio::task::spawn_blocking(move || brief::read_ours(&folder, &id)).await;
    match read.expect("reading a brief does not panic") {
        Ok(bytes) => named(&String::from_utf8_lossy(&bytes?)),
        Err(error) => {
            tracing::warn!(%error, project = %hands.name, %delivery, "a brief in the project's folder cannot be read");
            None
        }
    }
}

async fn sighting(
    hands: &Hands,
    delivery: &DeliveryId,
    named: Named,
) -> Option<(IssueNumber, Sighting)> {
    let is_ours = named.ledger == hands.ledger_id;
    if is_ours {
        // The delivery and not only the dispatch: a ledger may have lost its end between the two. The project's file may have been
        // renamed since, or its folder copied.
        let project = named.project.as_deref().unwrap_or(hands.name.as_str());
        let claim = format!("{project}:delivery:{delivery}");
        if !matches!(hands.ledger.claimed(&claim).await, Ok(None)) {
            return None;
        }
    }
    let Some(issue) = named.issue else {
        tracing::warn!(
            project = %hands.name, %delivery, dispatch = %named.dispatch,
            "a brief lies in the project's folder that the ledger does not know; it names no issue"
        );
        return None;
    };
    let sighting = if is_ours {
        Sighting::Ahead {
            dispatch: named.dispatch,
        }
    } else {
        Sighting::Other {
            ledger: named.ledger,
        }
    };
    Some((issue, sighting))
}
