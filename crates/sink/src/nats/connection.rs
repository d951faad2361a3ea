//! One connection to a NATS server: made, published to, and given up at the first sign that it is not sound.
//!
//! The client would connect again by itself, and answers to what was sent before would never come: so what it tells is heard,
//! and whoever waits learns at once. Not here: what is sent, and what follows from a failure.

use std::time::Duration;

use async_nats::{
    ConnectOptions, Event, ServerError,
    jetstream::{
        context::{Context, ContextBuilder, PublishAckFuture, PublishErrorKind},
        message::PublishMessage,
    },
};
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{NatsConfig, NatsError};
use crate::peer::PeerAccess;

/// A server that complains without closing does not answer the record that it complains about; acknowledgements of those
/// before it may still come, for so long.
const AFTER_COMPLAINT: Duration = Duration::from_secs(1);

/// A sentence. What a server quotes need not fill the log.
const COMPLAINT_CHARS_MAX: usize = 300;

/// A connection.
#[derive(Debug)]
pub(super) struct Connection {
    server: String,
    /// How long a batch may take, for telling it.
    limit: Duration,
    context: Context,
    told: watch::Receiver<Told>,
}

/// What the server, or the client, said beside acknowledgements.
#[derive(Debug, Default)]
struct Told {
    complaint: Option<String>,
    lost: bool,
}

/// A record that waits for its acknowledgement.
pub(super) struct OnItsWay {
    subject: String,
    acknowledgement: PublishAckFuture,
}

impl Told {
    fn hear(&mut self, event: Event) {
        match event {
            Event::Disconnected | Event::Closed => self.lost = true,
            Event::ServerError(ServerError::Other(said)) => {
                self.complaint = Some(said.chars().take(COMPLAINT_CHARS_MAX).collect());
            }
            Event::ServerError(error) => self.complaint = Some(error.to_string()),
            // A server that goes away in peace closes when it does. We do not subscribe, and the client's own troubles end in one
            // of the others.
            Event::Connected
            | Event::LameDuckMode
            | Event::Draining
            | Event::SlowConsumer(_)
            | Event::ClientError(_) => {}
        }
    }
}

impl Connection {
    pub(super) async fn open(config: &NatsConfig, access: &PeerAccess) -> Result<Self, NatsError> {
        let server = config.shown();
        let options = match access.login.options() {
            Ok(options) => options,
            Err(source) => return Err(NatsError::Login { server, source }),
        };
        let (tell, told) = watch::channel(Told::default());
        let hear = move |event| {
            tell.send_modify(|told| told.hear(event));
            std::future::ready(())
        };
        let mut tls = (*access.tls).clone();
        // NATS names no protocol.
        tls.alpn_protocols.clear();
        let options: ConnectOptions = options
            .name("bmcwatch")
            .tls_client_config(tls)
            // Each server once, as they are written, so that one that hangs leaves time for the next; and no other: what an operator
            // did not write is not given a login.
            .retain_servers_order()
            .ignore_discovered_servers()
            .max_reconnects(config.servers.len())
            .connection_timeout(
                config.timeout / u32::try_from(config.servers.len()).unwrap_or(u32::MAX).max(1),
            )
            .event_callback(hear);
        let servers: Vec<&str> = config.servers.iter().map(reqwest::Url::as_str).collect();
        match options.connect(servers).await {
            Ok(client) => {
                let context = ContextBuilder::new().timeout(config.timeout).build(client);
                Ok(Self { server, limit: config.timeout, context, told })
            }
            Err(source) => Err(NatsError::connect(server, source)),
        }
    }

    /// Nothing was heard that speaks against using it.
    pub(super) fn is_sound(&self) -> bool {
        let told = self.told.borrow();
        // Who would tell has gone when the client has given up.
        !told.lost && told.complaint.is_none() && self.told.has_changed().is_ok()
    }

    /// Hands a record to the client, which sends it.
    pub(super) async fn send(
        &self,
        subject: String,
        message: PublishMessage,
        deadline: Instant,
    ) -> Result<OnItsWay, NatsError> {
        match timeout_at(deadline, self.context.send_publish(subject.clone(), message)).await {
            Ok(Ok(acknowledgement)) => Ok(OnItsWay { subject, acknowledgement }),
            Ok(Err(source)) => Err(NatsError::publish(subject, source)),
            Err(_) => Err(self.late()),
        }
    }

    /// Waits until the server says that it has stored the record. That it had it before is as good.
    pub(super) async fn acknowledged(&self, record: OnItsWay, deadline: Instant) -> Result<(), NatsError> {
        let OnItsWay { subject, acknowledgement } = record;
        select! {
            biased;
            answer = acknowledgement.into_future() => match answer {
                Ok(_) => Ok(()),
                // The client has given up.
                Err(source) if source.kind() == PublishErrorKind::BrokenPipe => Err(self.gone()),
                Err(source) => Err(NatsError::publish(subject, source)),
            },
            () = self.lost() => Err(self.gone()),
            said = self.complaint() => {
                Err(NatsError::Denied { server: self.server.clone(), subject, said })
            }
            () = sleep_until(deadline) => Err(self.late()),
        }
    }

    fn gone(&self) -> NatsError {
        NatsError::Lost { server: self.server.clone(), said: self.told.borrow().complaint.clone() }
    }

    fn late(&self) -> NatsError {
        NatsError::TimedOut { server: self.server.clone(), limit: self.limit }
    }

    async fn lost(&self) {
        // An error means that nobody is left who would tell.
        drop(self.told.clone().wait_for(|told| told.lost).await);
    }

    /// What the server complained of, a while after it has.
    async fn complaint(&self) -> String {
        let mut told = self.told.clone();
        let heard = told.wait_for(|told| told.complaint.is_some()).await;
        let said = heard.ok().and_then(|told| told.complaint.clone());
        match said {
            Some(said) => {
                sleep(AFTER_COMPLAINT).await;
                said
            }
            // Nobody is left who would tell: it is lost.
            None => std::future::pending().await,
        }
    }
}
