//! Recordings of real machines, polled by the daemon over TLS: what their logs hold and what comes out of the file sink,
//! log by log, with every difference explained.
//!
//! The recordings are not part of the project. The test looks beside it (`../shared/recordings`) or where
//! `BMCWATCH_RECORDINGS` says, and says that it skips when there are none.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::{Path, PathBuf},
};

use serde_json::Value;
use sim::{Recording, Serve};

use crate::{
    daemon::Daemon,
    home::{Home, read},
    lab::Lab,
    ledger,
};

/// The machines.
const MACHINES: [&str; 4] = ["hpe-ilo5-dl360", "hpe-ilo5-dl365", "dell-idrac8-fc630", "openbmc-2023"];

/// What is known of the logs: machine, log, entries in the recording, records, and why the two differ or do not.
const KNOWN: [(&str, &str, usize, usize, &str); 13] = [
    (
        "dell-idrac8-fc630",
        "Lclog",
        50,
        50,
        "it claims 1586; its second page was not recorded and is answered 404",
    ),
    ("dell-idrac8-fc630", "Sel", 3, 3, ""),
    ("hpe-ilo5-dl360", "IEL", 269, 269, ""),
    ("hpe-ilo5-dl360", "Event", 228, 228, ""),
    ("hpe-ilo5-dl360", "IML", 142, 142, ""),
    ("hpe-ilo5-dl360", "SL", 156, 156, ""),
    ("hpe-ilo5-dl365", "IEL", 385, 385, ""),
    ("hpe-ilo5-dl365", "Event", 256, 71, "164 empty slots (T3); 21 events are served twice (T9b)"),
    ("hpe-ilo5-dl365", "IML", 168, 168, ""),
    ("hpe-ilo5-dl365", "SL", 526, 526, ""),
    ("openbmc-2023", "Journal", 654, 654, "two equal lines with ids of their own are two entries"),
    ("openbmc-2023", "EventLog", 0, 0, "empty"),
    ("openbmc-2023", "HostLogger", 0, 0, "empty"),
];

/// The numbers of one log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Row {
    /// What the log says it holds.
    claimed: usize,
    entries: usize,
    empty: usize,
    repeated: usize,
    records: usize,
}

const SETTINGS: &str = r#"
[collectors.logs]
mode = "periodic"
initial_history = "all"
exclude_services = []
[collectors.logs.periodic]
logs_collection_interval = "1m"
"#;

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_of_a_recorded_machine_becomes_one_record() {
    let Some(folder) = folder() else {
        println!("skipped: there are no recordings beside the project, nor where BMCWATCH_RECORDINGS says");
        return;
    };
    let serve = MACHINES.map(|machine| {
        Serve::Recording(Recording::load(folder.join(machine)).expect("a recording can be read"))
    });
    let lab = Lab::serve(73, serve.into()).await;
    let home = Home::new();
    home.write_config(&format!("{}{SETTINGS}", endpoints(&lab)));
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(MACHINES.len(), &["polling"]).await;
    let (status, _) = daemon.sigterm().await;
    assert_eq!(status.code(), Some(0));

    let (lines, torn) = ledger::lines(&home.records());
    assert!(torn.is_empty(), "{torn:?}");
    let mut rows = entries(&folder);
    let uids: BTreeSet<&str> = lines.iter().map(|line| line.uid.as_str()).collect();
    assert_eq!(uids.len(), lines.len(), "a uid comes once");
    for line in &lines {
        let log = line.log_service.clone().unwrap_or_default();
        assert_eq!(line.kind, "entry", "{line:?}");
        rows.entry((line.endpoint.id.clone(), log)).or_default().records += 1;
    }
    println!("{}", table(&rows));
    check(&rows);
    lab.fleet.stop().await;
}

fn folder() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings");
    let folder = std::env::var_os("BMCWATCH_RECORDINGS").map_or_else(beside, PathBuf::from);
    folder.is_dir().then_some(folder)
}

