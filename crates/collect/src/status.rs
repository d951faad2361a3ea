//! The status of one endpoint: written by its collector, read by the board. The lock guards a few words and is never held
//! across an await.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use model::Endpoint;
use redfish::{Asked, FailureReason, Peer, Requests, ServiceRoot, Trust};
use tokio::{sync::Notify, time::Instant};

use crate::{
    EndpointView, GapReason, Load, Mode, State,
    gap::GapCounts,
    habits::Habits,
    plan::Wish,
    strain::{Reading, Strain},
};

/// What went wrong with a stream, as a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamTrouble {
    /// It could not be opened.
    Open(FailureReason),
    /// The BMC closed it.
    Eof,
    /// No byte for too long where keep-alives are sent, or the side read failed.
    Idle,
    /// The connection broke.
    Transport,
    /// One event was too large.
    TooLarge,
    /// It was open and said nothing, while its log went on (`wedge`).
    Wedged,
}

impl StreamTrouble {
    /// The label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Open(reason) => reason.as_str(),
            Self::Eof => "eof",
            Self::Idle => "idle",
            Self::Transport => "transport",
            Self::TooLarge => "event_too_large",
            Self::Wedged => "wedged",
        }
    }
}

#[derive(Debug)]
struct Inner {
    state: State,
    reason: Option<Arc<str>>,
    since: DateTime<Utc>,
    last_error: Option<Arc<str>>,
    last_error_at: Option<DateTime<Utc>>,
    last_failure: Option<FailureReason>,
    last_success_at: Option<DateTime<Utc>>,
    last_event_at: Option<DateTime<Utc>>,
    next_try_at: Option<DateTime<Utc>>,
    next_stream_try_at: Option<DateTime<Utc>>,
    failures: BTreeMap<&'static str, u64>,
    stream_errors: BTreeMap<&'static str, u64>,
    gaps: GapCounts,
    strain: Strain,
    clock_offset: Option<TimeDelta>,
    vendor: Option<Arc<str>>,
    product: Option<Arc<str>>,
    redfish_version: Option<Arc<str>>,
    certificate_not_after: Option<DateTime<Utc>>,
    refused_key: Option<[u8; 32]>,
}

/// One endpoint's place on the board.
#[derive(Debug)]
pub(crate) struct Status {
    endpoint: Arc<Endpoint>,
    mode: Mode,
    insecure: bool,
    records: AtomicU64,
    connects: AtomicU64,
    stream_items: AtomicU64,
    stream_missed: AtomicU64,
    /// What its streams have shown.
    habits: Habits,
    /// Of its client, if it has one.
    requested: OnceLock<Arc<Requests>>,
    /// It failed as a whole when it was asked last.
    circuit_open: AtomicBool,
    /// The operator was told that the endpoint is down and not yet that it is up.
    told_down: AtomicBool,
    /// The same for its credentials: the one login an hour that is tried and refused is no news.
    told_refused: AtomicBool,
    /// Somebody accepted its key.
    now: Notify,
    inner: Mutex<Inner>,
}

