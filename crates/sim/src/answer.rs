//! What a BMC answers: routing, authentication, and the Redfish shapes of its errors. The bodies of plain
//! resources stand in `resource.rs`, those of logs in `log.rs`.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header, request::Parts};
use http_body::Body as _;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    bmc::{Bmc, State},
    event::{self, EventIds},
    gate::Reachability,
    habit::{PastEnd, Skip},
    levers::StreamBehaviour,
    log::{Log, Part},
    log_levers::LogFault,
    profile::{Accept, EventServiceState, Login, Overflow, Resume, UnknownQuery, WhenDisabled},
    resource,
    session::{self, Made},
    stream::{self, Body, End, EventStream, Queue},
    truth::PathClass,
};

const EVENT_STREAM: &str = "text/event-stream";

impl Bmc {
    /// Answers a request that came through the gate, unless the gate has closed behind it.
    pub(crate) fn answer(self: &Arc<Self>, head: &Parts, body: &Bytes) -> Option<Response<Body>> {
        let mut state = self.lock();
        if self.reachability() != Reachability::Up {
            state.counts.refused += 1;
            return None;
        }
        let path = head.uri.path().trim_end_matches('/');
        let class = class_of(state.sse_uri, path);
        *state.counts.requests.entry(class).or_default() += 1;
        let mut response = if let Some(status) = state.fail_one() {
            error(status, "Base.1.13.InternalError", "The request failed due to an internal service error.")
        } else if class == PathClass::Stream && head.method == Method::GET {
            self.stream(&mut state, head)
        } else if self.config.profile.accept == Accept::EventStreamOnly && asks_for_stream(&head.headers) {
            missing(path)
        } else {
            self.route(&mut state, head, path, body)
        };
        let date = self.clock_in(&state).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if class != PathClass::Stream
            && let Ok(date) = HeaderValue::try_from(date)
        {
            response.headers_mut().insert(header::DATE, date);
        }
        state.counts.response_bytes += response.body().size_hint().exact().unwrap_or(0);
        Some(response)
    }

    fn route(&self, state: &mut State, head: &Parts, path: &str, body: &Bytes) -> Response<Body> {
        let get = head.method == Method::GET;
        match path {
            "/redfish" if get => return ok(&json!({ "v1": "/redfish/v1/" })),
            "/redfish/v1" if get => {
                return ok(&state.edited(path, resource::root(&self.config.profile, state)));
            }
            "/redfish/v1/SessionService/Sessions" if head.method == Method::POST => {
                return self.login(state, body);
            }
            _ => {}
        }
        if let Some(refused) = self.refuse(state, &head.headers) {
            return refused;
        }
        if let Some(id) = path.strip_prefix("/redfish/v1/SessionService/Sessions/")
            && head.method == Method::DELETE
        {
            return logout(state, id);
        }
        let of_log = |(index, log): (usize, &Log)| log.under(path).map(|(part, under)| (index, part, under));
        if let Some((index, part, under)) = state.logs.iter().enumerate().find_map(of_log) {
            return match part {
                _ if state.logs[index].fault == LogFault::Missing => missing(path),
                Part::Service => self.log_service(state, head, under, index),
                Part::Entries => self.faulty_entries(state, head, under, index),
            };
        }
        match resource::at(self, state, path) {
            Some(body) if get => ok(&state.edited(path, body)),
            Some(_) => not_allowed(),
            None => missing(path),
        }
    }

    fn log_service(&self, state: &mut State, head: &Parts, under: &str, index: usize) -> Response<Body> {
        let profile = &self.config.profile;
        match (under, &head.method) {
            ("", &Method::GET) => {
                ok(&resource::log_service(profile, &state.logs[index], self.clock_in(state)))
            }
            ("/Actions/LogService.ClearLog", &Method::POST) => {
                self.clear_in(state, index);
                ok(&json!({}))
            }
            ("", _) => not_allowed(),
            _ => missing(head.uri.path()),
        }
    }

