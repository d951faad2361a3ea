//! The daemon as it is seen from outside while it runs: its journal, read beside it, and the network in between.

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use model::{LogBookmark, codec};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use tokio::time::Instant;

use crate::{
    proxy::Network,
    token::token,
    trouble::{self, FLEETING},
};

/// A daemon's journal and the network before it.
pub(crate) struct Outside {
    pub(crate) network: Network,
    journal: Mutex<Connection>,
    known: BTreeSet<String>,
    known_to: i64,
    deaf_until: Instant,
}

impl Outside {
    /// Opens the journal of a daemon that runs; only for reading, and never for long.
    pub(crate) fn new(network: Network, journal: &Path) -> Self {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = Connection::open_with_flags(journal.join("journal.db"), flags);
        let journal = Mutex::new(opened.expect("the daemon has made it"));
        Self { network, journal, known: BTreeSet::new(), known_to: 0, deaf_until: Instant::now() }
    }

    /// For so long the daemon is not there, or takes nothing.
    pub(crate) fn deafen(&mut self, time: Duration) {
        self.deaf_until = Instant::now() + time;
    }

    /// Tokens of what was pushed only and is in the journal now.
    pub(crate) fn known(&mut self) -> BTreeSet<String> {
        let journal = self.journal.get_mut().unwrap_or_else(PoisonError::into_inner);
        let sql = "SELECT position, bytes FROM record WHERE position > ? ORDER BY position";
        let mut statement = journal.prepare_cached(sql).expect("the table is there");
        let rows = statement.query_map([self.known_to], |row| Ok((row.get(0)?, row.get::<_, Vec<u8>>(1)?)));
        for row in rows.expect("it can be read") {
            let (position, bytes): (i64, _) = row.expect("it can be read");
            let place = position.unsigned_abs();
            let record = codec::decode(place, &bytes).expect("it is a record");
            if record.facts.message.starts_with(FLEETING) {
                self.known.insert(token(&record));
            }
            self.known_to = position;
        }
        self.known.clone()
    }

    /// How many logs have been read at least once.
    pub(crate) fn logs_read(&self) -> u32 {
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let count = journal.query_row("SELECT count(*) FROM mark", [], |row| row.get(0));
        count.expect("the table is there")
    }
}

impl trouble::Daemon for Outside {
    async fn bookmark(&self, endpoint: &str, log: &str) -> LogBookmark {
        let sql = "SELECT value FROM mark JOIN scope ON scope.id = mark.scope WHERE scope.name = ? AND mark.name = ?";
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = journal.query_row(sql, [endpoint, log], |row| row.get::<_, Vec<u8>>(0)).optional();
        let stored = stored.expect("the journal can be read");
        stored.as_deref().and_then(LogBookmark::decode).unwrap_or_default()
    }

    fn hears(&self, endpoint: &str) -> bool {
        let place = endpoint.rsplit('-').next().and_then(|place| place.parse().ok());
        Instant::now() >= self.deaf_until
            && self.network.carries(place.expect("names of a lab end with the place"))
    }
}
