//! What a BMC says of its machine and of itself: read from the `ComputerSystem` and the Manager that are asked for their logs
//! anyway (DSP2046, `ComputerSystem` and Manager). Pure.
//!
//! A BMC may show several systems (an NVIDIA baseboard beside its host, blades); two of them are never mixed.

use model::Hardware;
use serde_json::Value;

use crate::json;

/// Of each text. A serial number is a word; what is longer is a mistake or an attack, and would go along with every batch.
const TEXT_CHARS_MAX: usize = 128;

/// Takes over what a system says, if it is the first, or the first that has a UUID.
pub(crate) fn note_system(hardware: &mut Hardware, system: &Value) {
    let uuid = json::uuid(system);
    let is_known =
        hardware.manufacturer.is_some() || hardware.model.is_some() || hardware.serial_number.is_some();
    if hardware.system_uuid.is_some() || is_known && uuid.is_none() {
        return;
    }
    hardware.system_uuid = uuid.map(short);
    hardware.manufacturer = text(system, "Manufacturer");
    hardware.model = text(system, "Model");
    hardware.serial_number = text(system, "SerialNumber");
}

/// Takes over what a manager says, if it is the first that tells its firmware.
pub(crate) fn note_manager(hardware: &mut Hardware, manager: &Value) {
    if hardware.bmc_firmware_version.is_none() {
        hardware.bmc_firmware_version = text(manager, "FirmwareVersion");
        hardware.bmc_type = text(manager, "Model").or_else(|| text(manager, "ManagerType"));
    }
}

fn text(document: &Value, name: &str) -> Option<String> {
    json::string(document, name).map(short)
}

fn short(text: String) -> String {
    if text.len() <= TEXT_CHARS_MAX { text } else { text.chars().take(TEXT_CHARS_MAX).collect() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_system_with_a_uuid_counts_and_two_systems_are_not_mixed() {
        let mut hardware = Hardware::default();
        note_system(&mut hardware, &json!({ "Model": "Baseboard", "SerialNumber": "B1" }));
        assert_eq!((hardware.model.as_deref(), &hardware.system_uuid), (Some("Baseboard"), &None));
        note_system(&mut hardware, &json!({ "UUID": "AB-1", "Manufacturer": "Dell Inc.", "Model": "R750" }));
        note_system(&mut hardware, &json!({ "UUID": "CD-2", "Model": "R760", "SerialNumber": "S2" }));
        let expected = Hardware {
            system_uuid: Some("ab-1".to_owned()),
            manufacturer: Some("Dell Inc.".to_owned()),
            model: Some("R750".to_owned()),
            ..Hardware::default()
        };
        assert_eq!(hardware, expected);
    }

    #[test]
    fn the_manager_that_tells_its_firmware_is_the_bmc_and_long_texts_are_cut() {
        let mut hardware = Hardware::default();
        note_manager(&mut hardware, &json!({ "ManagerType": "Service" }));
        note_manager(&mut hardware, &json!({ "ManagerType": "BMC", "FirmwareVersion": "9".repeat(200) }));
        note_manager(&mut hardware, &json!({ "Model": "second", "FirmwareVersion": "2" }));
        assert_eq!(hardware.bmc_type.as_deref(), Some("BMC"));
        assert_eq!(hardware.bmc_firmware_version, Some("9".repeat(TEXT_CHARS_MAX)));
    }
}
