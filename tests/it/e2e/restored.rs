//! A ledger that lost something while an agent works: the brief in the project's folder knows better (PROTOCOLS 9).

use std::path::PathBuf;

use pointsman::daemon::desk::control;
use pointsman::domain::{Cause, Event, IssueNumber, ProjectName, Request};

use crate::support::world::{Told, World};

/// No comment on the issue bears a mark: the brief is the only witness.
async fn silent_world() -> World {
    let mut world = World::new();
    // Its work lasts longer than the test: the dispatch stays open, and its brief where it is.
    world.agents_wait().project("shop");
    world.write_project(
        "shop",
        "tracker = \"local\"\ncomment = \"off\"\nbuild = \"none\"\n",
    );
    world.start().await;
    world
}

async fn is_delivered(world: &World) -> IssueNumber {
    let issue = world
        .issue("shop", "Greet by name", "A name.", "ready-for-prep")
        .await;
    world
        .until_event("it is delivered", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    issue
}

fn files(world: &World) -> Vec<PathBuf> {
    let of = |end: &str| PathBuf::from(format!("{}{end}", world.places.ledger().display()));
    vec![of(""), of("-wal"), of("-shm")]
}

#[tokio::test]
async fn a_restored_ledger_sends_nothing_again_for_work_that_it_forgot() {
    let mut world = silent_world().await;
    let (code, _, error) = world.says(&["ledger", "backup", "yesterday.sqlite"]).await;
    assert_eq!(code, Some(0), "{error}");
    let issue = is_delivered(&world).await;
    world.stop().await;

    for file in files(&world) {
        drop(std::fs::remove_file(file));
    }
    let yesterday = world.home().join("yesterday.sqlite");
    std::fs::copy(yesterday, world.places.ledger()).expect("it is restored");
    world.start().await;
    world.until_held("shop", issue, "ledger-behind").await;
    assert_eq!(world.taken_by_delivery().len(), 1, "one brief, ever");

    let name = ProjectName::new("shop");
    let adopt = Request::Adopt {
        by: "ann".to_owned(),
    };
    let reply = control::ask(world.daemon(), &name, adopt).await;
    assert!(reply.done, "{reply:?}");
    // Its agent still works; the brief stops nothing any more, after a restart neither.
    world.until_held("shop", issue, "agent-not-idle").await;
    world.stop().await;
    world.start().await;
    world.until_held("shop", issue, "agent-not-idle").await;
    world.end().await;
}

#[tokio::test]
async fn a_deleted_ledger_is_noticed_by_the_brief_of_the_one_before() {
    let mut world = silent_world().await;
    let issue = is_delivered(&world).await;
    world.stop().await;
    for file in files(&world) {
        drop(std::fs::remove_file(file));
    }
    world.start().await;
    world.until_held("shop", issue, "other-daemon").await;
    assert_eq!(world.taken_by_delivery().len(), 1, "one brief, ever");
    world.end().await;
}

#[tokio::test]
async fn a_ledger_that_forgot_a_delivery_of_an_open_dispatch_ends_it_and_sends_nothing_again() {
    let mut world = silent_world().await;
    let issue = is_delivered(&world).await;
    world.stop().await;
    // A brief of the dispatch that it knows, for a delivery that it does not.
    let briefs = world.home().join("shop/.pointsman/briefs");
    let mut entries = std::fs::read_dir(&briefs).expect("it is there");
    let first = entries.next().expect("a brief").expect("it is read").path();
    std::fs::copy(&first, briefs.join("zzzzzzz9.md")).expect("it is copied");
    // One that cannot be read keeps none of the others from being heard; nor do two of one issue make two sightings.
    std::fs::create_dir(briefs.join("aaaaaaa1.md")).expect("a folder");
    std::fs::copy(&first, briefs.join("zzzzzzz8.md")).expect("it is copied");
    world.start().await;
    world
        .until_event("it ends", "shop", |event| {
            matches!(
                event,
                Event::DispatchClosed {
                    cause: Cause::Lost { .. },
                    ..
                }
            )
        })
        .await;
    world.until_held("shop", issue, "ledger-behind").await;
    assert_eq!(world.taken_by_delivery().len(), 1, "one brief, ever");
    world.stop().await;
    world.start().await;
    world.until_held("shop", issue, "ledger-behind").await;
    let told = world.told().await;
    let sighted = told
        .iter()
        .filter(|told| matches!(told.event, Event::LedgerSighted { .. }));
    assert_eq!(
        sighted.count(),
        1,
        "it is recorded once, not at every start"
    );
    world.end().await;
}

/// The claims stand under the name that the project had.
#[tokio::test]
async fn a_project_whose_file_was_renamed_is_not_held_by_its_own_brief() {
    let mut world = silent_world().await;
    is_delivered(&world).await;
    world.stop().await;
    let projects = world.places.config.join("projects");
    std::fs::rename(projects.join("shop.toml"), projects.join("store.toml")).expect("renamed");
    world.start().await;
    world.cycles("store", 1).await;
    let told = world.told().await;
    let is_sighting = |told: &&Told| matches!(told.event, Event::LedgerSighted { .. });
    assert!(
        !told.iter().any(|told| is_sighting(&told)),
        "nothing is lost"
    );
    world.end().await;
}

/// The ledger is deleted after one bounce, the comment with its marks is there: the round counts.
#[tokio::test]
async fn the_rounds_of_a_ledger_that_is_gone_are_counted_by_the_marks() {
    let mut world = World::new();
    world.project("shop");
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "[demo:bounce]", "ready-for-dev")
        .await;
    let round = |stage: &'static str, wanted: u32| move |event: &Event| matches!(event, Event::DispatchOpened { opening } if opening.round == wanted && opening.stage.label.as_str() == stage);
    world
        .until_event("it bounced", "shop", round("ready-for-dev", 2))
        .await;
    is_marked(&world, 3).await;
    lose_the_ledger(&mut world).await;
    world.until_held("shop", issue, "other-daemon").await;
    adopt_and_ask_anew(&world, issue).await;
    // The first dispatch finds the marks; what follows it counts on.
    world
        .until_event("it goes on in the second round", "shop", round("QA", 2))
        .await;
    let told = world.told().await;
    let recalled = |told: &&Told| matches!(told.event, Event::StatusWritten { round: 2, .. });
    assert!(told.iter().any(|told| recalled(&told)));
    world.end().await;
}

