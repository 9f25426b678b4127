//! `pointsman health`: whether the dispatcher does its work, for a monitor that asks every few minutes.
//!
//! A question, a parked issue or a dialog is a person's and no fault of the dispatcher: `inbox` has those.

use jiff::SignedDuration;
use serde::Serialize;

use super::snapshot::{Attention, ProjectView, Snapshot};
use super::words::age;

/// Beyond three times the configured pause, a cycle may take so long: what it asks has ends of its own, all shorter.
const CYCLE_LATE: SignedDuration = SignedDuration::from_mins(15);
/// The matters that keep Pointsman from its work.
const FAULTS: [&str; 5] = [
    "configuration",
    "not-running",
    "tracker",
    "ledger",
    "no-dispatch",
];

/// Whether all is well.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Projects that were looked at.
    pub projects: usize,
    /// What is wrong.
    pub faults: Vec<Fault>,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// In which project, or `configuration`.
    pub project: String,
    /// A stable word: `configuration`, `not-running`, `tracker`, `ledger`, `no-dispatch`, `late`.
    pub kind: String,
    /// What.
    pub says: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Health {
    /// Judges what a running daemon shows.
    pub fn new(snapshot: &Snapshot) -> Self {
        let attention = snapshot.attention.iter();
        let mut faults: Vec<Fault> = attention
            .filter(|matter| is_fault(snapshot, matter))
            .map(|matter| Fault {
                project: matter.project.clone(),
                kind: matter.kind.clone(),
                says: matter.says.clone(),
                hint: matter.hint.clone(),
            })
            .collect();
        let projects = snapshot.projects.iter();
        faults.extend(projects.filter_map(|project| late(snapshot, project)));
        Self {
            ok: faults.is_empty(),
            projects: snapshot.projects.len(),
            faults,
        }
    }
}

fn is_fault(snapshot: &Snapshot, matter: &Attention) -> bool {
    let lasts = || {
        let mut projects = snapshot.projects.iter();
        let of = projects.find(|project| project.name == matter.project);
        of.and_then(|project| project.gap.as_ref())
            .is_none_or(|gap| gap.lasts(snapshot.at))
    };
    FAULTS.contains(&matter.kind.as_str()) && (matter.kind != "tracker" || lasts())
}

/// A project that nobody looks at any more: its runner answers, and its looks do not come back.
fn late(snapshot: &Snapshot, project: &ProjectView) -> Option<Fault> {
    let pause = SignedDuration::from_secs(snapshot.cycle_seconds.cast_signed());
    let at = project.cycle_at?;
    let is_late = snapshot.at.duration_since(at) > pause.saturating_mul(3) + CYCLE_LATE;
    is_late.then(|| Fault {
        project: project.name.clone(),
        kind: "late".to_owned(),
        says: format!("its last cycle was {} ago", age(at, snapshot.at)),
        hint: Some("`pointsman doctor`, and the daemon's log".to_owned()),
    })
}

/// Renders it: one line, or one for each fault with what to do.
pub fn render_health(health: &Health) -> String {
    if health.ok {
        let projects = crate::machine::text::count(health.projects, "project");
        return format!("ok: {projects}\n");
    }
    let line = |fault: &Fault| {
        let hint = fault.hint.as_ref();
        let hint = hint.map_or_else(String::new, |hint| format!("  hint: {hint}"));
        format!("{}: {}: {}{hint}\n", fault.project, fault.kind, fault.says)
    };
    health.faults.iter().map(line).collect()
}
