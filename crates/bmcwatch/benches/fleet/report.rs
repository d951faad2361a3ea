//! What was measured, as a table for people and as JSON for comparing runs.

#![expect(clippy::cast_precision_loss, reason = "numbers for people, far below 2^52")]

use std::{io::Write, path::Path, process::Command, time::Duration};

use anyhow::{Context, ensure};
use model::Clock;
use serde_json::{Value, json};

use crate::{
    asked::{Asked, Depth},
    process::Usage,
};

/// Events a second of which the budgets speak.
pub(crate) const RATE: u32 = 2_000;

/// What events cost that come at one rate.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Steady {
    /// Events a second, over the whole fleet.
    pub(crate) rate: u32,
    /// Per event.
    pub(crate) cpu: Duration,
    /// From the BMC to the file, the middle.
    pub(crate) p50: Duration,
    /// What one in a hundred exceeds.
    pub(crate) p99: Duration,
}

/// One side: the daemon or the floor.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    /// What went wrong in the storms and the bursts after them; everything else is worth printing all the same.
    pub(crate) wrong: Option<String>,
    /// With one endpoint.
    pub(crate) alone: Usage,
    /// The moment when all streams were open.
    pub(crate) connected: Usage,
    pub(crate) connected_after: Duration,
    pub(crate) connect_cpu: Duration,
    /// When it was quiet again.
    pub(crate) idle: Usage,
    /// CPU per second of silence.
    pub(crate) idle_cpu: Duration,
    pub(crate) steady: Vec<Steady>,
    pub(crate) burst_cpu: Duration,
    pub(crate) burst_events: usize,
    pub(crate) burst_took: Duration,
    pub(crate) after_burst: Usage,
    pub(crate) scrape_cpu: Duration,
    pub(crate) scrape_bytes: usize,
    /// KiB, over a thousand scrapes.
    pub(crate) scrapes_grew: u64,
    /// After the storms and the bursts that follow them.
    pub(crate) churned: Usage,
    pub(crate) storm_took: Duration,
    pub(crate) storm_cpu: Duration,
    pub(crate) first_poll_of_some: Duration,
    pub(crate) first_poll_max: Duration,
    pub(crate) first_poll_p99: Duration,
    /// Per endpoint and poll.
    pub(crate) poll_cpu: Duration,
    pub(crate) poll_requests: f64,
    /// From the start of the process to readiness, with a full journal.
    pub(crate) open_took: Duration,
}

impl Measured {
    /// The part of which the budgets speak.
    fn at_rate(&self) -> Steady {
        self.steady.iter().find(|steady| steady.rate == RATE).copied().unwrap_or_default()
    }
}

/// The outcome of one run.
pub(crate) struct Report {
    pub(crate) asked: Asked,
    pub(crate) watched: Measured,
    pub(crate) floor: Measured,
}

/// What a number must not exceed.
#[derive(Clone, Copy)]
enum Budget {
    None,
    /// This much.
    Value(f64),
    /// So many times the floor of the same run.
    Ratio(f64),
}

struct Row {
    name: &'static str,
    unit: &'static str,
    of: fn(&Measured, &Asked) -> f64,
    budget: Budget,
    /// Whether the floor has such a number.
    compared: bool,
    /// Whether only a whole run has it.
    whole: bool,
}

const ROWS: &[Row] = &[
    row("resident memory, one endpoint", "MiB", |m, _| m.alone.rss as f64 / 1024.0, Budget::Value(20.0)),
    row("resident memory, all, idle", "MiB", |m, _| m.idle.rss as f64 / 1024.0, Budget::None),
    row("  per idle streaming endpoint", "KiB", idle_memory, Budget::Ratio(1.5)),
    row("  anonymous, per endpoint", "KiB", anonymous_memory, Budget::None),
    row("  just connected, per endpoint", "KiB", |m, a| per_endpoint(m.connected.rss, m, a), Budget::None),
    row("  after the burst, per endpoint", "KiB", |m, a| per_endpoint(m.after_burst.rss, m, a), Budget::None),
    row("threads, idle", "", |m, _| m.idle.threads as f64, Budget::None),
    row("connect, CPU per endpoint", "ms", connect_cpu, Budget::Value(1.0)),
    row("all streaming after", "s", |m, _| m.connected_after.as_secs_f64(), Budget::Value(30.0)),
    row("idle CPU, of a core", "%", |m, _| m.idle_cpu.as_secs_f64() * 100.0, Budget::Value(3.0)),
    row("CPU per event at 2,000/s", "us", steady_cpu, Budget::Ratio(1.8)),
    row("CPU per 10,000 events at 2,000/s", "s", |m, a| steady_cpu(m, a) / 100.0, Budget::None),
    row("in the file, p50", "ms", |m, _| m.at_rate().p50.as_secs_f64() * 1e3, Budget::None),
    row(P99, "ms", |m, _| m.at_rate().p99.as_secs_f64() * 1e3, Budget::Value(100.0)),
    row("CPU per event in a burst", "us", burst_cpu, Budget::Ratio(2.5)),
    row("events a second in a burst", "1/s", burst_rate, Budget::None),
    ours("a scrape, CPU", "ms", scrape_cpu, 20.0),
    Row {
        compared: false,
        ..row("a scrape, size", "KiB", |m, _| m.scrape_bytes as f64 / 1024.0, Budget::None)
    },
    ours("1,000 scrapes, memory grown", "KiB", |m, _| m.scrapes_grew as f64, 1024.0),
    whole(row("all cut: streams back after", "s", |m, _| m.storm_took.as_secs_f64(), Budget::Value(60.0))),
    whole(row("  CPU per endpoint", "ms", storm_cpu, Budget::Value(1.0))),
    whole(row("  memory after six of these and a burst", "KiB", churned_memory, Budget::Ratio(1.3))),
    ours("1 % downgraded: first poll, longest", "s", |m, _| m.first_poll_of_some.as_secs_f64(), 1.0),
    ours("all others: first poll, longest", "s", |m, _| m.first_poll_max.as_secs_f64(), 1.0),
    ours("  99 of 100", "s", |m, _| m.first_poll_p99.as_secs_f64(), 1.0),
    whole(ours("a poll of a quiet endpoint, CPU", "ms", |m, _| m.poll_cpu.as_secs_f64() * 1e3, 1.0)),
    whole(ours("  requests", "", |m, _| m.poll_requests, 3.0)),
    whole(ours("ready with 1,000,000 records", "s", |m, _| m.open_took.as_secs_f64(), 1.0)),
];

