//! The status page at `/`: a few static files that are part of the program. They ask the API like any other client, and
//! need nothing from elsewhere, so the page works where there is no internet.
//!
//! What BMCs wrote is hostile, and the page shows it: so the browser is told to run no script, to load nothing and to
//! talk to nobody but what comes from here, and to make no markup of text. Not here: what the page shows (its scripts).

use std::sync::LazyLock;

use axum::{
    extract::Path,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};

use super::problem::Problem;

/// Nothing but our own files; no inline script or style, no markup made of text, no page of others around ours.
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
);

const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Everything that the page is made of, by its name under `/page/`.
const FILES: [(&str, &str, &str); 10] = [
    ("style.css", "text/css; charset=utf-8", include_str!("page/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
    ("main.js", SCRIPT, include_str!("page/main.js")),
    ("api.js", SCRIPT, include_str!("page/api.js")),
    ("text.js", SCRIPT, include_str!("page/text.js")),
    ("fleet.js", SCRIPT, include_str!("page/fleet.js")),
    ("rows.js", SCRIPT, include_str!("page/rows.js")),
    ("records.js", SCRIPT, include_str!("page/records.js")),
    ("endpoint.js", SCRIPT, include_str!("page/endpoint.js")),
    ("sinks.js", SCRIPT, include_str!("page/sinks.js")),
];

static PAGE: LazyLock<String> =
    LazyLock::new(|| include_str!("page/index.html").replace("{version}", env!("CARGO_PKG_VERSION")));

/// The page itself.
pub(super) async fn get() -> Response {
    answer("text/html; charset=utf-8", &PAGE)
}

/// A file of the page.
pub(super) async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => answer(kind, text),
        None => Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path").into_response(),
    }
}

fn answer(kind: &'static str, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("same-origin")),
        // Another version of the program has another page.
        (header::CACHE_CONTROL, HeaderValue::from_static("no-cache")),
    ];
    (headers, text).into_response()
}
