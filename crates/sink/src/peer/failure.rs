//! What can go wrong with a peer, and what follows from it. Told apart are: later it may work; somebody must act; and this
//! batch it will never take.

use std::{error::Error, io, time::Duration};

use journal::ReadError;
use reqwest::StatusCode;

use crate::{sink::Recovery, triage::Reason};

/// A request did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum PeerError {
    /// There is no client with this configuration.
    #[error("set up a client for {peer}")]
    Setup {
        /// Where.
        peer: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// A header cannot be sent as it is.
    #[error("send the header {name} to {peer}: its value holds characters that a header cannot")]
    Header {
        /// Where.
        peer: String,
        /// Which one.
        name: String,
    },
    /// We do not believe the peer, or it does not believe us.
    #[error("agree on TLS with {peer}")]
    Tls {
        /// Where.
        peer: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It was not reached, or the connection was lost.
    #[error("post to {peer}")]
    Exchange {
        /// Where.
        peer: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// It took too long.
    #[error("post to {peer}: no answer within {limit:?}")]
    TimedOut {
        /// Where.
        peer: String,
        /// How long it was given.
        limit: Duration,
    },
    /// It answered that it has not taken the batch.
    #[error("post to {peer}: it answered {status} {said:?}")]
    Status {
        /// Where.
        peer: String,
        /// The status.
        status: StatusCode,
        /// The beginning of what it said.
        said: String,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
        /// What we make of it.
        meaning: Meaning,
    },
    /// A page for people answered.
    #[error("post to {peer}: a web page answered, so this is not the address of a peer")]
    NotAPeer {
        /// Where.
        peer: String,
    },
    /// It has answered more than any peer would.
    #[error("read the answer of {peer}: it has more than {most} bytes")]
    LongAnswer {
        /// Where.
        peer: String,
        /// The limit.
        most: usize,
    },
    /// Whether it has taken the batch cannot be learned from its answer.
    #[error("understand the answer to a batch")]
    Answer(#[source] Box<dyn Error + Send + Sync>),
    /// Some records were not taken, and may be later.
    #[error("deliver {records} records of a batch: the peer answered {status} for them")]
    Some {
        /// How many.
        records: usize,
        /// The status of the last of them.
        status: u16,
    },
    /// What is known beside the records could not be read.
    #[error("look up what is known of the endpoints of a batch")]
    Journal(#[source] ReadError),
    /// The thread that encoded has ended.
    #[error("encode in the background")]
    Task(#[source] tokio::task::JoinError),
}

/// What a status other than success means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// Later it may work.
    Later,
    /// It refuses us or the address; somebody must act.
    Act,
    /// It will never take this body.
    Rejected,
    /// It will never take this body, because it is too large.
    TooLarge,
}

/// What a status says. A server's own failure is never held against a record: a peer that fails on one record for ever
/// stops its sink, which is seen, and loses nothing.
pub(crate) fn meaning(status: StatusCode) -> Meaning {
    match status {
        StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => Meaning::Rejected,
        StatusCode::PAYLOAD_TOO_LARGE => Meaning::TooLarge,
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => Meaning::Later,
        status if status.is_server_error() => Meaning::Later,
        _ => Meaning::Act,
    }
}

impl PeerError {
    pub(crate) fn recovery(&self) -> Recovery {
        match self {
            Self::Setup { .. } | Self::Header { .. } | Self::Tls { .. } | Self::NotAPeer { .. } => {
                Recovery::Act
            }
            Self::Exchange { .. }
            | Self::TimedOut { .. }
            | Self::LongAnswer { .. }
            | Self::Answer(_)
            | Self::Some { .. }
            | Self::Journal(_)
            | Self::Task(_) => Recovery::Retry { after: None },
            Self::Status { meaning, retry_after, .. } => match meaning {
                Meaning::Later => Recovery::Retry { after: *retry_after },
                Meaning::Act => Recovery::Act,
                Meaning::Rejected => Recovery::Refused(Reason::Rejected),
                Meaning::TooLarge => Recovery::Refused(Reason::TooLarge),
            },
        }
    }
}

/// Whether TLS is among the causes; an `io::Error` hides its content one level deep.
pub(crate) fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<rustls::Error>() {
            return true;
        }
        let hidden = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match hidden {
            Some(hidden) => Some(hidden),
            None => cause.source(),
        };
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_blames_the_record_the_moment_or_the_operator() {
        for (statuses, expected) in [
            (&[400, 422][..], Meaning::Rejected),
            (&[413], Meaning::TooLarge),
            (&[408, 425, 429, 500, 502, 503, 504, 599], Meaning::Later),
            (&[301, 307, 401, 402, 403, 404, 405, 406, 410, 415, 451], Meaning::Act),
        ] {
            for status in statuses {
                assert_eq!(meaning(StatusCode::from_u16(*status).unwrap()), expected, "{status}");
            }
        }
    }
}
