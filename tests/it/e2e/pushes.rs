//! The branch on its way out: what only a person may change stays, what a remote refuses is said, and nothing is ever forced.

use std::os::unix::fs::PermissionsExt as _;

use pointsman::domain::{Event, IssueNumber, ProjectName};

use crate::support::world::World;

const BRANCH: &str = "pointsman/1-greet-by-name";

async fn issue(world: &World) -> IssueNumber {
    let text = "It should take a name.";
    world
        .issue("shop", "Greet by name", text, "ready-for-dev")
        .await
}

fn heads(world: &World) -> String {
    world.git(
        "shop.git",
        &[
            "for-each-ref",
            "--format=%(refname:short) %(objectname)",
            "refs/heads",
        ],
    )
}

/// A commit that nobody's branch has.
fn commit(world: &World, file: &str) -> String {
    let blob = world.git("shop", &["hash-object", "-w", "README.md"]);
    let index = world.home().join("other-index");
    let script = format!(
        "export GIT_INDEX_FILE={index}; git read-tree main && git update-index --add --cacheinfo 100644,{blob},{file} && git commit-tree -p main -m other $(git write-tree)",
        index = index.display()
    );
    world.git("shop", &["-c", &format!("alias.other=!{script}"), "other"])
}

#[tokio::test]
async fn a_change_of_a_protected_path_is_not_pushed_but_handed_to_a_person() {
    let mut world = World::new();
    world.project("shop");
    world.write_project(
        "shop",
        "tracker = \"local\"\nbuild = \"sh tests/run.sh\"\nprotected = [\"Scripts/**\"]\n",
    );
    world.start().await;
    let before = heads(&world);
    let issue = issue(&world).await;
    let parked = world
        .until_event("it is a person's", "shop", |event| {
            matches!(event, Event::ParkIntended { .. })
        })
        .await;
    let Event::ParkIntended { why, .. } = parked.event else {
        unreachable!()
    };
    assert!(
        why.contains("nothing was pushed") && why.contains("`scripts/greet-by-name-1.sh`"),
        "{why}"
    );
    assert!(
        !why.contains("tests/"),
        "only what is protected is named: {why}"
    );
    world.until_held("shop", issue, "parked").await;
    assert_eq!(heads(&world), before, "the remote has nothing of it");
    let files = world.git("shop", &["diff", "--name-only", "main", BRANCH]);
    assert!(
        files.contains("scripts/greet-by-name-1.sh"),
        "the work is there: {files}"
    );
    world.end().await;
}

/// Beyond its authority: whose word it takes is said by name, outside of the quote, with the files.
#[tokio::test]
async fn work_beyond_its_authority_calls_who_decides_by_name() {
    let mut world = World::new();
    world.project("shop");
    world.write_project(
        "shop",
        "tracker = \"local\"\nbuild = \"sh tests/run.sh\"\nprotected = []\nauthority = [{ paths = [\"scripts/**\"], who = [\"dora\"] }]\n",
    );
    world.start().await;
    let before = heads(&world);
    let issue = issue(&world).await;
    let held = world.until_held("shop", issue, "parked").await;
    let said = held.to_string();
    let named = "this takes the word of @dora: nothing was pushed: the work changes `scripts/greet-by-name-1.sh`, which dora decides on (`authority` in the project's file). ";
    assert!(said.contains(named), "{said}");
    assert_eq!(heads(&world), before, "the remote has nothing of it");
    let handed_over = |event: &Event| matches!(event, Event::IssueParked { .. });
    world.until_event("it is said", "shop", handed_over).await;
    let comments = world.tracker("shop").comments(issue).await;
    let comments = comments.expect("they can be read");
    let called = |one: &pointsman::domain::Comment| {
        one.body
            .starts_with("a person is needed: this takes the word of @dora:\n")
    };
    assert!(comments.iter().any(called), "{comments:#?}");
    world.end().await;
}

/// What the agent runs can move every branch that is here.
#[tokio::test]
async fn a_local_default_branch_that_was_moved_hides_no_protected_path() {
    let mut world = World::new();
    world.project("shop");
    world.write_project(
        "shop",
        "tracker = \"local\"\nbuild = \"git branch -f main HEAD\"\nprotected = [\"scripts/**\"]\n",
    );
    world.start().await;
    let before = heads(&world);
    let issue = issue(&world).await;
    world.until_held("shop", issue, "parked").await;
    let main = world.git("shop", &["rev-parse", "main"]);
    let work = world.git("shop", &["rev-parse", BRANCH]);
    assert_eq!(main, work, "the build did it");
    assert_eq!(heads(&world), before, "the remote has nothing of it");
    world.end().await;
}

#[tokio::test]
async fn a_push_that_a_rule_refuses_is_told_at_once_and_goes_on_once_the_rule_is_gone() {
    let mut world = World::new();
    world.project("shop");
    let hook = world.home().join("shop.git/hooks/pre-receive");
    std::fs::write(
        &hook,
        "#!/bin/sh\necho 'GH006: Protected branch update failed'\nexit 1\n",
    )
    .unwrap();
    std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.start().await;
    let before = heads(&world);
    let issue = issue(&world).await;
    let hold = world.until_held("shop", issue, "blocked").await;
    let says = hold.to_string();
    assert!(
        says.contains(&format!("a rule of the remote refuses `{BRANCH}`")),
        "{says}"
    );
    assert!(
        says.contains("nothing is lost, it is tried again by itself"),
        "{says}"
    );
    assert!(
        hold.hint(&ProjectName::new("blog"))
            .is_some_and(|hint| hint.contains("allow pushes")),
        "{hold:?}"
    );
    assert_eq!(heads(&world), before);
    assert!(
        !world
            .git("shop", &["log", "--format=%H", &format!("main..{BRANCH}")])
            .is_empty()
    );
    world.cycles("shop", 3).await;
    let tries = world.told().await;
    let tries = tries
        .iter()
        .filter(|told| matches!(told.event, Event::DispatchStalled { hold: Some(_), .. }));
    assert_eq!(tries.count(), 1, "it is not tried in a loop");
    std::fs::remove_file(&hook).unwrap();
    world
        .until_event("it is pushed", "shop", |event| {
            matches!(event, Event::BranchPushed { .. })
        })
        .await;
    assert!(heads(&world).contains(BRANCH));
    world.end().await;
}

#[tokio::test]
async fn a_branch_with_other_commits_on_the_remote_is_never_overwritten() {
    let mut world = World::new();
    world.project("shop");
    let other = commit(&world, "other.md");
    world.git(
        "shop",
        &[
            "push",
            "-q",
            "origin",
            &format!("{other}:refs/heads/{BRANCH}"),
        ],
    );
    world.start().await;
    let issue = issue(&world).await;
    let hold = world.until_held("shop", issue, "blocked").await.to_string();
    assert!(
        hold.contains(&other[..10]) && hold.contains("was not overwritten"),
        "{hold}"
    );
    assert_eq!(world.git("shop.git", &["rev-parse", BRANCH]), other);
    world.end().await;
}
