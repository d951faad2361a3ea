//! The desk: where one SQLite connection lives, and on which thread work with it runs.
//!
//! It promises that one piece of work at a time holds the connection, and that a journal in memory never leaves the
//! runtime's thread, so that virtual time stands still meanwhile. It knows nothing of what the work is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::Connection;

/// Where the work runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thread {
    /// At once, on the thread that asks: for memory.
    Runtime,
    /// On the runtime's blocking threads: for files.
    Blocking,
}

/// A shared seat for a connection. The mutex is there because a connection is used by many tasks, a piece of work
/// at a time, and in memory by the writer and the readers alike; nothing is awaited while it is held.
#[derive(Clone)]
pub(crate) struct Desk {
    connection: Arc<Mutex<Option<Connection>>>,
    thread: Thread,
    /// Who waits for the connection waits here, not on a thread: thousands of collectors that start at once would take
    /// hundreds of threads, and their memory stays.
    turns: Arc<tokio::sync::Mutex<()>>,
}

impl Desk {
    pub(crate) fn new(connection: Connection, thread: Thread) -> Self {
        Self { connection: Arc::new(Mutex::new(Some(connection))), thread, turns: Arc::default() }
    }

    /// Does a piece of work with the connection; `None` when it has been closed. The work is done even when this
    /// future is dropped.
    pub(crate) async fn with<T, W>(&self, work: W) -> Option<T>
    where
        T: Send + 'static,
        W: FnOnce(&mut Connection) -> T + Send + 'static,
    {
        match self.thread {
            Thread::Runtime => self.seat().as_mut().map(work),
            Thread::Blocking => {
                let _turn = self.turns.lock().await;
                let desk = self.clone();
                blocking(move || desk.seat().as_mut().map(work)).await.flatten()
            }
        }
    }

    /// Puts another connection in place of this one.
    pub(crate) fn replace(&self, connection: Connection) {
        *self.seat() = Some(connection);
    }

    /// Closes the connection; later work finds none.
    pub(crate) fn close(&self) {
        drop(self.seat().take());
    }

    fn seat(&self) -> MutexGuard<'_, Option<Connection>> {
        // A panic inside a piece of work has rolled back its transaction; the connection is as good as before.
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `work` on a blocking thread; `None` when the runtime is shutting down. A panic in it goes on here.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => Some(done),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}