/// The same in the middle of a walk that goes well: nothing is dispatched before a person asks, and it ends in the same place.
#[tokio::test]
async fn a_walk_whose_ledger_is_deleted_ends_in_the_same_place_once_it_is_asked_for_anew() {
    let mut world = World::new();
    world.project("shop");
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    world
        .until_event("dev begins", "shop", |event| {
            matches!(event, Event::DispatchOpened { opening } if opening.stage.label.as_str() == "ready-for-dev")
        })
        .await;
    world.agents_wait();
    is_marked(&world, 2).await;
    lose_the_ledger(&mut world).await;
    world.until_held("shop", issue, "other-daemon").await;
    let opened = |told: &[Told]| {
        let opened = |told: &&Told| matches!(told.event, Event::DeliveryPlanned { .. });
        told.iter().filter(opened).count()
    };
    assert_eq!(
        opened(&world.told().await),
        0,
        "nothing is sent before a person asks"
    );
    world.agents_go_on();
    adopt_and_ask_anew(&world, issue).await;
    world.walk_to_the_end("shop", issue).await;
    world.end().await;
}

/// Waits until so many dispatches have their mark on the issue.
async fn is_marked(world: &World, marks: usize) {
    world
        .until("the marks are there", |told| {
            let marked = |told: &&Told| {
                matches!(
                    told.event,
                    Event::StatusWritten {
                        marker: Some(_),
                        ..
                    }
                )
            };
            (told.iter().filter(marked).count() >= marks).then_some(())
        })
        .await;
}

async fn lose_the_ledger(world: &mut World) {
    world.stop().await;
    for file in files(world) {
        drop(std::fs::remove_file(file));
    }
    world.start().await;
}

async fn adopt_and_ask_anew(world: &World, issue: IssueNumber) {
    let adopt = Request::Adopt {
        by: "ann".to_owned(),
    };
    let reply = control::ask(world.daemon(), &ProjectName::new("shop"), adopt).await;
    assert!(reply.done, "{reply:?}");
    world.until_held("shop", issue, "before-adoption").await;
    world.unlabel("shop", issue, "ready-for-dev").await;
    world.label("shop", issue, "ready-for-dev").await;
}
