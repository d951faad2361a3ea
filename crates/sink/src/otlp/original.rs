//! Five standard properties of Redfish's `LogEntry` that are attributes of their own, read from the BMC's JSON.
//!
//! The one place outside the crate `redfish` that knows names of Redfish, because the attributes are named after them
//! (DSP0268, `LogEntry`). Whatever a BMC put there goes through as text; nothing is interpreted. Not here: vendors' names.

use model::Record;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::message::Value;

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Properties<'a> {
    #[serde(borrow)]
    entry_type: Option<&'a RawValue>,
    #[serde(borrow)]
    sensor_type: Option<&'a RawValue>,
    #[serde(borrow)]
    resolution: Option<&'a RawValue>,
    #[serde(borrow)]
    resolved: Option<&'a RawValue>,
    #[serde(borrow)]
    oem: Option<&'a RawValue>,
}

/// The attributes that are there.
pub(super) fn attributes(record: &Record) -> impl Iterator<Item = (&'static str, Value)> {
    let text = record.facts.original.as_deref().map_or("{}", RawValue::get);
    // What is no object has no properties.
    let found: Properties<'_> = serde_json::from_str(text).unwrap_or_default();
    let attributes = [
        ("redfish.entry_type", found.entry_type),
        ("redfish.sensor_type", found.sensor_type),
        ("redfish.resolution", found.resolution),
        ("redfish.resolved", found.resolved),
        ("redfish.oem", found.oem),
    ];
    let attributes: Vec<_> =
        attributes.into_iter().filter_map(|(name, raw)| Some((name, value(raw?)))).collect();
    attributes.into_iter()
}

/// A string and a boolean as such; anything else as its JSON.
fn value(raw: &RawValue) -> Value {
    let raw = raw.get();
    if let Ok(flag) = serde_json::from_str(raw) {
        return Value::Flag(flag);
    }
    Value::Text(serde_json::from_str(raw).unwrap_or_else(|_| raw.to_owned()))
}
