//! How long a label waits for its brief: `cargo bench --bench walk`. Prints figures and ends with 1 if one misses its bar.
//!
//! From the label in the local tracker to the line submitted in the pane of an idle agent, on real tmux; then the whole walk of
//! one issue through four stages.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

#[path = "../tests/it/support/mod.rs"]
#[expect(dead_code, reason = "written for the tests")]
mod support;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use pointsman::domain::{Event, IssueNumber, ProjectName};
use support::world::World;

const ROUNDS: usize = 15;
/// DESIGN 14.
const P50_MAX: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    if runtime.block_on(measure()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn measure() -> bool {
    let mut world = World::new();
    world.settings("[limits]\ndispatches_per_day = 200\n");
    world.project("shop");
    world.start().await;
    let mut took = Vec::new();
    for round in 0..ROUNDS {
        until_idle(&world).await;
        let started = jiff::Timestamp::now();
        let issue = world
            .issue(
                "shop",
                &format!("Greet {round}"),
                "[demo:ask]",
                "ready-for-prep",
            )
            .await;
        let at = submitted(&world, issue).await;
        took.push(Duration::try_from(at.duration_since(started)).expect("time goes forward"));
        // The agent has asked: the issue is closed, and its session is free again.
        world
            .until_event("the question", "shop", |event| {
                matches!(event, Event::QuestionPublished { .. })
            })
            .await;
        world
            .tracker("shop")
            .close(issue)
            .await
            .expect("it is closed");
        world.poll("shop").await;
        world.until_tidy("shop").await;
    }
    took.sort();
    let (p50, last) = (took[ROUNDS / 2], took[ROUNDS - 1]);
    println!(
        "label set -> submitted, {ROUNDS} times: p50 {p50:.0?}, worst {last:.0?} (bar: p50 < {P50_MAX:?})"
    );
    until_idle(&world).await;
    let started = Instant::now();
    let issue = world
        .issue("shop", "The whole walk", "", "ready-for-prep")
        .await;
    world.walk_to_the_end("shop", issue).await;
    println!("one issue through four stages: {:.1?}", started.elapsed());
    world.end().await;
    p50 < P50_MAX
}

/// Waits until the agent is proven idle, so that the wait is ours and not its.
async fn until_idle(world: &World) {
    let hands = world
        .daemon()
        .hands(&ProjectName::new("shop"))
        .expect("the project runs");
    loop {
        let sampled = hands.sampled(pointsman::domain::Window::Agent);
        if sampled.is_some_and(|sampled| sampled.sample.state.takes_text()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn submitted(world: &World, issue: IssueNumber) -> jiff::Timestamp {
    world
        .until("the line is submitted", |told| {
            let dispatch = told.iter().find_map(|told| match &told.event {
                Event::DispatchOpened { opening } if opening.labelling.issue == issue => {
                    Some(opening.id.clone())
                }
                _ => None,
            })?;
            let delivery = told.iter().find_map(|told| match &told.event {
                Event::DeliveryPlanned { delivery } if delivery.dispatch == dispatch => {
                    Some(delivery.id.clone())
                }
                _ => None,
            })?;
            told.iter().find_map(|told| match &told.event {
                Event::LineSubmitted { delivery: of, .. } if *of == delivery => Some(told.at),
                _ => None,
            })
        })
        .await
}
