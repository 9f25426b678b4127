//! The async front: one writer, an answer for each.

use pointsman::ledger::{AppendError, Ledger, Memory, Sqlite, StoreError, Verified};

use super::append;

#[tokio::test]
async fn many_tasks_share_one_writer_and_each_gets_its_own_answer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ledger.db");
    let (ledger, thread) = Ledger::start(Box::new(Sqlite::open(&path).unwrap())).unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..50_u64 {
        let ledger = ledger.clone();
        tasks.spawn(async move {
            let stream = format!("project-{task}");
            for ver in 0..10 {
                let stale = ledger.append(append(&stream, ver + 1, "late", &[])).await;
                assert!(
                    matches!(stale, Err(AppendError::WrongVersion { actual, .. }) if actual == ver)
                );
                let seqs = ledger
                    .append(append(&stream, ver, "a", &[&format!("{task}-{ver}")]))
                    .await
                    .unwrap();
                assert_eq!(
                    ledger.claimed(&format!("{task}-{ver}")).await.unwrap(),
                    Some(seqs[0])
                );
            }
            assert_eq!(ledger.version(&stream).await.unwrap(), 10);
        });
    }
    tasks.join_all().await;
    assert_eq!(
        ledger.verify().await.unwrap(),
        Verified {
            events: 500,
            streams: 50
        }
    );
    drop(ledger);
    assert_eq!(thread.join().read(0, 1000).unwrap().len(), 500);
}

#[tokio::test]
async fn the_handle_answers_everything_the_store_does() {
    let (ledger, thread) = Ledger::start(Box::new(Memory::new("memory"))).unwrap();
    let blocking = ledger.clone();
    let seqs = std::thread::spawn(move || blocking.append_blocking(append("blog", 0, "a", &[])))
        .join()
        .unwrap();
    assert_eq!(seqs.unwrap(), [1]);
    assert_eq!(
        ledger.read(0, 9).await.unwrap(),
        ledger.read_stream("blog", 0, 9).await.unwrap()
    );
    ledger
        .save_view(Vec::new(), Vec::new(), None)
        .await
        .unwrap();
    assert_eq!(
        (ledger.heads().await.unwrap(), ledger.polls().await.unwrap()),
        (Vec::new(), Vec::new())
    );
    assert_eq!(
        (
            ledger.ledger_id().await.unwrap().as_str(),
            ledger.head("blog").await.unwrap().ver
        ),
        ("memory", 1)
    );
    assert!(matches!(
        ledger.backup("/nowhere").await,
        Err(StoreError::NoFile)
    ));
    drop(ledger);
    assert_eq!(thread.join().verify().unwrap().events, 1);
}
