//! Records in the journal of a story, and what `/api/v1/events` says of them.

use std::sync::Arc;

use journal::{Batch, Item, When};
use model::{Endpoint, EndpointId, Facts, Kind, Origin, Record, Severity, Uid, codec};
use serde_json::Value;

use crate::story::Story;
use bmcwatch::config::AdminConfig;

/// A record of this endpoint, observed so many minutes before the clock of the story.
pub(crate) fn record(endpoint: &str, severity: Severity, minutes_ago: i64, message: &str) -> Record {
    let now: chrono::DateTime<chrono::Utc> = "2026-11-20T14:00:00Z".parse().unwrap();
    let id = EndpointId::try_from(endpoint).unwrap();
    let facts = Facts {
        occurred_at: None,
        occurred_at_raw: None,
        severity,
        message: message.to_owned(),
        message_id: Some("IDRAC.2.9.CPU0001".to_owned()),
        message_args: Vec::new(),
        log_service: None,
        entry_id: None,
        event_id: None,
        origin: None,
        original: None,
    };
    Record {
        uid: Uid::derive([endpoint.as_bytes(), message.as_bytes()]),
        kind: Kind::Entry,
        source: Origin::Poll,
        endpoint: Arc::new(Endpoint { address: format!("https://{endpoint}"), id, labels: [].into() }),
        observed_at: now - chrono::TimeDelta::minutes(minutes_ago),
        facts,
    }
}

/// Appends records, each at the next position.
pub(crate) async fn append(story: &Story, records: &[Record]) {
    let items = records.iter().map(|record| Item {
        key: record.uid.to_bytes(),
        twins: Vec::new(),
        bytes: Some(codec::encode(record)),
        when: When::Always,
    });
    let batch = Batch { scope: "bmc".into(), items: items.collect(), marks: Vec::new() };
    let appended = story.journal.append(batch).await.unwrap();
    assert!(appended.outcomes.iter().all(|outcome| matches!(outcome, journal::Outcome::Stored(_))));
}

/// Ten records of two endpoints, the odd ones critical, the last one observed now.
pub(crate) async fn append_ten(story: &Story) {
    let records: Vec<Record> = (1..=10)
        .map(|number| {
            let (endpoint, severity) =
                if number % 2 == 1 { ("r17-u12", Severity::Critical) } else { ("r18-u01", Severity::Ok) };
            record(endpoint, severity, 10 - number, &format!("message {number}"))
        })
        .collect();
    append(story, &records).await;
}

/// What is answered to these parameters: the positions, and the rest.
async fn events(story: &Story, query: &str) -> (Vec<u64>, Value) {
    let (status, answer) = story.ask(&format!("GET /api/v1/events?{query}")).await;
    assert_eq!(status, 200, "{answer}");
    assert!(answer.contains("content-type: application/json"), "{answer}");
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    let body: Value = serde_json::from_str(body).unwrap();
    let events = body["events"].as_array().unwrap();
    (events.iter().map(|event| event["position"].as_u64().unwrap()).collect(), body)
}

