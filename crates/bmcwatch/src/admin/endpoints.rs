//! `GET /api/v1/endpoints?state=&limit=&after=`: what every endpoint is doing, page by page, ordered by id.

use std::collections::BTreeMap;

use axum::{
    Json,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
};
use chrono::{DateTime, TimeDelta, Utc};
use collect::EndpointView;
use serde::{Deserialize, Serialize};

use super::{AdminState, problem::Problem};

/// Without `limit`. A thousand endpoints are about half a megabyte.
const LIMIT_DEFAULT: usize = 1_000;
/// With `limit`: a whole large fleet in one answer, but not an unbounded one.
const LIMIT_MAX: usize = 10_000;

/// What is asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Filter {
    /// Only endpoints in this state.
    state: Option<String>,
    /// At most so many.
    limit: Option<usize>,
    /// Only endpoints after this id.
    after: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Answer<'a> {
    /// Endpoints that match the filter, whatever page they are on.
    total: usize,
    /// The `after` of the next page; null on the last one.
    next: Option<&'a str>,
    endpoints: Vec<Endpoint<'a>>,
}

#[derive(Debug, Serialize)]
struct Endpoint<'a> {
    id: &'a str,
    address: &'a str,
    labels: &'a BTreeMap<String, String>,
    state: &'static str,
    mode: &'static str,
    reason: Option<&'a str>,
    since: DateTime<Utc>,
    last_error: Option<&'a str>,
    last_error_at: Option<DateTime<Utc>>,
    last_success_at: Option<DateTime<Utc>>,
    last_event_at: Option<DateTime<Utc>>,
    next_try_at: Option<DateTime<Utc>>,
    next_stream_try_at: Option<DateTime<Utc>>,
    insecure: bool,
    /// Since the endpoint has its place, and within the last minute.
    requests: u64,
    requests_last_minute: u32,
    certificate_not_after: Option<DateTime<Utc>>,
    refused_key: Option<&'a str>,
    records: u64,
    reconnections: u64,
    stream_items: u64,
    failures: &'a BTreeMap<&'static str, u64>,
    stream_errors: &'a BTreeMap<&'static str, u64>,
    gaps: &'a BTreeMap<&'static str, u64>,
    clock_offset_seconds: Option<f64>,
    vendor: Option<&'a str>,
    product: Option<&'a str>,
    redfish_version: Option<&'a str>,
}

pub(super) async fn get(
    State(state): State<AdminState>,
    filter: Result<Query<Filter>, QueryRejection>,
) -> Result<axum::response::Response, Problem> {
    let Query(filter) =
        filter.map_err(|rejection| Problem::new(StatusCode::BAD_REQUEST, rejection.body_text()))?;
    let views = state.board.snapshot();
    let answer = select(&views, &filter)?;
    Ok(axum::response::IntoResponse::into_response(Json(answer)))
}

fn select<'a>(views: &'a [EndpointView], filter: &Filter) -> Result<Answer<'a>, Problem> {
    let wrong = |text: String| Problem::new(StatusCode::BAD_REQUEST, text);
    let limit = filter.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(wrong(format!("limit must be from 1 to {LIMIT_MAX}")));
    }
    let states = collect::State::ALL.map(collect::State::as_str);
    if let Some(state) = &filter.state
        && !states.contains(&state.as_str())
    {
        return Err(wrong(format!("state must be one of {}", states.join(", "))));
    }
    let in_state =
        |view: &&EndpointView| filter.state.as_deref().is_none_or(|state| view.state.as_str() == state);
    let is_after =
        |view: &&EndpointView| filter.after.as_deref().is_none_or(|after| view.endpoint.id.as_str() > after);
    let mut page: Vec<&EndpointView> =
        views.iter().filter(in_state).filter(is_after).take(limit + 1).collect();
    let more = page.len() > limit;
    page.truncate(limit);
    let next = page.last().filter(|_| more).map(|view| view.endpoint.id.as_str());
    let total = views.iter().filter(in_state).count();
    Ok(Answer { total, next, endpoints: page.into_iter().map(show).collect() })
}

