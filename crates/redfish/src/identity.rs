//! What names a log entry or an event, chosen by the evidence in it, and what ties the two together.
//!
//! Digests are SHA-256 over length-prefixed parts behind a tag, cut to 128 bits, so no two lists of parts look alike
//! and no BMC can make two records collide. Not here: whether the log began anew (`collect::continuity`).

use chrono::{DateTime, Utc};
use sha2::{Digest, Sha256};

use crate::time;

/// How far apart an event and its entry may be dated: the stream strips fractions, and some write the two a few seconds
/// apart.
const CONTENT_WINDOW_MS: i64 = 5_000;

/// What an identity was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HPE `Oem.Hpe.EventNumber`: contiguous per log, while `Id` is a position (T1).
    HpeEventNumber,
    /// Lenovo `Oem.Lenovo.EventSequenceNumber`.
    LenovoSequence,
    /// HPE's Event log: `EventId` is a UUID, `Id` a position (T2, T9b).
    HpeEventUuid,
    /// `Id`, `Created`, `MessageId` and content.
    IdAndContent,
    /// An event on the stream: everything it says. Equal digests do not prove that an event came twice: bmcweb sends
    /// three equal lines of one second as three events alike in everything (T58), so whoever deduplicates must count.
    EventContent,
}

impl Scheme {
    /// Its name in bookmarks.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HpeEventNumber => "hpe_event_number",
            Self::LenovoSequence => "lenovo_sequence",
            Self::HpeEventUuid => "hpe_event_uuid",
            Self::IdAndContent => "id_and_content",
            Self::EventContent => "event_content",
        }
    }
}

/// What names an entry within its log, or an event within its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Identity {
    /// What it was made of.
    pub scheme: Scheme,
    /// SHA-256 of that, cut to 128 bits.
    pub digest: [u8; 16],
}

impl Identity {
    /// A short form for bookmarks.
    pub fn fingerprint(&self) -> u64 {
        u64::from_le_bytes(self.digest[..8].try_into().expect("16 bytes hold 8"))
    }
}

/// What ties an event to its log entry. Both sides compute the same `content` when they tell the same thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TwinKey {
    /// Hash of what both tell alike.
    pub content: [u8; 16],
    /// When it happened by the BMC's clock, milliseconds since 1970; 0 for a link or a sequence number without a time.
    pub at_ms: i64,
    /// How far apart the two times may be, milliseconds: a few seconds (fractions are stripped on the stream), 0 where
    /// there is no time on either side.
    pub window_ms: i64,
}

impl TwinKey {
    /// The event links the entry. The MessageId and the time are in it because a path names another entry after a
    /// clear: an event whose entry was cleared unread would swallow the next failure of the same part.
    pub(crate) fn link(entry_path: &str, message_id: Option<&str>, at: Option<DateTime<Utc>>) -> Self {
        let path = normal_path(entry_path).to_ascii_lowercase();
        Self::at_its_time(Parts::new("link").text(&path).optional(message_id), at)
    }

    /// Both carry Lenovo's `EventSequenceNumber`. The time is in it because the logs of one machine count apart and a
    /// reset starts anew; the MessageId is not, because entries of the audit log have none.
    pub(crate) fn lenovo_sequence(number: &str, at: Option<DateTime<Utc>>) -> Self {
        Self::at_its_time(Parts::new("lenovo-seq").text(number), at)
    }

    /// The event's `EventId` is the entry's `Id` or `EventId` (bmcweb before 2025, Cisco, HPE).
    pub(crate) fn event_id(id: &str, message_id: Option<&str>, args: &[String], at: DateTime<Utc>) -> Self {
        Self::at(Parts::new("event-id").text(id).optional(message_id).list(args), at)
    }

    /// Both say the same within seconds: MessageId (the text where there is none) and arguments.
    pub(crate) fn content(message: &str, args: &[String], at: DateTime<Utc>) -> Self {
        Self::at(Parts::new("content").text(message).list(args), at)
    }

