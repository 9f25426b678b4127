//! Reading rows back into records.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Params, Row};

use crate::ledger::{Damage, Record, StoreError, StreamHead};

/// The columns of `events` in the order that [`record`] reads them.
pub(super) const COLUMNS: &str = "seq, stream, ver, at, kind, v, issue, dispatch, body, prev, hash";

/// Returns a column that is never negative.
pub(super) fn number(row: &Row<'_>, column: usize) -> Result<u64, rusqlite::Error> {
    let stored: i64 = row.get(column)?;
    u64::try_from(stored).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, stored))
}

/// Returns a row of `events`.
fn record(row: &Row<'_>) -> Result<Record, StoreError> {
    let seq = number(row, 0)?;
    fields(row, seq).map_err(|error| match error {
        StoreError::Damaged(damage) => Damage {
            seq: Some(seq),
            what: damage.what,
        }
        .into(),
        other => other,
    })
}

fn fields(row: &Row<'_>, seq: u64) -> Result<Record, StoreError> {
    let at = row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?;
    let parsed: Option<Timestamp> = at.parse().ok();
    let Some(at) = parsed else {
        return Err(Damage {
            seq: Some(seq),
            what: format!("`{at}` is not a time"),
        }
        .into());
    };
    let issue: Option<i64> = row.get(6)?;
    Ok(Record {
        seq,
        stream: row.get(1)?,
        ver: number(row, 2)?,
        at,
        kind: row.get(4)?,
        v: row.get(5)?,
        issue: issue.map(|_| number(row, 6)).transpose()?,
        dispatch: row.get(7)?,
        body: row.get(8)?,
        prev: row.get(9)?,
        hash: row.get(10)?,
    })
}

/// Returns what a query over [`COLUMNS`] finds.
pub(super) fn records(
    conn: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Vec<Record>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(record(row)?);
    }
    Ok(found)
}

/// Returns where a stream ends.
pub(super) fn head(conn: &Connection, stream: &str) -> Result<StreamHead, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT ver, hash FROM events WHERE stream = ?1 ORDER BY ver DESC LIMIT 1",
    )?;
    let head = statement
        .query_row([stream], |row| {
            Ok(StreamHead {
                ver: number(row, 0)?,
                hash: row.get(1)?,
            })
        })
        .optional()?;
    Ok(head.unwrap_or(StreamHead::EMPTY))
}
