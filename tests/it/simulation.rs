//! Seeded worlds × faults × crashes: safety at every step, liveness once the faults stop.
//!
//! `SIM_WORLDS=20000 cargo test simulation` runs more worlds, `SOAK=30 make soak` as many as there are in half an hour;
//! `SEED=42 cargo test --test it simulation::one_world -- --nocapture` replays one with its transcript, `SEED="42 -Crash"` without
//! one of its faults. No threads and no clock inside a world: a seed decides all of it.
//!
//! What may never happen stands in `laws`, and a bug that breaks each of them in `plants`. A world that found a bug is kept in
//! `simulation/kept.txt`.

#![expect(
    clippy::expect_used,
    reason = "a model that contradicts itself ends the test"
)]

mod driver;
pub(crate) mod faults;
mod invariants;
mod laws;
mod mishaps;
mod noted;
mod pair;
mod panes;
mod people;
mod perform;
mod plants;
mod pulls;
mod resting;
mod rules;
mod runs;
mod scenario;
mod sentence;
mod stating;
mod told;
mod tracker;
mod trees;
mod typing;
mod world;
mod written;

use std::collections::BTreeSet;

use driver::Plant;
use laws::Law;
use plants::PLANTED;
use runs::{Seed, Tally, run, search};

/// Worlds of a plain `cargo test`.
const WORLDS: u64 = 1000;
/// A planted bug is found within so many.
const PLANTED_WORLDS: u64 = 1500;

/// Worlds in which nothing goes wrong, and what each may ask of the tracker in an hour: a list a minute, and 25 for each of a dozen
/// dispatches, which is more than a day of real work has.
const HEALTHY_WORLDS: u64 = 60;
const HEALTHY_REQUESTS_MAX: u64 = 360;

fn worlds() -> u64 {
    option_env("SIM_WORLDS").map_or(WORLDS, |asked| asked.parse().expect("a number"))
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test's own knobs are read where it starts"
)]
fn option_env(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Says what a world broke, how to see it again, and what of it is needed.
fn fails(seed: u64, tally: &Tally) -> ! {
    let small = runs::shrunk(&Seed::new(seed));
    let ran = run(&small, Plant::Nothing, true);
    let (law, how) = ran
        .broken
        .or(tally.broken.clone().map(|found| found.1))
        .expect("it broke");
    let tail = ran.log.len().saturating_sub(60);
    panic!(
        "seed {small} breaks {law:?}: {how}\n{}\nreplay: SEED=\"{small}\" cargo test --test it simulation::one_world -- --nocapture\n\
         keep:   add `{small}  # {how}` to tests/it/simulation/kept.txt",
        ran.log[tail..].join("\n")
    );
}

#[test]
fn no_world_breaks_an_invariant() {
    let tally = search(0..worlds(), Plant::Nothing);
    if let Some((seed, _)) = tally.broken {
        fails(seed, &tally);
    }
    says(&tally);
    assert!(
        tally.dispatches > 2 * worlds() && tally.moves > worlds() && tally.errands > worlds() / 5,
        "the worlds are too quiet: {tally}"
    );
    for (fault, _) in faults::Fault::ALL {
        let struck = tally.struck.get(&fault).copied().unwrap_or(0);
        assert!(struck > worlds() / 100, "{fault:?} struck {struck} times");
    }
}

#[expect(clippy::print_stdout, reason = "the figures are for a person")]
fn says(what: &dyn std::fmt::Display) {
    println!("{what}");
}

/// Worlds that once broke a law, with the faults that they need.
#[test]
fn kept_worlds_hold() {
    for line in include_str!("simulation/kept.txt").lines() {
        let (world, _) = line.split_once('#').unwrap_or((line, ""));
        if world.trim().is_empty() {
            continue;
        }
        let seed: Seed = world.parse().expect("a seed, and faults that are left out");
        assert_eq!(run(&seed, Plant::Nothing, false).broken, None, "{line}");
    }
}

/// `SOAK=30` runs new worlds for half an hour.
#[test]
#[ignore = "it runs for as long as it is told to"]
fn soak() {
    let minutes: u64 = option_env("SOAK").map_or(1, |asked| asked.parse().expect("minutes"));
    let from: u64 =
        option_env("SOAK_FROM").map_or(1_000_000, |asked| asked.parse().expect("a seed"));
    let tally = runs::search_for(from, minutes);
    says(&tally);
    if let Some((seed, _)) = tally.broken {
        fails(seed, &tally);
    }
}

/// Counts what breaks over all worlds, with the first seed of each; for whoever repairs.
#[test]
#[ignore = "a survey: it runs all worlds even if some break"]
fn survey() {
    let mut table = std::collections::BTreeMap::new();
    let (broken, tally) = runs::all_broken(0..worlds());
    for (seed, (law, how)) in broken {
        let how = how.chars().filter(|c| !c.is_ascii_digit()).take(110);
        let row = table
            .entry((law, how.collect::<String>()))
            .or_insert((0, seed));
        row.0 += 1;
    }
    for ((law, how), (count, seed)) in table {
        says(&format!("{count:5}  seed {seed:5}  {law:?}: {how}"));
    }
    says(&tally);
}

/// What a project asks of the tracker while all goes well: the lists of an hour, and what its issues' steps take.
#[test]
fn a_healthy_project_asks_little() {
    let asked = |seed| run(&Seed::healthy(seed), Plant::Nothing, false).tally;
    let most = (0..HEALTHY_WORLDS).map(|seed| asked(seed).requests_most);
    let (most, seed) = most.max().expect("there are worlds");
    says(&format!(
        "at most {most} requests in an hour (world {seed})"
    ));
    assert!(most <= HEALTHY_REQUESTS_MAX, "{most} in world {seed}");
}

/// `SEED=n` replays one world with its transcript.
#[test]
fn one_world() {
    let seed: Seed =
        option_env("SEED").map_or(Seed::new(7), |asked| asked.parse().expect("a seed"));
    let ran = run(&seed, Plant::Nothing, true);
    says(&ran.log.join("\n"));
    assert_eq!(ran.broken, None, "seed {seed}");
}

#[test]
fn the_same_seed_is_the_same_world() {
    let run = || run(&Seed::new(11), Plant::Nothing, true).log;
    assert_eq!(run(), run());
}

/// The tests are tested: each planted bug is caught, by the law that it breaks.
#[test]
fn every_planted_bug_is_caught() {
    let mut missed = Vec::new();
    for (plant, laws) in PLANTED {
        let caught = search(0..PLANTED_WORLDS, plant).broken;
        let right = caught
            .as_ref()
            .is_some_and(|(_, (law, _))| laws.contains(law));
        let told = caught.map(|(seed, (law, how))| {
            let how: String = how.chars().take(80).collect();
            format!("{law:?} in world {}: {how}", seed + 1)
        });
        says(&format!(
            "{plant:?}: {}",
            told.as_deref().unwrap_or("not caught")
        ));
        missed.extend((!right).then_some(plant));
    }
    assert!(
        missed.is_empty(),
        "not caught by their own laws: {missed:?}"
    );
}

/// A law that nothing breaks is no law; what panics needs no plant.
#[test]
fn every_law_is_broken_by_a_planted_bug() {
    let broken: BTreeSet<Law> = PLANTED
        .iter()
        .flat_map(|(_, laws)| *laws)
        .copied()
        .collect();
    let unbroken: Vec<Law> = Law::ALL
        .into_iter()
        .filter(|law| !broken.contains(law))
        .collect();
    assert_eq!(unbroken, [Law::NoPanic]);
}
