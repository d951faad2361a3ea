//! What happens to BMCs by chance: they log, break, forget, come back. The daemon that watches them runs in virtual time
//! (`run`) or as a process (`tests/live`). What came of it is told apart in `judge`.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use http::StatusCode;
use model::{Clock, LogBookmark};
use rand::{Rng, rngs::SmallRng, seq::IndexedRandom};
use sim::{
    Bmc, EventServiceState, IdStyle, LogFault, Logged, Profile, Push, Reachability, ResendIds, Severity,
    StreamBehaviour,
};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);

/// All levers, by their numbers; the first 57 log and break connections, and take nothing out of a log.
pub(crate) const LEVERS: u32 = 100;

/// How the text of what is pushed only begins.
pub(crate) const FLEETING: &str = "Written nowhere.";

/// A fault that ends by itself.
struct Healing {
    at: Instant,
    bmc: usize,
    heals: Box<dyn Fn(&Bmc)>,
}

/// One thing that was logged or pushed.
pub(crate) struct Happened {
    /// By our clock.
    pub(crate) at: DateTime<Utc>,
    /// It was pushed and stands in no log.
    fleeting: bool,
    pub(crate) excuse: Option<Excuse>,
}

/// Why a happening may be missing without a gap that says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Excuse {
    /// It came into a log that was empty at our last reading and went before the next, on a BMC whose ids begin anew:
    /// nothing is left that could show it.
    NothingLeft,
    /// The entry was deleted by itself, or was in a list of active alarms and its alarm ended (T18).
    DeletedSingly,
    /// It was pushed only, and the daemon was killed before it was durable.
    KilledInFlight,
    /// It was pushed only, on a connection that the network broke.
    BrokenInFlight,
}

/// What can be asked from outside of the daemon that watches the BMCs.
pub(crate) trait Daemon {
    /// How far it has read a log, as its journal says.
    async fn bookmark(&self, endpoint: &str, log: &str) -> LogBookmark;

    /// Whether what a BMC pushes now comes through to it.
    fn hears(&self, endpoint: &str) -> bool;
}

/// The fleet, chance, and what the judge must know about it.
pub(crate) struct Trouble<D> {
    pub(crate) bmcs: Vec<Arc<Bmc>>,
    pub(crate) happened: BTreeMap<String, Happened>,
    pub(crate) daemon: D,
    pub(crate) rng: SmallRng,
    /// The daemon's clock.
    clock: Clock,
    /// How long faults last: 1 in a simulated day.
    pace: f64,
    healing: Vec<Healing>,
    /// When something happened to each BMC last.
    last: Vec<DateTime<Utc>>,
}

/// What each log of a BMC holds.
fn holdings(bmc: &Bmc) -> Vec<Vec<Logged>> {
    (0..bmc.config().profile.logs.len()).map(|log| bmc.log_holds(log)).collect()
}

/// Tokens of what can be read of a log: of one without a link to a next page (CIMC), what is on the first.
pub(crate) fn listed(bmc: &Bmc, log: usize) -> BTreeSet<String> {
    let profile = &bmc.config().profile;
    let page = profile.page_size.filter(|_| profile.next_link.is_empty()).unwrap_or(usize::MAX);
    bmc.log_holds(log).into_iter().rev().take(page).map(|logged| logged.token).collect()
}

/// The profile of one place in the fleet: each flavour in turn, with habits and sizes by chance.
pub(crate) fn profile(place: usize, rng: &mut SmallRng) -> Profile {
    let flavours = Profile::flavours();
    let mut profile = flavours[(place + rng.random_range(0..flavours.len())) % flavours.len()].1();
    profile.push = match (profile.push, rng.random_range(0..6)) {
        (Push::Every, 0) => Push::Never,
        (Push::Every, 1) => Push::AllButEach(3),
        (push, _) => push,
    };
    for log in &mut profile.logs {
        // Small logs wrap.
        log.capacity = log.capacity.min(rng.random_range(30..120));
    }
    profile
}

