//! The modelled tracker: issues, labels and who set them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use pointsman::domain::{
    Actor, Comment, CommentId, Details, Edit, Elsewhere, Head, IssueId, IssueNumber, Label,
    LabelEvent, LabelEventId, OtherIssue, RepoId, Role, SingleRead, Text,
};

use pointsman::machine::text::touches::declared;

use super::pulls::SimPull;
use super::rules::{alice, us};

/// One issue as it really is.
#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) head: Head,
    pub(crate) text: Text,
    pub(crate) events: Vec<LabelEvent>,
    pub(crate) comments: Vec<Comment>,
    /// Commits on its branch.
    pub(crate) commits: u32,
    /// Files that they changed.
    pub(crate) files: BTreeSet<String>,
    /// What a single read says instead, once it was deleted or moved to another repository.
    pub(crate) gone: Option<SingleRead>,
}

/// All issues, and the list as it was last served.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tracker {
    pub(crate) issues: BTreeMap<IssueNumber, Issue>,
    pub(crate) pulls: BTreeMap<IssueNumber, SimPull>,
    pub(crate) reviews: u64,
    /// What other projects know of theirs.
    pub(crate) elsewhere: BTreeMap<Elsewhere, OtherIssue>,
    /// How far its clock is ahead of ours.
    pub(crate) skew: SignedDuration,
    /// Whether it remembers what it was, for reads that are late.
    pub(crate) remembers: bool,
    listed: BTreeMap<IssueNumber, Head>,
    /// What an issue was, until then by our clock.
    past: BTreeMap<IssueNumber, VecDeque<(Timestamp, Issue)>>,
    /// When a label event really happened, by our clock.
    happened: BTreeMap<LabelEventId, Timestamp>,
    /// Whether it is our own hand that writes, and the label events that it made: a person or an agent may have our account too.
    pub(crate) by_us: bool,
    ours: BTreeSet<LabelEventId>,
    /// Issues that were closed at some time.
    closed: BTreeSet<IssueNumber>,
    ids: u64,
}

/// Reads `owner/name:4`: the rest of a line behind `#` is a remark.
fn elsewhere(name: &str) -> Elsewhere {
    let (repo, number) = name.split_once(':').expect("owner/name:4");
    Elsewhere {
        repo: repo.to_owned(),
        number: IssueNumber(number.parse().expect("a number")),
    }
}

/// A late read is at most this old.
pub(crate) const LAG_MAX: SignedDuration = SignedDuration::from_secs(45);
/// What is remembered of an issue's past.
const PAST_MAX: SignedDuration = SignedDuration::from_mins(5);
/// A label that no routing and no person of these worlds touches: it stays for ever.
pub(crate) const FOREIGN: &str = "area: login";

impl Tracker {
    /// What its clock shows at a moment of ours.
    pub(crate) fn stamp(&self, at: Timestamp) -> Timestamp {
        at + self.skew
    }

    /// Our clock jumps; its own goes on as it did.
    pub(crate) fn jumps(&mut self, by: SignedDuration) {
        self.skew -= by;
        self.happened.values_mut().for_each(|at| *at += by);
        let past = self.past.values_mut().flatten();
        past.for_each(|(until, _)| *until += by);
    }

    /// When a label event really happened, by our clock.
    pub(crate) fn happened(&self, event: &LabelEvent) -> Timestamp {
        self.happened[&event.id]
    }

    /// Whether a label event was made by our own hand.
    pub(crate) fn is_ours(&self, event: &LabelEvent) -> bool {
        self.ours.contains(&event.id)
    }

    /// Whether an issue was ever closed.
    pub(crate) fn was_closed(&self, number: IssueNumber) -> bool {
        self.closed.contains(&number)
    }

    /// The highest label event id so far.
    pub(crate) fn ids(&self) -> u64 {
        1000 + self.ids
    }

    fn remember(&mut self, number: IssueNumber, at: Timestamp) {
        if let (true, Some(issue)) = (self.remembers, self.issues.get(&number)) {
            let past = self.past.entry(number).or_default();
            past.push_back((at, issue.clone()));
            while past
                .front()
                .is_some_and(|(until, _)| at.duration_since(*until) > PAST_MAX)
            {
                past.pop_front();
            }
        }
    }

    /// An issue as it was then.
    fn at(&self, number: IssueNumber, then: Timestamp) -> Option<&Issue> {
        let past = self.past.get(&number).into_iter().flatten();
        let mut was = past.skip_while(|(until, _)| *until <= then);
        was.next()
            .map(|(_, issue)| issue)
            .or_else(|| self.issues.get(&number))
    }

    /// An agent commits to an issue's branch.
    pub(crate) fn commit(&mut self, number: IssueNumber, files: &[&str]) {
        let found = self.issues.get_mut(&number).expect("it is there");
        found.commits += 1;
        found.files.extend(files.iter().map(ToString::to_string));
    }

