//! The one seam to the network: a boxed tower service of `http` types per endpoint.
//!
//! Production is [`crate::Https`]; tests wrap a simulated BMC's router in process. Deadlines and size limits are the
//! client's, not the network's, except those of connecting.

use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Full, combinators::UnsyncBoxBody};
use tower::util::BoxCloneSyncService;

use crate::{Address, Trust, TrustError};

/// An error with its causes.
pub type BoxError = Box<dyn Error + Send + Sync>;
/// A response body that arrives in pieces.
pub type Body = UnsyncBoxBody<Bytes, BoxError>;
/// What carries one request to one endpoint. The request's URI is absolute.
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
    /// The connection broke, or what came was not HTTP.
    #[error("exchange a request")]
    Exchange(#[source] BoxError),
}

/// Makes the services of an endpoint.
pub trait Network: Send + Sync {
    /// For short requests: pooled, at most one idle connection an endpoint.
    fn requests(&self, address: &Address, trust: &Trust) -> Result<HttpService, TrustError>;
    /// For the event stream: a connection of its own, HTTP/1.1 only, with a capped read buffer.
    fn streams(&self, address: &Address, trust: &Trust) -> Result<HttpService, TrustError>;
}
