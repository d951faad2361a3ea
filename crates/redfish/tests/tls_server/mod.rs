//! A small BMC on a real socket, and the certificates it may have.

use std::{
    convert::Infallible,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, Full, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    HandshakeKind, ServerConfig, SupportedProtocolVersion,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

static BOTH: &[&SupportedProtocolVersion] = &[&rustls::version::TLS13, &rustls::version::TLS12];
static TLS12: &[&SupportedProtocolVersion] = &[&rustls::version::TLS12];

/// A certificate with its key.
#[derive(Clone)]
pub(crate) struct Certificate {
    pub(crate) pem: String,
    der: CertificateDer<'static>,
    key: Arc<PrivateKeyDer<'static>>,
    versions: &'static [&'static SupportedProtocolVersion],
    issuer: Option<Arc<CertifiedIssuer<'static, KeyPair>>>,
}

impl Certificate {
    pub(crate) fn self_signed(name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        Self::of(certificate.pem(), certificate.der().clone(), key.serialize_der())
    }

    pub(crate) fn self_signed_ca(name: &str) -> Self {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let der = key.serialize_der();
        let issuer = CertifiedIssuer::self_signed(params, key).unwrap();
        let certificate = Self::of(issuer.pem(), issuer.der().clone(), der);
        Self { issuer: Some(Arc::new(issuer)), ..certificate }
    }

    /// Signed by this CA.
    pub(crate) fn signed(&self, name: &str) -> Self {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, self.issuer.as_deref().unwrap()).unwrap();
        Self::of(certificate.pem(), certificate.der().clone(), key.serialize_der())
    }

    /// As old BMCs make theirs; `None` without an openssl that can.
    pub(crate) fn v1() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command
                .current_dir(directory.path())
                .args(arguments.split(' '))
                .output()
                .is_ok_and(|o| o.status.success())
        };
        let made = openssl("req -newkey rsa:2048 -nodes -keyout key.pem -subj /CN=bmc -out request.pem")
            && openssl("x509 -req -in request.pem -signkey key.pem -days 30 -out certificate.pem");
        if !made {
            return None;
        }
        let pem = std::fs::read_to_string(directory.path().join("certificate.pem")).unwrap();
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let key = PrivateKeyDer::from_pem_file(directory.path().join("key.pem")).unwrap();
        let version = x509_parser::parse_x509_certificate(&der).unwrap().1.tbs_certificate.version().0;
        (version == 0).then(|| Self { pem, der, key: Arc::new(key), versions: BOTH, issuer: None })
    }

    fn of(pem: String, der: CertificateDer<'static>, key: Vec<u8>) -> Self {
        let key = Arc::new(PrivateKeyDer::try_from(key).unwrap());
        Self { pem, der, key, versions: BOTH, issuer: None }
    }

    /// This certificate in the hands of somebody with another key.
    pub(crate) fn with_key_of(&self, other: &Self) -> Self {
        Self { key: Arc::clone(&other.key), ..self.clone() }
    }

    pub(crate) fn tls12_only(self) -> Self {
        Self { versions: TLS12, ..self }
    }

    pub(crate) fn pin(&self) -> [u8; 32] {
        let parsed = x509_parser::parse_x509_certificate(&self.der).unwrap().1;
        Sha256::digest(parsed.tbs_certificate.subject_pki.raw).into()
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = provider.key_provider.load_private_key(self.key.clone_key()).unwrap();
        // Handed out as it is: a builder would refuse a key that does not fit, and a v1 certificate.
        let certified = Arc::new(CertifiedKey::new(vec![self.der.clone()], key));
        let config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(Always(certified)));
        TlsAcceptor::from(Arc::new(config))
    }
}

/// A server by `openssl s_server`, for what rustls does not speak. It goes away with this.
pub(crate) struct OpenSsl {
    pub(crate) address: String,
    pub(crate) pin: [u8; 32],
    child: Child,
    _directory: tempfile::TempDir,
}

