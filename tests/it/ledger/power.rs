//! What `tests/powerloss/run.sh` runs on a disk whose power fails. The writer that must lose nothing is
//! [`super::disk`]'s `child_that_appends_until_it_is_killed`; here are the control that must lose, and the judge of both.

use std::io::Write;
use std::path::Path;

use pointsman::ledger::{Sqlite, Store};

use super::disk::CHILD_LEDGER;
use super::{claims, event};

/// The last seq that was acknowledged before the power failed.
const ACKNOWLEDGED: &str = "POINTSMAN_TEST_ACKNOWLEDGED";

fn variable(name: &str) -> String {
    std::env::vars()
        .find(|(key, _)| key == name)
        .unwrap_or_else(|| panic!("{name} is not set: run tests/powerloss/run.sh"))
        .1
}

/// The control: the rows are made by a ledger elsewhere and written here by a bare connection that does not wait for the disk.
#[test]
#[ignore = "a part of tests/powerloss/run.sh"]
fn child_that_appends_without_waiting_for_the_disk() {
    let path = variable(CHILD_LEDGER);
    let elsewhere = tempfile::tempdir().unwrap();
    let source = elsewhere.path().join("source.db");
    Sqlite::open(Path::new(&path))
        .unwrap()
        .backup(&source)
        .unwrap();
    let mut ledger = Sqlite::open(&source).unwrap();
    let mut ver = ledger.version("blog").unwrap();
    let bare = rusqlite::Connection::open(&path).unwrap();
    bare.execute_batch("PRAGMA synchronous = NORMAL").unwrap();
    bare.execute("ATTACH ?1 AS source", [source.to_str().unwrap()])
        .unwrap();
    let mut out = std::io::stdout();
    loop {
        let records = vec![event("a"), event("b")];
        let keys = claims(&[&format!("key-{ver}")]);
        let seqs = ledger.append("blog", ver, records, keys).unwrap();
        ver += 2;
        let first = seqs[0];
        bare.execute_batch(&format!(
            "BEGIN IMMEDIATE;
             INSERT INTO main.events SELECT * FROM source.events WHERE seq >= {first};
             INSERT INTO main.claims SELECT * FROM source.claims WHERE seq >= {first};
             COMMIT"
        ))
        .unwrap();
        writeln!(out, "acknowledged {}", seqs[1]).unwrap();
    }
}

#[test]
#[ignore = "a part of tests/powerloss/run.sh"]
fn everything_acknowledged_is_there_and_whole() {
    let path = variable(CHILD_LEDGER);
    let acknowledged: u64 = variable(ACKNOWLEDGED).parse().unwrap();
    let store = Sqlite::open_read_only(Path::new(&path)).unwrap();
    let events = store.verify().unwrap().events;
    assert!(
        events >= acknowledged && events.is_multiple_of(2),
        "{events} events, {acknowledged} acknowledged"
    );
    let last = format!("key-{}", acknowledged - 2);
    assert!(
        store.claimed(&last).unwrap().is_some(),
        "the claim `{last}` is lost"
    );
}
