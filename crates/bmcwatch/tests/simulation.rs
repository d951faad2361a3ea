//! Seeded simulations: ten BMCs of mixed vendors, two virtual hours of random faults, then quiet. Nothing may be lost but
//! what a clear destroyed unread, nothing may come twice, and the same seed gives the same bytes.
//!
//! `SIM_SEED=7` runs that seed, `SIM_RUNS=1000` so many seeds from there on. The seed of a failure is in its message.

#[path = "stories/lines.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod lines;
#[path = "stories/wire.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod wire;
#[path = "stories/world.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod world;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use sim::{Bmc, EventServiceState, Profile, Push, Reachability, Severity, StreamBehaviour};
use tokio::time::Instant;

use world::{HOUR, MINUTE, SECOND, World, token};

/// How long faults go on.
const TROUBLE: Duration = Duration::from_hours(2);

/// Between two levers, so that what came before has been read: what is pushed at the very moment at which the stream breaks
/// may be lost on any wire.
const LEVER_PAUSE_MIN: Duration = Duration::from_millis(300);

/// The mean pause: each BMC has something happen to it every forty seconds.
const LEVER_PAUSE_MEAN: Duration = Duration::from_secs(4);

/// A fault that ends by itself.
struct Healing {
    at: Instant,
    bmc: usize,
    heals: fn(&Bmc),
}

/// One run: the fleet, chance, and what the judge must know about it.
struct Run {
    world: World,
    bmcs: Vec<Arc<Bmc>>,
    rng: SmallRng,
    healing: Vec<Healing>,
    /// When each happening came about, by token.
    happened: BTreeMap<String, Instant>,
    /// When each BMC's streams were broken last.
    broken: Vec<Instant>,
    /// Tokens in the journal up to a position.
    read: BTreeSet<String>,
    read_to: u64,
}

fn profiles() -> [Profile; 10] {
    [
        Profile::openbmc(),
        Profile::idrac9(),
        Profile::nvidia(),
        Profile::lenovo(),
        Profile::ilo5(),
        Profile::no_event_service(),
        Profile::no_sse_uri(),
        Profile { push: Push::Never, ..Profile::openbmc() },
        Profile { push: Push::AllButEach(3), ..Profile::nvidia() },
        Profile { push: Push::AllButEach(2), keep_alive: Some(20 * SECOND), ..Profile::idrac9() },
    ]
}

impl Run {
    async fn new(seed: u64) -> Self {
        let mut world = World::new(seed).await;
        world.settings.exclude_services.clear();
        let named = profiles().into_iter().enumerate();
        let bmcs: Vec<_> = named.map(|(n, profile)| world.add(&format!("bmc{n}"), profile)).collect();
        world.start();
        let broken = vec![Instant::now(); bmcs.len()];
        let rng = SmallRng::seed_from_u64(seed);
        let (healing, happened, read) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Self { world, bmcs, rng, healing, happened, broken, read, read_to: 0 }
    }

    async fn trouble(&mut self) {
        let end = Instant::now() + TROUBLE;
        while Instant::now() < end {
            let pause = LEVER_PAUSE_MEAN.mul_f64(-self.rng.random_range(f64::EPSILON..1.0).ln());
            self.world.pass(pause.max(LEVER_PAUSE_MIN)).await;
            let now = Instant::now();
            for due in self.healing.extract_if(.., |healing| healing.at <= now) {
                (due.heals)(&self.bmcs[due.bmc]);
            }
            let bmc = self.rng.random_range(0..self.bmcs.len());
            self.pull(bmc).await;
        }
    }

    /// One lever of one BMC.
    async fn pull(&mut self, n: usize) {
        let bmc = Arc::clone(&self.bmcs[n]);
        assert!(bmc.counts().sessions_open <= 1, "seed {}: bmc{n}: {:?}", self.world.seed, bmc.counts());
        match self.rng.random_range(0..100) {
            0..46 => self.log(&bmc, 1..5),
            46..52 => self.log(&bmc, 5..30),
            52..60 => {
                let logged =
                    bmc.log_silently(Severity::Warning, "Sim.1.0.Silent", &["dimm0"], "Said to nobody.");
                self.happened.insert(logged.token, Instant::now());
            }
            60..66 => {
                let logged = bmc.push_only(Severity::Ok, "Sim.1.0.Fleeting", &["link0"], "Written nowhere.");
                self.happened.insert(logged.token, Instant::now());
            }
            66..76 => self.break_off(n),
            76..80 => bmc.set_latency(Duration::from_millis(self.rng.random_range(0..4000))),
            80..83 => bmc.set_latency(Duration::ZERO),
            83..87 => self.clear(n).await,
            87..90 => bmc.end_sessions(),
            90..93 => {
                let status = *[500, 502, 503].choose(&mut self.rng).expect("three");
                let status = StatusCode::from_u16(status).expect("a status");
                bmc.fail_requests(self.rng.random_range(1..8), status);
            }
            93..97 => self.spoil_stream(n),
            97 => {
                bmc.set_event_service(EventServiceState::Disabled);
                self.broken[n] = Instant::now();
                self.heal(n, 20 * MINUTE, |bmc| bmc.set_event_service(bmc.config().profile.event_service));
            }
            _ => bmc.step_clock(self.rng.random_range(-20..20)),
        }
    }

