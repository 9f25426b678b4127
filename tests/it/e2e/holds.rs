//! What may not start, and what a person's hand does.

use std::time::Duration;

use pointsman::domain::{Cause, Event, Label, Purpose, SingleRead};

use crate::support::world::World;

#[tokio::test]
async fn only_the_right_pane_receives_the_brief() {
    let mut world = World::new();
    world.project("shop").project("docs");
    world.start().await;
    let issue = world
        .issue(
            "docs",
            "Say how to install",
            "The page does not say it.",
            "ready-for-prep",
        )
        .await;
    world
        .until_event("docs is confirmed", "docs", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    world
        .until_event(
            "docs moves",
            "docs",
            |event| matches!(event, Event::TransitionSettled { issue: of, .. } if *of == issue),
        )
        .await;
    assert!(
        !world.screen("shop:agent").contains("Task "),
        "{}",
        world.screen("shop:agent")
    );
    assert!(
        world.screen("docs:agent").contains("Task "),
        "{}",
        world.screen("docs:agent")
    );
    assert_eq!(
        world.left_in(&world.home().join("shop"), "briefs"),
        Vec::<String>::new()
    );
    let others = world
        .told()
        .await
        .iter()
        .filter(|told| told.project == "shop" && told.event.dispatch().is_some())
        .count();
    assert_eq!(others, 0);
    world.end().await;
}

/// G6: whatever a person is doing with the agent goes first.
#[tokio::test]
async fn a_busy_pane_and_a_pane_with_a_draft_receive_nothing() {
    let world = World::running("shop").await;
    until_screen(&world, "shop:agent", "idle").await;
    world.tmux(&["send-keys", "-t", "shop:agent", "-l", "a person's draft"]);
    until_screen(&world, "shop:agent", "a person's draft").await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    let hold = world.until_held("shop", issue, "agent-not-idle").await;
    world.cycles("shop", 3).await;
    assert!(
        world.screen("shop:agent").contains("a person's draft"),
        "{hold}"
    );
    assert!(
        !world.screen("shop:agent").contains("Task "),
        "{}",
        world.screen("shop:agent")
    );
    assert_eq!(world.taken(), Vec::<String>::new());
    world.tmux(&["send-keys", "-t", "shop:agent", "C-u"]);
    world
        .until_event("the brief arrives", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    world.end().await;
}

#[tokio::test]
async fn two_routing_labels_and_a_veto_hold_and_case_does_not_matter() {
    let world = World::running("shop").await;
    let both = world.issue("shop", "Both", "", "ready-for-prep").await;
    world
        .tracker("shop")
        .add_label(both, &Label::new("hold"))
        .await
        .expect("it is set");
    let vetoed = world.issue("shop", "Vetoed", "", "").await;
    world.label("shop", vetoed, "no-agent").await;
    world.label("shop", vetoed, "ready-for-prep").await;
    world.until_held("shop", vetoed, "vetoed").await;
    world.label("shop", both, "QA").await;
    world.unlabel("shop", both, "hold").await;
    world.until_held("shop", both, "several-labels").await;
    let other_case = world.issue("shop", "Shouted", "", "Ready-For-PREP").await;
    let opened = world
        .until_event("the other case starts", "shop", |event| {
            matches!(event, Event::DispatchOpened { .. })
        })
        .await;
    assert_eq!(opened.event.issue(), Some(other_case));
    world
        .until_event(
            "and moves",
            "shop",
            |event| matches!(event, Event::TransitionSettled { issue, .. } if *issue == other_case),
        )
        .await;
    let SingleRead::Found(found) = world
        .tracker("shop")
        .issue(other_case)
        .await
        .expect("it is there")
    else {
        panic!()
    };
    assert!(
        !found
            .0
            .labels
            .iter()
            .any(|label| label.as_str().eq_ignore_ascii_case("ready-for-prep")),
        "{:?}",
        found.0.labels
    );
    world.end().await;
}

#[tokio::test]
async fn a_veto_while_the_agent_works_withdraws_and_stops_it_with_one_line() {
    let mut world = World::new();
    world.pace(700).project("shop");
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    world
        .until_event("the agent has it", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    world.label("shop", issue, "hold").await;
    world
        .until_event("it is withdrawn", "shop", is_withdrawn)
        .await;
    world.until_held("shop", issue, "vetoed").await;
    assert_one_stop_line(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_person_who_moves_the_label_forward_is_honoured() {
    let mut world = World::new();
    world.pace(700).project("shop");
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    world
        .until_event("the agent has it", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    world
        .tracker("shop")
        .add_label(issue, &Label::new("ready-for-dev"))
        .await
        .expect("it is set");
    world.unlabel("shop", issue, "ready-for-prep").await;
    world
        .until_event("it is withdrawn", "shop", is_withdrawn)
        .await;
    let told = world
        .until_event("the override is recorded", "shop", |event| matches!(event, Event::Overridden { to, .. } if *to == Label::new("ready-for-dev")))
        .await;
    assert_eq!(told.event.issue(), Some(issue));
    assert_one_stop_line(&world).await;
    world
        .until_event("dev starts", "shop", |event| matches!(event, Event::DispatchOpened { opening } if opening.stage.label == Label::new("ready-for-dev")))
        .await;
    world.walk_to_the_end("shop", issue).await;
    assert_one_stop_line(&world).await;
    world.end().await;
}

fn is_withdrawn(event: &Event) -> bool {
    matches!(
        event,
        Event::DispatchClosed {
            cause: Cause::Withdrawn { .. },
            ..
        }
    )
}

/// The agent took the stop line, once.
async fn assert_one_stop_line(world: &World) {
    let stop = world
        .until("a stop line is confirmed", |told| {
            let stop = told.iter().find_map(|told| match &told.event {
                Event::DeliveryPlanned { delivery } if delivery.purpose == Purpose::Stop => Some(delivery.id.clone()),
                _ => None,
            })?;
            told.iter().any(|told| matches!(&told.event, Event::DeliverySettled { delivery, .. } if *delivery == stop)).then_some(stop)
        })
        .await;
    let told = world.told().await;
    let planned = told.iter().filter(|told| matches!(&told.event, Event::DeliveryPlanned { delivery } if delivery.purpose == Purpose::Stop)).count();
    assert_eq!(planned, 1);
    assert_eq!(world.taken_by_delivery().get(&stop), Some(&1));
}

async fn until_screen(world: &World, target: &str, text: &str) {
    for _ in 0..600 {
        if world.screen(target).contains(text) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{target} never shows {text}:\n{}", world.screen(target));
}
