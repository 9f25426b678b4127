//! J20, D19: what GitHub's own checks say of the pushed commit is recorded, shown and told, and nothing waits for it.

use pointsman::domain::{Event, Evidence, GateName, Label, Purpose};

use crate::support::github::{Fault, Kind};
use crate::support::world::{Told, World};

const BLOG: &str = "me/blog";

/// The shipped workflow, with the checks read when QA is left: the commit was pushed when dev was.
async fn world() -> World {
    let mut world = World::on_github().await;
    world.github_project("blog");
    let shipped = include_str!("../../../labels.toml");
    let labels = shipped.replace(
        "[\"build\", \"verdict\"] ",
        "[\"checks\", \"build\", \"verdict\"] ",
    );
    assert_ne!(labels, shipped);
    std::fs::write(world.places.config.join("labels.toml"), labels).expect("it is written");
    world.start().await;
    world
}

fn measured(told: &[Told]) -> Vec<Evidence> {
    let rows = told.iter().filter_map(|told| match &told.event {
        Event::GateFinished { evidence, .. } if evidence.gate == GateName::Checks => Some(evidence),
        _ => None,
    });
    rows.cloned().collect()
}

/// The brief of the review stage.
fn review(told: &[Told]) -> Option<String> {
    let id = told.iter().find_map(|told| match &told.event {
        Event::DispatchOpened { opening } if opening.stage.label == Label::new("review") => {
            Some(opening.id.clone())
        }
        _ => None,
    })?;
    told.iter().find_map(|told| match &told.event {
        Event::DeliveryPlanned { delivery }
            if delivery.dispatch == id && delivery.purpose == Purpose::Brief =>
        {
            Some(delivery.text.clone())
        }
        _ => None,
    })
}

#[tokio::test]
async fn githubs_checks_warn_by_name_and_nothing_waits_for_them() {
    let world = world().await;
    {
        let mut model = world.fake().model();
        model.check(BLOG, None, "lint | `all`", "failure");
        model.check(BLOG, None, "e2e", "queued");
        model.check(BLOG, None, "unit", "success");
        model.status(BLOG, None, "ci/old", "error");
    }
    let issue = world
        .issue(
            "blog",
            "Greet by name",
            "It should take a name.",
            "ready-for-dev",
        )
        .await;
    world.until_yours("blog", issue).await;
    let told = world.told().await;
    let rows = measured(&told);
    assert_eq!(rows.len(), 1, "{rows:?}");
    let says = "failed: `lint | 'all'`, `ci/old`; not ended: `e2e`; passed: 1 check";
    assert!(rows[0].holds && rows[0].warned, "{rows:?}");
    assert!(rows[0].says.ends_with(says), "{rows:?}");
    let subject = rows[0].subject.as_ref().expect("it has a commit").short();
    let brief = review(&told).expect("the reviewer has a brief");
    assert!(
        brief.contains(&format!(
            "QA, checks at {subject}: a warning, and nothing waits for it: {says}"
        )),
        "{brief}"
    );
    let log = world.fake().take_log();
    let asked = log.iter().filter(|line| line.target.contains("/commits/"));
    assert_eq!(
        asked.count(),
        2,
        "once a measurement, and never else: {log:#?}"
    );
    {
        let model = world.fake().model();
        let pulls = &model.repos.values().next().expect("a repository");
        let number = pulls.pulls.keys().next().expect("a pull request");
        let body = &pulls.issues[number].body;
        let shown = says.replace('|', "\\|");
        assert!(body.contains("| QA | checks (a warning"), "{body}");
        assert!(body.contains(&shown), "{body}");
    }
    let (_, said, _) = world.says(&["ledger", "show"]).await;
    assert!(said.contains("gate checks warns at "), "{said}");
    world.fake().advance(3600);
    world.cycles("blog", 5).await;
    let log = world.fake().take_log();
    let again = log.iter().filter(|line| line.target.contains("/commits/"));
    assert_eq!(again.count(), 0, "no cycle asks for them: {log:#?}");
    world.end().await;
}

#[tokio::test]
async fn checks_that_cannot_be_read_are_a_warning_and_no_stop() {
    let world = world().await;
    let refused = Fault::always("GET", "/check-runs", Kind::Status(403));
    world.fake().arm(refused);
    let issue = world
        .issue(
            "blog",
            "Greet by name",
            "It should take a name.",
            "ready-for-dev",
        )
        .await;
    world.until_yours("blog", issue).await;
    let rows = measured(&world.told().await);
    assert!(rows[0].holds && rows[0].warned, "{rows:?}");
    assert!(
        rows[0]
            .says
            .contains("could not be read: the token may not"),
        "{rows:?}"
    );
    world.end().await;
}
