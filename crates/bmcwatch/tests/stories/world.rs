//! A whole fleet in virtual time: simulated BMCs, the collectors of production, a journal in memory, the log.
//!
//! Nothing here waits for real time and nothing opens a socket. Time stands still until everybody waits. It judges only
//! the one promise that every story has in common: nothing lost, nothing twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use collect::{
    Board, Dependencies, Desired, Discovery, EndpointSpec, EndpointView, History, LogSettings, Reload,
    RetryError, RetryHandle, State,
};
use journal::{Journal, Location, Position, ReadLimit, Retention, Writer};
use model::{Clock, Endpoint, EndpointId, Kind, Record, Secret, codec};
use redfish::{AuthMode, ClientConfig, Login, Trust};
use sim::{Bmc, BmcConfig, Logged, Profile, Severity};
use tokio::{sync::watch, task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::subscriber::DefaultGuard;

pub(crate) use crate::token::token;
use crate::{lines::Lines, wire::Wire};

/// When every story begins.
const EPOCH: &str = "2026-11-20T12:00:00Z";

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const MINUTE: Duration = Duration::from_mins(1);
pub(crate) const HOUR: Duration = Duration::from_hours(1);

/// The fleet and what watches it.
pub(crate) struct World {
    pub(crate) seed: u64,
    pub(crate) settings: LogSettings,
    pub(crate) specs: Vec<EndpointSpec>,
    pub(crate) wire: Wire,
    pub(crate) journal: Journal,
    pub(crate) lines: Lines,
    pub(crate) clock: Clock,
    /// Tokens that nobody could have read.
    pub(crate) excused: BTreeSet<String>,
    bmcs: BTreeMap<String, Arc<Bmc>>,
    disk: watch::Sender<Disk>,
    running: Option<Running>,
    background: JoinSet<()>,
    _listening: DefaultGuard,
}

/// Whether what the journal writes gets on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Disk {
    Writes,
    Stalls,
}

/// One life of the daemon.
struct Running {
    board: Board,
    metrics: prometheus::Registry,
    wish: watch::Sender<Reload>,
    retries: RetryHandle,
    stop: CancellationToken,
    task: JoinSet<()>,
}

impl World {
    /// An empty fleet. Settings are the defaults of production, but a first contact brings everything.
    pub(crate) async fn new(seed: u64) -> Self {
        Self::with_journal(seed, Location::Memory).await
    }

    /// The same with the journal in another place.
    pub(crate) async fn with_journal(seed: u64, location: Location) -> Self {
        let start = Instant::now();
        let epoch = epoch();
        let clock = Clock::from_fn(move || {
            epoch + TimeDelta::from_std(start.elapsed()).expect("a story is shorter than 200 million years")
        });
        let wall = clock.clone();
        let retention = Retention { max_age: 14 * 24 * HOUR, max_size: 1 << 40 };
        let opened = Journal::open(location, retention, Arc::new(move || wall.now().timestamp_millis()));
        let (journal, writer) = opened.await.expect("a new journal can be opened");
        let mut background = JoinSet::new();
        let disk = watch::Sender::new(Disk::Writes);
        background.spawn(write(writer, disk.subscribe()));
        let lines = Lines::default();
        let listening = lines.listen(clock.clone());
        Self {
            seed,
            settings: LogSettings { initial_history: History::All, ..LogSettings::default() },
            specs: Vec::new(),
            wire: Wire::default(),
            journal,
            lines,
            clock,
            excused: BTreeSet::new(),
            bmcs: BTreeMap::new(),
            disk,
            running: None,
            background,
            _listening: listening,
        }
    }

    /// A running fleet of one BMC called `bmc`, all settings as in production.
    pub(crate) async fn of(profile: Profile) -> (Self, Arc<Bmc>) {
        let mut world = Self::new(1).await;
        let bmc = world.add("bmc", profile);
        world.start();
        (world, bmc)
    }

    /// Builds a BMC and an endpoint for it, both called `name`.
    pub(crate) fn add(&mut self, name: &str, profile: Profile) -> Arc<Bmc> {
        let login =
            Login { username: profile.username.clone(), password: Secret::new(profile.password.clone()) };
        let seed = self.seed ^ (self.specs.len() as u64 + 1) << 32;
        let bmc = Bmc::new(BmcConfig { name: name.to_owned(), seed, profile, epoch: self.clock.now() });
        self.wire.plug_in(name, Arc::clone(&bmc));
        self.bmcs.insert(name.to_owned(), Arc::clone(&bmc));
        let address = format!("https://{name}");
        let client = ClientConfig {
            address: address.parse().expect("a name is a host"),
            trust: Trust::Insecure,
            allowed_origins: Vec::new(),
            auth: AuthMode::Auto,
            login: Some(login),
        };
        let endpoint = Endpoint { id: id(name), address, labels: BTreeMap::new() };
        self.specs.push(EndpointSpec { endpoint: Arc::new(endpoint), client, log_mode: None });
        bmc
    }

