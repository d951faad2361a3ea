//! Process-wide families about discovery, collectors and ingest. Per-endpoint series are rendered from the board.
//!
//! Names carry no prefix: the registry adds it. Only this file calls `with_label_values`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use model::{Origin, Severity};
use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, core::Collector,
};

/// The families; cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    sources: SourceFamilies,
    changes: IntCounterVec,
    restarts: IntCounterVec,
    downgrades: IntCounterVec,
    recoveries: IntCounter,
    first_poll: Histogram,
    polls: IntCounterVec,
    poll_seconds: Histogram,
    poll_entries: IntCounter,
    ingested: IntCounterVec,
    deduplicated: IntCounterVec,
    rejected: IntCounterVec,
    delay: HistogramVec,
    disconnects: IntCounterVec,
    received_bytes: IntCounter,
    invalid_utf8: IntCounter,
    connections: IntGauge,
}

/// Families with the label `source`.
#[derive(Clone, Debug)]
struct SourceFamilies {
    targets: IntGaugeVec,
    refreshes: IntCounterVec,
    refresh_seconds: HistogramVec,
    refresh_success: GaugeVec,
}

/// What changed about an endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    Added,
    Removed,
    Updated,
}

struct Families<'a>(&'a Registry);

impl Families<'_> {
    fn add<C: Collector + Clone + 'static>(&self, family: C) -> prometheus::Result<C> {
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    fn counters(&self, name: &str, help: &str, labels: &[&str]) -> prometheus::Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels)?)
    }
}

impl SourceFamilies {
    fn register(of: &Families<'_>) -> prometheus::Result<Self> {
        Ok(Self {
            targets: of.add(IntGaugeVec::new(
                Opts::new("discovery_targets", "Endpoints of each source that are watched here."),
                &["source"],
            )?)?,
            refreshes: of.counters(
                "discovery_refreshes_total",
                "Refreshes of each source beside the configuration's own list.",
                &["source", "result"],
            )?,
            refresh_seconds: of.add(HistogramVec::new(
                HistogramOpts::new("discovery_refresh_duration_seconds", "Duration of a refresh.")
                    .buckets(vec![0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0]),
                &["source"],
            )?)?,
            refresh_success: of.add(GaugeVec::new(
                Opts::new("discovery_last_success_timestamp_seconds", "Last refresh that succeeded."),
                &["source"],
            )?)?,
        })
    }
}

