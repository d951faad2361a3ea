//! A whole fleet that goes away and comes back: how many lines the daemon's log grows by, and how soon all stream again.
//!
//! The size of the story is handed in: the suite tells a short one with short waits, `soak refuse` the long one with the
//! default settings.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::Value;
use sim::{Profile, Reachability, Severity};
use tokio::time::{Instant, sleep};

use crate::{
    daemon::Daemon,
    home::Home,
    lab::Lab,
    ledger::{self, Comparison},
};

/// What a story of refusal looks like.
pub(crate) struct Plan {
    /// The loopback network of its BMCs.
    pub(crate) network: u8,
    pub(crate) bmcs: usize,
    /// How long connections are refused.
    pub(crate) length: Duration,
    /// How long the return may take.
    pub(crate) patience: Duration,
    /// How long the story goes on after all stream again: a try has to prove itself before it is told.
    pub(crate) after: Duration,
    /// Settings beside the endpoints.
    pub(crate) settings: &'static str,
}

/// What came of it.
pub(crate) struct Report {
    pub(crate) comparison: Comparison,
    pub(crate) lines: usize,
    pub(crate) summaries: usize,
    /// Endpoints by the number of their lines.
    pub(crate) by_lines: BTreeMap<usize, usize>,
    /// Lines by message.
    pub(crate) messages: BTreeMap<String, usize>,
    /// From the return until so much of the fleet streams: half, and all of it.
    pub(crate) half_back: Duration,
    pub(crate) all_back: Duration,
    pub(crate) bmcs: usize,
    pub(crate) down: usize,
    /// The most requests that waited at one BMC at once, the most streams, and the most logins of one BMC.
    pub(crate) in_flight: usize,
    pub(crate) streams: usize,
    pub(crate) logins: u64,
}

/// The words of the summary line.
const SUMMARY: &str = "endpoints unreachable or refused";

/// Tells the story.
pub(crate) async fn run(plan: &Plan) -> Report {
    let lab = Lab::start(plan.network, vec![Profile::openbmc(); plan.bmcs]).await;
    let home = Home::new();
    home.write_config(&format!("{}{}", lab.endpoints(), plan.settings));
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(plan.bmcs, &["streaming"]).await;
    let before = daemon.log().lines().count();

    lab.bmcs().iter().for_each(|bmc| bmc.set_reachability(Reachability::Refusing));
    sleep(plan.length / 2).await;
    // Nobody can be told of this while it happens.
    for bmc in lab.bmcs() {
        bmc.log(Severity::Critical, "Power.1.0.PowerSupplyFailed", &["1"], "Power supply 1 failed.");
    }
    sleep(plan.length / 2).await;
    let down = daemon.in_state(&["backoff"]).await;
    lab.bmcs().iter().for_each(|bmc| bmc.set_reachability(Reachability::Up));
    let (half_back, all_back) = back(&daemon, plan).await;
    sleep(plan.after).await;

    let log: Vec<Value> =
        daemon.log().lines().skip(before).filter_map(|line| serde_json::from_str(line).ok()).collect();
    let (status, _) = daemon.sigterm().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(home.alarming_lines(), Vec::<String>::new(), "nothing here is an error of the daemon");
    let comparison = ledger::compare(lab.tokens(), &home.records());
    let mut report = count(&log, plan.bmcs);
    (report.comparison, report.half_back, report.all_back) = (comparison, half_back, all_back);
    report.down = down;
    for counts in lab.bmcs().iter().map(|bmc| bmc.counts()) {
        report.in_flight = report.in_flight.max(counts.requests_in_flight_max);
        report.streams = report.streams.max(counts.streams_open_max);
        report.logins = report.logins.max(counts.logins_ok + counts.logins_refused);
    }
    lab.fleet.stop().await;
    report
}

/// How long it takes until half of the fleet, and all of it, streams.
async fn back(daemon: &Daemon, plan: &Plan) -> (Duration, Duration) {
    let returned = Instant::now();
    let mut half = None;
    loop {
        let streaming = daemon.in_state(&["streaming"]).await;
        let now = returned.elapsed();
        if streaming * 2 >= plan.bmcs {
            half.get_or_insert(now);
        }
        if streaming == plan.bmcs {
            return (half.unwrap_or(now), now);
        }
        assert!(now < plan.patience, "only {streaming} of {} stream again", plan.bmcs);
        sleep(Duration::from_millis(200)).await;
    }
}

