//! How far one log of one endpoint has been read.
//!
//! The journal keeps it as opaque bytes, in the same transaction as the records it covers. What follows from
//! comparing it with a log is decided in `collect::continuity`.

use serde::{Deserialize, Serialize};

/// How many fingerprints a bookmark remembers. A page of the widest-spread page size (50) fits twice, so that an
/// overlap of one whole page can always be recognised; more would only make 10,000 bookmarks heavier.
pub const BOOKMARK_FINGERPRINTS_MAX: usize = 128;

/// Of so many undated entries the ids are remembered: single ones may be deleted without moving all others.
pub const BOOKMARK_PLACES_MAX: usize = 8;

/// The reading progress of one log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogBookmark {
    /// Rises when the log starts anew (cleared, replaced), so that ids used again name new records.
    pub generation: u32,
    /// What names an entry in this log, as `redfish::identity` called it when the bookmark was written.
    pub scheme: String,
    /// Fingerprints of the newest entries that were read, oldest first, at most [`BOOKMARK_FINGERPRINTS_MAX`].
    pub newest: Vec<u64>,
    /// A first reading that began at this time (milliseconds since 1970, our clock) has not come to its end yet. Until it
    /// has, `initial_history` decides which unknown entries are news.
    pub unfinished_since_ms: Option<i64>,
    /// `Members@odata.count` at that reading, where the BMC sent one. Some send the page's.
    pub count: Option<u64>,
    /// Digest of the whole answer when the log came in one page: the same bytes hold nothing new.
    pub body_digest: Option<u64>,
    /// The members of that answer, oldest first: a later one that begins with them need not be read again from its beginning.
    #[serde(default)]
    pub members: Option<ReadMembers>,
    /// The first entry that the log listed, oldest first.
    #[serde(default)]
    pub first: Option<Listed>,
    /// The newest entries without a believable time, at most [`BOOKMARK_PLACES_MAX`]. One that stands under another `Id`
    /// later shows that ids are places (T1).
    #[serde(default)]
    pub undated: Vec<Listed>,
    /// Whether the `Id`s of this log were seen to move.
    #[serde(default)]
    pub ids: Ids,
    /// The highest number that an entry of this log had, where entries are numbered.
    #[serde(default)]
    pub last_number: Option<u64>,
    /// The highest number that the log showed at that reading, where its entries stood in the order of their numbers: lower
    /// than `last_number` when the newest entry was deleted by itself, so that its number may be given again (T7).
    #[serde(default)]
    pub shown_number: Option<u64>,
    /// When the newest entry happened, by the BMC's clock, milliseconds since 1970.
    #[serde(default)]
    pub newest_at_ms: Option<i64>,
    /// When this reading began, by our clock, milliseconds since 1970.
    #[serde(default)]
    pub read_at_ms: Option<i64>,
    /// What the log service said of its newest entry, if the reading showed that this can be trusted.
    #[serde(default)]
    pub latest: Option<String>,
    /// UUID of the service or manager whose log this was (T77).
    #[serde(default)]
    pub machine: Option<String>,
    /// The log may have been cleared, and has been told so since this time (our clock, milliseconds since 1970) without
    /// proof; the rest of the bookmark is from before.
    #[serde(default)]
    pub doubted_since_ms: Option<i64>,
    /// The log has stayed empty for so long that it was told to be cleared. The rest of the bookmark is from before: if that
    /// comes back, it was no clear (T33).
    #[serde(default)]
    pub emptied: bool,
    /// It was told that this log loses entries by itself (`Overflow`, or full and `NeverOverWrites`).
    #[serde(default)]
    pub overflow_told: bool,
}

/// Members of a page, all of which were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadMembers {
    /// How many.
    pub count: u32,
    /// Digest of their bytes, one after the other.
    pub digest: u64,
}

/// An entry and where it stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Hash of its `Id`.
    pub place: u64,
    /// Its fingerprint.
    pub fingerprint: u64,
}

/// What the `Id`s of a log are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ids {
    /// Names: nothing else was seen.
    #[default]
    Names,
    /// Places: an entry moves to another `Id` as the log moves on.
    Places,
}

impl LogBookmark {
    /// As bytes for the journal (JSON: small, and readable with any SQLite tool).
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a bookmark is plain data")
    }

    /// Reads what [`encode`](Self::encode) wrote; `None` when the bytes are something else.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }
}
