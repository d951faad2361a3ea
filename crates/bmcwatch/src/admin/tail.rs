//! `GET /api/v1/tail`: records as they come, as server-sent events, to any number of clients. The `id` of an event is its
//! position, so that a client that comes back with `Last-Event-ID` (or `after`) goes on exactly where it was.
//!
//! One reader of the journal's head serves all clients (`fanout`); only who catches up reads for itself (`client`). No
//! client costs a BMC anything. Not here: what is over (`events`).

mod batch;
mod client;
mod fanout;
mod seat;

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
};

use axum::{
    Extension,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use hyper::body::Frame;
use journal::{Journal, Position};
use tokio::sync::mpsc;

use super::{AdminState, events::unreadable, filter, guard::Peer, life::Life, problem::Problem};
use crate::metrics::{Refusals, Refused, Tails};
use client::{Client, Feed};
use seat::Seats;

pub(super) use fanout::Fanout;

/// What can be asked. What has no end has no `until` and no `limit`.
const PARAMETERS: [&str; 6] = ["after", "since", "severity", "endpoint", "kind", "message_id"];
/// Pieces that wait for a connection to take them; each holds the records of one read at most.
const OUT_PIECES: usize = 4;

/// Where clients are let in. Cheap to clone.
#[derive(Clone)]
pub(super) struct Tail {
    arrivals: mpsc::Sender<Client>,
    feed: Feed,
    seats: Seats,
    refusals: Refusals,
}

/// The way in, and the task that serves who has come in; its owner awaits [`Fanout::run`].
pub(super) fn tail(journal: Journal, tails: Tails, refusals: Refusals) -> (Tail, Fanout) {
    let (arrivals, arriving) = mpsc::channel(seat::SEATS_MAX);
    let feed = Feed::new(journal);
    let fanout = Fanout::new(arriving, feed.clone(), tails.clone());
    (Tail { arrivals, feed, seats: Seats::new(tails), refusals }, fanout)
}

pub(super) async fn get(
    State(state): State<AdminState>,
    Extension(tail): Extension<Tail>,
    Extension(peer): Extension<Peer>,
    Extension(life): Extension<Life>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let wrong = |text: String| Problem::new(StatusCode::BAD_REQUEST, text);
    let unavailable = |text: &str| Problem::new(StatusCode::SERVICE_UNAVAILABLE, text);
    let Query(parameters) = query.map_err(|rejection| wrong(rejection.body_text()))?;
    let asked = filter::read(&parameters, &PARAMETERS, state.clock.now())?;
    // Who comes back says the newer place, whatever the URL says that was used the first time.
    let mut after = last_event_id(&headers).map_err(wrong)?.or(asked.after);
    if let (None, Some(since)) = (after, asked.filter.since) {
        let found = state.journal.before_time(since.timestamp_millis()).await;
        after = Some(found.map_err(|error| unreadable(&error))?);
    }
    let Some(seat) = tail.seats.take(peer.address.ip()) else {
        tail.refusals.count(Refused::Tails);
        return Err(unavailable("too many clients follow the records already"));
    };
    let (out, pieces) = mpsc::channel(OUT_PIECES);
    let client = Client::new(tail.feed, asked.filter, after, out, (seat, life.lengthen()));
    tail.arrivals.try_send(client).map_err(|_| unavailable("shutting down"))?;
    let headers = [
        (header::CONTENT_TYPE, "text/event-stream"),
        (header::CACHE_CONTROL, "no-store"),
        // The connection is long now and must not be used for anything else.
        (header::CONNECTION, "close"),
        // nginx would hold events back.
        (header::HeaderName::from_static("x-accel-buffering"), "no"),
    ];
    Ok((headers, Body::new(Pieces(pieces))).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<Position>, String> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    match value.to_str().map(str::trim) {
        Ok("") => Ok(None),
        Ok(text) => text.parse().map(Some).map_err(|_| format!("Last-Event-ID: {text:?} is not a position")),
        Err(_) => Err("Last-Event-ID: it is not a position".to_owned()),
    }
}

/// A body that is made by a client's task.
struct Pieces(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
