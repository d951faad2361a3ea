//! The one way into the journal: every record enters here, whichever way it came.
//!
//! It names the record, says what ties it to its twin, and waits until it is durable. What is a duplicate is decided by
//! the journal, in the transaction that stores the record and the bookmark that covers it.

use std::sync::Arc;

use journal::{AppendError, Batch, Item, Journal, Mark, Outcome, Twin, TwinSide, When};
use model::{Clock, Endpoint, Facts, Kind, LogBookmark, Origin, Record, Severity, Uid, codec};
use redfish::{Entry, Event, TwinKey};

use crate::{Metrics, status::Status};

/// The mark of an endpoint whose events have come on a stream: they may still wait for their entries. Logs are marked by
/// their paths, so this is no log's name.
pub(crate) const HAS_STREAMED: &str = "has streamed";

/// A thing that a BMC told, before it is known whether it is news.
#[derive(Debug)]
pub(crate) struct Offer {
    uid: Uid,
    kind: Kind,
    facts: Facts,
    twins: Vec<Twin>,
    news: News,
}

/// What to do with an offer that is not known yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum News {
    /// Make a record of it.
    Tell,
    /// Remember that it was there, and say nothing: older than `initial_history`.
    Note,
}

/// Whether a log's entries may also come on a stream. Where they cannot, remembering what ties them together would only
/// fill the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Witnesses {
    /// The log only.
    Log,
    /// The log and the event stream.
    LogAndStream,
}

impl Offer {
    /// An entry of a log. Its name: endpoint, log, generation of the log, and what the entry's identity was made of.
    pub(crate) fn entry(
        endpoint: &Endpoint,
        log: &str,
        generation: u32,
        entry: Entry,
        news: News,
        witnesses: Witnesses,
    ) -> Self {
        let log = log.to_ascii_lowercase();
        let uid = Uid::derive([
            b"entry".as_slice(),
            endpoint.id.as_str().as_bytes(),
            log.as_bytes(),
            &generation.to_le_bytes(),
            &entry.identity.digest,
        ]);
        let twins = match (witnesses, news) {
            (Witnesses::LogAndStream, News::Tell) => twins(&entry.twins, TwinSide::Log),
            // A log of half a million old entries would leave as many rows waiting for events that never come.
            (Witnesses::LogAndStream, News::Note) | (Witnesses::Log, _) => Vec::new(),
        };
        Self { uid, kind: Kind::Entry, facts: entry.facts, twins, news }
    }

    /// An event of the stream; `occurrence` counts events of one connection that say exactly the same, for real events may
    /// be alike in everything.
    pub(crate) fn event(endpoint: &Endpoint, event: Event, occurrence: u32) -> Self {
        let uid = Uid::derive([
            b"event".as_slice(),
            endpoint.id.as_str().as_bytes(),
            &event.identity.digest,
            &occurrence.to_le_bytes(),
        ]);
        let kind = if event.facts.log_service.is_some() { Kind::Entry } else { Kind::Event };
        let twins = twins(&event.twins, TwinSide::Stream);
        Self { uid, kind, facts: event.facts, twins, news: News::Tell }
    }
}

/// The key of a record in the journal: its uid, behind four bytes that all keys of one endpoint share. What one endpoint
/// tells then lies close together in the journal's index (half the CPU of scattered keys); 92 bits of the hash remain.
fn key(endpoint: &Endpoint, uid: Uid) -> journal::Key {
    let scope = Uid::derive([endpoint.id.as_str().as_bytes()]).to_bytes();
    let mut key = uid.to_bytes();
    key[..4].copy_from_slice(&scope[..4]);
    key
}

fn twins(keys: &[TwinKey], side: TwinSide) -> Vec<Twin> {
    keys.iter()
        .map(|key| Twin { side, content: key.content, at_ms: key.at_ms, window_ms: key.window_ms })
        .collect()
}

/// Ingest; cheap to clone.
#[derive(Clone)]
pub(crate) struct Ingest {
    journal: Journal,
    clock: Clock,
    metrics: Metrics,
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Records made.
    pub(crate) records: u64,
    /// Offers that were known.
    pub(crate) known: u64,
}

impl Ingest {
    /// Ingest into a journal.
    pub(crate) fn new(journal: Journal, clock: Clock, metrics: Metrics) -> Self {
        Self { journal, clock, metrics }
    }

