//! The named profiles: which vendor has which habits, each seen in a recording or in the vendor's source.
//! Only data; a vendor that behaves in a way no field of [`Profile`] can say needs a new field first.

mod flavours;

use std::time::Duration;

use crate::{
    habit::{
        Burst, ClockAtStart, Count, EntriesAt, EntryShape, Keys, PastEnd, SeverityStyle, Skip, Slots,
        WhenFull,
    },
    profile::{
        Accept, EventServiceState, Framing, IdStyle, LogProfile, Login, Members, Oem, Order, Overflow,
        Parent, Profile, Push, RecordShape, Resume, StreamTime, TimeStyle, UnknownQuery, WhenDisabled,
    },
};

pub use flavours::Flavour;

/// The key of DSP0266 for the link to the next page.
const NEXT_LINK: &str = "Members@odata.nextLink";

fn log(parent: Parent, id: &'static str, capacity: usize, entry_type: &'static str) -> LogProfile {
    LogProfile {
        parent,
        id,
        capacity,
        when_full: WhenFull::Trim(1),
        claimed_capacity: u64::try_from(capacity).ok(),
        entry_type,
        record_format: None,
        ids: None,
        shape: EntryShape::Usual,
        slots: Slots::Packed,
        marker: None,
        entries: EntriesAt::UnderService,
        latency_each: Duration::ZERO,
    }
}

impl Profile {
    /// Upstream bmcweb with the log in files: epoch ids, pages of 1000, ten silent streams.
    pub fn openbmc() -> Self {
        Self {
            vendor: "OpenBMC",
            product: "OpenBmc",
            firmware: "2.18.0",
            redfish_version: "1.17.0",
            system: "system",
            manager: "bmc",
            chassis: "chassis",
            event_service: EventServiceState::Enabled,
            sse_uri: Some("/redfish/v1/EventService/SSE"),
            when_disabled: WhenDisabled::Silent,
            accept: Accept::EventStreamOnly,
            resume: Resume::BufferExceeded,
            login: Login::Either,
            username: "root".to_owned(),
            password: "0penBmc".to_owned(),
            session_timeout: Duration::from_mins(30),
            sessions_max: 64,
            logs: vec![
                LogProfile { claimed_capacity: None, ..log(Parent::System, "EventLog", 4000, "Event") },
                LogProfile { claimed_capacity: None, ..log(Parent::Manager, "Journal", 4000, "Oem") },
            ],
            page_size: Some(1000),
            order: Order::OldestFirst,
            ids: IdStyle::EpochSeconds,
            next_link: NEXT_LINK,
            members: Members::Inline,
            skip_key: "$skip",
            skip: Skip::Honoured,
            past_end: PastEnd::Empty,
            count: Count::Total,
            unknown_query: UnknownQuery::NotImplemented,
            oem: Oem::Plain,
            time: TimeStyle::Offset,
            service_time: None,
            service_behind: Duration::ZERO,
            clock: ClockAtStart::Right,
            severity: SeverityStyle::Redfish,
            keys: Keys::Standard,
            stream_time: StreamTime::FractionStripped,
            record: RecordShape::Bmcweb,
            framing: Framing::MultiLine,
            keep_alive: None,
            push: Push::Every,
            burst: Burst::Never,
            registries: &[],
            mirrors: &[],
            login_line: None,
            etag: None,
            local_offset: "+00:00",
            streams_max: 10,
            overflow: Overflow::OkThenEnd,
            latency: Duration::ZERO,
        }
    }

    /// Dell iDRAC9: newest first, 50 a page, rising ids, local time, two streams.
    pub fn idrac9() -> Self {
        Self {
            vendor: "Dell",
            product: "Integrated Dell Remote Access Controller",
            firmware: "6.00.30.00",
            redfish_version: "1.15.0",
            system: "System.Embedded.1",
            manager: "iDRAC.Embedded.1",
            chassis: "System.Embedded.1",
            sse_uri: Some("/redfish/v1/SSE"),
            when_disabled: WhenDisabled::Closed,
            accept: Accept::Any,
            resume: Resume::Ignored,
            password: "calvin".to_owned(),
            sessions_max: 8,
            logs: vec![log(Parent::Manager, "Lclog", 5000, "Oem"), log(Parent::Manager, "Sel", 1024, "SEL")],
            page_size: Some(50),
            order: Order::NewestFirst,
            ids: IdStyle::Rising,
            past_end: PastEnd::BadRequest,
            unknown_query: UnknownQuery::Ignored,
            oem: Oem::Dell,
            time: TimeStyle::Local(-6),
            stream_time: StreamTime::AsLogged,
            record: RecordShape::Full,
            framing: Framing::OneLine,
            streams_max: 2,
            overflow: Overflow::ServiceUnavailable,
            ..Self::openbmc()
        }
    }

