//! What can go wrong, per operation.

use std::path::PathBuf;

/// Opening failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory cannot be made or used.
    #[error("use journal directory {}", directory.display())]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Another process holds the journal.
    #[error("lock journal {}: another process uses it", path.display())]
    Locked {
        /// The lock file.
        path: PathBuf,
    },
    /// The file was written by a newer version.
    #[error("open journal {}: its format {found} is newer than {known}, which this version knows", path.display())]
    Newer {
        /// The database file.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The file is a SQLite database, but not a journal.
    #[error("open journal {}: another program made this database; choose another directory", path.display())]
    Foreign {
        /// The database file.
        path: PathBuf,
    },
    /// The file is damaged. It is never replaced silently: whoever runs the program decides.
    #[error(
        "open journal {}: it is damaged; move the directory away, keep it, and start again: \
         what the BMCs' own logs still hold is then read anew",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What SQLite found.
        #[source]
        source: rusqlite::Error,
    },
    /// SQLite refused.
    #[error("open journal {}", path.display())]
    Database {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

/// An append was not made durable. Nothing of the batch is stored, but for one case that no store can exclude: when
/// the sync itself failed, the batch may turn up after all at the next opening; appended again, its keys are known.
#[derive(Debug, Clone, thiserror::Error)]
pub enum AppendError {
    /// The commit failed; the journal refuses writes until it has been reopened and verified.
    #[error("commit to the journal: {reason}")]
    Commit {
        /// What SQLite said.
        reason: String,
    },
    /// The journal is not writable now (disk full, I/O error); wait for [`Journal::writable`](crate::Journal::writable).
    #[error("append to the journal: it is not writable now")]
    NotWritable,
    /// The writer has ended (shutdown).
    #[error("append to the journal: it is closed")]
    Closed,
}

/// A read failed.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// SQLite refused.
    #[error("read the journal")]
    Database(#[from] rusqlite::Error),
    /// The database could not be opened once more, for verifying.
    #[error("open the journal for verifying")]
    Open(#[from] OpenError),
    /// The journal has been closed.
    #[error("read the journal: it is closed")]
    Closed,
}

/// A copy of the journal could not be made. What was written of it is removed.
#[derive(Debug, thiserror::Error)]
pub enum BackUpError {
    /// The file cannot be made, or there is one already.
    #[error("make {}", path.display())]
    Create {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// SQLite refused.
    #[error("copy the journal to {}", path.display())]
    Copy {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// The copy is not known to be on disk.
    #[error("sync {}", path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}
