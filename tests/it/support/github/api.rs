//! The routes: which address does what.

use serde_json::{Value, json};

use super::entry::{Answer, Call, decode};
use super::fact::Fact;
use super::model::{Model, RepoLabel};
use super::people::Caller;

/// Items on a page when nobody asks for another number.
const PAGE_DEFAULT: usize = 30;

impl Model {
    /// Answers a request of a known caller.
    pub(crate) fn route(&mut self, call: &Call, caller: &Caller) -> Answer {
        let segments: Vec<String> = call.path.trim_matches('/').split('/').map(decode).collect();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (call.method.as_str(), segments.as_slice()) {
            ("GET", ["user"]) => match caller {
                Caller::Person(id) => Answer::json(200, &self.user_json(Some(*id))),
                Caller::Nobody => Answer::refusal(401, "Requires authentication"),
                Caller::App | Caller::Installation { .. } => {
                    Answer::refusal(403, "Resource not accessible by integration")
                }
            },
            ("GET", ["users", login]) => {
                let id = self
                    .accounts
                    .values()
                    .find(|known| known.login == *login)
                    .map(|known| known.id);
                id.map_or_else(not_found, |id| Answer::json(200, &self.user_json(Some(id))))
            }
            ("GET", ["app"]) if *caller == Caller::App => {
                Answer::json(200, &json!({ "id": 12345, "slug": "pointsman-test" }))
            }
            ("POST", ["app", "installations", id, "access_tokens"]) => {
                self.mint(caller, id, &call.input())
            }
            ("POST", ["graphql"]) => self.graphql(call, caller),
            (_, ["repos", owner, name, rest @ ..]) => {
                self.by_name(call, caller, &format!("{owner}/{name}"), rest)
            }
            (_, ["repositories", id, rest @ ..]) => match id.parse() {
                Ok(id) if self.repos.contains_key(&id) => self.in_repo(call, caller, id, rest),
                _ => not_found(),
            },
            _ => not_found(),
        }
    }

    fn by_name(&mut self, call: &Call, caller: &Caller, full_name: &str, rest: &[&str]) -> Answer {
        let wanted = full_name.to_lowercase();
        let current = self
            .repos
            .values()
            .find(|repo| repo.full_name.to_lowercase() == wanted)
            .map(|repo| repo.id);
        if let Some(id) = current {
            return self.in_repo(call, caller, id, rest);
        }
        let Some(id) = self
            .old_names
            .get(&wanted)
            .copied()
            .filter(|_| self.is(Fact::RenameRedirects))
        else {
            return not_found();
        };
        if !call.is_read() && !self.is(Fact::RenamedWritesAre307) {
            return self.in_repo(call, caller, id, rest);
        }
        let path: Vec<&str> = call.path.trim_matches('/').split('/').skip(3).collect();
        let mut location = format!("{}/repositories/{id}", self.base);
        for segment in path {
            location = format!("{location}/{segment}");
        }
        if !call.query.is_empty() {
            location = format!("{location}?{}", call.query);
        }
        moved(if call.is_read() { 301 } else { 307 }, &location)
    }