fn endpoints(lab: &Lab) -> String {
    let mut text = "[credentials.any]\nusername = \"any\"\npassword = \"any\"\n".to_owned();
    for (index, machine) in MACHINES.iter().enumerate() {
        let (address, pin) = (lab.fleet.address(index), lab.fleet.pin());
        write!(
            text,
            "[[endpoints]]\nid = \"{machine}\"\naddress = \"{address}\"\ncredentials = \"any\"\n\
             trust = \"pin:sha256/{pin}\"\n"
        )
        .expect("a String takes every write");
    }
    text
}

/// What the files of the machines hold, by machine and log.
fn entries(folder: &Path) -> BTreeMap<(String, String), Row> {
    let mut rows = BTreeMap::new();
    for machine in MACHINES {
        let page = |path: &str| -> Option<Value> {
            let file = folder.join(machine).join(path.trim_start_matches('/')).join("index.json");
            serde_json::from_str(&read(&file)).ok()
        };
        for parents in ["Systems", "Managers", "Chassis"] {
            for parent in members(&page(&format!("/redfish/v1/{parents}")).unwrap_or_default()) {
                let services =
                    link(&page(&parent).unwrap_or_default()["LogServices"]).and_then(|path| page(&path));
                for log in members(&services.unwrap_or_default()) {
                    let Some(found) =
                        link(&page(&log).unwrap_or_default()["Entries"]).and_then(|path| page(&path))
                    else {
                        continue;
                    };
                    rows.insert((machine.to_owned(), log), row(&found));
                }
            }
        }
    }
    rows
}

fn link(value: &Value) -> Option<String> {
    value["@odata.id"].as_str().map(|path| path.trim_end_matches('/').to_owned())
}

fn members(collection: &Value) -> Vec<String> {
    collection["Members"].as_array().into_iter().flatten().filter_map(link).collect()
}

/// Counts entries, empty slots and repetitions of one collection, by rules of this test's own.
fn row(collection: &Value) -> Row {
    let mut row = Row::default();
    let mut seen = BTreeSet::new();
    for entry in collection["Members"].as_array().into_iter().flatten() {
        row.entries += 1;
        if entry["Created"].as_str().is_some_and(|created| created.starts_with("0000"))
            && entry["MessageId"] == "NULL"
        {
            row.empty += 1;
            continue;
        }
        let mut content = entry.clone();
        let object = content.as_object_mut().expect("an entry is an object");
        for place in ["Id", "@odata.id", "@odata.etag"] {
            object.remove(place);
        }
        // What has an id of the event itself is the same event wherever it stands; equal lines without one are two.
        row.repeated += usize::from(entry["EventId"].is_string() && !seen.insert(content.to_string()));
    }
    let claimed = collection["Members@odata.count"].as_u64().unwrap_or_default();
    row.claimed = usize::try_from(claimed).expect("it fits");
    row
}

/// The known numbers, and the rule behind them: every entry that is no empty slot and no second copy is one record.
fn check(rows: &BTreeMap<(String, String), Row>) {
    assert_eq!(rows.len(), KNOWN.len(), "{}", table(rows));
    for ((machine, log), row) in rows {
        assert_eq!(row.records, row.entries - row.empty - row.repeated, "{machine} {log}: {row:?}");
        let (_, _, entries, records, _) = known(machine, log).expect("the table names every log");
        assert_eq!((row.entries, row.records), (*entries, *records), "{machine} {log}: {row:?}");
    }
}

fn known(
    machine: &str,
    log: &str,
) -> Option<&'static (&'static str, &'static str, usize, usize, &'static str)> {
    let name = log.rsplit('/').next().unwrap_or_default();
    KNOWN.iter().find(|known| known.0 == machine && known.1 == name)
}

fn table(rows: &BTreeMap<(String, String), Row>) -> String {
    let mut text = format!("{:<18} {:<56} claimed entries empty repeated records\n", "machine", "log");
    for ((machine, log), row) in rows {
        let Row { claimed, entries, empty, repeated, records } = row;
        let why = known(machine, log).map_or("not known", |known| known.4);
        writeln!(
            text,
            "{machine:<18} {log:<56} {claimed:>7} {entries:>7} {empty:>5} {repeated:>8} {records:>7}  {why}"
        )
        .expect("a String takes every write");
    }
    text
}
