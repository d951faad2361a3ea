//! What can go wrong with a NATS server, and what follows from it. Most of it is about how the server is set up, so each error
//! says what would help.

use std::{
    error::Error,
    fmt::{Debug, Display},
    time::Duration,
};

use async_nats::{
    ConnectError, ConnectErrorKind,
    jetstream::{
        self,
        context::{PublishError, PublishErrorKind},
    },
};

use super::LoginError;
use crate::{peer::is_tls, sink::Recovery, triage::Reason};

/// A batch, or a record of it, was not taken.
#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    /// No server was reached.
    #[error("connect to {server}")]
    Connect {
        /// Where.
        server: String,
        /// Why.
        #[source]
        source: Cause<ConnectErrorKind>,
    },
    /// We do not believe the server, or it does not believe us.
    #[error("agree on TLS with {server}")]
    Tls {
        /// Where.
        server: String,
        /// Why.
        #[source]
        source: Cause<ConnectErrorKind>,
    },
    /// It does not let us in.
    #[error(
        "log in to {server}: it does not know this login, or wants one; look at the sink's login and at the server's users"
    )]
    Refused {
        /// Where.
        server: String,
        /// Why.
        #[source]
        source: Cause<ConnectErrorKind>,
    },
    /// There is nothing to log in with.
    #[error("log in to {server}")]
    Login {
        /// Where.
        server: String,
        /// Why.
        #[source]
        source: LoginError,
    },
    /// Nobody keeps what goes under this subject.
    #[error(
        "publish to {subject}: no stream takes this subject, or JetStream is off for the server or the account; make one: nats stream add bmcwatch --subjects '{}.>'",
        first(subject)
    )]
    NoStream {
        /// Under which.
        subject: String,
    },
    /// The server complains, and does not answer.
    #[error(
        "publish to {subject} on {server}: it says {said:?}; the login must be allowed to publish to '{}.>' and to subscribe to '_INBOX.>'",
        first(subject)
    )]
    Denied {
        /// Where.
        server: String,
        /// Under which subject.
        subject: String,
        /// What it said.
        said: String,
    },
    /// The stream has no room, or its server cannot write.
    #[error(
        "publish to {subject}: the stream is full, or its server cannot store; raise the limits of the stream, or let it discard what is old"
    )]
    Full {
        /// Under which subject.
        subject: String,
        /// Why.
        #[source]
        source: Cause<PublishErrorKind>,
    },
    /// The message is larger than the server, or the stream, takes.
    #[error("publish to {subject}: more than the server (max_payload) or the stream (max_msg_size) takes")]
    TooLarge {
        /// Under which subject.
        subject: String,
        /// Why.
        #[source]
        source: Cause<PublishErrorKind>,
    },
    /// The server could not take it at the moment.
    #[error("publish to {subject}")]
    Unready {
        /// Under which subject.
        subject: String,
        /// Why.
        #[source]
        source: Cause<PublishErrorKind>,
    },
    /// The stream takes nothing like it.
    #[error("publish to {subject}: the stream, as it is set up, does not take it")]
    NotTaken {
        /// Under which subject.
        subject: String,
        /// Why.
        #[source]
        source: Cause<PublishErrorKind>,
    },
    /// The connection is gone, and with it the acknowledgements.
    #[error("publish to {server}: the connection was lost{}", said.as_ref().map(|said| format!("; the server said {said:?}")).unwrap_or_default())]
    Lost {
        /// Where.
        server: String,
        /// What it said before, if anything.
        said: Option<String>,
    },
    /// It took too long.
    #[error("publish to {server}: not acknowledged within {limit:?}")]
    TimedOut {
        /// Where.
        server: String,
        /// How long it was given.
        limit: Duration,
    },
    /// The thread that encoded has ended.
    #[error("encode in the background")]
    Task(#[source] tokio::task::JoinError),
}

/// An error of the client, whose own text would repeat its cause.
#[derive(Debug)]
pub struct Cause<K: Clone + Debug + Display + PartialEq>(async_nats::error::Error<K>);

impl<K: Clone + Debug + Display + PartialEq> Display for Cause<K> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        Display::fmt(&self.0.kind(), f)
    }
}

impl<K: Clone + Debug + Display + PartialEq> Error for Cause<K> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// The first token, which templates write out.
fn first(subject: &str) -> &str {
    subject.split('.').next().unwrap_or_default()
}

impl NatsError {
    pub(super) fn connect(server: String, error: ConnectError) -> Self {
        let (kind, tls) = (error.kind(), is_tls(&error));
        let source = Cause(error);
        match kind {
            ConnectErrorKind::Authentication | ConnectErrorKind::AuthorizationViolation => {
                Self::Refused { server, source }
            }
            ConnectErrorKind::Tls => Self::Tls { server, source },
            ConnectErrorKind::Io if tls => Self::Tls { server, source },
            ConnectErrorKind::ServerParse
            | ConnectErrorKind::Dns
            | ConnectErrorKind::TimedOut
            | ConnectErrorKind::Io
            | ConnectErrorKind::MaxReconnects => Self::Connect { server, source },
        }
    }

    pub(super) fn publish(subject: String, error: PublishError) -> Self {
        let kind = error.kind();
        let answer = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
        let answer = answer.map(|answer| (answer.error_code(), answer.code()));
        let source = Cause(error);
        match kind {
            PublishErrorKind::StreamNotFound => Self::NoStream { subject },
            PublishErrorKind::MaxPayloadExceeded => Self::TooLarge { subject, source },
            PublishErrorKind::WrongLastMessageId
            | PublishErrorKind::WrongLastSequence
            | PublishErrorKind::TimedOut
            | PublishErrorKind::BrokenPipe
            | PublishErrorKind::MaxAckPending
            | PublishErrorKind::Other => match answer {
                Some((code, status)) => Self::answer(subject, source, code, status),
                None => Self::Unready { subject, source },
            },
        }
    }

    fn answer(
        subject: String,
        source: Cause<PublishErrorKind>,
        code: jetstream::ErrorCode,
        status: usize,
    ) -> Self {
        use jetstream::ErrorCode as Code;
        match code {
            Code::STREAM_MESSAGE_EXCEEDS_MAXIMUM | Code::STREAM_HEADER_EXCEEDS_MAXIMUM => {
                Self::TooLarge { subject, source }
            }
            Code::STREAM_STORE_FAILED
            | Code::STORAGE_RESOURCES_EXCEEDED
            | Code::MEMORY_RESOURCES_EXCEEDED
            | Code::ACCOUNT_RESOURCES_EXCEEDED
            | Code::INSUFFICIENT_RESOURCES => Self::Full { subject, source },
            // As in HTTP: from 500 on it is the server's own trouble.
            _ if status >= 500 => Self::Unready { subject, source },
            _ => Self::NotTaken { subject, source },
        }
    }

    pub(crate) fn recovery(&self) -> Recovery {
        match self {
            Self::Tls { .. }
            | Self::Refused { .. }
            | Self::Login { .. }
            | Self::NoStream { .. }
            | Self::Denied { .. }
            | Self::Full { .. }
            | Self::NotTaken { .. } => Recovery::Act,
            Self::TooLarge { .. } => Recovery::Refused(Reason::TooLarge),
            Self::Connect { .. }
            | Self::Unready { .. }
            | Self::Lost { .. }
            | Self::TimedOut { .. }
            | Self::Task(_) => Recovery::Retry { after: None },
        }
    }
}