fn show(view: &EndpointView) -> Endpoint<'_> {
    Endpoint {
        id: view.endpoint.id.as_str(),
        address: &view.endpoint.address,
        labels: &view.endpoint.labels,
        state: view.state.as_str(),
        mode: view.mode.as_str(),
        reason: view.reason.as_deref(),
        since: view.since,
        last_error: view.last_error.as_deref(),
        last_error_at: view.last_error_at,
        last_success_at: view.last_success_at,
        last_event_at: view.last_event_at,
        next_try_at: view.next_try_at,
        next_stream_try_at: view.next_stream_try_at,
        insecure: view.insecure,
        requests: view.load.requests,
        requests_last_minute: view.load.requests_last_minute,
        certificate_not_after: view.certificate_not_after,
        refused_key: view.refused_key.as_deref(),
        records: view.records,
        reconnections: view.reconnections,
        stream_items: view.stream_items,
        failures: &view.failures,
        stream_errors: &view.stream_errors,
        gaps: &view.gaps,
        clock_offset_seconds: view.clock_offset.map(TimeDelta::as_seconds_f64),
        vendor: view.vendor.as_deref(),
        product: view.product.as_deref(),
        redfish_version: view.redfish_version.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use collect::{Mode, State};
    use model::EndpointId;

    use super::*;

    fn view(id: &str, state: State) -> EndpointView {
        let endpoint = model::Endpoint {
            id: EndpointId::try_from(id).unwrap(),
            address: format!("https://{id}"),
            labels: [("rack".to_owned(), "r1".to_owned())].into(),
        };
        EndpointView {
            endpoint: Arc::new(endpoint),
            state,
            mode: Mode::Auto,
            reason: None,
            since: "2026-11-20T14:00:00Z".parse().unwrap(),
            last_error: None,
            last_error_at: None,
            last_success_at: None,
            last_event_at: None,
            next_try_at: None,
            next_stream_try_at: None,
            insecure: false,
            load: collect::Load::default(),
            certificate_not_after: None,
            refused_key: None,
            records: 3,
            reconnections: 0,
            stream_items: 0,
            stream_missed_entries: 0,
            failures: BTreeMap::new(),
            stream_errors: BTreeMap::new(),
            gaps: [("wrapped", 1)].into(),
            clock_offset: Some(TimeDelta::milliseconds(-2_500)),
            vendor: None,
            product: None,
            redfish_version: None,
        }
    }

    fn fleet() -> Vec<EndpointView> {
        vec![
            view("a", State::Streaming),
            view("b", State::Polling),
            view("c", State::Streaming),
            view("d", State::Backoff),
        ]
    }

    #[track_caller]
    fn check(filter: &Filter, ids: &[&str], next: Option<&str>, total: usize) {
        let fleet = fleet();
        let answer = select(&fleet, filter).unwrap();
        assert_eq!(answer.endpoints.iter().map(|endpoint| endpoint.id).collect::<Vec<_>>(), ids);
        assert_eq!((answer.next, answer.total), (next, total));
    }

    #[test]
    fn pages_follow_each_other_without_holes() {
        check(&Filter { limit: Some(3), ..Filter::default() }, &["a", "b", "c"], Some("c"), 4);
        check(&Filter { limit: Some(3), after: Some("c".to_owned()), state: None }, &["d"], None, 4);
        check(&Filter { limit: Some(4), ..Filter::default() }, &["a", "b", "c", "d"], None, 4);
    }

    #[test]
    fn a_state_filters_before_the_page_is_cut() {
        let streaming = Some("streaming".to_owned());
        check(&Filter { state: streaming, limit: Some(1), after: None }, &["a"], Some("a"), 2);
    }

    #[test]
    fn a_wrong_filter_is_refused() {
        let fleet = fleet();
        assert!(select(&fleet, &Filter { state: Some("asleep".to_owned()), ..Filter::default() }).is_err());
        assert!(select(&fleet, &Filter { limit: Some(0), ..Filter::default() }).is_err());
        assert!(select(&fleet, &Filter { limit: Some(LIMIT_MAX + 1), ..Filter::default() }).is_err());
    }

    #[test]
    fn an_endpoint_is_shown_with_every_documented_field() {
        let fleet = fleet();
        let answer =
            serde_json::to_value(select(&fleet, &Filter { limit: Some(1), ..Filter::default() }).unwrap())
                .unwrap();
        let names: Vec<&str> =
            answer["endpoints"][0].as_object().unwrap().keys().map(String::as_str).collect();
        let documented = "address certificate_not_after clock_offset_seconds failures gaps id insecure labels last_error last_error_at last_event_at last_success_at mode \
                          next_stream_try_at next_try_at product reason reconnections records redfish_version refused_key requests requests_last_minute since \
                          state stream_errors stream_items vendor";
        assert_eq!(names, documented.split_whitespace().collect::<Vec<_>>());
        assert_eq!(answer["endpoints"][0]["gaps"], serde_json::json!({ "wrapped": 1 }));
        assert_eq!(answer["endpoints"][0]["clock_offset_seconds"], serde_json::json!(-2.5));
    }
}
