//! The local tracker: what it promises to people who edit its files, and to the daemon that trusts them.

pub(crate) mod contract;
mod damage;

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
        Poll::Changed { heads, mark, .. } => (heads.iter().map(|head| head.number).collect(), mark),
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
    assert_eq!(text.edits, []);
    assert_eq!(events(&folder, ONE), ["+ready-for-dev", "+p1"]);

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
    assert_eq!(text.edits, []);
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
