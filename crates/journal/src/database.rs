//! The database file: its directory, its lock, its format, and the settings under which it is opened.
//!
//! It promises that a journal of a newer format, a database of another program and a damaged file are refused and
//! left as they are. It does not know what is written into the tables.

use std::{
    fs::{DirBuilder, File, OpenOptions, TryLockError},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, config::DbConfig};
use tracing::info;

use crate::{KeyOrder, OpenError, dead_letter};

/// The format of a journal that this version makes, kept as SQLite's `user_version`.
const FORMAT: i64 = 3;

/// The one before it, whose keys are scattered. It stays so, as keys cannot be made anew.
const FORMAT_SCATTERED: i64 = 2;

/// The first, whose twins had another index. It is brought to the second when it is opened for writing.
const FORMAT_FIRST: i64 = 1;

/// Marks the database as ours ("bmcj"), kept as SQLite's `application_id`.
const APPLICATION: i64 = 0x626d_636a;

/// The journal's lock keeps other writers out, so only a person's `sqlite3` shell can be in the way, and not for long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(1);

/// Pages in the write-ahead log before they are moved into the database. Keys are random, so their pages are written
/// over and over: the more of them meet in one checkpoint, the less is written. 32 MiB are replayed in well under 1 s.
const CHECKPOINT_PAGES: i64 = 8192;

/// The write-ahead log is cut back to this many bytes after a checkpoint.
const WAL_BYTES_KEPT: i64 = 64 << 20;

/// Page cache of a connection, in KiB; what does not fit comes from the system's cache.
const CACHE_KIB: i64 = 8192;

/// Prepared statements kept per connection: more than there are in this crate.
const STATEMENTS: usize = 64;

const SCHEMA: &str = "
    CREATE TABLE totals(
        only INTEGER PRIMARY KEY CHECK (only = 1),
        head INTEGER NOT NULL, records INTEGER NOT NULL, bytes INTEGER NOT NULL, keys INTEGER NOT NULL,
        pruned_delivered INTEGER NOT NULL, pruned_undelivered INTEGER NOT NULL,
        twin_items INTEGER NOT NULL, widest_window_ms INTEGER NOT NULL);
    INSERT INTO totals VALUES(1, 0, 0, 0, 0, 0, 0, 0, 0);
    CREATE TABLE scope(id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
    CREATE TABLE record(position INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, bytes BLOB NOT NULL);
    CREATE TABLE seen(key BLOB PRIMARY KEY) WITHOUT ROWID;
    CREATE TABLE twin(
        id INTEGER PRIMARY KEY, scope INTEGER NOT NULL, content BLOB NOT NULL, side INTEGER NOT NULL,
        at_ms INTEGER NOT NULL, window_ms INTEGER NOT NULL, claims INTEGER NOT NULL, noted_ms INTEGER NOT NULL);
    CREATE TABLE mark(scope INTEGER NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,
        PRIMARY KEY(scope, name)) WITHOUT ROWID;
    CREATE TABLE reader(name TEXT PRIMARY KEY, position INTEGER NOT NULL, present INTEGER NOT NULL) WITHOUT ROWID;
    CREATE TABLE probe(only INTEGER PRIMARY KEY CHECK (only = 1), bytes BLOB NOT NULL);
";

/// Twins of a scope lie in the order of their hours, so that those of a batch, which are of about one time, are on a page or
/// two however many wait. [`twin`](crate::twin) asks by these very terms.
const TWIN_INDEX: &str = "CREATE INDEX twin_hour ON twin(scope, at_ms / 3600000, content, side, at_ms)";

/// The database file of a journal directory.
pub(crate) fn file(directory: &Path) -> PathBuf {
    directory.join("journal.db")
}

/// Makes the directory if need be and locks it for this process; the lock lasts as long as the returned file.
pub(crate) fn lock(directory: &Path) -> Result<File, OpenError> {
    let failed = |source| OpenError::Directory { directory: directory.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let path = directory.join("lock");
    let lock = private(&path).map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { path }),
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    // Made here so that nobody else can read it: SQLite gives its other files the same mode.
    private(&file(directory)).map_err(failed)?;
    // A file whose name was never synced is gone after a power cut, and what was acknowledged with it.
    File::open(directory).and_then(|handle| handle.sync_all()).map_err(failed)?;
    Ok(lock)
}

fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// Opens a database for writing, makes the tables of a new one, refuses what is not ours.
pub(crate) fn open(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| refused(path, source);
    let connection = Connection::open_with_flags(path, flags()).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let format = known_format(&connection, path)?;
    configure(&connection).map_err(failed)?;
    match format {
        Format::Empty => create(&connection).map_err(failed)?,
        Format::First => upgrade(&connection).map_err(failed)?,
        Format::Ours => {}
    }
    connection.execute_batch(dead_letter::SCHEMA).map_err(failed)?;
    Ok(connection)
}

/// Opens a second connection that only reads.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| refused(path, source);
    let connection = Connection::open_with_flags(path, flags()).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    connection.pragma_update(None, "query_only", true).map_err(failed)?;
    prepare_once(&connection).map_err(failed)?;
    Ok(connection)
}

