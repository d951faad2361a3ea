//! What real streams carry, from bytes to items: each vendor's framing and each trap of the payloads.
//!
//! Not here: cutting and spoiling the bytes at random (`sse_pieces`).

use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use model::Severity;
use redfish::{Dating, Event, EventStream, Scheme, StreamError, StreamItem};
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
            StreamItem::Events { events, rejected: 0, .. } => all.extend(events),
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
    let Ok(StreamItem::Events { events, rejected: 0, .. }) = stream.next().await else { panic!("an event") };
    assert!(!stream.sends_keep_alives(), "one comment may be a greeting");
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
    assert_eq!(twins.len(), 2, "the link, and what it says: the same may stand in another log too (T14)");
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
async fn t58_t59_t60_t73_an_event_is_named_by_what_it_says_and_not_by_its_ids() {
    let record = |text: &str| format!("[{{{text},\"Message\":\"a\",\"MemberId\":\"3\"}}]");
    let base = r#""EventTimestamp":"2026-11-20T14:02:09Z","EventId":"3","Severity":"OK""#;
    let dated = event(&payload(&record(base))).await.identity;
    assert_eq!(dated.dating, Dating::Dated { at_ms: 1_795_183_329_000 });
    let check = async |from: &str, to: &str, same: bool| {
        let other = event(&payload(&record(&base.replace(from, to)))).await.identity;
        assert_eq!(other == dated, same, "{to}");
    };
    check("\"3\"", "\"4\",\"Context\":\"x\"", true).await;
    check("14:02:09Z", "16:02:09.000+0200", true).await;
    check("\"Severity\":\"OK\"", "\"MessageSeverity\":\"Informational\"", true).await;
    check("OK", "Critical", false).await;
    check("14:02:09Z", "14:02:10Z", false).await;
    check("\"Severity\"", "\"OriginOfCondition\":\"/redfish/v1/Chassis/1\",\"Severity\"", false).await;
    check("\"Severity\"", "\"LogEntry\":{\"@odata.id\":\"/a/Entries/1\"},\"Severity\"", false).await;
    check("\"Severity\"", "\"MessageArgs\":[\"b\"],\"Severity\"", false).await;
}

#[tokio::test(start_paused = true)]
async fn t76_the_name_of_an_event_knows_no_registry_version_and_no_wording_that_goes_with_it() {
    let named = async |id: &str, message: &str, args: &str| {
        let record = format!(
            r#"[{{"MessageId":"{id}","Message":"{message}","MessageArgs":[{args}],"EventTimestamp":"2026-11-20T14:02:09Z"}}]"#
        );
        event(&payload(&record)).await.identity
    };
    let new = named("iLOEvents.3.16.FanFailed", "Fan 1 has failed.", "\"1\"").await;
    assert_eq!(named("iLOEvents.3.15.FanFailed", "Fan 1 failed.", "\"1\"").await, new);
    assert_eq!(named("iLOEvents.3.15.1.FanFailed", "Fan 1 failed.", "\"1\"").await, new);
    assert_ne!(named("iLOEvents.3.16.FanDegraded", "Fan 1 has failed.", "\"1\"").await, new);
    assert_ne!(named("OtherEvents.3.16.FanFailed", "Fan 1 has failed.", "\"1\"").await, new);
    let bare = named("iLOEvents.3.16.Generic", "Fan 1 has failed.", "").await;
    assert_ne!(
        named("iLOEvents.3.16.Generic", "Fan 2 has failed.", "").await,
        bare,
        "only the text tells them apart"
    );
    assert_eq!(named("CPU0001", "a", "\"1\"").await, named("CPU0001", "b", "\"1\"").await);
    assert_ne!(named("CPU0001", "a", "\"1\"").await, named("CPU0002", "a", "\"1\"").await);
}

