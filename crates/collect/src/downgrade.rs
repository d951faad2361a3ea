//! The process-wide downgrade registry: which endpoints are polled instead of streamed, why, since when, and when the
//! stream is tried again. A downgrade is not a life sentence.
//!
//! [`Downgrades`] is pure and is handed the time; [`Registry`] is it behind a lock. Who downgrades is decided in `stream`,
//! who notices evidence in `periodic`, who respawns in `discovery`.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use model::EndpointId;
use redfish::{FailureReason, NotAvailable};
use tokio::time::Instant;

use crate::{AutoSettings, RetrySse, jitter::Jitter};

/// Two tries on evidence are at least so far apart, doubled by each failed try: a BMC whose network flaps must not make
/// us flap with it.
const EVIDENCE_SPACING: Duration = Duration::from_secs(30);

/// Why an endpoint is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The BMC says that it has no event stream for us.
    SseNotAvailable(NotAvailable),
    /// The endpoint's failures exceeded its rolling window; the last one's reason.
    ConnectFailures(FailureReason),
    /// The stream is open and healthy and says nothing, though the log has what it should have pushed, also after it was
    /// opened again.
    StreamWedged,
}

impl Reason {
    /// The metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::SseNotAvailable(_) => "sse_not_available",
            Self::ConnectFailures(_) => "connect_failures",
            Self::StreamWedged => "stream_wedged",
        }
    }

    /// Whether only a look at the service root and the EventService can change it: then no timer tries the stream.
    fn seen_in_the_service_root(self) -> bool {
        match self {
            Self::SseNotAvailable(
                NotAvailable::NoEventService | NotAvailable::NoUri | NotAvailable::Disabled,
            ) => true,
            Self::SseNotAvailable(NotAvailable::Forbidden | NotAvailable::Status(_))
            | Self::ConnectFailures(_)
            | Self::StreamWedged => false,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SseNotAvailable(why) => write!(f, "sse_not_available: {why}"),
            Self::ConnectFailures(last) => write!(f, "connect_failures: {}", last.as_str()),
            Self::StreamWedged => f.write_str("stream_wedged: the log goes on and the stream says nothing"),
        }
    }
}

/// What the next collector of a slot shall be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// A stream collector with the whole failure window before it.
    Stream,
    /// A stream collector on trial: its first failure before it has proved itself ends it.
    Trial,
    /// A periodic collector.
    Periodic,
}

/// Whether a mark was news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Marked {
    /// The endpoint was streaming (or new) and is now downgraded: a transition, worth one warning.
    Downgraded,
    /// It was downgraded and a try failed: no transition.
    StillDowngraded,
}

#[derive(Debug, Clone)]
struct Downgrade {
    reason: Reason,
    failed_tries: u32,
    last_try: Instant,
    retry_at: Option<Instant>,
    next: NextTry,
}

/// What the next try is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum NextTry {
    /// Time has passed.
    Timer,
    /// There was evidence of a change.
    Evidence,
}

/// How far apart two tries on evidence are.
fn spacing(failed_tries: u32) -> Duration {
    EVIDENCE_SPACING.saturating_mul(1 << failed_tries.min(16))
}

/// The registry's state; pure.
#[derive(Debug, Default)]
pub(crate) struct Downgrades {
    by_endpoint: HashMap<EndpointId, Downgrade>,
}

impl Downgrades {
    fn role(&self, id: &EndpointId, now: Instant) -> Role {
        match self.by_endpoint.get(id) {
            None => Role::Stream,
            Some(downgrade) if downgrade.retry_at.is_some_and(|at| at <= now) => Role::Trial,
            Some(_) => Role::Periodic,
        }
    }

