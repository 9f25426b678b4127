//! `events.jsonl`: who set and removed which label, and who edited the text, one chained line per event.
//!
//! Each line carries the hash of the line before (the first one that of repository and number, so that a file copied from another
//! issue does not pass) and a sum of itself, so that damage to the last line shows too. Lines cut off whole at the end cannot be
//! seen here; the ledger, which keeps the last id it saw, sees them (PROTOCOLS 1).

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::domain::{
    Actor, ActorId, ActorKind, Edit, IssueNumber, Label, LabelEvent, LabelEventId, RepoId,
};
use crate::tracker::local::file::{Damage, digest, next_id};

/// The most events of one issue.
pub(super) const EVENTS_MAX: usize = 10_000;
const SUM: &str = ",\"sum\":\"";

/// What an event says.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum What {
    /// A label was set.
    Set(Label),
    /// A label was removed.
    Removed(Label),
    /// Title and body have this digest from now on.
    Text(String),
}

/// One event.
#[derive(Clone, Debug, PartialEq)]
struct Entry {
    id: Ulid,
    at: Timestamp,
    actor: Actor,
    what: What,
}

/// A line as it is stored, without its sum.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    id: String,
    at: Timestamp,
    actor: ActorId,
    login: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    set: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<Label>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    prev: String,
}

/// An issue's events, checked from the first to the last.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    entries: Vec<Entry>,
    rendered: String,
    head: String,
}

impl Chain {
    /// Starts an empty chain.
    pub(super) fn new(repo: &RepoId, number: IssueNumber) -> Self {
        let head = digest(&["pointsman events", repo.as_str(), &number.0.to_string()]);
        Self {
            entries: Vec::new(),
            rendered: String::new(),
            head,
        }
    }

    /// Reads and checks a whole file.
    pub(super) fn parse(
        repo: &RepoId,
        number: IssueNumber,
        path: &Path,
        text: &str,
    ) -> Result<Self, Damage> {
        let mut chain = Self::new(repo, number);
        for (index, line) in text.split_inclusive('\n').enumerate() {
            let damage = |why: &str| Damage::new(path, index + 1, why);
            let line = line
                .strip_suffix('\n')
                .ok_or_else(|| damage("the line is cut off"))?;
            if index >= EVENTS_MAX {
                return Err(damage("there are too many events"));
            }
            let stored = unsealed(line)
                .ok_or_else(|| damage("the line was changed: its sum does not fit"))?;
            let stored: Line =
                serde_json::from_str(&stored).map_err(|error| damage(&error.to_string()))?;
            if stored.prev != chain.head {
                return Err(damage(
                    "the line does not follow the one before: a line was changed, removed or moved",
                ));
            }
            let entry = stored
                .entry()
                .ok_or_else(|| damage("the event cannot be understood"))?;
            if chain.entries.last().is_some_and(|last| entry.id <= last.id) {
                return Err(damage("the event's id is not larger than the one before"));
            }
            chain.take(entry, line);
        }
        Ok(chain)
    }

    /// Adds one event, with an id larger than all before.
    pub(super) fn push(&mut self, now: Timestamp, actor: &Actor, what: What) {
        let id = next_id(self.entries.last().map(|last| last.id), now);
        let (set, label, text) = match &what {
            What::Set(label) => (Some(true), Some(label.clone()), None),
            What::Removed(label) => (Some(false), Some(label.clone()), None),
            What::Text(text) => (None, None, Some(text.clone())),
        };
        let (actor_id, login, prev) = (actor.id.clone(), actor.login.clone(), self.head.clone());
        let line = Line {
            id: id.to_string(),
            at: now,
            actor: actor_id,
            login,
            set,
            label,
            text,
            prev,
        };
        let line = sealed(&serde_json::to_string(&line).expect("a line is plain data"));
        self.take(
            Entry {
                id,
                at: now,
                actor: actor.clone(),
                what,
            },
            &line,
        );
    }

    fn take(&mut self, entry: Entry, line: &str) {
        self.head = digest(&[line]);
        self.rendered.push_str(line);
        self.rendered.push('\n');
        self.entries.push(entry);
    }

    /// Returns the file's text.
    pub(super) fn rendered(&self) -> &str {
        &self.rendered
    }

    /// Returns how many events there are.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Returns the labels that the events add up to.
    pub(super) fn labels(&self) -> BTreeSet<Label> {
        let mut labels = BTreeSet::new();
        for entry in &self.entries {
            match &entry.what {
                What::Set(label) => drop(labels.insert(label.clone())),
                What::Removed(label) => drop(labels.remove(label)),
                What::Text(_) => {}
            }
        }
        labels
    }

    /// Returns the digest of title and body that the last event about them recorded.
    pub(super) fn text(&self) -> Option<&str> {
        self.texts().last().map(|(_, digest)| digest)
    }

    /// Returns the edits of the text, oldest first; the first record is the opening, not an edit.
    pub(super) fn edits(&self) -> Vec<Edit> {
        let edit = |(entry, _): (&Entry, &str)| Edit {
            at: entry.at,
            by: Some(entry.actor.clone()),
        };
        self.texts().skip(1).map(edit).collect()
    }

    /// Returns when the last event happened.
    pub(super) fn last_at(&self) -> Option<Timestamp> {
        self.entries.iter().map(|entry| entry.at).max()
    }

    /// Returns the label events, oldest first.
    pub(super) fn label_events(&self) -> Vec<LabelEvent> {
        self.entries.iter().filter_map(Entry::label_event).collect()
    }

    fn texts(&self) -> impl Iterator<Item = (&Entry, &str)> {
        self.entries.iter().filter_map(|entry| match &entry.what {
            What::Text(digest) => Some((entry, digest.as_str())),
            What::Set(_) | What::Removed(_) => None,
        })
    }
}

impl Entry {
    fn label_event(&self) -> Option<LabelEvent> {
        let (set, label) = match &self.what {
            What::Set(label) => (true, label.clone()),
            What::Removed(label) => (false, label.clone()),
            What::Text(_) => return None,
        };
        let id = LabelEventId::new(self.id.to_string());
        Some(LabelEvent {
            id,
            set,
            label,
            actor: Some(self.actor.clone()),
            at: self.at,
        })
    }
}

impl Line {
    fn entry(self) -> Option<Entry> {
        let what = match (self.set, self.label, self.text) {
            (Some(true), Some(label), None) => What::Set(label),
            (Some(false), Some(label), None) => What::Removed(label),
            (None, None, Some(text)) => What::Text(text),
            _ => return None,
        };
        let actor = Actor {
            id: self.actor,
            login: self.login,
            kind: ActorKind::User,
        };
        Some(Entry {
            id: Ulid::from_string(&self.id).ok()?,
            at: self.at,
            actor,
            what,
        })
    }
}

/// Adds the sum as the last key of a JSON object.
fn sealed(line: &str) -> String {
    let open = line
        .strip_suffix('}')
        .expect("a JSON object ends with a brace");
    format!("{open}{SUM}{}\"}}", digest(&[line]))
}

/// Returns the line without its sum; `None` when the sum does not fit.
fn unsealed(line: &str) -> Option<String> {
    let (open, sum) = line.rsplit_once(SUM)?;
    let inner = format!("{open}}}");
    (sum.strip_suffix("\"}")? == digest(&[&inner])).then_some(inner)
}
