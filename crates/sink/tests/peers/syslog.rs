//! Syslog against real receivers: what arrives, record by record, over every way, and what a receiver that ends loses.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::Record;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};
use sink::{
    Facility, HostPort, NatsLogin, PeerAccess, SinkConfig, SyslogConfig, SyslogForm, SyslogTransport,
};
use tokio::sync::watch;

use crate::{
    receiver::{
        Program::{self, Rsyslog, SyslogNg},
        Receiver,
        Way::{self, Datagram, Stream, Tcp, Tls, Udp},
    },
    story::{Story, client, record, until},
};

/// An authority, a certificate for `localhost` and its key, in PEM.
pub(crate) fn issue() -> [String; 3] {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    // OpenSSL takes a certificate for self-signed when both have the same name.
    params.distinguished_name.push(DnType::CommonName, "authority");
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    [issuer.pem(), certificate.signed_by(&key, &issuer).unwrap().pem(), key.serialize_pem()]
}

pub(crate) fn roots([authority, ..]: &[String; 3]) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.as_bytes()).unwrap()).unwrap();
    roots
}

/// The same authority issues for both sides.
pub(crate) fn known_client(pem: &[String; 3]) -> Arc<ClientConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.unwrap().with_root_certificates(roots(pem));
    let certificate = CertificateDer::from_pem_slice(pem[1].as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(pem[2].as_bytes()).unwrap();
    Arc::new(builder.with_client_auth_cert(vec![certificate], key).unwrap())
}

fn opened(tls: Arc<ClientConfig>) -> (watch::Sender<PeerAccess>, watch::Receiver<PeerAccess>) {
    watch::channel(PeerAccess { headers: Vec::new(), login: NatsLogin::None, tls })
}

fn sink(transport: SyslogTransport, limit: usize) -> SinkConfig {
    let form = SyslogForm { facility: Facility::DEFAULT, enterprise: 32473, limit };
    SinkConfig::Syslog(SyslogConfig { transport, form, timeout: Duration::from_secs(20) })
}

fn to(receiver: &Receiver, way: Way, pem: &[String; 3]) -> SinkConfig {
    let at = HostPort { host: "localhost".to_owned(), port: receiver.port };
    let here = HostPort { host: "127.0.0.1".to_owned(), ..at.clone() };
    let transport = match way {
        Udp => SyslogTransport::Udp(here),
        Tcp => SyslogTransport::Tcp(here),
        Tls => SyslogTransport::Tls(at, opened(known_client(pem)).1),
        Datagram | Stream => SyslogTransport::Unix(receiver.path("socket")),
    };
    sink(transport, 8 << 10)
}

/// The odd ones among 300.
fn odd(number: u64) -> Record {
    let mut record = record(number);
    match number {
        100 => record.facts.message = String::from("line\r\nfeed \u{1b}[2J \"quoted\\\" ] <133>1 - - é…"),
        200 => record.facts.message = "long ".repeat(4000),
        250 => record.facts.occurred_at = None,
        _ => {}
    }
    record
}

/// What a receiver should have of the record of this number, as its file says it, but for the text of one that is cut.
fn expected(number: u64) -> Vec<String> {
    let version = env!("CARGO_PKG_VERSION");
    let uid = record(number).uid;
    let quality = if number == 250 { "" } else { r#"[timeQuality tzKnown="1" isSynced="0"]"# };
    let data = format!(
        "{quality}[origin ip=\"10.0.17.12\" software=\"bmcwatch\" swVersion=\"{version}\"]\
         [meta sequenceId=\"{number}\"][redfish@32473 uid=\"{uid}\" position=\"{number}\" kind=\"entry\" \
         source=\"poll\" observedAt=\"2026-11-20T13:59:00.250Z\" messageId=\"IDRAC.2.9.CPU0001\" \
         id=\"{number}\" logService=\"/redfish/v1/Systems/1/LogServices/Sel\" rack=\"r17\" site=\"fra1\"]"
    );
    let text = match number {
        100 => "line  feed  [2J \"quoted\\\" ] <133>1 - - é…".to_owned(),
        number => format!("record <{number}>"),
    };
    let head = ["130", "2026-11-20T13:58:00.000", "r17-u12", "redfish", "Sel", "IDRAC.2.9.CPU0001"];
    head.map(str::to_owned).into_iter().chain([data, text]).collect()
}

/// Parameters in the order of the alphabet: syslog-ng gives them in its own.
fn sorted(data: &str) -> Vec<&str> {
    let mut words: Vec<&str> = data.split(['[', ']', ' ']).filter(|word| !word.is_empty()).collect();
    words.sort_unstable();
    words
}

async fn every_record_arrives(program: Program, way: Way) {
    let pem = issue();
    let receiver = Receiver::start(program, way, Some(pem.clone())).await;
    let mut story = Story::begin().await;
    story.append((1..=300).map(odd)).await;
    let mut status = story.pump(to(&receiver, way, &pem));
    let view = until(&mut status, |view| view.position == 300).await;
    assert_eq!((view.delivered, view.attempts.success, view.attempts.retryable), (300, 1, 0), "{view:?}");
    receiver.has(300).await;
    for (line, number) in receiver.lines().iter().zip(1..) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [priority, time, host, app, service, message_id, data, text] = fields[..] else {
            panic!("{line:?}")
        };
        let wanted = expected(number);
        assert_eq!(
            [priority, host, app, service, message_id],
            [0, 2, 3, 4, 5].map(|at| &*wanted[at]),
            "{line}"
        );
        // Of a record without a time, the receiver tells its own.
        assert!(number == 250 || time.starts_with(&wanted[1]), "{line}");
        assert_eq!(sorted(data), sorted(&wanted[6]), "{line}");
        let text = text.trim_start_matches('\u{feff}');
        if number == 200 {
            assert!(text.starts_with("long long") && text.ends_with('…') && text.len() > 7000, "{line}");
        } else {
            assert_eq!(text, wanted[7], "{line}");
        }
    }
    assert_eq!(receiver.lines().len(), 300);
    story.end().await;
}

