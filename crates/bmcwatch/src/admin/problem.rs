//! What went wrong with a request, as JSON: `{"error":"..."}`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde::Serialize;

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
}

#[derive(Serialize)]
struct Body {
    error: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(Body { error: self.error })).into_response()
    }
}
