//! Which known issues are named to a planner and to a scout: by their titles' words, over what is known anyway.

use std::collections::BTreeMap;

use pointsman::domain::{Basis, Errand, Head, IssueNumber, ProjectName};
use pointsman::machine::text::alike::{ALIKE_MAX, LISTED_MAX, alike, for_brief};

use crate::builders::{dev, dispatch, head, prep, ten};

fn known(titles: &[&str]) -> BTreeMap<IssueNumber, Head> {
    let heads = (1..).zip(titles);
    heads
        .map(|(number, title)| (IssueNumber(number), head(number, title, "ready-for-prep")))
        .collect()
}

fn like(title: &str, heads: &BTreeMap<IssueNumber, Head>) -> Vec<u64> {
    let found = alike(title, heads, None);
    found.iter().map(|alike| alike.number.0).collect()
}

#[test]
fn titles_with_the_same_words_are_alike_in_whatever_form() {
    let heads = known(&[
        "Logging in fails with an empty password",
        "Dark mode for every page",
        "The login page fails when the password is empty",
        "Passwords: empty ones failed at log in",
    ]);
    assert_eq!(like("log in fails, empty password", &heads), [1, 4, 3]);
    assert_eq!(like("DARK MODE!", &heads), [2]);
    assert_eq!(like("Add the thing to all of it", &heads), [0_u64; 0]);
    assert_eq!(like("", &heads), [0_u64; 0]);
}

#[test]
fn the_best_come_first_open_before_closed_and_never_the_issue_itself() {
    let mut heads = known(&["Export as CSV"; 9]);
    heads.get_mut(&IssueNumber(1)).expect("it is known").open = false;
    assert_eq!(like("Export as CSV", &heads), [2, 3, 4, 5, 6]);
    assert_eq!(like("Export as CSV", &heads).len(), ALIKE_MAX);
    let others = alike("Export as CSV", &heads, Some(IssueNumber(2)));
    assert!(others.iter().all(|alike| alike.number != IssueNumber(2)));
}

#[test]
fn a_planner_gets_its_likes_a_scout_all_that_is_open_a_builder_nothing() {
    let mut heads = known(&["Export as CSV", "Dark mode", "Export CSV of a month"]);
    heads.get_mut(&IssueNumber(2)).expect("it is known").open = false;
    let named = |dispatch| {
        let found = for_brief(&dispatch, "Export as CSV", &heads);
        found.iter().map(|alike| alike.number.0).collect::<Vec<_>>()
    };
    assert_eq!(named(dispatch("ab12cd", 1, "Export as CSV", prep())), [3]);
    assert_eq!(
        named(dispatch("ab12cd", 1, "Export as CSV", dev())),
        [0_u64; 0]
    );
    let mut scout = dispatch("ab12cd", 1, "", dev());
    scout.opening.basis = Basis::Errand(Errand::Due {
        project: ProjectName::new("blog"),
        on: "2026-11-20".parse().expect("a day"),
        at: ten(),
    });
    assert_eq!(named(scout.clone()), [3, 1]);
    let many = known(&["One of many"; 90]);
    assert_eq!(for_brief(&scout, "", &many).len(), LISTED_MAX);
}
