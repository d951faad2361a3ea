//! A record as an OTLP log record: names, times, severities, and which attributes say what.
//!
//! Pure. The resource is made of what the record says of its endpoint and of what is known of its hardware; what is not known
//! is absent.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use journal::Position;
use model::{Endpoint, EndpointId, Hardware, Kind, Origin, Record, Severity};

use super::{
    OtlpMapping,
    message::{
        AnyValue, ArrayValue, ExportLogsServiceRequest, InstrumentationScope, KeyValue, LogRecord, Resource,
        ResourceLogs, ScopeLogs, Value,
    },
    original,
};
use crate::wording::text_of;

/// Of the scope and of the service.
const NAME: &str = "bmcwatch";
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What goes before the name of an endpoint's label.
const LABEL: &str = "bmcwatch.label.";

/// One `ResourceLogs` per endpoint; the records of each in their order.
pub(super) fn request(
    records: &[(Position, Record)],
    hardware: &HashMap<EndpointId, Hardware>,
    mapping: &OtlpMapping,
) -> ExportLogsServiceRequest {
    let mut endpoints: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in records {
        let endpoint = &*one.1.endpoint;
        // The same id with other labels, after a reload, is another resource.
        let key = (endpoint.id.as_str(), endpoint.address.as_str(), &endpoint.labels);
        endpoints.entry(key).or_default().push(one);
    }
    let resource_logs = endpoints.into_values().map(|records| ResourceLogs {
        resource: records.first().map(|(_, record)| {
            let endpoint = &record.endpoint;
            resource(endpoint, hardware.get(&endpoint.id), mapping)
        }),
        scope_logs: vec![ScopeLogs {
            scope: Some(InstrumentationScope { name: NAME.to_owned(), version: VERSION.to_owned() }),
            log_records: records
                .iter()
                .map(|(position, record)| log_record(*position, record, mapping))
                .collect(),
        }],
    });
    ExportLogsServiceRequest { resource_logs: resource_logs.collect() }
}

fn resource(endpoint: &Endpoint, hardware: Option<&Hardware>, mapping: &OtlpMapping) -> Resource {
    let mut attributes = vec![
        text("service.name", NAME),
        text("service.version", VERSION),
        text("service.instance.id", &mapping.instance),
        text("host.name", endpoint.id.as_str()),
        text("bmc.address", &endpoint.address),
    ];
    if let Some(hardware) = hardware {
        let said = [
            ("host.id", &hardware.system_uuid),
            ("host.type", &hardware.model),
            ("hw.enclosure.vendor", &hardware.manufacturer),
            ("hw.enclosure.model", &hardware.model),
            ("hw.enclosure.serial_number", &hardware.serial_number),
            ("bmc.firmware_version", &hardware.bmc_firmware_version),
            ("bmc.type", &hardware.bmc_type),
        ];
        attributes.extend(said.into_iter().filter_map(|(name, value)| Some(text(name, value.as_deref()?))));
    }
    attributes.extend(endpoint.labels.iter().map(|(name, value)| text(&format!("{LABEL}{name}"), value)));
    attributes.extend(mapping.resource.iter().map(|(name, value)| text(name, value)));
    Resource { attributes }
}

fn log_record(position: Position, record: &Record, mapping: &OtlpMapping) -> LogRecord {
    let facts = &record.facts;
    let numbers = mapping.severities;
    let (number, word) = match facts.severity {
        Severity::Ok => (numbers.ok, "OK"),
        Severity::Warning => (numbers.warning, "Warning"),
        Severity::Critical => (numbers.critical, "Critical"),
        Severity::Unknown => (numbers.unknown, ""),
    };
    LogRecord {
        time_unix_nano: facts.occurred_at.map_or(0, nanoseconds),
        observed_time_unix_nano: nanoseconds(record.observed_at),
        severity_number: number.into(),
        severity_text: word.to_owned(),
        body: Some(AnyValue { value: Some(Value::Text(text_of(record).into_owned())) }),
        event_name: event_name(record.kind).to_owned(),
        attributes: attributes(position, record, mapping),
    }
}

fn event_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Entry => "redfish.log_entry",
        Kind::Event => "redfish.event",
        Kind::Gap => "redfish.gap",
        Kind::Cleared => "redfish.log_cleared",
        Kind::Changed => "redfish.log_entry_changed",
    }
}

fn attributes(position: Position, record: &Record, mapping: &OtlpMapping) -> Vec<KeyValue> {
    let facts = &record.facts;
    let mut attributes = vec![
        text("log.record.uid", &record.uid.to_string()),
        number("bmcwatch.sequence", position),
        text("bmcwatch.source", record.source.as_str()),
        key_value("bmcwatch.backfill", Value::Flag(record.source == Origin::Backfill)),
    ];
    let texts = [
        ("redfish.message_id", &facts.message_id),
        ("redfish.event_id", &facts.event_id),
        ("redfish.entry_id", &facts.entry_id),
        ("redfish.log_service", &facts.log_service),
        ("redfish.origin_of_condition", &facts.origin),
    ];
    attributes.extend(texts.into_iter().filter_map(|(name, value)| Some(text(name, value.as_deref()?))));
    if !facts.message_args.is_empty() {
        let value = |arg: &String| AnyValue { value: Some(Value::Text(arg.clone())) };
        let values = facts.message_args.iter().map(value).collect();
        attributes.push(key_value("redfish.message_args", Value::List(ArrayValue { values })));
    }
    attributes.extend(original::attributes(record).map(|(name, value)| key_value(name, value)));
    if let Some(original) = facts.original.as_deref().filter(|_| mapping.original) {
        attributes.push(text("log.record.original", original.get()));
    }
    attributes
}

/// Before 1970 and after 2554 there is no number; 0 means unknown.
fn nanoseconds(at: DateTime<Utc>) -> u64 {
    at.timestamp_nanos_opt().and_then(|nanoseconds| u64::try_from(nanoseconds).ok()).unwrap_or(0)
}

fn text(key: &str, value: &str) -> KeyValue {
    key_value(key, Value::Text(value.to_owned()))
}

fn number(key: &str, value: u64) -> KeyValue {
    key_value(key, Value::Number(i64::try_from(value).unwrap_or(i64::MAX)))
}

fn key_value(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}
