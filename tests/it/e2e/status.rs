//! The status comment on real trackers: what whoever labels from a phone reads, and what a restored ledger is shown by.

use pointsman::daemon::desk::control;
use pointsman::daemon::key::Key;
use pointsman::daemon::posting::status::{found, line};
use pointsman::domain::{DispatchId, Event, Marker, ProjectName, Request};

use crate::support::github::{Fault, Kind};
use crate::support::world::{Told, World};

fn opened(told: &[Told]) -> Vec<DispatchId> {
    let dispatch = |told: &Told| match &told.event {
        Event::DispatchOpened { opening } => Some(opening.id.clone()),
        _ => None,
    };
    told.iter().filter_map(dispatch).collect()
}

#[tokio::test]
async fn an_issue_in_a_public_repository_says_where_it_stands_and_nothing_private() {
    let mut world = World::on_github().await;
    world.github_project("blog");
    world.start().await;
    let issue = world
        .issue("blog", "Greet by name", "[demo:ask]", "question")
        .await;
    // What a stranger writes is no marker, whatever it looks like.
    let folder = tempfile::tempdir().unwrap();
    let theirs = Key::open(&folder.path().join("theirs")).unwrap();
    let forged = line(&theirs, &marker());
    let number = issue.0;
    world
        .fake()
        .model()
        .say("me/blog", number, "stranger", &forged);
    let label = "ready-for-prep";
    world.fake().model().label("me/blog", number, label, "me");
    world.fake().advance(5);
    world.poll("blog").await;
    world.until_held("blog", issue, "asked").await;
    let said = world.until_said("blog", issue, "asks a question").await;
    let (text, hidden) = said.body.split_once("<!--").expect("a hidden tail");
    for private in ["attach", "dispatch", "demo", "/", "%"] {
        assert!(
            !text.replace("</sub>", "").contains(private),
            "`{private}` in: {text}"
        );
    }
    assert!(text.contains("reply in a comment"), "{text}");

    let key = Key::open(&world.places.state.join("key")).expect("the daemon made it");
    let lines = found(&key, &format!("<!--{hidden}"));
    let named: Vec<&DispatchId> = lines.iter().map(|line| &line.marker.dispatch).collect();
    let dispatches = opened(&world.told().await);
    assert_eq!(named, dispatches.iter().collect::<Vec<_>>());
    assert!(lines.iter().all(|line| line.genuine), "{lines:?}");

    // A restart finds its comment again and makes no second one, also when a person deleted what it said.
    world.stop().await;
    {
        let mut model = world.fake().model();
        model.say("me/blog", issue.0, "me", "Refuse it, please.");
    }
    world.start().await;
    world.until_said("blog", issue, "`ready-for-dev`").await;
    world.end().await;
}

/// PROTOCOLS 8: `short` holds for every comment, also for the one that calls a person.
#[tokio::test]
async fn a_call_for_a_person_quotes_nothing_in_a_public_repository() {
    let mut world = World::on_github().await;
    world.github_project("blog");
    let build = "repo = \"me/blog\"\nbuild = \"echo see /srv/private.log; false\"\n";
    world.write_project("blog", build);
    let url = world.fake().url.clone();
    world.settings(&format!(
        "[github]\nbase_url = {url:?}\nreserve = 0\n[limits]\nattempts = 1\n"
    ));
    world.start().await;
    let issue = world
        .issue("blog", "Greet by name", "A name.", "ready-for-dev")
        .await;
    let parked = world
        .until_event("it is a person's", "blog", |event| {
            matches!(event, Event::ParkIntended { .. })
        })
        .await;
    let Event::ParkIntended { why, .. } = parked.event else {
        unreachable!()
    };
    assert!(why.contains("/srv/private.log"), "{why}");
    world
        .until_event("it was told", "blog", |event| {
            matches!(event, Event::IssueParked { .. })
        })
        .await;
    let hands = world.daemon().hands(&ProjectName::new("blog"));
    let tracker = &hands.expect("the project runs").tracker;
    let comments = tracker.comments(issue).await.expect("they are read");
    for comment in &comments {
        assert!(!comment.body.contains("private.log"), "{}", comment.body);
    }
    let is_call = |one: &&pointsman::domain::Comment| one.body.starts_with("a person is needed");
    let call = &comments.iter().find(is_call).expect("it is there").body;
    let where_to_read = format!("`pointsman explain {}`", issue.0);
    assert!(
        call.contains("attempts are spent") && call.contains(&where_to_read),
        "{call}"
    );
    world.end().await;
}

