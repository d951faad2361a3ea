//! `bmcwatch demo`: a simulated fleet on loopback with TLS, and the real daemon on it. Nothing to set up, nothing left
//! behind.
//!
//! The daemon is the one of `run`: same wiring, real sockets, a journal on disk. Only its config is made here, with shorter
//! waits, so that a visitor sees a downgrade and a recovery within half a minute.

mod view;

use std::{
    io::{self, IsTerminal},
    net::{Ipv4Addr, SocketAddrV4},
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context;
use model::Clock;
use redfish::Https;
use sim::Addresses;
use tokio_util::sync::CancellationToken;

use crate::{
    app::{App, Parts},
    cli::Demo,
    config::{Config, Environment},
    logging,
    run::CONNECTS_MAX,
    signals,
    simulate::{self, Running},
};

use view::View;

/// What the demo changes about the defaults, and why: half a minute instead of half an hour.
const SETTINGS: &str = r#"
[collectors.logs]
mode = "auto"
initial_history = "all"
reconcile_interval = "30s"

[collectors.logs.periodic]
logs_collection_interval = "5s"
state_refresh_interval = "30s"

[collectors.logs.auto]
connect_failure_threshold = 3
min_stream_lifetime = "3s"
retry_sse_after = "4s"
retry_sse_max = "30s"

[admin]
listen = "127.0.0.1:0"

[log]
level = "error"
"#;

/// Runs the demo until Ctrl-C or the end of its duration.
pub async fn run(asked: Demo) -> anyhow::Result<()> {
    let clock = Clock::system();
    let scratch = Scratch::new(asked.seed).context("make a directory for the demo's journal")?;
    let addresses = Addresses::Each(SocketAddrV4::new(Ipv4Addr::new(127, 66, 0, 1), 0));
    let count = usize::try_from(asked.endpoints)?;
    let mut fleet = Running::start(count, asked.seed, addresses, &clock)
        .await
        .context("start the simulated BMCs on 127.66.0.0/16")?;

    let config = config(&fleet, &scratch.0, asked.json);
    let (config, _) = Config::parse(Path::new("demo.toml"), &config, &Environment::of_process())
        .map_err(|problems| anyhow::anyhow!("the demo's own config has problems:\n{problems}"))?;
    let levels = logging::init(&config.log, clock.clone())?;
    let reload = config.clone();
    let parts = Parts {
        network: Arc::new(Https::new(CONNECTS_MAX, count)),
        clock: clock.clone(),
        seed: asked.seed,
        journal: journal::Location::Directory(config.journal.directory.clone()),
        load: Box::new(move || Ok((reload.clone(), Vec::new()))),
        levels: Some(levels),
    };
    let app = App::build(config, parts).await?;
    let view = View::new(&app, &fleet, asked.json || !io::stdout().is_terminal());
    view.welcome(&fleet)?;

    let stop = CancellationToken::new();
    let (control, forward) = signals::listen(stop.clone()).context("take signals over")?;
    fleet.play();
    let timer = async {
        match asked.duration {
            Some(duration) => tokio::time::sleep(duration).await,
            None => std::future::pending().await,
        }
    };
    let clocked = async {
        tokio::select! {
            () = timer => stop.cancel(),
            () = stop.cancelled() => {}
        }
    };
    let daemon = async {
        let ended = app.run(control).await;
        stop.cancel();
        ended
    };
    let ((), (), shown, ended) = tokio::join!(forward, clocked, view.run(stop.clone(), asked.json), daemon);
    fleet.stop().await;
    ended?;
    shown?;
    Ok(())
}

fn config(fleet: &Running, scratch: &Path, json: bool) -> String {
    let quoted = |name: &str| toml::Value::String(scratch.join(name).to_string_lossy().into_owned());
    let (journal, records) = (quoted("journal"), quoted("records.jsonl"));
    let sink = if json {
        "[[sinks]]\nname = \"stdout\"\ntype = \"stdout\"\n".to_owned()
    } else {
        format!("[[sinks]]\nname = \"records\"\ntype = \"file\"\npath = {records}\n")
    };
    let endpoints = simulate::config(fleet);
    format!("{endpoints}\n{SETTINGS}\n[journal]\ndirectory = {journal}\n{sink}")
}

/// A directory of this demo's own, gone when the demo ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new(seed: u64) -> io::Result<Self> {
        let path = std::env::temp_dir().join(format!("bmcwatch-demo-{}-{seed}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Nothing can be done about a directory that does not go; it is in the system's place for such things.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