/// The row that one stall of a disk makes: in ten seconds, a second in which somebody else has it is more than one in a hundred.
const P99: &str = "in the file, p99";

/// So many times a budget is wrong whatever else the machine does.
const FAR: f64 = 3.0;

/// CPU of one connection of the floor where the budgets were set.
const FLOOR_CONNECT_MS: f64 = 0.235;

const PEER: &str = "For comparison, infra-controller's health service (measured elsewhere, no durability): 75 KiB per endpoint, \
                    0.39-0.47 s CPU per 10,000 events.";

const fn row(
    name: &'static str,
    unit: &'static str,
    of: fn(&Measured, &Asked) -> f64,
    budget: Budget,
) -> Row {
    Row { name, unit, of, budget, compared: true, whole: false }
}

/// A row that the floor has no number for.
const fn ours(name: &'static str, unit: &'static str, of: fn(&Measured, &Asked) -> f64, budget: f64) -> Row {
    Row { compared: false, ..row(name, unit, of, Budget::Value(budget)) }
}

const fn whole(mut row: Row) -> Row {
    row.whole = true;
    row
}

fn per_endpoint(rss: u64, measured: &Measured, asked: &Asked) -> f64 {
    (rss as f64 - measured.alone.rss as f64) / (asked.endpoints.max(2) - 1) as f64
}

fn idle_memory(measured: &Measured, asked: &Asked) -> f64 {
    per_endpoint(measured.idle.rss, measured, asked)
}

fn anonymous_memory(measured: &Measured, asked: &Asked) -> f64 {
    (measured.idle.anonymous as f64 - measured.alone.anonymous as f64) / (asked.endpoints.max(2) - 1) as f64
}

fn churned_memory(measured: &Measured, asked: &Asked) -> f64 {
    per_endpoint(measured.churned.rss, measured, asked)
}

fn storm_cpu(measured: &Measured, asked: &Asked) -> f64 {
    measured.storm_cpu.as_secs_f64() * 1e3 / asked.endpoints as f64
}

fn connect_cpu(measured: &Measured, asked: &Asked) -> f64 {
    measured.connect_cpu.as_secs_f64() * 1e3 / (asked.endpoints.max(2) - 1) as f64
}

fn steady_cpu(measured: &Measured, _: &Asked) -> f64 {
    measured.at_rate().cpu.as_secs_f64() * 1e6
}

fn burst_cpu(measured: &Measured, _: &Asked) -> f64 {
    measured.burst_cpu.as_secs_f64() * 1e6 / measured.burst_events.max(1) as f64
}

fn burst_rate(measured: &Measured, _: &Asked) -> f64 {
    measured.burst_events as f64 / measured.burst_took.as_secs_f64()
}

fn scrape_cpu(measured: &Measured, _: &Asked) -> f64 {
    measured.scrape_cpu.as_secs_f64() * 1e3
}

fn rates(measured: &Measured) -> Vec<Value> {
    let micros = |duration: Duration| duration.as_secs_f64() * 1e6;
    let one = |steady: &Steady| {
        json!({ "rate": steady.rate, "cpu_us": micros(steady.cpu), "p50_us": micros(steady.p50),
                "p99_us": micros(steady.p99) })
    };
    measured.steady.iter().map(one).collect()
}

