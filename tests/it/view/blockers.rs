//! `pointsman inbox --blocked`: what issues wait for, from the snapshot that `status` shows.

use super::*;
use pointsman::view::{blockers, render_blockers};

fn snapshot(holds: Vec<(u64, Hold)>) -> Snapshot {
    let numbers = holds.iter().map(|(number, _)| *number);
    let heads = numbers.map(|number| head(number, "Add a FAQ", "ready-for-prep"));
    let seen = seen(heads.collect());
    let holds = holds.into_iter();
    let report = CycleReport {
        at: Some(minutes(-1)),
        standing: holds
            .map(|(number, hold)| (IssueNumber(number), hold))
            .collect(),
        ..CycleReport::default()
    };
    let view = ProjectView::new(&rules(), &State::default(), &report, Sight::Live(&seen));
    Snapshot::new(ten(), "0.1.0", vec![view])
}

#[test]
fn what_blocks_is_listed_with_what_it_blocks() {
    let other = |repo: &str, number| Elsewhere {
        repo: repo.to_owned(),
        number: IssueNumber(number),
    };
    let waits = |issues: &[u64]| Hold::WaitsFor {
        issues: issues.iter().copied().map(IssueNumber).collect(),
        ring: Vec::new(),
    };
    let holds = vec![
        (2, Hold::NextCycle),
        (3, waits(&[2])),
        (4, waits(&[2, 99])),
        (5, Hold::BlockedBy { count: 2 }),
        (6, Hold::SubIssues { count: 1 }),
        // As many, but not the same ones.
        (9, Hold::BlockedBy { count: 2 }),
        (
            7,
            Hold::WaitsElsewhere {
                open: vec![other("me/blog", 2), other("me/api", 4)],
                unseen: vec![other("else/where", 5)],
                unread: vec![other("me/docs", 6)],
                back: Vec::new(),
            },
        ),
        (8, Hold::Paused { by: "ann".into() }),
    ];
    assert_snapshot!(render_blockers(&blockers(&snapshot(holds))), @r#"
    blog  #2 "Add a FAQ" (its turn is in the next cycle)  blocks #3, #4
    blog  #99  blocks #4
    blog  2 issues by its dependencies  blocks #5
    blog  1 sub-issue of its own  blocks #6
    blog  me/blog#2 "Add a FAQ" (its turn is in the next cycle)  blocks #7
    blog  me/api#4  blocks #7
    blog  me/docs#6 (not read yet)  blocks #7
    blog  else/where#5 (not looked at)  blocks #7
    blog  2 issues by its dependencies  blocks #9
    "#);
    let nothing = blockers(&snapshot(vec![(8, Hold::Paused { by: "ann".into() })]));
    assert_snapshot!(render_blockers(&nothing), @"no issue waits for another");
}

/// What an issue waits for is so, whatever hold of its project stands in front.
#[test]
fn a_pause_hides_no_blocker() {
    let mut waiting = head(3, "Add a FAQ", "ready-for-prep");
    waiting.waits_for.insert(IssueNumber(2));
    let seen = seen(vec![head(2, "First", "ready-for-prep"), waiting]);
    let paused = Hold::Paused { by: "ann".into() };
    let standing = [2, 3].map(|number| (IssueNumber(number), paused.clone()));
    let report = CycleReport {
        at: Some(minutes(-1)),
        standing: standing.into_iter().collect(),
        ..CycleReport::default()
    };
    let view = ProjectView::new(&rules(), &State::default(), &report, Sight::Live(&seen));
    let found = blockers(&Snapshot::new(ten(), "0.1.0", vec![view]));
    assert_snapshot!(render_blockers(&found), @r#"blog  #2 "First" (the project is paused by ann)  blocks #3"#);
}
