//! An agent whose provider fails, on a real tmux: what passes is gone on with by itself, what does not is a person's.

use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use pointsman::domain::{Event, Purpose};

use crate::support::world::World;

/// J31: one stopped with an error that passes, and is told to go on after half a minute; the other was refused, and is not.
#[tokio::test]
async fn who_is_overloaded_is_told_to_go_on_and_who_is_refused_is_a_persons() {
    let mut world = World::new();
    install(&mut world);
    world.project("shop").project("blog");
    solo_with(&world, "shop", "overloaded");
    solo_with(&world, "blog", "refused");
    world.start().await;
    let refused = world.issue("blog", "Rain", "", "ready-for-dev").await;
    until_inbox(&world, "was refused by its provider").await;
    let overloaded = world.issue("shop", "Rain", "", "ready-for-dev").await;
    world.until_yours("shop", overloaded).await;

    let told = world.told().await;
    let words = |project: &str| {
        let of = told.iter().filter(|told| told.project == project);
        let planned = of.filter_map(|told| match &told.event {
            Event::DeliveryPlanned { delivery } => Some(delivery.purpose),
            _ => None,
        });
        planned.collect::<Vec<_>>()
    };
    assert_eq!(words("shop"), [Purpose::Brief, Purpose::Resume]);
    assert_eq!(words("blog"), [Purpose::Brief]);
    let (_, inbox, _) = world.says(&["inbox"]).await;
    let asks = "pointsman attach blog, mend what is refused, and tell it to go on";
    assert!(inbox.contains(asks), "{inbox}");
    // A person does, in the agent's own window.
    world.tmux(&["send-keys", "-t", "=blog:agent", "Go on.", "Enter"]);
    world.until_yours("blog", refused).await;
    world.end().await;
}

async fn until_inbox(world: &World, wanted: &str) {
    let mut inbox = String::new();
    for _ in 0..600 {
        inbox = world.says(&["inbox"]).await.1;
        if inbox.contains(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("`{wanted}` never comes: {inbox}");
}

/// Puts the program on PATH, and a profile for each way in which it fails.
fn install(world: &mut World) {
    let bin = world.home().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let program = bin.join("outage");
    std::fs::write(&program, include_str!("outage.sh")).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let mut env = world.places.env.iter_mut();
    let path = env.find(|(name, _)| name == "PATH");
    let path = path.expect("a world has a PATH");
    path.1 = format!("{}:{}", bin.display(), path.1);
    let agents = world.places.config.join("agents");
    std::fs::create_dir_all(&agents).unwrap();
    for fails in ["overloaded", "refused"] {
        let text = include_str!("outage.toml").replace("\"overloaded\"]", &format!("{fails:?}]"));
        std::fs::write(agents.join(format!("{fails}.toml")), text).unwrap();
    }
}

/// Gives a project an agent and the workflow of one stage.
fn solo_with(world: &World, project: &str, agent: &str) {
    let file = world.places.config.join(format!("projects/{project}.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("\"demo\"", &format!("{agent:?}"));
    std::fs::write(file, text + "workflow = \"solo.toml\"\n").unwrap();
}
