//! How far one log of one endpoint has been read.
//!
//! The journal keeps it as opaque bytes, in the same transaction as the records it covers. What follows from
//! comparing it with a log is decided in `collect::continuity`.

use serde::{Deserialize, Serialize};

/// How many fingerprints a bookmark remembers. A page of the widest-spread page size (50) fits twice, so that an
/// overlap of one whole page can always be recognised; more would only make 10,000 bookmarks heavier.
pub const BOOKMARK_FINGERPRINTS_MAX: usize = 128;

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