    /// Notes that the stream was given up, for the first time or after a failed try, and plans the next try.
    fn mark(
        &mut self,
        id: &EndpointId,
        reason: Reason,
        now: Instant,
        auto: &AutoSettings,
        jitter: &mut Jitter,
    ) -> Marked {
        let before = self.by_endpoint.get(id);
        let failed_tries = before.map_or(0, |before| before.failed_tries.saturating_add(1));
        let marked = if before.is_some() { Marked::StillDowngraded } else { Marked::Downgraded };
        // A BMC that has just booted answers before its stream does: after a try on evidence the next ones come soon.
        let next = before.map_or(NextTry::Timer, |before| before.next);
        let retry_at = match auto.retry_sse_after {
            RetrySse::Never => None,
            RetrySse::After(_) if reason.seen_in_the_service_root() => None,
            RetrySse::After(first) => {
                let doubled = first.saturating_mul(1 << failed_tries.min(16));
                let wait = match next {
                    NextTry::Timer => doubled,
                    NextTry::Evidence => doubled.min(spacing(failed_tries)),
                };
                Some(now + jitter.around(wait.min(auto.retry_sse_max)))
            }
        };
        let downgrade = Downgrade { reason, failed_tries, last_try: now, retry_at, next };
        self.by_endpoint.insert(id.clone(), downgrade);
        marked
    }

    /// Notes evidence that the stream may work now (the BMC answers again, its firmware changed, a URI appeared) and says
    /// whether a try is due.
    fn evidence(&mut self, id: &EndpointId, now: Instant, auto: &AutoSettings) -> Role {
        let Some(downgrade) = self.by_endpoint.get_mut(id) else { return Role::Stream };
        if auto.retry_sse_after == RetrySse::Never {
            return Role::Periodic;
        }
        downgrade.next = NextTry::Evidence;
        let earliest = downgrade.last_try + spacing(downgrade.failed_tries).min(auto.retry_sse_max);
        let due = if downgrade.failed_tries == 0 { now } else { earliest.max(now) };
        downgrade.retry_at = Some(downgrade.retry_at.map_or(due, |at| at.min(due)));
        self.role(id, now)
    }

    fn recovered(&mut self, id: &EndpointId) -> bool {
        self.by_endpoint.remove(id).is_some()
    }

    fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        #[expect(clippy::iter_over_hash_type, reason = "counting does not depend on the order")]
        for downgrade in self.by_endpoint.values() {
            *counts.entry(downgrade.reason.label()).or_default() += 1;
        }
        counts
    }
}

/// The registry that every slot of the process shares. The lock is held for a look-up, never across an await.
#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Downgrades>);

impl Registry {
    fn lock(&self) -> MutexGuard<'_, Downgrades> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the next collector of this endpoint shall be.
    pub(crate) fn role(&self, id: &EndpointId, now: Instant) -> Role {
        self.lock().role(id, now)
    }

    /// See [`Downgrades::mark`].
    pub(crate) fn mark(
        &self,
        id: &EndpointId,
        reason: Reason,
        now: Instant,
        auto: &AutoSettings,
        jitter: &mut Jitter,
    ) -> Marked {
        self.lock().mark(id, reason, now, auto, jitter)
    }

    /// See [`Downgrades::evidence`].
    pub(crate) fn evidence(&self, id: &EndpointId, now: Instant, auto: &AutoSettings) -> Role {
        self.lock().evidence(id, now, auto)
    }

    /// Why this endpoint is downgraded, if it is.
    pub(crate) fn reason(&self, id: &EndpointId) -> Option<Reason> {
        self.lock().by_endpoint.get(id).map(|downgrade| downgrade.reason)
    }

    /// When the stream is tried again, if a timer does that.
    pub(crate) fn retry_at(&self, id: &EndpointId) -> Option<Instant> {
        self.lock().by_endpoint.get(id).and_then(|downgrade| downgrade.retry_at)
    }

    /// The stream proved itself: forget the downgrade. True when there was one.
    pub(crate) fn recovered(&self, id: &EndpointId) -> bool {
        self.lock().recovered(id)
    }

    /// The endpoint is watched no more, or its mode or settings changed.
    pub(crate) fn forget(&self, id: &EndpointId) {
        self.lock().recovered(id);
    }

