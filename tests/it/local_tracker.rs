//! The local tracker: what it promises to people who edit its files, and to the daemon that trusts them.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::Timestamp;
use pointsman::domain::{
    Actor, ActorId, ActorKind, CommentId, Head, IssueNumber, Label, Role, SingleRead, Text,
};
use pointsman::tracker::local::{BODY_BYTES_MAX, Folder, Local};
use pointsman::tracker::{NewIssue, Poll, PollMark, RepoLabel, Tracker, TrackerError, Written};

const ONE: IssueNumber = IssueNumber(1);

/// A clock that goes on a second at each look.
fn clock() -> Timestamp {
    static SECONDS: AtomicI64 = AtomicI64::new(1_800_000_000);
    Timestamp::from_second(SECONDS.fetch_add(1, Ordering::Relaxed)).unwrap()
}

/// A clock that was set back by years.
fn wrong_clock() -> Timestamp {
    Timestamp::from_second(1_000_000_000).unwrap()
}

struct Place {
    _temporary: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Self {
        let temporary = tempfile::tempdir().unwrap();
        let path = temporary.path().join("tracker/blog");
        Self {
            _temporary: temporary,
            path,
        }
    }

    fn open(&self) -> Folder {
        Folder::open(&self.path, clock, me(&self.path)).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join("issues/1").join(name)
    }

    /// Edits a file as an editor does.
    fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.file(name)).unwrap();
        assert!(text.contains(from), "`{from}` is not in {text}");
        fs::write(self.file(name), text.replacen(from, to, 1)).unwrap();
    }
}

fn me(path: &Path) -> Actor {
    let there = path.ancestors().find(|path| path.exists()).unwrap();
    named(there.metadata().unwrap().uid(), "ann")
}

fn named(uid: u32, login: &str) -> Actor {
    Actor {
        id: ActorId::new(format!("uid:{uid}")),
        login: login.to_owned(),
        kind: ActorKind::User,
    }
}

fn issue(title: &str, labels: &[&str]) -> NewIssue {
    let labels = labels.iter().copied().map(Label::new).collect();
    NewIssue {
        title: title.to_owned(),
        body: "text\n".to_owned(),
        labels,
    }
}

fn found(folder: &Folder, number: IssueNumber) -> (Head, Text) {
    match folder.issue(number).unwrap() {
        SingleRead::Found(found) => *found,
        other => panic!("{other:?}"),
    }
}

fn events(folder: &Folder, number: IssueNumber) -> Vec<String> {
    let events = folder.label_events(number).unwrap();
    events
        .iter()
        .map(|event| format!("{}{}", if event.set { '+' } else { '-' }, event.label))
        .collect()
}

fn said(error: &TrackerError) -> String {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| {
        error.source()
    })
    .map(ToString::to_string)
    .collect::<Vec<_>>()
    .join(": ")
}

fn changed(poll: Poll) -> (Vec<IssueNumber>, PollMark) {
    match poll {
        Poll::Changed { heads, mark } => (heads.iter().map(|head| head.number).collect(), mark),
        Poll::Unchanged => panic!("nothing changed"),
    }
}

#[test]
fn an_issue_walks_from_its_opening_to_its_closing() {
    let place = Place::new();
    let folder = place.open();
    assert_eq!(
        folder
            .create_issue(&issue("Fix login", &["ready-for-dev", "p1"]))
            .unwrap(),
        ONE
    );
    let (head, text) = found(&folder, ONE);
    assert_eq!(
        (head.title.as_str(), head.open, text.body.as_str()),
        ("Fix login", true, "text\n")
    );
    assert_eq!(head.author, Some(me(&place.path)));
    assert_eq!(text.edited, None);
    assert_eq!(events(&folder, ONE), ["+p1", "+ready-for-dev"]);

    assert_eq!(
        folder.add_label(ONE, &Label::new("QA")).unwrap(),
        Written::Changed
    );
    assert_eq!(
        folder.add_label(ONE, &Label::new("qa")).unwrap(),
        Written::Already
    );
    assert_eq!(
        folder
            .remove_label(ONE, &Label::new("READY-for-dev"))
            .unwrap(),
        Written::Changed
    );
    assert_eq!(
        folder
            .remove_label(ONE, &Label::new("ready-for-dev"))
            .unwrap(),
        Written::Already
    );
    let (after, _) = found(&folder, ONE);
    assert_eq!(
        after.labels,
        BTreeSet::from([Label::new("QA"), Label::new("p1")])
    );
    assert!(after.updated_at > head.updated_at);

    let id = folder.comment(ONE, "looks good").unwrap();
    let second = folder.comment(ONE, "and merged").unwrap();
    assert_eq!(
        folder.edit_comment(ONE, &id, "looks very good").unwrap(),
        Written::Changed
    );
    assert_eq!(
        folder.edit_comment(ONE, &id, "looks very good").unwrap(),
        Written::Already
    );
    let comments = folder.comments(ONE).unwrap();
    let bodies: Vec<_> = comments
        .iter()
        .map(|comment| (&comment.id, comment.body.as_str()))
        .collect();
    assert_eq!(bodies, [(&id, "looks very good"), (&second, "and merged")]);
    assert!(comments[0].updated_at > comments[0].created_at);

    assert_eq!(folder.close(ONE).unwrap(), Written::Changed);
    assert_eq!(folder.close(ONE).unwrap(), Written::Already);
    assert!(!found(&folder, ONE).0.open);
    assert!(folder.sweep().unwrap().open.is_empty());
}

