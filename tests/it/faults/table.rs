//! Row by row on real tmux: what goes wrong, and how a delivery may end then.

use pointsman::domain::Verdict::{self, Confirmed, NotDelivered, TypedNotSubmitted, Unconfirmed};

use super::real::Real;
use super::schedule::Schedule;
use super::walk::{ECHO, ENTER, PASTE, RECEIPT, walk};

/// A row: its name, whether a shell is below the program, what is wrong from the start, what happens when, how it may end.
type Row = (
    &'static str,
    bool,
    &'static [&'static str],
    &'static [(usize, &'static str)],
    &'static [Verdict],
);

#[rustfmt::skip]
const TABLE: &[Row] = &[
    // The submit key.
    ("F01 an Enter close behind the paste is absorbed", false, &["F01"], &[], &[Confirmed]),
    ("F02 a burst of letters turns Enter into a line break", false, &["F02"], &[], &[Confirmed]),
    ("F04 the program asks for long forms of keys", false, &["F04"], &[], &[Confirmed]),
    ("F06 no key submits", false, &["F06"], &[], &[TypedNotSubmitted]),
    ("F07 Enter makes a line break", false, &["F07"], &[], &[TypedNotSubmitted]),
    ("F08 Escape would leave the insert mode", false, &["F08"], &[], &[Confirmed]),
    ("F71 it stands still between paste and Enter", false, &[], &[(ENTER, "F71")], &[Confirmed]),
    ("F71 it stands still when Enter comes, and asks something at once afterwards", false, &["F45"], &[(ENTER, "F71")], &[Confirmed]),
    ("F71 it stands still when the line is pasted", false, &[], &[(PASTE, "F71")], &[Confirmed, TypedNotSubmitted]),
    // The paste.
    ("F11 it has no frames around pastes", false, &["F11"], &[], &[Confirmed]),
    ("F13 it hides what was pasted", false, &["F13"], &[], &[TypedNotSubmitted]),
    ("F21 its terminal reads lines", false, &["F21"], &[], &[Confirmed, TypedNotSubmitted, Unconfirmed]),
    ("F24 it throws away what came before it was ready", false, &["F24"], &[], &[Confirmed, TypedNotSubmitted]),
    // The composer.
    ("F26 a first letter opens a menu", false, &["F26"], &[], &[Confirmed]),
    ("F28 a draft of a person's", false, &[], &[(PASTE, "F28")], &[NotDelivered]),
    ("F28 a person types behind our line", false, &[], &[(ENTER, "F28")], &[TypedNotSubmitted]),
    ("F29 a suggestion in grey", false, &["F29"], &[], &[Confirmed]),
    ("F30 the screen stands still", false, &[], &[(ECHO, "F30")], &[Confirmed, TypedNotSubmitted]),
    ("F30 the screen stands still after the paste", false, &[], &[(RECEIPT, "F30")], &[Confirmed]),
    ("F31 a narrow window", false, &[], &[(PASTE, "F31")], &[NotDelivered]),
    ("F31 the window becomes narrow between paste and Enter", false, &[], &[(ENTER, "F31")], &[TypedNotSubmitted]),
    ("F32 lines below the composer that move", false, &["F32"], &[], &[Confirmed]),
    // Dialogs.
    ("F33 trust", false, &[], &[(PASTE, "F33")], &[NotDelivered]),
    ("F34 trust with No chosen", false, &[], &[(PASTE, "F34")], &[NotDelivered]),
    ("F34 trust with No chosen, before Enter", false, &[], &[(ENTER, "F34")], &[TypedNotSubmitted]),
    ("F35 two dialogs in a row", false, &[], &[(PASTE, "F35")], &[NotDelivered]),
    ("F36 one letter answers", false, &[], &[(PASTE, "F36")], &[NotDelivered]),
    ("F37 an update", false, &[], &[(PASTE, "F37")], &[NotDelivered]),
    ("F38 hooks to review", false, &[], &[(PASTE, "F38")], &[NotDelivered]),
    ("F39 a limit with a menu", false, &[], &[(PASTE, "F39")], &[NotDelivered]),
    ("F40 a survey", false, &[], &[(PASTE, "F40")], &[NotDelivered]),
    ("F41 a permission", false, &[], &[(PASTE, "F41")], &[NotDelivered]),
    ("F42 a question that is not drawn", false, &[], &[(PASTE, "F42")], &[NotDelivered]),
    ("F42 a question that is not drawn, before Enter", false, &[], &[(ENTER, "F42")], &[TypedNotSubmitted]),
    ("F43 a viewer", false, &[], &[(PASTE, "F43")], &[NotDelivered]),
    ("F44 a login", false, &[], &[(PASTE, "F44")], &[NotDelivered]),
    ("F45 a permission opens before the echo", false, &[], &[(ECHO, "F41")], &[TypedNotSubmitted]),
    ("F45 a permission opens between paste and Enter", false, &[], &[(ENTER, "F41")], &[TypedNotSubmitted]),
    ("F45 a permission opens at once after Enter", false, &["F45"], &[], &[Confirmed]),
    // tmux.
    ("F46 copy mode", false, &[], &[(PASTE, "F46")], &[NotDelivered]),
    ("F46 copy mode before Enter", false, &[], &[(ENTER, "F46")], &[TypedNotSubmitted]),
    ("F47 a dead pane", false, &[], &[(PASTE, "F47")], &[NotDelivered]),
    ("F47 the pane dies before Enter", false, &[], &[(ENTER, "F47")], &[TypedNotSubmitted]),
    ("F49 another server, the same id", false, &[], &[(PASTE, "F49")], &[NotDelivered]),
    ("F49 another server before Enter", false, &[], &[(ENTER, "F49")], &[Unconfirmed]),
    ("F49 another process, the same id", false, &[], &[(ENTER, "F49r")], &[Unconfirmed]),
    ("F52 keys are thrown away", false, &[], &[(PASTE, "F52")], &[NotDelivered]),
    ("F52 keys go to every pane", false, &[], &[(ENTER, "F52s")], &[TypedNotSubmitted]),
    ("F53 a shell is back", true, &[], &[(PASTE, "F53")], &[NotDelivered]),
    ("F53 a shell is back before the echo", true, &[], &[(ECHO, "F53")], &[TypedNotSubmitted]),
    ("F53 a shell is back before Enter", true, &[], &[(ENTER, "F53")], &[TypedNotSubmitted]),
    // Bookkeeping.
    ("F61 it begins to work before the paste, and loses what comes then", false, &[], &[(PASTE, "F61")], &[Confirmed, NotDelivered]),
    // Its three seconds of work may be over before Enter comes: then it took it.
    ("F61 it begins to work before Enter, and loses what comes then", false, &[], &[(ENTER, "F61")], &[Confirmed, TypedNotSubmitted]),
    ("F62 it looks busy and took nothing", false, &["F06"], &[(ENTER, "F62")], &[TypedNotSubmitted]),
    ("F63 nothing goes wrong", false, &[], &[], &[Confirmed]),
    ("F63 nothing goes wrong below a shell", true, &[], &[], &[Confirmed]),
    ("F63 its receipt never comes", false, &["F63"], &[], &[Unconfirmed]),
    ("F64 another conversation has the line in its transcript", false, &["F06", "F64"], &[], &[TypedNotSubmitted]),
    ("F67 the daemon dies in the paste", false, &[], &[(PASTE, "F67")], &[Confirmed, NotDelivered]),
    ("F67 the daemon dies in the Enter", false, &[], &[(ENTER, "F67")], &[Confirmed]),
    ("F67 the daemon dies while it waits for the receipt", false, &[], &[(RECEIPT, "F67")], &[Confirmed]),
    ("F69 an old limit further up", false, &["F69"], &[], &[Confirmed]),
    ("F70 a quoted dialog further up", false, &["F70"], &[], &[Confirmed]),
];

