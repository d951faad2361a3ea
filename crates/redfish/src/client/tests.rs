//! A client against a BMC in process: what is asked is recorded, what is answered is a closure.
//!
//! Here are the double and the limits; sessions, logs and streams have files of their own.

mod limits;
mod lives;
mod logs;
mod origins;
mod registries;
mod sessions;
mod streams;

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use model::Secret;
use tower::service_fn;

use super::*;
use crate::{Body, BoxError, HttpService, KnownPage, RequestErrorKind, TransportError};

/// What the BMC was asked.
#[derive(Debug, Clone)]
struct Asked {
    method: String,
    origin: String,
    path: String,
    headers: HeaderMap,
    body: String,
    streaming: bool,
}

impl Asked {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

enum Reply {
    Http(Response<Body>),
    Hang,
    Broken,
}

/// A BMC that answers with a closure.
#[derive(Clone)]
struct Bmc {
    answer: Arc<dyn Fn(&Asked) -> Reply + Send + Sync>,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Bmc {
    fn new(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self { answer: Arc::new(answer), asked: Arc::default() }
    }

    /// Answers these documents by their paths, anything else with 404; a session is given.
    fn serving<const N: usize>(documents: [(&'static str, &'static str); N]) -> Self {
        Self::new(move |asked| match documents.iter().find(|(path, _)| *path == asked.path) {
            Some((_, document)) => json(document),
            None if asked.method == "POST" => session("token"),
            None => status(404),
        })
    }

    fn service(&self, streaming: bool) -> HttpService {
        let bmc = self.clone();
        HttpService::new(service_fn(move |request: Request<Full<Bytes>>| {
            let bmc = bmc.clone();
            async move {
                let asked = record(request, streaming).await;
                bmc.asked.lock().unwrap().push(asked.clone());
                match (bmc.answer)(&asked) {
                    Reply::Http(response) => Ok(response),
                    Reply::Hang => std::future::pending().await,
                    Reply::Broken => Err(TransportError::Exchange("reset".into())),
                }
            }
        }))
    }

    fn lines(&self) -> Vec<String> {
        self.asked.lock().unwrap().iter().map(Asked::line).collect()
    }

    fn last(&self) -> Asked {
        self.asked.lock().unwrap().last().unwrap().clone()
    }

    fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|asked| *asked == line).count()
    }

    fn client(&self, auth: AuthMode) -> Client {
        self.client_with(auth, Trust::System, &[])
    }

    fn client_with(&self, auth: AuthMode, trust: Trust, allowed_origins: &[&str]) -> Client {
        let login = Login { username: "monitor".to_owned(), password: Secret::new("hunter2".to_owned()) };
        let config = ClientConfig {
            address: "https://bmc".parse().unwrap(),
            trust,
            allowed_origins: allowed_origins.iter().map(|origin| origin.parse().unwrap()).collect(),
            auth,
            login: Some(login),
        };
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        Client::new(config, Arc::new(self.clone()), metrics, Clock::system()).unwrap()
    }
}

impl Network for Bmc {
    fn requests(&self, _: &Address, _: &Trust) -> Result<HttpService, TrustError> {
        Ok(self.service(false))
    }

    fn streams(&self, _: &Address, _: &Trust) -> Result<HttpService, TrustError> {
        Ok(self.service(true))
    }

    fn look(&self, _: &Address) -> crate::Looking {
        Box::pin(async { Err(TransportError::Connect("nobody to look at".into())) })
    }
}

async fn record(request: Request<Full<Bytes>>, streaming: bool) -> Asked {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Asked {
        method: parts.method.to_string(),
        origin: format!("{}://{}", parts.uri.scheme_str().unwrap(), parts.uri.authority().unwrap()),
        path: parts.uri.path_and_query().unwrap().to_string(),
        headers: parts.headers,
        body: String::from_utf8(body.to_vec()).unwrap(),
        streaming,
    }
}

fn never(error: Infallible) -> BoxError {
    match error {}
}

