//! What one entry of the ledger is, and the hash that chains it to the one before.
//!
//! This module never looks inside a body: kinds, versions and upcasting belong to the reader, and what was hashed is what was stored.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::ledger::Damage;

/// A SHA-256 digest.
pub type Hash = [u8; 32];

/// The `prev` of the first record of every stream.
pub const FIRST_PREV: Hash = [0; 32];

/// One event as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The place in the whole ledger, from 1 without gaps.
    pub seq: u64,
    /// The project the event belongs to, or `_daemon`.
    pub stream: String,
    /// The place in its stream, from 1 without gaps.
    pub ver: u64,
    /// When the daemon wrote it, by the host's clock. For people: order comes from `seq`.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// The version of the body's shape for this kind. Old ones are upcast on read and never rewritten.
    pub v: u16,
    /// The issue it is about, by number.
    pub issue: Option<u64>,
    /// The dispatch it is about.
    pub dispatch: Option<String>,
    /// JSON text, byte for byte as it was appended.
    pub body: String,
    /// The hash of the record before it in its stream, or [`FIRST_PREV`].
    pub prev: Hash,
    /// The digest of everything above but `seq`.
    pub hash: Hash,
}

impl Record {
    /// Returns the hash that this record's contents ask for; differs from `hash` if somebody changed it.
    pub fn computed_hash(&self) -> Hash {
        digest(&Sealed {
            prev: &self.prev,
            stream: &self.stream,
            ver: self.ver,
            at: &self.at.to_string(),
            kind: &self.kind,
            v: self.v,
            issue: self.issue,
            dispatch: self.dispatch.as_deref(),
            body: &self.body,
        })
    }
}

/// An event before it has its place. The append names the stream, so that one append cannot touch two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewRecord {
    /// When it happened, as told by the caller: the ledger reads no clock.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// The version of the body's shape for this kind.
    pub v: u16,
    /// The issue it is about, by number.
    pub issue: Option<u64>,
    /// The dispatch it is about.
    pub dispatch: Option<String>,
    /// JSON text; anything else is refused.
    pub body: String,
}

impl NewRecord {
    /// Returns the digest of this record at its place in `stream`, with `at` spelt as it will be stored.
    pub(super) fn hash_at(&self, stream: &str, ver: u64, at: &str, prev: &Hash) -> Hash {
        digest(&Sealed {
            prev,
            stream,
            ver,
            at,
            kind: &self.kind,
            v: self.v,
            issue: self.issue,
            dispatch: self.dispatch.as_deref(),
            body: &self.body,
        })
    }
}

/// A key that may be used once in the life of a ledger, taken in the transaction of the event that uses it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim(pub String);

/// Where a stream ends. A stream that was never written has version 0 and [`FIRST_PREV`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamHead {
    /// The version of the last record.
    pub ver: u64,
    /// The hash of the last record.
    pub hash: Hash,
}

impl StreamHead {
    /// The head of a stream without records.
    pub const EMPTY: Self = Self {
        ver: 0,
        hash: FIRST_PREV,
    };
}

/// What a hash covers, in this order.
struct Sealed<'a> {
    prev: &'a Hash,
    stream: &'a str,
    ver: u64,
    at: &'a str,
    kind: &'a str,
    v: u16,
    issue: Option<u64>,
    dispatch: Option<&'a str>,
    body: &'a str,
}

/// Hashes the fields, each with its length in front, so that no text can pass for two others.
/// Numbers are big-endian; an absent field is empty and a present one starts with a 1, so that "none" and "empty" differ.
fn digest(sealed: &Sealed<'_>) -> Hash {
    let mut sha = Sha256::new();
    let mut field = |parts: [&[u8]; 2]| {
        let length = (parts[0].len() + parts[1].len()) as u64;
        sha.update(length.to_be_bytes());
        sha.update(parts[0]);
        sha.update(parts[1]);
    };
    field([sealed.prev, b""]);
    field([sealed.stream.as_bytes(), b""]);
    field([&sealed.ver.to_be_bytes(), b""]);
    field([sealed.at.as_bytes(), b""]);
    field([sealed.kind.as_bytes(), b""]);
    field([&sealed.v.to_be_bytes(), b""]);
    match sealed.issue {
        Some(issue) => field([b"\x01", &issue.to_be_bytes()]),
        None => field([b"", b""]),
    }
    match sealed.dispatch {
        Some(dispatch) => field([b"\x01", dispatch.as_bytes()]),
        None => field([b"", b""]),
    }
    field([sealed.body.as_bytes(), b""]);
    sha.finalize().into()
}

/// Checks records one after the other: place, version and hash. Feed it every record of a replay, in order.
///
/// It cannot see that the *last* records of a stream are gone; witnesses outside the ledger and claims that point nowhere show that.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    seq: u64,
    heads: BTreeMap<String, StreamHead>,
}

impl Chain {
    /// Accepts the next record of the ledger, or says what is wrong with it.
    pub fn check(&mut self, record: &Record) -> Result<(), Damage> {
        let damage = |what: String| {
            Err(Damage {
                seq: Some(record.seq),
                what,
            })
        };
        let wanted = self.seq + 1;
        if record.seq != wanted {
            return damage(format!("event {wanted} is missing"));
        }
        let head = self
            .heads
            .get(&record.stream)
            .copied()
            .unwrap_or(StreamHead::EMPTY);
        if record.ver != head.ver + 1 {
            return damage(format!(
                "stream `{}` goes from version {} to {}",
                record.stream, head.ver, record.ver
            ));
        }
        if record.prev != head.hash {
            return damage(format!(
                "it does not continue the event before it in stream `{}`",
                record.stream
            ));
        }
        if record.hash != record.computed_hash() {
            return damage("its contents do not match its hash".to_owned());
        }
        self.seq = record.seq;
        let head = StreamHead {
            ver: record.ver,
            hash: record.hash,
        };
        if let Some(known) = self.heads.get_mut(&record.stream) {
            *known = head;
        } else {
            self.heads.insert(record.stream.clone(), head);
        }
        Ok(())
    }

    /// Returns how many records were accepted.
    pub fn events(&self) -> u64 {
        self.seq
    }

    /// Returns how many streams they belong to.
    pub fn streams(&self) -> u64 {
        self.heads.len() as u64
    }
}
