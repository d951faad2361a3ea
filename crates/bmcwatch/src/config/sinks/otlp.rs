//! `type = "otlp"`: OpenTelemetry log records over HTTP and protobuf.

use std::collections::BTreeMap;

use sink::{Compression, SeverityNumbers};

use super::peer::{self, PeerConfig};
use crate::config::{
    key,
    problem::Refusal,
    reader::{Reader, Table},
};

/// The largest `SeverityNumber`, FATAL4.
const SEVERITY_MAX: u32 = 24;

/// OpenTelemetry log records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpSinkConfig {
    /// Where.
    pub peer: PeerConfig,
    /// `service.instance.id`; the name of the host when it is not given.
    pub instance: Option<String>,
    /// Further attributes of every resource.
    pub resource: BTreeMap<String, String>,
    /// Numbers of severities.
    pub severity_numbers: SeverityNumbers,
    /// Whether the BMC's own JSON goes along.
    pub include_original: bool,
}

pub(super) const KEYS: [&str; 4] = ["instance", "resource", "severity_numbers", "include_original"];

pub(super) fn read(reader: &mut Reader<'_>, table: &Table<'_>) -> Option<OtlpSinkConfig> {
    let instance = table.read(reader, "instance", |text| match text {
        "" => Err(Refusal::new("the name is empty")),
        text => Ok(text.to_owned()),
    });
    let resource = table.texts_by_name(reader, "resource", attribute).unwrap_or_default();
    let numbers = table.table(reader, "severity_numbers", &key::SEVERITY_NUMBERS);
    let mut number = |name: &str, default: u8| {
        let given = numbers.count(reader, name, 0..=SEVERITY_MAX);
        given.and_then(|given| u8::try_from(given).ok()).unwrap_or(default)
    };
    let default = SeverityNumbers::default();
    let severity_numbers = SeverityNumbers {
        ok: number("ok", default.ok),
        warning: number("warning", default.warning),
        critical: number("critical", default.critical),
        unknown: number("unknown", default.unknown),
    };
    let include_original = table.flag(reader, "include_original").unwrap_or(false);
    let peer = peer::read(reader, table, Compression::Gzip, "https://otel.example.net:4318/v1/logs")?;
    Some(OtlpSinkConfig { peer, instance, resource, severity_numbers, include_original })
}

fn attribute(name: &str) -> Result<(), Refusal> {
    let own = ["service.name", "service.version", "service.instance.id", "host.name", "bmc.address"];
    match name {
        "" => Err(Refusal::new("the name of the attribute is empty")),
        "service.instance.id" => Err(Refusal::new("the sink sets it").hint("write instance = \"...\"")),
        name if own.contains(&name) => Err(Refusal::new("the sink sets it").hint("take it out")),
        _ => Ok(()),
    }
}
