//! The file sink: JSON lines appended to a file, on disk before they are acknowledged unless the operator does without,
//! rotated by size and by age.
//!
//! What the file holds is whole lines: a line that a crash or a full disk cut is removed before anything is appended.
//! A restart after a kill between writing and acknowledging writes nothing twice, because the last line's position is
//! read back (`tail`). A file that somebody moved, removed or replaced is made anew.
//! Not here: other formats. Two sinks must not share a file.

mod rotation;
mod tail;

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use journal::{Journal, Position, ReadError, ReadLimit, Stored};
use model::codec;
use tail::LastLine;

/// Records may tell where hardware is weak and who logged in: the owner and the group that collects logs, nobody else.
const MODE: u32 = 0o640;

/// What the operator chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileConfig {
    /// Where the lines go. Its directory must exist.
    pub path: PathBuf,
    /// Bytes at which the file is renamed and a new one begun; a single longer line is still written whole.
    pub max_size: u64,
    /// Renamed files that are kept beside the current one, `path.1` being the newest; 0 keeps none.
    pub max_files: u32,
    /// A file does not hold records that lie further apart than this: it is renamed when one comes that does.
    pub rotate_every: Option<Duration>,
    /// What becomes of renamed files.
    pub packing: Packing,
    /// When lines are on disk.
    pub sync: Sync,
}

impl FileConfig {
    /// A file of at most this many bytes, everything else as when nothing is said.
    pub fn new(path: PathBuf, max_size: u64, max_files: u32) -> Self {
        Self { path, max_size, max_files, rotate_every: None, packing: Packing::None, sync: Sync::Batch }
    }
}

/// What becomes of renamed files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// They stay as they are.
    None,
    /// All but the newest are packed, as `path.2.gz` and so on.
    Gzip,
    /// The same, as `path.2.zst` and so on.
    Zstd,
}

/// When lines are on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sync {
    /// After each batch, before it is acknowledged: a power cut loses nothing.
    Batch,
    /// When the system thinks fit, usually within half a minute: a power cut loses what it had not written.
    Never,
}

