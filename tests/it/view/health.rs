//! `pointsman health` and the dead man's switch, from the snapshot that `status` shows.

use super::*;
use jiff::SignedDuration;
use pointsman::machine::starting::starved::Starved;
use pointsman::view::{Health, Inbox, render_health, render_inbox};

/// The busy project, with what its last cycle found.
fn with(change: impl FnOnce(&mut CycleReport, &mut Observation)) -> Snapshot {
    let (state, mut report, mut seen) = busy();
    change(&mut report, &mut seen);
    let view = ProjectView::new(&rules(), &state, &report, Sight::Live(&seen));
    let mut snapshot = Snapshot::new(ten(), "0.1.0", vec![view]);
    snapshot.cycle_seconds = 60;
    snapshot
}

fn said(snapshot: &Snapshot) -> String {
    let health = Health::new(snapshot);
    assert_eq!(health.ok, health.faults.is_empty());
    render_health(&health)
}

fn starved(minutes: i64) -> Starved {
    Starved {
        watched: SignedDuration::from_mins(minutes),
        issues: BTreeMap::from([(NINE, "agent-not-idle"), (TWELVE, "behind")]),
    }
}

#[test]
fn what_waits_for_a_person_is_no_fault_of_the_dispatcher() {
    // Its tree is dirty, which is a person's.
    assert_eq!(said(&with(|_, _| {})), "ok: 1 project\n");
}

#[test]
fn ready_work_without_a_dispatch_is_told_after_six_hours() {
    let almost = with(|report, _| report.starved = Some(starved(359)));
    assert_eq!(said(&almost), "ok: 1 project\n");
    let due = with(|report, _| report.starved = Some(starved(360)));
    assert_snapshot!(said(&due), @"blog: no-dispatch: nothing was dispatched for 6 h although there is work: #9 (agent-not-idle), #12 (behind)  hint: pointsman explain 9 --project blog");
    let inbox = render_inbox(&Inbox::new(&due), 160);
    assert!(
        inbox.lines().any(|line| line.contains("no-dispatch")
            && line.ends_with("  pointsman explain 9 --project blog")),
        "{inbox}"
    );
}

#[test]
fn a_ledger_that_takes_nothing_is_a_fault() {
    let full = with(|report, _| report.unwritten = Some("the disk is full".into()));
    assert_snapshot!(said(&full), @"blog: ledger: the ledger takes nothing, so nothing is done: the disk is full  hint: see whether the disk is full; it goes on by itself");
}

#[test]
fn a_tracker_that_is_away_and_cycles_that_end_no_more_are_faults_once_they_last() {
    let away = |since: i64| with(|_, seen| seen.gap = Some(("502".into(), minutes(since))));
    assert_eq!(said(&away(-9)), "ok: 1 project\n");
    assert_snapshot!(said(&away(-10)), @"blog: tracker: the tracker is not known since 2026-11-20T09:50:00Z: 502");
    let last = |at: i64| with(|report, _| report.at = Some(minutes(at)));
    assert_eq!(said(&last(-18)), "ok: 1 project\n");
    assert_snapshot!(said(&last(-19)), @"blog: late: its last cycle was 19m ago  hint: `pointsman doctor`, and the daemon's log");
}
