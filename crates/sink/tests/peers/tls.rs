//! Real handshakes: whom we believe, and who we are.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer},
    server::WebPkiClientVerifier,
};
use sink::{HttpConfig, HttpFormat::Ndjson, NatsLogin, PeerAccess, SinkConfig};
use tokio_rustls::TlsAcceptor;

use crate::{
    server::{Reply, Server},
    story::{Story, access, client, peer, record, until},
};

/// An authority, and what it has issued for a name.
struct Issued {
    authority: CertificateDer<'static>,
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

fn issue(name: &str) -> Issued {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap();
    Issued {
        authority: issuer.der().clone(),
        certificate: certificate.der().clone(),
        key: PrivateKeyDer::Pkcs8(key.serialize_der().into()),
    }
}

fn roots(issued: &Issued) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(issued.authority.clone()).unwrap();
    roots
}

fn acceptor(issued: &Issued, clients: Option<&Issued>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => builder.with_client_cert_verifier(
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(clients)), provider).build().unwrap(),
        ),
    };
    let server = builder.with_single_cert(vec![issued.certificate.clone()], issued.key.clone_key()).unwrap();
    TlsAcceptor::from(Arc::new(server))
}

/// With a certificate of our own.
fn known_client(server: &Issued, own: &Issued) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots(server));
    Arc::new(builder.with_client_auth_cert(vec![own.certificate.clone()], own.key.clone_key()).unwrap())
}

fn ndjson(server: &Server, access: tokio::sync::watch::Receiver<PeerAccess>) -> SinkConfig {
    let peer = peer(&format!("https://localhost:{}/", server.address.port()), access);
    SinkConfig::Http(HttpConfig { peer, format: Ndjson, stream_labels: Vec::new() })
}

#[tokio::test]
async fn a_peer_that_is_not_believed_gets_nothing_until_it_is() {
    let mut story = Story::begin().await;
    let issued = issue("localhost");
    let server = Server::listen("127.0.0.1:0", Some(acceptor(&issued, None)), |_| Reply::status(204)).await;
    let (change, access) = access("x", client(roots(&issue("localhost"))));
    let mut status = story.pump(ndjson(&server, access));
    story.append((1..=3).map(record)).await;
    let view = until(&mut status, |view| view.last_error.is_some()).await;
    let error = view.last_error.unwrap();
    assert!(error.starts_with("agree on TLS with https://localhost:"), "{error}");
    assert!(error.contains("UnknownIssuer") || error.contains("invalid peer certificate"), "{error}");
    assert_eq!((view.attempts.retryable, view.rejected), (0, 0));
    assert!(server.requests().is_empty());
    change.send_replace(PeerAccess {
        headers: Vec::new(),
        login: NatsLogin::None,
        tls: client(roots(&issued)),
    });
    until(&mut status, |view| view.position == 3).await;
    assert_eq!(server.requests().len(), 1);
    story.end().await;
}

#[tokio::test]
async fn a_peer_that_wants_to_know_us_takes_records_only_with_our_certificate() {
    let mut story = Story::begin().await;
    let (issued, own) = (issue("localhost"), issue("bmcwatch"));
    let tls = acceptor(&issued, Some(&own));
    let server = Server::listen("127.0.0.1:0", Some(tls), |_| Reply::status(204)).await;
    let (change, access) = access("x", client(roots(&issued)));
    let mut status = story.pump(ndjson(&server, access));
    story.append((1..=3).map(record)).await;
    until(&mut status, |view| !view.up).await;
    assert!(server.requests().is_empty());
    change.send_replace(PeerAccess {
        headers: Vec::new(),
        login: NatsLogin::None,
        tls: known_client(&issued, &own),
    });
    until(&mut status, |view| view.position == 3).await;
    assert_eq!(server.requests().len(), 1);
    story.end().await;
}
