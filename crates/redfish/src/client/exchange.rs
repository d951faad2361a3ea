//! One request and its answer: headers, redirects on the same origin, deadlines, the size limit, the error.

use std::time::Duration;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{
        ACCEPT, AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION, RETRY_AFTER, USER_AGENT,
    },
};
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;

use super::{Client, RequestError, disclosure};
use crate::{
    Body, Operation, Peer, RequestErrorKind, TransportError, TrustError, auth::Proof, connect_budget::within,
    json, origins::LinkError,
};

/// A redirect for the slash and one for the host name happen; more is a loop.
const REDIRECTS_MAX: u32 = 3;
/// A BMC that wants us to stay away longer is asked again after an hour.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// How much of an answer that is no JSON is shown.
const QUOTE_CHARS_MAX: usize = 80;
/// Who we are in the BMC's access log.
const AGENT: HeaderValue = HeaderValue::from_static(concat!("bmcwatch/", env!("CARGO_PKG_VERSION")));
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
const ODATA_VERSION: HeaderName = HeaderName::from_static("odata-version");
pub(super) const X_AUTH_TOKEN: HeaderName = HeaderName::from_static("x-auth-token");

/// A request to be.
pub(super) struct Ask {
    pub(super) operation: Operation,
    pub(super) method: Method,
    /// The place: path and query on this endpoint, or a URL on an allowed origin.
    pub(super) path: String,
    pub(super) accept: HeaderValue,
    /// Beside `Accept` and the like.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Which of the two services carries it.
#[derive(Clone, Copy)]
pub(super) enum Via {
    Requests,
    Stream,
}

/// What becomes of the connection after an answer.
#[derive(Clone, Copy)]
pub(super) enum Afterwards {
    /// It waits for the next request.
    KeepOpen,
    /// It is closed.
    Close,
}

/// The head of an answer, its body still to come.
pub(super) struct Head {
    pub(super) response: Response<Body>,
    /// Where redirects led.
    pub(super) path: String,
    begun: Instant,
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    /// Where redirects led.
    pub(super) path: String,
}

impl Ask {
    pub(super) fn get(operation: Operation, path: String) -> Self {
        let headers = HeaderMap::new();
        Self { operation, method: Method::GET, path, accept: JSON, headers, body: Bytes::new() }
    }

    /// The same request, and what becomes of its connection.
    pub(super) fn and_then(mut self, afterwards: Afterwards) -> Self {
        match afterwards {
            Afterwards::KeepOpen => {}
            Afterwards::Close => drop(self.headers.insert(CONNECTION, HeaderValue::from_static("close"))),
        }
        self
    }

    pub(super) fn error(&self, kind: RequestErrorKind) -> RequestError {
        request_error(self.operation, &self.path, kind)
    }
}

/// An error without the query, which may carry secrets.
pub(super) fn request_error(operation: Operation, path: &str, kind: RequestErrorKind) -> RequestError {
    let path = json::clean(path.split('?').next().unwrap_or_default(), 2 * QUOTE_CHARS_MAX);
    RequestError { operation, path, kind }
}

impl Answer {
    /// The error that a status other than success is.
    pub(super) fn failure(&self, now: DateTime<Utc>) -> RequestErrorKind {
        RequestErrorKind::Status {
            status: self.status.as_u16(),
            message: json::error_message(&self.body).or_else(|| self.quote()),
            retry_after: retry_after(&self.headers, now),
        }
    }

    /// The error that a body is which is not what was asked for.
    pub(super) fn not_json(&self, why: &str) -> RequestErrorKind {
        let quote = self.quote().map(|quote| format!("; {quote}")).unwrap_or_default();
        RequestErrorKind::Decode(format!("{why}{quote}"))
    }

