//! What a BMC says of the machine it watches and of itself: the identity that inventories know it by.
//!
//! It is no part of a record: it belongs to the endpoint, and the journal keeps the newest as one mark per endpoint, so
//! that a sink can say it of records that were written before the BMC was asked. Not here: where Redfish has it (crate
//! `redfish`), and what OpenTelemetry calls it (crate `sink`).

use serde::{Deserialize, Serialize};

/// The mark of an endpoint's scope in the journal. Names of bookmarks are paths and begin with a slash.
pub const HARDWARE_MARK: &str = "hardware";

/// The identity of the machine behind an endpoint; what the BMC does not say is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hardware {
    /// `UUID` of the system, in lower case.
    pub system_uuid: Option<String>,
    /// `Manufacturer` of the system.
    pub manufacturer: Option<String>,
    /// `Model` of the system.
    pub model: Option<String>,
    /// `SerialNumber` of the system.
    pub serial_number: Option<String>,
    /// `FirmwareVersion` of the manager.
    pub bmc_firmware_version: Option<String>,
    /// `Model` of the manager, such as `iLO 5`; without one its `ManagerType`, such as `BMC`.
    pub bmc_type: Option<String>,
}

impl Hardware {
    /// As the journal keeps it.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts become JSON")
    }

    /// What the journal kept; nothing is known if a later version wrote it otherwise.
    pub fn decode(bytes: &[u8]) -> Self {
        serde_json::from_slice(bytes).unwrap_or_default()
    }
}
