//! Elasticsearch's answer speaks of every record.

use serde_json::{Value, json};
use sink::HttpFormat::Elasticsearch;

use crate::{
    server::{Reply, Request, Server},
    story::{Story, http, record, until},
};

/// The numbers of the records of a bulk body.
fn numbers(request: &Request) -> Vec<u64> {
    let documents = request.text().lines().skip(1).step_by(2);
    let number = |line: &str| serde_json::from_str::<Value>(line).unwrap()["position"].as_u64().unwrap();
    documents.map(number).collect()
}

/// Answers for each record with this status.
fn answering(status: impl Fn(u64) -> u16 + Send + Sync) -> impl Fn(&Request) -> Reply + Send + Sync {
    move |request| {
        let items: Vec<Value> = numbers(request)
            .into_iter()
            .map(|number| match status(number) {
                status @ 200..=299 => json!({"create": {"_index": "x", "_id": "y", "status": status}}),
                status => {
                    json!({"create": {"status": status, "error": {"type": "kind", "reason": "no\n field"}}})
                }
            })
            .collect();
        let errors = items.iter().any(|item| item["create"].get("error").is_some());
        Reply::json(&json!({"took": 1, "errors": errors, "items": items}))
    }
}

#[tokio::test]
async fn every_record_gets_what_its_own_result_says() {
    let mut story = Story::begin().await;
    let statuses = |number| match number {
        2 => 409,
        3 => 400,
        4 => 429,
        5 => 503,
        _ => 201,
    };
    let mut server = Server::start(answering(statuses)).await;
    story.append((1..=6).map(record)).await;
    let mut status = story.pump(http(server.address, Elasticsearch));
    server.seen(1).await;
    server.answer(answering(|number| if number == 4 { 409 } else { 201 }));
    let view = until(&mut status, |view| view.position == 6).await;
    assert_eq!((view.delivered, view.rejected), (5, 1));
    let asked: Vec<Vec<u64>> = server.requests().iter().map(numbers).collect();
    assert_eq!(asked, [vec![1, 2, 3, 4, 5, 6], vec![4, 5]], "what was taken or refused is not sent again");
    let letters = story.dead_letters().await;
    assert_eq!(letters.len(), 1);
    assert_eq!((letters[0].letter.position, letters[0].letter.error.as_str()), (3, "400 kind: no\\n field"));
    story.end().await;
}

#[tokio::test]
async fn an_answer_that_says_nothing_of_the_records_is_not_taken_for_a_success() {
    let mut story = Story::begin().await;
    let server = Server::start(|_| Reply::Whole("200 OK".to_owned(), b"{\"took\":".to_vec())).await;
    story.append((1..=6).map(record)).await;
    let mut status = story.pump(http(server.address, Elasticsearch));
    let view = until(&mut status, |view| !view.up).await;
    assert!(view.last_error.unwrap().starts_with("understand the answer to a batch: "));
    server.answer(|_| Reply::json(&json!({"errors": true, "items": []})));
    let mismatch = |error: &String| error.ends_with("0 results for 6 records");
    until(&mut status, |view| view.last_error.as_ref().is_some_and(mismatch)).await;
    server.answer(answering(|_| 201));
    let view = until(&mut status, |view| view.position == 6).await;
    assert_eq!(view.delivered, 6);
    story.end().await;
}
