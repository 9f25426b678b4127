//! A person's word: `route` and `approve`, and who may not give it.

use pointsman::domain::{Cause, Event, Settled};

use crate::support::world::World;

/// Runs a person's verb while the daemon of this process goes on: exit code, stdout, stderr.
async fn says(world: &World, words: &[&str]) -> (Option<i32>, String, String) {
    let mut command = world.command(words);
    command.env("USER", "ann");
    let ran = tokio::task::spawn_blocking(move || command.output());
    let ran = ran.await.expect("it does not panic").expect("it starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    (ran.status.code(), text(&ran.stdout), text(&ran.stderr))
}

#[tokio::test]
async fn a_person_routes_an_issue_and_an_agent_may_not() {
    let (world, _issue) = World::asked("shop").await;

    let (code, out, err) = says(&world, &["route", "1", "redy"]).await;
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert_eq!(
        err,
        "Error: there is no stage `redy`. The stages of shop are: ready-for-prep, ready-for-dev, QA, review"
    );
    let (code, _, err) = says(&world, &["approve", "1"]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with(
            "Error: #1 does not wait for approval: the agent asked: Should an empty name be refused"
        ) && err.contains("reply in a comment on the issue"),
        "{err}"
    );
    let (_, explained, _) = says(&world, &["explain", "1"]).await;
    assert!(
        explained.starts_with("held: asked. the agent asked: Should an empty name be refused")
            && explained.contains("Hint: reply in a comment on the issue"),
        "{explained}"
    );

    let said = world.home().join("said");
    let line = format!(
        "{} route 1 ready-for-dev >{} 2>&1; echo $? >>{1}; sleep 2",
        world.places.binary.display(),
        said.display()
    );
    let home = format!("HOME={}", world.home().display());
    world.tmux(&["new-session", "-d", "-e", &home, "-s", "_gate", &line]);
    world.tmux(&["new-window", "-d", "-e", &home, "-t", "_gate:", &line]);
    world
        .until("the gate was refused", |_| {
            let text = std::fs::read_to_string(&said).unwrap_or_default();
            let over = text.ends_with("\n1\n");
            (over && text.contains("this is a person's word")).then_some(())
        })
        .await;

    let (code, out, err) = says(&world, &["route", "1", "ready-for-dev"]).await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        out,
        "#1 goes to ready-for-dev by your word: what is open for it is withdrawn, then the label moves"
    );
    let opened = world
        .until_event("dev begins", "shop", |event| {
            matches!(event, Event::DispatchOpened { opening } if opening.stage.label.as_str() == "ready-for-dev")
        })
        .await;
    let Event::DispatchOpened { opening } = opened.event else {
        unreachable!()
    };
    assert_eq!(
        opening.approval().map(|word| word.by.login.as_str()),
        Some("ann")
    );
    let told = world.told().await;
    assert!(told.iter().any(|told| matches!(&told.event,
        Event::DispatchClosed { cause: Cause::Withdrawn { by, .. }, .. } if by == "ann")));
    world.end().await;
}

#[tokio::test]
async fn a_person_sends_work_back_and_the_next_brief_has_their_words() {
    let world = World::running("shop").await;
    let issue = world
        .issue("shop", "Greet by name", "", "ready-for-dev")
        .await;
    let (code, _, err) = says(&world, &["deny", "1", " "]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("Error: there is no reason\nHint: say what is wrong"),
        "{err}"
    );
    world.until_yours("shop", issue).await;
    world.until_held("shop", issue, "yours").await;
    let why = "An empty name is greeted too.";
    let (code, out, err) = says(&world, &["deny", "1", why]).await;
    assert_eq!(code, Some(0), "{err}");
    assert_eq!(
        out,
        "#1 goes back in shop: your words are in the next brief"
    );
    world
        .until_event("the next brief says it", "shop", |event| {
            matches!(event, Event::DeliveryPlanned { delivery } if delivery.text.contains(why))
        })
        .await;
    let opened = world.told().await.into_iter().rev();
    let rounds: Vec<u32> = opened
        .filter_map(|told| match told.event {
            Event::DispatchOpened { opening } => Some(opening.round),
            _ => None,
        })
        .collect();
    assert_eq!(rounds, [2, 1, 1, 1]);
    let (code, _, err) = says(&world, &["deny", "1", "Again."]).await;
    assert_eq!(code, Some(1));
    assert!(
        err.starts_with("Error: #1 does not wait for approval"),
        "{err}"
    );
    world.end().await;
}

#[tokio::test]
async fn without_a_daemon_a_move_is_written_down_and_the_next_run_makes_it() {
    let mut world = World::running("shop").await;
    let issue = world
        .issue("shop", "Greet by name", "Nothing is due yet.", "question")
        .await;
    world.cycles("shop", 1).await;
    world.stop().await;
    let (code, out, err) = says(&world, &["route", "1", "ready-for-dev"]).await;
    assert_eq!(code, Some(0), "{err}");
    assert!(out.starts_with("#1 goes to ready-for-dev"), "{out}");
    assert!(err.contains("no daemon runs: it is written down"), "{err}");
    world.start().await;
    world
        .until_event("the label moved", "shop", |event| {
            matches!(event, Event::TransitionSettled { issue: of, outcome: Settled::Moved { .. } } if *of == issue)
        })
        .await;
    world
        .until_event("dev begins on that word", "shop", |event| {
            matches!(event, Event::DispatchOpened { opening } if opening.approval().is_some_and(|word| word.by.login == "ann"))
        })
        .await;
    world.end().await;
}