impl Row {
    /// The daemon's number, the floor's, and what the budget says of them.
    fn values(&self, report: &Report) -> (f64, Option<f64>, Option<f64>, &'static str) {
        let ours = (self.of)(&report.watched, &report.asked);
        let floor = self.compared.then(|| (self.of)(&report.floor, &report.asked));
        let limit = match self.budget {
            Budget::None => None,
            Budget::Value(value) => Some(value),
            Budget::Ratio(ratio) => floor.map(|floor| floor * ratio),
        };
        let verdict = limit.map_or("", |limit| if ours <= limit { "ok" } else { "OVER" });
        (ours, floor, limit, verdict)
    }
}

impl Report {
    /// What this run has measured.
    fn rows(&self) -> impl Iterator<Item = &'static Row> {
        let short = self.asked.depth == Depth::Short;
        ROWS.iter().filter(move |row| !(short && row.whole))
    }

    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let mut out = std::io::stdout().lock();
        let Asked { endpoints, seconds, depth: _ } = self.asked;
        writeln!(
            out,
            "\n{endpoints} endpoints, {seconds} s at 2,000 events/s, a burst of {}",
            self.watched.burst_events
        )?;
        match self.wrong() {
            None => writeln!(out, "every event is in the file exactly once\n")?,
            Some(wrong) => writeln!(out, "WRONG: {wrong}; rows that follow it are empty\n")?,
        }
        writeln!(
            out,
            "| {:<34} | {:>9} | {:>9} | {:>5} | {:>9} | {:<4} |",
            "", "bmcwatch", "floor", "ratio", "budget", ""
        )?;
        writeln!(out, "|{:-<36}|{0:->11}|{0:->11}|{0:->7}|{0:->11}|{0:-<6}|", "")?;
        for row in self.rows() {
            let (ours, floor, limit, verdict) = row.values(self);
            let ratio = floor.filter(|floor| *floor > 0.0).map(|floor| format!("{:.2}", ours / floor));
            let name = format!("{}{}{}", row.name, if row.unit.is_empty() { "" } else { ", " }, row.unit);
            let show = |value: Option<f64>| value.map(|value| format!("{value:.1}")).unwrap_or_default();
            writeln!(
                out,
                "| {name:<34} | {:>9} | {:>9} | {:>5} | {:>9} | {verdict:<4} |",
                show(Some(ours)),
                show(floor),
                ratio.unwrap_or_default(),
                show(limit)
            )?;
        }
        writeln!(out, "\n{PEER}")?;
        Ok(())
    }

    /// Events that are missing or were told twice, or what did not come back.
    pub(crate) fn wrong(&self) -> Option<&str> {
        self.watched.wrong.as_deref().or(self.floor.wrong.as_deref())
    }

    /// Where a budget is missed by far; not a matter of noise.
    pub(crate) fn judge(&self) -> anyhow::Result<()> {
        // A machine on which the floor connects more slowly than where the budgets were set is slower at everything.
        let slow = (connect_cpu(&self.floor, &self.asked) / FLOOR_CONNECT_MS).max(1.0);
        let middle = self.watched.at_rate().p50.as_secs_f64() * 1e3;
        let far = self.rows().filter_map(|row| {
            let (ours, _, limit, _) = row.values(self);
            let by_the_clock = matches!(row.budget, Budget::Value(_)) && matches!(row.unit, "ms" | "s");
            let limit = if by_the_clock { limit? * slow } else { limit? };
            // Were it us who are slow, the middle would show it too.
            let is_a_stall = row.name == P99 && middle <= limit;
            let limit = Some(limit).filter(|limit| ours > FAR * limit && !is_a_stall)?;
            Some(format!("{}: {ours:.1} {}, more than {FAR} times {limit:.1}", row.name.trim(), row.unit))
        });
        let far: Vec<String> = far.collect();
        ensure!(far.is_empty(), "a budget is missed by far:\n{}", far.join("\n"));
        Ok(())
    }

    /// Saved by size: a later run of the same size takes its place.
    pub(crate) fn save(&self, directory: &Path) -> anyhow::Result<()> {
        let rows: Vec<Value> = self
            .rows()
            .map(|row| {
                let (ours, floor, limit, verdict) = row.values(self);
                json!({ "name": row.name.trim(), "unit": row.unit, "bmcwatch": ours, "floor": floor,
                        "budget": limit, "verdict": verdict })
            })
            .collect();
        let commit = Command::new("git").args(["rev-parse", "--short", "HEAD"]).output().ok();
        let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let whole = json!({
            "at": Clock::system().now().to_rfc3339(),
            "commit": commit,
            "cores": std::thread::available_parallelism().map_or(0, usize::from),
            "endpoints": self.asked.endpoints,
            "seconds": self.asked.seconds,
            "rows": rows,
            "rates": { "bmcwatch": rates(&self.watched), "floor": rates(&self.floor) },
        });
        std::fs::create_dir_all(directory).context("make the directory of the report")?;
        let path = directory.join(format!("{}.json", self.asked.endpoints));
        std::fs::write(path, serde_json::to_vec_pretty(&whole)?).context("save the report")
    }
}
