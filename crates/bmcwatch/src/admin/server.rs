//! Connections: accepted up to a limit, each a task that its owner awaits, each with deadlines, and ended gracefully.
//!
//! Nobody holds a place for long without asking something: a handshake, a head and a whole connection have their time,
//! and one client has at most half of the places. Not here: what is answered (`admin`) and to whom (`guard`).

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{Request, body::Incoming, server::conn::http1};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    task::{Id, JoinError, JoinSet},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::{guard::Peer, life::Life, window::Client};
use crate::metrics::{Refusals, Refused};

/// Scrapers, probes, a few operators; who follows the records has a seat there (`tail`). More wait in the kernel's backlog, so they cannot eat our file descriptors.
const CONNECTIONS_MAX: usize = 64;
/// Of one client. A proxy or the machine itself needs many; the others must find a place even if it is ill-disposed.
const CONNECTIONS_OF_CLIENT_MAX: usize = CONNECTIONS_MAX / 2;
/// How long a TLS handshake may take: two round trips, also on a bad line.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// How long a client may take to send a request's head, also the first one and between two requests.
const HEADER_READ_MAX: Duration = Duration::from_secs(30);
/// What a request's head may have: more than any browser sends, less than would be felt.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How many headers it may have.
const HEADERS_MAX: usize = 64;
/// How long one connection may live, so that a client that stops reading does not hold its place for long. Who is there
/// for good opens another one.
const CONNECTION_LIFE_MAX: Duration = Duration::from_mins(2);
/// How long requests that run may go on after the end has been announced.
const GRACE: Duration = Duration::from_secs(3);
/// Accepting fails when file descriptors are used up; trying at once again would only burn time.
const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// What every connection needs.
#[derive(Clone)]
pub(super) struct Serving {
    pub(super) router: Router,
    /// What to shake hands with; `None` without TLS.
    pub(super) tls: Option<watch::Receiver<Arc<ServerConfig>>>,
    pub(super) refusals: Refusals,
    pub(super) stop: CancellationToken,
}

/// Serves until `stop`; then waits for requests that run, up to [`GRACE`], and drops the rest.
pub(super) async fn serve(listener: TcpListener, serving: Serving) {
    let stop = serving.stop.clone();
    let mut places = Places::default();
    loop {
        let full = places.taken(|_| true) >= CONNECTIONS_MAX;
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = places.freed.notified(), if full => {}
            Some(ended) = places.connections.join_next_with_id() => places.note_end(ended),
            accepted = listener.accept(), if !full => match accepted {
                Ok((stream, address)) => places.take(stream, address, &serving),
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
    while let Some(ended) = places.connections.join_next_with_id().await {
        places.note_end(ended);
    }
}

/// The open connections, and whose they are.
#[derive(Default)]
struct Places {
    connections: JoinSet<()>,
    clients: BTreeMap<Id, (Client, Life)>,
    /// Told when a connection becomes long and leaves its place to another.
    freed: Arc<Notify>,
}

impl Places {
    fn take(&mut self, stream: TcpStream, address: SocketAddr, serving: &Serving) {
        let client = Client::from(address.ip());
        if self.taken(|other| other == client) >= CONNECTIONS_OF_CLIENT_MAX {
            serving.refusals.count(Refused::Connections);
            debug!(client = %address, "an admin connection is refused: this client has too many");
            return;
        }
        let life = Life::new(Arc::clone(&self.freed));
        let task = self.connections.spawn(connection(stream, address, serving.clone(), life.clone()));
        self.clients.insert(task.id(), (client, life));
    }

    /// Places that such clients take.
    fn taken(&self, such: impl Fn(Client) -> bool) -> usize {
        self.clients.values().filter(|(client, life)| such(*client) && !life.is_long()).count()
    }

    /// A handler that panics takes only its own connection with it.
    fn note_end(&mut self, ended: Result<(Id, ()), JoinError>) {
        let id = match &ended {
            Ok((id, ())) => *id,
            Err(error) => error.id(),
        };
        self.clients.remove(&id);
        if let Err(error) = ended {
            warn!(error = %error, "an admin connection panicked");
        }
    }
}

async fn connection(stream: TcpStream, address: SocketAddr, serving: Serving, life: Life) {
    let peer = Peer { address, certified: false };
    let Some(tls) = &serving.tls else { return http(stream, peer, serving, life).await };
    let acceptor = TlsAcceptor::from(Arc::clone(&tls.borrow()));
    let shaken = tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream));
    let why = match serving.stop.run_until_cancelled(shaken).await {
        None => return,
        Some(Ok(Ok(stream))) => {
            let certified = stream.get_ref().1.peer_certificates().is_some_and(|chain| !chain.is_empty());
            return http(stream, Peer { certified, ..peer }, serving, life).await;
        }
        Some(Ok(Err(error))) => error.to_string(),
        Some(Err(_)) => "it took too long".to_owned(),
    };
    serving.refusals.count(Refused::Handshake);
    debug!(client = %address, error = why, "a TLS handshake at the admin listener failed");
}

async fn http(stream: impl AsyncRead + AsyncWrite + Unpin, peer: Peer, serving: Serving, life: Life) {
    let known = life.clone();
    let service = serving.router.map_request(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(peer);
        request.extensions_mut().insert(known.clone());
        request
    });
    let service = TowerToHyperService::new(service);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_READ_MAX);
    http.max_buf_size(HEAD_BYTES_MAX).max_headers(HEADERS_MAX);
    let mut connection = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    let mut ended = tokio::select! {
        ended = connection.as_mut() => Some(ended),
        () = serving.stop.cancelled() => None,
        () = life.over(CONNECTION_LIFE_MAX) => None,
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
