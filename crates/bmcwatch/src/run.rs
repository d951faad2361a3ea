//! `bmcwatch run`: the daemon on the operator's config.

use std::{path::Path, sync::Arc};

use anyhow::Context;
use model::{Clock, Uid};
use redfish::Https;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{self, App, Parts},
    config::{Config, Environment, Warning},
    descriptors, logging, signals,
};

/// TLS handshakes under way at once in the whole process. 10,000 BMCs that answer in 200 ms are connected within 10 s, and
/// the network sees no storm (measured: 128 take 17 s, 512 take 5 s).
pub(crate) const CONNECTS_MAX: usize = 256;

/// Sources may bring the fleet that one process is made for. The cache of TLS sessions that is sized by it takes 5 MB for
/// each trust policy that is not a pin.
const SOURCED: usize = 10_000;

/// Runs the daemon until a signal ends it.
pub async fn run(path: &Path, config: Config, warnings: Vec<Warning>) -> anyhow::Result<()> {
    let clock = Clock::system();
    let levels = logging::init(&config.log, clock.clone())?;
    app::tell(&warnings);
    tracing::info!(version = env!("CARGO_PKG_VERSION"), config = %path.display(), "starting");
    descriptors::raise();
    let reload_path = path.to_owned();
    let parts = Parts {
        network: Arc::new(Https::new(CONNECTS_MAX, expected(&config))),
        seed: seed(&clock),
        clock,
        journal: journal::Location::Directory(config.journal.directory.clone()),
        load: Box::new(move || Config::load(&reload_path, &Environment::of_process())),
        levels: Some(levels),
    };
    let (control, forward) = signals::listen(CancellationToken::new()).context("take signals over")?;
    let app = App::build(config, parts).await?;
    tracing::info!(admin = %app.admin_address(), "admin listener is bound");
    let ((), ended) = tokio::join!(forward, async {
        let stop = control.stop.clone();
        let ended = app.run(control).await;
        stop.cancel();
        ended
    });
    Ok(ended?)
}

/// How many endpoints there may be, as far as it can be known before a source has been read.
fn expected(config: &Config) -> usize {
    let listed = config.endpoints.len();
    if config.sources.is_empty() { listed } else { listed.max(SOURCED) }
}

/// Another seed at each start and on each machine: what matters is that a fleet's timers spread.
fn seed(clock: &Clock) -> u64 {
    let now = clock.now().timestamp_nanos_opt().unwrap_or_default();
    let pid = std::process::id();
    let bytes = Uid::derive([&now.to_le_bytes()[..], &pid.to_le_bytes()[..]]).to_bytes();
    u64::from_le_bytes(bytes[..8].try_into().expect("16 bytes hold 8"))
}
