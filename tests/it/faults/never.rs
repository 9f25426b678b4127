//! Rows that cannot arise, because of what is never sent: a test for each, and for the list of all rows.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use pointsman::daemon::panes::hand::PaneLocks;
use pointsman::daemon::panes::session::Sources;
use pointsman::daemon::panes::typing::{Known, Patience, Typist};
use pointsman::domain::{Action, Composer, DeliveryId, DeliveryStep, Outcome, Pane, line_of};
use pointsman::machine::dispatch::delivery;
use pointsman::machine::resolve::IDLE_APART;
use pointsman::machine::step::Step;
use pointsman::terminal::receipt::Whereabouts;
use pointsman::terminal::{Guard, Guarded, Station, TmuxError};
use regex::Regex;

use super::table;
use crate::builders;
use crate::support::tmux::Lab;

/// A tenth of a second each.
const PATIENCE_TRIES: u32 = 100;

#[expect(clippy::disallowed_methods, reason = "a test is an edge")]
fn wall() -> Timestamp {
    Timestamp::now()
}

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// F03, F10, F14 to F20, F22, F25 to F27: one short line of plain letters, that opens no menu, names no key and ends with no separator.
#[test]
fn the_typed_line_is_short_plain_and_opens_nothing() {
    for id in ["00000000", "zzzzzzzz", "ab12cd34"] {
        let line = line_of(&DeliveryId::new(id));
        assert!(
            line.len() <= 72 && line.bytes().all(|byte| (0x20..0x7f).contains(&byte)),
            "{line}"
        );
        assert!(
            line.starts_with(|letter: char| letter.is_ascii_alphabetic()),
            "{line}"
        );
        assert!(!line.ends_with([';', '\\', '\n']), "{line}");
        for word in line.split(' ') {
            assert!(
                !word.starts_with(['/', '!', '@', '#', '~', '?', '-']),
                "{word}"
            );
        }
    }
}

/// F03, F10, F16, F22: whatever it is asked for, the typist pastes one line of plain letters.
#[tokio::test]
async fn what_is_no_plain_line_is_never_pasted() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let pane = lab.agent().await;
    let long = "x".repeat(201);
    for text in [
        "a\nb",
        "a\n",
        "a\rb",
        "",
        "out\u{1b}[201~of it",
        "t\ta",
        "naïve",
        &long,
    ] {
        let guard = Guard::g1(&lab.tmux.look(&pane).await.unwrap(), sampler.recogniser()).unwrap();
        let id = DeliveryId::new("plain000");
        let error = lab.tmux.paste(&guard, &id, text).await.unwrap_err();
        assert!(
            matches!(error, TmuxError::Failed { .. }),
            "{text:?}: {error}"
        );
    }
    assert_eq!(
        (lab.read("input.log"), lab.raw(&["list-buffers"])),
        (String::new(), String::new())
    );
}

/// F04, F05, F09, F12, F17, F18, F60: no named keys, no typed text, no signal that may be an old one, no flag that old servers lack.
#[test]
fn the_terminal_knows_no_other_way_to_type() {
    let forbidden = Regex::new(
        r#"(?i)wait-?for\b|bracket_paste_flag|"(C-[a-z]|Enter|Escape)"|\.literal\(|SetBuffer"#,
    )
    .unwrap();
    let mut read = 0;
    for path in crate::tidy::rust_files("src/terminal") {
        let text = crate::tidy::read(&path);
        read += 1;
        for line in text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
        {
            assert!(!forbidden.is_match(line), "{path}: {line}");
        }
    }
    assert!(read > 10, "{read} files");
    for bad in [
        "WaitFor::new()",
        "\"C-m\"",
        "\"Escape\"",
        "#{bracket_paste_flag}",
    ] {
        assert!(forbidden.is_match(bad), "{bad}");
    }
}

