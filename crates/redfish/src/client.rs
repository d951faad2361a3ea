//! The client of one endpoint: one request in flight, one session, deadlines and size limits on everything.
//!
//! This file is the face; `client/exchange` sends one request, `client/login` proves who we are, the others read one
//! part of Redfish each. Not here: when to read, and what has been read (`collect`).

mod disclosure;
mod doors;
mod exchange;
mod login;
mod logs;
mod pages;
mod registries;
mod remembered;
mod streams;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use doors::Doors;
use exchange::Afterwards;
use model::Clock;
use tokio::{
    sync::{Semaphore, SemaphorePermit},
    time::Instant,
};

use crate::{
    Address, AuthMode, EventStream, KnownPage, LogService, LogServices, Login, Memory, Metrics, Network,
    OpenStreamError, Page, PageLink, Peer, RequestError, Requests, ServiceRoot, Trust, TrustError,
    auth::AuthState, origins::Origins, page,
};

/// To the head of a response: the largest log seen takes 19.3 s before its first byte (T35), a stalled backend gives up
/// after 15 s.
const RESPONSE_HEAD_DEADLINE: Duration = Duration::from_secs(30);
/// From the head to the end of a body: a whole Lifecycle log takes an iDRAC up to a minute.
const RESPONSE_BODY_DEADLINE: Duration = Duration::from_mins(1);
/// Pages of 1.1 MB and chunks of 2 MB have been seen; more than this is a broken BMC.
const BODY_BYTES_MAX: usize = 8 << 20;

/// How to reach one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where it is.
    pub address: Address,
    /// Whom we believe.
    pub trust: Trust,
    /// Origins beside the address that links may lead to, with our credentials, under the same trust.
    pub allowed_origins: Vec<Address>,
    /// How we log in.
    pub auth: AuthMode,
    /// With what; `None` only with [`AuthMode::None`].
    pub login: Option<Login>,
}

impl ClientConfig {
    /// Whether a client of the one becomes a client of the other by [`Client::set_login`]: the same account on the same
    /// machine, and at most another password.
    pub fn differs_by_password(&self, other: &Self) -> bool {
        let Self { address, trust, allowed_origins, auth, login } = self;
        let same_user = match (login, &other.login) {
            (Some(login), Some(other)) => login.username == other.username,
            _ => false,
        };
        *address == other.address
            && *trust == other.trust
            && *allowed_origins == other.allowed_origins
            && *auth == other.auth
            && same_user
            && *login != other.login
    }
}

/// A client cannot be made of this configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigureError {
    /// The trust policy cannot be used.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A mode that needs credentials has none.
    #[error("auth mode needs credentials and none are set")]
    NoLogin,
}

/// How requests prove who we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proving {
    /// Not at all, so far.
    Nothing,
    /// With a session.
    Session,
    /// With Basic: it was asked for, or the BMC gives no session.
    Basic,
}

/// What a BMC may cost us; tests set less.
#[derive(Debug, Clone, Copy)]
struct Limits {
    head: Duration,
    body: Duration,
    body_bytes: usize,
}

/// The client of one endpoint. It is kept for the life of the slot, so that stream and periodic collectors share the
/// session and the memory of refused logins.
pub struct Client {
    origins: Origins,
    trust: Trust,
    /// Held for moments between awaits, never across one.
    login: Mutex<Option<Login>>,
    network: Arc<dyn Network>,
    /// The same; `None` while `tofu` believes nobody yet.
    doors: Mutex<Option<Doors>>,
    /// The same.
    peer: Mutex<Option<Peer>>,
    /// One request in flight; waiters are served in order.
    turns: Semaphore,
    /// The same.
    auth: Mutex<AuthState>,
    /// The same.
    source: Mutex<registries::Source>,
    /// What outlives the process, where the caller has given that.
    memory: Option<Box<dyn Memory>>,
    requested: Arc<Requests>,
    metrics: Metrics,
    clock: Clock,
    limits: Limits,
}

impl Client {
    /// A client; nothing is sent yet.
    pub fn new(
        config: ClientConfig,
        network: Arc<dyn Network>,
        metrics: Metrics,
        clock: Clock,
    ) -> Result<Self, ConfigureError> {
        if config.auth != AuthMode::None && config.login.is_none() {
            return Err(ConfigureError::NoLogin);
        }
        let origins = Origins::new(config.address, config.allowed_origins);
        Ok(Self {
            doors: Mutex::new(Doors::at_once(network.as_ref(), &origins, &config.trust)?),
            peer: Mutex::default(),
            network,
            origins,
            trust: config.trust,
            login: Mutex::new(config.login),
            turns: Semaphore::new(1),
            auth: Mutex::new(AuthState::new(config.auth)),
            source: Mutex::default(),
            memory: None,
            requested: Arc::new(Requests::new(Instant::now())),
            metrics,
            clock,
            limits: Limits {
                head: RESPONSE_HEAD_DEADLINE,
                body: RESPONSE_BODY_DEADLINE,
                body_bytes: BODY_BYTES_MAX,
            },
        })
    }