impl<D: Daemon> Trouble<D> {
    pub(crate) fn new(bmcs: Vec<Arc<Bmc>>, daemon: D, rng: SmallRng, (clock, pace): (Clock, f64)) -> Self {
        let last = vec![clock.now(); bmcs.len()];
        let (healing, happened) = (Vec::new(), BTreeMap::new());
        Self { bmcs, happened, daemon, rng, clock, pace, healing, last }
    }

    /// A moment within that time from now.
    pub(crate) fn some(&mut self, within: Duration) -> Instant {
        Instant::now() + within.mul_f64(self.rng.random_range(0.0..1.0))
    }

    /// So long, at this pace.
    fn paced(&self, time: Duration) -> Duration {
        time.mul_f64(self.pace)
    }

    /// Ends the faults whose time has come.
    pub(crate) fn heal(&mut self) {
        let now = Instant::now();
        for due in self.healing.extract_if(.., |healing| healing.at <= now) {
            (due.heals)(&self.bmcs[due.bmc]);
        }
    }

    fn later(&mut self, bmc: usize, within: Duration, heals: impl Fn(&Bmc) + 'static) {
        let at = self.some(self.paced(within));
        self.healing.push(Healing { at, bmc, heals: Box::new(heals) });
    }

    /// What was pushed only, by one of these BMCs, and is not among what the daemon knows may be missing from now on.
    pub(crate) fn excuse_in_flight(
        &mut self,
        known: &BTreeSet<String>,
        excuse: Excuse,
        of: impl Fn(&str) -> bool,
    ) {
        for (token, happened) in &mut self.happened {
            if happened.fleeting && of(token) && !known.contains(token) {
                happened.excuse.get_or_insert(excuse);
            }
        }
    }

    /// One lever of any BMC.
    pub(crate) async fn pull_any(&mut self) {
        let n = self.rng.random_range(0..self.bmcs.len());
        self.pull(n, LEVERS).await;
    }

    /// One of the first so many levers of one BMC.
    pub(crate) async fn pull(&mut self, n: usize, levers: u32) {
        let bmc = Arc::clone(&self.bmcs[n]);
        let log = self.rng.random_range(0..bmc.config().profile.logs.len());
        match self.rng.random_range(0..levers) {
            0..30 => self.log(n, log, 1..5).await,
            30..36 => self.log(n, log, 5..150).await,
            36..43 => self.silently(n).await,
            43..47 => self.push_only(n),
            47..57 => self.break_off(n),
            57..60 => {
                let latency = Duration::from_millis(self.rng.random_range(0..4000));
                bmc.set_latency(self.paced(latency));
            }
            60..63 => bmc.set_latency(Duration::ZERO),
            63..68 => self.destroy(n, log, |bmc, log, _| bmc.clear_log_in(log)).await,
            68..71 => self.destroy(n, log, Bmc::trim_log).await,
            71..73 => self.destroy(n, log, |bmc, log, _| bmc.rotate_log(log)).await,
            73..75 => bmc.end_sessions(),
            75..77 => {
                let status = *[500, 502, 503].choose(&mut self.rng).expect("three");
                let status = StatusCode::from_u16(status).expect("a status");
                bmc.fail_requests(self.rng.random_range(1..8), status);
            }
            77..80 => self.spoil_stream(n),
            80..81 => {
                bmc.set_event_service(EventServiceState::Disabled);
                self.later(n, 20 * MINUTE, |bmc| bmc.set_event_service(bmc.config().profile.event_service));
            }
            81..83 => bmc.step_clock(self.rng.random_range(-20..20)),
            83..84 => bmc.step_clock(self.rng.random_range(-7200..7200)),
            84..87 => self.spoil_log(n, log),
            87..89 => self.delete(n, log),
            89..91 => self.renumber(n, log),
            91..93 if bmc.config().profile.push != Push::Never && self.is_settled(n) => bmc.resend_log(log),
            91..96 if bmc.config().profile.push != Push::Never => self.resend(n),
            91..96 => {}
            96..98 => {
                let latency = Duration::from_millis(self.rng.random_range(0..6000));
                bmc.set_log_latency(log, self.paced(latency));
            }
            98..99 => {
                let seed = self.rng.random();
                let held = holdings(&bmc);
                bmc.swap(seed);
                self.gone(n, &held).await;
            }
            _ => bmc.set_firmware("next"),
        }
    }

