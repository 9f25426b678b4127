//! The rebuildable tables: issue heads and polls.

use rusqlite::{Connection, params};

use crate::ledger::sqlite::{at_most, rows};
use crate::ledger::{HeadKey, IssueHead, Poll, StoreError};

/// Stores heads and the poll they came from in one transaction.
pub(super) fn save(
    conn: &mut Connection,
    upserts: &[IssueHead],
    deletes: &[HeadKey],
    poll: Option<&Poll>,
) -> Result<(), StoreError> {
    let transaction = conn.transaction()?;
    {
        let mut delete = transaction
            .prepare_cached("DELETE FROM heads WHERE tracker = ?1 AND repo = ?2 AND issue = ?3")?;
        for key in deletes {
            delete.execute(params![key.tracker, key.repo, at_most(key.issue)])?;
        }
        let mut upsert =
            transaction.prepare_cached("INSERT OR REPLACE INTO heads VALUES (?1, ?2, ?3, ?4)")?;
        for head in upserts {
            upsert.execute(params![
                head.key.tracker,
                head.key.repo,
                at_most(head.key.issue),
                head.body
            ])?;
        }
        if let Some(poll) = poll {
            let mut upsert = transaction
                .prepare_cached("INSERT OR REPLACE INTO polls VALUES (?1, ?2, ?3, ?4)")?;
            upsert.execute(params![poll.url, poll.token_fp, poll.etag, poll.watermark])?;
        }
    }
    Ok(transaction.commit()?)
}

/// Returns all issue heads, by key.
pub(super) fn heads(conn: &Connection) -> Result<Vec<IssueHead>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT tracker, repo, issue, body FROM heads ORDER BY tracker, repo, issue",
    )?;
    let heads = statement.query_map([], |row| {
        let key = HeadKey {
            tracker: row.get(0)?,
            repo: row.get(1)?,
            issue: rows::number(row, 2)?,
        };
        Ok(IssueHead {
            key,
            body: row.get(3)?,
        })
    })?;
    Ok(heads.collect::<Result<_, _>>()?)
}

/// Returns all polls, by address and fingerprint.
pub(super) fn polls(conn: &Connection) -> Result<Vec<Poll>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT url, token_fp, etag, watermark FROM polls ORDER BY url, token_fp",
    )?;
    let polls = statement.query_map([], |row| {
        Ok(Poll {
            url: row.get(0)?,
            token_fp: row.get(1)?,
            etag: row.get(2)?,
            watermark: row.get(3)?,
        })
    })?;
    Ok(polls.collect::<Result<_, _>>()?)
}
