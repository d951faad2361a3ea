//! The face of the journal: open, append, read, acknowledge.
//!
//! A handle only sends requests to the [`Writer`] and reads; it never writes itself. What a record means, and when
//! a reader may acknowledge, is the caller's business.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    AppendError, Appended, Batch, DeadLetter, KeptLetter, Key, KeyOrder, OpenError, ReadError, ReadLimit,
    Retention, Stat, Stored, Writer,
    commit::Work,
    database, dead_letter,
    desk::{Desk, Thread, blocking},
    read, search,
    stat::{self, Counters},
    totals::Totals,
    verify,
    writer::Request,
};

/// A place in the journal: 1, 2, 3, ... without holes at the time of writing; 0 is before the first record.
pub type Position = u64;

/// Tells the wall time in milliseconds since 1970: retention goes by it.
pub type WallClock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Requests that wait for the writer: enough for two full groups of one-item batches. Who finds it full waits.
const QUEUE_REQUESTS: usize = 1024;

/// Where the journal lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// A directory, made if absent (mode 0700); the database in it is `journal.db`.
    Directory(PathBuf),
    /// Memory: for simulations. Commits then run on the runtime's own thread, so that virtual time stands still.
    Memory,
}

/// A handle; cheap to clone.
#[derive(Clone)]
pub struct Journal {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
}

/// What the handles and the writer have in common.
pub(crate) struct Shared {
    /// The connection for reads; in memory it is the writer's too.
    pub(crate) reader: Desk,
    /// The connection for what people ask: collectors and sinks do not wait for a search. In memory the same one.
    pub(crate) searcher: Desk,
    /// The database file; `None` in memory.
    pub(crate) path: Option<PathBuf>,
    pub(crate) retention: Retention,
    pub(crate) key_order: watch::Sender<KeyOrder>,
    pub(crate) head: watch::Sender<Position>,
    pub(crate) writable: watch::Sender<bool>,
    pub(crate) closing: watch::Sender<bool>,
    /// Written by the writer after each commit, read by `stat`; held for a copy only.
    pub(crate) counters: Mutex<Counters>,
}

/// What opening yields.
struct Opened {
    /// The lock file, for a directory: it is held as long as anyone may write.
    lock: Option<std::fs::File>,
    write: Connection,
    /// A second and a third connection, for a directory.
    readers: Option<(Connection, Connection)>,
    totals: Totals,
    key_order: KeyOrder,
    path: Option<PathBuf>,
}

impl Journal {
    /// Opens or creates a journal. Recovery is opening: what the last process committed is there.
    pub async fn open(
        location: Location,
        retention: Retention,
        clock: WallClock,
    ) -> Result<(Self, Writer), OpenError> {
        let opened = match location {
            Location::Memory => open_memory()?,
            Location::Directory(directory) => blocking(move || open_directory(&directory))
                .await
                .expect("the runtime runs this very task")?,
        };
        let thread = if opened.path.is_some() { Thread::Blocking } else { Thread::Runtime };
        let write = Desk::new(opened.write, thread);
        let (reader, searcher) = match opened.readers {
            Some((reader, searcher)) => (Desk::new(reader, thread), Desk::new(searcher, thread)),
            None => (write.clone(), write.clone()),
        };
        let shared = Arc::new(Shared {
            reader,
            searcher,
            path: opened.path,
            retention,
            key_order: watch::Sender::new(opened.key_order),
            head: watch::Sender::new(opened.totals.head),
            writable: watch::Sender::new(true),
            closing: watch::Sender::new(false),
            counters: Mutex::default(),
        });
        let (requests, received) = mpsc::channel(QUEUE_REQUESTS);
        let writer =
            Writer::new(received, Arc::clone(&shared), write, opened.totals, (retention, clock, opened.lock));
        Ok((Self { requests, shared }, writer))
    }

    /// Appends a batch and returns when it is durable. Dropping the future does not undo what was sent.
    pub async fn append(&self, batch: Batch) -> Result<Appended, AppendError> {
        self.ask(Work::Append(batch)).await
    }

    /// How the keys of the items must be made.
    pub fn key_order(&self) -> KeyOrder {
        *self.shared.key_order.borrow()
    }

    /// Which of these keys are known.
    pub async fn known(&self, keys: Vec<Key>) -> Result<Vec<bool>, ReadError> {
        self.read(move |connection| read::known(connection, &keys)).await
    }

    /// The value of a mark.
    pub async fn mark(&self, scope: &str, name: &str) -> Result<Option<Vec<u8>>, ReadError> {
        let (scope, name) = (scope.to_owned(), name.to_owned());
        self.read(move |connection| read::mark(connection, &scope, &name)).await
    }

    /// Stored records after a position, oldest first, in a short transaction of their own.
    pub async fn read_after(&self, after: Position, limit: ReadLimit) -> Result<Vec<Stored>, ReadError> {
        self.read(move |connection| read::records_after(connection, after, limit)).await
    }

    /// The same for whoever searches: on a connection of its own, so that collectors and sinks do not wait meanwhile.
    pub async fn search_after(&self, after: Position, limit: ReadLimit) -> Result<Vec<Stored>, ReadError> {
        self.search(move |connection| read::records_after(connection, after, limit)).await
    }

