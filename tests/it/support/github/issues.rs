//! Issues: labels and their events, comments, opening and closing.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::api::{moved, not_found, text};
use super::entry::{Answer, Call};
use super::fact::Fact;
use super::model::{Comment, Fate, Issue, LabelChange, Model};
use super::people::Caller;

impl Model {
    /// The time of a change: whole seconds, so that two changes can share one.
    fn stamp(&self, id: u64) -> Timestamp {
        let fraction = i64::try_from(id % 1000).expect("small");
        if self.is(Fact::TimesAreWholeSeconds) {
            self.now
        } else {
            self.now + SignedDuration::from_millis(fraction)
        }
    }

    fn issue_mut(&mut self, repo: u64, number: u64) -> &mut Issue {
        let repo = self.repos.get_mut(&repo).expect("a repository");
        repo.issues.get_mut(&number).expect("an issue")
    }

    /// Sets a label; a label that is there already stays as it is and leaves no event.
    pub(crate) fn set_label(&mut self, repo: u64, number: u64, label: &str, actor: Option<u64>) {
        let known = self.repos[&repo]
            .labels
            .iter()
            .map(|label| label.name.clone())
            .find(|name| self.same(name, label));
        let spelled = known.unwrap_or_else(|| label.to_owned());
        if self.repos[&repo].issues[&number]
            .labels
            .iter()
            .any(|present| self.same(present, label))
        {
            return;
        }
        let repeated = (!self.is(Fact::EachLabellingHasItsEvent))
            .then(|| {
                self.repos[&repo].issues[&number]
                    .events
                    .iter()
                    .find(|event| event.label.as_ref() == Some(&spelled))
            })
            .flatten()
            .map(|event| event.id);
        let id = repeated.unwrap_or_else(|| self.new_id());
        self.change(
            repo,
            number,
            LabelChange {
                id,
                kind: "labeled",
                label: Some(spelled.clone()),
                actor,
                at: self.now,
            },
        );
        self.issue_mut(repo, number).labels.push(spelled);
    }

    /// Removes a label; returns whether it was there.
    pub(crate) fn drop_label(
        &mut self,
        repo: u64,
        number: u64,
        label: &str,
        actor: Option<u64>,
    ) -> bool {
        let labels = &self.repos[&repo].issues[&number].labels;
        let Some(position) = labels.iter().position(|present| self.same(present, label)) else {
            return false;
        };
        let id = self.new_id();
        let name = self.issue_mut(repo, number).labels.remove(position);
        self.change(
            repo,
            number,
            LabelChange {
                id,
                kind: "unlabeled",
                label: Some(name),
                actor,
                at: self.now,
            },
        );
        true
    }

    fn change(&mut self, repo: u64, number: u64, event: LabelChange) {
        let stamp = self.stamp(event.id);
        let moves = self.is(Fact::LabellingMovesUpdatedAt);
        let issue = self.issue_mut(repo, number);
        issue.events.push(event);
        if moves {
            issue.updated = stamp;
        }
    }

    pub(crate) fn insert_comment(
        &mut self,
        repo: u64,
        number: u64,
        author: Option<u64>,
        body: &str,
    ) -> u64 {
        let (id, now) = (self.new_id(), self.now);
        let issue = self.issue_mut(repo, number);
        issue.comments.push(Comment {
            id,
            author,
            body: body.to_owned(),
            created: now,
            updated: now,
        });
        issue.updated = now;
        id
    }

