//! What has to hold in the end, from the ledger, the trackers, git, the agents' own logs and the kernel.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::Verdict;

use super::cast::{Cast, FOREIGN, Member, PROJECTS, ROUTING};
use super::story::{Span, Standing, Story, key};
use crate::support::world::World;

/// So much more than in its first half the daemon may have in its second, in percent: its state grows with the issues it knows.
const GROWTH_MAX: u64 = 20;
/// The longest time without a line of the heartbeat while there is work: cycles are 10 s apart, a machine with two cores has other work.
const SILENT_MAX: SignedDuration = SignedDuration::from_secs(60);
/// How long a label may be there before a cycle knows of it.
const UNSEEN_MAX: SignedDuration = SignedDuration::from_secs(30);

/// No text was taken twice, whatever its delivery will end in.
pub(super) fn nothing_twice_so_far(world: &World) {
    for (delivery, count) in world.taken_by_delivery() {
        assert_eq!(count, 1, "{delivery} was taken {count} times");
    }
}

/// Every text was taken once if its delivery is confirmed, never if it was not submitted, and none was taken that is no delivery of
/// ours.
pub(super) fn nothing_twice(world: &World, story: &Story) {
    nothing_twice_so_far(world);
    let taken = world.taken_by_delivery();
    for delivery in taken.keys() {
        assert!(
            story.deliveries.contains_key(delivery),
            "{delivery} is nobody's"
        );
    }
    for (delivery, verdict) in &story.deliveries {
        let wanted = match verdict {
            Some(Verdict::Confirmed) => true,
            // The person cleared our line by mistake.
            Some(Verdict::NotDelivered | Verdict::TypedNotSubmitted) => false,
            // Whether it was taken, nobody knew: a person was asked, and it was at most once.
            Some(Verdict::Unconfirmed | Verdict::Queued) | None => continue,
        };
        assert_eq!(
            taken.contains_key(delivery),
            wanted,
            "{delivery} {verdict:?}"
        );
    }
}

/// No attempt of an issue begins before the one before it ended, and no window has two.
pub(super) fn no_overlap(story: &Story) {
    let mut lanes: BTreeMap<String, Vec<&Span>> = BTreeMap::new();
    for span in story.dispatches.values() {
        let (project, issue) = &span.of;
        lanes
            .entry(format!("{project} {issue}"))
            .or_default()
            .push(span);
        lanes
            .entry(format!("{project} {:?}", span.window))
            .or_default()
            .push(span);
    }
    for (lane, mut spans) in lanes {
        spans.sort_by_key(|span| span.opened);
        for pair in spans.windows(2) {
            let end = pair[0].closed.map_or(u64::MAX, |(seq, _)| seq);
            assert!(end < pair[1].opened, "{lane}: {pair:?}");
        }
    }
}

/// What is done has no routing label and is closed; what is parked says so and why; foreign labels are as they were. What is done is in
/// the default branch, once.
pub(super) async fn labels(world: &World, cast: &Cast, story: &Story) {
    for one in &cast.issues {
        let (name, standing) = (one.project.name, story.standing.get(&key(one)));
        let (labels, open) = one.on_tracker(world).await;
        let what = format!(
            "{name} {} {}: {standing:?}, {labels:?}",
            one.number, one.marks
        );
        assert!(labels.contains(FOREIGN), "{what}");
        let ours = labels
            .iter()
            .filter(|label| ROUTING.contains(&label.as_str()));
        let (ours, others) = (ours.count(), labels.len() - 1);
        match standing {
            Some(Standing::Done(_)) => assert!(!open && others == 0, "{what}"),
            Some(Standing::Parked(why)) => assert!(
                open && ours == 1
                    && others == 2
                    && labels.contains("needs-human")
                    && !why.is_empty(),
                "{what}"
            ),
            Some(Standing::Yours) | None => panic!("{what}"),
        }
        let remote = format!("{name}.git");
        let files = world.git(&remote, &["ls-tree", "-r", "--name-only", "main"]);
        let end = format!("-{}.sh", one.number.0);
        let found = files.lines().filter(|file| file.ends_with(&end)).count();
        let wanted = if open { 0 } else { 2 };
        assert_eq!(found, wanted, "{what}\n{files}");
    }
}

/// While a project has an issue that is labelled and not over, each of its cycles did something, or says of what it waits, or what
/// failed; and cycles come.
pub(super) fn idle_is_explained(world: &World, cast: &Cast, story: &Story) {
    let text = std::fs::read_to_string(world.places.heartbeat()).expect("a heartbeat");
    for project in &PROJECTS {
        let of = format!(" project={} ", project.name);
        let members = cast
            .issues
            .iter()
            .filter(|one| one.project.name == project.name);
        let spans: Vec<(Timestamp, Timestamp)> = members.map(|one| lasts(story, one)).collect();
        let (mut idle, mut last) = (0, None);
        for line in text.lines().filter(|line| line.contains(&of)) {
            let at: Timestamp = field(line, "at=").parse().expect("a time");
            let has_work = spans.iter().any(|(from, to)| {
                *from + UNSEEN_MAX < at && at + SignedDuration::from_secs(1) < *to
            });
            if let Some(last) = last
                && has_work
            {
                assert!(
                    at.duration_since(last) < SILENT_MAX,
                    "no cycle of {of} from {last} to {at}"
                );
            }
            last = Some(at);
            let is_mute = ["did=\"-\"", "held=\"-\"", "failed=\"-\""]
                .iter()
                .all(|nothing| line.contains(nothing));
            assert!(
                !(is_mute && has_work),
                "nobody knows why nothing happens: {line}"
            );
            idle += usize::from(has_work && line.contains("did=\"-\""));
        }
        println!(
            "{}: {idle} cycles with work that did nothing, each with its reason",
            project.name
        );
    }
}

/// From when to when somebody wants something done for an issue.
fn lasts(story: &Story, one: &Member) -> (Timestamp, Timestamp) {
    let to = match story.standing.get(&key(one)) {
        Some(Standing::Done(at)) => *at,
        // What is parked is a hold until the end.
        Some(Standing::Parked(_) | Standing::Yours) | None => Timestamp::MAX,
    };
    (one.labelled.expect("it was labelled"), to)
}

fn field<'a>(line: &'a str, key: &str) -> &'a str {
    let rest = line.split_once(key).expect("every line has it").1;
    rest.split(' ').next().unwrap_or_default()
}

/// What a process has in memory.
pub(super) fn resident_kib(pid: u32) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the daemon lives");
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let line = line.expect("a process has memory").trim();
    let number = line.split(' ').next().unwrap_or_default();
    number.parse().expect("a number of KiB")
}

pub(super) fn memory_is_flat(resident: &[u64]) {
    let (first, second) = resident.split_at(resident.len() / 2);
    let most = |part: &[u64]| part.iter().copied().max().expect("it was looked at");
    let (first, second) = (most(first), most(second));
    println!("the daemon had {first} KiB at most in the first half, {second} KiB in the second");
    assert!(
        second * 100 <= first * (100 + GROWTH_MAX),
        "{first} KiB, then {second} KiB"
    );
}

/// The agents wait in their windows, and nothing else is there.
pub(super) fn nothing_is_left(world: &World) {
    let mut windows = world.windows();
    windows.retain(|name| !name.starts_with("_ctl"));
    windows.sort();
    let agents = PROJECTS
        .iter()
        .map(|project| format!("{}:agent", project.name));
    let mut wanted: Vec<String> = agents.chain(["_gate:_keep".to_owned()]).collect();
    wanted.sort();
    assert_eq!(windows, wanted);
}