    /// NVIDIA GB200: bmcweb with the log on D-Bus, events linked to their entries, whole logs at once.
    pub fn nvidia() -> Self {
        Self {
            vendor: "NVIDIA",
            product: "GB200 NVL",
            firmware: "GB200Nvl-25.01",
            system: "System_0",
            manager: "BMC_0",
            chassis: "BMC_0",
            logs: vec![
                log(Parent::System, "EventLog", 2000, "Event"),
                log(Parent::System, "SEL", 2000, "SEL"),
                log(Parent::Chassis, "XID", 500, "Event"),
            ],
            page_size: None,
            ids: IdStyle::RestartsAtClear,
            oem: Oem::NvidiaLogEntry,
            time: TimeStyle::OffsetMillis,
            record: RecordShape::Nvidia,
            ..Self::openbmc()
        }
    }

    /// HPE iLO 5: no stream at all; ids are places, `EventNumber` is the identity.
    pub fn ilo5() -> Self {
        Self {
            vendor: "HPE",
            product: "ProLiant DL360 Gen10 Plus",
            firmware: "iLO 5 v3.11",
            redfish_version: "1.13.0",
            system: "1",
            manager: "1",
            chassis: "1",
            sse_uri: None,
            accept: Accept::Any,
            username: "Administrator".to_owned(),
            password: "hpinvent".to_owned(),
            logs: vec![
                LogProfile { claimed_capacity: None, ..log(Parent::System, "IML", 500, "Oem") },
                LogProfile { claimed_capacity: None, ..log(Parent::Manager, "IEL", 400, "Oem") },
            ],
            page_size: None,
            ids: IdStyle::Position,
            unknown_query: UnknownQuery::Ignored,
            oem: Oem::HpeEventNumber,
            time: TimeStyle::Zulu,
            record: RecordShape::Full,
            ..Self::openbmc()
        }
    }

    /// Lenovo XCC2: comments keep the stream alive, sequence numbers tie events to entries.
    pub fn lenovo() -> Self {
        Self {
            vendor: "Lenovo",
            product: "ThinkSystem SR670 V2",
            firmware: "AFBT58B-5.10",
            redfish_version: "1.15.0",
            system: "1",
            manager: "1",
            chassis: "1",
            sse_uri: Some("/redfish/v1/EventService/ServerSentEvent"),
            when_disabled: WhenDisabled::Closed,
            accept: Accept::Any,
            resume: Resume::Ignored,
            username: "USERID".to_owned(),
            password: "PASSW0RD".to_owned(),
            session_timeout: Duration::from_mins(5),
            sessions_max: 16,
            logs: vec![
                log(Parent::System, "PlatformLog", 1024, "Oem"),
                log(Parent::System, "AuditLog", 1024, "Oem"),
            ],
            page_size: None,
            ids: IdStyle::Rising,
            past_end: PastEnd::BadRequest,
            unknown_query: UnknownQuery::Ignored,
            oem: Oem::LenovoSequence,
            time: TimeStyle::OffsetMillis,
            stream_time: StreamTime::AsLogged,
            record: RecordShape::Full,
            framing: Framing::MultiLineTight,
            keep_alive: Some(Duration::from_secs(30)),
            streams_max: 4,
            overflow: Overflow::ServiceUnavailable,
            ..Self::openbmc()
        }
    }

    /// An OpenBMC whose service root has no event service.
    pub fn no_event_service() -> Self {
        Self { event_service: EventServiceState::Absent, ..Self::openbmc() }
    }

    /// An OpenBMC whose event service has no `ServerSentEventUri` (NVIDIA GH200).
    pub fn no_sse_uri() -> Self {
        Self { sse_uri: None, ..Self::nvidia() }
    }
}