#[tokio::test]
async fn rsyslog_has_every_record_over_udp() {
    every_record_arrives(Rsyslog, Udp).await;
}

#[tokio::test]
async fn rsyslog_has_every_record_over_tcp() {
    every_record_arrives(Rsyslog, Tcp).await;
}

#[tokio::test]
async fn rsyslog_has_every_record_over_tls_on_both_sides() {
    every_record_arrives(Rsyslog, Tls).await;
}

#[tokio::test]
async fn rsyslog_has_every_record_over_a_datagram_socket() {
    every_record_arrives(Rsyslog, Datagram).await;
}

#[tokio::test]
async fn rsyslog_has_every_record_over_a_stream_socket() {
    every_record_arrives(Rsyslog, Stream).await;
}

#[tokio::test]
async fn syslog_ng_has_every_record_over_udp() {
    every_record_arrives(SyslogNg, Udp).await;
}

#[tokio::test]
async fn syslog_ng_has_every_record_over_tcp() {
    every_record_arrives(SyslogNg, Tcp).await;
}

#[tokio::test]
async fn syslog_ng_has_every_record_over_tls_on_both_sides() {
    every_record_arrives(SyslogNg, Tls).await;
}

#[tokio::test]
async fn syslog_ng_has_every_record_over_a_datagram_socket() {
    every_record_arrives(SyslogNg, Datagram).await;
}

#[tokio::test]
async fn syslog_ng_has_every_record_over_a_stream_socket() {
    every_record_arrives(SyslogNg, Stream).await;
}

/// How often each of the records 1 to `last` is there.
fn counts(receiver: &Receiver, last: u64) -> BTreeMap<u64, usize> {
    let mut counts: BTreeMap<u64, usize> = (1..=last).map(|number| (number, 0)).collect();
    for line in receiver.lines() {
        let number = line.rsplit_once("record <").unwrap().1.trim_end_matches('>').parse().unwrap();
        *counts.get_mut(&number).unwrap() += 1;
    }
    counts
}

#[tokio::test]
async fn a_receiver_that_is_stopped_between_batches_and_started_again_misses_nothing() {
    for (program, way) in [(Rsyslog, Tcp), (Rsyslog, Tls), (Rsyslog, Datagram), (SyslogNg, Tcp)] {
        let pem = issue();
        let mut receiver = Receiver::start(program, way, Some(pem.clone())).await;
        let mut story = Story::begin().await;
        let mut status = story.pump(to(&receiver, way, &pem));
        story.append((1..=2000).map(record)).await;
        until(&mut status, |view| view.position == 2000).await;
        receiver.has(2000).await;
        receiver.stop().await;
        story.append((2001..=3000).map(record)).await;
        until(&mut status, |view| view.attempts.retryable >= 1).await;
        receiver.start_again().await;
        until(&mut status, |view| view.position == 3000).await;
        receiver.has(3000).await;
        receiver.stop().await;
        receiver.start_again().await;
        story.append((3001..=5000).map(record)).await;
        until(&mut status, |view| view.position == 5000).await;
        receiver.has(5000).await;
        assert!(counts(&receiver, 5000).values().all(|count| *count == 1), "{program:?} {way:?}");
        story.end().await;
    }
}

