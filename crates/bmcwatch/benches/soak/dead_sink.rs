//! A sink whose peer refuses connections, and then takes them and answers nothing: how much later others have what happens,
//! and what it costs the daemon.

use std::{fmt, time::Duration};

use sim::{Profile, Severity};
use tokio::time::{Instant, sleep};

use crate::{
    daemon::Daemon,
    home::Home,
    hour::resident,
    lab::Lab,
    peers::{Kind, Peer},
    readers::cpu_time,
    scene::say,
    tail::Tail,
};

/// How much of it.
pub(crate) struct Plan {
    /// The fleet is on 127.`network`.0.0.
    pub(crate) network: u8,
    pub(crate) bmcs: usize,
    /// Mean interval of the events of one BMC.
    pub(crate) event_every: Duration,
    /// All is well so long, before and after.
    pub(crate) calm: Duration,
    /// The peer refuses so long, and hangs so long.
    pub(crate) dead: Duration,
    /// Between two happenings whose way is watched.
    pub(crate) watch_every: Duration,
}

/// What came of it.
pub(crate) struct Report {
    /// Where happenings are watched for.
    ways: [&'static str; 3],
    phases: Vec<Phase>,
    /// How long the dead one took to have all.
    caught_up: Duration,
}

/// One part of the story.
struct Phase {
    name: &'static str,
    /// From the push until it is there, on each way, in the order of their length.
    took: [Vec<Duration>; 3],
    /// Of a core, in per cent.
    cpu: f64,
    /// Memory at the end, in kB.
    resident: u64,
}

/// Nothing that is watched takes longer.
const PATIENCE: Duration = Duration::from_mins(1);

/// Tells the story.
pub(crate) async fn run(plan: &Plan) -> Report {
    let home = Home::new();
    let mut dying = Peer::start(Kind::Http, home.path("http")).await;
    let otlp = Peer::start(Kind::Otlp, home.path("otlp")).await;
    let syslog = Peer::start(Kind::Syslog, home.path("syslog")).await;
    let mut lab = Lab::start(plan.network, vec![Profile::openbmc(); plan.bmcs]).await;
    let sinks: String = [&dying, &otlp, &syslog].map(Peer::sink).concat();
    // A file that is rotated would have to be followed.
    home.write_config_with_sink(&format!("{}{sinks}", lab.endpoints()), "10GiB");
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(plan.bmcs, &["streaming"]).await;
    lab.load(plan.event_every);
    let mut tails = [home.records(), otlp.out(), syslog.out()].map(|path| Tail::open(&path));
    let mut phases = Vec::new();
    let mut phase = async |name, lasts| {
        let phase = watch(name, lasts, plan, (&lab, &daemon), &mut tails).await;
        say(&phase);
        phases.push(phase);
    };
    phase("all is well", plan.calm).await;
    dying.stop().await;
    phase("one refuses", plan.dead).await;
    dying.start_again().await;
    dying.hang(true);
    phase("one hangs", plan.dead).await;
    dying.hang(false);
    let begun = Instant::now();
    while daemon.metric("bmcwatch_sink_lag_events", "sink=\"http\"").await > 100.0 {
        sleep(Duration::from_millis(100)).await;
    }
    let caught_up = begun.elapsed();
    phase("all is well again", plan.calm).await;
    lab.quiet().await;
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    for mut peer in [dying, otlp, syslog] {
        peer.stop().await;
    }
    lab.fleet.stop().await;
    Report { ways: ["file", "otlp", "syslog"], phases, caught_up }
}

/// Watches one happening after the other on its ways.
async fn watch(
    name: &'static str,
    lasts: Duration,
    plan: &Plan,
    (lab, daemon): (&Lab, &Daemon),
    tails: &mut [Tail; 3],
) -> Phase {
    let (begun, before) = (Instant::now(), cpu_time(daemon.id()));
    let mut took: [Vec<Duration>; 3] = Default::default();
    for bmc in lab.bmcs().iter().cycle() {
        if begun.elapsed() >= lasts {
            break;
        }
        sleep(plan.watch_every).await;
        let pushed = Instant::now();
        let logged =
            bmc.log(Severity::Critical, "Power.1.0.PowerSupplyFailed", &["1"], "Power supply 1 failed.");
        let mut there = [None; 3];
        while there.iter().any(Option::is_none) {
            assert!(pushed.elapsed() < PATIENCE, "{} does not come: {there:?}", logged.token);
            for (tail, there) in tails.iter_mut().zip(&mut there) {
                if there.is_none() && tail.has(&logged.token) {
                    *there = Some(pushed.elapsed());
                }
            }
            sleep(Duration::from_millis(1)).await;
        }
        for (took, there) in took.iter_mut().zip(there) {
            took.extend(there);
        }
    }
    for took in &mut took {
        took.sort_unstable();
    }
    let busy = cpu_time(daemon.id()).saturating_sub(before);
    let cpu = busy.div_duration_f64(begun.elapsed()) * 100.0;
    Phase { name, took, cpu, resident: resident(daemon.id()) }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "| {} | {} |", self.name, self.took[0].len())?;
        for took in &self.took {
            let (middle, slow) = (took[took.len() / 2], took[took.len() * 99 / 100]);
            write!(f, " {:.1} / {:.1} |", millis(middle), millis(slow))?;
        }
        write!(f, " {:.1} % | {} kB |", self.cpu, self.resident)
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ways = self.ways.map(|way| format!("{way}: middle / p99, ms")).join(" | ");
        writeln!(f, "| phase | watched | {ways} | CPU of a core | memory |\n|---|---|---|---|---|---|---|")?;
        self.phases.iter().try_for_each(|phase| writeln!(f, "{phase}"))?;
        write!(f, "the dead one had caught up {:.1} s after it lived again", self.caught_up.as_secs_f64())
    }
}
