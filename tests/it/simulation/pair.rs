//! Two daemons with a ledger each, on one repository: the second one is refused until a person says `ledger adopt` (PROTOCOLS 9).

use std::collections::BTreeSet;

use jiff::SignedDuration;
use pointsman::domain::{CommentMode, Request};
use pointsman::ledger::Memory;

use super::driver::{Driver, Plant};
use super::laws::{Broken, Law};
use super::resting;
use super::rules::start;
use super::runs::{Seed, draw, storms};

/// Pairs of worlds.
const PAIRS: u64 = 150;
/// Things that happen to both.
const STEPS: u32 = 600;

/// What a pair came to.
#[derive(Debug, Default)]
struct Came {
    broken: Option<Broken>,
    /// Whether one of them was told of the other.
    held: bool,
    /// Whether the second one worked after it took over.
    went_on: bool,
}

fn one(seed: u64, blind: bool) -> Driver {
    let mut world = draw(&Seed::new(seed));
    world.rules.comment = if blind {
        CommentMode::Off
    } else {
        CommentMode::Short
    };
    let mut driver = Driver::new(world, Plant::Nothing);
    driver.begins();
    driver
}

/// Labellings whose brief was really typed.
fn typed(driver: &Driver) -> BTreeSet<String> {
    let dispatches = driver
        .world
        .typed
        .keys()
        .filter_map(|id| driver.world.briefs.get(id));
    let labellings = dispatches.filter_map(|dispatch| dispatch.opening.labelling());
    labellings.map(pointsman::domain::Labelling::key).collect()
}

fn run(seed: u64, blind: bool) -> Came {
    let (mut first, mut second) = (one(seed, blind), one(seed, blind));
    second.world.ledger = "two";
    second.ledger = Memory::new("two");
    // The tracker is wherever something happens.
    second.world.tracker = super::tracker::Tracker::default();
    let far = start() + SignedDuration::from_hours(24 * 365);
    let mut came = Came::default();
    for _ in 0..STEPS {
        let (one, two) = (first.next_time(far), second.next_time(far));
        let turn = one.is_some_and(|one| two.is_none_or(|two| one <= two));
        if !turn {
            std::mem::swap(&mut first.world.tracker, &mut second.world.tracker);
        }
        let driver = if turn { &mut first } else { &mut second };
        driver.step(far);
        storms(driver);
        came.held |= !driver.shadow.sightings.is_empty();
        if !turn {
            std::mem::swap(&mut first.world.tracker, &mut second.world.tracker);
        }
        let twice = typed(&first).intersection(&typed(&second)).next().cloned();
        if let Some(labelling) = twice {
            came.broken = Some((Law::OneDaemon, format!("{labelling} was typed by both")));
            return came;
        }
    }
    // The first one ends; a person says so, and the second one goes on.
    std::mem::swap(&mut first.world.tracker, &mut second.world.tracker);
    let before = typed(&second).len();
    second.heals();
    let (one, two) = (first.world.now, second.world.now);
    second.world.now = one.max(two);
    (second.world.faults.deaf, second.world.faults.hollow) = (None, None);
    let mut owed = None;
    for _ in 0..240 {
        if !second.shadow.sightings.is_empty() {
            second.ask(Request::Adopt {
                by: "alice".to_owned(),
            });
        }
        let visit = second.world.now + SignedDuration::from_mins(30);
        while second.world.broken.is_none() && second.step(visit) {}
        owed = resting::owed(&second.shadow, &second.world, &second.engine.report);
        if owed.is_none() {
            break;
        }
        second.looks_in();
    }
    came.went_on = typed(&second).len() > before;
    came.broken = second.world.broken.take().or(owed);
    came
}

#[test]
fn two_ledgers_on_one_repository_never_type_the_same() {
    let (mut held, mut went_on) = (0, 0);
    for seed in 0..PAIRS {
        let came = run(seed, false);
        assert_eq!(came.broken, None, "pair {seed}");
        held += u64::from(came.held);
        went_on += u64::from(came.went_on);
    }
    assert!(
        held > PAIRS / 2 && went_on > PAIRS / 10,
        "{held} were held, {went_on} went on"
    );
}

/// The test is tested: without marker lines on the issues nobody knows of the other.
#[test]
fn without_markers_two_ledgers_type_the_same() {
    let caught = (0..PAIRS).any(|seed| {
        let broken = run(seed, true).broken;
        broken.is_some_and(|(law, _)| law == Law::OneDaemon)
    });
    assert!(caught);
}
