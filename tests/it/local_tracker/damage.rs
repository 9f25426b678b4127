//! People who edit the files, disks that damage them, crashes in between.

use std::fs;
use std::os::unix::fs::MetadataExt;

use pointsman::domain::{IssueNumber, Label};
use pointsman::tracker::TrackerError;
use pointsman::tracker::local::Folder;

use super::{ONE, Place, clock, events, found, issue, me, named, said};

#[test]
fn labels_edited_by_hand_become_one_event_each_by_the_files_owner() {
    let place = Place::new();
    let folder = Folder::open(&place.path, clock, named(4242, "daemon")).unwrap();
    folder
        .create_issue(&issue("a", &["ready-for-dev", "p1"]))
        .unwrap();
    place.edit(
        "issue.md",
        r#"labels: ["p1", "ready-for-dev"]"#,
        "labels:\n  - QA\n  - p1\n  - 1.0",
    );
    assert_eq!(
        events(&folder, ONE),
        ["+ready-for-dev", "+p1", "-ready-for-dev", "+1.0", "+QA"]
    );
    let read = folder.label_events(ONE).unwrap();
    let owner = place.file("issue.md").metadata().unwrap().uid();
    let ids: Vec<_> = read
        .iter()
        .map(|event| event.actor.as_ref().unwrap().id.to_string())
        .collect();
    assert_eq!(ids[..2], ["uid:4242", "uid:4242"]);
    assert_eq!(ids[2..], vec![format!("uid:{owner}"); 3]);
    assert_eq!(
        folder.label_events(ONE).unwrap(),
        read,
        "it is taken in once"
    );
}

#[test]
fn a_text_edited_by_hand_is_an_edit_by_the_files_owner_and_stays_as_it_was_written() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &[])).unwrap();
    let before = found(&folder, ONE).0.updated_at;
    place.edit("issue.md", "text\n", "---\nother text, no line end");
    let (head, text) = found(&folder, ONE);
    assert_eq!(text.body, "---\nother text, no line end");
    assert_eq!(text.edits[0].by, Some(me(&place.path)));
    assert!(head.updated_at > before);
    folder.add_label(ONE, &Label::new("QA")).unwrap();
    assert_eq!(found(&folder, ONE).1, text, "our own write is no edit");
}

#[test]
fn an_issue_made_by_hand_counts() {
    let place = Place::new();
    let folder = place.open();
    fs::create_dir(place.path.join("issues/1")).unwrap();
    fs::write(
        place.file("issue.md"),
        "---\ntitle: by hand\nlabels: [QA]\n---\nbody",
    )
    .unwrap();
    let (head, text) = found(&folder, ONE);
    assert_eq!(
        (head.title.as_str(), head.open, text.body.as_str()),
        ("by hand", true, "body")
    );
    assert_eq!(events(&folder, ONE), ["+QA"]);
    assert_eq!(
        folder.create_issue(&issue("next", &[])).unwrap(),
        IssueNumber(2)
    );
}

#[test]
fn numbers_are_never_given_twice() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &[])).unwrap();
    folder.create_issue(&issue("b", &[])).unwrap();
    fs::remove_dir_all(place.path.join("issues/2")).unwrap();
    assert_eq!(
        place.open().create_issue(&issue("c", &[])).unwrap(),
        IssueNumber(3)
    );
}

/// Each row: what a person wrote into `issue.md`, and what they are told.
#[test]
fn broken_front_matter_names_the_line_and_never_loses_the_file() {
    for (from, to, expected) in [
        (
            "state: open",
            "state: opened",
            "line 3: `state` is `open` or `closed`",
        ),
        ("labels: [\"QA\"]", "labels: [\"QA\"", "line "),
        (
            "labels: [\"QA\"]",
            "labels: QA",
            "line 4: `labels` is a list like [QA, p1]",
        ),
        (
            "labels: [\"QA\"]",
            "labels: [QA]\nlabels: [p1]",
            "line 5: duplicated key",
        ),
        (
            "state: open",
            "stat: open",
            "line 3: `stat` is not a key of an issue",
        ),
        (
            "title: \"a\"",
            "title: [a]",
            "line 2: `title` is a text of one line",
        ),
        (
            "---\ntitle",
            "title",
            "line 1: the file begins with a line `---`",
        ),
        ("created: ", "created: soon ", "line 6: `created` is a time"),
    ] {
        let place = Place::new();
        let folder = place.open();
        folder.create_issue(&issue("a", &["QA"])).unwrap();
        folder.create_issue(&issue("fine", &["QA"])).unwrap();
        place.edit("issue.md", from, to);
        let broken = fs::read_to_string(place.file("issue.md")).unwrap();

        let error = folder.issue(ONE).unwrap_err();
        assert!(
            said(&error).contains("issues/1/issue.md"),
            "{}",
            said(&error)
        );
        assert!(said(&error).contains(expected), "{to}: {}", said(&error));
        assert!(error.hint().unwrap().contains("in an editor"));
        assert!(folder.add_label(ONE, &Label::new("p1")).is_err());
        let open: Vec<_> = folder
            .sweep()
            .unwrap()
            .open
            .iter()
            .map(|head| head.number)
            .collect();
        assert_eq!(open, [IssueNumber(2)], "the others go on");
        let malformed = folder.malformed().unwrap();
        assert_eq!((malformed.len(), malformed[0].number), (1, ONE));
        assert!(malformed[0].why.contains(expected));
        assert_eq!(fs::read_to_string(place.file("issue.md")).unwrap(), broken);
        place.edit("issue.md", to, from);
        assert_eq!(found(&folder, ONE).0.title, "a");
    }
}

