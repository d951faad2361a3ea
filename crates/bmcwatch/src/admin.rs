//! The admin HTTP server: health, metrics, reload, and the state of endpoints and sinks as JSON.
//!
//! It is bound early, so that its address is known, and served late. Nothing it answers touches a BMC.
//! Not here: TLS and authentication (it is on loopback unless the operator decides otherwise), the records themselves.

mod endpoints;
mod health;
mod landing;
mod problem;
mod reload;
mod server;
mod sinks;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use collect::Board;
use problem::Problem;
use sink::SinkStatus;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub use health::Readiness;
pub use reload::{Reload, ReloadHandle, ReloadOutcome};

use crate::metrics::{Page, PageError};

/// No request to us needs a body, and none is read; this is for the handler that will be the first to read one.
const BODY_BYTES_MAX: usize = 64 << 10;

/// What the handlers read. Cheap to clone.
#[derive(Clone)]
pub struct AdminState {
    /// The metrics page.
    pub page: Page,
    /// The state of endpoints.
    pub board: Board,
    /// The state of sinks.
    pub sinks: Arc<[SinkStatus]>,
    /// Whether the program is ready.
    pub readiness: watch::Receiver<Readiness>,
    /// Where wishes to reload go.
    pub reload: ReloadHandle,
}

/// The listener cannot be bound.
#[derive(Debug, thiserror::Error)]
#[error("listen on {address} for admin requests")]
pub struct BindError {
    /// The address.
    pub address: SocketAddr,
    /// Why.
    #[source]
    pub source: std::io::Error,
}

/// A bound listener; connections wait in the kernel until it is served.
#[derive(Debug)]
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
}

impl Admin {
    /// Binds the address. Port 0 takes a free port.
    pub async fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let fail = |source| BindError { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop`, finishes those that run within a few seconds, and returns.
    pub async fn serve(self, state: AdminState, stop: CancellationToken) {
        server::serve(self.listener, router(state), stop).await;
    }
}

fn router(state: AdminState) -> Router {
    let reload = post(reload::post).put(reload::post);
    Router::new()
        .route("/", get(landing::get))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(health::live))
        .route("/livez", get(health::live))
        .route("/-/ready", get(health::ready))
        .route("/readyz", get(health::ready))
        .route("/-/reload", reload)
        .route("/api/v1/endpoints", get(endpoints::get))
        .route("/api/v1/sinks", get(sinks::get))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
        })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(state)
}

async fn metrics(axum::extract::State(state): axum::extract::State<AdminState>) -> Response {
    match state.page.scrape().await {
        Ok(page) => {
            ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], page).into_response()
        }
        Err(error @ PageError::Busy) => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, error.to_string()).into_response()
        }
        Err(error @ (PageError::Encode(_) | PageError::Task(_))) => {
            tracing::error!(error = %error, cause = ?std::error::Error::source(&error), "the metrics page failed");
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response()
        }
    }
}
