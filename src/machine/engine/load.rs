//! What this project takes of what all projects share.

use std::collections::BTreeMap;

use crate::domain::{Event, FleetLoad};
use crate::machine::engine::Engine;

impl Engine {
    /// Returns what is open and was opened, with what is decided and not yet in the ledger.
    pub fn load(&self) -> FleetLoad {
        let mut load = self.state.load();
        for pending in &self.appends {
            for event in &pending.events {
                if let Event::DispatchOpened { opening } = event {
                    load.add(&FleetLoad {
                        open: BTreeMap::from([(opening.account.clone(), 1)]),
                        opened: Some(pending.at),
                        waiting: 0,
                    });
                }
            }
        }
        load
    }
}
