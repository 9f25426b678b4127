//! Two issues of one project are measured at the same time, and each on its own commit.

use std::collections::BTreeMap;

use pointsman::domain::{DispatchId, Event, GateName};

use crate::support::world::World;

#[tokio::test]
async fn gates_of_two_dispatches_that_overlap_are_measured_each_on_its_own_commit() {
    let mut world = World::new();
    world.project("shop");
    // Slow enough that the checker's gates of the first issue meet the agent's of the second; it notices if its tree moves.
    let build = "at=$(git rev-parse HEAD); sleep 5; [ $at = $(git rev-parse HEAD) ]";
    world.write_project("shop", &format!("tracker = \"local\"\nbuild = {build:?}\n"));
    world.start().await;
    let mut issues = Vec::new();
    for title in ["Greet by name", "Round prices", "Say the hours"] {
        issues.push(
            world
                .issue("shop", title, "As it says.", "ready-for-dev")
                .await,
        );
    }
    for issue in issues {
        world.until_yours("shop", issue).await;
    }

    let told = world.told().await;
    let mut subjects: BTreeMap<DispatchId, Vec<String>> = BTreeMap::new();
    let mut running: Vec<DispatchId> = Vec::new();
    let mut overlaps = 0;
    for one in &told {
        match &one.event {
            Event::GateFinished { evidence, .. } if !evidence.holds => {
                panic!("{:?}: {}", evidence.gate, evidence.says);
            }
            Event::GateStarted { dispatch, gate } if *gate == GateName::Build => {
                running.push(dispatch.clone());
                overlaps += usize::from(running.len() > 1);
            }
            Event::GateFinished { dispatch, evidence } => {
                if evidence.gate == GateName::Build {
                    running.retain(|other| other != dispatch);
                }
                let subject = evidence.subject.as_ref().map(ToString::to_string);
                subjects
                    .entry(dispatch.clone())
                    .or_default()
                    .extend(subject);
            }
            _ => {}
        }
    }
    assert!(overlaps > 0, "they met, or this shows nothing");
    for (dispatch, mut subjects) in subjects {
        subjects.dedup();
        assert_eq!(subjects.len(), 1, "{dispatch}: {subjects:?}");
    }
    world.end().await;
}
