//! The soak: 63 issues over six projects, three on the fake GitHub over HTTP and three in folders, walk all four stages at once, with
//! agents that misbehave and a person who has to do with it. What went wrong with which issue is drawn from a seed.
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]
#![expect(clippy::print_stdout, reason = "what was walked is the result")]

mod cast;
mod person;
mod proof;
mod story;

use std::time::{Duration, Instant};

use crate::support::world::World;
use cast::{Cast, Draw};
use person::Person;
use story::Story;

/// Which issues there are; another seed has others: `SOAK_SEED=7`.
const SEED: u64 = 63;
/// How long it may take on two cores that have other work as well.
const SOAK_MAX: Duration = Duration::from_mins(15);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(300);

/// Caps that a day's work meets, and this is one in minutes.
const LIMITS: [(&str, &str); 5] = [
    ("attempts = 3", "attempts = 2"),
    ("dispatches_per_day = 30", "dispatches_per_day = 1000"),
    ("labellings_per_hour = 20", "labellings_per_hour = 1000"),
    ("dispatches_per_issue = 20", "dispatches_per_issue = 50"),
    ("active_max = 3", "active_max = 12"),
];

/// Settings for a day in minutes: who waits is looked at soon.
fn settings(world: &World) {
    let mut labels = include_str!("../../../labels.toml").to_owned();
    let mut limits = String::new();
    for (shipped, ours) in LIMITS {
        assert!(labels.contains(shipped), "labels.toml has no `{shipped}`");
        labels = labels.replace(shipped, ours);
        limits += &format!("{ours}\n");
    }
    std::fs::write(world.places.config.join("labels.toml"), labels).expect("it is written");
    world.settings_are(&format!(
        "cycle = \"10s\"\nidle_without_report = \"10s\"\n[limits]\n{limits}[github]\nbase_url = {:?}\nreserve = 0\n",
        world.fake().url
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: `.ci/run soak`"]
async fn sixty_three_issues_over_six_projects_end_and_nothing_is_twice_lost_or_left() {
    let seed = std::env::var("SOAK_SEED").map_or(SEED, |text| text.parse().expect("a number"));
    println!("SOAK_SEED={seed}");
    let mut world = World::on_github().await;
    settings(&world);
    let mut cast = Cast::open(&mut world, seed).await;
    world.spawn();
    let since = Instant::now();
    let mut story = Story::default();
    let mut person = Person::new(Draw(seed + 1));
    let mut resident: Vec<u64> = Vec::new();
    let mut clock = 0;
    loop {
        // The fake's time is the daemon's.
        let passed = since.elapsed().as_secs();
        world
            .fake()
            .advance(i64::try_from(passed - clock).expect("seconds"));
        clock = passed;
        assert!(!world.was_killed(), "nobody killed it");
        story.read(&world);
        if cast.issues.iter().all(|one| story.is_over(one)) && cast.is_all_labelled() {
            break;
        }
        cast.label(&world, since.elapsed()).await;
        person.acts(&world, &cast, &story).await;
        resident.push(proof::resident_kib(world.pid()));
        if resident.len().is_multiple_of(20) {
            proof::nothing_twice_so_far(&world);
        }
        assert!(
            since.elapsed() < SOAK_MAX,
            "SOAK_SEED={seed}: {}\n{}",
            cast.open_ones(&story),
            world.account(&world.told().await).await
        );
        tokio::time::sleep(LOOK).await;
    }
    let walked = since.elapsed();
    person.leaves(&world);
    for project in cast::PROJECTS {
        world.until_tidy(project.name).await;
    }
    story.read(&world);
    println!("{}\n{} s", story.counted(&cast), walked.as_secs());
    proof::nothing_twice(&world, &story);
    proof::no_overlap(&story);
    proof::labels(&world, &cast, &story).await;
    proof::idle_is_explained(&world, &cast, &story);
    proof::memory_is_flat(&resident);
    proof::nothing_is_left(&world);
    assert!(world.terminate().await, "{}", world.log());
    let (code, out, err) = world.says(&["ledger", "verify"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    world.end().await;
}
