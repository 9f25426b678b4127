//! The briefs in a project's folder, held against the ledger at start: what they name and it lacks, it lost (PROTOCOLS 9).
//!
//! A brief lies there as long as its dispatch is open. One that the ledger cannot account for is work that may be under way, so
//! nothing is sent for its issue before a person has looked.

use crate::daemon::hands::Hands;
use crate::domain::{DeliveryId, Event, IssueNumber, Sighting};
use crate::machine::brief::named;
use crate::machine::state::State;
use crate::repo::{RepoError, brief};

/// Returns what has to be recorded before the project's first cycle.
pub(super) async fn unaccounted(hands: &Hands, state: &State) -> Vec<Event> {
    let Some(path) = hands.project().map(|project| project.path) else {
        return Vec::new();
    };
    let read = tokio::task::spawn_blocking(move || read_all(&path)).await;
    let briefs = match read.expect("reading briefs does not panic") {
        Ok(briefs) => briefs,
        Err(error) => {
            tracing::warn!(%error, project = %hands.name, "the briefs in the project's folder cannot be read");
            return Vec::new();
        }
    };
    let mut events = Vec::new();
    for (delivery, text) in briefs {
        let Some((issue, sighting)) = sighted(hands, &delivery, &text).await else {
            continue;
        };
        if !state.adopted.covers(&sighting) && state.sightings.get(&issue) != Some(&sighting) {
            events.push(Event::LedgerSighted { issue, sighting });
        }
    }
    events
}

fn read_all(project: &std::path::Path) -> Result<Vec<(DeliveryId, String)>, RepoError> {
    let mut briefs = Vec::new();
    for delivery in brief::list(project)? {
        if let Some(bytes) = brief::read(project, &delivery)? {
            briefs.push((delivery, String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
    Ok(briefs)
}

async fn sighted(
    hands: &Hands,
    delivery: &DeliveryId,
    text: &str,
) -> Option<(IssueNumber, Sighting)> {
    let named = named(text)?;
    if named.ledger == hands.ledger_id {
        // The delivery and not only the dispatch: a ledger may have lost its end between the two.
        let claim = format!("{}:delivery:{delivery}", hands.name);
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
    let sighting = if named.ledger == hands.ledger_id {
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