impl Metrics {
    /// Registers the families.
    pub fn register(registry: &Registry) -> prometheus::Result<Self> {
        let of = Families(registry);
        let waits = vec![0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 30.0, 300.0];
        let polls = vec![0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 120.0];
        let delays = vec![0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0, 86400.0];
        let histogram = |name: &str, help: &str, buckets: &Vec<f64>| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(buckets.clone()))
        };
        Ok(Self {
            sources: SourceFamilies::register(&of)?,
            changes: of.counters(
                "endpoint_changes_total",
                "Endpoints added, removed, updated.",
                &["change"],
            )?,
            restarts: of.counters("task_restarts_total", "Supervised restarts.", &["task", "cause"])?,
            downgrades: of.counters(
                "downgrades_total",
                "Endpoints that went from stream to poll.",
                &["reason"],
            )?,
            recoveries: of.add(IntCounter::new(
                "recoveries_total",
                "Downgraded endpoints whose stream proved itself again.",
            )?)?,
            first_poll: of.add(histogram(
                "downgrade_to_first_poll_seconds",
                "Time from a downgrade to the start of the first poll.",
                &waits,
            )?)?,
            polls: of.counters("polls_total", "Log polls of one endpoint.", &["result"])?,
            poll_seconds: of.add(histogram("poll_duration_seconds", "One endpoint's log poll.", &polls)?)?,
            poll_entries: of.add(IntCounter::new("poll_entries_total", "Entries read from logs.")?)?,
            ingested: of.counters(
                "events_ingested_total",
                "Records made, by the way they came and their severity.",
                &["source", "severity"],
            )?,
            deduplicated: of.counters(
                "events_deduplicated_total",
                "Entries and events that were already in the journal.",
                &["source"],
            )?,
            rejected: of.counters(
                "events_rejected_total",
                "Entries and events that could not be read, or that the BMC tells of itself (own_noise).",
                &["reason"],
            )?,
            delay: of.add(HistogramVec::new(
                HistogramOpts::new("event_delay_seconds", "Our time minus the BMC's time of the event.")
                    .buckets(delays),
                &["source"],
            )?)?,
            disconnects: of.counters("sse_disconnects_total", "Event streams that ended.", &["reason"])?,
            received_bytes: of
                .add(IntCounter::new("sse_received_bytes_total", "Bytes received on streams.")?)?,
            invalid_utf8: of.add(IntCounter::new(
                "sse_invalid_utf8_total",
                "Event blocks in which bad UTF-8 was replaced.",
            )?)?,
            connections: of.add(IntGauge::new("sse_connections", "Open event streams.")?)?,
        })
    }

    /// So many endpoints of a source are watched here.
    pub fn targets(&self, source: &str, endpoints: usize) {
        self.sources.targets.with_label_values(&[source]).set(i64::try_from(endpoints).unwrap_or(i64::MAX));
    }

    /// A source was refreshed; `good_at` is when, if all of it could be read.
    pub(crate) fn refreshed(&self, source: &str, took: Duration, good_at: Option<DateTime<Utc>>) {
        let result = if good_at.is_some() { "success" } else { "failure" };
        self.sources.refreshes.with_label_values(&[source, result]).inc();
        self.sources.refresh_seconds.with_label_values(&[source]).observe(took.as_secs_f64());
        if let Some(at) = good_at {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 stay below 2^53")]
            let seconds = at.timestamp_millis() as f64 / 1000.0;
            self.sources.refresh_success.with_label_values(&[source]).set(seconds);
        }
    }

    /// There is no such source any more. What was never there leaves nothing to take away.
    pub(crate) fn forget_source(&self, source: &str) {
        let gone = [
            self.sources.targets.remove_label_values(&[source]),
            self.sources.refreshes.remove_label_values(&[source, "success"]),
            self.sources.refreshes.remove_label_values(&[source, "failure"]),
            self.sources.refresh_seconds.remove_label_values(&[source]),
            self.sources.refresh_success.remove_label_values(&[source]),
        ];
        gone.into_iter().for_each(drop);
    }

    pub(crate) fn source_panicked(&self) {
        self.restarts.with_label_values(&["source", "panic"]).inc();
    }

    pub(crate) fn change(&self, change: Change) {
        let label = match change {
            Change::Added => "added",
            Change::Removed => "removed",
            Change::Updated => "updated",
        };
        self.changes.with_label_values(&[label]).inc();
    }

    pub(crate) fn collector_panicked(&self) {
        self.restarts.with_label_values(&["collector", "panic"]).inc();
    }

    pub(crate) fn downgraded(&self, reason: &str) {
        self.downgrades.with_label_values(&[reason]).inc();
    }

    pub(crate) fn recovered(&self) {
        self.recoveries.inc();
    }

    pub(crate) fn first_poll_after(&self, wait: Duration) {
        self.first_poll.observe(wait.as_secs_f64());
    }

    pub(crate) fn polled(&self, result: &str, took: Duration) {
        self.polls.with_label_values(&[result]).inc();
        self.poll_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn read(&self, entries: usize) {
        self.poll_entries.inc_by(entries as u64);
    }

    pub(crate) fn ingested(&self, origin: Origin, severity: Severity, delay: Option<f64>) {
        self.ingested.with_label_values(&[origin.as_str(), severity.as_str()]).inc();
        if let Some(delay) = delay {
            self.delay.with_label_values(&[origin.as_str()]).observe(delay);
        }
    }

    pub(crate) fn deduplicated(&self, origin: Origin) {
        self.deduplicated.with_label_values(&[origin.as_str()]).inc();
    }

    pub(crate) fn rejected(&self, reason: &str, count: u32) {
        if count > 0 {
            self.rejected.with_label_values(&[reason]).inc_by(u64::from(count));
        }
    }

    pub(crate) fn stream_opened(&self) {
        self.connections.inc();
    }

    pub(crate) fn stream_closed(&self, reason: &str) {
        self.connections.dec();
        self.disconnects.with_label_values(&[reason]).inc();
    }

    pub(crate) fn received(&self, bytes: u64, replaced: u64) {
        self.received_bytes.inc_by(bytes);
        self.invalid_utf8.inc_by(replaced);
    }
}
