//! The socket of one BMC: it listens while the BMC is up, stops listening while connections are to be
//! refused, swallows or resets them when the gate says so, and serves HTTP/1.1 with small buffers.

use std::{collections::VecDeque, io, net::SocketAddrV4, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinError, JoinSet},
    time::Instant,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    fleet::Serve,
    gate::{self, Gate, Reachability},
};

/// Connections waiting to be accepted; a BMC's own backlog is about as small.
const BACKLOG: u32 = 64;

/// One connection more is dropped without a word (bmcweb).
const CONNECTIONS_MAX: usize = 200;

/// A black hole holds this many sockets open, the newest; clients give up on them one by one.
const SWALLOWED_MAX: usize = 64;

/// A handshake that takes longer is given up (bmcweb: 15 s for a request).
const HANDSHAKE_MAX: Duration = Duration::from_secs(15);

/// The least hyper takes; requests to a BMC are smaller.
const BUFFER_BYTES: usize = 8192;

/// What the kernel keeps of a connection's answers. That of a real BMC keeps them in the BMC's memory, and not in that of the
/// machine which watches it.
const SEND_BUFFER: usize = 16 << 10;

/// How long to leave a full file table alone before accepting again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// One address and what is behind it.
pub(crate) struct Door {
    pub(crate) serve: Serve,
    pub(crate) at: SocketAddrV4,
    pub(crate) acceptor: Option<TlsAcceptor>,
    pub(crate) stop: CancellationToken,
}

/// Listens at an address, or at a free port of it.
pub(crate) fn bind(at: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(at.into())?;
    socket.listen(BACKLOG)
}

impl Door {
    /// Serves until stopped. The listener given is used first; after a time of refusing, a new one is bound
    /// at the same address.
    pub(crate) async fn run(self, listener: TcpListener) {
        let mut gate = match &self.serve {
            Serve::Bmc(bmc) => bmc.gate.subscribe(),
            // The sender is gone at once, so the gate of a recording never changes.
            Serve::Recording(_) => watch::Sender::new(Gate::open()).subscribe(),
        };
        let mut listener = Some(listener);
        let mut connections = JoinSet::new();
        while !self.stop.is_cancelled() {
            let phase = gate.borrow_and_update().at(Instant::now());
            match phase {
                Reachability::Up | Reachability::BlackHole => {}
                Reachability::Resetting => connections.shutdown().await,
                Reachability::Refusing => {
                    listener = None;
                    connections.shutdown().await;
                }
            }
            if listener.is_none() && phase != Reachability::Refusing {
                // The port may be taken for a moment by somebody's outgoing connection.
                listener = bind(self.at).ok();
            }
            tokio::select! {
                biased;
                () = self.stop.cancelled() => {}
                () = gate::left(&mut gate, phase) => {}
                () = self.hold(phase, listener.as_ref(), &mut connections) => {}
            }
        }
        connections.shutdown().await;
    }

    /// Does what the phase asks for; ends only to have the listener bound again. What a black hole has
    /// swallowed is closed with it; connections from before live on, and their requests and streams wait.
    async fn hold(&self, phase: Reachability, listener: Option<&TcpListener>, connections: &mut JoinSet<()>) {
        let mut swallowed = VecDeque::new();
        let Some(listener) = listener else {
            if phase == Reachability::Refusing {
                std::future::pending::<()>().await;
            }
            tokio::time::sleep(ACCEPT_PAUSE).await;
            return;
        };
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                Some(ended) = connections.join_next() => {
                    surface(ended);
                    continue;
                }
            };
            let Ok((socket, _)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            match phase {
                Reachability::Up if connections.len() < CONNECTIONS_MAX => {
                    // It keeps what it has.
                    drop(SockRef::from(&socket).set_send_buffer_size(SEND_BUFFER));
                    connections.spawn(connection(self.serve.clone(), socket, self.acceptor.clone()));
                }
                Reachability::Resetting => reset(&socket),
                Reachability::BlackHole => {
                    if swallowed.len() >= SWALLOWED_MAX {
                        swallowed.pop_front();
                    }
                    swallowed.push_back(socket);
                }
                Reachability::Up | Reachability::Refusing => {}
            }
        }
    }
}

/// A panic of the simulator itself must not pass for a fault of a BMC.
pub(crate) fn surface(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        std::panic::resume_unwind(error.into_panic());
    }
}

/// Closing it will send RST.
fn reset(socket: &TcpStream) {
    // Failing to set it makes an orderly close of it, which a client must bear as well.
    drop(SockRef::from(socket).set_linger(Some(Duration::ZERO)));
}

async fn connection(serve: Serve, socket: TcpStream, acceptor: Option<TlsAcceptor>) {
    match acceptor {
        None => http(serve, socket).await,
        Some(acceptor) => {
            // Boxed, so that the large state of the handshake is not kept for the life of a stream.
            let handshake = Box::pin(tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(socket)));
            if let Ok(Ok(tls)) = handshake.await {
                http(serve, tls).await;
            }
        }
    }
}

async fn http<S: AsyncRead + AsyncWrite + Unpin>(serve: Serve, socket: S) {
    let service = service_fn(move |request| {
        let serve = serve.clone();
        // Boxed, since hyper keeps room for it as long as the connection lives.
        Box::pin(async move { serve.handle(request).await })
    });
    let served = http1::Builder::new()
        .max_buf_size(BUFFER_BYTES)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(socket), service);
    // How a connection ended is the client's to see; the simulator has counted what matters to it.
    drop(served.await);
}
