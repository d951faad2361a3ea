//! The one way into the journal: every record enters here, whichever way it came.
//!
//! It names the record, says what ties it to its twin, and waits until it is durable. What is a duplicate is decided by
//! the journal, in the transaction that stores the record and the bookmark that covers it.

use std::sync::Arc;

use journal::{AppendError, Batch, Item, Journal, KeyOrder, Mark, Outcome, Twin, TwinSide, When};
use model::{Clock, Endpoint, Facts, Ids, Kind, LogBookmark, Origin, Record, Severity, Uid, codec};
use redfish::{Dating, TwinKey};

use crate::{
    Metrics, habits,
    notice::Notice,
    occurrence::Counted,
    status::Status,
    walk::{Named, News},
};

/// A thing that a BMC told, before it is known whether it is news.
#[derive(Debug)]
pub(crate) struct Offer {
    uid: Uid,
    /// What the uid has of a time.
    dating: Dating,
    kind: Kind,
    facts: Facts,
    twins: Vec<Twin>,
    news: News,
    when: When,
}

/// Which log an entry is of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogName<'a> {
    pub(crate) endpoint: &'a Endpoint,
    /// Path of the log service.
    pub(crate) path: &'a str,
    /// How often the log has begun anew.
    pub(crate) generation: u32,
}

impl Offer {
    /// An entry of a log. Its name: endpoint, what its log belongs to, what the entry's identity was made of, and the count
    /// of those that say the same. The log itself is not in it: one event may stand in two logs of one system (T14), and a
    /// log may have another path with the next firmware (T76).
    ///
    /// What ties it to an event is remembered wherever it was read: a BMC that is polled today may have a stream with its
    /// next firmware, or by the next change of the configuration, and send its log on it.
    pub(crate) fn entry(log: &LogName<'_>, named: Named) -> Self {
        let Named { entry, occurrence, ids, news } = named;
        let identity = if ids == Ids::Places { entry.placeless } else { entry.identity };
        let generation = match identity.dating {
            Dating::Dated { .. } => 0,
            Dating::Undated => log.generation,
        };
        let uid = Uid::derive([
            b"entry".as_slice(),
            log.endpoint.id.as_str().as_bytes(),
            parent(log.path).to_ascii_lowercase().as_bytes(),
            &generation.to_le_bytes(),
            &identity.digest,
            &occurrence.to_le_bytes(),
        ]);
        let twins = match news {
            News::Tell => twins(&entry.twins, TwinSide::Log),
            // A log of half a million old entries would leave as many rows waiting for events that never come.
            News::Note => Vec::new(),
        };
        let dating = identity.dating;
        Self { uid, dating, kind: Kind::Entry, facts: entry.facts, twins, news, when: When::Always }
    }

    /// What follows the offer of an entry that shows how it has changed in place: a record of its own, if the entry itself
    /// had been told before.
    pub(crate) fn changed(entry: &Self, revision: u64) -> Self {
        let uid = Uid::derive([b"changed".as_slice(), &entry.uid.to_bytes(), &revision.to_le_bytes()]);
        let facts = entry.facts.clone();
        Self {
            uid,
            dating: entry.dating,
            kind: Kind::Changed,
            facts,
            twins: Vec::new(),
            news: entry.news,
            when: When::PreviousKnown,
        }
    }

    /// Something that we have to say ourselves, about a log or about the stream.
    pub(crate) fn notice(endpoint: &Endpoint, log: Option<&str>, notice: &Notice) -> Self {
        let about: Vec<u8> = notice.about.iter().flat_map(|number| number.to_le_bytes()).collect();
        let uid = Uid::derive([
            notice.kind.as_str().as_bytes(),
            endpoint.id.as_str().as_bytes(),
            log.unwrap_or_default().as_bytes(),
            notice.reason.as_str().as_bytes(),
            &about,
        ]);
        let facts = notice.facts(log);
        Self {
            uid,
            dating: Dating::Undated,
            kind: notice.kind,
            facts,
            twins: Vec::new(),
            news: News::Tell,
            when: When::Always,
        }
    }

