//! A fleet of every flavour, the network in between, and the daemon: what stories of faults in real time have in common.
//! Trouble and judge are those of the simulation.
//!
//! Not here: which faults come when (`faults`, `hour`).

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, Write},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use model::Clock;
use nix::sys::signal::Signal;
use rand::{Rng, SeedableRng, rngs::SmallRng, seq::IndexedRandom};
use sim::Bmc;
use tokio::time::{Instant, sleep};

use crate::{
    daemon::Daemon,
    home::{Home, read},
    judge::{Judgement, judge},
    lab::Lab,
    ledger,
    outside::Outside,
    proxy::{Fault, Network},
    trouble::{Excuse, Trouble, profile},
};

/// How large a scene is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setting {
    /// The loopback network of its BMCs; the next one is the proxies'.
    pub(crate) net: u8,
    pub(crate) seed: u64,
    pub(crate) bmcs: usize,
    /// How long faults last, against a simulated day.
    pub(crate) pace: f64,
    /// So many of the levers are pulled.
    pub(crate) levers: u32,
    /// Between two levers.
    pub(crate) lever_every: Duration,
    /// Between two faults that strike open connections.
    pub(crate) strike_every: Duration,
    /// Time between two readings of the logs.
    pub(crate) read_every: Duration,
    /// How long a start, and the end, may take.
    pub(crate) patience: Duration,
}

/// A BMC that takes seconds for each answer takes a day to read.
const LATENCY_MAX: Duration = Duration::from_millis(200);

/// A new daemon has streams after that; what is pushed before may be pushed to the one that was killed.
const STARTS_WITHIN: Duration = Duration::from_secs(3);

/// How often it is looked whether all has come.
const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What the daemon says when its disk is full: an error, and meant.
pub(crate) const CANNOT_WRITE: &str = "the journal cannot be written";