    pub(crate) fn create_issue(&mut self, caller: &Caller, repo: u64, input: &Value) -> Answer {
        if caller.account().is_none() {
            return Answer::refusal(401, "Requires authentication");
        }
        if text(input, "title").is_empty() {
            return Answer::refusal(422, "Validation Failed");
        }
        let number = self.insert_issue(
            repo,
            caller.account(),
            text(input, "title"),
            text(input, "body"),
            false,
        );
        let may = self.may(&self.repos[&repo], caller, "triage");
        let labels = input
            .get("labels")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for label in labels.iter().filter_map(Value::as_str) {
            if !may && self.is(Fact::CreationLabelsAreDroppedSilently) {
                continue;
            }
            if self.is(Fact::CreationLabelsHaveEvents) {
                self.set_label(repo, number, label, caller.account());
            } else {
                self.issue_mut(repo, number).labels.push(label.to_owned());
            }
        }
        let repo = &self.repos[&repo];
        Answer::json(201, &self.issue_json(repo, &repo.issues[&number]))
    }

    /// Everything below `/issues/{number}`.
    pub(crate) fn in_issue(
        &mut self,
        call: &Call,
        caller: &Caller,
        place: (u64, &str),
        rest: &[&str],
    ) -> Answer {
        let (id, Ok(number)) = (place.0, place.1.parse::<u64>()) else {
            return not_found();
        };
        let Some(issue) = self.repos[&id].issues.get(&number) else {
            return not_found();
        };
        match issue.fate {
            Fate::Here => {}
            Fate::Deleted if self.is(Fact::DeletedIs410) => {
                return Answer::refusal(410, "This issue was deleted");
            }
            Fate::Transferred(repo, there) if self.is(Fact::TransferRedirects) => {
                let rest: Vec<String> = rest.iter().map(|segment| format!("/{segment}")).collect();
                let location = format!(
                    "{}/repositories/{repo}/issues/{there}{}",
                    self.base,
                    rest.concat()
                );
                return moved(if call.is_read() { 301 } else { 307 }, &location);
            }
            Fate::Deleted | Fate::Transferred(..) => return not_found(),
        }
        let issue = &self.repos[&id].issues[&number];
        match (call.method.as_str(), rest) {
            ("GET", []) => Answer::json(200, &self.issue_json(&self.repos[&id], issue)),
            ("PATCH", []) => self.edit_issue(caller, (id, number), &call.input()),
            ("GET", ["labels"]) => Answer::json(200, &Self::labels_json(&self.repos[&id], issue)),
            ("POST", ["labels"]) => self.add_labels(caller, (id, number), &call.input()),
            ("DELETE", ["labels", label]) => self.remove_label(caller, (id, number), label),
            ("GET", ["events"]) => {
                let events = issue
                    .events
                    .iter()
                    .map(|event| self.event_json(event))
                    .collect();
                self.page(call, id, events)
            }
            ("GET", ["comments"]) => {
                let comments = issue
                    .comments
                    .iter()
                    .map(|comment| self.comment_json(comment))
                    .collect();
                self.page(call, id, comments)
            }
            ("POST", ["comments"]) => {
                let Some(author) = caller.account() else {
                    return Answer::refusal(401, "Requires authentication");
                };
                let comment =
                    self.insert_comment(id, number, Some(author), text(&call.input(), "body"));
                self.comment_answer(201, id, comment)
            }
            _ => not_found(),
        }
    }

    fn may_label(&self, repo: u64, caller: &Caller) -> bool {
        self.may(&self.repos[&repo], caller, "triage") || !self.is(Fact::LabellingNeedsTriage)
    }

    fn add_labels(&mut self, caller: &Caller, (repo, number): (u64, u64), input: &Value) -> Answer {
        if !self.may_label(repo, caller) {
            return Answer::refusal(403, "Resource not accessible by personal access token");
        }
        let labels = input
            .get("labels")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        for label in labels.iter().filter_map(Value::as_str) {
            self.set_label(repo, number, label, caller.account());
        }
        Answer::json(
            200,
            &Self::labels_json(&self.repos[&repo], &self.repos[&repo].issues[&number]),
        )
    }

    fn remove_label(&mut self, caller: &Caller, (repo, number): (u64, u64), label: &str) -> Answer {
        if !self.may_label(repo, caller) {
            return Answer::refusal(403, "Resource not accessible by personal access token");
        }
        if !self.drop_label(repo, number, label, caller.account())
            && self.is(Fact::AbsentLabelIs404)
        {
            return Answer::refusal(404, "Label does not exist");
        }
        Answer::json(
            200,
            &Self::labels_json(&self.repos[&repo], &self.repos[&repo].issues[&number]),
        )
    }

