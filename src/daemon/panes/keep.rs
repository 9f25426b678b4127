//! `pointsman up` and `down` while the daemon runs: whether a project's persistent agent is kept.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;

use crate::daemon::Daemon;
use crate::daemon::hands::chain;
use crate::domain::{ProjectName, Window};
use crate::terminal::{Tmux, TmuxError};

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
        let project = hands.project();
        let windows = project.map(|project| hands.windows(&project));
        end_agents(&self.tmux, name, windows.unwrap_or_default())
            .await
            .map_err(|error| chain(&error))
    }
}

/// Ends every persistent agent of a project that is there in one of these windows, and says which.
pub async fn end_agents(
    tmux: &Tmux,
    name: &ProjectName,
    windows: BTreeSet<Window>,
) -> Result<String, TmuxError> {
    let mut ended = Vec::new();
    for window in windows.into_iter().filter(|window| window.is_agent()) {
        let row = match tmux.find(name.as_str(), window.as_str()).await {
            Err(TmuxError::NoServer { .. }) => None,
            row => row?,
        };
        if let Some(row) = row {
            tmux.kill_pane(&row.pane).await?;
            ended.push(window.as_str());
        }
    }
    Ok(match ended.len() {
        0 => format!("{name} has no agent"),
        1 => format!("the agent of {name} was ended"),
        _ => format!("the agents of {name} were ended: {}", ended.join(", ")),
    })
}
