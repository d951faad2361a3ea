//! `bmcwatch simulate`: simulated BMCs on loopback for people who try a config, another collector or an alert route.

use std::{
    io::{self, Write},
    net::{SocketAddr, SocketAddrV4},
    sync::Arc,
};

use anyhow::{Context, bail};
use model::Clock;
use sim::{
    Addresses, Bmc, DemoBmc, Flavour, Fleet, FleetConfig, Profile, Serve, Transport, demo_fleet,
    flavoured_fleet,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::{cli::Simulate, signals};

/// A simulated fleet that runs: BMCs on sockets, and what happens to them.
pub(crate) struct Running {
    pub(crate) fleet: Fleet,
    pub(crate) parts: Vec<DemoBmc>,
    scripts: JoinSet<()>,
    stop: CancellationToken,
}

impl Running {
    /// Starts `count` BMCs with TLS on these addresses; nothing happens to them yet.
    pub(crate) async fn start(
        count: usize,
        seed: u64,
        addresses: Addresses,
        clock: &Clock,
    ) -> io::Result<Self> {
        Self::serve(demo_fleet(count, seed, clock.now()), addresses).await
    }

    /// Starts these BMCs; nothing happens to them yet.
    async fn serve(parts: Vec<DemoBmc>, addresses: Addresses) -> io::Result<Self> {
        let serve = parts.iter().map(|part| Serve::Bmc(Bmc::new(part.config.clone()))).collect();
        let fleet = Fleet::start(FleetConfig { serve, addresses, transport: Transport::Tls }).await?;
        Ok(Self { fleet, parts, scripts: JoinSet::new(), stop: CancellationToken::new() })
    }

    /// From now on things happen to them.
    pub(crate) fn play(&mut self) {
        for (bmc, part) in self.fleet.bmcs().iter().zip(&self.parts) {
            for script in &part.scripts {
                self.scripts.spawn(script.clone().run(Arc::clone(bmc), self.stop.clone()));
            }
        }
    }

    /// Ends the scripts and closes the sockets.
    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        while self.scripts.join_next().await.is_some() {}
        self.fleet.stop().await;
    }
}

/// Serves simulated BMCs until a signal ends it.
pub async fn run(asked: Simulate) -> anyhow::Result<()> {
    let SocketAddr::V4(listen) = asked.listen else { bail!("simulate listens on IPv4 addresses only") };
    if !listen.ip().is_loopback() {
        bail!("simulate listens on loopback only: its passwords are public");
    }
    let addresses = Addresses::Each(SocketAddrV4::new(*listen.ip(), listen.port()));
    let count = usize::try_from(asked.endpoints)?;
    let parts = parts(count, asked.seed, &asked.flavours, &Clock::system());
    let mut running = Running::serve(parts, addresses)
        .await
        .with_context(|| format!("serve {count} simulated BMCs from {listen} upward"))?;
    describe(&running)?;
    running.play();
    let stop = CancellationToken::new();
    let (_control, forward) = signals::listen(stop).context("take signals over")?;
    forward.await;
    running.stop().await;
    Ok(())
}

/// The demo's fleet, or one of these flavours in turn.
fn parts(count: usize, seed: u64, flavours: &[String], clock: &Clock) -> Vec<DemoBmc> {
    if flavours.is_empty() {
        return demo_fleet(count, seed, clock.now());
    }
    let known = |name: &String| Profile::flavours().iter().find(|(known, _)| known == name).copied();
    let flavours: Vec<Flavour> = flavours.iter().filter_map(known).collect();
    flavoured_fleet(count, seed, clock.now(), &flavours)
}

/// A config for them, ready to be saved and used.
fn describe(running: &Running) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "# {} simulated BMCs; this is a config for them. Ctrl-C ends them.", running.parts.len())?;
    out.write_all(config(running).as_bytes())?;
    out.flush()
}

/// `[[endpoints]]` and `[credentials]` for a running fleet.
pub(crate) fn config(running: &Running) -> String {
    use std::fmt::Write as _;

    let mut text = String::new();
    let pin = running.fleet.pin();
    for (index, part) in running.parts.iter().enumerate() {
        let address = running.fleet.address(index);
        let (id, habit) = (&part.config.name, part.habit());
        write!(
            text,
            "\n[[endpoints]]   # {habit}\nid = \"{id}\"\naddress = \"{address}\"\ncredentials = \"{id}\"\n\
             trust = \"pin:sha256/{pin}\"\n\
             [credentials.{id}]\nusername = \"{}\"\npassword = \"{}\"\n",
            part.config.profile.username, part.config.profile.password
        )
        .expect("a String takes every write");
    }
    text
}
