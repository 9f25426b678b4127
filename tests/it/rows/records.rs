//! What can be looked up afterwards, with the real binary: who wanted it, what the agent was told, what came of it.

use pointsman::config::Config;
use pointsman::machine::dispatch::gate;

use crate::support::world::World;

/// Runs a verb of the real binary that has to end well, and returns what it printed. The daemon does not run in this process then: it
/// could not answer while the verb is waited for.
fn says(world: &World, words: &[&str]) -> String {
    let out = world.command(words).output().expect("it runs");
    assert!(
        out.status.success(),
        "pointsman {words:?}: {}",
        String::from_utf8_lossy(&out.stderr)
    );
    String::from_utf8_lossy(&out.stdout).into_owned()
}

/// S9, D24, W16, W17, M18: from the outcome back to who wanted it, with the very brief; without a daemon.
#[tokio::test]
async fn an_issue_can_be_traced_from_its_outcome_to_who_wanted_it() {
    let mut world = World::running("shop").await;
    let issue = world
        .issue(
            "shop",
            "Greet by name",
            "It should take a name.",
            "ready-for-dev",
        )
        .await;
    world
        .until_event("dev is done", "shop", |event| {
            matches!(event, pointsman::domain::Event::TransitionSettled { issue: of, .. } if *of == issue)
        })
        .await;
    world.stop().await;

    let told = says(&world, &["ledger", "show", "--issue", "1"]);
    let at = |what: &str| {
        told.lines()
            .position(|line| line.contains(what))
            .unwrap_or_else(|| panic!("no `{what}`:\n{told}"))
    };
    let order = [
        "labelled by",
        "planned: the brief",
        "about to paste",
        "confirmed (",
        "said done",
        "gate branch holds",
        "gate build holds",
        "closed: verified",
    ]
    .map(at);
    assert!(order.is_sorted(), "{order:?}\n{told}");

    let json = says(&world, &["ledger", "show", "--issue", "1", "--json"]);
    let brief = json
        .lines()
        .find(|line| line.contains("delivery-planned"))
        .expect("the brief is kept");
    assert!(brief.contains("You are the builder"), "{brief}");
    assert!(brief.contains("It should take a name."), "{brief}");
    let opened = json
        .lines()
        .find(|line| line.contains("dispatch-opened"))
        .expect("the decision is kept");
    for word in [
        "\"approval\"",
        "\"login\"",
        "\"needs\"",
        "\"workflow\"",
        "\"skill_digest\"",
    ] {
        assert!(opened.contains(word), "no {word}: {opened}");
    }
    let explained = says(&world, &["explain", "1"]);
    assert!(explained.contains("approval"), "{explained}");
    looked_back_on(&world);
    says(&world, &["ledger", "verify"]);
    world.end().await;
}

/// S8, S34: how it stood at an event, and what a day came to.
fn looked_back_on(world: &World) {
    let told = says(world, &["ledger", "show", "--issue", "1"]);
    let seq_of = |what: &str| {
        let line = told.lines().find(|line| line.contains(what));
        let line = line.unwrap_or_else(|| panic!("no `{what}`:\n{told}"));
        line.split_whitespace()
            .nth(1)
            .expect("its number")
            .to_owned()
    };
    let stood = |seq: &str| {
        let words = ["ledger", "replay", "--issue", "1", "--until", seq];
        let told = says(world, &words);
        told.lines().next().unwrap_or_default().to_owned()
    };
    let brief = stood(&seq_of("about to paste"));
    assert!(
        brief.starts_with("in hand: ") && brief.ends_with("is delivering"),
        "{brief}"
    );
    let judged = stood(&seq_of("gate branch holds"));
    assert!(judged.ends_with("is judging"), "{judged}");
    let ended = says(world, &["ledger", "replay", "--issue", "1"]);
    assert!(ended.contains("verified at"), "{ended}");
    let report = says(world, &["ledger", "report", "--since", "1h"]);
    assert!(
        report.contains("| shop | ready-for-dev | demo | 1 | 1 verified | 3 | 0 |"),
        "{report}"
    );
    assert!(
        report.contains("- shop #1 \"Greet by name\": ready-for-dev verified"),
        "{report}"
    );
}

/// J2, M15, the facts of a brief: they say what git and the workflow say, not what a template says.
#[tokio::test]
async fn a_briefs_facts_are_those_of_the_tree_it_was_written_for() {
    let mut world = World::new();
    world.project("shop");
    let row = "needs = [\"branch\", \"verify\", \"build\", \"syntax\"]";
    let labels = include_str!("../../../labels.toml").replacen(
        "needs = [\"branch\", \"verify\", \"build\"]",
        row,
        1,
    ) + "\n[[gate]]\nname = \"syntax\"\nrun = \"sh -n greet.sh\"\ntimeout = \"1m\"\n";
    assert!(labels.contains(row), "labels.toml has another row now");
    std::fs::write(world.places.config.join("labels.toml"), labels).unwrap();
    world.start().await;
    let tip = world.git("shop", &["rev-parse", "main"]);
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    world
        .until_event("dev is done", "shop", |event| {
            matches!(event, pointsman::domain::Event::TransitionSettled { issue: of, .. } if *of == issue)
        })
        .await;
    let texts: Vec<(jiff::Timestamp, String)> = world
        .told()
        .await
        .into_iter()
        .filter_map(|told| match told.event {
            pointsman::domain::Event::DeliveryPlanned { delivery } => {
                Some((told.at, delivery.text))
            }
            _ => None,
        })
        .collect();
    let (at, brief) = &texts[0];
    let head = format!("- head: branch `pointsman/1-greet-by-name` at {tip}");
    assert!(brief.contains(&head), "{brief}");
    assert!(!brief.contains("without git"), "{brief}");
    assert!(
        brief.contains("- syntax: `sh -n greet.sh` exits 0"),
        "{brief}"
    );
    let (as_of, _) = brief
        .lines()
        .find_map(|line| line.strip_prefix("True at "))
        .and_then(|line| line.split_once(". "))
        .expect("it says when");
    let as_of: jiff::Timestamp = as_of.parse().expect("a time");
    let apart = at.duration_since(as_of).abs();
    assert!(
        apart < jiff::SignedDuration::from_mins(1),
        "read for this delivery: {apart}"
    );
    world.end().await;
}

/// W21, T5: what a checker is shown as an example of a verdict is one that counts.
#[test]
fn the_verdicts_that_skills_show_are_verdicts_that_count() {
    let mut shown = 0;
    for skill in Config::shipped().skills.values() {
        for example in skill.body.split("```json\n").skip(1) {
            let (example, _) = example.split_once("```").expect("a closed fence");
            let judged = gate::verdict(Some(example), true);
            let passes = example.contains("\"pass\"");
            assert_eq!(judged.holds, passes, "{}: {}", skill.name, judged.says);
            assert_eq!(judged.findings.is_some(), !passes, "{}", skill.name);
            shown += 1;
        }
    }
    assert_eq!(shown, 3, "qa, review and content-review");
}
