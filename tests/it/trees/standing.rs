//! Work trees of ours: they come back whatever happened to the project they belong to.

use std::time::Duration;

use pointsman::daemon::jobs::tree;
use pointsman::daemon::looking::writable;
use pointsman::daemon::panes::answers;
use pointsman::daemon::places::Apart;
use pointsman::domain::{DeliveryId, Subject, Window};

use crate::builders::{dev, dispatch};
use crate::support::relay::Relay;
use crate::support::world::World;

#[tokio::test]
async fn a_project_that_was_cloned_anew_gets_its_trees_anew() {
    let world = World::new();
    world.project("shop");
    let hands = world.hands("shop").await;
    let project = hands.project().expect("it is configured");
    let tree = hands.places.gate_tree(&project);
    let before = tree::own_tree(&hands, &project, &tree, "gate", None).await;
    before.expect("the first time");

    let (here, remote) = (world.home().join("shop"), world.home().join("shop.git"));
    std::fs::remove_dir_all(&here).unwrap();
    let (here, remote) = (here.display().to_string(), remote.display().to_string());
    world.git("", &["clone", "-q", &remote, &here]);
    let head = Subject::new(world.git("shop", &["rev-parse", "HEAD"]));
    let stands = tree::own_tree(&hands, &project, &tree, "gate", Some(&head)).await;
    assert_eq!(stands.expect("the second time"), head);
}

/// Agents of another account make the tree, and the daemon may not: it has to find a folder for its brief in it.
#[tokio::test]
async fn with_two_users_a_tree_has_folders_that_both_may_write_in() {
    use std::os::unix::fs::PermissionsExt as _;
    let mut world = World::new();
    world.places.apart = Some(Apart {
        name: "agents".to_owned(),
        uid: rustix::process::geteuid().as_raw(),
        state: world.home().join("agents"),
        relay: world.places.socket.with_file_name("relay"),
    });
    std::fs::create_dir_all(world.places.socket.parent().unwrap()).unwrap();
    let _relay = Relay::beside(&world.places.socket);
    world.project("shop");
    let hands = world.hands("shop").await;
    let project = hands.project().expect("it is configured");
    let tree = hands.places.tree(&project, Window::Check);
    assert!(tree.starts_with(world.home().join("agents/trees")));
    for _again in 0..2 {
        let stands = tree::own_tree(&hands, &project, &tree, "check", None).await;
        stands.expect("it stands");
        for name in [".pointsman", ".pointsman/briefs", ".pointsman/spool"] {
            let facts = std::fs::metadata(tree.join(name)).expect("a folder");
            assert_eq!(facts.permissions().mode() & 0o7777, 0o2770, "{name}");
        }
        // Cleaned away by an agent, they come again.
        std::fs::remove_dir_all(tree.join(".pointsman")).unwrap();
    }
    assert_eq!(writable::hold(&hands), None);
    // No installation made the folder for this project's logs, as after a new name for its file.
    let logs = std::fs::metadata(hands.places.logs(&hands.name)).expect("jobs ran");
    assert_eq!(logs.permissions().mode() & 0o777, 0o770);
}

#[tokio::test]
async fn with_two_users_a_pane_of_another_account_is_not_adopted() {
    let mut world = World::new();
    world.places.apart = Some(Apart {
        name: "robots".to_owned(),
        uid: 4242,
        state: world.home().join("agents"),
        relay: world.home().join("relay"),
    });
    world.project("shop");
    world.write_project(
        "shop",
        "tracker = \"local\"\nbuild = \"none\"\nsession = \"default:work:1.0\"\n",
    );
    let hands = world.hands("shop").await;
    let hold = writable::hold(&hands).expect("it waits");
    assert_eq!(hold.word(), "adopted-apart");
    assert_eq!(
        hold.to_string(),
        "a pane is adopted, and agents of this installation run as `robots`: nothing is typed into another account's tmux"
    );
    let hint = hold.hint(&hands.name).expect("a person ends it");
    assert!(hint.contains("take `session` out of shop.toml"), "{hint}");
}

/// A build may have the tree for hours: a brief says so and goes on, and what runs there from before a restart is not ended for it.
#[tokio::test]
async fn a_briefs_commands_wait_for_no_gate_and_end_none_and_tell_the_beginning() {
    let world = World::new();
    world.project("shop");
    let project =
        "tracker = \"local\"\nbuild = \"true\"\nprepare = \"touch ../prepared-by-a-fact\"\n";
    let facts = "facts = [{ name = \"long\", run = \"echo first; head -c 2000000 /dev/zero | tr '\\\\0' x\" }]\n";
    world.write_project("shop", &format!("{project}{facts}"));
    let hands = world.hands("shop").await;
    let project = hands.project().expect("it is configured");
    let mut dispatch = dispatch("ab12cd", 7, "Add an FAQ", dev());
    dispatch.base = Some(Subject::new(world.git("shop", &["rev-parse", "HEAD"])));
    let delivery = DeliveryId::new("d1");
    let asked = async |seconds| {
        let wait = Duration::from_secs(seconds);
        let answers = answers::all(&hands, &project, &dispatch, &delivery, wait).await;
        answers.into_iter().next().expect("one command").ran
    };
    let taken = Err("a gate has the tree".to_owned());
    let held = hands.gate_tree.lock().await;
    assert_eq!(asked(1).await, taken);
    drop(held);

    let (exit, printed) = asked(20).await.expect("it runs");
    assert_eq!((exit, &printed[..7]), (Some(0), "first\nx"));
    let tree = hands.places.gate_tree(&project);
    assert!(!tree.with_file_name("prepared-by-a-fact").exists());

    let build = tree::measure(
        &hands,
        &tree,
        "build-x",
        "sleep 5; echo built",
        Duration::from_mins(1),
    );
    let during = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        asked(1).await
    };
    let (built, during) = tokio::join!(build, during);
    assert_eq!(during, taken);
    assert_eq!(built.expect("it ends").output, "built\n");
}
