//! The pump: reads the journal after the sink's position, hands a batch to the sink, and acknowledges it after the
//! sink's word. One per sink, so that a slow or dead sink delays only itself.
//!
//! A failing sink is tried for ever. What it does when it is told to stop: it delivers what the journal held at that
//! moment, within [`DRAIN_DEADLINE`]; what is left is delivered by the next start. Dropping the pump at any await is
//! safe: it is as if the process had been killed, and no record is lost by that.
//! Not here: what a sink does with a batch (`file`, `stdout`).

use std::time::Duration;

use journal::{AppendError, Journal, Position, ReadError, ReadLimit, Stored};
use model::{Clock, codec};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::{
    SinkConfig, SinkError, SinkStatus, SinkView,
    backoff::Backoff,
    chain::Chain,
    sink::{Recovery, Sink},
};

/// One batch: enough that a sync per batch costs little per record, small enough that one is held in memory per sink.
const BATCH: ReadLimit = ReadLimit { records: 512, bytes: 4 << 20 };

/// While there is a backlog, an acknowledgement is a commit of the journal per so many batches: a commit waits for others
/// to join it, which would otherwise set the pace. A kill meanwhile repeats them, which "at least once" allows.
const BATCHES_PER_ACKNOWLEDGEMENT: u32 = 16;

/// How long a stopping pump goes on delivering. Service managers kill after 30 s or more; the journal closes after us.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// Carries the journal to one sink. Its owner awaits [`run`](Self::run).
pub struct Pump {
    name: String,
    sink: Sink,
    journal: Journal,
    head: watch::Receiver<Position>,
    clock: Clock,
    backoff: Backoff,
    progress: Progress,
    view: watch::Sender<SinkView>,
}

/// How far the sink is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Where the journal says it stands; `None` until asked.
    acknowledged: Option<Position>,
    /// The last position that the sink has; ahead of `acknowledged` until that is acknowledged too.
    delivered: Position,
    /// Batches delivered since the last acknowledgement.
    batches: u32,
    /// The newest position at the last read that found nothing.
    looked: Position,
}

impl Progress {
    /// The journal has not been told everything, or its position is not even known.
    fn is_unacknowledged(self) -> bool {
        self.acknowledged != Some(self.delivered)
    }
}

