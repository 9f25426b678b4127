//! Everything that may be wrong, and the page or the test that says what a person reads then. A page whose error does not say what to
//! do fails here.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is wrong, and where its words stand: a page of this folder, or a test's name.
const TABLE: [(&str, &[&str]); 28] = [
    ("nothing is configured", &["nothing_configured"]),
    ("tmux is missing", &["tmux_missing"]),
    ("the tmux server is dead", &["tmux_dead"]),
    ("a session is not found", &["tmux_dead", "pane_adopted"]),
    ("a path is not a repository", &["path_is_no_repository"]),
    (
        "a path does not exist or is no folder",
        &["path_is_not_there"],
    ),
    ("a token is missing, rejected or may too little", &["token"]),
    ("a repository is not there", &["repository_gone"]),
    ("a repository was renamed", &["repository_renamed"]),
    ("GitHub does not answer", &["github_down"]),
    ("GitHub asks to wait", &["github_limited"]),
    ("an issue was transferred or deleted", &["issue_gone"]),
    (
        "two routing labels, and a label in another case",
        &["labels"],
    ),
    ("an unknown skill", &["skill_unknown"]),
    ("a skill with bad front matter", &["skill_front_matter"]),
    (
        "a text of a megabyte, with NUL, ESC and bidi, on the way in",
        &["issue_text"],
    ),
    (
        "the same in a brief",
        &["an_issues_odd_text_reaches_the_agent_as_data_and_no_more"],
    ),
    ("not UTF-8", &["issue_text", "github_not_utf8"]),
    ("a ledger that somebody changed", &["ledger_changed"]),
    ("a ledger that is another file", &["ledger_foreign"]),
    ("a full disk", &["disk_full"]),
    (
        "a folder of ours that cannot be made",
        &["folder_cannot_be_made"],
    ),
    ("a second daemon", &["second_daemon"]),
    ("a daemon of another version", &["another_version"]),
    ("a daemon that hangs", &["daemon_hangs"]),
    ("`.pointsman` is a link", &["folder_is_a_link"]),
    ("a typo at the start", &["configuration"]),
    (
        "a typo while it runs",
        &["a_typo_at_reload_keeps_the_last_good_configuration"],
    ),
];

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")
}

fn pages() -> Vec<(String, String)> {
    let entries = std::fs::read_dir(here().join("bad_input")).unwrap();
    let mut pages: Vec<(String, String)> = entries
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|kind| kind == "snap"))
        .map(|path| {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            (name, std::fs::read_to_string(path).unwrap())
        })
        .collect();
    pages.sort();
    pages
}

#[test]
fn everything_that_may_be_wrong_has_its_page() {
    let there: BTreeSet<String> = pages().into_iter().map(|(name, _)| name).collect();
    let tests = ["bad_input/texts.rs", "e2e/faults.rs"]
        .map(|file| std::fs::read_to_string(here().join(file)).unwrap())
        .concat();
    for place in TABLE.iter().flat_map(|(_, places)| *places) {
        let is_test = tests.contains(&format!("fn {place}("));
        assert!(there.contains(*place) || is_test, "there is no `{place}`");
    }
    let listed = |page: &&String| {
        TABLE
            .iter()
            .any(|(_, places)| places.contains(&page.as_str()))
    };
    let missing: Vec<&String> = there.iter().filter(|page| !listed(page)).collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
}

/// What failed stands in the first line, why below it where there is a cause, and what to do always.
#[test]
fn every_error_on_a_page_says_what_to_do() {
    let mut errors = 0;
    for (name, page) in pages() {
        for told in page.split("\n$ pointsman ") {
            let Some(at) = told.find("Error: ") else {
                continue;
            };
            errors += 1;
            assert!(told[at..].contains("\nHint: "), "{name}: {told}");
        }
        for told in page.split("\n\n").filter(|told| told.contains("error: ")) {
            errors += 1;
            let helps = ["= hint: ", "= expected: ", "did you mean"];
            assert!(
                helps.iter().any(|help| told.contains(help)),
                "{name}: {told}"
            );
        }
    }
    assert!(errors > 40, "only {errors} were found");
}
