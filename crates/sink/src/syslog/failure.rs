//! What can go wrong with a syslog receiver, and what follows from it.

use std::{io, time::Duration};

use crate::{peer::is_tls, sink::Recovery};

/// A batch was not handed over.
#[derive(Debug, thiserror::Error)]
pub enum SyslogError {
    /// It was not reached.
    #[error("connect to {peer}")]
    Connect {
        /// Where.
        peer: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// We do not believe the receiver, or it does not believe us.
    #[error("agree on TLS with {peer}")]
    Tls {
        /// Where.
        peer: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The connection was lost.
    #[error("send to {peer}")]
    Send {
        /// Where.
        peer: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It has closed the connection while a batch was on its way.
    #[error("send to {peer}: it has closed the connection")]
    Closed {
        /// Where.
        peer: String,
    },
    /// It took too long.
    #[error("hand a batch to {peer}: not done within {limit:?}")]
    TimedOut {
        /// Where.
        peer: String,
        /// How long it was given.
        limit: Duration,
    },
    /// The thread that wrote lines has ended.
    #[error("write lines in the background")]
    Task(#[source] tokio::task::JoinError),
}

impl SyslogError {
    pub(super) fn connect(peer: String, source: io::Error) -> Self {
        if is_tls(&source) { Self::Tls { peer, source } } else { Self::Connect { peer, source } }
    }

    /// A receiver may refuse our certificate only after the handshake.
    pub(super) fn send(peer: String, source: io::Error) -> Self {
        if is_tls(&source) { Self::Tls { peer, source } } else { Self::Send { peer, source } }
    }

    pub(crate) fn recovery(&self) -> Recovery {
        match self {
            Self::Tls { .. } => Recovery::Act,
            Self::Connect { .. }
            | Self::Send { .. }
            | Self::Closed { .. }
            | Self::TimedOut { .. }
            | Self::Task(_) => Recovery::Retry { after: None },
        }
    }
}
