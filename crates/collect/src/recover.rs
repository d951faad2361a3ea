//! What to do about an error: decided here, exhaustively, and nowhere else.

use std::time::Duration;

use redfish::{RequestError, RequestErrorKind, TransportError};

/// What follows from a failed request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Try the endpoint again after a backoff, not before what the BMC asked for.
    BackOff(Option<Duration>),
    /// Logins are paused; nothing is tried for so long, unless someone says that the credentials are right now.
    WaitForCredentials(Duration),
}

/// What a failed request says about its surroundings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// This resource only; the others may be read (T34, T37).
    Resource,
    /// The answer hung or broke off: this resource, or the BMC.
    Unclear,
    /// The endpoint: asking on would only hurt it.
    Endpoint,
}

/// What follows from this error.
pub(crate) fn recovery(error: &RequestError) -> Recovery {
    match &error.kind {
        RequestErrorKind::LoginPaused(left) => Recovery::WaitForCredentials(*left),
        RequestErrorKind::Transport(_)
        | RequestErrorKind::Timeout(_)
        | RequestErrorKind::Status { .. }
        | RequestErrorKind::LoginRefused
        | RequestErrorKind::Memory(_)
        | RequestErrorKind::Decode(_)
        | RequestErrorKind::TooLarge { .. }
        | RequestErrorKind::ForeignOrigin { .. } => Recovery::BackOff(error.retry_after()),
    }
}

/// Whether this error says that the BMC has too much to do: asking as often as before would make it worse.
pub(crate) fn strains(error: &RequestError) -> bool {
    match &error.kind {
        RequestErrorKind::Status { status, .. } => matches!(status, 429 | 500..),
        RequestErrorKind::Timeout(_) => true,
        RequestErrorKind::Transport(_)
        | RequestErrorKind::LoginRefused
        | RequestErrorKind::LoginPaused(_)
        | RequestErrorKind::Memory(_)
        | RequestErrorKind::Decode(_)
        | RequestErrorKind::TooLarge { .. }
        | RequestErrorKind::ForeignOrigin { .. } => false,
    }
}

/// Whether the BMC answered at all.
pub(crate) fn is_answer(error: &RequestError) -> bool {
    match &error.kind {
        RequestErrorKind::Status { .. }
        | RequestErrorKind::LoginRefused
        | RequestErrorKind::Decode(_)
        | RequestErrorKind::TooLarge { .. }
        | RequestErrorKind::ForeignOrigin { .. } => true,
        RequestErrorKind::Transport(_)
        | RequestErrorKind::Timeout(_)
        | RequestErrorKind::LoginPaused(_)
        | RequestErrorKind::Memory(_) => false,
    }
}

/// Whether asking again in a few minutes may bring what this request did not.
pub(crate) fn may_pass(error: &RequestError) -> bool {
    match &error.kind {
        RequestErrorKind::Status { status, .. } => matches!(status, 401 | 408 | 429 | 500..),
        RequestErrorKind::Transport(_)
        | RequestErrorKind::Timeout(_)
        | RequestErrorKind::LoginRefused
        | RequestErrorKind::LoginPaused(_)
        | RequestErrorKind::Memory(_) => true,
        RequestErrorKind::Decode(_)
        | RequestErrorKind::TooLarge { .. }
        | RequestErrorKind::ForeignOrigin { .. } => false,
    }
}

/// How far this error reaches.
pub(crate) fn scope(error: &RequestError) -> Scope {
    match &error.kind {
        RequestErrorKind::Transport(TransportError::Exchange(_)) | RequestErrorKind::Timeout(_) => {
            Scope::Unclear
        }
        RequestErrorKind::Status { status: 401 | 429 | 503, .. }
        | RequestErrorKind::Transport(_)
        | RequestErrorKind::LoginRefused
        | RequestErrorKind::LoginPaused(_)
        | RequestErrorKind::Memory(_) => Scope::Endpoint,
        RequestErrorKind::Status { .. }
        | RequestErrorKind::Decode(_)
        | RequestErrorKind::TooLarge { .. }
        | RequestErrorKind::ForeignOrigin { .. } => Scope::Resource,
    }
}
