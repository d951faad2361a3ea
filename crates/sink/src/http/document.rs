//! A record as a document of a store that gives every field an index: the fields of the JSON line, but for the BMC's own
//! JSON, which is one text. As an object it would have thousands of fields whose kinds differ between vendors, and such
//! stores refuse a record whose field has another kind than the first they saw.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use model::{Record, codec};
use serde::Serialize;

use crate::wording::text_of;

#[derive(Serialize)]
pub(super) struct Document<'a> {
    #[serde(rename = "@timestamp", skip_serializing_if = "Option::is_none")]
    timestamp: Option<String>,
    schema: u32,
    position: u64,
    uid: String,
    kind: &'static str,
    source: &'static str,
    endpoint: Endpoint<'a>,
    observed_at: String,
    occurred_at: Option<String>,
    occurred_at_raw: Option<&'a str>,
    severity: &'static str,
    message: &'a str,
    message_id: Option<&'a str>,
    message_args: &'a [String],
    log_service: Option<&'a str>,
    entry_id: Option<&'a str>,
    event_id: Option<&'a str>,
    origin: Option<&'a str>,
    original: Option<&'a str>,
}

#[derive(Serialize)]
struct Endpoint<'a> {
    id: &'a str,
    address: &'a str,
    labels: &'a BTreeMap<String, String>,
}

/// Whether a document has a time of its own, in `@timestamp`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stamp {
    No,
    /// When it happened, as far as that is known; else when it was observed.
    Occurred,
}

/// Appends the document of a record and a line feed.
pub(super) fn write(position: u64, record: &Record, stamp: Stamp, out: &mut Vec<u8>) {
    let text = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let facts = &record.facts;
    let message = text_of(record);
    let document = Document {
        timestamp: match stamp {
            Stamp::No => None,
            Stamp::Occurred => Some(text(facts.occurred_at.unwrap_or(record.observed_at))),
        },
        schema: codec::SCHEMA,
        position,
        uid: record.uid.to_string(),
        kind: record.kind.as_str(),
        source: record.source.as_str(),
        endpoint: Endpoint {
            id: record.endpoint.id.as_str(),
            address: &record.endpoint.address,
            labels: &record.endpoint.labels,
        },
        observed_at: text(record.observed_at),
        occurred_at: facts.occurred_at.map(text),
        occurred_at_raw: facts.occurred_at_raw.as_deref(),
        severity: facts.severity.as_str(),
        message: &message,
        message_id: facts.message_id.as_deref(),
        message_args: &facts.message_args,
        log_service: facts.log_service.as_deref(),
        entry_id: facts.entry_id.as_deref(),
        event_id: facts.event_id.as_deref(),
        origin: facts.origin.as_deref(),
        original: facts.original.as_deref().map(serde_json::value::RawValue::get),
    };
    serde_json::to_writer(&mut *out, &document).expect("a document is plain data");
    out.push(b'\n');
}
