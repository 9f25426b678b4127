//! Runs of worlds: one seed, many of them, and the smallest world that still breaks.

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::FromStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use jiff::tz::TimeZone;
use pointsman::domain::{
    CommentMode, FirstLine, Hours, IssueNumber, Label, Limits, Merge, Rules, SkillName,
    TrackerChoice,
};

use super::driver::{Driver, Plant};
use super::faults::{Fault, Faults, Rng};
use super::laws::{Broken, Law};
use super::resting;
use super::rules::{alice, drawn, rules, start};
use super::tracker::FOREIGN;
use super::world::World;

/// Things that happen while faults do.
const STORMY_STEPS: u32 = 400;
/// How long a fault may last that is alone.
const LASTING_HOURS: i64 = 3;
/// How long a healed world may take to come to rest, beside the days that its work needs.
const REST_HOURS: i64 = 120;
/// Of the fewest hours that a world may work in, so many dispatches can be begun a day.
const DISPATCHES_A_DAY_MAX: u32 = 12;
/// A place whose clocks go forward the next night, and back the night after.
const RESTLESS: &str = "XST0XDT,M11.3.6/1,M11.4.0/2";

/// A world: its number, and the faults of it that are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seed {
    number: u64,
    without: Vec<Fault>,
}

impl Seed {
    pub(crate) fn new(number: u64) -> Self {
        Self {
            number,
            without: Vec::new(),
        }
    }

    /// A world in which nothing goes wrong.
    pub(crate) fn healthy(number: u64) -> Self {
        let without = Fault::ALL.map(|(fault, _)| fault).to_vec();
        Self { number, without }
    }
}

impl fmt::Display for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)?;
        self.without
            .iter()
            .try_for_each(|fault| write!(f, " -{fault:?}"))
    }
}

impl FromStr for Seed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut words = text.split_whitespace();
        let number = words.next().and_then(|word| word.parse().ok());
        let fault = |word: &str| {
            let name = word.strip_prefix('-').unwrap_or(word);
            let known = Fault::ALL
                .into_iter()
                .find(|(fault, _)| format!("{fault:?}") == name);
            known
                .map(|(fault, _)| fault)
                .ok_or_else(|| format!("no fault is {name}"))
        };
        Ok(Self {
            number: number.ok_or_else(|| format!("no seed in {text:?}"))?,
            without: words.map(fault).collect::<Result<_, _>>()?,
        })
    }
}

/// Draws small caps, and in every fifth world hours.
fn limits(rng: &mut Rng) -> Limits {
    // From a copy, so that older seeds keep the rest of their world.
    let mut more = Rng::new(rng.clone().next());
    let usual = Limits::default();
    let mut small = |from: u64, choices: u64| {
        let draw = more.chance(250).then(|| from + more.below(choices));
        draw.map(|number| u32::try_from(number).expect("small"))
    };
    Limits {
        labellings_per_hour: small(1, 3).unwrap_or(usual.labellings_per_hour),
        dispatches_per_issue: small(2, 6).unwrap_or(usual.dispatches_per_issue),
        gap: Duration::from_secs(small(1, 600).unwrap_or(0).into()),
        rounds: 1 + u32::try_from(rng.below(2)).expect("small"),
        attempts: 1 + u32::try_from(rng.below(3)).expect("small"),
        dispatches_per_day: 4 + u32::try_from(rng.below(20)).expect("small"),
        active_max: 1 + u32::try_from(rng.below(3)).expect("small"),
        hours: rng.chance(200).then(|| {
            let from = u16::try_from(rng.below(24 * 60)).expect("small");
            let long = 4 * 60 + u16::try_from(rng.below(8 * 60)).expect("small");
            let to = (from + long) % (24 * 60);
            Hours { from, to }
        }),
    }
}

