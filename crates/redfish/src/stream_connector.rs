//! Opens the connection of an event stream: its own TCP and TLS connection with one request of HTTP/1.1 on it.
//!
//! A client that can do more keeps 24 KiB of buffers and queues for each connection, and with thousands of idle streams that
//! is most of the memory (ADR 16). There is no task behind the connection: whoever polls the body reads from it.

use std::{io, net::SocketAddr, sync::Arc};

use bytes::Bytes;
use http::{Request, Response, header::HOST};
use http_body_util::{BodyExt, Full};
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    Address, Body, BoxError, Certificate, Handshake, Peer, TransportError,
    connect_budget::{CONNECT_DEADLINE, ConnectBudget, ConnectTimedOut, HANDSHAKE_DEADLINE},
    https::{KEEPALIVE_INTERVAL, KEEPALIVE_RETRIES, KEEPALIVE_TIME},
    response_head,
    stream_body::StreamBody,
    transport_failure,
};

/// Opens streams of one endpoint.
pub(crate) struct StreamConnector {
    address: Address,
    tls: Arc<ClientConfig>,
    budget: ConnectBudget,
}

impl StreamConnector {
    pub(crate) fn new(address: Address, tls: Arc<ClientConfig>, budget: ConnectBudget) -> Self {
        Self { address, tls, budget }
    }

    /// Connects and sends the request; answers when the response head has come.
    pub(crate) async fn open(
        self: Arc<Self>,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, TransportError> {
        let request = head_of(&request, &self.address.authority());
        let place = self.budget.enter().await;
        let tcp = self.connect().await?;
        if self.address.scheme() == "http" {
            drop(place);
            return converse(tcp, &request).await;
        }
        let tls = self.shake_hands(tcp).await?;
        drop(place);
        let peer = tls.get_ref().1.peer_certificates().and_then(|chain| Peer::decode(chain.first()?));
        let mut response = converse(tls, &request).await?;
        if let Some(peer) = peer {
            response.extensions_mut().insert(peer);
        }
        Ok(response)
    }

    /// Shakes hands, sends nothing, and tells what was shown.
    pub(crate) async fn look(&self) -> Result<Handshake, TransportError> {
        let _place = self.budget.enter().await;
        let tls = self.shake_hands(self.connect().await?).await?;
        let session = tls.get_ref().1;
        let certificate = session.peer_certificates().and_then(|chain| Certificate::decode(chain.first()?));
        let certificate =
            certificate.ok_or_else(|| TransportError::Tls("the certificate shown cannot be read".into()))?;
        let version = match session.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLS 1.3".to_owned(),
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLS 1.2".to_owned(),
            other => format!("{other:?}"),
        };
        let suite = session.negotiated_cipher_suite().map(|suite| suite.suite());
        let cipher = suite.and_then(|suite| suite.as_str()).unwrap_or("unknown").to_owned();
        Ok(Handshake { version, cipher, certificate })
    }

    async fn shake_hands(&self, tcp: TcpStream) -> Result<TlsStream<TcpStream>, TransportError> {
        let name = ServerName::try_from(self.address.host().to_owned())
            .map_err(|error| TransportError::Tls(Box::new(error)))?;
        let handshake = Box::pin(TlsConnector::from(Arc::clone(&self.tls)).connect(name, tcp));
        match timeout(HANDSHAKE_DEADLINE, handshake).await {
            Ok(shaken) => shaken.map_err(transport_failure::tls),
            Err(_) => Err(TransportError::Tls(Box::new(ConnectTimedOut(HANDSHAKE_DEADLINE)))),
        }
    }

    async fn connect(&self) -> Result<TcpStream, TransportError> {
        let connecting = async {
            let found = tokio::net::lookup_host((self.address.host(), self.address.port())).await;
            let found: Vec<SocketAddr> =
                found.map_err(|error| TransportError::Dns(Box::new(error)))?.collect();
            TcpStream::connect(found.as_slice())
                .await
                .map_err(|error| TransportError::Connect(Box::new(error)))
        };
        let tcp = match timeout(CONNECT_DEADLINE, connecting).await {
            Ok(connected) => connected?,
            Err(_) => return Err(TransportError::Connect(Box::new(ConnectTimedOut(CONNECT_DEADLINE)))),
        };
        prepare(&tcp).map_err(|error| TransportError::Connect(Box::new(error)))?;
        Ok(tcp)
    }
}

/// What the kernel keeps for us of one stream while we are busy; the rest waits at the BMC. Left to itself it would keep megabytes
/// (`tcp_rmem`), and thousands of streams that tell much at once exhaust what it has for all connections of the machine: then it
/// drops what it was sent, and what was dropped comes again after minutes. It doubles the number for its own needs; 32 KiB on the
/// way let a BMC that answers in 20 ms send 1.6 MB a second.
const RECEIVE_BUFFER: usize = 32 << 10;

/// Streams are silent for days (T51): only keep-alive shows that the other side is gone.
fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    SockRef::from(tcp).set_recv_buffer_size(RECEIVE_BUFFER)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_TIME)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

fn exchange(error: impl Into<BoxError>) -> TransportError {
    TransportError::Exchange(error.into())
}

/// A request as it is sent: streams are asked for without a body. A server, unlike a proxy, is asked for the path alone.
fn head_of<B>(request: &Request<B>, authority: &str) -> Vec<u8> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let mut head = format!("{} {path} HTTP/1.1\r\n{HOST}: {authority}\r\n", request.method()).into_bytes();
    for (name, value) in request.headers().iter().filter(|(name, _)| **name != HOST) {
        head.extend_from_slice(name.as_str().as_bytes());
        head.extend_from_slice(b": ");
        head.extend_from_slice(value.as_bytes());
        head.extend_from_slice(b"\r\n");
    }
    head.extend_from_slice(b"\r\n");
    head
}

/// Sends a request and reads the head of the response.
async fn converse<T>(mut io: T, request: &[u8]) -> Result<Response<Body>, TransportError>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    io.write_all(request).await.map_err(exchange)?;
    io.flush().await.map_err(exchange)?;
    let (response, first) = response_head::read(&mut io).await.map_err(exchange)?;
    let body = StreamBody::new(io, &response, first).map_err(exchange)?;
    Ok(response.map(|()| body.boxed_unsync()))
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn t51_the_connection_of_a_stream_has_tcp_keep_alive_that_finds_a_dead_peer_in_two_minutes() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls =
            ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let tls = tls.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth();
        let connector = StreamConnector::new(address.parse().unwrap(), Arc::new(tls), ConnectBudget::new(1));
        let tcp = connector.connect().await.unwrap();
        let socket = SockRef::from(&tcp);
        assert!((RECEIVE_BUFFER..=2 * RECEIVE_BUFFER).contains(&socket.recv_buffer_size().unwrap()));
        assert!(socket.keepalive().unwrap() && tcp.nodelay().unwrap());
        let (time, interval) =
            (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
        let retries = socket.tcp_keepalive_retries().unwrap();
        assert_eq!((time, interval, retries), (KEEPALIVE_TIME, KEEPALIVE_INTERVAL, KEEPALIVE_RETRIES));
        assert_eq!(time + interval * retries, std::time::Duration::from_mins(2));
    }
}
