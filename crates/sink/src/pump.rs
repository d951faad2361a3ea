//! The pump: reads the journal after the sink's position, hands batches to the sink, and acknowledges them after the sink's
//! word. One per sink, so that a slow or dead sink delays only itself.
//!
//! A failing sink is tried for ever; records that its peer will never take are put aside as dead letters, so that they
//! hold up no other. What it does when it is told to stop: it delivers what the journal held at that moment, within
//! [`DRAIN_DEADLINE`]; what is left is delivered by the next start. Dropping the pump at any await is safe: it is as if
//! the process had been killed, and no record is lost by that.
//! Not here: what a sink does with a batch (`sink`), which records it gets (`selection`), which ones are to blame for a
//! refusal (`triage`).

mod turn;

use std::time::Duration;

use journal::{Journal, Position};
use model::Clock;
use prometheus::Histogram;
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};
use turn::TurnError;

use crate::{
    Metrics, Selection, SinkConfig, SinkStatus, SinkView,
    backoff::Backoff,
    chain::Chain,
    lag::LagWatch,
    sink::{Recovery, Sink},
    triage::{Refused, Triage},
};

/// While there is a backlog, an acknowledgement is a commit of the journal per so many batches: a commit waits for others
/// to join it, which would otherwise set the pace. A kill meanwhile repeats them, which "at least once" allows.
const BATCHES_PER_ACKNOWLEDGEMENT: u32 = 16;

/// How long a stopping pump goes on delivering. Service managers kill after 30 s or more; the journal closes after us.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(5);

/// What an operator asked of one sink.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its name, under which the journal keeps its position.
    pub name: String,
    /// What it does with records.
    pub sink: SinkConfig,
    /// Which records reach it.
    pub selection: Selection,
}

/// What every pump works with.
#[derive(Clone)]
pub struct Dependencies {
    /// Where records come from and positions are kept.
    pub journal: Journal,
    /// Wall time.
    pub clock: Clock,
    /// Decides the jitter of retries.
    pub seed: u64,
    /// Where deliveries are timed.
    pub metrics: Metrics,
    /// Each change is a wish that files be opened anew.
    pub reopen: watch::Receiver<u64>,
}

/// Carries the journal to one sink. Its owner awaits [`run`](Self::run).
pub struct Pump {
    name: String,
    sink: Sink,
    selection: Selection,
    journal: Journal,
    head: watch::Receiver<Position>,
    clock: Clock,
    backoff: Backoff,
    progress: Progress,
    triage: Triage,
    /// Poison that is not yet in the journal as dead letters; nothing moves before it is.
    poison: Vec<Refused>,
    told: Told,
    deliveries: Histogram,
    reopen: watch::Receiver<u64>,
    view: watch::Sender<SinkView>,
}

/// How far the sink is.
#[derive(Debug, Clone, Copy, Default)]
struct Progress {
    /// Where the journal says it stands; `None` until asked.
    acknowledged: Option<Position>,
    /// Everything up to here the sink has, or will never have; ahead of `acknowledged` until that is acknowledged too.
    delivered: Position,
    /// The last position of the batch that is on its way.
    reading: Position,
    /// The last position whose selection was counted; a batch that is read again is not counted again.
    counted: Position,
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

/// What stands in the log already.
#[derive(Debug)]
struct Told {
    /// That somebody must act.
    act: bool,
    /// Refused records that no line has told yet, and when the next line may.
    refused: u64,
    next_refused: Instant,
}

/// Why the pump's loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Stopped,
    Final,
}

impl Pump {
    /// A pump for a sink, and the handle to its status.
    pub fn new(settings: Settings, with: Dependencies) -> (Self, SinkStatus) {
        let Settings { name, sink, selection } = settings;
        let (view, reader) = watch::channel(SinkView::new(name.clone(), sink.kind()));
        let head = with.journal.head();
        let status = SinkStatus::new(reader, head.clone());
        let pump = Self {
            sink: sink.build(),
            selection,
            head,
            clock: with.clock,
            backoff: Backoff::seeded(with.seed),
            progress: Progress::default(),
            triage: Triage::default(),
            poison: Vec::new(),
            told: Told { act: false, refused: 0, next_refused: Instant::now() },
            deliveries: with.metrics.deliveries(&name),
            journal: with.journal,
            reopen: with.reopen,
            view,
            name,
        };
        (pump, status)
    }

