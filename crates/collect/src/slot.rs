//! The place of one endpoint in discovery: what outlives its collectors (client and session, status, backoff after panics),
//! and the handle to the one that runs.

use std::{sync::Arc, time::Duration};

use model::EndpointId;
use redfish::{Client, ConfigureError};
use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    Mode, State,
    backoff::Backoff,
    collector::{self, Context, Exit, World},
    downgrade::Role,
    jitter::Jitter,
    login_memory::LoginMemory,
    plan::{Phase, Wish},
    status::Status,
    take_over::TakeOver,
};

/// After a panic a slot waits 1, 2, 4, ... 300 s: a page that makes us panic will do so again.
const PANIC_WAIT_FIRST: Duration = Duration::from_secs(1);
const PANIC_WAIT_MAX: Duration = Duration::from_mins(5);

/// A slot that lived so long after a panic has earned a short wait again.
const PANIC_FORGIVEN_AFTER: Duration = Duration::from_hours(1);

/// One endpoint's place.
pub(crate) struct Slot {
    pub(crate) wish: Arc<Wish>,
    pub(crate) phase: Phase,
    client: Arc<Client>,
    status: Arc<Status>,
    poke: Arc<Notify>,
    take_over: Arc<TakeOver>,
    stop: CancellationToken,
    downgraded_at: Option<Instant>,
    panic_backoff: Backoff,
    last_panic: Option<Instant>,
    jitter: Jitter,
}

/// What a collector's task answers: whose it was and how it ended.
pub(crate) type Ended = (EndpointId, Exit);

impl Slot {
    /// A slot without a collector; it may start at once.
    pub(crate) fn new(world: &World, wish: Arc<Wish>, client: Client, now: Instant) -> Self {
        let status = Arc::new(Status::new(&wish, world.clock.now()));
        status.count_requests(client.requested());
        let jitter = Jitter::of(world.seed, &wish.spec.endpoint.id);
        let state_file = wish.logs.periodic.logs_state_file.as_deref();
        Self {
            take_over: Arc::new(TakeOver::of(state_file, &wish.spec.endpoint)),
            phase: Phase::Vacant(now),
            client: Arc::new(client),
            status,
            poke: Arc::new(Notify::new()),
            stop: CancellationToken::new(),
            downgraded_at: None,
            panic_backoff: Backoff::new(PANIC_WAIT_FIRST, PANIC_WAIT_MAX),
            last_panic: None,
            jitter,
            wish,
        }
    }

    /// The client that a wish asks for.
    pub(crate) fn client_for(
        world: &World,
        wish: &Wish,
        network: &Arc<dyn redfish::Network>,
        metrics: &redfish::Metrics,
    ) -> Result<Client, ConfigureError> {
        let client =
            Client::new(wish.spec.client.clone(), Arc::clone(network), metrics.clone(), world.clock.clone())?;
        let memory = LoginMemory::new(world.journal.clone(), &wish.spec.endpoint.id);
        Ok(client.with_memory(Box::new(memory)))
    }

    /// The place on the board.
    pub(crate) fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Starts the collector that mode and registry ask for. Its task belongs to `tasks`, and so to discovery.
    pub(crate) fn spawn(
        &mut self,
        world: &Arc<World>,
        tasks: &mut JoinSet<Ended>,
        now: Instant,
    ) -> tokio::task::Id {
        let id = self.wish.spec.endpoint.id.clone();
        let role = match self.wish.mode() {
            Mode::Auto => world.board.registry().role(&id, now),
            Mode::Sse => Role::Stream,
            Mode::Periodic => Role::Periodic,
        };
        self.stop = CancellationToken::new();
        self.phase = Phase::Running;
        let context = Context {
            world: Arc::clone(world),
            wish: Arc::clone(&self.wish),
            client: Arc::clone(&self.client),
            status: Arc::clone(&self.status),
            poke: Arc::clone(&self.poke),
            take_over: Arc::clone(&self.take_over),
            stop: self.stop.clone(),
            downgraded_at: self.downgraded_at.take(),
        };
        let client = Arc::clone(&self.client);
        let task = async move {
            let exit = collector::run(context, role).await;
            if exit == Exit::Stopped {
                client.log_out().await;
            }
            (id, exit)
        };
        tasks.spawn(task).id()
    }

    /// Tells the collector to end, if one runs.
    pub(crate) fn stop(&mut self) {
        if self.phase == Phase::Running {
            self.stop.cancel();
            self.phase = Phase::Stopping;
        }
    }

    /// The collector ended as it should: the slot is free at once.
    pub(crate) fn ended(&mut self, exit: Exit, now: Instant) {
        self.phase = Phase::Vacant(now);
        if let Exit::Downgraded(at) = exit {
            self.downgraded_at = Some(at);
        }
    }

    /// The collector panicked: the slot is free after a wait, which grows when it happens again soon.
    pub(crate) fn panicked(&mut self, now: Instant) -> Duration {
        if self.last_panic.is_some_and(|at| now.duration_since(at) >= PANIC_FORGIVEN_AFTER) {
            self.panic_backoff.reset();
        }
        self.last_panic = Some(now);
        let wait = self.panic_backoff.next(None, &mut self.jitter);
        self.phase = Phase::Vacant(now + wait);
        wait
    }

    /// Somebody says that the credentials are right now: one more login may be tried, waits end.
    pub(crate) fn retry(&self) {
        self.client.retry_login();
        // Only who waits now: kept for later, it would shorten the wait after a failure of next week.
        self.poke.notify_waiters();
    }

    /// The same for this endpoint alone, also when it waits after a panic; answers what it was doing.
    pub(crate) fn retry_now(&mut self, now: Instant) -> State {
        self.retry();
        if let Phase::Vacant(at) = &mut self.phase {
            *at = now;
        }
        self.status.state()
    }

    /// Takes another wish over without a restart, where it differs by the password alone: who is logged in stays so and
    /// keeps the stream, who was refused tries at once.
    pub(crate) fn take_password(&mut self, wish: &Arc<Wish>) {
        if !self.wish.differs_by_password(wish) {
            return;
        }
        self.client.set_login(wish.spec.client.login.clone());
        self.wish = Arc::clone(wish);
        // A BMC that does not answer has no use for it now.
        if self.status.state() != State::Backoff {
            self.poke.notify_waiters();
        }
    }
}
