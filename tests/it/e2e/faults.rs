//! What a bad world gets: a message, and nothing lost.

use std::time::{Duration, Instant};

use pointsman::domain::{Event, Label};

use crate::support::github::{Fault, Kind};
use crate::support::patience::until;
use crate::support::world::World;

#[tokio::test]
async fn a_tmux_server_that_dies_mid_walk_comes_back_and_the_walk_ends() {
    let mut world = World::new();
    world.agents_wait().project("shop");
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    world
        .until_event("the agent has it", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    world.tmux(&["kill-server"]);
    world.agents_go_on();
    world.walk_to_the_end("shop", issue).await;
    let taken = world.taken_by_delivery();
    assert!(taken.values().all(|count| *count == 1), "{taken:?}");
    world.end().await;
}

#[tokio::test]
async fn an_agents_session_that_is_gone_is_brought_back() {
    let world = World::running("shop").await;
    until("it is idle", || {
        world.screen("shop:agent").contains("idle").then_some(())
    })
    .await;
    world.tmux(&["kill-session", "-t", "shop"]);
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    world
        .until_event(
            "prep is done",
            "shop",
            |event| matches!(event, Event::TransitionSettled { issue: of, .. } if *of == issue),
        )
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_link_in_place_of_our_folder_is_not_followed() {
    let mut world = World::new();
    world.folder("notes", "content.toml");
    let elsewhere = world.home().join("elsewhere");
    std::fs::create_dir_all(&elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, world.home().join("notes/.pointsman")).unwrap();
    world.start().await;
    let issue = world
        .issue("notes", "Why tmux", "", "ready-for-research")
        .await;
    let told = world
        .until("a reason that names the link", |told| {
            told.iter().find_map(|told| match &told.event {
                Event::DispatchStalled { why, .. } => Some(why.clone()),
                Event::DeliverySettled { witness, .. } => Some(witness.clone()),
                _ => None,
            })
        })
        .await;
    assert!(
        told.contains(".pointsman") && told.contains("link"),
        "{told}"
    );
    assert_eq!(
        std::fs::read_dir(&elsewhere).unwrap().count(),
        0,
        "nothing was written through it"
    );
    assert_eq!(world.taken(), Vec::<String>::new());
    std::fs::remove_file(world.home().join("notes/.pointsman")).unwrap();
    world
        .until_event(
            "then it goes on",
            "notes",
            |event| matches!(event, Event::TransitionSettled { issue: of, .. } if *of == issue),
        )
        .await;
    world.end().await;
}

/// PROTOCOLS 5: what the gate opens is the stage's one path, and no link leads elsewhere.
#[tokio::test]
async fn a_stages_file_behind_a_link_is_not_read() {
    let mut world = World::new();
    world.folder("notes", "content.toml");
    std::fs::create_dir_all(world.home().join("elsewhere")).unwrap();
    std::os::unix::fs::symlink(
        world.home().join("elsewhere"),
        world.home().join("notes/research"),
    )
    .unwrap();
    world.start().await;
    world
        .issue("notes", "Why tmux", "", "ready-for-research")
        .await;
    let refused = world
        .until_event("the report is refused", "notes", |event| {
            matches!(event, Event::ReportRefused { .. })
        })
        .await;
    assert!(
        world.home().join("elsewhere/1.md").exists(),
        "the agent wrote through the link"
    );
    let Event::ReportRefused { answer, .. } = refused.event else {
        unreachable!()
    };
    assert!(answer.text.contains("research/1.md"), "{}", answer.text);
    world.end().await;
}

#[tokio::test]
async fn a_second_daemon_is_told_who_has_the_ledger() {
    let world = World::running("shop").await;
    let out = world.command(&["run"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].starts_with("Error: ") && lines[0].contains("ledger"),
        "{said}"
    );
    assert!(
        lines.iter().any(|line| line.starts_with("Hint: ")),
        "{said}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_typo_in_the_configuration_at_start_is_exit_code_78() {
    let world = World::new();
    world.project("shop");
    world.settings("cylce = \"5m\"\n");
    let out = world.command(&["run"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(78), "{said}");
    assert!(
        said.contains("cylce") && said.contains("pointsman.toml"),
        "{said}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_typo_at_reload_keeps_the_last_good_configuration() {
    let world = World::running("shop").await;
    let good = world.daemon().config();
    world.settings("cylce = \"5m\"\n");
    let fault = until("it is said", || world.daemon().config_fault()).await;
    assert!(fault.contains("cylce"), "{fault}");
    assert_eq!(*world.daemon().config(), *good);
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    world
        .until_event(
            "work goes on",
            "shop",
            |event| matches!(event, Event::TransitionSettled { issue: of, .. } if *of == issue),
        )
        .await;
    world.settings("");
    until("it is mended", || {
        world.daemon().config_fault().is_none().then_some(())
    })
    .await;
    world.end().await;
}

#[tokio::test]
async fn a_new_skill_and_a_row_for_it_work_without_a_restart() {
    let world = World::running("shop").await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-poem")
        .await;
    world.cycles("shop", 2).await;
    assert_eq!(
        world.hold("shop", issue).await,
        None,
        "an unknown label is nobody's business"
    );
    std::fs::create_dir_all(world.places.config.join("skills")).unwrap();
    std::fs::write(
        world.places.config.join("skills/poem.md"),
        "---\nname: poem\ndescription: Writes a poem about the issue.\n---\n\nWrite a poem. It must rhyme.\n",
    )
    .unwrap();
    let row = "[[stage]]\nlabel = \"ready-for-poem\"\ncolor = \"c5def5\"\ndescription = \"A poem\"\nrole = \"poet\"\nskill = \"poem\"\nneeds = [\"branch\"]\nnext = \"ready-for-prep\"\n\n[[stage]]";
    let labels = include_str!("../../../labels.toml").replacen("[[stage]]", row, 1);
    std::fs::write(world.places.config.join("labels.toml"), labels).unwrap();
    let told = world
        .until_event("its brief is written", "shop", |event| matches!(event, Event::DeliveryPlanned { delivery } if delivery.text.contains("It must rhyme.")))
        .await;
    assert_eq!(told.project, "shop");
    world
        .until_event("and it moves on", "shop", |event| {
            matches!(event, Event::DispatchOpened { opening } if opening.stage.label == Label::new("ready-for-prep"))
        })
        .await;
    world.end().await;
}

/// One token is one allowance: what stops one repository of an identity stops all of them (DESIGN 10).
#[tokio::test]
async fn a_limit_met_in_one_project_stops_the_other_one_of_the_same_token() {
    // Longer than three cycles of a busy machine take.
    const LIMIT: Duration = Duration::from_secs(30);
    let mut world = World::on_github().await;
    world.github_project("blog").github_project("shop");
    world.start().await;
    world.cycles("blog", 1).await;
    world.cycles("shop", 1).await;
    world.fake().arm(Fault::once(
        "GET",
        "/blog/issues",
        Kind::Limit {
            status: 403,
            retry_after: Some(LIMIT.as_secs()),
        },
    ));
    let armed = Instant::now();
    let limited = world.cycles("blog", 1).await;
    let (why, _) = limited
        .seen
        .expect("it looked")
        .gap
        .expect("it was limited");
    let (_, until) = why.rsplit_once("until ").expect("it names the time");
    until.parse::<jiff::Timestamp>().expect("a time");
    world.fake().take_log();
    let other = world.cycles("shop", 2).await;
    let asked = world.fake().take_log();
    assert!(
        armed.elapsed() < LIMIT,
        "too slow a machine to tell anything"
    );
    assert!(asked.is_empty(), "{asked:#?}");
    let (theirs, _) = other
        .seen
        .expect("it looked")
        .gap
        .expect("it is limited too");
    assert_eq!(theirs, why);
    tokio::time::sleep(LIMIT + Duration::from_secs(1)).await;
    let after = world.cycles("shop", 1).await;
    assert_eq!(after.seen.expect("it looked").gap, None);
    assert!(!world.fake().take_log().is_empty(), "it asks again");
    world.end().await;
}
