//! One issue through all four stages, on the local tracker.

use std::collections::BTreeSet;

use pointsman::daemon::store;
use pointsman::domain::{Event, Label, ProjectName, Settled, SingleRead, Verdict};

use crate::support::world::{World, assert_confirmed};

#[expect(clippy::too_many_lines, reason = "one story from end to end")]
#[tokio::test]
async fn one_issue_walks_all_four_stages() {
    let world = World::running("shop").await;
    let before = world.git("shop", &["rev-parse", "main"]);
    let issue = world
        .issue(
            "shop",
            "Greet by name",
            "It should take a name.",
            "ready-for-prep",
        )
        .await;

    world.until_yours("shop", issue).await;
    let told = world.told().await;
    assert_confirmed(&told);
    let stages: Vec<String> = told
        .iter()
        .filter_map(|told| match &told.event {
            Event::DispatchOpened { opening } => Some(opening.stage.label.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(stages, ["ready-for-prep", "ready-for-dev", "QA", "review"]);
    let gates: BTreeSet<(String, bool)> = told
        .iter()
        .filter_map(|told| match &told.event {
            Event::GateFinished { evidence, .. } => Some((
                format!("{:?}", evidence.gate).to_lowercase(),
                evidence.holds,
            )),
            _ => None,
        })
        .collect();
    let expected = ["branch", "build", "coverage", "spec", "verdict", "verify"]
        .map(|gate| (gate.to_owned(), true));
    assert_eq!(gates, BTreeSet::from(expected), "every gate ran and holds");
    let (branch, subject) = told
        .iter()
        .find_map(|told| match &told.event {
            Event::BranchPushed {
                branch, subject, ..
            } => Some((branch.clone(), subject.to_string())),
            _ => None,
        })
        .expect("the branch was pushed");
    assert_eq!(
        world.git("shop.git", &["rev-parse", &branch]),
        subject,
        "the remote has the commit"
    );
    assert_eq!(
        world.git("shop.git", &["rev-parse", "main"]),
        before,
        "nobody moved the default branch"
    );

    world.approve("shop", issue).await;
    world.until_done("shop", issue).await;
    world.until_tidy("shop").await;
    assert_eq!(
        world.git("shop.git", &["rev-parse", "main"]),
        subject,
        "approved: the default branch has it"
    );
    let read = world
        .tracker("shop")
        .issue(issue)
        .await
        .expect("it is there");
    let SingleRead::Found(found) = read else {
        panic!("it is there")
    };
    assert!(!found.0.open && found.0.labels.is_empty(), "{found:?}");

    let tree = world.home().join("shop");
    let check = world.places.state.join("trees/shop/check");
    for tree in [&tree, &check] {
        assert_eq!(world.left_in(tree, "briefs"), Vec::<String>::new());
    }
    assert!(
        !world.windows().contains(&"shop:check".to_owned()),
        "the checker's window is closed: {:?}",
        world.windows()
    );
    assert!(world.windows().contains(&"shop:agent".to_owned()));
    assert_eq!(
        world.git("shop", &["status", "--porcelain"]),
        "",
        "nothing of ours shows in the project"
    );

    let live = world.cycles("shop", 2).await.state;
    let name = ProjectName::new("shop");
    let replayed = store::replay(world.daemon().ledger(), &name)
        .await
        .expect("it replays");
    assert_eq!(replayed, live);
    world
        .daemon()
        .ledger()
        .verify()
        .await
        .expect("the chain holds");
    let count = |is: fn(&Event) -> bool| told.iter().filter(|told| is(&told.event)).count();
    let planned = count(|event| matches!(event, Event::DeliveryPlanned { .. }));
    // What was proven not to be typed was made again under another id.
    let untyped = count(|event| {
        matches!(
            event,
            Event::DeliverySettled {
                verdict: Verdict::NotDelivered,
                ..
            }
        )
    });
    let taken = world.taken_by_delivery();
    assert_eq!(taken.len(), planned - untyped);
    assert!(taken.values().all(|count| *count == 1), "{taken:?}");
    world.end().await;
}

#[tokio::test]
async fn the_real_binary_walks_an_issue_and_ends_on_sigterm() {
    let mut world = World::new();
    world.project("shop");
    world.spawn();
    let issue = world
        .issue(
            "shop",
            "Greet by name",
            "It should take a name.",
            "ready-for-prep",
        )
        .await;
    world
        .until_event("the first label moves", "shop", |event| {
            matches!(
                event,
                Event::TransitionSettled {
                    outcome: Settled::Moved { .. },
                    ..
                }
            )
        })
        .await;
    assert!(
        world.terminate().await,
        "SIGTERM ends it well:\n{}",
        world.log()
    );
    let labels = match world
        .tracker("shop")
        .issue(issue)
        .await
        .expect("it is there")
    {
        SingleRead::Found(found) => found.0.labels.clone(),
        other => panic!("{other:?}"),
    };
    assert!(
        !labels.contains(&Label::new("ready-for-prep")),
        "{labels:?}"
    );
    world.spawn();
    world.until_yours("shop", issue).await;
    world.approve("shop", issue).await;
    world.until_done("shop", issue).await;
    world.end().await;
}
