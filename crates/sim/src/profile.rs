//! What one kind of BMC is like, as plain data: everything in which vendors differ and a reader of logs can
//! trip. A new habit is a new field here; which vendor has it is said in `vendor.rs`. Nothing here acts.

use std::time::Duration;

use crate::{
    habit::{
        Burst, ClockAtStart, Count, EntriesAt, EntryShape, Keys, LoginLine, PastEnd, SeverityStyle, Skip,
        Slots, WhenFull,
    },
    registry::MessageRegistry,
};

/// The habits of one kind of BMC. Take a named one and change fields.
#[derive(Clone, Debug)]
pub struct Profile {
    /// `Vendor` of the service root.
    pub vendor: &'static str,
    /// `Product` of the service root and `Model` of the manager.
    pub product: &'static str,
    /// `FirmwareVersion` of the manager at the start.
    pub firmware: &'static str,
    /// `RedfishVersion` of the service root.
    pub redfish_version: &'static str,
    /// Name of the one system under `/redfish/v1/Systems`.
    pub system: &'static str,
    /// Name of the one manager under `/redfish/v1/Managers`.
    pub manager: &'static str,
    /// Name of the one chassis under `/redfish/v1/Chassis`.
    pub chassis: &'static str,
    /// The event service at the start.
    pub event_service: EventServiceState,
    /// `ServerSentEventUri`; `None` leaves the property out, `Some("")` sends it empty.
    pub sse_uri: Option<&'static str>,
    /// What a stream does while the event service is disabled (T53).
    pub when_disabled: WhenDisabled,
    /// Which request for the stream is understood (T54).
    pub accept: Accept,
    /// What a `Last-Event-ID` brings (T55, T57).
    pub resume: Resume,
    /// How credentials may be shown.
    pub login: Login,
    /// The one account.
    pub username: String,
    /// Its password at the start.
    pub password: String,
    /// A session unused for longer ends (T67).
    pub session_timeout: Duration,
    /// One more is answered 503 (Dell: 8, T67).
    pub sessions_max: usize,
    /// The log services; the first one takes what [`crate::Bmc::log`] logs.
    pub logs: Vec<LogProfile>,
    /// Entries on one page; `None` sends the whole log at once.
    pub page_size: Option<usize>,
    /// Order of the entries.
    pub order: Order,
    /// What `Id` of an entry is (T1, T5, T10).
    pub ids: IdStyle,
    /// Key of the link to the next page (T25); empty leaves the link out (T26).
    pub next_link: &'static str,
    /// Whether a collection holds entries or only links to them (T31).
    pub members: Members,
    /// Key of the query option that leads to a page (`$skip`; `$skiptoken` in Intel's links, T25).
    pub skip_key: &'static str,
    /// What a request to leave out the first entries brings (T28, T29).
    pub skip: Skip,
    /// What leaving out more entries than there are brings (T29).
    pub past_end: PastEnd,
    /// What `Members@odata.count` counts (T26, T27).
    pub count: Count,
    /// What a query option that is not supported brings (T30).
    pub unknown_query: UnknownQuery,
    /// Vendor's own additions to entries and events.
    pub oem: Oem,
    /// How times are written in entries.
    pub time: TimeStyle,
    /// How `DateTime` of a log service is written, where it is not as in entries.
    pub service_time: Option<TimeStyle>,
    /// How far `DateTime` of a log service lies behind the clock that dates the entries (T45).
    pub service_behind: Duration,
    /// What the clock shows after a start (T40).
    pub clock: ClockAtStart,
    /// How severities are written in entries (T46).
    pub severity: SeverityStyle,
    /// How keys of entries are spelled (T47).
    pub keys: Keys,
    /// What happens to times on the way to the stream (T68).
    pub stream_time: StreamTime,
    /// Which properties an event record has.
    pub record: RecordShape,
    /// How an event is cut into `data:` lines (T63).
    pub framing: Framing,
    /// A comment at this interval keeps the stream alive; `None` is silence for days (T51).
    pub keep_alive: Option<Duration>,
    /// Which logged entries are pushed (T71).
    pub push: Push,
    /// When the whole log is sent to the first stream (T60).
    pub burst: Burst,
    /// The message registries it serves; without one, the service root has no link to them (T50).
    pub registries: &'static [MessageRegistry],
    /// What is logged in the first of a pair also stands in the second, under the same id (T14).
    pub mirrors: &'static [(usize, usize)],
    /// What a login writes into a log; with Basic every request is one (T74).
    pub login_line: Option<LoginLine>,
    /// `@odata.etag` of log services and entries, where it never changes (T22).
    pub etag: Option<&'static str>,
    /// `DateTimeLocalOffset` as claimed (T48).
    pub local_offset: &'static str,
    /// Streams at once (bmcweb 10, Dell 2).
    pub streams_max: usize,
    /// What one stream too many gets (T52).
    pub overflow: Overflow,
    /// Wait before every answer, at the start; see also [`LogProfile::latency_each`].
    pub latency: Duration,
}

