//! Opening the event stream: the right request, and what each refusal means.

use super::*;
use crate::NotAvailable;

const SERVICE: &str = r#"{"ServiceEnabled":true,"ServerSentEventUri":"/redfish/v1/EventService/SSE"}"#;

fn root() -> ServiceRoot {
    ServiceRoot { event_service: Some("/redfish/v1/EventService".to_owned()), ..ServiceRoot::default() }
}

/// A BMC whose EventService is `service` and whose stream is answered by `stream`.
fn bmc(service: &'static str, stream: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Bmc {
    Bmc::new(move |asked| match asked.path.as_str() {
        "/redfish/v1/EventService" => json(service),
        _ if asked.method == "POST" => session("t"),
        _ if asked.streaming => stream(asked),
        _ => status(404),
    })
}

async fn refusal(bmc: &Bmc) -> OpenStreamError {
    match bmc.client(AuthMode::None).open_stream(&root(), None).await {
        Ok(_) => panic!("the stream was opened"),
        Err(error) => error,
    }
}

#[tokio::test]
async fn a_stream_is_asked_for_with_its_own_headers_on_its_own_connection() {
    let bmc = bmc(SERVICE, |_| typed("Text/Event-Stream;charset=UTF-8", ": hello\n\n"));
    let client = bmc.client(AuthMode::Auto);
    let _stream = client.open_stream(&root(), Some("17")).await.unwrap();
    let asked = bmc.last();
    assert!(asked.streaming);
    for (name, value) in [
        ("accept", "text/event-stream"),
        ("cache-control", "no-cache"),
        ("last-event-id", "17"),
        ("x-auth-token", "t"),
    ] {
        assert_eq!(asked.header(name), Some(value), "{name}");
    }
    // The open stream keeps nobody waiting.
    client.open_stream(&root(), Some("bad\nid")).await.unwrap();
    assert_eq!(bmc.last().header("last-event-id"), None);
    let others =
        bmc.asked.lock().unwrap().iter().filter(|asked| !asked.streaming).cloned().collect::<Vec<_>>();
    assert!(others.iter().all(|asked| asked.header("accept") == Some("application/json")));
}

#[tokio::test]
async fn what_is_permanent_is_told_from_what_passes() {
    let signals = [
        (403, Some(NotAvailable::Forbidden)),
        (404, Some(NotAvailable::Status(404))),
        (405, Some(NotAvailable::Status(405))),
        (406, Some(NotAvailable::Status(406))),
        (501, Some(NotAvailable::Status(501))),
        (400, None),
        (429, None),
        (500, None),
        (503, None),
    ];
    for (answer, expected) in signals {
        match (refusal(&bmc(SERVICE, move |_| status(answer))).await, expected) {
            (OpenStreamError::NotAvailable(why), Some(expected)) => assert_eq!(why, expected),
            (OpenStreamError::Failed(error), None) => {
                assert!(matches!(error.kind, RequestErrorKind::Status { status, .. } if status == answer));
            }
            (error, _) => panic!("{answer}: {error:?}"),
        }
    }
}

#[tokio::test]
async fn the_event_service_says_when_there_is_no_stream() {
    for (service, expected) in [
        (r#"{"ServiceEnabled":true}"#, NotAvailable::NoUri),
        (r#"{"ServerSentEventUri":""}"#, NotAvailable::NoUri),
        (r#"{"ServerSentEventUri":null}"#, NotAvailable::NoUri),
        (r#"{"ServiceEnabled":false,"ServerSentEventUri":"/sse"}"#, NotAvailable::Disabled),
    ] {
        let error = refusal(&bmc(service, |_| status(500))).await;
        assert!(
            matches!(error, OpenStreamError::NotAvailable(why) if why == expected),
            "{service}: {error:?}"
        );
    }
    let error = refusal(&Bmc::new(|_| status(404))).await;
    assert!(matches!(error, OpenStreamError::NotAvailable(NotAvailable::NoEventService)));
    let client = Bmc::new(|_| status(500)).client(AuthMode::None);
    let error = client.open_stream(&ServiceRoot::default(), None).await.err().unwrap();
    assert!(matches!(error, OpenStreamError::NotAvailable(NotAvailable::NoEventService)));
}

#[tokio::test]
async fn a_stream_of_another_type_or_origin_is_a_failure() {
    for content_type in ["text/html", "application/json", "text/event-stream2"] {
        let error = refusal(&bmc(SERVICE, move |_| typed(content_type, "{}"))).await;
        assert!(
            matches!(&error, OpenStreamError::Failed(error) if matches!(error.kind, RequestErrorKind::Decode(_)))
        );
    }
    for bmc in [
        bmc(r#"{"ServerSentEventUri":"https://bmc:9090/sse"}"#, |_| status(500)),
        bmc(SERVICE, |_| redirect("https://bmc:9090/sse")),
    ] {
        let error = refusal(&bmc).await;
        let foreign = |error: &RequestError| matches!(error.kind, RequestErrorKind::ForeignOrigin { .. });
        assert!(matches!(&error, OpenStreamError::Failed(error) if foreign(error)), "{error:?}");
    }
}

#[tokio::test]
async fn a_stream_whose_token_expired_gets_one_new_login() {
    let refused = std::sync::atomic::AtomicBool::new(false);
    let bmc = bmc(SERVICE, move |_| {
        if refused.swap(true, std::sync::atomic::Ordering::Relaxed) {
            typed("text/event-stream", "")
        } else {
            status(401)
        }
    });
    let client = bmc.client(AuthMode::Session);
    client.open_stream(&root(), None).await.unwrap();
    assert_eq!(bmc.lines().iter().filter(|line| line.starts_with("POST")).count(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_sends_no_head_meets_the_deadline() {
    let error = refusal(&bmc(SERVICE, |_| Reply::Hang)).await;
    assert!(
        matches!(&error, OpenStreamError::Failed(error) if matches!(error.kind, RequestErrorKind::Timeout(_)))
    );
}