/// Gives some projects several agents, and stages that keep them busy, by dice of their own: the worlds with one stay what they were.
fn several(rules: &mut Rules, seed: u64) {
    let mut aside = Rng::new(seed ^ 0x0a6e_4715);
    if !rules.project.git || !aside.chance(400) {
        return;
    }
    let sessions = 2 + u8::try_from(aside.below(2)).expect("small");
    rules.project.sessions = sessions;
    let most = &mut rules.workflow.limits.active_max;
    *most = (*most).max(u32::from(sessions));
    for stage in &mut rules.workflow.stages {
        stage.wip += 2;
    }
}

/// Draws a world.
pub(super) fn draw(world: &Seed) -> World {
    let seed = world.number;
    let mut rng = Rng::new(seed);
    let mut faults = Faults::draw(&mut rng);
    for fault in &world.without {
        faults = faults.without(*fault);
    }
    let limits = limits(&mut rng);
    let first_line = if rng.chance(500) {
        FirstLine::Argument
    } else {
        FirstLine::Typed
    };
    let merge = [Merge::Off, Merge::FastForward][usize::from(rng.chance(500))];
    let mut rules = rules(limits, first_line, merge);
    // Half of the worlds walk a workflow of their own, some of them in a folder without git.
    if rng.chance(500) {
        rules.project.git = rng.chance(700);
        rules.workflow.stages = drawn(&mut rng, rules.project.git);
    }
    several(&mut rules, seed);
    let stages = rules.workflow.stages.len() as u64;
    let issues = 1 + rng.below(3);
    let skew = i64::try_from(rng.below(20 * 60)).expect("small") - 10 * 60;
    let skewed = rng.chance(400);
    let restless = rng.chance(250);
    if skewed {
        rules.project.added = Some(start() - SignedDuration::from_hours(1));
    }
    if restless {
        rules.zone = TimeZone::posix(RESTLESS).expect("a POSIX time zone");
    }
    let mut world = World::new(rng.next(), rules, faults, start());
    if skewed {
        world.tracker.skew = SignedDuration::from_secs(skew);
    }
    world.labelled = issues;
    for number in 1..=issues {
        let at = start() + SignedDuration::from_secs(i64::try_from(number).expect("small"));
        world.tracker.add(number, &format!("issue {number}"), at);
        let stage = usize::try_from(rng.below(stages.min(2))).expect("small");
        let label = world.rules.workflow.stages[stage].label.clone();
        let number = IssueNumber(number);
        world
            .tracker
            .label(number, &Label::new(FOREIGN), true, &alice(), at);
        world.tracker.label(number, &label, true, &alice(), at);
    }
    world.now = start() + SignedDuration::from_secs(10);
    if world.rng.chance(300) {
        let first = if restless { 60 } else { 9 * 60 + 1 };
        let at = first + u16::try_from(world.rng.below(120)).expect("small");
        world.rules.schedules.insert(SkillName::new("scout"), at);
    }
    // By no die at all: the worlds without it stay what they were.
    if seed % 3 == 2 {
        world.rules.project.tracker = TrackerChoice::GitHub {
            owner: "me".to_owned(),
            repo: "blog".to_owned(),
        };
    }
    // By dice of their own, so that the worlds without it stay what they were.
    if Rng::new(seed ^ 0xc0_111d).chance(250) {
        for issue in world.tracker.issues.values_mut() {
            issue.head.touches.insert("src/auth.rs".to_owned());
        }
    }
    if Rng::new(!seed).chance(500) {
        world.rules.comment = CommentMode::Full;
    }
    world
}

/// What a run came to.
pub(crate) struct Ran {
    pub(crate) broken: Option<Broken>,
    pub(crate) log: Vec<String>,
    pub(crate) tally: Tally,
}

/// What many runs came to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// The smallest seed that broke, and how.
    pub(crate) broken: Option<(u64, Broken)>,
    worlds: u64,
    steps: u64,
    crashes: u64,
    pub(crate) dispatches: u64,
    pub(crate) moves: u64,
    pub(crate) errands: u64,
    pub(crate) struck: BTreeMap<Fault, u64>,
    /// The most that a world asked of the tracker in an hour, and which one it was.
    pub(crate) requests_most: (u64, u64),
    overtaken_most: u64,
    took: Duration,
}