    /// An event of the stream. Its name: endpoint, content, and which of several alike it is. Without a believable time an
    /// event cannot be told from one like it that came on another connection, so when its own was opened is in its name:
    /// repeating is better than losing.
    pub(crate) fn event(
        endpoint: &Endpoint,
        counted: Counted,
        opened_at: chrono::DateTime<chrono::Utc>,
    ) -> Self {
        let Counted { event, occurrence, news } = counted;
        let opened = opened_at.timestamp_millis().to_le_bytes();
        let connection: &[u8] = match event.identity.dating {
            Dating::Dated { .. } => &[],
            Dating::Undated => &opened,
        };
        let uid = Uid::derive([
            b"event".as_slice(),
            endpoint.id.as_str().as_bytes(),
            &event.identity.digest,
            &occurrence.to_le_bytes(),
            connection,
        ]);
        let kind = if event.facts.log_service.is_some() { Kind::Entry } else { Kind::Event };
        let twins = twins(&event.twins, TwinSide::Stream);
        let dating = event.identity.dating;
        Self { uid, dating, kind, facts: event.facts, twins, news, when: When::Always }
    }
}

/// What a log service belongs to: `/redfish/v1/Systems/1` for `/redfish/v1/Systems/1/LogServices/IML`.
fn parent(log: &str) -> &str {
    log.rsplitn(3, '/').nth(2).filter(|parent| !parent.is_empty()).unwrap_or(log)
}

/// What the time in a key is counted in, milliseconds: the hour, as for twins in the journal.
const HOUR_MS: i64 = 3_600_000;

/// What goes before the hash in the keys of one endpoint: what it tells then lies close together in the journal's index (half
/// the CPU of scattered keys), and what it tells at one time closer still, however much it has told.
#[derive(Debug, Clone, Copy)]
struct Keys {
    endpoint: [u8; 4],
    order: KeyOrder,
}

impl Keys {
    fn of(endpoint: &Endpoint, order: KeyOrder) -> Self {
        let [first, second, third, fourth, ..] = Uid::derive([endpoint.id.as_str().as_bytes()]).to_bytes();
        Self { endpoint: [first, second, third, fourth], order }
    }

    /// The key of a record in the journal: its uid behind these bytes. 92 bits of the hash remain where the order has no time, 82
    /// where it has. The time is one that the uid was made of, so the same uid always has the same key; its hour is counted
    /// in two bytes, which begin anew after seven years, where they are as good.
    fn key(self, uid: Uid, dating: Dating) -> journal::Key {
        let mut key = uid.to_bytes();
        match self.order {
            KeyOrder::Scattered => key[..4].copy_from_slice(&self.endpoint),
            KeyOrder::Time => {
                let hour = match dating {
                    Dating::Dated { at_ms } => at_ms.div_euclid(HOUR_MS),
                    Dating::Undated => 0,
                };
                key[..3].copy_from_slice(&self.endpoint[..3]);
                key[3..5].copy_from_slice(&hour.to_be_bytes()[6..]);
            }
        }
        key
    }
}

fn twins(keys: &[TwinKey], side: TwinSide) -> Vec<Twin> {
    keys.iter()
        .map(|&TwinKey { content, at_ms, window_ms, claims }| Twin {
            side,
            content,
            at_ms,
            window_ms,
            claims,
        })
        .collect()
}

/// Ingest; cheap to clone.
#[derive(Clone)]
pub(crate) struct Ingest {
    journal: Journal,
    clock: Clock,
    metrics: Metrics,
}

/// What is counted of an offer when it is known what became of it.
struct Seen {
    severity: Severity,
    delay: Option<f64>,
    /// What the stream pushes, or what it should have pushed.
    kind: Option<u64>,
}