#[test]
fn what_is_not_there_is_said_and_nothing_is_made() {
    let place = Place::new();
    let folder = place.open();
    assert_eq!(folder.issue(ONE).unwrap(), SingleRead::Gone);
    assert!(matches!(
        folder.add_label(ONE, &Label::new("QA")),
        Err(TrackerError::NotFound { .. })
    ));
    assert!(matches!(
        folder.comment(ONE, "x"),
        Err(TrackerError::NotFound { .. })
    ));
    folder.create_issue(&issue("a", &[])).unwrap();
    for id in ["../../../repo", "01ARZ3NDEKTSV4RRFFQ69G5FAV"] {
        let answer = folder.edit_comment(ONE, &CommentId::new(id), "x");
        assert!(
            matches!(answer, Err(TrackerError::NotFound { .. })),
            "{answer:?}"
        );
    }
}

#[test]
fn a_label_set_again_is_a_new_labelling_with_a_larger_id_even_when_the_clock_went_back() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &["QA"])).unwrap();
    let late = Folder::open(&place.path, wrong_clock, me(&place.path)).unwrap();
    late.remove_label(ONE, &Label::new("QA")).unwrap();
    late.add_label(ONE, &Label::new("QA")).unwrap();
    let events = late.label_events(ONE).unwrap();
    assert_eq!(
        events.iter().map(|event| event.set).collect::<Vec<_>>(),
        [true, false, true]
    );
    assert!(
        events.is_sorted_by(|one, next| one.id < next.id),
        "{events:?}"
    );
}

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
        ["+p1", "+ready-for-dev", "-ready-for-dev", "+1.0", "+QA"]
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
    assert_eq!(text.edited.clone().unwrap().by, Some(me(&place.path)));
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
    fs::write(place.file(".issue.md.tmp"), "---\ntit").unwrap();
    fs::write(place.file(".events.jsonl.tmp"), "{\"id\"").unwrap();
    fs::write(place.path.join(".repo.json.tmp"), "{").unwrap();
    fs::create_dir_all(place.path.join("issues/.new/comments")).unwrap();
    fs::write(place.path.join("issues/.new/issue.md"), "---").unwrap();
    let folder = place.open();
    assert_eq!(folder.sweep().unwrap().open.len(), 1);
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
fn two_hundred_writes_of_two_processes_are_all_there() {
    let place = Place::new();
    place.open().create_issue(&issue("a", &[])).unwrap();
    std::thread::scope(|scope| {
        for process in 0..2 {
            let folder = place.open();
            scope.spawn(move || {
                for n in 0..50 {
                    folder
                        .add_label(ONE, &Label::new(format!("{process}-{n}")))
                        .unwrap();
                    folder.comment(ONE, &format!("{process} {n}")).unwrap();
                }
            });
        }
    });
    let folder = place.open();
    assert_eq!(found(&folder, ONE).0.labels.len(), 100);
    assert_eq!(folder.label_events(ONE).unwrap().len(), 100);
    let bodies: BTreeSet<_> = folder
        .comments(ONE)
        .unwrap()
        .into_iter()
        .map(|comment| comment.body)
        .collect();
    assert_eq!(bodies.len(), 100);
}

