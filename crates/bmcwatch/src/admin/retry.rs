//! `POST /api/v1/endpoints/{id}/retry`: forgets that logins of one endpoint were refused and tries it now.
//!
//! Answers what it was doing, not what came of it: a BMC may take a minute to say.

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use collect::RetryError;
use model::EndpointId;
use serde::Serialize;

use super::{AdminState, problem::Problem};

#[derive(Debug, Serialize)]
pub(super) struct Tried {
    id: String,
    /// In which state it was when it was asked for.
    state: &'static str,
}

/// 200, or 404 with a suggestion. A body is not read.
pub(super) async fn post(
    State(state): State<AdminState>,
    id: Result<Path<String>, PathRejection>,
) -> Result<Json<Tried>, Problem> {
    let Path(id) = id.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
    let known =
        EndpointId::try_from(id.as_str()).map_err(|_| Problem::no_such_endpoint(&state.board, &id))?;
    match state.retries.retry(known).await {
        Ok(before) => Ok(Json(Tried { id, state: before.as_str() })),
        Err(RetryError::Unknown) => Err(Problem::no_such_endpoint(&state.board, &id)),
        Err(error @ RetryError::Stopping) => {
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))
        }
    }
}
