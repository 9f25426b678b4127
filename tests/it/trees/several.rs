//! The trees of further agents: made once, never emptied, and a branch is in one of them.

use std::os::unix::fs::PermissionsExt as _;

use pointsman::daemon::jobs::tree;
use pointsman::domain::{Dispatch, DispatchId, Hold, Outcome, Window};
use pointsman::machine::state::State;

use crate::builders::{dev, dispatch};
use crate::support::world::World;

const SECOND: Window = Window::Agent(2);

/// A dispatch of issue 7 in a window, as it is opened.
fn of_seven(window: Window) -> Dispatch {
    let mut dispatch = dispatch("ab12cd", 7, "Add an FAQ", dev());
    dispatch.opening.window = window;
    dispatch.opening.branch = Some("pointsman/7-faq".to_owned());
    dispatch
}

fn branch_of(world: &World, tree: &std::path::Path) -> String {
    let path = tree.display().to_string();
    world.git("", &["-C", &path, "rev-parse", "--abbrev-ref", "HEAD"])
}

fn several(more: &str) -> World {
    let world = World::new();
    world.project("shop");
    let text = format!("tracker = \"local\"\nbuild = \"none\"\nsessions = 2\n{more}");
    world.write_project("shop", &text);
    world
}

#[tokio::test]
async fn a_further_agents_tree_is_made_once_and_prepared_for_what_stands_in_it() {
    let world = several("prepare = \"echo prepared >>../prepared\"\n");
    let hands = world.hands("shop").await;
    let project = hands.project().expect("it is configured");
    let tree = hands.places.tree(&project, SECOND);
    assert_eq!(tree, world.places.trees(&project.name).join("agent-2"));
    tree::make(&hands, SECOND).await.expect("it is made");
    std::fs::write(tree.join("notes.txt"), "not committed\n").unwrap();
    tree::make(&hands, SECOND).await.expect("it is there");
    let kept = std::fs::read_to_string(tree.join("notes.txt")).unwrap();
    assert_eq!(kept, "not committed\n");

    // Somebody's file is in the way, as it is in the project's own folder.
    let held = tree::prepare(&hands, &of_seven(SECOND)).await;
    let Outcome::Held { hold, .. } = &held else {
        panic!("{held:?}")
    };
    assert!(
        matches!(hold, Hold::TreeDirty { files } if files == &["notes.txt"]),
        "{hold:?}"
    );
    std::fs::remove_file(tree.join("notes.txt")).unwrap();

    let before = world.git("shop", &["symbolic-ref", "HEAD"]);
    for _again in 0..2 {
        let outcome = tree::prepare(&hands, &of_seven(SECOND)).await;
        assert!(
            matches!(outcome, Outcome::Prepared { base: Some(_), .. }),
            "{outcome:?}"
        );
    }
    let path = tree.display().to_string();
    let here = world.git("", &["-C", &path, "symbolic-ref", "HEAD"]);
    assert_eq!(here, "refs/heads/pointsman/7-faq");
    assert_eq!(world.git("shop", &["symbolic-ref", "HEAD"]), before);
    let prepared = std::fs::read_to_string(tree.with_file_name("prepared")).unwrap();
    assert_eq!(prepared.lines().count(), 1, "once for the same lock files");
}

#[tokio::test]
async fn a_branch_leaves_the_tree_that_has_it_and_takes_no_file_along() {
    let world = several("");
    let hands = world.hands("shop").await;
    let project = hands.project().expect("it is configured");
    let first = tree::prepare(&hands, &of_seven(Window::AGENT)).await;
    assert!(matches!(first, Outcome::Prepared { .. }), "{first:?}");
    let branch = || world.git("shop", &["rev-parse", "--abbrev-ref", "HEAD"]);
    assert_eq!(branch(), "pointsman/7-faq");

    // What is not committed there stays there, and the move waits.
    let work = world.home().join("shop/work.txt");
    std::fs::write(&work, "half of it\n").unwrap();
    let held = tree::prepare(&hands, &of_seven(SECOND)).await;
    let Outcome::Held { hold, .. } = &held else {
        panic!("{held:?}")
    };
    let place = world.home().join("shop").display().to_string();
    assert_eq!(
        hold.to_string(),
        format!(
            "its branch is checked out in {place}, where work.txt changed and is not committed"
        )
    );
    let hint = format!("commit or stash them in {place}");
    assert_eq!(hold.hint(&project.name), Some(hint));
    assert_eq!(std::fs::read_to_string(&work).unwrap(), "half of it\n");
    assert_eq!(branch(), "pointsman/7-faq");

    world.git("shop", &["add", "-A"]);
    world.git("shop", &["commit", "-q", "-m", "the other half"]);
    let commit = world.git("shop", &["rev-parse", "HEAD"]);
    let moved = tree::prepare(&hands, &of_seven(SECOND)).await;
    assert!(matches!(moved, Outcome::Prepared { .. }), "{moved:?}");
    assert_eq!(branch(), "HEAD", "detached, on the same commit");
    assert_eq!(world.git("shop", &["rev-parse", "HEAD"]), commit);
    let tree = hands.places.tree(&project, SECOND).display().to_string();
    let here = world.git("", &["-C", &tree, "rev-parse", "--abbrev-ref", "HEAD"]);
    assert_eq!(here, "pointsman/7-faq");

    // And back, out of the further tree.
    let back = tree::prepare(&hands, &of_seven(Window::AGENT)).await;
    assert!(matches!(back, Outcome::Prepared { .. }), "{back:?}");
    assert_eq!(branch(), "pointsman/7-faq");
}

