//! `POST /api/v1/endpoints/ID/trust`: accepts the key that an endpoint with `trust = "tofu"` shows and that is refused.
//!
//! It accepts what was shown and told, not what is shown when the request comes. Not here: learning and storing keys.

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use collect::TrustKeyError;
use model::EndpointId;
use serde::Serialize;

use super::{AdminState, problem::Problem};
use crate::logging::Chain;

/// What is trusted from now on.
#[derive(Debug, Serialize)]
pub(super) struct Trusted {
    /// As it would stand in the configuration: `pin:sha256/...`.
    trusted: String,
}

/// 200 with the key; 404 without such an endpoint; 409 when no key of it is refused; 503 when it cannot be stored.
pub(super) async fn post(
    State(state): State<AdminState>,
    Path(id): Path<String>,
) -> Result<Json<Trusted>, Problem> {
    let wrong = |error: model::EndpointIdError| Problem::new(StatusCode::NOT_FOUND, error.to_string());
    let id = EndpointId::try_from(id).map_err(wrong)?;
    match state.board.trust_refused_key(&state.journal, &id).await {
        Ok(trust) => Ok(Json(Trusted { trusted: trust.to_string() })),
        Err(error) => {
            let status = match &error {
                TrustKeyError::NoSuchEndpoint(_) => StatusCode::NOT_FOUND,
                TrustKeyError::NothingRefused(_) => StatusCode::CONFLICT,
                TrustKeyError::Append(_) => StatusCode::SERVICE_UNAVAILABLE,
            };
            Err(Problem::new(status, Chain(&error).to_string()))
        }
    }
}