impl Tally {
    fn of(driver: &Driver, seed: u64) -> Self {
        Self {
            broken: None,
            worlds: 1,
            steps: driver.steps,
            crashes: driver.crashes,
            dispatches: driver.watch.dispatches,
            moves: driver.watch.moves,
            errands: driver.watch.errands,
            struck: driver.world.struck.clone(),
            requests_most: (driver.world.requests_most, seed),
            overtaken_most: driver.watch.overtaken_most,
            took: Duration::ZERO,
        }
    }

    fn add(&mut self, other: &Self) {
        self.worlds += other.worlds;
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.dispatches += other.dispatches;
        self.moves += other.moves;
        self.errands += other.errands;
        for (fault, times) in &other.struck {
            *self.struck.entry(*fault).or_default() += times;
        }
        self.requests_most = self.requests_most.max(other.requests_most);
        self.overtaken_most = self.overtaken_most.max(other.overtaken_most);
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs().max(1);
        let each = self.worlds / seconds;
        writeln!(
            f,
            "{} worlds in {seconds} s, {each} a second; {} steps",
            self.worlds, self.steps
        )?;
        let faults: u64 = self.struck.values().sum();
        writeln!(
            f,
            "{} dispatches, {} moves, {} errands; {faults} faults, {} of them crashes:",
            self.dispatches, self.moves, self.errands, self.crashes
        )?;
        for (fault, times) in &self.struck {
            writeln!(f, "  {times:8}  {fault:?}")?;
        }
        write!(
            f,
            "at most {} requests in an hour (world {}); a candidate was overtaken at most {} times",
            self.requests_most.0, self.requests_most.1, self.overtaken_most
        )
    }
}

pub(crate) fn run(seed: &Seed, plant: Plant, verbose: bool) -> Ran {
    let mut driver = Driver::new(draw(seed), plant);
    driver.verbose = verbose;
    driver.begins();
    let whole = catch_unwind(AssertUnwindSafe(|| story(&mut driver)));
    let panicked = whole.err().map(|panic| {
        let how = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string))
            .unwrap_or_else(|| "a panic".to_owned());
        (Law::NoPanic, how)
    });
    Ran {
        broken: driver.world.broken.take().or(panicked),
        tally: Tally::of(&driver, seed.number),
        log: driver.log,
    }
}

/// A storm, then peace.
fn story(driver: &mut Driver) {
    let far = start() + SignedDuration::from_hours(24 * 365);
    for _ in 0..STORMY_STEPS {
        if driver.world.broken.is_some() || !driver.step(far) {
            break;
        }
        storms(driver);
    }
    driver.heals();
    if driver.world.faults.deaf.is_some() || driver.world.faults.hollow.is_some() {
        // What never works goes on for a while in an otherwise quiet world: nothing may come again and again.
        let lasting = driver.world.now + SignedDuration::from_hours(LASTING_HOURS);
        while driver.world.broken.is_none() && driver.step(lasting) {}
        (driver.world.faults.deaf, driver.world.faults.hollow) = (None, None);
    }
    let deadline = driver.world.now + rest_time(&driver.world);
    let mut visit = driver.world.now + SignedDuration::from_mins(30);
    let mut owed = None;
    while driver.world.broken.is_none() && driver.world.now < deadline {
        while driver.world.broken.is_none() && driver.step(visit) {}
        visit = driver.world.now + SignedDuration::from_mins(30);
        owed = resting::owed(&driver.shadow, &driver.world, &driver.engine.report);
        if owed.is_none() {
            break;
        }
        driver.looks_in();
    }
    if let Some(owed) = owed {
        driver.world.holds_to(Err(owed));
    }
    if driver.replay() != driver.shadow {
        let how = "the replayed state is another one";
        driver.world.breaks(Law::Fold, how);
    }
    let labels = resting::labels(&driver.world, true);
    driver.world.holds_to(labels);
    let reports = resting::reports(&driver.world, &driver.reports, &driver.closed);
    driver.world.holds_to(reports);
}

