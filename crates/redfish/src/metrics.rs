//! Process-wide families about requests to BMCs. Names carry no prefix; the registry adds it.
//!
//! The message registries hang here too: this is what all clients of a process share. Not here: what is counted per endpoint (`collect`), and the items of a stream.

use std::sync::Arc;

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};

use crate::{Operation, origins::LinkError, registries::Registries};

/// From a fast BMC's 50 ms to the full log of an old iDRAC.
const DURATION_BUCKETS: [f64; 11] = [0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0];
/// All operations, in the order of [`slot`].
const OPERATIONS: [Operation; 5] =
    [Operation::Root, Operation::Session, Operation::Sse, Operation::Logs, Operation::Entry];
/// Classes of answers; the last is no answer.
const CODES: [&str; 5] = ["2xx", "3xx", "4xx", "5xx", "error"];

/// How opening a stream went.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SseConnect {
    Ok,
    Unsupported,
    Forbidden,
    Error,
}

/// How a login or logout went.
#[derive(Debug, Clone, Copy)]
pub(crate) enum SessionResult {
    Ok,
    Refused,
    Error,
}

/// The families; cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    handles: Arc<Handles>,
}

struct Handles {
    requests: [[IntCounter; 5]; 5],
    durations: [Histogram; 5],
    in_flight: IntGauge,
    queue_wait: Histogram,
    sessions: IntGauge,
    logins: [IntCounter; 3],
    logouts: [IntCounter; 3],
    sse_connects: [IntCounter; 4],
    links_refused: [IntCounter; 3],
    registries: Registries,
}

impl Metrics {
    /// Registers the families.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let requests =
            counters(registry, "http_requests_total", "Requests to BMCs.", &["operation", "code"])?;
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "http_request_duration_seconds",
                "From sending a request to the end of its answer.",
            )
            .buckets(DURATION_BUCKETS.to_vec()),
            &["operation"],
        )?;
        registry.register(Box::new(durations.clone()))?;
        let in_flight = gauge(registry, "http_requests_in_flight", "Requests to BMCs in flight.")?;
        let queue_wait = Histogram::with_opts(
            HistogramOpts::new("http_queue_wait_seconds", "Wait of a request for its turn at its BMC.")
                .buckets(DURATION_BUCKETS.to_vec()),
        )?;
        registry.register(Box::new(queue_wait.clone()))?;
        let sessions = gauge(registry, "sessions", "Redfish sessions held.")?;
        let logins = counters(registry, "session_logins_total", "Session creations.", &["result"])?;
        let logouts = counters(registry, "session_logouts_total", "Session deletions.", &["result"])?;
        let connects =
            counters(registry, "sse_connects_total", "Tries to open an event stream.", &["result"])?;
        let refused = counters(registry, "links_refused_total", "Links of BMCs not followed.", &["reason"])?;
        let results = |family: &IntCounterVec| {
            ["ok", "refused", "error"].map(|result| family.with_label_values(&[result]))
        };
        let handles = Handles {
            requests: OPERATIONS
                .map(|operation| CODES.map(|code| requests.with_label_values(&[operation.as_str(), code]))),
            durations: OPERATIONS.map(|operation| durations.with_label_values(&[operation.as_str()])),
            in_flight,
            queue_wait,
            sessions,
            logins: results(&logins),
            logouts: results(&logouts),
            sse_connects: ["ok", "unsupported", "forbidden", "error"]
                .map(|result| connects.with_label_values(&[result])),
            links_refused: ["malformed", "foreign_origin", "crooked"]
                .map(|reason| refused.with_label_values(&[reason])),
            registries: Registries::default(),
        };
        Ok(Self { handles: Arc::new(handles) })
    }

    /// The message registries that all clients share.
    pub(crate) fn registries(&self) -> &Registries {
        &self.handles.registries
    }

    /// A request begins; the guard counts it as in flight until dropped.
    pub(crate) fn in_flight(&self) -> InFlight {
        self.handles.in_flight.inc();
        InFlight(self.handles.in_flight.clone())
    }

    /// A request got this status, or no answer, after so many seconds.
    pub(crate) fn request(&self, operation: Operation, status: Option<u16>, seconds: f64) {
        let code = match status {
            Some(..300) => 0,
            Some(300..400) => 1,
            Some(400..500) => 2,
            Some(500..) => 3,
            None => 4,
        };
        self.handles.requests[slot(operation)][code].inc();
        self.handles.durations[slot(operation)].observe(seconds);
    }

    pub(crate) fn queue_wait(&self, seconds: f64) {
        self.handles.queue_wait.observe(seconds);
    }

    /// A session is held until the guard is dropped.
    pub(crate) fn session(&self) -> InFlight {
        self.handles.sessions.inc();
        InFlight(self.handles.sessions.clone())
    }

    pub(crate) fn login(&self, result: SessionResult) {
        self.handles.logins[result as usize].inc();
    }

    pub(crate) fn logout(&self, result: SessionResult) {
        self.handles.logouts[result as usize].inc();
    }

    /// A link was not followed.
    pub(crate) fn link_refused(&self, why: LinkError) {
        let slot = match why {
            LinkError::NotALink => 0,
            LinkError::Foreign => 1,
            LinkError::Crooked => 2,
        };
        self.handles.links_refused[slot].inc();
    }

    pub(crate) fn sse_connect(&self, result: SseConnect) {
        self.handles.sse_connects[result as usize].inc();
    }
}

/// Counts one in a gauge while it lives.
pub(crate) struct InFlight(IntGauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn slot(operation: Operation) -> usize {
    match operation {
        Operation::Root => 0,
        Operation::Session => 1,
        Operation::Sse => 2,
        Operation::Logs => 3,
        Operation::Entry => 4,
    }
}

fn counters(
    registry: &Registry,
    name: &str,
    help: &str,
    labels: &[&str],
) -> prometheus::Result<IntCounterVec> {
    let family = IntCounterVec::new(Opts::new(name, help), labels)?;
    registry.register(Box::new(family.clone()))?;
    Ok(family)
}

fn gauge(registry: &Registry, name: &str, help: &str) -> prometheus::Result<IntGauge> {
    let gauge = IntGauge::new(name, help)?;
    registry.register(Box::new(gauge.clone()))?;
    Ok(gauge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_families_have_their_names_and_every_series_from_the_start() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        metrics.request(Operation::Logs, Some(404), 0.2);
        metrics.request(Operation::Entry, None, 30.0);
        metrics.link_refused(LinkError::Foreign);
        let held = metrics.session();
        let text = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
        drop(held);
        for line in [
            "http_requests_total{code=\"4xx\",operation=\"logs\"} 1",
            "http_requests_total{code=\"error\",operation=\"entry\"} 1",
            "http_requests_total{code=\"2xx\",operation=\"root\"} 0",
            "http_request_duration_seconds_bucket{operation=\"logs\",le=\"0.25\"} 1",
            "http_requests_in_flight 0",
            "http_queue_wait_seconds_count 0",
            "links_refused_total{reason=\"foreign_origin\"} 1",
            "links_refused_total{reason=\"crooked\"} 0",
            "sessions 1",
            "session_logins_total{result=\"refused\"} 0",
            "session_logouts_total{result=\"ok\"} 0",
            "sse_connects_total{result=\"unsupported\"} 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
    }
}