    /// The same client, which remembers over restarts what its logins left behind and which of them were refused.
    #[must_use]
    pub fn with_memory(mut self, memory: Box<dyn Memory>) -> Self {
        self.memory = Some(memory);
        self
    }

    /// How much it was asked, for whoever shows that.
    pub fn requested(&self) -> &Arc<Requests> {
        &self.requested
    }

    /// `GET /redfish/v1/`, without credentials unless the BMC insists.
    pub async fn root(&self) -> Result<ServiceRoot, RequestError> {
        Box::pin(self.read_root()).await
    }

    /// Opens the event stream: EventService, its URI, the stream. Answers when the response head has arrived; from then on
    /// other requests may be sent beside it.
    pub async fn open_stream(
        &self,
        root: &ServiceRoot,
        last_event_id: Option<&str>,
    ) -> Result<EventStream, OpenStreamError> {
        Box::pin(self.connect_stream(root, last_event_id)).await
    }

    /// Looks whether there is an event stream to open and where, without opening it.
    pub async fn find_stream(&self, root: &ServiceRoot) -> Result<String, OpenStreamError> {
        Box::pin(self.stream_path(root)).await
    }

    /// Finds the log services by the links of Systems, Managers and Chassis. What cannot be read costs only itself and
    /// stands in `problems`; a BMC that stops answering, refuses our login or gives none of the three is an error.
    pub async fn log_services(&self, root: &ServiceRoot) -> Result<LogServices, RequestError> {
        Box::pin(self.walk_logs(root)).await
    }

    /// Reads the first page of a log.
    pub async fn first_page(&self, log: &LogService) -> Result<Page, RequestError> {
        Box::pin(self.read_page(log, &log.entries, Afterwards::KeepOpen)).await
    }

    /// The same, but nothing where the page is byte for byte the one whose digest is known: it is not even decoded, which
    /// is most of what a quiet log costs. Nor is the beginning of a page that begins with the members that are known
    /// ([`Page::left_out`]).
    pub async fn changed_first_page(
        &self,
        log: &LogService,
        known: KnownPage,
    ) -> Result<Option<Page>, RequestError> {
        Box::pin(self.read_changed_page(log, known, Afterwards::KeepOpen)).await
    }

    /// The same for what is probably the last request for a while: the connection is not kept for a next one. A BMC has few
    /// connections, and with thousands of BMCs idle ones are most of our memory.
    pub async fn changed_first_page_and_close(
        &self,
        log: &LogService,
        known: KnownPage,
    ) -> Result<Option<Page>, RequestError> {
        Box::pin(self.read_changed_page(log, known, Afterwards::Close)).await
    }

    /// Reads a log from its entry number `skip` on (`$skip`). Some BMCs ignore that and send the whole log, some refuse it
    /// (T29, T30): the caller checks what came against what it knows.
    pub async fn page_from(&self, log: &LogService, skip: u64) -> Result<Page, RequestError> {
        let link = page::skipping(&log.entries, skip);
        Box::pin(self.read_page(log, &link, Afterwards::KeepOpen)).await
    }

    /// Reads the log service again: one small request.
    pub async fn log_service(&self, log: &LogService) -> Result<LogService, RequestError> {
        Box::pin(self.read_log_service(log)).await
    }

    /// Reads a further page of the same log. Whether it was read before in this walk is the caller's to know.
    pub async fn next_page(&self, log: &LogService, link: &PageLink) -> Result<Page, RequestError> {
        Box::pin(self.read_next(log, link)).await
    }

    /// Somebody says that the credentials are right now: where logins are paused, the next request tries one more, unless too
    /// many were refused within the hour.
    pub fn retry_login(&self) {
        self.auth().retry();
    }

    /// Takes another password for the next login. The session that we hold stays: it is the same account's. Refusals were
    /// of the old password, and are forgotten.
    pub fn set_login(&self, login: Option<Login>) {
        *self.login.lock().unwrap_or_else(PoisonError::into_inner) = login;
        self.auth().changed();
    }

    /// How long no login will be tried, because the last ones were refused.
    pub fn login_pause(&self) -> Option<Duration> {
        self.auth().pause(Instant::now())
    }

    /// How requests prove who we are now.
    pub fn proving(&self) -> Proving {
        self.auth().proving(Instant::now())
    }

    /// Ends our session, if we hold one: best effort, with a short deadline.
    pub async fn log_out(&self) {
        Box::pin(self.end_session()).await;
    }

    fn login(&self) -> Option<Login> {
        self.login.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn auth(&self) -> MutexGuard<'_, AuthState> {
        self.auth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn doors(&self) -> MutexGuard<'_, Option<Doors>> {
        self.doors.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn source(&self) -> MutexGuard<'_, registries::Source> {
        self.source.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no other request is in flight.
    async fn turn(&self) -> SemaphorePermit<'_> {
        let begun = Instant::now();
        let turn = self.turns.acquire().await.expect("the turns are never closed");
        self.metrics.queue_wait(begun.elapsed().as_secs_f64());
        turn
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("address", self.origins.own()).finish_non_exhaustive()
    }
}
