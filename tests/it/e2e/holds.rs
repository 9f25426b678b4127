//! What may not start, and what a person's hand does.

use std::time::Duration;

use pointsman::domain::{Cause, Event, Label, Purpose, SingleRead};

use crate::support::patience::until;
use crate::support::world::{Told, World};

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
    world.label("shop", issue, "hold").await;
    world
        .until_event("it is withdrawn", "shop", is_withdrawn)
        .await;
    world.agents_go_on();
    world.until_held("shop", issue, "vetoed").await;
    assert_one_stop_line(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_label_that_the_agents_account_moves_on_goes_back_once_when_the_work_is_not_there() {
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
    let tracker = world.tracker("shop");
    let dev = Label::new("ready-for-dev");
    tracker.add_label(issue, &dev).await.expect("it is set");
    world.unlabel("shop", issue, "ready-for-prep").await;
    world
        .until_event("a person is told", "shop", |event| {
            matches!(event, Event::NoteWritten { .. })
        })
        .await;
    let comments = tracker.comments(issue).await.expect("they can be read");
    let way = format!("`pointsman route {} ready-for-dev`", issue.0);
    let told = comments
        .iter()
        .filter(|comment| comment.body.contains(&way));
    assert_eq!(told.count(), 1, "{comments:?}");
    world.agents_go_on();
    world.walk_to_the_end("shop", issue).await;
    let said = world.told().await;
    let opened = |told: &&Told| matches!(&told.event, Event::DispatchOpened { opening } if opening.stage.label == Label::new("ready-for-prep"));
    assert_eq!(
        said.iter().filter(opened).count(),
        2,
        "prep is done again, then the rest"
    );
    assert!(
        !said
            .iter()
            .any(|told| matches!(told.event, Event::Overridden { .. }))
    );
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
    until(&format!("{target} shows {text}"), || {
        world.screen(target).contains(text).then_some(())
    })
    .await;
}

/// J3, J4: the spec quotes a file that somebody took out of the default branch before the work on it began.
#[tokio::test]
async fn work_does_not_begin_on_a_spec_whose_claims_are_gone() {
    let mut world = World::new();
    world.project("shop");
    world.git("shop", &["switch", "-q", "-c", "later"]);
    world.git("shop", &["rm", "-q", "greet.sh"]);
    world.git("shop", &["commit", "-q", "-m", "no greeting"]);
    world.git("shop", &["switch", "-q", "-c", "again"]);
    world.git("shop", &["checkout", "-q", "main", "--", "greet.sh"]);
    world.git("shop", &["commit", "-q", "-m", "a greeting again"]);
    world.git("shop", &["switch", "-q", "main"]);
    world.start().await;
    let issue = world.asks("shop").await;
    let put = |at: &str| {
        world.git("shop", &["push", "-q", "origin", &format!("{at}:main")]);
        world.git("shop", &["fetch", "-q", "origin"]);
        world.git("shop", &["update-ref", "refs/heads/main", at]);
    };
    put("later");
    world.comment("shop", issue, "Refuse it, please.").await;
    world
        .until_event(
            "it is a person's",
            "shop",
            |event| matches!(event, Event::ParkIntended { why, .. } if why.contains("`greet.sh`")),
        )
        .await;
    let held = world.until_held("shop", issue, "parked").await.to_string();
    for words in [
        "the spec rests on what is not in the tree any more",
        "set `ready-for-prep`",
    ] {
        assert!(held.contains(words), "{held}");
    }
    let to_build = async || {
        let told = world.told().await;
        let dev = |told: &&Told| matches!(&told.event, Event::DispatchOpened { opening } if opening.stage.makes_commits());
        let dev: Vec<_> = told
            .iter()
            .filter(dev)
            .filter_map(|told| told.event.dispatch())
            .collect();
        let briefs = told.iter().filter(|told| matches!(&told.event, Event::DeliveryPlanned { delivery } if dev.contains(&&delivery.dispatch)));
        briefs.count()
    };
    assert_eq!(to_build().await, 0, "no brief was written for the builder");

    world
        .until_event("its label is set", "shop", |event| {
            matches!(event, Event::IssueParked { .. })
        })
        .await;
    put("again");
    world.unlabel("shop", issue, "needs-human").await;
    world
        .until_event("what is there again is built on", "shop", |event| {
            matches!(event, Event::DeliveryPlanned { delivery } if delivery.purpose == Purpose::Brief && delivery.text.contains("pointsman/1-greet-by-name"))
        })
        .await;
    assert_eq!(to_build().await, 1);
    world.end().await;
}
