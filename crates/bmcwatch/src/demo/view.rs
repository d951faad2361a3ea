//! What the demo shows: records as a table as they come, and one status line that is drawn over itself.
//!
//! It reads the journal and the board like any other reader; the daemon does not know that it is watched.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use collect::{Board, State};
use journal::{Journal, Position, ReadLimit};
use prometheus::{
    Registry,
    proto::{Bucket, MetricFamily},
};
use sink::{Colour, Table};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;

use crate::{app::App, simulate::Running};

/// How often the table is filled and the status line drawn.
const TICK: Duration = Duration::from_millis(250);

/// Without a terminal the status line cannot be drawn over itself: one every so often.
const PLAIN_STATUS: Duration = Duration::from_secs(5);

/// Rows at a tick; more than anyone can read, and a burst does not hold the terminal up.
const ROWS: ReadLimit = ReadLimit { records: 512, bytes: 4 << 20 };

/// The screen of the demo.
pub(super) struct View {
    board: Board,
    journal: Journal,
    registry: Registry,
    url: String,
    started: Instant,
    plain: bool,
}

impl View {
    /// A view of a daemon that is about to run.
    pub(super) fn new(app: &App, fleet: &Running, plain: bool) -> Self {
        debug_assert!(!fleet.fleet.is_empty(), "the command line asks for one BMC at least");
        Self {
            board: app.board(),
            journal: app.journal(),
            registry: app.metrics().registry().clone(),
            url: format!("http://{}", app.admin_address()),
            started: Instant::now(),
            plain,
        }
    }

    /// Says what is about to be seen.
    pub(super) fn welcome(&self, fleet: &Running) -> io::Result<()> {
        let mut out = io::stderr().lock();
        let count = fleet.parts.len();
        writeln!(
            out,
            "{count} simulated BMCs with TLS on {} and up, and the daemon on them.",
            fleet.fleet.address(0)
        )?;
        let mut habits = std::collections::BTreeMap::<&str, Vec<&str>>::new();
        for part in &fleet.parts {
            habits.entry(part.habit()).or_default().push(&part.config.name);
        }
        for (habit, names) in habits {
            let shown = names.iter().take(4).copied().collect::<Vec<_>>().join(" ");
            let more = if names.len() > 4 { " ..." } else { "" };
            writeln!(out, "  {:>3} {habit}: {shown}{more}", names.len())?;
        }
        writeln!(out, "status page {0}/   metrics {0}/metrics   Ctrl-C ends it\n", self.url)
    }

    /// Shows until `stop`, then sums up.
    pub(super) async fn run(&self, stop: CancellationToken, json: bool) -> io::Result<()> {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let colour = if io::stdout().is_terminal() { Colour::Ansi } else { Colour::Plain };
        let table = Table::for_terminal(colour);
        let mut position = 0;
        let (mut rate, mut plain_at) = (Rate::default(), Instant::now() + PLAIN_STATUS);
        if !json {
            let mut header = Vec::new();
            table.write_header(&mut header);
            io::stdout().write_all(&header)?;
        }
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                _ = ticks.tick() => {}
            }
            if !json {
                position = self.rows(&table, position).await?;
            }
            let head = *self.journal.head().borrow();
            let status = self.status(rate.per_second(Instant::now(), head));
            if !self.plain && io::stderr().is_terminal() {
                write!(io::stderr(), "\r\x1b[K{status}")?;
            } else if Instant::now() >= plain_at {
                plain_at += PLAIN_STATUS;
                writeln!(io::stderr(), "{status}")?;
            }
        }
        self.goodbye()
    }

    /// Prints the records behind `position`; the status line gives way.
    async fn rows(&self, table: &Table, position: Position) -> io::Result<Position> {
        let Ok(stored) = self.journal.read_after(position, ROWS).await else { return Ok(position) };
        let Some(last) = stored.last().map(|stored| stored.position) else { return Ok(position) };
        let mut rows = Vec::new();
        for stored in &stored {
            table.write_stored(stored.position, &stored.bytes, &mut rows);
        }
        if !self.plain {
            write!(io::stderr(), "\r\x1b[K")?;
        }
        let mut out = io::stdout().lock();
        out.write_all(&rows)?;
        out.flush()?;
        Ok(last)
    }

    fn status(&self, per_second: f64) -> String {
        let mut counts = std::collections::BTreeMap::new();
        for (state, count) in self.board.counts() {
            counts.insert(state, count);
        }
        let of = |state| counts.get(&state).copied().unwrap_or(0);
        let down = of(State::Backoff) + of(State::AuthFailed) + of(State::Unsupported);
        format!(
            "[{:>3}s] streaming {} | polling {} | connecting {} | down {down} | {per_second:.1} records/s | \
             downgrades {} | recoveries {}",
            self.started.elapsed().as_secs(),
            of(State::Streaming),
            of(State::Polling),
            of(State::Connecting),
            self.sum("downgrades_total"),
            self.sum("recoveries_total"),
        )
    }

    /// The sum of a family's counters, whatever their labels.
    fn sum(&self, name: &str) -> f64 {
        self.family(name).map_or(0.0, |family| {
            family.get_metric().iter().map(|metric| metric.get_counter().get_value()).sum()
        })
    }

    fn family(&self, name: &str) -> Option<MetricFamily> {
        self.registry.gather().into_iter().find(|family| family.name().ends_with(name))
    }

    fn goodbye(&self) -> io::Result<()> {
        let mut out = io::stderr().lock();
        let head = *self.journal.head().borrow();
        let first_poll = self.family("downgrade_to_first_poll_seconds").and_then(|family| {
            let histogram = family.get_metric().first()?.get_histogram().clone();
            let within: u64 = histogram
                .get_bucket()
                .iter()
                .filter(|bucket| bucket.upper_bound() <= 1.0)
                .map(Bucket::cumulative_count)
                .max()?;
            Some((histogram.get_sample_count(), histogram.get_sample_sum(), within))
        });
        writeln!(out, "\n{head} records in {} s", self.started.elapsed().as_secs())?;
        if let Some((count, sum, within)) = first_poll.filter(|(count, ..)| *count > 0) {
            #[expect(clippy::cast_precision_loss, reason = "a demo has few downgrades")]
            let mean_ms = sum / count as f64 * 1000.0;
            writeln!(
                out,
                "from downgrade to first poll: {mean_ms:.1} ms on average, {within} of {count} within one second"
            )?;
        }
        Ok(())
    }
}

/// Records per second over the last few seconds.
#[derive(Default)]
struct Rate(std::collections::VecDeque<(Instant, Position)>);

impl Rate {
    const OVER: Duration = Duration::from_secs(5);

    fn per_second(&mut self, now: Instant, head: Position) -> f64 {
        self.0.push_back((now, head));
        while self.0.front().is_some_and(|(at, _)| now.duration_since(*at) > Self::OVER) {
            self.0.pop_front();
        }
        let Some((at, before)) = self.0.front() else { return 0.0 };
        let seconds = now.duration_since(*at).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a demo makes few records")]
        let records = (head - before) as f64;
        if seconds > 0.5 { records / seconds } else { 0.0 }
    }
}
