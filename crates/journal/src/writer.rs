//! The writer: the one task that changes the journal. It groups requests into commits, deletes what retention says,
//! and after a failed commit refuses everything until the database has been opened again and has taken a write.
//!
//! It promises to answer only after the commit, in the order in which requests came. What a commit does to the tables
//! is not its business.

use std::{
    fs::File,
    sync::{Arc, PoisonError},
    time::Duration,
};

use rusqlite::Connection;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tracing::{debug, error, info, warn};

use crate::{
    AppendError, Appended, Retention, WallClock,
    commit::{self, Committed, Work},
    database,
    desk::{Desk, blocking},
    journal::Shared,
    retention::{self, Rest},
    totals::Totals,
};

/// How long the first request of a group waits for company: a sync costs milliseconds, an event may wait that long.
const LINGER: Duration = Duration::from_millis(50);

/// How often the writer looks meanwhile whether the group is full. Who sends then need not wake it: a wake-up for each
/// request costs more than storing it.
const GATHER_LOOK: Duration = Duration::from_millis(5);

/// Items in a group at which it is committed at once: beyond, a larger group hardly costs less per item.
const GROUP_ITEMS: usize = 512;

/// Requests in a group that is not kept waiting once a look finds nothing new: in a burst all who have more wait for an answer
/// first, and would get the next one 50 ms later for nothing. One that floods us alone has no company, and is slowed.
const COMPANY: usize = 16;

/// How often retention looks.
const RETENTION_INTERVAL: Duration = Duration::from_mins(1);

/// Commits after which retention looks earlier: under full load a minute is too much on a small disk.
const RETENTION_COMMITS: u32 = 200;

/// Between two slices of retention, so that what has queued up meanwhile is committed first.
const SLICE_PAUSE: Duration = Duration::from_millis(5);

/// The first pause before a database that failed is opened again; doubled up to the longest.
const REOPEN_FIRST: Duration = Duration::from_secs(1);

/// The longest pause: after a disk has been cleaned up, the operator should not wait longer.
const REOPEN_LONGEST: Duration = Duration::from_secs(30);

/// What a handle sends.
pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) reply: oneshot::Sender<Result<Appended, AppendError>>,
}

/// The task that writes: group commit (up to 512 items or 50 ms, or 16 requests to which nothing is added), retention. Its owner
/// awaits [`run`](Writer::run). Dropped before its time, it closes the journal; what was acknowledged is durable nevertheless.
pub struct Writer {
    requests: mpsc::Receiver<Request>,
    closing: watch::Receiver<bool>,
    shared: Arc<Shared>,
    desk: Desk,
    totals: Totals,
    retention: Retention,
    clock: WallClock,
    health: Health,
    next_prune: Instant,
    commits_until_prune: u32,
    untold_loss: u64,
    next_loss_line: Instant,
    /// Held, not used: when the writer is gone, another process may have the journal.
    _lock: Option<File>,
}

/// Whether the database takes writes.
enum Health {
    Sound,
    Failed { retry_at: Instant, pause: Duration },
}

/// What to do next.
enum Step {
    Commit(Vec<Request>),
    Prune,
    Reopen,
    End,
}

impl Writer {
    pub(crate) fn new(
        requests: mpsc::Receiver<Request>,
        shared: Arc<Shared>,
        desk: Desk,
        totals: Totals,
        (retention, clock, lock): (Retention, WallClock, Option<File>),
    ) -> Self {
        Self {
            requests,
            closing: shared.closing.subscribe(),
            shared,
            desk,
            totals,
            retention,
            clock,
            health: Health::Sound,
            next_prune: Instant::now(),
            commits_until_prune: RETENTION_COMMITS,
            untold_loss: 0,
            next_loss_line: Instant::now(),
            _lock: lock,
        }
    }

    /// Writes until [`Journal::close`](crate::Journal::close) or until every handle is dropped.
    pub async fn run(mut self) {
        loop {
            match self.next().await {
                Step::Commit(group) => self.commit(group).await,
                Step::Prune => self.prune().await,
                Step::Reopen => self.reopen().await,
                Step::End => break,
            }
        }
        self.finish().await;
    }

