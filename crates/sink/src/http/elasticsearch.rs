//! Elasticsearch and `OpenSearch`: the bulk API, each record created under its uid, so that a record that comes again is
//! known there; and the answer, which speaks of every record.

use std::{collections::BTreeSet, io::Write};

use journal::{Position, Stored};
use reqwest::StatusCode;
use serde::Deserialize;

use super::{
    Message, Readable,
    document::{self, Stamp},
};
use crate::{
    peer::{Meaning, PeerError, meaning},
    sink::{Again, Delivered, SinkError},
    triage::{Reason, Refused},
};

/// What is kept of a reason: it may quote the record.
const REASON_CHARS_MAX: usize = 500;

#[derive(Deserialize)]
struct Bulk {
    errors: bool,
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    create: Outcome,
}

#[derive(Deserialize)]
struct Outcome {
    status: u16,
    error: Option<Error>,
}

#[derive(Deserialize)]
struct Error {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    reason: String,
}

/// The answer does not fit the question.
#[derive(Debug, thiserror::Error)]
#[error("{items} results for {records} records")]
struct Mismatch {
    items: usize,
    records: usize,
}

pub(super) fn encode(readable: &[Readable<'_>]) -> Message {
    let mut body = Vec::new();
    for Readable { stored, record } in readable {
        writeln!(body, "{{\"create\":{{\"_id\":\"{}\"}}}}", record.uid).expect("a Vec takes every write");
        document::write(stored, record, Stamp::Occurred, &mut body);
    }
    Message { content_type: "application/x-ndjson", headers: Vec::new(), body }
}

/// What the answer says of the records that were sent, in their order.
pub(super) fn judge(
    answer: &[u8],
    sent: &[Position],
    batch: &[Stored],
    delivered: &mut Delivered,
) -> Result<(), PeerError> {
    let unclear = |cause: Box<dyn std::error::Error + Send + Sync>| PeerError::Answer(cause);
    let bulk: Bulk = serde_json::from_slice(answer).map_err(|error| unclear(Box::new(error)))?;
    if !bulk.errors {
        return Ok(());
    }
    if bulk.items.len() != sent.len() {
        return Err(unclear(Box::new(Mismatch { items: bulk.items.len(), records: sent.len() })));
    }
    let mut again = BTreeSet::new();
    let mut last = 0;
    for (Item { create }, position) in bulk.items.iter().zip(sent) {
        // It is there already.
        let Some(blamed) = meaning_of(create.status) else { continue };
        let reason = match blamed {
            Meaning::Rejected => Reason::Rejected,
            Meaning::TooLarge => Reason::TooLarge,
            Meaning::Later | Meaning::Act => {
                again.insert(*position);
                last = create.status;
                continue;
            }
        };
        let record = batch.iter().find(|stored| stored.position == *position).cloned();
        let error = text(create);
        delivered.refused.extend(record.map(|record| Refused { record, reason, error }));
    }
    if !again.is_empty() {
        let error = PeerError::Some { records: again.len(), status: last };
        delivered.again =
            Some(Again { positions: again.into_iter().collect(), error: SinkError::Peer(error) });
    }
    Ok(())
}

/// What the status of one record blames; nothing when it is stored.
fn meaning_of(status: u16) -> Option<Meaning> {
    match StatusCode::from_u16(status) {
        Ok(status) if status.is_success() || status == StatusCode::CONFLICT => None,
        Ok(status) => Some(meaning(status)),
        Err(_) => Some(Meaning::Later),
    }
}

fn text(outcome: &Outcome) -> String {
    let status = outcome.status;
    match &outcome.error {
        Some(Error { kind, reason }) => {
            let reason: String = reason.chars().take(REASON_CHARS_MAX).collect();
            format!("{status} {kind}: {}", reason.escape_debug())
        }
        None => status.to_string(),
    }
}
