//! The other side of a story: simulated BMCs on loopback addresses behind TLS, what happens to them, and the part of the
//! configuration that names them.

use std::{
    fmt::Write as _,
    net::{Ipv4Addr, SocketAddrV4, TcpListener},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use http::StatusCode;
use model::Clock;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use sim::{Addresses, Bmc, BmcConfig, Fleet, FleetConfig, Profile, Reachability, Script, Serve, Transport};
use tokio::{task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

/// A fleet of one story, and what happens to it.
pub(crate) struct Lab {
    pub(crate) fleet: Fleet,
    load: JoinSet<()>,
    stop: CancellationToken,
}

impl Lab {
    /// BMCs with these habits, each on an address of its own in 127.`network`.0.0.
    pub(crate) async fn start(network: u8, profiles: Vec<Profile>) -> Self {
        let epoch = now();
        let bmc = |(index, profile): (usize, Profile)| {
            let name = format!("bmc-{index:03}");
            let seed = u64::try_from(index).expect("it fits") + (u64::from(network) << 32);
            Serve::Bmc(Bmc::new(BmcConfig { name, seed, profile, epoch }))
        };
        Self::serve(network, profiles.into_iter().enumerate().map(bmc).collect()).await
    }

    /// Whatever is given, each on an address of its own.
    pub(crate) async fn serve(network: u8, serve: Vec<Serve>) -> Self {
        let addresses = Addresses::Each(SocketAddrV4::new(Ipv4Addr::new(127, network, 0, 1), 0));
        let fleet = Fleet::start(FleetConfig { serve, addresses, transport: Transport::Tls }).await;
        let fleet = fleet.expect("loopback addresses are free");
        Self { fleet, load: JoinSet::new(), stop: CancellationToken::new() }
    }

    pub(crate) fn bmcs(&self) -> &[Arc<Bmc>] {
        self.fleet.bmcs()
    }

    /// `[[endpoints]]` and `[credentials]` for all BMCs.
    pub(crate) fn endpoints(&self) -> String {
        (0..self.bmcs().len()).map(|index| self.endpoint(index, "")).collect()
    }

    /// The same for one of them, with more keys of the endpoint.
    pub(crate) fn endpoint(&self, index: usize, more: &str) -> String {
        self.endpoint_at(index, &self.fleet.address(index), more)
    }

    /// The same where it is reached at another address.
    pub(crate) fn endpoint_at(&self, index: usize, address: &str, more: &str) -> String {
        let (bmc, pin) = (&self.bmcs()[index], self.fleet.pin());
        let (id, profile) = (bmc.name(), &bmc.config().profile);
        let mut text = String::new();
        write!(
            text,
            "[[endpoints]]\nid = \"{id}\"\naddress = \"{address}\"\ncredentials = \"{id}\"\n\
             trust = \"pin:sha256/{pin}\"\n{more}\n\
             [credentials.{id}]\nusername = \"{}\"\npassword = \"{}\"\n\n",
            profile.username, profile.password
        )
        .expect("a String takes every write");
        text
    }

    /// From now on events happen to every BMC, with this mean interval.
    pub(crate) fn load(&mut self, every: Duration) {
        for bmc in self.fleet.bmcs() {
            self.load.spawn(Script::Steady { every }.run(Arc::clone(bmc), self.stop.clone()));
        }
    }

    /// From now on each BMC has its troubles at random, with this mean interval: mostly its streams are cut.
    pub(crate) fn trouble(&mut self, every: Duration) {
        for bmc in self.fleet.bmcs() {
            let (bmc, stop) = (Arc::clone(bmc), self.stop.clone());
            self.load
                .spawn(async move { stop.run_until_cancelled(trouble(&bmc, every)).await.unwrap_or(()) });
        }
    }

    /// Nothing happens any more.
    pub(crate) async fn quiet(&mut self) {
        self.stop.cancel();
        while self.load.join_next().await.is_some() {}
        self.bmcs().iter().for_each(|bmc| bmc.set_reachability(Reachability::Up));
        self.stop = CancellationToken::new();
    }

    /// Tokens of everything that ever happened.
    pub(crate) fn tokens(&self) -> Vec<String> {
        let happened = self.bmcs().iter().flat_map(|bmc| bmc.truth());
        happened.map(|logged| logged.token).collect()
    }

    /// Streams that were ever opened.
    pub(crate) fn streams_opened(&self) -> u64 {
        self.bmcs().iter().map(|bmc| bmc.counts().streams_opened).sum()
    }

    /// Sessions that are open now.
    pub(crate) fn sessions_open(&self) -> usize {
        self.bmcs().iter().map(|bmc| bmc.counts().sessions_open).sum()
    }
}

/// None of these loses an entry: the BMC's own log keeps what its stream does not bring.
async fn trouble(bmc: &Bmc, every: Duration) {
    let mut rng = SmallRng::seed_from_u64(bmc.config().seed ^ 0xc0);
    loop {
        sleep(every.mul_f64(rng.random_range(0.3..1.7))).await;
        match rng.random_range(0..16) {
            0 | 1 => bmc.end_streams(),
            2 => bmc.reboot(Duration::from_millis(500)),
            3 => bmc.end_sessions(),
            4 => bmc.fail_requests(2, StatusCode::SERVICE_UNAVAILABLE),
            5 => {
                bmc.set_reachability(Reachability::Resetting);
                sleep(Duration::from_millis(300)).await;
                bmc.set_reachability(Reachability::Up);
            }
            _ => bmc.cut_streams(),
        }
    }
}

/// The habits of a mixed fleet: half of it the most common, some of each other kind, one in ten without a stream.
pub(crate) fn mixed(count: usize) -> Vec<Profile> {
    let profile = |index: usize| match index % 10 {
        1 | 6 => Profile::nvidia(),
        3 => Profile::idrac9(),
        5 => Profile::lenovo(),
        8 => Profile::ilo5(),
        _ => Profile::openbmc(),
    };
    (0..count).map(profile).collect()
}

/// An address for an admin listener that has to be known beforehand: free now, and on an IP that nobody else uses.
pub(crate) fn free_address(network: u8) -> String {
    let bound = TcpListener::bind((Ipv4Addr::new(127, network, 255, 1), 0));
    let address = bound.and_then(|bound| bound.local_addr()).expect("loopback has free ports");
    address.to_string()
}

/// BMCs' clocks are right in these stories.
pub(crate) fn now() -> DateTime<Utc> {
    Clock::system().now()
}