    fn faulty_entries(&self, state: &State, head: &Parts, under: &str, index: usize) -> Response<Body> {
        match state.logs[index].fault {
            LogFault::None | LogFault::Missing => self.entries(state, head, under, index),
            LogFault::Empty => ok(&empty_page(&state.logs[index].entries_path)),
            LogFault::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                error(
                    status,
                    "Base.1.13.InternalError",
                    "The request failed due to an internal service error.",
                )
            }
            LogFault::Cut => {
                let answer = self.entries_as_text(state, head, under, index);
                let mut response = Response::new(stream::cut(answer.slice(..answer.len() / 2)));
                let json = HeaderValue::from_static("application/json");
                response.headers_mut().insert(header::CONTENT_TYPE, json);
                response
            }
        }
    }

    fn entries_as_text(&self, state: &State, head: &Parts, under: &str, index: usize) -> Bytes {
        let log = &state.logs[index];
        let profile = &self.config.profile;
        let body = match under.strip_prefix('/') {
            Some(id) => log.entry(profile, id),
            None => self.page(log, head).ok(),
        };
        Bytes::from(body.unwrap_or_default().to_string())
    }

    fn entries(&self, state: &State, head: &Parts, under: &str, index: usize) -> Response<Body> {
        let log = &state.logs[index];
        match under.strip_prefix('/') {
            Some(id) => match log.entry(&self.config.profile, id) {
                Some(entry) => ok(&entry),
                None => missing(head.uri.path()),
            },
            None if head.method != Method::GET => not_allowed(),
            None => match self.page(log, head) {
                Ok(page) => ok(&page),
                Err(refused) => *refused,
            },
        }
    }

    fn page(&self, log: &Log, head: &Parts) -> Result<Value, Box<Response<Body>>> {
        let profile = &self.config.profile;
        let query = head.uri.query().unwrap_or_default();
        let (mut skip, mut top) = (0, None);
        for (key, value) in pairs(query) {
            let number = value.parse::<usize>();
            match (key, number) {
                _ if key == profile.skip_key && profile.skip == Skip::Ignored => {}
                _ if key == profile.skip_key && profile.skip == Skip::NotImplemented => {
                    return Err(Box::new(unsupported()));
                }
                (_, Ok(0)) if key == profile.skip_key && profile.skip == Skip::ZeroRefused => {
                    return Err(Box::new(out_of_range(key)));
                }
                (_, Ok(number)) if key == profile.skip_key => skip = number,
                ("$top", _) if profile.skip == Skip::Ignored => {}
                ("$top", _) if profile.skip == Skip::NotImplemented => return Err(Box::new(unsupported())),
                ("$top", Ok(number)) if number <= profile.page_size.unwrap_or(usize::MAX) => {
                    top = Some(number);
                }
                _ if key == "$top" || key == profile.skip_key => return Err(Box::new(out_of_range(key))),
                _ if key.starts_with('$') && profile.unknown_query == UnknownQuery::NotImplemented => {
                    return Err(Box::new(unsupported()));
                }
                _ => {}
            }
        }
        let mut page = match (log.page(profile, skip, top), profile.past_end) {
            (Some(page), _) => page,
            (None, PastEnd::BadRequest) => return Err(Box::new(out_of_range("$skip"))),
            (None, PastEnd::Empty) => empty_page(&log.entries_path),
        };
        if let Some(edit) = &log.page_edit {
            edit(&mut page, query);
        }
        Ok(page)
    }

    fn login(&self, state: &mut State, body: &Bytes) -> Response<Body> {
        if self.config.profile.login == Login::BasicOnly {
            return not_allowed();
        }
        let login: Value = serde_json::from_slice(body).unwrap_or_default();
        let shown = |key: &str| login[key].as_str().unwrap_or_default();
        if shown("UserName") != self.config.profile.username || shown("Password") != state.password {
            state.counts.logins_refused += 1;
            return unauthorized();
        }
        let Some(Made { id, token }) = state.sessions.make(&mut state.rng, Instant::now()) else {
            return error(
                StatusCode::SERVICE_UNAVAILABLE,
                "Base.1.13.SessionLimitExceeded",
                "The session establishment failed due to the number of simultaneous sessions exceeding the limit.",
            );
        };
        state.counts.logins_ok += 1;
        self.write_login_line(state);
        state.counts.sessions_open = state.sessions.len();
        let mut response = json_body(StatusCode::CREATED, &resource::session(&self.config.profile, &id));
        let location = format!("/redfish/v1/SessionService/Sessions/{id}");
        let headers = response.headers_mut();
        headers.insert("x-auth-token", HeaderValue::try_from(token).expect("a token is alphanumeric"));
        headers.insert(header::LOCATION, HeaderValue::try_from(location).expect("an id is alphanumeric"));
        response
    }

    /// The refusal, where the request does not show valid credentials.
    fn refuse(&self, state: &mut State, headers: &HeaderMap) -> Option<Response<Body>> {
        let profile = &self.config.profile;
        if profile.login == Login::Open {
            return None;
        }
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(token) = text("x-auth-token").filter(|_| profile.login != Login::BasicOnly) {
            let accepted = state.sessions.accepts(token, Instant::now());
            state.counts.sessions_open = state.sessions.len();
            if accepted {
                return None;
            }
            state.counts.tokens_refused += 1;
            return Some(unauthorized());
        }
        match text("authorization").and_then(session::basic) {
            Some(_) if profile.login == Login::SessionOnly => Some(unauthorized()),
            Some((user, password)) if user == profile.username && password == state.password => {
                self.write_login_line(state);
                None
            }
            Some(_) => {
                state.counts.logins_refused += 1;
                Some(unauthorized())
            }
            None => Some(unauthorized()),
        }
    }

    fn stream(self: &Arc<Self>, state: &mut State, head: &Parts) -> Response<Body> {
        let profile = &self.config.profile;
        let path = head.uri.path();
        if state.event_service == EventServiceState::Absent
            || profile.accept == Accept::EventStreamOnly && !asks_for_stream(&head.headers)
        {
            return missing(path);
        }
        if let Some(refused) = self.refuse(state, &head.headers) {
            return refused;
        }
        match state.stream_behaviour {
            StreamBehaviour::Serve | StreamBehaviour::Silent => {}
            StreamBehaviour::CloseAtOnce => return event_stream(stream::whole(Bytes::new())),
            StreamBehaviour::NotFound => return missing(path),
            StreamBehaviour::Status(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                return error(status, "Base.1.13.GeneralError", "A general error has occurred.");
            }
            StreamBehaviour::WrongContentType => {
                let mut response = Response::new(stream::whole("<html><body>Login</body></html>"));
                response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html"));
                return response;
            }
        }
        let disabled = state.event_service == EventServiceState::Disabled;
        if disabled && profile.when_disabled == WhenDisabled::Closed {
            return error(
                StatusCode::SERVICE_UNAVAILABLE,
                "Base.1.13.ServiceDisabled",
                "The operation failed because the service is disabled.",
            );
        }
        if state.counts.streams_open + state.streams_leaked >= profile.streams_max {
            return match profile.overflow {
                Overflow::OkThenEnd => event_stream(stream::whole(Bytes::new())),
                Overflow::ServiceUnavailable => error(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "Base.1.13.EventSubscriptionLimitExceeded",
                    "The event subscription failed due to the number of simultaneous subscriptions exceeding the limit.",
                ),
            };
        }
        let queue = Arc::new(Queue::default());
        if profile.resume == Resume::BufferExceeded && head.headers.contains_key("last-event-id") {
            let ids = EventIds::next(profile.record, &mut state.event_ids);
            queue.push(event::buffer_exceeded(profile, ids.payload));
        }
        state.streams.push(Arc::clone(&queue));
        state.counts.streams_open += 1;
        state.counts.streams_opened += 1;
        state.counts.streams_open_max = state.counts.streams_open_max.max(state.counts.streams_open);
        event_stream(EventStream::new(queue, Arc::downgrade(self), profile.keep_alive).boxed_unsync())
    }
}

