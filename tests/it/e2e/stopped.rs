//! Time passes differently for the daemon than for everybody else: it stands still (SIGSTOP) while its agent works and reports, or
//! the clock jumps.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use pointsman::domain::{Cause, Event, IssueNumber, Verdict};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::world::{Told, World, assert_confirmed};

/// What a stage may take of watched time: less than the daemon stands still.
const TIMEOUT: &str = "timeout = \"1m\"";
/// Longer than that, and than an agent may be idle without a report (10 s).
const STANDS_STILL: Duration = Duration::from_secs(65);
/// Longer than a verb waits for its answer (45 s).
const IS_DEAF: Duration = Duration::from_secs(50);
/// Longer than a cycle: what the time that passed ends would have ended.
const A_CYCLE: Duration = Duration::from_secs(12);
/// Where Debian's `faketime` has what shifts the clock of a program with many threads.
const FAKETIME: &str = "faketime/libfaketimeMT.so.1";

fn signal(world: &World, signal: Signal) {
    let pid = i32::try_from(world.pid()).expect("a process id");
    kill_process(Pid::from_raw(pid).expect("a process id"), signal).expect("it is ours");
}

/// Everything was done once: each stage has one dispatch, each text was taken once, and no watchdog ended anything.
fn assert_once(world: &World, told: &[Told], stages: &[&str]) {
    assert_confirmed(told);
    let opened = told.iter().filter_map(|told| match &told.event {
        Event::DispatchOpened { opening } => Some(opening.stage.label.to_string()),
        _ => None,
    });
    assert_eq!(opened.collect::<Vec<_>>(), stages);
    for one in told {
        if let Event::DispatchClosed { cause, .. } = &one.event {
            assert!(
                matches!(cause, Cause::Verified { reported: true, .. }),
                "{cause:?}"
            );
        }
        assert!(
            !matches!(
                one.event,
                Event::Overridden { .. } | Event::IssueParked { .. }
            ),
            "{:?}",
            one.event
        );
    }
    let typed = |told: &Told| {
        matches!(
            told.event,
            Event::DeliverySettled {
                verdict: Verdict::Confirmed,
                ..
            }
        )
    };
    let taken: BTreeMap<_, _> = world.taken_by_delivery();
    assert!(taken.values().all(|count| *count == 1), "{taken:?}");
    assert_eq!(taken.len(), told.iter().filter(|told| typed(told)).count());
}

const STAGES: [&str; 4] = ["ready-for-prep", "ready-for-dev", "QA", "review"];

async fn has_it(world: &World, count: usize) {
    let confirmed = |told: &&Told| matches!(told.event, Event::DeliverySettled { .. });
    world
        .until("the agent has its brief", |told| {
            (told.iter().filter(confirmed).count() >= count).then_some(())
        })
        .await;
}

