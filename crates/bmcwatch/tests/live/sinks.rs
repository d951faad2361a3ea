//! A daemon whose sink posts over TLS to a peer that asks for its certificate: a token that rotates in its file, a record that
//! the peer will never take and how an operator finds it, and SIGUSR1.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use nix::sys::signal::Signal;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{
    RootCertStore, ServerConfig,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer},
    server::WebPkiClientVerifier,
};
use serde_json::Value;
use sim::{Profile, Severity};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    daemon::{Daemon, said},
    home::{Home, read},
    lab::{Lab, free_address},
};

/// What the peer will never take.
const POISON: &str = "Fan poison has failed.";

/// A peer that takes lines from who shows a certificate of its authority and the token of the day.
struct Peer {
    port: u16,
    token: Arc<Mutex<&'static str>>,
    lines: Arc<Mutex<Vec<String>>>,
    _serving: JoinSet<()>,
}

impl Peer {
    async fn start(home: &Home) -> Self {
        let tls = certificates(home);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let (token, lines) = (Arc::new(Mutex::new("Bearer one")), Arc::new(Mutex::new(Vec::new())));
        let (wanted, kept) = (Arc::clone(&token), Arc::clone(&lines));
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((tcp, _)) = listener.accept().await {
                connections.spawn(serve(tcp, tls.clone(), Arc::clone(&wanted), Arc::clone(&kept)));
            }
        });
        Self { port, token, lines, _serving: serving }
    }

    fn change_token(&self, token: &'static str) {
        *self.token.lock().unwrap_or_else(PoisonError::into_inner) = token;
    }

    /// How many lines it has taken whose text contains this.
    fn took(&self, text: &str) -> usize {
        let lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().filter(|line| line.contains(text)).count()
    }
}

/// One request on a connection of its own.
async fn serve(
    tcp: TcpStream,
    tls: TlsAcceptor,
    wanted: Arc<Mutex<&'static str>>,
    taken: Arc<Mutex<Vec<String>>>,
) {
    let Ok(mut stream) = tls.accept(tcp).await else { return };
    let mut bytes = Vec::new();
    let (head, mut body) = loop {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            break (head.to_lowercase(), body.as_bytes().to_vec());
        }
    };
    let header =
        |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
    let length: usize = header("content-length:").parse().expect("a length");
    while body.len() < length && stream.read_buf(&mut body).await.unwrap_or(0) > 0 {}
    let body = String::from_utf8(body).expect("lines are UTF-8");
    let wanted = wanted.lock().unwrap_or_else(PoisonError::into_inner).to_lowercase();
    let status = if header("authorization:") != wanted {
        "401 Unauthorized"
    } else if body.contains(POISON) {
        "422 Unprocessable"
    } else {
        let mut taken = taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.extend(body.lines().map(str::to_owned));
        "204 No Content"
    };
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    drop(stream.write_all(answer.as_bytes()).await);
    drop(stream.shutdown().await);
}

/// One authority for both sides, its certificate and ours in the home, and what the peer does with them.
fn certificates(home: &Home) -> TlsAcceptor {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("an authority");
    let issue = |name: &str| {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([name.to_owned()]).expect("a name");
        (params.signed_by(&key, &authority).expect("a certificate"), key)
    };
    let (server, server_key) = issue("localhost");
    let (client, client_key) = issue("bmcwatch");
    fs::write(home.path("ca.pem"), authority.pem()).expect("the directory is ours");
    fs::write(home.path("client.pem"), client.pem()).expect("the directory is ours");
    write_private(&home.path("client-key.pem"), &client_key.serialize_pem());
    let mut roots = RootCertStore::empty();
    roots.add(authority.der().clone()).expect("it is an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let server = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring speaks TLS 1.2 and 1.3")
        .with_client_cert_verifier(clients.expect("there is an authority"))
        .with_single_cert(vec![server.der().clone()], key);
    TlsAcceptor::from(Arc::new(server.expect("they belong together")))
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("the directory is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is our file");
}

fn is_poison(letter: &Value) -> bool {
    letter["record"]["message"].as_str().is_some_and(|text| text.starts_with(POISON))
}

