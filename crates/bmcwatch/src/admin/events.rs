//! `GET /api/v1/events`: the records of the journal that fit, page by page, oldest first; or, with `before`, newest first.
//!
//! A request looks at a bounded number of records, in slices, and says where the next one goes on: so a search through
//! millions of records is many short requests, and holds up neither the writer nor a thread. Not here: what fits
//! (`filter`), what comes later (`tail`).

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use chrono::{DateTime, TimeDelta, Utc};
use journal::{Journal, Position, ReadError, ReadLimit, Stored};
use model::codec;

use super::{
    AdminState,
    filter::{self, Asked, Filter},
    problem::Problem,
};
use crate::logging::Chain;

/// What can be asked.
const PARAMETERS: [&str; 9] =
    ["after", "before", "limit", "since", "until", "severity", "endpoint", "kind", "message_id"];
/// Records in an answer without `limit`.
const LIMIT_DEFAULT: usize = 100;
/// With `limit`: about a megabyte.
const LIMIT_MAX: usize = 1_000;
/// Bytes of records in an answer, but always one record: an answer is held in memory.
const ANSWER_BYTES_MAX: usize = 8 << 20;
/// Records that one request looks at: some tens of milliseconds of a core. Who searches further asks again.
const SCAN_MAX: usize = 20_000;
/// Read at a time: between two slices, others have their turn.
const SLICE: ReadLimit = ReadLimit { records: 512, bytes: 1 << 20 };
/// A record is committed after it was observed: within a second, or when the disk has room again. So the search for
/// what was observed before a time goes on so much further by the time of the commit.
const COMMIT_DELAY_MAX: TimeDelta = TimeDelta::hours(1);

/// What is found, and how far was looked.
struct Found {
    /// JSON lines, each with its comma before it but the first.
    lines: Vec<u8>,
    records: usize,
    /// The last position that was looked at.
    at: Position,
}

/// The part of the journal that is looked through: everything after `floor` up to `ceiling`.
#[derive(Clone, Copy)]
struct Range {
    floor: Position,
    ceiling: Position,
    direction: Direction,
}

#[derive(Clone, Copy)]
enum Direction {
    Newer,
    Older,
}

pub(super) async fn get(
    State(state): State<AdminState>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Result<Response, Problem> {
    let wrong = |text: String| Problem::new(StatusCode::BAD_REQUEST, text);
    let Query(parameters) = query.map_err(|rejection| wrong(rejection.body_text()))?;
    let asked = filter::read(&parameters, &PARAMETERS, state.clock.now())?;
    let limit = asked.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(wrong(format!("limit: it must be from 1 to {LIMIT_MAX}")));
    }
    if asked.after.is_some() && asked.before.is_some() {
        return Err(wrong(
            "before: it reads towards the older, and after towards the newer; give one".to_owned(),
        ));
    }
    let head = *state.journal.head().borrow();
    let searched = async {
        let range = range(&state.journal, &asked, head).await?;
        let found = search(&state.journal, range, &asked.filter, limit).await?;
        Ok::<_, ReadError>((range.is_more_from(found.at), found))
    };
    let (more, found) = searched.await.map_err(|error| unreadable(&error))?;
    let mut body = br#"{"events":["#.to_vec();
    body.extend_from_slice(&found.lines);
    let next = found.at;
    body.extend_from_slice(format!(r#"],"next":{next},"more":{more},"head":{head}}}"#).as_bytes());
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

/// 503, for the journal is closed or its disk fails; the daemon says so itself.
pub(super) fn unreadable(error: &ReadError) -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("failed to {}", Chain(error)))
}

async fn search(journal: &Journal, range: Range, filter: &Filter, limit: usize) -> Result<Found, ReadError> {
    let mut found = Found { lines: Vec::new(), records: 0, at: range.start() };
    let mut looked = 0;
    while range.is_more_from(found.at) && looked < SCAN_MAX {
        let slice = match range.direction {
            Direction::Newer => journal.search_after(found.at, SLICE).await?,
            Direction::Older => journal.search_before(found.at, SLICE).await?,
        };
        looked += slice.len();
        for stored in slice.iter().filter(|stored| range.holds(stored.position)) {
            if !found.take(stored, filter, limit) {
                return Ok(found);
            }
        }
        if !slice.last().is_some_and(|last| range.holds(last.position)) {
            found.at = range.end();
        }
    }
    Ok(found)
}

/// Where to look. `since` and `until` go by the time of observing; the journal finds times of commits.
async fn range(journal: &Journal, asked: &Asked, head: Position) -> Result<Range, ReadError> {
    let mut floor = asked.after.unwrap_or(0);
    let mut ceiling = asked.before.map_or(head, |before| head.min(before.saturating_sub(1)));
    if let Some(since) = asked.filter.since {
        floor = floor.max(journal.before_time(since.timestamp_millis()).await?);
    }
    if let Some(until) = asked.filter.until {
        let last = until.checked_add_signed(COMMIT_DELAY_MAX).unwrap_or(DateTime::<Utc>::MAX_UTC);
        ceiling = ceiling.min(journal.before_time(last.timestamp_millis()).await?);
    }
    let direction = if asked.before.is_some() { Direction::Older } else { Direction::Newer };
    Ok(Range { floor, ceiling: ceiling.max(floor), direction })
}

impl Range {
    fn holds(self, position: Position) -> bool {
        position > self.floor && position <= self.ceiling
    }

    /// The position from which everything is still to be looked at.
    fn start(self) -> Position {
        match self.direction {
            Direction::Newer => self.floor,
            Direction::Older => self.ceiling + 1,
        }
    }

    /// The position from which nothing is.
    fn end(self) -> Position {
        match self.direction {
            Direction::Newer => self.ceiling,
            Direction::Older => self.floor + 1,
        }
    }

    fn is_more_from(self, at: Position) -> bool {
        match self.direction {
            Direction::Newer => at < self.end(),
            Direction::Older => at > self.end(),
        }
    }
}

impl Found {
    /// Adds a record if it fits; `false` when there is no room for it, and it is not looked at.
    fn take(&mut self, stored: &Stored, filter: &Filter, limit: usize) -> bool {
        let fits = codec::facets(&stored.bytes).is_ok_and(|facets| filter.admits(&facets));
        if fits {
            let full = self.records == limit || self.lines.len() + stored.bytes.len() > ANSWER_BYTES_MAX;
            if full && self.records > 0 {
                return false;
            }
            if self.records > 0 {
                self.lines.push(b',');
            }
            codec::write_line(stored.position, &stored.bytes, &mut self.lines);
            // The line feed of the line.
            self.lines.pop();
            self.records += 1;
        }
        self.at = stored.position;
        true
    }
}
