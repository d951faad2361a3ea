//! One simulated BMC: its configuration, its state, and the front door through which every request comes.
//! What is answered stands in `answer.rs`; what can be done to it in `levers.rs`.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Limited};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::{sync::watch, time::Instant};

use crate::{
    event::EventIds,
    gate::{self, Gate, Reachability},
    habit::ClockAtStart,
    levers::StreamBehaviour,
    log::{Before, Edit, Log, Part},
    profile::{EventServiceState, Profile},
    registry::MessageRegistry,
    session::Sessions,
    stream::{Body, BoxError, Queue},
    truth::{Counts, Logged},
};

/// A login is some hundred bytes; more is not for a BMC.
const REQUEST_BYTES_MAX: usize = 64 << 10;

/// What a BMC is made from.
#[derive(Clone, Debug)]
pub struct BmcConfig {
    /// Its name; tokens of its entries begin with it.
    pub name: String,
    /// Seed of its UUID, its tokens and its scripts.
    pub seed: u64,
    /// Its habits.
    pub profile: Profile,
    /// Its clock at creation; from then on it goes with tokio's time.
    pub epoch: DateTime<Utc>,
}

/// No answer came at all: the request failed below HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Nobody listens.
    #[error("connect: connection refused by the simulated BMC")]
    Connection,
    /// The connection broke before the answer.
    #[error("read the answer: connection reset by the simulated BMC")]
    Reset,
}

/// A simulated BMC. Cheap: thousands fit in one process.
pub struct Bmc {
    pub(crate) config: BmcConfig,
    pub(crate) started: Instant,
    pub(crate) gate: watch::Sender<Gate>,
    state: Mutex<State>,
}

/// Everything about a BMC that changes.
pub(crate) struct State {
    pub(crate) rng: SmallRng,
    pub(crate) uuid: String,
    pub(crate) password: String,
    pub(crate) firmware: String,
    pub(crate) event_service: EventServiceState,
    pub(crate) sse_uri: Option<&'static str>,
    pub(crate) registries: &'static [MessageRegistry],
    /// Changes to resources, by path without a trailing slash.
    pub(crate) edits: BTreeMap<String, Edit>,
    pub(crate) stream_behaviour: StreamBehaviour,
    pub(crate) latency: Duration,
    /// How many requests to fail yet, and with what.
    pub(crate) failing: Option<(u32, StatusCode)>,
    pub(crate) clock_offset: TimeDelta,
    /// Until then the clock shows another time.
    pub(crate) unset_until: Option<Instant>,
    /// Makes the serial number and the UUIDs in its logs; another machine has another.
    pub(crate) machine: u64,
    pub(crate) booted: DateTime<Utc>,
    pub(crate) logs: Vec<Log>,
    pub(crate) sessions: Sessions,
    pub(crate) streams: Vec<Arc<Queue>>,
    /// Open, and nothing is pushed on them any more.
    pub(crate) streams_stuck: Vec<Arc<Queue>>,
    pub(crate) event_ids: u64,
    /// What was pushed lately, by token.
    pub(crate) sent: VecDeque<(String, EventIds)>,
    pub(crate) event_edit: Option<Edit>,
    /// Streams of clients that are gone, which the BMC still counts (T66).
    pub(crate) streams_leaked: usize,
    /// What is logged in the first also stands in the second.
    pub(crate) mirrors: Vec<(usize, usize)>,
    pub(crate) happened: u64,
    pub(crate) truth: VecDeque<Arc<Logged>>,
    pub(crate) counts: Counts,
}

