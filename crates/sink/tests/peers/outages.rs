//! The peer is not there, or says that it cannot, or does not say anything.

use sink::HttpFormat::Ndjson;

use crate::{
    server::{Reply, Server},
    story::{Story, http, record, until},
};

#[tokio::test]
async fn a_peer_that_is_stopped_and_started_again_misses_nothing() {
    let mut story = Story::begin().await;
    let server = Server::start(|_| Reply::status(204)).await;
    let address = server.address;
    let mut status = story.pump(http(address, Ndjson));
    story.append((1..=3).map(record)).await;
    until(&mut status, |view| view.position == 3).await;
    drop(server);
    story.append((4..=1000).map(record)).await;
    let view = until(&mut status, |view| view.attempts.retryable >= 2).await;
    assert!(!view.up && view.position == 3, "{view:?}");
    let error = view.last_error.unwrap();
    assert!(error.starts_with(&format!("post to http://{address}/push: ")), "{error}");
    assert!(!error.contains("hidden"), "a query may hold a secret: {error}");
    let server = Server::listen(&address.to_string(), None, |_| Reply::status(204)).await;
    let view = until(&mut status, |view| view.position == 1000).await;
    assert!(view.up && view.delivered == 1000, "{view:?}");
    let text: String = server.requests().iter().map(|request| request.text().to_owned()).collect();
    assert_eq!(text.lines().count(), 997);
    story.end().await;
}

#[tokio::test]
async fn a_peer_that_asks_for_patience_is_asked_again_and_nothing_is_put_aside() {
    let mut story = Story::begin().await;
    let busy = |status: u16| Reply::Whole(format!("{status} Busy\r\nretry-after: 1"), b"later\x07".to_vec());
    let mut server = Server::start(move |_| busy(503)).await;
    let mut status = story.pump(http(server.address, Ndjson));
    story.append((1..=3).map(record)).await;
    server.seen(1).await;
    server.answer(move |_| busy(429));
    server.seen(2).await;
    let view =
        until(&mut status, |view| view.last_error.as_ref().is_some_and(|error| error.contains("429"))).await;
    assert!(view.last_error.unwrap().ends_with("it answered 429 Too Many Requests \"later\\u{7}\""));
    server.answer(|_| Reply::status(200));
    let view = until(&mut status, |view| view.position == 3).await;
    assert_eq!((view.rejected, view.attempts.permanent), (0, 0));
    assert!(story.dead_letters().await.is_empty());
    story.end().await;
}

#[tokio::test]
async fn a_connection_that_is_closed_without_an_answer_is_tried_again() {
    let mut story = Story::begin().await;
    let mut server = Server::start(|_| Reply::Nothing).await;
    let mut status = story.pump(http(server.address, Ndjson));
    story.append((1..=3).map(record)).await;
    server.seen(1).await;
    server.answer(|_| Reply::status(200));
    until(&mut status, |view| view.position == 3).await;
    story.end().await;
}
