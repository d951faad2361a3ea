//! Families about sinks, rendered from their status at each scrape.

use sink::SinkView;

use super::text::{self, Text, Type};

/// All families about sinks.
pub(super) fn write(text: &mut Text<'_>, sinks: &[SinkView]) {
    let mut family = text.family("sink_up", Type::Gauge, "Whether the last delivery to the sink succeeded.");
    for sink in sinks {
        family.sample(&[name(sink), ("type", sink.kind)], u8::from(sink.up));
    }
    let mut family =
        text.family("sink_cursor_sequence", Type::Gauge, "Position up to which the sink has acknowledged.");
    for sink in sinks {
        family.sample(&[name(sink)], sink.position);
    }
    let mut family =
        text.family("sink_lag_events", Type::Gauge, "Records that the sink has not acknowledged yet.");
    for sink in sinks {
        family.sample(&[name(sink)], sink.lag);
    }
    let mut family = text.family(
        "sink_oldest_pending_timestamp_seconds",
        Type::Gauge,
        "While records wait: when the oldest of them was observed.",
    );
    for sink in sinks {
        family.time(&label(sink), sink.oldest_pending_at);
    }
    let mut family = text.family(
        "sink_last_success_timestamp_seconds",
        Type::Gauge,
        "When the sink last acknowledged records.",
    );
    for sink in sinks {
        family.time(&label(sink), sink.last_success_at);
    }
    counters(text, sinks);
}

fn counters(text: &mut Text<'_>, sinks: &[SinkView]) {
    let mut family =
        text.family("sink_delivered_events_total", Type::Counter, "Records that the sink has taken.");
    for sink in sinks {
        family.sample(&[name(sink)], sink.delivered);
    }
    let mut family = text.family("sink_attempts_total", Type::Counter, "Deliveries to the sink by result.");
    for sink in sinks {
        let attempts = sink.attempts;
        family.sample(&[name(sink), ("result", "success")], attempts.success);
        family.sample(&[name(sink), ("result", "retryable")], attempts.retryable);
        family.sample(&[name(sink), ("result", "permanent")], attempts.permanent);
    }
    let mut family = text.family(
        "sink_dropped_events_total",
        Type::Counter,
        "Records that the sink will never get, by reason.",
    );
    for sink in sinks {
        family.sample(&[name(sink), ("reason", "expired")], sink.expired);
        family.sample(&[name(sink), ("reason", "rejected")], sink.rejected);
        family.sample(&[name(sink), ("reason", "too_large")], sink.too_large);
    }
    let mut family =
        text.family("sink_filtered_events_total", Type::Counter, "Records that the sink's filter held back.");
    for sink in sinks {
        family.sample(&[name(sink)], sink.filtered);
    }
}

fn label(sink: &SinkView) -> String {
    let (name, text) = name(sink);
    text::label(name, text)
}

fn name(sink: &SinkView) -> (&'static str, &str) {
    ("sink", sink.name.as_str())
}
