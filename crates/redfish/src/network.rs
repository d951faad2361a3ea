//! The one seam to the network: a boxed tower service of `http` types per endpoint.
//!
//! Production is [`crate::Https`]; tests wrap a simulated BMC's router in process. Deadlines and size limits are the
//! client's, not the network's, except those of connecting.

use std::{error::Error, pin::Pin};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Full, combinators::UnsyncBoxBody};
use tower::util::BoxCloneSyncService;

use crate::{Address, Certificate, Trust, TrustError, trust::pin_text};

/// An error with its causes.
pub type BoxError = Box<dyn Error + Send + Sync>;
/// A response body that arrives in pieces.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;
/// What carries one request to one origin. The request's URI is absolute. Whoever spoke TLS puts a [`crate::Peer`] into the
/// response's extensions.
pub type HttpService = BoxCloneSyncService<Request<Full<Bytes>>, Response<Body>, TransportError>;

/// Why a request got no response.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The name was not resolved.
    #[error("resolve the host name")]
    Dns(#[source] BoxError),
    /// No TCP connection.
    #[error("connect")]
    Connect(#[source] BoxError),
    /// The TLS handshake failed; the text says which rule refused it and the way out.
    #[error("TLS handshake")]
    Tls(#[source] BoxError),
    /// Another key than the pinned one was shown.
    #[error("TLS handshake: the certificate has pin {}, not the one that is trusted", pin_text(shown))]
    OtherKey {
        /// SHA-256 of the `SubjectPublicKeyInfo` that was shown; its owner has proved to hold the key.
        shown: [u8; 32],
    },
    /// The connection broke, or what came was not HTTP.
    #[error("exchange a request")]
    Exchange(#[source] BoxError),
}

/// What a handshake showed, whoever is at the other end.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// `TLS 1.3` or `TLS 1.2`.
    pub version: String,
    /// The cipher suite, by its IANA name.
    pub cipher: String,
    /// The certificate.
    pub certificate: Certificate,
}

/// A look at a certificate under way.
pub type Looking = Pin<Box<dyn Future<Output = Result<Handshake, TransportError>> + Send>>;

/// Makes the services of an endpoint.
pub trait Network: Send + Sync {
    /// For short requests: pooled, at most one idle connection an endpoint.
    fn requests(&self, address: &Address, trust: &Trust) -> Result<HttpService, TrustError>;
    /// For the event stream: a connection of its own, HTTP/1.1 only, with a capped read buffer.
    fn streams(&self, address: &Address, trust: &Trust) -> Result<HttpService, TrustError>;
    /// Shakes hands with whoever is there and hangs up: nothing is sent. What comes of it is for a person or a store to
    /// compare, never to be believed as it comes.
    fn look(&self, address: &Address) -> Looking;
}
