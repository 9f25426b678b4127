//! What the ledger costs: `cargo bench --bench ledger`. Prints figures; ends with 1 if one misses its bar by far.
//!
//! The comparison is a bare rusqlite connection that writes the same row with the same pragmas into a table with the same index,
//! one commit each, taken in turns with ours, so that a noisy disk hits both.

#![expect(clippy::print_stdout, reason = "a bench prints its figures")]

mod figures;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use figures::{Bar, Figures};
use jiff::Timestamp;
use pointsman::daemon::store::{append_of, replay as daemon_replay};
use pointsman::domain::{Event, Hold, IssueNumber, ProjectName};
use pointsman::ledger::{Append, Chain, Claim, Ledger, NewRecord, Records, Sqlite, Store};
use rusqlite::{Connection, params};

/// DESIGN 14: an append costs at most this many times the bare insert.
const RATIO_MAX: f64 = 1.5;
/// DESIGN 14: a replay reads at least this many events per second.
const REPLAY_PER_SECOND_MIN: f64 = 300_000.0;
/// Rounds of the comparison; the medians of both sides are compared.
const ROUNDS: usize = 20;
const APPENDS_PER_ROUND: u64 = 200;
const REPLAY_EVENTS: u64 = 300_000;
const TASKS: u64 = 64;
const APPENDS_PER_TASK: u64 = 200;

fn event() -> NewRecord {
    NewRecord {
        at: Timestamp::from_microsecond(1_763_640_000_123_456).expect("a time of this century"),
        kind: "dispatch_delivered".to_owned(),
        v: 1,
        issue: Some(1234),
        dispatch: Some("k3j9x2".to_owned()),
        // 283 bytes: the size of a usual event.
        body: format!(
            r#"{{"delivery":"a8s7d6f5","receipt":"{}"}}"#,
            "x".repeat(246)
        ),
    }
}

fn main() -> ExitCode {
    let mut figures = Figures::default();
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    compare_appends(&mut figures, folder.path());
    group_commit(&mut figures, &folder.path().join("group.db"));
    replay(&mut figures, &folder.path().join("replay.db"));
    fold(&mut figures, &folder.path().join("fold.db"));
    figures.end()
}

fn compare_appends(figures: &mut Figures, folder: &Path) {
    let mut ours = Sqlite::open(&folder.join("ours.db")).expect("a new ledger");
    let bare = bare(&folder.join("bare.db"));
    let mut ours_took = Vec::new();
    let mut bare_took = Vec::new();
    for round in 0..ROUNDS as u64 {
        let first = round * APPENDS_PER_ROUND;
        let start = Instant::now();
        for n in first..first + APPENDS_PER_ROUND {
            let claim = Claim(format!("labelling-{n}/1"));
            ours.append("blog", n, vec![event()], vec![claim])
                .expect("room on the disk");
        }
        ours_took.push(start.elapsed());
        let start = Instant::now();
        for n in first..first + APPENDS_PER_ROUND {
            insert(&bare, n);
        }
        bare_took.push(start.elapsed());
    }
    let (ours, bare) = (median_micros(&mut ours_took), median_micros(&mut bare_took));
    figures.say(
        "append with its fsync and a claim, ours",
        ours,
        "us",
        Bar::None,
    );
    figures.say("the same rows by bare SQLite", bare, "us", Bar::None);
    figures.say(
        "append, ours against bare SQLite",
        ours / bare,
        "times",
        Bar::AtMost(RATIO_MAX),
    );
}

/// The same tables, because the claim is part of what is durable; nothing is judged, chained or hashed.
fn bare(path: &Path) -> Connection {
    let conn = Connection::open(path).expect("a new database");
    conn.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA temp_store = MEMORY;
         CREATE TABLE events (seq INTEGER PRIMARY KEY, stream TEXT NOT NULL, ver INTEGER NOT NULL, at TEXT NOT NULL,
             kind TEXT NOT NULL, v INTEGER NOT NULL, issue INTEGER, dispatch TEXT, body TEXT NOT NULL,
             prev BLOB NOT NULL, hash BLOB NOT NULL, UNIQUE (stream, ver)) STRICT;
         CREATE TABLE claims (key TEXT PRIMARY KEY NOT NULL, seq INTEGER NOT NULL) STRICT;",
    )
    .expect("valid SQL");
    conn
}