    fn at(parts: Parts, at: DateTime<Utc>) -> Self {
        Self { content: parts.digest(), at_ms: at.timestamp_millis(), window_ms: CONTENT_WINDOW_MS }
    }

    /// Where one side has a time and the other has none the two do not meet: repeating is better than losing.
    fn at_its_time(parts: Parts, at: Option<DateTime<Utc>>) -> Self {
        match at {
            Some(at) => Self::at(parts, at),
            None => Self { content: parts.digest(), at_ms: 0, window_ms: 0 },
        }
    }
}

/// What an entry holds that can name it. What changes in place (T17: `Count`, `Updated`, `Repaired`, `Modified`,
/// `Resolved`, `Severity`) and what depends on the reader (`@odata.id`, T19, T20) is left out.
#[derive(Debug, Default)]
pub(crate) struct Evidence<'a> {
    pub(crate) id: Option<&'a str>,
    /// `Created`, else `EventTimestamp`, as sent.
    pub(crate) created: Option<&'a str>,
    pub(crate) event_id: Option<&'a str>,
    pub(crate) message_id: Option<&'a str>,
    pub(crate) message: Option<&'a str>,
    pub(crate) args: &'a [String],
    pub(crate) origin: Option<&'a str>,
    pub(crate) record_format: Option<&'a str>,
    pub(crate) hpe_event_number: Option<&'a str>,
    pub(crate) lenovo_sequence: Option<&'a str>,
    pub(crate) lenovo_total_sequence: Option<&'a str>,
    /// `SensorNumber`, `SensorType`, `EntryCode`.
    pub(crate) sensor: [Option<&'a str>; 3],
}

impl Evidence<'_> {
    /// The identity by the best evidence there is.
    ///
    /// The numbered schemes carry the time of creation as well: an entry keeps it for life, and a number that is given
    /// again after a reset then names another entry.
    pub(crate) fn identity(&self) -> Identity {
        if let Some(number) = self.hpe_event_number {
            let parts = self.dated(Scheme::HpeEventNumber).text(number);
            return Identity { scheme: Scheme::HpeEventNumber, digest: parts.digest() };
        }
        if self.lenovo_sequence.is_some() || self.lenovo_total_sequence.is_some() {
            // The audit and the platform log count apart and are one log on older machines, so the number alone does
            // not name an entry there.
            let parts = self
                .dated(Scheme::LenovoSequence)
                .optional(self.lenovo_sequence)
                .optional(self.lenovo_total_sequence)
                .optional(self.event_id)
                .optional(self.message_id);
            return Identity { scheme: Scheme::LenovoSequence, digest: parts.digest() };
        }
        if self.is_hpe_event() && self.event_id.is_some() {
            // A block of that log is served twice under other ids (T9b), while two real events may differ in nothing
            // but the UUID (T23), and one UUID may name several events (T21).
            let parts = self
                .dated(Scheme::HpeEventUuid)
                .optional(self.event_id)
                .optional(self.message_id)
                .list(self.args)
                .optional(self.origin);
            return Identity { scheme: Scheme::HpeEventUuid, digest: parts.digest() };
        }
        let parts = self
            .dated(Scheme::IdAndContent)
            .optional(self.id)
            .optional(self.message_id)
            .optional(self.message)
            .list(self.args)
            .optional(self.event_id);
        let parts = self.sensor.into_iter().fold(parts, Parts::optional);
        Identity { scheme: Scheme::IdAndContent, digest: parts.digest() }
    }

    /// Whether this is a member of HPE's Event log.
    pub(crate) fn is_hpe_event(&self) -> bool {
        self.record_format.is_some_and(|format| format.eq_ignore_ascii_case("Hpe-Event"))
    }

    /// The scheme and the moment of creation: the same moment in another zone (T44) is the same.
    fn dated(&self, scheme: Scheme) -> Parts {
        let parts = Parts::new(scheme.as_str());
        match self.created.and_then(time::parse) {
            Some(at) => parts.text("at").text(&at.timestamp_millis().to_string()),
            None => parts.text("as sent").optional(self.created.map(str::trim)),
        }
    }
}