#[tokio::test]
async fn a_tree_that_lost_its_project_is_not_emptied() {
    let world = several("");
    let hands = world.hands("shop").await;
    let project = hands.project().expect("it is configured");
    tree::make(&hands, SECOND).await.expect("it is made");
    let tree = hands.places.tree(&project, SECOND);
    std::fs::write(tree.join("notes.txt"), "not committed\n").unwrap();
    let (here, remote) = (world.home().join("shop"), world.home().join("shop.git"));
    std::fs::remove_dir_all(&here).unwrap();
    let (here, remote) = (here.display().to_string(), remote.display().to_string());
    world.git("", &["clone", "-q", &remote, &here]);
    let why = tree::make(&hands, SECOND)
        .await
        .expect_err("it has something in it");
    assert!(
        why.contains("is no work tree of") && why.contains("any more"),
        "{why}"
    );
    assert!(tree.join("notes.txt").is_file());
    std::fs::remove_dir_all(&tree).unwrap();
    tree::make(&hands, SECOND).await.expect("it is made anew");
}

#[tokio::test]
async fn a_persons_own_work_tree_keeps_its_branch() {
    let world = several("");
    let hands = world.hands("shop").await;
    let project = hands.project().expect("it is configured");
    let theirs = world.home().join("theirs");
    let path = theirs.display().to_string();
    let add = ["worktree", "add", "-q", "-b", "pointsman/7-faq", &path];
    world.git("shop", &add);
    let trees = world.places.trees(&project.name);
    for is_there in [false, true] {
        assert_eq!(trees.is_dir(), is_there);
        let outcome = tree::prepare(&hands, &of_seven(Window::AGENT)).await;
        let Outcome::Failed { why, .. } = &outcome else {
            panic!("{outcome:?}")
        };
        let begins = "the tree cannot be put on pointsman/7-faq: fatal: ";
        assert!(why.starts_with(begins) && why.contains(&path), "{why}");
        assert_eq!(branch_of(&world, &theirs), "pointsman/7-faq");
        tree::make(&hands, SECOND).await.expect("it is made");
    }
}

#[tokio::test]
async fn a_tree_that_was_deleted_by_hand_has_no_branch() {
    let world = several("");
    let hands = world.hands("shop").await;
    let project = hands.project().expect("it is configured");
    let first = tree::prepare(&hands, &of_seven(SECOND)).await;
    assert!(matches!(first, Outcome::Prepared { .. }), "{first:?}");
    std::fs::remove_dir_all(hands.places.tree(&project, SECOND)).unwrap();
    let moved = tree::prepare(&hands, &of_seven(Window::AGENT)).await;
    assert!(matches!(moved, Outcome::Prepared { .. }), "{moved:?}");
    assert_eq!(branch_of(&world, &project.path), "pointsman/7-faq");
}

#[tokio::test]
async fn two_trees_are_put_one_after_the_other() {
    let world = several("");
    let hands = world.hands("shop").await;
    tree::make(&hands, SECOND).await.expect("it is made");
    // A branch takes its time to be made: there is room for the other one to look for it.
    let hook = world.home().join("shop/.git/hooks/reference-transaction");
    std::fs::create_dir_all(hook.parent().expect("it has a folder")).unwrap();
    let slow = "#!/bin/sh\n[ \"$1\" != prepared ] || sleep 0.5\n";
    std::fs::write(&hook, slow).unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    let (first, mut second) = (of_seven(Window::AGENT), of_seven(SECOND));
    second.opening.id = DispatchId::new("ab12ce");
    let both = tokio::join!(
        tree::prepare(&hands, &first),
        tree::prepare(&hands, &second)
    );
    for outcome in [both.0, both.1] {
        assert!(matches!(outcome, Outcome::Prepared { .. }), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_tree_of_another_repository_is_not_taken() {
    let world = several("");
    let hands = world.hands("shop").await;
    let project = hands.project().expect("it is configured");
    tree::make(&hands, SECOND).await.expect("it is made");
    let tree = hands.places.tree(&project, SECOND);
    let path = tree.display().to_string();
    std::fs::rename(&project.path, world.home().join("moved")).unwrap();
    world.git("moved", &["worktree", "repair", &path]);
    let (here, remote) = (&project.path, world.home().join("shop.git"));
    let (here, remote) = (here.display().to_string(), remote.display().to_string());
    world.git("", &["clone", "-q", &remote, &here]);
    let why = tree::make(&hands, SECOND)
        .await
        .expect_err("it is another's");
    assert!(why.contains("is no work tree of"), "{why}");
    assert!(tree.join(".git").is_file());
}

/// A window has a name that a person may have given to one of their own.
#[tokio::test]
async fn windows_of_agents_that_the_project_has_no_more_are_ours_while_something_of_them_is_left() {
    let world = several("");
    let hands = world.hands("shop").await;
    let mut project = hands.project().expect("it is configured");
    project.sessions = 1;
    let ours = || hands.windows(&project).into_iter().collect::<Vec<_>>();
    assert_eq!(ours(), [Window::AGENT, Window::Check]);

    // Work that is not over keeps its agent up.
    let mut state = State::default();
    state
        .dispatches
        .insert(DispatchId::new("ab12cd"), of_seven(SECOND));
    hands.hold_windows(&state);
    assert_eq!(hands.agents(&project), [Window::AGENT, SECOND]);
    assert_eq!(ours(), [Window::AGENT, SECOND, Window::Check]);
    hands.hold_windows(&State::default());
    assert_eq!(hands.agents(&project), [Window::AGENT]);
    assert_eq!(ours(), [Window::AGENT, Window::Check]);

    // Its tree is ours, and who stands in it.
    tree::make(&hands, SECOND).await.expect("it is made");
    assert_eq!(hands.agents(&project), [Window::AGENT]);
    assert_eq!(ours(), [Window::AGENT, SECOND, Window::Check]);
}