async fn the_command_shows_it(home: &Home) {
    let (code, out, errors) = said(home, &["sinks", "dead-letters"]).await;
    assert_eq!(code, 0, "{errors}");
    let rows: Vec<&str> = out.lines().collect();
    assert!(rows.len() == 2 && rows[1].starts_with("peer ") && rows[1].contains("422"), "{out}");
    let (code, out, errors) = said(home, &["sinks", "dead-letters", "--sink", "peer", "--json"]).await;
    assert_eq!(code, 0, "{errors}");
    let line: Value = serde_json::from_str(&out).expect("one line of JSON");
    assert!(line["sink"] == "peer" && is_poison(&line), "{line}");
    let (code, _, errors) = said(home, &["sinks", "dead-letters", "--sink", "pear"]).await;
    assert!(code == 1 && errors.contains("did you mean \"peer\"?"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_over_tls_follows_its_token_and_keeps_what_its_peer_will_never_take() {
    let lab = Lab::start(91, vec![Profile::openbmc()]).await;
    let home = Home::new();
    let peer = Peer::start(&home).await;
    write_private(&home.path("token"), "Bearer one\n");
    let path = |name: &str| home.path(name).display().to_string();
    let sink = format!(
        "[[sinks]]\nname = \"peer\"\ntype = \"http\"\nformat = \"ndjson\"\nurl = \"https://localhost:{}/\"\n\
         headers_file = {{ Authorization = \"{}\" }}\ntrust = \"ca:{}\"\ncert_file = \"{}\"\nkey_file = \"{}\"\n",
        peer.port,
        path("token"),
        path("ca.pem"),
        path("client.pem"),
        path("client-key.pem")
    );
    home.write_config_at(&format!("{}{sink}", lab.endpoints()), &free_address(91));
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["streaming"]).await;
    let fan = |name: &str| {
        let message = format!("Fan {name} has failed.");
        lab.bmcs()[0].log(Severity::Critical, "OpenBMC.0.1.FanFailed", &[name], &message);
    };
    let took = async |name: &str| {
        daemon.until(|| async { peer.took(name) == 1 }, || format!("the peer did not take {name}")).await;
    };

    fan("first");
    took("Fan first").await;
    peer.change_token("Bearer two");
    fan("second");
    daemon.until_logged("sink is refused and waits for somebody to act").await;
    fan("third");
    write_private(&home.path("new"), "Bearer two\n");
    fs::rename(home.path("new"), home.path("token")).expect("the directory is ours");
    daemon.until_logged("what opens the sink's peer has changed").await;
    took("Fan third").await;
    assert_eq!(peer.took("Fan second"), 1);

    fan("poison");
    fan("fourth");
    took("Fan fourth").await;
    daemon.until_logged("they are kept as dead letters").await;
    let (status, page) = daemon.ask("GET", "/api/v1/sinks/peer/dead-letters").await;
    let page: Value = serde_json::from_str(&page).expect("the answer is JSON");
    let letters = page["dead_letters"].as_array().expect("a list");
    assert_eq!((status, letters.len(), &page["next"]), (200, 1, &Value::Null), "{page}");
    assert!(is_poison(&letters[0]), "{page}");
    let dropped =
        daemon.metric("bmcwatch_sink_dropped_events_total", "sink=\"peer\",reason=\"rejected\"").await;
    assert!((dropped - 1.0).abs() < f64::EPSILON, "{dropped}");
    assert!(daemon.metric("bmcwatch_sink_delivery_duration_seconds_count", "sink=\"peer\"").await >= 3.0);
    assert_eq!(daemon.ask("GET", "/api/v1/sinks/pear/dead-letters").await.0, 404);
    assert_eq!(daemon.ask("GET", "/api/v1/sinks/peer/dead-letters?limit=0").await.0, 400);

    the_command_shows_it(&home).await;

    fs::rename(home.records(), home.path("moved.jsonl")).expect("the directory is ours");
    daemon.signal(Signal::SIGUSR1);
    daemon.until_logged("the files of sinks are opened anew").await;
    fan("fifth");
    took("Fan fifth").await;
    daemon.until(|| async { read(&home.records()).lines().count() == 1 }, || "no new file".to_owned()).await;

    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    let told: Vec<String> = home.log_lines().into_iter().filter(|line| line.contains("Bearer")).collect();
    assert!(told.is_empty(), "{told:?}");
    lab.fleet.stop().await;
}