async fn walk_to_the_end(mut world: World, issue: IssueNumber) {
    world.until_yours("shop", issue).await;
    world.approve("shop", issue).await;
    world.until_done("shop", issue).await;
    world.until_tidy("shop").await;
    assert_once(&world, &world.told().await, &STAGES);
    assert!(world.terminate().await, "{}", world.log());
    let (code, out, err) = world.says(&["ledger", "verify"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    world.end().await;
}

#[tokio::test]
async fn a_daemon_that_stands_still_while_its_agent_works_and_reports_loses_nothing_and_repeats_nothing()
 {
    let mut world = World::new();
    let labels = include_str!("../../../labels.toml").replace("timeout = \"2h\"", TIMEOUT);
    assert!(labels.contains(TIMEOUT), "labels.toml has other times");
    std::fs::write(world.places.config.join("labels.toml"), labels).expect("it is written");
    world.agents_wait().project("shop");
    world.spawn();
    let issue = world
        .issue(
            "shop",
            "Greet by name",
            "It should take a name.",
            "ready-for-prep",
        )
        .await;
    has_it(&world, 1).await;
    // A stage's time ends no work that is there in the end.
    signal(&world, Signal::STOP);
    tokio::time::sleep(STANDS_STILL).await;
    signal(&world, Signal::CONT);
    tokio::time::sleep(A_CYCLE).await;
    // And then nobody hears what it says.
    signal(&world, Signal::STOP);
    world.agents_go_on();
    tokio::time::sleep(IS_DEAF).await;
    let spool = world.left_in(&world.home().join("shop"), "spool");
    let answers = spool.iter().filter(|name| name.ends_with(".answer.json"));
    assert!(
        answers.count() < 2 && spool.len() >= 2,
        "it reported, and nobody answered: {spool:?}"
    );
    signal(&world, Signal::CONT);
    walk_to_the_end(world, issue).await;
}

#[tokio::test]
async fn a_daemon_that_stands_still_again_and_again_types_nothing_twice() {
    let mut world = World::new();
    world.pace(20).project("shop");
    world.spawn();
    let issue = world
        .issue(
            "shop",
            "Greet by name",
            "It should take a name.",
            "ready-for-prep",
        )
        .await;
    // Prime to each other and to what the daemon waits for, so that it stops at many points of its deliveries.
    for (runs, stands) in [
        (370, 1100),
        (530, 2300),
        (710, 900),
        (290, 3100),
        (970, 1300),
    ]
    .repeat(4)
    {
        tokio::time::sleep(Duration::from_millis(runs)).await;
        signal(&world, Signal::STOP);
        tokio::time::sleep(Duration::from_millis(stands)).await;
        signal(&world, Signal::CONT);
    }
    walk_to_the_end(world, issue).await;
}

/// Finds what shifts a program's clock.
fn faketime() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?;
    let inside = folders
        .filter_map(Result::ok)
        .map(|entry| entry.path().join(FAKETIME));
    inside
        .chain([Path::new("/usr/lib").join(FAKETIME)])
        .find(|path| path.is_file())
}

/// Lets the daemon, the agents and their verbs read the wall clock that the file `clock` says: `+0`, `+3600`. Monotonic time goes on.
fn shift(world: &mut World, library: &Path) {
    let clock = world.home().join("clock");
    std::fs::write(&clock, "+0\n").expect("it is written");
    let variables = [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", clock.display().to_string()),
        ("FAKETIME_NO_CACHE", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
        ("NO_FAKE_STAT", "1".to_owned()),
    ];
    let profile = world.places.config.join("agents/demo.toml");
    let text = std::fs::read_to_string(&profile).expect("it is there");
    let words: Vec<String> = variables
        .iter()
        .map(|(name, value)| format!("{name} = '{value}', "))
        .collect();
    let text = text.replacen("env = { ", &format!("env = {{ {}", words.concat()), 1);
    std::fs::write(profile, text).expect("it is written");
    world
        .places
        .env
        .extend(variables.map(|(name, value)| (name.to_owned(), value)));
}

fn jumps(world: &World, seconds: i64) {
    let clock = world.home().join("clock");
    let new = clock.with_extension("new");
    std::fs::write(&new, format!("{seconds:+}\n")).expect("it is written");
    std::fs::rename(new, clock).expect("it is replaced");
}

#[tokio::test]
async fn a_clock_that_jumps_an_hour_forward_and_a_day_back_ends_no_work_and_repeats_none() {
    const HOUR: i64 = 3600;
    let Some(library) = faketime() else {
        // Past the capture of the test harness: a skipped test must be seen.
        let skipped = "SKIPPED: a_clock_that_jumps_an_hour_forward_and_a_day_back_ends_no_work_and_repeats_none (needs `faketime`)";
        writeln!(std::io::stderr(), "{skipped}").expect("somebody reads it");
        return;
    };
    let mut world = World::new();
    let labels =
        include_str!("../../../labels.toml").replace("timeout = \"2h\"", "timeout = \"30m\"");
    std::fs::write(world.places.config.join("labels.toml"), labels).expect("it is written");
    world.agents_wait().project("shop");
    shift(&mut world, &library);
    world.spawn();
    let issue = world
        .issue(
            "shop",
            "Greet by name",
            "It should take a name.",
            "ready-for-prep",
        )
        .await;
    has_it(&world, 1).await;
    let before = world.told().await.last().expect("an event").at;
    jumps(&world, HOUR);
    tokio::time::sleep(A_CYCLE).await;
    world.agents_go_on();
    has_it(&world, 2).await;
    let forward = world.told().await.last().expect("an event").at;
    world.agents_wait();
    jumps(&world, -24 * HOUR);
    tokio::time::sleep(A_CYCLE).await;
    world.agents_go_on();
    world.until_yours("shop", issue).await;
    let back = world.told().await.last().expect("an event").at;
    let hours = |seconds: f64| (seconds / 3600.0).round();
    let passed =
        |from: jiff::Timestamp, to: jiff::Timestamp| hours(to.duration_since(from).as_secs_f64());
    assert!(
        (passed(before, forward) - 1.0).abs() < 0.1,
        "the clock jumped: {before} {forward}"
    );
    assert!(
        (passed(forward, back) + 25.0).abs() < 0.1,
        "the clock jumped back: {forward} {back}"
    );
    walk_to_the_end(world, issue).await;
}
