//! How the model looks as JSON.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::fact::Fact;
use super::model::{Comment, Issue, LabelChange, Model, Repo, RepoLabel};
use super::people::Caller;

pub(crate) fn time(at: Timestamp) -> String {
    at.to_string()
}

impl Model {
    /// An account, or null for one that was deleted.
    pub(crate) fn user_json(&self, id: Option<u64>) -> Value {
        match id.and_then(|id| self.accounts.get(&id)) {
            Some(account) => json!({
                "id": account.id, "login": account.login, "type": account.kind,
                "node_id": format!("U_{}", account.id), "site_admin": false,
            }),
            None => Value::Null,
        }
    }

    pub(crate) fn repo_json(&self, repo: &Repo, caller: &Caller) -> Value {
        let may = |role: &str| self.may(repo, caller, role);
        let visibility = if repo.private { "private" } else { "public" };
        let (owner, name) = repo.full_name.split_once('/').unwrap_or_default();
        json!({
            "id": repo.id, "full_name": repo.full_name, "name": name, "owner": { "login": owner },
            "default_branch": "main", "private": repo.private, "visibility": visibility,
            "permissions": {
                "admin": may("admin"), "maintain": may("maintain"), "push": may("write"),
                "triage": may("triage"), "pull": may("read"),
            },
        })
    }

    pub(crate) fn label_json(label: &RepoLabel) -> Value {
        json!({ "name": label.name, "color": label.color, "description": label.description, "default": false })
    }

    /// The labels of an issue, in the spelling of the repository.
    pub(crate) fn labels_json(repo: &Repo, issue: &Issue) -> Value {
        let labels = issue.labels.iter().map(|name| {
            match repo.labels.iter().find(|label| label.name == *name) {
                Some(label) => Self::label_json(label),
                None => json!({ "name": name, "color": "ededed", "description": null }),
            }
        });
        Value::Array(labels.collect())
    }

    pub(crate) fn issue_json(&self, repo: &Repo, issue: &Issue) -> Value {
        let milestone = issue
            .milestone
            .map(|number| json!({ "number": number, "title": "m" }));
        let mut json = json!({
            "id": issue.id, "node_id": format!("I_{}", issue.id), "number": issue.number,
            "title": issue.title, "body": if issue.body.is_empty() { Value::Null } else { json!(issue.body) },
            "state": if issue.open { "open" } else { "closed" },
            "user": self.user_json(issue.author), "labels": Self::labels_json(repo, issue),
            "milestone": milestone, "locked": false, "comments": issue.comments.len(),
            "created_at": time(issue.created), "updated_at": time(issue.updated),
            "html_url": format!("https://github.test/{}/issues/{}", repo.full_name, issue.number),
            "repository_url": format!("{}/repos/{}", self.base, repo.full_name),
            "author_association": "COLLABORATOR",
        });
        if self.is(Fact::DependenciesAreCounted) {
            let is_open = |number: &&u64| repo.issues.get(*number).is_some_and(|other| other.open);
            json["issue_dependencies_summary"] = json!({
                "blocked_by": issue.blocked_by.iter().filter(is_open).count(), "blocking": 0,
                "total_blocked_by": issue.blocked_by.len(), "total_blocking": 0,
            });
        }
        if self.is(Fact::SubIssuesAreCounted) {
            let is_closed = |number: &&u64| repo.issues.get(*number).is_some_and(|one| !one.open);
            json["sub_issues_summary"] = json!({
                "total": issue.sub_issues.len(),
                "completed": issue.sub_issues.iter().filter(is_closed).count(),
            });
        }
        if !issue.open {
            let closed = issue
                .events
                .iter()
                .rev()
                .find(|event| event.kind == "closed");
            json["closed_by"] = self.user_json(closed.and_then(|event| event.actor));
        }
        if issue.pull {
            json["pull_request"] = json!({ "url": format!("{}/repos/{}/pulls/{}", self.base, repo.full_name, issue.number) });
        }
        if !self.is(Fact::GhostsAreNull) && json["user"].is_null() {
            json.as_object_mut().expect("an object").remove("user");
        }
        json
    }

    pub(crate) fn event_json(&self, event: &LabelChange) -> Value {
        let mut json = json!({
            "id": event.id, "node_id": format!("LE_{}", event.id), "event": event.kind,
            "actor": self.user_json(event.actor), "created_at": time(event.at),
            "commit_id": null, "performed_via_github_app": null,
        });
        if let Some(label) = &event.label {
            json["label"] = json!({ "name": label, "color": "ededed" });
        }
        json
    }

    pub(crate) fn comment_json(&self, comment: &Comment) -> Value {
        json!({
            "id": comment.id, "body": comment.body, "user": self.user_json(comment.author),
            "created_at": time(comment.created), "updated_at": time(comment.updated),
        })
    }
}
