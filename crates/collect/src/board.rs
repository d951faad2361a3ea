//! The status board: what every endpoint is doing, for `/api/v1/endpoints`, `/metrics` and the demo's status line.
//! Collectors write their own place; readers take snapshots. Reading never touches a BMC.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use model::{Endpoint, EndpointId};
use redfish::FailureReason;

use crate::{Mode, downgrade::Registry, status::Status};

/// What an endpoint is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum State {
    /// First contact, or a stream is being opened.
    Connecting,
    /// The event stream is open.
    Streaming,
    /// Its logs are polled.
    Polling,
    /// It does not answer; waiting to try again.
    Backoff,
    /// The credentials were refused; waiting for others, a reload, or an hour.
    AuthFailed,
    /// It cannot be started: its configuration or certificate file is unusable.
    Unsupported,
}

impl State {
    /// All of them, for tables of gauges.
    pub const ALL: [Self; 6] = [
        Self::Connecting,
        Self::Streaming,
        Self::Polling,
        Self::Backoff,
        Self::AuthFailed,
        Self::Unsupported,
    ];

    /// The word in status and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Streaming => "streaming",
            Self::Polling => "polling",
            Self::Backoff => "backoff",
            Self::AuthFailed => "auth_failed",
            Self::Unsupported => "unsupported",
        }
    }
}

/// What an endpoint is asked, and how it is spared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Requests since the endpoint has its place.
    pub requests: u64,
    /// Requests of the last minute; [`redfish::REQUESTS_PER_MINUTE_MAX`] is the budget.
    pub requests_last_minute: u32,
    /// It does not answer: nothing but one small request is sent at each try, until one is answered.
    pub circuit_open: bool,
    /// It answers, but shows that it has too much to do: it is read more seldom.
    pub slowed: bool,
}

/// A snapshot of one endpoint.
#[derive(Debug, Clone)]
pub struct EndpointView {
    /// Who it is.
    pub endpoint: Arc<Endpoint>,
    /// What it is doing.
    pub state: State,
    /// What the operator asked for.
    pub mode: Mode,
    /// Why it is in this state, where there is a reason: `sse_not_available: ...`, `connect_failures: ...`.
    pub reason: Option<Arc<str>>,
    /// Since when.
    pub since: DateTime<Utc>,
    /// The last error, with its causes.
    pub last_error: Option<Arc<str>>,
    /// When the last error happened.
    pub last_error_at: Option<DateTime<Utc>>,
    /// When it last answered.
    pub last_success_at: Option<DateTime<Utc>>,
    /// When the newest record was made.
    pub last_event_at: Option<DateTime<Utc>>,
    /// When something is tried next: a poll, a reconnect, a login.
    pub next_try_at: Option<DateTime<Utc>>,
    /// When a downgraded endpoint will be tried as a stream again.
    pub next_stream_try_at: Option<DateTime<Utc>>,
    /// Verification of its certificate is off.
    pub insecure: bool,
    /// What it is asked.
    pub load: Load,
    /// Until when the certificate is valid that it showed last.
    pub certificate_not_after: Option<DateTime<Utc>>,
    /// The key that it shows and that is refused, because another one was learned (`tofu`).
    pub refused_key: Option<String>,
    /// Records made.
    pub records: u64,
    /// Stream openings after the first.
    pub reconnections: u64,
    /// Items that came on the stream.
    pub stream_items: u64,
    /// Entries of the logs that should have come on the open stream, since it pushes such, and did not.
    pub stream_missed_entries: u64,
    /// Failures by reason.
    pub failures: BTreeMap<&'static str, u64>,
    /// Stream errors by reason.
    pub stream_errors: BTreeMap<&'static str, u64>,
    /// Times that entries or events are known or suspected missing, by [`GapReason`](crate::GapReason).
    pub gaps: BTreeMap<&'static str, u64>,
    /// The BMC's clock minus ours, to the millisecond, when it was last measured.
    pub clock_offset: Option<TimeDelta>,
    /// Vendor, product and Redfish version as the service root tells them.
    pub vendor: Option<Arc<str>>,
    /// Product.
    pub product: Option<Arc<str>>,
    /// Redfish version.
    pub redfish_version: Option<Arc<str>>,
}

