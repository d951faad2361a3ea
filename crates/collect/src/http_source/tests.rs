//! What is asked, and what comes of every kind of answer, over real sockets on loopback.

use std::error::Error;

use redfish::Trust;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::*;

/// A refresh may take no longer in these tests.
const INTERVAL: Duration = Duration::from_millis(300);

/// A server that gives these answers, one a connection, and tells what it was asked; `{}` becomes its own address. An
/// empty answer is none: it hangs.
async fn server(answers: Vec<String>) -> (String, JoinSet<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut task = JoinSet::new();
    let own = address.clone();
    task.spawn(async move {
        let (mut asked, mut hanging) = (Vec::new(), Vec::new());
        for answer in answers {
            let (mut socket, _) = listener.accept().await.unwrap();
            asked.push(head(&mut socket).await);
            socket.write_all(answer.replace("{}", &own).as_bytes()).await.unwrap();
            if answer.is_empty() {
                hanging.push(socket);
            }
        }
        // Kept until the test has seen that nothing came.
        if !hanging.is_empty() {
            tokio::time::sleep(4 * INTERVAL).await;
        }
        asked
    });
    (address, task)
}

async fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(socket.read_u8().await.unwrap());
    }
    String::from_utf8(head).unwrap().to_lowercase()
}

fn source(address: &str, authorization: Option<&str>) -> HttpSource {
    let authorization = authorization.map(str::to_owned);
    let opener = move || {
        Ok(HttpAccess {
            authorization: authorization.clone().map(Secret::new),
            tls: redfish::tls_client(&Trust::Insecure, &[], None).unwrap(),
        })
    };
    let url = format!("http://{address}/bmcs?token=s3cret").parse().unwrap();
    HttpSource { url, refresh_interval: INTERVAL, opener: Arc::new(opener) }
}

fn answer(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// What comes of one answer: the number of targets, or why there are none.
async fn fetched(answers: &[String]) -> Result<usize, String> {
    let (address, _server) = server(answers.to_vec()).await;
    match source(&address, None).fetch().await {
        Ok(list) => Ok(list.targets()),
        Err(error) => {
            let mut text = error.to_string();
            let mut cause = error.source();
            while let Some(next) = cause {
                text = format!("{text}: {next}");
                cause = next.source();
            }
            assert!(!text.contains("s3cret"), "{text}");
            Err(text)
        }
    }
}

#[tokio::test]
async fn it_asks_as_prometheus_does_and_logs_in() {
    let list = answer("200 OK\r\nContent-Type: application/json", r#"[{"targets": ["a", "b"]}]"#);
    let (address, mut server) = server(vec![list.clone(), list]).await;
    assert_eq!(source(&address, None).fetch().await.unwrap().targets(), 2);
    let list = source(&address, Some("Bearer t0ken")).fetch().await.unwrap();
    assert_eq!(*list.0[0].origin, format!("http://{address}/bmcs"));
    let asked = server.join_next().await.unwrap().unwrap();
    for line in [
        "get /bmcs?token=s3cret http/1.1",
        "accept: application/json",
        "x-prometheus-refresh-interval-seconds: 0.3",
        concat!("user-agent: bmcwatch/", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(asked[0].contains(&format!("{line}\r\n")), "{line} is not in {}", asked[0]);
    }
    assert!(!asked[0].contains("authorization"), "{}", asked[0]);
    assert!(asked[1].contains("authorization: bearer t0ken\r\n"), "{}", asked[1]);
}

#[tokio::test]
async fn only_a_list_in_json_with_200_is_believed() {
    let json = "Content-Type: application/json";
    for (head, body, expected) in [
        (format!("200 OK\r\n{json}"), "[]", Ok(0)),
        ("200 OK\r\nContent-Type: Application/JSON; charset=\"UTF-8\"".to_owned(), "[]", Ok(0)),
        (format!("404 Not Found\r\n{json}"), "[]", Err("it answered 404 Not Found")),
        (format!("204 No Content\r\n{json}"), "", Err("it answered 204")),
        (format!("500 Oops\r\n{json}"), "[]", Err("it answered 500")),
        ("200 OK\r\nContent-Type: text/html".to_owned(), "<html>", Err("\"text/html\", and a list is")),
        ("200 OK\r\nContent-Type: application/json; charset=latin1".to_owned(), "[]", Err("latin1")),
        ("200 OK".to_owned(), "[]", Err("no content type")),
        (format!("200 OK\r\n{json}"), "{\"results\": []}", Err("expected a sequence at line 1")),
        (format!("200 OK\r\n{json}"), "[{\"targets\"", Err("EOF while parsing")),
    ] {
        let outcome = fetched(&[answer(&head, body)]).await;
        match (&outcome, expected) {
            (Ok(targets), Ok(expected)) if *targets == expected => {}
            (Err(text), Err(part)) if text.contains(part) => {}
            (outcome, expected) => panic!("{head} {body}: {outcome:?} and not {expected:?}"),
        }
    }
}

#[tokio::test]
async fn a_redirect_is_followed_within_the_origin_and_nowhere_else() {
    let found = |to: &str| answer(&format!("302 Found\r\nLocation: {to}"), "");
    let list = answer("200 OK\r\nContent-Type: application/json", "[]");
    assert_eq!(fetched(&[found("http://{}/bmcs/"), list.clone()]).await, Ok(0));
    let elsewhere = fetched(&[found("http://localhost:1/bmcs")]).await.unwrap_err();
    assert!(elsewhere.contains("another origin"), "{elsewhere}");
    let circle = fetched(&vec![found("/bmcs"); 7]).await.unwrap_err();
    assert!(circle.contains("in circles"), "{circle}");
}

#[tokio::test]
async fn who_hangs_drips_or_ends_early_is_given_up() {
    let begun = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
    assert!(fetched(&[String::new()]).await.unwrap_err().contains("no whole answer within 300ms"));
    let cut = fetched(&[format!("{begun}Content-Length: 100\r\n\r\n[")]).await.unwrap_err();
    assert!(cut.starts_with("ask http://127.0.0.1:"), "{cut}");
}

#[tokio::test]
async fn more_than_any_list_is_not_read_to_its_end() {
    let head = "200 OK\r\nContent-Type: application/json";
    let (address, _server) = server(vec![answer(head, &" ".repeat(LIST_BYTES_MAX + 1))]).await;
    let patient = HttpSource { refresh_interval: DEADLINE_MAX, ..source(&address, None) };
    let error = patient.fetch().await.unwrap_err().to_string();
    assert!(error.ends_with("more than 67108864 bytes"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_opened_is_not_asked() {
    let mut source = source("127.0.0.1:1", None);
    source.opener = Arc::new(|| Err("/run/token is open to others".to_owned()));
    assert!(source.fetch().await.unwrap_err().to_string().ends_with("/run/token is open to others"));
}