    /// Carries records until `stop`, until the journal closes, or until nobody reads the sink any more.
    pub async fn run(mut self, stop: CancellationToken) {
        let name = self.name.clone();
        let lag = LagWatch {
            name: self.name.clone(),
            journal: self.journal.clone(),
            clock: self.clock.clone(),
            view: self.view.clone(),
        };
        let late = async {
            stop.cancelled().await;
            tokio::time::sleep(DRAIN_DEADLINE).await;
        };
        tokio::select! {
            biased;
            end = self.carry(&stop) => debug!(sink = %name, ?end, "sink has ended"),
            () = late => warn!(sink = %name, "sink did not finish in time; the next start delivers the rest"),
            () = lag.run() => {}
        }
    }

    async fn carry(&mut self, stop: &CancellationToken) -> End {
        loop {
            let Progress { delivered, looked, .. } = self.progress;
            let busy = self.is_busy();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Ok(()) = self.reopen.changed() => {
                    self.sink.reopen_later();
                    continue;
                }
                moved = self.head.wait_for(|head| busy || *head > delivered.max(looked)) => {
                    if moved.is_err() { return End::Final }
                }
            }
            if let Err(error) = self.turn().await {
                let Some(wait) = self.failed(&error) else { return End::Final };
                tokio::select! {
                    biased;
                    () = stop.cancelled() => break,
                    () = tokio::time::sleep(wait) => {}
                }
            }
        }
        self.drain().await
    }

    /// There is something to do, whether or not there is news.
    fn is_busy(&self) -> bool {
        self.progress.is_unacknowledged() || !self.triage.is_done() || !self.poison.is_empty()
    }

    /// Delivers what the journal holds now. Its time is limited by `run`.
    async fn drain(&mut self) -> End {
        let target = *self.head.borrow();
        while self.progress.acknowledged.is_none_or(|position| position < target)
            && (self.progress.looked < target || self.is_busy())
        {
            if let Err(error) = self.turn().await {
                let Some(wait) = self.failed(&error) else { return End::Final };
                tokio::time::sleep(wait).await;
            }
        }
        End::Stopped
    }

    /// Books a failure and says how long to wait, if it can be mended. A state change is logged once; repeats only at debug.
    fn failed(&mut self, error: &TurnError) -> Option<Duration> {
        let recovery = error.recovery();
        let now = self.clock.now();
        let was_up = self.view.borrow().up;
        let text = Chain(error).to_string();
        match recovery {
            Recovery::End => {
                info!(sink = %self.name, error = %text, "sink has ended; the next start goes on from its position");
            }
            Recovery::Act if !self.told.act => {
                self.told.act = true;
                error!(sink = %self.name, error = %text, "sink is refused and waits for somebody to act");
            }
            Recovery::Retry { .. } | Recovery::Refused(_) if was_up => {
                warn!(sink = %self.name, error = %text, "sink is down");
            }
            Recovery::Retry { .. } | Recovery::Refused(_) | Recovery::Act => {
                debug!(sink = %self.name, error = %text, failures = self.backoff.failures(), "sink is still down");
            }
        }
        self.view.send_modify(|view| {
            view.up = false;
            view.ended = recovery == Recovery::End;
            view.last_error = Some(text);
            view.last_error_at = Some(now);
        });
        match recovery {
            Recovery::End => None,
            Recovery::Retry { after: Some(after) } => Some(self.backoff.next_not_before(after)),
            Recovery::Retry { after: None } | Recovery::Refused(_) | Recovery::Act => {
                Some(self.backoff.next())
            }
        }
    }
}
