//! NATS JetStream against a real server: each record once in its stream whatever is killed, and what somebody is told when the
//! server, the stream or the login is not set up.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use async_nats::jetstream::stream;
use model::{Record, Secret};
use rustls::ClientConfig;
use sink::{NatsConfig, NatsLogin, PeerAccess, SinkConfig, SinkStatus, Subject};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::{
    broker::{Broker, stream},
    story::{Story, client, no_tls, record, until},
    syslog::{issue, known_client, roots},
};

pub(crate) fn access(login: NatsLogin, tls: Arc<ClientConfig>) -> PeerAccess {
    PeerAccess { headers: Vec::new(), login, tls }
}

/// A sink, and the place to change what opens its server.
pub(crate) fn sink(
    broker: &Broker,
    scheme: &str,
    with: PeerAccess,
) -> (watch::Sender<PeerAccess>, SinkConfig) {
    let (change, access) = watch::channel(with);
    let servers = vec![broker.url(scheme)];
    // Longer than anybody here waits: what is noticed only by it is not noticed.
    let timeout = Duration::from_mins(10);
    (change, SinkConfig::Nats(NatsConfig { servers, subject: Subject::default(), timeout, access }))
}

fn anybody(broker: &Broker) -> SinkConfig {
    sink(broker, "nats", access(NatsLogin::None, no_tls())).1
}

pub(crate) fn uids(numbers: RangeInclusive<u64>) -> Vec<String> {
    numbers.map(|number| record(number).uid.to_string()).collect()
}

/// Waits until the sink complains, and answers what it says.
pub(crate) async fn complaint(status: &mut SinkStatus, part: &str) -> String {
    let said = |view: &sink::SinkView| view.last_error.as_ref().is_some_and(|error| error.contains(part));
    until(status, said).await.last_error.unwrap()
}

fn large(number: u64, bytes: usize) -> Record {
    let mut record = record(number);
    record.facts.message = "x".repeat(bytes);
    record
}

#[tokio::test]
async fn a_server_that_is_killed_and_started_again_has_every_record_once_and_in_order() {
    let mut broker = Broker::with_stream().await;
    let mut story = Story::begin().await;
    let mut status = story.pump(anybody(&broker));
    story.append((1..=5000).map(record)).await;
    until(&mut status, |view| view.delivered >= 1000).await;
    broker.kill().await;
    until(&mut status, |view| view.attempts.retryable >= 1).await;
    broker.start_again(&Broker::jetstream_on("")).await;
    let view = until(&mut status, |view| view.position == 5000).await;
    assert_eq!((view.delivered, view.rejected, view.too_large), (5000, 0, 0));
    assert_eq!(broker.uids().await, uids(1..=5000));
    story.end().await;
}

#[tokio::test]
async fn we_that_are_killed_and_started_again_put_every_record_there_once() {
    let broker = Broker::with_stream().await;
    let mut story = Story::begin().await;
    story.append((1..=2000).map(record)).await;
    let mut status = story.pump(anybody(&broker));
    let view = until(&mut status, |view| view.delivered >= 1000).await;
    story.kill_pumps().await;
    let begun_at = story.journal.position("peer").await.unwrap();
    assert!(begun_at < view.delivered, "some come again: {begun_at}, {view:?}");
    let mut status = story.pump(anybody(&broker));
    let view = until(&mut status, |view| view.position == 2000).await;
    assert_eq!(view.delivered, 2000 - begun_at, "what is there already counts as delivered");
    assert_eq!(broker.uids().await, uids(1..=2000));
    story.end().await;
}

/// Lets everybody in, takes what is published, and answers nothing: it closes the connection when something comes.
async fn closes_on_publish(listener: &TcpListener) {
    let mut connections = JoinSet::new();
    loop {
        let (connection, _) = listener.accept().await.unwrap();
        connections.spawn(greet_and_close(connection));
    }
}

async fn greet_and_close(mut connection: TcpStream) {
    let info = r#"{"server_id":"x","version":"2.9.10","host":"x","port":4222,"headers":true,"max_payload":1048576,"proto":1,"jetstream":true}"#;
    connection.write_all(format!("INFO {info}\r\n").as_bytes()).await.unwrap();
    let (mut said, mut greeted) = (Vec::new(), false);
    while connection.read_buf(&mut said).await.is_ok_and(|bytes| bytes > 0) {
        let text = String::from_utf8_lossy(&said);
        if !greeted && text.contains("PING") {
            connection.write_all(b"PONG\r\n").await.unwrap();
            greeted = true;
        }
        if text.contains("HPUB") {
            return;
        }
    }
}

