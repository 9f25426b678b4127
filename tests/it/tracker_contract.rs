//! What every tracker owes its caller: one suite, written against [`Tracker`] and a small [`Fixture`].
//!
//! A tracker joins with `contract!(name, path::to::Start);` where `Start: Fixture`; the stories become the tests of `mod name`.

use std::collections::BTreeSet;

use pointsman::domain::{ActorKind, Head, IssueNumber, Label, LabelEvent, Role, SingleRead};
use pointsman::tracker::{NewIssue, Poll, PollMark, RepoLabel, Tracker, TrackerError, Written};

/// A tracker with an empty project in which we may everything, and a person who works beside us.
pub(crate) trait Fixture: Sized {
    /// Makes one.
    async fn start() -> Self;
    /// The tracker under test, acting as us.
    fn tracker(&self) -> &Tracker;
    /// A person sets a label.
    async fn person_labels(&self, number: IssueNumber, label: &str);
    /// A person removes a label.
    async fn person_unlabels(&self, number: IssueNumber, label: &str);
    /// A person closes an issue.
    async fn person_closes(&self, number: IssueNumber);
    /// Some seconds pass by the tracker's clock.
    async fn time_passes(&self);
}

/// Makes one test of every story for a tracker.
macro_rules! contract {
    ($name:ident, $fixture:ty) => {
        contract!(@stories $name, $fixture,
            a_new_issue_is_read_back,
            what_an_issue_waits_for_is_listed,
            what_an_issue_touches_is_listed,
            labels_of_a_new_issue_have_events,
            a_poll_without_news_says_so,
            a_poll_tells_what_changed,
            a_closed_issue_is_seen_by_poll,
            no_change_between_two_polls_is_lost,
            two_changes_in_one_moment_are_both_seen,
            a_sweep_returns_the_open_issues,
            a_mark_of_a_sweep_starts_a_poll,
            adding_a_label_twice_changes_once,
            removing_an_absent_label_is_already_done,
            labels_ignore_case,
            a_label_may_hold_any_character,
            adding_again_after_removal_is_a_new_event,
            event_ids_only_grow,
            events_name_their_actor,
            comments_are_written_read_and_edited,
            a_comment_may_be_long_and_multilingual,
            closing_twice_changes_once,
            our_role_is_known,
            labels_of_the_repository_are_made_and_changed_once,
            what_is_not_there_is_gone,
        );
    };
    (@stories $name:ident, $fixture:ty, $($story:ident,)*) => {
        mod $name {
            $(#[tokio::test]
            async fn $story() {
                use $crate::tracker_contract::Fixture as _;
                $crate::tracker_contract::$story(&<$fixture>::start().await).await;
            })*
        }
    };
}

pub(crate) use contract;

async fn open(tracker: &Tracker, title: &str) -> IssueNumber {
    let issue = NewIssue {
        title: title.to_owned(),
        body: "the body".to_owned(),
        labels: Vec::new(),
    };
    tracker.create_issue(&issue).await.expect("it opens")
}

async fn swept(fixture: &impl Fixture) -> PollMark {
    fixture.time_passes().await;
    fixture.tracker().sweep().await.expect("it sweeps").mark
}

async fn changed(tracker: &Tracker, mark: &PollMark) -> (Vec<Head>, PollMark) {
    match tracker.poll(mark).await.expect("it polls") {
        Poll::Changed { heads, mark, .. } => (heads, mark),
        Poll::Unchanged => panic!("a change was expected"),
    }
}

fn numbers(heads: &[Head]) -> Vec<IssueNumber> {
    let mut numbers: Vec<IssueNumber> = heads.iter().map(|head| head.number).collect();
    numbers.sort();
    numbers
}

async fn events(tracker: &Tracker, number: IssueNumber) -> Vec<LabelEvent> {
    tracker.label_events(number).await.expect("it has events")
}