fn full(text: &str) -> Body {
    Full::new(Bytes::from(text.to_owned())).map_err(never).boxed_unsync()
}

fn empty() -> Body {
    Empty::new().map_err(never).boxed_unsync()
}

fn json(document: &str) -> Reply {
    typed("application/json; charset=utf-8", document)
}

fn typed(content_type: &str, text: &str) -> Reply {
    Reply::Http(Response::builder().header("content-type", content_type).body(full(text)).unwrap())
}

fn status(status: u16) -> Reply {
    Reply::Http(Response::builder().status(status).body(empty()).unwrap())
}

fn redirect(to: &str) -> Reply {
    Reply::Http(Response::builder().status(308).header("location", to).body(empty()).unwrap())
}

/// As sailfish answers: 200, the body `null`, all in the headers.
fn session(token: &str) -> Reply {
    let response = Response::builder()
        .header("x-auth-token", token)
        .header("location", "/redfish/v1/SessionService/Sessions/7")
        .body(full("null"))
        .unwrap();
    Reply::Http(response)
}

fn log(entries: &str) -> LogService {
    LogService {
        path: "/redfish/v1/Systems/1/LogServices/SEL".to_owned(),
        id: "SEL".to_owned(),
        name: "SEL".to_owned(),
        entries: entries.to_owned(),
        overwrite_policy: None,
        max_records: None,
        enabled: true,
        clock_offset: None,
        latest: None,
        keeping: crate::Keeping::UntilCleared,
        overflows: false,
    }
}

#[tokio::test]
async fn the_root_is_asked_without_credentials_and_with_our_headers() {
    let bmc =
        Bmc::serving([("/redfish/v1/", r#"{"UUID":"u","Systems":{"@odata.id":"/redfish/v1/Systems"}}"#)]);
    let root = bmc.client(AuthMode::Auto).root().await.unwrap();
    assert_eq!(root.systems.as_deref(), Some("/redfish/v1/Systems"));
    let asked = bmc.last();
    assert_eq!(asked.header("accept"), Some("application/json"));
    assert_eq!(asked.header("odata-version"), Some("4.0"));
    assert!(asked.header("user-agent").unwrap().starts_with("bmcwatch/"));
    assert_eq!(asked.header("authorization"), None);
}

#[tokio::test]
async fn a_redirect_to_the_slash_is_followed_and_one_to_another_origin_is_not() {
    let bmc = Bmc::new(|asked| match asked.path.as_str() {
        "/redfish/v1/log" => redirect("https://bmc/redfish/v1/log/"),
        "/redfish/v1/log/" => json(r#"{"Members":[]}"#),
        "/redfish/v1/evil" => redirect("https://evil/redfish/v1/log"),
        _ => redirect(&asked.path),
    });
    let client = bmc.client(AuthMode::Basic);
    client.first_page(&log("/redfish/v1/log")).await.unwrap();
    let error = client.first_page(&log("/redfish/v1/evil")).await.unwrap_err();
    assert!(
        matches!(&error.kind, RequestErrorKind::ForeignOrigin { link } if link == "https://evil/redfish/v1/log")
    );
    let error = client.first_page(&log("/redfish/v1/circle")).await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::Decode(_)), "{error:?}");
    assert_eq!(bmc.count("GET /redfish/v1/circle"), 4);
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_never_answers_meets_the_deadline_of_the_head() {
    let bmc = Bmc::new(|_| Reply::Hang);
    let begun = Instant::now();
    let error = bmc.client(AuthMode::Basic).root().await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::Timeout(RESPONSE_HEAD_DEADLINE)));
    assert_eq!(begun.elapsed(), RESPONSE_HEAD_DEADLINE);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_drips_meets_the_deadline_of_the_body() {
    let bmc = Bmc::new(|_| {
        let drips = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Some((Ok::<_, BoxError>(http_body::Frame::data(Bytes::from_static(b" "))), ()))
        });
        Reply::Http(Response::new(StreamBody::new(drips).boxed_unsync()))
    });
    let begun = Instant::now();
    let error = bmc.client(AuthMode::Basic).root().await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::Timeout(RESPONSE_BODY_DEADLINE)));
    assert_eq!(begun.elapsed(), RESPONSE_BODY_DEADLINE);
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused_announced_or_not() {
    let bmc = Bmc::new(|asked| match asked.path.as_str() {
        "/announced" => {
            let response = Response::builder().header("content-length", "1001").body(empty()).unwrap();
            Reply::Http(response)
        }
        _ => json(&format!("{{\"Members\":[{}]}}", " ".repeat(1000))),
    });
    let mut client = bmc.client(AuthMode::Basic);
    client.limits.body_bytes = 1000;
    for path in ["/announced", "/found-out"] {
        let error = client.first_page(&log(path)).await.unwrap_err();
        assert!(matches!(error.kind, RequestErrorKind::TooLarge { limit: 1000 }), "{error:?}");
    }
}

