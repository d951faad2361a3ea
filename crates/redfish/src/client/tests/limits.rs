//! What a BMC may send, and what becomes of it when it sends more: each limit by its name, over raw sockets where the
//! libraries' own limits are part of it. The deadlines are shortened; that they are kept in full is shown in virtual time
//! beside the client.

use std::io::Write;

use flate2::{Compression, write::GzEncoder};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::*;
use crate::{FailureReason, Https, OpenStreamError, Operation, StreamItem};

const ROOT: &str =
    r#"{"Systems":{"@odata.id":"/redfish/v1/Systems"},"Managers":{"@odata.id":"/redfish/v1/Managers"}}"#;

fn root() -> ServiceRoot {
    ServiceRoot::decode(&serde_json::from_str(ROOT).unwrap())
}

fn members(links: impl Iterator<Item = String>) -> String {
    let members: Vec<String> = links.map(|link| format!(r#"{{"@odata.id":"{link}"}}"#)).collect();
    format!(r#"{{"Members":[{}]}}"#, members.join(","))
}

/// A BMC with one good log below its manager, and whatever `systems` answers.
fn bmc(systems: impl Fn(&Asked) -> Option<Reply> + Send + Sync + 'static) -> Bmc {
    Bmc::new(move |asked| match asked.path.as_str() {
        "/redfish/v1/Managers" => json(r#"{"Members":[{"@odata.id":"/m"}]}"#),
        "/m" => json(r#"{"LogServices":{"@odata.id":"/m/Logs"}}"#),
        "/m/Logs" => json(r#"{"Members":[{"@odata.id":"/m/Logs/Good","Entries":{"@odata.id":"/good"}}]}"#),
        _ => systems(asked).unwrap_or_else(|| status(404)),
    })
}

/// What was found, how many requests below `/s`, and the reasons that are counted.
async fn walk(bmc: &Bmc) -> (Vec<String>, usize, Vec<FailureReason>) {
    let found = bmc.client(AuthMode::None).log_services(&root()).await.unwrap();
    let paths = found.found.into_iter().map(|log| log.path).collect();
    let asked = bmc.lines().iter().filter(|line| line.starts_with("GET /s")).count();
    (paths, asked, found.problems.iter().map(RequestError::reason).collect())
}

#[tokio::test]
async fn collection_members_max_is_kept_and_what_is_beyond_is_told() {
    let bmc = bmc(|asked| match asked.path.as_str() {
        "/redfish/v1/Systems" => Some(json(&members((0..5000).map(|n| format!("/s/{n}"))))),
        _ => Some(json("{}")),
    });
    let (found, asked, problems) = walk(&bmc).await;
    assert_eq!((found, asked), (vec!["/m/Logs/Good".to_owned()], 256));
    assert_eq!(problems, [FailureReason::Protocol]);
}

#[tokio::test]
async fn log_services_max_is_kept_and_what_is_beyond_is_told() {
    let bmc = bmc(|asked| match asked.path.as_str() {
        "/redfish/v1/Systems" => Some(json(&members(std::iter::once("/s/1".to_owned())))),
        "/s/1" => Some(json(r#"{"LogServices":{"@odata.id":"/s/1/Logs"}}"#)),
        "/s/1/Logs" => Some(json(&members((0..200).map(|n| format!("/s/1/Logs/{n}"))))),
        _ => Some(json(r#"{"Entries":{"@odata.id":"/e"}}"#)),
    });
    let (found, asked, problems) = walk(&bmc).await;
    assert_eq!((found.len(), asked), (64, 2 + 64));
    assert!(problems.iter().all(|problem| *problem == FailureReason::Protocol) && !problems.is_empty());
}

#[tokio::test]
async fn document_bytes_max_costs_the_document_and_not_the_others() {
    let bmc = bmc(|asked| {
        let large = || json(&format!(r#"{{"Members":[{}0]}}"#, "[],".repeat(700_000)));
        (asked.path == "/redfish/v1/Systems").then(large)
    });
    let (found, _, problems) = walk(&bmc).await;
    assert_eq!((found, problems), (vec!["/m/Logs/Good".to_owned()], vec![FailureReason::Protocol]));
}

#[tokio::test]
async fn link_bytes_max_costs_the_link_and_not_the_others() {
    let bmc = bmc(|asked| {
        let links = ["/s/".to_owned() + &"x".repeat(2048), "/s/1".to_owned()];
        (asked.path == "/redfish/v1/Systems").then(|| json(&members(links.into_iter())))
    });
    let (found, asked, problems) = walk(&bmc).await;
    assert_eq!((found.len(), asked), (1, 1));
    assert_eq!(problems, [FailureReason::Protocol, FailureReason::ClientError]);
}

#[tokio::test]
async fn members_max_of_a_page_is_kept() {
    let page = |members: usize| format!(r#"{{"Members":[{}]}}"#, vec!["{}"; members].join(","));
    let (fits, more) = (page(10_000), page(10_001));
    let bmc = Bmc::new(move |asked| json(if asked.path == "/fits" { &fits } else { &more }));
    let client = bmc.client(AuthMode::None);
    client.first_page(&log("/fits")).await.unwrap();
    let error = client.first_page(&log("/more")).await.unwrap_err();
    assert!(error.kind.to_string().contains("10001 members, more than the 10000 we read"), "{error:?}");
}

#[tokio::test]
async fn linked_members_max_of_a_page_is_kept_before_one_is_asked_for() {
    let bmc = Bmc::new(|_| json(&members((0..2001).map(|n| format!("/log/{n}")))));
    let error = bmc.client(AuthMode::None).first_page(&log("/log")).await.unwrap_err();
    assert_eq!((error.reason(), bmc.lines().len()), (FailureReason::Protocol, 1));
}

#[tokio::test]
async fn records_max_of_a_payload_is_kept_and_what_is_beyond_is_counted() {
    let record = r#"{"Message":"m"}"#;
    let data = format!("data: {{\"Events\":[{}]}}\n\n", vec![record; 20_000].join(","));
    let mut stream = EventStream::new(full(&data), Instant::now());
    let Ok(StreamItem::Events { events, rejected, .. }) = stream.next().await else { panic!("events") };
    assert_eq!((events.len(), rejected), (8192, 20_000 - 8192));
}

#[tokio::test]
async fn event_id_bytes_max_is_kept_and_a_longer_id_is_never_offered() {
    let data = format!("id: {}\ndata: {{}}\n\nid: {}\ndata: {{}}\n\n", "7".repeat(256), "8".repeat(257));
    let mut stream = EventStream::new(full(&data), Instant::now());
    while stream.next().await.is_ok() {}
    assert_eq!(stream.last_event_id(), Some("7".repeat(256).as_str()));
}

/// A server that answers each connection's first request with these bytes, and then with `drip` for as long as it is read.
async fn server(tasks: &mut JoinSet<()>, answer: Vec<u8>, drip: &'static [u8], pause: Duration) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://127.0.0.1:{}", listener.local_addr().unwrap().port());
    tasks.spawn(async move {
        let mut open = JoinSet::new();
        while let Ok((mut tcp, _)) = listener.accept().await {
            let answer = answer.clone();
            open.spawn(async move {
                let answered = async {
                    let asked = tcp.read(&mut [0; 4096]).await?;
                    if asked > 0 {
                        tcp.write_all(&answer).await?;
                    }
                    loop_drip(&mut tcp, drip, pause).await
                };
                drop(answered.await);
            });
        }
    });
    let config = ClientConfig {
        address: address.parse().unwrap(),
        trust: Trust::System,
        allowed_origins: Vec::new(),
        auth: AuthMode::None,
        login: None,
    };
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let mut client = Client::new(config, Arc::new(Https::new(4, 4)), metrics, Clock::system()).unwrap();
    client.limits.head = Duration::from_millis(300);
    client.limits.body = Duration::from_millis(300);
    client
}

async fn loop_drip(tcp: &mut TcpStream, drip: &[u8], pause: Duration) -> std::io::Result<()> {
    while !drip.is_empty() {
        tcp.write_all(drip).await?;
        tokio::time::sleep(pause).await;
    }
    Ok(())
}

/// What a request for the root comes to within five seconds, which is much more than both deadlines.
async fn asked(client: &Client) -> RequestErrorKind {
    let answered = tokio::time::timeout(Duration::from_secs(5), client.root()).await;
    answered.expect("there is a deadline").expect_err("it is refused").kind
}

const SLOWLY: Duration = Duration::from_millis(20);

#[tokio::test]
async fn response_head_deadline_is_met_by_a_head_that_drips() {
    let mut tasks = JoinSet::new();
    let client = server(&mut tasks, b"HTTP/1.1 200 OK\r\nX: ".to_vec(), b"x", SLOWLY).await;
    assert!(matches!(asked(&client).await, RequestErrorKind::Timeout(_)));
    let root = ServiceRoot { event_service: Some("/es".to_owned()), ..ServiceRoot::default() };
    let opened = tokio::time::timeout(Duration::from_secs(5), client.open_stream(&root, None)).await;
    let Ok(Err(OpenStreamError::Failed(error))) = opened else { panic!("it is refused in time") };
    assert!(matches!(error.kind, RequestErrorKind::Timeout(_)), "{error:?}");
}

#[tokio::test]
async fn response_body_deadline_is_met_by_a_body_that_drips() {
    for head in ["Content-Length: 1000000\r\n\r\n", "\r\n", "Transfer-Encoding: chunked\r\n\r\n"] {
        let mut tasks = JoinSet::new();
        let drip: &[u8] = if head.contains("chunked") { b"1\r\n \r\n" } else { b" " };
        let client =
            server(&mut tasks, format!("HTTP/1.1 200 OK\r\n{head}").into_bytes(), drip, SLOWLY).await;
        assert!(matches!(asked(&client).await, RequestErrorKind::Timeout(_)), "{head}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_refused_before_the_deadline() {
    const LINES: &[u8] = &[b'a'; 8 << 10];
    for begin in ["HTTP/1.1 200 OK\r\nX: ", "HTTP/1.1 200 ", "no http at all"] {
        let mut tasks = JoinSet::new();
        let mut client = server(&mut tasks, begin.as_bytes().to_vec(), LINES, Duration::ZERO).await;
        client.limits.head = Duration::from_mins(1);
        let kind = asked(&client).await;
        assert!(
            matches!(kind, RequestErrorKind::Transport(TransportError::Exchange(_))),
            "{begin}: {kind:?}"
        );
    }
}

#[tokio::test]
async fn read_buffer_max_refuses_a_large_head_of_a_stream() {
    let mut tasks = JoinSet::new();
    let body = r#"{"ServerSentEventUri":"/sse"}"#;
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: {}\r\nX: {}\r\n\r\n{body}",
        body.len(),
        "x".repeat(9000)
    );
    // The EventService is read by the other client, for which this head is small.
    let mut client = server(&mut tasks, answer.into_bytes(), b"", SLOWLY).await;
    client.limits.head = Duration::from_mins(1);
    let root = ServiceRoot { event_service: Some("/es".to_owned()), ..ServiceRoot::default() };
    let Err(OpenStreamError::Failed(error)) = client.open_stream(&root, None).await else {
        panic!("refused")
    };
    assert_eq!((error.operation, error.reason()), (Operation::Sse, FailureReason::Protocol), "{error:?}");
    assert_eq!(error.path, "/sse");
}

#[tokio::test]
async fn body_bytes_max_counts_what_a_packed_body_holds() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    let blanks = vec![b' '; 1 << 20];
    for _ in 0..64 {
        packed.write_all(&blanks).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 128 << 10, "64 MiB in {} bytes", packed.len());
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
    let mut tasks = JoinSet::new();
    let mut client = server(&mut tasks, [head.into_bytes(), packed].concat(), b"", SLOWLY).await;
    client.limits.body = Duration::from_mins(1);
    let kind = asked(&client).await;
    assert!(matches!(kind, RequestErrorKind::TooLarge { limit: BODY_BYTES_MAX }), "{kind:?}");
}
