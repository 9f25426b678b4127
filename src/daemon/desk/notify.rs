//! Tells a person's phone: what newly needs somebody goes to `notify.command` and `notify.webhook`, once per occurrence.
//!
//! Runners bring what `status` shows under "for you" after each cycle; nothing is looked up or judged here. What was told is a small
//! file beside the ledger, written after the call: a crash in between tells it twice, never not at all. A runner only hands over a
//! list and never waits; one call is under way at a time.

mod call;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::{Notify, watch};

use crate::config::Config;
use crate::daemon::desk::notify::call::{Call, CallError};
use crate::daemon::hands::now;
use crate::daemon::places::Places;
use crate::domain::IssueNumber;
use crate::machine::text::{one_line, sha256};
use crate::view::{Attention, ProjectView};

/// Matters of one call; the rest goes with the next one.
pub const ITEMS_MAX: usize = 20;
/// Matters that wait for a call. One beyond that is not lost: the next cycle brings it again.
pub const WAITING_MAX: usize = 200;
/// How often one call is made: once, and twice again.
const TRIES_MAX: u32 = 3;
/// Characters of one sentence.
const SENTENCE_CHARS_MAX: usize = 600;
/// Holds that stop a whole project: nothing that its issues or its agent waited for can be seen to be over.
const HIDES_PROJECT: [&str; 4] = ["tracker", "paused", "hours", "daily-cap"];
/// Holds that hide what else an issue waits for.
const HIDES_ISSUE: [&str; 12] = [
    "account-limit",
    "active-max",
    "flood",
    "issue-cap",
    "wip",
    "backlog",
    "seat",
    "back-off",
    "session-taken",
    "stalled",
    "behind",
    "next-cycle",
];

/// How long things take. Tests are not patient.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// What comes up within this time after the first is told together; what is over by then is not told.
    pub gather: Duration,
    /// A command's time.
    pub command_max: Duration,
    /// From TERM to KILL.
    pub grace: Duration,
    /// A webhook's time, from the connection to the status.
    pub webhook_max: Duration,
    /// Before the next try.
    pub again: Duration,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            gather: Duration::from_secs(10),
            command_max: Duration::from_secs(30),
            grace: Duration::from_secs(5),
            webhook_max: Duration::from_secs(10),
            again: Duration::from_secs(5),
        }
    }
}

/// One occurrence: while it lasts, the same key comes with every cycle.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Key {
    project: String,
    issue: Option<IssueNumber>,
    kind: String,
    /// A digest of the sentence, where another sentence is another matter.
    about: Option<String>,
}

/// What a call says of one matter, and the webhook's JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// In which project; `configuration` for the files of all.
    pub project: String,
    /// About which issue.
    pub issue: Option<IssueNumber>,
    /// Where a person reads it.
    pub url: Option<String>,
    /// A stable word: `asked`, `parked`, `yours`, `window`, ...
    pub kind: String,
    /// What is needed.
    pub text: String,
    /// What to do.
    pub hint: Option<String>,
}

/// What was told, what is being told, and what waits to be. What is over leaves all three: if it comes again, it is news.
#[derive(Debug, Default)]
struct Board {
    told: BTreeSet<Key>,
    calling: BTreeSet<Key>,
    waiting: BTreeMap<Key, Item>,
}

impl Board {
    /// Moves what the next call tells from what waits to what is being told.
    fn begin(&mut self) -> Vec<Item> {
        let mut items = Vec::new();
        while items.len() < ITEMS_MAX
            && let Some((key, item)) = self.waiting.pop_first()
        {
            self.calling.insert(key);
            items.push(item);
        }
        items
    }
}

/// Calls a person.
#[derive(Debug)]
pub struct Notifier {
    places: Places,
    config: watch::Receiver<Arc<Config>>,
    times: Times,
    board: Mutex<Board>,
    heard: Notify,
}