    /// Another project says how one of its issues stands.
    pub(crate) fn hears(&mut self, name: &str, is: &str, waits_for: &[&str]) {
        let numbers = waits_for.iter().map(|one| one.parse().expect("a number"));
        let is = match is {
            "open" => OtherIssue::Open {
                waits_for: numbers.map(IssueNumber).collect(),
            },
            "unread" => OtherIssue::Unread,
            _ => OtherIssue::Closed,
        };
        self.elsewhere.insert(elsewhere(name), is);
    }

    /// Says more of an issue: `waits-for=9,12`, `blocked-by=2`, ..
    pub(crate) fn describe(&mut self, number: IssueNumber, options: &[&str]) {
        let head = &mut self.issues.get_mut(&number).expect("it is there").head;
        for (key, is) in options.iter().filter_map(|option| option.split_once('=')) {
            let count = || is.parse().expect("a number");
            match key {
                "waits-for" => {
                    let numbers = is.split(',').map(|one| one.parse().expect("a number"));
                    head.waits_for.extend(numbers.map(IssueNumber));
                }
                "waits-elsewhere" => head.waits_elsewhere.extend(is.split(',').map(elsewhere)),
                "touches" => head.touches = declared(&format!("touches: {is}")),
                "blocked-by" => head.blocked_by = count(),
                "sub-issues" => head.sub_issues = count(),
                _ => {}
            }
        }
    }

    pub(crate) fn add(&mut self, number: u64, title: &str, at: Timestamp) {
        let at = self.stamp(at);
        let head = Head {
            repo: RepoId::new("r1"),
            id: IssueId::new(format!("i{number}")),
            number: IssueNumber(number),
            title: title.to_owned(),
            open: true,
            labels: BTreeSet::new(),
            milestone: None,
            author: Some(alice()),
            created_at: at,
            updated_at: at,
            url: format!("https://tracker/{number}"),
            waits_for: BTreeSet::new(),
            waits_elsewhere: BTreeSet::new(),
            sub_issues: 0,
            blocked_by: 0,
            touches: BTreeSet::new(),
        };
        let text = Text {
            title: title.to_owned(),
            body: "please".to_owned(),
            edits: Vec::new(),
        };
        let issue = Issue {
            head,
            text,
            events: Vec::new(),
            comments: Vec::new(),
            commits: 0,
            files: BTreeSet::new(),
            gone: None,
        };
        self.issues.insert(IssueNumber(number), issue);
    }

    /// Sets or removes a label and says who did; nothing happens if nothing changes.
    pub(crate) fn label(
        &mut self,
        number: IssueNumber,
        label: &Label,
        set: bool,
        by: &Actor,
        at: Timestamp,
    ) -> bool {
        self.ids += 1;
        let id = LabelEventId::new(format!("{}", self.ids()));
        self.remember(number, at);
        let (really, at) = (at, self.stamp(at));
        let Some(issue) = self.living(number) else {
            return false;
        };
        if issue.head.labels.contains(label) == set {
            return false;
        }
        if set {
            issue.head.labels.insert(label.clone());
        } else {
            issue.head.labels.remove(label);
        }
        issue.events.push(LabelEvent {
            id: id.clone(),
            set,
            label: label.clone(),
            actor: Some(by.clone()),
            at,
        });
        issue.head.updated_at = at;
        if self.by_us {
            self.ours.insert(id.clone());
        }
        self.happened.insert(id, really);
        true
    }

    /// Writes the whole set of labels, as `PUT` does.
    pub(crate) fn puts(&mut self, number: IssueNumber, label: &Label) {
        if let Some(issue) = self.living(number) {
            issue.head.labels = BTreeSet::from([label.clone()]);
        }
    }

    fn living(&mut self, number: IssueNumber) -> Option<&mut Issue> {
        let found = self.issues.get_mut(&number);
        found.filter(|issue| issue.gone.is_none())
    }

    /// Deletes an issue, or moves it away.
    pub(crate) fn lose(&mut self, number: IssueNumber, read: SingleRead) {
        if let Some(issue) = self.living(number) {
            issue.gone = Some(read);
        }
    }

    pub(crate) fn is_gone(&self, number: IssueNumber) -> bool {
        self.issues
            .get(&number)
            .is_none_or(|issue| issue.gone.is_some())
    }

    /// Gives an issue another title.
    pub(crate) fn rename(&mut self, number: IssueNumber, by: &Actor, at: Timestamp) {
        self.remember(number, at);
        let at = self.stamp(at);
        if let Some(issue) = self.living(number) {
            issue.head.title.push('!');
            issue.text.title.push('!');
            issue.text.edits.push(Edit {
                at,
                by: Some(by.clone()),
            });
            issue.head.updated_at = at;
        }
    }

    pub(crate) fn set_open(&mut self, number: IssueNumber, open: bool, at: Timestamp) {
        self.remember(number, at);
        if !open {
            self.closed.insert(number);
        }
        let at = self.stamp(at);
        if let Some(issue) = self.issues.get_mut(&number) {
            issue.head.open = open;
            issue.head.updated_at = at;
        }
    }

