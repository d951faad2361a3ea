//! What real streams carry, from bytes to items: each vendor's framing and each trap of the payloads.
//!
//! Not here: cutting and spoiling the bytes at random (`sse_pieces`).

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use model::Severity;
use redfish::{Event, EventStream, Scheme, StreamError, StreamItem};
use tokio::time::Instant;

macro_rules! fixture {
    ($name:literal) => {
        include_str!(concat!("fixtures/", $name))
    };
}

fn open(text: &str) -> EventStream {
    let chunk = Ok(Frame::data(Bytes::copy_from_slice(text.as_bytes())));
    EventStream::new(StreamBody::new(stream::iter([chunk])).boxed_unsync(), Instant::now())
}

/// All items of a stream that ends in order.
async fn items(text: &str) -> Vec<StreamItem> {
    let mut stream = open(text);
    let mut items = Vec::new();
    loop {
        match stream.next().await {
            Ok(item) => items.push(item),
            Err(StreamError::Ended) => return items,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The events of a stream on which nothing else comes.
async fn events(text: &str) -> Vec<Event> {
    let mut all = Vec::new();
    for item in items(text).await {
        match item {
            StreamItem::Events { events, rejected: 0 } => all.extend(events),
            other => panic!("{other:?}"),
        }
    }
    all
}

async fn event(text: &str) -> Event {
    let mut all = events(text).await;
    assert_eq!(all.len(), 1);
    all.remove(0)
}

fn payload(records: &str) -> String {
    format!("data: {{\"@odata.type\":\"#Event.v1_4_0.Event\",\"Events\":{records}}}\n\n")
}

#[tokio::test(start_paused = true)]
async fn t42_t48_an_event_of_an_idrac_is_told_whole() {
    let Event { facts, identity, twins } = event(fixture!("dell_idrac9.sse")).await;
    assert_eq!(identity.scheme, Scheme::EventContent);
    assert_eq!(facts.occurred_at.unwrap().to_rfc3339(), "2025-01-30T05:26:31+00:00");
    assert_eq!(facts.occurred_at_raw.as_deref(), Some("2025-01-29T23:26:31-0600"));
    assert_eq!(facts.severity, Severity::Critical);
    assert_eq!(facts.message, "CPU 1 has an internal error (IERR).");
    assert_eq!(facts.message_id.as_deref(), Some("IDRAC.2.9.CPU0001"));
    assert_eq!(facts.message_args, ["1"]);
    assert_eq!(facts.event_id.as_deref(), Some("2241"));
    let origin = "/redfish/v1/Systems/System.Embedded.1/Processors/CPU.Socket.1";
    assert_eq!(facts.origin.as_deref(), Some(origin));
    assert!(facts.original.unwrap().get().contains("\"ServerHostname\":\"r17-u12\""));
    assert_eq!(twins.len(), 2, "by EventId and by content");
}

#[tokio::test(start_paused = true)]
async fn t63_a_pretty_printed_payload_gives_all_its_records() {
    let all = events(fixture!("bmcweb_pretty.sse")).await;
    let ids: Vec<_> = all.iter().map(|event| event.facts.event_id.as_deref().unwrap()).collect();
    assert_eq!(ids, ["4", "5"]);
    assert_eq!(all[0].facts.message, "Sensor °C crossed a critical high threshold.");
    assert_eq!(all[0].facts.message_args, ["CPU_Temp", "98.000000", "95.000000"]);
}

#[tokio::test(start_paused = true)]
async fn t51_t63_lenovos_stream_is_read_and_its_keep_alives_are_noticed() {
    let mut stream = open(fixture!("lenovo_xcc.sse"));
    let Ok(StreamItem::Events { events, rejected: 0 }) = stream.next().await else { panic!("an event") };
    assert!(stream.sends_keep_alives());
    assert_eq!(stream.last_event_id(), Some("2"));
    assert_eq!(events[0].twins.len(), 1, "the sequence number is enough");
    assert!(matches!(stream.next().await, Err(StreamError::Ended)));
    assert_eq!(stream.bytes(), fixture!("lenovo_xcc.sse").len() as u64);
    assert_eq!(stream.replaced(), 0);
    assert!(matches!(stream.next().await, Err(StreamError::Ended)), "and it stays ended");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_links_its_entry_names_log_and_entry() {
    let Event { facts, twins, .. } = event(fixture!("nvidia_gb200.sse")).await;
    assert_eq!(facts.log_service.as_deref(), Some("/redfish/v1/Systems/System_0/LogServices/EventLog"));
    assert_eq!(facts.entry_id.as_deref(), Some("1674"));
    assert_eq!(facts.origin.as_deref(), Some("/redfish/v1/Chassis/HGX_GPU_0"));
    assert_eq!(twins.len(), 1, "the link is enough");
}

#[tokio::test(start_paused = true)]
async fn t48_one_record_in_place_of_the_list_is_read() {
    let Event { facts, .. } = event(fixture!("foxconn_object.sse")).await;
    assert_eq!(facts.event_id.as_deref(), Some("17"));
    assert_eq!(facts.message_args, ["3"]);
    assert_eq!(facts.severity, Severity::Critical);
    assert_eq!(facts.occurred_at.unwrap().to_rfc3339(), "2026-10-10T07:40:11+00:00");
    assert_eq!(
        events(&payload("[]").replace("Events", "X").replace("[]", "1,\"Alerts\":[{\"Message\":\"a\"}]"))
            .await
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn t55_a_buffer_that_ran_over_is_no_event() {
    let found = items(fixture!("bmcweb_buffer_exceeded.sse")).await;
    assert!(matches!(found[..], [StreamItem::BufferExceeded]), "{found:?}");
    let inside = payload(r#"[{"MessageId":"Base.1.19.EventBufferExceeded"},{"Message":"a"}]"#);
    let found = items(&inside).await;
    assert!(
        matches!(found[..], [StreamItem::Events { rejected: 0, .. }, StreamItem::BufferExceeded]),
        "{found:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn t56_a_replayed_bare_record_is_an_event() {
    let Event { facts, .. } = event(fixture!("bmcweb_replayed_record.sse")).await;
    assert_eq!(facts.event_id.as_deref(), Some("9"));
    assert_eq!(facts.origin.as_deref(), Some("/redfish/v1/TaskService/Tasks/0"));
}

#[tokio::test(start_paused = true)]
async fn t58_ids_that_regress_lose_no_event_and_equal_events_look_equal() {
    let record =
        |id: &str| format!(r#"[{{"EventId":"{id}","Message":"a","EventTimestamp":"2026-11-20T14:02:09Z"}}]"#);
    let text = format!(
        "id: 5\n{}id: 4\n{}id: 4\n{}",
        payload(&record("3")),
        payload(&record("3")),
        payload(&record("4"))
    );
    let all = events(&text).await;
    assert_eq!(all.len(), 3);
    assert_eq!(all[0].identity, all[1].identity, "only counting tells these two apart");
    assert_ne!(all[0].identity, all[2].identity);
}

#[tokio::test(start_paused = true)]
async fn t64_metric_reports_are_skipped_whatever_they_hold() {
    let found = items(fixture!("dell_metric_report.sse")).await;
    assert!(matches!(found[..], [StreamItem::Skipped]), "{found:?}");
    let unparsed =
        items("data: { \"@odata.type\" : \"#MetricReport.v1_2_0.MetricReport\" and this is no JSON\n\n")
            .await;
    assert!(matches!(unparsed[..], [StreamItem::Skipped]), "{unparsed:?}");
    let late = r##"{"MetricValues":[{"Events":1}],"Message":"x","@odata.type":"#MetricReport.v1_2_0.MetricReport"}"##;
    assert!(matches!(items(&format!("data: {late}\n\n")).await[..], [StreamItem::Skipped]));
    let inside = payload(r##"[{"Message":"a","Oem":{"@odata.type":"#MetricReport.v1_2_0.MetricReport"}}]"##);
    let inside = inside.replacen("\"@odata.type\":\"#Event.v1_4_0.Event\",", "", 1);
    assert_eq!(events(&inside).await.len(), 1, "a type inside a record is not the payload's");
}

#[tokio::test(start_paused = true)]
async fn t72_heartbeats_and_empty_shells_are_skipped() {
    for records in [
        r#"[{"MemberId":"0"}]"#,
        r#"[{"MessageId":"HeartbeatEvent.1.0.RedfishServiceFunctional"}]"#,
        "[]",
        "null",
    ] {
        let found = items(&payload(records)).await;
        assert!(matches!(found[..], [StreamItem::Skipped]), "{records}: {found:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn t72_only_ids_that_name_events_are_offered_again() {
    let last = async |text: &str| {
        let mut stream = open(text);
        while stream.next().await.is_ok() {}
        stream.last_event_id().map(str::to_owned)
    };
    assert_eq!(last("id: 5\ndata: {}\n\n").await.as_deref(), Some("5"));
    assert_eq!(last("id: 5\n\n").await.as_deref(), Some("5"), "also without data");
    assert_eq!(last("id: 5\n\nid: 0\ndata: {}\n\n").await.as_deref(), Some("5"));
    assert_eq!(last("id: 0\ndata: {}\n\n").await, None);
    assert_eq!(last("id: 5\n\nid\n\n").await, None, "an empty id takes it back");
    assert_eq!(last("id: a\u{1}b\n\n").await, None);
    assert_eq!(last(&format!("id: {}\n\n", "9".repeat(257))).await, None);
}

#[tokio::test(start_paused = true)]
async fn one_bad_record_costs_only_itself() {
    let found = items(&payload(r#"[{"Message":"a"},17,{"Message":"\ud800"},{"Message":"b"}]"#)).await;
    let [StreamItem::Events { events, rejected: 2 }] = &found[..] else { panic!("{found:?}") };
    assert_eq!(events.len(), 2);
    let found = items("data: not json\n\ndata: 5\n\ndata: \"x\"\n\n").await;
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|item| matches!(item, StreamItem::Events { rejected: 1, .. })), "{found:?}");
}

#[tokio::test(start_paused = true)]
async fn raw_line_ends_inside_strings_and_keys_that_come_twice_cost_nothing() {
    let all = events("data: {\"Events\":[{\"Message\":\"a\ndata: b\",\"Message\":\"c\tdd\"}]}\n\n").await;
    assert_eq!(all[0].facts.message, "c dd");
}

#[tokio::test(start_paused = true)]
async fn t46_t47_records_of_any_shape_are_read() {
    let record = r#"[{"MessageID":"X.1.0.A","MessageSeverity":null,"Severity":"Informational","MessageArgs":[1,null,{}],
        "OriginOfCondition":[],"LogEntry":null,"Oem":[],"EventTimestamp":1791618011,"Message":" "}]"#;
    let Event { facts, .. } = event(&payload(&record.replace('\n', " "))).await;
    assert_eq!(facts.message_id.as_deref(), Some("X.1.0.A"));
    assert_eq!(facts.severity, Severity::Ok);
    assert_eq!(facts.message_args, ["1", "", ""]);
    assert_eq!(facts.message, "A: 1");
    assert_eq!(facts.occurred_at_raw.as_deref(), Some("1791618011"));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_too_large_ends_the_stream_after_what_came_before() {
    let mut text = payload(r#"[{"Message":"a"}]"#);
    text.push_str("data: ");
    text.push_str(&"x".repeat(1 << 20));
    let mut stream = open(&text);
    assert!(matches!(stream.next().await, Ok(StreamItem::Events { .. })));
    assert!(matches!(stream.next().await, Err(StreamError::TooLarge { limit: 1_048_576 })));
    assert!(matches!(stream.next().await, Err(StreamError::Ended)));
}

#[tokio::test(start_paused = true)]
async fn every_byte_counts_as_life_and_waiting_can_be_given_up() {
    let opened = Instant::now();
    let (first, rest) = fixture!("nvidia_gb200.sse").split_at(100);
    let body = stream::unfold([rest, first].to_vec(), |mut left| async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        let piece = left.pop()?;
        Some((Ok(Frame::data(Bytes::from_static(piece.as_bytes()))), left))
    });
    let mut stream = EventStream::new(StreamBody::new(body).boxed_unsync(), opened);
    assert_eq!(stream.last_byte_at(), opened);
    assert!(tokio::time::timeout(Duration::from_secs(15), stream.next()).await.is_err());
    assert_eq!(stream.last_byte_at(), opened + Duration::from_secs(10));
    assert!(matches!(stream.next().await, Ok(StreamItem::Events { rejected: 0, .. })), "nothing was lost");
    assert_eq!(stream.last_byte_at(), opened + Duration::from_secs(20));
}
