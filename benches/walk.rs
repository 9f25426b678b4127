//! How long a label waits for its brief: `cargo bench --bench walk`. Prints figures; ends with 1 if one misses its bar by far.
//!
//! The release binary as the daemon, its own verb to set the label, real tmux, the local tracker and an idle scripted agent. The time
//! runs from before `pointsman issue label` is started until the ledger says that Enter was sent under its guard.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod figures;
#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "written for the tests")]
mod support;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use figures::{Bar, Figures, rank};
use jiff::Timestamp;
use pointsman::domain::{Event, IssueNumber};
use pointsman::view::Snapshot;
use support::world::{Told, World};

const ROUNDS: usize = 20;
/// DESIGN 14, in milliseconds.
const P50_MAX: f64 = 1000.0;
const P99_MAX: f64 = 3000.0;
/// How long the agent may take to be proven idle, and how often that is asked.
const IDLE_MAX: Duration = Duration::from_mins(1);
const LOOK: Duration = Duration::from_millis(200);

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
    let mut world = World::new();
    world.settings("[limits]\ndispatches_per_day = 200\n");
    world.project("shop");
    world.spawn();
    let mut totals = Vec::new();
    let mut steps: Vec<(&str, Vec<f64>)> = Vec::new();
    for round in 1..=ROUNDS as u64 {
        until_idle(&world).await;
        verb(
            &world,
            &["new", &format!("Greet {round}"), "--body", "[demo:ask]"],
        );
        let started = pointsman::daemon::hands::now();
        verb(&world, &["label", &round.to_string(), "ready-for-prep"]);
        let times = submitted(&world, IssueNumber(round)).await;
        let mut before = started;
        for (index, (step, at)) in times.iter().enumerate() {
            if steps.len() == index {
                steps.push((step, Vec::new()));
            }
            steps[index].1.push(milliseconds(before, *at));
            before = *at;
        }
        totals.push(milliseconds(started, before));
        world
            .until("the question", |told| {
                let asked = |told: &&Told| matches!(told.event, Event::QuestionPublished { .. });
                (told.iter().filter(asked).count() as u64 >= round).then_some(())
            })
            .await;
        // The agent has asked: the issue is closed, and its session is free again.
        verb(&world, &["close", &round.to_string()]);
        world.until_tidy("shop").await;
    }
    totals.sort_by(f64::total_cmp);
    let what = |of: &str| format!("label set -> submitted, {ROUNDS} times, {of}");
    figures.say(&what("p50"), rank(&totals, 0.5), "ms", Bar::AtMost(P50_MAX));
    figures.say(
        &what("p99 (the worst)"),
        rank(&totals, 0.99),
        "ms",
        Bar::AtMost(P99_MAX),
    );
    for (step, mut took) in steps {
        took.sort_by(f64::total_cmp);
        figures.say(
            &format!("  of which until {step}, p50"),
            rank(&took, 0.5),
            "ms",
            Bar::None,
        );
    }
    until_idle(&world).await;
    let started = Instant::now();
    let issue = world
        .issue("shop", "The whole walk", "", "ready-for-prep")
        .await;
    world.walk_to_the_end("shop", issue).await;
    figures.say(
        "one issue through four stages, approved at once",
        started.elapsed().as_secs_f64(),
        "s",
        Bar::None,
    );
    world.end().await;
}

/// Runs one verb of `pointsman issue`.
fn verb(world: &World, words: &[&str]) {
    let mut command: Command = world.command(&["issue"]);
    let out = command.args(words).output().expect("it starts");
    assert!(
        out.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
}

/// Waits until the daemon has proven the agent idle, so that the wait is ours and not its.
async fn until_idle(world: &World) {
    let deadline = Instant::now() + IDLE_MAX;
    loop {
        let out = world
            .command(&["status", "--json"])
            .output()
            .expect("it starts");
        let snapshot = serde_json::from_slice::<Snapshot>(&out.stdout).ok();
        let agents = snapshot
            .iter()
            .flat_map(|snapshot| &snapshot.projects)
            .flat_map(|project| &project.agents);
        if agents.into_iter().any(|agent| agent.state == "idle") {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "the agent is never idle: {}\n{}",
            String::from_utf8_lossy(&out.stdout),
            world.log()
        );
        tokio::time::sleep(LOOK).await;
    }
}

/// Waits for the line of an issue's first dispatch, and returns when what was written down.
async fn submitted(world: &World, issue: IssueNumber) -> Vec<(&'static str, Timestamp)> {
    world
        .until("the line is submitted", |told| steps_of(told, issue))
        .await
}

fn steps_of(told: &[Told], issue: IssueNumber) -> Option<Vec<(&'static str, Timestamp)>> {
    let first = told.iter().position(|told| matches!(&told.event, Event::DispatchOpened { opening } if opening.issue() == Some(issue)))?;
    let steps: Vec<_> = told[first..]
        .iter()
        .filter_map(|told| {
            let step = match &told.event {
                Event::DispatchOpened { .. } => "opened",
                Event::TreePrepared { .. } => "tree",
                Event::DeliveryPlanned { .. } => "composed",
                Event::BriefStaged { .. } => "staged",
                Event::PasteIntended { .. } => "paste intended",
                Event::LinePasted { .. } => "pasted",
                Event::EnterIntended { .. } => "echoed",
                Event::LineSubmitted { .. } => "submitted",
                _ => return None,
            };
            Some((step, told.at))
        })
        .collect();
    let end = steps.iter().position(|(step, _)| *step == "submitted")?;
    Some(steps[..=end].to_vec())
}

fn milliseconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64() * 1000.0
}
