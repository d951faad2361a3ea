//! The syslog sink: records as RFC 5424 over UDP, TCP, TLS, or a socket of this machine.
//!
//! How a record looks is `message`, how lines travel is `wire`. Plain syslog has no acknowledgement, so the promise is *at
//! least once to the socket*: a batch counts as delivered when the system has taken all of it and the receiver has not closed
//! the connection until then. What a receiver had not read when it went is lost. Not here: RELP, which would know better.

mod failure;
mod message;
mod wire;

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use journal::Stored;
use model::codec;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    chain::Chain,
    peer::PeerAccess,
    sink::Delivered,
    triage::{Reason, Refused},
};
pub use failure::SyslogError;
use wire::{Sent, Wire};

/// The least limit of a line: it holds the head of any record.
pub const LIMIT_MIN: usize = 1 << 10;

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct SyslogConfig {
    /// Where lines go.
    pub transport: SyslogTransport,
    /// How they look.
    pub form: SyslogForm,
    /// How long one batch may take, connecting included.
    pub timeout: Duration,
}

/// How lines travel.
#[derive(Debug, Clone)]
pub enum SyslogTransport {
    /// A datagram each (RFC 5426).
    Udp(HostPort),
    /// Octet-counted (RFC 6587).
    Tcp(HostPort),
    /// Octet-counted in TLS (RFC 5425). What opens it may change while the program runs; the next connection uses it.
    Tls(HostPort, watch::Receiver<PeerAccess>),
    /// A socket of this machine: a datagram each, or, where it is a stream, a line each.
    Unix(PathBuf),
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// How lines look, where that is a choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyslogForm {
    /// The facility.
    pub facility: Facility,
    /// The private enterprise number behind `redfish@`.
    pub enterprise: u32,
    /// The most bytes of a line, at least [`LIMIT_MIN`].
    pub limit: usize,
}

/// A facility, 0 to 23.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facility(pub(crate) u8);

impl Facility {
    /// All of them, under their usual names.
    pub const ALL: [(&'static str, Self); 20] = [
        ("kern", Self(0)),
        ("user", Self(1)),
        ("mail", Self(2)),
        ("daemon", Self(3)),
        ("auth", Self(4)),
        ("syslog", Self(5)),
        ("lpr", Self(6)),
        ("news", Self(7)),
        ("uucp", Self(8)),
        ("cron", Self(9)),
        ("authpriv", Self(10)),
        ("ftp", Self(11)),
        ("local0", Self(16)),
        ("local1", Self(17)),
        ("local2", Self(18)),
        ("local3", Self(19)),
        ("local4", Self(20)),
        ("local5", Self(21)),
        ("local6", Self(22)),
        ("local7", Self(23)),
    ];

    /// `local0`, which is for local use.
    pub const DEFAULT: Self = Self(16);
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

impl fmt::Display for SyslogTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(at) => write!(f, "udp://{at}"),
            Self::Tcp(at) => write!(f, "tcp://{at}"),
            Self::Tls(at, _) => write!(f, "tls://{at}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
        }
    }
}

/// A syslog sink.
#[derive(Debug)]
pub(crate) struct SyslogSink {
    config: SyslogConfig,
    wire: Option<Wire>,
}

impl SyslogSink {
    pub(crate) fn new(config: SyslogConfig) -> Self {
        Self { config, wire: None }
    }

    /// Hands the batch to the socket.
    pub(crate) async fn deliver(&mut self, batch: Arc<[Stored]>) -> Result<Delivered, SyslogError> {
        let deadline = Instant::now() + self.config.timeout;
        let form = self.config.form;
        let (records, lines) = (Arc::clone(&batch), form.limit);
        let write = move || records.iter().map(|stored| line(stored, &form, lines)).collect::<Vec<_>>();
        let lines = tokio::task::spawn_blocking(write).await.map_err(SyslogError::Task)?;
        // Whatever went wrong, the connection has part of a batch in it.
        let wire = self.wire.take();
        let work = self.send(wire, &batch, lines);
        let Ok(sent) = timeout_at(deadline, work).await else {
            let (peer, limit) = (self.config.transport.to_string(), self.config.timeout);
            return Err(SyslogError::TimedOut { peer, limit });
        };
        let (wire, refused) = sent?;
        self.wire = Some(wire);
        Ok(Delivered { refused, ..Delivered::default() })
    }

    async fn send(
        &mut self,
        wire: Option<Wire>,
        batch: &[Stored],
        lines: Vec<Result<String, Refused>>,
    ) -> Result<(Wire, Vec<Refused>), SyslogError> {
        let transport = &mut self.config.transport;
        let open = match wire {
            Some(wire) => wire.still_open(transport).await,
            None => None,
        };
        let mut wire = match open {
            Some(wire) => wire,
            None => Wire::connect(transport).await?,
        };
        let (form, mut refused) = (self.config.form, Vec::new());
        for (stored, line) in batch.iter().zip(lines) {
            match line {
                Err(unreadable) => refused.push(unreadable),
                Ok(line) => refused.extend(send_one(&mut wire, &form, stored, line).await?),
            }
        }
        // Looking is part of the time that the batch has.
        wire.finish(self.config.timeout / 2).await?;
        Ok((wire, refused))
    }
}

/// A datagram that is too large for the way is cut in halves until it fits.
async fn send_one(
    wire: &mut Wire,
    form: &SyslogForm,
    stored: &Stored,
    mut text: String,
) -> Result<Option<Refused>, SyslogError> {
    let mut limit = text.len();
    while let Sent::TooLarge = wire.send(&text).await? {
        limit /= 2;
        if limit < LIMIT_MIN {
            let error = "a datagram of this size does not pass".to_owned();
            return Ok(Some(Refused { record: stored.clone(), reason: Reason::TooLarge, error }));
        }
        match line(stored, form, limit) {
            Ok(shorter) => text = shorter,
            Err(unreadable) => return Ok(Some(unreadable)),
        }
    }
    Ok(None)
}

fn line(stored: &Stored, form: &SyslogForm, limit: usize) -> Result<String, Refused> {
    let record = codec::decode(stored.position, &stored.bytes).map_err(|error| Refused {
        record: stored.clone(),
        reason: Reason::Rejected,
        error: Chain(&error).to_string(),
    })?;
    Ok(message::line(stored.position, &record, form, limit))
}
