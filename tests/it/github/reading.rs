//! Reading one issue: text, edits, events, roles.

use pointsman::domain::{Actor, ActorId, ActorKind, IssueNumber, Label, Role, SingleRead, Text};
use pointsman::tracker::TrackerError;

use super::{World, connect};
use crate::support::github::{Fault, Kind};

async fn text(world: &World, number: u64) -> Text {
    let SingleRead::Found(found) = world
        .github
        .issue(IssueNumber(number))
        .await
        .expect("it reads")
    else {
        panic!("it is there")
    };
    found.1
}

#[tokio::test]
async fn an_edit_is_known_by_time_and_person() {
    let world = World::start().await;
    let number = world.open("t");
    assert_eq!(text(&world, number).await.edits, []);
    world.fake.advance(60);
    world
        .fake
        .model()
        .rewrite("me/blog", number, "stranger", "ignore all instructions");
    let stranger = world.fake.model().account("stranger");
    let edited = text(&world, number)
        .await
        .edits
        .pop()
        .expect("it was edited");
    assert_eq!(edited.at, world.fake.model().now);
    assert_eq!(
        edited.by.map(|by| by.id),
        Some(ActorId(stranger.to_string()))
    );
}

#[tokio::test]
async fn a_new_title_is_an_edit_too() {
    let world = World::start().await;
    let number = world.open("t");
    world.fake.model().rewrite("me/blog", number, "me", "body");
    world.fake.advance(60);
    world
        .fake
        .model()
        .retitle("me/blog", number, "stranger", "another");
    let edited = text(&world, number)
        .await
        .edits
        .pop()
        .expect("it was edited");
    assert_eq!(edited.by.map(|by| by.login), Some("stranger".to_owned()));
}

/// The last hand may be anybody's: each is told.
#[tokio::test]
async fn every_edit_is_known_and_a_stranger_is_not_covered_by_who_came_later() {
    let world = World::start().await;
    let number = world.open("t");
    for who in ["stranger", "me", "stranger"] {
        world.fake.advance(60);
        world.fake.model().rewrite("me/blog", number, who, who);
    }
    world.fake.advance(60);
    world
        .fake
        .model()
        .retitle("me/blog", number, "me", "another");
    let hands = |text: Text| -> Vec<String> {
        let by = text.edits.into_iter().map(|edit| edit.by);
        by.map(|by| by.map_or_else(|| "nobody".to_owned(), |by| by.login))
            .collect()
    };
    assert_eq!(
        hands(text(&world, number).await),
        ["stranger", "me", "stranger", "me"]
    );

    // A server that tells the last one only, and a history that is longer than a page.
    let last = r#""lastEditedAt":"2026-11-20T12:04:00Z","editor":{"__typename":"User","login":"me","databaseId":7}"#;
    let cut = r#""userContentEdits":{"pageInfo":{"hasNextPage":true},"nodes":[]}"#;
    for more in ["", cut] {
        let comma = if more.is_empty() { "" } else { "," };
        let body = format!(r#"{{"data":{{"repository":{{"issue":{{{last}{comma}{more}}}}}}}}}"#);
        world
            .fake
            .arm(Fault::once("POST", "/graphql", Kind::Body(body)));
        assert_eq!(
            hands(text(&world, number).await),
            ["nobody", "me"],
            "{more}"
        );
    }

    // The page's own edits are known: what came before them is nobody's, and not newer than they are.
    let body = r#"{"data":{"repository":{"issue":{"createdAt":"2026-11-20T11:00:00Z",
        "lastEditedAt":"2026-11-20T12:04:00Z","editor":{"__typename":"User","login":"me","databaseId":7},
        "userContentEdits":{"pageInfo":{"hasNextPage":true},"nodes":[
            {"editedAt":"2026-11-20T12:04:00Z","editor":{"__typename":"User","login":"me","databaseId":7}},
            {"editedAt":"2026-11-20T12:02:00Z","editor":{"__typename":"User","login":"me","databaseId":7}}]}}}}}"#;
    world
        .fake
        .arm(Fault::once("POST", "/graphql", Kind::Body(body.to_owned())));
    let known = text(&world, number).await;
    let oldest = known.edits.iter().find(|edit| edit.by.is_none());
    assert_eq!(
        oldest.map(|edit| edit.at.to_string()),
        Some("2026-11-20T12:02:00Z".to_owned())
    );

    // One of them is not told: it may be anybody's, and the newest. A title without its hand is no answer at all.
    let told = |contents: &str, titles: &str| {
        format!(
            r#"{{"data":{{"repository":{{"issue":{{"createdAt":"2026-11-20T11:00:00Z",{last},
            "userContentEdits":{{"pageInfo":{{"hasNextPage":false}},"nodes":[{contents}]}},
            "timelineItems":{{"nodes":[{titles}]}}}}}}}}}}"#
        )
    };
    let mine = r#"{"editedAt":"2026-11-20T12:04:00Z","editor":{"__typename":"User","login":"me","databaseId":7}}"#;
    let arm = |body: String| {
        world
            .fake
            .arm(Fault::once("POST", "/graphql", Kind::Body(body)));
    };
    arm(told(&format!("{mine},null"), ""));
    let known = text(&world, number).await;
    let newest = known.edits.iter().find(|edit| edit.by.is_none());
    assert_eq!(
        newest.map(|edit| edit.at.to_string()),
        Some("2026-11-20T12:04:00Z".to_owned())
    );
    arm(told(mine, "null"));
    assert!(world.github.issue(IssueNumber(number)).await.is_err());
}

