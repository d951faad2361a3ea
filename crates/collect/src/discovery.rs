//! The discovery loop: makes the running collectors equal to the wish. Prune, plan, apply; on a timer, on reload, and at
//! once when a collector ends. One endpoint that cannot be started never stops a pass.
//!
//! What has to be done is decided in `plan`; which collector a slot gets, by its mode and the downgrade registry.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Duration,
};

use journal::Journal;
use model::{Clock, EndpointId};
use redfish::Network;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::{Id, JoinError, JoinSet},
    time::{Instant, MissedTickBehavior},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Board, Desired, EndpointSpec, Metrics, Retry, RetryHandle, State,
    announce::{Announcer, SUMMARY_PERIOD},
    collector::{World, chain},
    follow::BURSTS_MAX,
    ingest::Ingest,
    metrics::Change,
    pace::Pace,
    plan::{Phase, Step, Wish, plan},
    slot::{Ended, Slot},
    status::Status,
};

/// How long collectors have to end and log out at shutdown; the whole program has 10 s.
const STOP_DEADLINE: Duration = Duration::from_secs(4);

/// What discovery is given.
#[derive(Clone)]
pub struct Dependencies {
    /// The way to BMCs.
    pub network: Arc<dyn Network>,
    /// Where records go.
    pub journal: Journal,
    /// Wall time.
    pub clock: Clock,
    /// The seed of all jitter.
    pub seed: u64,
    /// Where status is shown.
    pub board: Board,
    /// Process-wide families.
    pub metrics: Metrics,
    /// Families of the conversation with BMCs.
    pub redfish_metrics: redfish::Metrics,
}

/// Tells discovery the wish, and whether the operator reloaded.
#[derive(Debug, Clone)]
pub struct Reload {
    /// The wish; maybe the same one.
    pub desired: Arc<Desired>,
    /// Rises with each reload of the operator, also one without a change: all endpoints whose credentials were refused may
    /// be tried again. A wish that we have changed ourselves (a password that was found changed) keeps it: it is no news
    /// for those that it does not concern.
    pub revision: u64,
}

/// The loop; its owner awaits [`run`](Self::run).
pub struct Discovery {
    reload: watch::Receiver<Reload>,
    /// Of the wish that was taken over last.
    revision: u64,
    retries: (RetryHandle, mpsc::Receiver<Retry>),
    network: Arc<dyn Network>,
    redfish_metrics: redfish::Metrics,
    world: Arc<World>,
    interval: Duration,
    wanted: BTreeMap<EndpointId, Arc<Wish>>,
    slots: BTreeMap<EndpointId, Slot>,
    /// Endpoints that could not be started, with the reason that was told.
    unusable: BTreeMap<EndpointId, String>,
    tasks: JoinSet<Ended>,
    owners: HashMap<Id, EndpointId>,
    passed: watch::Sender<bool>,
}

impl Discovery {
    /// A loop that follows `reload`.
    pub fn new(reload: watch::Receiver<Reload>, dependencies: Dependencies) -> Self {
        let Dependencies { network, journal, clock, seed, board, metrics, redfish_metrics } = dependencies;
        let ingest = Ingest::new(journal.clone(), clock.clone(), metrics.clone());
        let (now, revision) = (Instant::now(), reload.borrow().revision);
        let (announcer, pace) = (Announcer::new(now), Pace::new(now));
        let bursts = Semaphore::new(BURSTS_MAX);
        let world = World { journal, ingest, clock, seed, board, metrics, announcer, pace, bursts };
        Self {
            reload,
            revision,
            retries: RetryHandle::channel(),
            network,
            redfish_metrics,
            world: Arc::new(world),
            interval: crate::DISCOVERY_INTERVAL,
            wanted: BTreeMap::new(),
            slots: BTreeMap::new(),
            unusable: BTreeMap::new(),
            tasks: JoinSet::new(),
            owners: HashMap::new(),
            passed: watch::Sender::new(false),
        }
    }

