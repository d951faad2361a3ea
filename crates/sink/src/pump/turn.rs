//! One turn of the pump: put aside what is poison, or acknowledge what the sink has, or read a batch, or deliver a piece
//! of one. What was done before an error is not done again.
//!
//! The order is the promise: deliver, put aside what will never be taken, move, acknowledge. Not here: waiting, and what
//! follows from an error (`pump`).

use std::sync::Arc;

use journal::{AppendError, DeadLetter, Position, ReadError, Stored};
use tokio::time::Instant;
use tracing::{info, warn};

use super::{BATCHES_PER_ACKNOWLEDGEMENT, Progress, Pump};
use crate::{
    SinkError,
    chain::Chain,
    lag,
    selection::Selected,
    sink::{Again, Delivered, Recovery, Unnamed},
    triage::{Reason, Verdict},
};

/// Between two lines about refused records: a peer that refuses much must not fill the log.
const REFUSED_LINE_EVERY: std::time::Duration = std::time::Duration::from_mins(1);

/// What is kept of an error beside a dead letter: enough for what a peer says, and bounded.
const LETTER_ERROR_CHARS_MAX: usize = 2000;

/// One turn of the pump did not succeed.
#[derive(Debug, thiserror::Error)]
pub(super) enum TurnError {
    #[error("learn the position of the sink")]
    Position(#[source] ReadError),
    #[error("read the next records")]
    Read(#[source] ReadError),
    #[error(transparent)]
    Deliver(SinkError),
    #[error("deliver to a peer that refuses every record")]
    TakesNothing(#[source] Said),
    #[error("keep what the peer will never take")]
    PutAside(#[source] AppendError),
    #[error("acknowledge what the sink has")]
    Acknowledge(#[source] AppendError),
}

/// What a peer said of a record.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Said(String);

impl TurnError {
    pub(super) fn recovery(&self) -> Recovery {
        match self {
            Self::Position(ReadError::Closed)
            | Self::Read(ReadError::Closed)
            | Self::PutAside(AppendError::Closed)
            | Self::Acknowledge(AppendError::Closed) => Recovery::End,
            Self::Position(_) | Self::Read(_) | Self::PutAside(_) | Self::Acknowledge(_) => {
                Recovery::Retry { after: None }
            }
            Self::TakesNothing(_) => Recovery::Act,
            Self::Deliver(error) => error.recovery(),
        }
    }
}

impl Pump {
    pub(super) async fn turn(&mut self) -> Result<(), TurnError> {
        if !self.poison.is_empty() {
            return self.put_aside().await;
        }
        if let Some(piece) = self.triage.next() {
            return self.deliver(piece).await;
        }
        self.learn_position().await?;
        let head = *self.head.borrow();
        let Progress { delivered, batches, .. } = self.progress;
        // A sink that was down shows at once that it is back.
        let enough = batches >= BATCHES_PER_ACKNOWLEDGEMENT || !self.view.borrow().up;
        if self.progress.is_unacknowledged() && (delivered >= head || enough) {
            return self.acknowledge().await;
        }
        if self.read(head).await? {
            return Ok(());
        }
        if self.progress.is_unacknowledged() { self.acknowledge().await } else { Ok(()) }
    }

    async fn learn_position(&mut self) -> Result<(), TurnError> {
        if self.progress.acknowledged.is_some() {
            return Ok(());
        }
        let position = self.journal.position(&self.name).await.map_err(TurnError::Position)?;
        self.progress.acknowledged = Some(position);
        self.progress.delivered = position;
        self.view.send_modify(|view| view.position = position);
        Ok(())
    }

    /// Takes the next batch up; false when there is none.
    async fn read(&mut self, head: Position) -> Result<bool, TurnError> {
        let batch = self
            .journal
            .read_after(self.progress.delivered, self.sink.batch())
            .await
            .map_err(TurnError::Read)?;
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
            self.progress.looked = head;
            return Ok(false);
        };
        self.skip_deleted(first.position);
        self.progress.reading = last.position;
        let now_ms = self.clock.now().timestamp_millis();
        let Selected { kept, filtered, expired } =
            self.selection.select(batch, self.progress.counted, now_ms);
        self.progress.counted = self.progress.counted.max(self.progress.reading);
        if filtered + expired > 0 {
            if expired > 0 {
                warn!(sink = %self.name, records = expired, "records were older than max_lag and are skipped");
            }
            self.view.send_modify(|view| {
                view.filtered += filtered;
                view.expired += expired;
            });
        }
        self.triage.begin(kept);
        self.move_on();
        Ok(true)
    }

    /// Positions have no holes when written, so a hole is what retention deleted. A sink that never had anything
    /// begins with the oldest record there is, and has lost nothing.
    fn skip_deleted(&mut self, first: Position) {
        let delivered = self.progress.delivered;
        let expired = first.saturating_sub(delivered + 1);
        if delivered == 0 || expired == 0 {
            return;
        }
        warn!(sink = %self.name, records = expired, "records expired before the sink had them");
        self.view.send_modify(|view| view.expired += expired);
        // There is nothing more to deliver in the hole, and a batch that is read again must not count it again.
        self.progress.delivered = first - 1;
    }

    async fn deliver(&mut self, piece: Arc<[Stored]>) -> Result<(), TurnError> {
        let started = Instant::now();
        let answer = self.sink.deliver(Arc::clone(&piece), &self.journal).await;
        self.deliveries.observe(started.elapsed().as_secs_f64());
        let (verdict, again) = match answer {
            Ok(delivered) => self.answered(&piece, delivered),
            Err(error) => (self.not_delivered(&piece, error)?, None),
        };
        match verdict {
            Verdict::GoOn => {}
            Verdict::Poison(found) => self.poison.extend(found),
            Verdict::NotTheRecords => {
                // The next read begins behind what was moved past.
                let said = self.view.borrow().last_refusal.clone().unwrap_or_default();
                return Err(TurnError::TakesNothing(Said(said)));
            }
        }
        if self.poison.is_empty() {
            self.move_on();
        }
        again.map_or(Ok(()), |again| Err(TurnError::Deliver(again.error)))
    }

    fn answered(&mut self, piece: &[Stored], delivered: Delivered) -> (Verdict, Option<Again>) {
        let Delivered { refused, unnamed, again } = delivered;
        let positions = again.as_ref().map_or(&[][..], |again| &again.positions);
        let nameless = unnamed.as_ref().map_or(0, |unnamed| unnamed.records);
        let lost = nameless + (refused.len() + positions.len()) as u64;
        let taken = (piece.len() as u64).saturating_sub(lost);
        let said = refused.last().map(|refused| refused.error.clone());
        self.view.send_modify(|view| {
            match (&again, taken) {
                (Some(again), _) => view.attempts.failed(again.error.recovery()),
                (None, 0) => view.attempts.permanent += 1,
                (None, _) => view.attempts.success += 1,
            }
            view.delivered += taken;
            view.rejected += nameless;
            view.last_refusal = said.or(view.last_refusal.take());
        });
        if let Some(Unnamed { records, said }) = &unnamed {
            self.tell_refused(*records, said, "the peer refused records for good and did not say which");
        }
        let verdict = self.triage.answered(refused, positions);
        (verdict, again)
    }

    fn not_delivered(&mut self, piece: &[Stored], error: SinkError) -> Result<Verdict, TurnError> {
        let recovery = error.recovery();
        let pending = piece.first().and_then(lag::observed_at);
        let said = Chain(&error).to_string();
        self.view.send_modify(|view| {
            view.attempts.failed(recovery);
            if let Recovery::Refused(_) = recovery {
                view.last_refusal = Some(said.clone());
            }
            view.oldest_pending_at = pending;
        });
        match recovery {
            Recovery::Refused(reason) => Ok(self.triage.refused(reason, &said)),
            Recovery::Retry { .. } | Recovery::Act | Recovery::End => {
                if self.selection.max_lag.is_some() {
                    // It is selected again when it is tried again: meanwhile it may have become too old.
                    self.triage.abandon();
                }
                Err(TurnError::Deliver(error))
            }
        }
    }

    /// Moves up to what stands open.
    fn move_on(&mut self) {
        let progress = &mut self.progress;
        if let Some(open) = self.triage.first_open() {
            progress.delivered = progress.delivered.max(open - 1);
        } else {
            progress.delivered = progress.reading;
            progress.batches += 1;
        }
    }

    /// Keeps poison as dead letters. Only then may the position pass it.
    async fn put_aside(&mut self) -> Result<(), TurnError> {
        let letter = |refused: &crate::triage::Refused| DeadLetter {
            position: refused.record.position,
            error: refused.error.chars().take(LETTER_ERROR_CHARS_MAX).collect(),
            bytes: refused.record.bytes.clone(),
        };
        let letters: Vec<DeadLetter> = self.poison.iter().map(letter).collect();
        self.journal.put_aside(&self.name, letters).await.map_err(TurnError::PutAside)?;
        let poison = std::mem::take(&mut self.poison);
        let count = |reason| poison.iter().filter(|refused| refused.reason == reason).count() as u64;
        let (rejected, too_large) = (count(Reason::Rejected), count(Reason::TooLarge));
        self.view.send_modify(|view| {
            view.rejected += rejected;
            view.too_large += too_large;
        });
        let said = poison.last().map_or("", |refused| &refused.error);
        let what = "the peer will never take some records; they are kept as dead letters";
        self.tell_refused(rejected + too_large, said, what);
        self.move_on();
        Ok(())
    }

    /// At most one line a minute; what came between is in the next one's count.
    fn tell_refused(&mut self, records: u64, said: &str, what: &str) {
        self.told.refused += records;
        if Instant::now() >= self.told.next_refused {
            warn!(sink = %self.name, records = self.told.refused, error = %said, "{what}");
            self.told.refused = 0;
            self.told.next_refused = Instant::now() + REFUSED_LINE_EVERY;
        }
    }

    async fn acknowledge(&mut self) -> Result<(), TurnError> {
        let position = self.progress.delivered;
        self.journal.acknowledge(&self.name, position).await.map_err(TurnError::Acknowledge)?;
        self.progress.acknowledged = Some(position);
        self.progress.batches = 0;
        let now = self.clock.now();
        let was_down = !self.view.borrow().up;
        let failures = self.backoff.failures();
        self.view.send_modify(|view| {
            view.position = position;
            view.up = true;
            view.last_success_at = Some(now);
            view.oldest_pending_at = None;
        });
        self.backoff.reset();
        self.told.act = false;
        if was_down {
            info!(sink = %self.name, failures, "sink is back");
        }
        Ok(())
    }
}
