//! The live tail over real sockets: order, filters, coming back, its ends, and how many there may be.

use std::{net::SocketAddr, time::Duration};

use bmcwatch::config::AdminConfig;
use model::Severity;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    records::{append, append_ten, record},
    story::{PATIENCE, Story},
};

/// A client that follows.
struct Follower {
    stream: TcpStream,
    text: String,
}

impl Follower {
    async fn begin(address: SocketAddr, query: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET /api/v1/tail?{query} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut follower = Self { stream, text: String::new() };
        follower.until("retry: 2000\n\n").await;
        assert!(follower.text.starts_with("HTTP/1.1 200"), "{}", follower.text);
        assert!(follower.text.contains("content-type: text/event-stream"), "{}", follower.text);
        follower
    }

    /// Reads until a text has come.
    async fn until(&mut self, expected: &str) {
        let reading = async {
            let mut buffer = vec![0; 64 << 10];
            let mut looked = 0;
            while !self.text[looked..].contains(expected) {
                looked = self.text.len().saturating_sub(expected.len());
                let read = self.stream.read(&mut buffer).await.unwrap();
                assert!(read > 0, "it ended before {expected:?}: {}", self.text);
                self.text.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
            }
        };
        let done = timeout(PATIENCE, reading).await;
        assert!(done.is_ok(), "{expected:?} did not come: {}", self.text);
    }

    /// Reads to the end of the answer.
    async fn end(mut self) -> String {
        let mut rest = Vec::new();
        timeout(PATIENCE, self.stream.read_to_end(&mut rest)).await.expect("it ends").unwrap();
        self.text + &String::from_utf8(rest).unwrap()
    }

    fn ids(&self) -> Vec<u64> {
        let ids = self.text.lines().filter_map(|line| line.strip_prefix("id: "));
        ids.map(|id| id.parse().unwrap()).collect()
    }
}

#[tokio::test]
async fn who_follows_gets_what_comes_and_who_names_a_place_what_came_after_it() {
    let story = Story::begin(AdminConfig::default()).await;
    append_ten(&story).await;
    let mut live = Follower::begin(story.address, "", "").await;
    let mut after = Follower::begin(story.address, "after=8", "").await;
    // The place where it was counts more than the one in the URL.
    let mut back = Follower::begin(story.address, "after=2", "last-event-id: 9\r\n").await;
    let mut since = Follower::begin(story.address, "since=1m", "").await;
    let mut critical = Follower::begin(story.address, "after=0&severity=critical&endpoint=r17-*", "").await;
    critical.until("id: 9\n").await;
    append(
        &story,
        &[record("r17-u12", Severity::Ok, 0, "eleven"), record("r17-u12", Severity::Critical, 0, "twelve")],
    )
    .await;
    for (follower, ids) in [
        (&mut live, vec![11, 12]),
        (&mut after, vec![9, 10, 11, 12]),
        (&mut back, vec![10, 11, 12]),
        (&mut since, vec![9, 10, 11, 12]),
        (&mut critical, vec![1, 3, 5, 7, 9, 12]),
    ] {
        follower.until("id: 12\n").await;
        follower.until("\"message\":\"twelve\"").await;
        assert_eq!(follower.ids(), ids, "{}", follower.text);
    }
    assert!(live.text.contains("id: 12\ndata: {\"schema\":1,\"position\":12,\"uid\":"), "{}", live.text);
    assert_eq!(story.tails("tail_clients", ""), 5);
    drop((after, back, since, critical));
    story.until_tails("tail_clients_ended_total", "left", 4).await;
    assert_eq!(story.tails("tail_clients", ""), 1);
}

