//! The JSON line, its schema and its document say the same: the lines that sinks write are checked against
//! `docs/records.schema.json`, and the schema's names against the table in `docs/RECORDS.md`.
//!
//! The checker knows the few words of JSON Schema that our schema uses, and fails on any other.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use model::{Endpoint, EndpointId, Facts, Kind, Origin, Record, Severity, Uid, codec};
use serde_json::{Value, value::RawValue};

fn document(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)).unwrap()
}

fn schema() -> Value {
    serde_json::from_str(&document("records.schema.json")).unwrap()
}

fn endpoint() -> Arc<Endpoint> {
    Arc::new(Endpoint {
        id: EndpointId::try_from("r17-u12").unwrap(),
        address: "https://10.0.17.12".to_owned(),
        labels: [("rack".to_owned(), "r17".to_owned())].into(),
    })
}

fn full() -> Record {
    let text = |text: &str| Some(text.to_owned());
    let facts = Facts {
        occurred_at: Some("2026-11-20T14:02:09Z".parse().unwrap()),
        occurred_at_raw: text("2026-11-20T08:02:09-06:00"),
        severity: Severity::Critical,
        message: "CPU 1 has an internal error (IERR).".to_owned(),
        message_id: text("IDRAC.2.9.CPU0001"),
        message_args: vec!["1".to_owned()],
        log_service: text("/redfish/v1/Managers/iDRAC.Embedded.1/LogServices/Sel"),
        entry_id: text("1024"),
        event_id: text("8"),
        origin: text("/redfish/v1/Systems/System.Embedded.1"),
        original: Some(RawValue::from_string(r#"{"Id":"1024"}"#.to_owned()).unwrap()),
    };
    Record {
        uid: Uid::derive([b"full".as_slice()]),
        kind: Kind::Entry,
        source: Origin::Backfill,
        endpoint: endpoint(),
        observed_at: "2026-11-20T14:02:11.304Z".parse().unwrap(),
        facts,
    }
}

fn bare() -> Record {
    let facts = Facts {
        occurred_at: None,
        occurred_at_raw: None,
        severity: Severity::Unknown,
        message: String::new(),
        message_id: None,
        message_args: Vec::new(),
        log_service: None,
        entry_id: None,
        event_id: None,
        origin: None,
        original: None,
    };
    Record { kind: Kind::Gap, source: Origin::Stream, facts, ..full() }
}

fn line(record: &Record) -> Value {
    let mut line = Vec::new();
    codec::write_line(7, &codec::encode(record), &mut line);
    serde_json::from_slice(&line).unwrap()
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// The problems of `value` under `schema`, each with its path.
fn problems(schema: &Value, value: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (word, rule) in schema.as_object().unwrap() {
        match word.as_str() {
            "type" => {
                let allowed: Vec<&str> = match rule {
                    Value::Array(types) => types.iter().map(|name| name.as_str().unwrap()).collect(),
                    one => vec![one.as_str().unwrap()],
                };
                if !allowed.contains(&type_of(value)) {
                    found.push(format!("{path} is {}", type_of(value)));
                }
            }
            "const" if rule != value => found.push(format!("{path} is {value}")),
            "minimum" if value.as_u64() < rule.as_u64() => found.push(format!("{path} is {value}")),
            "required" => {
                let missing = rule
                    .as_array()
                    .unwrap()
                    .iter()
                    .filter(|name| value.get(name.as_str().unwrap()).is_none());
                found.extend(missing.map(|name| format!("{path} lacks {name}")));
            }
            "properties" => {
                for (name, rule) in rule.as_object().unwrap() {
                    let inner = value.get(name).map(|value| problems(rule, value, &format!("{path}.{name}")));
                    found.extend(inner.unwrap_or_default());
                }
            }
            "items" => {
                let items = value.as_array().into_iter().flatten();
                found.extend(items.flat_map(|item| problems(rule, item, &format!("{path}[]"))));
            }
            "additionalProperties" => {
                let values = value.as_object().into_iter().flat_map(|object| object.values());
                found.extend(values.flat_map(|value| problems(rule, value, &format!("{path}.*"))));
            }
            "examples" => {
                if !rule.as_array().unwrap().contains(value) {
                    found.push(format!("{path} is {value}, which is not among its words"));
                }
            }
            "const" | "minimum" | "minLength" | "maxLength" | "pattern" | "format" | "$schema" | "$id"
            | "title" | "description" => {}
            other => panic!("the checker does not know {other:?}"),
        }
    }
    found
}

#[test]
fn every_line_keeps_to_the_schema() {
    let schema = schema();
    for kind in [Kind::Entry, Kind::Event, Kind::Gap, Kind::Cleared] {
        for source in Origin::ALL {
            for severity in Severity::ALL {
                for mut record in [full(), bare()] {
                    record.kind = kind;
                    record.source = source;
                    record.facts.severity = severity;
                    assert_eq!(problems(&schema, &line(&record), "record"), Vec::<String>::new());
                }
            }
        }
    }
}

#[test]
fn the_checker_finds_what_is_wrong() {
    let mut wrong = line(&full());
    wrong["position"] = 0.into();
    wrong["endpoint"]["labels"]["rack"] = 17.into();
    wrong["kind"] = "rumour".into();
    wrong.as_object_mut().unwrap().remove("uid");
    let expected = [
        "record.endpoint.labels.* is integer",
        "record.kind is \"rumour\", which is not among its words",
        "record.position is 0",
        "record lacks \"uid\"",
    ];
    assert_eq!(problems(&schema(), &wrong, "record"), expected);
}

#[test]
fn the_schema_names_the_fields_of_a_line_and_the_document_explains_them() {
    let (schema, line) = (schema(), line(&full()));
    let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    let fields = names(&line);
    assert_eq!(names(&schema["properties"]), fields);
    let required =
        schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned());
    assert_eq!(required.collect::<BTreeSet<_>>(), fields);
    let inner = names(&line["endpoint"]).into_iter().map(|name| format!("endpoint.{name}"));
    let expected: BTreeSet<String> = fields.into_iter().chain(inner).collect();
    let text = document("RECORDS.md");
    let table = text.split("\n## Fields").nth(1).unwrap().split("\n### ").next().unwrap();
    let rows = table.lines().filter_map(|row| row.strip_prefix("| `"));
    let explained: BTreeSet<String> = rows.map(|row| row.split('`').next().unwrap().to_owned()).collect();
    assert_eq!(explained, expected);
}

#[test]
fn the_example_in_the_document_keeps_to_the_schema() {
    let text = document("RECORDS.md");
    let example = text.split("```json").nth(1).unwrap().split("```").next().unwrap();
    let example: Value = serde_json::from_str(example).unwrap();
    assert_eq!(problems(&schema(), &example, "record"), Vec::<String>::new());
}
