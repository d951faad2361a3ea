//! Clients that hold their place without asking: how long that lasts, and that others find a place meanwhile.

use std::time::Duration;

use bmcwatch::config::AdminConfig;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::story::{PATIENCE, Story};

/// How long the server stands a client that sends this, piece by piece, one a second.
async fn stands(pieces: impl Iterator<Item = &'static str>) -> Duration {
    let story = Story::begin(AdminConfig::default()).await;
    let mut stream = TcpStream::connect(story.address).await.unwrap();
    let begun = Instant::now();
    let mut answers = [0; 4096];
    for piece in pieces {
        if stream.write_all(piece.as_bytes()).await.is_err() {
            break;
        }
        match timeout(Duration::from_secs(1), stream.read(&mut answers)).await {
            Ok(Ok(0) | Err(_)) => break,
            Ok(Ok(_)) => sleep(Duration::from_secs(1)).await,
            Err(_) => {}
        }
    }
    begun.elapsed()
}

#[track_caller]
fn check(have: Duration, least: u64, most: u64) {
    assert!((Duration::from_secs(least)..=Duration::from_secs(most)).contains(&have), "{have:?}");
}

// Time is paused in these: nothing but the deadline that is tested can end the wait.

#[tokio::test(start_paused = true)]
async fn a_head_that_never_ends_is_not_waited_for() {
    let endless =
        ["GET / HTTP/1.1\r\nhost: localhost\r\n"].into_iter().chain(std::iter::repeat_n("x: y\r\n", 50));
    check(stands(endless).await, 29, 33);
}

#[tokio::test(start_paused = true)]
async fn who_says_nothing_is_let_go() {
    check(stands(std::iter::repeat_n("", 600)).await, 29, 33);
}

#[tokio::test(start_paused = true)]
async fn a_connection_has_an_end_however_busy_it_is() {
    let busy = std::iter::repeat_n("GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n", 600);
    check(stands(busy).await, 119, 123);
}

#[tokio::test]
async fn one_client_cannot_take_all_places() {
    let story = Story::begin(AdminConfig::default()).await;
    let mut held = Vec::new();
    for _ in 0..32 {
        held.push(TcpStream::connect(story.address).await.unwrap());
    }
    let mut one_more = TcpStream::connect(story.address).await.unwrap();
    let mut nothing = [0; 1];
    let ended = timeout(PATIENCE, one_more.read(&mut nothing)).await.expect("it is not held");
    assert!(matches!(ended, Ok(0) | Err(_)));
    assert_eq!(story.refused("connections"), 1);

    let other = tokio::net::TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let mut other = other.connect(story.address).await.unwrap();
    other.write_all(b"GET /livez HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    timeout(PATIENCE, other.read_to_string(&mut answer)).await.expect("it has a place").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // A place is free again when its connection has ended.
    held.clear();
    let answered = async {
        while story.ask_if_it_answers("GET /livez").await != Some(200) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(PATIENCE, answered).await.expect("places come back");
}
