//! `pointsman agent check`: what an agent does without a person, seen before work is given to it.

use std::time::Duration;

use pointsman::daemon::desk::control::Call;
use pointsman::domain::{Event, ProjectName, Window};

use crate::support::patience::until;
use crate::support::world::World;

/// The tree as its person left it: nothing of the rehearsal is there, and it stands where it stood.
fn assert_untouched(world: &World, branch: &str) {
    assert_eq!(
        world.git("shop", &["rev-parse", "--abbrev-ref", "HEAD"]),
        branch
    );
    assert_eq!(world.git("shop", &["status", "--porcelain"]), "");
    assert_eq!(world.git("shop", &["branch", "--list", "pointsman/*"]), "");
    let tree = world.home().join("shop");
    assert_eq!(world.left_in(&tree, "briefs"), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(&tree)
        .expect("it is there")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("pointsman-check"))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[tokio::test]
async fn a_rehearsal_shows_every_step_and_leaves_nothing_behind() {
    let mut world = World::new();
    world.project("shop");
    world.git("shop", &["switch", "-q", "-c", "my-own"]);
    world.start().await;
    let (code, out, err) = world.says(&["agent", "check", "shop"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.starts_with("demo ")
            && out.ends_with(": read ok   write ok   commit ok   report ok   ready"),
        "{out}"
    );
    assert_untouched(&world, "my-own");
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    world.walk_to_the_end("shop", issue).await;
    world.end().await;
}

#[tokio::test]
async fn a_dialog_is_named_with_its_step_and_holds_only_the_stages_that_need_it() {
    let mut world = World::new();
    world.project("shop").rehearses("commit=asks");
    world.start().await;
    let (code, out, err) = world.says(&["agent", "check", "shop"]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    let line = |word: &str| {
        err.lines()
            .find(|line| line.trim_start().starts_with(word))
            .unwrap_or_else(|| panic!("no `{word}` in {err}"))
            .trim()
            .to_owned()
    };
    assert_eq!(line("write"), "write   ok");
    assert!(
        line("commit").starts_with("commit  asks a person: ")
            && line("commit").contains("May I commit?"),
        "{err}"
    );
    assert_eq!(line("report"), "report  not reached");
    assert!(
        err.contains("`pointsman attach shop`, and answer it"),
        "{err}"
    );

    let builds = world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    let plans = world
        .issue("shop", "Greet twice", "", "ready-for-prep")
        .await;
    let hold = world.until_held("shop", builds, "agent-not-ready").await;
    assert!(
        hold.to_string()
            .starts_with("the agent cannot commit without a person: it asks `"),
        "{hold}"
    );
    assert_eq!(
        hold.hint(&ProjectName::new("shop")).as_deref(),
        Some("`pointsman agent check shop` says what mends it, and lets it go on")
    );
    // The dialog is open still.
    world.until_held("shop", plans, "agent-asks").await;
    // The person says yes: the agent goes on, and what it leaves is cleared away all the same.
    world.tmux(&["send-keys", "-t", "=shop:agent", "y"]);
    world
        .until("the rehearsal is cleared away", |told| {
            told.iter()
                .any(|told| matches!(told.event, Event::DispatchTidied { .. }))
                .then_some(())
        })
        .await;
    world
        .until_event("prep needs no commit", "shop", |event| {
            matches!(event, Event::DispatchOpened { opening } if opening.issue() == Some(plans))
        })
        .await;
    assert_eq!(
        world.git("shop", &["branch", "--list", "pointsman/check*"]),
        ""
    );
    // Another profile was not rehearsed, and holds nothing.
    world.pace(0);
    world
        .until_event("dev is begun", "shop", |event| {
            matches!(event, Event::DispatchOpened { opening } if opening.issue() == Some(builds))
        })
        .await;
    world.end().await;
}

#[tokio::test]
async fn a_refused_step_says_the_agents_words_and_an_agent_without_a_word_is_not_believed() {
    let mut world = World::new();
    world.project("shop").rehearses("commit=refused");
    world.start().await;
    let (code, _, err) = world.says(&["agent", "check", "shop"]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("\n  commit  fails: commit is refused: read-only\n  report  ok"),
        "{err}"
    );
    assert_untouched(&world, "main");
    world.rehearses("write=silent");
    world.daemon().reload().await;
    let (code, _, err) = world.says(&["restart", "shop"]).await;
    assert_eq!(code, Some(0), "{err}");
    let (code, _, err) = world.says(&["agent", "check", "shop"]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("\n  write   fails: it went idle without doing it\n  commit  not reached\n  report  not reached"),
        "{err}"
    );
    assert_untouched(&world, "main");
    world.end().await;
}

#[tokio::test]
async fn without_a_daemon_it_is_one_for_that_long_and_starts_nothing_else() {
    let world = World::new();
    world.project("shop");
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-prep")
        .await;
    let (code, out, err) = world.says(&["agent", "check", "shop"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(out.ends_with("ready"), "{out}");
    assert_untouched(&world, "main");
    let told = world.told().await;
    let began = told.iter().any(
        |told| matches!(&told.event, Event::DispatchOpened { opening } if opening.issue() == Some(issue)),
    );
    assert!(!began, "nobody asked for it");
    let (code, out, err) = world
        .says(&["say", "shop", "have a look at greet.sh"])
        .await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.starts_with("the agent of shop has it (transcript-"),
        "{out}"
    );
    world.end().await;
}

#[tokio::test]
async fn a_persons_changes_are_not_rehearsed_upon() {
    let mut world = World::new();
    world.project("shop");
    world.start().await;
    std::fs::write(world.home().join("shop/greet.sh"), "echo mine\n").expect("it is written");
    let (code, _, err) = world.says(&["agent", "check", "shop"]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.contains("nothing was rehearsed: ") && err.contains("greet.sh changed, not by us"),
        "{err}"
    );
    assert_eq!(world.git("shop", &["status", "--porcelain"]), "M greet.sh");
    world.end().await;
}

#[tokio::test]
async fn the_leftovers_of_earlier_work_are_neither_committed_nor_taken_along() {
    let mut world = World::new();
    world.project("shop");
    world.git("shop", &["switch", "-q", "-c", "pointsman/9-greet"]);
    std::fs::write(world.home().join("shop/greet.sh"), "echo half\n").expect("it is written");
    let before = world.git("shop", &["for-each-ref"]);
    world.start().await;
    let (code, _, err) = world.says(&["agent", "check", "shop"]).await;
    assert_eq!(code, Some(1));
    assert!(err.contains("greet.sh changed, not by us"), "{err}");
    assert_eq!(world.git("shop", &["for-each-ref"]), before);
    assert_eq!(world.git("shop", &["status", "--porcelain"]), "M greet.sh");
    assert_eq!(
        world.git("shop", &["rev-parse", "--abbrev-ref", "HEAD"]),
        "pointsman/9-greet"
    );
    world.end().await;
}

#[tokio::test]
async fn no_rehearsal_begins_while_a_dispatch_is_open_in_any_window() {
    let mut world = World::new();
    world.project("shop");
    world.start().await;
    world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    for window in [Window::AGENT, Window::Check] {
        world
            .until_event("work begins", "shop", |event| {
                matches!(event, Event::DispatchOpened { opening } if opening.window == window)
            })
            .await;
        // Its tree and its brief come first.
        world.agents_wait();
        let (code, _, err) = world.says(&["agent", "check", "shop"]).await;
        assert_eq!(code, Some(1));
        assert!(
            err.contains("Error: no rehearsal now: ") && err.contains("has the session"),
            "{window:?}: {err}"
        );
        world.agents_go_on();
    }
    assert_eq!(world.git("shop", &["branch", "--list", "*check*"]), "");
    world.end().await;
}

/// Where the tree stood is known, whatever the agent, or a person, switched to in between.
#[tokio::test]
async fn the_tree_is_put_back_to_where_the_rehearsal_found_it() {
    let mut world = World::new();
    world.project("shop").rehearses("commit=asks");
    world.git("shop", &["switch", "-q", "-c", "my-own"]);
    world.start().await;
    let (code, _, err) = world.says(&["agent", "check", "shop"]).await;
    assert_eq!(code, Some(1), "{err}");
    let ours = world.git("shop", &["rev-parse", "--abbrev-ref", "HEAD"]);
    assert!(ours.starts_with("pointsman/check-"), "{ours}");
    world.git("shop", &["switch", "-q", "main"]);
    world.git("shop", &["switch", "-q", &ours]);
    world.tmux(&["send-keys", "-t", "=shop:agent", "y"]);
    world.until_tidy("shop").await;
    assert_untouched(&world, "my-own");
    world.end().await;
}

/// Kill -9 at each step of it: the next daemon clears away what is there.
#[tokio::test]
async fn a_rehearsal_whose_daemon_was_killed_leaves_nothing_behind_either() {
    let moments: [fn(&Event) -> bool; 3] = [
        |event| matches!(event, Event::DispatchOpened { .. }),
        |event| matches!(event, Event::TreePrepared { .. }),
        |event| matches!(event, Event::AgentChecked { .. }),
    ];
    for moment in moments {
        let mut world = World::new();
        world.project("shop").pace(100);
        world.git("shop", &["switch", "-q", "-c", "my-own"]);
        world.spawn();
        while world.call(&Call::Reload).is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let mut asks = world
            .command(&["agent", "check", "shop"])
            .spawn()
            .expect("it starts");
        world.until_event("its moment", "shop", moment).await;
        world.kill();
        asks.wait().expect("it is ours");
        world.spawn();
        world
            .until("the rehearsal is cleared away", |told| {
                told.iter()
                    .any(|told| matches!(told.event, Event::DispatchTidied { .. }))
                    .then_some(())
            })
            .await;
        assert_untouched(&world, "my-own");
        world.end().await;
    }
}

#[tokio::test]
async fn a_verb_that_was_the_daemon_and_was_killed_is_made_good_by_the_next_one() {
    let world = World::new();
    world.project("shop").agents_wait();
    let mut asks = world
        .command(&["agent", "check", "shop"])
        .spawn()
        .expect("it starts");
    let written = || world.git("shop", &["branch", "--list", "pointsman/check-*"]);
    until("its branch is there", || {
        (!written().is_empty()).then_some(())
    })
    .await;
    asks.kill().expect("it is ours");
    asks.wait().expect("it is ours");
    assert_ne!(written(), "");
    world.agents_go_on();
    let mut told = (None, String::new(), String::new());
    for _ in 0..3 {
        told = world.says(&["agent", "check", "shop"]).await;
        if told.0 == Some(0) {
            break;
        }
    }
    assert_eq!(told.0, Some(0), "{told:?}");
    assert_untouched(&world, "main");
    world.end().await;
}