/// The board; cheap to clone. The lock is held while a snapshot is taken or a slot comes or goes, never across an await.
#[derive(Clone, Default)]
pub struct Board(Arc<Shared>);

#[derive(Default)]
struct Shared {
    places: Mutex<BTreeMap<EndpointId, Arc<Status>>>,
    registry: Registry,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<EndpointId, Arc<Status>>> {
        self.0.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every endpoint, ordered by id.
    pub fn snapshot(&self) -> Vec<EndpointView> {
        self.views().collect()
    }

    /// The same one by one: views of 10,000 endpoints are megabytes.
    pub fn views(&self) -> impl Iterator<Item = EndpointView> + use<> {
        let places: Vec<Arc<Status>> = self.lock().values().cloned().collect();
        places.into_iter().map(|status| status.view())
    }

    /// Number of endpoints by state; cheap.
    pub fn counts(&self) -> [(State, usize); 6] {
        let mut counts = State::ALL.map(|state| (state, 0));
        for status in self.lock().values() {
            let state = status.state();
            for (of, count) in &mut counts {
                *count += usize::from(*of == state);
            }
        }
        counts
    }

    /// Number of downgraded endpoints by reason (`sse_not_available`, `connect_failures`, `stream_wedged`).
    pub fn downgraded(&self) -> BTreeMap<&'static str, usize> {
        self.0.registry.counts()
    }

    /// The process-wide downgrade registry: what the board shows of it is what the collectors use.
    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    /// The place of an endpoint.
    pub(crate) fn status(&self, id: &EndpointId) -> Option<Arc<Status>> {
        self.lock().get(id).cloned()
    }

    /// Gives an endpoint its place, or a fresh one.
    pub(crate) fn place(&self, status: Arc<Status>) {
        self.lock().insert(status.endpoint().id.clone(), status);
    }

    /// Takes an endpoint's place away; its series go with it.
    pub(crate) fn remove(&self, id: &EndpointId) {
        self.lock().remove(id);
    }

    /// How many endpoints are in trouble, by what failed last.
    pub(crate) fn troubles(&self) -> BTreeMap<&'static str, usize> {
        let mut troubles = BTreeMap::new();
        for status in self.lock().values() {
            if let Some((state, reason)) = status.trouble() {
                let label = reason.map_or(state.as_str(), FailureReason::as_str);
                *troubles.entry(label).or_default() += 1;
            }
        }
        troubles
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use redfish::{AuthMode, ClientConfig, Trust};

    use super::*;
    use crate::{EndpointSpec, GapReason, plan::Wish};

    fn status(id: &str) -> Arc<Status> {
        let id = EndpointId::try_from(id).unwrap();
        let endpoint = Endpoint { id, address: String::new(), labels: BTreeMap::new() };
        let client = ClientConfig {
            address: "https://127.0.0.1".parse().unwrap(),
            trust: Trust::System,
            allowed_origins: Vec::new(),
            auth: AuthMode::None,
            login: None,
        };
        let spec = EndpointSpec { endpoint: Arc::new(endpoint), client, log_mode: None };
        Arc::new(Status::new(&Wish { spec, logs: Arc::default() }, DateTime::UNIX_EPOCH))
    }

    #[test]
    fn gaps_and_the_clock_of_an_endpoint_are_shown_and_go_with_it() {
        let board = Board::default();
        let (told, silent) = (status("a"), status("b"));
        board.place(Arc::clone(&told));
        board.place(silent);
        told.gap(GapReason::Wrapped);
        told.gap(GapReason::Dropped);
        told.gap(GapReason::Wrapped);
        told.clock_offset(TimeDelta::seconds(9));
        told.clock_offset(TimeDelta::seconds(-3));
        let views = board.snapshot();
        assert_eq!(views[0].gaps, [("dropped", 1), ("wrapped", 2)].into());
        assert_eq!(views[0].clock_offset, Some(TimeDelta::seconds(-3)));
        assert_eq!((&views[1].gaps, views[1].clock_offset), (&BTreeMap::new(), None));
        board.remove(&told.endpoint().id);
        assert_eq!(board.snapshot().len(), 1);
    }
}
