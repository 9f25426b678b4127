//! Every kept screen with its true state in its head (`true: busy`), read by the shipped profiles: those that rules were written from
//! (`fixtures/labelled`), and those that were captured afterwards (`fixtures/held-out`), whose figure is told apart.

#![expect(clippy::print_stderr, reason = "the figure is what they are for")]

use std::collections::BTreeMap;

use pointsman::domain::ScreenClaim;
use pointsman::terminal::Composer;

use super::screens::{Kept, Read, kept};

/// What title and screen alone say of a capture.
fn word(read: &Read) -> &'static str {
    match (read.claim, &read.composer) {
        (Some(ScreenClaim::Permission), _) => "permission",
        (Some(ScreenClaim::Question), _) => "question",
        (Some(ScreenClaim::Dialog), _) => "dialog",
        (Some(ScreenClaim::Login), _) => "login",
        _ if read.is_title_asking => "permission",
        (Some(ScreenClaim::RateLimited), _) => "retrying",
        (Some(ScreenClaim::Busy), _) => "busy",
        _ if read.is_title_busy => "busy",
        (_, Composer::Draft(_)) => "draft",
        (_, Composer::Empty) => "idle",
        (_, Composer::Absent) => "nothing",
    }
}

/// Whether what is read is what is true. `nothing` holds back every key, so it is never dangerous, but it is no answer either, except
/// of a shell: that is told by its process.
fn holds(truth: &str, said: &str) -> bool {
    truth.split('|').any(|truth| match truth {
        "retrying" => matches!(said, "busy" | "retrying"),
        "permission" | "question" => matches!(said, "permission" | "question"),
        "dialog" => matches!(said, "dialog" | "login"),
        "error" => matches!(said, "idle" | "retrying"),
        "shell" | "unknown" | "starting" => matches!(said, "nothing" | "dialog" | "login"),
        other => said == other,
    })
}

/// How many captures of each profile are read as they are, of how many; what is not; and what would let a key through.
#[derive(Default)]
struct Figure {
    right: BTreeMap<String, (usize, usize)>,
    wrong: Vec<String>,
    dangerous: Vec<String>,
}

fn figure(below: &str) -> Figure {
    let mut figure = Figure::default();
    for Kept {
        of,
        stem,
        text,
        read,
        ..
    } in kept(below)
    {
        let truth = text.lines().find_map(|line| line.strip_prefix("true: "));
        let truth = truth.unwrap_or_else(|| panic!("{of}/{stem} does not say what is true"));
        let said = word(&read);
        let count = figure.right.entry(of.clone()).or_default();
        count.1 += 1;
        if holds(truth, said) {
            count.0 += 1;
            continue;
        }
        let line = format!("{of}/{stem}: {truth}, read as {said}");
        if said == "idle" {
            figure.dangerous.push(line.clone());
        }
        figure.wrong.push(line);
    }
    figure.wrong.sort();
    figure
}

#[test]
fn every_labelled_screen_is_read_as_it_is() {
    let figure = figure("labelled");
    eprintln!("labelled: {:?}", figure.right);
    insta::assert_snapshot!("labelled_screens_not_read", figure.wrong.join("\n"));
    assert_eq!(
        figure.dangerous,
        Vec::<String>::new(),
        "read as idle, and they are not"
    );
}

/// The figure, whatever it is; what is read as idle and is not would be a key in the wrong place.
#[test]
fn the_held_out_screens_are_counted_apart() {
    let figure = figure("held-out");
    let (right, all) = figure
        .right
        .values()
        .fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    eprintln!(
        "held out: {right} of {all} are read as they are: {:?}\n{}",
        figure.right,
        figure.wrong.join("\n")
    );
    assert!(all >= 30, "{all}");
    insta::assert_snapshot!("held_out_screens_not_read", figure.wrong.join("\n"));
}
