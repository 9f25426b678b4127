//! Who calls: a person, or an agent or a gate from below a pane of ours. A person's word is not theirs to give (PROTOCOLS 7).
//!
//! With one user this guards against accidents and obedient agents: a process that left its parents behind looks like any other.

use crate::daemon::job::GATE_SESSION;
use crate::domain::{ProjectName, Window};
use crate::terminal::{PaneRow, ProcessTree, Tmux};

/// Returns the managed pane that a process runs below, as `session:window`; none when no server or no such pane is there.
pub async fn pane_above(tmux: &Tmux, projects: &[ProjectName], pid: u32) -> Option<String> {
    // No server has no panes; one that does not answer cannot be asked, and the ledger says who gave the word.
    let rows = tmux.list_panes().await.ok()?;
    let panes: Vec<PaneRow> = rows
        .into_iter()
        .filter(|row| is_managed(row, projects))
        .collect();
    let found = tokio::task::spawn_blocking(move || {
        panes
            .into_iter()
            .find(|row| ProcessTree::below(row.pane.pid).has(pid))
            .map(|row| format!("{}:{}", row.session, row.window))
    });
    found.await.ok().flatten()
}

fn is_managed(row: &PaneRow, projects: &[ProjectName]) -> bool {
    let windows = [Window::Agent.as_str(), Window::Check.as_str()];
    row.session == GATE_SESSION
        || (projects.iter().any(|name| name.as_str() == row.session)
            && windows.contains(&row.window.as_str()))
}

/// Says why a call from below a pane is refused.
pub fn refusal(pane: &str) -> String {
    format!(
        "this is a person's word, and the call comes from the pane {pane}, where agents and gates run. An agent asks a person with `pointsman ask`"
    )
}
