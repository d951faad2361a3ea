//! Every recorded log of a real machine: each member is decoded, and none is rejected.
//!
//! Not here: the recordings themselves, which are no part of the project; without them the test says that it skips.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use super::*;

#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(borrow, rename = "Members", default)]
    members: Vec<&'a RawValue>,
}

/// Every recorded log that is not empty: entries, empty slots, different entries, their names, markers of a clear, and
/// entries that have changed since they were written. No member is rejected or no more than a link.
///
/// Only HPE's Event log of the DL365 holds fewer than entries: its Ids 165 to 185 come again as 186 to 206, alike in
/// time, UUID, MessageId, arguments and origin (T9b). Two of its events differ in nothing but the UUID and are two (T23),
/// as are six pairs on the DL360 and two on the Gen12. Elsewhere entries that say the same in the same second stand under
/// different ids and are counted, thirty on the `EX235n`.
#[rustfmt::skip]
const LOGS: [(&str, [usize; 6]); 25] = [
    ("ami-gigabyte/Managers/Self/AuditLog/Entries", [10, 0, 10, 10, 0, 0]),
    ("ami-gigabyte/Managers/Self/EventLog/Entries", [10, 0, 10, 10, 0, 0]),
    ("ami-gigabyte/Managers/Self/SEL/Entries", [10, 0, 10, 9, 0, 0]),
    ("ami-gigabyte/Systems/Self/BIOS/Entries", [10, 0, 10, 9, 0, 0]),
    ("cray-cmm/Managers/BMC/EventLog/Entries", [103, 0, 103, 103, 0, 0]),
    ("cray-ex235n/Managers/BMC/EventLog/Entries", [163, 0, 163, 133, 0, 0]),
    ("dell-idrac7-r720/Managers/iDRAC.Embedded.1/Logs/Lclog", [50, 0, 50, 50, 0, 0]),
    ("dell-idrac7-r720/Managers/iDRAC.Embedded.1/Logs/Sel", [50, 0, 50, 50, 0, 0]),
    ("dell-idrac8-fc630/Managers/iDRAC.Embedded.1/Logs/Lclog", [50, 0, 50, 48, 0, 0]),
    ("dell-idrac8-fc630/Managers/iDRAC.Embedded.1/Logs/Sel", [3, 0, 3, 3, 1, 0]),
    ("hpe-ilo5-dl360/Managers/1/IEL/Entries", [269, 0, 269, 269, 0, 214]),
    ("hpe-ilo5-dl360/Systems/1/Event/Entries", [228, 0, 228, 228, 0, 0]),
    ("hpe-ilo5-dl360/Systems/1/IML/Entries", [142, 0, 142, 142, 0, 136]),
    ("hpe-ilo5-dl360/Systems/1/SL/Entries", [156, 0, 156, 156, 1, 7]),
    ("hpe-ilo5-dl365/Managers/1/IEL/Entries", [385, 0, 385, 385, 0, 130]),
    ("hpe-ilo5-dl365/Systems/1/Event/Entries", [92, 164, 71, 71, 0, 0]),
    ("hpe-ilo5-dl365/Systems/1/IML/Entries", [168, 0, 168, 168, 0, 147]),
    ("hpe-ilo5-dl365/Systems/1/SL/Entries", [526, 0, 526, 526, 1, 77]),
    ("hpe-ilo7-dl360-gen12/Managers/1/IEL/Entries", [225, 0, 225, 225, 0, 213]),
    ("hpe-ilo7-dl360-gen12/Systems/1/Event/Entries", [31, 0, 31, 31, 0, 0]),
    ("hpe-ilo7-dl360-gen12/Systems/1/IML/Entries", [5, 0, 5, 5, 1, 4]),
    ("hpe-ilo7-dl360-gen12/Systems/1/SL/Entries", [7, 0, 7, 7, 1, 0]),
    ("intel/Managers/BMC/RedfishLog/Entries", [10, 0, 10, 3, 0, 0]),
    ("intel/Systems/QSBP74100021/SEL/Entries", [10, 0, 10, 7, 0, 0]),
    ("openbmc-2023/Managers/bmc/Journal/Entries", [654, 0, 654, 653, 0, 0]),
];

/// What a log holds.
#[derive(Debug, Default, Clone, Copy)]
struct Tally {
    entries: usize,
    /// Empty slots.
    empty: usize,
    /// Different entries: names, and those that share one by the different ids they stand under.
    distinct: usize,
    /// Names, without that count.
    names: usize,
    /// Markers of a clear.
    cleared: usize,
    /// Entries that have changed since they were written.
    changed: usize,
    /// Rejected, or no more than a link.
    unread: usize,
}

impl Tally {
    fn row(self) -> [usize; 6] {
        [self.entries, self.empty, self.distinct, self.names, self.cleared, self.changed]
    }
}

fn tally(text: &str) -> Tally {
    let collection: Collection<'_> = serde_json::from_str(text).unwrap();
    let (mut tally, mut seen) = (Tally::default(), HashMap::<_, HashSet<u64>>::new());
    for raw in collection.members {
        match decode(raw, LOG) {
            Ok(Member::Entry(entry)) => {
                tally.entries += 1;
                seen.entry(entry.identity).or_default().insert(entry.place);
                tally.cleared += usize::from(entry.signs.cleared);
                tally.changed += usize::from(entry.revision.is_some());
            }
            Ok(Member::EmptySlot) => tally.empty += 1,
            Ok(Member::Link(_)) | Err(_) => tally.unread += 1,
        }
    }
    // What says the same at the same time under different ids is counted; only an event that is named by its own UUID
    // is one wherever it stands (T9b).
    let names = |(identity, places): (&Identity, &HashSet<u64>)| match identity.scheme {
        Scheme::Content => places.len(),
        _ => 1,
    };
    tally.distinct = seen.iter().map(names).sum();
    tally.names = seen.len();
    tally
}

/// The collections of entries below `folder`, by their path: `.../Entries`, or a log of iDRAC 7 and 8 itself.
fn collections(folder: &Path, root: &Path, found: &mut BTreeMap<String, PathBuf>) {
    for item in fs::read_dir(folder).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() {
            collections(&path, root, found);
            continue;
        }
        let log = path.parent().unwrap();
        if log.ends_with("Entries")
            || log.parent().is_some_and(|logs| logs.ends_with("iDRAC.Embedded.1/Logs"))
        {
            let name = log.strip_prefix(root).unwrap();
            found.insert(name.to_str().unwrap().replace("/redfish/v1", "").replace("LogServices/", ""), path);
        }
    }
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "the recordings lie outside the project, where only the reader knows"
)]
fn every_recorded_log_is_read_whole() {
    let root = std::env::var("BMCWATCH_RECORDINGS").map_or_else(
        |_| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/recordings"),
        PathBuf::from,
    );
    if !root.is_dir() {
        println!("skipped: no recordings in {}; BMCWATCH_RECORDINGS names their folder", root.display());
        return;
    }
    let mut found = BTreeMap::new();
    collections(&root, &root, &mut found);
    let mut told = BTreeMap::new();
    println!("{:72} entries empty distinct names cleared changed", "log");
    for (name, path) in &found {
        let tally = tally(&fs::read_to_string(path).unwrap());
        assert_eq!(tally.unread, 0, "{name}");
        let row = tally.row();
        println!("{name:72} {:7} {:5} {:8} {:5} {:7} {:7}", row[0], row[1], row[2], row[3], row[4], row[5]);
        if row != [0; 6] {
            told.insert(name.as_str(), row);
        }
    }
    assert_eq!(told, BTreeMap::from(LOGS));
}