    fn note(&mut self, n: usize, logged: impl IntoIterator<Item = Logged>) {
        let at = self.clock.now();
        self.last[n] = at;
        for logged in logged {
            let fleeting = logged.log.is_none();
            self.happened.insert(logged.token, Happened { at, fleeting, excuse: None });
        }
    }

    pub(crate) async fn log(&mut self, n: usize, log: usize, times: Range<u32>) {
        let bmc = Arc::clone(&self.bmcs[n]);
        let times = self.rng.random_range(times);
        let mut held = holdings(&bmc);
        let mut logged = Vec::new();
        for _ in 0..times {
            let args = [*["fan0", "fan1"].choose(&mut self.rng).expect("two")];
            logged.push(bmc.log_in(log, Severity::Critical, "Sim.1.0.FanFailed", &args, "A fan has failed."));
        }
        self.note(n, logged.iter().cloned());
        held[log].extend(logged);
        self.gone(n, &held).await;
    }

    fn push_only(&mut self, n: usize) {
        let bmc = &self.bmcs[n];
        let hears = self.daemon.hears(bmc.name());
        let fleeting = bmc.push_only(Severity::Ok, "Sim.1.0.Fleeting", &["link0"], FLEETING);
        let token = fleeting.token.clone();
        self.note(n, [fleeting]);
        if !hears {
            self.excuse(&token, Excuse::BrokenInFlight);
        }
    }

    async fn silently(&mut self, n: usize) {
        let bmc = Arc::clone(&self.bmcs[n]);
        let before = holdings(&bmc);
        let logged = bmc.log_silently(Severity::Warning, "Sim.1.0.Silent", &["dimm0"], "Said to nobody.");
        self.note(n, [logged]);
        self.gone(n, &before).await;
    }