/// F06, F71: each Enter waits longer for its receipt than the one before: after 3, 10 and 30 seconds, and at 90 it is over.
#[test]
fn enters_are_sent_again_at_growing_pauses() {
    let now = builders::ten();
    let mut dispatch = builders::dispatch("d-1", 1, "Greet", builders::dev());
    dispatch.pane = Some(builders::pane());
    let mut waits = Vec::new();
    for n in 1..=4 {
        let mut line = super::walk::planned(&dispatch, &DeliveryId::new("ab12cd34"), now);
        line.step = DeliveryStep::Submitted { n, waits: 0 };
        line.composer = Some(Composer {
            x: 1,
            y: 1,
            width: 200,
            height: 50,
        });
        let Step::Do(Action::AwaitReceipt { until, .. }) =
            delivery::next(&dispatch, &line, None, now)
        else {
            panic!("it waits for a receipt");
        };
        waits.push(until.duration_since(now).as_secs());
        let missed = Outcome::NoReceipt { in_composer: true };
        let again = matches!(
            delivery::settle(&dispatch, &line, &missed, now),
            Step::Intend(..)
        );
        assert_eq!(again, n < 4, "Enter {n}");
    }
    assert_eq!(waits, [3, 7, 20, 60]);
}

/// F50: tmux would change them without a word.
#[tokio::test]
async fn names_that_tmux_would_change_are_refused() {
    let lab = Lab::new().await;
    for name in ["a.b", "a:b", "=a", "$1", "%1", "a b", ""] {
        for window in [
            lab.window(name, "agent", &["/bin/true"]),
            lab.window("work", name, &["/bin/true"]),
        ] {
            let error = lab.tmux.new_window(&window).await.unwrap_err();
            assert!(
                matches!(error, TmuxError::Failed { .. }),
                "{name:?}: {error}"
            );
        }
    }
}

