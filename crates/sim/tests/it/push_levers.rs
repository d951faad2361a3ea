//! The levers on what goes over open streams: raw bytes, batches, what comes again, whole logs in one frame.

use serde_json::{Value, json};
use sim::{Burst, Happening, Profile, ResendIds, Severity};

use crate::support::{bmc, event, fill, next, open_stream};

fn happening(message: &str) -> Happening<'_> {
    Happening { severity: Severity::Warning, message_id: "x.1.0.y", args: &[], message }
}

fn event_ids(event: &Value) -> Vec<Value> {
    event["Events"].as_array().unwrap().iter().map(|record| record["EventId"].clone()).collect()
}

fn texts(event: &Value) -> Vec<Value> {
    event["Events"].as_array().unwrap().iter().map(|record| record["Message"].clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn raw_bytes_come_as_they_are() {
    let bmc = bmc(Profile::openbmc());
    let mut stream = open_stream(&bmc).await;
    bmc.push_raw("retry: 5000\r\n");
    bmc.push_raw(b"event: message\n");
    assert_eq!(next(&mut stream).await.unwrap(), "retry: 5000\r\n");
    assert_eq!(next(&mut stream).await.unwrap(), "event: message\n");
}

#[tokio::test(start_paused = true)]
async fn a_batch_is_one_frame_whose_id_is_one_above_the_last_on_bmcweb() {
    let bmc = bmc(Profile::openbmc());
    let mut stream = open_stream(&bmc).await;
    let pushed = bmc.push_batch(&[happening("a"), happening("b"), happening("c")]);
    let logged = bmc.log_batch(0, &[happening("d"), happening("e")]);
    let (first, second) =
        (event(&next(&mut stream).await.unwrap()), event(&next(&mut stream).await.unwrap()));
    assert_eq!(
        (first["Id"].clone(), event_ids(&first)),
        (json!("4"), vec![json!("1"), json!("2"), json!("3")])
    );
    assert_eq!((second["Id"].clone(), event_ids(&second)), (json!("6"), vec![json!("4"), json!("5")]));
    assert!(pushed.iter().all(|event| event.pushed && event.log.is_none()));
    assert!(logged.iter().all(|event| event.pushed && event.log.is_some()));
    assert_eq!((bmc.log_holds(0), bmc.truth().len()), (logged, 5));
}

#[tokio::test(start_paused = true)]
async fn events_come_again_under_the_same_ids_or_new_ones() {
    let bmc = bmc(Profile::nvidia());
    let mut stream = open_stream(&bmc).await;
    let logged = bmc.log(Severity::Critical, "x.1.0.y", &[], "fan");
    let silent = bmc.log_silently(Severity::Critical, "x.1.0.y", &[], "pump");
    let first = next(&mut stream).await.unwrap();
    bmc.resend_event(&logged.token, ResendIds::SameIds);
    assert_eq!(next(&mut stream).await.unwrap(), first);
    bmc.resend_event(&logged.token, ResendIds::NewIds);
    let again = event(&next(&mut stream).await.unwrap());
    assert_eq!((event_ids(&again), texts(&again)), (vec![json!("2")], texts(&event(&first))));
    bmc.resend_event("nobody", ResendIds::NewIds);
    bmc.resend_event(&silent.token, ResendIds::SameIds);
    assert_eq!(event_ids(&event(&next(&mut stream).await.unwrap())), [json!("3")]);
    assert_eq!(bmc.truth().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_whole_log_comes_as_one_event_with_new_ids() {
    let bmc = bmc(Profile::openbmc());
    fill(&bmc, 3);
    let mut stream = open_stream(&bmc).await;
    bmc.resend_log(0);
    let burst = event(&next(&mut stream).await.unwrap());
    let told: Vec<Value> = bmc.truth().iter().map(|logged| json!(logged.message)).collect();
    assert_eq!((event_ids(&burst), texts(&burst)), (vec![json!("4"), json!("5"), json!("6")], told));
}

#[tokio::test(start_paused = true)]
async fn the_first_line_after_a_start_or_a_clear_sends_the_log_to_the_first_stream_only() {
    let bmc = bmc(Profile { burst: Burst::FirstLine, ..Profile::openbmc() });
    fill(&bmc, 2);
    let (mut first, mut second) = (open_stream(&bmc).await, open_stream(&bmc).await);
    let mut sizes = Vec::new();
    let mut read = async || {
        let both = [next(&mut first).await.unwrap(), next(&mut second).await.unwrap()];
        sizes.push(both.map(|frame| event_ids(&event(&frame)).len()));
    };
    fill(&bmc, 1);
    read().await;
    fill(&bmc, 1);
    read().await;
    bmc.clear_log();
    fill(&bmc, 1);
    read().await;
    fill(&bmc, 1);
    bmc.rotate_log(0);
    read().await;
    fill(&bmc, 1);
    read().await;
    assert_eq!(sizes, [[3, 1], [1, 1], [1, 1], [1, 1], [2, 1]]);
}

#[tokio::test(start_paused = true)]
async fn an_event_is_sent_as_edited() {
    let bmc = bmc(Profile::openbmc());
    let mut stream = open_stream(&bmc).await;
    bmc.edit_events(|event| event["Events"][0]["EventGroupId"] = json!(12));
    fill(&bmc, 1);
    assert_eq!(event(&next(&mut stream).await.unwrap())["Events"][0]["EventGroupId"], 12);
}

#[tokio::test(start_paused = true)]
async fn leaked_streams_take_places() {
    let bmc = bmc(Profile::idrac9());
    bmc.leak_streams(2);
    let refused = crate::support::send(&bmc, "GET", "/redfish/v1/SSE", "text/event-stream").await.unwrap();
    assert_eq!(refused.status(), 503);
    bmc.leak_streams(0);
    open_stream(&bmc).await;
}