#[tokio::test]
async fn a_connection_that_breaks_is_noticed_before_the_timeout() {
    let mut broker = Broker::with_stream().await;
    broker.kill().await;
    let stub = TcpListener::bind(("127.0.0.1", broker.port)).await.unwrap();
    let mut story = Story::begin().await;
    let mut status = story.pump(anybody(&broker));
    story.append((1..=3).map(record)).await;
    tokio::select! {
        () = closes_on_publish(&stub) => {}
        error = complaint(&mut status, "the connection was lost") => assert!(error.contains("nats://localhost:"), "{error}"),
    }
    drop(stub);
    broker.start_again(&Broker::jetstream_on("")).await;
    until(&mut status, |view| view.position == 3).await;
    assert_eq!(broker.uids().await, uids(1..=3));
    story.end().await;
}

#[tokio::test]
async fn a_server_that_was_away_while_there_was_nothing_to_publish_costs_no_attempt() {
    let mut broker = Broker::with_stream().await;
    let mut story = Story::begin().await;
    let mut status = story.pump(anybody(&broker));
    for batch in [1..=3, 4..=6] {
        let last = *batch.end();
        story.append(batch.map(record)).await;
        until(&mut status, |view| view.position == last).await;
        broker.restart(&Broker::jetstream_on("")).await;
    }
    let attempts = status.view().attempts;
    assert_eq!((attempts.success, attempts.retryable, attempts.permanent), (2, 0, 0));
    assert_eq!(broker.uids().await, uids(1..=6));
    story.end().await;
}

#[tokio::test]
async fn one_of_several_servers_is_enough() {
    let broker = Broker::with_stream().await;
    // Takes connections, and says nothing.
    let hangs = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let SinkConfig::Nats(mut config) = anybody(&broker) else { unreachable!() };
    for port in [nobody, hangs.local_addr().unwrap().port()] {
        config.servers.insert(0, format!("nats://127.0.0.1:{port}").parse().unwrap());
    }
    config.timeout = Duration::from_secs(6);
    let mut story = Story::begin().await;
    let mut status = story.pump(SinkConfig::Nats(config));
    story.append((1..=3).map(record)).await;
    let view = until(&mut status, |view| view.position == 3).await;
    assert_eq!((view.attempts.retryable, view.attempts.permanent), (0, 0));
    let messages = Broker::messages(&broker.jetstream().await).await;
    assert_eq!(messages[0].1, "bmc.fra1.r17-u12.critical");
    story.end().await;
}

#[tokio::test]
async fn without_a_stream_and_without_jetstream_somebody_is_told_how_to_make_one() {
    let mut broker = Broker::start("").await;
    let mut story = Story::begin().await;
    let mut status = story.pump(anybody(&broker));
    story.append((1..=3).map(record)).await;
    let error = complaint(&mut status, "no stream takes this subject, or JetStream is off").await;
    assert!(error.contains("nats stream add bmcwatch --subjects 'bmc.>'"), "{error}");
    broker.restart(&Broker::jetstream_on("")).await;
    let seen = status.view().attempts.permanent;
    let view = until(&mut status, |view| view.attempts.permanent > seen).await;
    assert_eq!((view.position, view.up), (0, false));
    broker.jetstream().await.create_stream(stream()).await.unwrap();
    until(&mut status, |view| view.position == 3).await;
    assert_eq!(broker.uids().await, uids(1..=3));
    story.end().await;
}

#[tokio::test]
async fn a_full_stream_holds_records_up_until_there_is_room() {
    let broker = Broker::with_stream().await;
    let jetstream = broker.jetstream().await;
    let full = stream::Config { max_messages: 4, discard: stream::DiscardPolicy::New, ..stream() };
    jetstream.update_stream(full).await.unwrap();
    let mut story = Story::begin().await;
    story.append((1..=10).map(record)).await;
    let mut status = story.pump(anybody(&broker));
    let error = complaint(&mut status, "the stream is full").await;
    assert!(
        error.contains("raise the limits of the stream") && error.contains("maximum messages"),
        "{error}"
    );
    let view = status.view();
    let attempts = view.attempts;
    assert_eq!((view.delivered, attempts.retryable, view.rejected), (4, 0, 0), "{view:?}");
    assert!(attempts.permanent >= 1, "somebody must act: {view:?}");
    jetstream.update_stream(stream()).await.unwrap();
    until(&mut status, |view| view.position == 10).await;
    assert_eq!(broker.uids().await, uids(1..=10));
    story.end().await;
}

