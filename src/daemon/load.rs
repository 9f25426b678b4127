//! What all projects have open: one count, and one project at a time that decides on it, so that no two take the last place of a cap.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use tokio::sync::watch;

use crate::domain::{FleetLoad, ProjectName};

/// The projects' shares. A project has one from the moment its ledger was replayed.
#[derive(Debug, Default)]
pub struct Load {
    shares: watch::Sender<BTreeMap<ProjectName, FleetLoad>>,
    turn: Mutex<()>,
}

impl Load {
    /// Waits until no other project decides. What it opens is to be put before this is dropped.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().expect("no holder of this lock panics")
    }

    /// Puts a project's share in the place of its last one.
    pub fn put(&self, project: &ProjectName, share: FleetLoad) {
        self.shares.send_if_modified(|shares| {
            if shares.get(project) == Some(&share) {
                return false;
            }
            shares.insert(project.clone(), share);
            true
        });
    }

    /// Keeps the shares of these projects alone: what nobody runs and nobody configures takes no place.
    pub fn retain(&self, is_there: impl Fn(&ProjectName) -> bool) {
        self.shares.send_if_modified(|shares| {
            let before = shares.len();
            shares.retain(|project, _| is_there(project));
            shares.len() != before
        });
    }

    /// Returns what all projects have open now.
    pub fn sum(&self) -> FleetLoad {
        let mut sum = FleetLoad::default();
        for share in self.shares.borrow().values() {
            sum.add(share);
        }
        sum
    }

    /// Returns whether anything is open: then agents are looked at more often.
    pub fn is_anything_open(&self) -> bool {
        !self.sum().open.is_empty()
    }

    /// Returns a receiver that wakes when a share changed.
    pub fn changes(&self) -> watch::Receiver<BTreeMap<ProjectName, FleetLoad>> {
        self.shares.subscribe()
    }
}
