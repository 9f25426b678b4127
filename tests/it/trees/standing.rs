//! Work trees of ours: they come back whatever happened to the project they belong to.

use pointsman::daemon::tree;
use pointsman::domain::Subject;

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
