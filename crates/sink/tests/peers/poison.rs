//! Records that the peer will never take.

use std::collections::BTreeMap;

use model::codec;
use sink::HttpFormat::Ndjson;

use crate::{
    server::{Reply, Request, Server},
    story::{Story, http, record, until},
};

/// Refuses any body that holds one of these records.
fn refusing(status: u16, numbers: &'static [u64]) -> impl Fn(&Request) -> Reply + Send + Sync {
    move |request| {
        let poisoned = numbers.iter().any(|number| request.text().contains(&format!("<{number}>")));
        if poisoned {
            Reply::Whole(format!("{status} No"), b"bad field".to_vec())
        } else {
            Reply::status(204)
        }
    }
}

/// How often each record was taken.
fn taken(server: &Server, refused: &[u64]) -> BTreeMap<u64, usize> {
    let mut taken = BTreeMap::new();
    for request in server.requests() {
        let positions: Vec<u64> =
            request.text().lines().map(|line| codec::read_line(line.as_bytes()).unwrap().0).collect();
        if !positions.iter().any(|position| refused.contains(position)) {
            for position in positions {
                *taken.entry(position).or_default() += 1;
            }
        }
    }
    taken
}

#[tokio::test]
async fn one_record_in_the_middle_of_five_hundred_holds_up_no_other() {
    let mut story = Story::begin().await;
    let server = Server::start(refusing(400, &[250])).await;
    story.append((1..=500).map(record)).await;
    let mut status = story.pump(http(server.address, Ndjson));
    let view = until(&mut status, |view| view.position == 500).await;
    assert_eq!((view.delivered, view.rejected, view.too_large, view.up), (499, 1, 0, true));
    let expected: BTreeMap<u64, usize> =
        (1..=500).filter(|position| *position != 250).map(|position| (position, 1)).collect();
    assert_eq!(taken(&server, &[250]), expected);
    let letters = story.dead_letters().await;
    let [kept] = &letters[..] else { panic!("{letters:?}") };
    assert_eq!(kept.letter.position, 250);
    assert!(
        kept.letter.error.ends_with("it answered 400 Bad Request \"bad field\""),
        "{}",
        kept.letter.error
    );
    let back = codec::decode(250, &kept.letter.bytes).unwrap();
    assert_eq!(back.facts.message, "record <250>");
    story.end().await;
}

#[tokio::test]
async fn records_that_are_too_large_are_counted_as_that() {
    let mut story = Story::begin().await;
    let server = Server::start(refusing(413, &[1, 7])).await;
    story.append((1..=10).map(record)).await;
    let mut status = story.pump(http(server.address, Ndjson));
    let view = until(&mut status, |view| view.position == 10).await;
    assert_eq!((view.delivered, view.rejected, view.too_large), (8, 0, 2));
    story.end().await;
}

#[tokio::test]
async fn a_body_that_is_too_large_is_sent_in_parts_and_nothing_is_lost() {
    let mut story = Story::begin().await;
    let server =
        Server::start(|request| Reply::status(if request.body.len() > 20_000 { 413 } else { 204 })).await;
    story.append((1..=400).map(record)).await;
    let mut status = story.pump(http(server.address, Ndjson));
    let view = until(&mut status, |view| view.position == 400).await;
    assert_eq!((view.delivered, view.too_large), (400, 0));
    assert!(story.dead_letters().await.is_empty());
    story.end().await;
}

#[tokio::test]
async fn a_peer_that_refuses_everything_is_not_believed() {
    let mut story = Story::begin().await;
    let server = Server::start(|_| Reply::status(400)).await;
    story.append((1..=300).map(record)).await;
    let mut status = story.pump(http(server.address, Ndjson));
    let view = until(&mut status, |view| view.last_error.is_some()).await;
    let error = view.last_error.unwrap();
    assert!(error.starts_with("deliver to a peer that refuses every record: post to http://"), "{error}");
    assert_eq!((view.up, view.position, view.rejected), (false, 0, 0));
    assert!(story.dead_letters().await.is_empty());
    server.answer(|_| Reply::status(200));
    let view = until(&mut status, |view| view.position == 300).await;
    assert_eq!((view.up, view.delivered, view.rejected), (true, 300, 0));
    story.end().await;
}
