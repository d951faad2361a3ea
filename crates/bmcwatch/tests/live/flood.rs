//! A BMC that sends as fast as it can: how much later the events of the others are in the sink's file, in real time.
//!
//! Rounds without and with the flood take turns, so that what else the machine does hits both. The suite does not run it,
//! for a busy machine would fail it: that the flood is held back is told in virtual time (`stories/backpressure.rs`).

use std::{fmt, sync::Arc, time::Duration};

use sim::{Bmc, Profile, Severity};
use tokio::{
    task::JoinSet,
    time::{Instant, interval, sleep},
};

use crate::{daemon::Daemon, home::Home, lab::Lab, tail::Tail};

/// What a story of a flood looks like.
pub(crate) struct Plan {
    /// The loopback network of its BMCs.
    pub(crate) network: u8,
    /// BMCs beside the one that floods.
    pub(crate) others: usize,
    /// Pairs of a calm and a flooded round.
    pub(crate) rounds: usize,
    /// Events of each of the others in a round.
    pub(crate) events: usize,
    /// Events of the flood in a millisecond.
    pub(crate) flood_per_ms: usize,
}

/// What came of it.
pub(crate) struct Report {
    /// From the push to the file: the middle and the slowest of a hundred, for each round.
    pub(crate) calm: Vec<(Duration, Duration)>,
    pub(crate) flooded: Vec<(Duration, Duration)>,
    /// Events that the flood sent, and lines of the sink's file, mostly its, that came while it went on.
    pub(crate) sent: usize,
    pub(crate) told: usize,
    /// Streams that the BMC of the flood has opened.
    pub(crate) streams: u64,
}

impl Report {
    /// The least that any round shows of the flood: its middle over the middle of the calm round beside it.
    pub(crate) fn ratio(&self) -> f64 {
        let pairs = self.calm.iter().zip(&self.flooded);
        pairs.map(|(calm, flooded)| flooded.0.div_duration_f64(calm.0)).fold(f64::INFINITY, f64::min)
    }
}

/// Tells the story.
pub(crate) async fn run(plan: &Plan) -> Report {
    let lab = Lab::start(plan.network, vec![Profile::openbmc(); plan.others + 1]).await;
    let home = Home::new();
    home.write_config(&lab.endpoints());
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(plan.others + 1, &["streaming"]).await;
    let mut file = Tail::open(&home.records());
    let mut report = Report { calm: vec![], flooded: vec![], sent: 0, told: 0, streams: 0 };
    let (flood, others) = lab.bmcs().split_first().expect("there is one");
    for _ in 0..plan.rounds {
        report.calm.push(round(plan, others, &mut file).await);
        let mut pouring = JoinSet::new();
        pouring.spawn(pour(Arc::clone(flood), plan.flood_per_ms));
        let before = (flood.truth().len(), file.lines);
        report.flooded.push(round(plan, others, &mut file).await);
        pouring.shutdown().await;
        report.sent += flood.truth().len() - before.0;
        report.told += file.lines - before.1;
        // What waits in the sockets is read before the next calm round.
        sleep(Duration::from_secs(2)).await;
        flood.cut_streams();
        sleep(Duration::from_secs(2)).await;
        file.read();
    }
    report.streams = flood.counts().streams_opened;
    let (status, _) = daemon.sigterm().await;
    assert!(status.success(), "{status}");
    lab.fleet.stop().await;
    report
}

/// Never comes to an end.
async fn pour(bmc: Arc<Bmc>, per_ms: usize) {
    let mut ticks = interval(Duration::from_millis(1));
    loop {
        ticks.tick().await;
        for _ in 0..per_ms {
            bmc.push_only(Severity::Ok, "Flood.1.0.Drop", &[], "One of many.");
        }
    }
}

/// One event of each of the others after the other: the middle and the slowest of a hundred.
async fn round(plan: &Plan, others: &[Arc<Bmc>], file: &mut Tail) -> (Duration, Duration) {
    let mut took = Vec::new();
    for _ in 0..plan.events {
        for bmc in others {
            let begun = Instant::now();
            let logged =
                bmc.log(Severity::Critical, "Power.1.0.PowerSupplyFailed", &["1"], "Power supply 1 failed.");
            while !file.has(&logged.token) {
                assert!(begun.elapsed() < Duration::from_mins(1), "{} does not come", logged.token);
                sleep(Duration::from_millis(1)).await;
            }
            took.push(begun.elapsed());
        }
    }
    took.sort_unstable();
    (took[took.len() / 2], took[took.len() * 99 / 100])
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "round  calm: middle, p99      flooded: middle, p99")?;
        for (round, (calm, flooded)) in self.calm.iter().zip(&self.flooded).enumerate() {
            let round = round + 1;
            writeln!(
                f,
                "{round:>5}  {:>9.1?} {:>9.1?}   {:>9.1?} {:>9.1?}",
                calm.0, calm.1, flooded.0, flooded.1
            )?;
        }
        writeln!(
            f,
            "the flood sent {} events, of which {} were told while it went on; its stream was opened {} times",
            self.sent, self.told, self.streams
        )?;
        write!(f, "the others waited {:.2} times as long as when it is calm (best round)", self.ratio())
    }
}