    /// Content type and first bytes of something that is no JSON.
    fn quote(&self) -> Option<String> {
        let content_type = content_type(&self.headers).unwrap_or("no content type");
        if content_type.to_ascii_lowercase().contains("json") || self.body.is_empty() {
            return None;
        }
        let begin = String::from_utf8_lossy(&self.body[..self.body.len().min(2 * QUOTE_CHARS_MAX)]);
        let content_type = json::clean(content_type, QUOTE_CHARS_MAX);
        Some(format!("{content_type}: {}", json::clean(&begin, QUOTE_CHARS_MAX)))
    }
}

impl Client {
    /// Reads one JSON document, with proof of who we are. Waits for its turn.
    pub(super) async fn get(&self, operation: Operation, path: String) -> Result<Answer, RequestError> {
        self.ask(Ask::get(operation, path)).await
    }

    /// Sends a request with proof of who we are and reads its answer. Waits for its turn.
    pub(super) async fn ask(&self, ask: Ask) -> Result<Answer, RequestError> {
        let _turn = self.turn().await;
        let head = self.authorised(Via::Requests, &ask).await?;
        let answer = self.finish(&ask, head).await?;
        self.succeeded(&ask, answer)
    }

    /// Reads one JSON document and takes it apart.
    pub(super) async fn document(
        &self,
        operation: Operation,
        path: String,
    ) -> Result<(Value, String), RequestError> {
        let answer = self.get(operation, path).await?;
        match json::object(&answer.body) {
            Ok(document) => Ok((document, answer.path)),
            Err(why) => Err(request_error(operation, &answer.path, answer.not_json(&why))),
        }
    }

    pub(super) fn succeeded(&self, ask: &Ask, answer: Answer) -> Result<Answer, RequestError> {
        if answer.status.is_success() { Ok(answer) } else { Err(ask.error(answer.failure(self.clock.now()))) }
    }

    /// The path a link leads to.
    pub(super) fn path_of(
        &self,
        operation: Operation,
        base: &str,
        link: &str,
    ) -> Result<String, RequestError> {
        self.resolve(base, link).map_err(|kind| request_error(operation, base, kind))
    }

    /// The same; what is refused is counted.
    pub(super) fn resolve(&self, base: &str, link: &str) -> Result<String, RequestErrorKind> {
        self.origins.resolve(base, link).map_err(|error| {
            self.metrics.link_refused(error);
            match error {
                LinkError::Foreign => foreign(link),
                LinkError::NotALink => {
                    RequestErrorKind::Decode("a link is empty, too long or no URI".to_owned())
                }
                LinkError::Crooked => RequestErrorKind::Decode(
                    "refused to follow a link with \"..\", a backslash or a control character in it"
                        .to_owned(),
                ),
            }
        })
    }

    /// Sends the request and follows redirects, on this origin or an allowed one, with the same method and body.
    pub(super) async fn follow(&self, via: Via, ask: &Ask, proof: &Proof) -> Result<Head, RequestError> {
        let mut path = ask.path.clone();
        for _ in 0..=REDIRECTS_MAX {
            let begun = Instant::now();
            let sent = self.send(via, ask, &path, proof).await;
            let seconds = begun.elapsed().as_secs_f64();
            let response = sent.map_err(|kind| {
                self.metrics.request(ask.operation, None, seconds);
                ask.error(kind)
            })?;
            let location = match response.status().as_u16() {
                301 | 302 | 307 | 308 => response.headers().get(LOCATION),
                _ => None,
            };
            let Some(location) = location else { return Ok(Head { response, path, begun }) };
            self.metrics.request(ask.operation, Some(response.status().as_u16()), seconds);
            let location = String::from_utf8_lossy(location.as_bytes());
            path = self.path_of(ask.operation, &path, &location)?;
        }
        Err(ask.error(RequestErrorKind::Decode(format!("more than {REDIRECTS_MAX} redirects"))))
    }

