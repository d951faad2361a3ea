//! A run in virtual time: the fleet and the daemon in one process, days of trouble, crashes, an hour of quiet.

use std::{collections::BTreeSet, time::Duration};

use model::{LogBookmark, Record};
use rand::{Rng, SeedableRng, rngs::SmallRng};
use tokio::time::Instant;

use crate::{
    judge::{Sums, judge},
    trouble::{Daemon, Excuse, Trouble, profile},
    world::{HOUR, SECOND, World, token},
};

/// BMCs of a run.
const FLEET: usize = 20;

/// Between two levers, so that what came before has been read: what is pushed at the very moment at which the stream breaks
/// may be lost on any wire.
const LEVER_PAUSE_MIN: Duration = Duration::from_millis(300);

/// The mean pause: each BMC has something happen to it every twenty minutes.
const LEVER_PAUSE_MEAN: Duration = Duration::from_mins(1);

/// One run.
pub(crate) struct Run {
    trouble: Trouble<World>,
    crashes: u32,
    /// Tokens in the journal up to a position.
    known: BTreeSet<String>,
    known_to: u64,
}

impl Daemon for World {
    async fn bookmark(&self, endpoint: &str, log: &str) -> LogBookmark {
        let stored = self.journal.mark(endpoint, log).await.expect("the journal can be read");
        stored.as_deref().and_then(LogBookmark::decode).unwrap_or_default()
    }

    fn hears(&self, _endpoint: &str) -> bool {
        true
    }
}

impl Run {
    pub(crate) async fn new(seed: u64) -> Self {
        let mut world = World::new(seed).await;
        let mut rng = SmallRng::seed_from_u64(seed);
        world.settings.exclude_services.clear();
        let fleet = 0..FLEET;
        let bmcs = fleet.map(|n| world.add(&format!("bmc{n:02}"), profile(n, &mut rng))).collect();
        world.start();
        let clock = world.clock.clone();
        let trouble = Trouble::new(bmcs, world, rng, (clock, 1.0));
        Self { trouble, crashes: 0, known: BTreeSet::new(), known_to: 0 }
    }

    fn world(&mut self) -> &mut World {
        &mut self.trouble.daemon
    }

    pub(crate) async fn trouble(&mut self, lasts: Duration) {
        let end = Instant::now() + lasts;
        let mut next_crash = self.trouble.some(3 * HOUR);
        while Instant::now() < end {
            let pause = LEVER_PAUSE_MEAN.mul_f64(-self.trouble.rng.random_range(f64::EPSILON..1.0).ln());
            self.world().pass(pause.max(LEVER_PAUSE_MIN)).await;
            self.trouble.heal();
            if Instant::now() >= next_crash {
                self.crash().await;
                next_crash = self.trouble.some(3 * HOUR);
            }
            self.trouble.pull_any().await;
        }
    }

    /// The daemon is killed, and after a while started again.
    async fn crash(&mut self) {
        self.crashes += 1;
        let new = self.trouble.daemon.records_after(&mut self.known_to).await;
        self.known.extend(new.iter().map(token));
        self.world().kill();
        self.trouble.excuse_in_flight(&self.known, Excuse::KilledInFlight, |_| true);
        let down = self.trouble.rng.random_range(0..600) * SECOND;
        self.world().pass(down).await;
        self.trouble.heal();
        self.world().start();
    }

    /// All faults end; within the next hour everything that is still to be had has come.
    pub(crate) async fn quiet(&mut self) {
        self.trouble.end();
        self.world().pass(HOUR).await;
    }

    /// What came of it; panics when it is not as promised.
    pub(crate) async fn judge(&mut self) -> Sums {
        self.world().pass(SECOND).await;
        let records = self.world().records().await;
        let mut judgement = judge(records, &self.trouble.bmcs, &self.trouble.happened);
        judgement.sums.crashes = self.crashes;
        self.unhurt(&mut judgement.other).await;
        judgement.assert_kept(self.world().seed);
        judgement.sums
    }

    /// Everything that was stored and logged, as text.
    pub(crate) async fn trace(&mut self) -> (String, Vec<Record>) {
        (self.world().lines.text(), self.world().records().await)
    }

    /// No BMC had more than one request at once, more than one stream, or a wrong password.
    async fn unhurt(&mut self, wrong: &mut Vec<String>) {
        for bmc in &self.trouble.bmcs {
            let (counts, state) = (bmc.counts(), self.trouble.daemon.state(bmc.name()));
            let name = format!("{} ({})", bmc.name(), bmc.config().profile.vendor);
            if !state.starts_with("streaming") && !state.starts_with("polling") {
                wrong.push(format!("{name} is {state}"));
            }
            if counts.requests_in_flight_max > 1 || counts.streams_open_max > 1 || counts.logins_refused > 0 {
                wrong.push(format!("{name} was hurt: {counts:?}"));
            }
        }
        self.world().stop().await;
        for bmc in &self.trouble.bmcs {
            if bmc.counts().streams_open > 0 {
                wrong.push(format!("{} has a stream left open", bmc.name()));
            }
        }
    }
}