#[test]
fn two_processes_never_give_one_number_twice() {
    let place = Place::new();
    let numbers: Vec<_> = std::thread::scope(|scope| {
        let open = |_| {
            let folder = place.open();
            scope.spawn(move || {
                (0..10)
                    .map(|_| folder.create_issue(&issue("a", &["QA"])).unwrap())
                    .collect::<Vec<_>>()
            })
        };
        let running: Vec<_> = (0..3).map(open).collect();
        running
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_eq!(numbers.iter().collect::<BTreeSet<_>>().len(), 30);
    assert_eq!(numbers.iter().max(), Some(&IssueNumber(30)));
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
fn a_text_of_one_mebibyte_is_taken_and_one_more_byte_is_refused() {
    let place = Place::new();
    let folder = place.open();
    let body = "é".repeat(BODY_BYTES_MAX / 2);
    let new = |body: String| NewIssue {
        body,
        ..issue("large", &["QA"])
    };
    folder.create_issue(&new(body.clone())).unwrap();
    assert_eq!(found(&folder, ONE).1.body, body);
    folder.comment(ONE, &body).unwrap();
    assert_eq!(folder.comments(ONE).unwrap()[0].body, body);
    for answer in [
        folder.create_issue(&new(format!("{body}x"))).map(drop),
        folder.comment(ONE, &format!("{body}x")).map(drop),
    ] {
        assert!(
            matches!(answer, Err(TrackerError::Refused { .. })),
            "{answer:?}"
        );
    }
}

#[test]
fn any_text_comes_back_as_it_was_and_never_names_a_file() {
    let place = Place::new();
    let folder = place.open();
    let title = "a \0 \u{1b}[31m \"q\" \\ '# : - \u{85}\u{2028}\u{7f} é 🦀 ../x";
    let body = "\0\u{1b}[2J\r\n---\n---\ntitle: x\u{feff}";
    let new = NewIssue {
        title: title.to_owned(),
        body: body.to_owned(),
        labels: vec![Label::new("a/../b: \"c\" #d")],
    };
    folder.create_issue(&new).unwrap();
    folder.comment(ONE, body).unwrap();
    let (head, text) = found(&folder, ONE);
    assert_eq!((head.title.as_str(), text.body.as_str()), (title, body));
    assert_eq!(head.labels, new.labels.iter().cloned().collect());
    assert_eq!(folder.comments(ONE).unwrap()[0].body, body);
    assert_eq!(text.edited, None);
    assert_eq!(events(&folder, ONE).len(), 1);
    let mut names: Vec<_> = fs::read_dir(place.path.join("issues/1"))
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["comments", "events.jsonl", "issue.md"]);
}

#[test]
fn what_has_no_place_in_an_issue_is_refused() {
    let place = Place::new();
    let folder = place.open();
    for new in [
        issue("", &[]),
        issue("two\nlines", &[]),
        issue(&"x".repeat(257), &[]),
        issue("a", &["\u{1b}"]),
    ] {
        assert!(
            matches!(folder.create_issue(&new), Err(TrackerError::Refused { .. })),
            "{new:?}"
        );
    }
    assert_eq!(folder.create_issue(&issue("a", &[])).unwrap(), ONE);
    assert!(matches!(
        folder.add_label(ONE, &Label::new("a\nb")),
        Err(TrackerError::Refused { .. })
    ));
    let id = folder.comment(ONE, "mine").unwrap();
    let other = Folder::open(&place.path, clock, named(4242, "bob")).unwrap();
    assert!(matches!(
        other.edit_comment(ONE, &id, "theirs"),
        Err(TrackerError::Refused { .. })
    ));
}

#[test]
fn a_poll_reads_what_changed_and_nothing_else() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &[])).unwrap();
    folder.create_issue(&issue("b", &[])).unwrap();
    let (numbers, mark) = changed(folder.poll(&PollMark::default()).unwrap());
    assert_eq!(numbers, [ONE, IssueNumber(2)]);
    assert_eq!(folder.poll(&mark).unwrap(), Poll::Unchanged);
    assert_eq!(
        place.open().poll(&mark).unwrap(),
        Poll::Unchanged,
        "also after a restart"
    );

    folder.close(IssueNumber(2)).unwrap();
    let (numbers, mark) = changed(folder.poll(&mark).unwrap());
    assert_eq!(numbers, [IssueNumber(2)], "closed issues are seen");
    folder.comment(ONE, "hello").unwrap();
    let (numbers, mark) = changed(folder.poll(&mark).unwrap());
    assert_eq!(numbers, [ONE]);

    place.edit("issue.md", "labels: []", "labels: [QA]");
    let (numbers, mark) = changed(folder.poll(&mark).unwrap());
    assert_eq!(numbers, [ONE]);
    assert_eq!(events(&folder, ONE), ["+QA"]);
    let (_, mark) = changed(folder.poll(&mark).unwrap());
    assert_eq!(folder.poll(&mark).unwrap(), Poll::Unchanged);
    assert_eq!(folder.sweep().unwrap().mark.etag, mark.etag);

    fs::remove_dir_all(place.path.join("issues/2")).unwrap();
    assert_eq!(changed(folder.poll(&mark).unwrap()).0, []);
}

