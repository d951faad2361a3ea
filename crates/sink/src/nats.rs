//! The NATS sink: records into a JetStream stream, each under its `uid`, so that one that comes again is not there twice.
//!
//! A batch is published whole, then every acknowledgement is awaited, in order; the position moves up to the first that fails,
//! and what is behind it comes again. After a failure the next batch begins with a new connection. Not here: one connection
//! (`connection`), subjects (`subject`), logins (`login`), and making the stream, which is the operator's: how long and how
//! often records are kept is theirs to say.

mod connection;
mod failure;
mod login;
mod subject;

use std::{sync::Arc, time::Duration};

use async_nats::{HeaderMap, header::NATS_MESSAGE_ID, jetstream::message::PublishMessage};
use journal::{Position, Stored};
use model::codec;
use reqwest::Url;
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::{
    chain::Chain,
    peer::PeerAccess,
    sink::{Again, Delivered, Recovery, SinkError},
    triage::{Reason, Refused},
};
use connection::Connection;
pub use failure::{Cause, NatsError};
pub use login::{LoginError, NatsLogin};
pub use subject::{Subject, SubjectError};

/// What the operator chose.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// `nats://host:4222` or `tls://host:4222`; one of them is enough, the others are tried.
    pub servers: Vec<Url>,
    /// Under which subject each record goes.
    pub subject: Subject,
    /// How long a batch may take, connecting and the acknowledgements included.
    pub timeout: Duration,
    /// What opens the server, now and later.
    pub access: watch::Receiver<PeerAccess>,
}

/// A NATS sink.
#[derive(Debug)]
pub(crate) struct NatsSink {
    config: NatsConfig,
    open: Option<Connection>,
}

/// A record, ready to be published.
struct Ready {
    subject: String,
    message: PublishMessage,
}

impl NatsConfig {
    /// Its servers, as they are named in logs.
    fn shown(&self) -> String {
        self.servers.iter().map(Url::as_str).collect::<Vec<_>>().join(", ")
    }
}

impl NatsSink {
    pub(crate) fn new(config: NatsConfig) -> Self {
        Self { config, open: None }
    }

    /// Publishes the batch and awaits its acknowledgements.
    pub(crate) async fn deliver(&mut self, batch: Arc<[Stored]>) -> Result<Delivered, NatsError> {
        let deadline = Instant::now() + self.config.timeout;
        let (records, subject) = (Arc::clone(&batch), self.config.subject.clone());
        let encode = move || records.iter().map(|stored| ready(stored, &subject)).collect::<Vec<_>>();
        let encoded = tokio::task::spawn_blocking(encode).await.map_err(NatsError::Task)?;
        let changed = self.config.access.has_changed().unwrap_or(false);
        let connection = match self.open.take().filter(|open| open.is_sound() && !changed) {
            Some(connection) => connection,
            None => self.connect(deadline).await?,
        };
        let delivered = publish(&connection, &batch, encoded, deadline).await?;
        if delivered.again.is_none() {
            self.open = Some(connection);
        }
        Ok(delivered)
    }

    async fn connect(&mut self, deadline: Instant) -> Result<Connection, NatsError> {
        let access = self.config.access.borrow_and_update().clone();
        match timeout_at(deadline, Connection::open(&self.config, &access)).await {
            Ok(opened) => opened,
            Err(_) => Err(NatsError::TimedOut { server: self.config.shown(), limit: self.config.timeout }),
        }
    }
}

fn ready(stored: &Stored, subject: &Subject) -> Result<Ready, Refused> {
    let record = codec::decode(stored.position, &stored.bytes).map_err(|error| Refused {
        record: stored.clone(),
        reason: Reason::Rejected,
        error: Chain(&error).to_string(),
    })?;
    let mut line = Vec::with_capacity(stored.bytes.len() + 32);
    codec::write_line(stored.position, &stored.bytes, &mut line);
    line.pop();
    let mut headers = HeaderMap::new();
    headers.insert(NATS_MESSAGE_ID, record.uid.to_string());
    let message = PublishMessage::build().payload(line.into()).headers(headers);
    Ok(Ready { subject: subject.of(&record), message })
}

/// What is behind the first record that was not acknowledged is wanted again, in its order: the server knows what it has.
async fn publish(
    connection: &Connection,
    batch: &[Stored],
    encoded: Vec<Result<Ready, Refused>>,
    deadline: Instant,
) -> Result<Delivered, NatsError> {
    let mut refused = Vec::new();
    let mut failed = None;
    let mut sent = Vec::with_capacity(encoded.len());
    for (stored, one) in batch.iter().zip(encoded) {
        let Ready { subject, message } = match one {
            Ok(ready) => ready,
            Err(unreadable) => {
                refused.push(unreadable);
                continue;
            }
        };
        match connection.send(subject, message, deadline).await.map_err(|error| blame(stored, error)) {
            Ok(on_its_way) => sent.push((stored, on_its_way)),
            Err(Blame::Record(poison)) => refused.push(poison),
            Err(Blame::Peer(error)) => {
                failed = Some((stored.position, error));
                break;
            }
        }
    }
    for (stored, on_its_way) in sent {
        match connection.acknowledged(on_its_way, deadline).await.map_err(|error| blame(stored, error)) {
            Ok(()) => {}
            Err(Blame::Record(poison)) => refused.push(poison),
            Err(Blame::Peer(error)) => {
                failed = Some((stored.position, error));
                break;
            }
        }
    }
    let Some((first, error)) = failed else { return Ok(Delivered { refused, ..Delivered::default() }) };
    let at_fault = |stored: &Stored| refused.iter().any(|one| one.record.position == stored.position);
    let left = batch.iter().filter(|stored| stored.position >= first && !at_fault(stored));
    let positions: Vec<Position> = left.map(|stored| stored.position).collect();
    if positions.len() == batch.len() {
        return Err(error);
    }
    let again = Some(Again { positions, error: SinkError::Nats(error) });
    Ok(Delivered { refused, again, ..Delivered::default() })
}

/// Who is at fault.
enum Blame {
    Record(Refused),
    Peer(NatsError),
}

fn blame(stored: &Stored, error: NatsError) -> Blame {
    match error.recovery() {
        Recovery::Refused(reason) => {
            Blame::Record(Refused { record: stored.clone(), reason, error: Chain(&error).to_string() })
        }
        Recovery::Retry { .. } | Recovery::Act | Recovery::End => Blame::Peer(error),
    }
}
