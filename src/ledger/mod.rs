//! The append-only ledger: what was intended, what happened, and the claims that make "once" mean once.
//!
//! Everything Pointsman knows that cannot be looked up again is a [`Record`] here, and state is the fold of the records. So there
//! are few promises, and all of them matter:
//!
//! - an acknowledged append survives `kill -9` and power loss (`SQLite`, WAL, `synchronous=FULL`; one fsync per commit);
//! - an append is all or nothing: events and [`Claim`]s in one transaction, on a version the caller has seen;
//! - every stream is a hash chain, so that a changed, removed or swapped record is found ([`Store::verify`], [`Chain`]);
//! - one writer: [`Lock`] keeps a second daemon out, while readers read at any time ([`Sqlite::open_read_only`]).
//!
//! Two stores keep the contract of [`Store`]: [`Sqlite`] on disk, [`Memory`] for tests and the simulator. Async code talks to a store
//! through [`Ledger`], which gathers concurrent appends into one commit. A verb of the command line uses a store as it is.
//!
//! | code | what |
//! |---|---|
//! | `record` | the record, its hash, the chain |
//! | `store` | the contract, and paging over it |
//! | `sqlite`, `memory` | the two stores |
//! | `handle` | the async front and its one thread |
//! | `lock` | one writer per state folder |
//! | `export` | JSON lines |
//! | `error` | what can go wrong and what to do then |
//!
//! What is absent: no clock and no environment are read here; times come with the records. No body is interpreted, upcast or
//! rewritten. Nothing is ever updated or deleted in `events` and `claims`.

mod error;
mod export;
mod handle;
mod lock;
mod memory;
mod record;
mod sqlite;
mod store;

pub use error::{AppendError, Damage, ExportError, LockError, OpenError, StoreError};
pub use export::export;
pub use handle::{GROUP_APPENDS_MAX, Ledger, LedgerThread, QUEUE_MAX};
pub use lock::Lock;
pub use memory::Memory;
pub use record::{Chain, Claim, FIRST_PREV, Hash, NewRecord, Record, StreamHead};
pub use sqlite::{SCHEMA, Sqlite};
pub use store::{
    APPEND_CLAIMS_MAX, APPEND_RECORDS_MAX, Append, BODY_BYTES_MAX, HeadKey, IssueHead, Poll,
    Records, Store, Verified,
};