/// What came of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Told {
    /// Records made.
    pub(crate) records: u64,
    /// Offers that were known.
    pub(crate) known: u64,
    /// Records of a reconciliation whose like came on the stream of this endpoint before.
    pub(crate) unpushed: u32,
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
        let seen: Vec<Seen> = offers.iter().map(|offer| offer.measure(now, origin)).collect();
        let bookmark =
            bookmark.map(|(log, bookmark)| Mark { name: log.to_owned(), value: bookmark.encode() });
        let keys = Keys::of(endpoint, self.journal.key_order());
        let items = offers.into_iter().map(|offer| offer.into_item(endpoint, keys, origin, now)).collect();
        let batch =
            Batch { scope: endpoint.id.as_str().into(), items, marks: bookmark.into_iter().collect() };
        let appended = self.journal.append(batch).await?;

        let mut told = Told::default();
        for (outcome, seen) in appended.outcomes.iter().zip(seen) {
            if let Some(kind) = seen.kind.filter(|_| origin == Origin::Stream) {
                status.habits().pushed(kind);
            }
            match outcome {
                Outcome::Stored(_) => {
                    told.records += 1;
                    self.metrics.ingested(origin, seen.severity, seen.delay);
                    let unpushed = seen
                        .kind
                        .is_some_and(|kind| origin == Origin::Reconcile && status.habits().pushes(kind));
                    told.unpushed += u32::from(unpushed);
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
    fn measure(&self, now: chrono::DateTime<chrono::Utc>, origin: Origin) -> Seen {
        let delay = self.facts.occurred_at.and_then(|at| (now - at).to_std().ok());
        let is_told_both_ways = matches!(origin, Origin::Stream | Origin::Reconcile)
            && matches!(self.kind, Kind::Entry | Kind::Event);
        let kind = if is_told_both_ways { habits::kind_of(self.facts.message_id.as_deref()) } else { None };
        Seen { severity: self.facts.severity, delay: delay.map(|delay| delay.as_secs_f64()), kind }
    }

    fn into_item(
        mut self,
        endpoint: &Arc<Endpoint>,
        keys: Keys,
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
        Item { key: keys.key(self.uid, self.dating), twins: self.twins, bytes, when: self.when }
    }
}

#[cfg(test)]
mod tests {
    use model::EndpointId;

    use super::*;

    fn endpoint() -> Endpoint {
        Endpoint {
            id: EndpointId::try_from("a").unwrap(),
            address: String::new(),
            labels: std::collections::BTreeMap::new(),
        }
    }

    fn told_at(occurred_at: &str) -> Record {
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
        let offer = Offer {
            uid,
            dating: Dating::Undated,
            kind: Kind::Entry,
            facts,
            twins: Vec::new(),
            news: News::Tell,
            when: When::Always,
        };
        let keys = Keys::of(&endpoint(), KeyOrder::Time);
        let now = "2026-11-20T12:00:00Z".parse().unwrap();
        let item = offer.into_item(&Arc::new(endpoint()), keys, Origin::Poll, now);
        codec::decode(1, &item.bytes.unwrap()).unwrap()
    }

    #[test]
    fn keys_of_an_endpoint_lie_together_and_by_the_hour_unless_the_journal_is_older_than_that() {
        let uid = Uid::derive([b"x".as_slice()]);
        let shared = Uid::derive([b"a".as_slice()]).to_bytes();
        let begins = |order, dating, beginning: &[u8]| {
            let (key, uid) = (Keys::of(&endpoint(), order).key(uid, dating), uid.to_bytes());
            assert_eq!(key.split_at(beginning.len()), (beginning, &uid[beginning.len()..]));
        };
        let dated = |at_ms| Dating::Dated { at_ms };
        let hour = |high, low| [&shared[..3], &[high, low]].concat();
        for dating in [dated(0), dated(1_795_183_329_000), Dating::Undated] {
            begins(KeyOrder::Scattered, dating, &shared[..4]);
        }
        begins(KeyOrder::Time, Dating::Undated, &hour(0, 0));
        begins(KeyOrder::Time, dated(256 * HOUR_MS - 1), &hour(0, 255));
        begins(KeyOrder::Time, dated(256 * HOUR_MS), &hour(1, 0));
        begins(KeyOrder::Time, dated(65536 * HOUR_MS), &hour(0, 0));
        begins(KeyOrder::Time, dated(-1), &hour(255, 255));
    }

    #[test]
    fn a_log_belongs_to_what_holds_its_log_services() {
        assert_eq!(parent("/redfish/v1/Systems/1/LogServices/IML"), "/redfish/v1/Systems/1");
        assert_eq!(
            parent("/redfish/v1/Managers/iDRAC.Embedded.1/Logs/Sel"),
            "/redfish/v1/Managers/iDRAC.Embedded.1"
        );
        assert_eq!(parent("/Log"), "/Log");
        assert_eq!(parent(""), "");
    }

    #[test]
    fn a_time_more_than_a_day_ahead_of_ours_is_not_believed_and_its_text_is_kept() {
        assert!(told_at("2026-11-21T12:00:00Z").facts.occurred_at.is_some());
        let ahead = told_at("2027-01-01T00:00:00Z").facts;
        assert_eq!(ahead.occurred_at, None);
        assert_eq!(ahead.occurred_at_raw.as_deref(), Some("2027-01-01T00:00:00Z"));
    }
}
