//! The ledger of tests and the simulator: the same contract without a disk.
//!
//! A clone is the ledger at that instant, which is how the simulator crashes and comes back.

use std::collections::BTreeMap;
use std::path::Path;

use crate::ledger::{
    Append, AppendError, Chain, HeadKey, IssueHead, Poll, Record, SCHEMA, Store, StoreError,
    StreamHead, Verified,
};

/// A ledger in memory.
#[derive(Clone, Debug)]
pub struct Memory {
    ledger_id: String,
    records: Vec<Record>,
    /// The places in `records` of each stream's records, in order.
    streams: BTreeMap<String, Vec<usize>>,
    claims: BTreeMap<String, u64>,
    heads: BTreeMap<HeadKey, String>,
    polls: BTreeMap<(String, String), Poll>,
    disk: Disk,
}

/// Whether the disk we do not have has room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Disk {
    Roomy,
    Full,
}

impl Memory {
    /// Makes an empty ledger. The id is an argument, so that a seed reproduces all of a run.
    pub fn new(ledger_id: impl Into<String>) -> Self {
        Self {
            ledger_id: ledger_id.into(),
            records: Vec::new(),
            streams: BTreeMap::new(),
            claims: BTreeMap::new(),
            heads: BTreeMap::new(),
            polls: BTreeMap::new(),
            disk: Disk::Roomy,
        }
    }

    /// Lets every write fail as on a full disk, until [`Memory::free`].
    pub fn fill(&mut self) {
        self.disk = Disk::Full;
    }

    /// Lets writes succeed again.
    pub fn free(&mut self) {
        self.disk = Disk::Roomy;
    }

    fn put(&mut self, append: &Append) -> Result<Vec<u64>, AppendError> {
        append.check()?;
        let mut head = self.stream_head(&append.stream);
        if head.ver != append.expected_ver {
            let stream = append.stream.clone();
            return Err(AppendError::WrongVersion {
                stream,
                expected: append.expected_ver,
                actual: head.ver,
            });
        }
        for claim in &append.claims {
            if let Some(&seq) = self.claims.get(&claim.0) {
                return Err(AppendError::ClaimTaken {
                    key: claim.0.clone(),
                    seq,
                });
            }
        }
        if self.disk == Disk::Full {
            return Err(AppendError::Full);
        }
        let first = self.records.len() as u64 + 1;
        for new in &append.records {
            let ver = head.ver + 1;
            let hash = new.hash_at(&append.stream, ver, &new.at.to_string(), &head.hash);
            self.streams
                .entry(append.stream.clone())
                .or_default()
                .push(self.records.len());
            self.records.push(Record {
                seq: self.records.len() as u64 + 1,
                stream: append.stream.clone(),
                ver,
                at: new.at,
                kind: new.kind.clone(),
                v: new.v,
                issue: new.issue,
                dispatch: new.dispatch.clone(),
                body: new.body.clone(),
                prev: head.hash,
                hash,
            });
            head = StreamHead { ver, hash };
        }
        self.claims
            .extend(append.claims.iter().map(|claim| (claim.0.clone(), first)));
        Ok((first..=self.records.len() as u64).collect())
    }

    fn stream_head(&self, stream: &str) -> StreamHead {
        self.streams
            .get(stream)
            .and_then(|places| places.last())
            .map_or(StreamHead::EMPTY, |&place| {
                let last = &self.records[place];
                StreamHead {
                    ver: last.ver,
                    hash: last.hash,
                }
            })
    }
}

impl Store for Memory {
    fn append_group(&mut self, group: &[Append]) -> Vec<Result<Vec<u64>, AppendError>> {
        group.iter().map(|append| self.put(append)).collect()
    }

    fn read(&self, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        let after = usize::try_from(after_seq).unwrap_or(usize::MAX);
        Ok(self
            .records
            .iter()
            .skip(after)
            .take(limit)
            .cloned()
            .collect())
    }

    fn read_stream(
        &self,
        stream: &str,
        after_ver: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let after = usize::try_from(after_ver).unwrap_or(usize::MAX);
        let places = self.streams.get(stream).map_or(&[][..], Vec::as_slice);
        Ok(places
            .iter()
            .skip(after)
            .take(limit)
            .map(|&place| self.records[place].clone())
            .collect())
    }

    fn head(&self, stream: &str) -> Result<StreamHead, StoreError> {
        Ok(self.stream_head(stream))
    }

    fn claimed(&self, key: &str) -> Result<Option<u64>, StoreError> {
        Ok(self.claims.get(key).copied())
    }

    fn verify(&self) -> Result<Verified, StoreError> {
        let mut chain = Chain::default();
        for record in &self.records {
            chain.check(record)?;
        }
        Ok(Verified {
            events: chain.events(),
            streams: chain.streams(),
        })
    }

    fn save_view(
        &mut self,
        upserts: &[IssueHead],
        deletes: &[HeadKey],
        poll: Option<&Poll>,
    ) -> Result<(), StoreError> {
        if self.disk == Disk::Full {
            return Err(StoreError::Full);
        }
        for key in deletes {
            self.heads.remove(key);
        }
        self.heads.extend(
            upserts
                .iter()
                .map(|head| (head.key.clone(), head.body.clone())),
        );
        self.polls
            .extend(poll.map(|poll| ((poll.url.clone(), poll.token_fp.clone()), poll.clone())));
        Ok(())
    }

    fn heads(&self) -> Result<Vec<IssueHead>, StoreError> {
        Ok(self
            .heads
            .iter()
            .map(|(key, body)| IssueHead {
                key: key.clone(),
                body: body.clone(),
            })
            .collect())
    }

    fn polls(&self) -> Result<Vec<Poll>, StoreError> {
        Ok(self.polls.values().cloned().collect())
    }

    fn backup(&self, _path: &Path) -> Result<(), StoreError> {
        Err(StoreError::NoFile)
    }

    fn ledger_id(&self) -> &str {
        &self.ledger_id
    }

    fn schema_version(&self) -> u32 {
        SCHEMA
    }
}
