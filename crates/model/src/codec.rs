//! A record as bytes: the JSON line of `docs/RECORDS.md`, less its head `{"schema":1,"position":N,`.
//!
//! The journal stores the body; a sink that writes JSON lines puts the head before it and copies the rest, so that
//! storing and delivering cost one serialisation. Not here: files, rotation, other formats (crate `sink`).

use std::{borrow::Cow, io::Write, sync::Arc};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::{Endpoint, Facts, Kind, Origin, Record, Severity, Uid};

/// Version of the JSON line. It rises when a field changes its meaning; new fields do not raise it.
pub const SCHEMA: u32 = 1;

#[derive(Serialize)]
struct BodyOut<'a> {
    uid: Uid,
    kind: Kind,
    source: Origin,
    endpoint: &'a Endpoint,
    #[serde(serialize_with = "millis")]
    observed_at: DateTime<Utc>,
    #[serde(serialize_with = "maybe_auto")]
    occurred_at: Option<DateTime<Utc>>,
    occurred_at_raw: Option<&'a str>,
    severity: Severity,
    message: &'a str,
    message_id: Option<&'a str>,
    message_args: &'a [String],
    log_service: Option<&'a str>,
    entry_id: Option<&'a str>,
    event_id: Option<&'a str>,
    origin: Option<&'a str>,
    original: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct LineIn {
    position: u64,
    uid: Uid,
    kind: Kind,
    source: Origin,
    endpoint: Endpoint,
    observed_at: DateTime<Utc>,
    occurred_at: Option<DateTime<Utc>>,
    occurred_at_raw: Option<String>,
    severity: Severity,
    message: String,
    message_id: Option<String>,
    message_args: Vec<String>,
    log_service: Option<String>,
    entry_id: Option<String>,
    event_id: Option<String>,
    origin: Option<String>,
    original: Option<Box<RawValue>>,
}

fn millis<S: Serializer>(at: &DateTime<Utc>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&at.to_rfc3339_opts(SecondsFormat::Millis, true))
}

#[expect(clippy::ref_option, reason = "serde hands a reference")]
fn maybe_auto<S: Serializer>(at: &Option<DateTime<Utc>>, to: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => to.serialize_str(&at.to_rfc3339_opts(SecondsFormat::AutoSi, true)),
        None => to.serialize_none(),
    }
}

/// What is set aside for a record: most are shorter and never grow.
const BYTES_LIKELY: usize = 2048;

/// The record as the journal stores it.
pub fn encode(record: &Record) -> Vec<u8> {
    let facts = &record.facts;
    let body = BodyOut {
        uid: record.uid,
        kind: record.kind,
        source: record.source,
        endpoint: &record.endpoint,
        observed_at: record.observed_at,
        occurred_at: facts.occurred_at,
        occurred_at_raw: facts.occurred_at_raw.as_deref(),
        severity: facts.severity,
        message: &facts.message,
        message_id: facts.message_id.as_deref(),
        message_args: &facts.message_args,
        log_service: facts.log_service.as_deref(),
        entry_id: facts.entry_id.as_deref(),
        event_id: facts.event_id.as_deref(),
        origin: facts.origin.as_deref(),
        original: facts.original.as_deref(),
    };
    let mut bytes = Vec::with_capacity(BYTES_LIKELY);
    serde_json::to_writer(&mut bytes, &body).expect("a record is plain data");
    bytes
}

/// Appends the whole JSON line of a stored record, with its line feed, to `out`.
///
/// A BMC's JSON may hold line feeds between its tokens; they become blanks, so that one record is one line.
pub fn write_line(position: u64, stored: &[u8], out: &mut Vec<u8>) {
    write!(out, "{{\"schema\":{SCHEMA},\"position\":{position},").expect("a Vec takes every write");
    let body = stored.strip_prefix(b"{").unwrap_or(stored);
    let start = out.len();
    out.extend_from_slice(body);
    for byte in &mut out[start..] {
        // Written in any case, so that sixteen go at once.
        *byte = if matches!(*byte, b'\n' | b'\r') { b' ' } else { *byte };
    }
    out.push(b'\n');
}

/// A text that is not a record.
#[derive(Debug, thiserror::Error)]
#[error("read a stored record")]
pub struct DecodeError(#[from] serde_json::Error);

/// Reads a whole JSON line back: its position and its record.
pub fn read_line(line: &[u8]) -> Result<(u64, Record), DecodeError> {
    let line: LineIn = serde_json::from_slice(line)?;
    let facts = Facts {
        occurred_at: line.occurred_at,
        occurred_at_raw: line.occurred_at_raw,
        severity: line.severity,
        message: line.message,
        message_id: line.message_id,
        message_args: line.message_args,
        log_service: line.log_service,
        entry_id: line.entry_id,
        event_id: line.event_id,
        origin: line.origin,
        original: line.original,
    };
    let record = Record {
        uid: line.uid,
        kind: line.kind,
        source: line.source,
        endpoint: Arc::new(line.endpoint),
        observed_at: line.observed_at,
        facts,
    };
    Ok((line.position, record))
}

/// What a search asks about of a stored record, read without the rest of it: that costs a fraction of decoding it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Facets<'a> {
    /// What it is about.
    pub kind: Kind,
    /// How bad it is.
    pub severity: Severity,
    /// Where it came from.
    #[serde(borrow)]
    pub endpoint: FacetEndpoint<'a>,
    /// When bmcwatch had it.
    pub observed_at: DateTime<Utc>,
    /// Redfish `MessageId`.
    #[serde(borrow)]
    pub message_id: Option<Cow<'a, str>>,
}

