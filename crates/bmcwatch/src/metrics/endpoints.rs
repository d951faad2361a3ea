//! Families about endpoints, rendered from the status board at each scrape: a removed endpoint's series go with it.
//!
//! A view is large, so there is one at a time: every family is written beside the page while they pass.
//!
//! Not here: counts over all endpoints that the collectors keep themselves (`collect::Metrics`).

use std::collections::BTreeMap;

use collect::{EndpointView, State};
use redfish::REQUESTS_PER_MINUTE_MAX;

use super::text::{self, Family, Text, Type};

/// The reasons a downgrade can have; each is shown, also at 0, so that an alert never misses its series.
const DOWNGRADE_REASONS: [&str; 3] = ["sse_not_available", "connect_failures", "stream_wedged"];

/// All families about endpoints.
pub(super) fn write(
    text: &mut Text<'_>,
    views: impl Iterator<Item = EndpointView>,
    downgraded: &BTreeMap<&'static str, usize>,
) {
    let (mut fleet, mut series) = (Fleet::default(), Series::begin(text));
    for view in views {
        fleet.count(&view);
        series.add(&view);
    }
    fleet.write(text, downgraded);
    series.put(text);
}

/// What is counted over all.
#[derive(Default)]
struct Fleet {
    in_state: [usize; State::ALL.len()],
    circuits_open: usize,
    slowed: usize,
}

impl Fleet {
    fn count(&mut self, view: &EndpointView) {
        for (state, count) in State::ALL.iter().zip(&mut self.in_state) {
            *count += usize::from(view.state == *state);
        }
        self.circuits_open += usize::from(view.load.circuit_open);
        self.slowed += usize::from(view.load.slowed);
    }

    fn write(&self, text: &mut Text<'_>, downgraded: &BTreeMap<&'static str, usize>) {
        let mut family = text.family("endpoints", Type::Gauge, "Endpoints by state.");
        for (state, count) in State::ALL.iter().zip(self.in_state) {
            family.sample(&[("state", state.as_str())], count);
        }
        let help = "Endpoints in mode auto that are polled because they cannot be streamed, by reason.";
        let mut family = text.family("downgraded_endpoints", Type::Gauge, help);
        let known = DOWNGRADE_REASONS.iter().map(|reason| (*reason, 0));
        let all: BTreeMap<&str, usize> =
            known.chain(downgraded.iter().map(|(reason, count)| (*reason, *count))).collect();
        for (reason, count) in all {
            family.sample(&[("reason", reason)], count);
        }
        let help = "Endpoints that do not answer: each try is one small request until one is answered.";
        text.family("circuit_open", Type::Gauge, help).sample(&[], self.circuits_open);
        let help = "Endpoints that are read more seldom because they have too much to do.";
        text.family("slowed_endpoints", Type::Gauge, help).sample(&[], self.slowed);
        let help = "Requests that one endpoint gets within a minute at most.";
        text.family("endpoint_requests_budget", Type::Gauge, help).sample(&[], REQUESTS_PER_MINUTE_MAX);
    }
}

/// The families that have a sample, or some, for every endpoint.
struct Series {
    requests: Family<String>,
    requests_last_minute: Family<String>,
    info: Family<String>,
    up: Family<String>,
    state: Family<String>,
    last_success: Family<String>,
    certificate: Family<String>,
    clock_offset: Family<String>,
    last_event: Family<String>,
    connected: Family<String>,
    reconnections: Family<String>,
    items: Family<String>,
    missed: Family<String>,
    errors: Family<String>,
    events: Family<String>,
    failures: Family<String>,
    gaps: Family<String>,
}

