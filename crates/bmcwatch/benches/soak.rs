//! The long stories of `tests/live`, with their numbers printed: `soak kill`, `soak refuse`, `soak flood`, `soak readers`, `soak
//! outage`, `soak dead-sink`, `soak faults`, `soak hour`.
//!
//! They are minutes of real time, so they are no tests; the suite tells the same stories shorter, but for the hour. A run
//! that breaks the promise ends with a panic.

// Each story uses its part of what they share, and the suite the rest.
#[expect(dead_code, reason = "the suite uses the rest")]
#[path = "../tests/live/browser.rs"]
mod browser;
#[expect(dead_code, reason = "the suite uses the rest")]
#[path = "../tests/live/daemon.rs"]
mod daemon;
#[path = "soak/dead_sink.rs"]
mod dead_sink;
#[path = "../tests/live/faults.rs"]
mod faults;
#[path = "../tests/live/flood.rs"]
mod flood;
#[path = "../tests/live/home.rs"]
mod home;
#[path = "soak/hour.rs"]
mod hour;
#[path = "../tests/simulation/judge.rs"]
mod judge;
#[path = "../tests/live/kill.rs"]
mod kill;
#[expect(dead_code, reason = "the suite uses the rest")]
#[path = "../tests/live/lab.rs"]
mod lab;
#[expect(dead_code, reason = "the suite uses the rest")]
#[path = "../tests/live/ledger.rs"]
mod ledger;
#[path = "../../sink/tests/peers/otlp_python.rs"]
mod otlp_python;
#[path = "soak/outage.rs"]
mod outage;
#[path = "../tests/live/outside.rs"]
mod outside;
#[path = "soak/peers.rs"]
mod peers;
#[expect(dead_code, reason = "the suite tests it")]
#[path = "../tests/live/proxy.rs"]
mod proxy;
#[path = "../tests/live/readers.rs"]
mod readers;
#[path = "../tests/live/refuse.rs"]
mod refuse;
#[expect(dead_code, reason = "the suite uses the rest")]
#[path = "../tests/live/scene.rs"]
mod scene;
#[path = "soak/small_disk.rs"]
mod small_disk;
#[path = "soak/stepped_clock.rs"]
mod stepped_clock;
#[path = "soak/tail.rs"]
mod tail;
#[path = "../tests/stories/token.rs"]
mod token;
#[expect(dead_code, reason = "the simulation uses the rest")]
#[path = "../tests/simulation/trouble.rs"]
mod trouble;

use std::{
    io::{self, Write},
    path::Path,
    time::Duration,
};

/// 200 BMCs, each with 5 events a second for a minute, streams cut every few seconds, five kills.
const KILL: kill::Plan = kill::Plan {
    network: 81,
    bmcs: 200,
    event_every: Duration::from_millis(200),
    trouble_every: Duration::from_secs(4),
    length: Duration::from_mins(1),
    kills: 5,
    file_size: "8MiB",
    patience: Duration::from_mins(2),
};

/// 200 BMCs that refuse connections for five minutes, with the settings that are the default.
const REFUSE: refuse::Plan = refuse::Plan {
    network: 82,
    bmcs: 200,
    length: Duration::from_mins(5),
    patience: Duration::from_mins(2),
    after: Duration::from_secs(65),
    settings: "",
};

/// One BMC that sends 10,000 events a second, and twenty others.
const FLOOD: flood::Plan = flood::Plan { network: 83, others: 20, rounds: 5, events: 10, flood_per_ms: 10 };

/// A page with 5,000 endpoints, and 100 clients that follow 500 events a second.
const READERS: readers::Plan = readers::Plan {
    network: 84,
    bmcs: 100,
    endpoints: 5000,
    clients: 100,
    event_every: Duration::from_millis(200),
    length: Duration::from_secs(20),
};

/// 100,000 records, while every peer is gone for a minute and the daemon is killed twice.
const OUTAGE: outage::Plan = outage::Plan {
    network: 85,
    bmcs: 100,
    event_every: Duration::from_millis(100),
    records: 100_000,
    calm: Duration::from_secs(15),
    outage: Duration::from_mins(1),
    patience: Duration::from_mins(10),
};

/// A sink that is dead for ten minutes, beside three that live.
const DEAD_SINK: dead_sink::Plan = dead_sink::Plan {
    network: 86,
    bmcs: 50,
    event_every: Duration::from_millis(250),
    calm: Duration::from_mins(2),
    dead: Duration::from_mins(5),
    watch_every: Duration::from_millis(500),
};

/// 100 BMCs of every flavour behind a bad network.
const FAULTS: scene::Setting = scene::Setting {
    net: 88,
    seed: 1,
    bmcs: 100,
    pace: 0.05,
    levers: trouble::LEVERS,
    lever_every: Duration::from_millis(200),
    strike_every: Duration::from_millis(500),
    read_every: Duration::from_secs(10),
    patience: Duration::from_mins(10),
};

/// 300 of them, with everything else.
const HOUR: scene::Setting = scene::Setting {
    net: 90,
    bmcs: 300,
    lever_every: Duration::from_millis(300),
    strike_every: Duration::from_secs(1),
    ..FAULTS
};

/// `--minutes N` for the two whose length is open, and the stories that are asked for.
fn asked() -> (Option<u32>, Vec<String>) {
    let (mut minutes, mut stories) = (None, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--minutes" => minutes = arguments.next().and_then(|minutes| minutes.parse().ok()),
            // Cargo's own.
            other if other.starts_with("--") => {}
            story => stories.push(story.to_owned()),
        }
    }
    (minutes, stories)
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let (minutes, stories) = asked();
    if stories.is_empty() {
        return writeln!(
            io::stdout(),
            "soak kill | refuse | flood | readers | outage | dead-sink | faults | hour [--minutes N]"
        );
    }
    for story in stories {
        match story.as_str() {
            "kill" => {
                let report = kill::run(&KILL).await;
                writeln!(io::stdout(), "{report}")?;
                report.comparison.assert_exact();
            }
            "refuse" => {
                let report = refuse::run(&REFUSE).await;
                writeln!(io::stdout(), "{report}")?;
                report.comparison.assert_exact();
            }
            "flood" => {
                let report = flood::run(&FLOOD).await;
                writeln!(io::stdout(), "{report}")?;
                assert!(report.ratio() <= 2.0, "the others waited too long");
            }
            "readers" => {
                let report = readers::run(&READERS).await;
                writeln!(io::stdout(), "{report}")?;
                report.assert_kept();
            }
            "outage" => {
                let report = outage::run(&OUTAGE).await;
                writeln!(io::stdout(), "{report}")?;
                report.assert_kept();
            }
            "dead-sink" => writeln!(io::stdout(), "{}", dead_sink::run(&DEAD_SINK).await)?,
            "faults" => {
                let lasts = Duration::from_mins(minutes.unwrap_or(10).into());
                let (outcome, home) = faults::run(FAULTS, lasts).await;
                writeln!(io::stdout(), "{outcome}")?;
                outcome.assert_kept(FAULTS.seed, home);
            }
            "hour" => {
                let table = Path::new(env!("CARGO_TARGET_TMPDIR")).join("soak-hour");
                hour::run(HOUR, minutes.unwrap_or(60), &table).await;
            }
            other => writeln!(
                io::stdout(),
                "there is no story {other:?}; there are kill, refuse, flood, readers, outage, dead-sink, faults and hour"
            )?,
        }
    }
    Ok(())
}