/// Returns the rows that the table has.
pub(super) fn rows() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|row| row.0)
}

/// Runs one row and says what is wrong with it.
async fn run(at: usize) -> Vec<String> {
    let (name, adopted, start, during, allowed) = TABLE[at];
    let schedule = Schedule {
        seed: at as u64,
        adopted,
        start: start.to_vec(),
        at: during.to_vec(),
    };
    let mut real = Real::start(schedule.clone()).await;
    let told = walk(&mut real, &format!("row{at:04}"), None).await;
    let screen = real.screen().await;
    let left = real.end().await;
    let mut broken = left.broken(&schedule, &told);
    if !allowed.contains(&told.last()) {
        broken.push(format!("it ended as {:?}", told.last()));
    }
    if !broken.is_empty() {
        broken.push(format!("{:#?}\n{:?}\n{screen}\n", told.acts, left.said));
    }
    broken
        .into_iter()
        .map(|what| format!("{name}: {what}"))
        .collect()
}

/// All rows, a few at a time: they wait, they do not work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_fault_ends_in_a_verdict_that_is_true() {
    let only = std::env::vars()
        .find(|(name, _)| name == "FAULT")
        .map(|(_, row)| row);
    let gate = std::sync::Arc::new(tokio::sync::Semaphore::new(8));
    let mut runs = tokio::task::JoinSet::new();
    for (at, row) in TABLE.iter().enumerate() {
        let is_it = |only: &String| row.0.starts_with(only.as_str());
        if !only.as_ref().is_none_or(is_it) {
            continue;
        }
        let gate = gate.clone();
        runs.spawn(async move {
            let _place = gate.acquire_owned().await.unwrap();
            run(at).await
        });
    }
    let broken: Vec<String> = runs.join_all().await.into_iter().flatten().collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
