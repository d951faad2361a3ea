//! Families about endpoints, rendered from the status board at each scrape: a removed endpoint's series go with it.
//!
//! Not here: counts over all endpoints that the collectors keep themselves (`collect::Metrics`).

use std::collections::BTreeMap;

use collect::{EndpointView, State};
use redfish::REQUESTS_PER_MINUTE_MAX;

use super::text::{self, Text, Type};

/// The reasons a downgrade can have; each is shown, also at 0, so that an alert never misses its series.
const DOWNGRADE_REASONS: [&str; 3] = ["sse_not_available", "connect_failures", "stream_wedged"];

/// All families about endpoints.
pub(super) fn write(text: &mut Text<'_>, views: &[EndpointView], downgraded: &BTreeMap<&'static str, usize>) {
    fleet(text, views, downgraded);
    // Every endpoint stands in a dozen families; its name is written and escaped once.
    let labelled = |view| Labelled { label: text::label("endpoint", id(view)), view };
    let all: Vec<Labelled<'_>> = views.iter().map(labelled).collect();
    load(text, &all);
    identity(text, views);
    state(text, &all);
    streams(text, &all);
    counters(text, &all);
}

/// An endpoint with its label.
struct Labelled<'a> {
    label: String,
    view: &'a EndpointView,
}

fn fleet(text: &mut Text<'_>, views: &[EndpointView], downgraded: &BTreeMap<&'static str, usize>) {
    let mut family = text.family("endpoints", Type::Gauge, "Endpoints by state.");
    for state in State::ALL {
        let count = views.iter().filter(|view| view.state == state).count();
        family.sample(&[("state", state.as_str())], count);
    }
    let mut family = text.family(
        "downgraded_endpoints",
        Type::Gauge,
        "Endpoints in mode auto that are polled because they cannot be streamed, by reason.",
    );
    let known = DOWNGRADE_REASONS.iter().map(|reason| (*reason, 0));
    let all: BTreeMap<&str, usize> =
        known.chain(downgraded.iter().map(|(reason, count)| (*reason, *count))).collect();
    for (reason, count) in all {
        family.sample(&[("reason", reason)], count);
    }
}

/// What the endpoints are asked, and how they are spared.
fn load(text: &mut Text<'_>, all: &[Labelled<'_>]) {
    let open = all.iter().filter(|one| one.view.load.circuit_open).count();
    let help = "Endpoints that do not answer: each try is one small request until one is answered.";
    text.family("circuit_open", Type::Gauge, help).sample(&[], open);
    let slowed = all.iter().filter(|one| one.view.load.slowed).count();
    let help = "Endpoints that are read more seldom because they have too much to do.";
    text.family("slowed_endpoints", Type::Gauge, help).sample(&[], slowed);
    let help = "Requests that one endpoint gets within a minute at most.";
    text.family("endpoint_requests_budget", Type::Gauge, help).sample(&[], REQUESTS_PER_MINUTE_MAX);
    let mut family = text.family("endpoint_requests_total", Type::Counter, "Requests to the endpoint.");
    for Labelled { label, view } in all {
        family.sample_of(label, &[], view.load.requests);
    }
    let help = "Requests to the endpoint within the last minute.";
    let mut family = text.family("endpoint_requests_last_minute", Type::Gauge, help);
    for Labelled { label, view } in all {
        family.sample_of(label, &[], view.load.requests_last_minute);
    }
}

fn identity(text: &mut Text<'_>, views: &[EndpointView]) {
    let mut family = text.family("endpoint_info", Type::Gauge, "What an endpoint is, always 1.");
    for view in views {
        let labels = [
            ("endpoint", view.endpoint.id.as_str()),
            ("address", view.endpoint.address.as_str()),
            ("vendor", view.vendor.as_deref().unwrap_or_default()),
            ("product", view.product.as_deref().unwrap_or_default()),
            ("redfish_version", view.redfish_version.as_deref().unwrap_or_default()),
            ("mode", view.mode.as_str()),
            ("tls", if view.insecure { "insecure" } else { "verified" }),
        ];
        family.sample(&labels, 1);
    }
}

