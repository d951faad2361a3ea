//! Event streams in process: the bytes, and every way in which a stream fails or ends.

use std::time::Duration;

use crate::support::{bmc, epoch, get, next, open_stream, send};
use http_body_util::BodyExt;
use serde_json::json;
use sim::{EventServiceState, Profile, Push, Reachability, Severity, StreamBehaviour};

#[tokio::test(start_paused = true)]
async fn an_event_of_bmcweb_is_pretty_printed_over_many_data_lines() {
    let bmc = bmc(Profile::openbmc());
    let mut stream = open_stream(&bmc).await;
    bmc.log(Severity::Critical, "OpenBMC.0.1.FanFailed", &["Fan 3"], "Fan 3 at 40 °C failed.");
    let expected = "id: 2\n\
        data: {\n\
        data:   \"@odata.type\": \"#Event.v1_9_0.Event\",\n\
        data:   \"Events\": [\n\
        data:     {\n\
        data:       \"Context\": \"\",\n\
        data:       \"EventId\": \"1\",\n\
        data:       \"EventTimestamp\": \"2026-11-20T14:00:00+00:00\",\n\
        data:       \"Message\": \"Fan 3 at 40 \\u00b0C failed. [r01-u01-1]\",\n\
        data:       \"MessageArgs\": [\n\
        data:         \"Fan 3\",\n\
        data:         \"r01-u01-1\"\n\
        data:       ],\n\
        data:       \"MessageId\": \"OpenBMC.0.1.FanFailed\",\n\
        data:       \"Severity\": \"Critical\"\n\
        data:     }\n\
        data:   ],\n\
        data:   \"Id\": \"2\",\n\
        data:   \"Name\": \"Event Log\"\n\
        data: }\n\n";
    assert_eq!(next(&mut stream).await.as_deref(), Some(expected));
}

#[tokio::test(start_paused = true)]
async fn lenovo_keeps_a_silent_stream_alive_with_comments() {
    let bmc = bmc(Profile::lenovo());
    let mut stream = open_stream(&bmc).await;
    let opened = bmc.clock();
    assert_eq!(next(&mut stream).await.as_deref(), Some(": stream keep-alive\n\n"));
    assert_eq!((bmc.clock() - opened).num_seconds(), 30);
    bmc.log(Severity::Ok, "x", &[], "y");
    assert!(next(&mut stream).await.unwrap().starts_with("id:1\ndata:{\ndata:    \"@odata"));
}

#[tokio::test(start_paused = true)]
async fn an_event_of_nvidia_names_its_entry() {
    let bmc = bmc(Profile::nvidia());
    let mut stream = open_stream(&bmc).await;
    let logged = bmc.log(Severity::Warning, "x", &[], "y");
    let data = next(&mut stream).await.unwrap();
    let entry = format!("{}/Entries/{}", logged.log.unwrap(), logged.id);
    assert!(data.contains(&format!("\"@odata.id\": \"{entry}\"")), "{data}");
    let (status, body) = get(&bmc, &entry).await;
    assert_eq!((status, &body["MessageArgs"]), (200, &json!([logged.token])));
}