/// One log service.
#[derive(Clone, Debug)]
pub struct LogProfile {
    /// The resource it hangs under.
    pub parent: Parent,
    /// Its name, such as `EventLog`.
    pub id: &'static str,
    /// Entries it holds.
    pub capacity: usize,
    /// What a new entry does to a full log.
    pub when_full: WhenFull,
    /// `MaxNumberOfRecords` as claimed; it may be absent or a lie (T39).
    pub claimed_capacity: Option<u64>,
    /// `EntryType` of its entries.
    pub entry_type: &'static str,
    /// `OemRecordFormat` of its entries; `None` is the vendor's name for entries of type `Oem`.
    pub record_format: Option<&'static str>,
    /// What `Id` of its entries is, where it is not as in the other logs.
    pub ids: Option<IdStyle>,
    /// Which properties its entries have.
    pub shape: EntryShape,
    /// How entries are laid out in the collection.
    pub slots: Slots,
    /// `MessageId` and text of the entry that a clear leaves behind (T5).
    pub marker: Option<(&'static str, &'static str)>,
    /// Where its entries are served.
    pub entries: EntriesAt,
    /// How much longer a page takes for each of its members (Lenovo, T35).
    pub latency_each: Duration,
}

/// Where a log service hangs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parent {
    /// Under the system.
    System,
    /// Under the manager.
    Manager,
    /// Under the chassis (T37).
    Chassis,
}

/// The event service as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventServiceState {
    /// No link in the service root, and 404.
    Absent,
    /// `ServiceEnabled` true.
    Enabled,
    /// `ServiceEnabled` false.
    Disabled,
}

/// What a stream does while the event service is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenDisabled {
    /// It opens, stays open and says nothing (bmcweb, against the specification).
    Silent,
    /// Streams end and new ones get 503.
    Closed,
}

/// Which request for the stream is understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accept {
    /// Only one whose `Accept` holds `text/event-stream`; other resources answer 404 to that (bmcweb).
    EventStreamOnly,
    /// Any.
    Any,
}

/// What a `Last-Event-ID` brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resume {
    /// Nothing.
    Ignored,
    /// A bare Message `EventBufferExceeded`, then live events (bmcweb).
    BufferExceeded,
}

/// How credentials may be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Login {
    /// `X-Auth-Token` or Basic.
    Either,
    /// Only `X-Auth-Token`.
    SessionOnly,
    /// Only Basic; POST to Sessions is answered 405.
    BasicOnly,
    /// Everything is open.
    Open,
}

/// Order of entries in a collection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// bmcweb, HPE, Lenovo.
    OldestFirst,
    /// Dell, Cisco.
    NewestFirst,
}

