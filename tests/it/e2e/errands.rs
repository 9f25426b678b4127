//! Errands on real tmux: a person tries a skill, and what is due by the clock.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use pointsman::daemon::store;
use pointsman::domain::{
    Cause, Errand, Event, IssueNumber, Label, ProjectName, SingleRead, SkillName,
};
use pointsman::ledger::{Sqlite, Store as _};

use crate::support::world::{Told, World};

#[expect(
    clippy::disallowed_methods,
    reason = "a real daemon's clock is the real one"
)]
fn now() -> Timestamp {
    Timestamp::now()
}

fn due(told: &[Told]) -> usize {
    let is_due = |told: &&Told| matches!(&told.event, Event::DispatchOpened { opening } if matches!(opening.errand(), Some(Errand::Due { .. })));
    told.iter().filter(is_due).count()
}

async fn labels(world: &World, issue: IssueNumber) -> Vec<Label> {
    match world
        .tracker("shop")
        .issue(issue)
        .await
        .expect("it is read")
    {
        SingleRead::Found(found) => found.0.labels.into_iter().collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_person_tries_a_skill_and_no_label_moves() {
    let world = World::running("shop").await;
    let issue = world.issue("shop", "Greet by name", "", "").await;
    world.cycles("shop", 3).await;
    let before = labels(&world, issue).await;
    let number = issue.0.to_string();
    let attempt = async |skill: &str| {
        let mut command = world.command(&["skill", "try", skill, &number]);
        let ran = tokio::task::spawn_blocking(move || command.output());
        let ran = ran.await.expect("it does not panic").expect("it starts");
        let (out, err) = (
            String::from_utf8_lossy(&ran.stdout).into_owned(),
            String::from_utf8_lossy(&ran.stderr).into_owned(),
        );
        (ran.status.code(), out, err)
    };
    let (code, _, err) = attempt("nope").await;
    assert_eq!(code, Some(1));
    assert!(err.contains("there is no skill `nope`"), "{err}");
    let (code, out, err) = attempt("prep").await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        out.starts_with("`prep` on #1, dispatch ") && out.contains(": done. The agent says: "),
        "{out}"
    );
    assert!(out.trim_end().ends_with("No label moved."), "{out}");
    world.until_tidy("shop").await;
    assert_eq!(labels(&world, issue).await, before);
    let state = world.shown("shop").await.state;
    assert!(
        state.walks.is_empty() && state.parks.is_empty(),
        "{state:?}"
    );
    world.end().await;
}

/// Writes into the ledger that the daemon was up an hour ago, with that schedule.
fn seen_an_hour_ago(world: &World, minute: u16) {
    let path = world.places.ledger();
    std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let mut ledger = Sqlite::open(&path).expect("a new ledger");
    let at = now() - SignedDuration::from_hours(1);
    let events = [
        Event::ProjectAdded { added: at },
        Event::SchedulesChanged {
            schedules: [(SkillName::new("scout"), minute)].into(),
        },
    ];
    let append = store::append_of(&ProjectName::new("shop"), 0, at, &events);
    ledger
        .append(
            &append.stream,
            append.expected_ver,
            append.records,
            append.claims,
        )
        .expect("it is written");
}

fn scouted_at(minute: u16) -> String {
    format!(
        "[[schedule]]\nskill = \"scout\"\nproject = \"shop\"\nat = \"{:02}:{:02}\"\n",
        minute / 60,
        minute % 60
    )
}

#[tokio::test]
async fn a_run_missed_while_the_daemon_was_down_is_done_once_and_opens_an_issue_without_a_label() {
    let mut world = World::new();
    world.project("shop");
    let missed = (now() - SignedDuration::from_mins(5)).to_zoned(TimeZone::system());
    let minute = u16::try_from(missed.hour()).expect("small") * 60
        + u16::try_from(missed.minute()).expect("small");
    world.settings(&scouted_at(minute));
    seen_an_hour_ago(&world, minute);
    let known = world
        .issue("shop", "An empty name is greeted", "", "")
        .await;
    world.start().await;
    world
        .until_event("the scout is done", "shop", |event| {
            matches!(
                event,
                Event::DispatchClosed {
                    cause: Cause::Verified { reported: true, .. },
                    ..
                }
            )
        })
        .await;
    world.until_tidy("shop").await;
    let found = IssueNumber(known.0 + 1);
    assert_eq!(labels(&world, found).await, Vec::<Label>::new());
    world.cycles("shop", 3).await;
    let told = world.told().await;
    let brief = told.iter().find_map(|told| match &told.event {
        Event::DeliveryPlanned { delivery } => Some(&delivery.text),
        _ => None,
    });
    let brief = brief.expect("it was planned");
    assert!(
        brief.contains("### Open issues here") && brief.contains("#1 \"An empty name is greeted\""),
        "{brief}"
    );
    let mut explain = world.command(&["explain", "scout"]);
    let said = tokio::task::spawn_blocking(move || explain.output());
    let said = said.await.expect("it does not panic").expect("it starts");
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(
        said.starts_with("later: would run ") && said.contains("closed: verified"),
        "{said}"
    );
    world.stop().await;
    world.start().await;
    world.cycles("shop", 3).await;
    assert_eq!(due(&world.told().await), 1, "a day is run once");
    world.end().await;
}

#[tokio::test]
async fn a_schedule_counts_from_the_moment_it_is_written() {
    let mut world = World::new();
    world.project("shop");
    let gone = (now() - SignedDuration::from_mins(5)).to_zoned(TimeZone::system());
    let minute = u16::try_from(gone.hour()).expect("small") * 60
        + u16::try_from(gone.minute()).expect("small");
    world.settings(&scouted_at(minute));
    world.start().await;
    world.cycles("shop", 4).await;
    assert_eq!(due(&world.told().await), 0);
    let mut command = world.command(&["status"]);
    let ran = tokio::task::spawn_blocking(move || command.output());
    let ran = ran.await.expect("it does not panic").expect("it starts");
    let said = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert!(
        said.contains("scout at ") && said.contains("would run "),
        "{said}"
    );
    world.end().await;
}