/// Opens a database that may be in another process's hands: nothing of it is ever written, and nothing is made.
pub(crate) fn open_visitor(path: &Path) -> Result<Connection, OpenError> {
    let failed = |source| refused(path, source);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    if known_format(&connection, path)? == Format::Empty {
        return Err(OpenError::Foreign { path: path.to_owned() });
    }
    prepare_once(&connection).map_err(failed)?;
    Ok(connection)
}

/// Opens an empty database in memory.
pub(crate) fn open_memory() -> Result<Connection, OpenError> {
    let failed = |source| refused(Path::new(":memory:"), source);
    let connection = Connection::open_in_memory().map_err(failed)?;
    configure(&connection).map_err(failed)?;
    create(&connection).map_err(failed)?;
    connection.execute_batch(dead_letter::SCHEMA).map_err(failed)?;
    Ok(connection)
}

/// Checks a database that has failed before: its small tables are sound, its newest record can be read, and it takes
/// a write as large as a small group. The whole is not read: that would keep a large journal shut for minutes.
pub(crate) fn probe(connection: &mut Connection) -> rusqlite::Result<()> {
    for table in ["totals", "reader", "mark", "scope"] {
        connection.query_row(&format!("PRAGMA quick_check({table})"), [], |row| {
            match row.get_ref(0)?.as_str()? {
                "ok" => Ok(()),
                _ => Err(rusqlite::Error::SqliteFailure(
                    rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_CORRUPT),
                    Some(format!("table {table} is damaged")),
                )),
            }
        })?;
    }
    let newest = "SELECT length(hex(bytes)) FROM record ORDER BY position DESC LIMIT 1";
    connection.query_row(newest, [], |_| Ok(())).optional()?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(
        "INSERT INTO probe VALUES(1, randomblob(65536)) ON CONFLICT DO UPDATE SET bytes = excluded.bytes; \
         UPDATE totals SET head = head;",
    )?;
    transaction.commit()
}

/// How the keys of an opened database lie.
pub(crate) fn key_order(connection: &Connection) -> rusqlite::Result<KeyOrder> {
    let format: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    Ok(if format == FORMAT_SCATTERED { KeyOrder::Scattered } else { KeyOrder::Time })
}

/// Bytes on disk, the write-ahead log included; 0 for what cannot be looked at.
pub(crate) fn file_bytes(path: &Path) -> u64 {
    let wal = path.with_extension("db-wal");
    [path, &wal].iter().filter_map(|file| file.metadata().ok()).map(|metadata| metadata.len()).sum()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Empty,
    First,
    Ours,
}

fn known_format(connection: &Connection, path: &Path) -> Result<Format, OpenError> {
    let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let failed = |source| refused(path, source);
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    let application = number("PRAGMA application_id").map_err(failed)?;
    let found = number("PRAGMA user_version").map_err(failed)?;
    match (application, found) {
        (0, 0) if tables == 0 => Ok(Format::Empty),
        (APPLICATION, FORMAT | FORMAT_SCATTERED) => Ok(Format::Ours),
        (APPLICATION, FORMAT_FIRST) => Ok(Format::First),
        (APPLICATION, found) if found > FORMAT => {
            Err(OpenError::Newer { path: path.to_owned(), found, known: FORMAT })
        }
        _ => Err(OpenError::Foreign { path: path.to_owned() }),
    }
}

/// Statements are compiled once. Without the stability guarantee SQLite plans a query with a range or a limit anew for
/// each new value that is bound, which costs more than the query.
fn prepare_once(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    prepare_once(connection)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES)?;
    connection.pragma_update(None, "journal_size_limit", WAL_BYTES_KEPT)?;
    connection.pragma_update(None, "cache_size", -CACHE_KIB)
}

fn create(connection: &Connection) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch(SCHEMA)?;
    transaction.execute_batch(TWIN_INDEX)?;
    transaction.pragma_update(None, "application_id", APPLICATION)?;
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

/// One transaction: whoever is killed meanwhile finds the journal as it was.
fn upgrade(connection: &Connection) -> rusqlite::Result<()> {
    info!(from = FORMAT_FIRST, to = FORMAT_SCATTERED, "the journal is brought to a newer format");
    let transaction = connection.unchecked_transaction()?;
    transaction.execute_batch("DROP INDEX twin_content")?;
    transaction.execute_batch(TWIN_INDEX)?;
    transaction.pragma_update(None, "user_version", FORMAT_SCATTERED)?;
    transaction.commit()
}

fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}

/// What an error of SQLite at opening means.
pub(crate) fn refused(path: &Path, source: rusqlite::Error) -> OpenError {
    let path = path.to_owned();
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => OpenError::Damaged { path, source },
        _ => OpenError::Database { path, source },
    }
}
