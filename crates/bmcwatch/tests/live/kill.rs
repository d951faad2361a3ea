//! The promise of the program, against `kill -9`: whatever a BMC logs is in the file exactly once, though streams are cut
//! at random, BMCs reboot, sessions end, and the daemon is killed and restarted in the middle of it.
//!
//! The size of the story is handed in: the suite tells a short one, `soak kill` the long one.

use std::{fmt, time::Duration};

use tokio::time::{Instant, sleep};

use crate::{
    daemon::Daemon,
    home::Home,
    lab::{Lab, mixed},
    ledger::{self, Comparison},
};

/// What a story of kills looks like.
pub(crate) struct Plan {
    /// The loopback network of its BMCs.
    pub(crate) network: u8,
    pub(crate) bmcs: usize,
    /// Mean interval of events of one BMC.
    pub(crate) event_every: Duration,
    /// Mean interval of troubles of one BMC, mostly cuts of its streams.
    pub(crate) trouble_every: Duration,
    pub(crate) length: Duration,
    pub(crate) kills: u32,
    /// Size of the sink's files.
    pub(crate) file_size: &'static str,
    /// How long the last records may take to the file.
    pub(crate) patience: Duration,
}

/// What came of it.
pub(crate) struct Report {
    pub(crate) comparison: Comparison,
    pub(crate) kills: u32,
    pub(crate) streams_opened: u64,
    pub(crate) settled: Duration,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.comparison)?;
        writeln!(f, "kill -9 and restart         {:>8}", self.kills)?;
        writeln!(f, "streams opened              {:>8}", self.streams_opened)?;
        writeln!(f, "all delivered after the end {:>8.1} s", self.settled.as_secs_f64())
    }
}

/// A stop in the file's growth of this length, with everything there, is the end.
const STILL: Duration = Duration::from_secs(2);

/// Polls are frequent, since one BMC in ten has no stream; everything else is as it is by default.
const SETTINGS: &str = r#"
[collectors.logs]
mode = "auto"
initial_history = "all"
[collectors.logs.periodic]
logs_collection_interval = "2s"
"#;

/// Tells the story.
pub(crate) async fn run(plan: &Plan) -> Report {
    let mut lab = Lab::start(plan.network, mixed(plan.bmcs)).await;
    let home = Home::new();
    home.write_config_with_sink(&format!("{}{SETTINGS}", lab.endpoints()), plan.file_size);
    let mut daemon = Daemon::start(&home).await;
    daemon.until_in_state(plan.bmcs, &["streaming", "polling"]).await;

    lab.load(plan.event_every);
    lab.trouble(plan.trouble_every);
    let between = plan.length / (plan.kills + 1);
    for _ in 0..plan.kills {
        sleep(between).await;
        daemon.sigkill().await;
        daemon = Daemon::start(&home).await;
    }
    sleep(between).await;
    lab.quiet().await;

    let tokens = lab.tokens();
    let settled = settle(&home, tokens.len(), plan.patience).await;
    let streams_opened = lab.streams_opened();
    let (status, _) = daemon.sigterm().await;
    assert_eq!(status.code(), Some(0));
    assert_eq!(home.alarming_lines(), Vec::<String>::new(), "nothing here is an error of the daemon");
    let comparison = ledger::compare(tokens, &home.records());
    lab.fleet.stop().await;
    Report { comparison, kills: plan.kills, streams_opened, settled }
}

/// Waits until the file has as many lines as things happened and grows no more; what is then missing is lost.
async fn settle(home: &Home, happened: usize, patience: Duration) -> Duration {
    let started = Instant::now();
    let (mut lines, mut since) = (0, started);
    loop {
        let now = ledger::count(&home.records());
        if now != lines {
            (lines, since) = (now, Instant::now());
        }
        let enough = lines >= happened && since.elapsed() >= STILL;
        if enough || started.elapsed() > patience {
            return since.duration_since(started);
        }
        sleep(Duration::from_millis(200)).await;
    }
}

#[cfg(test)]
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_twice_though_the_daemon_is_killed_and_streams_are_cut() {
    let report = run(&Plan {
        network: 71,
        bmcs: 20,
        event_every: Duration::from_millis(200),
        trouble_every: Duration::from_secs(1),
        length: Duration::from_secs(8),
        kills: 3,
        file_size: "256KiB",
        patience: Duration::from_secs(30),
    })
    .await;
    println!("{report}");
    report.comparison.assert_exact();
    assert!(report.comparison.happened > 500, "the load was a load");
    assert!(report.streams_opened > 60, "streams were cut and opened again");
    assert!(report.comparison.files > 1, "the file was rotated");
}
