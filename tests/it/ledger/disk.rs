//! Crashes, full disks, readers beside the writer, back-ups, the lock.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use pointsman::ledger::{
    Append, AppendError, Lock, LockError, Memory, NewRecord, OpenError, Sqlite, Store, StoreError,
    Verified,
};

use super::{claims, event, ledger_of_four};

/// The variable that tells the test binary to be the child that is killed.
pub(super) const CHILD_LEDGER: &str = "POINTSMAN_TEST_CHILD_LEDGER";

#[test]
fn a_reader_sees_appends_while_the_writer_is_open_and_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut writer = Sqlite::open(&path).unwrap();
    let mut reader = Sqlite::open_read_only(&path).unwrap();
    assert_eq!(reader.ledger_id(), writer.ledger_id());
    for ver in 0..3 {
        writer
            .append("blog", ver, vec![event("a")], Vec::new())
            .unwrap();
        assert_eq!(reader.version("blog").unwrap(), ver + 1);
    }
    let refused = reader
        .append("blog", 3, vec![event("b")], Vec::new())
        .unwrap_err();
    assert!(
        matches!(refused, AppendError::Broken(StoreError::ReadOnly)),
        "{refused:?}"
    );
    reader.backup(&folder.path().join("copy.db")).unwrap();
    drop(writer);
    assert_eq!(reader.verify().unwrap().events, 3);
}

#[test]
fn a_ledger_keeps_its_id_and_only_its_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let path = ledger_of_four(folder.path());
    let id = Sqlite::open(&path).unwrap().ledger_id().to_owned();
    let store = Sqlite::open(&path).unwrap();
    assert_eq!(
        (store.ledger_id(), id.len(), store.schema_version()),
        (id.as_str(), 32, 1)
    );
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(
            entry.metadata().unwrap().permissions().mode() & 0o777,
            0o600,
            "{:?}",
            entry.path()
        );
    }
}

#[test]
fn a_backup_is_one_file_with_the_same_ledger_and_never_overwrites() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(&ledger_of_four(folder.path())).unwrap();
    let away = tempfile::tempdir().unwrap();
    let copy = away.path().join("copy.db");
    store.backup(&copy).unwrap();
    let names: Vec<_> = std::fs::read_dir(away.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    assert_eq!(names, ["copy.db"]);
    let restored = Sqlite::open_read_only(&copy).unwrap();
    assert_eq!(
        restored.verify().unwrap(),
        Verified {
            events: 4,
            streams: 2
        }
    );
    assert_eq!(
        (restored.ledger_id(), restored.read(0, 9).unwrap()),
        (store.ledger_id(), store.read(0, 9).unwrap())
    );
    assert!(matches!(store.backup(&copy), Err(StoreError::Exists(_))));
    assert!(matches!(
        Memory::new("m").backup(&away.path().join("m")),
        Err(StoreError::NoFile)
    ));
    drop(restored);
    assert_eq!(
        Sqlite::open(&copy)
            .unwrap()
            .append("blog", 3, vec![event("e")], Vec::new())
            .unwrap(),
        [5]
    );
}

#[test]
fn a_second_lock_is_refused_with_the_holders_process_id() {
    let folder = tempfile::tempdir().unwrap();
    let lock = Lock::take(folder.path()).unwrap();
    let refused = Lock::take(folder.path()).unwrap_err();
    assert!(
        matches!(refused, LockError::Held { pid: Some(pid) } if pid == std::process::id()),
        "{refused:?}"
    );
    assert_eq!(
        refused.to_string(),
        format!("the ledger is held by process {}", std::process::id())
    );
    drop(lock);
    Lock::take(folder.path()).unwrap();
    let nowhere = Lock::take(&folder.path().join("no such folder")).unwrap_err();
    assert!(matches!(nowhere, LockError::Unusable { .. }));
}

/// A file system of half a megabyte, unmounted when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    #[expect(
        clippy::disallowed_methods,
        reason = "mounting is not the product's business"
    )]
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=512k", "pointsman-test"])
            .arg(folder.path());
        let mounted = mount
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        mounted.then_some(Self(folder))
    }
}

impl Drop for SmallDisk {
    #[expect(
        clippy::disallowed_methods,
        reason = "unmounting is not the product's business"
    )]
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(self.0.path()).status());
    }
}

fn big(kind: &str) -> NewRecord {
    NewRecord {
        body: format!("\"{}\"", "x".repeat(16 * 1024)),
        ..event(kind)
    }
}

/// Appends until something is refused; returns how many went in and why the next did not.
fn append_until_refused(store: &mut Sqlite) -> (u64, AppendError) {
    for ver in 0..1000 {
        if let Err(error) = store.append(
            "blog",
            ver,
            vec![big("a")],
            claims(&[&format!("key-{ver}")]),
        ) {
            return (ver, error);
        }
    }
    panic!("the disk never filled up");
}

