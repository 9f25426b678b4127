//! The two stores cannot be told apart.

use jiff::Timestamp;
use pointsman::ledger::{Append, Claim, Memory, NewRecord, Sqlite, Store};
use proptest::prelude::*;

fn any_append() -> impl Strategy<Value = Append> {
    let record = (
        "[a-c]{1,3}",
        proptest::option::of(0..5_u64),
        proptest::option::of("[a-z]{0,2}"),
        any::<String>(),
        any::<i32>(),
    )
        .prop_map(|(kind, issue, dispatch, text, at)| NewRecord {
            at: Timestamp::from_microsecond(i64::from(at) * 1_000_003)
                .expect("within a century of 1970"),
            kind,
            v: 1,
            issue,
            dispatch,
            body: serde_json::to_string(&text).expect("a text is JSON"),
        });
    let records = proptest::collection::vec(record, 0..4);
    let keys = proptest::collection::vec("[a-h]", 0..3);
    ("[xy]", 0..6_u64, records, keys).prop_map(|(stream, expected_ver, records, keys)| Append {
        stream,
        expected_ver,
        records,
        claims: keys.into_iter().map(Claim).collect(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_stores_answer_alike_whatever_is_appended(groups in proptest::collection::vec(proptest::collection::vec(any_append(), 1..6), 1..8)) {
        let folder = tempfile::tempdir().unwrap();
        let mut disk = Sqlite::open(&folder.path().join("ledger.db")).unwrap();
        let mut memory = Memory::new("memory");
        for group in &groups {
            let (on_disk, in_memory) = (disk.append_group(group), memory.append_group(group));
            prop_assert_eq!(format!("{on_disk:?}"), format!("{in_memory:?}"));
        }
        prop_assert_eq!(disk.read(0, 1000).unwrap(), memory.read(0, 1000).unwrap());
        prop_assert_eq!(disk.verify().unwrap(), memory.verify().unwrap());
        for stream in ["x", "y"] {
            prop_assert_eq!(disk.head(stream).unwrap(), memory.head(stream).unwrap());
            prop_assert_eq!(disk.read_stream(stream, 2, 3).unwrap(), memory.read_stream(stream, 2, 3).unwrap());
        }
        for key in ["a", "b", "c", "d", "e", "f", "g", "h"] {
            prop_assert_eq!(disk.claimed(key).unwrap(), memory.claimed(key).unwrap());
        }
    }
}