impl State {
    fn fail_one(&mut self) -> Option<StatusCode> {
        let (left, status) = self.failing.take()?;
        if left > 1 {
            self.failing = Some((left - 1, status));
        }
        Some(status)
    }

    fn edited(&self, path: &str, mut body: Value) -> Value {
        if let Some(edit) = self.edits.get(path) {
            edit(&mut body);
        }
        body
    }

    pub(crate) fn end_streams(&mut self, end: End) {
        for queue in self.streams.drain(..).chain(self.streams_stuck.drain(..)) {
            queue.end(end);
        }
    }
}

fn class_of(sse_uri: Option<&'static str>, path: &str) -> PathClass {
    // An absolute one names this BMC by another port.
    let at =
        |uri: &'static str| uri.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
    if sse_uri.is_some_and(|uri| !uri.is_empty() && at(uri).unwrap_or(uri) == path) {
        return PathClass::Stream;
    }
    let Some(rest) = path.strip_prefix("/redfish/v1") else { return PathClass::Other };
    let parts: Vec<&str> = rest.split('/').skip(1).collect();
    match parts.as_slice() {
        [] => PathClass::Root,
        ["EventService", ..] => PathClass::EventService,
        ["SessionService", ..] => PathClass::Sessions,
        [_, _, "LogServices", _, "Entries"] | [_, _, "Logs", _] => PathClass::Entries,
        [_, _, "LogServices", _, "Entries", _] | [_, _, "Logs", _, _] => PathClass::Entry,
        [_, _, "LogServices", ..] => PathClass::LogService,
        _ => PathClass::Other,
    }
}

