//! A fleet that logs on while every peer of every sink is gone for a minute, and the daemon is killed twice: what each peer
//! has in the end, against the journal.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    time::Duration,
};

use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::{
    daemon::{Daemon, said},
    home::{Home, read},
    lab::{Lab, free_address, mixed},
    peers::{self, Kind, Peer},
    scene::say,
    small_disk::SmallDisk,
};

/// How much of it.
pub(crate) struct Plan {
    /// The fleet is on 127.`network`.0.0.
    pub(crate) network: u8,
    pub(crate) bmcs: usize,
    /// Mean interval of the events of one BMC.
    pub(crate) event_every: Duration,
    /// So many records at least.
    pub(crate) records: usize,
    /// All is well so long first.
    pub(crate) calm: Duration,
    /// The peers are gone so long.
    pub(crate) outage: Duration,
    /// How long everything may take to arrive.
    pub(crate) patience: Duration,
}

/// What came of it.
pub(crate) struct Report {
    records: usize,
    rows: Vec<Row>,
    caught_up: Duration,
}

/// What one peer has.
struct Row {
    sink: &'static str,
    distinct: usize,
    lost: usize,
    twice: usize,
    unknown: usize,
}

/// The sink whose peer is a disk.
const DISK: &str = "disk";

/// The daemon is killed for the second time so soon after the peers are there again: in the midst of what they missed.
const CATCHING_UP: Duration = Duration::from_secs(1);

/// Polls are frequent, since one BMC in ten has no stream.
const SETTINGS: &str = "[collectors.logs.periodic]\nlogs_collection_interval = \"2s\"\n";

/// Tells the story.
pub(crate) async fn run(plan: &Plan) -> Report {
    let home = Home::new();
    let at = home.path(DISK);
    std::fs::create_dir(&at).expect("the directory is ours");
    let disk = SmallDisk::mount(&at).expect("root may mount a small disk");
    let mut peers = Vec::new();
    for kind in [Kind::Http, Kind::Otlp, Kind::Syslog, Kind::Nats] {
        peers.push(Peer::start(kind, home.path(kind.name())).await);
    }
    let mut lab = Lab::start(plan.network, mixed(plan.bmcs)).await;
    let file = at.join("records.jsonl").display().to_string();
    let sinks: String = peers.iter().map(Peer::sink).collect();
    let settings = format!(
        "{}{SETTINGS}{sinks}\n[[sinks]]\nname = \"{DISK}\"\ntype = \"file\"\npath = \"{file}\"\nmax_size = \"1GiB\"\n",
        lab.endpoints()
    );
    home.write_config_at(&settings, &free_address(plan.network));
    let mut daemon = Daemon::start(&home).await;
    daemon.until_in_state(plan.bmcs, &["streaming", "polling"]).await;
    lab.load(plan.event_every);
    sleep(plan.calm).await;

    say(&format_args!("{} records; every peer goes", lab.tokens().len()));
    disk.fill();
    for peer in &mut peers {
        peer.stop().await;
    }
    sleep(plan.outage / 2).await;
    daemon.sigkill().await;
    daemon = Daemon::start(&home).await;
    sleep(plan.outage / 2).await;
    say(&format_args!("{} records; the peers come back", lab.tokens().len()));
    disk.free();
    for peer in &mut peers {
        peer.start_again().await;
    }
    sleep(CATCHING_UP).await;
    daemon.sigkill().await;
    daemon = Daemon::start(&home).await;
    while lab.tokens().len() < plan.records {
        sleep(Duration::from_secs(1)).await;
    }
    lab.quiet().await;

    let caught_up = until_all_has_come(&daemon, lab.tokens().len(), plan.patience).await;
    let (code, journal, error) = said(&home, &["events", "--since", "1d", "--json"]).await;
    assert_eq!((code, error.as_str()), (0, ""));
    let journal: BTreeSet<String> = peers::uids(&journal, "\"uid\":\"").into_iter().collect();
    let mut rows = Vec::new();
    for peer in &peers {
        rows.push(Row::new(peer.kind().name(), &journal, peer.uids().await));
    }
    rows.push(Row::new("file", &journal, peers::uids(&read(&at.join("records.jsonl")), "\"uid\":\"")));
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    for peer in &mut peers {
        peer.stop().await;
    }
    lab.fleet.stop().await;
    Report { records: journal.len(), rows, caught_up }
}

/// Waits until the journal has so many records and every sink is at its end.
async fn until_all_has_come(daemon: &Daemon, records: usize, patience: Duration) -> Duration {
    let begun = Instant::now();
    loop {
        let (_, sinks) = daemon.ask("GET", "/api/v1/sinks").await;
        let sinks: Value = serde_json::from_str(&sinks).expect("the answer is JSON");
        let there =
            |sink: &Value| sink["lag"] == 0 && sink["position"].as_u64() >= u64::try_from(records).ok();
        if sinks["sinks"].as_array().is_some_and(|sinks| sinks.iter().all(there)) {
            return begun.elapsed();
        }
        assert!(begun.elapsed() < patience, "after {patience:?}: {sinks:#}");
        sleep(Duration::from_millis(200)).await;
    }
}

impl Row {
    fn new(sink: &'static str, journal: &BTreeSet<String>, has: Vec<String>) -> Self {
        let mut times: BTreeMap<String, usize> = BTreeMap::new();
        for uid in has {
            *times.entry(uid).or_default() += 1;
        }
        Self {
            sink,
            distinct: times.len(),
            lost: journal.iter().filter(|uid| !times.contains_key(*uid)).count(),
            twice: times.values().map(|times| times - 1).sum(),
            unknown: times.keys().filter(|uid| !journal.contains(*uid)).count(),
        }
    }
}

impl Report {
    /// Nothing is lost or invented.
    pub(crate) fn assert_kept(&self) {
        assert!(self.rows.iter().all(|row| row.lost == 0 && row.unknown == 0), "{self}");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| sink | records in the journal | at its peer | lost | more than once | unknown |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for Row { sink, distinct, lost, twice, unknown } in &self.rows {
            writeln!(f, "| {sink} | {} | {distinct} | {lost} | {twice} | {unknown} |", self.records)?;
        }
        write!(f, "all had everything {:.1} s after the last record", self.caught_up.as_secs_f64())
    }
}
