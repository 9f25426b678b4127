//! Check runs and commit statuses: what CI says of a commit.
#![expect(clippy::disallowed_methods, reason = "a test is an edge")]

use std::process::Command;

use serde_json::{Value, json};

use super::api::not_found;
use super::entry::{Answer, Call};
use super::fact::Fact;
use super::model::Model;

/// What one run, or one status, said.
#[derive(Clone, Debug)]
pub(crate) struct RunFact {
    pub(crate) id: u64,
    /// `None`: it says the same of every commit.
    pub(crate) sha: Option<String>,
    pub(crate) name: String,
    /// `queued`, `in_progress`, or a conclusion; of a status its state.
    pub(crate) said: &'static str,
    pub(crate) is_status: bool,
}

impl Model {
    /// A check runs on a commit, or on every one.
    pub(crate) fn check(&mut self, repo: &str, sha: Option<&str>, name: &str, said: &'static str) {
        self.ran(repo, (sha, name, said), false);
    }

    /// The same in the older way.
    pub(crate) fn status(&mut self, repo: &str, sha: Option<&str>, name: &str, said: &'static str) {
        self.ran(repo, (sha, name, said), true);
    }

    fn ran(
        &mut self,
        repo: &str,
        (sha, name, said): (Option<&str>, &str, &'static str),
        is_status: bool,
    ) {
        let run = RunFact {
            id: self.new_id(),
            sha: sha.map(str::to_owned),
            name: name.to_owned(),
            said,
            is_status,
        };
        self.repo(repo).runs.push(run);
    }

    /// Everything below `/commits/{sha}`.
    pub(crate) fn in_commit(&self, call: &Call, id: u64, sha: &str, rest: &[&str]) -> Answer {
        let wants_status = match (call.method.as_str(), rest) {
            ("GET", ["check-runs"]) => false,
            ("GET", ["status"]) => true,
            _ => return not_found(),
        };
        if !self.has_commit(id, sha) && self.is(Fact::ChecksOfUnknownCommitsAre422) {
            return Answer::refusal(422, &format!("No commit found for SHA: {sha}"));
        }
        let of_commit = |run: &&RunFact| run.sha.as_deref().is_none_or(|of| of == sha);
        let mut runs: Vec<&RunFact> = self.repos[&id].runs.iter().filter(of_commit).collect();
        if self.is(Fact::ChecksAreTwoLists) {
            runs.retain(|run| run.is_status == wants_status);
        } else if wants_status {
            runs.clear();
        }
        if self.is(Fact::OnlyTheNewestRunIsListed) {
            let newest = |run: &&RunFact| {
                let mut same = runs.iter().filter(|other| other.name == run.name);
                same.all(|other| other.id <= run.id)
            };
            runs = runs.iter().copied().filter(newest).collect();
        }
        let items: Vec<Value> = runs.iter().map(|run| run.json(wants_status)).collect();
        let total = items.len();
        let mut answer = self.page(call, id, items);
        let key = if wants_status {
            "statuses"
        } else {
            "check_runs"
        };
        let whole = json!({ "total_count": total, "sha": sha, key: answer.value() });
        answer.body = whole.to_string().into_bytes();
        answer
    }

    fn has_commit(&self, id: u64, sha: &str) -> bool {
        let repo = &self.repos[&id];
        let Some(folder) = &repo.git else {
            return repo.heads.values().any(|head| head == sha);
        };
        let mut git = Command::new("git");
        git.args(["cat-file", "-e", &format!("{sha}^{{commit}}")]);
        let out = git.current_dir(folder).output().expect("git runs");
        out.status.success()
    }
}

impl RunFact {
    fn json(&self, as_status: bool) -> Value {
        if as_status {
            return json!({ "id": self.id, "context": self.name, "state": self.said });
        }
        let runs = ["queued", "in_progress"].contains(&self.said);
        let (status, conclusion) = if runs {
            (self.said, Value::Null)
        } else {
            ("completed", json!(self.said))
        };
        json!({ "id": self.id, "name": self.name, "status": status, "conclusion": conclusion })
    }
}
