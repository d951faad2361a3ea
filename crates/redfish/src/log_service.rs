//! Log services: found by their links under Systems, Managers and Chassis, never by a path of our own making.

use serde_json::Value;

use crate::{RequestError, identity, json};

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
    /// `DateTime` as sent: the BMC's clock.
    pub date_time: Option<String>,
}

/// What the walk over Systems, Managers and Chassis found.
#[derive(Debug)]
pub struct LogServices {
    /// The logs, each once, in the order of their paths.
    pub found: Vec<LogService>,
    /// Parts of the tree that could not be read (T37); they cost only themselves.
    pub problems: Vec<RequestError>,
}

impl LogService {
    /// Reads the LogService that was found at `path`; `None` when it has no entries (a dump or debug service).
    pub(crate) fn decode(path: &str, document: &Value) -> Option<Self> {
        let path = identity::normal_path(path);
        let last = path.rsplit('/').next().unwrap_or_default().to_owned();
        let id = json::string(document, "Id").unwrap_or(last);
        Some(Self {
            name: json::string(document, "Name").unwrap_or_else(|| id.clone()),
            id,
            entries: json::link_at(document, "Entries")?,
            overwrite_policy: json::string(document, "OverWritePolicy"),
            max_records: document.get("MaxNumberOfRecords").and_then(json::number),
            enabled: json::truth(document, "ServiceEnabled").unwrap_or(true),
            date_time: json::string(document, "DateTime"),
            path,
        })
    }
}
