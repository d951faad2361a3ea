//! Log services: found by links, never by a path of our own making; and what each says of its log.
//!
//! Not here: the walk that finds them (`client/logs`), and whether what they say is believed (`collect`).

use chrono::{DateTime, TimeDelta, Utc};
use model::Hardware;
use serde_json::Value;

use crate::{RequestError, identity, json, time};

/// One log of a BMC.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogService {
    /// Its path, normalised: no trailing slash, as the BMC spells it otherwise.
    pub path: String,
    /// `Id`, by which operators exclude it.
    pub id: String,
    /// `Name`.
    pub name: String,
    /// Link to its entries, followed as sent.
    pub entries: String,
    /// `OverWritePolicy` as sent.
    pub overwrite_policy: Option<String>,
    /// `MaxNumberOfRecords`; some lie (T39).
    pub max_records: Option<u64>,
    /// `ServiceEnabled`; absent means true.
    pub enabled: bool,
    /// The BMC's clock minus ours when this was read, from `DateTime`; `None` where that names no moment (T42).
    pub clock_offset: Option<TimeDelta>,
    /// What it says of its newest entry, such as NVIDIA's `LatestEntryID` or Lenovo's `LastSeqNum`; as one text, to be
    /// compared only.
    pub latest: Option<Latest>,
    /// Whether entries stay until they are cleared or trimmed.
    pub keeping: Keeping,
    /// It says that it loses entries: `Overflow` is true.
    pub overflows: bool,
}

/// What a log service says of its newest entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Latest {
    /// Everything that it says of it: another text, another newest entry.
    pub text: String,
    /// The number of the newest entry. It must be that of an entry that was read before any of this is trusted (T22).
    pub number: u64,
}

/// Whether the entries of a log stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Until a clear, or until newer ones need the room.
    UntilCleared,
    /// They go when what they tell of has ended (T18: Lenovo `ActiveLog`, Dell `FaultList`, `AutoClearResolvedEntries`).
    WhileActive,
}

/// What the walk found.
#[derive(Debug)]
pub struct LogServices {
    /// The logs, each once, in the order of their paths.
    pub found: Vec<LogService>,
    /// UUID of the service, else of a manager: what machine these logs are of (T77).
    pub machine: Option<String>,
    /// What system and manager say of themselves. They are read for their links to logs, so it costs no request.
    pub hardware: Hardware,
    /// Parts of the tree that could not be read (T37); they cost only themselves.
    pub problems: Vec<RequestError>,
}

impl LogService {
    /// Reads the LogService that was found at `path` and answered `now`; `None` when it has no entries (a dump or debug
    /// service).
    pub(crate) fn decode(path: &str, document: &Value, now: DateTime<Utc>) -> Option<Self> {
        let path = identity::normal_path(path);
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        let id = json::string(document, "Id").unwrap_or(last);
        // A clock at 1970 is an offset too, but a time without a zone is none (T42).
        let date_time = json::string(document, "DateTime").and_then(|text| time::parse(&text));
        Some(Self {
            name: json::string(document, "Name").unwrap_or_else(|| id.clone()),
            entries: json::link_at(document, "Entries")?,
            overwrite_policy: json::string(document, "OverWritePolicy"),
            max_records: document.get("MaxNumberOfRecords").and_then(json::number),
            enabled: json::truth(document, "ServiceEnabled").unwrap_or(true),
            clock_offset: date_time.map(|at| at - now),
            latest: Latest::decode(&id, document),
            keeping: Keeping::decode(&id, document),
            overflows: json::truth(document, "Overflow").unwrap_or(false),
            id,
            path,
        })
    }
}

impl Latest {
    /// NVIDIA's `LatestEntryID`, or Lenovo's sequence numbers.
    fn decode(id: &str, document: &Value) -> Option<Self> {
        let oem = document.get("Oem")?;
        let nvidia = oem.get("Nvidia").and_then(|nvidia| {
            let number = json::number(nvidia.get("LatestEntryID")?)?;
            let at = json::string(nvidia, "LatestEntryTimeStamp").unwrap_or_default();
            Some(Self { text: format!("LatestEntryID={number} LatestEntryTimeStamp={at}"), number })
        });
        nvidia.or_else(|| Self::decode_lenovo(id, oem.get("Lenovo")?))
    }

    /// XCC counts per log; older ones count the audit and the platform part of one log apart, with a slip of the pen in
    /// one of the names.
    fn decode_lenovo(id: &str, lenovo: &Value) -> Option<Self> {
        const OWN: [&str; 3] = ["LastSeqNum", "FirstSeqNum", "HiddenFirstSeqNum"];
        const AUDIT: [&str; 3] = ["AuditLastSeqNum", "AuditFristSeqNum", "AuditFirstSeqNum"];
        const PLATFORM: [&str; 2] = ["PlatformLastSeqNum", "PlatformFirstSeqNum"];
        let names: &[&[&str]] = match id {
            "AuditLog" => &[&OWN, &AUDIT],
            "PlatformLog" => &[&OWN, &PLATFORM],
            _ => &[&OWN, &AUDIT, &PLATFORM],
        };
        let found = names.iter().copied().flatten().filter_map(|&name| {
            let number = lenovo.get(name).and_then(json::number)?;
            Some((name, number))
        });
        let found: Vec<(&str, u64)> = found.collect();
        let lasts = found.iter().filter(|(name, _)| name.ends_with("LastSeqNum"));
        let number = lasts.map(|(_, number)| *number).max()?;
        let text: Vec<String> = found.iter().map(|(name, number)| format!("{name}={number}")).collect();
        Some(Self { text: text.join(" "), number })
    }
}

