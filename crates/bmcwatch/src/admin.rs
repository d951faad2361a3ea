//! The admin HTTP server: health, metrics, reload, the state of endpoints and sinks as JSON, a try of one
//! endpoint.
//!
//! It is bound early, so that its address is known, and served late. No answer waits for a BMC, and nothing is
//! answered, but for probes, that the guard has not passed. Not here: the records themselves.

mod browser;
pub(crate) mod certificate;
mod dead_letters;
mod endpoints;
mod guard;
mod health;
mod landing;
pub(crate) mod login;
mod problem;
mod reload;
mod retry;
mod server;
mod sinks;
mod trust;
mod window;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    http::{StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use certificate::{Certificate, TlsError};
use collect::{Board, RetryHandle};
use guard::Guard;
use journal::Journal;
use problem::Problem;
use server::Serving;
use sink::SinkStatus;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub use health::Readiness;
pub use reload::{Reload, ReloadHandle, ReloadOutcome};

use crate::{
    config::AdminConfig,
    metrics::{Page, PageError, Refusals},
};

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
    /// Where wishes to try one endpoint now go.
    pub retries: RetryHandle,
    /// Where accepted keys are stored.
    pub journal: Journal,
}

/// The listener cannot be bound.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The address is not to be had.
    #[error("listen on {address} for admin requests")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: std::io::Error,
    },
    /// The certificate cannot be used any more since the config was checked.
    #[error("use the files of [admin.tls]")]
    Tls(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// A bound listener; connections wait in the kernel until it is served.
pub struct Admin {
    listener: TcpListener,
    address: SocketAddr,
    certificate: Option<Certificate>,
    guard: Guard,
    refusals: Refusals,
}

impl Admin {
    /// Binds the address and reads the certificate. Port 0 takes a free port.
    pub async fn bind(config: &AdminConfig, refusals: Refusals) -> Result<Self, BindError> {
        let failed = |error: TlsError| BindError::Tls(error.into());
        let certificate = config.tls.clone().map(Certificate::load).transpose().map_err(failed)?;
        let address = config.listen;
        let fail = |source| BindError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let guard = Guard::new(config, refusals.clone());
        Ok(Self { listener, address, certificate, guard, refusals })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop`, finishes those that run within a few seconds, and returns.
    pub async fn serve(self, state: AdminState, stop: CancellationToken) {
        let tls = self.certificate.as_ref().map(Certificate::current);
        let router = router(state, Arc::new(self.guard));
        let serving = Serving { router, tls, refusals: self.refusals, stop: stop.clone() };
        let served = server::serve(self.listener, serving);
        match self.certificate {
            Some(certificate) => {
                tokio::join!(served, certificate.follow(stop));
            }
            None => served.await,
        }
    }
}

fn router(state: AdminState, guard: Arc<Guard>) -> Router {
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
        .route("/api/v1/endpoints/{id}/retry", post(retry::post))
        .route("/api/v1/endpoints/{id}/trust", post(trust::post))
        .route("/api/v1/sinks", get(sinks::get))
        .route("/api/v1/sinks/{name}/dead-letters", get(dead_letters::get))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
        })
        .layer(middleware::from_fn_with_state(guard, guard::pass))
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
