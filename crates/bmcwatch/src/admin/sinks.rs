//! `GET /api/v1/sinks`: what every sink is doing.

use axum::{Json, extract::State};
use chrono::{DateTime, Utc};
use serde::Serialize;
use sink::{SinkStatus, SinkView};

use super::AdminState;

#[derive(Serialize)]
pub(super) struct Sinks {
    sinks: Vec<Sink>,
}

#[derive(Serialize)]
struct Sink {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    up: bool,
    ended: bool,
    position: u64,
    lag: u64,
    last_error: Option<String>,
    last_error_at: Option<DateTime<Utc>>,
    last_success_at: Option<DateTime<Utc>>,
    oldest_pending_at: Option<DateTime<Utc>>,
    delivered: u64,
    filtered: u64,
    expired: u64,
    rejected: u64,
    too_large: u64,
    attempts: Attempts,
}

#[derive(Serialize)]
struct Attempts {
    success: u64,
    retryable: u64,
    permanent: u64,
}

pub(super) async fn get(State(state): State<AdminState>) -> Json<Sinks> {
    Json(list(state.sinks.iter().map(SinkStatus::view)))
}

fn list(views: impl Iterator<Item = SinkView>) -> Sinks {
    let sink = |view: SinkView| Sink {
        name: view.name,
        kind: view.kind,
        up: view.up,
        ended: view.ended,
        position: view.position,
        lag: view.lag,
        last_error: view.last_error,
        last_error_at: view.last_error_at,
        last_success_at: view.last_success_at,
        oldest_pending_at: view.oldest_pending_at,
        delivered: view.delivered,
        filtered: view.filtered,
        expired: view.expired,
        rejected: view.rejected,
        too_large: view.too_large,
        attempts: Attempts {
            success: view.attempts.success,
            retryable: view.attempts.retryable,
            permanent: view.attempts.permanent,
        },
    };
    Sinks { sinks: views.map(sink).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sink_is_shown_with_its_lag_and_its_last_error() {
        let mut view = SinkView::new("archive".to_owned(), "file");
        view.lag = 7;
        view.up = false;
        view.last_error = Some("append to /x: No space left on device (os error 28)".to_owned());
        view.last_error_at = Some("2026-11-20T14:02:09Z".parse().unwrap());
        let json = serde_json::to_string(&list([view].into_iter())).unwrap();
        let expected = concat!(
            r#"{"sinks":[{"name":"archive","type":"file","up":false,"ended":false,"position":0,"lag":7,"#,
            r#""last_error":"append to /x: No space left on device (os error 28)","last_error_at":"2026-11-20T14:02:09Z","#,
            r#""last_success_at":null,"oldest_pending_at":null,"delivered":0,"filtered":0,"expired":0,"#,
            r#""rejected":0,"too_large":0,"#,
            r#""attempts":{"success":0,"retryable":0,"permanent":0}}]}"#
        );
        assert_eq!(json, expected);
    }
}
