//! A record as a document of a store that gives every field an index: the fields of the JSON line, but for the BMC's own
//! JSON, which is one text. As an object it would have thousands of fields whose kinds differ between vendors, and such
//! stores refuse a record whose field has another kind than the first they saw.

use std::collections::BTreeMap;

use chrono::{DateTime, SecondsFormat, Utc};
use journal::Stored;
use model::{Record, codec};
use serde_json::value::{RawValue, to_raw_value};

use crate::wording::text_of;

/// Whether a document has a time of its own, in `@timestamp`.
#[derive(Debug, Clone, Copy)]
pub(super) enum Stamp {
    No,
    /// When it happened, as far as that is known; else when it was observed.
    Occurred,
}

/// Appends the document of a record and a line feed; `record` is what is stored.
pub(super) fn write(stored: &Stored, record: &Record, stamp: Stamp, out: &mut Vec<u8>) {
    let mut line = Vec::with_capacity(stored.bytes.len() + 40);
    codec::write_line(stored.position, &stored.bytes, &mut line);
    let mut fields: BTreeMap<&str, &RawValue> =
        serde_json::from_slice(&line).expect("what was read as a record is an object");
    let text = |text: &str| to_raw_value(text).expect("a text is plain data");
    let facts = &record.facts;
    let message = text(&text_of(record));
    fields.insert("message", &message);
    let original = facts.original.as_deref().map(|original| text(original.get()));
    fields.extend(original.as_deref().map(|original| ("original", original)));
    // All times of a document are of one precision.
    let time = |at: DateTime<Utc>| text(&at.to_rfc3339_opts(SecondsFormat::Millis, true));
    let occurred = facts.occurred_at.map(time);
    fields.extend(occurred.as_deref().map(|occurred| ("occurred_at", occurred)));
    let timestamp = match stamp {
        Stamp::No => None,
        Stamp::Occurred => Some(time(facts.occurred_at.unwrap_or(record.observed_at))),
    };
    fields.extend(timestamp.as_deref().map(|timestamp| ("@timestamp", timestamp)));
    serde_json::to_writer(&mut *out, &fields).expect("a document is plain data");
    out.push(b'\n');
}
