//! What is sent, to the letter.

use journal::ReadLimit;
use model::{Severity, codec};
use serde_json::{Value, json};
use sink::HttpFormat::{self, Elasticsearch, Loki, Ndjson, Victorialogs};

use crate::{
    server::{Reply, Request, Server},
    story::{Story, http, record, until},
};

/// Sends two records, the second without message and of another severity and place.
async fn sent(format: HttpFormat) -> (Request, Vec<u8>) {
    let mut story = Story::begin().await;
    let server = Server::start(|_| Reply::json(&json!({"errors": false}))).await;
    let mut second = record(2);
    second.facts.severity = Severity::Unknown;
    second.facts.message.clear();
    second.facts.occurred_at = None;
    let mut endpoint = (*second.endpoint).clone();
    endpoint.labels.remove("site");
    second.endpoint = endpoint.into();
    story.append([record(1), second]).await;
    let mut status = story.pump(http(server.address, format));
    until(&mut status, |view| view.position == 2).await;
    let all = ReadLimit { records: 10, bytes: 1 << 20 };
    let mut lines = Vec::new();
    for stored in story.journal.read_after(0, all).await.unwrap() {
        codec::write_line(stored.position, &stored.bytes, &mut lines);
    }
    story.end().await;
    let mut requests = server.requests();
    assert_eq!(requests.len(), 1);
    (requests.remove(0), lines)
}

#[tokio::test]
async fn ndjson_is_what_a_file_would_hold() {
    let (request, lines) = sent(Ndjson).await;
    assert!(request.head.starts_with("POST /push?token=hidden HTTP/1.1"), "{}", request.head);
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    assert_eq!(request.header("authorization"), Some("Bearer one"));
    assert!(request.header("user-agent").unwrap().starts_with("bmcwatch/"));
    assert_eq!(request.body, lines);
}

#[tokio::test]
async fn loki_gets_streams_with_few_labels_and_metadata_that_tells_records_apart() {
    let (request, lines) = sent(Loki).await;
    let lines: Vec<&str> = std::str::from_utf8(&lines).unwrap().lines().collect();
    assert_eq!(request.header("content-type"), Some("application/json"));
    let body: Value = serde_json::from_slice(&request.body).unwrap();
    let metadata = |number| {
        let uid = record(number).uid.to_string();
        json!({"endpoint": "r17-u12", "kind": "entry", "source": "poll", "message_id": "IDRAC.2.9.CPU0001", "uid": uid})
    };
    let mut first = metadata(1);
    first["occurred_at"] = json!("2026-11-20T13:58:00Z");
    let at = format!("{}000000", record(1).observed_at.timestamp_millis());
    let expected = json!({"streams": [
        {
            "stream": {"service_name": "bmcwatch", "severity": "critical", "site": "fra1"},
            "values": [[at, lines[0], first]],
        },
        {
            "stream": {"service_name": "bmcwatch", "severity": "unknown"},
            "values": [[at, lines[1], metadata(2)]],
        },
    ]});
    assert_eq!(body, expected);
}

fn document(number: u64, message: &str, severity: &str, occurred: &Value, labels: &Value) -> Value {
    json!({
        "schema": 1, "position": number, "uid": record(number).uid.to_string(), "kind": "entry", "source": "poll",
        "endpoint": {"id": "r17-u12", "address": "https://10.0.17.12", "labels": labels},
        "observed_at": "2026-11-20T13:59:00.250Z", "occurred_at": occurred, "occurred_at_raw": "2026-11-20T13:58:00Z",
        "severity": severity, "message": message, "message_id": "IDRAC.2.9.CPU0001", "message_args": ["1"],
        "log_service": "/redfish/v1/Systems/1/LogServices/Sel", "entry_id": number.to_string(), "event_id": null,
        "origin": null, "original": "{\"Id\":\"1\",\"Oem\":{\"x\":{\"y\":1}}}",
    })
}

fn documents() -> [Value; 2] {
    let occurred = json!("2026-11-20T13:58:00.000Z");
    [
        document(1, "record <1>", "critical", &occurred, &json!({"rack": "r17", "site": "fra1"})),
        document(2, "IDRAC.2.9.CPU0001: 1", "unknown", &Value::Null, &json!({"rack": "r17"})),
    ]
}

#[tokio::test]
async fn victorialogs_gets_lines_and_the_names_of_its_special_fields() {
    let (request, _) = sent(Victorialogs).await;
    assert_eq!(request.header("vl-msg-field"), Some("message"));
    assert_eq!(request.header("vl-time-field"), Some("observed_at"));
    assert_eq!(request.header("vl-stream-fields"), Some("endpoint.id,endpoint.labels.site"));
    let lines: Vec<Value> = request.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines, documents());
}

#[tokio::test]
async fn elasticsearch_gets_each_record_created_under_its_uid() {
    let (request, _) = sent(Elasticsearch).await;
    assert_eq!(request.header("content-type"), Some("application/x-ndjson"));
    let lines: Vec<Value> = request.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut expected = Vec::new();
    for (mut document, at) in
        documents().into_iter().zip(["2026-11-20T13:58:00.000Z", "2026-11-20T13:59:00.250Z"])
    {
        expected.push(json!({"create": {"_id": document["uid"]}}));
        document["@timestamp"] = json!(at);
        expected.push(document);
    }
    assert_eq!(lines, expected);
    assert!(request.text().ends_with('\n'), "the API asks for it");
}
