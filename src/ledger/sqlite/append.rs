//! Writing: groups of appends in one transaction.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior, params};

use crate::ledger::sqlite::{at_most, rows};
use crate::ledger::{Append, AppendError, StoreError, StreamHead};

type Answer = Result<Vec<u64>, AppendError>;

/// Appends a group with one commit.
///
/// Each append is judged before it writes anything, inside the transaction, so a refused one leaves nothing to undo: that makes
/// savepoints needless. A failed write ends the transaction for all. If the disk is full, each append then gets a commit of its
/// own, as a small one may still fit; after any other failure nobody knows what is on the disk and nothing is tried again.
pub(super) fn append_group(conn: &mut Connection, group: &[Append]) -> Vec<Answer> {
    match commit(conn, group) {
        Ok(answers) => answers,
        Err(StoreError::Full) if group.len() > 1 => {
            group.iter().map(|append| alone(conn, append)).collect()
        }
        Err(error) => group.iter().map(|_| Err(error.clone().into())).collect(),
    }
}

fn alone(conn: &mut Connection, append: &Append) -> Answer {
    commit(conn, std::slice::from_ref(append))?
        .pop()
        .expect("a group of one has one answer")
}

/// Commits the group; on an error the transaction is rolled back when it is dropped.
fn commit(conn: &mut Connection, group: &[Append]) -> Result<Vec<Answer>, StoreError> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut answers = Vec::with_capacity(group.len());
    let mut next_seq = last_seq(&transaction)? + 1;
    for append in group {
        let answer = match judge(&transaction, append)? {
            Ok(head) => Ok(write(&transaction, append, head, &mut next_seq)?),
            Err(refusal) => Err(refusal),
        };
        answers.push(answer);
    }
    transaction.commit()?;
    Ok(answers)
}

fn last_seq(conn: &Connection) -> Result<u64, StoreError> {
    let mut statement = conn.prepare_cached("SELECT coalesce(max(seq), 0) FROM events")?;
    Ok(statement.query_row([], |row| rows::number(row, 0))?)
}

/// Returns the head to continue from, or why not. Writes nothing.
fn judge(
    conn: &Connection,
    append: &Append,
) -> Result<Result<StreamHead, AppendError>, StoreError> {
    if let Err(refusal) = append.check() {
        return Ok(Err(refusal));
    }
    let head = rows::head(conn, &append.stream)?;
    if head.ver != append.expected_ver {
        let stream = append.stream.clone();
        return Ok(Err(AppendError::WrongVersion {
            stream,
            expected: append.expected_ver,
            actual: head.ver,
        }));
    }
    for claim in &append.claims {
        if let Some(seq) = claimed(conn, &claim.0)? {
            return Ok(Err(AppendError::ClaimTaken {
                key: claim.0.clone(),
                seq,
            }));
        }
    }
    Ok(Ok(head))
}

/// Returns the seq of the event that took a claim.
pub(super) fn claimed(conn: &Connection, key: &str) -> Result<Option<u64>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT seq FROM claims WHERE key = ?1")?;
    Ok(statement
        .query_row([key], |row| rows::number(row, 0))
        .optional()?)
}

fn write(
    conn: &Connection,
    append: &Append,
    mut head: StreamHead,
    next_seq: &mut u64,
) -> Result<Vec<u64>, StoreError> {
    let first = *next_seq;
    let mut insert = conn.prepare_cached(
        "INSERT INTO events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    for new in &append.records {
        let ver = head.ver + 1;
        let at = new.at.to_string();
        let hash = new.hash_at(&append.stream, ver, &at, &head.hash);
        insert.execute(params![
            at_most(*next_seq),
            append.stream,
            at_most(ver),
            at,
            new.kind,
            new.v,
            new.issue.map(at_most),
            new.dispatch,
            new.body,
            head.hash,
            hash,
        ])?;
        head = StreamHead { ver, hash };
        *next_seq += 1;
    }
    let mut take = conn.prepare_cached("INSERT INTO claims VALUES (?1, ?2)")?;
    for claim in &append.claims {
        take.execute(params![claim.0, at_most(first)])?;
    }
    Ok((first..*next_seq).collect())
}
