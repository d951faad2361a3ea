//! The real network: reqwest for requests, [`StreamConnector`] for streams, rustls with ring below both.
//!
//! HTTP/1.1 is the only protocol offered (T54). One TLS configuration and one reqwest client serve all endpoints of a
//! trust policy; one budget bounds the handshakes under way in the whole process. No proxy is ever used, whatever the
//! environment says: a BMC is on a network of ours.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use rustls::{
    CipherSuite, ClientConfig, ConfigBuilder,
    client::{Resumption, WantsClientCert},
    crypto::{CryptoProvider, ring},
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use sha2::{Digest, Sha256};
use tower::service_fn;

use crate::{
    Address, Body, HttpService, Looking, Network, TransportError, Trust, TrustError,
    certificate::LastShown,
    connect_budget::{BudgetLayer, ConnectBudget},
    sessions::Sessions,
    stream_connector::StreamConnector,
    transport_failure::{ResolveFailed, classify},
    trust::verifier::Verifier,
};

/// How long an idle connection of a requests pool is kept: long enough for the requests of one pass over the logs, which
/// follow each other, short enough that BMCs with 15 connections are not held by us between polls, and we not by them.
const POOL_IDLE: Duration = Duration::from_secs(5);
/// TCP keep-alive: first probe after a minute, dead after two (conntrack drops silent connections after five).
pub(crate) const KEEPALIVE_TIME: Duration = Duration::from_mins(1);
/// Between probes.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Unanswered probes until the connection is dead.
pub(crate) const KEEPALIVE_RETRIES: u32 = 4;

/// All authorities of the world are 250 KB; what is behind this is not read.
const CA_BYTES_MAX: u64 = 4 << 20;

/// The real network: rustls with ring, HTTP/1.1, TLS configuration shared per trust policy, and one budget for
/// handshakes under way in the whole process.
#[derive(Clone)]
pub struct Https {
    shared: Arc<Shared>,
}

struct Shared {
    budget: ConnectBudget,
    endpoints: usize,
    provider: Arc<CryptoProvider>,
    /// Held only while one policy is looked up or made, never across an await.
    policies: Mutex<HashMap<Trust, Prepared>>,
}

/// What endpoints of one trust policy share.
#[derive(Clone)]
struct Prepared {
    /// Of the CA file, so that a changed file takes effect with the next client.
    digest: [u8; 32],
    tls: Arc<ClientConfig>,
    requests: reqwest::Client,
}