    fn log(&mut self, bmc: &Bmc, times: std::ops::Range<u32>) {
        let log = self.rng.random_range(0..bmc.config().profile.logs.len());
        for _ in 0..self.rng.random_range(times) {
            let args = [*["fan0", "fan1"].choose(&mut self.rng).expect("two")];
            let logged = bmc.log_in(log, Severity::Critical, "Sim.1.0.FanFailed", &args, "A fan has failed.");
            self.happened.insert(logged.token, Instant::now());
        }
    }

    fn break_off(&mut self, n: usize) {
        let bmc = Arc::clone(&self.bmcs[n]);
        self.broken[n] = Instant::now();
        match self.rng.random_range(0..10) {
            0..3 => bmc.cut_streams(),
            3..5 => bmc.end_streams(),
            5..7 => bmc.reboot(self.rng.random_range(5..200) * SECOND),
            7..9 => {
                bmc.set_reachability(Reachability::Refusing);
                self.heal(n, 12 * MINUTE, |bmc| bmc.set_reachability(Reachability::Up));
            }
            _ => {
                bmc.set_reachability(Reachability::BlackHole);
                self.heal(n, 8 * MINUTE, |bmc| bmc.set_reachability(Reachability::Up));
            }
        }
    }

    fn spoil_stream(&mut self, n: usize) {
        let behaviours = [
            StreamBehaviour::CloseAtOnce,
            StreamBehaviour::NotFound,
            StreamBehaviour::Status(503),
            StreamBehaviour::WrongContentType,
            StreamBehaviour::Silent,
        ];
        let behaviour = *behaviours.choose(&mut self.rng).expect("five");
        self.bmcs[n].set_stream_behaviour(behaviour);
        self.heal(n, 10 * MINUTE, |bmc| bmc.set_stream_behaviour(StreamBehaviour::Serve));
    }

    fn heal(&mut self, bmc: usize, within: Duration, heals: fn(&Bmc)) {
        let at = Instant::now() + within.mul_f64(self.rng.random_range(0.0..1.0));
        self.healing.push(Healing { at, bmc, heals });
    }

    /// A clear destroys what nobody has read: entries that were not pushed, or pushed on a stream that broke since.
    async fn clear(&mut self, n: usize) {
        let bmc = Arc::clone(&self.bmcs[n]);
        let log = self.rng.random_range(0..bmc.config().profile.logs.len());
        self.read.extend(self.world.records_after(&mut self.read_to).await.iter().map(token));
        bmc.clear_log_in(log);
        for logged in bmc.truth().iter().filter(|logged| logged.log.is_some()) {
            if self.read.contains(&logged.token) {
                continue;
            }
            let came_on_a_stream = logged.pushed && self.happened[&logged.token] > self.broken[n];
            if !came_on_a_stream {
                self.world.excused.insert(logged.token.clone());
            }
        }
    }

    /// All faults end; within the next hours everything that is still to be had has come.
    async fn quiet(&mut self) {
        for bmc in &self.bmcs {
            bmc.set_reachability(Reachability::Up);
            bmc.set_stream_behaviour(StreamBehaviour::Serve);
            bmc.set_event_service(bmc.config().profile.event_service);
            bmc.set_latency(Duration::ZERO);
            bmc.fail_requests(0, StatusCode::OK);
        }
        self.world.pass(HOUR).await;
    }

    async fn judge(&mut self) {
        self.world.assert_nothing_lost_nothing_twice().await;
        for (n, bmc) in self.bmcs.iter().enumerate() {
            let (counts, state) = (bmc.counts(), self.world.state(&format!("bmc{n}")));
            let seed = self.world.seed;
            assert!(
                state.starts_with("streaming") || state.starts_with("polling"),
                "seed {seed}: bmc{n} {state}"
            );
            assert_eq!(counts.requests_in_flight_max, 1, "seed {seed}: bmc{n}");
            assert!(counts.streams_open_max <= 1, "seed {seed}: bmc{n}: {counts:?}");
            assert_eq!(counts.logins_refused, 0, "seed {seed}: bmc{n}");
        }
        self.world.stop().await;
        for bmc in &self.bmcs {
            let counts = bmc.counts();
            assert_eq!((counts.sessions_open, counts.streams_open), (0, 0), "seed {}", self.world.seed);
        }
    }
}

/// Runs a seed and answers everything that was stored and logged, as text.
fn simulate(seed: u64) -> String {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime can be made");
    runtime.block_on(async {
        let mut run = Run::new(seed).await;
        run.trouble().await;
        run.quiet().await;
        run.judge().await;
        let mut trace = run.world.lines.text();
        for record in run.world.records().await {
            writeln!(trace, "{record:?}").expect("a String takes every write");
        }
        trace
    })
}

#[expect(clippy::disallowed_methods, reason = "the seed of a test is no setting of the program")]
fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().expect("it is a number"))
}

#[test]
fn random_faults_lose_nothing_and_repeat_nothing() {
    let first = number("SIM_SEED");
    let runs = number("SIM_RUNS").unwrap_or(if first.is_some() { 1 } else { 5 });
    let first = first.unwrap_or(1);
    for seed in first..first + runs {
        let trace = simulate(seed);
        println!("seed {seed}: {} lines", trace.lines().count());
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    let (once, again, other) = (simulate(11), simulate(11), simulate(12));
    let differs = once.lines().zip(again.lines()).find(|(one, two)| one != two);
    assert_eq!(differs, None);
    assert_eq!(once.len(), again.len());
    assert_ne!(once, other);
}