impl Bmc {
    /// A BMC that is up, with empty logs.
    pub fn new(config: BmcConfig) -> Arc<Self> {
        let profile = &config.profile;
        let mut rng = SmallRng::seed_from_u64(config.seed);
        let state = State {
            uuid: uuid(&mut rng),
            rng,
            password: profile.password.clone(),
            firmware: profile.firmware.to_owned(),
            event_service: profile.event_service,
            sse_uri: profile.sse_uri,
            registries: profile.registries,
            edits: BTreeMap::new(),
            stream_behaviour: StreamBehaviour::Serve,
            latency: profile.latency,
            failing: None,
            clock_offset: TimeDelta::zero(),
            unset_until: unset_until(profile, Instant::now()),
            machine: config.seed,
            booted: config.epoch,
            logs: profile.logs.iter().map(|log| Log::new(profile, log, config.seed)).collect(),
            sessions: Sessions::new(profile.session_timeout, profile.sessions_max),
            streams: Vec::new(),
            streams_stuck: Vec::new(),
            event_ids: 0,
            sent: VecDeque::new(),
            event_edit: None,
            streams_leaked: 0,
            mirrors: profile.mirrors.to_vec(),
            happened: 0,
            truth: VecDeque::new(),
            counts: Counts::default(),
        };
        Arc::new(Self {
            config,
            started: Instant::now(),
            gate: watch::Sender::new(Gate::open()),
            state: Mutex::new(state),
        })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// What it was made from.
    pub fn config(&self) -> &BmcConfig {
        &self.config
    }

    /// Its own idea of the time.
    pub fn clock(&self) -> DateTime<Utc> {
        self.clock_in(&self.lock())
    }

    pub(crate) fn clock_in(&self, state: &State) -> DateTime<Utc> {
        if let ClockAtStart::Unset { reads, lasts } = self.config.profile.clock
            && let Some(left) = state.unset_until.map(|until| until.duration_since(Instant::now()))
            && !left.is_zero()
            && let Some(reads) = DateTime::from_timestamp(reads, 0)
        {
            return reads + TimeDelta::from_std(lasts.saturating_sub(left)).unwrap_or(TimeDelta::MAX);
        }
        self.right_time() + state.clock_offset
    }

    /// The time without what levers did to the clock.
    pub(crate) fn right_time(&self) -> DateTime<Utc> {
        self.config.epoch + TimeDelta::from_std(self.started.elapsed()).unwrap_or(TimeDelta::MAX)
    }

    /// Until when the clock shows another time after a start at `start`.
    pub(crate) fn unset_until(&self, start: Instant) -> Option<Instant> {
        unset_until(&self.config.profile, start)
    }

    /// The state is shared by levers and requests, and only ever held within one step without waiting.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether and how it can be reached now.
    pub fn reachability(&self) -> Reachability {
        self.gate.borrow().at(Instant::now())
    }

    /// Answers one request as the BMC would, in process.
    ///
    /// # Errors
    /// [`Refused`] stands for a failure below HTTP. In a black hole this waits until the hole is gone: the
    /// caller brings the deadline.
    pub async fn handle<B>(self: &Arc<Self>, request: Request<B>) -> Result<Response<Body>, Refused>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<BoxError>,
    {
        self.pass_gate(Refused::Connection).await?;
        let _in_flight = InFlight::enter(self);
        let (latency, before) = self.delay(request.uri().path());
        if !latency.is_zero() {
            tokio::time::sleep(latency).await;
        }
        let (head, body) = request.into_parts();
        let body = Limited::new(body, REQUEST_BYTES_MAX).collect().await.map_err(|_| Refused::Reset)?;
        self.pass_gate(Refused::Reset).await?;
        if let Some(before) = before {
            before(self, head.uri.query().unwrap_or_default());
        }
        self.answer(&head, &body.to_bytes()).ok_or(Refused::Reset)
    }

    /// How long an answer takes, and what happens before it.
    fn delay(&self, path: &str) -> (Duration, Option<Before>) {
        let state = self.lock();
        let part = state.logs.iter().find_map(|log| Some((log, log.under(path.trim_end_matches('/'))?.0)));
        match part {
            Some((log, Part::Entries)) => {
                (state.latency + log.latency(&self.config.profile), log.before.clone())
            }
            Some((_, Part::Service)) | None => (state.latency, None),
        }
    }

    /// Goes through when the BMC is up; `closed` is what a closed gate means at this point.
    async fn pass_gate(&self, closed: Refused) -> Result<(), Refused> {
        let refused = match self.reachability() {
            Reachability::Up => return Ok(()),
            Reachability::Refusing => closed,
            Reachability::Resetting => Refused::Reset,
            Reachability::BlackHole => {
                self.lock().counts.refused += 1;
                gate::left(&mut self.gate.subscribe(), Reachability::BlackHole).await;
                return Err(Refused::Reset);
            }
        };
        self.lock().counts.refused += 1;
        Err(refused)
    }

    /// A client has gone away, or has read the end.
    pub(crate) fn stream_closed(&self, queue: &Arc<Queue>) {
        let mut state = self.lock();
        state.streams.retain(|other| !Arc::ptr_eq(other, queue));
        state.streams_stuck.retain(|other| !Arc::ptr_eq(other, queue));
        state.counts.streams_open -= 1;
    }
}

/// Counts a request while it waits for its answer, however it ends.
struct InFlight<'a>(&'a Bmc);

impl<'a> InFlight<'a> {
    fn enter(bmc: &'a Bmc) -> Self {
        let mut state = bmc.lock();
        state.counts.requests_in_flight += 1;
        state.counts.requests_in_flight_max =
            state.counts.requests_in_flight_max.max(state.counts.requests_in_flight);
        drop(state);
        Self(bmc)
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.lock().counts.requests_in_flight -= 1;
    }
}

fn unset_until(profile: &Profile, start: Instant) -> Option<Instant> {
    match profile.clock {
        ClockAtStart::Right => None,
        ClockAtStart::Unset { lasts, .. } => Some(start + lasts),
    }
}

/// A version 4 UUID.
pub(crate) fn uuid(rng: &mut SmallRng) -> String {
    let (high, low): (u64, u64) = rng.random();
    let (time, version) = (high >> 16, high & 0xfff | 0x4000);
    let (variant, place) = (low >> 48 & 0x3fff | 0x8000, low & 0xffff_ffff_ffff);
    format!("{:08x}-{:04x}-{version:04x}-{variant:04x}-{place:012x}", time >> 16, time & 0xffff)
}
