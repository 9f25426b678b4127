//! Pull requests: of a branch of the repository or of a fork, as draft or ready, reviewed, merged with real git where there is one.
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::api::{not_found, text};
use super::entry::{Answer, Call};
use super::fact::Fact;
use super::json::time;
use super::model::{LabelChange, Model, Repo};
use super::people::Caller;

/// What a pull request is beyond an issue.
#[derive(Clone, Debug)]
pub(crate) struct PullFacts {
    pub(crate) branch: String,
    /// The branch that it goes into.
    pub(crate) base: String,
    /// The repository of its branch: the same one, or a fork.
    pub(crate) from: u64,
    /// The commit, where no real repository says it.
    pub(crate) sha: String,
    pub(crate) draft: bool,
    pub(crate) merged: Option<(Option<u64>, Timestamp)>,
    /// Whether it can be merged, once that was worked out.
    pub(crate) mergeable: Option<bool>,
    /// When it was reviewed last.
    pub(crate) touched: Option<Timestamp>,
    pub(crate) reviews: Vec<ReviewFact>,
    pub(crate) lines: Vec<LineFact>,
}

#[derive(Clone, Debug)]
pub(crate) struct ReviewFact {
    pub(crate) id: u64,
    pub(crate) by: Option<u64>,
    pub(crate) state: &'static str,
    pub(crate) body: String,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct LineFact {
    pub(crate) id: u64,
    pub(crate) by: Option<u64>,
    pub(crate) place: (String, u64),
    pub(crate) body: String,
    pub(crate) at: Timestamp,
}

/// Runs git in a bare repository; `None` if it fails.
fn git(folder: &Path, args: &[&str]) -> Option<String> {
    let who = [
        "-c",
        "user.name=github",
        "-c",
        "user.email=github@localhost",
    ];
    let out = Command::new("git")
        .args(who)
        .args(args)
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .expect("git runs");
    let text = String::from_utf8_lossy(&out.stdout).trim().to_owned();
    out.status.success().then_some(text)
}

impl Model {
    /// Lets pull requests of a repository be about a real one.
    pub(crate) fn serve_git(&mut self, full_name: &str, folder: &Path) {
        self.repo(full_name).git = Some(folder.to_owned());
    }

    fn tip(repo: &Repo, branch: &str) -> Option<String> {
        match &repo.git {
            Some(folder) => git(
                folder,
                &[
                    "rev-parse",
                    "-q",
                    "--verify",
                    &format!("refs/heads/{branch}"),
                ],
            ),
            None => Some(
                repo.heads
                    .get(branch)
                    .cloned()
                    .unwrap_or_else(|| "2".repeat(40)),
            ),
        }
    }

    /// Opens a pull request from a fork, whose branch may be called anything.
    pub(crate) fn open_fork_pull(&mut self, full_name: &str, author: &str, branch: &str) -> u64 {
        let number = self.open_pull(full_name, author, "From a fork");
        let from = self.add_repo(&format!("{author}/fork"));
        let facts = PullFacts {
            from,
            ..facts(branch, 0, "3".repeat(40), false)
        };
        self.repo(full_name).pulls.insert(number, facts);
        number
    }

    pub(crate) fn pull_facts(&mut self, full_name: &str, number: u64) -> &mut PullFacts {
        let pulls = &mut self.repo(full_name).pulls;
        pulls
            .get_mut(&number)
            .expect("the test names a pull request")
    }

    fn touch(&mut self, full_name: &str, number: u64) {
        let at = self.now;
        if self.is(Fact::ReviewsMoveIssues) {
            self.issue(full_name, number).updated = at;
        }
        self.pull_facts(full_name, number).touched = Some(at);
    }

    /// Reviews a pull request as somebody.
    pub(crate) fn review(
        &mut self,
        full_name: &str,
        number: u64,
        who: &str,
        state: &'static str,
        body: &str,
    ) -> u64 {
        let by = Some(self.account(who));
        let (id, at) = (self.new_id(), self.now);
        self.touch(full_name, number);
        let body = body.to_owned();
        let review = ReviewFact {
            id,
            by,
            state,
            body,
            at,
        };
        self.pull_facts(full_name, number).reviews.push(review);
        id
    }

    /// Says something on a line of the diff.
    pub(crate) fn remark(
        &mut self,
        full_name: &str,
        number: u64,
        who: &str,
        place: (&str, u64),
        body: &str,
    ) {
        let by = Some(self.account(who));
        let (id, at) = (self.new_id(), self.now);
        self.touch(full_name, number);
        let (body, place) = (body.to_owned(), (place.0.to_owned(), place.1));
        let line = LineFact {
            id,
            by,
            place,
            body,
            at,
        };
        self.pull_facts(full_name, number).lines.push(line);
    }