    fn break_off(&mut self, n: usize) {
        let bmc = Arc::clone(&self.bmcs[n]);
        match self.rng.random_range(0..10) {
            0..3 => bmc.cut_streams(),
            3..5 => bmc.end_streams(),
            5..7 => {
                let down = self.rng.random_range(5..200) * SECOND;
                bmc.reboot(self.paced(down));
            }
            7..9 => {
                bmc.set_reachability(Reachability::Refusing);
                self.later(n, 40 * MINUTE, |bmc| bmc.set_reachability(Reachability::Up));
            }
            _ => {
                bmc.set_reachability(Reachability::BlackHole);
                self.later(n, 8 * MINUTE, |bmc| bmc.set_reachability(Reachability::Up));
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
        self.later(n, 10 * MINUTE, |bmc| bmc.set_stream_behaviour(StreamBehaviour::Serve));
    }

    fn spoil_log(&mut self, n: usize, log: usize) {
        let faults =
            [LogFault::Empty, LogFault::Empty, LogFault::Status(500), LogFault::Cut, LogFault::Missing];
        let fault = *faults.choose(&mut self.rng).expect("five");
        self.bmcs[n].set_log_fault(log, fault);
        self.later(n, 30 * MINUTE, move |bmc| bmc.set_log_fault(log, LogFault::None));
    }

    /// Entries go by the dozen: a clear, a trim, a rotation.
    async fn destroy(&mut self, n: usize, log: usize, lever: impl Fn(&Bmc, usize, usize)) {
        let bmc = Arc::clone(&self.bmcs[n]);
        let before = holdings(&bmc);
        let count = self.rng.random_range(1..40);
        lever(&bmc, log, count);
        // A clear leaves a line that says so.
        self.last[n] = self.clock.now();
        self.gone(n, &before).await;
    }

    /// One entry goes by itself: of the newest or somewhere; then the counter of ids may go back.
    fn delete(&mut self, n: usize, log: usize) {
        let bmc = Arc::clone(&self.bmcs[n]);
        let before = bmc.log_holds(log);
        if before.is_empty() {
            return;
        }
        if self.rng.random() {
            bmc.delete_newest(log);
            bmc.restart_logging(log);
        } else {
            bmc.delete_at(log, self.rng.random_range(0..before.len()));
        }
        let left: Vec<_> = bmc.log_holds(log).into_iter().map(|logged| logged.token).collect();
        for gone in before.iter().filter(|logged| !left.contains(&logged.token)) {
            self.excuse(&gone.token, Excuse::DeletedSingly);
        }
    }

    fn renumber(&mut self, n: usize, log: usize) {
        let bmc = &self.bmcs[n];
        match bmc.config().profile.ids {
            IdStyle::EpochSeconds => bmc.renumber(log, IdStyle::Rising),
            _ => bmc.new_boot(log),
        }
    }

    /// Whether nothing has happened there for a while: what is sent again within a minute is not told from the same
    /// happening a second time.
    fn is_settled(&self, n: usize) -> bool {
        self.clock.now() - self.last[n] > TimeDelta::minutes(2)
    }

    fn resend(&mut self, n: usize) {
        if !self.is_settled(n) {
            return;
        }
        let bmc = Arc::clone(&self.bmcs[n]);
        let truth = bmc.truth();
        // Lines of the BMC's own may be younger than what makes it settled.
        let ours = |logged: &&Logged| logged.pushed && self.happened.contains_key(&logged.token);
        let sent: Vec<_> = truth.iter().filter(ours).collect();
        if let Some(again) = sent.choose(&mut self.rng) {
            bmc.resend_event(&again.token, ResendIds::NewIds);
        }
    }

    /// Notes which of these entries are gone now though they had not been told, where nothing is left that could show it.
    /// One lever may reach several logs: what is cleared takes its mirror along.
    async fn gone(&mut self, n: usize, held: &[Vec<Logged>]) {
        for (log, held) in held.iter().enumerate() {
            self.gone_from(n, log, held).await;
        }
    }

    async fn gone_from(&mut self, n: usize, log: usize, held: &[Logged]) {
        let bmc = Arc::clone(&self.bmcs[n]);
        // A mirrored entry is told to be of the log that it was written to first.
        let name = bmc.config().profile.logs[log].id;
        let path = held.iter().filter_map(|logged| logged.log.clone()).find(|path| path.ends_with(name));
        let Some(path) = path else { return };
        let bookmark = self.daemon.bookmark(bmc.name(), &path).await;
        let excuse = match (bookmark.newest.is_empty() || bookmark.emptied, name) {
            (true, _) => Excuse::NothingLeft,
            (false, "ActiveLog") => Excuse::DeletedSingly,
            (false, _) => return,
        };
        let left = listed(&bmc, log);
        for gone in held.iter().filter(|logged| !left.contains(&logged.token)) {
            self.excuse(&gone.token, excuse);
        }
    }

    fn excuse(&mut self, token: &str, excuse: Excuse) {
        if let Some(happened) = self.happened.get_mut(token) {
            happened.excuse.get_or_insert(excuse);
        }
    }

    /// All faults end.
    pub(crate) fn end(&mut self) {
        self.healing.clear();
        for bmc in &self.bmcs {
            bmc.set_reachability(Reachability::Up);
            bmc.set_stream_behaviour(StreamBehaviour::Serve);
            bmc.set_event_service(bmc.config().profile.event_service);
            bmc.set_latency(Duration::ZERO);
            bmc.fail_requests(0, StatusCode::OK);
            for log in 0..bmc.config().profile.logs.len() {
                bmc.set_log_fault(log, LogFault::None);
                bmc.set_log_latency(log, Duration::ZERO);
            }
        }
    }
}
