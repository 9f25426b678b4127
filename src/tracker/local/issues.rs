//! One issue: reading it (and taking in what a person changed by hand), and each change to it.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use ulid::Ulid;

use crate::domain::{
    Actor, ActorId, ActorKind, Comment, CommentId, Head, IssueId, IssueNumber, Label, LabelEvent,
    SingleRead, Text,
};
use crate::machine::text::touches;
use crate::tracker::local::chain::{Chain, EVENTS_MAX, What};
use crate::tracker::local::file::{
    self, BODY_BYTES_MAX, Damage, Found, Lock, digest, make_folder, next_id, unreachable,
};
use crate::tracker::local::folder::{Folder, refused};
use crate::tracker::local::matter::{CommentFile, IssueFile, LABELS_MAX, label_fault, uid};
use crate::tracker::{NewIssue, TrackerError, Written, waits};

/// The longest title of an issue opened here.
const TITLE_CHARS_MAX: usize = 256;
/// The most comments of one issue.
const COMMENTS_MAX: usize = 10_000;
/// Where a new issue is put together before it gets its name.
const NEW: &str = ".new";

/// One issue as its files say.
pub(super) struct Issue {
    number: IssueNumber,
    file: IssueFile,
    chain: Chain,
    author: Actor,
    created: Timestamp,
    updated: Timestamp,
}

impl Folder {
    /// Reads one issue with its text.
    pub fn issue(&self, number: IssueNumber) -> Result<SingleRead, TrackerError> {
        let lock = self.lock()?;
        Ok(self.load(&lock, number)?.map_or(SingleRead::Gone, |issue| {
            let head = self.head(&issue);
            let edits = issue.chain.edits();
            SingleRead::Found(Box::new((
                head,
                Text {
                    title: issue.file.title,
                    body: issue.file.body,
                    edits,
                },
            )))
        }))
    }

    /// Reads an issue's label events, oldest first.
    pub fn label_events(&self, number: IssueNumber) -> Result<Vec<LabelEvent>, TrackerError> {
        let lock = self.lock()?;
        Ok(self.existing(&lock, number)?.chain.label_events())
    }

    /// Reads an issue's comments, oldest first.
    pub fn comments(&self, number: IssueNumber) -> Result<Vec<Comment>, TrackerError> {
        let lock = self.lock()?;
        self.existing(&lock, number)?;
        let mut comments = Vec::new();
        for id in self.comment_ids(number)? {
            let path = self.comment_path(number, id);
            let Some(found) = file::read(&path)? else {
                continue;
            };
            let CommentFile {
                author,
                created,
                updated,
                body,
            } = CommentFile::parse(&path, &found.text)?;
            let author = author.or_else(|| Some(self.user(found.owner)));
            let id = CommentId::new(id.to_string());
            comments.push(Comment {
                id,
                author,
                body,
                created_at: created,
                updated_at: updated,
            });
        }
        Ok(comments)
    }

    /// Sets one label of an issue.
    pub fn add_label(&self, number: IssueNumber, label: &Label) -> Result<Written, TrackerError> {
        if let Some(why) = label_fault(label.as_str()) {
            return Err(refused(&format!("set a label of {number}"), why));
        }
        let lock = self.lock()?;
        let mut issue = self.existing(&lock, number)?;
        if issue.file.labels.contains(label) {
            return Ok(Written::Already);
        }
        if issue.file.labels.len() >= LABELS_MAX {
            return Err(refused(
                &format!("set a label of {number}"),
                format!("an issue has at most {LABELS_MAX}"),
            ));
        }
        issue.file.labels.insert(label.clone());
        self.record(&lock, issue, What::Set(label.clone()))
    }

    /// Removes one label of an issue; `Already` if it has none of that name.
    pub fn remove_label(
        &self,
        number: IssueNumber,
        label: &Label,
    ) -> Result<Written, TrackerError> {
        let lock = self.lock()?;
        let mut issue = self.existing(&lock, number)?;
        if !issue.file.labels.remove(label) {
            return Ok(Written::Already);
        }
        self.record(&lock, issue, What::Removed(label.clone()))
    }

    /// Writes a comment.
    pub fn comment(&self, number: IssueNumber, body: &str) -> Result<CommentId, TrackerError> {
        check_body(&format!("comment on {number}"), body)?;
        let lock = self.lock()?;
        self.existing(&lock, number)?;
        make_folder(&self.comments_path(number), Some(self.owner()))?;
        let ids = self.comment_ids(number)?;
        if ids.len() >= COMMENTS_MAX {
            return Err(refused(
                &format!("comment on {number}"),
                format!("an issue has at most {COMMENTS_MAX}"),
            ));
        }
        let now = (self.clock)();
        let id = next_id(ids.last().copied(), now);
        let file = CommentFile {
            author: Some(self.actor.clone()),
            created: now,
            updated: now,
            body: body.to_owned(),
        };
        lock.write(&self.comment_path(number, id), &file.render())?;
        Ok(CommentId::new(id.to_string()))
    }