    /// Merges a pull request as somebody who presses the button.
    pub(crate) fn merge(&mut self, full_name: &str, number: u64, who: &str) {
        let by = self.account(who);
        let id = self.repo(full_name).id;
        let answer = self.merge_now(id, number, Some(by));
        assert_eq!(
            answer.status,
            200,
            "it is merged: {}",
            String::from_utf8_lossy(&answer.body)
        );
    }

    /// Everything below `/pulls`.
    pub(crate) fn in_pulls(
        &mut self,
        call: &Call,
        caller: &Caller,
        id: u64,
        rest: &[&str],
    ) -> Answer {
        let number = rest.first().and_then(|number| number.parse::<u64>().ok());
        let known = number.filter(|number| self.repos[&id].pulls.contains_key(number));
        match (call.method.as_str(), rest, known) {
            ("GET", [], _) => self.list_pulls(call, id),
            ("POST", [], _) => self.create_pull(caller, id, &call.input()),
            ("GET", [_], Some(number)) => Answer::json(200, &self.pull_json(id, number, true)),
            ("PATCH", [_], Some(number)) => self.edit_pull(caller, id, number, &call.input()),
            ("PUT", [_, "merge"], Some(number)) => {
                self.merge_asked(caller, id, number, &call.input())
            }
            ("GET", [_, "reviews"], Some(number)) => {
                let reviews = self.repos[&id].pulls[&number].reviews.iter();
                let reviews = reviews.map(|review| {
                    json!({
                        "id": review.id, "user": self.user_json(review.by), "state": review.state,
                        "body": review.body, "submitted_at": time(review.at),
                    })
                });
                let reviews = reviews.collect();
                self.page(call, id, reviews)
            }
            ("GET", [_, "comments"], Some(number)) => {
                let lines = self.repos[&id].pulls[&number].lines.iter();
                let lines = lines.map(|line| json!({
                    "id": line.id, "user": self.user_json(line.by), "path": line.place.0, "line": line.place.1,
                    "body": line.body, "created_at": time(line.at), "updated_at": time(line.at),
                }));
                let lines = lines.collect();
                self.page(call, id, lines)
            }
            ("POST", [_, "reviews"], Some(number)) => {
                self.review_asked(caller, id, number, &call.input())
            }
            _ => not_found(),
        }
    }

    fn list_pulls(&self, call: &Call, id: u64) -> Answer {
        let repo = &self.repos[&id];
        let state = call.parameter("state").unwrap_or_else(|| "open".to_owned());
        let head = call
            .parameter("head")
            .filter(|_| self.is(Fact::PullsAreFilteredByHead));
        let owner = |repo: u64| {
            self.repos[&repo]
                .full_name
                .split('/')
                .next()
                .unwrap_or_default()
        };
        let pulls = repo.issues.values().filter(|issue| issue.pull);
        let pulls = pulls
            .filter(|issue| state == "all" || issue.open == (state == "open"))
            .filter(|issue| match (&head, repo.pulls.get(&issue.number)) {
                (Some(head), Some(pull)) => {
                    *head == format!("{}:{}", owner(pull.from), pull.branch)
                }
                (Some(_), None) => false,
                (None, _) => true,
            });
        let pulls = pulls
            .map(|issue| self.pull_json(id, issue.number, false))
            .collect();
        self.page(call, id, pulls)
    }

    fn pull_json(&self, id: u64, number: u64, whole: bool) -> Value {
        let repo = &self.repos[&id];
        let issue = &repo.issues[&number];
        let mut json = self.issue_json(repo, issue);
        let Some(pull) = repo.pulls.get(&number) else {
            return json;
        };
        let sha = if pull.from == id && issue.open {
            Self::tip(repo, &pull.branch).unwrap_or_else(|| pull.sha.clone())
        } else {
            pull.sha.clone()
        };
        let end = |branch: &str, of: u64, sha: &str| {
            let name = &self.repos[&of].full_name;
            json!({ "ref": branch, "sha": sha, "repo": { "id": of, "full_name": name } })
        };
        json["node_id"] = json!(format!("PR_{id}_{number}"));
        json["html_url"] = json!(format!(
            "https://github.test/{}/pull/{number}",
            repo.full_name
        ));
        json["updated_at"] = json!(time(
            pull.touched
                .map_or(issue.updated, |at| at.max(issue.updated))
        ));
        json["draft"] = json!(pull.draft);
        json["head"] = end(&pull.branch, pull.from, &sha);
        let base = &pull.base;
        json["base"] = end(base, id, &Self::tip(repo, base).unwrap_or_default());
        let mut closings = issue.events.iter().rev();
        let closing = closings.find(|event| event.kind == "closed" && !issue.open);
        json["closed_at"] = closing.map_or(Value::Null, |event| json!(time(event.at)));
        json["merged_at"] = pull.merged.map_or(Value::Null, |(_, at)| json!(time(at)));
        if whole {
            json["merged"] = json!(pull.merged.is_some());
            json["mergeable"] = json!(pull.mergeable);
            json["merged_by"] = pull
                .merged
                .map_or(Value::Null, |(by, _)| self.user_json(by));
        }
        json
    }