    /// What the config says about one endpoint, to be changed before a start or a reload.
    pub(crate) fn spec(&mut self, name: &str) -> &mut EndpointSpec {
        let found = self.specs.iter_mut().find(|spec| spec.endpoint.id.as_str() == name);
        found.expect("the endpoint was added")
    }

    fn desired(&self) -> Arc<Desired> {
        let (endpoints, logs) = (self.specs.clone(), self.settings.clone());
        Arc::new(Desired { endpoints, logs, interval: collect::DISCOVERY_INTERVAL })
    }

    /// Starts the daemon's collectors.
    pub(crate) fn start(&mut self) {
        assert!(self.running.is_none(), "the daemon runs already");
        let (wish, wishes) = watch::channel(Reload { desired: self.desired(), revision: 0 });
        let metrics = prometheus::Registry::new();
        let board = Board::default();
        let dependencies = Dependencies {
            network: Arc::new(self.wire.clone()),
            journal: self.journal.clone(),
            clock: self.clock.clone(),
            seed: self.seed,
            board: board.clone(),
            metrics: collect::Metrics::register(&metrics).expect("the registry is empty"),
            redfish_metrics: redfish::Metrics::register(&metrics).expect("their names differ"),
        };
        let discovery = Discovery::new(wishes, dependencies);
        let retries = discovery.retries();
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(discovery.run(stop.clone()));
        self.running = Some(Running { board, metrics, wish, retries, stop, task });
    }

    /// Ends the daemon as a service manager would, and answers how long that took.
    pub(crate) async fn stop(&mut self) -> Duration {
        let begun = Instant::now();
        let mut running = self.running.take().expect("the daemon runs");
        running.stop.cancel();
        while let Some(ended) = running.task.join_next().await {
            ended.expect("discovery does not panic");
        }
        begun.elapsed()
    }

    /// Ends the daemon as `kill -9` does: nothing is finished and nobody is told.
    pub(crate) fn kill(&mut self) {
        drop(self.running.take().expect("the daemon runs"));
    }

    fn running(&self) -> &Running {
        self.running.as_ref().expect("the daemon runs")
    }

    /// A reload with settings and endpoints as they are now.
    pub(crate) fn reload(&self) {
        let desired = self.desired();
        self.running().wish.send_modify(|wish| {
            wish.desired = desired;
            wish.revision += 1;
        });
    }

    /// The disk stalls: what is appended from now on waits, and no error says so.
    pub(crate) fn stall_journal(&self) {
        self.disk.send_replace(Disk::Stalls);
    }

    /// It goes on.
    pub(crate) fn release_journal(&self) {
        self.disk.send_replace(Disk::Writes);
    }

    /// What the program does when it finds that a password file has changed: no reload.
    pub(crate) fn rotate(&mut self, name: &str, password: &str) {
        let login = self.spec(name).client.login.as_mut().expect("it has one");
        login.password = Secret::new(password.to_owned());
        let desired = self.desired();
        self.running().wish.send_modify(|wish| wish.desired = desired);
    }