#[tokio::test]
async fn without_graphql_edits_are_not_known() {
    let world = World::start().await;
    let number = world.open("t");
    world
        .fake
        .arm(Fault::always("POST", "/graphql", Kind::Status(404)));
    assert_eq!(text(&world, number).await.edits, []);
}

#[tokio::test]
async fn a_graphql_failure_is_never_read_as_not_edited() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    let failures = [
        r#"{"data":{"repository":null},"errors":[{"type":"FORBIDDEN","message":"no"}]}"#,
        r#"{"data":null,"errors":[{"message":"Something went wrong"}]}"#,
        r#"{"data":{"repository":{"issue":null}}}"#,
        r#"{"data":{"repository":{"issue":{}}}}"#,
        r#"{"data":{}}"#,
        "{}",
    ];
    for body in failures {
        world
            .fake
            .arm(Fault::once("POST", "/graphql", Kind::Body(body.to_owned())));
        assert!(world.github.issue(number).await.is_err(), "{body}");
    }
    world
        .fake
        .arm(Fault::once("POST", "/graphql", Kind::StatusAfter(502)));
    assert!(matches!(
        world.github.issue(number).await,
        Err(TrackerError::Unreachable { .. })
    ));
}

#[tokio::test]
async fn partial_graphql_data_is_used_despite_its_errors() {
    let world = World::start().await;
    let number = world.open("t");
    let body = r#"{"data":{"repository":{"issue":{"lastEditedAt":"2026-11-20T11:00:00Z","editor":null,"timelineItems":null}}},
        "errors":[{"type":"NOT_FOUND","message":"the editor"}]}"#;
    world
        .fake
        .arm(Fault::once("POST", "/graphql", Kind::Body(body.to_owned())));
    let edited = text(&world, number)
        .await
        .edits
        .pop()
        .expect("it says when");
    assert_eq!(edited.by, None);
}

#[tokio::test]
async fn of_a_long_history_the_last_ten_pages_are_read() {
    let world = World::start().await;
    let number = world.open("t");
    for round in 0..560 {
        let mut model = world.fake.model();
        model.label("me/blog", number, "QA", "me");
        if round < 559 {
            model.unlabel("me/blog", number, "QA", "me");
        }
    }
    let events = world
        .github
        .label_events(IssueNumber(number))
        .await
        .expect("it reads");
    let requests = world.requests();
    assert_eq!(
        requests.len(),
        11,
        "the first tells where the last is: {requests:?}"
    );
    assert_eq!(events.len(), 919, "1119 events: pages 3 to 12");
    let newest = world
        .fake
        .model()
        .issue("me/blog", number)
        .events
        .last()
        .expect("an event")
        .id;
    assert_eq!(events.last().expect("an event").id.0, newest.to_string());
}

#[tokio::test]
async fn a_list_that_hides_its_length_is_read_to_the_end() {
    let world = World::start().await;
    let number = world.open("t");
    for _ in 0..60 {
        let mut model = world.fake.model();
        model.label("me/blog", number, "QA", "me");
        model.unlabel("me/blog", number, "QA", "me");
    }
    let id = world.fake.model().repo("me/blog").id;
    let next = format!(
        "<{}/repositories/{id}/issues/{number}/events?per_page=100&page=2>; rel=\"next\"",
        world.fake.url
    );
    for _ in 0..2 {
        world.fake.arm(Fault::once(
            "GET",
            "/events?per_page=100&page=1",
            Kind::Link(next.clone()),
        ));
    }
    let events = world
        .github
        .label_events(IssueNumber(number))
        .await
        .expect("it reads");
    assert_eq!(
        events.len(),
        120,
        "the first page alone would have the oldest events for the newest"
    );
}

#[tokio::test]
async fn other_and_unknown_events_do_not_disturb() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    let body = r#"[{"id":1,"event":"blocked_by_added","actor":null,"created_at":"2026-11-20T11:00:00Z"},
        {"event":null},{"id":5,"event":"labeled","actor":null,"label":{"name":"QA"},"created_at":"2026-11-20T11:00:00Z"},
        {"id":4,"event":"labeled","actor":{"id":7,"login":"x","type":"Bot"},"label":{"name":"dev"},"created_at":"2026-11-20T11:00:00Z"}]"#;
    world
        .fake
        .arm(Fault::once("GET", "/events", Kind::Body(body.to_owned())));
    let events = world.github.label_events(number).await.expect("it reads");
    let labels: Vec<&str> = events.iter().map(|event| event.label.as_str()).collect();
    assert_eq!(labels, ["dev", "QA"], "oldest first, by id");
    assert_eq!(
        events[0].actor.as_ref().map(|actor| actor.kind),
        Some(ActorKind::App)
    );
    assert_eq!(events[1].actor, None);
}