#[tokio::test]
async fn what_is_too_large_for_the_server_or_for_the_stream_is_put_aside_and_holds_up_no_other() {
    let mut broker = Broker::with_stream().await;
    let small = stream::Config { max_message_size: 20_000, ..stream() };
    broker.jetstream().await.update_stream(small).await.unwrap();
    broker.restart(&Broker::jetstream_on("max_payload: 60000")).await;
    let mut story = Story::begin().await;
    let sized = |number| match number {
        4 => large(4, 30_000),
        7 => large(7, 90_000),
        number => record(number),
    };
    story.append((1..=10).map(sized)).await;
    let mut status = story.pump(anybody(&broker));
    let view = until(&mut status, |view| view.position == 10).await;
    assert_eq!((view.delivered, view.too_large, view.rejected, view.up), (8, 2, 0, true));
    let letters = story.dead_letters().await;
    let about: Vec<_> = letters.iter().map(|kept| (kept.letter.position, &*kept.letter.error)).collect();
    for (position, error) in &about {
        assert!(
            error.contains("more than the server (max_payload) or the stream (max_msg_size) takes"),
            "{error}"
        );
        assert!([4, 7].contains(position), "{about:?}");
    }
    assert_eq!(about.len(), 2);
    let expected: Vec<String> = [1..=3, 5..=6, 8..=10].into_iter().flat_map(uids).collect();
    assert_eq!(broker.uids().await, expected);
    story.end().await;
}

/// A user of a server, who may do this.
fn user(password: &str, permissions: &str) -> String {
    let user = format!("{{ user: ada, password: \"{password}\", permissions: {{ {permissions} }} }}");
    Broker::jetstream_on(&format!("authorization {{ users: [{user}] }}"))
}

fn ada(password: &str) -> NatsLogin {
    NatsLogin::Password { username: "ada".to_owned(), password: Secret::new(password.to_owned()) }
}

const MAY_ALL: &str = "publish: \"bmc.>\", subscribe: \"_INBOX.>\"";

#[tokio::test]
async fn what_a_login_may_not_do_is_told_in_the_words_of_the_server_with_what_it_must_be_allowed() {
    for (permissions, words) in [
        ("publish: \"other.>\", subscribe: \"_INBOX.>\"", "Permissions Violation for Publish to"),
        ("publish: \"bmc.>\", subscribe: \"other.>\"", "Permissions Violation for Subscription to"),
    ] {
        let mut broker = Broker::with_stream().await;
        broker.restart(&user("hunter1", permissions)).await;
        let mut story = Story::begin().await;
        let mut status = story.pump(sink(&broker, "nats", access(ada("hunter1"), no_tls())).1);
        story.append((1..=3).map(record)).await;
        let error = complaint(&mut status, words).await;
        assert!(error.contains("allowed to publish to 'bmc.>' and to subscribe to '_INBOX.>'"), "{error}");
        let view = status.view();
        assert_eq!((view.position, view.attempts.retryable, view.rejected), (0, 0, 0), "{view:?}");
        broker.restart(&user("hunter1", MAY_ALL)).await;
        until(&mut status, |view| view.position == 3).await;
        broker.restart(&Broker::jetstream_on("")).await;
        assert_eq!(broker.uids().await, uids(1..=3));
        story.end().await;
    }
}

#[tokio::test]
async fn a_password_that_rotates_while_we_run_is_used_by_the_next_connection() {
    let mut broker = Broker::with_stream().await;
    broker.restart(&user("hunter1", MAY_ALL)).await;
    let mut story = Story::begin().await;
    let (change, config) = sink(&broker, "nats", access(ada("hunter1"), no_tls()));
    let mut status = story.pump(config);
    story.append((1..=3).map(record)).await;
    until(&mut status, |view| view.position == 3).await;
    broker.restart(&user("hunter2", MAY_ALL)).await;
    story.append((4..=6).map(record)).await;
    let error = complaint(&mut status, "log in to nats://localhost:").await;
    assert!(error.contains("authorization violation") && !error.contains("hunter"), "{error}");
    assert_eq!(status.view().position, 3);
    change.send_replace(access(ada("hunter2"), no_tls()));
    until(&mut status, |view| view.position == 6).await;
    // A connection that stands is also left: what opened it opens it no more.
    let refused = status.view().attempts.permanent;
    change.send_replace(access(ada("hunter3"), no_tls()));
    story.append((7..=9).map(record)).await;
    until(&mut status, |view| view.attempts.permanent > refused).await;
    change.send_replace(access(ada("hunter2"), no_tls()));
    until(&mut status, |view| view.position == 9).await;
    broker.restart(&Broker::jetstream_on("")).await;
    assert_eq!(broker.uids().await, uids(1..=9));
    story.end().await;
}