#[tokio::test]
async fn a_receiver_that_hangs_and_is_killed_loses_what_it_had_not_read_and_nothing_else() {
    let pem = issue();
    let mut receiver = Receiver::start(Rsyslog, Tcp, None).await;
    let mut story = Story::begin().await;
    let mut status = story.pump(to(&receiver, Tcp, &pem));
    story.append((1..=20_000).map(record)).await;
    receiver.has(3000).await;
    receiver.hang();
    let had = receiver.lines().len() as u64;
    until(&mut status, |view| view.position >= had + 2000).await;
    receiver.kill().await;
    until(&mut status, |view| view.attempts.retryable >= 1).await;
    receiver.start_again().await;
    until(&mut status, |view| view.position == 20_000).await;
    story.append((20_001..=20_001).map(record)).await;
    until(&mut status, |view| view.position == 20_001).await;
    receiver.has_line("record <20001>").await;
    let counts = counts(&receiver, 20_001);
    let lost: Vec<u64> = counts.iter().filter(|(_, count)| **count == 0).map(|(number, _)| *number).collect();
    let again = counts.values().filter(|count| **count > 1).count();
    eprintln!("of 20000 records, a kill lost {} and {again} came twice", lost.len());
    let [first, .., end] = lost[..] else { panic!("what hung in the buffers cannot have arrived: {lost:?}") };
    assert_eq!(end - first + 1, lost.len() as u64, "one hole, where it hung: {lost:?}");
    story.end().await;
}

#[tokio::test]
async fn a_receiver_that_does_not_believe_us_or_is_not_believed_gets_nothing() {
    let (pem, other) = (issue(), issue());
    let receiver = Receiver::start(Rsyslog, Tls, Some(pem.clone())).await;
    for stranger in [client(roots(&other)), client(roots(&pem))] {
        let mut story = Story::begin().await;
        let at = HostPort { host: "localhost".to_owned(), port: receiver.port };
        let (change, access) = opened(stranger);
        let mut status = story.pump(sink(SyslogTransport::Tls(at, access), 8 << 10));
        story.append((1..=3).map(record)).await;
        let view = until(&mut status, |view| view.last_error.is_some()).await;
        let error = view.last_error.unwrap();
        assert_eq!((view.position, receiver.lines().len() % 3), (0, 0), "{error}");
        change.send_replace(PeerAccess {
            headers: Vec::new(),
            login: NatsLogin::None,
            tls: known_client(&pem),
        });
        until(&mut status, |view| view.position == 3).await;
        story.end().await;
    }
    receiver.has(6).await;
    assert_eq!(receiver.lines().len(), 6);
}

#[tokio::test]
async fn a_datagram_that_is_too_large_for_the_way_is_cut() {
    let receiver = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let at = HostPort { host: "127.0.0.1".to_owned(), port: receiver.local_addr().unwrap().port() };
    let mut story = Story::begin().await;
    let mut large = record(1);
    large.facts.message = "x".repeat(100_000);
    story.append([large, record(2)]).await;
    let mut status = story.pump(sink(SyslogTransport::Udp(at), 64 << 10));
    let view = until(&mut status, |view| view.position == 2).await;
    assert_eq!((view.delivered, view.too_large), (2, 0));
    let mut datagram = vec![0; 70_000];
    let length = receiver.recv(&mut datagram).await.unwrap();
    let text = std::str::from_utf8(&datagram[..length]).unwrap();
    assert!(length == 32 << 10 && text.ends_with("x…"), "{length}");
    let length = receiver.recv(&mut datagram).await.unwrap();
    assert!(datagram[..length].ends_with(b"record <2>"));
    story.end().await;
}

/// Takes connections, and reads them or closes them at once.
async fn listener(reads: bool) -> (HostPort, tokio::task::JoinSet<()>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut task = tokio::task::JoinSet::new();
    task.spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            if reads {
                tokio::io::copy(&mut connection, &mut tokio::io::sink()).await.unwrap();
            }
        }
    });
    (HostPort { host: "127.0.0.1".to_owned(), port }, task)
}

#[tokio::test]
async fn whoever_takes_connections_and_closes_them_is_not_believed() {
    let (at, _task) = listener(false).await;
    let mut story = Story::begin().await;
    story.append((1..=3).map(record)).await;
    let mut status = story.pump(sink(SyslogTransport::Tcp(at), 8 << 10));
    let view = until(&mut status, |view| view.attempts.retryable >= 2).await;
    assert_eq!((view.position, view.delivered, view.up), (0, 0, false), "{view:?}");
    story.end().await;
}

#[tokio::test]
async fn a_short_timeout_leaves_time_to_look() {
    let (at, _task) = listener(true).await;
    let mut story = Story::begin().await;
    story.append((1..=3).map(record)).await;
    let SinkConfig::Syslog(mut config) = sink(SyslogTransport::Tcp(at), 8 << 10) else { unreachable!() };
    config.timeout = Duration::from_millis(800);
    let mut status = story.pump(SinkConfig::Syslog(config));
    until(&mut status, |view| view.position == 3).await;
    story.end().await;
}
