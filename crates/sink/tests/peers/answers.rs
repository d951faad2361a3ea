//! Answers that are too slow, too long, not an answer of such a peer, or a refusal of us.

use std::time::Duration;

use sink::{
    HttpConfig,
    HttpFormat::{Loki, Ndjson},
    SinkConfig,
};

use crate::{
    server::{Reply, Server},
    story::{Story, access, http, no_tls, peer, record, until, with_header},
};

#[tokio::test]
async fn an_answer_that_drips_is_given_up_and_the_batch_tried_again() {
    let mut story = Story::begin().await;
    let server = Server::start(|_| Reply::Drip).await;
    let (_, access) = access("x", no_tls());
    let mut peer = peer(&format!("http://{}/", server.address), access);
    peer.timeout = Duration::from_millis(300);
    let config = HttpConfig { peer, format: Ndjson, stream_labels: Vec::new() };
    let mut status = story.pump(SinkConfig::Http(config));
    story.append((1..=3).map(record)).await;
    let view = until(&mut status, |view| view.attempts.retryable == 1 && view.last_error.is_some()).await;
    assert!(view.last_error.unwrap().ends_with(": no answer within 300ms"));
    server.answer(|_| Reply::status(200));
    until(&mut status, |view| view.position == 3).await;
    story.end().await;
}

#[tokio::test]
async fn an_answer_without_end_is_cut_off() {
    let mut story = Story::begin().await;
    let server = Server::start(|_| Reply::Whole("200 OK".to_owned(), vec![b' '; 10 << 20])).await;
    let mut status = story.pump(http(server.address, Ndjson));
    story.append((1..=3).map(record)).await;
    let view = until(&mut status, |view| !view.up).await;
    assert!(view.last_error.unwrap().ends_with("it has more than 65536 bytes"));
    // A long complaint is one all the same.
    server.answer(|_| Reply::Whole("500 Oops".to_owned(), vec![b'x'; 10 << 20]));
    let view =
        until(&mut status, |view| view.last_error.as_ref().is_some_and(|error| error.contains("500"))).await;
    assert!(view.last_error.unwrap().len() < 500);
    server.answer(|_| Reply::status(200));
    until(&mut status, |view| view.position == 3).await;
    story.end().await;
}

#[tokio::test]
async fn a_web_page_is_no_word_of_a_peer_whatever_its_status() {
    let mut story = Story::begin().await;
    let page = "200 OK\r\ncontent-type: text/html; charset=utf-8".to_owned();
    let server = Server::start(move |_| Reply::Whole(page.clone(), b"<html>Welcome".to_vec())).await;
    let mut status = story.pump(http(server.address, Loki));
    story.append((1..=3).map(record)).await;
    let view = until(&mut status, |view| !view.up).await;
    assert!(view.last_error.unwrap().contains("a web page answered"));
    assert_eq!((view.position, view.attempts.permanent), (0, 1));
    story.end().await;
}

#[tokio::test]
async fn a_login_that_is_refused_is_no_fault_of_the_records_and_a_changed_one_is_used_at_once() {
    let mut story = Story::begin().await;
    let server = Server::start(|request| match request.header("authorization") {
        Some("Bearer two") => Reply::status(204),
        _ => Reply::status(401),
    })
    .await;
    let (change, access) = access("Bearer one", no_tls());
    let peer = peer(&format!("http://{}/", server.address), access);
    let config = HttpConfig { peer, format: Ndjson, stream_labels: Vec::new() };
    let mut status = story.pump(SinkConfig::Http(config));
    story.append((1..=3).map(record)).await;
    let view = until(&mut status, |view| view.attempts.permanent == 2).await;
    assert_eq!((view.up, view.position, view.rejected), (false, 0, 0));
    change.send_replace(with_header("Bearer two", no_tls()));
    let view = until(&mut status, |view| view.position == 3).await;
    assert!(view.up && view.delivered == 3);
    assert!(story.dead_letters().await.is_empty());
    story.end().await;
}
