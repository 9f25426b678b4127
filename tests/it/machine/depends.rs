//! What waits for what: by an issue's words, by the tracker's own relation, and in a ring.

use std::collections::BTreeMap;

use pointsman::domain::{Head, Hold, IssueNumber, Text};
use pointsman::machine::depends::{named, still_waits, tell_rings, waits};

use crate::builders::{head, rules};

#[test]
fn an_issues_words_name_what_it_waits_for() {
    let table = [
        ("Blocked by #3", "3"),
        ("**Depends on**: #3, #4 and #5. See #6.", "3 4 5"),
        ("- [ ] blocked by #3\n- [x] blocked by #4", "3"),
        ("It is not blocked by #3, and was blocked by #4.", ""),
        ("It is no longer blocked by #3", ""),
        ("blocked by other/repo#3, blocked by the weather", ""),
        ("```\nblocked by #3\n```\nunblocked by #4", ""),
        ("<!-- blocked by #3 --> fixes #4", ""),
        (
            "waits for #3; waits for #3; blocked by #99999999999999999999",
            "3",
        ),
    ];
    for (text, then) in table {
        let found: Vec<String> = named(text).iter().map(|one| one.0.to_string()).collect();
        assert_eq!(found.join(" "), then, "{text}");
    }
    assert_eq!(named(&"blocked by #1 ".repeat(10_000)).len(), 1);
    let many: Vec<String> = (1..1000).map(|n| format!("blocked by #{n}")).collect();
    assert_eq!(named(&many.join("\n")).len(), 20);
}

fn world(closed: u64) -> BTreeMap<IssueNumber, Head> {
    let mut heads = BTreeMap::new();
    for number in [3, 4, 7, 8, 9] {
        let mut head = head(number, "t", "ready-for-dev");
        head.open = number != closed;
        heads.insert(head.number, head);
    }
    heads
}

fn hold(number: u64, body: &str, heads: &BTreeMap<IssueNumber, Head>) -> Option<Hold> {
    let text = Text {
        title: "t".to_owned(),
        body: body.to_owned(),
        edits: Vec::new(),
    };
    waits(&heads[&IssueNumber(number)], &text, heads)
}

#[test]
fn an_issue_waits_for_what_is_open_and_goes_on_once_it_is_closed() {
    let heads = world(0);
    let held = hold(7, "Blocked by #3, #4, #7 and #5000", &heads).unwrap();
    assert_eq!(
        (held.word(), held.to_string().as_str()),
        ("waits", "waits until #3, #4 is closed")
    );
    assert!(still_waits(&held, &heads));
    assert!(!still_waits(&held, &world(3)), "it is read again");
    assert_eq!(hold(7, "Blocked by #3", &world(3)), None);
    assert_eq!(hold(7, "Blocked by #5000 and #7", &heads), None);

    let mut counted = heads;
    counted.get_mut(&IssueNumber(7)).unwrap().blocked_by = 1;
    let held = hold(7, "", &counted).unwrap();
    assert_eq!(
        held.to_string(),
        "waits for 1 open issue that the tracker says block it"
    );
}

#[test]
fn issues_that_wait_for_each_other_are_told_as_a_ring() {
    let heads = world(0);
    let table = [
        (
            vec![(7, "#8"), (8, "#9"), (9, "#7")],
            "these wait for each other: #7 -> #8 -> #9 -> #7",
        ),
        (
            vec![(7, "#8"), (8, "#9"), (9, "#8")],
            "waits until #8 is closed",
        ),
        (
            vec![(7, "#3, #8"), (8, "#7")],
            "these wait for each other: #7 -> #8 -> #7",
        ),
    ];
    for (waiting, then) in table {
        let held = |(number, on): &(u64, &str)| {
            let hold = hold(*number, &format!("blocked by {on}"), &heads).unwrap();
            (IssueNumber(*number), hold)
        };
        let mut standing: BTreeMap<IssueNumber, Hold> = waiting.iter().map(held).collect();
        tell_rings(&mut standing);
        let hold = &standing[&IssueNumber(7)];
        assert_eq!(hold.to_string(), then);
        let hint = hold.hint(&rules().project.name);
        assert_eq!(hint.is_some(), then.starts_with("these"), "{hint:?}");
        // One of them is edited: what was told is told no longer.
        standing.remove(&IssueNumber(8));
        tell_rings(&mut standing);
        assert!(
            standing[&IssueNumber(7)]
                .to_string()
                .starts_with("waits until")
        );
    }
}