impl Https {
    /// `connects_max` handshakes at once, so that 10,000 endpoints start without a storm; `endpoints` sizes the cache of
    /// TLS sessions.
    pub fn new(connects_max: usize, endpoints: usize) -> Self {
        let shared = Shared {
            budget: ConnectBudget::new(connects_max),
            endpoints,
            provider: Arc::new(for_bmcs()),
            policies: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    fn prepared(&self, address: &Address, trust: &Trust) -> Result<Prepared, TrustError> {
        // Plain http needs no policy, and must not fail for want of one.
        let trust = if address.scheme() == "http" { &Trust::Insecure } else { trust };
        let pem = match trust {
            Trust::Ca(path) => authorities(path)
                .map_err(|source| TrustError::CaFile { path: path.clone(), source: Box::new(source) })?,
            _ => Vec::new(),
        };
        let digest = Sha256::digest(&pem).into();
        let mut policies = self.shared.policies.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(prepared) = policies.get(trust).filter(|prepared| prepared.digest == digest) {
            return Ok(prepared.clone());
        }
        let mut tls = self.configuration(trust, &pem)?;
        tls.resumption = Resumption::store(Arc::new(Sessions::new(self.shared.endpoints)));
        let requests = requests_client(&tls, &self.shared.budget)?;
        let prepared = Prepared { digest, tls: Arc::new(tls), requests };
        policies.insert(trust.clone(), prepared.clone());
        Ok(prepared)
    }

    fn configuration(&self, trust: &Trust, pem: &[u8]) -> Result<ClientConfig, TrustError> {
        let builder = believing(&self.shared.provider, trust, pem)?;
        Ok(http_1(builder.with_no_client_auth()))
    }
}

/// What stands in the file of a `ca:` policy. The path may come from a list of targets: a pipe would wait for its writer, and
/// a device may never end.
fn authorities(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut pem = Vec::new();
    File::open(path)?.take(CA_BYTES_MAX).read_to_end(&mut pem)?;
    Ok(pem)
}

/// The TLS of a client for a peer that is no BMC, under the same policies: `authorities` is what stands in the file of a
/// `ca:` policy, `own` our certificate with its chain and its key.
pub fn tls_client(
    trust: &Trust,
    authorities: &[u8],
    own: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
) -> Result<ClientConfig, TrustError> {
    let builder = believing(&Arc::new(ring::default_provider()), trust, authorities)?;
    Ok(http_1(match own {
        None => builder.with_no_client_auth(),
        Some((chain, key)) => {
            builder.with_client_auth_cert(chain, key).map_err(|error| TrustError::Setup(Box::new(error)))?
        }
    }))
}

/// AES-128 before AES-256: the handshake of the latter hashes with SHA-384, for which neither a BMC's processor nor ours has
/// instructions (a twentieth of what our side of a connection costs). Either is as safe as the other.
fn for_bmcs() -> CryptoProvider {
    let mut provider = ring::default_provider();
    provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
        CipherSuite::TLS13_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384
        | CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384 => 1,
        _ => 0,
    });
    provider
}

fn http_1(mut tls: ClientConfig) -> ClientConfig {
    tls.alpn_protocols = vec![b"http/1.1".to_vec()];
    tls
}

/// A client's configuration as far as it says whom to believe.
fn believing(
    provider: &Arc<CryptoProvider>,
    trust: &Trust,
    pem: &[u8],
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, TrustError> {
    let (provider, ring) = (Arc::clone(provider), Arc::clone(provider));
    let verifier = match trust {
        Trust::System => {
            let found = rustls_native_certs::load_native_certs().certs;
            Verifier::roots(provider, found).map_err(|_| TrustError::NoSystemRoots)?
        }
        Trust::Ca(path) => {
            let wrong = |source| TrustError::CaFile { path: path.clone(), source };
            let found = CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
            let found = found.map_err(|error| wrong(Box::new(error)))?;
            Verifier::roots(provider, found)
                .map_err(|_| wrong("no CERTIFICATE block that we can read".into()))?
        }
        Trust::Pin(pin) => Verifier::pin(provider, *pin),
        Trust::Tofu => return Err(TrustError::NoKeyYet),
        Trust::Insecure => Verifier::any(provider),
    };
    Ok(ClientConfig::builder_with_provider(ring)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| TrustError::Setup(Box::new(error)))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier)))
}

impl Network for Https {
    fn requests(&self, address: &Address, trust: &Trust) -> Result<HttpService, TrustError> {
        let client = self.prepared(address, trust)?.requests;
        let shown = Arc::<LastShown>::default();
        Ok(HttpService::new(service_fn(move |request| exchange(client.clone(), Arc::clone(&shown), request))))
    }

    fn streams(&self, address: &Address, trust: &Trust) -> Result<HttpService, TrustError> {
        let tls = self.prepared(address, trust)?.tls;
        let connector = Arc::new(StreamConnector::new(address.clone(), tls, self.shared.budget.clone()));
        Ok(HttpService::new(service_fn(move |request| Arc::clone(&connector).open(request))))
    }

    fn look(&self, address: &Address) -> Looking {
        let unusable = |error: TrustError| TransportError::Tls(Box::new(error));
        let prepared = self.prepared(address, &Trust::Insecure).map_err(unusable);
        let (address, budget) = (address.clone(), self.shared.budget.clone());
        Box::pin(async move { StreamConnector::new(address, prepared?.tls, budget).look().await })
    }
}

