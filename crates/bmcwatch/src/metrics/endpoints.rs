//! Families about endpoints, rendered from the status board at each scrape: a removed endpoint's series go with it.
//!
//! A view is large, so there is one at a time: every family is written beside the page while they pass.
//!
//! Not here: counts over all endpoints that the collectors keep themselves (`collect::Metrics`).

use std::collections::BTreeMap;

use collect::{EndpointView, State};
use redfish::REQUESTS_PER_MINUTE_MAX;

use super::text::{self, Family, Parts, Text, Type};

/// The reasons a downgrade can have; each is shown, also at 0, so that an alert never misses its series.
const DOWNGRADE_REASONS: [&str; 3] = ["sse_not_available", "connect_failures", "stream_wedged"];

/// All families about endpoints, while these pass.
#[derive(Debug)]
pub(super) struct Endpoints {
    fleet: Fleet,
    series: Vec<Family<Parts>>,
}

impl Endpoints {
    pub(super) fn begin(prefix: &str) -> Self {
        let begin = |series: &Series| text::beside(prefix, series.name, series.kind, series.help);
        Self { fleet: Fleet::default(), series: SERIES.iter().map(begin).collect() }
    }

    pub(super) fn add(&mut self, view: &EndpointView) {
        self.fleet.count(view);
        // An endpoint stands in a dozen families; its name is written and escaped once.
        let label = text::label("endpoint", view.endpoint.id.as_str());
        for (series, family) in SERIES.iter().zip(&mut self.series) {
            (series.add)(family, &label, view);
        }
    }

    pub(super) fn write(self, text: &mut Text<'_>, downgraded: &BTreeMap<&'static str, usize>) {
        self.fleet.write(text, downgraded);
        for family in self.series {
            text.put(family);
        }
    }
}

/// What is counted over all.
#[derive(Debug, Default)]
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

/// A family that has a sample, or some, for every endpoint.
struct Series {
    name: &'static str,
    kind: Type,
    help: &'static str,
    add: Add,
}

/// Writes the samples of one endpoint; the text is its label.
type Add = fn(&mut Family<Parts>, &str, &EndpointView);

const fn counter(name: &'static str, help: &'static str, add: Add) -> Series {
    Series { name, kind: Type::Counter, help, add }
}

const fn gauge(name: &'static str, help: &'static str, add: Add) -> Series {
    Series { name, kind: Type::Gauge, help, add }
}

#[rustfmt::skip]
const SERIES: [Series; 17] = [
    counter("endpoint_requests_total", "Requests to the endpoint.",
        |family, label, view| family.sample_of(label, &[], view.load.requests)),
    gauge("endpoint_requests_last_minute", "Requests to the endpoint within the last minute.",
        |family, label, view| family.sample_of(label, &[], view.load.requests_last_minute)),
    gauge("endpoint_info", "What an endpoint is, always 1.", add_info),
    gauge("endpoint_up", "Whether the endpoint is being streamed or polled (1) or not (0).",
        |family, label, view| family.sample_of(label, &[], u8::from(matches!(view.state, State::Streaming | State::Polling)))),
    gauge("endpoint_state_info", "State of an endpoint and why, always 1.", add_state),
    gauge("endpoint_last_success_timestamp_seconds", "When the endpoint last answered.",
        |family, label, view| family.time(label, view.last_success_at)),
    gauge("endpoint_certificate_not_after_timestamp_seconds", "When the certificate expires that the endpoint showed last.",
        |family, label, view| family.time(label, view.certificate_not_after)),
    gauge("endpoint_clock_offset_seconds", "The clock of the endpoint minus ours, when it was last measured.",
        |family, label, view| family.duration(label, view.clock_offset)),
    gauge("endpoint_last_event_timestamp_seconds", "When the newest record of the endpoint was made.",
        |family, label, view| family.time(label, view.last_event_at)),
    gauge("stream_connected", "Whether the event stream of the endpoint is open.",
        |family, label, view| family.sample_of(label, &[], u8::from(view.state == State::Streaming))),
    counter("stream_reconnections_total", "Openings of the event stream after the first.",
        |family, label, view| family.sample_of(label, &[], view.reconnections)),
    counter("stream_items_processed_total", "Items that came on the event stream.",
        |family, label, view| family.sample_of(label, &[], view.stream_items)),
    counter("endpoint_stream_missed_entries_total", "Log entries that should have come on the open event stream, which pushes such, and did not.",
        |family, label, view| family.sample_of(label, &[], view.stream_missed_entries)),
    counter("stream_errors_total", "Failures to open or keep the event stream, by reason.",
        |family, label, view| add_by_reason(family, label, &view.stream_errors)),
    counter("endpoint_events_total", "Records made of what the endpoint reported.",
        |family, label, view| family.sample_of(label, &[], view.records)),
    counter("endpoint_failures_total", "Requests to the endpoint that failed, by reason.",
        |family, label, view| add_by_reason(family, label, &view.failures)),
    counter("gaps_total", "Times that entries or events of the endpoint are known or suspected missing, by reason.",
        |family, label, view| add_by_reason(family, label, &view.gaps)),
];

fn add_info(family: &mut Family<Parts>, label: &str, view: &EndpointView) {
    let what = [
        ("address", view.endpoint.address.as_str()),
        ("vendor", view.vendor.as_deref().unwrap_or_default()),
        ("product", view.product.as_deref().unwrap_or_default()),
        ("redfish_version", view.redfish_version.as_deref().unwrap_or_default()),
        ("mode", view.mode.as_str()),
        ("tls", if view.insecure { "insecure" } else { "verified" }),
    ];
    family.sample_of(label, &what, 1);
}

fn add_state(family: &mut Family<Parts>, label: &str, view: &EndpointView) {
    let reason = view.reason.as_deref().map_or("", slug);
    family.sample_of(label, &[("state", view.state.as_str()), ("reason", reason)], 1);
}

fn add_by_reason(family: &mut Family<Parts>, label: &str, counts: &BTreeMap<&'static str, u64>) {
    for (reason, count) in counts {
        family.sample_of(label, &[("reason", reason)], *count);
    }
}

/// The word before the colon: what follows it is free text, which must not become a label.
fn slug(reason: &str) -> &str {
    reason.split(':').next().unwrap_or_default().trim()
}
