//! The closed set of sinks: what an operator can choose, what runs for it, and what it may say of a batch. This is the seam:
//! a new sink is a variant of each of the enums here, and everything else (reading, selecting, retrying, halving,
//! dead letters, acknowledging, status) is the pump's.
//!
//! A sink's word is the return of `deliver`: what is `Ok` is where it should be (on disk, written to the pipe, taken by the
//! peer) and may be acknowledged. Not here: what follows from that word (`pump`, `triage`).

use std::{sync::Arc, time::Duration};

use journal::{Journal, Position, ReadLimit, Stored};

use crate::{
    file::{FileConfig, FileError, FileSink},
    http::{HttpConfig, HttpSink},
    nats::{NatsConfig, NatsError, NatsSink},
    otlp::{OtlpConfig, OtlpSink},
    peer::PeerError,
    stdout::{StdoutConfig, StdoutError, StdoutSink},
    syslog::{SyslogConfig, SyslogError, SyslogSink},
    triage::{Reason, Refused},
};

/// One batch to this machine: enough that a sync per batch costs little per record, small enough that one is held in memory
/// per sink.
const LOCAL_BATCH: ReadLimit = ReadLimit { records: 512, bytes: 4 << 20 };

/// One batch to a peer: many stand behind a proxy that takes 1 MiB, and Loki passes on at most 4 MiB, to which its own
/// framing comes. A single larger record still goes.
const POSTED_BATCH: ReadLimit = ReadLimit { records: 512, bytes: 1 << 20 };

/// What an operator asked for.
#[derive(Debug, Clone)]
pub enum SinkConfig {
    /// `type = "stdout"`.
    Stdout(StdoutConfig),
    /// `type = "file"`.
    File(FileConfig),
    /// `type = "http"`.
    Http(HttpConfig),
    /// `type = "otlp"`.
    Otlp(OtlpConfig),
    /// `type = "syslog"`.
    Syslog(SyslogConfig),
    /// `type = "nats"`.
    Nats(NatsConfig),
}

impl SinkConfig {
    /// The word of `type`, which is also a metric label.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Stdout(_) => "stdout",
            Self::File(_) => "file",
            Self::Http(_) => "http",
            Self::Otlp(_) => "otlp",
            Self::Syslog(_) => "syslog",
            Self::Nats(_) => "nats",
        }
    }

    pub(crate) fn build(self) -> Sink {
        match self {
            Self::Stdout(config) => Sink::Stdout(StdoutSink::new(config)),
            Self::File(config) => Sink::File(FileSink::new(config)),
            Self::Http(config) => Sink::Http(HttpSink::new(config)),
            Self::Otlp(config) => Sink::Otlp(OtlpSink::new(config)),
            Self::Syslog(config) => Sink::Syslog(SyslogSink::new(config)),
            Self::Nats(config) => Sink::Nats(NatsSink::new(config)),
        }
    }
}

/// A running sink.
#[derive(Debug)]
pub(crate) enum Sink {
    Stdout(StdoutSink),
    File(FileSink),
    Http(HttpSink),
    Otlp(OtlpSink),
    Syslog(SyslogSink),
    Nats(NatsSink),
}

/// What the peer said of a batch that reached it. Everything that is not named here it has taken.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// Records that it will never take; they may become dead letters.
    pub(crate) refused: Vec<Refused>,
    /// Records that it refused for good without saying which: they are counted and told, and no more can be done.
    pub(crate) unnamed: Option<Unnamed>,
    /// Records that it asks for again, if any.
    pub(crate) again: Option<Again>,
}

/// Records that were refused without a name.
#[derive(Debug)]
pub(crate) struct Unnamed {
    pub(crate) records: u64,
    pub(crate) said: String,
}

/// Records that are to be delivered again, and why.
#[derive(Debug)]
pub(crate) struct Again {
    pub(crate) positions: Vec<Position>,
    pub(crate) error: SinkError,
}

impl Sink {
    /// How much one batch may hold.
    pub(crate) fn batch(&self) -> ReadLimit {
        match self {
            Self::Stdout(_) | Self::File(_) => LOCAL_BATCH,
            Self::Http(_) | Self::Otlp(_) | Self::Syslog(_) | Self::Nats(_) => POSTED_BATCH,
        }
    }

    /// Lets go of what somebody wants to move away.
    pub(crate) fn reopen_later(&mut self) {
        match self {
            Self::File(sink) => sink.reopen_later(),
            Self::Stdout(_) | Self::Http(_) | Self::Otlp(_) | Self::Syslog(_) | Self::Nats(_) => {}
        }
    }

    /// Carries a batch out, whole and in order. After an error any part of it may have reached the peer; the pump delivers it
    /// again, whole or in pieces, as [`SinkError::recovery`] says.
    pub(crate) async fn deliver(
        &mut self,
        batch: Arc<[Stored]>,
        journal: &Journal,
    ) -> Result<Delivered, SinkError> {
        match self {
            Self::Stdout(sink) => sink.deliver(batch).await?,
            Self::File(sink) => sink.deliver(batch, journal).await?,
            Self::Http(sink) => return Ok(sink.deliver(batch).await?),
            Self::Otlp(sink) => return Ok(sink.deliver(batch, journal).await?),
            Self::Syslog(sink) => return Ok(sink.deliver(batch).await?),
            Self::Nats(sink) => return Ok(sink.deliver(batch).await?),
        }
        Ok(Delivered::default())
    }
}

/// A batch was not delivered.
#[derive(Debug, thiserror::Error)]
pub enum SinkError {
    /// By the stdout sink.
    #[error(transparent)]
    Stdout(#[from] StdoutError),
    /// By the file sink.
    #[error(transparent)]
    File(#[from] FileError),
    /// By a sink over HTTP.
    #[error(transparent)]
    Peer(#[from] PeerError),
    /// By the syslog sink.
    #[error(transparent)]
    Syslog(#[from] SyslogError),
    /// By the NATS sink.
    #[error(transparent)]
    Nats(#[from] NatsError),
}

/// What follows from an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Try again after a wait, for ever; the peer may have said how long.
    Retry { after: Option<Duration> },
    /// The same, but somebody must act: the peer refuses us, not the records.
    Act,
    /// The peer will never take this batch as it is: find the records that are to blame.
    Refused(Reason),
    /// It can never work again in this process.
    End,
}

impl SinkError {
    pub(crate) fn recovery(&self) -> Recovery {
        match self {
            Self::Stdout(StdoutError::ReaderGone) => Recovery::End,
            Self::Stdout(StdoutError::Write(_) | StdoutError::Task(_)) | Self::File(_) => {
                Recovery::Retry { after: None }
            }
            Self::Peer(error) => error.recovery(),
            Self::Syslog(error) => error.recovery(),
            Self::Nats(error) => error.recovery(),
        }
    }
}
