//! The ledger's rebuildable tables (heads, polls) and the project's stream, as the daemon uses them.

use std::collections::BTreeMap;

use crate::daemon::hands::Hands;
use crate::domain::{Event, Head, IssueNumber, ProjectName};
use crate::ledger::{
    Append, AppendError, Claim, HeadKey, IssueHead, Ledger, NewRecord, Poll, Record, StoreError,
};
use crate::machine::evolve::{self, Illegal};
use crate::machine::state::State;
use crate::tracker::PollMark;

/// Records read at once on replay.
const PAGE: usize = 5_000;

/// Why a stream cannot be replayed: the daemon does not start.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A body that this binary cannot read.
    #[error("event {seq} of `{stream}` (`{kind}` version {v}) cannot be understood")]
    Unknown {
        /// Which.
        seq: u64,
        /// Of which stream.
        stream: String,
        /// Its kind.
        kind: String,
        /// Its version.
        v: u16,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// An event that cannot follow.
    #[error("event {seq} of `{stream}` contradicts what is before it")]
    Illegal {
        /// Which.
        seq: u64,
        /// Of which stream.
        stream: String,
        /// Why.
        #[source]
        source: Illegal,
    },
}

impl ReplayError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Unknown { .. } => Some(
                "a newer pointsman wrote it: run that one, or restore the back-up made before"
                    .into(),
            ),
            Self::Illegal { .. } => Some("pointsman ledger verify".into()),
        }
    }
}

/// Reads one record's event.
pub fn event_of(record: &Record) -> Result<Event, ReplayError> {
    serde_json::from_str(&record.body).map_err(|source| ReplayError::Unknown {
        seq: record.seq,
        stream: record.stream.clone(),
        kind: record.kind.clone(),
        v: record.v,
        source,
    })
}

/// Folds a project's stream.
pub async fn replay(ledger: &Ledger, project: &ProjectName) -> Result<State, ReplayError> {
    let mut state = State::default();
    loop {
        let records = ledger
            .read_stream(project.as_str(), state.version, PAGE)
            .await?;
        if records.is_empty() {
            return Ok(state);
        }
        for record in &records {
            fold(&mut state, record)?;
        }
    }
}

/// Applies one record.
pub fn fold(state: &mut State, record: &Record) -> Result<(), ReplayError> {
    let event = event_of(record)?;
    evolve::evolve(state, record.at, &event).map_err(|source| ReplayError::Illegal {
        seq: record.seq,
        stream: record.stream.clone(),
        source,
    })
}

/// Returns what is appended for events that happened at `at`.
pub fn append_of(
    project: &ProjectName,
    version: u64,
    at: jiff::Timestamp,
    events: &[Event],
) -> Append {
    let records = events
        .iter()
        .map(|event| NewRecord {
            at,
            kind: event.kind(),
            v: Event::VERSION,
            issue: event.issue().map(|issue| issue.0),
            dispatch: event.dispatch().map(ToString::to_string),
            body: serde_json::to_string(event).expect("an event is plain data"),
        })
        .collect();
    let claims = events
        .iter()
        .flat_map(crate::domain::event::Event::claims)
        .map(|key| Claim(format!("{project}:{key}")))
        .collect();
    Append {
        stream: project.to_string(),
        expected_ver: version,
        records,
        claims,
    }
}

/// Appends events; all or none.
pub async fn append(
    hands: &Hands,
    version: u64,
    at: jiff::Timestamp,
    events: &[Event],
) -> Result<(), AppendError> {
    hands
        .ledger
        .append(append_of(&hands.name, version, at, events))
        .await
        .map(drop)
}

/// Stores heads and mark in one transaction.
pub async fn save(hands: &Hands, mark: &PollMark) -> Result<(), StoreError> {
    let heads = hands
        .heads
        .lock()
        .expect("no holder of this lock panics")
        .clone();
    let name = hands.name.to_string();
    let upserts = heads
        .values()
        .map(|head| IssueHead {
            key: HeadKey {
                tracker: name.clone(),
                repo: name.clone(),
                issue: head.number.0,
            },
            body: serde_json::to_string(head).expect("a head is plain data"),
        })
        .collect();
    let poll = Poll {
        url: format!("project:{name}"),
        token_fp: mark.token_fp.clone().unwrap_or_default(),
        etag: mark.etag.clone(),
        watermark: mark.watermark.map(|at| at.to_string()),
    };
    hands
        .ledger
        .save_view(upserts, Vec::new(), Some(poll))
        .await
}

/// Reads what was stored of a project's tracker. Rebuildable: what cannot be read is not there.
pub async fn load(
    ledger: &Ledger,
    project: &ProjectName,
) -> (PollMark, BTreeMap<IssueNumber, Head>) {
    let heads = heads_of(project, ledger.heads().await.unwrap_or_default());
    let polls = ledger.polls().await.unwrap_or_default();
    let mark = polls
        .into_iter()
        .find(|poll| poll.url == format!("project:{project}"))
        .map(|poll| PollMark {
            etag: poll.etag,
            token_fp: Some(poll.token_fp).filter(|fp| !fp.is_empty()),
            watermark: poll.watermark.and_then(|at| at.parse().ok()),
        });
    (mark.unwrap_or_default(), heads)
}

/// Returns a project's heads out of all that are stored.
pub fn heads_of(project: &ProjectName, stored: Vec<IssueHead>) -> BTreeMap<IssueNumber, Head> {
    stored
        .into_iter()
        .filter(|head| head.key.tracker == project.as_str())
        .filter_map(|head| serde_json::from_str::<Head>(&head.body).ok())
        .map(|head| (head.number, head))
        .collect()
}
