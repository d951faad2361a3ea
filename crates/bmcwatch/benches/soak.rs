//! The long stories of `tests/live`, with their numbers printed: `soak kill`, `soak refuse` and `soak flood`.
//!
//! They are minutes of real time, so they are no tests; the suite tells the same stories shorter. A run that breaks the
//! promise ends with a panic.

// Each story uses its part of what they share, and the suite the rest.
#[expect(dead_code, reason = "the suite uses the rest")]
#[path = "../tests/live/daemon.rs"]
mod daemon;
#[path = "../tests/live/flood.rs"]
mod flood;
#[expect(dead_code, reason = "the suite uses the rest")]
#[path = "../tests/live/home.rs"]
mod home;
#[path = "../tests/live/kill.rs"]
mod kill;
#[expect(dead_code, reason = "the suite uses the rest")]
#[path = "../tests/live/lab.rs"]
mod lab;
#[expect(dead_code, reason = "the suite uses the rest")]
#[path = "../tests/live/ledger.rs"]
mod ledger;
#[path = "../tests/live/refuse.rs"]
mod refuse;

use std::{
    io::{self, Write},
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

#[tokio::main]
async fn main() -> io::Result<()> {
    let asked: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    if asked.is_empty() {
        return writeln!(io::stdout(), "soak kill | refuse | flood: minutes of real time each");
    }
    for story in asked {
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
            other => writeln!(io::stdout(), "there is no story {other:?}; there are kill, refuse, flood")?,
        }
    }
    Ok(())
}
