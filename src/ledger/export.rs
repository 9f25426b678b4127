//! The ledger as JSON lines.

use std::fmt::Write as _;
use std::io::Write;

use jiff::Timestamp;
use serde::Serialize;

use crate::ledger::{ExportError, Hash, Record, StoreError};

/// A line without its body, which is already JSON.
#[derive(Serialize)]
struct Line<'a> {
    seq: u64,
    stream: &'a str,
    ver: u64,
    at: Timestamp,
    kind: &'a str,
    v: u16,
    issue: Option<u64>,
    dispatch: Option<&'a str>,
    prev: String,
    hash: String,
}

/// Writes one line of JSON for each record and returns how many. Takes an iterator, so that the caller may filter or redact.
pub fn export(
    records: impl IntoIterator<Item = Result<Record, StoreError>>,
    out: &mut impl Write,
) -> Result<u64, ExportError> {
    let mut lines = 0;
    for record in records {
        writeln!(out, "{}", line(&record?))?;
        lines += 1;
    }
    out.flush()?;
    Ok(lines)
}

fn line(record: &Record) -> String {
    let front = Line {
        seq: record.seq,
        stream: &record.stream,
        ver: record.ver,
        at: record.at,
        kind: &record.kind,
        v: record.v,
        issue: record.issue,
        dispatch: record.dispatch.as_deref(),
        prev: hex(&record.prev),
        hash: hex(&record.hash),
    };
    let mut line = serde_json::to_string(&front).expect("texts and numbers are JSON");
    line.pop();
    line.push_str(",\"body\":");
    if serde_json::from_str::<serde::de::IgnoredAny>(&record.body).is_ok() {
        // In JSON a raw line break can only stand between tokens, where a space means the same.
        line.push_str(&record.body.replace(['\n', '\r'], " "));
    } else {
        // Only a tampered ledger holds such a body: keep the line readable and show it as text.
        line.push_str(&serde_json::to_string(&record.body).expect("a text is JSON"));
    }
    line.push('}');
    line
}

fn hex(hash: &Hash) -> String {
    hash.iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            write!(text, "{byte:02x}").expect("a string takes all text");
            text
        })
}
