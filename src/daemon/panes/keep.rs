//! `pointsman up` and `down` while the daemon runs: whether a project's persistent agent is kept.

use std::sync::atomic::Ordering;

use crate::daemon::Daemon;
use crate::daemon::hands::chain;
use crate::domain::{ProjectName, Window};

impl Daemon {
    /// Keeps a project's persistent agent up from now on, or ends it and lets it go.
    pub async fn keep(&self, name: &ProjectName, up: bool) -> Result<String, String> {
        let hands = self
            .hands(name)
            .ok_or_else(|| format!("there is no project `{name}`"))?;
        hands.kept.store(up, Ordering::Relaxed);
        if up {
            return Ok(format!("the agent of {name} is kept up"));
        }
        let row = self
            .tmux
            .find(name.as_str(), Window::Agent.as_str())
            .await
            .map_err(|error| chain(&error))?;
        match row {
            Some(row) => self
                .tmux
                .kill_pane(&row.pane)
                .await
                .map(|_| format!("the agent of {name} was ended"))
                .map_err(|error| chain(&error)),
            None => Ok(format!("{name} has no agent")),
        }
    }
}
