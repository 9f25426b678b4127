//! CONTRIBUTING.md, followed to the letter: an agent that nobody knows, beside one that is known.

use std::os::unix::fs::PermissionsExt as _;

use pointsman::domain::{Event, IssueNumber, ProjectName};

use super::pane_pid;
use crate::support::patience::until;
use crate::support::world::{Told, World};

/// W1, W6, W9, W45: a file is all it takes; each project has its own session; an agent keeps its process from task to task.
#[tokio::test]
async fn an_agent_nobody_knows_works_beside_a_known_one_and_keeps_its_context() {
    let mut world = World::new();
    install_parrot(&mut world);
    // The transcript is looked at before the agent's first report, which is a receipt too.
    world.agents_wait();
    world.project("shop").project("zoo");
    solo_with(&world, "shop", "demo");
    solo_with(&world, "zoo", "parrot");
    let (later, file) = (
        world.home().join("zoo.toml"),
        world.places.config.join("projects/zoo.toml"),
    );
    std::fs::rename(&file, &later).unwrap();
    world.start().await;
    // Both files come while the daemon runs, the profile first.
    let profile = world.places.config.join("agents/parrot.toml");
    std::fs::write(profile, include_str!("parrot.toml")).unwrap();
    std::fs::rename(&later, &file).unwrap();
    until_it_runs(&world, "zoo").await;
    let greet = world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    let squawk = world.issue("zoo", "Squawk", "", "ready-for-dev").await;
    world
        .until_event("the brief is received", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    world.agents_go_on();
    world.until_yours("shop", greet).await;
    world.until_yours("zoo", squawk).await;

    for project in ["shop", "zoo"] {
        let path = world.tmux(&[
            "list-panes",
            "-t",
            &format!("{project}:agent"),
            "-F",
            "#{pane_current_path}",
        ]);
        assert_eq!(path, world.home().join(project).display().to_string());
    }

    let before = pane_pid(&world, "zoo:agent");
    let again = world
        .issue("zoo", "Squawk again", "", "ready-for-dev")
        .await;
    world.until_yours("zoo", again).await;
    assert_eq!(pane_pid(&world, "zoo:agent"), before, "the same process");
    let told = world.told().await;
    assert_eq!(witness(&told, "shop"), "transcript-");
    assert_eq!(
        witness(&told, "zoo"),
        pane_pid(&world, "zoo:agent"),
        "its transcript is named by its process"
    );
    assert_eq!(
        skill_part(&told, "zoo", again),
        skill_part(&told, "shop", greet)
    );
    world.end().await;
}

/// Gives a project an agent and the workflow of one stage.
fn solo_with(world: &World, project: &str, agent: &str) {
    let file = world.places.config.join(format!("projects/{project}.toml"));
    let text = std::fs::read_to_string(&file).unwrap();
    let text = text.replace("\"demo\"", &format!("{agent:?}"));
    std::fs::write(file, text + "workflow = \"solo.toml\"\n").unwrap();
}

async fn until_it_runs(world: &World, project: &str) {
    until(&format!("{project} runs"), || {
        let projects = world.daemon().projects();
        let runs = |name: &ProjectName| name.as_str() == project;
        projects.iter().any(runs).then_some(())
    })
    .await;
}

/// Puts the program on PATH.
fn install_parrot(world: &mut World) {
    let bin = world.home().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    std::fs::write(bin.join("parrot"), include_str!("parrot.sh")).unwrap();
    std::fs::set_permissions(bin.join("parrot"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let path = world
        .places
        .env
        .iter_mut()
        .find(|(name, _)| name == "PATH")
        .expect("a world has a PATH");
    path.1 = format!("{}:{}", bin.display(), path.1);
}

/// The file that showed that the last delivery of a project arrived, up to what differs from agent to agent.
fn witness(told: &[Told], project: &str) -> String {
    let witness = told
        .iter()
        .filter(|told| told.project == project)
        .find_map(|told| match &told.event {
            // A report that was read before the transcript is a receipt too, and says nothing of the agent's kind.
            Event::DeliverySettled { witness, .. } if !witness.starts_with("report ") => {
                Some(witness.clone())
            }
            _ => None,
        })
        .expect("a delivery was confirmed by a transcript");
    let end = if witness.starts_with("transcript-") {
        "transcript-".len()
    } else {
        witness.find(".jsonl").expect("a transcript")
    };
    witness[..end].to_owned()
}

/// What the skill wrote into a brief: all between its head and the facts, less the delivery's own lines.
fn skill_part(told: &[Told], project: &str, issue: IssueNumber) -> String {
    let dispatch = told
        .iter()
        .find_map(|told| match &told.event {
            Event::DispatchOpened { opening }
                if told.project == project && opening.issue() == Some(issue) =>
            {
                Some(opening.id.clone())
            }
            _ => None,
        })
        .expect("it was dispatched");
    let text = told
        .iter()
        .find_map(|told| match &told.event {
            Event::DeliveryPlanned { delivery } if delivery.dispatch == dispatch => {
                Some(delivery.text.clone())
            }
            _ => None,
        })
        .expect("its brief was planned");
    let (_, rest) = text
        .split_once("\n## Objective")
        .expect("the skill's start");
    let (part, _) = rest.split_once("\n---\n").expect("the skill's end");
    assert!(part.len() > 1_000, "{part}");
    part.to_owned()
}
