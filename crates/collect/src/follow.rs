//! On an open stream: buffer while the logs are read, then follow, batch, ingest; reconcile on a timer; notice a dead
//! stream by its bytes.
//!
//! The select only waits; what came is worked off after it, so that nothing is half done when the collector is stopped.

use std::{collections::VecDeque, pin::Pin, time::Duration};

use futures_util::{FutureExt, future::OptionFuture};
use model::Origin;
use redfish::{Event, EventStream, RequestError, StreamError, StreamItem};
use tokio::{sync::SemaphorePermit, time::Instant};

use crate::{
    State,
    catch_up::{self, Logs, Occasion, PARTIAL_AGAIN_AFTER, Tally},
    collector::{Broken, Context},
    ingest::Offer,
    status::StreamTrouble,
    stream::StreamRun,
};

/// Events held while the logs are read. When it is full the stream is not read on: TCP holds the BMC back.
const BUFFER_EVENTS_MAX: usize = 1024;

/// Bytes of such events.
const BUFFER_BYTES_MAX: usize = 4 << 20;

/// Events handed to the journal at once; more wait in the socket.
const BATCH_EVENTS_MAX: usize = 64;

/// Batches of more than one event that are under way at once, over all endpoints: four full commits of the journal. In a
/// burst on every stream the others' events wait in their sockets, not in our memory, which would stay ours.
pub(crate) const BURSTS_MAX: usize = 32;

/// How often a stream that is silent by nature (bmcweb sends no keep-alives) is proved by a small request. A request every
/// few minutes costs a BMC nothing, and a dead stream is noticed before the next reconciliation.
const SIDE_READ_AFTER: Duration = Duration::from_mins(5);

/// How many events are remembered to count those that say exactly the same. Equal events come within one second.
const EQUALS_REMEMBERED: usize = 64;

/// How a stream ended.
#[derive(Debug)]
pub(crate) struct Closed {
    pub(crate) why: Why,
    pub(crate) lived: Duration,
    pub(crate) silent_for: Duration,
}

/// Why it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// The collector was told to end.
    Stopped,
    /// The journal takes no records: the stream is closed, and the BMC's own log is the buffer.
    Journal,
    /// Something went wrong with it.
    Trouble(StreamTrouble),
}

type Reading<'a> = Pin<Box<dyn Future<Output = (Option<Box<Logs>>, Result<Tally, Broken>)> + Send + 'a>>;

/// A small request that proves that the BMC is there. It runs beside the stream and beside a reading: whoever waited for it
/// alone would keep a reading from giving its turn back, and leave events in a socket that may break.
type SideRead<'a> = Pin<Box<dyn Future<Output = Result<(), RequestError>> + Send + 'a>>;

struct Following<'a> {
    context: &'a Context,
    stream: EventStream,
    reading: Option<Reading<'a>>,
    side_read: Option<SideRead<'a>>,
    buffer: Vec<Event>,
    buffer_bytes: usize,
    equals: VecDeque<[u8; 16]>,
    backfill: Backfill,
    opened_at: Instant,
    proven: bool,
    reconcile_at: Instant,
    side_read_at: Instant,
}

/// Whether the logs have been read once behind this stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backfill {
    Going,
    Done,
}

/// What woke the loop.
enum Woken {
    Stopped,
    Read(Option<Box<Logs>>, Result<Tally, Broken>),
    SideRead(Result<(), RequestError>),
    Item(Result<StreamItem, StreamError>),
    Timer,
}

/// Follows an open stream to its end.
pub(crate) async fn follow(context: &Context, run: &mut StreamRun, stream: EventStream) -> Closed {
    let opened_at = Instant::now();
    context.status.connected();
    context.world.metrics.stream_opened();
    if context.registry().reason(context.id()).is_some() {
        // On trial: whether that is worth a word is known when the stream has proved itself.
        context.status.answered(context.now());
        context.status.enter(State::Streaming, None, context.now());
    } else {
        context.well(State::Streaming, None);
    }
    let reading = read_logs(context, run.logs.take(), Origin::Backfill);
    let mut following = Following {
        context,
        stream,
        reading: Some(reading),
        side_read: None,
        buffer: Vec::new(),
        buffer_bytes: 0,
        equals: VecDeque::new(),
        backfill: Backfill::Going,
        opened_at,
        proven: false,
        reconcile_at: opened_at + context.wish.logs.reconcile_interval,
        side_read_at: opened_at + SIDE_READ_AFTER,
    };
    let why = following.run(run).await;
    following.keep_held(why).await;
    let now = Instant::now();
    let closed = Closed {
        why,
        lived: now.duration_since(opened_at),
        silent_for: now.duration_since(following.stream.last_byte_at()),
    };
    let label = match why {
        Why::Stopped => "shutdown",
        Why::Journal => "journal",
        Why::Trouble(trouble) => trouble.label(),
    };
    context.world.metrics.received(following.stream.bytes(), following.stream.replaced());
    context.world.metrics.stream_closed(label);
    run.last_event_id = following.stream.last_event_id().map(str::to_owned);
    closed
}