    /// Becomes true when the first pass is done: readiness.
    pub fn passed(&self) -> watch::Receiver<bool> {
        self.passed.subscribe()
    }

    /// Where wishes to try one endpoint now go in.
    pub fn retries(&self) -> RetryHandle {
        self.retries.0.clone()
    }

    /// Runs until `stop`, then stops every collector, logs out, and returns.
    pub async fn run(mut self, stop: CancellationToken) {
        self.refresh();
        let mut summary = tokio::time::interval_at(Instant::now() + SUMMARY_PERIOD, SUMMARY_PERIOD);
        // A summary that was missed has nothing to tell any more.
        summary.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            self.pass();
            self.passed.send_replace(true);
            let next = self.next_pass();
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(joined) = self.tasks.join_next_with_id() => self.prune(joined),
                Ok(()) = self.reload.changed() => self.reloaded(),
                Some(asked) = self.retries.1.recv() => self.retry(asked),
                _ = summary.tick() => self.world.announcer.summary(&self.world.board),
                () = tokio::time::sleep_until(next) => {}
            }
        }
        self.shut_down().await;
    }

    /// Takes the wish over; slots notice what changed for them in the next pass.
    fn refresh(&mut self) {
        let desired = Arc::clone(&self.reload.borrow_and_update().desired);
        let logs = Arc::new(desired.logs.clone());
        self.interval = desired.interval;
        let before = std::mem::take(&mut self.wanted);
        let wish = |spec: &EndpointSpec| {
            let id = spec.endpoint.id.clone();
            let wish = Wish { spec: spec.clone(), logs: Arc::clone(&logs) };
            // An unchanged wish stays the same value, so that passes compare pointers.
            let same = before.get(&id).filter(|before| ***before == wish).cloned();
            (id, same.unwrap_or_else(|| Arc::new(wish)))
        };
        self.wanted = desired.endpoints.iter().map(wish).collect();
        for (id, slot) in &mut self.slots {
            if let Some(wish) = self.wanted.get(id) {
                slot.take_password(wish);
            }
        }
    }

    fn reloaded(&mut self) {
        self.refresh();
        let revision = self.reload.borrow().revision;
        if std::mem::replace(&mut self.revision, revision) == revision {
            return;
        }
        self.unusable.clear();
        for slot in self.slots.values() {
            slot.retry();
        }
        tracing::info!(endpoints = self.wanted.len(), "endpoints reloaded");
    }

    /// Somebody asks for one endpoint to be tried; the pass that follows starts what has to be started.
    fn retry(&mut self, asked: Retry) {
        let id = &asked.endpoint;
        let before = match self.slots.get_mut(id) {
            Some(slot) => Some(slot.retry_now(Instant::now())),
            None => self.wanted.get(id).map(|_| State::Unsupported),
        };
        tracing::info!(endpoint = %id, state = before.map(State::as_str), "endpoint is tried again, as asked");
        asked.done(before);
    }

    /// One pass: idempotent, and the same for the first start, a change, and recovery.
    fn pass(&mut self) {
        let now = Instant::now();
        let seat = |id: &EndpointId| self.slots.get(id).map(|slot| (Arc::clone(&slot.wish), slot.phase));
        let wanted = std::mem::take(&mut self.wanted);
        let present: Vec<EndpointId> = self.slots.keys().cloned().collect();
        let steps = plan(&wanted, seat, present.iter(), now);
        for step in steps {
            match step {
                Step::Stop(id) => {
                    if let Some(slot) = self.slots.get_mut(id) {
                        slot.stop();
                    }
                }
                Step::Remove(id) => self.remove(id, wanted.contains_key(id)),
                Step::Spawn(id) => self.spawn(&wanted[id], now),
            }
        }
        let gone: Vec<EndpointId> =
            self.unusable.keys().filter(|id| !wanted.contains_key(*id)).cloned().collect();
        for id in gone {
            self.unusable.remove(&id);
            self.world.board.remove(&id);
        }
        self.wanted = wanted;
    }

    fn remove(&mut self, id: &EndpointId, still_wanted: bool) {
        self.slots.remove(id);
        self.world.board.registry().forget(id);
        if still_wanted {
            self.world.metrics.change(Change::Updated);
        } else {
            self.world.board.remove(id);
            self.world.metrics.change(Change::Removed);
        }
    }

    fn spawn(&mut self, wish: &Arc<Wish>, now: Instant) {
        let id = &wish.spec.endpoint.id;
        if !self.slots.contains_key(id) {
            let client = Slot::client_for(&self.world, wish, &self.network, &self.redfish_metrics);
            match client {
                Ok(client) => {
                    let slot = Slot::new(&self.world, Arc::clone(wish), client, now);
                    self.world.board.place(Arc::clone(slot.status()));
                    self.world.metrics.change(Change::Added);
                    self.unusable.remove(id);
                    self.slots.insert(id.clone(), slot);
                }
                Err(error) => return self.cannot_start(wish, &chain(&error)),
            }
        }
        if let Some(slot) = self.slots.get_mut(id) {
            let task = slot.spawn(&self.world, &mut self.tasks, now);
            self.owners.insert(task, id.clone());
        }
    }

    /// Shows an endpoint that cannot be started; each pass tries it again, the log says so once.
    fn cannot_start(&mut self, wish: &Arc<Wish>, error: &str) {
        let id = &wish.spec.endpoint.id;
        if self.unusable.get(id).map(String::as_str) == Some(error) {
            return;
        }
        tracing::error!(endpoint = %id, error, "endpoint cannot be started; the others are not affected");
        let now = self.world.clock.now();
        let status = Status::new(wish, now);
        status.enter(State::Unsupported, Some(error.to_owned()), now);
        self.world.board.place(Arc::new(status));
        self.unusable.insert(id.clone(), error.to_owned());
    }

    /// Takes note of an ended collector, and of all others that have ended by now.
    fn prune(&mut self, joined: Result<(Id, Ended), JoinError>) {
        let mut next = Some(joined);
        while let Some(joined) = next {
            let now = Instant::now();
            match joined {
                Ok((task, (id, exit))) => {
                    self.owners.remove(&task);
                    if let Some(slot) = self.slots.get_mut(&id) {
                        slot.ended(exit, now);
                    }
                }
                Err(error) => self.panicked(&error, now),
            }
            next = self.tasks.try_join_next_with_id();
        }
    }

    /// One strange BMC must not stop the others: its panic is counted, told, and its slot is started again later.
    fn panicked(&mut self, error: &JoinError, now: Instant) {
        let Some(id) = self.owners.remove(&error.id()) else { return };
        let Some(slot) = self.slots.get_mut(&id) else { return };
        self.world.metrics.collector_panicked();
        let wait = slot.panicked(now);
        slot.status().enter(State::Backoff, Some("internal error".to_owned()), self.world.clock.now());
        tracing::error!(endpoint = %id, error = %error, retry_in = ?wait, "collector panicked; please report this");
    }

    /// When the next pass is due if nothing happens: the interval, or an empty slot's time.
    fn next_pass(&self) -> Instant {
        let timer = Instant::now() + self.interval;
        let vacancies = self.slots.values().filter_map(|slot| match slot.phase {
            Phase::Vacant(at) => Some(at),
            Phase::Running | Phase::Stopping => None,
        });
        vacancies.fold(timer, Instant::min)
    }

    async fn shut_down(&mut self) {
        for slot in self.slots.values_mut() {
            slot.stop();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(STOP_DEADLINE, all).await.is_err() {
            tracing::warn!(collectors = self.tasks.len(), "collectors did not end in time and are cut off");
            self.tasks.shutdown().await;
        }
    }
}