/// One turn of the pump did not succeed.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error("learn the position of the sink")]
    Position(#[source] ReadError),
    #[error("read the next records")]
    Read(#[source] ReadError),
    #[error(transparent)]
    Deliver(SinkError),
    #[error("acknowledge what the sink has")]
    Acknowledge(#[source] AppendError),
}

impl TurnError {
    fn recovery(&self) -> Recovery {
        match self {
            Self::Position(ReadError::Closed)
            | Self::Read(ReadError::Closed)
            | Self::Acknowledge(AppendError::Closed) => Recovery::End,
            Self::Position(_) | Self::Read(_) | Self::Acknowledge(_) => Recovery::Retry,
            Self::Deliver(error) => error.recovery(),
        }
    }
}

/// Why the pump's loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped,
    Final,
}

impl Pump {
    /// A pump for the sink `name`, and the handle to its status. `seed` decides the jitter of its retries.
    pub fn new(
        name: String,
        config: SinkConfig,
        journal: Journal,
        clock: Clock,
        seed: u64,
    ) -> (Self, SinkStatus) {
        let (view, reader) = watch::channel(SinkView::new(name.clone(), config.kind()));
        let head = journal.head();
        let status = SinkStatus::new(reader, head.clone());
        let pump = Self {
            name,
            sink: config.build(),
            journal,
            head,
            clock,
            backoff: Backoff::seeded(seed),
            progress: Progress::default(),
            view,
        };
        (pump, status)
    }

    /// Carries records until `stop`, until the journal closes, or until nobody reads the sink any more.
    pub async fn run(mut self, stop: CancellationToken) {
        let name = self.name.clone();
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN_DEADLINE).await;
        };
        tokio::select! {
            biased;
            end = self.carry(&stop) => debug!(sink = %name, ?end, "sink has ended"),
            () = late => warn!(sink = %name, "sink did not finish in time; the next start delivers the rest"),
        }
    }

    async fn carry(&mut self, stop: &CancellationToken) -> End {
        loop {
            let Progress { delivered, looked, .. } = self.progress;
            let busy = self.progress.is_unacknowledged();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                moved = self.head.wait_for(|head| busy || *head > delivered.max(looked)) => {
                    if moved.is_err() { return End::Final }
                }
            }
            if let Err(error) = self.turn().await {
                if self.failed(&error) == Recovery::End {
                    return End::Final;
                }
                let wait = self.backoff.next();
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
        self.drain().await
    }

    /// Delivers what the journal holds now. Its time is limited by `run`.
    async fn drain(&mut self) -> End {
        let target = *self.head.borrow();
        while self.progress.acknowledged.is_none_or(|position| position < target)
            && self.progress.looked < target
        {
            if let Err(error) = self.turn().await {
                if self.failed(&error) == Recovery::End {
                    return End::Final;
                }
                tokio::time::sleep(self.backoff.next()).await;
            }
        }
        End::Stopped
    }

    /// One step: acknowledge what the sink has, or else read a batch and deliver it. What was done before an error is
    /// not done again.
    async fn turn(&mut self) -> Result<(), TurnError> {
        self.learn_position().await?;
        let head = *self.head.borrow();
        let Progress { delivered, batches, .. } = self.progress;
        if self.progress.is_unacknowledged() && (delivered >= head || batches >= BATCHES_PER_ACKNOWLEDGEMENT)
        {
            return self.acknowledge().await;
        }
        let batch = self.journal.read_after(delivered, BATCH).await.map_err(TurnError::Read)?;
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else {
            self.progress.looked = head;
            return if self.progress.is_unacknowledged() { self.acknowledge().await } else { Ok(()) };
        };
        self.skip_expired(first.position);
        let (first, last, records) = (first.clone(), last.position, batch.len() as u64);
        if let Err(error) = self.sink.deliver(batch, &self.journal).await {
            self.note_pending(&first);
            return Err(TurnError::Deliver(error));
        }
        self.progress.delivered = last;
        self.progress.batches += 1;
        self.view.send_modify(|view| {
            view.attempts.success += 1;
            view.delivered += records;
        });
        Ok(())
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
        if was_down {
            info!(sink = %self.name, failures, "sink is back");
        }
        Ok(())
    }

    /// Positions have no holes when written, so a hole is what retention deleted. A sink that never had anything
    /// begins with the oldest record there is, and has lost nothing.
    fn skip_expired(&mut self, first: Position) {
        let delivered = self.progress.delivered;
        let expired = first.saturating_sub(delivered + 1);
        if delivered == 0 || expired == 0 {
            return;
        }
        warn!(sink = %self.name, records = expired, "records expired before the sink had them");
        self.view.send_modify(|view| view.expired += expired);
        // There is nothing more to deliver in the hole, and a batch that is tried again must not count it again.
        self.progress.delivered = first - 1;
    }

    fn note_pending(&self, first: &Stored) {
        let observed = codec::decode(first.position, &first.bytes).ok().map(|record| record.observed_at);
        self.view.send_modify(|view| view.oldest_pending_at = observed);
    }

    /// Books a failure and says what follows. A state change is logged once; repeats only at debug.
    fn failed(&self, error: &TurnError) -> Recovery {
        let recovery = error.recovery();
        let now = self.clock.now();
        let was_up = self.view.borrow().up;
        let text = Chain(error).to_string();
        match (recovery, was_up) {
            (Recovery::End, _) => {
                info!(sink = %self.name, error = %text, "sink has ended; the next start goes on from its position");
            }
            (Recovery::Retry, true) => warn!(sink = %self.name, error = %text, "sink is down"),
            (Recovery::Retry, false) => {
                debug!(sink = %self.name, error = %text, failures = self.backoff.failures(), "sink is still down");
            }
        }
        self.view.send_modify(|view| {
            view.up = false;
            view.ended = recovery == Recovery::End;
            view.last_error = Some(text);
            view.last_error_at = Some(now);
            if let TurnError::Deliver(_) = error {
                match recovery {
                    Recovery::Retry => view.attempts.retryable += 1,
                    Recovery::End => view.attempts.permanent += 1,
                }
            }
        });
        recovery
    }
}
