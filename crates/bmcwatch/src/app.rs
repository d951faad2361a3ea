//! The wiring: config and parts in, a running daemon out, and its end in phases.
//!
//! It takes no decisions about BMCs or records. What varies in tests and in the demo (network, clock, place of the journal,
//! how a reload gets its config) is handed in; everything else is what production runs.

mod inventory;
mod peers;
mod pumps;
mod rotation;
mod sources;
mod supervise;

use std::{net::SocketAddr, sync::Arc, time::Duration};

use collect::{Board, Dependencies, Discovery};
use journal::{AppendError, Journal, Location, Retention};
use model::{Clock, Uid};
use prometheus::Registry;
use redfish::Network;
use sink::{Pump, SinkStatus};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::{
    admin::{Admin, AdminState, BindError, Readiness, Reload, ReloadHandle, ReloadOutcome},
    config::{Config, Problems, Warning},
    logging::{self, Levels},
    metrics::{Metrics, Page},
    systemd,
};

use inventory::{Inventory, Lists};
use rotation::Rotation;
use sources::{Begun, Places};
use supervise::Tasks;

/// How the config is loaded again.
pub type Load = Box<dyn Fn() -> Result<(Config, Vec<Warning>), Problems> + Send>;

/// What varies between production, tests and the demo.
pub struct Parts {
    /// The way to BMCs.
    pub network: Arc<dyn Network>,
    /// Wall time.
    pub clock: Clock,
    /// The seed of all jitter.
    pub seed: u64,
    /// Where the journal lives.
    pub journal: Location,
    /// Loads the config again, for a reload.
    pub load: Load,
    /// Changes the log level, for a reload; `None` where the log is not ours.
    pub levels: Option<Levels>,
}