    /// Waits for the next thing to do; only waits, so that nothing is cancelled half done.
    async fn next(&mut self) -> Step {
        let due = match self.health {
            Health::Sound if self.commits_until_prune == 0 => Instant::now(),
            Health::Sound => self.next_prune,
            Health::Failed { retry_at, .. } => retry_at,
        };
        // Retention must have its turn under full load too, so what is due goes before what is asked.
        if due > Instant::now() {
            let first = tokio::select! {
                biased;
                request = received(&mut self.requests, &mut self.closing) => Some(request),
                () = sleep_until(due) => None,
            };
            match first {
                Some(Some(request)) => return Step::Commit(self.gather(request).await),
                Some(None) => return Step::End,
                None => {}
            }
        }
        match self.health {
            Health::Sound => Step::Prune,
            Health::Failed { .. } => Step::Reopen,
        }
    }

    /// Collects a group around its first request.
    async fn gather(&mut self, first: Request) -> Vec<Request> {
        let mut items = first.work.weight();
        let mut group = vec![first];
        if matches!(self.health, Health::Failed { .. }) {
            return group;
        }
        let deadline = Instant::now() + LINGER;
        let mut before = 0;
        loop {
            while items < GROUP_ITEMS
                && let Ok(request) = self.requests.try_recv()
            {
                items += request.work.weight();
                group.push(request);
            }
            let now = Instant::now();
            let is_last = *self.closing.borrow() || self.requests.is_closed();
            let all_wait = group.len() >= COMPANY && group.len() == before;
            if items >= GROUP_ITEMS || now >= deadline || is_last || all_wait {
                return group;
            }
            before = group.len();
            sleep_until((now + GATHER_LOOK).min(deadline)).await;
        }
    }

    async fn commit(&mut self, group: Vec<Request>) {
        if matches!(self.health, Health::Failed { .. }) {
            refuse(group, &AppendError::NotWritable);
            return;
        }
        let (totals, now_ms) = (self.totals, (self.clock)());
        let items: usize = group.iter().map(|request| request.work.weight()).sum();
        let started = Instant::now();
        let work = move |connection: &mut Connection| {
            let done = commit::commit(connection, totals, now_ms, group.iter().map(|request| &request.work));
            (group, done)
        };
        // Without a connection the runtime is going down, and the requests are answered by being dropped.
        let Some((group, done)) = self.desk.with(work).await else { return };
        match done {
            Ok(committed) => {
                self.count_commit(items as u64, started.elapsed(), committed.displaced);
                self.publish(group, committed);
            }
            Err(failure) => {
                // First the level, then the answers: who is refused and waits for `writable` must see it low.
                self.fail(&failure, REOPEN_FIRST);
                refuse(group, &AppendError::Commit { reason: failure.to_string() });
            }
        }
    }

    fn publish(&mut self, group: Vec<Request>, committed: Committed) {
        self.totals = committed.totals;
        self.commits_until_prune = self.commits_until_prune.saturating_sub(1);
        let head = committed.totals.head;
        self.shared.head.send_if_modified(|published| std::mem::replace(published, head) != head);
        for (request, answer) in group.into_iter().zip(committed.answers) {
            // Who no longer listens has given up waiting, not appending.
            drop(request.reply.send(Ok(answer)));
        }
    }

