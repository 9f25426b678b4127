//! What surfaces show, read from running projects.

use serde_json::{Value, json};

use crate::daemon::Daemon;
use crate::domain::ProjectName;

/// Returns the whole fleet, as `status --json` prints it.
pub async fn snapshot(daemon: &Daemon) -> Value {
    let mut projects = Vec::new();
    for name in daemon.projects() {
        let Some(shown) = daemon.show(&name).await else {
            continue;
        };
        projects.push(json!({
            "name": name,
            "did": shown.report.did,
            "standing": shown.report.standing.iter().map(|(issue, hold)| json!({"issue": issue, "word": hold.word(), "why": hold.to_string(), "hint": hold.hint()})).collect::<Vec<_>>(),
        }));
    }
    json!({ "version": env!("CARGO_PKG_VERSION"), "config_fault": daemon.config_fault(), "projects": projects })
}

/// Explains one issue; `None` if there is no such project.
pub async fn explain(daemon: &Daemon, project: &ProjectName, issue: u64) -> Option<String> {
    let shown = daemon.show(project).await?;
    let number = crate::domain::IssueNumber(issue);
    Some(match shown.report.standing.get(&number) {
        Some(hold) => format!("{}: {hold}\n", hold.word()),
        None => "not in the workflow\n".to_owned(),
    })
}
