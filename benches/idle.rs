//! What an idle fleet costs: `cargo bench --bench idle`. Prints figures; ends with 1 if one misses its bar by far.
//!
//! The release binary, twice: with twenty unchanged repositories on the fake GitHub over HTTP, and with ten projects on the local
//! tracker, as the settings are without a file. Agents are the scripted one, in real tmux.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod figures;
#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "written for the tests")]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use figures::{Bar, Figures, Process, count, kib};
use pointsman::daemon::desk::control::Call;
use pointsman::domain::{Event, ProjectName};
use support::world::World;

const REPOSITORIES: u64 = 20;
const CYCLES: u64 = 3;
const PROJECTS: u64 = 10;
/// DESIGN 14.
const RESIDENT_MIB_MAX: f64 = 12.0;
const CORE_PERCENT_MAX: f64 = 0.5;
/// The binary, stripped.
const BINARY_MIB_MAX: f64 = 16.0;
/// How long agents may take to come up, how long a daemon may settle then, and how long it is watched.
const UP_MAX: Duration = Duration::from_mins(2);
const SETTLE: Duration = Duration::from_secs(10);
const WATCHED: Duration = Duration::from_secs(20);
const LOOK: Duration = Duration::from_millis(250);

fn main() -> ExitCode {
    let mut figures = Figures::default();
    // One thread for the fake GitHub, so that a bench that waits for the daemon does not keep it from being answered.
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime");
    let bytes = std::fs::metadata(env!("CARGO_BIN_EXE_pointsman"))
        .expect("the binary is there")
        .len();
    figures.say(
        "the binary, stripped",
        count(bytes) / 1024.0 / 1024.0,
        "MiB",
        Bar::AtMost(BINARY_MIB_MAX),
    );
    runtime.block_on(polls(&mut figures));
    runtime.block_on(resident(&mut figures));
    figures.end()
}

async fn polls(figures: &mut Figures) {
    let mut world = World::on_github().await;
    let address = world.fake().url.clone();
    // The clock's own cycles and sweeps stay out of the count: a cycle is asked for.
    world.settings_are(&format!(
        "cycle = \"1h\"\nsweep = \"59m\"\n[github]\nbase_url = {address:?}\nreserve = 0\n"
    ));
    let names: Vec<String> = (0..REPOSITORIES).map(|n| format!("repo{n}")).collect();
    for name in &names {
        world.github_project(name);
        let full = format!("me/{name}");
        let mut model = world.fake().model();
        let number = model.open_issue(&full, "me", "Something", "else");
        model.label(&full, number, "question", "me");
    }
    world.fake().advance(3600);
    world.spawn();
    until_up(&world, names.len()).await;
    // What a fresh start reads once is read.
    for _ in 0..2 {
        cycle(&world, &names);
        world.fake().advance(3600);
    }
    tokio::time::sleep(SETTLE).await;
    world.fake().take_log();
    let before = Process::read(world.pid());
    assert!(
        before.childrens_faults > 0,
        "the start's own processes were not seen: the count below would prove nothing"
    );
    for _ in 0..CYCLES {
        cycle(&world, &names);
    }
    let after = Process::read(world.pid());
    let log = world.fake().take_log();
    let unchanged = log
        .iter()
        .filter(|line| line.conditional && line.status == 304);
    let quota: u64 = log.iter().map(|line| line.cost).sum();
    let what = |of: &str| format!("{CYCLES} idle cycles of {REPOSITORIES} repositories, {of}");
    figures.say(
        &what("requests"),
        count(log.len() as u64),
        "requests",
        Bar::Exactly(count(CYCLES * REPOSITORIES)),
    );
    figures.say(
        &what("conditional ones that changed nothing"),
        count(unchanged.count() as u64),
        "requests",
        Bar::Exactly(count(CYCLES * REPOSITORIES)),
    );
    figures.say(&what("quota"), count(quota), "points", Bar::Exactly(0.0));
    figures.say(
        &what("page faults of children, which no process that was started can avoid"),
        count(after.childrens_faults - before.childrens_faults),
        "faults",
        Bar::Exactly(0.0),
    );
    figures.say(
        &what("processor time of one cycle"),
        (after.seconds - before.seconds) * 1000.0 / count(CYCLES),
        "ms",
        Bar::None,
    );
    world.end().await;
}

/// Lets every project look once.
fn cycle(world: &World, names: &[String]) {
    for name in names {
        let project = ProjectName::new(name);
        let reply = world
            .call(&Call::Cycle { project })
            .expect("the daemon answers");
        assert!(reply.done, "{}", reply.text);
        assert!(reply.text.contains("failed=\"-\""), "{}", reply.text);
    }
}

/// Waits until every project's agent is up: the windows are there.
async fn until_up(world: &World, projects: usize) {
    let deadline = Instant::now() + UP_MAX;
    loop {
        let windows = world.windows();
        let up = windows.iter().filter(|window| window.ends_with(":agent"));
        if up.count() == projects {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "not every agent came up:\n{}",
            world.log()
        );
        tokio::time::sleep(LOOK).await;
    }
}

async fn resident(figures: &mut Figures) {
    let mut world = World::new();
    let names: Vec<String> = (0..PROJECTS).map(|n| format!("project{n}")).collect();
    for name in &names {
        world.project(name);
    }
    world.settings_are("");
    world.spawn();
    until_up(&world, names.len()).await;
    tokio::time::sleep(SETTLE).await;
    let before = Process::read(world.pid());
    tokio::time::sleep(WATCHED).await;
    let after = Process::read(world.pid());
    let percent = (after.seconds - before.seconds) / WATCHED.as_secs_f64() * 100.0;
    let what = |of: &str| format!("daemon, idle with {PROJECTS} projects, {of}");
    figures.say(
        &what("of one core"),
        percent,
        "%",
        Bar::AtMost(CORE_PERCENT_MAX),
    );
    memory(figures, world.pid(), &what);
    // The same after it has worked: what a day's use leaves behind.
    let issue = world.issue(&names[0], "A walk", "", "ready-for-prep").await;
    world.walk_to_the_end(&names[0], issue).await;
    world
        .until_event("it is tidied", &names[0], |event| {
            matches!(event, Event::DispatchTidied { .. })
        })
        .await;
    tokio::time::sleep(SETTLE).await;
    figures.say(
        &what("resident (VmRSS) after it has walked an issue"),
        count(kib(world.pid(), "status", "VmRSS:")) / 1024.0,
        "MiB",
        Bar::None,
    );
    world.end().await;
}

fn memory(figures: &mut Figures, pid: u32, what: &impl Fn(&str) -> String) {
    let mib = |file: &str, key: &str| count(kib(pid, file, key)) / 1024.0;
    figures.say(
        &what("resident (VmRSS)"),
        mib("status", "VmRSS:"),
        "MiB",
        Bar::AtMost(RESIDENT_MIB_MAX),
    );
    figures.say(
        &what("  of which its own (RssAnon)"),
        mib("status", "RssAnon:"),
        "MiB",
        Bar::None,
    );
    figures.say(
        &what("  of which pages of files, the binary's above all (RssFile)"),
        mib("status", "RssFile:"),
        "MiB",
        Bar::None,
    );
    figures.say(
        &what("its share (Pss)"),
        mib("smaps_rollup", "Pss:"),
        "MiB",
        Bar::None,
    );
}
