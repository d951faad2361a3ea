//! What can go wrong in the conversation, as closed sets: the same enum drives retry, metric label and log.

use std::time::Duration;

use crate::TransportError;

/// What was being asked; a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Operation {
    /// The service root.
    Root,
    /// Session create or delete.
    Session,
    /// EventService, or opening the stream.
    Sse,
    /// Systems, Managers, Chassis, log services, pages of a log, message registries.
    Logs,
    /// A single log entry.
    Entry,
}

impl Operation {
    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Session => "session",
            Self::Sse => "sse",
            Self::Logs => "logs",
            Self::Entry => "entry",
        }
    }
}

/// Why something failed, coarse enough for a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureReason {
    /// The name was not resolved.
    Dns,
    /// No connection.
    Connect,
    /// The certificate or the handshake was refused.
    Tls,
    /// The credentials were refused, or logins are paused because they were, or cannot be counted.
    Auth,
    /// The account lacks the privilege (403).
    Forbidden,
    /// Another 4xx.
    ClientError,
    /// 5xx or 429.
    ServerError,
    /// A deadline passed.
    Timeout,
    /// The answer was not what the protocol says.
    Protocol,
    /// The answer was larger than our limit.
    TooLarge,
}

impl FailureReason {
    /// All of them, for tables of counters.
    pub const ALL: [Self; 10] = [
        Self::Dns,
        Self::Connect,
        Self::Tls,
        Self::Auth,
        Self::Forbidden,
        Self::ClientError,
        Self::ServerError,
        Self::Timeout,
        Self::Protocol,
        Self::TooLarge,
    ];

    /// The label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Auth => "auth",
            Self::Forbidden => "forbidden",
            Self::ClientError => "client_error",
            Self::ServerError => "server_error",
            Self::Timeout => "timeout",
            Self::Protocol => "protocol",
            Self::TooLarge => "too_large",
        }
    }
}

/// A request that did not give what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("get {path}")]
pub struct RequestError {
    /// What was being asked.
    pub operation: Operation,
    /// The path, without query values that could carry secrets.
    pub path: String,
    /// What happened.
    #[source]
    pub kind: RequestErrorKind,
}

/// What happened to a request.
#[derive(Debug, thiserror::Error)]
pub enum RequestErrorKind {
    /// No response.
    #[error(transparent)]
    Transport(#[from] TransportError),
    /// No (complete) response in time.
    #[error("no complete answer within {0:?}")]
    Timeout(Duration),
    /// A status that is not success.
    #[error("status {status}{}", message.as_deref().map(|m| format!(": {m}")).unwrap_or_default())]
    Status {
        /// The HTTP status.
        status: u16,
        /// First message of the Redfish error body, capped and cleaned; or content type and first bytes of something else.
        message: Option<String>,
        /// `Retry-After`, if sent.
        retry_after: Option<Duration>,
    },
    /// The credentials were refused just now.
    #[error("the credentials were refused")]
    LoginRefused,
    /// No login is tried: the credentials were refused twice, and trying on could lock the account.
    #[error("logins are paused for {0:?} because the credentials were refused")]
    LoginPaused(Duration),
    /// A login is noted before it is tried, so that no restart tries too often, and that could not be done.
    #[error("remember logins")]
    Memory(#[source] crate::BoxError),
    /// The body is not what it should be.
    #[error("not the JSON we expect: {0}")]
    Decode(String),
    /// The body is larger than the limit.
    #[error("the answer is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
    /// A link or redirect leads to another origin, where our credentials must not go.
    #[error("refused to follow {link:?} to another origin")]
    ForeignOrigin {
        /// Where it leads, capped and cleaned.
        link: String,
    },
}

impl RequestError {
    /// The reason for metrics and the failure window.
    pub fn reason(&self) -> FailureReason {
        match &self.kind {
            RequestErrorKind::Transport(TransportError::Dns(_)) => FailureReason::Dns,
            RequestErrorKind::Transport(TransportError::Connect(_)) => FailureReason::Connect,
            RequestErrorKind::Transport(TransportError::Tls(_) | TransportError::OtherKey { .. }) => {
                FailureReason::Tls
            }
            RequestErrorKind::Transport(TransportError::Exchange(_)) | RequestErrorKind::Decode(_) => {
                FailureReason::Protocol
            }
            RequestErrorKind::ForeignOrigin { .. } => FailureReason::Protocol,
            RequestErrorKind::Timeout(_) => FailureReason::Timeout,
            RequestErrorKind::LoginRefused
            | RequestErrorKind::LoginPaused(_)
            | RequestErrorKind::Memory(_) => FailureReason::Auth,
            RequestErrorKind::TooLarge { .. } => FailureReason::TooLarge,
            RequestErrorKind::Status { status, .. } => match status {
                401 => FailureReason::Auth,
                403 => FailureReason::Forbidden,
                429 | 500.. => FailureReason::ServerError,
                _ => FailureReason::ClientError,
            },
        }
    }

    /// The key that was shown in place of the one that is trusted.
    pub fn other_key(&self) -> Option<[u8; 32]> {
        match &self.kind {
            RequestErrorKind::Transport(TransportError::OtherKey { shown }) => Some(*shown),
            _ => None,
        }
    }

    /// How long the BMC asked us to wait.
    pub fn retry_after(&self) -> Option<Duration> {
        match &self.kind {
            RequestErrorKind::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Why this BMC has no event stream: the permanent signals of `docs/` (DSP0266 and vendors), not passing trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum NotAvailable {
    /// The service root has no `EventService`.
    #[error("the service root has no EventService")]
    NoEventService,
    /// `ServerSentEventUri` is absent or empty.
    #[error("the EventService has no ServerSentEventUri")]
    NoUri,
    /// `ServiceEnabled` is false: administrative, looked at again at each state refresh.
    #[error("the EventService is disabled")]
    Disabled,
    /// 403: the account's role or the licence does not include event streams.
    #[error("the account may not open the event stream")]
    Forbidden,
    /// 404, 405, 406 or 501 although the request had the right form.
    #[error("the event stream answers {0}")]
    Status(u16),
}

/// The stream was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenStreamError {
    /// There is none.
    #[error(transparent)]
    NotAvailable(#[from] NotAvailable),
    /// There may be one.
    #[error("open the event stream")]
    Failed(#[source] RequestError),
}

/// An open stream ended.
#[derive(Debug, thiserror::Error)]
pub enum StreamError {
    /// The BMC closed it.
    #[error("the BMC closed the event stream")]
    Ended,
    /// The connection broke.
    #[error("the event stream broke")]
    Transport(#[source] crate::BoxError),
    /// One event was larger than the limit.
    #[error("an event is larger than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: usize,
    },
}