/// How long a healed world may take to come to rest: every issue may need each stage, attempt and round, and a day has few dispatches.
fn rest_time(world: &World) -> SignedDuration {
    let workflow = &world.rules.workflow;
    let limits = &workflow.limits;
    let each = workflow.stages.len() * (limits.attempts * (limits.rounds + 1)) as usize;
    let day = limits.dispatches_per_day.min(DISPATCHES_A_DAY_MAX) as usize;
    let days = (world.tracker.issues.len() * each).div_ceil(day);
    SignedDuration::from_hours(REST_HOURS + 24 * i64::try_from(days).expect("small"))
}

/// What comes over a world between two things that happen.
pub(super) fn storms(driver: &mut Driver) {
    if driver.world.strikes(Fault::Chaos) {
        driver.chaos();
    }
    if driver.world.strikes(Fault::Server) {
        driver.note(|| "THE SERVER DIES".to_owned());
        driver.world.server_dies();
    }
    if driver.world.strikes(Fault::Rival) {
        driver.rivals();
    }
    if driver.world.strikes(Fault::Jump) {
        driver.jumps();
    }
    if driver.world.strikes(Fault::Sleep) {
        driver.sleeps();
    }
    if driver.world.strikes(Fault::Crash) {
        driver.crash();
    }
}

/// The same world without each fault that it does not need in order to break the same law.
pub(crate) fn shrunk(seed: &Seed) -> Seed {
    let law = |seed: &Seed| {
        run(seed, Plant::Nothing, false)
            .broken
            .map(|broken| broken.0)
    };
    let Some(broken) = law(seed) else {
        return seed.clone();
    };
    let mut small = seed.clone();
    for fault in draw(seed).faults.on() {
        let mut less = small.clone();
        less.without.push(fault);
        if law(&less) == Some(broken) {
            small = less;
        }
    }
    small
}

/// Runs seeds on all cores until one breaks.
pub(crate) fn search(seeds: std::ops::Range<u64>, plant: Plant) -> Tally {
    many(seeds, plant, None)
}

/// Runs seeds on all cores for so long, or until one breaks.
pub(crate) fn search_for(from: u64, minutes: u64) -> Tally {
    let most = Duration::from_secs(60 * minutes);
    many(from..u64::MAX, Plant::Nothing, Some(most))
}

fn many(seeds: std::ops::Range<u64>, plant: Plant, most: Option<Duration>) -> Tally {
    let began = Instant::now();
    let found = Mutex::new(Tally::default());
    let over = || most.is_some_and(|most| began.elapsed() > most);
    let goes_on = || found.lock().expect("no panic inside").broken.is_none() && !over();
    on_all_cores(seeds, goes_on, |seed| {
        let ran = run(&Seed::new(seed), plant, false);
        let mut found = found.lock().expect("no panic inside");
        found.add(&ran.tally);
        if let Some(broken) = ran.broken
            && found.broken.as_ref().is_none_or(|(other, _)| seed < *other)
        {
            found.broken = Some((seed, broken));
        }
    });
    let mut found = found.into_inner().expect("no panic inside");
    found.took = began.elapsed();
    found
}

/// Runs all of the seeds, and returns what broke and what they came to.
pub(crate) fn all_broken(seeds: std::ops::Range<u64>) -> (BTreeMap<u64, Broken>, Tally) {
    let began = Instant::now();
    let found = Mutex::new((BTreeMap::new(), Tally::default()));
    on_all_cores(
        seeds,
        || true,
        |seed| {
            let ran = run(&Seed::new(seed), Plant::Nothing, false);
            let (broken, tally) = &mut *found.lock().expect("no panic inside");
            tally.add(&ran.tally);
            broken.extend(ran.broken.map(|how| (seed, how)));
        },
    );
    let (broken, mut tally) = found.into_inner().expect("no panic inside");
    tally.took = began.elapsed();
    (broken, tally)
}

fn on_all_cores(
    seeds: std::ops::Range<u64>,
    goes_on: impl Fn() -> bool + Sync,
    each: impl Fn(u64) + Sync,
) {
    let next = AtomicU64::new(seeds.start);
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..cores {
            scope.spawn(|| {
                while goes_on() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    each(seed);
                }
            });
        }
    });
}
