//! What names a log entry or an event, chosen by the evidence in it, and what ties the two together.
//!
//! Digests are SHA-256 over length-prefixed parts behind a tag, cut to 128 bits, so no two lists of parts look alike
//! and no BMC can make two records collide. Not here: whether the log began anew (`collect::continuity`).

use std::borrow::Cow;

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
    /// When it was logged and what it says, without the `Id`: ids move, are written otherwise by the next firmware, are
    /// given again (T7, T10-T13). Entries alike in that are counted by the different `Id`s that they have at once.
    Content,
    /// `Id` and content, where no believable time was written.
    IdAndContent,
    /// An event on the stream: what it says, without its ids (T58-T60, T73). Equal digests do not prove that an event came twice: bmcweb sends
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
            Self::Content => "content",
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
    /// Whether a believable time is in it. Without one, the same digest after a clear names another entry.
    pub dating: Dating,
}

/// Whether a time is in an identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dating {
    /// A time in 2010 or later.
    Dated {
        /// That time by the BMC's clock, milliseconds since 1970.
        at_ms: i64,
    },
    /// None, or one that cannot be true (T40, T41).
    Undated,
}

impl Dating {
    /// What the time is, if it is believed.
    pub(crate) fn of(at: Option<DateTime<Utc>>) -> Self {
        at.map_or(Self::Undated, |at| Self::Dated { at_ms: at.timestamp_millis() })
    }

    /// Whether there is a believable time.
    pub fn is_dated(self) -> bool {
        self != Self::Undated
    }
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
    /// Hashes of what else the report says, 0 where it is silent: reports that contradict are not of the same thing,
    /// even where the content is the same. The MessageId, then the arguments.
    pub claims: [u32; 2],
}

impl TwinKey {
    /// The event links the entry. A path names another entry after a clear: an event whose entry was cleared unread
    /// would swallow the next one, if the time and what they say were not compared. Entries of D-Bus say little.
    pub(crate) fn link(entry_path: &str, says: Says<'_>, at: Option<DateTime<Utc>>) -> Self {
        let path = normal_path(entry_path).to_ascii_lowercase();
        Self::at_its_time(Parts::new("link").text(&path), at).claiming(says)
    }

    /// Both carry Lenovo's `EventSequenceNumber`. The logs of one machine count apart and a reset starts anew, so the time
    /// and what they say are compared; entries of the audit log have no MessageId.
    pub(crate) fn lenovo_sequence(number: &str, says: Says<'_>, at: Option<DateTime<Utc>>) -> Self {
        Self::at_its_time(Parts::new("lenovo-seq").text(number), at).claiming(says)
    }

    /// The event's `EventId` is the entry's `Id` or `EventId` (bmcweb before 2025, Cisco, HPE).
    pub(crate) fn event_id(id: &str, message_id: Option<&str>, args: &[String], at: DateTime<Utc>) -> Self {
        Self::at(Parts::new("event-id").text(id).optional(message_id).list(args), at)
    }

    /// Both say the same within seconds: MessageId (the text where there is none) and arguments.
    pub(crate) fn content(message: &str, args: &[String], at: DateTime<Utc>) -> Self {
        Self::at(Parts::new("content").text(message).list(args), at)
    }

    fn claiming(self, says: Says<'_>) -> Self {
        Self { claims: [says.message_id(), says.args()], ..self }
    }

    fn at(parts: Parts, at: DateTime<Utc>) -> Self {
        let (content, at_ms) = (parts.digest(), at.timestamp_millis());
        Self { content, at_ms, window_ms: CONTENT_WINDOW_MS, claims: [0; 2] }
    }

    /// Where one side has a time and the other has none the two do not meet: repeating is better than losing.
    fn at_its_time(parts: Parts, at: Option<DateTime<Utc>>) -> Self {
        match at {
            Some(at) => Self::at(parts, at),
            None => Self { content: parts.digest(), at_ms: 0, window_ms: 0, claims: [0; 2] },
        }
    }
}

/// What a report says, as far as two reports of the same thing cannot differ in it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Says<'a> {
    pub(crate) message_id: Option<&'a str>,
    pub(crate) args: &'a [String],
}

impl Says<'_> {
    /// Without the registry's version, which the stream and the log may write apart.
    fn message_id(self) -> u32 {
        self.message_id.map_or(0, |id| claim(Parts::new("message-id").text(unversioned(id).1)))
    }

    fn args(self) -> u32 {
        if self.args.is_empty() { 0 } else { claim(Parts::new("args").list(self.args)) }
    }
}

/// Never 0, which is silence.
fn claim(parts: Parts) -> u32 {
    let digest = parts.digest();
    u32::from_le_bytes(digest[..4].try_into().expect("16 bytes hold 4")).max(1)
}