impl Keeping {
    fn decode(id: &str, document: &Value) -> Self {
        let alarms = ["ActiveLog", "FaultList"].iter().any(|name| name.eq_ignore_ascii_case(id));
        let oem_clears = document
            .pointer("/Oem/Nvidia")
            .and_then(|nvidia| json::truth(nvidia, "AutoClearResolvedLogEnabled"));
        let clears = json::truth(document, "AutoClearResolvedEntries").or(oem_clears).unwrap_or(false);
        if alarms || clears { Self::WhileActive } else { Self::UntilCleared }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: &str = "2026-11-20T12:00:00Z";

    fn log(mut document: Value) -> LogService {
        document["Entries"] = json!({"@odata.id": "/e"});
        LogService::decode("/redfish/v1/X/LogServices/Log/", &document, NOW.parse().unwrap()).unwrap()
    }

    #[test]
    fn t45_the_clock_of_a_bmc_is_compared_with_ours_and_never_guessed() {
        for (text, seconds) in [
            ("2026-11-20T12:00:05Z", Some(5)),
            ("2026-11-20T06:00:00-06:00", Some(0)),
            ("2026-11-20 11:59:00+00:00", Some(-60)),
            ("2017-11-20T12:00:00+00:00", Some(-9 * 31_536_000 - 2 * 86_400)),
            ("2026-11-20T12:00:00", None),
            ("Tue Nov 29 12:04:25 2022", None),
            ("0000-00-00T00:00:00Z", None),
        ] {
            let offset = log(json!({"DateTime": text})).clock_offset;
            assert_eq!(offset.map(|offset| offset.num_seconds()), seconds, "{text}");
        }
        assert_eq!(log(json!({})).clock_offset, None);
    }

    #[test]
    fn what_a_log_service_says_of_its_newest_entry_is_one_text_and_a_number() {
        let latest = |document: Value| log(document).latest.map(|latest| (latest.text, latest.number));
        let told = |text: &str, number| Some((text.to_owned(), number));
        let nvidia = json!({"LatestEntryID": "211748", "LatestEntryTimeStamp": "2026-11-20T11:00:00+00:00"});
        let text = "LatestEntryID=211748 LatestEntryTimeStamp=2026-11-20T11:00:00+00:00";
        assert_eq!(latest(json!({"Oem": {"Nvidia": nvidia}})), told(text, 211_748));
        let empty = json!({"Oem": {"Nvidia": {"LatestEntryID": "0"}}});
        assert_eq!(latest(empty), told("LatestEntryID=0 LatestEntryTimeStamp=", 0));
        let xcc = json!({"FirstSeqNum": 1, "LastSeqNum": 405, "HiddenFirstSeqNum": 3});
        let text = "LastSeqNum=405 FirstSeqNum=1 HiddenFirstSeqNum=3";
        assert_eq!(latest(json!({"Oem": {"Lenovo": xcc}})), told(text, 405));
        let sr650 = json!({"AuditFristSeqNum": 2641, "AuditLastSeqNum": 3152, "PlatformFirstSeqNum": 205, "PlatformLastSeqNum": 278});
        let both =
            "AuditLastSeqNum=3152 AuditFristSeqNum=2641 PlatformLastSeqNum=278 PlatformFirstSeqNum=205";
        assert_eq!(latest(json!({"Id": "StandardLog", "Oem": {"Lenovo": sr650.clone()}})), told(both, 3152));
        let platform = "PlatformLastSeqNum=278 PlatformFirstSeqNum=205";
        assert_eq!(latest(json!({"Id": "PlatformLog", "Oem": {"Lenovo": sr650}})), told(platform, 278));
        for nothing in [
            json!({}),
            json!({"Oem": "x"}),
            json!({"Oem": {"Nvidia": {"LatestEntryID": "n/a"}, "Lenovo": {"FirstSeqNum": 1}}}),
        ] {
            assert_eq!(latest(nothing), None);
        }
    }

    #[test]
    fn t18_lists_of_active_alarms_are_known_by_their_names_and_by_what_they_say() {
        for (document, keeping) in [
            (json!({"Id": "ActiveLog"}), Keeping::WhileActive),
            (json!({"Id": "FaultList"}), Keeping::WhileActive),
            (json!({"Id": "Sel", "AutoClearResolvedEntries": true}), Keeping::WhileActive),
            (
                json!({"Id": "EventLog", "Oem": {"Nvidia": {"AutoClearResolvedLogEnabled": true}}}),
                Keeping::WhileActive,
            ),
            (
                json!({"Id": "EventLog", "Oem": {"Nvidia": {"AutoClearResolvedLogEnabled": false}}}),
                Keeping::UntilCleared,
            ),
            (json!({"Id": "EventLog", "AutoClearResolvedEntries": null}), Keeping::UntilCleared),
        ] {
            assert_eq!(log(document.clone()).keeping, keeping, "{document}");
        }
    }

    #[test]
    fn a_log_that_says_that_it_loses_entries_is_believed() {
        assert!(log(json!({"Overflow": true})).overflows);
        assert!(!log(json!({"Overflow": false})).overflows && !log(json!({})).overflows);
    }
}