#[tokio::test]
async fn nothing_is_typed_before_the_marker_line_is_on_the_issue() {
    let mut world = World::on_github().await;
    world.github_project("blog");
    world.start().await;
    for kind in [Kind::Status(503), Kind::Lost] {
        world.fake().arm(Fault::once("POST", "/comments", kind));
    }
    let issue = world
        .issue("blog", "Greet by name", "A name.", "ready-for-prep")
        .await;
    world.until_held("blog", issue, "unmarked").await;
    let told = world.told().await;
    assert!(
        !told
            .iter()
            .any(|told| matches!(told.event, Event::DeliveryPlanned { .. })),
        "nothing is typed that the issue does not say"
    );
    // The next answer is lost: what it made is found, and not made twice.
    world
        .until_event("it is delivered", "blog", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    let told = world.told().await;
    let at = |wanted: &dyn Fn(&Event) -> bool| told.iter().position(|told| wanted(&told.event));
    let marked = at(&|event| {
        matches!(
            event,
            Event::StatusWritten {
                marker: Some(_),
                ..
            }
        )
    });
    let pasted = at(&|event| matches!(event, Event::PasteIntended { .. }));
    assert!(marked.is_some() && marked < pasted, "{marked:?} {pasted:?}");
    world.until_said("blog", issue, "`ready-for-prep`").await;
    world.end().await;
}

#[tokio::test]
async fn a_mark_of_another_ledger_holds_the_repository_until_it_is_adopted() {
    let mut world = World::new();
    world.project("shop");
    world.start().await;
    let issue = world.issue("shop", "Greet", "By name.", "question").await;
    let folder = tempfile::tempdir().unwrap();
    let theirs = Key::open(&folder.path().join("theirs")).unwrap();
    world
        .comment("shop", issue, &line(&theirs, &marker()))
        .await;
    world.label("shop", issue, "ready-for-prep").await;
    world.until_held("shop", issue, "other-daemon").await;
    let adopt = || Request::Adopt {
        by: "ann".to_owned(),
    };
    let reply = control::ask(world.daemon(), &ProjectName::new("shop"), adopt()).await;
    assert!(reply.done, "{reply:?}");
    // On the local tracker person and daemon are one account: what was labelled before is nobody's word now.
    world.until_held("shop", issue, "before-adoption").await;
    world.unlabel("shop", issue, "ready-for-prep").await;
    world.label("shop", issue, "ready-for-prep").await;
    world
        .until_event("it is delivered", "shop", |event| {
            matches!(event, Event::DeliverySettled { .. })
        })
        .await;
    let reply = control::ask(world.daemon(), &ProjectName::new("shop"), adopt()).await;
    assert!(
        !reply.done && reply.text.contains("nothing to adopt"),
        "{reply:?}"
    );
    world.end().await;
}

fn marker() -> Marker {
    Marker {
        ledger: "l1".to_owned(),
        project: "blog".to_owned(),
        seq: 12,
        head: "ab".repeat(32),
        labelling: "r1/i7/701 --> <script>".to_owned(),
        attempt: 2,
        round: 1,
        dispatch: DispatchId::new("k3k3k3"),
    }
}

#[test]
fn a_marker_line_is_hidden_whatever_it_names_and_reads_back() {
    let folder = tempfile::tempdir().unwrap();
    let key = Key::open(&folder.path().join("key")).unwrap();
    let text = line(&key, &marker());
    assert_eq!(text.matches("-->").count(), 1, "{text}");
    assert!(text.ends_with("-->") && !text.contains('\n'), "{text}");
    let back = found(&key, &format!("words\n{text}\nmore"));
    assert!(back.len() == 1 && back[0].genuine, "{back:?}");
    assert_eq!(back[0].marker, marker());
}

#[test]
fn a_marker_line_of_another_key_or_with_another_word_is_not_genuine() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Key::open(&folder.path().join("ours")).unwrap();
    let theirs = Key::open(&folder.path().join("theirs")).unwrap();
    let text = line(&ours, &marker());
    let genuine = |key: &Key, text: &str| found(key, text).first().map(|found| found.genuine);
    assert_eq!(genuine(&ours, &text), Some(true));
    assert_eq!(genuine(&theirs, &text), Some(false), "another key");
    let forged = text.replace("k3k3k3", "z9z9z9");
    assert_eq!(genuine(&ours, &forged), Some(false), "another dispatch");
    assert_eq!(genuine(&ours, "> a quoted one <!-- pointsman marker"), None);
}
