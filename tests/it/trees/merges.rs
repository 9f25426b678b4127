//! An approved commit goes into the default branch: here, and where everybody else looks.

use std::os::unix::fs::PermissionsExt as _;

use pointsman::daemon::jobs::merge::merge;
use pointsman::daemon::jobs::push::push;
use pointsman::domain::{IssueNumber, Outcome, Subject};

use crate::builders::{dev, dispatch};
use crate::support::world::World;

/// Work of an issue on a branch of its own; `main` stands where it was.
fn work(world: &World, file: &str, text: &str) -> Subject {
    world.git("shop", &["switch", "-q", "-c", "pointsman/1-work"]);
    let commit = world.commit("shop", file, text);
    world.git("shop", &["switch", "-q", "main"]);
    Subject::new(commit)
}

/// Somebody else's commit, pushed to the remote's `main`; the project does not know of it.
fn elsewhere(world: &World, file: &str, text: &str) {
    let other = world.home().join("other").display().to_string();
    let remote = world.home().join("shop.git").display().to_string();
    world.git("shop", &["clone", "-q", &remote, &other]);
    world.commit("other", file, text);
    world.git("other", &["push", "-q", "origin", "main"]);
}

async fn merged(world: &World, subject: &Subject) -> Outcome {
    let hands = world.hands("shop").await;
    merge(&hands, IssueNumber(1), subject).await
}

fn remote_main(world: &World) -> String {
    world.git("shop.git", &["rev-parse", "main"])
}

fn refusal(outcome: &Outcome) -> &str {
    match outcome {
        Outcome::NotMerged { why } => why,
        other => panic!("a definite no: {other:?}"),
    }
}

fn into_main(outcome: &Outcome) {
    assert!(
        matches!(outcome, Outcome::Merged { into } if into == "main"),
        "{outcome:?}"
    );
}

/// Cuts the pushes of scripts short, as their limit would.
fn impatient(world: &mut World) {
    let folder = world.home().join("bin");
    std::fs::create_dir_all(&folder).unwrap();
    let shim = folder.join("timeout");
    let text = "#!/bin/sh\n[ \"$2 $3\" = 'git push' ] && exit 124\nexec /usr/bin/timeout \"$@\"\n";
    std::fs::write(&shim, text).unwrap();
    std::fs::set_permissions(&shim, std::fs::Permissions::from_mode(0o755)).unwrap();
    for (name, value) in &mut world.places.env {
        if name == "PATH" {
            *value = format!("{}:{value}", folder.display());
        }
    }
}

/// A `pre-push` hook that runs all the tests, or waits for an answer, is the person's to look at.
#[tokio::test]
async fn a_push_that_takes_too_long_says_so_and_names_the_hook() {
    let mut world = World::new();
    world.project("shop");
    let subject = work(&world, "more.sh", "echo more\n");
    impatient(&mut world);
    let hands = world.hands("shop").await;
    let of = dispatch("d1d1d1", 1, "Work", dev());
    let pushed = push(&hands, &of, "pointsman/1-work", &subject).await;
    let Outcome::Refused { why, hint, .. } = &pushed else {
        panic!("{pushed:?}");
    };
    assert!(why.contains("10 minutes"), "{why}");
    assert!(hint.contains("pre-push"), "{hint}");
    let landed = merged(&world, &subject).await;
    assert!(
        matches!(&landed, Outcome::Failed { why, .. } if why.contains("10 minutes") && why.contains("pre-push")),
        "{landed:?}"
    );
}

/// Nothing to hold the work against: nobody knows what it touches.
#[tokio::test]
async fn without_a_known_default_branch_nothing_is_pushed() {
    let world = World::new();
    world.project("shop");
    let subject = work(&world, "more.sh", "echo more\n");
    world.git("shop", &["switch", "-q", "pointsman/1-work"]);
    world.git("shop", &["branch", "-q", "-D", "main"]);
    world.git("shop", &["remote", "set-head", "origin", "--delete"]);
    let hands = world.hands("shop").await;
    let of = dispatch("d1d1d1", 1, "Work", dev());
    let pushed = push(&hands, &of, "pointsman/1-work", &subject).await;
    assert!(
        matches!(&pushed, Outcome::Refused { hint, .. } if hint.contains("set-head")),
        "{pushed:?}"
    );
    let there = world.git("shop.git", &["branch", "--list", "pointsman/*"]);
    assert_eq!(there, "");
}