    /// Downgraded endpoints by reason.
    pub(crate) fn counts(&self) -> BTreeMap<&'static str, usize> {
        self.lock().counts()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);
    const FAILED: Reason = Reason::ConnectFailures(FailureReason::Connect);

    struct Case {
        downgrades: Downgrades,
        id: EndpointId,
        jitter: Jitter,
        auto: AutoSettings,
        start: Instant,
    }

    impl Case {
        fn new() -> Self {
            let id = EndpointId::try_from("a").unwrap();
            let jitter = Jitter::of(1, &id);
            let auto = AutoSettings::default();
            Self { downgrades: Downgrades::default(), id, jitter, auto, start: Instant::now() }
        }

        fn mark(&mut self, reason: Reason, at: Duration) -> Marked {
            self.downgrades.mark(&self.id, reason, self.start + at, &self.auto, &mut self.jitter)
        }

        fn role(&self, at: Duration) -> Role {
            self.downgrades.role(&self.id, self.start + at)
        }

        fn evidence(&mut self, at: Duration) -> Role {
            self.downgrades.evidence(&self.id, self.start + at, &self.auto)
        }
    }

    #[test]
    fn an_endpoint_that_exceeded_its_window_is_polled_and_tried_again_with_doubling_waits() {
        let mut case = Case::new();
        assert_eq!(case.role(Duration::ZERO), Role::Stream);
        assert_eq!(case.mark(FAILED, Duration::ZERO), Marked::Downgraded);
        assert_eq!(case.role(14 * MINUTE), Role::Periodic);
        assert_eq!(case.role(30 * MINUTE), Role::Trial);
        assert_eq!(case.mark(FAILED, 30 * MINUTE), Marked::StillDowngraded);
        assert_eq!(case.role(59 * MINUTE), Role::Periodic);
        assert_eq!(case.role(90 * MINUTE), Role::Trial);
        for _ in 0..20 {
            case.mark(FAILED, 90 * MINUTE);
        }
        assert_eq!(case.role(90 * MINUTE + 24 * 60 * MINUTE), Role::Trial, "the wait is capped at a day");
    }

    #[test]
    fn a_bmc_without_event_service_is_tried_on_evidence_only() {
        let mut case = Case::new();
        case.mark(Reason::SseNotAvailable(NotAvailable::NoEventService), Duration::ZERO);
        assert_eq!(case.role(365 * 24 * 60 * MINUTE), Role::Periodic);
        assert_eq!(case.evidence(60 * MINUTE), Role::Trial);
    }

    #[test]
    fn evidence_tries_at_once_and_then_at_doubling_distance() {
        let mut case = Case::new();
        case.mark(FAILED, Duration::ZERO);
        assert_eq!(case.evidence(MINUTE), Role::Trial);
        case.mark(FAILED, MINUTE);
        assert_eq!(case.evidence(MINUTE + Duration::from_secs(30)), Role::Periodic);
        assert_eq!(case.role(2 * MINUTE), Role::Trial);
        case.mark(FAILED, 2 * MINUTE);
        assert_eq!(case.evidence(3 * MINUTE), Role::Periodic);
        assert_eq!(case.role(4 * MINUTE), Role::Trial);
    }

    #[test]
    fn never_means_until_restart_whatever_the_evidence() {
        let mut case = Case::new();
        case.auto.retry_sse_after = RetrySse::Never;
        case.mark(FAILED, Duration::ZERO);
        assert_eq!(case.evidence(60 * MINUTE), Role::Periodic);
        assert_eq!(case.role(365 * 24 * 60 * MINUTE), Role::Periodic);
    }

    #[test]
    fn a_recovered_endpoint_is_forgotten_and_counted_no_more() {
        let mut case = Case::new();
        case.mark(FAILED, Duration::ZERO);
        assert_eq!(case.downgrades.counts(), [("connect_failures", 1)].into());
        assert!(case.downgrades.recovered(&case.id));
        assert!(!case.downgrades.recovered(&case.id));
        assert_eq!(case.downgrades.counts(), BTreeMap::new());
        assert_eq!(case.role(Duration::ZERO), Role::Stream);
    }
}