impl Notifier {
    /// Reads what was told before.
    pub fn open(places: Places, config: watch::Receiver<Arc<Config>>, times: Times) -> Arc<Self> {
        let path = record(&places);
        let told = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(std::io::Error::other),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(error),
        };
        let told = told.unwrap_or_else(|error| {
            tracing::warn!(%error, path = %path.display(), hint = "it is written anew", "what was told is not known: what is open is told again");
            BTreeSet::new()
        });
        Arc::new(Self {
            places,
            config,
            times,
            board: Mutex::new(Board {
                told,
                ..Board::default()
            }),
            heard: Notify::new(),
        })
    }

    /// Takes what a project's last cycle left for a person.
    pub fn hear_project(&self, view: &ProjectView, now: Timestamp) {
        let word = |word: &str, of: &[&str]| of.contains(&word);
        let gone_dark = view.gap.is_some()
            || view
                .rows
                .iter()
                .any(|row| word(&row.standing.word, &HIDES_PROJECT));
        let hidden: BTreeSet<IssueNumber> = view
            .rows
            .iter()
            .filter(|row| word(&row.standing.word, &HIDES_ISSUE))
            .map(|row| row.number)
            .collect();
        let is_news = |matter: &Attention| match matter.kind.as_str() {
            "tracker" => view.gap.as_ref().is_some_and(|gap| gap.lasts(now)),
            // The window itself is a matter: not one more for each issue that waits for it.
            "agent-asks" => false,
            _ => true,
        };
        let matters = view.attention().into_iter().filter(is_news).collect();
        self.take(&view.name, matters, |key| {
            (gone_dark
                && !matches!(
                    key.kind.as_str(),
                    "tracker" | "window" | "version" | "ledger"
                ))
                || key.issue.is_some_and(|issue| hidden.contains(&issue))
        });
    }

    /// Takes all that there is to tell of something that is no running project.
    pub fn hear(&self, of: &str, matters: Vec<Attention>) {
        self.take(of, matters, |_| false);
    }

    /// What is there no more is over, unless it is only `hidden`; what is new waits for a call.
    fn take(&self, of: &str, matters: Vec<Attention>, hidden: impl Fn(&Key) -> bool) {
        let notify = &self.config.borrow().settings.notify;
        let anybody = notify.command.is_some() || notify.webhook.is_some();
        let matters: BTreeMap<Key, Item> = matters.into_iter().map(keyed).collect();
        let mut board = self.board.lock().expect("no holder of this lock panics");
        let lasts = |key: &Key| key.project != of || matters.contains_key(key) || hidden(key);
        let before = board.told.len();
        board.told.retain(|key| lasts(key));
        board.calling.retain(|key| lasts(key));
        board.waiting.retain(|key, _| lasts(key));
        if board.told.len() != before {
            self.save(&board.told);
        }
        if !anybody {
            return;
        }
        for (key, item) in matters {
            let is_known = board.told.contains(&key) || board.calling.contains(&key);
            if !is_known && board.waiting.len() < WAITING_MAX {
                board.waiting.insert(key, item);
            }
        }
        if !board.waiting.is_empty() {
            self.heard.notify_one();
        }
    }

    /// Makes calls until the daemon stops. A call that is cut short then was not told.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        loop {
            tokio::select! {
                () = self.gathered() => {}
                _ = stop.changed() => return,
            }
            tokio::select! {
                () = self.tell() => {}
                _ = stop.changed() => return,
            }
        }
    }

    async fn gathered(&self) {
        while self.lock().waiting.is_empty() {
            self.heard.notified().await;
        }
        tokio::time::sleep(self.times.gather).await;
    }

    async fn tell(&self) {
        let items = self.lock().begin();
        if items.is_empty() {
            return;
        }
        let call = Call { at: now(), items };
        let notify = self.config.borrow().settings.notify.clone();
        let command = async {
            if let Some(command) = &notify.command {
                let run = || call::command(&self.places, self.times, command, &call);
                self.insist("notify.command", "run it by hand as the daemon's user", run)
                    .await;
            }
        };
        let webhook = async {
            if let Some(webhook) = &notify.webhook {
                let post = || call::webhook(self.times, webhook, &call);
                self.insist(
                    "notify.webhook",
                    "try the address with `curl -d '{}'`",
                    post,
                )
                .await;
            }
        };
        tokio::join!(command, webhook);
        // Also what could not be told: `insist` lets it be.
        let mut board = self.lock();
        let called = std::mem::take(&mut board.calling);
        board.told.extend(called);
        self.save(&board.told);
    }

    /// Tries a few times and lets it be: `status` says the same, and a phone that rings an hour late helps nobody.
    async fn insist<F: Future<Output = Result<(), CallError>>>(
        &self,
        what: &str,
        hint: &str,
        make: impl Fn() -> F,
    ) {
        for n in 1..=TRIES_MAX {
            let Err(error) = make().await else {
                tracing::info!(what, "a person was called");
                return;
            };
            let error = crate::daemon::hands::chain(&error);
            tracing::warn!(
                what,
                n,
                of = TRIES_MAX,
                error,
                hint,
                "a person could not be called"
            );
            if n < TRIES_MAX {
                tokio::time::sleep(self.times.again).await;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Board> {
        self.board.lock().expect("no holder of this lock panics")
    }

    fn save(&self, told: &BTreeSet<Key>) {
        let path = record(&self.places);
        let new = path.with_extension("json.new");
        let text = serde_json::to_vec(told).expect("keys are plain data");
        let written = std::fs::write(&new, text).and_then(|()| std::fs::rename(&new, &path));
        if let Err(error) = written {
            tracing::warn!(%error, path = %path.display(), hint = "check the disk", "what was told is not written down: a restart tells it again");
        }
    }
}

/// Where what was told is written down.
fn record(places: &Places) -> PathBuf {
    places.state.join("told.json")
}

/// Finds out which occurrence a matter is.
fn keyed(matter: Attention) -> (Key, Item) {
    let digest = |text: &str| Some(sha256(text.as_bytes())[..16].to_owned());
    let (about, by_issue) = match matter.kind.as_str() {
        // A limit's end moves with every try.
        "window" => {
            let what = matter.says.split(" until ").next().unwrap_or_default();
            (digest(what), true)
        }
        // And the projects that share it come and go.
        "limit" => {
            let what = matter.says.split(" is at ").next().unwrap_or_default();
            (digest(what), false)
        }
        // A second question, or another mistake, is another occurrence.
        "asked" | "configuration" | "not-running" | "version" => (digest(&matter.says), true),
        // One agent, one tree: how many issues wait for it does not matter.
        "no-agent" | "tree-dirty" | "tree-elsewhere" | "other-daemon" => (None, false),
        _ => (None, true),
    };
    // What a terminal showed stays on this machine.
    let says = match matter.kind.as_str() {
        "undelivered" | "failing" | "window" => matter.says.split(": ").next().unwrap_or_default(),
        _ => &matter.says,
    };
    let item = Item {
        project: matter.project.clone(),
        issue: matter.issue,
        url: matter.url,
        kind: matter.kind.clone(),
        text: one_line(says, SENTENCE_CHARS_MAX),
        hint: matter.hint.map(|hint| one_line(&hint, SENTENCE_CHARS_MAX)),
    };
    let key = Key {
        project: matter.project,
        issue: matter.issue.filter(|_| by_issue),
        kind: matter.kind,
        about,
    };
    (key, item)
}