    /// Stored records before a position, newest first.
    pub async fn search_before(&self, before: Position, limit: ReadLimit) -> Result<Vec<Stored>, ReadError> {
        self.search(move |connection| search::records_before(connection, before, limit)).await
    }

    /// The position after which everything was appended at this time (milliseconds since 1970) or later. A few steps,
    /// however many records there are.
    pub async fn before_time(&self, at_ms: i64) -> Result<Position, ReadError> {
        self.search(move |connection| search::before_time(connection, at_ms)).await
    }

    /// The newest durable position, as it moves.
    pub fn head(&self) -> watch::Receiver<Position> {
        self.shared.head.subscribe()
    }

    /// Whether the journal takes writes, as it changes.
    pub fn writable(&self) -> watch::Receiver<bool> {
        self.shared.writable.subscribe()
    }

    /// Where a named reader stands: everything up to here it has acknowledged. A reader never seen is at 0.
    pub async fn position(&self, reader: &str) -> Result<Position, ReadError> {
        let reader = reader.to_owned();
        self.read(move |connection| read::position(connection, &reader)).await
    }

    /// Moves a named reader. A position never moves backwards, and never beyond the head.
    pub async fn acknowledge(&self, reader: &str, position: Position) -> Result<(), AppendError> {
        self.ask(Work::Acknowledge { reader: reader.to_owned(), position }).await.map(drop)
    }

    /// Keeps records that a named reader's peer will never take. Durable when it returns, so that the reader may move on;
    /// at most [`DEAD_LETTERS_MAX`](crate::DEAD_LETTERS_MAX) are kept, the oldest go first.
    pub async fn put_aside(&self, reader: &str, letters: Vec<DeadLetter>) -> Result<(), AppendError> {
        self.ask(Work::PutAside { reader: reader.to_owned(), letters }).await.map(drop)
    }

    /// Dead letters of a named reader after a position, oldest first.
    pub async fn dead_letters(
        &self,
        reader: &str,
        after: Position,
        limit: u32,
    ) -> Result<Vec<KeptLetter>, ReadError> {
        let reader = reader.to_owned();
        self.read(move |connection| dead_letter::letters_after(connection, &reader, after, limit)).await
    }

    /// What is deleted when.
    pub fn retention(&self) -> Retention {
        self.shared.retention
    }

    /// Says which readers exist now: others no longer hold back "delivered" when retention counts.
    pub async fn set_readers(&self, names: Vec<String>) -> Result<(), AppendError> {
        self.ask(Work::SetReaders(names)).await.map(drop)
    }

    /// Numbers about the journal.
    pub async fn stat(&self) -> Result<Stat, ReadError> {
        let counters = *self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner);
        let path = self.shared.path.clone();
        self.read(move |connection| {
            stat::stat(connection, counters, path.as_deref().map_or(0, database::file_bytes))
        })
        .await
    }

    /// Reads every record and key and lets SQLite check its pages; the problems found, none when it is sound.
    pub async fn verify(&self) -> Result<Vec<String>, ReadError> {
        let Some(path) = self.shared.path.clone() else {
            return self.read(|connection| verify::verify(connection)).await;
        };
        // It takes long, so it has a connection of its own and the readers need not wait.
        let verified = blocking(move || {
            let connection = database::open_reader(&path)?;
            Ok(verify::verify(&connection)?)
        });
        verified.await.ok_or(ReadError::Closed)?
    }

    /// No more appends: the writer commits what it has, syncs, closes and ends. Appends after this answer `Closed`,
    /// and so do reads once the writer has ended.
    pub fn close(&self) {
        self.shared.closing.send_replace(true);
    }

    async fn ask(&self, work: Work) -> Result<Appended, AppendError> {
        if *self.shared.closing.borrow() {
            return Err(AppendError::Closed);
        }
        if !*self.shared.writable.borrow() {
            return Err(AppendError::NotWritable);
        }
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request { work, reply }).await.map_err(|_| AppendError::Closed)?;
        answer.await.unwrap_or(Err(AppendError::Closed))
    }

    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        Ok(self.shared.reader.with(work).await.ok_or(ReadError::Closed)??)
    }

    async fn search<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, ReadError> {
        Ok(self.shared.searcher.with(work).await.ok_or(ReadError::Closed)??)
    }
}

fn open_memory() -> Result<Opened, OpenError> {
    let write = database::open_memory()?;
    Ok(Opened {
        lock: None,
        write,
        readers: None,
        totals: Totals::default(),
        key_order: KeyOrder::Time,
        path: None,
    })
}

fn open_directory(directory: &Path) -> Result<Opened, OpenError> {
    let lock = database::lock(directory)?;
    let path = database::file(directory);
    let write = database::open(&path)?;
    let readers = (database::open_reader(&path)?, database::open_reader(&path)?);
    let failed = |source| database::refused(&path, source);
    let totals = Totals::load(&write).map_err(failed)?;
    let key_order = database::key_order(&write).map_err(failed)?;
    Ok(Opened { lock: Some(lock), write, readers: Some(readers), totals, key_order, path: Some(path) })
}
