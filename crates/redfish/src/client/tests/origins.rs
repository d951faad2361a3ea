//! Where requests go and what they carry: other origins, and keys that nobody has believed yet.

use super::*;

const EVIL: &str = "https://evil";

fn with_location(location: &'static str) -> Reply {
    let response = Response::builder().status(307).header("location", location).body(full(""));
    Reply::Http(response.unwrap())
}

/// A BMC each of whose documents leads to another origin.
fn astray() -> Bmc {
    Bmc::new(|asked| match asked.path.as_str() {
        "/redfish/v1/" => json(r#"{"Links":{"Sessions":{"@odata.id":"/sessions"}}}"#),
        "/sessions" => session("token"),
        "/redirect" => with_location("https://evil/redfish/v1/"),
        "/next" => json(r#"{"Members":[],"Members@odata.nextLink":"https://evil/next"}"#),
        "/members" => json(r#"{"Members":[{"@odata.id":"https://evil/1"},{"@odata.id":"/../1"}]}"#),
        "/es" => json(r#"{"ServerSentEventUri":"https://evil/sse"}"#),
        _ => status(404),
    })
}

#[tokio::test]
async fn nothing_leads_a_request_to_another_origin_and_what_tried_is_counted() {
    let bmc = astray();
    let registry = prometheus::Registry::new();
    let mut client = bmc.client(AuthMode::Auto);
    client.metrics = Metrics::register(&registry).unwrap();
    let is_foreign = |kind: &RequestErrorKind| matches!(kind, RequestErrorKind::ForeignOrigin { link } if link.starts_with(EVIL));
    for path in ["/redirect", "/next"] {
        let error = client.first_page(&log(path)).await.unwrap_err();
        assert!(is_foreign(&error.kind), "{path}: {error:?}");
    }
    assert_eq!(client.first_page(&log("/members")).await.unwrap().rejected, 2);
    let root = ServiceRoot { event_service: Some("/es".to_owned()), ..ServiceRoot::default() };
    let Err(OpenStreamError::Failed(error)) = client.open_stream(&root, None).await else { panic!() };
    assert!(is_foreign(&error.kind), "{error:?}");
    let root = ServiceRoot { event_service: Some("https://evil/es".to_owned()), ..ServiceRoot::default() };
    let Err(OpenStreamError::Failed(error)) = client.open_stream(&root, None).await else { panic!() };
    assert!(is_foreign(&error.kind), "{error:?}");
    let origins: Vec<String> = bmc.asked.lock().unwrap().iter().map(|asked| asked.origin.clone()).collect();
    assert!(origins.iter().all(|origin| origin == "https://bmc"), "{origins:?}");
    let page = prometheus::TextEncoder::new().encode_to_string(&registry.gather()).unwrap();
    assert!(page.contains("links_refused_total{reason=\"foreign_origin\"} 5"), "{page}");
    assert!(page.contains("links_refused_total{reason=\"crooked\"} 1"), "{page}");
}

#[tokio::test]
async fn an_allowed_origin_is_asked_with_credentials_and_no_other() {
    let bmc = Bmc::new(|asked| match (asked.origin.as_str(), asked.path.as_str()) {
        ("https://bmc", "/redfish/v1/") => json(r#"{"Links":{"Sessions":{"@odata.id":"/sessions"}}}"#),
        ("https://bmc", "/sessions") => session("token"),
        ("https://bmc", "/es") => json(r#"{"ServerSentEventUri":"https://bmc:9090/sse"}"#),
        ("https://bmc:9090", "/sse") => typed("text/event-stream", ": hello\n\n"),
        ("https://bmc", "/log") => with_location("https://bmc:9090/log"),
        ("https://bmc:9090", "/log") => {
            json(r#"{"Members":[],"Members@odata.nextLink":"https://bmc:9091/x"}"#)
        }
        _ => status(404),
    });
    let client = bmc.client_with(AuthMode::Auto, Trust::System, &["https://bmc:9090"]);
    let root = ServiceRoot { event_service: Some("/es".to_owned()), ..ServiceRoot::default() };
    client.open_stream(&root, None).await.unwrap();
    let last = bmc.last();
    assert_eq!((last.origin.as_str(), last.streaming), ("https://bmc:9090", true));
    assert_eq!(last.header("x-auth-token"), Some("token"));
    let error = client.first_page(&log("/log")).await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::ForeignOrigin { .. }), "{error:?}");
    let strangers = bmc.asked.lock().unwrap().iter().filter(|asked| asked.origin.ends_with("9091")).count();
    assert_eq!(strangers, 0);
}

#[tokio::test]
async fn under_tofu_nothing_is_sent_before_a_key_is_believed() {
    let bmc = astray();
    let client = bmc.client_with(AuthMode::Auto, Trust::Tofu, &[]);
    assert!(client.learns_key());
    let error = client.root().await.unwrap_err();
    let RequestErrorKind::Transport(TransportError::Tls(cause)) = &error.kind else { panic!("{error:?}") };
    assert_eq!(cause.to_string(), "trust \"tofu\" has learned no key yet");
    client.log_out().await;
    assert!(bmc.lines().is_empty());
    client.believe([7; 32]).unwrap();
    assert_eq!(client.believes(), Some([7; 32]));
    client.root().await.unwrap();
}