/// A batch was not written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be opened or made.
    #[error("open {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its end cannot be read or repaired.
    #[error("read the last line of {}", path.display())]
    Tail {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Whether its last line is ours cannot be learned.
    #[error("compare the last line of {} with the journal", path.display())]
    Compare {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// Lines were not written; what was written in part is cut off again.
    #[error("append to {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Lines were written, but the disk did not say that it has them.
    #[error("sync {}", path.display())]
    Sync {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The full file was not renamed.
    #[error("rotate {}", path.display())]
    Rotate {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The thread that wrote has ended.
    #[error("write in the background")]
    Task(#[source] tokio::task::JoinError),
}

/// A file sink.
#[derive(Debug)]
pub(crate) struct FileSink {
    config: FileConfig,
    open: Option<OpenFile>,
    /// Everything up to here is on disk, whatever became of its acknowledgement.
    written: Position,
}

/// The file while it is open. After any error it is dropped and opened anew, which repairs it.
#[derive(Debug)]
struct OpenFile {
    file: File,
    /// Length of its whole lines.
    length: u64,
    /// When its first record was stored, in milliseconds since 1970; only where that decides anything.
    begun_ms: Option<i64>,
}

impl FileSink {
    pub(crate) fn new(config: FileConfig) -> Self {
        Self { config, open: None, written: 0 }
    }

    /// Lets the file go; the next batch opens what then stands at the path.
    pub(crate) fn reopen_later(&mut self) {
        self.open = None;
    }

    /// Writes the records that the file does not have yet, and returns when they are on disk.
    ///
    /// There is no deadline here: a write that hangs in the kernel cannot be taken back, and only this sink waits.
    pub(crate) async fn deliver(&mut self, batch: Arc<[Stored]>, journal: &Journal) -> Result<(), FileError> {
        let open = self.take_open().await?;
        let open = match open {
            Some(open) => open,
            None => self.reopen(journal).await?,
        };
        let last = batch.last().map_or(0, |stored| stored.position);
        let (config, written) = (self.config.clone(), self.written);
        let write = move || {
            let new = batch.iter().filter(|stored| stored.position > written);
            write_batch(&config, open, new)
        };
        self.open = Some(in_background(write).await??);
        self.written = self.written.max(last);
        Ok(())
    }

    /// The open file, unless somebody moved, removed or replaced it meanwhile.
    async fn take_open(&mut self) -> Result<Option<OpenFile>, FileError> {
        let Some(open) = self.open.take() else { return Ok(None) };
        let path = self.config.path.clone();
        in_background(move || open.still_at(&path)).await
    }

    async fn reopen(&mut self, journal: &Journal) -> Result<OpenFile, FileError> {
        let config = self.config.clone();
        let (open, last) = in_background(move || open_file(&config)).await??;
        if let Some(last) = last
            && last.position > self.written
            && self.is_ours(&last, journal).await?
        {
            self.written = last.position;
        }
        Ok(open)
    }

    /// A file of another journal (an older installation, a restored copy) has positions that mean nothing here.
    async fn is_ours(&self, last: &LastLine, journal: &Journal) -> Result<bool, FileError> {
        let Some(before) = last.position.checked_sub(1) else { return Ok(false) };
        let compare = |source| FileError::Compare { path: self.config.path.clone(), source };
        let found = journal.read_after(before, ReadLimit { records: 1, bytes: 1 }).await.map_err(compare)?;
        let same = |stored: &Stored| {
            stored.position == last.position
                && codec::decode(stored.position, &stored.bytes).is_ok_and(|record| record.uid == last.uid)
        };
        Ok(found.first().is_some_and(same))
    }
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, FileError> {
    tokio::task::spawn_blocking(work).await.map_err(FileError::Task)
}

impl OpenFile {
    fn still_at(mut self, path: &Path) -> Option<Self> {
        let (there, here) = (std::fs::metadata(path).ok()?, self.file.metadata().ok()?);
        if (there.dev(), there.ino()) != (here.dev(), here.ino()) {
            return None;
        }
        // Somebody may have cut it (copy and truncate); we append, so only our idea of its length changes.
        self.length = here.len();
        Some(self)
    }
}

/// Opens the file, cuts off a torn last line, and finds the last line that was written before.
fn open_file(config: &FileConfig) -> Result<(OpenFile, Option<LastLine>), FileError> {
    let path = &config.path;
    let open = |source| FileError::Open { path: path.clone(), source };
    let tail = |source| FileError::Tail { path: path.clone(), source };
    let file = OpenOptions::new().read(true).append(true).create(true).mode(MODE).open(path).map_err(open)?;
    rotation::sync_directory(path).map_err(open)?;
    let length = tail::cut_torn_line(&file).map_err(tail)?;
    let last = match length {
        0 => tail::last_line_of(&rotation::rotated(path, 1)).map_err(tail)?,
        _ => tail::last_line(&file, length).map_err(tail)?,
    };
    let begun_ms = match config.rotate_every {
        Some(_) => tail::first_observed_ms(path).map_err(tail)?,
        None => None,
    };
    Ok((OpenFile { file, length, begun_ms }, last))
}

/// Appends the records as lines, in as few writes as rotation allows, and syncs them.
fn write_batch<'a>(
    config: &FileConfig,
    mut open: OpenFile,
    records: impl Iterator<Item = &'a Stored>,
) -> Result<OpenFile, FileError> {
    let mut lines = Vec::new();
    for stored in records {
        let start = lines.len();
        codec::write_line(stored.position, &stored.bytes, &mut lines);
        let begun = open.length + start as u64;
        let with_it = open.length + lines.len() as u64;
        if begun > 0 && (with_it > config.max_size || open.is_too_old_for(stored, config)) {
            let line = lines.split_off(start);
            open.append(config, &lines)?;
            open = rotate(config, open)?;
            lines = line;
        }
        open.begun_ms.get_or_insert(stored.at_ms);
    }
    open.append(config, &lines)?;
    Ok(open)
}

fn rotate(config: &FileConfig, open: OpenFile) -> Result<OpenFile, FileError> {
    drop(open);
    rotation::rotate(&config.path, config.max_files)
        .map_err(|source| FileError::Rotate { path: config.path.clone(), source })?;
    if let Err(error) = rotation::pack(&config.path, config.max_files, config.packing, MODE) {
        // It costs room and nothing else; the next rotation tries again.
        tracing::warn!(path = %config.path.display(), error = %error, "renamed files were not packed");
    }
    open_file(config).map(|(open, _)| open)
}

impl OpenFile {
    /// Its first record was stored so long before this one that they do not belong together.
    fn is_too_old_for(&self, stored: &Stored, config: &FileConfig) -> bool {
        let age = self.begun_ms.map(|begun| stored.at_ms.saturating_sub(begun));
        let age = age.and_then(|age| u64::try_from(age).ok()).map(Duration::from_millis);
        age.zip(config.rotate_every).is_some_and(|(age, every)| age >= every)
    }

    fn append(&mut self, config: &FileConfig, lines: &[u8]) -> Result<(), FileError> {
        let path = &config.path;
        let written = self.file.write_all(lines);
        let synced = match (written, config.sync) {
            (Ok(()), Sync::Batch) => {
                self.file.sync_data().map_err(|source| FileError::Sync { path: path.clone(), source })
            }
            (Ok(()), Sync::Never) => Ok(()),
            (Err(source), _) => Err(FileError::Write { path: path.clone(), source }),
        };
        if let Err(error) = synced {
            // Best effort, so that readers of the file see whole lines at once: opening it again cuts a torn line too.
            drop(self.file.set_len(self.length));
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