    /// Makes the offers durable, and with them the bookmark of the log that they came from, if one is given.
    pub(crate) async fn take(
        &self,
        status: &Status,
        origin: Origin,
        offers: Vec<Offer>,
        bookmark: Option<(&str, LogBookmark)>,
    ) -> Result<Told, AppendError> {
        let endpoint = status.endpoint();
        let now = self.clock.now();
        let seen: Vec<(Severity, Option<f64>)> = offers.iter().map(|offer| offer.measure(now)).collect();
        let bookmark =
            bookmark.map(|(log, bookmark)| Mark { name: log.to_owned(), value: bookmark.encode() });
        let first_of_stream = origin == Origin::Stream && !status.is_marked_streaming();
        let streamed = first_of_stream.then(|| Mark { name: HAS_STREAMED.to_owned(), value: vec![1] });
        let marks = bookmark.into_iter().chain(streamed).collect();
        let items = offers.into_iter().map(|offer| offer.into_item(endpoint, origin, now)).collect();
        let batch = Batch { scope: endpoint.id.as_str().into(), items, marks };
        let appended = self.journal.append(batch).await?;
        if first_of_stream {
            status.mark_streaming();
        }

        let mut told = Told::default();
        for (outcome, (severity, delay)) in appended.outcomes.iter().zip(seen) {
            match outcome {
                Outcome::Stored(_) => {
                    told.records += 1;
                    self.metrics.ingested(origin, severity, delay);
                }
                Outcome::Known | Outcome::Paired => {
                    told.known += 1;
                    self.metrics.deduplicated(origin);
                }
                Outcome::Noted => {}
            }
        }
        if told.records > 0 {
            status.told(told.records, now);
        }
        Ok(told)
    }
}

impl Offer {
    fn measure(&self, now: chrono::DateTime<chrono::Utc>) -> (Severity, Option<f64>) {
        let delay = self.facts.occurred_at.and_then(|at| (now - at).to_std().ok());
        (self.facts.severity, delay.map(|delay| delay.as_secs_f64()))
    }

    fn into_item(
        mut self,
        endpoint: &Arc<Endpoint>,
        origin: Origin,
        now: chrono::DateTime<chrono::Utc>,
    ) -> Item {
        // A BMC whose clock runs ahead is heard, but not believed about the time; its own text is kept.
        self.facts.occurred_at = self.facts.occurred_at.filter(|at| redfish::plausible(*at, now));
        let bytes = match self.news {
            News::Note => None,
            News::Tell => Some(codec::encode(&Record {
                uid: self.uid,
                kind: self.kind,
                source: origin,
                endpoint: Arc::clone(endpoint),
                observed_at: now,
                facts: self.facts,
            })),
        };
        Item { key: key(endpoint, self.uid), twins: self.twins, bytes, when: When::Always }
    }
}

#[cfg(test)]
mod tests {
    use model::EndpointId;

    use super::*;

    fn told_at(occurred_at: &str) -> Record {
        let endpoint = Endpoint {
            id: EndpointId::try_from("a").unwrap(),
            address: String::new(),
            labels: std::collections::BTreeMap::new(),
        };
        let facts = Facts {
            occurred_at: Some(occurred_at.parse().unwrap()),
            occurred_at_raw: Some(occurred_at.to_owned()),
            severity: Severity::Ok,
            message: String::new(),
            message_id: None,
            message_args: Vec::new(),
            log_service: None,
            entry_id: None,
            event_id: None,
            origin: None,
            original: None,
        };
        let uid = Uid::derive([b"x".as_slice()]);
        let offer = Offer { uid, kind: Kind::Entry, facts, twins: Vec::new(), news: News::Tell };
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let item = offer.into_item(&Arc::new(endpoint), Origin::Poll, now);
        codec::decode(1, &item.bytes.unwrap()).unwrap()
    }

    #[test]
    fn a_time_more_than_a_day_ahead_of_ours_is_not_believed_and_its_text_is_kept() {
        assert!(told_at("2026-11-21T12:00:00Z").facts.occurred_at.is_some());
        let ahead = told_at("2027-01-01T00:00:00Z").facts;
        assert_eq!(ahead.occurred_at, None);
        assert_eq!(ahead.occurred_at_raw.as_deref(), Some("2027-01-01T00:00:00Z"));
    }
}
