//! Who calls: a person, or an agent or a gate from below a pane of ours. A person's word is not theirs to give (PROTOCOLS 7).
//!
//! With one user this guards against accidents and obedient agents: a process that left its parents behind looks like any other.

use crate::config::Config;
use crate::daemon::jobs::job::GATE_SESSION;
use crate::daemon::places::Places;
use crate::domain::{Project, SessionChoice, Window};
use crate::terminal::{PaneRow, ProcessTree};

/// Returns the pane of an agent or a gate that a process runs below, as `session:window`; none when no such pane is there. A pane that
/// a project adopted is its agent's, too: nobody approves their own work.
pub async fn pane_above(places: &Places, config: &Config, pid: u32) -> Option<String> {
    let mut panes = Vec::new();
    // No server has no panes; one that does not answer cannot be asked, and the ledger says who gave the word.
    if let Ok(rows) = places.tmux().list_panes().await {
        panes.extend(rows.into_iter().filter(|row| is_managed(row, config)));
    }
    for project in config.projects.values() {
        panes.extend(adopted(places, project).await);
    }
    let found = tokio::task::spawn_blocking(move || {
        panes
            .into_iter()
            .find(|row| ProcessTree::below(row.pane.pid).has(pid))
            .map(|row| format!("{}:{}", row.session, row.window))
    });
    found.await.ok().flatten()
}

fn is_managed(row: &PaneRow, config: &Config) -> bool {
    let mut names = config.projects.keys();
    row.session == GATE_SESSION
        || (names.any(|name| name.as_str() == row.session) && Window::named(&row.window).is_some())
}

/// All panes that the target may mean: the agent may be in any of them.
async fn adopted(places: &Places, project: &Project) -> Vec<PaneRow> {
    let SessionChoice::Adopted { target, .. } = &project.session else {
        return Vec::new();
    };
    // Under two users no pane is adopted, and nobody's server is asked as the daemon.
    if places.apart.is_some() {
        return Vec::new();
    }
    let tmux = places.tmux_of(project, Window::AGENT);
    tmux.panes_of(target).await.unwrap_or_default()
}

/// Says why a call from below a pane is refused.
pub fn refusal(pane: &str) -> String {
    format!(
        "this is a person's word, and the call comes from the pane {pane}, where agents and gates run. An agent asks a person with `pointsman ask`; a person says it from another pane or terminal"
    )
}