/// A running scene.
pub(crate) struct Scene {
    pub(crate) setting: Setting,
    pub(crate) home: Home,
    pub(crate) trouble: Trouble<Outside>,
    pub(crate) kills: u32,
    lab: Lab,
    /// There is none only while one is killed.
    daemon: Option<Daemon>,
    environment: Vec<(&'static str, String)>,
    levers: u64,
}

/// What came of it.
pub(crate) struct Outcome {
    pub(crate) judgement: Judgement,
    pub(crate) kills: u32,
    levers: u64,
    faults: BTreeMap<Fault, u64>,
    settled: Duration,
    /// The most requests and streams at one BMC at once. A network that swallows the end of a connection makes them two.
    in_flight: usize,
    streams: usize,
}

fn settings(every: Duration) -> String {
    let seconds = every.as_secs();
    format!(
        r#"
[collectors.logs]
mode = "auto"
initial_history = "all"
exclude_services = []
reconcile_interval = "{}s"
[collectors.logs.periodic]
logs_collection_interval = "{seconds}s"
state_refresh_interval = "1m"
[collectors.logs.auto]
connect_failure_window = "1m"
retry_sse_after = "20s"
retry_sse_max = "2m"
"#,
        2 * seconds
    )
}

impl Scene {
    /// Starts everything and waits until each log has been read once. The daemon gets these variables, and its clock is
    /// `clock`.
    pub(crate) async fn start(
        setting: Setting,
        home: Home,
        (environment, clock): (Vec<(&'static str, String)>, Clock),
    ) -> Self {
        let mut rng = SmallRng::seed_from_u64(setting.seed);
        let quick = |place| {
            let mut profile = profile(place, &mut rng);
            profile.latency = profile.latency.min(LATENCY_MAX);
            profile.logs.iter_mut().for_each(|log| log.latency_each = Duration::ZERO);
            profile
        };
        let profiles: Vec<_> = (0..setting.bmcs).map(quick).collect();
        let logs: usize = profiles.iter().map(|profile| profile.logs.len()).sum();
        let logs = u32::try_from(logs).expect("a fleet of a story is small");
        let lab = Lab::start(setting.net, profiles).await;
        let to = |n| lab.fleet.address(n).trim_start_matches("https://").parse::<SocketAddr>();
        let to = (0..setting.bmcs).map(|n| to(n).expect("an address and a port")).collect();
        let network = Network::start(setting.net + 1, setting.seed, to).await;
        let endpoint = |n| lab.endpoint_at(n, &format!("https://{}", network.at(n)), "");
        let endpoints: String = (0..setting.bmcs).map(endpoint).collect();
        home.write_config(&format!("{endpoints}{}", settings(setting.read_every)));
        let daemon = start(&home, &environment).await;
        let outside = Outside::new(network, &home.path("journal"));
        let bmcs = lab.bmcs().iter().map(Arc::clone).collect();
        let trouble = Trouble::new(bmcs, outside, rng, (clock, setting.pace));
        let scene =
            Self { setting, home, trouble, kills: 0, lab, daemon: Some(daemon), environment, levers: 0 };
        let begun = Instant::now();
        while scene.trouble.daemon.logs_read() < logs {
            let read = scene.trouble.daemon.logs_read();
            assert!(
                begun.elapsed() < setting.patience,
                "{read} of {logs} logs read\n{}",
                scene.daemon().log()
            );
            sleep(Duration::from_millis(200)).await;
        }
        scene
    }

    fn daemon(&self) -> &Daemon {
        self.daemon.as_ref().expect("nobody kills it now")
    }

    /// The daemon's process.
    pub(crate) fn process(&self) -> u32 {
        self.daemon().id()
    }

    /// What this life of the daemon wrote to standard error.
    pub(crate) fn log(&self) -> String {
        self.daemon().log()
    }

    /// Lets levers be pulled and faults strike for so long.
    pub(crate) async fn suffer(&mut self, lasts: Duration) {
        let mut strike_at = Instant::now();
        let end = strike_at + lasts;
        while Instant::now() < end {
            self.trouble.heal();
            if Instant::now() >= strike_at {
                strike_at += self.setting.strike_every;
                self.strike();
            }
            let n = self.trouble.rng.random_range(0..self.setting.bmcs);
            self.before_breaking(n);
            self.trouble.pull(n, self.setting.levers).await;
            self.levers += 1;
            sleep(self.setting.lever_every.min(end.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// A fault strikes all connections to one BMC.
    fn strike(&mut self) {
        let n = self.trouble.rng.random_range(0..self.setting.bmcs);
        let fault = *Fault::ALL.choose(&mut self.trouble.rng).expect("there are some");
        self.before_breaking(n);
        self.trouble.daemon.network.strike(n, fault);
    }

    /// What is pushed only and has not come yet may be lost with the stream.
    fn before_breaking(&mut self, n: usize) {
        let known = self.trouble.daemon.known();
        let tokens = format!("{}-", self.trouble.bmcs[n].name());
        self.trouble.excuse_in_flight(&known, Excuse::BrokenInFlight, |token| token.starts_with(&tokens));
    }

    /// The daemon takes nothing for so long: what is pushed only is lost.
    pub(crate) fn deafen(&mut self, time: Duration) {
        let known = self.trouble.daemon.known();
        self.trouble.excuse_in_flight(&known, Excuse::BrokenInFlight, |_| true);
        self.trouble.daemon.deafen(time);
    }

    /// `kill -9`, and a new start.
    pub(crate) async fn kill(&mut self) {
        // Stopped first, so that nothing becomes durable between the look and the kill.
        let daemon = self.daemon.take().expect("nobody kills it now");
        daemon.signal(Signal::SIGSTOP);
        let known = self.trouble.daemon.known();
        self.trouble.excuse_in_flight(&known, Excuse::KilledInFlight, |_| true);
        daemon.sigkill().await;
        self.daemon = Some(start(&self.home, &self.environment).await);
        self.trouble.daemon.deafen(STARTS_WITHIN);
        self.kills += 1;
    }

    /// While the daemon rests, another one with an empty journal watches the same BMCs for so long; `look` is shown its
    /// process.
    pub(crate) async fn stand_in<T>(&mut self, lasts: Duration, look: impl FnOnce(u32) -> T) -> T {
        self.deafen(self.setting.patience);
        self.daemon.take().expect("nobody kills it now").sigterm().await;
        let home = Home::new();
        let place = |home: &Home| home.path("").display().to_string();
        let config = read(&self.home.config()).replace(&place(&self.home), &place(&home));
        home.write_raw_config(&config);
        let other = start(&home, &self.environment).await;
        self.suffer(lasts).await;
        let seen = look(other.id());
        other.sigterm().await;
        self.daemon = Some(start(&self.home, &self.environment).await);
        self.trouble.daemon.deafen(STARTS_WITHIN);
        seen
    }

    /// How many entries the BMCs hold.
    pub(crate) fn held(&self) -> usize {
        let logs = |bmc: &Arc<Bmc>| {
            (0..bmc.config().profile.logs.len()).map(|log| bmc.log_holds(log).len()).sum::<usize>()
        };
        self.trouble.bmcs.iter().map(logs).sum()
    }

    /// All faults end. Waits until everything that is to be had has come, and judges.
    pub(crate) async fn end(mut self) -> (Outcome, Home) {
        self.trouble.end();
        self.trouble.daemon.network.mend();
        self.sign_of_life().await;
        let begun = Instant::now();
        let mut good_since = None;
        let (judgement, settled) = loop {
            sleep(LOOK_EVERY).await;
            let judgement = self.judge().await;
            // Twice good: nothing comes again either.
            match good_since {
                Some(since) if judgement.wrong().is_empty() => break (judgement, since),
                _ => good_since = judgement.wrong().is_empty().then(|| begun.elapsed()),
            }
            if begun.elapsed() > self.setting.patience {
                break (judgement, begun.elapsed());
            }
        };
        let counts = self.lab.bmcs().iter().map(|bmc| bmc.counts());
        let most = counts.fold((0, 0), |(requests, streams), counts| {
            (requests.max(counts.requests_in_flight_max), streams.max(counts.streams_open_max))
        });
        let mut outcome = Outcome {
            judgement,
            kills: self.kills,
            levers: self.levers,
            faults: self.trouble.daemon.network.acted(),
            settled,
            in_flight: most.0,
            streams: most.1,
        };
        let (status, _) = self.daemon.take().expect("nobody kills it now").sigterm().await;
        if status.code() != Some(0) {
            outcome.judgement.other.push(format!("the daemon ended with {status}"));
        }
        let alarming = self.home.alarming_lines().into_iter().filter(|line| !line.contains(CANNOT_WRITE));
        outcome.judgement.other.extend(alarming);
        self.lab.fleet.stop().await;
        (outcome, self.home)
    }

    /// Something is logged in every log: what befell it before shows then, and not only when it has stayed empty for long.
    async fn sign_of_life(&mut self) {
        for n in 0..self.setting.bmcs {
            for log in 0..self.trouble.bmcs[n].config().profile.logs.len() {
                self.trouble.log(n, log, 1..2).await;
            }
        }
    }

    async fn judge(&self) -> Judgement {
        let (records, torn) = ledger::records(&self.home.records());
        let mut judgement = judge(records, &self.trouble.bmcs, &self.trouble.happened);
        judgement.other.extend(torn);
        for endpoint in self.daemon().endpoints().await {
            let state = endpoint["state"].as_str().unwrap_or_default();
            if !matches!(state, "streaming" | "polling") {
                judgement.other.push(format!("{} is {state}: {}", endpoint["id"], endpoint["reason"]));
            }
        }
        for bmc in self.lab.bmcs() {
            if bmc.counts().logins_refused > 0 {
                judgement.other.push(format!("{} got a wrong password", bmc.name()));
            }
        }
        judgement
    }
}

async fn start(home: &Home, environment: &[(&'static str, String)]) -> Daemon {
    let variables: Vec<(&str, &str)> =
        environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    Daemon::start_with(home, &variables).await
}

impl Outcome {
    /// What is worth a row of a table, as name and number.
    pub(crate) fn rows(&self) -> Vec<(String, f64)> {
        let sums = &self.judgement.sums;
        let [nothing_left, singly, killed, broken] = sums.excused;
        let counts = [
            ("happened", sums.happened),
            ("told once", sums.told),
            ("lost", self.judgement.lost.len()),
            ("twice by uid", self.judgement.twice_by_uid.len()),
            ("twice by token", self.judgement.twice_by_token.len()),
            ("told by log and stream with nothing in common (AMI)", sums.by_both),
            ("unread, covered by gaps and clears", sums.covered),
            ("gap records", sums.gaps),
            ("cleared records", sums.cleared),
            ("came and went in an empty log", nothing_left),
            ("deleted singly", singly),
            ("pushed only, killed in flight", killed),
            ("pushed only, broken in flight", broken),
            ("pushed only, while nobody was connected", sums.unheard),
            ("the BMC's own lines that are gone", sums.own),
            ("otherwise wrong", self.judgement.other.len()),
            ("most requests at one BMC at once", self.in_flight),
            ("most streams of one BMC at once", self.streams),
        ];
        let mut rows: Vec<(String, f64)> =
            counts.into_iter().map(|(name, count)| (name.to_owned(), number(count as u64))).collect();
        rows.push(("kill -9 and restart".to_owned(), self.kills.into()));
        rows.push(("levers pulled".to_owned(), number(self.levers)));
        let fault = |(fault, times): (&Fault, &u64)| (format!("connections with {fault:?}"), number(*times));
        rows.extend(self.faults.iter().map(fault));
        rows.push(("seconds until all had come".to_owned(), self.settled.as_secs_f64().round()));
        rows
    }

    /// Connections that had a fault.
    pub(crate) fn faults(&self) -> u64 {
        self.faults.values().sum()
    }

    /// Ends the story: the evidence goes when all is well, and is named in the panic when it is not.
    pub(crate) fn assert_kept(&self, seed: u64, home: Home) {
        if !self.judgement.wrong().is_empty() {
            say(&format_args!("{self}\nthe evidence is in {}", home.path("").display()));
        }
        self.judgement.assert_kept(seed);
        home.remove();
    }
}

/// Writes a line for who watches a long story.
pub(crate) fn say(line: &dyn fmt::Display) {
    writeln!(io::stdout(), "{line}").expect("somebody watches");
}

/// Counts of stories are far below 2^53.
pub(crate) fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rows().iter().try_for_each(|(name, value)| writeln!(f, "{name:<52}{value:>8}"))
    }
}