fn requests_client(tls: &ClientConfig, budget: &ConnectBudget) -> Result<reqwest::Client, TrustError> {
    reqwest::Client::builder()
        .tls_backend_preconfigured(tls.clone())
        .http1_only()
        // For the certificate that each answer came with.
        .tls_info(true)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .referer(false)
        .gzip(true)
        .tcp_nodelay(true)
        .tcp_keepalive(KEEPALIVE_TIME)
        .tcp_keepalive_interval(KEEPALIVE_INTERVAL)
        .tcp_keepalive_retries(KEEPALIVE_RETRIES)
        // Seen on Lenovo and on mocks; the headers that count are few.
        .http1_ignore_invalid_headers_in_responses(true)
        .pool_max_idle_per_host(1)
        .pool_idle_timeout(POOL_IDLE)
        .dns_resolver(Arc::new(SystemResolver))
        // No `connect_timeout`: reqwest would count the wait for the budget; the layer has the deadline inside of it.
        .connector_layer(BudgetLayer::new(budget.clone()))
        .build()
        .map_err(|error| TrustError::Setup(Box::new(error)))
}

async fn exchange(
    client: reqwest::Client,
    last: Arc<LastShown>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Body>, TransportError> {
    let request = request.map(reqwest::Body::wrap);
    let request =
        reqwest::Request::try_from(request).map_err(|error| TransportError::Exchange(Box::new(error)))?;
    // The URL may hold what must not be logged, and the path stands in the outer error already.
    let response = client.execute(request).await.map_err(|error| classify(Box::new(error.without_url())))?;
    let mut response = Response::<reqwest::Body>::from(response);
    let shown = response.extensions_mut().remove::<reqwest::tls::TlsInfo>();
    if let Some(peer) = shown.and_then(|shown| last.peer(shown.peer_certificate()?)) {
        response.extensions_mut().insert(peer);
    }
    Ok(response.map(|body| body.map_err(|error| Box::new(error.without_url()).into()).boxed_unsync()))
}

/// The system's resolver, with an error that tells a name from a connection.
struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found: Vec<_> = found.map_err(ResolveFailed)?.collect();
            if found.is_empty() {
                return Err(ResolveFailed(io::ErrorKind::NotFound.into()).into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::{net::TcpListener, task::JoinSet};
    use tokio_rustls::LazyConfigAcceptor;
    use tower::ServiceExt;

    use super::*;

    /// bmcweb speaks HTTP/2 where it is offered, and has no event stream there: it would answer 404 (T54).
    #[tokio::test]
    async fn t54_http_2_is_never_offered_in_a_handshake() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let address: Address = address.parse().unwrap();
        let https = Https::new(4, 4);
        for trust in [Trust::Insecure, Trust::Pin([7; 32])] {
            for streaming in [true, false] {
                let service = if streaming {
                    https.streams(&address, &trust)
                } else {
                    https.requests(&address, &trust)
                };
                let request = Request::get(address.url("/sse").unwrap()).body(Full::default()).unwrap();
                let mut asking = JoinSet::new();
                asking.spawn(service.unwrap().oneshot(request));
                let (tcp, _) = listener.accept().await.unwrap();
                let shaking =
                    LazyConfigAcceptor::new(rustls::server::Acceptor::default(), tcp).await.unwrap();
                let offered: Vec<Vec<u8>> =
                    shaking.client_hello().alpn().into_iter().flatten().map(<[u8]>::to_vec).collect();
                assert_eq!(offered, [b"http/1.1"], "{trust} {streaming}");
            }
        }
    }
    #[test]
    fn what_never_ends_is_no_file_of_authorities() {
        for path in ["/dev/zero", "/", "/nowhere"] {
            assert!(authorities(Path::new(path)).is_err(), "{path}");
        }
    }
}