    fn in_repo(&mut self, call: &Call, caller: &Caller, id: u64, rest: &[&str]) -> Answer {
        let repo = &self.repos[&id];
        if !self.may(repo, caller, "read") {
            return not_found();
        }
        match (call.method.as_str(), rest) {
            ("GET", []) => Answer::json(200, &self.repo_json(repo, caller)),
            ("GET", ["issues"]) => self.list_issues(call, id),
            ("POST", ["issues"]) => self.create_issue(caller, id, &call.input()),
            ("GET", ["issues", "comments", comment]) => self.read_comment(id, comment),
            ("PATCH", ["issues", "comments", comment]) => {
                self.edit_comment(caller, id, comment, &call.input())
            }
            ("DELETE", ["issues", "comments", comment]) => self.delete_comment(caller, id, comment),
            (_, ["issues", number, rest @ ..]) => self.in_issue(call, caller, (id, number), rest),
            ("GET", ["collaborators", login, "permission"]) if self.may(repo, caller, "write") => {
                self.permission(repo, login)
            }
            ("GET", ["collaborators", ..]) => Answer::refusal(
                403,
                "Must have push access to view collaborator permission.",
            ),
            (_, ["labels", rest @ ..]) => self.repo_labels(call, caller, id, rest),
            ("GET", ["git", "ref", "heads", name]) => match repo.heads.get(*name) {
                Some(sha) => Answer::json(
                    200,
                    &json!({ "ref": format!("refs/heads/{name}"), "object": { "sha": sha } }),
                ),
                None => not_found(),
            },
            ("POST", ["git", "refs"]) => self.create_ref(caller, id, &call.input()),
            (_, ["pulls", rest @ ..]) => self.in_pulls(call, caller, id, rest),
            (_, ["commits", sha, rest @ ..]) => self.in_commit(call, id, sha, rest),
            _ => not_found(),
        }
    }

    fn create_ref(&mut self, caller: &Caller, id: u64, input: &Value) -> Answer {
        if !self.may(&self.repos[&id], caller, "write") {
            return Answer::refusal(403, "Resource not accessible");
        }
        let Some(name) = text(input, "ref")
            .strip_prefix("refs/heads/")
            .map(str::to_owned)
        else {
            return Answer::refusal(422, "Reference update failed");
        };
        let sha = text(input, "sha").to_owned();
        let heads = &mut self.repos.get_mut(&id).expect("a repository").heads;
        if heads.contains_key(&name) {
            return Answer::refusal(422, "Reference already exists");
        }
        let answer = json!({ "ref": format!("refs/heads/{name}"), "object": { "sha": sha } });
        heads.insert(name, sha);
        Answer::json(201, &answer)
    }

    fn repo_labels(&mut self, call: &Call, caller: &Caller, id: u64, rest: &[&str]) -> Answer {
        let repo = &self.repos[&id];
        if !call.is_read() && !self.may(repo, caller, "write") {
            return Answer::refusal(403, "Resource not accessible by personal access token");
        }
        let position = rest.first().and_then(|name| {
            repo.labels
                .iter()
                .position(|label| self.same(&label.name, name))
        });
        match (call.method.as_str(), rest, position) {
            ("GET", [], _) => {
                let labels = repo.labels.iter().map(Self::label_json).collect();
                self.page(call, id, labels)
            }
            ("POST", [], _) => self.create_label(id, &call.input()),
            ("GET", [_], Some(position)) => {
                Answer::json(200, &Self::label_json(&repo.labels[position]))
            }
            ("PATCH", [_], Some(position)) => {
                let input = call.input();
                let label = &mut self.repos.get_mut(&id).expect("a repository").labels[position];
                for (key, field) in [
                    ("color", &mut label.color),
                    ("description", &mut label.description),
                ] {
                    if let Some(value) = input.get(key).and_then(Value::as_str) {
                        value.clone_into(field);
                    }
                }
                Answer::json(200, &Self::label_json(label))
            }
            _ => not_found(),
        }
    }

    fn create_label(&mut self, id: u64, input: &Value) -> Answer {
        let name = text(input, "name");
        if self.repos[&id]
            .labels
            .iter()
            .any(|label| self.same(&label.name, name))
        {
            let error = json!({ "resource": "Label", "code": "already_exists", "field": "name" });
            return Answer::json(
                422,
                &json!({ "message": "Validation Failed", "errors": [error] }),
            );
        }
        let label = RepoLabel {
            name: name.to_owned(),
            color: text(input, "color").to_owned(),
            description: text(input, "description").to_owned(),
        };
        let answer = Answer::json(201, &Self::label_json(&label));
        self.repos
            .get_mut(&id)
            .expect("a repository")
            .labels
            .push(label);
        answer
    }

