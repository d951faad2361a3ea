//! Habits of logs as plain data: how collections are laid out, cut into pages and counted, what a full log
//! does, how fields are written, what a clock shows. [`crate::Profile`] and [`crate::LogProfile`] hold them;
//! nothing here acts.

use std::time::Duration;

/// What a request to leave out the first entries brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skip {
    /// It is done.
    Honoured,
    /// The same first page (iLO, T30).
    Ignored,
    /// 501.
    NotImplemented,
    /// It is done, but none to leave out is 400 "out of range [1, inf)" (AMI, T29).
    ZeroRefused,
}

/// What leaving out more entries than there are brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PastEnd {
    /// 200 without members (bmcweb).
    Empty,
    /// 400 (Dell).
    BadRequest,
}

/// What `Members@odata.count` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// All entries, as the specification has it.
    Total,
    /// Those of the page (Cisco).
    OfPage,
}

/// What a new entry does to a full log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenFull {
    /// This many of the oldest go, at least one (HPE: several).
    Trim(usize),
    /// It is discarded: `NeverOverWrites` (T38). It stands in the truth without a log.
    Discard,
    /// Of entries with severity OK only this many are kept, apart from the others (phosphor-logging, T8).
    TwoQueues(usize),
}

/// The entry that every login writes, into a log and for the one who reads logs to trip over (T74).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoginLine {
    /// Place of the log in [`crate::Profile::logs`].
    pub log: usize,
    /// Its `MessageId`.
    pub message_id: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Which properties an entry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryShape {
    /// `Message`, `MessageId`, `MessageArgs`.
    Usual,
    /// bmcweb's D-Bus log: `Modified` and `Resolved`, no `MessageId` and no arguments.
    Dbus,
    /// HPE's Event log: a shared UUID as `EventId`, no `Message` (T21, T50).
    HpeEvent,
    /// Supermicro X10: placeholder arguments, raw IPMI bytes, no `MessageId`.
    SupermicroX10,
    /// AMI's SEL: always the same `MessageId`, `EventTimestamp` 13 months before `Created` (T43).
    AmiSel,
    /// Cisco: `EventId` = `Id`, no `MessageId`.
    Cisco,
}

/// How entries are laid out in the collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Slots {
    /// One after the other.
    Packed,
    /// Every second entry stands there twice, byte by byte (Lenovo SR650, T9).
    EverySecondTwice,
    /// A window as large as the capacity; what is not used is served as empty slots at the front, so that
    /// the newest always stands in the last place (HPE, T2, T3).
    Window,
    /// The same, and as long as both fit, the whole block stands there twice, empty slots between (HPE, T9b).
    WindowWithEcho,
}

/// Where the entries of a log are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntriesAt {
    /// `.../LogServices/Sel/Entries`
    UnderService,
    /// `.../Logs/Sel` (iDRAC7, iDRAC8, early iDRAC9, T76).
    DellLogs,
}

/// What the clock shows after a start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClockAtStart {
    /// The right time.
    Right,
    /// Another time, until the right one comes over the network (T40).
    Unset {
        /// What it shows at the start, in seconds since 1970.
        reads: i64,
        /// How long until it is set right.
        lasts: Duration,
    },
}

/// How severities are written in entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SeverityStyle {
    /// `OK`, `Warning`, `Critical`.
    Redfish,
    /// `Ok` for `OK` (old Dell).
    OkInLowerCase,
    /// The property is absent.
    Absent,
    /// `null`.
    Null,
    /// Absent in the collection, `Normal`, `Warning` or `Critical` in the entry by itself (Cisco).
    OnlyAlone,
}

/// How keys of entries are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keys {
    /// As in the schema.
    Standard,
    /// `MessageID`, `OEMRecordFormat`, lists for `EntryCode` and `SensorType`, no `@odata.type`.
    OldDell,
}

/// When the whole log is sent to the first stream, in one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Burst {
    /// Never.
    Never,
    /// At the first line after a start, a clear or a rotation (bmcweb).
    FirstLine,
}