/// Of the endpoint only its id.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct FacetEndpoint<'a> {
    /// The stable id.
    #[serde(borrow)]
    pub id: Cow<'a, str>,
}

impl Facets<'_> {
    /// The same, independent of the stored bytes.
    pub fn into_owned(self) -> Facets<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Facets {
            kind: self.kind,
            severity: self.severity,
            endpoint: FacetEndpoint { id: owned(self.endpoint.id) },
            observed_at: self.observed_at,
            message_id: self.message_id.map(owned),
        }
    }
}

/// Reads the facets of a stored record.
pub fn facets(stored: &[u8]) -> Result<Facets<'_>, DecodeError> {
    Ok(serde_json::from_slice(stored)?)
}

/// Reads a stored record (what [`encode`] made).
pub fn decode(position: u64, stored: &[u8]) -> Result<Record, DecodeError> {
    let mut line = Vec::with_capacity(stored.len() + 40);
    write_line(position, stored, &mut line);
    read_line(&line).map(|(_, record)| record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EndpointId;

    fn record() -> Record {
        let endpoint = Endpoint {
            id: EndpointId::try_from("r17-u12").unwrap(),
            address: "https://10.0.17.12".to_owned(),
            labels: [("rack".to_owned(), "r17".to_owned())].into(),
        };
        let facts = Facts {
            occurred_at: Some("2026-11-20T14:02:09Z".parse().unwrap()),
            occurred_at_raw: Some("2026-11-20T08:02:09-06:00".to_owned()),
            severity: Severity::Critical,
            message: "CPU 1 has an \"internal\" error\nnow".to_owned(),
            message_id: Some("IDRAC.2.9.CPU0001".to_owned()),
            message_args: vec!["1".to_owned()],
            log_service: Some("/redfish/v1/Managers/iDRAC.Embedded.1/LogServices/Sel".to_owned()),
            entry_id: Some("1024".to_owned()),
            event_id: None,
            origin: Some("/redfish/v1/Systems/1".to_owned()),
            original: Some(RawValue::from_string("{\n \"Id\": \"1024\"\n}".to_owned()).unwrap()),
        };
        Record {
            uid: Uid::derive([b"x".as_slice()]),
            kind: Kind::Entry,
            source: Origin::Backfill,
            endpoint: Arc::new(endpoint),
            observed_at: "2026-11-20T14:02:11.304Z".parse().unwrap(),
            facts,
        }
    }

    #[test]
    fn a_line_has_the_documented_names_in_the_documented_order() {
        let mut line = Vec::new();
        write_line(48211, &encode(&record()), &mut line);
        let uid = record().uid;
        let expected = format!(
            r#"{{"schema":1,"position":48211,"uid":"{uid}","kind":"entry","source":"backfill","endpoint":{{"id":"r17-u12","address":"https://10.0.17.12","labels":{{"rack":"r17"}}}},"observed_at":"2026-11-20T14:02:11.304Z","occurred_at":"2026-11-20T14:02:09Z","occurred_at_raw":"2026-11-20T08:02:09-06:00","severity":"critical","message":"CPU 1 has an \"internal\" error\nnow","message_id":"IDRAC.2.9.CPU0001","message_args":["1"],"log_service":"/redfish/v1/Managers/iDRAC.Embedded.1/LogServices/Sel","entry_id":"1024","event_id":null,"origin":"/redfish/v1/Systems/1","original":{{  "Id": "1024" }}}}
"#
        );
        assert_eq!(String::from_utf8(line).unwrap(), expected);
    }

    #[test]
    fn a_record_reads_back_as_it_was() {
        let stored = encode(&record());
        let back = decode(7, &stored).unwrap();
        assert_eq!(back.uid, record().uid);
        assert_eq!(back.facts.message, record().facts.message);
        assert_eq!(back.observed_at, record().observed_at);
        assert_eq!(back.endpoint, record().endpoint);
    }

    #[test]
    fn the_facets_are_those_of_the_whole_record() {
        let mut record = record();
        record.facts.message_id = Some("a \"quoted\" id".to_owned());
        let stored = encode(&record);
        let facets = facets(&stored).unwrap().into_owned();
        assert_eq!(facets.kind, record.kind);
        assert_eq!(facets.severity, record.facts.severity);
        assert_eq!(facets.endpoint.id, record.endpoint.id.as_str());
        assert_eq!(facets.observed_at, record.observed_at);
        assert_eq!(facets.message_id.as_deref(), record.facts.message_id.as_deref());
    }
}