/// F55: a server of another version is there; that we cannot talk to it says nothing about who lives on it.
#[tokio::test]
async fn a_server_of_another_version_is_not_a_dead_one() {
    let lab = Lab::without_server();
    let bin = lab.path("bin");
    std::fs::create_dir(&bin).unwrap();
    let script = "#!/bin/sh\necho 'protocol version mismatch (client 8, server 7)' >&2\nexit 1\n";
    std::fs::write(bin.join("tmux"), script).unwrap();
    std::fs::set_permissions(
        bin.join("tmux"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    let path = format!("{}:/usr/bin:/bin", bin.display());
    let error = lab
        .tmux
        .clone()
        .with_env("PATH", path)
        .list_panes()
        .await
        .unwrap_err();
    assert!(
        !matches!(
            error,
            TmuxError::NoServer { .. } | TmuxError::NoTarget { .. }
        ),
        "{error}"
    );
}

/// F23, F68: two dispatchers that looked at the same empty composer. Whoever comes second is refused, or both lines are there and none is
/// submitted.
#[tokio::test]
async fn two_dispatchers_at_one_composer_submit_nothing_mixed() {
    let lab = Lab::new().await;
    let sampler = lab.sampler();
    let pane = lab.agent().await;
    let guard = Guard::g1(&lab.tmux.look(&pane).await.unwrap(), sampler.recogniser()).unwrap();
    let ids = [DeliveryId::new("first000"), DeliveryId::new("second00")];
    let lines = ids.each_ref().map(line_of);
    let (first, second) = tokio::join!(
        lab.tmux.paste(&guard, &ids[0], &lines[0]),
        lab.tmux.paste(&guard, &ids[1], &lines[1])
    );
    let done = [first.unwrap(), second.unwrap()].map(|answer| answer == Guarded::Done);
    assert!(done.contains(&true), "{done:?}");
    let one = &lines[usize::from(!done[0])];
    let seen = lab
        .until(&pane, |seen| {
            lines
                .iter()
                .zip(done)
                .all(|(line, done)| !done || seen.capture.text().contains(line.as_str()))
        })
        .await;
    let guards = lines
        .each_ref()
        .map(|line| Guard::g2(&seen, sampler.recogniser(), line).is_ok());
    let wanted = if done == [true, true] {
        [false, false]
    } else {
        lines.each_ref().map(|line| line == one)
    };
    assert_eq!(guards, wanted, "{}", seen.capture.text());
    assert_eq!(lab.raw(&["list-buffers"]), "");
}

/// Two daemons with two ledgers and one tmux server: who types has the pane alone, and the other one is told who that is.
#[tokio::test]
async fn a_pane_that_another_daemon_types_into_is_left_to_it() {
    let lab = Lab::new().await;
    let pane = lab.agent().await;
    let sampler = Arc::new(lab.sampler());
    let panes = |state: &str| PaneLocks::new(lab.dir.path(), Path::new(state));
    let typist = |state: &str| Typist {
        tmux: lab.tmux.clone(),
        sampler: Arc::clone(&sampler),
        station: Station::MANAGED,
        panes: panes(state),
        patience: Patience::default(),
    };
    let known = async || {
        let seen = lab.tmux.look(&pane).await.unwrap();
        let mut last = sampler.sample(&seen, &Station::MANAGED, None, wall());
        while !last.sample.state.takes_text() {
            tokio::time::sleep(IDLE_APART).await;
            let seen = lab.tmux.look(&pane).await.unwrap();
            last = sampler.sample(&seen, &Station::MANAGED, Some(&last.resolved), wall());
        }
        Known {
            sample: last.sample,
            resolved: last.resolved,
        }
    };
    let sources = Sources::new(
        sampler.profile().clone(),
        Whereabouts {
            home: lab.dir.path().to_owned(),
            cwd: lab.dir.path().to_owned(),
            agent: None,
            session: None,
            hooks: None,
        },
    );
    let (ours, theirs) = (typist("/ours"), panes("/theirs"));
    let dispatch = builders::dispatch("ab12cd", 7, "Add an FAQ", builders::dev());
    let delivery = super::walk::planned(&dispatch, &DeliveryId::new("first000"), wall());
    let held = theirs.take(&pane).unwrap();
    let idle = known().await;
    let refused = ours.paste(&delivery, &pane, Some(&idle), &sources).await;
    let Outcome::NotTyped { why } = &refused else {
        panic!("{refused:?}");
    };
    let holder = format!("(process {}, ledger in /theirs)", std::process::id());
    assert!(why.contains(&holder), "{why}");

    drop(held);
    is_free(&theirs, &pane).await;
    let idle = known().await;
    let pasted = ours.paste(&delivery, &pane, Some(&idle), &sources).await;
    assert!(matches!(pasted, Outcome::Pasted { .. }), "{pasted:?}");
    let taken = theirs.take(&pane).map(drop).unwrap_err();
    assert!(
        taken.contains("ledger in /ours"),
        "until it is seen: {taken}"
    );
    let echoed = ours.echo(&delivery, &pane).await;
    assert!(matches!(echoed, Outcome::Echoed { .. }), "{echoed:?}");
    is_free(&theirs, &pane).await;
}

/// What was given up is free a moment later: a program that another test starts just now has it until it runs.
async fn is_free(panes: &PaneLocks, pane: &Pane) {
    let mut tries = 0;
    while let Err(why) = panes.take(pane).map(drop) {
        tries += 1;
        assert!(tries < PATIENCE_TRIES, "{why}");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

/// Every row of the matrix is answered in `tests/FAULTS.md`, by tests that are there.
fn unanswered(text: &str) -> Vec<String> {
    let tests = crate::tidy::rows::tests();
    let in_table: BTreeSet<&str> = table::rows()
        .filter_map(|name| name.split(' ').next())
        .collect();
    let name = Regex::new("`([^`]+)`").unwrap();
    let mut broken = Vec::new();
    for number in 1..=71 {
        let id = format!("F{number:02}");
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| {id} |")));
        let Some(row) = row else {
            broken.push(format!("{id} is not in the list"));
            continue;
        };
        let cell = row.rsplit('|').nth(1).unwrap_or_default();
        let shown: Vec<&str> = name
            .captures_iter(cell)
            .map(|found| found.get(1).unwrap().as_str())
            .collect();
        if shown.is_empty() {
            broken.push(format!("{id}: nothing shows it"));
        }
        for test in shown {
            if test == "each_fault_ends_in_a_verdict_that_is_true"
                && !in_table.contains(id.as_str())
            {
                broken.push(format!("{id} is not in the table"));
            }
            if !tests.contains(test) {
                broken.push(format!("{id}: there is no `{test}`"));
            }
        }
    }
    for id in in_table {
        let row = text
            .lines()
            .find(|line| line.starts_with(&format!("| {id} |")));
        if row.is_some_and(|row| !row.contains("`each_fault_ends_in_a_verdict_that_is_true`")) {
            broken.push(format!(
                "{id} is in the table, and the list does not say so"
            ));
        }
    }
    broken
}

#[test]
fn every_fault_of_the_matrix_is_answered() {
    let text = std::fs::read_to_string(format!("{ROOT}/tests/FAULTS.md")).unwrap();
    assert_eq!(unanswered(&text), Vec::<String>::new());
    assert_eq!(
        unanswered(&text.replace("| F05 |", "| F5 |")),
        ["F05 is not in the list"]
    );
    let gone = unanswered(&text.replace("`names_are_compared_whole`", "`no_such_test`"));
    assert_eq!(gone, ["F48: there is no `no_such_test`"]);
}