fn asks_for_stream(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|a| a.contains(EVENT_STREAM))
}

/// Key and value of each query option, with `%24` read as `$`.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('=')).map(|(key, value)| match key {
        "%24skip" => ("$skip", value),
        "%24skiptoken" => ("$skiptoken", value),
        "%24top" => ("$top", value),
        "%24filter" => ("$filter", value),
        "%24expand" => ("$expand", value),
        _ => (key, value),
    })
}

fn logout(state: &mut State, id: &str) -> Response<Body> {
    if !state.sessions.has(id) {
        return missing(id);
    }
    state.sessions.end(id);
    state.counts.sessions_open = state.sessions.len();
    let mut response = Response::new(stream::whole(Bytes::new()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

fn event_stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(EVENT_STREAM));
    response
}

fn ok(body: &Value) -> Response<Body> {
    json_body(StatusCode::OK, body)
}

fn json_body(status: StatusCode, body: &Value) -> Response<Body> {
    let mut response = Response::new(stream::whole(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert("odata-version", HeaderValue::from_static("4.0"));
    response
}

/// The error body of DSP0266.
pub(crate) fn error(status: StatusCode, message_id: &str, message: &str) -> Response<Body> {
    let info = json!([{
        "@odata.type": "#Message.v1_1_1.Message",
        "MessageId": message_id,
        "Message": message,
        "MessageArgs": [],
        "MessageSeverity": "Critical",
    }]);
    json_body(
        status,
        &json!({ "error": { "code": message_id, "message": message, "@Message.ExtendedInfo": info } }),
    )
}

pub(crate) fn missing(path: &str) -> Response<Body> {
    let message = format!("The resource at the URI '{path}' was not found.");
    error(StatusCode::NOT_FOUND, "Base.1.13.ResourceMissingAtURI", &message)
}

pub(crate) fn not_allowed() -> Response<Body> {
    error(
        StatusCode::METHOD_NOT_ALLOWED,
        "Base.1.13.OperationNotAllowed",
        "The HTTP method is not allowed on this resource.",
    )
}

fn out_of_range(option: &str) -> Response<Body> {
    let message = format!("The value of the query parameter {option} is out of range.");
    error(StatusCode::BAD_REQUEST, "Base.1.13.QueryParameterOutOfRange", &message)
}

fn unsupported() -> Response<Body> {
    error(
        StatusCode::NOT_IMPLEMENTED,
        "Base.1.13.QueryNotSupported",
        "Querying is not supported by the implementation.",
    )
}

fn empty_page(path: &str) -> Value {
    json!({
        "@odata.id": path,
        "@odata.type": "#LogEntryCollection.LogEntryCollection",
        "Name": "Log Entries",
        "Members": [],
        "Members@odata.count": 0,
    })
}

fn unauthorized() -> Response<Body> {
    error(
        StatusCode::UNAUTHORIZED,
        "Base.1.13.NoValidSession",
        "There is no valid session established with the implementation.",
    )
}
