//! The service root: what this BMC is, and the links everything else is found by.

use std::time::Duration;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::json;

/// Each of them costs a request at each walk; AMI has three.
pub const ODD_PARENTS_MAX: usize = 6;

/// What we use of `/redfish/v1/`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServiceRoot {
    /// Link to the `EventService`.
    pub event_service: Option<String>,
    /// Link to the Sessions collection, from `Links` (iDRAC 7/8 use `/redfish/v1/Sessions`), else made of the link to
    /// the `SessionService`.
    pub sessions: Option<String>,
    /// Link to Systems.
    pub systems: Option<String>,
    /// Link to Managers.
    pub managers: Option<String>,
    /// Link to Chassis.
    pub chassis: Option<String>,
    /// Links of single resources that may have logs of their own, though they are neither system, manager nor chassis (T37):
    /// `TelemetryService`, and what the `Oem` parts link directly, such as AMI's `DynamicExtension`. At most
    /// [`ODD_PARENTS_MAX`].
    pub odd_parents: Vec<String>,
    /// Link to the message registries.
    pub registries: Option<String>,
    /// `UUID`; one of zeros only is none.
    pub uuid: Option<String>,
    /// `Vendor`, or the first key of `Oem`.
    pub vendor: Option<String>,
    /// `Product`.
    pub product: Option<String>,
    /// `RedfishVersion`.
    pub redfish_version: Option<String>,
    /// Digest of what names service and firmware (UUID, product, versions, the `EventService`): another value means another
    /// firmware or another BMC. Etags and times do not count.
    pub fingerprint: u64,
}

/// Dell asks for 20 to 30 s before a closed stream is opened again; sooner it may take no stream at all for a while.
const DELL_STREAM_REST: Duration = Duration::from_secs(30);

impl ServiceRoot {
    /// How long this BMC wants to be left alone after its event stream was closed, whoever closed it; zero for most.
    pub fn stream_rest(&self) -> Duration {
        let says = |text: &Option<String>, word| {
            text.as_ref().is_some_and(|text| text.to_ascii_lowercase().contains(word))
        };
        let dell = says(&self.vendor, "dell") || says(&self.product, "idrac");
        if dell { DELL_STREAM_REST } else { Duration::ZERO }
    }

    /// Reads the document at `/redfish/v1/`.
    pub(crate) fn decode(document: &Value) -> Self {
        let oem = document.get("Oem");
        let oem_name = || oem?.as_object()?.keys().next().cloned();
        let mut root = Self {
            event_service: json::link_at(document, "EventService"),
            sessions: sessions(document),
            systems: json::link_at(document, "Systems"),
            managers: json::link_at(document, "Managers"),
            chassis: json::link_at(document, "Chassis"),
            odd_parents: odd_parents(document),
            registries: json::link_at(document, "Registries"),
            uuid: json::uuid(document),
            vendor: json::string(document, "Vendor").or_else(oem_name),
            product: json::string(document, "Product"),
            redfish_version: json::string(document, "RedfishVersion"),
            fingerprint: 0,
        };
        // iLO tells its firmware here; elsewhere it would cost a request.
        let firmware = oem.and_then(|oem| text_under(oem, "ManagerFirmwareVersion"));
        let odata_type = json::string(document, "@odata.type");
        let parts = [
            &root.redfish_version,
            &root.uuid,
            &root.product,
            &root.vendor,
            &odata_type,
            &root.event_service,
            &firmware,
        ];
        root.fingerprint = digest(parts.map(Option::as_deref));
        root
    }
}

fn odd_parents(document: &Value) -> Vec<String> {
    let telemetry = json::link_at(document, "TelemetryService");
    let vendors = document.get("Oem").and_then(Value::as_object).into_iter().flat_map(|oem| oem.values());
    let linked =
        vendors.filter_map(Value::as_object).flat_map(|vendor| vendor.values()).filter_map(|value| {
            // Only an object with this key is a link for sure; a plain string may be a version.
            value.get("@odata.id")?.as_str().filter(|link| !link.is_empty()).map(str::to_owned)
        });
    telemetry.into_iter().chain(linked).take(ODD_PARENTS_MAX).collect()
}

