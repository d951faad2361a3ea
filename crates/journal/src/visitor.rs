//! A visitor: looks at a journal that may be in another process's hands, for `journal stat`, `verify` and `backup`.
//!
//! It never writes into the journal and takes no lock that its owner would notice; what it sees is one moment of it. It
//! blocks the thread that asks. Not here: repairing, and putting a copy back.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use rusqlite::Connection;

use crate::{
    BackUpError, OpenError, ReadError, Stat, database,
    stat::{self, Counters},
    verify,
};

/// A journal that is looked at and not changed.
#[derive(Debug)]
pub struct Visitor {
    connection: Connection,
    path: PathBuf,
}

impl Visitor {
    /// Opens the journal of this directory, whoever uses it; there must be one.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let path = database::file(directory);
        Ok(Self { connection: database::open_visitor(&path)?, path })
    }

    /// The same for one file, such as a copy.
    pub fn open_file(path: &Path) -> Result<Self, OpenError> {
        Ok(Self { connection: database::open_visitor(path)?, path: path.to_owned() })
    }

    /// The file that is looked at.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Numbers about it; those of its process (commits) are 0.
    pub fn stat(&self) -> Result<Stat, ReadError> {
        Ok(stat::stat(&self.connection, Counters::default(), database::file_bytes(&self.path))?)
    }

    /// Reads everything and tells what is wrong; nothing when it is sound.
    pub fn verify(&self) -> Result<Vec<String>, ReadError> {
        Ok(verify::verify(&self.connection)?)
    }

    /// Copies the journal as it is at this moment into a new file (mode 0600), which is a journal as well: as
    /// `journal.db` in a directory of its own it can be opened. Commits go on meanwhile.
    pub fn back_up(&self, to: &Path) -> Result<(), BackUpError> {
        let failed = |source| BackUpError::Create { path: to.to_owned(), source };
        // Made here, so that nobody else can read it and nobody's file is written over.
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(to).map_err(failed)?;
        let copied = self.copy(to);
        if copied.is_err() {
            // What could not be made cannot always be removed either; the error says enough.
            drop(fs::remove_file(to));
        }
        copied
    }

    fn copy(&self, to: &Path) -> Result<(), BackUpError> {
        let name = to.to_string_lossy();
        let copied = self.connection.execute("VACUUM INTO ?1", [&*name]);
        copied.map_err(|source| BackUpError::Copy { path: to.to_owned(), source })?;
        let directory = match to.parent() {
            Some(parent) if parent != Path::new("") => parent,
            _ => Path::new("."),
        };
        let synced = File::open(to).and_then(|file| file.sync_all());
        let synced = synced.and_then(|()| File::open(directory)?.sync_all());
        synced.map_err(|source| BackUpError::Sync { path: to.to_owned(), source })
    }
}
