//! Every recorded log of a real machine: each member is decoded, and none is rejected.
//!
//! Not here: the recordings themselves, which are no part of the project; without them the test says that it skips.

use std::{
    collections::{BTreeMap, HashSet},
    fs,
    path::{Path, PathBuf},
};

use super::*;

#[derive(Deserialize)]
struct Collection<'a> {
    #[serde(borrow, rename = "Members", default)]
    members: Vec<&'a RawValue>,
}

/// Every recorded log that is not empty: its entries, its empty slots, and how many different entries there are.
///
/// Only HPE's Event log of the DL365 holds fewer than entries: its Ids 165 to 185 come again as 186 to 206, alike in
/// time, UUID, MessageId, arguments and origin (T9b). Two of its events differ in nothing but the UUID and are two (T23),
/// as are six pairs on the DL360 and two on the Gen12.
const LOGS: [(&str, Tally); 25] = [
    ("ami-gigabyte/Managers/Self/AuditLog/Entries", tally_of(10, 0, 10)),
    ("ami-gigabyte/Managers/Self/EventLog/Entries", tally_of(10, 0, 10)),
    ("ami-gigabyte/Managers/Self/SEL/Entries", tally_of(10, 0, 10)),
    ("ami-gigabyte/Systems/Self/BIOS/Entries", tally_of(10, 0, 10)),
    ("cray-cmm/Managers/BMC/EventLog/Entries", tally_of(103, 0, 103)),
    ("cray-ex235n/Managers/BMC/EventLog/Entries", tally_of(163, 0, 163)),
    ("dell-idrac7-r720/Managers/iDRAC.Embedded.1/Logs/Lclog", tally_of(50, 0, 50)),
    ("dell-idrac7-r720/Managers/iDRAC.Embedded.1/Logs/Sel", tally_of(50, 0, 50)),
    ("dell-idrac8-fc630/Managers/iDRAC.Embedded.1/Logs/Lclog", tally_of(50, 0, 50)),
    ("dell-idrac8-fc630/Managers/iDRAC.Embedded.1/Logs/Sel", tally_of(3, 0, 3)),
    ("hpe-ilo5-dl360/Managers/1/IEL/Entries", tally_of(269, 0, 269)),
    ("hpe-ilo5-dl360/Systems/1/Event/Entries", tally_of(228, 0, 228)),
    ("hpe-ilo5-dl360/Systems/1/IML/Entries", tally_of(142, 0, 142)),
    ("hpe-ilo5-dl360/Systems/1/SL/Entries", tally_of(156, 0, 156)),
    ("hpe-ilo5-dl365/Managers/1/IEL/Entries", tally_of(385, 0, 385)),
    ("hpe-ilo5-dl365/Systems/1/Event/Entries", tally_of(92, 164, 71)),
    ("hpe-ilo5-dl365/Systems/1/IML/Entries", tally_of(168, 0, 168)),
    ("hpe-ilo5-dl365/Systems/1/SL/Entries", tally_of(526, 0, 526)),
    ("hpe-ilo7-dl360-gen12/Managers/1/IEL/Entries", tally_of(225, 0, 225)),
    ("hpe-ilo7-dl360-gen12/Systems/1/Event/Entries", tally_of(31, 0, 31)),
    ("hpe-ilo7-dl360-gen12/Systems/1/IML/Entries", tally_of(5, 0, 5)),
    ("hpe-ilo7-dl360-gen12/Systems/1/SL/Entries", tally_of(7, 0, 7)),
    ("intel/Managers/BMC/RedfishLog/Entries", tally_of(10, 0, 10)),
    ("intel/Systems/QSBP74100021/SEL/Entries", tally_of(10, 0, 10)),
    ("openbmc-2023/Managers/bmc/Journal/Entries", tally_of(654, 0, 654)),
];

/// What a log holds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Tally {
    entries: usize,
    empty: usize,
    distinct: usize,
    /// Rejected, or no more than a link.
    unread: usize,
}

const fn tally_of(entries: usize, empty: usize, distinct: usize) -> Tally {
    Tally { entries, empty, distinct, unread: 0 }
}

fn tally(text: &str) -> Tally {
    let collection: Collection<'_> = serde_json::from_str(text).unwrap();
    let (mut tally, mut seen) = (Tally::default(), HashSet::new());
    for raw in collection.members {
        match decode(raw, LOG) {
            Ok(Member::Entry(entry)) => {
                tally.entries += 1;
                seen.insert(entry.identity.digest);
            }
            Ok(Member::EmptySlot) => tally.empty += 1,
            Ok(Member::Link(_)) | Err(_) => tally.unread += 1,
        }
    }
    tally.distinct = seen.len();
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
    let mut told: BTreeMap<_, _> =
        found.iter().map(|(name, path)| (&**name, tally(&fs::read_to_string(path).unwrap()))).collect();
    told.retain(|_, tally| *tally != Tally::default());
    assert_eq!(told, BTreeMap::from(LOGS));
}