type Damage = fn(Vec<&str>) -> String;

/// Each row: what was done to `events.jsonl` of three labellings, and the line that is named.
#[test]
fn a_changed_events_file_is_found_at_its_line() {
    let cases: [(Damage, &str); 6] = [
        (
            |lines| {
                lines
                    .join("\n")
                    .replacen("\"set\":true", "\"set\":false", 1)
                    + "\n"
            },
            "line 2: the line was changed",
        ),
        (
            |lines| lines.join("\n").replacen("\"p1\"", "\"p2\"", 1) + "\n",
            "line 4: the line was changed",
        ),
        (
            |mut lines| {
                lines.remove(1);
                lines.join("\n") + "\n"
            },
            "line 2: the line does not follow",
        ),
        (
            |mut lines| {
                lines.swap(1, 2);
                lines.join("\n") + "\n"
            },
            "line 2: the line does not follow",
        ),
        (|lines| lines.join("\n"), "line 4: the line is cut off"),
        (
            |lines| lines.join("\n") + "\nx\n",
            "line 5: the line was changed",
        ),
    ];
    for (damage, expected) in cases {
        let place = Place::new();
        let folder = place.open();
        folder.create_issue(&issue("a", &["QA"])).unwrap();
        folder.remove_label(ONE, &Label::new("QA")).unwrap();
        folder.add_label(ONE, &Label::new("p1")).unwrap();
        let text = fs::read_to_string(place.file("events.jsonl")).unwrap();
        fs::write(place.file("events.jsonl"), damage(text.lines().collect())).unwrap();
        let error = folder.label_events(ONE).unwrap_err();
        assert!(matches!(error, TrackerError::Malformed { .. }));
        assert!(
            said(&error).contains("issues/1/events.jsonl"),
            "{}",
            said(&error)
        );
        assert!(
            said(&error).contains(expected),
            "{expected}: {}",
            said(&error)
        );
        assert!(error.hint().unwrap().contains("backup"));
    }
}

#[test]
fn events_copied_from_another_issue_do_not_pass() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &["QA"])).unwrap();
    folder.create_issue(&issue("a", &["QA"])).unwrap();
    fs::copy(
        place.file("events.jsonl"),
        place.path.join("issues/2/events.jsonl"),
    )
    .unwrap();
    assert!(
        said(&folder.label_events(IssueNumber(2)).unwrap_err())
            .contains("line 1: the line does not follow")
    );
}

#[test]
fn what_a_crash_leaves_behind_is_ignored() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &["QA"])).unwrap();
    let unfinished = place.path.join(".unfinished");
    fs::write(&unfinished, "---\ntit").unwrap();
    fs::create_dir_all(place.path.join("issues/.new/comments")).unwrap();
    fs::write(place.path.join("issues/.new/issue.md"), "---").unwrap();
    let folder = place.open();
    assert_eq!(folder.sweep().unwrap().open.len(), 1);
    assert!(
        !unfinished.exists(),
        "the next one with the lock removes it"
    );
    folder.add_label(ONE, &Label::new("p1")).unwrap();
    assert_eq!(
        folder.create_issue(&issue("b", &[])).unwrap(),
        IssueNumber(2)
    );
    assert_eq!(events(&folder, ONE), ["+QA", "+p1"]);
    assert!(folder.malformed().unwrap().is_empty());
}

#[test]
fn a_crash_between_label_and_event_loses_neither() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &[])).unwrap();
    let events_before = fs::read(place.file("events.jsonl")).unwrap();
    folder.add_label(ONE, &Label::new("QA")).unwrap();
    fs::write(place.file("events.jsonl"), events_before).unwrap();
    let folder = place.open();
    assert_eq!(events(&folder, ONE), ["+QA"]);
    assert_eq!(
        folder.label_events(ONE).unwrap()[0].actor,
        Some(me(&place.path))
    );
}

#[test]
fn a_text_that_is_not_utf_8_is_a_clear_error() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &[])).unwrap();
    let mut bytes = fs::read(place.file("issue.md")).unwrap();
    bytes.extend(b"line\n\xff\xfe");
    fs::write(place.file("issue.md"), &bytes).unwrap();
    let error = folder.issue(ONE).unwrap_err();
    assert!(
        said(&error).contains("line 11: the text is not UTF-8"),
        "{}",
        said(&error)
    );
    assert_eq!(fs::read(place.file("issue.md")).unwrap(), bytes);
}

#[test]
fn the_repositorys_id_stays_and_a_lost_one_is_not_made_up() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &[])).unwrap();
    assert_eq!(place.open().repo().unwrap(), folder.repo().unwrap());
    assert_ne!(
        Place::new().open().repo().unwrap().id,
        folder.repo().unwrap().id
    );
    fs::remove_file(place.path.join("repo.json")).unwrap();
    let error = Folder::open(&place.path, clock, me(&place.path)).unwrap_err();
    assert!(said(&error).contains("repo.json"), "{}", said(&error));
}
