//! Opening the event stream, and the table of what a BMC says when it has none.

use http::{HeaderMap, HeaderName, HeaderValue, header::CACHE_CONTROL};
use tokio::time::Instant;

use super::{
    Client,
    exchange::{Ask, Head, Via, content_type},
};
use crate::{
    EventStream, NotAvailable, OpenStreamError, Operation, RequestErrorKind, ServiceRoot, json,
    metrics::SseConnect,
};

const EVENT_STREAM: &str = "text/event-stream";
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

impl Client {
    pub(super) async fn connect_stream(
        &self,
        root: &ServiceRoot,
        last_event_id: Option<&str>,
    ) -> Result<EventStream, OpenStreamError> {
        let opened = self.try_stream(root, last_event_id).await;
        self.metrics.sse_connect(match &opened {
            Ok(_) => SseConnect::Ok,
            Err(OpenStreamError::NotAvailable(NotAvailable::Forbidden)) => SseConnect::Forbidden,
            Err(OpenStreamError::NotAvailable(_)) => SseConnect::Unsupported,
            Err(OpenStreamError::Failed(_)) => SseConnect::Error,
        });
        opened
    }

    async fn try_stream(
        &self,
        root: &ServiceRoot,
        last_event_id: Option<&str>,
    ) -> Result<EventStream, OpenStreamError> {
        let path = self.stream_path(root).await?;
        let ask = stream_ask(path, last_event_id);
        let _turn = self.turn().await;
        let head = self.authorised(Via::Stream, &ask).await.map_err(OpenStreamError::Failed)?;
        match head.response.status().as_u16() {
            200 => {}
            403 => return Err(self.no_stream(&ask, &head, NotAvailable::Forbidden)),
            status @ (404 | 405 | 406 | 501) => {
                return Err(self.no_stream(&ask, &head, NotAvailable::Status(status)));
            }
            _ => {
                let answer = self.finish(&ask, head).await.map_err(OpenStreamError::Failed)?;
                return Err(OpenStreamError::Failed(ask.error(answer.failure(self.clock.now()))));
            }
        }
        self.count_head(&ask, &head);
        let sent = content_type(head.response.headers()).unwrap_or("none");
        let media_type = sent.split(';').next().unwrap_or_default().trim();
        if !media_type.eq_ignore_ascii_case(EVENT_STREAM) {
            let why = format!("content type {} instead of {EVENT_STREAM}", json::clean(sent, 80));
            return Err(OpenStreamError::Failed(ask.error(RequestErrorKind::Decode(why))));
        }
        // The head is dropped here: 5 KB a stream.
        Ok(EventStream::new(head.response.into_body(), Instant::now()))
    }

    fn no_stream(&self, ask: &Ask, head: &Head, why: NotAvailable) -> OpenStreamError {
        self.count_head(ask, head);
        why.into()
    }

    /// Where the EventService says the stream is.
    pub(super) async fn stream_path(&self, root: &ServiceRoot) -> Result<String, OpenStreamError> {
        let link = root.event_service.as_deref().ok_or(NotAvailable::NoEventService)?;
        let failed = OpenStreamError::Failed;
        let path = self.path_of(Operation::Sse, "/redfish/v1/", link).map_err(failed)?;
        let (service, path) = match self.document(Operation::Sse, path).await {
            Ok(read) => read,
            Err(error) if matches!(error.kind, RequestErrorKind::Status { status: 404, .. }) => {
                return Err(NotAvailable::NoEventService.into());
            }
            Err(error) => return Err(failed(error)),
        };
        if json::truth(&service, "ServiceEnabled") == Some(false) {
            return Err(NotAvailable::Disabled.into());
        }
        let uri = service.get("ServerSentEventUri").and_then(json::link).ok_or(NotAvailable::NoUri)?;
        self.path_of(Operation::Sse, &path, &uri).map_err(failed)
    }
}

/// Only here is `Accept` the stream's: elsewhere it makes bmcweb answer 404 (T54).
fn stream_ask(path: String, last_event_id: Option<&str>) -> Ask {
    let mut headers = HeaderMap::from_iter([(CACHE_CONTROL, HeaderValue::from_static("no-cache"))]);
    // An id that no header can carry is left out: it is an optimisation only.
    if let Some(id) = last_event_id.and_then(|id| HeaderValue::try_from(id).ok()) {
        headers.insert(LAST_EVENT_ID, id);
    }
    let accept = HeaderValue::from_static(EVENT_STREAM);
    Ask { accept, headers, ..Ask::get(Operation::Sse, path) }
}