/// What an entry holds that can name it. What changes in place (T17: `Count`, `Updated`, `Repaired`, `Modified`,
/// `Resolved`, `Severity`) and what depends on the reader (`@odata.id`, T19, T20) is left out.
#[derive(Debug, Clone, Copy, Default)]
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
        let dating = self.dating();
        let identity = |scheme, parts: Parts| Identity { scheme, digest: parts.digest(), dating };
        if let Some(number) = self.hpe_event_number {
            let parts = self.dated(Scheme::HpeEventNumber).text(number).optional(self.message);
            return identity(Scheme::HpeEventNumber, parts);
        }
        if self.lenovo_sequence.is_some() || self.lenovo_total_sequence.is_some() {
            // The audit and the platform log count apart and are one log on older machines, so the number alone does
            // not name an entry there.
            let parts = self
                .dated(Scheme::LenovoSequence)
                .optional(self.lenovo_sequence)
                .optional(self.lenovo_total_sequence)
                .optional(self.event_id)
                .optional(self.message_key())
                .list(self.args);
            return identity(Scheme::LenovoSequence, parts);
        }
        if self.is_hpe_event() && self.event_id.is_some() {
            // A block of that log is served twice under other ids (T9b), while two real events may differ in nothing
            // but the UUID (T23), and one UUID may name several events (T21).
            let parts = self
                .dated(Scheme::HpeEventUuid)
                .optional(self.event_id)
                .optional(self.message_key())
                .list(self.args)
                .optional(self.origin);
            return identity(Scheme::HpeEventUuid, parts);
        }
        let (scheme, id) = match dating {
            Dating::Dated { .. } => (Scheme::Content, None),
            Dating::Undated => (Scheme::IdAndContent, self.id),
        };
        // The text that goes with a message id and arguments is the firmware's, and the next one words it otherwise (T76).
        let rebuilt = self.message_key().is_some() && !self.args.is_empty();
        let parts = self
            .dated(scheme)
            .optional(id)
            .optional(self.message_key())
            .optional(self.message.filter(|_| !rebuilt))
            .list(self.args);
        identity(scheme, self.sensor.into_iter().fold(parts, Parts::optional))
    }

    /// What the entry says, whatever its `Id`: for logs whose ids are places and whose entries have no time.
    /// `identity` is what names it.
    pub(crate) fn placeless(&self, identity: Identity) -> Identity {
        match identity.scheme {
            Scheme::IdAndContent => Self { id: None, ..*self }.identity(),
            Scheme::HpeEventNumber
            | Scheme::LenovoSequence
            | Scheme::HpeEventUuid
            | Scheme::Content
            | Scheme::EventContent => identity,
        }
    }

    /// Hash of the `Id`.
    pub(crate) fn place(&self) -> u64 {
        let digest = Parts::new("place").optional(self.id).digest();
        u64::from_le_bytes(digest[..8].try_into().expect("16 bytes hold 8"))
    }

    /// The number of the entry within its log.
    pub(crate) fn number(&self) -> Option<u64> {
        let number = self.hpe_event_number.or(self.lenovo_sequence);
        if self.is_hpe_event() { None } else { number.or(self.id)?.parse().ok() }
    }

    fn dating(&self) -> Dating {
        Dating::of(self.created.and_then(time::parse_plausible))
    }

    /// The message id without the registry's version, which rises with the firmware (T76): `iLOEvents.3.15.X` becomes
    /// `iLOEvents.X`. Other shapes are as they are (T49).
    fn message_key(&self) -> Option<Cow<'_, str>> {
        let id = self.message_id?;
        Some(match unversioned(id) {
            ("", _) => Cow::Borrowed(id),
            (registry, key) => Cow::Owned(format!("{registry}.{key}")),
        })
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

/// The identity of an event: `parts` is everything stable that it says, `dating` the time that is among it.
pub(crate) fn of_event(parts: &[Option<&str>], args: &[String], dating: Dating) -> Identity {
    let all = parts.iter().fold(Parts::new(Scheme::EventContent.as_str()), |all, part| all.optional(*part));
    Identity { scheme: Scheme::EventContent, digest: all.list(args).digest(), dating }
}