#[tokio::test(start_paused = true)]
async fn a_cut_stream_breaks_and_an_ended_one_ends() {
    let bmc = bmc(Profile::openbmc());
    let (mut cut, uncut) = (open_stream(&bmc).await, open_stream(&bmc).await);
    assert_eq!(bmc.counts().streams_open, 2);
    drop(uncut);
    assert_eq!(bmc.counts().streams_open, 1);
    bmc.cut_streams();
    assert!(cut.frame().await.unwrap().is_err());
    let mut ended = open_stream(&bmc).await;
    bmc.log(Severity::Ok, "x", &[], "y");
    bmc.end_streams();
    assert!(next(&mut ended).await.is_some());
    assert_eq!(next(&mut ended).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_reboot_refuses_for_a_while_and_counts_events_from_one_again() {
    let bmc = bmc(Profile::openbmc());
    let mut stream = open_stream(&bmc).await;
    bmc.log(Severity::Ok, "x", &[], "y");
    bmc.log(Severity::Ok, "x", &[], "y");
    bmc.reboot(Duration::from_secs(10));
    assert!(stream.frame().await.unwrap().is_err());
    assert!(send(&bmc, "GET", "/redfish/v1", "*/*").await.is_err());
    tokio::time::advance(Duration::from_secs(10)).await;
    let mut stream = open_stream(&bmc).await;
    bmc.log(Severity::Ok, "x", &[], "y");
    assert!(next(&mut stream).await.unwrap().starts_with("id: 2\n"));
    assert!(bmc.clock() >= epoch() + Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_leaves_streams_open_and_dead() {
    let bmc = bmc(Profile::lenovo());
    let mut stream = open_stream(&bmc).await;
    bmc.set_reachability(Reachability::BlackHole);
    bmc.log(Severity::Ok, "x", &[], "y");
    let silence = tokio::time::timeout(Duration::from_hours(1), next(&mut stream)).await;
    assert!(silence.is_err());
    let lost = tokio::time::timeout(Duration::from_mins(1), send(&bmc, "GET", "/redfish/v1", "*/*")).await;
    assert!(lost.is_err());
    assert!(bmc.truth().iter().all(|logged| !logged.pushed));
}

#[tokio::test(start_paused = true)]
async fn the_eleventh_stream_of_bmcweb_gets_200_and_the_end_and_the_third_of_dell_503() {
    let openbmc = bmc(Profile::openbmc());
    let mut open = Vec::new();
    for _ in 0..10 {
        open.push(open_stream(&openbmc).await);
    }
    assert_eq!(next(&mut open_stream(&openbmc).await).await, None);
    let dell = bmc(Profile::idrac9());
    let _two = (open_stream(&dell).await, open_stream(&dell).await);
    let third = send(&dell, "GET", "/redfish/v1/SSE", "text/event-stream").await.unwrap();
    assert_eq!(third.status(), 503);
}

#[tokio::test(start_paused = true)]
async fn the_stream_answers_as_the_lever_says() {
    let bmc = bmc(Profile::openbmc());
    let uri = "/redfish/v1/EventService/SSE";
    assert_eq!(send(&bmc, "GET", uri, "*/*").await.unwrap().status(), 404);
    let cases = [
        (StreamBehaviour::NotFound, 404),
        (StreamBehaviour::Status(501), 501),
        (StreamBehaviour::CloseAtOnce, 200),
        (StreamBehaviour::WrongContentType, 200),
    ];
    for (behaviour, status) in cases {
        bmc.set_stream_behaviour(behaviour);
        let response = send(&bmc, "GET", uri, "text/event-stream").await.unwrap();
        assert_eq!(response.status(), status, "{behaviour:?}");
        assert!(response.into_body().collect().await.is_ok());
    }
    bmc.set_stream_behaviour(StreamBehaviour::Serve);
    bmc.set_event_service(EventServiceState::Absent);
    assert_eq!(send(&bmc, "GET", uri, "text/event-stream").await.unwrap().status(), 404);
    assert_eq!(get(&bmc, "/redfish/v1").await.1["EventService"], json!(null));
}

#[tokio::test(start_paused = true)]
async fn what_is_not_pushed_stands_in_the_log_and_what_is_only_pushed_does_not() {
    let bmc = bmc(Profile { push: Push::AllButEach(2), ..Profile::openbmc() });
    let mut stream = open_stream(&bmc).await;
    let first = bmc.log(Severity::Ok, "x", &[], "y");
    let second = bmc.log(Severity::Ok, "x", &[], "y");
    let third = bmc.log_silently(Severity::Ok, "x", &[], "y");
    let fourth = bmc.push_only(Severity::Ok, "x", &[], "y");
    assert!(next(&mut stream).await.unwrap().contains(&first.token));
    assert!(next(&mut stream).await.unwrap().contains(&fourth.token));
    let (_, page) = get(&bmc, "/redfish/v1/Systems/system/LogServices/EventLog/Entries").await;
    let tokens: Vec<_> = page["Members"].as_array().unwrap().iter().map(|e| &e["MessageArgs"][0]).collect();
    assert_eq!(tokens, [&json!(first.token), &json!(second.token), &json!(third.token)]);
    assert_eq!(bmc.truth(), [first, second, third, fourth]);
}

#[tokio::test(start_paused = true)]
async fn a_reader_ten_megabytes_behind_loses_its_stream() {
    let bmc = bmc(Profile::openbmc());
    let mut stream = open_stream(&bmc).await;
    let text = "m".repeat(1 << 20);
    for _ in 0..11 {
        bmc.log(Severity::Ok, "x", &[], &text);
    }
    for _ in 0..9 {
        assert!(next(&mut stream).await.is_some());
    }
    assert!(stream.frame().await.unwrap().is_err());
}