fn sessions(document: &Value) -> Option<String> {
    let links = document.get("Links").or_else(|| document.get("links"));
    let named = links.and_then(|links| links.get("Sessions")).and_then(json::link);
    let made =
        || Some(format!("{}/Sessions", json::link_at(document, "SessionService")?.trim_end_matches('/')));
    named.or_else(made)
}

/// The first text under `name`, however deep: each firmware nests it differently.
fn text_under(value: &Value, name: &str) -> Option<String> {
    match value {
        Value::Object(map) => {
            json::string(value, name).or_else(|| map.values().find_map(|v| text_under(v, name)))
        }
        Value::Array(all) => all.iter().find_map(|v| text_under(v, name)),
        _ => None,
    }
}

fn digest(parts: [Option<&str>; 7]) -> u64 {
    let mut hash = Sha256::new();
    for part in parts {
        let part = part.unwrap_or_default();
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    first_eight(&hash.finalize())
}

/// The first eight bytes of a SHA-256.
pub(crate) fn first_eight(hash: &[u8]) -> u64 {
    u64::from_le_bytes(hash[..8].try_into().expect("a SHA-256 has 32 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(text: &str) -> u64 {
        ServiceRoot::decode(&serde_json::from_str(text).unwrap()).fingerprint
    }

    #[test]
    fn the_fingerprint_tells_a_firmware_update_but_not_an_etag() {
        let root = r#"{"@odata.etag":"1","UUID":"u","RedfishVersion":"1.6.0","Oem":{"Hpe":{"Manager":[{"ManagerFirmwareVersion":"2.46"}]}}}"#;
        assert_eq!(
            fingerprint(root),
            fingerprint(&root.replace(r#""@odata.etag":"1""#, r#""@odata.etag":"2""#))
        );
        for (old, new) in [("2.46", "3.11"), (r#""u""#, r#""v""#), ("1.6.0", "1.18.0")] {
            assert_ne!(fingerprint(root), fingerprint(&root.replace(old, new)));
        }
    }

    #[test]
    fn t37_parents_of_logs_at_odd_places_are_found_by_links() {
        let root = r#"{"TelemetryService":{"@odata.id":"/redfish/v1/TelemetryService"},
            "Oem":{"Ami":{"RtpVersion":"1.7.0","Configurations":{"@odata.id":"/redfish/v1/configurations"}},
                   "Dre":{"DynamicExtension":{"@odata.id":"/redfish/v1/DynamicExtension"}},"Hpe":{"Links":{"X":{"@odata.id":"/x"}}},"Odd":"/y"}}"#;
        let root = ServiceRoot::decode(&serde_json::from_str(root).unwrap());
        let expected =
            ["/redfish/v1/TelemetryService", "/redfish/v1/configurations", "/redfish/v1/DynamicExtension"];
        assert_eq!(root.odd_parents, expected);
    }

    #[test]
    fn a_uuid_of_zeros_names_no_machine() {
        let uuid = |text: &str| ServiceRoot::decode(&serde_json::json!({ "UUID": text })).uuid;
        assert_eq!(uuid("00000000-0000-0000-0000-000000000000"), None);
        assert_eq!(
            uuid("A710C5D0-0aae-52fb-9284-a6e40c297acb"),
            uuid("a710c5d0-0aae-52fb-9284-a6e40c297acb")
        );
    }

    #[test]
    fn sessions_are_found_by_link_before_they_are_guessed() {
        for (text, link) in [
            (
                r#"{"Links":{"Sessions":{"@odata.id":"/redfish/v1/Sessions"}},"SessionService":{"@odata.id":"/x"}}"#,
                Some("/redfish/v1/Sessions"),
            ),
            (
                r#"{"SessionService":{"@odata.id":"/redfish/v1/SessionService/"}}"#,
                Some("/redfish/v1/SessionService/Sessions"),
            ),
            ("{}", None),
        ] {
            let root = ServiceRoot::decode(&serde_json::from_str(text).unwrap());
            assert_eq!(root.sessions.as_deref(), link);
        }
    }
}
