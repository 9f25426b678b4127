//! The async front of a ledger: a bounded queue and one thread that owns the store.
//!
//! The thread takes what has queued up while it was busy and commits it at once: under load ten appends cost one fsync instead of
//! ten (64 tasks: 7 times the throughput, `benches/ledger.rs`), and alone an append waits for nobody. There is no timer in it.

use std::io;
use std::path::PathBuf;
use std::thread::JoinHandle;

use tokio::sync::{mpsc, oneshot};

use crate::knife;
use crate::ledger::{
    Append, AppendError, HeadKey, IssueHead, Poll, Record, Store, StoreError, StreamHead, Verified,
};

/// The most requests that wait; a caller beyond that waits to queue. Chosen: far above what ten projects do in a cycle.
pub const QUEUE_MAX: usize = 1024;
/// The most appends of one commit, so that nobody waits long behind others. Chosen: from about 100 on, the fsync
/// is no longer what a commit costs.
pub const GROUP_APPENDS_MAX: usize = 256;

type Answer = Result<Vec<u64>, AppendError>;

/// A question to the store that answers whoever asked by itself.
type Ask = Box<dyn FnOnce(&mut dyn Store) + Send>;

enum Request {
    Append(Append, oneshot::Sender<Answer>),
    Ask(Ask),
}

/// A handle on a ledger. Cheap to clone; all clones share one writer, and requests are served in the order they were queued, so a
/// read sees every append that was acknowledged before it.
///
/// Dropping a future after its request was queued does not take the request back: an append may still happen.
#[derive(Clone, Debug)]
pub struct Ledger {
    queue: mpsc::Sender<Request>,
}

/// The thread behind a [`Ledger`]. It ends when the last handle is dropped.
#[derive(Debug)]
pub struct LedgerThread {
    thread: JoinHandle<Box<dyn Store + Send>>,
}

