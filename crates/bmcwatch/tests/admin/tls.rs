//! TLS on the listener: certificates that rotate, clients with and without one, handshakes that are never finished.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bmcwatch::config::{AdminConfig, TlsConfig};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
    time::{Instant, sleep, timeout},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{
    guard::with_login,
    story::{PATIENCE, Story},
};

/// An authority, the files of a listener that it has issued, and clients that believe it.
struct Site {
    directory: TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key.
type Identity = (CertificateDer<'static>, PrivateKeyDer<'static>);

impl Site {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        fs::write(directory.path().join("ca.pem"), authority.pem()).unwrap();
        let site = Self { directory, authority };
        site.issue();
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn files(&self) -> TlsConfig {
        TlsConfig { cert_file: self.path("tls.crt"), key_file: self.path("tls.key"), client_ca_file: None }
    }

    /// Issues a certificate for the listener and puts it in place, each file by rename.
    fn issue(&self) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        replace(&self.path("tls.key"), &key.serialize_pem());
        replace(&self.path("tls.crt"), &certificate.pem());
        certificate.der().clone()
    }

    fn client(&self) -> Identity {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["prometheus".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.authority).unwrap();
        (certificate.der().clone(), PrivateKeyDer::try_from(key.serialize_der()).unwrap())
    }

    /// Shakes hands with a listener, with or without a certificate.
    async fn connect(
        &self,
        tcp: TcpStream,
        client: Option<Identity>,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match client {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => builder.with_client_auth_cert(vec![certificate], key).unwrap(),
        };
        let name = ServerName::try_from("127.0.0.1").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, tcp).await
    }

    /// The status of a request with a name in `Host` that no plain listener would take.
    async fn ask(&self, story: &Story, path: &str, client: Option<Identity>) -> Option<u16> {
        let asked = async {
            let tcp = TcpStream::connect(story.address).await.ok()?;
            let mut stream = self.connect(tcp, client).await.ok()?;
            ask(&mut stream, path).await
        };
        timeout(PATIENCE, asked).await.expect("in time")
    }
}

async fn ask(stream: &mut TlsStream<TcpStream>, path: &str) -> Option<u16> {
    let request = format!("GET {path} HTTP/1.1\r\nhost: bmcwatch.example\r\n\r\n");
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut answer = [0; 8192];
    let length = stream.read(&mut answer).await.ok()?;
    std::str::from_utf8(&answer[..length]).ok()?.split(' ').nth(1)?.parse().ok()
}

fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    fs::write(&new, text).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&new, path).unwrap();
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned()
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_connections_without_a_restart() {
    let site = Site::new();
    let story = Story::begin(AdminConfig { tls: Some(site.files()), ..AdminConfig::default() }).await;
    let connect =
        async || site.connect(TcpStream::connect(story.address).await.unwrap(), None).await.unwrap();
    let mut old = connect().await;
    let new = site.issue();
    let shows_new = async {
        while shown(&connect().await) != new {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(PATIENCE, shows_new).await.expect("the new certificate is used");
    assert_ne!(shown(&old), new);
    assert_eq!(ask(&mut old, "/metrics").await, Some(200));
    assert_eq!(site.ask(&story, "/metrics", None).await, Some(200));
}

#[tokio::test]
async fn who_has_no_certificate_reaches_only_probes_and_who_has_a_wrong_one_nothing() {
    let site = Site::new();
    let stranger = Site::new().client();
    let files = TlsConfig { client_ca_file: Some(site.path("ca.pem")), ..site.files() };
    let story = Story::begin(AdminConfig { tls: Some(files.clone()), ..AdminConfig::default() }).await;
    assert_eq!(site.ask(&story, "/metrics", Some(site.client())).await, Some(200));
    assert_eq!(site.ask(&story, "/metrics", None).await, Some(403));
    assert_eq!(site.ask(&story, "/livez", None).await, Some(200));
    assert_eq!((story.refused("certificate"), story.refused("handshake")), (1, 0));
    assert_eq!(site.ask(&story, "/livez", Some(stranger)).await, None);
    assert_eq!(story.refused("handshake"), 1);

    // A certificate does not stand for a login.
    let story = Story::begin(AdminConfig { tls: Some(files), ..with_login() }).await;
    assert_eq!(site.ask(&story, "/metrics", Some(site.client())).await, Some(401));
    assert_eq!(site.ask(&story, "/metrics", None).await, Some(403));
}

#[tokio::test]
async fn handshakes_that_are_never_finished_lock_nobody_out_for_long() {
    let site = Site::new();
    let story = Story::begin(AdminConfig { tls: Some(site.files()), ..AdminConfig::default() }).await;
    let from = async |address: &str| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(format!("{address}:0").parse().unwrap()).unwrap();
        socket.connect(story.address).await.unwrap()
    };
    let begun = Instant::now();
    let mut held = Vec::new();
    for address in ["127.0.0.2", "127.0.0.3"] {
        for _ in 0..32 {
            held.push(from(address).await);
        }
    }
    assert_eq!(site.ask(&story, "/livez", None).await, Some(200));
    // It had to wait, so all places were taken; and no longer than a handshake may take, on a busy machine.
    let waited = begun.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(12)).contains(&waited), "{waited:?}");
    assert!(story.refused("handshake") >= 1);
}
