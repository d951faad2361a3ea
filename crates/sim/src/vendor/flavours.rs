//! The flavours: each kind of BMC with all the habits that were seen of it, latencies included, by name. The
//! plain constructors beside this file hold only what a stream and a log need; a flavour adds what a reader of
//! logs trips over.

use std::time::Duration;

use super::log;
use crate::{
    habit::{
        Burst, ClockAtStart, Count, EntriesAt, EntryShape, Keys, LoginLine, PastEnd, SeverityStyle, Skip,
        Slots, WhenFull,
    },
    profile::{
        EventServiceState, Framing, IdStyle, LogProfile, Oem, Order, Parent, Profile, Push, TimeStyle,
        UnknownQuery,
    },
    registry::MessageRegistry,
    truth::Severity,
};

/// A name and what makes it.
pub type Flavour = (&'static str, fn() -> Profile);

const FLAVOURS: &[Flavour] = &[
    ("openbmc", openbmc),
    ("openbmc_dbus", openbmc_dbus),
    ("idrac7", idrac7),
    ("idrac8", idrac8),
    ("idrac9", idrac9),
    ("ilo5", ilo5),
    ("ilo6", ilo6),
    ("ilo7", ilo7),
    ("xcc", xcc),
    ("supermicro_x10", supermicro_x10),
    ("supermicro_x12", supermicro_x12),
    ("ami", ami),
    ("nvidia_gb200", nvidia_gb200),
    ("cimc", cimc),
    ("cray", cray),
    ("irmc", irmc),
];

/// 1999-12-31T12:00:00Z, where the clock of a Cray controller begins.
const CRAY_CLOCK: i64 = 946_641_600;

/// How far the service clock of the recorded X10 lies behind its entries.
const X10_BEHIND: Duration = Duration::from_hours(3 * 365 * 24);

/// The messages of iLO's event log, which holds no texts.
const ILO_EVENTS: &[MessageRegistry] = &[MessageRegistry {
    prefix: "iLOEvents",
    version: "3.15.0",
    messages: &[
        (
            "UnauthorizedLoginAttempts",
            "Possible security breach: %1 unauthorized login attempts.",
            Severity::Critical,
        ),
        ("ServerPoweredOn", "Server powered on.", Severity::Ok),
        ("ServerPoweredOff", "Server powered off.", Severity::Ok),
        ("ServerResetDetected", "Server reset detected.", Severity::Ok),
        ("FanFailed", "Fan %1 has failed.", Severity::Critical),
        ("FanDegraded", "Fan %1 is degraded.", Severity::Warning),
        ("FanRepaired", "Fan %1 has been repaired.", Severity::Ok),
    ],
}];

impl Profile {
    /// Every flavour by its name, such as `openbmc` or `ilo5`.
    pub fn flavours() -> &'static [Flavour] {
        FLAVOURS
    }
}

/// bmcweb with the log in files, a journal and POST codes; the first line sends the whole file.
fn openbmc() -> Profile {
    let plain = Profile::openbmc();
    let unclaimed = |log| LogProfile { claimed_capacity: None, ..log };
    let logs = vec![
        unclaimed(log(Parent::System, "EventLog", 4000, "Event")),
        LogProfile {
            ids: Some(IdStyle::PostCode),
            ..unclaimed(log(Parent::System, "PostCodes", 1000, "Event"))
        },
        LogProfile { ids: Some(IdStyle::Cursor), ..unclaimed(log(Parent::Manager, "Journal", 4000, "Oem")) },
    ];
    Profile { logs, burst: Burst::FirstLine, ..plain }
}

/// bmcweb with the log on D-Bus: two queues, one page, nothing on the stream, ids from 1 after a clear.
fn openbmc_dbus() -> Profile {
    let event_log = LogProfile {
        claimed_capacity: None,
        when_full: WhenFull::TwoQueues(10),
        shape: EntryShape::Dbus,
        marker: Some(("", "xyz.openbmc_project.Logging.Cleared")),
        ..log(Parent::System, "EventLog", 200, "Event")
    };
    Profile {
        logs: vec![event_log],
        page_size: None,
        ids: IdStyle::RestartsAtClear,
        time: TimeStyle::OffsetMillis,
        push: Push::Never,
        ..Profile::openbmc()
    }
}

/// iDRAC7: old key spellings and paths, another next link, eight seconds an answer, no stream.
fn idrac7() -> Profile {
    let old = |log| LogProfile { entries: EntriesAt::DellLogs, ..log };
    Profile {
        firmware: "2.41.40.40",
        redfish_version: "1.0.2",
        sse_uri: None,
        logs: dell_logs().map(old).to_vec(),
        next_link: "@odata.nextLink",
        keys: Keys::OldDell,
        latency: Duration::from_secs(8),
        ..idrac9()
    }
}