impl OpenSsl {
    /// `None` without an openssl that can.
    pub(crate) async fn start(bits: u32, options: &str) -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let openssl = |arguments: &str| {
            let mut command = Command::new("openssl");
            command.current_dir(directory.path()).args(arguments.split(' '));
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command
        };
        let key = format!(
            "req -x509 -newkey rsa:{bits} -nodes -keyout key.pem -out cert.pem -subj /CN=bmc -days 30"
        );
        if !openssl(&key).status().is_ok_and(|status| status.success()) {
            return None;
        }
        let pem = std::fs::read(directory.path().join("cert.pem")).unwrap();
        let der = CertificateDer::from_pem_slice(&pem).unwrap();
        let parsed = x509_parser::parse_x509_certificate(&der).unwrap().1;
        let pin = Sha256::digest(parsed.tbs_certificate.subject_pki.raw).into();
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let serve = format!("s_server -accept {free} -cert cert.pem -key key.pem -www {options}");
        let mut child = openssl(&serve).spawn().unwrap();
        for _ in 0..100 {
            if child.try_wait().unwrap().is_some() {
                return None;
            }
            if TcpStream::connect(free).await.is_ok() {
                let address = format!("https://{free}");
                return Some(Self { address, pin, child, _directory: directory });
            }
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        }
        panic!("openssl s_server does not listen");
    }
}

impl Drop for OpenSsl {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[derive(Debug)]
struct Always(Arc<CertifiedKey>);

impl ResolvesServerCert for Always {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }
}

/// A BMC on a port of its own.
pub(crate) struct Server {
    pub(crate) address: String,
    connections: Arc<AtomicUsize>,
    resumed: Arc<AtomicUsize>,
    shows: watch::Sender<Option<TlsAcceptor>>,
}

impl Server {
    /// Serves until `tasks` is dropped; without a certificate, plain HTTP.
    pub(crate) async fn start(tasks: &mut JoinSet<()>, certificate: Option<Certificate>) -> Self {
        let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
        let scheme = if certificate.is_some() { "https" } else { "http" };
        let address = format!("{scheme}://127.0.0.1:{}", listener.local_addr().unwrap().port());
        let connections = Arc::new(AtomicUsize::new(0));
        let resumed = Arc::new(AtomicUsize::new(0));
        let (counter, resumptions) = (Arc::clone(&connections), Arc::clone(&resumed));
        let shows = watch::Sender::new(certificate.as_ref().map(Certificate::acceptor));
        let certificates = shows.subscribe();
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::Relaxed);
                let (acceptor, resumptions) = (certificates.borrow().clone(), Arc::clone(&resumptions));
                open.spawn(async move {
                    match acceptor {
                        None => serve(tcp).await,
                        Some(acceptor) => {
                            if let Ok(tls) = acceptor.accept(tcp).await {
                                if tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed) {
                                    resumptions.fetch_add(1, Ordering::Relaxed);
                                }
                                serve(tls).await;
                            }
                        }
                    }
                });
            }
        });
        Self { address, connections, resumed, shows }
    }

    /// New connections are shown this certificate.
    pub(crate) fn show(&self, certificate: &Certificate) {
        self.shows.send_replace(Some(certificate.acceptor()));
    }

    pub(crate) fn resumed(&self) -> usize {
        self.resumed.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::Relaxed)
    }
}

async fn serve(io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) {
    let served = http1::Builder::new().serve_connection(TokioIo::new(io), service_fn(answer)).await;
    drop(served);
}

async fn answer(
    request: Request<Incoming>,
) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let json =
        |text: &'static str| Response::new(Full::new(Bytes::from_static(text.as_bytes())).boxed_unsync());
    Ok(match request.uri().to_string().as_str() {
        "/redfish/v1/" => json(r#"{"EventService":{"@odata.id":"/redfish/v1/EventService"}}"#),
        "/redfish/v1/EventService" => json(r#"{"ServerSentEventUri":"/sse"}"#),
        "/sse" => {
            let events = (1..=3).map(|id| {
                let data = format!(
                    "id: {id}\ndata: {{\"@odata.type\":\"#Event.v1_7_0.Event\",\"Id\":\"{id}\",\"Events\":[{{\"EventId\":\"{id}\",\
                     \"MessageId\":\"X.1.0.Y\",\"Message\":\"{}\"}}]}}\n\n",
                    "long ".repeat(4000)
                );
                Ok(Frame::data(Bytes::from(data)))
            });
            let body = StreamBody::new(stream::iter(events)).boxed_unsync();
            Response::builder().header("content-type", "text/event-stream").body(body).unwrap()
        }
        _ => Response::builder().status(404).body(Full::default().boxed_unsync()).unwrap(),
    })
}