fn state(text: &mut Text<'_>, all: &[Labelled<'_>]) {
    let mut family = text.family(
        "endpoint_up",
        Type::Gauge,
        "Whether the endpoint is being streamed or polled (1) or not (0).",
    );
    for Labelled { label, view } in all {
        let up = matches!(view.state, State::Streaming | State::Polling);
        family.sample_of(label, &[], u8::from(up));
    }
    let mut family =
        text.family("endpoint_state_info", Type::Gauge, "State of an endpoint and why, always 1.");
    for Labelled { label, view } in all {
        let reason = view.reason.as_deref().map_or("", slug);
        family.sample_of(label, &[("state", view.state.as_str()), ("reason", reason)], 1);
    }
    let mut family = text.family(
        "endpoint_last_success_timestamp_seconds",
        Type::Gauge,
        "When the endpoint last answered.",
    );
    for Labelled { label, view } in all {
        family.time(label, view.last_success_at);
    }
    let mut family = text.family(
        "endpoint_certificate_not_after_timestamp_seconds",
        Type::Gauge,
        "When the certificate expires that the endpoint showed last.",
    );
    for Labelled { label, view } in all {
        family.time(label, view.certificate_not_after);
    }
    let mut family = text.family(
        "endpoint_clock_offset_seconds",
        Type::Gauge,
        "The clock of the endpoint minus ours, when it was last measured.",
    );
    for Labelled { label, view } in all {
        family.duration(label, view.clock_offset);
    }
    let mut family = text.family(
        "endpoint_last_event_timestamp_seconds",
        Type::Gauge,
        "When the newest record of the endpoint was made.",
    );
    for Labelled { label, view } in all {
        family.time(label, view.last_event_at);
    }
}

fn streams(text: &mut Text<'_>, all: &[Labelled<'_>]) {
    let mut family =
        text.family("stream_connected", Type::Gauge, "Whether the event stream of the endpoint is open.");
    for Labelled { label, view } in all {
        family.sample_of(label, &[], u8::from(view.state == State::Streaming));
    }
    let mut family = text.family(
        "stream_reconnections_total",
        Type::Counter,
        "Openings of the event stream after the first.",
    );
    for Labelled { label, view } in all {
        family.sample_of(label, &[], view.reconnections);
    }
    let mut family =
        text.family("stream_items_processed_total", Type::Counter, "Items that came on the event stream.");
    for Labelled { label, view } in all {
        family.sample_of(label, &[], view.stream_items);
    }
    let mut family = text.family(
        "endpoint_stream_missed_entries_total",
        Type::Counter,
        "Log entries that should have come on the open event stream, which pushes such, and did not.",
    );
    for Labelled { label, view } in all {
        family.sample_of(label, &[], view.stream_missed_entries);
    }
    let mut family = text.family(
        "stream_errors_total",
        Type::Counter,
        "Failures to open or keep the event stream, by reason.",
    );
    for Labelled { label, view } in all {
        for (reason, count) in &view.stream_errors {
            family.sample_of(label, &[("reason", reason)], count);
        }
    }
}

fn counters(text: &mut Text<'_>, all: &[Labelled<'_>]) {
    let mut family =
        text.family("endpoint_events_total", Type::Counter, "Records made of what the endpoint reported.");
    for Labelled { label, view } in all {
        family.sample_of(label, &[], view.records);
    }
    let mut family = text.family(
        "endpoint_failures_total",
        Type::Counter,
        "Requests to the endpoint that failed, by reason.",
    );
    for Labelled { label, view } in all {
        for (reason, count) in &view.failures {
            family.sample_of(label, &[("reason", reason)], count);
        }
    }
    let mut family = text.family(
        "gaps_total",
        Type::Counter,
        "Times that entries or events of the endpoint are known or suspected missing, by reason.",
    );
    for Labelled { label, view } in all {
        for (reason, count) in &view.gaps {
            family.sample_of(label, &[("reason", reason)], count);
        }
    }
}

fn id(view: &EndpointView) -> &str {
    view.endpoint.id.as_str()
}

/// The word before the colon: what follows it is free text, which must not become a label.
fn slug(reason: &str) -> &str {
    reason.split(':').next().unwrap_or_default().trim()
}