/// Why the daemon cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The journal.
    #[error("open the journal")]
    Journal(#[from] journal::OpenError),
    /// The admin listener.
    #[error(transparent)]
    Admin(#[from] BindError),
    /// Two metrics of one name: a mistake of ours.
    #[error("register the metrics")]
    Metrics(#[from] prometheus::Error),
    /// A file that opens a sink's peer has changed since the config was checked, and cannot be used any more.
    #[error("open the peer of the sink {sink}: {why}")]
    Peer {
        /// Which sink.
        sink: String,
        /// Why.
        why: String,
    },
}

/// A part that everything depends on has ended before it was told to.
#[derive(Debug, thiserror::Error)]
#[error("{task} ended by itself: {how}")]
pub struct Died {
    /// Which part.
    pub task: &'static str,
    /// How.
    pub how: String,
}

/// A daemon that is ready to run. Sockets are bound, nothing has been sent.
pub struct App {
    config: Config,
    load: Load,
    levels: Option<Levels>,
    clock: Clock,
    journal: Journal,
    writer: journal::Writer,
    board: Board,
    discovery: Discovery,
    wish: watch::Sender<collect::Reload>,
    sources: Begun,
    pumps: Vec<Pump>,
    sinks: Arc<[SinkStatus]>,
    followed: Vec<peers::Followed>,
    reopen: watch::Sender<u64>,
    admin: Admin,
    admin_reloads: mpsc::Receiver<Reload>,
    admin_state: AdminState,
    readiness: watch::Sender<Readiness>,
    metrics: Arc<Metrics>,
}

/// How the outside steers a running daemon.
pub struct Control {
    /// Ends it.
    pub stop: CancellationToken,
    /// Each message is a wish to load the config again (SIGHUP).
    pub reload: mpsc::Receiver<()>,
    /// Each change is a wish to open the files of sinks anew (SIGUSR1).
    pub reopen: watch::Receiver<u64>,
}

impl App {
    /// Opens the journal, binds the admin listener and builds everything else, in the order in which the parts depend on
    /// each other.
    pub async fn build(config: Config, parts: Parts) -> Result<Self, StartError> {
        let Parts { network, clock, seed, journal: location, load, levels } = parts;
        let metrics = Metrics::new(&config.metrics.prefix)?;
        let (journal, writer) = open_journal(&config, location, &clock).await?;
        let admin = Admin::bind(&config.admin, &metrics).await?;

        let board = Board::default();
        let dependencies = dependencies(network, &journal, &clock, seed, &board, metrics.registry())?;
        let (sources, desired) = sources::begin(&config, &dependencies).await;
        let (wish, wishes) = watch::channel(collect::Reload { desired, revision: 0 });
        let discovery = Discovery::new(wishes, dependencies);

        let (reopen, reopens) = watch::channel(0);
        let pumping = sink::Dependencies {
            journal: journal.clone(),
            clock: clock.clone(),
            seed,
            metrics: sink::Metrics::register(metrics.registry())?,
            reopen: reopens,
        };
        let pumps::Pumps { to_run: pumps, statuses: sinks, followed } = pumps::build(&config, &pumping)?;
        let metrics = Arc::new(metrics);
        let page = Page::new(
            Arc::clone(&metrics),
            board.clone(),
            journal.clone(),
            Arc::clone(&sinks),
            logging::counts,
        );
        let (readiness, ready) = watch::channel(Readiness { journal_open: true, ..Readiness::default() });
        let (reload, admin_reloads) = ReloadHandle::channel();
        let admin_state = AdminState {
            page,
            board: board.clone(),
            sinks: Arc::clone(&sinks),
            readiness: ready,
            reload,
            retries: discovery.retries(),
            journal: journal.clone(),
            clock: clock.clone(),
        };
        metrics.config_loaded(hash(&config), clock.now());
        Ok(Self {
            config,
            load,
            levels,
            clock,
            journal,
            writer,
            board,
            discovery,
            wish,
            sources,
            pumps,
            sinks,
            followed,
            reopen,
            admin,
            admin_reloads,
            admin_state,
            readiness,
            metrics,
        })
    }

    /// Where the admin listener listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// The state of endpoints.
    pub fn board(&self) -> Board {
        self.board.clone()
    }

    /// The journal.
    pub fn journal(&self) -> Journal {
        self.journal.clone()
    }

    /// The process' metrics.
    pub fn metrics(&self) -> Arc<Metrics> {
        Arc::clone(&self.metrics)
    }

    /// Runs until told to stop, then ends in phases: collectors (and their sessions), sinks, journal, admin listener. The
    /// phases have their own deadlines and together less than 10 s, so that a service manager never has to kill.
    pub async fn run(self, mut control: Control) -> Result<(), Died> {
        let mut tasks = Tasks::default();
        let (files, mut seen) = rotation::start(&mut tasks, rotation::files(&self.config));
        let (inventory, places, mut refreshes) = self.sources.start(&mut tasks, &self.journal);
        let mut steering = Steering {
            files,
            rotation: Rotation::default(),
            running: self.config,
            load: self.load,
            levels: self.levels,
            clock: self.clock,
            wish: self.wish,
            inventory,
            places,
            metrics: self.metrics,
        };
        let mut admin_reloads = self.admin_reloads;
        let mut discovered = self.discovery.passed();
        let writer = self.writer;
        tasks.journal.spawn("journal writer", async move { writer.run().await });
        let names = self.sinks.iter().map(|sink| sink.view().name).collect();
        let (journal, stop) = (self.journal.clone(), tasks.sinks.stop());
        tasks.sinks.spawn_mortal("reader names", async move { tell_readers(journal, names, stop).await });
        for pump in self.pumps {
            let stop = tasks.sinks.stop();
            tasks.sinks.spawn_mortal("sink", async move { pump.run(stop).await });
        }
        let (followed, stop) = (self.followed, tasks.sinks.stop());
        tasks.sinks.spawn_mortal("peer files", peers::follow(followed, stop));
        let (discovery, stop) = (self.discovery, tasks.collectors.stop());
        tasks.collectors.spawn("discovery", async move { discovery.run(stop).await });
        let (admin, state, stop) = (self.admin, self.admin_state, tasks.admin.stop());
        tasks.admin.spawn("admin listener", async move { admin.serve(state, stop).await });
        let (journal, stop) = (self.journal.clone(), tasks.admin.stop());
        tasks.admin.spawn_mortal("watchdog", async move { systemd::watchdog(journal, stop).await });

        let mut is_ready = false;
        let died = loop {
            tokio::select! {
                biased;
                () = control.stop.cancelled() => break None,
                died = tasks.died() => break Some(died),
                Ok(_) = discovered.wait_for(|passed| *passed), if !is_ready => {
                    is_ready = true;
                    self.readiness.send_modify(|now| now.discovered = true);
                    systemd::ready(&steering.status());
                    tracing::info!(endpoints = steering.endpoints(), "ready");
                }
                Some(()) = control.reload.recv() => drop(steering.reload()),
                Some(asked) = admin_reloads.recv() => {
                    let outcome = steering.reload();
                    asked.done(outcome);
                }
                Some(seen) = seen.recv() => steering.looked(seen),
                Some(refresh) = refreshes.recv() => steering.refreshed(refresh),
                Ok(()) = control.reopen.changed() => {
                    tracing::info!("the files of sinks are opened anew");
                    self.reopen.send_modify(|times| *times += 1);
                }
            }
        };
        systemd::stopping();
        self.readiness.send_modify(|now| now.stopping = true);
        tracing::info!("stopping");
        tasks.end(&self.journal).await;
        tracing::info!(sinks = self.sinks.len(), "stopped");
        died.map_or(Ok(()), Err)
    }
}

/// What a reload changes and what it compares with.
struct Steering {
    running: Config,
    files: watch::Sender<rotation::Files>,
    rotation: Rotation,
    load: Load,
    levels: Option<Levels>,
    clock: Clock,
    wish: watch::Sender<collect::Reload>,
    inventory: Inventory,
    places: Places,
    metrics: Arc<Metrics>,
}

impl Steering {
    fn endpoints(&self) -> usize {
        self.wish.borrow().desired.endpoints.len()
    }

    fn status(&self) -> String {
        format!("watching {} endpoints", self.endpoints())
    }

    /// Loads the config again. A config with problems changes nothing.
    fn reload(&mut self) -> ReloadOutcome {
        systemd::reloading();
        let outcome = match (self.load)() {
            Ok((config, warnings)) => {
                tell(&warnings);
                self.apply(config);
                ReloadOutcome::Applied
            }
            Err(problems) => {
                self.metrics.config_refused();
                tell_refused(&problems);
                ReloadOutcome::Refused(problems.list().iter().map(ToString::to_string).collect())
            }
        };
        systemd::ready(&self.status());
        outcome
    }

    fn apply(&mut self, config: Config) {
        for (table, same) in [
            ("[journal]", config.journal == self.running.journal),
            ("[[sinks]]", config.sinks == self.running.sinks),
            ("[admin]", config.admin == self.running.admin),
            ("[metrics]", config.metrics == self.running.metrics),
        ] {
            if !same {
                tracing::warn!(table, "changed in the config; takes effect at the next start");
            }
        }
        if let Some(levels) = &self.levels
            && let Err(error) = levels.set(&config.log.level)
        {
            tracing::warn!(error = %logging::Chain(&error), "the log level stays as it was");
        }
        self.inventory.configure(&config, &Lists::new());
        let desired = self.places.census(&mut self.inventory, &config);
        self.wish.send_modify(|wish| {
            wish.desired = desired;
            wish.revision += 1;
        });
        self.places.reload(&config, self.inventory.lists());
        self.metrics.config_loaded(hash(&config), self.clock.now());
        self.files.send_replace(rotation::files(&config));
        self.rotation = Rotation::default();
        self.running = config;
    }
}

/// Who reads decides what counts as delivered when old records are deleted: the journal must know it, also when it could
/// not be written at the start (a full disk).
async fn tell_readers(journal: Journal, names: Vec<String>, stop: CancellationToken) {
    loop {
        match journal.set_readers(names.clone()).await {
            Ok(()) | Err(AppendError::Closed) => return,
            Err(error) => {
                tracing::debug!(error = %logging::Chain(&error), "the journal was not told its readers");
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep(READERS_AGAIN)).await.is_none() {
            return;
        }
    }
}

/// A journal that could not be written is asked again at this pace; it tells the operator itself.
const READERS_AGAIN: Duration = Duration::from_secs(5);

/// Lines about one config; the same mistake in 10,000 endpoints is not worth 10,000 lines at every start.
const CONFIG_LINES_MAX: usize = 20;

/// Writes what config warns about to the log.
pub fn tell(warnings: &[Warning]) {
    for warning in warnings.iter().take(CONFIG_LINES_MAX) {
        tracing::warn!(warning = %warning, "config");
    }
    if warnings.len() > CONFIG_LINES_MAX {
        let more = warnings.len() - CONFIG_LINES_MAX;
        tracing::warn!(more, "more config warnings; `bmcwatch check-config` shows all");
    }
}

fn tell_refused(problems: &Problems) {
    for problem in problems.list().iter().take(CONFIG_LINES_MAX) {
        tracing::error!(problem = %problem, "config refused; the old one stays in effect");
    }
    if problems.list().len() > CONFIG_LINES_MAX {
        let more = problems.list().len() - CONFIG_LINES_MAX;
        tracing::error!(more, "more problems in the config; `bmcwatch check-config` shows all");
    }
}

async fn open_journal(
    config: &Config,
    location: Location,
    clock: &Clock,
) -> Result<(Journal, journal::Writer), StartError> {
    let retention = Retention { max_age: config.journal.max_age, max_size: config.journal.max_size };
    let clock = clock.clone();
    let wall: journal::WallClock = Arc::new(move || clock.now().timestamp_millis());
    Ok(Journal::open(location, retention, wall).await?)
}

fn dependencies(
    network: Arc<dyn Network>,
    journal: &Journal,
    clock: &Clock,
    seed: u64,
    board: &Board,
    registry: &Registry,
) -> Result<Dependencies, prometheus::Error> {
    Ok(Dependencies {
        network,
        journal: journal.clone(),
        clock: clock.clone(),
        seed,
        board: board.clone(),
        metrics: collect::Metrics::register(registry)?,
        redfish_metrics: redfish::Metrics::register(registry)?,
    })
}

/// The same effective config has the same hash on every replica; secrets are not part of it.
fn hash(config: &Config) -> u64 {
    let bytes = Uid::derive([config.show().as_bytes()]).to_bytes();
    // A metric is a double: 48 bits are exact.
    u64::from_le_bytes(bytes[..8].try_into().expect("16 bytes hold 8")) >> 16
}

/// How long the phases of the end may take; together less than the 10 s that the program promises.
pub(crate) mod deadline {
    use super::Duration;

    /// Collectors end and log out (their own deadline is 4 s).
    pub(crate) const COLLECTORS: Duration = Duration::from_millis(4_500);
    /// Sinks deliver what the journal holds.
    pub(crate) const SINKS: Duration = Duration::from_millis(3_500);
    /// The journal commits, syncs and closes.
    pub(crate) const JOURNAL: Duration = Duration::from_millis(1_250);
    /// The admin listener finishes answers.
    pub(crate) const ADMIN: Duration = Duration::from_millis(500);
}