    fn create_pull(&mut self, caller: &Caller, id: u64, input: &Value) -> Answer {
        if !self.may(&self.repos[&id], caller, "write") {
            return Answer::refusal(403, "Resource not accessible by personal access token");
        }
        let (branch, base) = (text(input, "head").to_owned(), text(input, "base"));
        let repo = &self.repos[&id];
        let draft = input
            .get("draft")
            .and_then(Value::as_bool)
            .unwrap_or_default();
        if draft && !repo.drafts {
            return Answer::refusal(
                422,
                "Draft pull requests are not supported in this repository.",
            );
        }
        let Some(sha) = Self::tip(repo, &branch) else {
            let error = json!({ "resource": "PullRequest", "field": "head", "code": "invalid" });
            return Answer::json(
                422,
                &json!({ "message": "Validation Failed", "errors": [error] }),
            );
        };
        let owner = repo.full_name.split('/').next().unwrap_or_default();
        let open = |number: &u64| repo.issues[number].open;
        let mut same = repo.pulls.iter().filter(|(number, _)| open(number));
        if self.is(Fact::OnePullPerBranch)
            && same.any(|(_, pull)| pull.from == id && pull.branch == branch && pull.base == base)
        {
            let error = json!({ "resource": "PullRequest", "code": "custom",
                "message": format!("A pull request already exists for {owner}:{branch}.") });
            return Answer::json(
                422,
                &json!({ "message": "Validation Failed", "errors": [error] }),
            );
        }
        if Self::tip(repo, base).is_some_and(|tip| tip == sha) && repo.git.is_some() {
            let message = format!("No commits between {base} and {branch}");
            let error = json!({ "resource": "PullRequest", "code": "custom", "message": message });
            return Answer::json(
                422,
                &json!({ "message": "Validation Failed", "errors": [error] }),
            );
        }
        let (title, body) = (text(input, "title"), text(input, "body"));
        let number = self.insert_issue(id, caller.account(), title, body, true);
        let facts = PullFacts {
            base: base.to_owned(),
            ..facts(&branch, id, sha, draft)
        };
        self.repos
            .get_mut(&id)
            .expect("a repository")
            .pulls
            .insert(number, facts);
        Answer::json(201, &self.pull_json(id, number, true))
    }

    fn edit_pull(&mut self, caller: &Caller, id: u64, number: u64, input: &Value) -> Answer {
        if !self.may(&self.repos[&id], caller, "write") {
            return Answer::refusal(403, "Resource not accessible by personal access token");
        }
        let now = self.now;
        let repo = self.repos.get_mut(&id).expect("a repository");
        let issue = repo.issues.get_mut(&number).expect("a pull request");
        if let Some(body) = input.get("body").and_then(Value::as_str) {
            body.clone_into(&mut issue.body);
            issue.updated = now;
        }
        Answer::json(200, &self.pull_json(id, number, true))
    }

    fn review_asked(&mut self, caller: &Caller, id: u64, number: u64, input: &Value) -> Answer {
        let author = self.repos[&id].issues[&number].author;
        let wants = text(input, "event") == "REQUEST_CHANGES";
        if wants && author == caller.account() && self.is(Fact::NobodyRequestsChangesOfTheirOwn) {
            return Answer::refusal(422, "Can not request changes on your own pull request");
        }
        Answer::json(200, &json!({}))
    }

    fn merge_asked(&mut self, caller: &Caller, id: u64, number: u64, input: &Value) -> Answer {
        if !self.may(&self.repos[&id], caller, "write") {
            return Answer::refusal(403, "Resource not accessible by personal access token");
        }
        let wanted = input.get("sha").and_then(Value::as_str);
        let head = self.pull_json(id, number, true)["head"]["sha"]
            .as_str()
            .map(str::to_owned);
        if self.is(Fact::MergesCheckTheHead) && wanted.is_some() && wanted != head.as_deref() {
            return Answer::refusal(
                409,
                "Head branch was modified. Review and try the merge again.",
            );
        }
        self.merge_now(id, number, caller.account())
    }