    /// Asks for one endpoint to be tried now.
    pub(crate) async fn retry(&self, name: &str) -> Result<State, RetryError> {
        self.running().retries.retry(id(name)).await
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// The board of this life of the daemon.
    pub(crate) fn board_handle(&self) -> Board {
        self.running().board.clone()
    }

    /// All places on the board.
    pub(crate) fn board(&self) -> Vec<EndpointView> {
        self.running().board.snapshot()
    }

    /// One place on the board.
    pub(crate) fn view(&self, name: &str) -> EndpointView {
        let found = self.board().into_iter().find(|view| view.endpoint.id.as_str() == name);
        found.unwrap_or_else(|| panic!("{name} has no place on the board"))
    }

    /// State and reason of one endpoint, as `state: reason`; `absent` where it has no place.
    pub(crate) fn state(&self, name: &str) -> String {
        let found = self.board().into_iter().find(|view| view.endpoint.id.as_str() == name);
        let Some(view) = found else { return "absent".to_owned() };
        let reason = view.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        format!("{}{reason}", view.state.as_str())
    }

    /// Waits until the endpoint's state begins with `state`, and answers how long that took.
    pub(crate) async fn until(&self, name: &str, state: &str, within: Duration) -> Duration {
        let begun = Instant::now();
        while !self.state(name).starts_with(state) {
            assert!(
                begun.elapsed() <= within,
                "{name} is {} and not {state} after {within:?}",
                self.state(name)
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        begun.elapsed()
    }

    /// A counter, summed over the rows that have all of these label values.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counters of stories are small whole numbers"
    )]
    pub(crate) fn count(&self, name: &str, labels: &[&str]) -> u64 {
        self.sum(name, labels, |row| row.get_counter().get_value()) as u64
    }

    /// The sum of what a histogram has observed, in seconds.
    pub(crate) fn seconds(&self, name: &str) -> f64 {
        self.sum(name, &[], |row| row.get_histogram().get_sample_sum())
    }

    fn sum(&self, name: &str, labels: &[&str], value: impl Fn(&prometheus::proto::Metric) -> f64) -> f64 {
        let families = self.running().metrics.gather();
        let Some(family) = families.iter().find(|family| family.name() == name) else { return 0.0 };
        let fits = |row: &&prometheus::proto::Metric| {
            labels.iter().all(|label| row.get_label().iter().any(|pair| pair.value() == *label))
        };
        family.get_metric().iter().filter(fits).map(value).sum()
    }

    /// Every record of the journal, in order.
    pub(crate) async fn records(&self) -> Vec<Record> {
        self.records_after(&mut 0).await
    }

    /// Every record after a position, which is moved to the end.
    pub(crate) async fn records_after(&self, position: &mut Position) -> Vec<Record> {
        let mut records = Vec::new();
        loop {
            let limit = ReadLimit { records: 1000, bytes: 16 << 20 };
            let page = self.journal.read_after(*position, limit).await.expect("the journal can be read");
            let Some(last) = page.last() else { return records };
            *position = last.position;
            let decode = |stored: &journal::Stored| codec::decode(stored.position, &stored.bytes);
            records.extend(page.iter().map(|stored| decode(stored).expect("we wrote it")));
        }
    }

    /// What bmcwatch itself told: gaps and clears, in order.
    pub(crate) async fn gaps(&self) -> Vec<Record> {
        let mut records = self.records().await;
        records.retain(|record| matches!(record.kind, Kind::Gap | Kind::Cleared));
        records
    }

    /// What stands in a log and on no stream, or came on a stream, is in the journal once, and nothing else is. What
    /// bmcwatch tells of itself and of changes in place is no happening of the BMC.
    pub(crate) async fn assert_nothing_lost_nothing_twice(&self) {
        // What was pushed just now is on its way.
        self.pass(SECOND).await;
        let mut wrong = Vec::new();
        let mut uids = BTreeSet::new();
        let mut times: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in self.records().await {
            let told = format!("{} by {} at {}", record.kind.as_str(), record.source, record.observed_at);
            if !uids.insert(record.uid.to_bytes()) {
                wrong.push(format!("uid {:?} twice", record.uid));
            }
            if is_happening(&record) {
                times.entry(token(&record)).or_default().push(told);
            }
        }
        let nameless = self.gaps().await.into_iter().filter(|gap| gap.facts.message.is_empty());
        wrong.extend(
            nameless.map(|gap| format!("a {} at {} that says nothing", gap.kind.as_str(), gap.observed_at)),
        );
        for bmc in self.bmcs.values() {
            for logged in bmc.truth() {
                let told = times.remove(&logged.token).unwrap_or_default();
                let reachable = logged.pushed || logged.log.is_some();
                match told.len() {
                    0 if reachable && !self.excused.contains(&logged.token) => {
                        wrong.push(format!(
                            "lost: {} of {} pushed={}",
                            logged.token, logged.time, logged.pushed
                        ));
                    }
                    0 | 1 => {}
                    _ => wrong.push(format!("twice: {} of {}: {told:?}", logged.token, logged.time)),
                }
            }
        }
        wrong.extend(times.keys().map(|token| format!("invented: {token}")));
        let shown = wrong.len().min(20);
        assert!(wrong.is_empty(), "seed {}: {} wrong: {}", self.seed, wrong.len(), wrong[..shown].join("\n"));
    }

    /// The tokens of the happenings in the journal, in order.
    pub(crate) async fn tokens(&self) -> Vec<String> {
        self.records().await.iter().filter(|record| is_happening(record)).map(token).collect()
    }

    /// The words for how each record of the journal came, with how many came so: `entry by backfill`.
    pub(crate) async fn ways(&self) -> BTreeMap<String, usize> {
        let mut ways = BTreeMap::new();
        for record in self.records().await {
            *ways.entry(format!("{} by {}", record.kind.as_str(), record.source)).or_default() += 1;
        }
        ways
    }
}

/// The journal's writer, which gets nowhere while the disk stalls.
async fn write(writer: Writer, mut disk: watch::Receiver<Disk>) {
    let mut writing = std::pin::pin!(writer.run());
    while disk.wait_for(|disk| *disk == Disk::Writes).await.is_ok() {
        tokio::select! {
            biased;
            _ = disk.wait_for(|disk| *disk == Disk::Stalls) => {}
            () = &mut writing => return,
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.background.abort_all();
    }
}

/// Whether a record tells of something that the BMC said for the first time.
pub(crate) fn is_happening(record: &Record) -> bool {
    matches!(record.kind, Kind::Entry | Kind::Event)
}

pub(crate) fn id(name: &str) -> EndpointId {
    EndpointId::try_from(name).expect("names in stories are plain")
}

pub(crate) fn epoch() -> DateTime<Utc> {
    EPOCH.parse().expect("the constant is a time")
}

/// An event that any profile can log.
pub(crate) fn fan_fails(bmc: &Bmc) -> Logged {
    bmc.log(Severity::Critical, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.")
}

/// Such events with a pause after each.
pub(crate) async fn fans_fail(bmc: &Bmc, times: usize, pause: Duration) {
    for _ in 0..times {
        fan_fails(bmc);
        tokio::time::sleep(pause).await;
    }
}