    fn edit_issue(&mut self, caller: &Caller, (repo, number): (u64, u64), input: &Value) -> Answer {
        let own = self.repos[&repo].issues[&number].author == caller.account();
        if !own && !self.may(&self.repos[&repo], caller, "triage") {
            return Answer::refusal(403, "Resource not accessible by personal access token");
        }
        let (id, now, actor) = (self.new_id(), self.now, caller.account());
        let issue = self.issue_mut(repo, number);
        let close = input
            .get("state")
            .and_then(Value::as_str)
            .map(|state| state == "closed");
        if let Some(closed) = close
            && issue.open == closed
        {
            issue.open = !closed;
            issue.updated = now;
            let kind = if closed { "closed" } else { "reopened" };
            issue.events.push(LabelChange {
                id,
                kind,
                label: None,
                actor,
                at: now,
            });
        }
        if let Some(body) = input.get("body").and_then(Value::as_str) {
            body.clone_into(&mut issue.body);
            issue.edits.push((now, actor));
            issue.updated = now;
        }
        let repo = &self.repos[&repo];
        Answer::json(200, &self.issue_json(repo, &repo.issues[&number]))
    }

    /// Returns the number of the issue that a comment belongs to.
    fn issue_of_comment(&self, repo: u64, comment: u64) -> Option<u64> {
        let mut issues = self.repos[&repo].issues.values();
        issues
            .find(|issue| issue.comments.iter().any(|known| known.id == comment))
            .map(|issue| issue.number)
    }

    fn comment_answer(&self, status: u16, repo: u64, comment: u64) -> Answer {
        let issue = self
            .issue_of_comment(repo, comment)
            .map(|number| &self.repos[&repo].issues[&number]);
        let comment =
            issue.and_then(|issue| issue.comments.iter().find(|known| known.id == comment));
        comment.map_or_else(not_found, |comment| {
            Answer::json(status, &self.comment_json(comment))
        })
    }

    pub(crate) fn read_comment(&self, repo: u64, comment: &str) -> Answer {
        comment.parse().map_or_else(
            |_| not_found(),
            |comment| self.comment_answer(200, repo, comment),
        )
    }

    pub(crate) fn edit_comment(
        &mut self,
        caller: &Caller,
        repo: u64,
        comment: &str,
        input: &Value,
    ) -> Answer {
        let Some((number, id)) = comment
            .parse()
            .ok()
            .and_then(|id| Some((self.issue_of_comment(repo, id)?, id)))
        else {
            return not_found();
        };
        let write = self.may(&self.repos[&repo], caller, "write");
        let now = self.now;
        let issue = self.issue_mut(repo, number);
        let comment = issue
            .comments
            .iter_mut()
            .find(|known| known.id == id)
            .expect("it was just found");
        if !write && comment.author != caller.account() {
            return Answer::refusal(403, "Resource not accessible by personal access token");
        }
        text(input, "body").clone_into(&mut comment.body);
        comment.updated = now;
        issue.updated = now;
        self.comment_answer(200, repo, id)
    }

    pub(crate) fn delete_comment(&mut self, caller: &Caller, repo: u64, comment: &str) -> Answer {
        let Some((number, id)) = comment
            .parse()
            .ok()
            .and_then(|id: u64| Some((self.issue_of_comment(repo, id)?, id)))
        else {
            return not_found();
        };
        if !self.may(&self.repos[&repo], caller, "write") {
            return Answer::refusal(403, "Resource not accessible by personal access token");
        }
        let now = self.now;
        let issue = self.issue_mut(repo, number);
        issue.comments.retain(|known| known.id != id);
        issue.updated = now;
        Answer::json(200, &json!({}))
    }
}
