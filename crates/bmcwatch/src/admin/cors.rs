//! Which web pages of other origins may read our answers: those that `admin.cors_origins` names, and only `/api/v1/`.
//!
//! It never lets a page change something: that is refused before (`guard`). A named origin may use the login that the
//! browser remembers; "*" lets every page read what a listener without a login tells everybody.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};

/// What may be read.
const PATHS: &str = "/api/v1/";
/// How long a browser may remember the answer to its question, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");
/// What a request for reading may carry.
const REQUEST_HEADERS: HeaderValue = HeaderValue::from_static("authorization, last-event-id");

/// Origins that may read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cors(Vec<String>);

impl Cors {
    /// These, in small letters; `*` stands for all.
    pub(super) fn new(origins: &[String]) -> Self {
        Self(origins.to_vec())
    }

    /// Whether a browser asks whether a page of its may ask; then it may.
    pub(super) fn is_granted_preflight(&self, head: &Parts) -> bool {
        let reads = head.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD);
        head.method == Method::OPTIONS
            && reads.is_some_and(|method| method == "GET")
            && !self.grant(head.uri.path(), &head.headers).is_empty()
    }

    /// The headers that let the page read the answer; none where it may not.
    fn grant(&self, path: &str, headers: &HeaderMap) -> HeaderMap {
        let mut grant = HeaderMap::new();
        let Some(origin) = headers.get(header::ORIGIN) else { return grant };
        if !path.starts_with(PATHS) {
            return grant;
        }
        let named = origin.to_str().is_ok_and(|text| self.0.contains(&text.to_ascii_lowercase()));
        if named {
            grant.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            grant.insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        } else if self.0.iter().any(|any| any == "*") {
            grant.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        }
        grant
    }
}

/// Answers what a browser asks beforehand, and marks what a page may read.
pub(super) async fn pass(State(cors): State<Arc<Cors>>, request: Request, next: Next) -> Response {
    let (head, body) = request.into_parts();
    let grant = cors.grant(head.uri.path(), &head.headers);
    let mut answer = if cors.is_granted_preflight(&head) {
        let more = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET")),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, MAX_AGE),
        ];
        (StatusCode::NO_CONTENT, more).into_response()
    } else {
        next.run(Request::from_parts(head, body)).await
    };
    if !cors.0.is_empty() {
        // What is answered depends on who asks: caches must know it.
        answer.headers_mut().append(header::VARY, HeaderValue::from_static("origin"));
    }
    answer.headers_mut().extend(grant);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(origins: &[&str], path: &str, origin: &'static str) -> Option<(String, bool)> {
        let cors = Cors::new(&origins.iter().map(|&origin| origin.to_owned()).collect::<Vec<_>>());
        let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
        let grant = cors.grant(path, &headers);
        let text = grant.get(header::ACCESS_CONTROL_ALLOW_ORIGIN)?.to_str().unwrap().to_owned();
        Some((text, grant.contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS)))
    }

    #[test]
    fn a_named_origin_reads_with_its_login_and_any_other_without_or_not_at_all() {
        let dash = "https://dash.example";
        for (origins, path, origin, expected) in [
            (&[][..], "/api/v1/events", dash, None),
            (&[dash], "/api/v1/events", dash, Some((dash, true))),
            (&[dash], "/api/v1/events", "https://DASH.example", Some(("https://DASH.example", true))),
            (&[dash], "/api/v1/events", "https://dash.example:8443", None),
            (&[dash], "/api/v1/events", "http://dash.example", None),
            (&[dash], "/api/v1/events", "null", None),
            (&[dash], "/metrics", dash, None),
            (&[dash], "/-/reload", dash, None),
            (&["*"], "/api/v1/tail", "https://other.example", Some(("*", false))),
            (&["*", dash], "/api/v1/tail", dash, Some((dash, true))),
        ] {
            let expected = expected.map(|(text, login): (&str, bool)| (text.to_owned(), login));
            assert_eq!(allowed(origins, path, origin), expected, "{origins:?} {path} {origin}");
        }
    }
}
