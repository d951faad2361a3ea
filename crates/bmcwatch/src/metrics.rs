//! The metrics page: process-wide families from registries, then series of endpoints, journal and sinks rendered from
//! their status. One scrape touches no BMC and no sink.
//!
//! Names stand in `docs/METRICS.md`; a test compares. Not here: HTTP (`admin`), the families of collectors and of the
//! conversation with BMCs, which register themselves on [`Metrics::registry`].

mod admin;
mod endpoints;
mod exposition;
mod journal;
mod sinks;
mod text;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ::journal::{Journal, Stat};
use chrono::{DateTime, Utc};
use collect::{Board, EndpointView};
use endpoints::Endpoints;
use prometheus::{
    Gauge, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder, process_collector::ProcessCollector,
};
use sink::{SinkStatus, SinkView};
use text::{Parts, Text, Type};
use tokio::sync::Semaphore;

pub use self::{
    admin::{Refusals, Refused, TailEnding, Tails},
    exposition::Exposition,
    journal::Writable,
};

/// Two are written at once: for Prometheus and its twin. One that is being sent is written already and not counted.
const SCRAPES_MAX: usize = 2;
/// A scrape that waits longer for its turn has been given up by its client (Prometheus' default is 10 s).
const SCRAPE_WAIT_MAX: Duration = Duration::from_secs(10);
/// The journal's numbers come from a cheap read; without them in this time the page goes without them.
const JOURNAL_STAT_MAX: Duration = Duration::from_secs(2);
/// So many endpoints are written before others on the thread have a turn: some 100 us.
const WRITTEN_AT_ONCE: usize = 32;
/// A gauge is a double: whole numbers up to 53 bits. 48 bits of the hash are what Prometheus itself shows of its own.
const CONFIG_HASH_MASK: u64 = (1 << 48) - 1;

/// The revision the program was built from, where the build said it.
const REVISION: &str = match option_env!("BMCWATCH_REVISION") {
    Some(revision) => revision,
    None => "unknown",
};

/// Tells the counts of our own log lines by level.
pub type LogCounts = fn() -> [(&'static str, u64); 5];

/// The registries and the families of the program itself.
#[derive(Debug)]
pub struct Metrics {
    prefix: String,
    families: Registry,
    /// `process_*` carry no prefix: dashboards know them by these names.
    process: Registry,
    reload_successful: IntGauge,
    reload_time: Gauge,
    config_hash: IntGauge,
    refusals: Refusals,
    tails: Tails,
}

impl Metrics {
    /// Registers the program's own families. Names begin with `prefix` and an underscore.
    pub fn new(prefix: &str) -> prometheus::Result<Self> {
        let families = Registry::new_custom(Some(prefix.to_owned()), None)?;
        let process = Registry::new();
        process.register(Box::new(ProcessCollector::for_self()))?;
        let build = IntGaugeVec::new(
            Opts::new("build_info", "Build information, always 1."),
            &["version", "revision", "target"],
        )?;
        let target = format!("{}-{}", std::env::consts::ARCH, std::env::consts::OS);
        build.with_label_values(&[env!("CARGO_PKG_VERSION"), REVISION, &target]).set(1);
        families.register(Box::new(build))?;
        let reload_successful =
            IntGauge::new("config_last_reload_successful", "Whether the last configuration load succeeded.")?;
        let reload_time = Gauge::new(
            "config_last_reload_success_timestamp_seconds",
            "Time of the last successful configuration load.",
        )?;
        let config_hash =
            IntGauge::new("config_hash", "Hash of the active configuration, to compare replicas.")?;
        families.register(Box::new(reload_successful.clone()))?;
        families.register(Box::new(reload_time.clone()))?;
        families.register(Box::new(config_hash.clone()))?;
        let refusals = Refusals::register(&families)?;
        let tails = Tails::register(&families)?;
        Ok(Self {
            prefix: prefix.to_owned(),
            families,
            process,
            reload_successful,
            reload_time,
            config_hash,
            refusals,
            tails,
        })
    }

    /// Where components register their process-wide families. It adds the prefix.
    pub fn registry(&self) -> &Registry {
        &self.families
    }

    /// Where the admin listener counts what it refuses.
    pub fn refusals(&self) -> Refusals {
        self.refusals.clone()
    }

    /// Where the admin listener counts who follows the records.
    pub fn tails(&self) -> Tails {
        self.tails.clone()
    }

    /// A configuration has been put into effect.
    pub fn config_loaded(&self, hash: u64, at: DateTime<Utc>) {
        self.reload_successful.set(1);
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds since 1970 stay below 2^53 for 285,000 years"
        )]
        self.reload_time.set(at.timestamp_millis() as f64 / 1000.0);
        self.config_hash.set(i64::try_from(hash & CONFIG_HASH_MASK).expect("48 bits fit"));
    }

    /// A configuration was refused; the one before it stays in effect.
    pub fn config_refused(&self) {
        self.reload_successful.set(0);
    }

    /// What the registries hold, as text. It reads `/proc/self/fd`, which has an entry for each connection.
    pub fn registered(&self) -> prometheus::Result<String> {
        let mut text = String::new();
        TextEncoder::new().encode_utf8(&self.families.gather(), &mut text)?;
        TextEncoder::new().encode_utf8(&self.process.gather(), &mut text)?;
        Ok(text)
    }

    /// Begins a page with what the registries hold. Endpoints are added to it one by one.
    pub fn begin(&self, registered: String) -> Draft<'_> {
        let text = Text::after(Parts::of(registered), &self.prefix);
        Draft { text, endpoints: Endpoints::begin(&self.prefix) }
    }
}

