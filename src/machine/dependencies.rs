//! Issues that go first: what an issue's text says that it waits for, and what the tracker counts.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Head, Hold, IssueNumber};

/// Returns why an issue has to wait for others. An issue that is not among the open ones is closed, and nobody waits for it.
pub(super) fn hold(head: &Head, heads: &BTreeMap<IssueNumber, Head>) -> Option<Hold> {
    let issues: Vec<IssueNumber> = open_of(head, heads).collect();
    if !issues.is_empty() {
        let ring = ring(head, heads);
        return Some(Hold::WaitsFor { issues, ring });
    }
    let count = head.blocked_by;
    (count > 0).then_some(Hold::BlockedBy { count })
}

/// What it waits for and is open. An issue does not wait for itself, whatever it says.
fn open_of<'a>(
    head: &'a Head,
    heads: &'a BTreeMap<IssueNumber, Head>,
) -> impl Iterator<Item = IssueNumber> + 'a {
    let others = head.waits_for.iter().copied();
    others.filter(|number| {
        *number != head.number && heads.get(number).is_some_and(|other| other.open)
    })
}

/// The shortest way from an issue over those that it waits for back to itself; empty if there is none.
fn ring(head: &Head, heads: &BTreeMap<IssueNumber, Head>) -> Vec<IssueNumber> {
    let start = head.number;
    let mut reached = BTreeSet::from([start]);
    let mut ways = vec![vec![start]];
    while !ways.is_empty() {
        let mut longer = Vec::new();
        for way in &ways {
            let Some(last) = way.last().and_then(|last| heads.get(last)) else {
                continue;
            };
            for next in open_of(last, heads) {
                let to = || way.iter().copied().chain([next]).collect();
                if next == start {
                    return to();
                }
                if reached.insert(next) {
                    longer.push(to());
                }
            }
        }
        ways = longer;
    }
    Vec::new()
}
