//! Opens the connection of an event stream: its own TCP and TLS connection, HTTP/1.1 by hyper with a capped buffer.
//!
//! hyper's buffer grows in a burst and never shrinks, and reqwest cannot cap it; with thousands of idle streams that is
//! most of the memory. There is no task behind the connection: whoever polls the body drives it.

use std::{
    error::Error,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    HeaderValue, Request, Response, Uri,
    header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING},
};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{
    body::Incoming,
    client::conn::http1,
    rt::{Read, Write},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use socket2::{SockRef, TcpKeepalive};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    Address, Body, BoxError, Certificate, Handshake, Peer, TransportError,
    connect_budget::{CONNECT_DEADLINE, ConnectBudget, ConnectTimedOut, HANDSHAKE_DEADLINE},
    https::{KEEPALIVE_INTERVAL, KEEPALIVE_RETRIES, KEEPALIVE_TIME},
    transport_failure,
};

/// hyper's smallest; a response head larger than this is refused.
const READ_BUFFER_MAX: usize = 8192;

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
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Body>, TransportError> {
        let host = HeaderValue::try_from(self.address.authority()).map_err(exchange)?;
        request.headers_mut().insert(HOST, host);
        // A server, unlike a proxy, is asked for the path alone.
        let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
        *request.uri_mut() = path.parse::<Uri>().map_err(exchange)?;

        let place = self.budget.enter().await;
        let tcp = self.connect().await?;
        if self.address.scheme() == "http" {
            drop(place);
            return converse(TokioIo::new(tcp), request).await;
        }
        let tls = self.shake_hands(tcp).await?;
        drop(place);
        let peer = tls.get_ref().1.peer_certificates().and_then(|chain| Peer::decode(chain.first()?));
        let mut response = converse(TokioIo::new(tls), request).await?;
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

/// Streams are silent for days (T51): only keep-alive shows that the other side is gone.
fn prepare(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_TIME)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_RETRIES);
    SockRef::from(tcp).set_tcp_keepalive(&keepalive)
}

fn exchange(error: impl Into<BoxError>) -> TransportError {
    TransportError::Exchange(error.into())
}

/// Without a body: hyper keeps room for 32 requests for as long as the connection lives.
type Connection<T> = Pin<Box<http1::Connection<T, Empty<Bytes>>>>;

async fn converse<T>(io: T, request: Request<Full<Bytes>>) -> Result<Response<Body>, TransportError>
where
    T: Read + Write + Unpin + Send + 'static,
{
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(READ_BUFFER_MAX)
        .ignore_invalid_headers_in_responses(true)
        .handshake(io)
        .await
        .map_err(exchange)?;
    let mut connection: Option<Connection<T>> = Some(Box::pin(connection));
    let mut head = Box::pin(sender.send_request(request.map(|_| Empty::new())));
    let response = std::future::poll_fn(|cx| {
        drive(&mut connection, cx);
        head.as_mut().poll(cx)
    })
    .await
    .map_err(exchange)?;
    let headers = response.headers();
    let until_close = !headers.contains_key(TRANSFER_ENCODING) && !headers.contains_key(CONTENT_LENGTH);
    Ok(response.map(|incoming| DrivenBody { connection, incoming, until_close }.boxed_unsync()))
}

/// Lets the connection read and write. Its errors come out of the response or its body.
fn drive<T>(connection: &mut Option<Connection<T>>, cx: &mut Context<'_>)
where
    T: Read + Write + Unpin + Send + 'static,
{
    if connection.as_mut().is_some_and(|connection| connection.as_mut().poll(cx).is_ready()) {
        *connection = None;
    }
}

/// rustls' error for a connection closed without `close_notify`.
fn is_unannounced_end(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<io::Error>());
    cause.is_some_and(|cause| cause.kind() == io::ErrorKind::UnexpectedEof)
}

/// A response body together with the connection it comes from.
struct DrivenBody<T: Read + Write> {
    connection: Option<Connection<T>>,
    incoming: Incoming,
    /// The end of the connection is the end of the body (bmcweb).
    until_close: bool,
}

impl<T> http_body::Body for DrivenBody<T>
where
    T: Read + Write + Unpin + Send + 'static,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        drive(&mut this.connection, cx);
        let frame = ready!(Pin::new(&mut this.incoming).poll_frame(cx));
        match frame {
            // A process that ends closes TCP but says no farewell in TLS. An event that was cut is dropped by the reader.
            Some(Err(error)) if this.until_close && is_unannounced_end(&error) => Poll::Ready(None),
            frame => Poll::Ready(frame.map(|frame| frame.map_err(Into::into))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
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
        assert!(socket.keepalive().unwrap() && tcp.nodelay().unwrap());
        let (time, interval) =
            (socket.tcp_keepalive_time().unwrap(), socket.tcp_keepalive_interval().unwrap());
        let retries = socket.tcp_keepalive_retries().unwrap();
        assert_eq!((time, interval, retries), (KEEPALIVE_TIME, KEEPALIVE_INTERVAL, KEEPALIVE_RETRIES));
        assert_eq!(time + interval * retries, std::time::Duration::from_mins(2));
    }
}