    /// Replaces a comment of ours.
    pub fn edit_comment(
        &self,
        number: IssueNumber,
        id: &CommentId,
        body: &str,
    ) -> Result<Written, TrackerError> {
        check_body(&format!("edit a comment on {number}"), body)?;
        let missing = || TrackerError::NotFound {
            what: format!("the comment `{id}` on {number}"),
        };
        let known = Ulid::from_string(id.as_str()).map_err(|_| missing())?;
        let lock = self.lock()?;
        let path = self.comment_path(number, known);
        let found = file::read(&path)?.ok_or_else(missing)?;
        let mut comment = CommentFile::parse(&path, &found.text)?;
        let author = comment
            .author
            .clone()
            .unwrap_or_else(|| self.user(found.owner));
        if author.id != self.actor.id {
            return Err(refused(
                &format!("edit the comment `{id}` on {number}"),
                format!("it is by {}", author.id),
            ));
        }
        if comment.body == body {
            return Ok(Written::Already);
        }
        body.clone_into(&mut comment.body);
        comment.updated = (self.clock)();
        lock.write(&path, &comment.render())?;
        Ok(Written::Changed)
    }

    /// Opens an issue: all of it, or nothing.
    pub fn create_issue(&self, issue: &NewIssue) -> Result<IssueNumber, TrackerError> {
        check_new(issue)?;
        let lock = self.lock()?;
        let number = self.next_number(&lock)?;
        let now = (self.clock)();
        let file = IssueFile {
            title: issue.title.clone(),
            open: true,
            labels: issue.labels.iter().cloned().collect(),
            milestone: None,
            author: Some(self.actor.clone()),
            created: Some(now),
            updated: Some(now),
            body: issue.body.clone(),
        };
        let mut chain = Chain::new(self.repo_id(), number);
        chain.push(
            now,
            &self.actor,
            What::Text(digest(&[&file.title, &file.body])),
        );
        let mut set = BTreeSet::new();
        for label in issue.labels.iter().filter(|label| set.insert(*label)) {
            chain.push(now, &self.actor, What::Set(label.clone()));
        }
        let staged = self.issues_path().join(NEW);
        match std::fs::remove_dir_all(&staged) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(unreachable(&staged, error));
            }
            Ok(()) | Err(_) => {}
        }
        make_folder(&staged, Some(self.owner()))?;
        lock.write(&staged.join("issue.md"), &file.render())?;
        lock.write(&staged.join("events.jsonl"), chain.rendered())?;
        std::fs::rename(&staged, self.issue_path(number))
            .and_then(|()| file::sync_folder(&self.issues_path()))
            .map_err(|error| unreachable(&staged, error))?;
        Ok(number)
    }

    /// Closes an issue.
    pub fn close(&self, number: IssueNumber) -> Result<Written, TrackerError> {
        let lock = self.lock()?;
        let mut issue = self.existing(&lock, number)?;
        if !issue.file.open {
            return Ok(Written::Already);
        }
        issue.file.open = false;
        self.save(&lock, &mut issue, (self.clock)())?;
        Ok(Written::Changed)
    }

    /// Reads an issue's files and takes in what a person changed in `issue.md` by hand, as events by the file's owner.
    pub(super) fn load(
        &self,
        lock: &Lock,
        number: IssueNumber,
    ) -> Result<Option<Issue>, TrackerError> {
        let path = self.issue_path(number).join("issue.md");
        let Some(found) = file::read(&path)? else {
            return Ok(None);
        };
        let file = IssueFile::parse(&path, &found.text)?;
        let events = self.events_path(number);
        let mut chain = match file::read(&events)? {
            Some(text) => Chain::parse(self.repo_id(), number, &events, &text.text)?,
            None => Chain::new(self.repo_id(), number),
        };
        if self.take_in(&file, &mut chain, &found) {
            if chain.len() > EVENTS_MAX {
                return Err(Damage::new(&events, EVENTS_MAX, "there are too many events").into());
            }
            lock.write(&events, chain.rendered())?;
        }
        let created = file.created.unwrap_or(found.changed_at);
        let commented = self.comment_ids(number)?.last().and_then(|id| time_of(*id));
        let times = [file.updated, chain.last_at(), commented];
        let updated = times.into_iter().flatten().fold(created, Timestamp::max);
        let author = file
            .author
            .clone()
            .unwrap_or_else(|| self.user(found.owner));
        Ok(Some(Issue {
            number,
            file,
            chain,
            author,
            created,
            updated,
        }))
    }

    pub(super) fn head(&self, issue: &Issue) -> Head {
        let waits = waits::named(&issue.file.body, None);
        Head {
            repo: self.repo_id().clone(),
            id: IssueId::new(format!("{}/{}", self.repo_id(), issue.number.0)),
            number: issue.number,
            title: issue.file.title.clone(),
            open: issue.file.open,
            labels: issue.file.labels.clone(),
            milestone: issue.file.milestone,
            author: Some(issue.author.clone()),
            created_at: issue.created,
            updated_at: issue.updated,
            url: format!(
                "file://{}",
                self.issue_path(issue.number).join("issue.md").display()
            ),
            waits_for: waits.here,
            waits_elsewhere: waits.elsewhere,
            sub_issues: 0,
            touches: touches::declared(&issue.file.body),
            blocked_by: 0,
        }
    }

    /// Adds the events that explain the file as it is now; returns whether there were any.
    fn take_in(&self, file: &IssueFile, chain: &mut Chain, found: &Found) -> bool {
        let known = chain.labels();
        let mut changes: Vec<What> = known
            .difference(&file.labels)
            .cloned()
            .map(What::Removed)
            .collect();
        changes.extend(file.labels.difference(&known).cloned().map(What::Set));
        let text = digest(&[&file.title, &file.body]);
        if chain.text() != Some(&text) {
            changes.push(What::Text(text));
        }
        let (now, by) = ((self.clock)(), self.user(found.owner));
        let any = !changes.is_empty();
        for what in changes {
            chain.push(now, &by, what);
        }
        any
    }

    fn existing(&self, lock: &Lock, number: IssueNumber) -> Result<Issue, TrackerError> {
        self.load(lock, number)?
            .ok_or_else(|| TrackerError::NotFound {
                what: format!("the issue {number}"),
            })
    }

    /// Writes the issue first, then the event: a crash between the two reads like a hand edit by the file's owner, which is us.
    fn record(&self, lock: &Lock, mut issue: Issue, what: What) -> Result<Written, TrackerError> {
        if issue.chain.len() >= EVENTS_MAX {
            let why = format!("an issue has at most {EVENTS_MAX} events");
            return Err(refused(
                &format!("change the labels of {}", issue.number),
                why,
            ));
        }
        let now = (self.clock)();
        self.save(lock, &mut issue, now)?;
        issue.chain.push(now, &self.actor, what);
        lock.write(&self.events_path(issue.number), issue.chain.rendered())?;
        Ok(Written::Changed)
    }

    fn save(&self, lock: &Lock, issue: &mut Issue, now: Timestamp) -> Result<(), TrackerError> {
        // What a hand-made file left out is written down before the file's owner and time change.
        issue.file.author = Some(issue.author.clone());
        issue.file.created = Some(issue.created);
        issue.file.updated = Some(now.max(issue.updated));
        lock.write(
            &self.issue_path(issue.number).join("issue.md"),
            &issue.file.render(),
        )
    }

    /// Names a user of this machine.
    fn user(&self, user: u32) -> Actor {
        if uid(self.actor.id.as_str()) == Some(user) {
            return self.actor.clone();
        }
        let id = format!("uid:{user}");
        Actor {
            id: ActorId::new(id.clone()),
            login: id,
            kind: ActorKind::User,
        }
    }

    fn events_path(&self, number: IssueNumber) -> PathBuf {
        self.issue_path(number).join("events.jsonl")
    }

    fn comments_path(&self, number: IssueNumber) -> PathBuf {
        self.issue_path(number).join("comments")
    }

    fn comment_path(&self, number: IssueNumber, id: Ulid) -> PathBuf {
        self.comments_path(number).join(format!("{id}.md"))
    }

    /// Lists the comments' ids, oldest first. Other names in the folder are not ours.
    fn comment_ids(&self, number: IssueNumber) -> Result<Vec<Ulid>, TrackerError> {
        let path = self.comments_path(number);
        let mut ids = Vec::new();
        let entries = match path.read_dir() {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(ids),
            Err(error) => return Err(unreachable(&path, error)),
        };
        for entry in entries {
            let name = entry
                .map_err(|error| unreachable(&path, error))?
                .file_name();
            ids.extend(comment_id(Path::new(&name)));
        }
        ids.sort_unstable();
        Ok(ids)
    }
}