#[tokio::test(start_paused = true)]
async fn t40_an_event_without_a_believable_time_has_its_id_in_its_name() {
    for time in ["1970-01-01T00:00:12Z", "0000-00-00T00:00:00Z", "2026-11-20T14:02:09", ""] {
        let named = async |id: &str| {
            let record = format!(r#"[{{"EventId":"{id}","Message":"a","EventTimestamp":"{time}"}}]"#);
            event(&payload(&record)).await.identity
        };
        assert_eq!(named("3").await.dating, Dating::Undated, "{time}");
        assert_ne!(named("3").await, named("4").await, "{time}");
    }
}

#[tokio::test(start_paused = true)]
async fn t62_a_payload_that_comes_twice_has_one_name_and_others_have_others() {
    let record =
        |id: &str| format!(r#"{{"EventId":"{id}","Message":"a","EventTimestamp":"2026-11-20T14:02:09Z"}}"#);
    let names = async |text: String| -> Vec<Option<u64>> {
        let name = |item| match item {
            StreamItem::Events { name, .. } => name,
            other => panic!("{other:?}"),
        };
        items(&text).await.into_iter().map(name).collect()
    };
    let frame = |id: &str, records: &str| format!("id: {id}\n{}", payload(&format!("[{records}]")));
    let (two, three) = (record("2"), record("3"));
    let looped = names(frame("5", &two) + &frame("5", &two) + &frame("5", &three) + &frame("4", &two)).await;
    assert!(looped[0].is_some() && looped[0] == looped[1], "{looped:?}");
    assert!(looped[2] != looped[0] && looped[3] != looped[0], "{looped:?}");
    // T58: the same id and the same record, but in a batch.
    let batch = names(frame("5", &format!("{two},{three}")) + &frame("5", &two)).await;
    assert_ne!(batch[0], batch[1]);
    // Without an id of its own, or with that of heartbeats, a payload has no name.
    assert_eq!(names(frame("0", &two) + &payload(&format!("[{two}]"))).await, [None, None]);
    let held_on = names(frame("5", &two) + &payload(&format!("[{two}]"))).await;
    assert_eq!(held_on[1], None, "the id is that of the payload before");
    let timeless = r#"{"EventId":"2","Message":"a"}"#;
    assert_eq!(names(frame("5", timeless)).await, [None]);
    // A bare record is a replay, under whatever id.
    let bare = names(format!("id: 5\ndata: {two}\n\nid: 6\ndata: {two}\n\ndata: {three}\n\n")).await;
    assert!(bare[0].is_some() && bare[0] == bare[1] && bare[1] != bare[2], "{bare:?}");
}

#[tokio::test(start_paused = true)]
async fn t64_metric_reports_are_skipped_whatever_they_hold() {
    let found = items(fixture!("dell_metric_report.sse")).await;
    assert!(matches!(found[..], [StreamItem::Skipped { .. }]), "{found:?}");
    let unparsed =
        items("data: { \"@odata.type\" : \"#MetricReport.v1_2_0.MetricReport\" and this is no JSON\n\n")
            .await;
    assert!(matches!(unparsed[..], [StreamItem::Skipped { .. }]), "{unparsed:?}");
    let late = r##"{"MetricValues":[{"Events":1}],"Message":"x","@odata.type":"#MetricReport.v1_2_0.MetricReport"}"##;
    assert!(matches!(items(&format!("data: {late}\n\n")).await[..], [StreamItem::Skipped { .. }]));
    let inside = payload(r##"[{"Message":"a","Oem":{"@odata.type":"#MetricReport.v1_2_0.MetricReport"}}]"##);
    let inside = inside.replacen("\"@odata.type\":\"#Event.v1_4_0.Event\",", "", 1);
    assert_eq!(events(&inside).await.len(), 1, "a type inside a record is not the payload's");
}

#[tokio::test(start_paused = true)]
async fn t72_what_the_service_tells_about_itself_is_counted_as_noise() {
    let subscription = "/redfish/v1/EventService/Subscriptions/7";
    let entry = "/redfish/v1/Managers/CMC/LogServices/Lclog/Entries/309";
    let noise = async |records: &str| match &items(&payload(records)).await[..] {
        [StreamItem::Skipped { noise }] => (noise.records, noise.entry_added),
        other => panic!("{records}: {other:?}"),
    };
    assert_eq!(noise("[]").await, (0, false));
    assert_eq!(noise("null").await, (1, false), "a shell");
    for record in [
        r#"{"MemberId":"0"}"#.to_owned(),
        r#"{"MemberId":"0","Severity":"OK"}"#.to_owned(),
        r#"{"MessageId":"HeartbeatEvent.1.0.RedfishServiceFunctional"}"#.to_owned(),
        format!(
            r#"{{"EventId":"1","MessageId":"TST100","OriginOfCondition":{{"@odata.id":"{subscription}"}}}}"#
        ),
        format!(r#"{{"EventId":"1","MessageId":"IDRAC.2.9.TST100","MessageArgs":["{subscription}"]}}"#),
        r#"{"EventId":"1","MessageId":"TST100","OriginOfCondition":"/redfish/v1/SessionService/Sessions/3"}"#
            .to_owned(),
    ] {
        assert_eq!(noise(&format!("[{record}]")).await, (1, false), "{record}");
    }
    let added =
        format!(r#"[{{"EventType":"ResourceAdded","MessageId":"TST100","OriginOfCondition":"{entry}"}}]"#);
    assert_eq!(noise(&added).await, (1, true));
}

#[tokio::test(start_paused = true)]
async fn t72_what_only_looks_odd_is_kept() {
    for record in [
        r#"{"MessageId":"TST100","Message":"Test event"}"#,
        r#"{"MessageId":"TST100","OriginOfCondition":"/redfish/v1/Chassis/System.Modular.3"}"#,
        r#"{"MessageId":"X.1.0.EntryAdded","OriginOfCondition":"/redfish/v1/Systems/1/LogServices/Sel/Entries/3"}"#,
        r#"{"Message":"Lost /redfish/v1/EventService/Subscriptions/7"}"#,
        r#"{"EventId":"1"}"#,
        r#"{"MemberId":"0","LogEntry":{"@odata.id":"/redfish/v1/Systems/1/LogServices/Sel/Entries/3"}}"#,
    ] {
        assert_eq!(events(&payload(&format!("[{record}]"))).await.len(), 1, "{record}");
    }
}

#[tokio::test(start_paused = true)]
async fn t70_a_generic_event_and_its_specific_twin_are_two_and_both_are_whole() {
    let record = |id: &str, more: &str| {
        format!(r#"{{"MessageId":"{id}","EventTimestamp":"2026-11-20T14:02:09Z","EventGroupId":12{more}}}"#)
    };
    let generic = record("ResourceEvent.1.0.ResourceErrorsDetected", ",\"SpecificEventExistsInGroup\":true");
    let all = events(&payload(&format!("[{generic},{}]", record("Power.1.0.Failed", "")))).await;
    assert_eq!(all.len(), 2);
    assert_ne!(all[0].identity, all[1].identity);
    assert_eq!(all[0].facts.original.as_ref().unwrap().get(), generic);
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
    let [StreamItem::Events { events, rejected: 1, .. }] = &found[..] else { panic!("{found:?}") };
    let told: Vec<&str> = events.iter().map(|event| &*event.facts.message).collect();
    assert_eq!(told, ["a", "\u{fffd}", "b"], "half a character costs only itself");
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
