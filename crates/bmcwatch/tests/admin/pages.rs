//! Every path answers as documented, and stopping lets running requests finish.

use bmcwatch::{admin::ReloadOutcome, config::AdminConfig};
use collect::State;
use tokio::{net::TcpStream, time::timeout};

use crate::story::{PATIENCE, Story, exchange};

#[tokio::test]
async fn every_page_answers() {
    let story = Story::begin(AdminConfig::default()).await;
    let pages = [
        ("GET /", 200, "<title>bmcwatch</title>"),
        ("GET /", 200, "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; "),
        ("GET /page/main.js", 200, "content-type: text/javascript; charset=utf-8"),
        ("GET /page/style.css", 200, "content-type: text/css; charset=utf-8"),
        ("GET /page/icon.svg", 200, "x-content-type-options: nosniff"),
        ("GET /page/nothing.js", 404, r#"{"error":"there is nothing at this path"}"#),
        ("GET /page/..%2fpage.rs", 404, r#"{"error":"there is nothing at this path"}"#),
        ("GET /-/healthy", 200, "ok"),
        ("GET /livez", 200, "ok"),
        ("GET /metrics", 200, "text/plain; version=0.0.4"),
        ("GET /metrics", 200, "\r\ncontent-length: "),
        ("GET /metrics", 200, "\nbmcwatch_journal_writable 1\n"),
        ("GET /metrics", 200, "\nbmcwatch_sink_up{sink=\"stdout\",type=\"stdout\"} 1\n"),
        ("GET /metrics", 200, "\nbmcwatch_log_messages_total{level=\"warn\"} 1\n"),
        ("GET /api/v1/endpoints", 200, r#"{"total":0,"next":null,"endpoints":[]}"#),
        ("GET /api/v1/endpoints", 200, "cache-control: no-store"),
        ("GET /page/main.js", 200, "cache-control: no-cache"),
        ("GET /api/v1/endpoints?state=asleep", 400, r#"{"error":"state must be one of connecting, "#),
        ("GET /api/v1/endpoints?limit=x", 400, r#"{"error":""#),
        ("GET /api/v1/sinks", 200, r#"{"sinks":[{"name":"stdout","type":"stdout","up":true,"#),
        ("GET /nowhere", 404, r#"{"error":"there is nothing at this path"}"#),
        ("POST /metrics", 405, r#"{"error":"this path does not take this method"}"#),
        ("GET /api/v1/endpoints/a/retry", 405, r#"{"error":"this path does not take this method"}"#),
        ("POST /api/v1/endpoints/a%20b/retry", 404, r#"{"error":"there is no endpoint \"a b\""}"#),
        ("POST /api/v1/endpoints/%ff/retry", 400, r#"{"error":""#),
        ("GET /-/reload", 405, r#"{"error":"this path does not take this method"}"#),
    ];
    for (request, status, part) in pages {
        let (have, answer) = story.ask(request).await;
        assert!(have == status && answer.contains(part), "{request}: {answer}");
    }
}

#[tokio::test]
async fn readiness_follows_the_facts() {
    let story = Story::begin(AdminConfig::default()).await;
    let (status, answer) = story.ask("GET /-/ready").await;
    assert!(status == 503 && answer.ends_with("not ready: the journal is not open yet\n"), "{answer}");
    story.readiness.send_modify(|ready| ready.journal_open = true);
    let (status, answer) = story.ask("GET /readyz?verbose").await;
    assert!(status == 503 && answer.contains("[+]journal ok\n[-]discovery failed"), "{answer}");
    story.readiness.send_modify(|ready| ready.discovered = true);
    assert_eq!(story.ask("GET /-/ready").await.0, 200);
    story.readiness.send_modify(|ready| ready.stopping = true);
    assert_eq!(story.ask("GET /readyz").await.0, 503);
}

#[tokio::test]
async fn a_reload_tells_what_came_of_it() {
    let mut story = Story::begin(AdminConfig::default()).await;
    let problems = ["line 3: unknown key `adress`", "line 9: no such file"].map(str::to_owned).to_vec();
    let outcomes = [
        ("POST /-/reload", ReloadOutcome::Applied, 200, "in effect\n"),
        ("PUT /-/reload", ReloadOutcome::Applied, 200, "in effect\n"),
        ("POST /-/reload", ReloadOutcome::Refused(problems), 422, "`adress`\nline 9: no such file\n"),
    ];
    for (request, outcome, status, end) in outcomes {
        let asked = exchange(
            story.address,
            format!(
                "{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
            ),
        );
        let reloads = &mut story.reloads;
        let ((have, answer), ()) = tokio::join!(asked, async { reloads.recv().await.unwrap().done(outcome) });
        assert!(have == status && answer.ends_with(end), "{answer}");
    }
}

#[tokio::test]
async fn an_endpoint_is_tried_by_its_id_whatever_characters_it_has() {
    let mut story = Story::begin(AdminConfig::default()).await;
    for (path, id, before, status, end) in [
        ("r17-u12", "r17-u12", Some(State::AuthFailed), 200, r#"{"id":"r17-u12","state":"auth_failed"}"#),
        ("%5Bfd00::1%5D:8443", "[fd00::1]:8443", Some(State::Backoff), 200, r#""state":"backoff"}"#),
        ("a%2Fb%25", "a/b%", None, 404, r#"{"error":"there is no endpoint \"a/b%\""}"#),
    ] {
        let request = format!(
            "POST /api/v1/endpoints/{path}/retry HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n"
        );
        let (asked, retries) = (exchange(story.address, request), &mut story.retries);
        let tried = async {
            let retry = retries.recv().await.unwrap();
            assert_eq!(retry.endpoint.as_str(), id);
            retry.done(before);
        };
        let ((have, answer), ()) = tokio::join!(asked, tried);
        assert!(have == status && answer.ends_with(end), "{answer}");
    }
    story.retries.close();
    assert_eq!(story.ask("POST /api/v1/endpoints/a/retry").await.0, 503);
}

#[tokio::test]
async fn a_body_is_not_waited_for() {
    let mut story = Story::begin(AdminConfig::default()).await;
    let head =
        "POST /-/reload HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-length: 60000\r\n\r\n";
    let (asked, reloads) = (exchange(story.address, head.to_owned()), &mut story.reloads);
    let reloaded = async { reloads.recv().await.unwrap().done(ReloadOutcome::Applied) };
    let ((status, _), ()) = tokio::join!(asked, reloaded);
    assert_eq!(status, 200);
}

#[tokio::test]
async fn stopping_lets_a_running_request_finish_and_ends_idle_connections() {
    let mut story = Story::begin(AdminConfig::default()).await;
    let idle = TcpStream::connect(story.address).await.unwrap();
    let head = "POST /-/reload HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\n\r\n";
    let asked = exchange(story.address, head.to_owned());
    let (reloads, stop) = (&mut story.reloads, &story.stop);
    let stopped = async {
        let reload = reloads.recv().await.unwrap();
        stop.cancel();
        reload.done(ReloadOutcome::Applied);
    };
    let ((status, _), ()) = tokio::join!(asked, stopped);
    assert_eq!(status, 200);
    timeout(PATIENCE, story.tasks.join_next()).await.expect("the server ends").unwrap().unwrap();
    assert!(TcpStream::connect(story.address).await.is_err());
    drop(idle);
}