fn count(log: &[Value], bmcs: usize) -> Report {
    let mut by_endpoint: BTreeMap<&str, usize> = BTreeMap::new();
    let mut messages: BTreeMap<String, usize> = BTreeMap::new();
    for entry in log {
        let message = entry["message"].as_str().unwrap_or_default();
        let message = if message.contains(SUMMARY) { SUMMARY } else { message };
        *messages.entry(message.to_owned()).or_default() += 1;
        if let Some(endpoint) = entry["endpoint"].as_str() {
            *by_endpoint.entry(endpoint).or_default() += 1;
        }
    }
    let mut by_lines: BTreeMap<usize, usize> = BTreeMap::new();
    for lines in by_endpoint.values() {
        *by_lines.entry(*lines).or_default() += 1;
    }
    Report {
        comparison: Comparison::default(),
        lines: log.len(),
        summaries: messages.get(SUMMARY).copied().unwrap_or(0),
        by_lines,
        messages,
        half_back: Duration::ZERO,
        all_back: Duration::ZERO,
        bmcs,
        down: 0,
        in_flight: 0,
        streams: 0,
        logins: 0,
    }
}

impl Report {
    /// The most lines of one endpoint.
    pub(crate) fn lines_max(&self) -> usize {
        self.by_lines.keys().next_back().copied().unwrap_or(0)
    }

    fn lines_mean(&self) -> f64 {
        let lines: usize = self.by_lines.iter().map(|(lines, endpoints)| lines * endpoints).sum();
        let part = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        part(lines) / part(self.bmcs)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "endpoints                   {:>8}", self.bmcs)?;
        writeln!(f, "down at the end of it       {:>8}", self.down)?;
        writeln!(f, "log lines                   {:>8}", self.lines)?;
        writeln!(f, "of them summaries           {:>8}", self.summaries)?;
        writeln!(
            f,
            "lines of one endpoint       {:>8.2} mean, {} at most",
            self.lines_mean(),
            self.lines_max()
        )?;
        writeln!(f, "endpoints by their lines    {:?}", self.by_lines)?;
        for (message, count) in &self.messages {
            writeln!(f, "{count:>8} {message}")?;
        }
        writeln!(f, "half stream again after     {:>8.1} s", self.half_back.as_secs_f64())?;
        writeln!(f, "all stream again after      {:>8.1} s", self.all_back.as_secs_f64())?;
        writeln!(f, "requests at one BMC at once {:>8}", self.in_flight)?;
        writeln!(f, "streams of one BMC at once  {:>8}", self.streams)?;
        writeln!(f, "logins of one BMC           {:>8}", self.logins)?;
        write!(f, "{}", self.comparison)
    }
}

#[cfg(test)]
#[tokio::test(flavor = "multi_thread")]
async fn a_fleet_that_goes_away_and_comes_back_costs_three_lines_each() {
    /// As by default, but with short waits.
    const SHORT: &str = r#"
[collectors.logs]
mode = "auto"
[collectors.logs.periodic]
logs_collection_interval = "2s"
[collectors.logs.auto]
connect_failure_window = "30s"
connect_failure_threshold = 3
min_stream_lifetime = "2s"
"#;

    let report = run(&Plan {
        network: 72,
        bmcs: 20,
        length: Duration::from_secs(12),
        patience: Duration::from_mins(1),
        after: Duration::from_secs(5),
        settings: SHORT,
    })
    .await;
    println!("{report}");
    report.comparison.assert_exact();
    assert_eq!((report.in_flight, report.streams), (1, 1), "one request and one stream at a time: {report}");
    assert!(report.logins <= 2, "{report}");
    assert!(report.lines_max() <= 3, "{report}");
    assert!(report.lines <= 3 * report.bmcs + report.summaries, "{report}");
    assert_eq!(report.messages.get("downgraded from event stream to polling"), Some(&20), "{report}");
    assert_eq!(report.messages.get("event stream recovered; polling ends"), Some(&20), "{report}");
}
