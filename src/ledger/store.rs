//! The contract that every ledger keeps, and the values it speaks in.

use std::collections::{BTreeSet, VecDeque};
use std::path::Path;

use crate::ledger::{AppendError, Claim, NewRecord, Record, StoreError, StreamHead};

/// The longest body, in bytes. Chosen: four times the largest report (256 KB, PROTOCOLS 4), as JSON may escape it.
pub const BODY_BYTES_MAX: usize = 1024 * 1024;
/// The most records of one append. Chosen: one decision makes a handful; a thousand is an import.
pub const APPEND_RECORDS_MAX: usize = 1024;
/// The most claims of one append.
pub const APPEND_CLAIMS_MAX: usize = 1024;
/// How many records [`Records`] reads at a time. Chosen: about 0.5 MB of usual events.
const PAGE_RECORDS: usize = 1000;

/// One append: all of it or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Append {
    /// The stream it goes to.
    pub stream: String,
    /// The version the caller decided on; 0 for a stream without records.
    pub expected_ver: u64,
    /// What happened, in order; at least one.
    pub records: Vec<NewRecord>,
    /// Keys taken with it.
    pub claims: Vec<Claim>,
}

impl Append {
    /// Refuses what no ledger may hold, whatever it holds already.
    pub(super) fn check(&self) -> Result<(), AppendError> {
        let refuse = |why: String| Err(AppendError::Invalid(why));
        if self.records.is_empty() {
            return refuse("it has no records".to_owned());
        }
        if self.records.len() > APPEND_RECORDS_MAX || self.claims.len() > APPEND_CLAIMS_MAX {
            return refuse(format!(
                "it has more than {APPEND_RECORDS_MAX} records or {APPEND_CLAIMS_MAX} claims"
            ));
        }
        let mut keys = BTreeSet::new();
        if let Some(twice) = self.claims.iter().find(|claim| !keys.insert(*claim)) {
            return refuse(format!("it claims `{}` twice", twice.0));
        }
        for record in &self.records {
            if record.body.len() > BODY_BYTES_MAX {
                return refuse(format!(
                    "the body of `{}` has more than {BODY_BYTES_MAX} bytes",
                    record.kind
                ));
            }
            if let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&record.body) {
                return refuse(format!(
                    "the body of `{}` is not JSON: {error}",
                    record.kind
                ));
            }
            if record
                .issue
                .is_some_and(|issue| i64::try_from(issue).is_err())
            {
                return refuse(format!(
                    "the issue number of `{}` does not fit in 63 bits",
                    record.kind
                ));
            }
        }
        Ok(())
    }
}

/// What is known of an issue from the last list: rebuildable, so outside the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueHead {
    /// Whose it is.
    pub key: HeadKey,
    /// JSON text.
    pub body: String,
}

/// Names one issue in one repository of one tracker.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HeadKey {
    /// The tracker's name.
    pub tracker: String,
    /// The repository, by the tracker's own id.
    pub repo: String,
    /// The issue's number.
    pub issue: u64,
}

/// Where the polling of one address stands, so that a restart costs no quota.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The address.
    pub url: String,
    /// A fingerprint of the token it was read with: an `ETag` holds for one identity only. Never the token.
    pub token_fp: String,
    /// The `ETag` to send next.
    pub etag: Option<String>,
    /// Up to where changes have been seen.
    pub watermark: Option<String>,
}

/// What [`Store::verify`] went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// How many events.
    pub events: u64,
    /// How many streams.
    pub streams: u64,
}

/// An append-only ledger with one writer, plus the rebuildable tables that must agree with each other.
///
/// An append that returned `Ok` is on the disk. It is blocking: async code goes through [`crate::ledger::Ledger`], verbs of the
/// command line use it as it is.
pub trait Store {
    /// Appends a group with one commit, each append judged in order on the ledger that the ones before it leave.
    ///
    /// A refused append takes nothing from the others. Answers in the order of the group; none is an `Ok` unless the commit was.
    fn append_group(&mut self, group: &[Append]) -> Vec<Result<Vec<u64>, AppendError>>;

    /// Appends `records` to `stream` if it is at `expected_ver` and none of `claims` is taken, and returns their seqs.
    fn append(
        &mut self,
        stream: &str,
        expected_ver: u64,
        records: Vec<NewRecord>,
        claims: Vec<Claim>,
    ) -> Result<Vec<u64>, AppendError> {
        let append = Append {
            stream: stream.to_owned(),
            expected_ver,
            records,
            claims,
        };
        self.append_group(&[append])
            .pop()
            .expect("a group of one has one answer")
    }

    /// Returns at most `limit` records after `after_seq` (0: from the start), in order.
    fn read(&self, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError>;

    /// Returns at most `limit` records of one stream after version `after_ver` (0: from the start), in order.
    fn read_stream(
        &self,
        stream: &str,
        after_ver: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError>;

    /// Returns where a stream ends.
    fn head(&self, stream: &str) -> Result<StreamHead, StoreError>;

    /// Returns a stream's version; 0 if it has no records.
    fn version(&self, stream: &str) -> Result<u64, StoreError> {
        Ok(self.head(stream)?.ver)
    }

    /// Returns the seq of the first record of the append that took a claim.
    fn claimed(&self, key: &str) -> Result<Option<u64>, StoreError>;

    /// Reads everything and checks it: pages, places, versions, hashes, claims. [`StoreError::Damaged`] names the first fault.
    fn verify(&self) -> Result<Verified, StoreError>;

    /// Stores issue heads and the poll they came from in one transaction: a poll must never say "seen" of a head that was lost.
    fn save_view(
        &mut self,
        upserts: &[IssueHead],
        deletes: &[HeadKey],
        poll: Option<&Poll>,
    ) -> Result<(), StoreError>;

    /// Returns all issue heads, by key.
    fn heads(&self) -> Result<Vec<IssueHead>, StoreError>;

    /// Returns all polls, by address and fingerprint.
    fn polls(&self) -> Result<Vec<Poll>, StoreError>;

    /// Writes a copy of this instant to `path`, which must not exist. The copy appears whole or not at all.
    fn backup(&self, path: &Path) -> Result<(), StoreError>;

    /// Returns the id that tells this ledger from every other; made with it, kept by its back-ups.
    fn ledger_id(&self) -> &str;

    /// Returns the schema of the stored tables.
    fn schema_version(&self) -> u32;
}

/// Iterates over a store's records in order, a page at a time. Ends after the first error.
pub struct Records<'a> {
    store: &'a dyn Store,
    after: u64,
    page: VecDeque<Record>,
    ended: bool,
}

impl<'a> Records<'a> {
    /// Starts after `after_seq` (0: from the start).
    pub fn after(store: &'a dyn Store, after_seq: u64) -> Self {
        Self {
            store,
            after: after_seq,
            page: VecDeque::new(),
            ended: false,
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<Record, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.page.is_empty() && !self.ended {
            match self.store.read(self.after, PAGE_RECORDS) {
                Ok(page) => {
                    self.ended = page.len() < PAGE_RECORDS;
                    self.page = page.into();
                }
                Err(error) => {
                    self.ended = true;
                    return Some(Err(error));
                }
            }
        }
        let record = self.page.pop_front()?;
        self.after = record.seq;
        Some(Ok(record))
    }
}
