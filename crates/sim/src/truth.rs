//! What really happened to a BMC, for the one who checks: everything ever logged, and counters of what was
//! asked of it. It is never served to clients.

use std::{collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};

/// Severity of an entry, in Redfish's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// `OK`
    Ok,
    /// `Warning`
    Warning,
    /// `Critical`
    Critical,
}

impl Severity {
    /// The word of Redfish's `Health`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Warning => "Warning",
            Self::Critical => "Critical",
        }
    }
}

/// One thing that happened, as the BMC wrote it down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// `<name of the BMC>-<n>`: unique over the life of the BMC. It stands at the end of the message, in
    /// brackets, and is the last of the message's arguments.
    pub token: String,
    /// Path of the log service; `None` for what went to the stream only.
    pub log: Option<Arc<str>>,
    /// How often that log had been cleared before.
    pub generation: u32,
    /// `Id` of the entry; where ids are places this is the place at the time of writing.
    pub id: String,
    /// Running number in that log, over clears: HPE's `EventNumber`, Lenovo's sequence number.
    pub number: u64,
    /// Severity.
    pub severity: Severity,
    /// `MessageId`.
    pub message_id: String,
    /// `MessageArgs`, the token last.
    pub args: Vec<String>,
    /// `Message`, the token at its end.
    pub message: String,
    /// The BMC's clock at that moment.
    pub time: DateTime<Utc>,
    /// Whether it was written to at least one open stream.
    pub pushed: bool,
}

/// What kind of resource a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathClass {
    /// The service root.
    Root,
    /// The event service.
    EventService,
    /// The event stream.
    Stream,
    /// The session service, its sessions, logins and logouts.
    Sessions,
    /// A page of entries.
    Entries,
    /// One entry.
    Entry,
    /// A log service or the collection of them.
    LogService,
    /// Everything else.
    Other,
}

/// Counters over the life of a BMC.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests that were read, by kind; those refused or lost in a black hole are not among them.
    pub requests: BTreeMap<PathClass, u64>,
    /// Requests waiting for their answer now.
    pub requests_in_flight: usize,
    /// The most at once.
    pub requests_in_flight_max: usize,
    /// Connections and requests refused, reset or swallowed.
    pub refused: u64,
    /// Streams open now.
    pub streams_open: usize,
    /// Streams ever opened.
    pub streams_opened: u64,
    /// The most at once.
    pub streams_open_max: usize,
    /// Sessions made.
    pub logins_ok: u64,
    /// Wrong user or password, in a login or as Basic.
    pub logins_refused: u64,
    /// Requests with a token that is unknown or expired.
    pub tokens_refused: u64,
    /// Sessions open now, expired ones included until they are noticed.
    pub sessions_open: usize,
    /// Entries ever written to a log.
    pub entries_logged: u64,
    /// Bytes of the bodies of all answers, streams not among them.
    pub response_bytes: u64,
}

impl Counts {
    /// All requests of whatever kind.
    pub fn requests_total(&self) -> u64 {
        self.requests.values().sum()
    }

    /// Requests of one kind.
    pub fn requests_of(&self, class: PathClass) -> u64 {
        self.requests.get(&class).copied().unwrap_or(0)
    }
}