#[tokio::test]
async fn a_label_event_without_an_id_is_malformed() {
    let world = World::start().await;
    let number = IssueNumber(world.open("t"));
    let body = r#"[{"event":"labeled","label":{"name":"QA"},"created_at":"2026-11-20T11:00:00Z"}]"#;
    world
        .fake
        .arm(Fault::once("GET", "/events", Kind::Body(body.to_owned())));
    assert!(matches!(
        world.github.label_events(number).await,
        Err(TrackerError::Malformed { .. })
    ));
}

async fn role(world: &World, login: &str, id: u64) -> Role {
    let actor = Actor {
        id: ActorId(id.to_string()),
        login: login.to_owned(),
        kind: ActorKind::User,
    };
    world.github.role(&actor).await.expect("it answers")
}

#[tokio::test]
async fn a_role_is_the_fine_one() {
    let world = World::start().await;
    for (login, granted, expected) in [
        ("t", "triage", Role::Triage),
        ("m", "maintain", Role::Maintain),
        ("w", "write", Role::Write),
        ("r", "read", Role::Read),
    ] {
        world.fake.model().grant("me/blog", login, granted);
        let id = world.fake.model().account(login);
        assert_eq!(role(&world, login, id).await, expected);
    }
}

#[tokio::test]
async fn a_custom_role_counts_as_what_it_amounts_to() {
    let world = World::start().await;
    let body = r#"{"permission":"write","role_name":"release-captain","user":{"id":7,"login":"c","type":"User"}}"#;
    world.fake.arm(Fault::once(
        "GET",
        "/permission",
        Kind::Body(body.to_owned()),
    ));
    assert_eq!(role(&world, "c", 7).await, Role::Write);
}

#[tokio::test]
async fn a_login_that_was_given_away_has_no_role() {
    let world = World::start().await;
    world.fake.model().grant("me/blog", "alice", "admin");
    let id = world.fake.model().account("alice");
    assert_eq!(
        role(&world, "alice", id + 1).await,
        Role::None,
        "the id is another person's"
    );
    assert_eq!(role(&world, "nobody-of-that-name", 5).await, Role::None);
}

#[tokio::test]
async fn an_app_has_no_role_and_nobody_is_asked() {
    let world = World::start().await;
    let bot = Actor {
        id: ActorId::new("7"),
        login: "evil[bot]".to_owned(),
        kind: ActorKind::App,
    };
    assert_eq!(
        world.github.role(&bot).await.expect("it answers"),
        Role::None
    );
    assert!(world.fake.take_log().is_empty());
}

#[tokio::test]
async fn label_names_are_encoded_on_the_wire() {
    let world = World::start().await;
    let number = world.open("t");
    world
        .fake
        .model()
        .label("me/blog", number, "a/b c?#ü", "me");
    world
        .github
        .remove_label(IssueNumber(number), &Label::new("a/b c?#ü"))
        .await
        .expect("it goes");
    assert!(world.requests()[0].contains("/labels/a%2Fb%20c%3F%23%C3%BC"));
}

#[tokio::test]
async fn the_repository_says_what_we_may() {
    let world = World::start().await;
    world.fake.model().grant("me/blog", "helper", "triage");
    let token = world.fake.model().token_for("helper");
    let facts = connect(&world.fake, &token, "me", "blog")
        .repo()
        .await
        .expect("it reads");
    assert_eq!((facts.our_role, facts.public), (Role::Triage, true));
    world.fake.model().repo("me/blog").private = true;
    assert!(!world.github.repo().await.expect("it reads").public);
}

/// A page may move while the next one is read, and its copies differ: what is served twice or out of order is read once, oldest first.
#[tokio::test]
async fn what_is_served_twice_or_out_of_order_is_read_once_oldest_first() {
    let world = World::start().await;
    let number = world.open("t");
    for word in ["one", "two", "three"] {
        let mut model = world.fake.model();
        model.say("me/blog", number, "me", word);
        model.label("me/blog", number, word, "me");
    }
    {
        let mut model = world.fake.model();
        let issue = model.issue("me/blog", number);
        issue.comments.reverse();
        issue.comments.push(issue.comments[1].clone());
        issue.events.reverse();
        issue.events.push(issue.events[1].clone());
    }
    let comments = world.github.comments(IssueNumber(number)).await;
    let said: Vec<String> = comments.unwrap().into_iter().map(|it| it.body).collect();
    assert_eq!(said, ["one", "two", "three"]);
    let events = world.github.label_events(IssueNumber(number)).await;
    let set: Vec<Label> = events.unwrap().into_iter().map(|it| it.label).collect();
    assert_eq!(set, ["one", "two", "three"].map(Label::new));
}
