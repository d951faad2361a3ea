//! A record: what bmcwatch stores and delivers, made from a log entry, from an event on the stream, or by bmcwatch
//! itself (`gap`, `cleared`).
//!
//! Not here: its form as a JSON line (`codec`), how it is made from Redfish JSON (crate `redfish`).

use std::{fmt, sync::Arc};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::{Endpoint, Severity, Uid};

/// What a record is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// An entry of a log, read there, or pushed with a link to it.
    Entry,
    /// An event that came on the stream and was, when it was recorded, in no log we had read.
    Event,
    /// Something may be missing here.
    Gap,
    /// The log was cleared.
    Cleared,
    /// An entry that had been told has changed in place (`Count`, `Modified`, `Resolved`); only with `report_changes`.
    Changed,
}

impl Kind {
    /// All of them, for those who choose.
    pub const ALL: [Self; 5] = [Self::Entry, Self::Event, Self::Gap, Self::Cleared, Self::Changed];

    /// The word used in records and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Entry => "entry",
            Self::Event => "event",
            Self::Gap => "gap",
            Self::Cleared => "cleared",
            Self::Changed => "changed",
        }
    }
}

/// Which way a record came in. It is called `source` in the JSON line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Pushed on the event stream.
    Stream,
    /// Read by a periodic collector.
    Poll,
    /// Read from a log after a stream was (re)opened.
    Backfill,
    /// Read from a log on a timer while streaming.
    Reconcile,
}

impl Origin {
    /// All of them, for tables of counters.
    pub const ALL: [Self; 4] = [Self::Stream, Self::Poll, Self::Backfill, Self::Reconcile];

    /// The word used in records and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Poll => "poll",
            Self::Backfill => "backfill",
            Self::Reconcile => "reconcile",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// What the BMC said, in our words. Every field that a BMC may leave out is optional.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When it happened, by the BMC's clock; `None` when absent or implausible.
    pub occurred_at: Option<DateTime<Utc>>,
    /// The BMC's own text of that time, always kept.
    pub occurred_at_raw: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// The text for people; rebuilt from id and arguments where the BMC sends none; may be empty.
    pub message: String,
    /// Redfish `MessageId`, in whatever form the BMC sends it.
    pub message_id: Option<String>,
    /// Redfish `MessageArgs`.
    pub message_args: Vec<String>,
    /// Path of the LogService, such as `/redfish/v1/Systems/1/LogServices/IML`.
    pub log_service: Option<String>,
    /// `Id` of the LogEntry.
    pub entry_id: Option<String>,
    /// `EventId`.
    pub event_id: Option<String>,
    /// `OriginOfCondition`: path of the resource it is about.
    pub origin: Option<String>,
    /// The BMC's own JSON, whole, OEM parts included.
    pub original: Option<Box<RawValue>>,
}

/// What bmcwatch stores and delivers. Its position in the journal is not part of it: the journal gives that.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its deterministic name.
    pub uid: Uid,
    /// What it is about.
    pub kind: Kind,
    /// Which way it came.
    pub source: Origin,
    /// Where it came from.
    pub endpoint: Arc<Endpoint>,
    /// When bmcwatch had it.
    pub observed_at: DateTime<Utc>,
    /// What the BMC said.
    pub facts: Facts,
}