/// Looks the logs up where that is due and reads them; hands the look-up back for the next time.
fn read_logs(context: &Context, logs: Option<Box<Logs>>, origin: Origin) -> Reading<'_> {
    let occasion = Occasion { origin, since: context.now() };
    Box::pin(async move {
        let max_age = context.wish.logs.periodic.state_refresh_interval;
        let logs = match catch_up::look_up(context, logs, max_age).await {
            Ok(logs) => logs,
            Err(error) => return (None, Err(Broken::Request(error))),
        };
        let tally = catch_up::catch_up(context, &logs, occasion).await;
        (Some(logs), tally)
    })
}

impl Following<'_> {
    async fn run(&mut self, run: &mut StreamRun) -> Why {
        loop {
            let woken = self.wait().await;
            let follows = match woken {
                Woken::Stopped => Err(Why::Stopped),
                Woken::Read(logs, tally) => self.logs_read(run, logs, tally).await,
                Woken::SideRead(alive) => self.proved_alive(alive),
                Woken::Item(item) => self.item(run, item).await,
                Woken::Timer => self.timer(run),
            };
            if let Err(why) = follows {
                return why;
            }
        }
    }

    /// Waits for the next thing to do, and does nothing.
    async fn wait(&mut self) -> Woken {
        let has_room = self.buffer.len() < BUFFER_EVENTS_MAX && self.buffer_bytes < BUFFER_BYTES_MAX;
        let timer_at = self.next_timer();
        let reading: OptionFuture<_> = self.reading.as_mut().into();
        let side_read: OptionFuture<_> = self.side_read.as_mut().into();
        tokio::select! {
            biased;
            () = self.context.stop.cancelled() => Woken::Stopped,
            Some((logs, tally)) = reading => Woken::Read(logs, tally),
            Some(alive) = side_read => Woken::SideRead(alive),
            item = self.stream.next(), if has_room => Woken::Item(item),
            () = tokio::time::sleep_until(timer_at) => Woken::Timer,
        }
    }

    fn next_timer(&self) -> Instant {
        let settings = &self.context.wish.logs;
        let mut at = self.side_read_at;
        if self.stream.sends_keep_alives() {
            at = self.stream.last_byte_at() + settings.sse.idle_timeout;
        }
        if !self.proven {
            at = at.min(self.opened_at + settings.auto.min_stream_lifetime);
        }
        if self.reading.is_none() {
            at = at.min(self.reconcile_at);
        }
        at
    }

    fn timer(&mut self, run: &mut StreamRun) -> Result<(), Why> {
        let now = Instant::now();
        let settings = &self.context.wish.logs;
        if !self.proven && now.duration_since(self.opened_at) >= settings.auto.min_stream_lifetime {
            self.prove(run);
        }
        if self.reading.is_none() && now >= self.reconcile_at {
            self.reconcile_at = now + settings.reconcile_interval;
            self.reading = Some(read_logs(self.context, run.logs.take(), Origin::Reconcile));
        }
        let silent = now.duration_since(self.stream.last_byte_at());
        if self.stream.sends_keep_alives() {
            if silent >= settings.sse.idle_timeout {
                return Err(Why::Trouble(StreamTrouble::Idle));
            }
        } else if now >= self.side_read_at {
            self.side_read_at = now + SIDE_READ_AFTER;
            // A reading that goes on proves as much.
            if silent >= SIDE_READ_AFTER && self.reading.is_none() && self.side_read.is_none() {
                let client = &self.context.client;
                self.side_read = Some(Box::pin(async { client.root().await.map(drop) }));
            }
        }
        Ok(())
    }

    /// What a side read means: a BMC that does not answer has lost our stream too, unless bytes came on it meanwhile.
    fn proved_alive(&mut self, alive: Result<(), RequestError>) -> Result<(), Why> {
        self.side_read = None;
        let silent = self.stream.last_byte_at().elapsed();
        match alive {
            Ok(()) => self.context.status.answered(self.context.now()),
            Err(error) => {
                self.context.failed_partly(&error);
                if silent >= SIDE_READ_AFTER {
                    return Err(Why::Trouble(StreamTrouble::Idle));
                }
            }
        }
        Ok(())
    }

    async fn logs_read(
        &mut self,
        run: &mut StreamRun,
        logs: Option<Box<Logs>>,
        tally: Result<Tally, Broken>,
    ) -> Result<(), Why> {
        self.reading = None;
        run.logs = logs;
        match tally {
            Ok(tally) => {
                self.context.status.answered(self.context.now());
                let partial =
                    tally.failed_logs > 0 || run.logs.as_ref().is_some_and(|logs| logs.is_partial());
                if partial && self.backfill == Backfill::Going {
                    // Once: what is broken for good is left to the timer.
                    self.reconcile_at = self.reconcile_at.min(Instant::now() + PARTIAL_AGAIN_AFTER);
                }
                self.backfill = Backfill::Done;
                tracing::debug!(endpoint = %self.context.id(), ?tally, "logs read behind the stream");
            }
            Err(Broken::Append(_) | Broken::Read(_)) => return Err(Why::Journal),
            Err(broken @ Broken::Request(_)) => {
                let wait = run.after_reading(self.context, &broken);
                self.reconcile_at = self.reconcile_at.min(Instant::now() + wait);
            }
        }
        let held = std::mem::take(&mut self.buffer);
        self.buffer_bytes = 0;
        self.ingest(held).await
    }

    async fn item(&mut self, run: &mut StreamRun, item: Result<StreamItem, StreamError>) -> Result<(), Why> {
        let mut events = Vec::new();
        let mut end = self.sort(run, item, &mut events);
        // What is there already goes into the same batch: one wake-up and one commit for a burst.
        let mut burst = None;
        while end.is_none() && events.len() < BATCH_EVENTS_MAX {
            let Some(item) = self.stream.next().now_or_never() else { break };
            end = self.sort(run, item, &mut events);
            if burst.is_none() {
                burst = place_for_burst(self.context).await;
                if burst.is_none() {
                    break;
                }
            }
        }
        if self.reading.is_some() {
            self.buffer_bytes += events.iter().map(size_of_event).sum::<usize>();
            self.buffer.append(&mut events);
        } else {
            self.ingest(events).await?;
        }
        match end {
            // What was held for the end of the reading is durable before the stream is left.
            Some(trouble) => {
                let held = std::mem::take(&mut self.buffer);
                self.ingest(held).await?;
                Err(Why::Trouble(trouble))
            }
            None => Ok(()),
        }
    }

    /// Takes the events out of an item, or says that the stream ended.
    fn sort(
        &mut self,
        run: &mut StreamRun,
        item: Result<StreamItem, StreamError>,
        events: &mut Vec<Event>,
    ) -> Option<StreamTrouble> {
        match item {
            Ok(StreamItem::Events { events: mut came, rejected }) => {
                self.context.status.streamed(came.len());
                self.context.world.metrics.rejected("event", rejected);
                if !came.is_empty() && !self.proven {
                    self.prove(run);
                }
                events.append(&mut came);
                None
            }
            Ok(StreamItem::BufferExceeded) => {
                // The BMC says that it dropped events: its logs have what it still has.
                self.reconcile_at = Instant::now();
                None
            }
            Ok(StreamItem::Skipped) => None,
            Err(StreamError::Ended) => Some(StreamTrouble::Eof),
            Err(StreamError::Transport(error)) => {
                tracing::debug!(endpoint = %self.context.id(), error = %error, "event stream broke");
                Some(StreamTrouble::Transport)
            }
            Err(StreamError::TooLarge { .. }) => Some(StreamTrouble::TooLarge),
        }
    }

    /// A stop finds events that waited for the end of a reading. Some of them may stand in no log.
    async fn keep_held(&mut self, why: Why) {
        if why == Why::Stopped {
            let held = std::mem::take(&mut self.buffer);
            // Discovery waits a few seconds for this. A journal that refuses them has said so itself.
            if self.ingest(held).await.is_err() {
                tracing::debug!(endpoint = %self.context.id(), "events that were held could not be stored");
            }
        }
    }

    fn prove(&mut self, run: &mut StreamRun) {
        self.proven = true;
        run.proved(self.context);
    }

    async fn ingest(&mut self, events: Vec<Event>) -> Result<(), Why> {
        if events.is_empty() {
            return Ok(());
        }
        let endpoint = self.context.status.endpoint();
        let offers = events
            .into_iter()
            .map(|event| {
                let occurrence = occurrence(&mut self.equals, event.identity.digest);
                Offer::event(endpoint, event, occurrence)
            })
            .collect();
        let taken = self.context.world.ingest.take(&self.context.status, Origin::Stream, offers, None);
        match Box::pin(taken).await {
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::debug!(endpoint = %self.context.id(), error = %error, "events were not stored");
                Err(Why::Journal)
            }
        }
    }
}

/// A place among those that gather a batch; none when the collector shall end.
async fn place_for_burst(context: &Context) -> Option<SemaphorePermit<'_>> {
    tokio::select! {
        biased;
        () = context.stop.cancelled() => None,
        place = context.world.bursts.acquire() => place.ok(),
    }
}

/// How many events of this connection have said exactly the same before. Three equal lines in one second are three events
/// (seen on bmcweb); the same event sent again by the next connection counts from 0 and is recognised.
fn occurrence(equals: &mut VecDeque<[u8; 16]>, digest: [u8; 16]) -> u32 {
    let before = equals.iter().filter(|known| **known == digest).count();
    if equals.len() == EQUALS_REMEMBERED {
        equals.pop_front();
    }
    equals.push_back(digest);
    u32::try_from(before).unwrap_or(u32::MAX)
}

fn size_of_event(event: &Event) -> usize {
    event.facts.original.as_ref().map_or(256, |original| original.get().len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_events_of_one_connection_are_counted() {
        let mut equals = VecDeque::new();
        let counts = [[1; 16], [2; 16], [1; 16], [1; 16]].map(|digest| occurrence(&mut equals, digest));
        assert_eq!(counts, [0, 0, 1, 2]);
    }
}