#[tokio::test]
async fn many_that_come_while_records_come_miss_none_and_get_none_twice() {
    let story = Story::begin(AdminConfig::default()).await;
    let appending = async {
        for number in 1..=40 {
            append(&story, &[record("r17-u12", Severity::Ok, 0, &format!("message {number}"))]).await;
        }
    };
    let following = async {
        let mut followers = Vec::new();
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_millis(30)).await;
            followers.push(Follower::begin(story.address, "after=0", "").await);
        }
        followers
    };
    let ((), followers) = tokio::join!(appending, following);
    for mut follower in followers {
        follower.until("id: 40\n").await;
        assert_eq!(follower.ids(), (1..=40).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn the_end_of_the_program_ends_everybody_at_once_and_says_so() {
    let story = Story::begin(AdminConfig::default()).await;
    let followers =
        [Follower::begin(story.address, "", "").await, Follower::begin(story.address, "", "").await];
    // Long before the listener itself: sinks may still have to be waited for.
    story.readiness.send_modify(|readiness| readiness.stopping = true);
    for follower in followers {
        let text = follower.end().await;
        assert!(text.contains("event: end\ndata: {\"reason\":\"stopping\"}\n\n"), "{text}");
    }
    story.until_tails("tail_clients_ended_total", "stopping", 2).await;
    let (status, answer) = story.ask("GET /api/v1/tail").await;
    assert!(status == 503 && answer.contains("shutting down"), "{answer}");
    assert_eq!(story.ask("GET /livez").await.0, 200);
}

#[tokio::test]
async fn one_address_gets_so_many_and_they_take_no_place_of_others() {
    let story = Story::begin(AdminConfig::default()).await;
    let mut followers = Vec::new();
    for _ in 0..128 {
        followers.push(Follower::begin(story.address, "", "").await);
    }
    let (status, answer) = story.ask("GET /api/v1/tail").await;
    assert!(status == 503 && answer.contains("too many clients follow the records already"), "{answer}");
    assert_eq!(story.refused("tails"), 1);
    assert_eq!(story.ask("GET /api/v1/sinks").await.0, 200);
    followers.pop();
    story.until_tails("tail_clients_ended_total", "left", 1).await;
    followers.push(Follower::begin(story.address, "", "").await);
}

#[tokio::test]
async fn who_cannot_follow_is_let_go_and_the_others_are_not_held_up() {
    let story = Story::begin(AdminConfig::default()).await;
    let slow = Follower::begin(story.address, "", "").await;
    let mut reads = Follower::begin(story.address, "", "").await;
    // More than the sockets and the fan-out hold together: 100 batches of 300 kB.
    let long = "x".repeat(20_000);
    for number in 1..=100 {
        let records: Vec<_> = (0..15)
            .map(|index| record("r17-u12", Severity::Ok, 0, &format!("{number}.{index} {long}")))
            .collect();
        append(&story, &records).await;
        reads.until(&format!("id: {}\n", number * 15)).await;
        reads.text.clear();
    }
    // It reads what was in the way, learns that it was let go, and knows where to go on.
    let text = slow.end().await;
    assert!(text.contains("event: end\ndata: {\"reason\":\"slow\"}\n\n"), "{}", text.len());
    story.until_tails("tail_clients_ended_total", "slow", 1).await;
    let last = text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap();
    let mut back = Follower::begin(story.address, "", &format!("last-event-id: {last}\r\n")).await;
    back.until("id: 1500\n").await;
    assert_eq!(back.ids(), (last.parse::<u64>().unwrap() + 1..=1500).collect::<Vec<_>>());
}

#[tokio::test]
async fn who_knew_another_journal_is_told_so_and_goes_on_at_the_head() {
    let story = Story::begin(AdminConfig::default()).await;
    append_ten(&story).await;
    let mut follower = Follower::begin(story.address, "after=99", "").await;
    follower.until(": position 99 is beyond the newest record, 10; going on from there").await;
    append(&story, &[record("r17-u12", Severity::Ok, 0, "eleven")]).await;
    follower.until("id: 11\n").await;
}

#[tokio::test]
async fn a_page_of_another_origin_reads_only_when_the_config_names_it() {
    let named =
        AdminConfig { cors_origins: vec!["https://dash.example".to_owned()], ..crate::guard::with_login() };
    let story = Story::begin(named).await;
    let asks = "origin: https://dash.example\r\naccess-control-request-method: GET\r\n";
    for (request, headers, status, granted) in [
        // A browser asks beforehand without the login.
        ("OPTIONS /api/v1/events", asks.to_owned(), 204, true),
        ("OPTIONS /api/v1/events", asks.replace("dash", "evil"), 403, false),
        ("OPTIONS /-/reload", asks.replace("GET", "POST"), 403, false),
        ("GET /api/v1/events", "origin: https://dash.example\r\n".to_owned(), 401, false),
    ] {
        let (have, answer) = story.ask_with(request, &format!("host: bmcwatch.example\r\n{headers}")).await;
        assert_eq!(have, status, "{request} {headers}: {answer}");
        let grant =
            "access-control-allow-origin: https://dash.example\r\naccess-control-allow-credentials: true";
        assert_eq!(answer.contains(grant), granted, "{answer}");
    }
    let any = AdminConfig { cors_origins: vec!["*".to_owned()], ..AdminConfig::default() };
    let story = Story::begin(any).await;
    let headers = "host: localhost\r\norigin: https://other.example\r\n";
    let (_, answer) = story.ask_with("GET /api/v1/sinks", headers).await;
    assert!(answer.contains("access-control-allow-origin: *") && !answer.contains("credentials"), "{answer}");
    let (status, answer) = story.ask_with("POST /-/reload", headers).await;
    assert!(status == 403 && !answer.contains("access-control"), "{answer}");
    let mut follower = Follower::begin(story.address, "", "origin: https://other.example\r\n").await;
    follower.until("retry").await;
    assert!(follower.text.contains("access-control-allow-origin: *"), "{}", follower.text);
}
