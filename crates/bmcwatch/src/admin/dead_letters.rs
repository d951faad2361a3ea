//! `GET /api/v1/sinks/{name}/dead-letters?after=&limit=`: records that a sink's peer will never take, page by page, ordered
//! by position.
//!
//! They are read from the journal, not from the sink. Not here: delivering them after all; who has mended the peer may send
//! them by hand.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::StatusCode,
};
use chrono::{DateTime, Utc};
use journal::KeptLetter;
use model::codec;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{AdminState, problem::Problem};
use crate::config::suggest;

/// Without `limit`. A hundred records are some hundred kilobytes.
const LIMIT_DEFAULT: u32 = 100;
/// With `limit`: all that are kept of one sink.
const LIMIT_MAX: u32 = journal::DEAD_LETTERS_MAX;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only records after this position.
    after: Option<u64>,
    /// At most so many.
    limit: Option<u32>,
}

#[derive(Debug, Serialize)]
pub(super) struct Page {
    /// The `after` of the next page; null on the last one.
    next: Option<u64>,
    dead_letters: Vec<Letter>,
}

#[derive(Debug, Serialize)]
struct Letter {
    position: u64,
    at: Option<DateTime<Utc>>,
    error: String,
    /// The record as it would have been written to a file; null when that is not JSON.
    record: Option<Box<RawValue>>,
}

pub(super) async fn get(
    State(state): State<AdminState>,
    name: Result<Path<String>, PathRejection>,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Result<Json<Page>, Problem> {
    let wrong = |text: String| Problem::new(StatusCode::BAD_REQUEST, text);
    let Path(name) = name.map_err(|rejection| wrong(rejection.body_text()))?;
    let Query(asked) = asked.map_err(|rejection| wrong(rejection.body_text()))?;
    let limit = asked.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(wrong(format!("limit must be from 1 to {LIMIT_MAX}")));
    }
    let names: Vec<String> = state.sinks.iter().map(|sink| sink.view().name).collect();
    if !names.contains(&name) {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let text = format!("there is no sink {name:?}; {}", suggest(&name, &names));
        return Err(Problem::new(StatusCode::NOT_FOUND, text));
    }
    let letters = state.journal.dead_letters(&name, asked.after.unwrap_or(0), limit).await;
    let letters = letters.map_err(|error| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, format!("failed to {}", crate::logging::Chain(&error)))
    })?;
    Ok(Json(page(letters, limit)))
}

fn page(letters: Vec<KeptLetter>, limit: u32) -> Page {
    let full = letters.len() == limit as usize;
    let next = letters.last().filter(|_| full).map(|kept| kept.letter.position);
    Page { next, dead_letters: letters.into_iter().map(show).collect() }
}

fn show(KeptLetter { letter, at_ms }: KeptLetter) -> Letter {
    let mut line = Vec::new();
    codec::write_line(letter.position, &letter.bytes, &mut line);
    let record = String::from_utf8(line).ok().and_then(|line| RawValue::from_string(line).ok());
    Letter {
        position: letter.position,
        at: DateTime::from_timestamp_millis(at_ms),
        error: letter.error,
        record,
    }
}

#[cfg(test)]
mod tests {
    use journal::DeadLetter;

    use super::*;

    #[test]
    fn a_letter_is_shown_with_its_record_and_a_full_page_has_a_next_one() {
        let kept = |position, bytes: &[u8]| KeptLetter {
            letter: DeadLetter { position, error: "400".to_owned(), bytes: bytes.to_vec() },
            at_ms: 1_795_183_329_304,
        };
        let letters = vec![kept(7, br#"{"uid":"x"}"#), kept(9, b"{?")];
        let json = serde_json::to_string(&page(letters.clone(), 2)).unwrap();
        let expected = concat!(
            r#"{"next":9,"dead_letters":[{"position":7,"at":"2026-11-20T14:02:09.304Z","error":"400","#,
            r#""record":{"schema":1,"position":7,"uid":"x"}},"#,
            r#"{"position":9,"at":"2026-11-20T14:02:09.304Z","error":"400","record":null}]}"#
        );
        assert_eq!(json, expected);
        assert_eq!(page(letters, 3).next, None);
    }
}
