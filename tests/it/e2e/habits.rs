//! Agents with bad habits, and one that asks.

use pointsman::domain::{Cause, Event, GateName, IssueNumber, Label, Purpose, SingleRead};

use crate::support::world::{Told, World};

fn closed(told: &[Told]) -> Vec<Cause> {
    let cause = |told: &Told| match &told.event {
        Event::DispatchClosed { cause, .. } => Some(cause.clone()),
        _ => None,
    };
    told.iter().filter_map(cause).collect()
}

fn opened(told: &[Told], issue: IssueNumber) -> Vec<(String, u32, u32)> {
    let opening = |told: &Told| match &told.event {
        Event::DispatchOpened { opening } if opening.issue() == Some(issue) => Some((
            opening.stage.label.to_string(),
            opening.attempt,
            opening.round,
        )),
        _ => None,
    };
    told.iter().filter_map(opening).collect()
}

/// The texts that brought people's answers to agents.
pub(super) fn answers(told: &[Told]) -> Vec<String> {
    let answer = |told: &Told| match &told.event {
        Event::DeliveryPlanned { delivery } if delivery.purpose == Purpose::Answer => {
            Some(delivery.text.clone())
        }
        _ => None,
    };
    told.iter().filter_map(answer).collect()
}

async fn labels(world: &World, issue: IssueNumber) -> std::collections::BTreeSet<Label> {
    let read = world.tracker("shop").issue(issue).await;
    match read.expect("it is read") {
        SingleRead::Found(found) => found.0.labels,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn done_without_a_commit_is_refused_with_what_is_missing_and_then_accepted() {
    let world = World::running("shop").await;
    let issue = world
        .issue("shop", "Greet by name", "[demo:liar]", "ready-for-dev")
        .await;
    let refused = world
        .until_event("the lie is refused", "shop", |event| {
            matches!(event, Event::ReportRefused { .. })
        })
        .await;
    let Event::ReportRefused { answer, .. } = refused.event else {
        unreachable!()
    };
    assert!(
        !answer.accepted && answer.text.contains("commit"),
        "{}",
        answer.text
    );
    world
        .until_event("dev is verified in the same attempt", "shop", |event| {
            matches!(
                event,
                Event::DispatchClosed {
                    cause: Cause::Verified { reported: true, .. },
                    ..
                }
            )
        })
        .await;
    world.walk_to_the_end("shop", issue).await;
    let told = world.told().await;
    assert_eq!(
        opened(&told, issue)
            .iter()
            .filter(|(stage, ..)| stage == "ready-for-dev")
            .count(),
        1,
        "no attempt was used up"
    );
    world.end().await;
}

#[tokio::test]
async fn a_failing_verdict_bounces_and_the_next_round_fixes_it() {
    let world = World::running("shop").await;
    let issue = world
        .issue("shop", "Greet by name", "[demo:bounce]", "ready-for-dev")
        .await;
    world.walk_to_the_end("shop", issue).await;
    let told = world.told().await;
    let stages = opened(&told, issue);
    let walked: Vec<(&str, u32)> = stages
        .iter()
        .map(|(stage, _, round)| (stage.as_str(), *round))
        .collect();
    assert_eq!(
        walked,
        [
            ("ready-for-dev", 1),
            ("QA", 1),
            ("ready-for-dev", 2),
            ("QA", 2),
            ("review", 2)
        ]
    );
    assert!(
        closed(&told).iter().any(
            |cause| matches!(cause, Cause::Rework { findings } if findings.contains("empty name"))
        ),
        "{:?}",
        closed(&told)
    );
    let brief = told.iter().find_map(|told| match &told.event {
        Event::DeliveryPlanned { delivery }
            if delivery.purpose == Purpose::Brief && delivery.text.contains("- round 2") =>
        {
            Some(delivery.text.clone())
        }
        _ => None,
    });
    assert!(
        brief.is_some_and(|brief| brief.contains("An empty name is accepted")),
        "the finding is in the next brief"
    );
    world.end().await;
}

#[tokio::test]
async fn work_without_a_report_is_measured_once_and_advances_unreported() {
    let world = World::running("shop").await;
    let issue = world
        .issue("shop", "Greet by name", "[demo:silent]", "ready-for-dev")
        .await;
    world
        .until_event("dev is verified without a word", "shop", |event| {
            matches!(
                event,
                Event::DispatchClosed {
                    cause: Cause::Verified {
                        reported: false,
                        ..
                    },
                    ..
                }
            )
        })
        .await;
    let told = world.told().await;
    let branch_gates = told.iter().filter(|told| matches!(&told.event, Event::GateFinished { evidence, .. } if evidence.gate == GateName::Branch)).count();
    assert_eq!(branch_gates, 1);
    assert!(!told.iter().any(|told| matches!(&told.event, Event::DeliveryPlanned { delivery } if delivery.purpose == Purpose::Nudge)));
    world.walk_to_the_end("shop", issue).await;
    world.end().await;
}

#[tokio::test]
async fn a_question_waits_for_a_persons_answer() {
    let world = World::running("shop").await;
    let issue = world
        .issue("shop", "Greet by name", "[demo:ask]", "ready-for-prep")
        .await;
    world
        .until_event("the question is on the issue", "shop", |event| {
            matches!(event, Event::QuestionPublished { .. })
        })
        .await;
    world.until_held("shop", issue, "asked").await;
    let needs_human = Label::new("needs-human");
    let comments = world
        .tracker("shop")
        .comments(issue)
        .await
        .expect("they are read");
    assert!(
        comments
            .iter()
            .any(|comment| comment.body.contains("Should an empty name be refused")),
        "{comments:?}"
    );
    assert!(
        labels(&world, issue).await.contains(&needs_human),
        "the list says that a person is needed"
    );
    world.comment("shop", issue, "Refuse it, please.").await;
    world
        .until_event("the answer is planned", "shop", |event| matches!(event, Event::DeliveryPlanned { delivery } if delivery.purpose == Purpose::Answer && delivery.text.contains("Refuse it, please.")))
        .await;
    world
        .until_event("prep is done in the same dispatch", "shop", |event| {
            matches!(event, Event::TransitionSettled { .. })
        })
        .await;
    let told = world.told().await;
    assert_eq!(
        opened(&told, issue)
            .iter()
            .filter(|(stage, ..)| *stage == Label::new("ready-for-prep").to_string())
            .count(),
        1
    );
    assert_eq!(answers(&told).len(), 1);
    assert!(!labels(&world, issue).await.contains(&needs_human));
    world.end().await;
}
