//! Trust policies, pools and streams on real sockets of 127.0.0.1, in real time.
//!
//! Not here: what is sent and understood; that is tested in process, beside the client.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod tls_server;

use std::{error::Error, path::PathBuf, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full};
use model::{Clock, Secret};
use redfish::{
    Address, AuthMode, Client, ClientConfig, ConfigureError, Https, Login, Metrics, Network, OpenStreamError,
    RequestError, RequestErrorKind, ServiceRoot, StreamError, StreamItem, TransportError, Trust, TrustError,
};
use tls_server::{Certificate, OpenSsl, Server};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    task::JoinSet,
};
use tower::ServiceExt;

fn client_of(https: &Https, address: &str, trust: Trust) -> Client {
    let login = Login { username: "u".to_owned(), password: Secret::new("p".to_owned()) };
    let config = ClientConfig {
        address: address.parse().unwrap(),
        trust,
        allowed_origins: Vec::new(),
        auth: AuthMode::Basic,
        login: Some(login),
    };
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    Client::new(config, Arc::new(https.clone()), metrics, Clock::system()).unwrap()
}

/// Reads the root from a server with this certificate under this policy.
async fn root(certificate: Certificate, trust: Trust) -> Result<ServiceRoot, RequestError> {
    let mut tasks = JoinSet::new();
    let server = Server::start(&mut tasks, Some(certificate)).await;
    client_of(&Https::new(4, 4), &server.address, trust).root().await
}

/// The words of a refused handshake.
async fn refusal(certificate: Certificate, trust: Trust) -> String {
    let error = root(certificate, trust).await.unwrap_err();
    let RequestErrorKind::Transport(TransportError::Tls(cause)) = error.kind else { panic!("{error:?}") };
    cause.to_string()
}

/// A PEM file that goes away with the guard.
fn ca_file(certificate: &Certificate) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("ca.pem");
    std::fs::write(&path, &certificate.pem).unwrap();
    (directory, path)
}

#[tokio::test]
async fn the_pinned_key_is_believed_and_another_is_named_in_the_refusal() {
    let certificate = Certificate::self_signed("another-name");
    root(certificate.clone(), Trust::Pin(certificate.pin())).await.unwrap();
    let mut tasks = JoinSet::new();
    let server = Server::start(&mut tasks, Some(certificate.clone())).await;
    let shown = Https::new(4, 4).look(&server.address.parse().unwrap()).await.unwrap();
    assert_eq!(shown.certificate.trust(), Trust::Pin(certificate.pin()));
    let seen = Trust::Pin(certificate.pin()).to_string();
    let error = root(certificate.clone(), Trust::Pin([7; 32])).await.unwrap_err();
    assert_eq!(error.other_key(), Some(certificate.pin()));
    let seen = seen.strip_prefix("pin:").unwrap();
    assert_eq!(
        error.source().unwrap().to_string(),
        format!("TLS handshake: the certificate has pin {seen}, not the one that is trusted")
    );
}

#[tokio::test]
async fn a_learned_key_is_believed_and_another_is_refused_also_where_a_session_could_be_resumed() {
    let (first, second) = (Certificate::self_signed("127.0.0.1"), Certificate::self_signed("127.0.0.1"));
    let mut tasks = JoinSet::new();
    let server = Server::start(&mut tasks, Some(first.clone())).await;
    let client = client_of(&Https::new(4, 4), &server.address, Trust::Tofu);
    client.root().await.unwrap_err();
    assert_eq!(server.connections(), 0, "nobody is asked before a key is believed");
    let seen = client.look().await.unwrap();
    assert_eq!(seen.certificate.pin, first.pin());
    assert!(seen.certificate.self_signed && seen.version == "TLS 1.3", "{seen:?}");
    client.believe(seen.certificate.pin).unwrap();
    let root = client.root().await.unwrap();
    let peer = client.peer().unwrap();
    assert_eq!((peer.pin, peer.not_after), (first.pin(), seen.certificate.not_after));
    client.open_stream(&root, None).await.unwrap();

    server.show(&second);
    let Err(OpenStreamError::Failed(error)) = client.open_stream(&root, None).await else { panic!() };
    assert_eq!(error.other_key(), Some(second.pin()));
    client.believe(second.pin()).unwrap();
    client.open_stream(&root, None).await.unwrap();
    server.show(&first);
    let Err(OpenStreamError::Failed(error)) = client.open_stream(&root, None).await else { panic!() };
    assert_eq!(error.other_key(), Some(first.pin()));
}

