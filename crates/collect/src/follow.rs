//! On an open stream: buffer while the logs are read, then follow, batch, ingest; reconcile on a timer; notice a dead
//! stream by its bytes.
//!
//! The select only waits; what came is worked off after it, so that nothing is half done when the collector is stopped.

use std::{pin::Pin, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::{FutureExt, future::OptionFuture};
use model::{Kind, Origin};
use redfish::{Event, EventStream, Noise, RequestError, ServiceRoot, StreamError, StreamItem};
use tokio::{sync::SemaphorePermit, time::Instant};

use crate::{
    GapReason, State,
    catch_up::{self, Logs, Occasion, PARTIAL_AGAIN_AFTER, Tally},
    collector::{Broken, Context},
    continuity::Lost,
    doorbell::Doorbell,
    downgrade::Reason,
    held::Held,
    ingest::{Offer, Told},
    notice::Notice,
    occurrence::{Counted, Newest, Occurrences},
    pulse::{Heard, Pulse, SIDE_READ_AFTER, Silence},
    status::StreamTrouble,
    stream::{Resumed, StreamRun},
    wedge,
};

/// Events handed to the journal at once; more wait in the socket.
const BATCH_EVENTS_MAX: usize = 64;

/// Batches of more than one event that are under way at once, over all endpoints: with ten events in each they fill a commit of
/// the journal, which then waits for no more. In a burst on every stream the others' events wait in their sockets, not in
/// our memory.
pub(crate) const BURSTS_MAX: usize = 64;

/// When the answer to a `Last-Event-ID` has come, if one comes: it is the first thing on a stream.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

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
    held: Held,
    occurrences: Occurrences,
    doorbell: Doorbell,
    /// The BMC has said so, and it is not told yet.
    dropped: bool,
    /// When it was opened, in the names of events without a time.
    opened: DateTime<Utc>,
    backfill: Backfill,
    opened_at: Instant,
    proven: bool,
    /// When its age proves it; never, where streams live and say nothing.
    proves_at: Option<Instant>,
    /// The stream lives on a session that is gone, and our password was refused: nothing can be read until that changes.
    locked_out: bool,
    reconcile_at: Instant,
    pulse: Pulse,
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
    /// Logins are tried again.
    Unlocked,
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
    run.wedge.opened();
    let age_proves = context.registry().reason(context.id()) != Some(Reason::StreamWedged);
    let proves_at = age_proves.then(|| opened_at + context.wish.logs.auto.min_stream_lifetime);
    let reading = read_logs(context, run.logs.take(), run.root.take(), Origin::Backfill);
    let mut following = Following {
        context,
        stream,
        reading: Some(reading),
        side_read: None,
        held: Held::default(),
        occurrences: Occurrences::default(),
        doorbell: Doorbell::default(),
        dropped: false,
        opened: context.now(),
        backfill: Backfill::Going,
        opened_at,
        proven: false,
        proves_at,
        locked_out: false,
        reconcile_at: opened_at + context.wish.logs.reconcile_interval,
        pulse: Pulse::new(
            context.status.habits().keep_alives(),
            context.wish.logs.sse.idle_timeout,
            opened_at,
        ),
    };
    let why = following.run(run).await;
    following.keep_held(run, why).await;
    let died = why == Why::Trouble(StreamTrouble::Idle);
    context.status.habits().set_keep_alives(following.pulse.learned(following.heard(), died));
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
fn read_logs(
    context: &Context,
    logs: Option<Box<Logs>>,
    root: Option<Box<ServiceRoot>>,
    origin: Origin,
) -> Reading<'_> {
    let occasion = Occasion { origin, since: context.now() };
    Box::pin(async move {
        let max_age = context.wish.logs.periodic.state_refresh_interval;
        let mut logs = match catch_up::look_up(context, logs, root, max_age).await {
            Ok(logs) => logs,
            Err(broken) => return (None, Err(broken)),
        };
        let tally = catch_up::catch_up(context, &mut logs, occasion).await;
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
                Woken::Unlocked => {
                    self.locked_out = false;
                    self.reconcile_at = Instant::now();
                    Ok(())
                }
                Woken::Timer => self.timer(run),
            };
            if let Err(why) = follows {
                return why;
            }
        }
    }

    /// Waits for the next thing to do, and does nothing.
    async fn wait(&mut self) -> Woken {
        let has_room = self.held.has_room();
        let timer_at = self.next_timer();
        let reading: OptionFuture<_> = self.reading.as_mut().into();
        let side_read: OptionFuture<_> = self.side_read.as_mut().into();
        tokio::select! {
            biased;
            () = self.context.stop.cancelled() => Woken::Stopped,
            Some((logs, tally)) = reading => Woken::Read(logs, tally),
            Some(alive) = side_read => Woken::SideRead(alive),
            item = self.stream.next(), if has_room => Woken::Item(item),
            () = self.context.login_is_free(), if self.locked_out => Woken::Unlocked,
            () = tokio::time::sleep_until(timer_at) => Woken::Timer,
        }
    }

    fn next_timer(&self) -> Instant {
        let mut at = self.pulse.next(self.heard());
        if let Some(proves_at) = self.proves_at {
            at = at.min(proves_at);
        }
        if self.reading.is_none() {
            at = at.min(self.reconcile_at);
        }
        at
    }

    fn timer(&mut self, run: &mut StreamRun) -> Result<(), Why> {
        let now = Instant::now();
        let settings = &self.context.wish.logs;
        if self.proves_at.is_some_and(|at| now >= at) {
            self.prove(run);
        }
        if self.reading.is_none() && now >= self.reconcile_at {
            self.reconcile_at = now + self.context.status.slowed(settings.reconcile_interval);
            self.reading = Some(read_logs(self.context, run.logs.take(), None, Origin::Reconcile));
        }
        match self.pulse.look(self.heard(), now) {
            Silence::Death => return Err(Why::Trouble(StreamTrouble::Idle)),
            // A reading that goes on proves as much.
            Silence::Ask if self.reading.is_none() && self.side_read.is_none() => {
                let client = &self.context.client;
                self.side_read = Some(Box::pin(async { client.root().await.map(drop) }));
            }
            Silence::Ask | Silence::Nothing => {}
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
        // What came while it went on waits yet, and may be what it found.
        let read = wedge::Reading::of(&tally, self.held.len());
        self.locked_out = false;
        run.logs = logs.filter(|_| !catch_up::doubts(&tally));
        match tally {
            Ok(tally) => {
                self.context.status.answered(self.context.now());
                self.context.status.note_reading(tally.reading(), self.context.wish.logs.reconcile_interval);
                self.context.status.refuses_key(None);
                let partial =
                    tally.failed_logs > 0 || run.logs.as_ref().is_some_and(|logs| logs.is_partial());
                if partial && self.backfill == Backfill::Going {
                    // Once: what is broken for good is left to the timer.
                    self.reconcile_at = self.reconcile_at.min(Instant::now() + PARTIAL_AGAIN_AFTER);
                }
                if let Some(wait) = tally.again_after {
                    self.reconcile_at = self.reconcile_at.min(Instant::now() + wait);
                }
                self.backfill = Backfill::Done;
                tracing::debug!(endpoint = %self.context.id(), ?tally, "logs read behind the stream");
            }
            Err(Broken::Append(_) | Broken::Read(_)) => return Err(Why::Journal),
            Err(broken @ Broken::Request(_)) => {
                let wait = run.after_reading(self.context, &broken);
                self.reconcile_at = self.reconcile_at.min(Instant::now() + wait);
                self.locked_out = self.context.client.login_pause().is_some();
            }
        }
        let held = self.held.take();
        if let Some(at) = self.doorbell.read(Instant::now()) {
            self.reconcile_at = self.reconcile_at.min(at);
        }
        self.ingest(run, held).await?;
        self.weigh(run, read)
    }

    /// What the reading that ended now says of the stream.
    fn weigh(&self, run: &mut StreamRun, read: wedge::Reading) -> Result<(), Why> {
        let finding = run.wedge.read(read);
        self.context.status.stream_missed(finding.missed);
        if finding.is_stuck { Err(Why::Trouble(StreamTrouble::Wedged)) } else { Ok(()) }
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
        if std::mem::take(&mut self.dropped) {
            // Boxed: it is rare, and all there is of an idle stream is memory.
            Box::pin(self.events_were_dropped()).await?;
        }
        if self.reading.is_some() {
            self.held.hold(events);
        } else {
            self.ingest(run, events).await?;
        }
        match end {
            // What was held for the end of the reading is durable before the stream is left.
            Some(trouble) => {
                let held = self.held.take();
                self.ingest(run, held).await?;
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
        events: &mut Vec<Counted>,
    ) -> Option<StreamTrouble> {
        match item {
            Ok(StreamItem::Events { events: came, rejected, noise, name }) => {
                self.context.status.streamed(came.len());
                self.context.world.metrics.rejected("event", rejected);
                self.noise(run, noise);
                if !came.is_empty() {
                    self.came(run, came, name, events);
                }
                None
            }
            Ok(StreamItem::BufferExceeded) => {
                // As the answer to the id that we sent it tells of the time before: that is what the backfill is for.
                let resumed = std::mem::replace(&mut run.resumed, Resumed::No);
                if resumed == Resumed::No || self.opened_at.elapsed() > ANSWER_WITHIN {
                    self.dropped = true;
                    run.wedge.heard();
                    self.ring();
                }
                None
            }
            Ok(StreamItem::Skipped { noise }) => {
                self.noise(run, noise);
                None
            }
            Err(StreamError::Ended) => Some(StreamTrouble::Eof),
            Err(StreamError::Transport(error)) => {
                tracing::debug!(endpoint = %self.context.id(), error = %error, "event stream broke");
                Some(StreamTrouble::Transport)
            }
            Err(StreamError::TooLarge { .. }) => Some(StreamTrouble::TooLarge),
        }
    }

    /// Takes in the events of one payload.
    fn came(&mut self, run: &mut StreamRun, came: Vec<Event>, name: Option<u64>, events: &mut Vec<Counted>) {
        run.resumed = Resumed::No;
        run.wedge.heard();
        if !self.proven {
            self.prove(run);
        }
        if self.occurrences.came_before(name) {
            (0..came.len()).for_each(|_| self.context.world.metrics.deduplicated(Origin::Stream));
        } else {
            let history = self.context.wish.logs.initial_history;
            self.occurrences.count(&mut run.newest, came, (history, Instant::now()), events);
        }
    }

    /// What the BMC tells about itself and about its readers is no news of the hardware (T72). A new entry of a log is: it
    /// is read there, and not more often than is good, for it may be our own doing (T74).
    fn noise(&mut self, run: &mut StreamRun, noise: Noise) {
        if noise.records > 0 {
            run.wedge.heard();
        }
        self.context.world.metrics.rejected("own_noise", noise.records);
        if noise.entry_added {
            self.ring();
        }
    }

    /// The logs shall be read before their time.
    fn ring(&mut self) {
        if self.reading.is_some() {
            self.doorbell.rings_while_reading();
        } else {
            self.reconcile_at = self.reconcile_at.min(self.doorbell.rings(Instant::now()));
        }
    }

    /// The BMC says that it dropped events while we were connected (T55). Its logs have what it still has; what stood in
    /// none is lost, and that is told.
    async fn events_were_dropped(&mut self) -> Result<(), Why> {
        let now = self.context.now();
        let about = [self.opened, now].map(|at| at.timestamp_millis().cast_unsigned());
        let (kind, reason, lost) = (Kind::Gap, GapReason::Dropped, Lost::Unknown);
        let notice = Notice { kind, reason, from: Some(self.opened), to: now, lost, about: about.to_vec() };
        let offer = Offer::notice(self.context.status.endpoint(), None, &notice);
        store(self.context, vec![offer]).await?;
        self.context.gap("the event stream", &notice);
        Ok(())
    }

    /// A stop finds events that waited for the end of a reading. Some of them may stand in no log.
    async fn keep_held(&mut self, run: &mut StreamRun, why: Why) {
        if why == Why::Stopped {
            let held = self.held.take();
            // Discovery waits a few seconds for this. A journal that refuses them has said so itself.
            if self.ingest(run, held).await.is_err() {
                tracing::debug!(endpoint = %self.context.id(), "events that were held could not be stored");
            }
        }
    }

    fn heard(&self) -> Heard {
        Heard { keep_alives: self.stream.sends_keep_alives(), last_byte_at: self.stream.last_byte_at() }
    }

    fn prove(&mut self, run: &mut StreamRun) {
        self.proven = true;
        self.proves_at = None;
        run.proved(self.context);
    }

    async fn ingest(&mut self, run: &mut StreamRun, events: Vec<Counted>) -> Result<(), Why> {
        if events.is_empty() {
            return Ok(());
        }
        let newest = Newest::of(&events, Instant::now());
        let endpoint = self.context.status.endpoint();
        let offers = events.into_iter().map(|counted| Offer::event(endpoint, counted, self.opened)).collect();
        if store(self.context, offers).await?.known == 0 {
            run.newest.was_news(newest);
        }
        Ok(())
    }
}

async fn store(context: &Context, offers: Vec<Offer>) -> Result<Told, Why> {
    let taken = context.world.ingest.take(&context.status, Origin::Stream, offers, None);
    Box::pin(taken).await.map_err(|error| {
        tracing::debug!(endpoint = %context.id(), error = %error, "events were not stored");
        Why::Journal
    })
}

/// A place among those that gather a batch; none when the collector shall end.
async fn place_for_burst(context: &Context) -> Option<SemaphorePermit<'_>> {
    tokio::select! {
        biased;
        () = context.stop.cancelled() => None,
        place = context.world.bursts.acquire() => place.ok(),
    }
}
