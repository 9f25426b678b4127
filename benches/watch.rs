//! What watching 400 panes costs: `cargo bench --bench watch`. Prints figures; ends with 1 if one misses its bar by far.
//!
//! A real tmux server with 400 panes, looked at once a second, as the daemon does while something is open. Processor time of this
//! process and of the server together, because the watch makes both work.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod figures;
#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "written for the tests")]
mod support;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use figures::{Bar, Figures, Process, count};
use pointsman::daemon::hands::now;
use pointsman::machine::resolve::Resolved;
use pointsman::terminal::{Sampler, Station, Watch};
use support::tmux::Lab;

const PANES: u64 = 400;
/// Panes of an agent that draws all the time.
const BUSY: u64 = 10;
const TICK: Duration = Duration::from_secs(1);
const TICKS: u32 = 12;
const SPAWNING_TICKS: u32 = 2;
/// DESIGN 14.
const CORE_PERCENT_MAX: f64 = 3.0;

fn main() -> ExitCode {
    let mut figures = Figures::default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(measure(&mut figures));
    figures.end()
}

async fn measure(figures: &mut Figures) {
    let lab = Lab::new().await;
    let idle = "printf 'a screen\\nwith some\\nrows\\n> '; exec sleep 1000";
    windows(&lab, "idle", PANES - BUSY, idle);
    let before = lab.raw(&["list-panes", "-a", "-F", "#{pane_id}"]);
    windows(&lab, "later", BUSY, idle);
    let after = lab.raw(&["list-panes", "-a", "-F", "#{pane_id}"]);
    assert_eq!(
        after.lines().count() - before.lines().count(),
        usize::try_from(BUSY).expect("a few")
    );
    let said = lab.raw(&["display-message", "-p", "#{pid}"]);
    let pid: u32 = said.trim().parse().expect("a process id");
    let mut watch = Watch::new(lab.tmux.clone());
    let bar = Bar::AtMost(CORE_PERCENT_MAX);
    let what = |of: &str| format!("watch of {PANES} panes once a second, {of}");
    let none = run(pid, None, None).await;
    let (ours, server) = run(pid, Some(&mut watch), None).await;
    let server = server - none.1;
    figures.say(&what("all idle"), ours + server, "% of one core", bar);
    figures.say("  of which tmux", server, "% of one core", Bar::None);

    let sampler = lab.sampler();
    let (ours, _) = run(pid, Some(&mut watch), Some(&sampler)).await;
    figures.say(
        &what("each resolved to an agent's state as well"),
        ours + server,
        "% of one core",
        Bar::None,
    );

    lab.raw(&["kill-session", "-t", "later"]);
    let draws = "while :; do printf '\\033[Hworking %s' $((n = ${n:-0} + 1)); sleep 0.2; done";
    windows(&lab, "busy", BUSY, draws);
    let none = run(pid, None, None).await;
    let spawned = (lab.tmux.spawned(), faults());
    let (ours, server) = run(pid, Some(&mut watch), None).await;
    let what_busy = what(&format!("{BUSY} of them drawing"));
    figures.say(&what_busy, ours + server - none.1, "% of one core", bar);
    figures.say(
        "processes started meanwhile",
        count(lab.tmux.spawned() - spawned.0),
        "processes",
        Bar::Exactly(0.0),
    );
    figures.say(
        "page faults of children meanwhile",
        count(faults() - spawned.1),
        "faults",
        Bar::Exactly(0.0),
    );
    watch.close().await;
    one_process_a_pane(&lab, pid, figures);
}

/// What the same costs the usual way: one `capture-pane` for each pane and second. Fewer ticks, because they do not fit in a second.
fn one_process_a_pane(lab: &Lab, server: u32, figures: &mut Figures) {
    let list = lab.raw(&["list-panes", "-a", "-F", "#{pane_id}"]);
    let children = || Process::read(std::process::id());
    let before = (children(), Process::read(server));
    for _ in 0..SPAWNING_TICKS {
        for pane in list.lines() {
            lab.raw(&["capture-pane", "-p", "-e", "-t", pane]);
        }
    }
    let after = (children(), Process::read(server));
    let spent =
        after.0.seconds + after.0.childrens_seconds - before.0.seconds - before.0.childrens_seconds
            + after.1.seconds
            - before.1.seconds;
    figures.say(
        "the same by one tmux process per pane and second",
        spent / f64::from(SPAWNING_TICKS) * 100.0,
        "% of one core",
        Bar::None,
    );
}

fn faults() -> u64 {
    Process::read(std::process::id()).childrens_faults
}

/// Makes a session of many windows, by one client.
fn windows(lab: &Lab, session: &str, number: u64, script: &str) {
    let folder = lab.dir.path().display().to_string();
    let mut text = format!("new-session -d -x 120 -y 40 -s {session} -c {folder} \"{script}\"\n");
    for _ in 1..number {
        text += &format!("new-window -d -t {session}: -c {folder} \"{script}\"\n");
    }
    let path = lab.path(&format!("{session}.conf"));
    std::fs::write(&path, text.replace('$', "\\$")).expect("it is written");
    let said = lab.raw(&["source-file", &path.display().to_string()]);
    assert_eq!(said, "", "tmux refused the windows");
}

/// Looks for [`TICKS`] ticks, or only waits as long; returns the percent of one core that we and the server took.
/// It starts no process itself: what is counted across it is the watch's.
async fn run(server: u32, mut watch: Option<&mut Watch>, sampler: Option<&Sampler>) -> (f64, f64) {
    let mut resolved: BTreeMap<String, Resolved> = BTreeMap::new();
    if let Some(watch) = &mut watch {
        // The first look takes every screen.
        for _ in 0..3 {
            watch.tick(now()).await.expect("the server answers");
            tokio::time::sleep(TICK).await;
        }
    }
    let before = (Process::read(std::process::id()), Process::read(server));
    let mut clock = tokio::time::interval(TICK);
    for _ in 0..TICKS {
        clock.tick().await;
        let Some(watch) = &mut watch else { continue };
        let snapshot = watch.tick(now()).await.expect("the server answers");
        assert_eq!(snapshot.panes.len() as u64, PANES, "no pane is missed");
        for (id, seen) in sampler.iter().flat_map(|_| &snapshot.panes) {
            let sampled = sampler.expect("it is there").sample(
                seen,
                &Station::MANAGED,
                resolved.get(id),
                now(),
            );
            resolved.insert(id.clone(), sampled.resolved);
        }
    }
    let after = (Process::read(std::process::id()), Process::read(server));
    let percent = |before: &Process, after: &Process| {
        (after.seconds - before.seconds) / TICK.as_secs_f64() / f64::from(TICKS) * 100.0
    };
    (percent(&before.0, &after.0), percent(&before.1, &after.1))
}
