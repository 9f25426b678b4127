//! The model: repositories, issues, and the moves that people make in them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};

use super::checks::RunFact;
use super::entry::{Logged, Used};
use super::fact::Fact;
use super::fault::Fault;
use super::people::{Account, InstallationToken};
use super::pulls::PullFacts;

/// One label event or another event of an issue.
#[derive(Clone, Debug)]
pub(crate) struct LabelChange {
    pub(crate) id: u64,
    /// `labeled`, `unlabeled`, `closed`, `renamed`, ..
    pub(crate) kind: &'static str,
    pub(crate) label: Option<String>,
    pub(crate) actor: Option<u64>,
    pub(crate) at: Timestamp,
}

#[derive(Clone, Debug)]
pub(crate) struct Comment {
    pub(crate) id: u64,
    pub(crate) author: Option<u64>,
    pub(crate) body: String,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
}

/// What became of an issue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Here,
    Deleted,
    /// Repository id and number.
    Transferred(u64, u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Issue {
    pub(crate) id: u64,
    pub(crate) number: u64,
    pub(crate) title: String,
    pub(crate) body: String,
    pub(crate) open: bool,
    pub(crate) pull: bool,
    pub(crate) author: Option<u64>,
    pub(crate) labels: Vec<String>,
    pub(crate) milestone: Option<u64>,
    /// Issues that block it, by GitHub's own dependencies.
    pub(crate) blocked_by: Vec<u64>,
    /// Its sub-issues.
    pub(crate) sub_issues: Vec<u64>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    /// Oldest first.
    pub(crate) edits: Vec<(Timestamp, Option<u64>)>,
    pub(crate) events: Vec<LabelChange>,
    pub(crate) comments: Vec<Comment>,
    pub(crate) fate: Fate,
}

#[derive(Clone, Debug)]
pub(crate) struct RepoLabel {
    pub(crate) name: String,
    pub(crate) color: String,
    pub(crate) description: String,
}

#[derive(Clone, Debug)]
pub(crate) struct Repo {
    pub(crate) id: u64,
    pub(crate) full_name: String,
    pub(crate) private: bool,
    pub(crate) labels: Vec<RepoLabel>,
    pub(crate) issues: BTreeMap<u64, Issue>,
    /// Account to role name.
    pub(crate) roles: BTreeMap<u64, &'static str>,
    /// Names below `refs/heads/`, with their commit.
    pub(crate) heads: BTreeMap<String, String>,
    /// What pull requests are beyond issues.
    pub(crate) pulls: BTreeMap<u64, PullFacts>,
    /// The real repository behind it.
    pub(crate) git: Option<PathBuf>,
    /// Whether there are drafts: not in every plan.
    pub(crate) drafts: bool,
    /// Why nothing may be merged: a rule of the default branch.
    pub(crate) merge_rule: Option<String>,
    /// What CI said of its commits, oldest first.
    pub(crate) runs: Vec<RunFact>,
}

/// All of GitHub, as far as the tests need it.
#[derive(Debug)]
pub(crate) struct Model {
    /// The server's clock.
    pub(crate) now: Timestamp,
    /// Where it is served; in links.
    pub(crate) base: String,
    pub(crate) repos: BTreeMap<u64, Repo>,
    /// Names that repositories had, in lower case.
    pub(crate) old_names: BTreeMap<String, u64>,
    pub(crate) accounts: BTreeMap<u64, Account>,
    pub(crate) tokens: BTreeMap<String, u64>,
    pub(crate) installation_tokens: BTreeMap<String, InstallationToken>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) log: Vec<Logged>,
    /// Requests an hour.
    pub(crate) limit: u64,
    pub(crate) used: BTreeMap<String, Used>,
    off: BTreeSet<Fact>,
    last_id: u64,
}

impl Model {
    /// An empty GitHub at noon of 2026-11-20.
    pub(crate) fn new() -> Self {
        Self {
            now: "2026-11-20T12:00:00Z".parse().expect("a time"),
            base: "http://fake.test".to_owned(),
            repos: BTreeMap::new(),
            old_names: BTreeMap::new(),
            accounts: BTreeMap::new(),
            tokens: BTreeMap::new(),
            installation_tokens: BTreeMap::new(),
            faults: Vec::new(),
            log: Vec::new(),
            limit: 5000,
            used: BTreeMap::new(),
            off: BTreeSet::new(),
            last_id: 1000,
        }
    }

    /// Returns whether GitHub does this; all facts hold until switched off.
    pub(crate) fn is(&self, fact: Fact) -> bool {
        !self.off.contains(&fact)
    }

    /// Switches a fact off.
    pub(crate) fn without(&mut self, fact: Fact) {
        self.off.insert(fact);
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, seconds: i64) {
        self.now += SignedDuration::from_secs(seconds);
    }

