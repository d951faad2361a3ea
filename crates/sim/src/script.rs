//! Scripts: what happens to one BMC over time, seeded. A script only pulls levers; several may run on one
//! BMC at once. The owner spawns them and awaits them.

use std::{sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::{bmc::Bmc, gate::Reachability, levers::StreamBehaviour, profile::Oem, truth::Severity};

/// One behaviour over time; times count from the moment it is run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Script {
    /// Hardware events at random intervals with this mean.
    Steady {
        /// Mean interval.
        every: Duration,
    },
    /// The stream closes at once until this long has passed, then behaves.
    Flapping {
        /// How long it flaps.
        until: Duration,
    },
    /// Connections are refused for a while.
    RefusingFor {
        /// Wait before it.
        from: Duration,
        /// How long.
        length: Duration,
    },
    /// Every answer takes this long.
    Slow {
        /// The wait.
        latency: Duration,
    },
    /// The BMC reboots again and again.
    Restarting {
        /// From one boot to the next.
        every: Duration,
        /// How long it is away each time.
        down_for: Duration,
    },
    /// Somebody clears the first log again and again.
    ClearingLog {
        /// From one clear to the next.
        every: Duration,
    },
}

impl Script {
    /// What a person would say about a BMC that does this.
    pub fn habit(&self) -> &'static str {
        match self {
            Self::Steady { .. } => "logs hardware events",
            Self::Flapping { .. } => "accepts the stream and closes it at once, for a while",
            Self::RefusingFor { .. } => "refuses connections for a while",
            Self::Slow { .. } => "answers slowly",
            Self::Restarting { .. } => "restarts again and again",
            Self::ClearingLog { .. } => "has its log cleared again and again",
        }
    }

    /// Runs until `stop`. The same seed of the BMC and the same script do the same at the same times.
    pub async fn run(self, bmc: Arc<Bmc>, stop: CancellationToken) {
        tokio::select! {
            biased;
            () = stop.cancelled() => {}
            () = self.play(&bmc) => {}
        }
    }

    async fn play(&self, bmc: &Bmc) {
        match *self {
            Self::Steady { every } => steady(bmc, every).await,
            Self::Flapping { until } => {
                bmc.set_stream_behaviour(StreamBehaviour::CloseAtOnce);
                bmc.end_streams();
                sleep(until).await;
                bmc.set_stream_behaviour(StreamBehaviour::Serve);
            }
            Self::RefusingFor { from, length } => {
                sleep(from).await;
                bmc.set_reachability(Reachability::Refusing);
                sleep(length).await;
                bmc.set_reachability(Reachability::Up);
            }
            Self::Slow { latency } => bmc.set_latency(latency),
            Self::Restarting { every, down_for } => {
                let mut next = Instant::now();
                loop {
                    next += every;
                    sleep_until(next).await;
                    bmc.reboot(down_for);
                }
            }
            Self::ClearingLog { every } => {
                let mut next = Instant::now();
                loop {
                    next += every;
                    sleep_until(next).await;
                    bmc.clear_log();
                }
            }
        }
    }
}

async fn steady(bmc: &Bmc, every: Duration) {
    // Apart from the BMC's own generator, so that requests do not shift the events.
    let mut rng = SmallRng::seed_from_u64(bmc.config().seed ^ 0x5eed_e7e4_7500_0001);
    // The first comes anywhere within the interval: a fleet begins at once, and not in step.
    let mut next = Instant::now() + every.mul_f64(rng.random_range(0.0..1.0));
    loop {
        sleep_until(next).await;
        happen(bmc, &mut rng);
        // Between half and one and a half of the mean, so that no BMC is silent for long in a demo.
        next += every.mul_f64(rng.random_range(0.5..1.5));
    }
}

/// One kind of hardware event.
struct Kind {
    severity: Severity,
    /// How often it comes, against the others.
    weight: u32,
    /// Its `MessageId` in the registries of Redfish, Dell and HPE.
    ids: [&'static str; 3],
    /// Its text; `{}` is the place.
    text: &'static str,
}

const fn kind(severity: Severity, weight: u32, ids: [&'static str; 3], text: &'static str) -> Kind {
    Kind { severity, weight, ids, text }
}

const KINDS: &[Kind] = &[
    kind(
        Severity::Warning,
        4,
        ["Memory.1.0.CorrectableECC", "IDRAC.2.9.MEM0701", "1.2305"],
        "Correctable memory error rate exceeded for DIMM_A{}.",
    ),
    kind(
        Severity::Critical,
        1,
        ["Memory.1.0.UncorrectableECC", "IDRAC.2.9.MEM0001", "1.2306"],
        "Multi-bit memory errors detected on DIMM_B{}.",
    ),
    kind(
        Severity::Warning,
        3,
        ["SensorEvent.1.0.ReadingBelowLowerCautionThreshold", "IDRAC.2.9.FAN0001", "2.1103"],
        "Fan {} speed is below the lower caution threshold.",
    ),
    kind(
        Severity::Critical,
        2,
        ["SensorEvent.1.0.ReadingBelowLowerCriticalThreshold", "IDRAC.2.9.FAN0000", "2.1104"],
        "Fan {} has stopped.",
    ),
    kind(
        Severity::Critical,
        2,
        ["Power.1.0.PowerSupplyFailed", "IDRAC.2.9.PSU0001", "3.1205"],
        "Power supply {} failed.",
    ),
    kind(
        Severity::Ok,
        2,
        ["Power.1.0.PowerSupplyRestored", "IDRAC.2.9.PSU0017", "3.1206"],
        "Power supply {} is operating normally.",
    ),
    kind(
        Severity::Warning,
        3,
        ["StorageDevice.1.1.DriveFailurePredicted", "IDRAC.2.9.PDR16", "19.207"],
        "Predictive failure reported for drive in bay {}.",
    ),
    kind(
        Severity::Critical,
        1,
        ["StorageDevice.1.1.DriveFailure", "IDRAC.2.9.PDR1001", "19.208"],
        "Drive in bay {} failed.",
    ),
    kind(
        Severity::Warning,
        3,
        ["SensorEvent.1.0.ReadingAboveUpperCautionThreshold", "IDRAC.2.9.TMP0102", "2.1301"],
        "Temperature of zone {} is above the upper caution threshold.",
    ),
    kind(
        Severity::Ok,
        3,
        ["SensorEvent.1.0.ReadingNoLongerCaution", "IDRAC.2.9.TMP0105", "2.1302"],
        "Temperature of zone {} is within range.",
    ),
    kind(
        Severity::Warning,
        3,
        ["NetworkDevice.1.0.LinkFlapDetected", "IDRAC.2.9.NIC100", "7.1401"],
        "Link of network port {} is down.",
    ),
    kind(
        Severity::Ok,
        4,
        ["NetworkDevice.1.0.ConnectionEstablished", "IDRAC.2.9.NIC101", "7.1402"],
        "Link of network port {} is up.",
    ),
];

fn happen(bmc: &Bmc, rng: &mut SmallRng) {
    let kind = KINDS.choose_weighted(rng, |kind| kind.weight).expect("the weights are positive constants");
    let [redfish, dell, hpe] = kind.ids;
    let place = rng.random_range(1..=8).to_string();
    let message_id = match bmc.config().profile.oem {
        Oem::Dell => dell,
        Oem::HpeEventNumber => hpe,
        Oem::Plain | Oem::LenovoSequence | Oem::NvidiaLogEntry => redfish,
    };
    bmc.log(kind.severity, message_id, &[&place], &kind.text.replace("{}", &place));
}