/// The identity of an event: `parts` is everything stable that it says.
pub(crate) fn of_event(parts: &[Option<&str>], args: &[String]) -> Identity {
    let all = parts.iter().fold(Parts::new(Scheme::EventContent.as_str()), |all, part| all.optional(*part));
    Identity { scheme: Scheme::EventContent, digest: all.list(args).digest() }
}

/// A path without trailing slashes (T20); the spelling stays as the BMC's.
pub(crate) fn normal_path(path: &str) -> String {
    path.trim().trim_end_matches('/').to_owned()
}

/// A list of texts on its way to a digest.
struct Parts(Sha256);

impl Parts {
    fn new(tag: &str) -> Self {
        Self(Sha256::new()).text(tag)
    }

    fn text(mut self, text: &str) -> Self {
        self.0.update((text.len() as u64).to_le_bytes());
        self.0.update(text);
        self
    }

    /// Absent is not the same as empty.
    fn optional(mut self, text: Option<&str>) -> Self {
        if let Some(text) = text {
            return self.text(text);
        }
        self.0.update(u64::MAX.to_le_bytes());
        self
    }

    fn list(mut self, texts: &[String]) -> Self {
        self.0.update((texts.len() as u64).to_le_bytes());
        texts.iter().fold(self, |parts, text| parts.text(text))
    }

    fn digest(self) -> [u8; 16] {
        let whole = self.0.finalize();
        whole[..16].try_into().expect("32 bytes hold 16")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_are_cut_differently_differ() {
        let digest = |parts: &[Option<&str>], args: &[&str]| {
            of_event(parts, &args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>()).digest
        };
        assert_ne!(digest(&[Some("ab"), Some("c")], &[]), digest(&[Some("a"), Some("bc")], &[]));
        assert_ne!(digest(&[Some("")], &[]), digest(&[None], &[]));
        assert_ne!(digest(&[None], &["a", "b"]), digest(&[None], &["ab"]));
        assert_eq!(digest(&[Some("a")], &["b"]), digest(&[Some("a")], &["b"]));
    }

    #[test]
    fn identities_do_not_change_with_releases() {
        // Bookmarks keep them: another digest makes every entry of such a log new.
        // Computed apart, with another implementation of the hash.
        let check = |evidence: Evidence<'_>, scheme, fingerprint: u64| {
            let identity = evidence.identity();
            assert_eq!((identity.scheme, identity.fingerprint()), (scheme, fingerprint), "{evidence:?}");
        };
        let created = Some("2025-08-12T18:27:16Z");
        let hpe = Evidence { id: Some("4"), created, hpe_event_number: Some("7406"), ..Evidence::default() };
        check(hpe, Scheme::HpeEventNumber, 12_009_018_933_269_333_137);
        let lenovo =
            Evidence { id: Some("4"), created, lenovo_sequence: Some("1616"), ..Evidence::default() };
        check(lenovo, Scheme::LenovoSequence, 68_450_560_500_128_935);
        let event = Evidence {
            id: Some("4"),
            created,
            event_id: Some("8b733be8"),
            record_format: Some("Hpe-Event"),
            ..Evidence::default()
        };
        check(event, Scheme::HpeEventUuid, 13_819_352_080_668_257_430);
        let other = Evidence { id: Some("4"), created, message: Some("a"), ..Evidence::default() };
        check(other, Scheme::IdAndContent, 8_036_236_540_799_700_106);
    }

    #[test]
    fn t20_a_normal_path_has_no_trailing_slash_and_keeps_its_case() {
        assert_eq!(normal_path("/redfish/v1/Systems/1/"), "/redfish/v1/Systems/1");
        assert_eq!(normal_path("/redfish/v1/Systems/1//"), "/redfish/v1/Systems/1");
        assert_eq!(normal_path("/"), "");
    }
}