/// iDRAC8: as iDRAC7, ten times as fast, and `Ok`.
fn idrac8() -> Profile {
    Profile {
        firmware: "2.60.60.60",
        severity: SeverityStyle::OkInLowerCase,
        latency: Duration::from_millis(750),
        ..idrac7()
    }
}

/// Ids of the lifecycle log go on for ever, those of the SEL begin again with the line that a clear leaves.
fn dell_logs() -> [LogProfile; 2] {
    [
        LogProfile { claimed_capacity: Some(500_000), ..log(Parent::Manager, "Lclog", 5000, "Oem") },
        LogProfile {
            ids: Some(IdStyle::RestartsAtClear),
            marker: Some(("2ffff", "Log cleared.")),
            ..log(Parent::Manager, "Sel", 1024, "SEL")
        },
    ]
}

/// iDRAC9: every login writes a line, and the times follow the summer.
fn idrac9() -> Profile {
    Profile {
        logs: dell_logs().to_vec(),
        time: TimeStyle::UsCentral,
        latency: Duration::from_millis(500),
        login_line: Some(LoginLine {
            log: 0,
            message_id: "USR0030",
            text: "Successfully logged in using root, from 192.0.2.10 and REDFISH.",
        }),
        ..Profile::idrac9()
    }
}

/// iLO 5: numbered logs of which several of the oldest go at once, and an event log in a window of 256.
fn ilo5() -> Profile {
    hpe(Slots::Window)
}

/// iLO 6: the window holds its block twice while it has the space.
fn ilo6() -> Profile {
    Profile {
        product: "ProLiant DL380a Gen11",
        firmware: "iLO 6 v1.66",
        redfish_version: "1.20.0",
        ..hpe(Slots::WindowWithEcho)
    }
}

/// iLO 7: no empty slots any more.
fn ilo7() -> Profile {
    Profile {
        product: "ProLiant DL380a Gen12",
        firmware: "iLO 7 v1.17",
        redfish_version: "1.20.0",
        ..hpe(Slots::Packed)
    }
}

fn hpe(event_log: Slots) -> Profile {
    let numbered = |parent, id, (capacity, trim), record_format, marker| LogProfile {
        claimed_capacity: None,
        when_full: WhenFull::Trim(trim),
        record_format: Some(record_format),
        marker,
        ..log(parent, id, capacity, "Oem")
    };
    let iml_cleared = Some(("", "IML Cleared (iLO user: Administrator)"));
    let sl_cleared = Some(("", "Security log cleared by: Administrator"));
    Profile {
        logs: vec![
            numbered(Parent::System, "IML", (500, 3), "Hpe-IML", iml_cleared),
            numbered(Parent::System, "SL", (526, 3), "Hpe-SL", sl_cleared),
            numbered(Parent::Manager, "IEL", (440, 15), "Hpe-iLOEventLog", None),
            LogProfile {
                claimed_capacity: None,
                shape: EntryShape::HpeEvent,
                slots: event_log,
                record_format: Some("Hpe-Event"),
                ..log(Parent::System, "Event", 256, "Oem")
            },
        ],
        skip: Skip::Ignored,
        registries: ILO_EVENTS,
        ..Profile::ilo5()
    }
}

/// Lenovo XCC: a log that holds all others and serves every second entry twice, 17 ms each, and a list of live
/// alarms.
fn xcc() -> Profile {
    Profile {
        logs: vec![
            LogProfile {
                slots: Slots::EverySecondTwice,
                latency_each: Duration::from_millis(17),
                ..log(Parent::System, "StandardLog", 1024, "Oem")
            },
            log(Parent::System, "AuditLog", 1024, "Oem"),
            log(Parent::System, "PlatformLog", 1024, "Oem"),
            log(Parent::System, "ActiveLog", 128, "Oem"),
        ],
        service_time: Some(TimeStyle::BlankOffset),
        etag: Some("\"ejUxX1N0YW5kYXJkTG9nRW50cnkK1\""),
        skip: Skip::Ignored,
        latency: Duration::from_millis(300),
        ..Profile::lenovo()
    }
}

/// Supermicro X10: places as ids, no severity, a service clock three years behind its entries.
fn supermicro_x10() -> Profile {
    Profile {
        product: "X10 BMC",
        firmware: "3.88",
        redfish_version: "1.0.1",
        logs: vec![LogProfile {
            shape: EntryShape::SupermicroX10,
            ..log(Parent::System, "Log1", 512, "Event")
        }],
        ids: IdStyle::Position,
        service_behind: X10_BEHIND,
        severity: SeverityStyle::Absent,
        session_timeout: Duration::from_mins(5),
        ..supermicro_x12()
    }
}

