//! What a stranger may write into an issue, from GitHub to the agent: data, made fit to read, and never more than fits.

use pointsman::domain::Event;
use pointsman::repo::brief::BRIEF_BYTES_MAX;

use super::{on_github, page, with_token};
use crate::support::github::{Fault, Kind};
use crate::support::world::{World, assert_confirmed};

/// A megabyte with NUL, escape sequences, bidirectional marks and a hidden comment walks as any other issue does.
#[tokio::test]
async fn an_issues_odd_text_reaches_the_agent_as_data_and_no_more() {
    let mut world = World::on_github().await;
    world.github_project("blog");
    world.start().await;
    let body = format!(
        "Start \u{0}\u{1b}[2J\u{1b}]0;owned\u{7}\u{202e}txt.exe\u{2066} <!-- hidden -->\n```\n{}",
        "x".repeat(1 << 20)
    );
    let title = "Greet \u{1b}[31m\u{202e}by name";
    world.issue("blog", title, &body, "ready-for-prep").await;
    world
        .until_event("prep is done", "blog", |event| {
            matches!(event, Event::TransitionSettled { .. })
        })
        .await;
    let told = world.told().await;
    let brief = told.iter().find_map(|told| match &told.event {
        Event::DeliveryPlanned { delivery } => Some(delivery.text.clone()),
        _ => None,
    });
    let brief = brief.expect("it was planned");
    let is_safe =
        |c: char| c == '\n' || !(c.is_control() || ('\u{202a}'..='\u{2069}').contains(&c));
    assert!(brief.chars().all(is_safe), "something a terminal obeys");
    assert!(
        brief.contains("- issue: #1 \"Greet [31mby name\""),
        "{brief}"
    );
    assert!(brief.contains("Start [2J]0;ownedtxt.exe"), "{brief}");
    assert!(!brief.contains("hidden"), "what people do not see");
    assert!(brief.contains("x\n[cut]\n") && brief.len() < BRIEF_BYTES_MAX / 2);
    assert_confirmed(&told);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_not_utf_8_is_said_and_not_guessed() {
    let (home, fake, token) = on_github("me/blog").await;
    fake.model().open_issue("me/blog", "me", "A title", "");
    let bytes = b"{\"number\": 1, \"title\": \"caf\xe9\"}";
    fake.arm(Fault::always("GET", "/issues/1", Kind::Bytes(bytes)));
    let text = with_token(&home, Some(&token), &[&["issue", "show", "1"]]);
    page("github_not_utf8", &home, &text);
}
