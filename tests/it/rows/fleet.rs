//! What a fleet keeps apart: projects from one another, the maker from the checker, the daemon from the agents' work.

use std::collections::BTreeMap;
use std::path::Path;

use pointsman::domain::{Event, Verdict};

use super::pane_pid;
use crate::support::patience::PATIENCE;
use crate::support::world::{Told, World};

/// W18, M1, M2: one repository is not there, one session is gone, one issue is vetoed; the fourth project works, and the log says all of it.
#[tokio::test]
async fn what_is_broken_in_one_project_delays_no_other_and_the_heartbeat_says_it() {
    let mut world = World::on_github().await;
    world.project("gone").project("cut").project("well");
    world.write_project("gone", "repo = \"me/never\"\nbuild = \"none\"\n");
    world.start().await;
    world.tmux(&["kill-session", "-t", "=cut"]);
    let vetoed = world.issue("well", "Not this", "", "hold").await;
    world.label("well", vetoed, "ready-for-prep").await;
    let wanted = world
        .issue("well", "Greet by name", "", "ready-for-prep")
        .await;
    world
        .until_event(
            "the fourth project works",
            "well",
            |event| matches!(event, Event::TransitionSettled { issue, .. } if *issue == wanted),
        )
        .await;
    world.cycles("well", 1).await;

    let log = std::fs::read_to_string(world.places.heartbeat()).unwrap();
    let of = |project: &str| {
        log.lines()
            .filter(|line| line.contains(&format!(" project={project} ")))
            .collect::<Vec<_>>()
    };
    for line in log.lines() {
        let keys: Vec<&str> = line
            .split(' ')
            .filter_map(|word| Some(word.split_once('=')?.0))
            .filter(|key| key.chars().all(char::is_alphabetic))
            .collect();
        for key in ["at", "project", "did", "held", "failed"] {
            assert!(keys.contains(&key), "no {key}: {line}");
        }
    }
    let held = format!("vetoed({})", vetoed.0);
    assert!(of("well").iter().any(|line| line.contains(&held)), "{log}");
    assert!(
        of("well").iter().any(|line| !line.contains("did=\"-\"")),
        "{log}"
    );
    assert!(
        of("gone").iter().any(|line| !line.contains("failed=\"-\"")),
        "{log}"
    );
    world.end().await;
}

/// W20, W45: whoever checks is another process than who made it, and is gone afterwards; the maker stays.
#[tokio::test]
async fn the_checker_is_another_process_than_the_maker() {
    let mut world = World::new();
    world.pace(100).project("shop");
    world.start().await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    let mut processes = BTreeMap::new();
    for stage in ["ready-for-prep", "ready-for-dev", "QA", "review"] {
        let told = world
            .until_event(stage, "shop", |event| {
                matches!(event, Event::DispatchOpened { opening } if opening.stage.label.as_str() == stage)
            })
            .await;
        let Event::DispatchOpened { opening } = told.event else {
            unreachable!()
        };
        let id = opening.id.clone();
        let taken = world
            .until("its brief arrived", |told| {
                let brief = told.iter().rev().find_map(|told| match &told.event {
                    Event::DeliveryPlanned { delivery } if delivery.dispatch == id => {
                        Some(delivery.id.clone())
                    }
                    _ => None,
                })?;
                let is_confirmed = |told: &Told| {
                    matches!(&told.event, Event::DeliverySettled { delivery, verdict: Verdict::Confirmed, .. } if *delivery == brief)
                };
                told.iter().any(is_confirmed).then_some(brief)
            })
            .await;
        // The ledger may name a report as the receipt: then only the transcripts say which process took it.
        let pid = world.taker(&taken).expect("a transcript");
        processes.insert(stage, pid);
    }
    assert_eq!(processes["ready-for-prep"], processes["ready-for-dev"]);
    assert_ne!(processes["QA"], processes["ready-for-dev"]);
    assert_ne!(processes["review"], processes["ready-for-dev"]);
    assert_ne!(processes["review"], processes["QA"], "one each");
    world.until_yours("shop", issue).await;
    assert_eq!(
        pane_pid(&world, "shop:agent"),
        processes["ready-for-dev"],
        "the maker is still there"
    );
    world.end().await;
}

/// W4: a whole stage passes, and not a byte of the project was changed by us; what we write ignores itself.
#[tokio::test]
async fn the_daemon_writes_nothing_into_a_project_but_its_own_folder() {
    let mut world = World::new();
    world.project("shop");
    let tree = world.home().join("shop");
    let before = contents(&tree);
    world.start().await;
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
    assert_eq!(
        contents(&tree),
        before,
        "prep changes nothing, and nor do we"
    );
    world.stop().await;
    assert_eq!(world.git("shop", &["status", "--porcelain"]), "");
    world.end().await;
}

/// Every file of a project outside of git's and our own folder, with its bytes.
fn contents(tree: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![tree.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(tree).unwrap().display().to_string();
            if matches!(name.as_str(), ".git" | ".pointsman") {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

/// G3, W2: nobody wakes it, and it asks again, each time with what it knows already.
#[tokio::test]
async fn the_cycle_polls_again_by_itself_and_without_cost() {
    let mut world = World::on_github().await;
    world.github_project("blog");
    world.start().await;
    world.fake().advance(3600);
    world.cycles("blog", 3).await;
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    world.fake().take_log();
    // Two cycles of ten seconds, and the time a loaded machine takes.
    let deadline = std::time::Instant::now() + PATIENCE;
    let mut polls = Vec::new();
    while polls.len() < 2 && std::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        polls.extend(world.fake().take_log());
    }
    assert!(polls.len() >= 2, "{polls:#?}");
    for poll in &polls {
        assert!(
            poll.conditional && poll.status == 304 && poll.cost == 0,
            "{poll:#?}"
        );
    }
    world.end().await;
}