#[tokio::test]
async fn what_is_no_json_is_named_with_its_first_bytes_cleaned() {
    let bmc = Bmc::new(|asked| match asked.path.as_str() {
        "/login-page" => typed("text/html", "<html>\u{1b}[31mLog in, please"),
        _ => status(500),
    });
    let client = bmc.client(AuthMode::Basic);
    let error = client.first_page(&log("/login-page")).await.unwrap_err();
    let RequestErrorKind::Decode(why) = &error.kind else { panic!("{error:?}") };
    assert!(why.ends_with("text/html: <html> [31mLog in, please"), "{why}");
    let error = client.first_page(&log("/broken?token=secret")).await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::Status { status: 500, message: None, .. }));
    assert_eq!(error.path, "/broken");
}

#[tokio::test]
async fn one_request_is_in_flight_and_the_next_waits() {
    let (gate, wait) = (Arc::new(Semaphore::new(0)), Arc::new(Mutex::new((0_u32, 0_u32))));
    let (inner_gate, inner_wait) = (Arc::clone(&gate), Arc::clone(&wait));
    let service = HttpService::new(service_fn(move |_: Request<Full<Bytes>>| {
        let (gate, wait) = (Arc::clone(&inner_gate), Arc::clone(&inner_wait));
        async move {
            let now = {
                let mut seen = wait.lock().unwrap();
                seen.0 += 1;
                seen.1 = seen.1.max(seen.0);
                seen.0
            };
            gate.acquire().await.unwrap().forget();
            wait.lock().unwrap().0 = now - 1;
            Ok(Response::new(full("{}")))
        }
    }));
    let client = Bmc::new(|_| Reply::Broken).client(AuthMode::None);
    *client.doors() = Some(Doors::of(service));
    gate.add_permits(3);
    let log = log("/log");
    let (a, b, c): (Result<_, _>, Result<_, _>, Result<_, _>) =
        tokio::join!(client.first_page(&log), client.first_page(&log), client.first_page(&log));
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    assert_eq!(wait.lock().unwrap().1, 1);
}

/// The futures of all slots lie in memory at once.
#[tokio::test]
async fn the_futures_of_the_face_are_small() {
    fn size<F: Future>(_: &F) -> usize {
        size_of::<F>()
    }
    let client = Bmc::serving([]).client(AuthMode::None);
    let (root, log) = (ServiceRoot::default(), log("/log"));
    let sizes = [
        size(&client.root()),
        size(&client.open_stream(&root, None)),
        size(&client.log_services(&root)),
        size(&client.first_page(&log)),
        size(&client.log_out()),
    ];
    assert!(sizes.iter().all(|bytes| *bytes <= 128), "{sizes:?}");
}

type _SendFuture<'a> = Pin<Box<dyn Future<Output = Result<ServiceRoot, RequestError>> + Send + 'a>>;

#[test]
fn a_client_is_shared_between_tasks() {
    fn shared<T: Send + Sync>() {}
    fn sent(client: &Client) -> _SendFuture<'_> {
        Box::pin(client.root())
    }
    shared::<Client>();
    drop(sent(&Bmc::serving([]).client(AuthMode::None)));
}
