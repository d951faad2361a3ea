//! Connections: accepted up to a limit, each a task that its owner awaits, each with deadlines, and ended gracefully.
//!
//! Not here: what is answered (`admin`).

use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// Scrapers, probes, a few operators. More wait in the kernel's backlog, so they cannot eat our file descriptors.
const CONNECTIONS_MAX: usize = 64;
/// How long a client may take to send a request's head, also the first one and between two requests.
const HEADER_READ_MAX: Duration = Duration::from_secs(30);
/// How long one connection may live, so that a client that stops reading does not hold its place for ever.
const CONNECTION_LIFE_MAX: Duration = Duration::from_mins(10);
/// How long requests that run may go on after the end has been announced.
const GRACE: Duration = Duration::from_secs(3);
/// Accepting fails when file descriptors are used up; trying at once again would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Serves until `stop`; then waits for requests that run, up to [`GRACE`], and drops the rest.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let full = connections.len() >= CONNECTIONS_MAX;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => note_end(ended),
            accepted = listener.accept(), if !full => match accepted {
                Ok((stream, _)) => { connections.spawn(connection(stream, router.clone(), stop.clone())); }
                Err(error) => {
                    warn!(error = %error, "an admin connection cannot be accepted");
                    tokio::select! {
                        () = stop.cancelled() => break,
                        () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                    }
                }
            },
        }
    }
    drop(listener);
    // Every connection ends itself within its own grace; the set is awaited so that none is left behind.
    while let Some(ended) = connections.join_next().await {
        note_end(ended);
    }
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_READ_MAX);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = stop.cancelled() => None,
        () = tokio::time::sleep(CONNECTION_LIFE_MAX) => None,
    };
    if ended.is_none() {
        connection.as_mut().graceful_shutdown();
        ended = tokio::time::timeout(GRACE, connection).await.ok();
    }
    match ended {
        Some(Ok(())) => {}
        Some(Err(error)) => debug!(error = %error, "an admin connection broke"),
        None => debug!("an admin connection was dropped while a request ran"),
    }
}

/// A handler that panics takes only its own connection with it.
fn note_end(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        warn!(error = %error, "an admin connection panicked");
    }
}