#[test]
fn a_full_disk_is_said_and_earlier_events_stay() {
    let Some(disk) = SmallDisk::mount() else {
        // Past the capture of the test harness: a skipped test must be seen.
        let skipped =
            "SKIPPED: a_full_disk_is_said_and_earlier_events_stay (needs root and `mount`)";
        writeln!(std::io::stderr(), "{skipped}").unwrap();
        return;
    };
    let path = disk.0.path().join("ledger.db");
    let mut store = Sqlite::open(&path).unwrap();
    let ballast = disk.0.path().join("ballast");
    std::fs::write(&ballast, vec![0; 128 * 1024]).unwrap();
    let (ver, full) = append_until_refused(&mut store);
    assert!(
        matches!(full, AppendError::Full) && ver > 0,
        "{full:?} after {ver}"
    );
    assert_eq!(
        (
            store.version("blog").unwrap(),
            store.claimed(&format!("key-{ver}")).unwrap()
        ),
        (ver, None)
    );
    let huge = |stream: &str, expected_ver| Append {
        stream: stream.to_owned(),
        expected_ver,
        records: vec![big("b"); 50],
        claims: Vec::new(),
    };
    let answers = store.append_group(&[huge("shop", 0), huge("blog", ver)]);
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(AppendError::Full))),
        "{answers:?}"
    );
    assert_eq!(
        store.verify().unwrap(),
        Verified {
            events: ver,
            streams: 1
        }
    );
    std::fs::remove_file(&ballast).unwrap();
    let small = Append {
        records: vec![event("c")],
        ..huge("blog", ver)
    };
    let answers = store.append_group(&[huge("shop", 0), small]);
    assert!(matches!(answers[0], Err(AppendError::Full)), "{answers:?}");
    assert_eq!(
        answers[1].as_ref().unwrap(),
        &[ver + 1],
        "a small append fits where a huge one did not"
    );
    drop(store);
    assert_eq!(
        Sqlite::open(&path).unwrap().verify().unwrap(),
        Verified {
            events: ver + 1,
            streams: 1
        }
    );
}

/// Not a test: what [`kill_9_loses_no_acknowledged_append`] starts and kills.
#[test]
fn child_that_appends_until_it_is_killed() {
    let Some(path) = std::env::var_os(CHILD_LEDGER) else {
        return;
    };
    let mut store = Sqlite::open(Path::new(&path)).unwrap();
    let mut ver = store.version("blog").unwrap();
    let mut out = std::io::stdout();
    loop {
        let seqs = store
            .append(
                "blog",
                ver,
                vec![event("a"), event("b")],
                claims(&[&format!("key-{ver}")]),
            )
            .unwrap();
        ver += 2;
        writeln!(out, "acknowledged {}", seqs[1]).unwrap();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the child must be a process to be killed, after a moment"
)]
#[test]
fn kill_9_loses_no_acknowledged_append() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let mut acknowledged = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "ledger::disk::child_that_appends_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD_LEDGER, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stdout = child.stdout.take().unwrap();
        let (first, begun) = std::sync::mpsc::sync_channel(1);
        let reader = std::thread::spawn(move || {
            let seqs = BufReader::new(stdout).lines().map_while(Result::ok);
            seqs.filter_map(|line| line.strip_prefix("acknowledged ")?.parse::<u64>().ok())
                // Only the first one is waited for.
                .inspect(|_| {
                    let _full = first.try_send(());
                })
                .max()
        });
        // Every second one is killed at its work for sure, the others perhaps before they begin.
        let begins = round % 2 == 0 || begun.recv_timeout(Duration::from_mins(1)).is_ok();
        std::thread::sleep(Duration::from_millis(60 + 23 * round));
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(begins, "it never appended");
        acknowledged = reader.join().unwrap().unwrap_or(acknowledged);
        // A reader comes first: it has to recover the log that nobody closed, and may not lose anything either.
        let reader = match Sqlite::open_read_only(&path) {
            // On a busy machine it was killed before the file had its tables.
            Err(OpenError::Missing { .. }) if acknowledged == 0 => continue,
            reader => reader.unwrap(),
        };
        let seen = reader.verify().unwrap().events;
        drop(reader);
        let store = Sqlite::open(&path).unwrap();
        let events = store.verify().unwrap().events;
        assert_eq!(seen, events);
        assert!(
            events >= acknowledged && events.is_multiple_of(2),
            "{events} events, {acknowledged} acknowledged"
        );
        assert_eq!(
            store
                .claimed(&format!("key-{}", events.saturating_sub(2)))
                .unwrap()
                .is_some(),
            events > 0
        );
    }
    assert!(acknowledged > 0, "no child got as far as an append");
}
