//! The OTLP sink: records as OpenTelemetry log records, HTTP and protobuf.
//!
//! What stands where is `mapping`; the messages of the protocol that it needs are `message`. A batch is one request with one
//! `ResourceLogs` per endpoint. Records that the peer refuses within a success are counted: it does not say which they were,
//! and the protocol forbids to send them again. Not here: gRPC.

mod mapping;
mod message;
mod original;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use journal::{Journal, Position, Stored};
use model::{EndpointId, HARDWARE_MARK, Hardware, Record, codec};
use prost::Message as _;

use crate::{
    peer::{Message, Peer, PeerConfig, PeerError, pack},
    sink::{Delivered, Unnamed},
    triage::{Reason, Refused},
};

/// An answer is a number and perhaps a sentence.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A sentence or two.
const SAID_CHARS_MAX: usize = 300;

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct OtlpConfig {
    /// Where records go.
    pub peer: PeerConfig,
    /// How records are described.
    pub mapping: OtlpMapping,
}

/// How records are described, where that is a choice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpMapping {
    /// `service.instance.id`: which of several daemons it is.
    pub instance: String,
    /// Attributes of every resource, beside our own.
    pub resource: BTreeMap<String, String>,
    /// The `SeverityNumber` of each severity.
    pub severities: SeverityNumbers,
    /// Whether the BMC's own JSON goes along, as `log.record.original`.
    pub original: bool,
}

/// The `SeverityNumber` of each severity, 0 to 24.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeverityNumbers {
    /// Of `ok`.
    pub ok: u8,
    /// Of `warning`.
    pub warning: u8,
    /// Of `critical`.
    pub critical: u8,
    /// Of `unknown`.
    pub unknown: u8,
}

impl Default for SeverityNumbers {
    /// INFO, WARN, ERROR2 (where OpenTelemetry's own table puts syslog's Critical), and unspecified.
    fn default() -> Self {
        Self { ok: 9, warning: 13, critical: 18, unknown: 0 }
    }
}

/// An OTLP sink.
#[derive(Debug)]
pub(crate) struct OtlpSink {
    peer: Peer,
    mapping: Arc<OtlpMapping>,
}

impl OtlpSink {
    pub(crate) fn new(config: OtlpConfig) -> Self {
        Self { peer: Peer::new(config.peer), mapping: Arc::new(config.mapping) }
    }

    /// Posts the batch and answers what the peer says of it.
    pub(crate) async fn deliver(
        &mut self,
        batch: Arc<[Stored]>,
        journal: &Journal,
    ) -> Result<Delivered, PeerError> {
        let decode = move || decode(&batch);
        let (records, refused) = tokio::task::spawn_blocking(decode).await.map_err(PeerError::Task)?;
        let mut delivered = Delivered { refused, ..Delivered::default() };
        if records.is_empty() {
            return Ok(delivered);
        }
        let hardware = hardware(&records, journal).await?;
        let (mapping, compression) = (Arc::clone(&self.mapping), self.peer.compression());
        let encode = move || {
            let request = mapping::request(&records, &hardware, &mapping).encode_to_vec();
            pack(request, compression)
        };
        let body = tokio::task::spawn_blocking(encode).await.map_err(PeerError::Task)?;
        let message = Message { content_type: "application/x-protobuf", headers: Vec::new(), body };
        let answer = self.peer.post(message, ANSWER_BYTES_MAX).await?;
        let answer = message::ExportLogsServiceResponse::decode(&*answer)
            .map_err(|error| PeerError::Answer(Box::new(error)))?;
        // With a message and without a number it is advice to whoever runs the peer.
        let refused = answer.partial_success.filter(|partial| partial.rejected_log_records > 0);
        delivered.unnamed = refused.map(|partial| Unnamed {
            records: partial.rejected_log_records.unsigned_abs(),
            said: said(&partial.error_message),
        });
        Ok(delivered)
    }
}

/// The records of a batch, and those that are none.
fn decode(batch: &[Stored]) -> (Vec<(Position, Record)>, Vec<Refused>) {
    let mut refused = Vec::new();
    let mut records = Vec::with_capacity(batch.len());
    for stored in batch {
        match codec::decode(stored.position, &stored.bytes) {
            Ok(record) => records.push((stored.position, record)),
            Err(error) => refused.push(Refused {
                record: stored.clone(),
                reason: Reason::Rejected,
                error: crate::chain::Chain(&error).to_string(),
            }),
        }
    }
    (records, refused)
}

/// What is known by now of the machines that a batch tells of.
async fn hardware(
    records: &[(Position, Record)],
    journal: &Journal,
) -> Result<HashMap<EndpointId, Hardware>, PeerError> {
    let mut known = HashMap::new();
    for (_, record) in records {
        let id = &record.endpoint.id;
        if !known.contains_key(id) {
            let kept = journal.mark(id.as_str(), HARDWARE_MARK).await.map_err(PeerError::Journal)?;
            known.insert(id.clone(), kept.map(|bytes| Hardware::decode(&bytes)).unwrap_or_default());
        }
    }
    Ok(known)
}

/// What a peer said, as it may stand in a log.
fn said(message: &str) -> String {
    message.chars().take(SAID_CHARS_MAX).flat_map(char::escape_debug).collect()
}
