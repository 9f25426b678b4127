//! Random schedules of faults: whatever happens, and whenever, nothing is lost, doubled, submitted for a person or run by a shell.

use std::sync::Arc;

use pointsman::domain::Verdict;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::model::Model;
use super::real::Real;
use super::schedule::Schedule;
use super::tui::Said;
use super::walk::{BUGS, Bug, ENTER, PASTE, RECEIPT, walk};

/// Schedules in the model in a plain test; `FAULT_SCHEDULES_MODELLED` asks for another number.
const MODELLED: u64 = 1000;
/// Schedules on real tmux in a plain test; `FAULT_SCHEDULES` asks for another number.
const REAL: u64 = 40;
/// Runs on real tmux at the same time: they wait, they do not work.
const AT_ONCE: usize = 8;

fn number(name: &str, usual: u64) -> u64 {
    let set = std::env::vars().find(|(found, _)| found == name);
    set.map_or(usual, |(_, value)| value.parse().expect("a number"))
}

/// The seed that was asked for alone.
fn only() -> Option<u64> {
    let set = std::env::vars().find(|(name, _)| name == "FAULT_SEED");
    set.map(|(_, value)| value.parse().expect("a number"))
}

fn tag(seed: u64) -> String {
    format!("s{:06}", seed % 1_000_000)
}

/// How to have a failing run again.
fn again(seed: u64, place: &str, schedule: &Schedule, bug: Option<Bug>) -> String {
    let from = if schedule.adopted {
        "below a shell"
    } else {
        "as the pane's own process"
    };
    format!(
        "{bug:?} {from}, from the start {:?}, then {:?}\n  FAULT_SEED={seed} cargo test --test it faults::property::{place} -- --nocapture\n",
        schedule.start, schedule.at
    )
}

fn modelled(seed: u64, bug: Option<Bug>) -> Vec<String> {
    let schedule = Schedule::draw(seed);
    let mut model = Model::start(schedule.clone());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let told = runtime.block_on(walk(&mut model, &tag(seed), bug));
    let left = model.end();
    let mut broken = left.broken(&schedule, &told);
    if !broken.is_empty() {
        broken.push(again(
            seed,
            "no_schedule_in_the_model_breaks_a_rule",
            &schedule,
            bug,
        ));
        broken.push(format!("{:#?}\n{:?}", told.acts, left.said));
    }
    broken
}

async fn real(seed: u64, schedule: Schedule, bug: Option<Bug>) -> Vec<String> {
    let mut real = Real::start(schedule.clone()).await;
    let told = walk(&mut real, &tag(seed), bug).await;
    let screen = real.screen().await;
    let left = real.end().await;
    let mut broken = left.broken(&schedule, &told);
    if !broken.is_empty() {
        broken.push(again(
            seed,
            "no_schedule_on_real_tmux_breaks_a_rule",
            &schedule,
            bug,
        ));
        broken.push(format!("{:#?}\n{:?}\n{screen}", told.acts, left.said));
    }
    broken
}

/// Runs schedules on real tmux, some at once.
async fn all_real(seeds: impl Iterator<Item = u64>) -> Vec<Vec<String>> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = JoinSet::new();
    for seed in seeds {
        let places = places.clone();
        runs.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            real(seed, Schedule::draw(seed), None).await
        });
    }
    runs.join_all().await
}

#[test]
fn no_schedule_in_the_model_breaks_a_rule() {
    let seeds = only().map_or(0..number("FAULT_SCHEDULES_MODELLED", MODELLED), |seed| {
        seed..seed + 1
    });
    for seed in seeds {
        let broken = modelled(seed, None);
        assert!(broken.is_empty(), "{}", broken.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_schedule_on_real_tmux_breaks_a_rule() {
    let seeds = only().map_or(0..number("FAULT_SCHEDULES", REAL), |seed| seed..seed + 1);
    let broken: Vec<String> = all_real(seeds).await.into_iter().flatten().collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// Before an act, in it, and when it is over and nobody heard of it; and the next daemon dies as well, or does not.
const DEATHS: [&str; 3] = ["F67b", "F67", "F67a"];

/// The daemon dies at every point of a delivery that nothing else disturbs: what it typed arrives once, and it is known.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_point_of_a_delivery_the_line_arrives_once() {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut runs = JoinSet::new();
    let points = (PASTE..=RECEIPT).flat_map(|act| DEATHS.map(|death| (act, death)));
    let again = [None, Some("F67b"), Some("F67a")];
    let points = points.flat_map(|(act, death)| again.map(|again| (act, death, again)));
    for (seed, (act, death, again)) in points.enumerate() {
        let schedule = Schedule {
            seed: seed as u64,
            at: again
                .map(|again| (act + 1, again))
                .into_iter()
                .chain([(act, death)])
                .collect(),
            ..Schedule::default()
        };
        let places = places.clone();
        runs.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            let mut real = Real::start(schedule.clone()).await;
            let told = walk(&mut real, &tag(schedule.seed), None).await;
            let left = real.end().await;
            let mut broken = left.broken(&schedule, &told);
            let submitted = |said: &&Said| matches!(said, Said::Submitted(_) | Said::Lost(_));
            let times = left.said.iter().filter(submitted).count();
            if times != 1 || told.last() != Verdict::Confirmed {
                broken.push(format!("submitted {times} times, {:?}", told.verdicts));
            }
            if !broken.is_empty() {
                broken.push(format!("{:?}\n{:#?}", schedule.at, told.acts));
            }
            broken
        });
    }
    let broken: Vec<String> = runs.join_all().await.into_iter().flatten().collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// The checks are worth something: each bug that a peer has had is found.
#[test]
fn every_planted_bug_is_caught_in_the_model() {
    for bug in BUGS {
        let caught = (0..4000).find(|seed| !modelled(*seed, Some(bug)).is_empty());
        assert!(caught.is_some(), "{bug:?} is not caught");
    }
}

/// A permission, and so much after it that anybody has seen it.
const SEEN: [(usize, &str); 8] = [
    (PASTE, "F41"),
    (PASTE, "F01"),
    (PASTE, "F02"),
    (PASTE, "F08"),
    (PASTE, "F26"),
    (PASTE, "F29"),
    (PASTE, "F69"),
    (PASTE, "F70"),
];

/// The same on real tmux, each with a schedule on which it does harm.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_planted_bug_is_caught_on_real_tmux() {
    for bug in BUGS {
        let (start, at): (&[_], &[_]) = match bug {
            Bug::BlindEnter => (&[], &[(ENTER, "F28")]),
            Bug::BlindPaste => (&[], &SEEN),
            Bug::SecondPaste => (&["F13"], &[]),
            Bug::BusyIsReceipt => (&["F06"], &[(RECEIPT, "F62")]),
            Bug::AcceptedIsReceipt => (&["F06"], &[]),
            Bug::BlindRetry => (&["F45", "F63"], &[]),
            Bug::Resend => (&["F63"], &[]),
            Bug::ClearFirst => (&[], &[(PASTE, "F28")]),
        };
        let schedule = Schedule {
            start: start.to_vec(),
            at: at.to_vec(),
            ..Schedule::default()
        };
        let broken = real(0, schedule, Some(bug)).await;
        assert!(!broken.is_empty(), "{bug:?} is not caught");
    }
}
