//! `VictoriaLogs`: JSON lines to `/insert/jsonline`, with the names of its special fields in headers.
//!
//! The time of a line is when it was observed: lines older than the store's retention are dropped there without a word, and
//! a BMC's log may hold years. When it happened is the field `occurred_at`.

use super::{
    Message, Readable,
    document::{self, Stamp},
};

pub(super) fn encode(readable: &[Readable<'_>], stream_labels: &[String]) -> Message {
    let mut body = Vec::new();
    for Readable { stored, record } in readable {
        document::write(stored, record, Stamp::No, &mut body);
    }
    let mut streams = "endpoint.id".to_owned();
    for label in stream_labels {
        streams.push_str(",endpoint.labels.");
        streams.push_str(label);
    }
    let headers = vec![
        ("VL-Msg-Field", "message".to_owned()),
        ("VL-Time-Field", "observed_at".to_owned()),
        ("VL-Stream-Fields", streams),
    ];
    Message { content_type: "application/stream+json", headers, body }
}
