//! The fleet of the demo: most BMCs stream well, some have each of the habits that an operator meets. It is
//! a list of configurations and scripts, timed so that half a minute shows every habit; whoever shows it brings the [`crate::Fleet`] and runs the scripts.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use crate::{bmc::BmcConfig, profile::Profile, script::Script, vendor::Flavour};

/// One BMC of the demo.
#[derive(Clone, Debug)]
pub struct DemoBmc {
    /// The BMC; its name tells rack and unit, such as `r01-u07`.
    pub config: BmcConfig,
    /// What happens to it.
    pub scripts: Vec<Script>,
    habit: &'static str,
}

impl DemoBmc {
    /// What is special about it, for people.
    pub fn habit(&self) -> &'static str {
        self.habit
    }
}

/// BMCs in one rack.
const UNITS: usize = 16;

/// The mean interval of events of one BMC.
const EVERY: Duration = Duration::from_secs(8);

/// `n` BMCs with clocks that begin at `epoch`; the same seed gives the same fleet and the same events.
pub fn demo_fleet(n: usize, seed: u64, epoch: DateTime<Utc>) -> Vec<DemoBmc> {
    fleet(n, seed, epoch, part)
}

/// The same with these flavours in turn, all of which only log hardware events; none without a flavour.
pub fn flavoured_fleet(n: usize, seed: u64, epoch: DateTime<Utc>, flavours: &[Flavour]) -> Vec<DemoBmc> {
    if flavours.is_empty() {
        return Vec::new();
    }
    fleet(n, seed, epoch, |index| {
        let (name, profile) = flavours[index % flavours.len()];
        (profile(), None, name)
    })
}

fn fleet(
    n: usize,
    seed: u64,
    epoch: DateTime<Utc>,
    part: impl Fn(usize) -> (Profile, Option<Script>, &'static str),
) -> Vec<DemoBmc> {
    let mut rng = SmallRng::seed_from_u64(seed);
    (0..n)
        .map(|index| {
            let (profile, extra, habit) = part(index);
            let every = EVERY.mul_f64(rng.random_range(0.7..1.5));
            let name = format!("r{:02}-u{:02}", index / UNITS + 1, index % UNITS + 1);
            let mut scripts = vec![Script::Steady { every }];
            scripts.extend(extra);
            DemoBmc { config: BmcConfig { name, seed: rng.random(), profile, epoch }, scripts, habit }
        })
        .collect()
}

/// The part a BMC plays, again after each 16.
fn part(index: usize) -> (Profile, Option<Script>, &'static str) {
    let script = match index % 16 {
        5 => Script::Flapping { until: Duration::from_secs(8) },
        7 => Script::RefusingFor { from: Duration::from_secs(5), length: Duration::from_secs(10) },
        9 => Script::Slow { latency: Duration::from_millis(800) },
        11 => Script::Restarting { every: Duration::from_secs(20), down_for: Duration::from_secs(4) },
        13 => Script::ClearingLog { every: Duration::from_secs(20) },
        2 => return (Profile::no_event_service(), None, "has no event service"),
        4 => return (Profile::no_sse_uri(), None, "has no ServerSentEventUri"),
        15 => return (Profile::ilo5(), None, "has no event stream; entry ids are positions"),
        1 | 8 => return (Profile::idrac9(), None, "streams well"),
        3 | 12 => return (Profile::nvidia(), None, "streams well"),
        6 => return (Profile::lenovo(), None, "streams well, with keep-alive comments"),
        _ => return (Profile::openbmc(), None, "streams well"),
    };
    let habit = script.habit();
    (Profile::openbmc(), Some(script), habit)
}
