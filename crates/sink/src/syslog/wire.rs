//! One connection to a syslog receiver: how it is made, how a line travels in it, and how it is noticed that the receiver went.
//!
//! A receiver says nothing, so all that can be read is that it has closed. That is looked for before a batch and behind it.
//! Not here: deadlines and what is sent (`syslog`).

use std::{io, path::Path, sync::Arc, time::Duration};

use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter},
    net::{TcpStream, UdpSocket, UnixDatagram, UnixStream, lookup_host},
    time::{sleep, timeout},
};
use tokio_rustls::TlsConnector;

use super::{HostPort, SyslogError, SyslogTransport};

/// How long a look at a connection lasts: long enough for the runtime to hear of what came meanwhile.
const LOOK: Duration = Duration::from_millis(1);

/// The same behind the first batch of a connection. Whoever takes connections for a dead receiver, or refuses our certificate
/// after the handshake, says so within a round trip; nobody waits for the first batch.
const FIRST_LOOK: Duration = Duration::from_secs(1);

/// A receiver that vanished without a word is noticed while nothing is sent.
const KEEPALIVE: Duration = Duration::from_mins(1);

/// What was sent and not acknowledged by the receiver's kernel for so long breaks the connection.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(30);

/// So many datagrams in a row, and then a moment for the receiver: its kernel holds a few hundred, and drops others silently.
const BURST: u32 = 32;

/// Why a datagram socket cannot be connected to a stream: `EPROTOTYPE` on Linux.
const WRONG_KIND: i32 = 91;
/// A datagram that the socket or the way does not take: `EMSGSIZE` on Linux.
const TOO_LARGE: i32 = 90;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send + std::fmt::Debug> Stream for S {}

/// A connection.
#[derive(Debug)]
pub(super) struct Wire {
    peer: String,
    socket: Socket,
    /// Nothing went through it yet that is known to be well.
    first: bool,
}

#[derive(Debug)]
enum Socket {
    Udp { socket: UdpSocket, burst: u32 },
    Datagram(UnixDatagram),
    Stream { stream: BufWriter<Box<dyn Stream>>, framing: Framing },
}

/// How lines in a stream are told apart.
#[derive(Debug, Clone, Copy)]
enum Framing {
    /// The number of bytes goes before (RFC 6587, 3.4.1; RFC 5425).
    Counted,
    /// A line feed goes behind (RFC 6587, 3.4.2): what receivers on a local stream expect. No line has one within.
    Lines,
}

/// What became of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sent {
    Handed,
    TooLarge,
}

impl Wire {
    pub(super) async fn connect(transport: &mut SyslogTransport) -> Result<Self, SyslogError> {
        let peer = transport.to_string();
        let connected = match transport {
            SyslogTransport::Udp(at) => udp(at).await,
            SyslogTransport::Tcp(at) => tcp(at).await.map(|stream| counted(Box::new(stream))),
            SyslogTransport::Tls(at, access) => {
                let tls = Arc::clone(&access.borrow_and_update().tls);
                tls_stream(at, tls).await
            }
            SyslogTransport::Unix(path) => unix(path).await,
        };
        match connected {
            Ok(socket) => Ok(Self { peer, socket, first: true }),
            Err(error) => Err(SyslogError::connect(peer, error)),
        }
    }

    /// The connection, unless the receiver has closed it or it was made with what opens the receiver no more.
    pub(super) async fn still_open(mut self, transport: &mut SyslogTransport) -> Option<Self> {
        if let SyslogTransport::Tls(_, access) = transport
            && access.has_changed().unwrap_or(false)
        {
            return None;
        }
        match self.look(LOOK).await {
            Ok(()) => Some(self),
            Err(error) => {
                let error = crate::chain::Chain(&error).to_string();
                tracing::info!(peer = %self.peer, error, "the syslog receiver is gone; connecting anew");
                None
            }
        }
    }