impl LedgerThread {
    /// Waits until the last handle is gone and everything queued is done, and returns the store. Blocks: drop the handles first.
    pub fn join(self) -> Box<dyn Store + Send> {
        match self.thread.join() {
            Ok(store) => store,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl Ledger {
    /// Gives the store to a thread of its own.
    pub fn start(store: Box<dyn Store + Send>) -> io::Result<(Self, LedgerThread)> {
        let (queue, requests) = mpsc::channel(QUEUE_MAX);
        let thread = std::thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || serve(store, requests))?;
        Ok((Self { queue }, LedgerThread { thread }))
    }

    /// Appends, as [`Store::append`]. Returns after the fsync.
    pub async fn append(&self, append: Append) -> Result<Vec<u64>, AppendError> {
        let (done, answer) = oneshot::channel();
        self.queue
            .send(Request::Append(append, done))
            .await
            .map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)?
    }

    /// Appends from a thread that is not async. Panics inside an async task.
    pub fn append_blocking(&self, append: Append) -> Result<Vec<u64>, AppendError> {
        let (done, answer) = oneshot::channel();
        self.queue
            .blocking_send(Request::Append(append, done))
            .map_err(|_| StoreError::Stopped)?;
        answer.blocking_recv().map_err(|_| StoreError::Stopped)?
    }

    /// Runs `ask` on the ledger's thread, after everything queued before it. Keep it short: appends wait meanwhile.
    pub async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut dyn Store) -> T + Send + 'static,
    ) -> Result<T, StoreError> {
        let (done, answer) = oneshot::channel();
        let ask = Box::new(move |store: &mut dyn Store| {
            // Whoever asked may be gone by now; then nobody misses the answer.
            drop(done.send(ask(store)));
        });
        self.queue
            .send(Request::Ask(ask))
            .await
            .map_err(|_| StoreError::Stopped)?;
        answer.await.map_err(|_| StoreError::Stopped)
    }

    /// Reads, as [`Store::read`].
    pub async fn read(&self, after_seq: u64, limit: usize) -> Result<Vec<Record>, StoreError> {
        self.ask(move |store| store.read(after_seq, limit)).await?
    }

    /// Reads one stream, as [`Store::read_stream`].
    pub async fn read_stream(
        &self,
        stream: &str,
        after_ver: u64,
        limit: usize,
    ) -> Result<Vec<Record>, StoreError> {
        let stream = stream.to_owned();
        self.ask(move |store| store.read_stream(&stream, after_ver, limit))
            .await?
    }

    /// Returns where a stream ends.
    pub async fn head(&self, stream: &str) -> Result<StreamHead, StoreError> {
        let stream = stream.to_owned();
        self.ask(move |store| store.head(&stream)).await?
    }

    /// Returns a stream's version; 0 if it has no records.
    pub async fn version(&self, stream: &str) -> Result<u64, StoreError> {
        Ok(self.head(stream).await?.ver)
    }

    /// Returns who took a claim, as [`Store::claimed`].
    pub async fn claimed(&self, key: &str) -> Result<Option<u64>, StoreError> {
        let key = key.to_owned();
        self.ask(move |store| store.claimed(&key)).await?
    }

    /// Checks the whole ledger, as [`Store::verify`]. Appends wait meanwhile: a big ledger is better checked by a reader of its own.
    pub async fn verify(&self) -> Result<Verified, StoreError> {
        self.ask(|store| store.verify()).await?
    }

    /// Stores heads and the poll they came from, as [`Store::save_view`].
    pub async fn save_view(
        &self,
        upserts: Vec<IssueHead>,
        deletes: Vec<HeadKey>,
        poll: Option<Poll>,
    ) -> Result<(), StoreError> {
        self.ask(move |store| {
            knife::point(|| "before save-view".to_owned());
            let saved = store.save_view(&upserts, &deletes, poll.as_ref());
            knife::point(|| "after save-view".to_owned());
            saved
        })
        .await?
    }

    /// Returns all issue heads.
    pub async fn heads(&self) -> Result<Vec<IssueHead>, StoreError> {
        self.ask(|store| store.heads()).await?
    }

    /// Returns all polls.
    pub async fn polls(&self) -> Result<Vec<Poll>, StoreError> {
        self.ask(|store| store.polls()).await?
    }

    /// Writes a copy of the ledger, as [`Store::backup`].
    pub async fn backup(&self, path: impl Into<PathBuf>) -> Result<(), StoreError> {
        let path = path.into();
        self.ask(move |store| store.backup(&path)).await?
    }

    /// Returns the ledger's id.
    pub async fn ledger_id(&self) -> Result<String, StoreError> {
        self.ask(|store| store.ledger_id().to_owned()).await
    }
}

/// Appends that will share a commit, and who waits for them.
#[derive(Default)]
struct Group {
    appends: Vec<Append>,
    waiting: Vec<oneshot::Sender<Answer>>,
}

impl Group {
    fn push(&mut self, append: Append, done: oneshot::Sender<Answer>) {
        self.appends.push(append);
        self.waiting.push(done);
    }

    fn commit(&mut self, store: &mut dyn Store) {
        if self.appends.is_empty() {
            return;
        }
        self.points("before");
        let answers = store.append_group(&self.appends);
        self.points("after");
        for (done, answer) in self.waiting.drain(..).zip(answers) {
            // Nobody may be waiting any more; what was appended stays appended.
            drop(done.send(answer));
        }
        self.appends.clear();
    }

    /// Passes a point for each append, named by the kinds of its events.
    fn points(&self, when: &str) {
        for append in &self.appends {
            knife::point(|| {
                let mut kinds: Vec<&str> = append.records.iter().map(|new| &*new.kind).collect();
                kinds.dedup();
                format!("{when} append {}", kinds.join("+"))
            });
        }
    }
}

fn serve(
    mut store: Box<dyn Store + Send>,
    mut requests: mpsc::Receiver<Request>,
) -> Box<dyn Store + Send> {
    let mut waiting = Vec::with_capacity(GROUP_APPENDS_MAX);
    let mut group = Group::default();
    while requests.blocking_recv_many(&mut waiting, GROUP_APPENDS_MAX) > 0 {
        for request in waiting.drain(..) {
            match request {
                Request::Append(append, done) => group.push(append, done),
                Request::Ask(ask) => {
                    group.commit(store.as_mut());
                    ask(store.as_mut());
                }
            }
        }
        group.commit(store.as_mut());
    }
    store
}