impl Status {
    /// An endpoint that is about to be contacted.
    pub(crate) fn new(wish: &Wish, now: DateTime<Utc>) -> Self {
        let inner = Inner {
            state: State::Connecting,
            reason: None,
            since: now,
            last_error: None,
            last_error_at: None,
            last_failure: None,
            last_success_at: None,
            last_event_at: None,
            next_try_at: None,
            next_stream_try_at: None,
            failures: BTreeMap::new(),
            stream_errors: BTreeMap::new(),
            gaps: GapCounts::default(),
            strain: Strain::default(),
            clock_offset: None,
            vendor: None,
            product: None,
            redfish_version: None,
            certificate_not_after: None,
            refused_key: None,
        };
        Self {
            endpoint: Arc::clone(&wish.spec.endpoint),
            mode: wish.mode(),
            insecure: wish.spec.client.trust == Trust::Insecure,
            records: AtomicU64::new(0),
            connects: AtomicU64::new(0),
            stream_items: AtomicU64::new(0),
            stream_missed: AtomicU64::new(0),
            habits: Habits::default(),
            requested: OnceLock::new(),
            circuit_open: AtomicBool::new(false),
            told_down: AtomicBool::new(false),
            told_refused: AtomicBool::new(false),
            now: Notify::new(),
            inner: Mutex::new(inner),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who it is.
    pub(crate) fn endpoint(&self) -> &Arc<Endpoint> {
        &self.endpoint
    }

    /// What its streams have shown.
    pub(crate) fn habits(&self) -> &Habits {
        &self.habits
    }

    /// What it is doing.
    pub(crate) fn state(&self) -> State {
        self.lock().state
    }

    /// Why it failed last, while it is in trouble.
    pub(crate) fn trouble(&self) -> Option<(State, Option<FailureReason>)> {
        let inner = self.lock();
        matches!(inner.state, State::Backoff | State::AuthFailed | State::Unsupported)
            .then_some((inner.state, inner.last_failure))
    }

    /// Changes the state and answers the one before; `since` moves only when the state changes.
    pub(crate) fn enter(&self, state: State, reason: Option<String>, now: DateTime<Utc>) -> State {
        let mut inner = self.lock();
        let before = inner.state;
        if before != state {
            inner.since = now;
        }
        inner.state = state;
        inner.reason = reason.map(Arc::from);
        before
    }

    /// Notes that the endpoint is told to be down; true when it was not before.
    pub(crate) fn goes_down(&self) -> bool {
        !self.told_down.swap(true, Relaxed)
    }

    /// Notes that its credentials are told to be refused; true when they were not before.
    pub(crate) fn gets_refused(&self) -> bool {
        !self.told_refused.swap(true, Relaxed)
    }

    /// Notes that it is told to be up again; true when it was told to be in trouble.
    pub(crate) fn comes_up(&self) -> bool {
        let refused = self.told_refused.swap(false, Relaxed);
        self.told_down.swap(false, Relaxed) || refused
    }

    /// Says where the requests of the endpoint are counted.
    pub(crate) fn count_requests(&self, requested: &Arc<Requests>) {
        // A status has one client for its life.
        drop(self.requested.set(Arc::clone(requested)));
    }

    /// What it was asked so far.
    pub(crate) fn asked(&self) -> Asked {
        self.requested.get().map(|requested| requested.look(Instant::now())).unwrap_or_default()
    }

    /// Notes whether the endpoint as a whole fails: until it answers again, tries are one small request each.
    pub(crate) fn opens_circuit(&self, open: bool) {
        self.circuit_open.store(open, Relaxed);
    }

    /// Whether the next try is a probe.
    pub(crate) fn is_circuit_open(&self) -> bool {
        self.circuit_open.load(Relaxed)
    }

    /// Notes what a reading showed about how much the BMC can bear; `interval` is the time between two readings that was
    /// asked for.
    pub(crate) fn note_reading(&self, reading: Reading, interval: Duration) {
        self.lock().strain.note(reading, Instant::now(), interval);
    }

    /// The time between two readings, longer than asked for while the BMC has too much to do.
    pub(crate) fn slowed(&self, interval: Duration) -> Duration {
        self.lock().strain.interval(interval)
    }

    /// Notes a failure and its text.
    pub(crate) fn failed(&self, reason: FailureReason, error: String, now: DateTime<Utc>) {
        let mut inner = self.lock();
        *inner.failures.entry(reason.as_str()).or_default() += 1;
        inner.last_failure = Some(reason);
        inner.last_error = Some(error.into());
        inner.last_error_at = Some(now);
    }

    /// Notes trouble with the stream.
    pub(crate) fn stream_failed(&self, trouble: StreamTrouble) {
        *self.lock().stream_errors.entry(trouble.label()).or_default() += 1;
    }

    /// Counts a gap: entries or events that are known or suspected missing.
    pub(crate) fn gap(&self, reason: GapReason) {
        self.lock().gaps.add(reason);
    }

    /// Notes the BMC's clock minus ours. BMCs tell whole seconds, so it is shown to the millisecond and no finer.
    pub(crate) fn clock_offset(&self, offset: TimeDelta) {
        self.lock().clock_offset = Some(offset);
    }

    /// Notes that the endpoint answered, as it should.
    pub(crate) fn answered(&self, now: DateTime<Utc>) {
        self.opens_circuit(false);
        self.lock().last_success_at = Some(now);
    }

    /// Notes whom answers come from.
    pub(crate) fn met(&self, peer: Peer) {
        self.lock().certificate_not_after = peer.not_after;
    }

    /// The key that is shown and refused.
    pub(crate) fn refused_key(&self) -> Option<[u8; 32]> {
        self.lock().refused_key
    }

    /// Notes the key that is shown and refused, or that the trusted one is shown again; true when that is news.
    pub(crate) fn refuses_key(&self, key: Option<[u8; 32]>) -> bool {
        let before = std::mem::replace(&mut self.lock().refused_key, key);
        before != key
    }

    /// Ends the wait after trouble.
    pub(crate) fn try_now(&self) {
        self.now.notify_waiters();
    }

    /// Until somebody says: try now.
    pub(crate) async fn told_to_try(&self) {
        self.now.notified().await;
    }

    /// Notes what the service root told.
    pub(crate) fn identified(&self, root: &ServiceRoot) {
        let mut inner = self.lock();
        inner.vendor = root.vendor.as_deref().map(Arc::from);
        inner.product = root.product.as_deref().map(Arc::from);
        inner.redfish_version = root.redfish_version.as_deref().map(Arc::from);
    }

    /// Notes when something is tried next.
    pub(crate) fn next_try(&self, at: Option<DateTime<Utc>>) {
        self.lock().next_try_at = at;
    }

    /// Notes when the stream is tried again.
    pub(crate) fn next_stream_try(&self, at: Option<DateTime<Utc>>) {
        self.lock().next_stream_try_at = at;
    }

    /// Counts an opened stream.
    pub(crate) fn connected(&self) {
        self.connects.fetch_add(1, Relaxed);
    }

    /// Counts items of the stream.
    pub(crate) fn streamed(&self, items: usize) {
        self.stream_items.fetch_add(items as u64, Relaxed);
    }

    /// Counts entries that should have come on the stream and did not.
    pub(crate) fn stream_missed(&self, entries: u32) {
        self.stream_missed.fetch_add(u64::from(entries), Relaxed);
    }

    /// Counts records made.
    pub(crate) fn told(&self, records: u64, now: DateTime<Utc>) {
        self.records.fetch_add(records, Relaxed);
        self.lock().last_event_at = Some(now);
    }

    /// A snapshot.
    pub(crate) fn view(&self) -> EndpointView {
        let asked = self.asked();
        let inner = self.lock();
        let slowed = inner.strain.reason();
        let load = Load {
            requests: asked.total,
            requests_last_minute: asked.last_minute,
            circuit_open: self.is_circuit_open(),
            slowed: slowed.is_some(),
        };
        let reason = match (&inner.reason, slowed) {
            (Some(reason), Some(slowed)) => Some(format!("{reason}; {slowed}").into()),
            (None, Some(slowed)) => Some(slowed.into()),
            (reason, None) => reason.clone(),
        };
        EndpointView {
            endpoint: Arc::clone(&self.endpoint),
            state: inner.state,
            mode: self.mode,
            reason,
            since: inner.since,
            last_error: inner.last_error.clone(),
            last_error_at: inner.last_error_at,
            last_success_at: inner.last_success_at,
            last_event_at: inner.last_event_at,
            next_try_at: inner.next_try_at,
            next_stream_try_at: inner.next_stream_try_at,
            insecure: self.insecure,
            load,
            certificate_not_after: inner.certificate_not_after,
            refused_key: inner.refused_key.map(|key| Trust::Pin(key).to_string()),
            records: self.records.load(Relaxed),
            reconnections: self.connects.load(Relaxed).saturating_sub(1),
            stream_items: self.stream_items.load(Relaxed),
            stream_missed_entries: self.stream_missed.load(Relaxed),
            failures: inner.failures.clone(),
            stream_errors: inner.stream_errors.clone(),
            gaps: inner.gaps.view(),
            clock_offset: inner.clock_offset,
            vendor: inner.vendor.clone(),
            product: inner.product.clone(),
            redfish_version: inner.redfish_version.clone(),
        }
    }
}