    async fn send(
        &self,
        via: Via,
        ask: &Ask,
        path: &str,
        proof: &Proof,
    ) -> Result<Response<Body>, RequestErrorKind> {
        let unusable = |error: http::Error| TransportError::Exchange(error.into());
        let Some((origin, uri)) = self.origins.target(path) else {
            return Err(RequestErrorKind::Decode("a link leads nowhere".to_owned()));
        };
        let request = self.request(ask, uri, proof).map_err(unusable)?;
        let service = self.doors().as_ref().map(|doors| doors.service(origin, via));
        let service = service.ok_or_else(|| TransportError::Tls(Box::new(TrustError::NoKeyYet)))?;
        self.afford().await;
        let _in_flight = self.metrics.in_flight();
        let begun = Instant::now();
        let Some(answered) = within(self.limits.head, service.oneshot(request)).await else {
            return Err(RequestErrorKind::Timeout(self.limits.head));
        };
        let response = answered?;
        self.requested.answered(begun.elapsed());
        if let Some(peer) = response.extensions().get::<Peer>().filter(|_| origin == 0) {
            self.note_peer(*peer);
        }
        Ok(response)
    }

    /// Waits until this endpoint may be asked one more thing.
    async fn afford(&self) {
        while let Err(wait) = self.requested.take(Instant::now()) {
            sleep(wait).await;
        }
    }

    fn request(&self, ask: &Ask, uri: Uri, proof: &Proof) -> Result<Request<Full<Bytes>>, http::Error> {
        let mut request = Request::builder().method(ask.method.clone()).uri(uri);
        if let Some(headers) = request.headers_mut() {
            headers.insert(USER_AGENT, AGENT);
            headers.insert(ACCEPT, ask.accept.clone());
            headers.insert(ODATA_VERSION, HeaderValue::from_static("4.0"));
            headers.extend(ask.headers.clone());
            match proof {
                Proof::None => {}
                Proof::Token(token) => drop(headers.insert(X_AUTH_TOKEN, token.clone())),
                Proof::Basic => {
                    let login = self.login().map(|login| disclosure::basic_header(&login));
                    headers.extend(login.map(|login| (AUTHORIZATION, login)));
                }
            }
        }
        request.body(Full::new(ask.body.clone()))
    }

    /// Reads the body. That of a refusal may break off (T36) without hiding the refusal.
    pub(super) async fn finish(&self, ask: &Ask, head: Head) -> Result<Answer, RequestError> {
        let (parts, body) = head.response.into_parts();
        let begun = head.begun;
        let collected = match self.collect(&parts.headers, body).await {
            Err(_) if !parts.status.is_success() => Ok(Bytes::new()),
            collected => collected,
        };
        let counted = collected.is_ok().then_some(parts.status.as_u16());
        self.metrics.request(ask.operation, counted, begun.elapsed().as_secs_f64());
        let body = collected.map_err(|kind| ask.error(kind))?;
        Ok(Answer { status: parts.status, headers: parts.headers, body, path: head.path })
    }

    /// Counts an answer of which only the head is wanted.
    pub(super) fn count_head(&self, ask: &Ask, head: &Head) {
        let status = head.response.status().as_u16();
        self.metrics.request(ask.operation, Some(status), head.begun.elapsed().as_secs_f64());
    }

    async fn collect(&self, headers: &HeaderMap, body: Body) -> Result<Bytes, RequestErrorKind> {
        let limit = self.limits.body_bytes;
        let announced =
            headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(RequestErrorKind::TooLarge { limit });
        }
        let _in_flight = self.metrics.in_flight();
        match timeout(self.limits.body, read_whole(body, limit)).await {
            Ok(read) => read,
            Err(_) => Err(RequestErrorKind::Timeout(self.limits.body)),
        }
    }
}

/// All data of a body. (`http_body_util::Limited` makes futures that are not `Send` in the compiler's eyes.)
async fn read_whole(mut body: Body, limit: usize) -> Result<Bytes, RequestErrorKind> {
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(TransportError::Exchange)?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(RequestErrorKind::TooLarge { limit });
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.into())
}

fn foreign(link: &str) -> RequestErrorKind {
    // A user name in it could be ours.
    let shown = link.split(['?', '#']).next().unwrap_or_default();
    let shown = if shown.contains('@') { "a link with a user name" } else { shown };
    RequestErrorKind::ForeignOrigin { link: json::clean(shown, QUOTE_CHARS_MAX) }
}

pub(super) fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())
}

fn retry_after(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().ok()?,
    };
    Some(wait.min(RETRY_AFTER_MAX))
}