    /// Returns whether two labels are one.
    pub(crate) fn same(&self, one: &str, other: &str) -> bool {
        if self.is(Fact::LabelsIgnoreCase) {
            one.to_lowercase() == other.to_lowercase()
        } else {
            one == other
        }
    }

    fn list_issues(&self, call: &Call, id: u64) -> Answer {
        let repo = &self.repos[&id];
        let state = call.parameter("state").unwrap_or_else(|| "open".to_owned());
        let since = call.parameter("since").and_then(|since| since.parse().ok());
        let wanted = call.parameter("labels");
        let mut found: Vec<_> = repo
            .issues
            .values()
            .filter(|issue| issue.fate == super::model::Fate::Here)
            .filter(|issue| state == "all" || issue.open == (state == "open"))
            .filter(|issue| since.is_none_or(|since| issue.updated >= since))
            .filter(|issue| !issue.pull || self.is(Fact::PullRequestsAreListed))
            .filter(|issue| {
                let names = wanted.iter().flat_map(|wanted| wanted.split(','));
                names
                    .into_iter()
                    .all(|name| issue.labels.iter().any(|label| self.same(label, name)))
            })
            .collect();
        match call.parameter("sort").as_deref() {
            Some("updated") => found.sort_by_key(|issue| (issue.updated, issue.number)),
            _ => found.sort_by_key(|issue| (issue.created, issue.number)),
        }
        if call.parameter("direction").as_deref() != Some("asc") {
            found.reverse();
        }
        let found = found
            .into_iter()
            .map(|issue| self.issue_json(repo, issue))
            .collect();
        self.page(call, id, found)
    }

    /// Cuts a list into pages; the links lead to `/repositories/{id}`, whatever was asked.
    pub(crate) fn page(&self, call: &Call, repo: u64, items: Vec<Value>) -> Answer {
        let number = |name: &str| {
            call.parameter(name)
                .and_then(|value| value.parse::<usize>().ok())
        };
        let size = number("per_page").unwrap_or(PAGE_DEFAULT).clamp(1, 100);
        let page = number("page").unwrap_or(1).max(1);
        let last = items.len().div_ceil(size).max(1);
        let here: Vec<Value> = items
            .into_iter()
            .skip((page - 1) * size)
            .take(size)
            .collect();
        let path = if self.is(Fact::LinksByRepositoryId) && call.path.starts_with("/repos/") {
            let rest: Vec<&str> = call.path.trim_matches('/').split('/').skip(3).collect();
            format!("/repositories/{repo}/{}", rest.join("/"))
        } else {
            call.path.clone()
        };
        let others: Vec<&str> = call
            .query
            .split('&')
            .filter(|pair| !pair.is_empty() && !pair.starts_with("page="))
            .collect();
        let link = |page: usize, relation: &str| {
            let query = others
                .iter()
                .copied()
                .map(str::to_owned)
                .chain([format!("page={page}")]);
            let query: Vec<String> = query.collect();
            format!(
                "<{}{path}?{}>; rel=\"{relation}\"",
                self.base,
                query.join("&")
            )
        };
        let mut links = Vec::new();
        if page > 1 {
            links.extend([link(page - 1, "prev"), link(1, "first")]);
        }
        if page < last {
            links.extend([link(page + 1, "next"), link(last, "last")]);
        }
        let answer = Answer::json(200, &Value::Array(here));
        if links.is_empty() {
            answer
        } else {
            answer.with("link", links.join(", "))
        }
    }
}

pub(crate) fn text<'a>(input: &'a Value, key: &str) -> &'a str {
    input.get(key).and_then(Value::as_str).unwrap_or_default()
}

pub(crate) fn not_found() -> Answer {
    Answer::refusal(404, "Not Found")
}

pub(crate) fn moved(status: u16, location: &str) -> Answer {
    Answer::json(
        status,
        &json!({ "message": "Moved Permanently", "url": location }),
    )
    .with("location", location)
}
