//! Kill -9 at random moments of a walk.

use std::time::Duration;

use pointsman::domain::{Event, GateName, Settled};

use crate::support::world::World;

/// How often the daemon is killed.
const KILLS: u64 = 10;

#[tokio::test]
async fn killed_ten_times_at_random_moments_the_walk_ends_and_no_brief_comes_twice() {
    let mut world = World::new();
    world.pace(40).project("shop");
    world.spawn();
    let issue = world
        .issue("shop", "Greet by name", "[demo:liar]", "ready-for-prep")
        .await;
    // Any seed will do; the clock's is printed with the story when it fails.
    let mut chance = std::process::id().into();
    let mut lives = Vec::new();
    for _ in 0..KILLS {
        let life = 300 + random(&mut chance) % 2500;
        lives.push(life);
        tokio::time::sleep(Duration::from_millis(life)).await;
        world.kill();
        world.spawn();
        world.poll("shop").await;
    }
    assert!(!lives.is_empty(), "the binary lived at least once");
    let done = |event: &Event| {
        matches!(
            event,
            Event::TransitionSettled {
                outcome: Settled::Moved { event: None },
                ..
            }
        )
    };
    if !world.told().await.iter().any(|told| done(&told.event)) {
        world.until_yours("shop", issue).await;
        world.approve("shop", issue).await;
        world.until_done("shop", issue).await;
    }
    let taken = world.taken_by_delivery();
    assert!(taken.values().all(|count| *count == 1), "{taken:?}");
    let told = world.told().await;
    let opened = told
        .iter()
        .filter(|told| matches!(told.event, Event::DispatchOpened { .. }))
        .count();
    assert!(opened >= 4, "four stages at least: {opened}");
    world.end().await;
}

/// PROTOCOLS 5: a build outlives its daemon. On the same commit it is joined; one on another commit is not taken for it, and what is
/// written down of a commit was measured on that commit.
#[tokio::test]
async fn a_build_that_outlives_its_daemon_speaks_for_its_own_commit_only() {
    for moves in [false, true] {
        let mut world = World::new();
        world.project("shop");
        let built = world.home().join("built");
        let build = format!(
            "at=$(git rev-parse HEAD); case $PWD in */trees/*) sleep 8; echo $at >> {} ;; esac; sh tests/run.sh",
            built.display()
        );
        world.write_project("shop", &format!("tracker = \"local\"\nbuild = {build:?}\n"));
        world.spawn();
        let issue = world
            .issue("shop", "Greet by name", "", "ready-for-dev")
            .await;
        let is_build = |gate: &GateName| *gate == GateName::Build;
        world
            .until_event(
                "the build begins",
                "shop",
                |event| matches!(event, Event::GateStarted { gate, .. } if is_build(gate)),
            )
            .await;
        // It runs in its tree, and then its daemon is gone.
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.kill();
        if moves {
            world.git("shop", &["commit", "-q", "--allow-empty", "-m", "and more"]);
        }
        world.spawn();
        let finished = world
            .until("the build was measured", |told| {
                told.iter().find_map(|told| match &told.event {
                    Event::GateFinished { evidence, .. } if is_build(&evidence.gate) => {
                        Some(evidence.clone())
                    }
                    _ => None,
                })
            })
            .await;
        let subject = finished.subject.expect("a commit").to_string();
        let lines = std::fs::read_to_string(&built).expect("it was built");
        assert_eq!(lines.trim(), subject, "{issue}, moved: {moves}");
        world.end().await;
    }
}

/// `SplitMix64`.
fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