/// Reads a comment's id from its file's name, exactly as we write it.
fn comment_id(name: &Path) -> Option<Ulid> {
    let stem = name.to_str()?.strip_suffix(".md")?;
    Ulid::from_string(stem)
        .ok()
        .filter(|id| id.to_string() == stem)
}

fn time_of(id: Ulid) -> Option<Timestamp> {
    Timestamp::from_millisecond(i64::try_from(id.timestamp_ms()).ok()?).ok()
}

fn check_body(what: &str, body: &str) -> Result<(), TrackerError> {
    if body.len() > BODY_BYTES_MAX {
        return Err(refused(
            what,
            format!(
                "the text has {} bytes, at most {BODY_BYTES_MAX} are taken",
                body.len()
            ),
        ));
    }
    Ok(())
}

fn check_new(issue: &NewIssue) -> Result<(), TrackerError> {
    let what = "open an issue";
    check_body(what, &issue.body)?;
    if issue.title.trim().is_empty() || issue.title.contains(['\n', '\r']) {
        return Err(refused(what, "its title is one line of text"));
    }
    if issue.title.chars().count() > TITLE_CHARS_MAX {
        return Err(refused(
            what,
            format!("its title has at most {TITLE_CHARS_MAX} characters"),
        ));
    }
    if issue.labels.len() > LABELS_MAX {
        return Err(refused(
            what,
            format!("an issue has at most {LABELS_MAX} labels"),
        ));
    }
    issue
        .labels
        .iter()
        .find_map(|label| label_fault(label.as_str()))
        .map_or(Ok(()), |why| Err(refused(what, why)))
}
