//! One walk of the table: a world with its knife, the people in it, and what there is in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use pointsman::daemon::desk::control::Call;
use pointsman::domain::{
    Advance, Cause, DeliveryId, Event, IssueNumber, Opening, ProjectName, Request, Settled,
    SingleRead,
};

use crate::support::patience::PATIENCE;
use crate::support::world::{Told, World};

const BLOG: &str = "me/blog";
/// A question, a report that is refused, and a round that fails in QA.
const TEXT: &str = "[demo:ask] [demo:liar] [demo:bounce]";
/// What a person replies.
const ANSWER: &str = "Refuse it, please.";
/// A label that is not ours.
const FOREIGN: &str = "good first issue";
/// How long a walk may take, with all its lives.
const WALK_MAX: Duration = PATIENCE.saturating_mul(2);
/// How long it may then take until everything is cleared away.
const SETTLE_MAX: Duration = PATIENCE;
/// How long a place that nobody came by may still be passed after the end.
const LATE_MAX: Duration = Duration::from_secs(15);
/// How long what there is in the end has to stay: what is done a second time comes within a cycle that was woken.
const STAYS: Duration = Duration::from_secs(3);
/// Between two looks.
pub(super) const LOOK: Duration = Duration::from_millis(200);
/// Between two looks at everything that is there, which costs processes.
pub(super) const WHOLE_LOOK: Duration = Duration::from_millis(600);

/// A point and which of its passes.
pub(super) type Place = (usize, String);

/// Where issues are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum On {
    /// On the fake GitHub, over HTTP; a person merges a pull request.
    GitHub,
    /// In a folder; a person approves.
    Local,
}

/// A world with its knife.
pub(super) struct Walk {
    on: On,
    world: World,
    issue: IssueNumber,
    knife: PathBuf,
    lives: usize,
    told: Vec<Told>,
    is_answered: bool,
    is_merged: bool,
}

impl Walk {
    /// Makes a world with one issue, a person's label on it, and a daemon that dies at these places.
    pub(super) async fn new(on: On, places: &[Place]) -> Self {
        let mut world = match on {
            On::GitHub => World::on_github().await,
            On::Local => World::new(),
        };
        match on {
            On::GitHub => world.github_project("blog"),
            On::Local => world.project("blog"),
        };
        // On a slow machine a daemon takes its time to come back, and an agent that waits meanwhile is not silent.
        let settings = world.places.config.join("pointsman.toml");
        let text = std::fs::read_to_string(&settings).expect("it is there");
        let text = text.replace(
            "idle_without_report = \"10s\"",
            "idle_without_report = \"2m\"",
        );
        std::fs::write(&settings, text).expect("it is written");
        let knife = world.home().join("knife");
        std::fs::create_dir_all(&knife).expect("a folder");
        let at = places.iter().map(|(nth, name)| format!("{nth} {name}"));
        let at: Vec<String> = at.collect();
        std::fs::write(knife.join("at"), at.join("\n")).expect("it is written");
        let variable = (
            pointsman::knife::VARIABLE.to_owned(),
            knife.display().to_string(),
        );
        world.places.env.push(variable);
        let issue = world
            .issue("blog", "Greet by name", TEXT, "ready-for-prep")
            .await;
        match on {
            On::GitHub => {
                let mut model = world.fake().model();
                let ann = model.account("ann");
                model.repo(BLOG).roles.insert(ann, "write");
                model.label(BLOG, issue.0, FOREIGN, "ann");
                // A person's word would be an answer before the question.
                model.say(BLOG, issue.0, "stranger", "+1");
                model.advance(30);
            }
            On::Local => world.label("blog", issue, FOREIGN).await,
        }
        world.spawn();
        Self {
            on,
            world,
            issue,
            knife,
            lives: 1,
            told: Vec::new(),
            is_answered: false,
            is_merged: false,
        }
    }