pub(crate) async fn a_new_issue_is_read_back(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "Fix the login").await;
    let SingleRead::Found(found) = tracker.issue(number).await.expect("it reads") else {
        panic!("it is there")
    };
    let (head, text) = *found;
    assert_eq!(
        (head.number, head.open, head.title.as_str()),
        (number, true, "Fix the login")
    );
    assert_eq!(
        (text.title.as_str(), text.body.as_str(), text.edits),
        ("Fix the login", "the body", Vec::new())
    );
    assert_eq!(
        head.author.map(|author| author.id),
        Some(tracker.whoami().await.expect("we are somebody").id)
    );
    assert_eq!(head.repo, tracker.repo().await.expect("it is there").id);
}

pub(crate) async fn what_an_issue_waits_for_is_listed(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let first = open(tracker, "New login").await;
    let issue = NewIssue {
        title: "Use the new login".into(),
        body: format!("See #99.\n\n- Blocked by: {first}"),
        labels: Vec::new(),
    };
    let number = tracker.create_issue(&issue).await.expect("it opens");
    let listed = tracker.sweep().await.expect("it sweeps").open;
    let waits = |number| {
        let head = listed.iter().find(|head: &&Head| head.number == number);
        head.expect("it is listed").waits_for.clone()
    };
    assert_eq!(waits(number), BTreeSet::from([first]));
    assert_eq!(waits(first), BTreeSet::new());
}

pub(crate) async fn what_an_issue_touches_is_listed(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let issue = NewIssue {
        title: "Rename old_login()".into(),
        body: "It is named wrongly.\n\n- Touches: `src/auth/`, tests/login.rs".into(),
        labels: Vec::new(),
    };
    let number = tracker.create_issue(&issue).await.expect("it opens");
    let listed = tracker.sweep().await.expect("it sweeps").open;
    let head = listed.into_iter().find(|head| head.number == number);
    let touches = head.expect("it is listed").touches;
    assert_eq!(
        touches,
        BTreeSet::from(["src/auth", "tests/login.rs"].map(str::to_owned))
    );
}

pub(crate) async fn labels_of_a_new_issue_have_events(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let labels = BTreeSet::from([Label::new("ready-for-dev"), Label::new("p1")]);
    let issue = NewIssue {
        title: "t".to_owned(),
        body: String::new(),
        labels: labels.iter().cloned().collect(),
    };
    let number = tracker.create_issue(&issue).await.expect("it opens");
    let set: BTreeSet<Label> = events(tracker, number)
        .await
        .into_iter()
        .map(|event| event.label)
        .collect();
    assert_eq!(set, labels);
}

pub(crate) async fn a_poll_without_news_says_so(fixture: &impl Fixture) {
    open(fixture.tracker(), "t").await;
    let mark = swept(fixture).await;
    assert_eq!(
        fixture.tracker().poll(&mark).await.expect("it polls"),
        Poll::Unchanged
    );
    assert_eq!(
        fixture.tracker().poll(&mark).await.expect("it polls"),
        Poll::Unchanged
    );
}

pub(crate) async fn a_poll_tells_what_changed(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    let mark = swept(fixture).await;
    fixture.person_labels(number, "QA").await;
    fixture.time_passes().await;
    let (heads, mark) = changed(tracker, &mark).await;
    assert_eq!(numbers(&heads), [number]);
    assert!(heads[0].labels.contains(&Label::new("QA")));
    assert_eq!(
        tracker.poll(&mark).await.expect("it polls"),
        Poll::Unchanged
    );
}

pub(crate) async fn a_closed_issue_is_seen_by_poll(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    let mark = swept(fixture).await;
    fixture.person_closes(number).await;
    let (heads, _) = changed(tracker, &mark).await;
    assert_eq!((numbers(&heads), heads[0].open), (vec![number], false));
}

pub(crate) async fn no_change_between_two_polls_is_lost(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let (one, two) = (open(tracker, "one").await, open(tracker, "two").await);
    let mut mark = swept(fixture).await;
    for round in 0..3 {
        let label = format!("round-{round}");
        fixture.person_labels(one, &label).await;
        fixture.time_passes().await;
        fixture.person_labels(two, &label).await;
        let (heads, next) = changed(tracker, &mark).await;
        for number in [one, two] {
            let head = heads
                .iter()
                .find(|head| head.number == number)
                .expect("both changed");
            assert!(
                head.labels.contains(&Label::new(label.clone())),
                "{number} in round {round}"
            );
        }
        mark = next;
    }
}