/// A page that is being written.
#[derive(Debug)]
pub struct Draft<'a> {
    text: Text<'a>,
    endpoints: Endpoints,
}

impl Draft<'_> {
    /// Writes the samples of an endpoint.
    pub fn add(&mut self, endpoint: &EndpointView) {
        self.endpoints.add(endpoint);
    }

    /// Writes what is not about one endpoint.
    pub fn finish(self, snapshot: &Snapshot<'_>) -> Exposition {
        let Self { mut text, endpoints } = self;
        endpoints.write(&mut text, snapshot.downgraded);
        journal::write(&mut text, snapshot.journal, snapshot.writable);
        sinks::write(&mut text, snapshot.sinks);
        let mut family = text.family("log_messages_total", Type::Counter, "Own log lines by level.");
        for (level, count) in snapshot.log_messages {
            family.sample(&[("level", level)], count);
        }
        Exposition::new(text.finish().into_strings())
    }
}

/// What is said beside the registries and the endpoints: plain data.
pub struct Snapshot<'a> {
    /// Downgraded endpoints by reason.
    pub downgraded: &'a BTreeMap<&'static str, usize>,
    /// The journal's numbers, unless it could not be read.
    pub journal: Option<&'a Stat>,
    /// Whether the journal takes writes.
    pub writable: Writable,
    /// Every sink.
    pub sinks: &'a [SinkView],
    /// Own log lines by level.
    pub log_messages: &'a [(&'static str, u64)],
}

/// Makes the page out of the running parts.
#[derive(Clone)]
pub struct Page {
    metrics: Arc<Metrics>,
    board: Board,
    journal: Journal,
    sinks: Arc<[SinkStatus]>,
    log_counts: LogCounts,
    turns: Arc<Semaphore>,
}

/// There is no page now.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Others are scraping.
    #[error("{SCRAPES_MAX} scrapes are running already")]
    Busy,
    /// A family could not be encoded.
    #[error("encode the metrics")]
    Encode(#[source] prometheus::Error),
    /// The thread that gathered what is registered has ended.
    #[error("gather the registered metrics in the background")]
    Task(#[source] tokio::task::JoinError),
}

impl Page {
    /// A page that is made anew at each scrape.
    pub fn new(
        metrics: Arc<Metrics>,
        board: Board,
        journal: Journal,
        sinks: Arc<[SinkStatus]>,
        log_counts: LogCounts,
    ) -> Self {
        Self { metrics, board, journal, sinks, log_counts, turns: Arc::new(Semaphore::new(SCRAPES_MAX)) }
    }

    /// The page now. At most two are written at once.
    pub async fn scrape(&self) -> Result<Exposition, PageError> {
        let turn = tokio::time::timeout(SCRAPE_WAIT_MAX, Arc::clone(&self.turns).acquire_owned());
        let Ok(Ok(turn)) = turn.await else { return Err(PageError::Busy) };
        let stat = tokio::time::timeout(JOURNAL_STAT_MAX, self.journal.stat()).await;
        let stat = stat.ok().and_then(Result::ok);
        let metrics = Arc::clone(&self.metrics);
        // The turn goes along: the thread does not end when the client hangs up.
        let gathered = tokio::task::spawn_blocking(move || (metrics.registered(), turn)).await;
        let (registered, _turn) = gathered.map_err(PageError::Task)?;
        let registered = registered.map_err(PageError::Encode)?;
        let mut draft = self.metrics.begin(registered);
        for (number, endpoint) in self.board.views().enumerate() {
            if number > 0 && number % WRITTEN_AT_ONCE == 0 {
                tokio::task::yield_now().await;
            }
            draft.add(&endpoint);
        }
        let sinks: Vec<SinkView> = self.sinks.iter().map(SinkStatus::view).collect();
        Ok(draft.finish(&Snapshot {
            downgraded: &self.board.downgraded(),
            journal: stat.as_ref(),
            writable: if *self.journal.writable().borrow() { Writable::Yes } else { Writable::No },
            sinks: &sinks,
            log_messages: &(self.log_counts)(),
        }))
    }
}
