//! After `approve`: what is merged, what is not, and who hears why.

use pointsman::domain::{Event, GateName, IssueNumber};

use crate::support::world::World;

/// One stage, then a person.
async fn waiting() -> (World, IssueNumber) {
    let mut world = World::new();
    world.project("shop");
    world.write_project(
        "shop",
        "tracker = \"local\"\nbuild = \"sh tests/run.sh\"\nworkflow = \"solo.toml\"\n",
    );
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    world.until_yours("shop", issue).await;
    (world, issue)
}

#[tokio::test]
async fn a_veto_set_after_the_approval_stops_the_merge_until_it_is_gone() {
    let (world, issue) = waiting().await;
    let before = world.git("shop.git", &["rev-parse", "main"]);
    world.label("shop", issue, "hold").await;
    world.cycles("shop", 1).await;
    world.approve("shop", issue).await;
    world.cycles("shop", 3).await;
    assert_eq!(world.git("shop.git", &["rev-parse", "main"]), before);
    world.until_held("shop", issue, "vetoed").await;
    world.unlabel("shop", issue, "hold").await;
    world.until_done("shop", issue).await;
    assert_ne!(world.git("shop.git", &["rev-parse", "main"]), before);
    world.end().await;
}

#[tokio::test]
async fn a_merge_that_conflicts_is_tried_once_and_then_a_persons() {
    let (world, issue) = waiting().await;
    // Somebody else changes the same file meanwhile.
    let other = world.home().join("other").display().to_string();
    let remote = world.home().join("shop.git").display().to_string();
    world.git("shop", &["clone", "-q", &remote, &other]);
    let branch = world.git(
        "shop",
        &[
            "branch",
            "--list",
            "--format=%(refname:short)",
            "pointsman/*",
        ],
    );
    let work = world.git("shop", &["diff", "--name-only", "main", &branch]);
    for file in work.lines() {
        world.commit("other", file, "echo \"hello from somebody else\"\n");
    }
    world.git("other", &["push", "-q", "origin", "main"]);
    world.approve("shop", issue).await;
    let parked = world
        .until_event("it is parked", "shop", |event| {
            matches!(event, Event::ParkIntended { .. })
        })
        .await;
    let Event::ParkIntended { why, .. } = &parked.event else {
        unreachable!("it was looked for")
    };
    assert!(
        why.starts_with("not merged: main has moved on and conflicts"),
        "{why}"
    );
    world.until_held("shop", issue, "parked").await;
    world.cycles("shop", 3).await;
    let told = world.told().await;
    let parks = told
        .iter()
        .filter(|told| matches!(told.event, Event::ParkIntended { .. }));
    assert_eq!(parks.count(), 1, "it is not tried again by itself");
    world.end().await;
}

/// J20: what a linter says is recorded and shown, and nothing waits for it.
#[tokio::test]
async fn a_check_that_fails_is_shown_as_a_warning_and_the_work_goes_on() {
    let mut world = World::new();
    world.project("shop");
    let labels = include_str!("../../../workflows/solo.toml")
        .replace("\"branch\", \"build\"", "\"branch\", \"lint\", \"build\"");
    let check = "\n[[gate]]\nname = \"lint\"\nrun = \"echo 2 warnings; exit 1\"\nwarn = true\n";
    std::fs::write(world.places.config.join("labels.toml"), labels + check).expect("it is written");
    world.write_project("shop", "tracker = \"local\"\nbuild = \"sh tests/run.sh\"\n");
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    world.until_yours("shop", issue).await;
    let told = world.told().await;
    let rows = told.iter().filter_map(|told| match &told.event {
        Event::GateFinished { evidence, .. } if evidence.holds => Some(evidence),
        _ => None,
    });
    let lint = GateName::Own("lint".to_owned());
    let rows: Vec<_> = rows.map(|row| (&row.gate, row.warned, row.exit)).collect();
    assert!(rows.contains(&(&lint, true, Some(1))), "{rows:?}");
    assert!(
        rows.contains(&(&GateName::Build, false, Some(0))),
        "{rows:?}"
    );
    let (_, said, _) = world.says(&["explain", &issue.0.to_string()]).await;
    assert!(said.contains("gate lint warns at "), "{said}");
    world.end().await;
}