/// Supermicro X12: a health event log and a maintenance log of the manager.
fn supermicro_x12() -> Profile {
    Profile {
        vendor: "Supermicro",
        product: "X12 BMC",
        firmware: "01.02.32",
        redfish_version: "1.11.0",
        system: "1",
        manager: "1",
        chassis: "1",
        sse_uri: None,
        username: "ADMIN".to_owned(),
        password: "ADMIN".to_owned(),
        logs: vec![log(Parent::System, "Log1", 4096, "Event"), log(Parent::Manager, "MEL", 4096, "Oem")],
        page_size: None,
        order: Order::OldestFirst,
        ids: IdStyle::RestartsAtClear,
        skip: Skip::Ignored,
        unknown_query: UnknownQuery::Ignored,
        time: TimeStyle::Zulu,
        ..Profile::idrac9_without_oem()
    }
}

/// AMI `MegaRAC`: logs at many parents, pages of 50 that cannot be asked for from the first, two times that
/// differ by 13 months.
fn ami() -> Profile {
    Profile {
        vendor: "AMI",
        product: "MegaRAC SP-X",
        firmware: "13.06.16",
        redfish_version: "1.11.0",
        system: "Self",
        manager: "Self",
        chassis: "Self",
        sse_uri: Some("/redfish/v1/EventService/SSE"),
        username: "admin".to_owned(),
        password: "password".to_owned(),
        logs: vec![
            LogProfile { shape: EntryShape::AmiSel, ..log(Parent::Manager, "SEL", 150, "SEL") },
            log(Parent::Manager, "EventLog", 150, "Event"),
            log(Parent::Manager, "AuditLog", 150, "Oem"),
            log(Parent::System, "BIOS", 150, "Event"),
            log(Parent::Chassis, "Logs", 150, "Event"),
        ],
        order: Order::OldestFirst,
        page_size: Some(50),
        skip: Skip::ZeroRefused,
        time: TimeStyle::Offset,
        framing: Framing::OneLineTight,
        ..Profile::idrac9_without_oem()
    }
}

/// NVIDIA GB200: what stands in the event log also stands in the SEL, under the same id.
fn nvidia_gb200() -> Profile {
    Profile { mirrors: &[(0, 1)], ..Profile::nvidia() }
}

/// Cisco CIMC: the newest 50 and no way to more, times without a zone, no severity in the collection.
fn cimc() -> Profile {
    Profile {
        vendor: "Cisco Systems Inc.",
        product: "UCSC-C240-M5",
        firmware: "4.2(2a)",
        redfish_version: "1.2.0",
        system: "WZP00000000",
        manager: "CIMC",
        chassis: "1",
        event_service: EventServiceState::Disabled,
        sse_uri: None,
        username: "admin".to_owned(),
        password: "password".to_owned(),
        logs: vec![LogProfile {
            when_full: WhenFull::Discard,
            shape: EntryShape::Cisco,
            ..log(Parent::Manager, "SEL", 3008, "SEL")
        }],
        next_link: "",
        skip: Skip::Ignored,
        count: Count::OfPage,
        time: TimeStyle::Blank,
        service_time: Some(TimeStyle::Ctime),
        severity: SeverityStyle::OnlyAlone,
        ..Profile::idrac9_without_oem()
    }
}

/// HPE Cray EX node controller: 300 entries under their places, a clock that begins in 1999.
fn cray() -> Profile {
    Profile {
        vendor: "HPE",
        product: "nC",
        firmware: "nc.1.8.26",
        redfish_version: "1.2.0",
        system: "Node0",
        manager: "BMC",
        chassis: "Enclosure",
        sse_uri: None,
        username: "root".to_owned(),
        password: "initial0".to_owned(),
        logs: vec![
            log(Parent::Manager, "EventLog", 300, "Event"),
            log(Parent::Manager, "SEL", 300, "SEL"),
            log(Parent::Manager, "AuditLog", 300, "Event"),
        ],
        page_size: None,
        order: Order::OldestFirst,
        ids: IdStyle::Position,
        skip: Skip::Ignored,
        past_end: PastEnd::Empty,
        time: TimeStyle::Offset,
        clock: ClockAtStart::Unset { reads: CRAY_CLOCK, lasts: Duration::from_mins(2) },
        etag: Some("W/\"0\""),
        local_offset: "0",
        ..Profile::idrac9_without_oem()
    }
}

/// Fujitsu iRMC: newest first, all at once.
fn irmc() -> Profile {
    Profile {
        vendor: "FUJITSU",
        product: "iRMC S5",
        firmware: "3.37P",
        redfish_version: "1.8.0",
        system: "0",
        manager: "iRMC",
        chassis: "0",
        sse_uri: None,
        username: "admin".to_owned(),
        password: "admin".to_owned(),
        logs: vec![
            log(Parent::Manager, "SystemEventLog", 2048, "SEL"),
            log(Parent::Manager, "InternalEventLog", 2048, "Event"),
        ],
        page_size: None,
        time: TimeStyle::Offset,
        ..Profile::idrac9_without_oem()
    }
}

impl Profile {
    /// What most management controllers of the older kind share with Dell's.
    fn idrac9_without_oem() -> Self {
        Self { oem: Oem::Plain, ..Self::idrac9() }
    }
}
