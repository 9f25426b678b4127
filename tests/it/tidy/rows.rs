//! `tests/ROWS.md`: every row of the list is answered, and what shows it is there.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::{none, read, root, rust_files};

/// The rows that are owed, in the order of the specification.
const OWED: &str = "G1 G2 G3 G4 G5 G6 G7 G8 G9 W1 W2 W3 W4 W5 W6 W7 W8 W9 W10 W11 W12 W12a W12b W13 W14 W15 W16 W17 W18 W19 W20 W21 W31 W36 \
     W41 W43 W44 W45 W46 K2 K3 K4 K10 K14 S7 S8 S9 S11 S34 S35 S43 S44 D4 D5 D6 D7 D24 D33 D34 M1 M2 M7 M11 M15 M18 M20 M21 T5 T13 T14 J2 J3 J4 J5 J6 J11 J16 \
     J19 J22 J23 J24 J26 J33 J34";

/// A line of the list.
struct Row {
    is: String,
    words: String,
    shown_by: Vec<String>,
}

fn rows(text: &str) -> BTreeMap<String, Row> {
    let span = Regex::new(r"`([^`]+)`").expect("a pattern");
    let mut found = BTreeMap::new();
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let [_, id, is, words, shown_by, _] = cells[..] else {
            continue;
        };
        if id == "row" || id.starts_with('-') {
            continue;
        }
        let row = Row {
            is: is.to_owned(),
            words: words.to_owned(),
            shown_by: span
                .captures_iter(shown_by)
                .map(|found| found[1].to_owned())
                .collect(),
        };
        let twice = found.insert(id.to_owned(), row);
        assert!(twice.is_none(), "{id} is there twice");
    }
    found
}

/// Every function marked as a test in `tests/it`.
pub(crate) fn tests() -> BTreeSet<String> {
    let test = Regex::new(
        r"(?m)^\s*#\[(?:tokio::)?test[^\n]*\]\s*(?:#\[[^\n]*\]\s*)*(?:async )?fn ([a-z0-9_]+)\(",
    )
    .expect("a pattern");
    let mut found = BTreeSet::new();
    for path in rust_files("tests/it") {
        let text = read(path);
        found.extend(test.captures_iter(&text).map(|found| found[1].to_owned()));
    }
    found
}

/// Finds what is wrong with the list.
fn broken(text: &str, tests: &BTreeSet<String>) -> Vec<String> {
    let rows = rows(text);
    let owed: Vec<&str> = OWED.split_whitespace().collect();
    let mut broken: Vec<String> = owed
        .iter()
        .filter(|id| !rows.contains_key(**id))
        .map(|id| format!("{id} is owed and not in the list"))
        .collect();
    for (id, row) in &rows {
        if row.words.is_empty() {
            broken.push(format!("{id}: nobody says what we do"));
        }
        match row.is.as_str() {
            "not met" => continue,
            "met" | "partly" if row.shown_by.is_empty() => {
                broken.push(format!("{id}: nothing shows it"));
            }
            "met" | "partly" => {}
            other => broken.push(format!("{id}: `{other}` is no answer")),
        }
        for name in &row.shown_by {
            let there = if let Some(page) = name.strip_suffix(".txt") {
                root()
                    .join(format!("tests/it/scenarios/{page}.txt"))
                    .is_file()
            } else if let Some((program, rest)) = name.split_once(' ') {
                let script = rest.split(' ').next().unwrap_or_default();
                program != "bash" || root().join(script).is_file()
            } else {
                tests.contains(name)
            };
            if !there {
                broken.push(format!("{id}: there is no `{name}`"));
            }
        }
    }
    broken
}

#[test]
fn every_row_is_answered_and_what_shows_it_is_there() {
    none(&broken(&read("tests/ROWS.md"), &tests()));
}

#[test]
fn a_missing_row_and_a_test_that_is_gone_are_noticed() {
    let text = read("tests/ROWS.md");
    let without = text.replace("| G2 |", "| G2x |");
    assert_eq!(
        broken(&without, &tests()),
        ["G2 is owed and not in the list"]
    );
    let mut fewer = tests();
    fewer.remove("g2_the_top_level_is_as_promised");
    assert_eq!(
        broken(&text, &fewer),
        ["G2: there is no `g2_the_top_level_is_as_promised`"]
    );
}