    /// Sends one line. In a stream it may stay in our buffer until [`Self::finish`].
    pub(super) async fn send(&mut self, line: &str) -> Result<Sent, SyslogError> {
        let sent = match &mut self.socket {
            Socket::Udp { socket, burst } => {
                *burst += 1;
                if burst.is_multiple_of(BURST) {
                    sleep(LOOK).await;
                }
                socket.send(line.as_bytes()).await.map(drop)
            }
            Socket::Datagram(socket) => socket.send(line.as_bytes()).await.map(drop),
            Socket::Stream { stream, framing } => write(stream, *framing, line).await,
        };
        match sent {
            Ok(()) => Ok(Sent::Handed),
            Err(error) if error.raw_os_error() == Some(TOO_LARGE) => Ok(Sent::TooLarge),
            Err(error) => Err(SyslogError::send(self.peer.clone(), error)),
        }
    }

    /// Hands over what is buffered, and looks whether the receiver is still there; for `most` behind a first batch.
    pub(super) async fn finish(&mut self, most: Duration) -> Result<(), SyslogError> {
        if let Socket::Stream { stream, .. } = &mut self.socket {
            stream.flush().await.map_err(|error| SyslogError::send(self.peer.clone(), error))?;
        }
        let wait = if std::mem::take(&mut self.first) { FIRST_LOOK.min(most) } else { LOOK };
        self.look(wait).await
    }

    /// An error when the receiver has closed the connection, or closes it meanwhile.
    async fn look(&mut self, wait: Duration) -> Result<(), SyslogError> {
        let failed = match &mut self.socket {
            // That nobody listens at the port is told here, after a datagram.
            Socket::Udp { socket, .. } => socket.take_error().and_then(|error| error.map_or(Ok(()), Err)),
            Socket::Datagram(socket) => socket.take_error().and_then(|error| error.map_or(Ok(()), Err)),
            Socket::Stream { stream, .. } => match timeout(wait, end(stream.get_mut())).await {
                Ok(Ok(())) => return Err(SyslogError::Closed { peer: self.peer.clone() }),
                Ok(Err(error)) => Err(error),
                Err(_) => Ok(()),
            },
        };
        failed.map_err(|error| SyslogError::send(self.peer.clone(), error))
    }
}

async fn write(stream: &mut BufWriter<Box<dyn Stream>>, framing: Framing, line: &str) -> io::Result<()> {
    match framing {
        Framing::Counted => {
            stream.write_all(format!("{} ", line.len()).as_bytes()).await?;
            stream.write_all(line.as_bytes()).await
        }
        Framing::Lines => {
            stream.write_all(line.as_bytes()).await?;
            stream.write_all(b"\n").await
        }
    }
}

/// Waits until the other end closes. What it says until then is nothing that we know.
async fn end(stream: &mut Box<dyn Stream>) -> io::Result<()> {
    let mut said = [0; 512];
    while stream.read(&mut said).await? > 0 {}
    Ok(())
}

fn counted(stream: Box<dyn Stream>) -> Socket {
    Socket::Stream { stream: BufWriter::new(stream), framing: Framing::Counted }
}

async fn udp(at: &HostPort) -> io::Result<Socket> {
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in lookup_host((&*at.host, at.port)).await? {
        let any = if address.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).await?;
        match socket.connect(address).await {
            Ok(()) => return Ok(Socket::Udp { socket, burst: 0 }),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn tcp(at: &HostPort) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((&*at.host, at.port)).await?;
    let socket = SockRef::from(&stream);
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED_MAX))?;
    Ok(stream)
}

async fn tls_stream(at: &HostPort, tls: Arc<rustls::ClientConfig>) -> io::Result<Socket> {
    let name = ServerName::try_from(at.host.clone()).map_err(io::Error::other)?;
    let mut tls = Arc::unwrap_or_clone(tls);
    // RFC 5425 names no protocol.
    tls.alpn_protocols.clear();
    let stream = TlsConnector::from(Arc::new(tls)).connect(name, tcp(at).await?).await?;
    Ok(counted(Box::new(stream)))
}

async fn unix(path: &Path) -> io::Result<Socket> {
    let socket = UnixDatagram::unbound()?;
    match socket.connect(path) {
        Ok(()) => Ok(Socket::Datagram(socket)),
        Err(error) if error.raw_os_error() == Some(WRONG_KIND) => {
            let stream: Box<dyn Stream> = Box::new(UnixStream::connect(path).await?);
            Ok(Socket::Stream { stream: BufWriter::new(stream), framing: Framing::Lines })
        }
        Err(error) => Err(error),
    }
}