pub(crate) async fn two_changes_in_one_moment_are_both_seen(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let (one, two) = (open(tracker, "one").await, open(tracker, "two").await);
    let mark = swept(fixture).await;
    fixture.person_labels(two, "QA").await;
    let (_, mark) = changed(tracker, &mark).await;
    fixture.person_labels(one, "QA").await;
    fixture.time_passes().await;
    let (heads, _) = changed(tracker, &mark).await;
    assert!(
        heads
            .iter()
            .any(|head| head.number == one && head.labels.contains(&Label::new("QA")))
    );
}

pub(crate) async fn a_sweep_returns_the_open_issues(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let (one, two) = (open(tracker, "one").await, open(tracker, "two").await);
    fixture.person_closes(one).await;
    let sweep = tracker.sweep().await.expect("it sweeps");
    assert_eq!(numbers(&sweep.open), [two]);
}

pub(crate) async fn a_mark_of_a_sweep_starts_a_poll(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let mark = swept(fixture).await;
    let number = open(tracker, "t").await;
    let (heads, _) = changed(tracker, &mark).await;
    assert_eq!(numbers(&heads), [number]);
}

pub(crate) async fn adding_a_label_twice_changes_once(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    let label = Label::new("QA");
    assert_eq!(
        tracker.add_label(number, &label).await.expect("it adds"),
        Written::Changed
    );
    assert_eq!(
        tracker.add_label(number, &label).await.expect("it adds"),
        Written::Already
    );
    assert_eq!(events(tracker, number).await.len(), 1);
}

pub(crate) async fn removing_an_absent_label_is_already_done(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    let label = Label::new("QA");
    assert_eq!(
        tracker
            .remove_label(number, &label)
            .await
            .expect("it answers"),
        Written::Already
    );
    tracker.add_label(number, &label).await.expect("it adds");
    assert_eq!(
        tracker
            .remove_label(number, &label)
            .await
            .expect("it answers"),
        Written::Changed
    );
}

pub(crate) async fn labels_ignore_case(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    tracker
        .add_label(number, &Label::new("Ready-For-Dev"))
        .await
        .expect("it adds");
    assert_eq!(
        tracker
            .add_label(number, &Label::new("ready-for-dev"))
            .await
            .expect("it adds"),
        Written::Already
    );
    assert_eq!(
        tracker
            .remove_label(number, &Label::new("READY-FOR-DEV"))
            .await
            .expect("it goes"),
        Written::Changed
    );
}

pub(crate) async fn a_label_may_hold_any_character(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    let label = Label::new("type: ready/für 50%? #1 🚦");
    tracker.add_label(number, &label).await.expect("it adds");
    assert_eq!(
        events(tracker, number).await[0].label.as_str(),
        label.as_str()
    );
    assert_eq!(
        tracker.remove_label(number, &label).await.expect("it goes"),
        Written::Changed
    );
}

pub(crate) async fn adding_again_after_removal_is_a_new_event(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    for _ in 0..2 {
        fixture.person_labels(number, "QA").await;
        fixture.person_unlabels(number, "QA").await;
    }
    let events = events(tracker, number).await;
    let kinds: Vec<bool> = events.iter().map(|event| event.set).collect();
    assert_eq!(kinds, [true, false, true, false]);
    assert_ne!(events[0].id, events[2].id);
}

pub(crate) async fn event_ids_only_grow(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    for round in 0..12 {
        fixture
            .person_labels(number, &format!("label-{round}"))
            .await;
    }
    let ids: Vec<String> = events(tracker, number)
        .await
        .into_iter()
        .map(|event| event.id.0)
        .collect();
    let grows = |pair: &[String]| (pair[0].len(), &pair[0]) < (pair[1].len(), &pair[1]);
    assert_eq!(ids.len(), 12);
    assert!(ids.windows(2).all(grows), "{ids:?}");
}