#[tokio::test]
async fn work_that_only_the_local_branch_has_is_still_pushed() {
    let world = World::new();
    world.project("shop");
    let subject = work(&world, "more.sh", "echo more\n");
    // As a crash between the move and the push leaves it.
    world.git("shop", &["merge", "-q", "--ff-only", "pointsman/1-work"]);
    into_main(&merged(&world, &subject).await);
    assert_eq!(remote_main(&world), subject.as_str());
}

#[tokio::test]
async fn a_push_that_the_remote_refuses_is_no_merge_and_moves_nothing() {
    let world = World::new();
    world.project("shop");
    let before = remote_main(&world);
    let hook = world.home().join("shop.git/hooks/pre-receive");
    std::fs::write(&hook, "#!/bin/sh\necho main is protected\nexit 1\n").unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let subject = work(&world, "more.sh", "echo more\n");
    let outcome = merged(&world, &subject).await;
    assert!(
        refusal(&outcome).contains("main is protected"),
        "{outcome:?}"
    );
    assert_eq!(remote_main(&world), before);
    assert_eq!(world.git("shop", &["rev-parse", "main"]), before);
    std::fs::remove_file(&hook).unwrap();
    into_main(&merged(&world, &subject).await);
    assert_eq!(remote_main(&world), subject.as_str());
    assert_eq!(world.git("shop", &["rev-parse", "main"]), subject.as_str());
}

#[tokio::test]
async fn a_remote_that_does_not_answer_is_asked_again() {
    let world = World::new();
    world.project("shop");
    let subject = work(&world, "more.sh", "echo more\n");
    let (here, away) = (world.home().join("shop.git"), world.home().join("away.git"));
    std::fs::rename(&here, &away).unwrap();
    let outcome = merged(&world, &subject).await;
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
    std::fs::rename(&away, &here).unwrap();
    into_main(&merged(&world, &subject).await);
    assert_eq!(remote_main(&world), subject.as_str());
}

#[tokio::test]
async fn without_a_build_a_branch_that_moved_on_is_merged_all_the_same() {
    let world = World::new();
    world.project("shop");
    world.write_project("shop", "tracker = \"local\"\nbuild = \"none\"\n");
    elsewhere(&world, "theirs.sh", "echo theirs\n");
    let subject = work(&world, "more.sh", "echo more\n");
    into_main(&merged(&world, &subject).await);
    let files = world.git("shop.git", &["ls-tree", "--name-only", "main"]);
    assert!(
        files.contains("theirs.sh") && files.contains("more.sh"),
        "{files}"
    );
    assert_eq!(
        world.git("shop", &["rev-parse", "main"]),
        remote_main(&world)
    );
}

#[tokio::test]
async fn a_conflict_is_a_definite_no_that_names_the_files() {
    let world = World::new();
    world.project("shop");
    elsewhere(&world, "greet.sh", "#!/bin/sh\necho \"hello, you\"\n");
    let before = remote_main(&world);
    let subject = work(&world, "greet.sh", "#!/bin/sh\necho \"hello, me\"\n");
    let outcome = merged(&world, &subject).await;
    assert!(refusal(&outcome).contains("greet.sh"), "{outcome:?}");
    assert_eq!(remote_main(&world), before);
}

#[tokio::test]
async fn a_merge_that_does_not_build_is_a_definite_no() {
    let world = World::new();
    world.project("shop");
    elsewhere(&world, "greet.sh", "#!/bin/sh\necho \"good day\"\n");
    let before = remote_main(&world);
    let subject = work(&world, "more.sh", "echo more\n");
    let outcome = merged(&world, &subject).await;
    assert!(refusal(&outcome).contains("does not build"), "{outcome:?}");
    assert_eq!(remote_main(&world), before);
}

#[tokio::test]
async fn without_a_remote_the_local_branch_is_all_there_is() {
    let world = World::new();
    world.project("shop");
    world.git("shop", &["remote", "remove", "origin"]);
    let subject = work(&world, "more.sh", "echo more\n");
    into_main(&merged(&world, &subject).await);
    assert_eq!(world.git("shop", &["rev-parse", "main"]), subject.as_str());
}
