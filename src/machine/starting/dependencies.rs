//! Issues that go first: what an issue's text says that it waits for, and what the tracker counts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};
use std::iter::successors;

use crate::domain::{Elsewhere, Head, Hold, IssueNumber, Observation, OtherIssue};

/// Dependencies looked at for one ring: ten thousand issues may wait, and nobody reads a ring of hundreds.
const LOOKS_MAX: usize = 100;

/// Returns why an issue has to wait for others. An issue that is not among the open ones is closed, and nobody waits for it.
pub(crate) fn hold(head: &Head, seen: &Observation) -> Option<Hold> {
    if let Some(hold) = waits(head, &seen.heads) {
        return Some(hold);
    }
    if let Some(hold) = waits_elsewhere(head, seen) {
        return Some(hold);
    }
    let (count, parts) = (head.blocked_by, head.sub_issues);
    let blocked = (count > 0).then_some(Hold::BlockedBy { count });
    blocked.or_else(|| (parts > 0).then_some(Hold::SubIssues { count: parts }))
}

fn waits(head: &Head, heads: &BTreeMap<IssueNumber, Head>) -> Option<Hold> {
    let issues: Vec<IssueNumber> = open_of(head, heads).collect();
    (!issues.is_empty()).then(|| Hold::WaitsFor {
        issues,
        ring: ring(head, heads),
    })
}

fn waits_elsewhere(head: &Head, seen: &Observation) -> Option<Hold> {
    let (mut open, mut unseen, mut unread, mut back) =
        (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for other in &head.waits_elsewhere {
        let other: Elsewhere = other.clone();
        match seen.elsewhere.get(&other) {
            Some(OtherIssue::Closed) => {}
            Some(OtherIssue::Open { waits_for }) => {
                if waits_for.contains(&head.number) {
                    back.push(other.clone());
                }
                open.push(other);
            }
            Some(OtherIssue::Unread) => unread.push(other),
            None => unseen.push(other),
        }
    }
    let waits = !(open.is_empty() && unseen.is_empty() && unread.is_empty());
    waits.then_some(Hold::WaitsElsewhere {
        open,
        unseen,
        unread,
        back,
    })
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

/// The shortest way from an issue over those that it waits for back to itself; empty if there is none, or none is found soon.
fn ring(head: &Head, heads: &BTreeMap<IssueNumber, Head>) -> Vec<IssueNumber> {
    let start = head.number;
    let mut from: BTreeMap<IssueNumber, IssueNumber> = BTreeMap::new();
    let mut reached = VecDeque::from([start]);
    let mut looks = 0;
    while let Some(last) = reached.pop_front() {
        for next in heads
            .get(&last)
            .into_iter()
            .flat_map(|last| open_of(last, heads))
        {
            looks += 1;
            if looks > LOOKS_MAX {
                return Vec::new();
            }
            if next == start {
                let back = successors(Some(last), |at| from.get(at).copied());
                let mut way: Vec<IssueNumber> = back.collect();
                way.reverse();
                way.push(start);
                return way;
            }
            if let Entry::Vacant(way) = from.entry(next) {
                way.insert(last);
                reached.push_back(next);
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use jiff::Timestamp;

    use super::*;
    use crate::domain::{Actor, ActorId, ActorKind, IssueId, RepoId};

    fn head(number: u64, waits_for: &[u64]) -> (IssueNumber, Head) {
        let author = Actor {
            id: ActorId::new("1"),
            login: "alice".to_owned(),
            kind: ActorKind::User,
        };
        let head = Head {
            repo: RepoId::new("1"),
            id: IssueId::new(number.to_string()),
            number: IssueNumber(number),
            title: "t".to_owned(),
            labels: BTreeSet::new(),
            open: true,
            author: Some(author),
            milestone: None,
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            url: String::new(),
            waits_for: waits_for.iter().copied().map(IssueNumber).collect(),
            blocked_by: 0,
            waits_elsewhere: BTreeSet::new(),
            sub_issues: 0,
            touches: BTreeSet::new(),
        };
        (IssueNumber(number), head)
    }

    fn ring_of(number: u64, heads: &BTreeMap<IssueNumber, Head>) -> Vec<u64> {
        let ring = ring(&heads[&IssueNumber(number)], heads);
        ring.into_iter().map(|number| number.0).collect()
    }

    #[test]
    fn the_shortest_ring_is_told() {
        let heads = BTreeMap::from([
            head(1, &[2, 3]),
            head(2, &[4]),
            head(3, &[1, 5]),
            head(4, &[1]),
            head(5, &[]),
        ]);
        assert_eq!(ring_of(1, &heads), [1, 3, 1]);
        assert_eq!(ring_of(2, &heads), [2, 4, 1, 2]);
        assert_eq!(ring_of(5, &heads), [0_u64; 0]);
    }

    /// Whoever writes issues decides how they hang together, and every one of them is looked at in every cycle.
    #[test]
    fn a_long_chain_is_followed_only_so_far() {
        let last = LOOKS_MAX as u64;
        let of = |length| {
            let next = move |number| if number == length { 1 } else { number + 1 };
            let chain = (1..=length).map(move |number| head(number, &[next(number)]));
            chain.collect::<BTreeMap<IssueNumber, Head>>()
        };
        assert_eq!(ring_of(1, &of(last)).len(), LOOKS_MAX + 1);
        let longer = of(last + 1);
        assert_eq!(ring_of(1, &longer), [0_u64; 0]);
        let wait = Hold::WaitsFor {
            issues: vec![IssueNumber(2)],
            ring: Vec::new(),
        };
        let first = &longer[&IssueNumber(1)];
        assert_eq!(waits(first, &longer), Some(wait));
    }
}