fn insert(conn: &Connection, n: u64) {
    let n = i64::try_from(n).expect("a small number");
    let new = event();
    let transaction = conn.unchecked_transaction().expect("no other transaction");
    let sql = "INSERT INTO events VALUES (?1, 'blog', ?2, ?3, ?4, 1, 1234, ?5, ?6, ?7, ?8)";
    let mut row = transaction.prepare_cached(sql).expect("valid SQL");
    let at = new.at.to_string();
    row.execute(params![
        n + 1,
        n + 1,
        at,
        new.kind,
        new.dispatch,
        new.body,
        [7_u8; 32],
        [8_u8; 32]
    ])
    .expect("a new row");
    drop(row);
    let mut claim = transaction
        .prepare_cached("INSERT INTO claims VALUES (?1, ?2)")
        .expect("valid SQL");
    claim
        .execute(params![format!("labelling-{n}/1"), n + 1])
        .expect("a new claim");
    drop(claim);
    transaction.commit().expect("room on the disk");
}

fn group_commit(figures: &mut Figures, path: &Path) {
    let store = Sqlite::open(path).expect("a new ledger");
    let (ledger, thread) = Ledger::start(Box::new(store)).expect("a thread");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let start = Instant::now();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..TASKS {
            let ledger = ledger.clone();
            tasks.spawn(async move {
                for ver in 0..APPENDS_PER_TASK {
                    let claims = vec![Claim(format!("{task}-{ver}"))];
                    let stream = format!("project-{task}");
                    let append = Append {
                        stream,
                        expected_ver: ver,
                        records: vec![event()],
                        claims,
                    };
                    ledger.append(append).await.expect("room on the disk");
                }
            });
        }
        tasks.join_all().await;
    });
    let per_second = per_second(TASKS * APPENDS_PER_TASK, start.elapsed());
    figures.say(
        &format!("group commit, {TASKS} tasks that each wait for every append"),
        per_second,
        "durable appends/s",
        Bar::None,
    );
    drop(ledger);
    drop(thread.join());
}

fn replay(figures: &mut Figures, path: &Path) {
    let mut store = Sqlite::open(path).expect("a new ledger");
    for batch in 0..REPLAY_EVENTS / 1000 {
        store
            .append("blog", batch * 1000, vec![event(); 1000], Vec::new())
            .expect("room on the disk");
    }
    let start = Instant::now();
    let mut chain = Chain::default();
    for record in Records::after(&store, 0) {
        chain
            .check(&record.expect("a readable ledger"))
            .expect("a whole chain");
    }
    assert_eq!(chain.events(), REPLAY_EVENTS);
    let checked = per_second(REPLAY_EVENTS, start.elapsed());
    figures.say(
        &format!("replay of {REPLAY_EVENTS} events, every hash checked"),
        checked,
        "events/s",
        Bar::AtLeast(REPLAY_PER_SECOND_MIN),
    );
    let start = Instant::now();
    store.verify().expect("a whole ledger");
    figures.say(
        "`ledger verify` of them",
        start.elapsed().as_secs_f64(),
        "s",
        Bar::None,
    );
}

/// What a start does with each project's stream: reads it through the daemon's handle, understands it, and folds it.
fn fold(figures: &mut Figures, path: &Path) {
    let project = ProjectName::new("blog");
    let mut store = Sqlite::open(path).expect("a new ledger");
    for batch in 0..REPLAY_EVENTS / 1000 {
        let events: Vec<Event> = (0..1000).map(holds_changed).collect();
        let append = append_of(&project, batch * 1000, event().at, &events);
        let answers = store.append_group(&[append]);
        assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    }
    let (ledger, thread) = Ledger::start(Box::new(store)).expect("a thread");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let start = Instant::now();
    let state = runtime.block_on(daemon_replay(&ledger, &project));
    let folded = per_second(REPLAY_EVENTS, start.elapsed());
    assert_eq!(state.expect("it is understood").version, REPLAY_EVENTS);
    figures.say(
        "replay as at a start: read, understood and folded",
        folded,
        "events/s",
        Bar::AtLeast(REPLAY_PER_SECOND_MIN),
    );
    drop(ledger);
    drop(thread.join());
}

/// The event that an unattended project has most of: why its issues wait.
fn holds_changed(n: u64) -> Event {
    let why = Hold::NoAgent {
        window: "agent".to_owned(),
        hint: "its agent is not there; try `pointsman up blog`".to_owned(),
    };
    let holds = [(IssueNumber(n % 7 + 1), why)].into();
    Event::HoldsChanged { holds }
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn per_second(count: u64, took: Duration) -> f64 {
    count as f64 / took.as_secs_f64()
}

#[expect(clippy::cast_precision_loss, reason = "a figure for people")]
fn median_micros(rounds: &mut [Duration]) -> f64 {
    rounds.sort();
    rounds[rounds.len() / 2].as_secs_f64() * 1e6 / APPENDS_PER_ROUND as f64
}