#[tokio::test]
async fn events_are_the_records_that_fit_page_by_page() {
    let story = Story::begin(AdminConfig::default()).await;
    let (positions, body) = events(&story, "").await;
    assert_eq!(
        (positions, &body["next"], &body["more"], &body["head"]),
        (vec![], &0.into(), &false.into(), &0.into())
    );
    append_ten(&story).await;
    for (query, expected, next, more) in [
        ("", (1..=10).collect(), 10, false),
        ("after=7", vec![8, 9, 10], 10, false),
        ("after=10", vec![], 10, false),
        ("after=99", vec![], 99, false),
        ("limit=3", vec![1, 2, 3], 3, true),
        ("limit=3&after=7", vec![8, 9, 10], 10, false),
        ("severity=warning", vec![1, 3, 5, 7, 9], 10, false),
        ("severity=warning&limit=2&after=3", vec![5, 7], 8, true),
        ("endpoint=r18-*", vec![2, 4, 6, 8, 10], 10, false),
        ("kind=gap", vec![], 10, false),
        ("message_id=IDRAC.*&endpoint=r17-u12", vec![1, 3, 5, 7, 9], 10, false),
        ("since=2m", vec![8, 9, 10], 10, false),
        ("since=2026-11-20T13:58:00Z&until=1m", vec![8], 10, false),
        ("until=9m", vec![], 10, false),
        // Towards the older.
        ("before=end&limit=3", vec![10, 9, 8], 8, true),
        ("before=8&limit=3", vec![7, 6, 5], 5, true),
        ("before=3", vec![2, 1], 1, false),
        ("before=1", vec![], 1, false),
        ("before=end&endpoint=r17-*&limit=2", vec![9, 7], 7, true),
        ("before=end&since=2m", vec![10, 9, 8], 1, false),
        ("before=end&severity=critical&until=5m", vec![3, 1], 1, false),
    ] {
        let (positions, body) = events(&story, query).await;
        assert_eq!((positions, body["more"].as_bool()), (expected, Some(more)), "{query}: {body}");
        if !(query.starts_with("severity=warning&") || query.contains("before=end&endpoint")) {
            assert_eq!(body["next"], next, "{query}: {body}");
        }
        assert_eq!(body["head"], 10);
    }
}

#[tokio::test]
async fn pages_one_after_the_other_are_everything_once() {
    let story = Story::begin(AdminConfig::default()).await;
    append_ten(&story).await;
    for (first, name) in
        [("severity=critical&limit=2&after=0", "after"), ("severity=critical&limit=2&before=end", "before")]
    {
        let (mut all, mut query) = (Vec::new(), first.to_owned());
        loop {
            let (positions, body) = events(&story, &query).await;
            all.extend(positions);
            if body["more"] == false {
                break;
            }
            query = format!("severity=critical&limit=2&{name}={}", body["next"]);
        }
        all.sort_unstable();
        assert_eq!(all, [1, 3, 5, 7, 9], "{first}");
    }
}

#[tokio::test]
async fn an_event_is_the_line_that_a_sink_writes() {
    let story = Story::begin(AdminConfig::default()).await;
    let hostile = record("r17-u12", Severity::Critical, 0, "<script>alert(1)</script>\u{1b}[2J\n\u{9b}31m");
    append(&story, std::slice::from_ref(&hostile)).await;
    let (_, answer) = story.ask("GET /api/v1/events").await;
    let mut line = Vec::new();
    codec::write_line(1, &codec::encode(&hostile), &mut line);
    let expected = format!(
        "{{\"events\":[{}],\"next\":1,\"more\":false,\"head\":1}}",
        String::from_utf8(line).unwrap().trim_end()
    );
    assert!(answer.ends_with(&expected), "{answer}");
}

#[tokio::test]
async fn a_wrong_parameter_is_named() {
    let story = Story::begin(AdminConfig::default()).await;
    for (path, expected) in [
        ("/api/v1/events?severity=bad", "severity: \\\"bad\\\" is none; there are"),
        ("/api/v1/events?limit=0", "limit: it must be from 1 to 1000"),
        ("/api/v1/events?limit=1001", "limit: it must be from 1 to 1000"),
        ("/api/v1/events?after=1&before=2", "before: it reads towards the older"),
        (
            "/api/v1/events?severty=ok",
            "severty: there is no such parameter here; did you mean \\\"severity\\\"?",
        ),
        ("/api/v1/tail?until=1h", "until: there is no such parameter here"),
        ("/api/v1/tail?after=x", "after: \\\"x\\\" is not a position"),
    ] {
        let (status, answer) = story.ask(&format!("GET {path}")).await;
        assert!(status == 400 && answer.contains(expected), "{path}: {answer}");
    }
    let (status, answer) =
        story.ask_with("GET /api/v1/tail", "host: localhost\r\nlast-event-id: x\r\n").await;
    assert!(status == 400 && answer.contains("Last-Event-ID: \\\"x\\\" is not a position"), "{answer}");
}