/// Registry and key of a MessageId, without the version, which rises with the firmware (T76): `iLOEvents.3.15.X` is
/// `iLOEvents` and `X`. Other shapes (T49) are all key.
pub fn unversioned(id: &str) -> (&str, &str) {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let split = || {
        let (registry, rest) = id.split_once('.')?;
        let (major, rest) = rest.split_once('.')?;
        let (minor, key) = rest.split_once('.')?;
        // A patch level may follow: Registry.1.2.3.Key.
        let key = key.split_once('.').filter(|(patch, _)| is_number(patch)).map_or(key, |(_, key)| key);
        (is_number(major) && is_number(minor)).then_some((registry, key))
    };
    split().unwrap_or(("", id))
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
    fn optional(mut self, text: Option<impl AsRef<str>>) -> Self {
        if let Some(text) = text {
            return self.text(text.as_ref());
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
            of_event(parts, &args.iter().map(|&arg| arg.to_owned()).collect::<Vec<_>>(), Dating::Undated)
                .digest
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
        let base = Evidence { id: Some("4"), created, ..Evidence::default() };
        check(
            Evidence { hpe_event_number: Some("7406"), ..base },
            Scheme::HpeEventNumber,
            8_471_688_763_502_739_656,
        );
        check(
            Evidence { lenovo_sequence: Some("1616"), ..base },
            Scheme::LenovoSequence,
            5_466_048_363_789_953_107,
        );
        let event = Evidence { event_id: Some("8b733be8"), record_format: Some("Hpe-Event"), ..base };
        check(event, Scheme::HpeEventUuid, 13_819_352_080_668_257_430);
        check(Evidence { message: Some("a"), ..base }, Scheme::Content, 14_008_361_536_384_870_425);
        let args = ["b".to_owned()];
        let registered =
            Evidence { message: Some("a"), message_id: Some("iLOEvents.3.15.X"), args: &args, ..base };
        check(registered, Scheme::Content, 9_111_810_819_691_402_049);
        let undated = Evidence { message: Some("a"), created: Some("0000-00-00T00:00:00Z"), ..base };
        check(undated, Scheme::IdAndContent, 13_381_544_259_231_921_301);
        assert_eq!(undated.placeless(undated.identity()).fingerprint(), 5_381_961_380_335_375_659);
        assert_eq!(undated.place(), 392_474_080_465_557_603);
    }

    #[test]
    fn t7_t11_t12_t13_an_id_is_in_the_name_only_where_there_is_no_time() {
        let at = |created, id| Evidence {
            id: Some(id),
            created: Some(created),
            message: Some("a"),
            ..Evidence::default()
        };
        for created in ["2025-08-12T18:27:16Z", "2025-08-12T12:27:16-06:00"] {
            let (one, two) = (at(created, "1714060800_1"), at("2025-08-12T18:27:16Z", "1714060800"));
            assert_eq!((one.identity(), one.placeless(one.identity())), (two.identity(), one.identity()));
            assert_eq!(one.identity().dating, Dating::Dated { at_ms: 1_755_023_236_000 });
            assert_ne!(one.place(), two.place(), "what is alike is counted by its ids");
        }
        for created in ["0000-00-00T00:00:00Z", "1999-12-31T12:00:39+00:00", "2022-06-13 12:17:54 ", ""] {
            let (one, two) = (at(created, "1"), at(created, "2"));
            assert_ne!(one.identity(), two.identity());
            assert_eq!(one.placeless(one.identity()), two.placeless(two.identity()));
            assert_eq!(one.identity().dating, Dating::Undated, "{created}");
        }
    }

    #[test]
    fn t76_a_firmware_that_counts_its_registry_up_and_rewords_changes_no_name() {
        let args = ["1".to_owned()];
        let said = |id, message| Evidence {
            created: Some("2025-08-12T18:27:16Z"),
            message_id: Some(id),
            message: Some(message),
            args: &args,
            ..Evidence::default()
        };
        let old = said("iLOEvents.3.15.X", "It is one").identity();
        assert_eq!(old, said("iLOEvents.3.16.X", "It is 1").identity());
        assert_eq!(old, said("iLOEvents.3.16.2.X", "It is 1").identity());
        assert_ne!(old, said("iLOEvents.3.15.Y", "It is one").identity());
        // Without arguments the text is all there is.
        let bare = |message| Evidence { args: &[], ..said("35.1017", message) }.identity();
        assert_ne!(bare("a"), bare("b"));
    }

    #[test]
    fn t49_only_registry_ids_lose_their_version() {
        let key =
            |id| Evidence { message_id: Some(id), ..Evidence::default() }.message_key().unwrap().into_owned();
        for (id, expected) in [
            ("iLOEvents.3.15.ServerPoweredOn", "iLOEvents.ServerPoweredOn"),
            ("IDRAC.2.9.CPU0001", "IDRAC.CPU0001"),
            ("Redfish.1.2.3.A.B", "Redfish.A.B"),
            ("35.1017", "35.1017"),
            ("Bad User PWD", "Bad User PWD"),
            ("CrayAlerts.HardwareFaultsCleared", "CrayAlerts.HardwareFaultsCleared"),
            ("A.b.c.D", "A.b.c.D"),
            ("A.1.2", "A.1.2"),
            ("A.1..D", "A.1..D"),
        ] {
            assert_eq!(key(id), expected);
        }
    }

    #[test]
    fn the_number_of_an_entry_is_that_which_rises_and_no_place_in_a_window() {
        let id = Evidence { id: Some("17"), ..Evidence::default() };
        assert_eq!(id.number(), Some(17));
        assert_eq!(Evidence { hpe_event_number: Some("1561474"), ..id }.number(), Some(1_561_474));
        assert_eq!(Evidence { lenovo_sequence: Some("1616"), ..id }.number(), Some(1616));
        assert_eq!(Evidence { record_format: Some("Hpe-Event"), ..id }.number(), None);
        assert_eq!(Evidence { id: Some("1714060800_1"), ..id }.number(), None);
    }

    #[test]
    fn t20_a_normal_path_has_no_trailing_slash_and_keeps_its_case() {
        assert_eq!(normal_path("/redfish/v1/Systems/1/"), "/redfish/v1/Systems/1");
        assert_eq!(normal_path("/redfish/v1/Systems/1//"), "/redfish/v1/Systems/1");
        assert_eq!(normal_path("/"), "");
    }
}
