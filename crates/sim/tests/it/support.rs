//! What the tests of the simulator share: a BMC at a fixed time and a client in process. It checks nothing.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use sim::{Bmc, BmcConfig, Body, Profile, Refused, Severity};

pub(crate) fn epoch() -> DateTime<Utc> {
    "2026-11-20T14:00:00.250Z".parse().expect("the constant is a time")
}

pub(crate) fn config(profile: Profile) -> BmcConfig {
    BmcConfig { name: "r01-u01".to_owned(), seed: 7, profile, epoch: epoch() }
}

pub(crate) fn bmc(profile: Profile) -> Arc<Bmc> {
    Bmc::new(config(profile))
}

/// Sends one request as the profile's user, with Basic.
pub(crate) async fn send(
    bmc: &Arc<Bmc>,
    method: &str,
    uri: &str,
    accept: &str,
) -> Result<Response<Body>, Refused> {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let profile = &bmc.config().profile;
    let basic = STANDARD.encode(format!("{}:{}", profile.username, profile.password));
    let request = Request::builder()
        .method(method)
        .uri(uri)
        .header("accept", accept)
        .header("authorization", format!("Basic {basic}"))
        .body(Full::<Bytes>::default())
        .expect("the parts are valid");
    bmc.handle(request).await
}

/// Status and JSON of a GET.
pub(crate) async fn get(bmc: &Arc<Bmc>, uri: &str) -> (u16, Value) {
    let response = send(bmc, "GET", uri, "application/json").await.expect("the BMC is up");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("the body is whole").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

/// Opens the stream and gives its body.
pub(crate) async fn open_stream(bmc: &Arc<Bmc>) -> Body {
    let uri = bmc.config().profile.sse_uri.expect("the profile has a stream");
    let response = send(bmc, "GET", uri, "text/event-stream").await.expect("the BMC is up");
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    response.into_body()
}

/// The next bytes of a stream, as text; `None` at an orderly end.
pub(crate) async fn next(body: &mut Body) -> Option<String> {
    let frame = body.frame().await?.expect("the stream is whole");
    let bytes = frame.into_data().expect("a stream has no trailers");
    Some(String::from_utf8(bytes.to_vec()).expect("a stream is UTF-8"))
}

/// Logs some entries that nobody cares about.
pub(crate) fn fill(bmc: &Bmc, count: usize) {
    for _ in 0..count {
        bmc.log(Severity::Ok, "x", &[], "y");
    }
}

/// The ids on a page, in its order.
pub(crate) fn ids(page: &Value) -> Vec<String> {
    let members = page["Members"].as_array().expect("a page has members");
    members.iter().map(|entry| entry["Id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// The texts on a page, in its order.
pub(crate) fn texts(page: &Value) -> Vec<Value> {
    let members = page["Members"].as_array().expect("a page has members");
    members.iter().map(|entry| entry["Message"].clone()).collect()
}

/// The JSON of a frame.
pub(crate) fn event(frame: &str) -> Value {
    let data: String = frame.lines().filter_map(|line| line.strip_prefix("data:")).collect();
    serde_json::from_str(&data).expect("the lines of data are JSON together")
}
