//! What went wrong with a request, as JSON: `{"error":"..."}`.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use collect::Board;
use serde::Serialize;

use crate::config::no_such_endpoint;

/// An answer that is not a success.
#[derive(Debug)]
pub(super) struct Problem {
    status: StatusCode,
    error: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.error)
    }
}

#[derive(Serialize)]
struct Body {
    error: String,
}

impl Problem {
    pub(super) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self { status, error: error.into() }
    }

    /// 404, with the id that was meant, if one is near.
    pub(super) fn no_such_endpoint(board: &Board, typed: &str) -> Self {
        let views = board.snapshot();
        let known = views.iter().map(|view| view.endpoint.id.as_str());
        Self::new(StatusCode::NOT_FOUND, no_such_endpoint(typed, known))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        (self.status, Json(Body { error: self.error })).into_response()
    }
}
