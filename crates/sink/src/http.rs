//! The HTTP sink: records posted in one of a few formats that log stores take.
//!
//! A batch is one request. A format says how records become a body and what an answer says of single records; everything
//! else is the peer's (`peer`). Not here: OTLP, which is a sink of its own.

mod document;
mod elasticsearch;
mod loki;
mod victorialogs;

use std::sync::Arc;

use journal::{Position, Stored};
use model::{Record, codec};

use crate::{
    peer::{Message, Peer, PeerConfig, PeerError, pack},
    sink::Delivered,
    triage::{Reason, Refused},
};

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct HttpConfig {
    /// Where records go.
    pub peer: PeerConfig,
    /// In which form.
    pub format: HttpFormat,
    /// Labels of endpoints that name a stream, beside what always does. Only where there are streams.
    pub stream_labels: Vec<String>,
}

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpFormat {
    /// The lines that the file sink writes.
    Ndjson,
    /// Loki's push API, JSON.
    Loki,
    /// `VictoriaLogs`' JSON lines.
    Victorialogs,
    /// Elasticsearch's and `OpenSearch`'s bulk API.
    Elasticsearch,
}

/// An HTTP sink.
#[derive(Debug)]
pub(crate) struct HttpSink {
    peer: Peer,
    format: HttpFormat,
    stream_labels: Arc<[String]>,
}

/// A record that can be read, and its stored form.
struct Readable<'a> {
    stored: &'a Stored,
    record: Record,
}

impl HttpFormat {
    /// What an answer may have. A bulk answer names every record, and what was wrong with it.
    const fn answer_bytes_max(self) -> usize {
        match self {
            Self::Ndjson | Self::Loki | Self::Victorialogs => 64 << 10,
            Self::Elasticsearch => 8 << 20,
        }
    }

    fn encode(self, readable: &[Readable<'_>], stream_labels: &[String]) -> Message {
        match self {
            Self::Ndjson => Message {
                content_type: "application/x-ndjson",
                headers: Vec::new(),
                body: lines(readable.iter().map(|readable| readable.stored)),
            },
            Self::Loki => loki::encode(readable, stream_labels),
            Self::Victorialogs => victorialogs::encode(readable, stream_labels),
            Self::Elasticsearch => elasticsearch::encode(readable),
        }
    }
}

impl HttpSink {
    pub(crate) fn new(config: HttpConfig) -> Self {
        let HttpConfig { peer, format, stream_labels } = config;
        Self { peer: Peer::new(peer), format, stream_labels: stream_labels.into() }
    }

    /// Posts the batch and answers what the peer says of it.
    pub(crate) async fn deliver(&mut self, batch: Arc<[Stored]>) -> Result<Delivered, PeerError> {
        let (format, labels) = (self.format, Arc::clone(&self.stream_labels));
        let compression = self.peer.compression();
        let records = Arc::clone(&batch);
        let encode = move || {
            let (readable, refused) = readable(&records);
            let sent: Vec<Position> = readable.iter().map(|readable| readable.stored.position).collect();
            let mut message = format.encode(&readable, &labels);
            message.body = pack(message.body, compression);
            (sent, message, refused)
        };
        let (sent, message, refused) = tokio::task::spawn_blocking(encode).await.map_err(PeerError::Task)?;
        let mut delivered = Delivered { refused, ..Delivered::default() };
        if sent.is_empty() {
            return Ok(delivered);
        }
        let answer = self.peer.post(message, format.answer_bytes_max()).await?;
        match format {
            HttpFormat::Ndjson | HttpFormat::Loki | HttpFormat::Victorialogs => {}
            HttpFormat::Elasticsearch => {
                elasticsearch::judge(&answer, &sent, &batch, &mut delivered)?;
            }
        }
        Ok(delivered)
    }
}

/// Records that can be read, and those that cannot: they have no form but the stored one.
fn readable(batch: &[Stored]) -> (Vec<Readable<'_>>, Vec<Refused>) {
    let mut refused = Vec::new();
    let mut readable = Vec::with_capacity(batch.len());
    for stored in batch {
        match codec::decode(stored.position, &stored.bytes) {
            Ok(record) => readable.push(Readable { stored, record }),
            Err(error) => refused.push(Refused {
                record: stored.clone(),
                reason: Reason::Rejected,
                error: crate::chain::Chain(&error).to_string(),
            }),
        }
    }
    (readable, refused)
}

fn lines<'a>(batch: impl Iterator<Item = &'a Stored>) -> Vec<u8> {
    let mut lines = Vec::new();
    for stored in batch {
        codec::write_line(stored.position, &stored.bytes, &mut lines);
    }
    lines
}
