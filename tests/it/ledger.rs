//! The ledger's promises, kept by both stores.

#![expect(
    clippy::unwrap_used,
    reason = "in a test a surprise may panic, also in its helpers"
)]

mod damage;
mod disk;
mod equal;
mod handle;
mod power;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use pointsman::ledger::{
    Append, AppendError, Claim, FIRST_PREV, HeadKey, IssueHead, Memory, NewRecord, Poll, Records,
    Sqlite, Store, StoreError, Verified, export,
};

fn event(kind: &str) -> NewRecord {
    NewRecord {
        at: Timestamp::from_second(1_763_640_000).expect("a time of this century"),
        kind: kind.to_owned(),
        v: 1,
        issue: Some(7),
        dispatch: Some("d1".to_owned()),
        body: format!(r#"{{"said":"{kind}"}}"#),
    }
}

fn claims(keys: &[&str]) -> Vec<Claim> {
    keys.iter().map(|key| Claim((*key).to_owned())).collect()
}

fn append(stream: &str, expected_ver: u64, kind: &str, keys: &[&str]) -> Append {
    Append {
        stream: stream.to_owned(),
        expected_ver,
        records: vec![event(kind)],
        claims: claims(keys),
    }
}

/// Runs one story against both stores.
fn both(story: impl Fn(&mut dyn Store)) {
    story(&mut Memory::new("memory"));
    let folder = tempfile::tempdir().unwrap();
    story(&mut Sqlite::open(&folder.path().join("ledger.db")).unwrap());
}

/// A ledger on disk with three events of `blog` and one of `shop`, closed.
fn ledger_of_four(folder: &Path) -> PathBuf {
    let path = folder.join("ledger.db");
    let mut store = Sqlite::open(&path).unwrap();
    store
        .append("blog", 0, vec![event("a"), event("b")], claims(&["one"]))
        .unwrap();
    store
        .append("shop", 0, vec![event("c")], claims(&["two"]))
        .unwrap();
    store
        .append("blog", 2, vec![event("d")], claims(&["three"]))
        .unwrap();
    path
}

#[test]
fn a_record_is_read_as_it_was_appended_and_chained() {
    both(|store| {
        let first = NewRecord {
            issue: None,
            dispatch: None,
            body: "{ \"n\": 1 }".to_owned(),
            ..event("started")
        };
        let seqs = store
            .append("blog", 0, vec![first.clone(), event("seen")], Vec::new())
            .unwrap();
        assert_eq!(seqs, [1, 2]);
        let read = store.read(0, 10).unwrap();
        assert_eq!(
            (read[0].at, &read[0].kind, &read[0].body),
            (first.at, &first.kind, &first.body)
        );
        assert_eq!((read[0].issue, read[0].dispatch.as_deref()), (None, None));
        assert_eq!(
            (read[1].issue, read[1].dispatch.as_deref()),
            (Some(7), Some("d1"))
        );
        assert_eq!((read[0].prev, read[1].prev), (FIRST_PREV, read[0].hash));
        let head = store.head("blog").unwrap();
        assert_eq!((head.ver, head.hash), (2, read[1].hash));
        assert_eq!(store.version("nobody").unwrap(), 0);
    });
}

#[test]
fn an_append_on_an_older_version_is_refused_with_the_true_one() {
    both(|store| {
        store
            .append("blog", 0, vec![event("a"), event("b")], Vec::new())
            .unwrap();
        let refused = store
            .append("blog", 1, vec![event("c")], Vec::new())
            .unwrap_err();
        assert!(
            matches!(
                &refused,
                AppendError::WrongVersion {
                    expected: 1,
                    actual: 2,
                    ..
                }
            ),
            "{refused}"
        );
        let refused = store
            .append("shop", 1, vec![event("c")], Vec::new())
            .unwrap_err();
        assert!(
            matches!(
                &refused,
                AppendError::WrongVersion {
                    expected: 1,
                    actual: 0,
                    ..
                }
            ),
            "{refused}"
        );
        assert_eq!(store.read(0, 10).unwrap().len(), 2);
    });
}

#[test]
fn a_claim_is_taken_once_across_all_streams_and_a_refused_append_leaves_none() {
    both(|store| {
        store
            .append(
                "blog",
                0,
                vec![event("a"), event("b")],
                claims(&["label-1/1"]),
            )
            .unwrap();
        assert_eq!(store.claimed("label-1/1").unwrap(), Some(1));
        let refused = store
            .append("shop", 0, vec![event("c")], claims(&["fresh", "label-1/1"]))
            .unwrap_err();
        assert_eq!(refused.to_string(), "`label-1/1` was claimed by event 1");
        assert_eq!(
            (
                store.claimed("fresh").unwrap(),
                store.version("shop").unwrap()
            ),
            (None, 0)
        );
        store
            .append("shop", 5, vec![event("c")], claims(&["fresh"]))
            .unwrap_err();
        assert_eq!(store.claimed("fresh").unwrap(), None);
        store
            .append("shop", 0, vec![event("c")], claims(&["fresh"]))
            .unwrap();
        assert_eq!(store.claimed("fresh").unwrap(), Some(3));
    });
}

#[test]
fn what_no_ledger_may_hold_is_refused() {
    both(|store| {
        let mut check = |records: Vec<NewRecord>, keys: &[&str], expected: &str| {
            let refused = store.append("blog", 0, records, claims(keys)).unwrap_err();
            assert!(refused.to_string().contains(expected), "{refused}");
        };
        check(Vec::new(), &["key"], "it has no records");
        check(vec![event("a")], &["key", "key"], "it claims `key` twice");
        check(
            vec![NewRecord {
                body: "said".to_owned(),
                ..event("a")
            }],
            &[],
            "the body of `a` is not JSON",
        );
        check(
            vec![NewRecord {
                issue: Some(u64::MAX),
                ..event("a")
            }],
            &[],
            "does not fit",
        );
        let long = format!("\"{}\"", "x".repeat(pointsman::ledger::BODY_BYTES_MAX));
        check(
            vec![NewRecord {
                body: long,
                ..event("a")
            }],
            &[],
            "more than 1048576 bytes",
        );
        assert_eq!(
            store.verify().unwrap(),
            Verified {
                events: 0,
                streams: 0
            }
        );
    });
}

#[test]
fn one_refused_append_of_a_group_does_not_harm_the_others() {
    both(|store| {
        let answers = store.append_group(&[
            append("blog", 0, "a", &["one"]),
            append("blog", 0, "late", &["two"]),
            append("blog", 1, "b", &["one"]),
            append("blog", 1, "c", &["two"]),
        ]);
        assert_eq!(answers[0].as_ref().unwrap(), &[1]);
        assert!(matches!(
            answers[1],
            Err(AppendError::WrongVersion { actual: 1, .. })
        ));
        assert!(
            matches!(&answers[2], Err(AppendError::ClaimTaken { key, seq: 1 }) if key == "one")
        );
        assert_eq!(answers[3].as_ref().unwrap(), &[2]);
        assert_eq!(
            store.verify().unwrap(),
            Verified {
                events: 2,
                streams: 1
            }
        );
    });
}

#[test]
fn reading_goes_on_where_it_stopped() {
    both(|store| {
        for ver in 0..1500 {
            let stream = if ver % 2 == 0 { "even" } else { "odd" };
            store
                .append(stream, ver / 2, vec![event("a")], Vec::new())
                .unwrap();
        }
        let all: Vec<u64> = Records::after(store, 0)
            .map(|record| record.unwrap().seq)
            .collect();
        assert_eq!(all, (1..=1500).collect::<Vec<_>>());
        let seqs = |after, limit| {
            store
                .read(after, limit)
                .unwrap()
                .iter()
                .map(|record| record.seq)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            (seqs(2, 2), seqs(1500, 9), seqs(u64::MAX, 9)),
            (vec![3, 4], vec![], vec![])
        );
        let odd = store.read_stream("odd", 748, 9).unwrap();
        assert_eq!(
            odd.iter()
                .map(|record| (record.ver, record.seq))
                .collect::<Vec<_>>(),
            [(749, 1498), (750, 1500)]
        );
    });
}

#[test]
fn heads_and_their_poll_are_saved_together_and_replaced() {
    let key = |issue| HeadKey {
        tracker: "github".to_owned(),
        repo: "1".to_owned(),
        issue,
    };
    let head = |issue, body: &str| IssueHead {
        key: key(issue),
        body: body.to_owned(),
    };
    let poll = |etag: &str| Poll {
        url: "https://x/issues".to_owned(),
        token_fp: "f".to_owned(),
        etag: Some(etag.to_owned()),
        watermark: None,
    };
    both(|store| {
        store
            .save_view(&[head(1, "{}"), head(2, "{}")], &[], Some(&poll("one")))
            .unwrap();
        store
            .save_view(
                &[head(2, "[]"), head(3, "{}")],
                &[key(1)],
                Some(&poll("two")),
            )
            .unwrap();
        assert_eq!(store.heads().unwrap(), [head(2, "[]"), head(3, "{}")]);
        assert_eq!(store.polls().unwrap(), [poll("two")]);
        assert_eq!(store.read(0, 9).unwrap(), []);
    });
}

#[test]
fn an_export_is_one_line_of_json_for_each_record() {
    both(|store| {
        let body = "{\n  \"a\": \"\\n\"\n}".to_owned();
        store
            .append(
                "blog",
                0,
                vec![NewRecord { body, ..event("a") }, event("b")],
                Vec::new(),
            )
            .unwrap();
        let mut out = Vec::new();
        assert_eq!(export(Records::after(store, 0), &mut out).unwrap(), 2);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<serde_json::Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(
            (&lines[0]["body"]["a"], &lines[0]["seq"]),
            (&"\n".into(), &1.into())
        );
        assert_eq!(lines[1]["prev"], lines[0]["hash"]);
    });
}

#[test]
fn a_memory_that_is_full_refuses_until_it_is_freed() {
    let mut store = Memory::new("memory");
    store
        .append("blog", 0, vec![event("a")], Vec::new())
        .unwrap();
    store.fill();
    let full = store
        .append("blog", 1, vec![event("b")], claims(&["one"]))
        .unwrap_err();
    assert!(matches!(full, AppendError::Full) && full.hint().unwrap().contains("free some space"));
    assert!(matches!(
        store.save_view(&[], &[], None),
        Err(StoreError::Full)
    ));
    store.free();
    store
        .append("blog", 1, vec![event("b")], claims(&["one"]))
        .unwrap();
}