    /// Arms a fault.
    pub(crate) fn arm(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    /// Ids of all kinds grow together.
    pub(crate) fn new_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Makes a repository; its owner is its admin.
    pub(crate) fn add_repo(&mut self, full_name: &str) -> u64 {
        let id = self.new_id();
        let owner = full_name.split('/').next().unwrap_or_default().to_owned();
        let admin = self.account(&owner);
        let repo = Repo {
            id,
            full_name: full_name.to_owned(),
            private: false,
            labels: Vec::new(),
            issues: BTreeMap::new(),
            roles: BTreeMap::from([(admin, "admin")]),
            heads: BTreeMap::from([("main".to_owned(), "1".repeat(40))]),
            pulls: BTreeMap::new(),
            git: None,
            drafts: true,
            merge_rule: None,
            runs: Vec::new(),
        };
        self.repos.insert(id, repo);
        id
    }

    pub(crate) fn repo(&mut self, full_name: &str) -> &mut Repo {
        let wanted = full_name.to_lowercase();
        let found = self
            .repos
            .values_mut()
            .find(|repo| repo.full_name.to_lowercase() == wanted);
        found.expect("the test names a repository it made")
    }

    /// Gives a repository another name; the old one redirects.
    pub(crate) fn rename_repo(&mut self, full_name: &str, to: &str) {
        let repo = self.repo(full_name);
        to.clone_into(&mut repo.full_name);
        let id = repo.id;
        self.old_names.insert(full_name.to_lowercase(), id);
    }

    /// Opens an issue as somebody; returns its number.
    pub(crate) fn open_issue(
        &mut self,
        full_name: &str,
        author: &str,
        title: &str,
        body: &str,
    ) -> u64 {
        let author = self.account(author);
        let repo = self.repo(full_name).id;
        self.insert_issue(repo, Some(author), title, body, false)
    }

    /// Opens a pull request, which takes a number of the issues.
    pub(crate) fn open_pull(&mut self, full_name: &str, author: &str, title: &str) -> u64 {
        let author = self.account(author);
        let repo = self.repo(full_name).id;
        self.insert_issue(repo, Some(author), title, "", true)
    }

    pub(crate) fn insert_issue(
        &mut self,
        repo: u64,
        author: Option<u64>,
        title: &str,
        body: &str,
        pull: bool,
    ) -> u64 {
        let id = self.new_id();
        let now = self.now;
        let repo = self.repos.get_mut(&repo).expect("a repository");
        let number = repo.issues.keys().max().copied().unwrap_or(0) + 1;
        let issue = Issue {
            id,
            number,
            title: title.to_owned(),
            body: body.to_owned(),
            open: true,
            pull,
            author,
            labels: Vec::new(),
            milestone: None,
            blocked_by: Vec::new(),
            sub_issues: Vec::new(),
            created: now,
            updated: now,
            edits: Vec::new(),
            events: Vec::new(),
            comments: Vec::new(),
            fate: Fate::Here,
        };
        repo.issues.insert(number, issue);
        number
    }

    pub(crate) fn issue(&mut self, full_name: &str, number: u64) -> &mut Issue {
        self.repo(full_name)
            .issues
            .get_mut(&number)
            .expect("the test names an issue it made")
    }

    /// Sets a label as somebody.
    pub(crate) fn label(&mut self, full_name: &str, number: u64, label: &str, who: &str) {
        let actor = self.account(who);
        let repo = self.repo(full_name).id;
        self.set_label(repo, number, label, Some(actor));
    }

    /// Removes a label as somebody; returns whether it was there.
    pub(crate) fn unlabel(&mut self, full_name: &str, number: u64, label: &str, who: &str) -> bool {
        let actor = self.account(who);
        let repo = self.repo(full_name).id;
        self.drop_label(repo, number, label, Some(actor))
    }

    /// Closes an issue as somebody.
    pub(crate) fn close(&mut self, full_name: &str, number: u64, who: &str) {
        let actor = self.account(who);
        let (id, now) = (self.new_id(), self.now);
        let issue = self.issue(full_name, number);
        issue.open = false;
        issue.updated = now;
        issue.events.push(LabelChange {
            id,
            kind: "closed",
            label: None,
            actor: Some(actor),
            at: now,
        });
    }

    /// Writes a comment as somebody; returns its id.
    pub(crate) fn say(&mut self, full_name: &str, number: u64, who: &str, body: &str) -> u64 {
        let author = self.account(who);
        let repo = self.repo(full_name).id;
        self.insert_comment(repo, number, Some(author), body)
    }

    /// Edits an issue's body as somebody.
    pub(crate) fn rewrite(&mut self, full_name: &str, number: u64, who: &str, body: &str) {
        let editor = self.account(who);
        let now = self.now;
        let issue = self.issue(full_name, number);
        body.clone_into(&mut issue.body);
        issue.edits.push((now, Some(editor)));
        issue.updated = now;
    }

    /// Gives an issue another title as somebody.
    pub(crate) fn retitle(&mut self, full_name: &str, number: u64, who: &str, title: &str) {
        let actor = self.account(who);
        let (id, now) = (self.new_id(), self.now);
        let issue = self.issue(full_name, number);
        title.clone_into(&mut issue.title);
        issue.updated = now;
        issue.events.push(LabelChange {
            id,
            kind: "renamed",
            label: None,
            actor: Some(actor),
            at: now,
        });
    }

    /// Moves an issue to another repository with its labels and its history; returns its number there.
    pub(crate) fn transfer(&mut self, full_name: &str, number: u64, to: &str) -> u64 {
        let moved = self.issue(full_name, number).clone();
        let target = self.repo(to).id;
        let there = self.insert_issue(target, moved.author, &moved.title, &moved.body, false);
        let (id, at) = (self.new_id(), self.now);
        let issue = self.issue(to, there);
        issue.labels.clone_from(&moved.labels);
        issue.events = moved.events;
        issue.events.push(LabelChange {
            id,
            kind: "transferred",
            label: None,
            actor: moved.author,
            at,
        });
        self.issue(full_name, number).fate = Fate::Transferred(target, there);
        there
    }

    /// Deletes an issue.
    pub(crate) fn delete(&mut self, full_name: &str, number: u64) {
        self.issue(full_name, number).fate = Fate::Deleted;
    }

    /// Deletes an account: what it did stays, its name does not.
    pub(crate) fn forget_account(&mut self, login: &str) {
        let id = self.account(login);
        self.accounts.remove(&id);
    }
}

impl Default for Model {
    fn default() -> Self {
        Self::new()
    }
}