    pub(crate) fn edit(&mut self, number: IssueNumber, by: &Actor, at: Timestamp) {
        self.remember(number, at);
        let at = self.stamp(at);
        if let Some(issue) = self.issues.get_mut(&number) {
            issue.text.body.push_str(" and more");
            issue.text.edits.push(Edit {
                at,
                by: Some(by.clone()),
            });
            issue.head.updated_at = at;
        }
    }

    /// Comments once: the same text by us is there already or is put there.
    pub(crate) fn comment_once(
        &mut self,
        number: IssueNumber,
        body: &str,
        at: Timestamp,
    ) -> Option<CommentId> {
        self.ids += 1;
        let at = self.stamp(at);
        let fresh = CommentId::new(format!("c{}", self.ids));
        let issue = self.issues.get_mut(&number)?;
        if let Some(old) = issue.comments.iter().find(|comment| comment.body == body) {
            return Some(old.id.clone());
        }
        issue.comments.push(Comment {
            id: fresh.clone(),
            author: Some(us()),
            body: body.to_owned(),
            created_at: at,
            updated_at: at,
        });
        issue.head.updated_at = at;
        Some(fresh)
    }

    /// Replaces our comment that has this mark, or makes it.
    pub(crate) fn replace(
        &mut self,
        number: IssueNumber,
        mark: &str,
        body: &str,
        at: Timestamp,
    ) -> (CommentId, bool) {
        let (really, at) = (at, self.stamp(at));
        let issue = self.issues.get_mut(&number).expect("it is not gone");
        let mut comments = issue.comments.iter_mut();
        if let Some(found) = comments.find(|one| one.body.contains(mark)) {
            let changed = found.body != body;
            if changed {
                body.clone_into(&mut found.body);
                found.updated_at = at;
                issue.head.updated_at = at;
            }
            return (found.id.clone(), changed);
        }
        let fresh = self.comment_once(number, body, really);
        (fresh.expect("it is not gone"), true)
    }

    /// A person says something.
    pub(crate) fn say(&mut self, number: IssueNumber, by: &Actor, body: &str, at: Timestamp) {
        self.ids += 1;
        let at = self.stamp(at);
        let id = CommentId::new(format!("c{}", self.ids));
        let Some(issue) = self.issues.get_mut(&number) else {
            return;
        };
        issue.comments.push(Comment {
            id,
            author: Some(by.clone()),
            body: body.to_owned(),
            created_at: at,
            updated_at: at,
        });
        issue.head.updated_at = at;
    }

    /// Somebody edits the comment with these words.
    pub(crate) fn rewrite(&mut self, number: IssueNumber, from: &str, to: &str, at: Timestamp) {
        let at = self.stamp(at);
        let issue = self.issues.get_mut(&number).expect("it is there");
        let comment = issue.comments.iter_mut().find(|it| it.body == from);
        let comment = comment.expect("somebody said it");
        to.clone_into(&mut comment.body);
        (comment.updated_at, issue.head.updated_at) = (at, at);
    }

    /// Serves the list again, from now.
    pub(crate) fn refresh(&mut self) {
        self.listed = self
            .issues
            .iter()
            .filter(|(_, issue)| issue.head.open && issue.gone.is_none())
            .map(|(number, issue)| (*number, issue.head.clone()))
            .collect();
    }

    pub(crate) fn list(&self) -> BTreeMap<IssueNumber, Head> {
        self.listed.clone()
    }

    /// One single read with the comments after one of them.
    pub(crate) fn read_after(
        &self,
        number: IssueNumber,
        since: &CommentId,
        at: Timestamp,
    ) -> Details {
        let mut details = self.read(number, at);
        let comments = self.issues.get(&number).map(|issue| {
            let rest = issue.comments.iter().skip_while(|one| one.id != *since);
            rest.skip(1).cloned().collect()
        });
        details.comments = comments;
        details
    }

    /// One single read.
    pub(crate) fn read(&self, number: IssueNumber, at: Timestamp) -> Details {
        self.read_as_of(number, at, at)
    }

    /// One single read that says what was so a moment ago.
    pub(crate) fn read_as_of(
        &self,
        number: IssueNumber,
        then: Timestamp,
        at: Timestamp,
    ) -> Details {
        let found = self.at(number, then);
        let gone = found.map_or(Some(SingleRead::Gone), |issue| issue.gone.clone());
        let (Some(issue), None) = (found, gone.clone()) else {
            return Details {
                read: gone.unwrap_or(SingleRead::Gone),
                events: Vec::new(),
                roles: BTreeMap::new(),
                comments: None,
                at,
            };
        };
        let roles = issue
            .events
            .iter()
            .filter_map(|event| event.actor.clone())
            .chain(issue.text.edits.iter().filter_map(|edit| edit.by.clone()))
            .chain(issue.comments.iter().filter_map(|one| one.author.clone()))
            .map(|actor| {
                let role = if actor == alice() || actor == us() {
                    Role::Write
                } else {
                    Role::Triage
                };
                (actor, role)
            })
            .collect();
        Details {
            read: SingleRead::Found(Box::new((issue.head.clone(), issue.text.clone()))),
            events: issue.events.clone(),
            roles,
            comments: None,
            at,
        }
    }
}