    fn count_commit(&self, items: u64, took: Duration, displaced: u64) {
        let mut counters = self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner);
        counters.commits += 1;
        counters.committed_items += items;
        counters.last_commit = took;
        counters.total_commit += took;
        counters.displaced_letters += displaced;
    }

    /// Deletes a slice; when there is more, the next one follows after the next group.
    async fn prune(&mut self) {
        self.next_prune = Instant::now() + RETENTION_INTERVAL;
        self.commits_until_prune = RETENTION_COMMITS;
        let (before, retention, now_ms) = (self.totals, self.retention, (self.clock)());
        let work = move |connection: &mut Connection| retention::prune(connection, before, retention, now_ms);
        match self.desk.with(work).await {
            Some(Ok(slice)) => {
                self.totals = slice.totals;
                self.tell_loss(slice.totals.pruned_undelivered - before.pruned_undelivered);
                if slice.rest == Rest::More {
                    self.next_prune = Instant::now() + SLICE_PAUSE;
                }
            }
            Some(Err(failure)) => self.fail(&failure, REOPEN_FIRST),
            None => {}
        }
    }

    /// One line a minute at most: with a dead sink and a full journal every slice is a loss.
    fn tell_loss(&mut self, records: u64) {
        self.untold_loss += records;
        if self.untold_loss > 0 && Instant::now() >= self.next_loss_line {
            warn!(records = self.untold_loss, "retention deleted records that a reader had not had");
            self.untold_loss = 0;
            self.next_loss_line = Instant::now() + RETENTION_INTERVAL;
        }
    }

    /// From now on everything is refused, until the database has been opened again. A commit that was tried again
    /// on the same connection might succeed on pages that the kernel has already dropped.
    fn fail(&mut self, failure: &dyn std::error::Error, pause: Duration) {
        self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner).failed_commits += 1;
        if matches!(self.health, Health::Sound) {
            error!(error = chain(failure), "the journal cannot be written; appends are refused");
        } else {
            debug!(error = chain(failure), "the journal still cannot be written");
        }
        self.health = Health::Failed { retry_at: Instant::now() + pause, pause };
        self.shared.writable.send_replace(false);
    }

    async fn reopen(&mut self) {
        let Health::Failed { pause, .. } = self.health else { return };
        let failure: Box<dyn std::error::Error + Send + Sync> = match self.try_reopen().await {
            Ok(totals) => {
                self.totals = totals;
                self.health = Health::Sound;
                self.shared.head.send_replace(totals.head);
                self.shared.writable.send_replace(true);
                info!("the journal can be written again");
                return;
            }
            Err(failure) => failure,
        };
        self.fail(failure.as_ref(), (pause * 2).min(REOPEN_LONGEST));
    }

    /// Opens the file again, for writing and for reading, and lets it take a write. Memory has no file: there the
    /// same connection has to take it.
    async fn try_reopen(&self) -> Result<Totals, Box<dyn std::error::Error + Send + Sync>> {
        if let Some(path) = self.shared.path.clone() {
            self.desk.close();
            let opened = blocking(move || {
                let mut write = database::open(&path)?;
                let probed = database::probe(&mut write);
                probed.map_err(|source| database::refused(&path, source))?;
                let readers = (database::open_reader(&path)?, database::open_reader(&path)?);
                Ok::<_, crate::OpenError>((write, readers))
            });
            let (write, (reader, searcher)) = opened.await.ok_or(AppendError::Closed)??;
            // Whoever made room may have put another journal there.
            self.shared.key_order.send_replace(database::key_order(&write)?);
            self.desk.replace(write);
            self.shared.reader.replace(reader);
            self.shared.searcher.replace(searcher);
        } else {
            self.desk.with(database::probe).await.ok_or(AppendError::Closed)??;
        }
        Ok(self.desk.with(|connection| Totals::load(connection)).await.ok_or(AppendError::Closed)??)
    }

    async fn finish(self) {
        if self.shared.path.is_some() {
            self.shared.reader.close();
            self.shared.searcher.close();
            let tidy = |connection: &mut Connection| {
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
            };
            if let Some(Err(failure)) = self.desk.with(tidy).await {
                // Everything is in the write-ahead log, and opening replays it.
                warn!(error = %failure, "the journal's write-ahead log could not be emptied at closing");
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.reader.close();
        self.shared.searcher.close();
        self.desk.close();
    }
}

/// The next request. After closing was asked for, those that are left; then none.
async fn received(
    requests: &mut mpsc::Receiver<Request>,
    closing: &mut watch::Receiver<bool>,
) -> Option<Request> {
    tokio::select! {
        biased;
        // The other end lives in what this task shares with the handles, so it never errs.
        _ = closing.wait_for(|closing| *closing) => requests.close(),
        request = requests.recv() => return request,
    }
    requests.recv().await
}

/// An error and its causes in one line.
fn chain(failure: &dyn std::error::Error) -> String {
    std::iter::successors(failure.source(), |cause| cause.source())
        .fold(failure.to_string(), |line, cause| format!("{line}: {cause}"))
}

fn refuse(group: Vec<Request>, error: &AppendError) {
    for request in group {
        drop(request.reply.send(Err(error.clone())));
    }
}

#[cfg(test)]
mod tests;