#[tokio::test]
async fn a_pin_proves_nothing_without_the_key() {
    let certificate = Certificate::self_signed("127.0.0.1");
    let stolen = certificate.with_key_of(&Certificate::self_signed("127.0.0.1"));
    for trust in [Trust::Pin(certificate.pin()), Trust::Insecure] {
        let words = refusal(stolen.clone(), trust).await;
        assert!(words.contains("not signed by the certificate's key"), "{words}");
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_believed_when_it_stands_in_the_ca_file_even_marked_as_ca() {
    for certificate in [Certificate::self_signed("127.0.0.1"), Certificate::self_signed_ca("127.0.0.1")] {
        let (_directory, path) = ca_file(&certificate);
        root(certificate, Trust::Ca(path)).await.unwrap();
    }
}

#[tokio::test]
async fn a_certificate_of_our_ca_is_believed_for_its_name_only() {
    let ca = Certificate::self_signed_ca("our ca");
    let (_directory, path) = ca_file(&ca);
    root(ca.signed("127.0.0.1"), Trust::Ca(path.clone())).await.unwrap();
    let words = refusal(ca.signed("another-name"), Trust::Ca(path.clone())).await;
    assert!(words.starts_with("the certificate is not for 127.0.0.1"), "{words}");
    let words = refusal(Certificate::self_signed("127.0.0.1"), Trust::Ca(path)).await;
    assert!(words.starts_with("not signed by a certificate we trust: set trust = \"ca:/path\""), "{words}");
}

#[tokio::test]
async fn the_machines_store_does_not_believe_a_self_signed_certificate() {
    let certificate = Certificate::self_signed("127.0.0.1");
    let pin = Trust::Pin(certificate.pin()).to_string();
    if rustls_native_certs::load_native_certs().certs.is_empty() {
        println!("skipped: this machine has no certificate store");
        return;
    }
    let words = refusal(certificate, Trust::System).await;
    assert!(words.contains("not signed by a certificate we trust") && words.contains(&pin), "{words}");
}

#[tokio::test]
async fn insecure_believes_any_certificate() {
    root(Certificate::self_signed("another-name"), Trust::Insecure).await.unwrap();
}

#[tokio::test]
async fn an_x509_v1_certificate_can_be_pinned_and_nothing_else() {
    let Some(certificate) = Certificate::v1() else {
        println!("skipped: no openssl at hand that makes an X.509 v1 certificate");
        return;
    };
    root(certificate.clone(), Trust::Pin(certificate.pin())).await.unwrap();
    root(certificate.clone(), Trust::Insecure).await.unwrap();
    let (_directory, path) = ca_file(&certificate);
    let words = refusal(certificate, Trust::Ca(path)).await;
    assert!(words.contains("X.509 v1, which can only be pinned"), "{words}");
}

#[tokio::test]
async fn tls_1_2_is_spoken_too() {
    let certificate = Certificate::self_signed("127.0.0.1").tls12_only();
    root(certificate.clone(), Trust::Pin(certificate.pin())).await.unwrap();
    root(certificate, Trust::Insecure).await.unwrap();
}

/// What old BMCs offer, by `openssl s_server`; 2048 bits stand for those of openssl, 1024 for those of old BMCs.
#[tokio::test]
async fn tls_that_we_do_not_speak_is_told_with_the_way_out() {
    const OLD: &str = "this BMC offers only TLS that rustls does not speak (1.1 or older, RSA key exchange, CBC ciphers): upgrade \
                       its firmware, or put a TLS proxy in front";
    let weak = "the handshake is not signed by the certificate's key, or the key is one that rustls does not verify \
                (RSA below 2048 bits): replace the certificate, or put a TLS proxy in front";
    for (bits, options, words) in [
        (2048, "-tls1_1 -cipher ALL:@SECLEVEL=0", OLD),
        // Without a key of its own for each session (no forward secrecy).
        (2048, "-tls1_2 -cipher kRSA:@SECLEVEL=0", OLD),
        (2048, "-tls1_2 -cipher ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA:@SECLEVEL=0", OLD),
        (1024, "-tls1_2 -cipher ALL:@SECLEVEL=0", weak),
    ] {
        let Some(server) = OpenSsl::start(bits, options).await else {
            println!("skipped: no openssl at hand that can serve {options}");
            return;
        };
        let error = client_of(&Https::new(4, 4), &server.address, Trust::Pin(server.pin)).root().await;
        let Err(RequestError { kind: RequestErrorKind::Transport(TransportError::Tls(cause)), .. }) = error
        else {
            panic!("{options}: {error:?}");
        };
        assert_eq!(cause.to_string(), words, "{options}");
    }
}

#[tokio::test]
async fn what_does_not_answer_is_told_from_what_speaks_no_tls() {
    let https = Https::new(4, 4);
    let error = client_of(&https, "https://127.0.0.1:1", Trust::Insecure).root().await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::Transport(TransportError::Connect(_))), "{error:?}");
    let error = client_of(&https, "https://no-such-bmc.invalid", Trust::Insecure).root().await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::Transport(TransportError::Dns(_))), "{error:?}");
    let mut tasks = JoinSet::new();
    let plain = Server::start(&mut tasks, None).await;
    let address = plain.address.replace("http:", "https:");
    let error = client_of(&https, &address, Trust::Insecure).root().await.unwrap_err();
    let RequestErrorKind::Transport(TransportError::Tls(cause)) = error.kind else { panic!("{error:?}") };
    assert_eq!(cause.to_string(), "what answers on this port does not speak TLS");
}

