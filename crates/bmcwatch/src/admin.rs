//! The admin HTTP server: health, metrics, reload, the state of endpoints and sinks and the records as JSON, a try of
//! one endpoint, the status page.
//!
//! It is bound early, so that its address is known, and served late. No answer waits for a BMC, and nothing is
//! answered, but for probes, that the guard has not passed.

mod browser;
pub(crate) mod certificate;
mod cors;
mod dead_letters;
mod endpoints;
mod events;
mod filter;
mod guard;
mod health;
mod life;
pub(crate) mod login;
mod page;
mod problem;
mod reload;
mod retry;
mod server;
mod sinks;
mod tail;
mod trust;
mod window;

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Extension, Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use certificate::{Certificate, TlsError};
use collect::{Board, RetryHandle};
use cors::Cors;
use guard::Guard;
use journal::Journal;
use model::Clock;
use problem::Problem;
use server::Serving;
use sink::SinkStatus;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::CancellationToken;

pub use health::Readiness;
pub use reload::{Reload, ReloadHandle, ReloadOutcome};

use crate::{
    config::AdminConfig,
    metrics::{Metrics, Page, PageError, Refusals, Tails},
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
    /// Where the records are, and accepted keys are stored.
    pub journal: Journal,
    /// Tells how long ago something was.
    pub clock: Clock,
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
    cors: Arc<Cors>,
    refusals: Refusals,
    tails: Tails,
}

impl Admin {
    /// Binds the address and reads the certificate. Port 0 takes a free port.
    pub async fn bind(config: &AdminConfig, metrics: &Metrics) -> Result<Self, BindError> {
        let failed = |error: TlsError| BindError::Tls(error.into());
        let certificate = config.tls.clone().map(Certificate::load).transpose().map_err(failed)?;
        let address = config.listen;
        let fail = |source| BindError::Listen { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        let address = listener.local_addr().map_err(fail)?;
        let (refusals, tails) = (metrics.refusals(), metrics.tails());
        let cors = Arc::new(Cors::new(&config.cors_origins));
        let guard = Guard::new(config, Arc::clone(&cors), refusals.clone());
        Ok(Self { listener, address, certificate, guard, cors, refusals, tails })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `stop`, finishes those that run within a few seconds, and returns.
    pub async fn serve(self, state: AdminState, stop: CancellationToken) {
        let tls = self.certificate.as_ref().map(Certificate::current);
        let (tail, fanout) = tail::tail(state.journal.clone(), self.tails, self.refusals.clone());
        let mut readiness = state.readiness.clone();
        let router = router(state, Arc::new(self.guard), self.cors).layer(Extension(tail));
        let serving = Serving { router, tls, refusals: self.refusals, stop: stop.clone() };
        let served = server::serve(self.listener, serving);
        // Who follows the records is let go first of all: others may still ask how the end goes on.
        let leave = stop.child_token();
        let begin = async {
            let begun = readiness.wait_for(|readiness| readiness.stopping);
            drop(leave.run_until_cancelled(begun).await);
            leave.cancel();
        };
        let followed = async {
            if let Some(certificate) = self.certificate {
                certificate.follow(stop).await;
            }
        };
        tokio::join!(served, fanout.run(leave.clone()), begin, followed);
    }
}

fn router(state: AdminState, guard: Arc<Guard>, cors: Arc<Cors>) -> Router {
    let reload = post(reload::post).put(reload::post);
    Router::new()
        .route("/", get(page::get))
        .route("/page/{name}", get(page::file))
        .route("/metrics", get(metrics))
        .route("/-/healthy", get(health::live))
        .route("/livez", get(health::live))
        .route("/-/ready", get(health::ready))
        .route("/readyz", get(health::ready))
        .route("/-/reload", reload)
        .route("/api/v1/endpoints", get(endpoints::get))
        .route("/api/v1/endpoints/{id}/retry", post(retry::post))
        .route("/api/v1/endpoints/{id}/trust", post(trust::post))
        .route("/api/v1/events", get(events::get))
        .route("/api/v1/sinks", get(sinks::get))
        .route("/api/v1/sinks/{name}/dead-letters", get(dead_letters::get))
        .route("/api/v1/tail", get(tail::get))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing at this path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
        })
        .layer(middleware::map_response(not_stored))
        .layer(middleware::from_fn_with_state(cors, cors::pass))
        .layer(middleware::from_fn_with_state(guard, guard::pass))
        .with_state(state)
}

/// What is so now is not kept by a browser or a proxy, unless an answer says otherwise.
async fn not_stored(mut response: Response) -> Response {
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn metrics(axum::extract::State(state): axum::extract::State<AdminState>) -> Response {
    match state.page.scrape().await {
        Ok(page) => {
            let text = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
            (text, Body::new(page)).into_response()
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