pub(crate) async fn events_name_their_actor(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    tracker
        .add_label(number, &Label::new("ours"))
        .await
        .expect("it adds");
    fixture.person_labels(number, "theirs").await;
    let us = tracker.whoami().await.expect("we are somebody");
    let events = events(tracker, number).await;
    assert_eq!(
        events[0].actor.as_ref().map(|actor| &actor.id),
        Some(&us.id)
    );
    assert!(events[1].actor.is_some());
    assert_eq!(us.kind, ActorKind::User);
}

pub(crate) async fn comments_are_written_read_and_edited(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    let first = tracker.comment(number, "first").await.expect("it writes");
    tracker.comment(number, "second").await.expect("it writes");
    assert_eq!(
        tracker
            .edit_comment(number, &first, "edited")
            .await
            .expect("it edits"),
        Written::Changed
    );
    assert_eq!(
        tracker
            .edit_comment(number, &first, "edited")
            .await
            .expect("it edits"),
        Written::Already
    );
    let comments = tracker.comments(number).await.expect("it reads");
    let bodies: Vec<&str> = comments
        .iter()
        .map(|comment| comment.body.as_str())
        .collect();
    assert_eq!(bodies, ["edited", "second"]);
    assert_eq!(comments[0].id, first);
    assert!(comments.iter().all(|comment| comment.author.is_some()));
}

pub(crate) async fn a_comment_may_be_long_and_multilingual(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    let body = "---\n`code` — größer 行 🚦 \"quoted\" \\ back\n".repeat(500);
    tracker.comment(number, &body).await.expect("it writes");
    assert_eq!(
        tracker.comments(number).await.expect("it reads")[0]
            .body
            .trim_end(),
        body.trim_end()
    );
}

pub(crate) async fn closing_twice_changes_once(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let number = open(tracker, "t").await;
    assert_eq!(
        tracker.close(number).await.expect("it closes"),
        Written::Changed
    );
    assert_eq!(
        tracker.close(number).await.expect("it closes"),
        Written::Already
    );
    let SingleRead::Found(found) = tracker.issue(number).await.expect("it reads") else {
        panic!("it is there")
    };
    assert!(!found.0.open);
}

pub(crate) async fn our_role_is_known(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let us = tracker.whoami().await.expect("we are somebody");
    assert!(tracker.role(&us).await.expect("it answers") >= Role::Write);
    assert!(tracker.repo().await.expect("it answers").our_role >= Role::Write);
}

pub(crate) async fn labels_of_the_repository_are_made_and_changed_once(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    let label = |color: &str| RepoLabel {
        name: Label::new("ready-for-dev"),
        color: color.to_owned(),
        description: "code it".to_owned(),
    };
    assert_eq!(
        tracker
            .create_label(&label("c5def5"))
            .await
            .expect("it makes"),
        Written::Changed
    );
    assert_eq!(
        tracker
            .create_label(&label("000000"))
            .await
            .expect("it answers"),
        Written::Already
    );
    assert!(
        tracker
            .labels()
            .await
            .expect("it lists")
            .contains(&label("c5def5"))
    );
    assert_eq!(
        tracker
            .change_label(&label("000000"))
            .await
            .expect("it changes"),
        Written::Changed
    );
    assert_eq!(
        tracker
            .change_label(&label("000000"))
            .await
            .expect("it answers"),
        Written::Already
    );
    assert!(
        tracker
            .labels()
            .await
            .expect("it lists")
            .contains(&label("000000"))
    );
}

pub(crate) async fn what_is_not_there_is_gone(fixture: &impl Fixture) {
    let tracker = fixture.tracker();
    assert_eq!(
        tracker.issue(IssueNumber(99)).await.expect("it answers"),
        SingleRead::Gone
    );
    assert!(matches!(
        tracker.comment(IssueNumber(99), "x").await,
        Err(TrackerError::NotFound { .. })
    ));
    assert!(matches!(
        tracker.add_label(IssueNumber(99), &Label::new("x")).await,
        Err(TrackerError::NotFound { .. })
    ));
}