/// A server with this in its configuration lets in nobody, then not the wrong one, then the right one.
async fn lets_in_only(configuration: &str, wrong: NatsLogin, right: NatsLogin) {
    let mut broker = Broker::with_stream().await;
    broker.restart(&Broker::jetstream_on(configuration)).await;
    for stranger in [NatsLogin::None, wrong] {
        let mut story = Story::begin().await;
        story.append((1..=3).map(record)).await;
        let (change, config) = sink(&broker, "nats", access(stranger, no_tls()));
        let mut status = story.pump(config);
        let error = complaint(&mut status, "log in to nats://localhost:").await;
        assert!(error.contains("look at the sink's login and at the server's users"), "{error}");
        assert_eq!(status.view().attempts.retryable, 0);
        change.send_replace(access(right.clone(), no_tls()));
        until(&mut status, |view| view.position == 3).await;
        story.end().await;
    }
    broker.restart(&Broker::jetstream_on("")).await;
    assert_eq!(broker.uids().await, uids(1..=3));
}

#[tokio::test]
async fn a_token_lets_in_who_has_it() {
    let token = |text: &str| NatsLogin::Token(Secret::new(text.to_owned()));
    lets_in_only("authorization { token: \"s3cret\" }", token("other"), token("s3cret")).await;
}

#[tokio::test]
async fn the_seed_of_an_nkey_lets_in_who_has_it() {
    let [own, other] = [nkeys::KeyPair::new_user(), nkeys::KeyPair::new_user()];
    let seed = |pair: &nkeys::KeyPair| NatsLogin::Nkey(Secret::new(pair.seed().unwrap()));
    let users = format!("authorization {{ users: [{{ nkey: {} }}] }}", own.public_key());
    lets_in_only(&users, seed(&other), seed(&own)).await;
}

#[test]
fn what_is_no_seed_and_no_credentials_file_is_known_before_anybody_connects() {
    let account = nkeys::KeyPair::new_account().seed().unwrap();
    for text in ["", "SU", "hunter2", &account] {
        let login = NatsLogin::Nkey(Secret::new(text.to_owned()));
        let error = login.check().unwrap_err().to_string();
        assert!(error.contains("begins with SU") && (text.len() < 3 || !error.contains(text)), "{error}");
        let login = NatsLogin::Credentials(Secret::new(text.to_owned()));
        assert!(login.check().unwrap_err().to_string().contains("nsc generate creds"));
    }
}

/// What a server needs for TLS with this certificate, and of whom it asks one.
fn tls(broker: &Broker, pem: &[String; 3], verify: bool) -> String {
    for (name, text) in ["ca.pem", "cert.pem", "key.pem"].into_iter().zip(pem) {
        broker.write(name, text);
    }
    let files = "cert_file: \"$DIRECTORY/cert.pem\", key_file: \"$DIRECTORY/key.pem\", ca_file: \"$DIRECTORY/ca.pem\"";
    Broker::jetstream_on(&format!("tls {{ {files}, verify: {verify} }}"))
}

#[tokio::test]
async fn a_server_that_is_not_believed_or_does_not_believe_us_gets_nothing_until_it_does() {
    let (pem, other) = (issue(), issue());
    for (scheme, verify, stranger, known) in [
        ("tls", false, client(roots(&other)), client(roots(&pem))),
        ("tls", true, client(roots(&pem)), known_client(&pem)),
        // It insists on TLS, though we do not.
        ("nats", false, client(roots(&other)), client(roots(&pem))),
    ] {
        let mut broker = Broker::with_stream().await;
        let configuration = tls(&broker, &pem, verify);
        broker.restart(&configuration).await;
        let mut story = Story::begin().await;
        story.append((1..=3).map(record)).await;
        let (change, config) = sink(&broker, scheme, access(NatsLogin::None, stranger));
        let mut status = story.pump(config);
        let error = complaint(&mut status, &format!("agree on TLS with {scheme}://localhost:")).await;
        let view = status.view();
        assert_eq!((view.position, view.attempts.retryable), (0, 0), "{error}");
        change.send_replace(access(NatsLogin::None, known));
        until(&mut status, |view| view.position == 3).await;
        broker.restart(&Broker::jetstream_on("")).await;
        assert_eq!(broker.uids().await, uids(1..=3));
        story.end().await;
    }
}

#[tokio::test]
async fn a_server_without_tls_gets_nothing_where_tls_is_asked_for() {
    let broker = Broker::with_stream().await;
    let mut story = Story::begin().await;
    story.append((1..=3).map(record)).await;
    let mut status = story.pump(sink(&broker, "tls", access(NatsLogin::None, client(roots(&issue())))).1);
    until(&mut status, |view| !view.up && view.last_error.is_some()).await;
    assert!(broker.uids().await.is_empty());
    story.end().await;
}
