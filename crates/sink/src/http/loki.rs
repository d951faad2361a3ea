//! Loki: the push API in JSON. Few labels name a stream; what tells records apart is structured metadata; the line is the
//! line that the file sink writes.
//!
//! The time of a line is when it was observed, and a stream's lines come in that order: Loki refuses lines that lie far
//! behind the newest of their stream, or before a limit, and a BMC's log may hold years. When it happened is metadata.

use std::collections::BTreeMap;

use chrono::SecondsFormat;
use model::codec;
use serde::Serialize;

use super::{Message, Readable};

#[derive(Serialize)]
struct Push<'a> {
    streams: Vec<Stream<'a>>,
}

#[derive(Serialize)]
struct Stream<'a> {
    stream: BTreeMap<&'a str, &'a str>,
    values: Vec<Value<'a>>,
}

/// Nanoseconds since 1970, the line, and its metadata.
#[derive(Serialize)]
struct Value<'a>(String, String, BTreeMap<&'static str, std::borrow::Cow<'a, str>>);

pub(super) fn encode(readable: &[Readable<'_>], stream_labels: &[String]) -> Message {
    let mut streams: BTreeMap<BTreeMap<&str, &str>, Vec<&Readable<'_>>> = BTreeMap::new();
    for readable in readable {
        let record = &readable.record;
        let mut labels =
            BTreeMap::from([("service_name", "bmcwatch"), ("severity", record.facts.severity.as_str())]);
        let own = stream_labels
            .iter()
            .filter_map(|name| Some((name.as_str(), record.endpoint.labels.get(name)?.as_str())));
        labels.extend(own);
        streams.entry(labels).or_default().push(readable);
    }
    let streams = streams.into_iter().map(|(stream, mut readable)| {
        readable.sort_by_key(|readable| readable.record.observed_at);
        Stream { stream, values: readable.into_iter().map(value).collect() }
    });
    let body = serde_json::to_vec(&Push { streams: streams.collect() }).expect("a push is plain data");
    Message { content_type: "application/json", headers: Vec::new(), body }
}

fn value<'a>(readable: &'a Readable<'a>) -> Value<'a> {
    let Readable { stored, record } = readable;
    let mut line = Vec::with_capacity(stored.bytes.len() + 40);
    codec::write_line(stored.position, &stored.bytes, &mut line);
    line.pop();
    let line = String::from_utf8(line).expect("it was read as JSON before");
    let at = format!("{}000000", record.observed_at.timestamp_millis());
    let facts = &record.facts;
    let metadata = [
        ("endpoint", Some(record.endpoint.id.as_str())),
        ("kind", Some(record.kind.as_str())),
        ("source", Some(record.source.as_str())),
        ("message_id", facts.message_id.as_deref()),
    ];
    let mut metadata: BTreeMap<_, _> =
        metadata.into_iter().filter_map(|(name, value)| Some((name, value?.into()))).collect();
    metadata.insert("uid", record.uid.to_string().into());
    if let Some(at) = facts.occurred_at {
        metadata.insert("occurred_at", at.to_rfc3339_opts(SecondsFormat::AutoSi, true).into());
    }
    Value(at, line, metadata)
}
