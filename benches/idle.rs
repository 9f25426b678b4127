//! What an idle fleet costs: `cargo bench --bench idle`. Prints figures and ends with 1 if one misses its bar (DESIGN 14).
//!
//! Twenty unchanged repositories on the fake GitHub, in this process; then the real binary with ten projects, whose resident
//! memory and processor time are read from `/proc`.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]
#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails there")]
#![expect(clippy::disallowed_methods, reason = "a bench is an edge")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "written for the tests")]
mod support;

use std::process::ExitCode;
use std::time::Duration;

use support::world::World;

const REPOSITORIES: u64 = 20;
const CYCLES: u64 = 3;
const PROJECTS: usize = 10;
/// DESIGN 14.
const RESIDENT_KIB_MAX: u64 = 12 * 1024;
const CORE_MAX: f64 = 0.005;
/// How long the idle daemon is watched, and how long it may settle first.
const SETTLE: Duration = Duration::from_secs(30);
const WATCHED: Duration = Duration::from_secs(30);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let polls = runtime.block_on(polls());
    let daemon = runtime.block_on(daemon());
    if polls && daemon {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn polls() -> bool {
    let mut world = World::on_github().await;
    let names: Vec<String> = (0..REPOSITORIES)
        .map(|number| format!("repo{number}"))
        .collect();
    for name in &names {
        world.github_project(name);
        let number =
            world
                .fake()
                .model()
                .open_issue(&format!("me/{name}"), "me", "Something", "else");
        world
            .fake()
            .model()
            .label(&format!("me/{name}"), number, "question", "me");
    }
    world.fake().advance(3600);
    world.start().await;
    for name in &names {
        world.cycles(name, 2).await;
    }
    // The agents' windows come up and settle.
    tokio::time::sleep(SETTLE).await;
    world.fake().advance(3600);
    for name in &names {
        world.cycles(name, 2).await;
    }
    world.fake().take_log();
    let spawned = world.daemon().tmux().spawned();
    let mut good = true;
    for _ in 0..CYCLES {
        for name in &names {
            world.cycles(name, 1).await;
        }
        let log = world.fake().take_log();
        let conditional = log
            .iter()
            .filter(|line| line.conditional && line.status == 304)
            .count();
        let quota: u64 = log.iter().map(|line| line.cost).sum();
        println!(
            "idle cycle of {REPOSITORIES} repositories: {} requests, {conditional} of them 304, quota {quota}",
            log.len()
        );
        good &=
            log.len() as u64 == REPOSITORIES && conditional as u64 == REPOSITORIES && quota == 0;
    }
    let processes = world.daemon().tmux().spawned() - spawned;
    println!(
        "processes started meanwhile: {processes} (bars: {REPOSITORIES} conditional requests, quota 0, processes 0)"
    );
    world.end().await;
    good && processes == 0
}

async fn daemon() -> bool {
    let mut world = World::new();
    for number in 0..PROJECTS {
        world.project(&format!("project{number}"));
    }
    world.settings_are("");
    world.spawn();
    tokio::time::sleep(SETTLE).await;
    let pid = world.pid();
    let before = ticks(pid);
    tokio::time::sleep(WATCHED).await;
    let share = (ticks(pid) - before) / WATCHED.as_secs_f64();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let resident = kib(&status, "VmRSS:");
    let (anonymous, file) = (kib(&status, "RssAnon:"), kib(&status, "RssFile:"));
    println!(
        "daemon idle with {PROJECTS} projects: {resident} KiB resident ({anonymous} anonymous, {file} of files), {:.2} % of one core",
        share * 100.0
    );
    println!("(bars: {RESIDENT_KIB_MAX} KiB, {:.1} %)", CORE_MAX * 100.0);
    world.end().await;
    resident <= RESIDENT_KIB_MAX && share < CORE_MAX
}

fn kib(status: &str, key: &str) -> u64 {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(key))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Seconds of processor time, of a hundred ticks each.
fn ticks(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let (user, system): (f64, f64) = (fields[11].parse().unwrap(), fields[12].parse().unwrap());
    (user + system) / 100.0
}