/// What `Id` of an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdStyle {
    /// A counter that goes on over a clear (Dell Lclog).
    Rising,
    /// A counter that begins again at 1 after a clear (T5).
    RestartsAtClear,
    /// The place in the collection, 1..N (HPE, T1).
    Position,
    /// Seconds since 1970, then `_1`, `_2` within one second (bmcweb).
    EpochSeconds,
    /// `<microseconds since 1970>_<n>`: the journal of bmcweb in 2023 (T12).
    EpochMicros,
    /// `<boot id>_<microseconds>`: the journal of bmcweb in 2024 (T12).
    BootTime,
    /// 152 characters of base64: the journal of bmcweb now (T12).
    Cursor,
    /// `B<boot>-<n>`, where B1 is the newest boot (T13).
    PostCode,
}

/// Whether a collection holds entries or only links.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Members {
    /// Whole entries.
    Inline,
    /// `{"@odata.id": ...}` only.
    Links,
}

/// What a query option that is not supported brings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownQuery {
    /// 501 `QueryNotSupported` (bmcweb).
    NotImplemented,
    /// The answer as without it (iLO).
    Ignored,
}

/// Vendor's own additions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oem {
    /// None.
    Plain,
    /// `Oem.Hpe.EventNumber` in entries.
    HpeEventNumber,
    /// `Oem.Lenovo.EventSequenceNumber` in entries and events, and a class code as `EventId` (T21).
    LenovoSequence,
    /// `LogEntry` links in events, `Oem.Nvidia.LatestEntryID` on the log service.
    NvidiaLogEntry,
    /// `Oem.Dell.ServerHostname` in events, `OriginOfCondition` as a string (T48).
    Dell,
}

/// How times are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeStyle {
    /// `2026-11-20T14:02:09+00:00`
    Offset,
    /// `2026-11-20T14:02:09.304+00:00`
    OffsetMillis,
    /// `2026-11-20T14:02:09Z`
    Zulu,
    /// Local time, this many hours from UTC: `2026-11-20T08:02:09-06:00`; `-0600` on the stream (T42).
    Local(i32),
    /// Local time of the central United States, `-06:00` in winter and `-05:00` in summer (T44).
    UsCentral,
    /// `2026-11-20 14:02:09 `: blank for T, no zone, blank at the end (Cisco, T42).
    Blank,
    /// `2026-11-20 14:02:09+00:00` (Lenovo's log service, T42).
    BlankOffset,
    /// `Fri Nov 20 14:02:09 2026` (T42).
    Ctime,
    /// `1795183329` as a string (T42).
    EpochText,
    /// `2026-11-20T14:02:09`, no zone.
    Naive,
}

/// What happens to times on the way to the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamTime {
    /// As in the entry.
    AsLogged,
    /// Whole seconds.
    FractionStripped,
}

/// Which properties an event record has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordShape {
    /// `Severity`; no `MemberId`, no `EventType`; payload id one above the last `EventId` (T58).
    Bmcweb,
    /// `MessageSeverity`; no `MemberId`, no `EventType`.
    Nvidia,
    /// Both severities, `MemberId`, `EventType`.
    Full,
}

/// How an event is cut into lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// One `data: ` line for each line of JSON indented by 2, non-ASCII escaped (bmcweb).
    MultiLine,
    /// `id:2`, `data:{`, indented by 4, no blank after the colon (Lenovo).
    MultiLineTight,
    /// All JSON in one `data: ` line.
    OneLine,
    /// `id:2`, `data:{...}`: the same without the blanks (AMI).
    OneLineTight,
}

/// Which logged entries are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// All.
    Every,
    /// All but each n-th (n above 0; 1 means none).
    AllButEach(u64),
    /// None: the stream stays silent for ever (bmcweb with the D-Bus log).
    Never,
}

/// What one stream too many gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// 200 and the end (bmcweb).
    OkThenEnd,
    /// 503 `EventSubscriptionLimitExceeded` (the design documents).
    ServiceUnavailable,
}