    fn merge_now(&mut self, id: u64, number: u64, by: Option<u64>) -> Answer {
        let repo = &self.repos[&id];
        let pull = &repo.pulls[&number];
        if pull.draft && self.is(Fact::DraftsAreNotMerged) {
            return Answer::refusal(405, "Pull Request is still a draft");
        }
        if !repo.issues[&number].open || pull.mergeable != Some(true) {
            return Answer::refusal(405, "Pull Request is not mergeable");
        }
        if let Some(rule) = &repo.merge_rule {
            return Answer::refusal(405, rule);
        }
        let sha = match &repo.git {
            Some(folder) => match merge_in(folder, &pull.branch, number) {
                Some(sha) => sha,
                None => return Answer::refusal(405, "Pull Request is not mergeable"),
            },
            None => "4".repeat(40),
        };
        let head = Self::tip(repo, &pull.branch);
        let body = repo.issues[&number].body.clone();
        self.end_pull(id, number, by);
        let now = self.now;
        let pulls = &mut self.repos.get_mut(&id).expect("a repository").pulls;
        let pull = pulls.get_mut(&number).expect("a pull request");
        pull.merged = Some((by, now));
        pull.sha = head.unwrap_or_else(|| pull.sha.clone());
        let closes = body.lines().find_map(|line| {
            line.strip_prefix("Closes #")?
                .trim_end_matches('.')
                .parse::<u64>()
                .ok()
        });
        if let Some(issue) = closes.filter(|_| self.is(Fact::MergesCloseIssues))
            && self.repos[&id].issues.contains_key(&issue)
        {
            self.end_pull(id, issue, by);
        }
        Answer::json(
            200,
            &json!({ "merged": true, "sha": sha, "message": "Pull Request successfully merged" }),
        )
    }

    fn end_pull(&mut self, id: u64, number: u64, by: Option<u64>) {
        let (event, at) = (self.new_id(), self.now);
        let repo = self.repos.get_mut(&id).expect("a repository");
        let issue = repo.issues.get_mut(&number).expect("an issue");
        if issue.open {
            issue.open = false;
            issue.updated = at;
            issue.events.push(LabelChange {
                id: event,
                kind: "closed",
                label: None,
                actor: by,
                at,
            });
        }
    }

    /// The one mutation: a draft is ready for review.
    pub(crate) fn ready(&mut self, call: &Call, caller: &Caller) -> Answer {
        let input = call.input();
        let node = input["variables"]["pull"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let mut parts = node
            .split('_')
            .skip(1)
            .filter_map(|part| part.parse::<u64>().ok());
        let (Some(id), Some(number)) = (parts.next(), parts.next()) else {
            return self.problem(
                "NOT_FOUND",
                "Could not resolve to a node with the global id",
            );
        };
        if !self.may(&self.repos[&id], caller, "write") {
            return self.problem(
                "FORBIDDEN",
                "Resource not accessible by personal access token",
            );
        }
        let now = self.now;
        let repo = self.repos.get_mut(&id).expect("a repository");
        repo.pulls.get_mut(&number).expect("a pull request").draft = false;
        repo.issues.get_mut(&number).expect("an issue").updated = now;
        Answer::json(
            200,
            &json!({ "data": { "markPullRequestReadyForReview": { "pullRequest": { "isDraft": false } } } }),
        )
    }
}

fn facts(branch: &str, from: u64, sha: String, draft: bool) -> PullFacts {
    PullFacts {
        branch: branch.to_owned(),
        base: "main".to_owned(),
        from,
        sha,
        draft,
        merged: None,
        mergeable: Some(true),
        touched: None,
        reviews: Vec::new(),
        lines: Vec::new(),
    }
}

/// Merges a branch into `main` of a bare repository with a merge commit; `None` on a conflict.
fn merge_in(folder: &Path, branch: &str, number: u64) -> Option<String> {
    let branch = format!("refs/heads/{branch}");
    let tree = git(
        folder,
        &["merge-tree", "--write-tree", "refs/heads/main", &branch],
    )?;
    let message = format!("Merge pull request #{number}");
    let parents = ["-p", "refs/heads/main", "-p", &branch];
    let commit = git(
        folder,
        &[&["commit-tree", &tree, "-m", &message], &parents[..]].concat(),
    )?;
    git(folder, &["update-ref", "refs/heads/main", &commit])?;
    Some(commit)
}