#[tokio::test]
async fn requests_share_a_connection_and_streams_have_their_own() {
    for certificate in [Some(Certificate::self_signed("127.0.0.1")), None] {
        let mut tasks = JoinSet::new();
        let server = Server::start(&mut tasks, certificate).await;
        let client = client_of(&Https::new(1, 4), &server.address, Trust::Insecure);
        let root = client.root().await.unwrap();
        for _ in 0..3 {
            client.root().await.unwrap();
        }
        let mut stream = client.open_stream(&root, None).await.unwrap();
        assert_eq!(server.connections(), 2);
        for _ in 0..3 {
            let item = tokio::time::timeout(Duration::from_secs(5), stream.next()).await.unwrap().unwrap();
            assert!(matches!(item, StreamItem::Events { .. }), "{item:?}");
        }
        client.root().await.unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(5), stream.next()).await.unwrap();
        assert!(ended.is_err(), "{ended:?}");
        assert_eq!(server.connections(), 2);
    }
}

/// A stream without length or chunks ends with its connection, which bmcweb closes without a farewell in TLS.
#[tokio::test]
async fn a_stream_that_ends_with_its_connection_has_ended_and_is_not_broken() {
    let acceptor = Certificate::self_signed("127.0.0.1").acceptor();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("https://127.0.0.1:{}", listener.local_addr().unwrap().port());
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let service = "HTTP/1.1 200 OK\r\nContent-Length: 29\r\nConnection: close\r\n\r\n{\"ServerSentEventUri\":\"/sse\"}";
        let stream = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n: cut";
        for answer in [service, stream] {
            let (tcp, _) = listener.accept().await.unwrap();
            let mut tls = acceptor.accept(tcp).await.unwrap();
            assert!(tls.read(&mut [0; 2048]).await.unwrap() > 0);
            tls.write_all(answer.as_bytes()).await.unwrap();
            tls.flush().await.unwrap();
        }
    });
    let client = client_of(&Https::new(4, 4), &address, Trust::Insecure);
    let root = ServiceRoot { event_service: Some("/es".to_owned()), ..ServiceRoot::default() };
    let mut stream = client.open_stream(&root, None).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), stream.next()).await.unwrap();
    assert!(matches!(ended, Err(StreamError::Ended)), "{ended:?}");
}

#[tokio::test]
async fn a_ca_file_that_is_none_makes_no_client() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "no certificate").unwrap();
    for path in [empty, directory.path().join("absent.pem")] {
        let config = ClientConfig {
            address: "https://127.0.0.1".parse().unwrap(),
            trust: Trust::Ca(path),
            allowed_origins: Vec::new(),
            auth: AuthMode::None,
            login: None,
        };
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let made = Client::new(config, Arc::new(Https::new(4, 4)), metrics, Clock::system());
        assert!(matches!(made, Err(ConfigureError::Trust(TrustError::CaFile { .. }))));
    }
}

/// All of 127/8 is this machine on Linux: twelve BMCs on one port.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn every_endpoint_of_a_fleet_resumes_its_session() {
    let mut tasks = JoinSet::new();
    let server = Server::start(&mut tasks, Some(Certificate::self_signed("bmc"))).await;
    let https = Https::new(4, 12);
    for _ in 0..2 {
        for host in 1..=12 {
            let address: Address =
                server.address.replace("127.0.0.1", &format!("127.0.0.{host}")).parse().unwrap();
            let request =
                http::Request::get(address.url("/redfish/v1/").unwrap()).body(Full::default()).unwrap();
            let service = https.streams(&address, &Trust::Insecure).unwrap();
            let answer = service.oneshot(request).await.unwrap().into_body();
            answer.collect().await.unwrap();
        }
    }
    assert_eq!((server.connections(), server.resumed()), (24, 12));
}
