//! What somebody did to the file behind our back is found and named.

use pointsman::ledger::{Chain, Damage, OpenError, Records, Sqlite, Store, StoreError};

use super::{event, ledger_of_four};

/// Changes the file behind the ledger's back and returns what `verify` says.
fn damage_after(sql: &str) -> Damage {
    let folder = tempfile::tempdir().unwrap();
    let path = ledger_of_four(folder.path());
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch(sql)
        .unwrap();
    match Sqlite::open(&path).unwrap().verify() {
        Err(StoreError::Damaged(damage)) => damage,
        other => panic!("the damage was not seen: {other:?}"),
    }
}

#[test]
fn a_changed_row_is_found() {
    let damage = damage_after("UPDATE events SET body = '{\"said\":\"e\"}' WHERE seq = 2");
    assert_eq!(
        damage.to_string(),
        "the ledger is damaged at event 2: its contents do not match its hash"
    );
    assert!(damage.hint().unwrap().contains("`pointsman ledger verify`"));
    for column in [
        "kind = 'z'",
        "issue = NULL",
        "dispatch = NULL",
        "v = 2",
        "at = '2025-11-20T12:00:01Z'",
        "stream = 'x'",
    ] {
        assert_eq!(
            damage_after(&format!("UPDATE events SET {column} WHERE seq = 2")).seq,
            Some(2),
            "{column}"
        );
    }
}

#[test]
fn a_row_whose_hash_was_made_to_fit_is_found_at_the_next() {
    let folder = tempfile::tempdir().unwrap();
    let path = ledger_of_four(folder.path());
    let mut forged = Sqlite::open(&path).unwrap().read(1, 1).unwrap().remove(0);
    forged.body = "{}".to_owned();
    let conn = rusqlite::Connection::open(&path).unwrap();
    conn.execute(
        "UPDATE events SET body = '{}', hash = ?1 WHERE seq = 2",
        [forged.computed_hash()],
    )
    .unwrap();
    let error = Sqlite::open(&path).unwrap().verify().unwrap_err();
    assert_eq!(
        error.to_string(),
        "the ledger is damaged at event 4: it does not continue the event before it in stream `blog`"
    );
}

#[test]
fn a_deleted_row_is_found() {
    assert_eq!(
        damage_after("DELETE FROM events WHERE seq = 2").what,
        "event 2 is missing"
    );
    let renumbered =
        "DELETE FROM events WHERE seq = 2; UPDATE events SET seq = seq - 1 WHERE seq > 2;";
    assert_eq!(
        damage_after(renumbered).what,
        "stream `blog` goes from version 1 to 3"
    );
    let cut = damage_after("DELETE FROM events WHERE seq = 4");
    assert_eq!(
        cut.what,
        "the event is missing, but `three` was claimed by it"
    );
}

#[test]
fn a_swapped_row_is_found() {
    let swap = "UPDATE events SET seq = 99 WHERE seq = 1; UPDATE events SET seq = 1 WHERE seq = 2;
                UPDATE events SET seq = 2 WHERE seq = 99;";
    assert_eq!(
        damage_after(swap).what,
        "stream `blog` goes from version 0 to 2"
    );
    let versions = "UPDATE events SET ver = 99 WHERE seq = 1; UPDATE events SET ver = 1 WHERE seq = 2;
                    UPDATE events SET ver = 2 WHERE seq = 99; UPDATE events SET ver = 2 WHERE ver = 99;";
    assert_eq!(damage_after(&format!("{swap} {versions}")).seq, Some(1));
}

#[test]
fn a_replay_stops_at_the_broken_link() {
    let folder = tempfile::tempdir().unwrap();
    let path = ledger_of_four(folder.path());
    let store = Sqlite::open(&path).unwrap();
    let mut chain = Chain::default();
    for mut record in Records::after(&store, 0).map(Result::unwrap) {
        if record.seq == 3 {
            record.stream = "blog".to_owned();
            assert_eq!(chain.check(&record).unwrap_err().seq, Some(3));
            return;
        }
        chain.check(&record).unwrap();
    }
    panic!("event 3 was never read");
}

#[test]
fn a_newer_schema_is_refused_by_name_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = ledger_of_four(folder.path());
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute("UPDATE meta SET schema = 9", [])
        .unwrap();
    for refused in [
        Sqlite::open(&path).unwrap_err(),
        Sqlite::open_read_only(&path).unwrap_err(),
    ] {
        let expected = format!(
            "the ledger `{}` has schema 9; this binary knows up to 1",
            path.display()
        );
        assert_eq!(refused.to_string(), expected);
        let hint = refused.hint().unwrap();
        assert!(
            hint.contains("newer binary") && hint.contains("back-up"),
            "{hint}"
        );
    }
}

#[test]
fn a_file_that_is_no_ledger_is_refused_with_a_reason() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let missing = Sqlite::open_read_only(&path).unwrap_err();
    assert!(matches!(missing, OpenError::Missing { .. }) && !path.exists());
    std::fs::write(
        &path,
        "this is not a database, but long enough to be looked at",
    )
    .unwrap();
    for refused in [
        Sqlite::open(&path).unwrap_err(),
        Sqlite::open_read_only(&path).unwrap_err(),
    ] {
        assert!(matches!(refused, OpenError::Damaged { .. }), "{refused:?}");
        assert!(
            refused
                .hint()
                .unwrap()
                .contains("`pointsman ledger verify`")
        );
    }
    std::fs::remove_file(&path).unwrap();
    rusqlite::Connection::open(&path)
        .unwrap()
        .execute_batch("CREATE TABLE notes (text TEXT)")
        .unwrap();
    assert!(matches!(
        Sqlite::open(&path).unwrap_err(),
        OpenError::NotALedger { .. }
    ));
    let nowhere = Sqlite::open(&folder.path().join("no/such/ledger.db")).unwrap_err();
    assert!(matches!(nowhere, OpenError::Unusable { .. }), "{nowhere:?}");
}

#[test]
fn a_bad_page_is_damage_and_not_a_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut store = Sqlite::open(&path).unwrap();
    let many = (0..1000).map(|_| event("a")).collect();
    store.append("blog", 0, many, Vec::new()).unwrap();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let error = Sqlite::open(&path).unwrap().verify().unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error:?}");
    assert!(error.hint().unwrap().contains("back-up"));
}