    /// The points that were passed so far, in order.
    pub(super) fn passed(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.knife.join("passed")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// Starts the daemon again when it was killed.
    fn revive(&mut self) {
        if self.world.was_killed() {
            self.world.spawn();
            self.lives += 1;
        }
    }

    /// What a person does: answers the question as soon as it is to be read, and merges what is theirs.
    async fn person(&mut self, told: &[Told]) {
        match self.on {
            On::GitHub => {
                if self.acts_on_github(told) {
                    self.world.fake().advance(30);
                    self.world.poll("blog").await;
                }
            }
            On::Local => self.acts_in_the_folder(told).await,
        }
    }

    fn acts_on_github(&mut self, told: &[Told]) -> bool {
        let mut model = self.world.fake().model();
        let comments = &model.issue(BLOG, self.issue.0).comments;
        if !self.is_answered && comments.iter().any(|one| asks(&one.body)) {
            self.is_answered = true;
            model.advance(30);
            model.say(BLOG, self.issue.0, "ann", ANSWER);
            return true;
        }
        let merges = !self.is_merged && is_yours(told);
        if merges {
            self.is_merged = true;
            let pull = model.repo(BLOG).pulls.keys().next().copied();
            model.merge(BLOG, pull.expect("a pull request"), "ann");
        }
        merges
    }

    async fn acts_in_the_folder(&mut self, told: &[Told]) {
        if !self.is_answered {
            let comments = self.world.tracker("blog").comments(self.issue).await;
            let comments = comments.expect("they are read");
            if comments.iter().any(|one| asks(&one.body)) {
                self.is_answered = true;
                self.world.comment("blog", self.issue, ANSWER).await;
            }
        }
        let is_approved = |told: &Told| matches!(told.event, Event::Approved { .. });
        // While nobody listens it is said again.
        if is_yours(told) && !told.iter().any(is_approved) {
            let request = Request::Approve {
                issue: self.issue,
                by: "ann".to_owned(),
            };
            let project = ProjectName::new("blog");
            drop(self.world.call(&Call::Ask { project, request }));
        }
    }

    /// Walks to the end, whoever dies on the way.
    pub(super) async fn until_done(&mut self) {
        let deadline = Instant::now() + WALK_MAX;
        loop {
            self.revive();
            let mut told = std::mem::take(&mut self.told);
            self.world.read_on(&mut told);
            self.person(&told).await;
            if is_done(&told) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "it does not come to its end\n{}",
                self.world.account(&told).await
            );
            self.told = told;
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until everything is cleared away. Nobody may die meanwhile.
    pub(super) async fn until_tidy(&self) {
        self.world.until_tidy("blog").await;
    }

    /// What there is in the end: one line each, without ids and times.
    pub(super) async fn effects(&self) -> Vec<String> {
        let mut lines = self.tracked().await;
        let told = self.world.told().await;
        let taken = self.world.taken_by_delivery();
        for (delivery, count) in &taken {
            assert_eq!(*count, 1, "delivery {delivery} was taken {count} times");
        }
        let mut texts: BTreeMap<String, usize> = BTreeMap::new();
        for (name, delivery) in deliveries(&told) {
            *texts.entry(name).or_default() += taken.get(&delivery).copied().unwrap_or_default();
        }
        lines.extend(texts.iter().map(|(name, n)| format!("{name}: taken {n}")));
        for (folder, args) in [
            ("blog.git", &["log", "--format=%s", "main"][..]),
            ("blog.git", &["branch", "--format=%(refname)"]),
            ("blog", &["log", "--format=%s", "main"]),
            ("blog", &["branch", "--format=%(refname)"]),
            ("blog", &["status", "--porcelain", "--branch"]),
            ("blog", &["stash", "list"]),
        ] {
            let said = self.world.git(folder, args);
            lines.extend(said.lines().map(|line| format!("{folder}: {line}")));
        }
        lines.extend(self.files());
        let mut windows = self.world.windows();
        windows.sort();
        lines.extend(windows.iter().map(|name| format!("window {name}")));
        lines
    }

    /// What is on the tracker.
    async fn tracked(&self) -> Vec<String> {
        let mut lines = Vec::new();
        let mut issue = |number: u64, open: bool, labels: String, comments: Vec<&str>| {
            lines.push(format!("#{number}: open {open}, labels {labels}"));
            let mut heads: Vec<String> = comments.into_iter().map(head).collect();
            heads.sort();
            lines.extend(heads.iter().map(|head| format!("#{number} says: {head}")));
        };
        match self.on {
            On::GitHub => {
                let mut model = self.world.fake().model();
                for one in model.repo(BLOG).issues.values() {
                    let comments = one.comments.iter().map(|one| one.body.as_str());
                    let labels = format!("{:?}", one.labels);
                    issue(one.number, one.open, labels, comments.collect());
                }
                for (number, pull) in &model.repo(BLOG).pulls {
                    let (draft, merged) = (pull.draft, pull.merged.is_some());
                    lines.push(format!("pull #{number}: draft {draft}, merged {merged}"));
                }
            }
            On::Local => {
                let tracker = self.world.tracker("blog");
                let read = tracker.issue(self.issue).await.expect("it is read");
                let SingleRead::Found(found) = read else {
                    panic!("the issue is gone");
                };
                let comments = tracker.comments(self.issue).await.expect("they are read");
                let comments = comments.iter().map(|one| one.body.as_str()).collect();
                let labels = format!("{:?}", found.0.labels);
                issue(self.issue.0, found.0.open, labels, comments);
            }
        }
        lines
    }

    /// What lies in trees and in the daemon's own folders: each kind of name once.
    fn files(&self) -> BTreeSet<String> {
        let home = self.world.home();
        let mut folders = vec![self.world.places.state.clone()];
        let trees = self.world.git("blog", &["worktree", "list", "--porcelain"]);
        let trees = trees
            .lines()
            .filter_map(|line| line.strip_prefix("worktree "));
        folders.extend(trees.map(|tree| Path::new(tree).join(".pointsman")));
        let mut found = BTreeSet::new();
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(&folder).into_iter().flatten();
            for entry in entries.filter_map(Result::ok) {
                let path = entry.path();
                let below = path.strip_prefix(home).expect("below home");
                let (above, name) = (below.parent(), entry.file_name());
                let named_by_id = [
                    "logs/blog",
                    "briefs",
                    "spool",
                    "panes",
                    "sessions",
                    "comments",
                ];
                let name = name.to_string_lossy();
                let is_id = named_by_id.iter().any(|of| folder.ends_with(of));
                let name = if is_id {
                    masked(&name)
                } else {
                    name.into_owned()
                };
                let above = above.expect("it lies in a folder").display();
                found.insert(format!("lies there: {above}/{name}"));
                // What git keeps is git's.
                let is_git = ["trees", "mirrors"]
                    .iter()
                    .any(|name| folder.ends_with(name));
                if path.is_dir() && !is_git {
                    folders.push(path);
                }
            }
        }
        found
    }

    /// Waits until everybody died who was to die, or until it is plain that nobody will.
    pub(super) async fn last_life(&mut self, places: &[Place]) -> Vec<Place> {
        let since = Instant::now();
        loop {
            self.revive();
            let passed = self.passed();
            let count = |name: &str| passed.iter().filter(|passed| *passed == name).count();
            let missed = places.iter().filter(|(nth, name)| count(name) < *nth);
            let missed: Vec<Place> = missed.cloned().collect();
            let died = places.len() - missed.len();
            let is_late = since.elapsed() >= LATE_MAX;
            if self.lives == 1 + died && (missed.is_empty() || is_late) {
                self.lay_down(&missed);
                return missed;
            }
            let lives = self.lives;
            assert!(
                since.elapsed() < SETTLE_MAX,
                "{lives} lives with {died} deaths\n{}",
                self.world.log()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Where nobody died so far, nobody dies any more.
    fn lay_down(&mut self, missed: &[Place]) {
        if !missed.is_empty() {
            std::fs::write(self.knife.join("at"), "").expect("it is written");
            self.world.kill();
            self.world.spawn();
        }
    }

    /// Waits until what there is is what there is when nobody dies, and stays so; says otherwise what differs.
    pub(super) async fn settle(&mut self, wanted: &[String]) -> Result<(), String> {
        let deadline = Instant::now() + SETTLE_MAX;
        let mut since = Instant::now();
        loop {
            let found = self.effects().await;
            if found != wanted {
                since = Instant::now();
            }
            if since.elapsed() >= STAYS {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let lines = |from: &[String], other: &[String], sign: &str| {
                    let only = from.iter().filter(|line| !other.contains(line));
                    let only: Vec<String> = only.map(|line| format!("{sign} {line}\n")).collect();
                    only.concat()
                };
                let told = self.world.told().await;
                return Err(format!(
                    "{}{}{found:#?}\n{}",
                    lines(wanted, &found, "-"),
                    lines(&found, wanted, "+"),
                    self.world.account(&told).await
                ));
            }
            tokio::time::sleep(WHOLE_LOOK).await;
        }
    }

    /// Ends the world: the ledger is whole, no process is left.
    pub(super) async fn end(mut self) {
        assert!(self.world.terminate().await, "{}", self.world.log());
        let (code, out, err) = self.world.says(&["ledger", "verify"]).await;
        assert_eq!(code, Some(0), "{out}{err}");
        self.world.end().await;
    }
}

fn asks(text: &str) -> bool {
    text.contains("The agent asks:")
}

/// The beginning of a comment, which says what it is.
fn head(body: &str) -> String {
    body.chars().take(14).collect()
}

/// A file's name without the ids in it: a job's word and the ending stay.
fn masked(name: &str) -> String {
    let (bare, ending) = name.find('.').map_or((name, ""), |at| name.split_at(at));
    let word = bare.split_once('-').map_or("", |(word, _)| word);
    let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase());
    format!("{}*{ending}", if is_word { word } else { "" })
}

/// The openings of dispatches, by their id.
fn openings(told: &[Told]) -> BTreeMap<String, &Opening> {
    let opened = told.iter().filter_map(|told| match &told.event {
        Event::DispatchOpened { opening } => Some((opening.id.to_string(), &**opening)),
        _ => None,
    });
    opened.collect()
}

/// The deliveries: for what, and their id. One that was proven not to be typed is made again under another id.
fn deliveries(told: &[Told]) -> Vec<(String, DeliveryId)> {
    let openings = openings(told);
    let planned = told.iter().filter_map(|told| match &told.event {
        Event::DeliveryPlanned { delivery } => Some(delivery),
        _ => None,
    });
    let named = planned.map(|delivery| {
        let of = openings[&delivery.dispatch.to_string()];
        let (stage, round, attempt) = (&of.stage.label, of.round, of.attempt);
        let name = format!(
            "{stage} round {round} attempt {attempt} {:?}",
            delivery.purpose
        );
        (name, delivery.id.clone())
    });
    named.collect()
}

/// Whether the last move is a person's.
fn is_yours(told: &[Told]) -> bool {
    let openings = openings(told);
    told.iter().any(|told| match &told.event {
        Event::DispatchClosed {
            dispatch,
            cause: Cause::Verified { .. },
        } => openings[&dispatch.to_string()].stage.advance == Advance::Human,
        _ => false,
    })
}

fn is_done(told: &[Told]) -> bool {
    let done = |event: &Event| {
        matches!(
            event,
            Event::TransitionSettled {
                outcome: Settled::Moved { event: None },
                ..
            }
        )
    };
    told.iter().any(|told| done(&told.event))
}