impl Series {
    #[rustfmt::skip]
    fn begin(text: &Text<'_>) -> Self {
        let counter = |name, help| text.beside(name, Type::Counter, help);
        let gauge = |name, help| text.beside(name, Type::Gauge, help);
        Self {
            requests: counter("endpoint_requests_total", "Requests to the endpoint."),
            requests_last_minute: gauge("endpoint_requests_last_minute", "Requests to the endpoint within the last minute."),
            info: gauge("endpoint_info", "What an endpoint is, always 1."),
            up: gauge("endpoint_up", "Whether the endpoint is being streamed or polled (1) or not (0)."),
            state: gauge("endpoint_state_info", "State of an endpoint and why, always 1."),
            last_success: gauge("endpoint_last_success_timestamp_seconds", "When the endpoint last answered."),
            certificate: gauge("endpoint_certificate_not_after_timestamp_seconds", "When the certificate expires that the endpoint showed last."),
            clock_offset: gauge("endpoint_clock_offset_seconds", "The clock of the endpoint minus ours, when it was last measured."),
            last_event: gauge("endpoint_last_event_timestamp_seconds", "When the newest record of the endpoint was made."),
            connected: gauge("stream_connected", "Whether the event stream of the endpoint is open."),
            reconnections: counter("stream_reconnections_total", "Openings of the event stream after the first."),
            items: counter("stream_items_processed_total", "Items that came on the event stream."),
            missed: counter("endpoint_stream_missed_entries_total", "Log entries that should have come on the open event stream, which pushes such, and did not."),
            errors: counter("stream_errors_total", "Failures to open or keep the event stream, by reason."),
            events: counter("endpoint_events_total", "Records made of what the endpoint reported."),
            failures: counter("endpoint_failures_total", "Requests to the endpoint that failed, by reason."),
            gaps: counter("gaps_total", "Times that entries or events of the endpoint are known or suspected missing, by reason."),
        }
    }

    fn add(&mut self, view: &EndpointView) {
        // An endpoint stands in a dozen families; its name is written and escaped once.
        let label = &text::label("endpoint", view.endpoint.id.as_str());
        self.requests.sample_of(label, &[], view.load.requests);
        self.requests_last_minute.sample_of(label, &[], view.load.requests_last_minute);
        let what = [
            ("address", view.endpoint.address.as_str()),
            ("vendor", view.vendor.as_deref().unwrap_or_default()),
            ("product", view.product.as_deref().unwrap_or_default()),
            ("redfish_version", view.redfish_version.as_deref().unwrap_or_default()),
            ("mode", view.mode.as_str()),
            ("tls", if view.insecure { "insecure" } else { "verified" }),
        ];
        self.info.sample_of(label, &what, 1);
        let up = matches!(view.state, State::Streaming | State::Polling);
        self.up.sample_of(label, &[], u8::from(up));
        let reason = view.reason.as_deref().map_or("", slug);
        self.state.sample_of(label, &[("state", view.state.as_str()), ("reason", reason)], 1);
        self.last_success.time(label, view.last_success_at);
        self.certificate.time(label, view.certificate_not_after);
        self.clock_offset.duration(label, view.clock_offset);
        self.last_event.time(label, view.last_event_at);
        self.connected.sample_of(label, &[], u8::from(view.state == State::Streaming));
        self.reconnections.sample_of(label, &[], view.reconnections);
        self.items.sample_of(label, &[], view.stream_items);
        self.missed.sample_of(label, &[], view.stream_missed_entries);
        self.events.sample_of(label, &[], view.records);
        let by_reason = [
            (&mut self.errors, &view.stream_errors),
            (&mut self.failures, &view.failures),
            (&mut self.gaps, &view.gaps),
        ];
        for (family, counts) in by_reason {
            for (reason, count) in counts {
                family.sample_of(label, &[("reason", reason)], count);
            }
        }
    }

    fn put(&self, text: &mut Text<'_>) {
        let all = [
            &self.requests,
            &self.requests_last_minute,
            &self.info,
            &self.up,
            &self.state,
            &self.last_success,
            &self.certificate,
            &self.clock_offset,
            &self.last_event,
            &self.connected,
            &self.reconnections,
            &self.items,
            &self.missed,
            &self.errors,
            &self.events,
            &self.failures,
            &self.gaps,
        ];
        for family in all {
            text.put(family);
        }
    }
}

/// The word before the colon: what follows it is free text, which must not become a label.
fn slug(reason: &str) -> &str {
    reason.split(':').next().unwrap_or_default().trim()
}