#[test]
fn a_restarted_poll_reads_everything_once() {
    let place = Place::new();
    let folder = place.open();
    folder.create_issue(&issue("a", &[])).unwrap();
    folder.create_issue(&issue("b", &[])).unwrap();
    let (_, mark) = changed(folder.poll(&PollMark::default()).unwrap());
    folder.close(ONE).unwrap();
    let (numbers, _) = changed(place.open().poll(&mark).unwrap());
    assert_eq!(numbers, [ONE, IssueNumber(2)]);
}

#[test]
fn owner_and_root_are_admins_and_others_are_what_the_roles_file_says() {
    let place = Place::new();
    let folder = place.open();
    assert_eq!(folder.role(&me(&place.path)).unwrap(), Role::Admin);
    assert_eq!(folder.role(&named(0, "root")).unwrap(), Role::Admin);
    assert_eq!(folder.role(&named(4242, "bob")).unwrap(), Role::None);
    fs::write(place.path.join("roles.toml"), "\"uid:4242\" = \"write\"\n").unwrap();
    assert_eq!(folder.role(&named(4242, "bob")).unwrap(), Role::Write);
    let stranger = Actor {
        id: ActorId::new("4242"),
        ..named(4242, "bob")
    };
    assert_eq!(folder.role(&stranger).unwrap(), Role::None);
    fs::write(
        place.path.join("roles.toml"),
        "# who\n\"uid:4242\" = \"king\"\n",
    )
    .unwrap();
    let error = folder.role(&named(4242, "bob")).unwrap_err();
    assert!(
        said(&error).contains("roles.toml` line 2"),
        "{}",
        said(&error)
    );
}

#[test]
fn repository_labels_are_created_once_and_changed_on_request() {
    let place = Place::new();
    let folder = place.open();
    let label = |color: &str| RepoLabel {
        name: Label::new("QA"),
        color: color.to_owned(),
        description: "d".to_owned(),
    };
    assert_eq!(
        folder.create_label(&label("c5def5")).unwrap(),
        Written::Changed
    );
    assert_eq!(
        folder.create_label(&label("000000")).unwrap(),
        Written::Already
    );
    assert_eq!(folder.labels().unwrap(), [label("c5def5")]);
    assert_eq!(
        folder.change_label(&label("000000")).unwrap(),
        Written::Changed
    );
    assert_eq!(
        folder.change_label(&label("000000")).unwrap(),
        Written::Already
    );
    assert_eq!(folder.labels().unwrap(), [label("000000")]);
    let unknown = RepoLabel {
        name: Label::new("x"),
        ..label("000000")
    };
    assert!(matches!(
        folder.change_label(&unknown),
        Err(TrackerError::NotFound { .. })
    ));
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

#[test]
fn a_folder_that_others_may_write_is_refused_and_our_own_is_private() {
    let place = Place::new();
    place.open().create_issue(&issue("a", &[])).unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(
        (mode(&place.path), mode(&place.file("issue.md"))),
        (0o700, 0o600)
    );
    fs::set_permissions(&place.path, fs::Permissions::from_mode(0o770)).unwrap();
    let error = Folder::open(&place.path, clock, me(&place.path)).unwrap_err();
    assert!(said(&error).contains("chmod go-w"), "{}", said(&error));
}

#[tokio::test]
async fn the_daemon_uses_it_like_any_tracker() {
    let place = Place::new();
    let tracker = Tracker::Local(Local::open(&place.path, clock, me(&place.path)).unwrap());
    let number = tracker.create_issue(&issue("a", &["QA"])).await.unwrap();
    tracker.comment(number, "hello").await.unwrap();
    assert_eq!(tracker.label_events(number).await.unwrap().len(), 1);
    assert_eq!(tracker.comments(number).await.unwrap()[0].body, "hello");
    assert_eq!(tracker.whoami().await.unwrap(), me(&place.path));
    assert_eq!(tracker.sweep().await.unwrap().open.len(), 1);
    assert_eq!(tracker.close(number).await.unwrap(), Written::Changed);
    assert!(tracker.malformed().await.unwrap().is_empty());
}
