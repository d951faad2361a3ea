//! The handle of the simulated BMCs, which are processes of their own (`served`) that log events and break when told.
//!
//! They speak in lines: a child says its BMCs' addresses and `ready`; then each question, `WORD NUMBERS...`, is answered
//! with numbers.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};

use crate::process;

/// BMCs of one process: each takes a listener and up to two connections.
const PER_PROCESS: usize = 4_000;
/// How long everything may take to connect.
const PATIENCE: Duration = Duration::from_mins(4);
/// Between two questions.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A running fleet.
pub(crate) struct Bmcs {
    pub(crate) addresses: Vec<String>,
    /// Certificates of the fleet's authorities, in PEM.
    pub(crate) ca: String,
    children: Vec<Mutex<Speaker>>,
    counts: Vec<usize>,
    logged: Vec<u32>,
}

struct Speaker {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Bmcs {
    pub(crate) fn start(count: usize) -> anyhow::Result<Self> {
        let mut bmcs = Self {
            addresses: Vec::new(),
            ca: String::new(),
            children: Vec::new(),
            counts: Vec::new(),
            logged: vec![0; count],
        };
        for first in (0..count).step_by(PER_PROCESS) {
            let count = PER_PROCESS.min(count - first);
            let mut child = process::role(&["role:bmcs", &first.to_string(), &count.to_string()])?;
            let input = child.stdin.take().context("speak to the BMCs")?;
            let output = BufReader::new(child.stdout.take().context("hear the BMCs")?);
            let mut speaker = Speaker { child, input, output };
            bmcs.hear_addresses(&mut speaker)?;
            bmcs.children.push(Mutex::new(speaker));
            bmcs.counts.push(count);
        }
        Ok(bmcs)
    }

    fn hear_addresses(&mut self, speaker: &mut Speaker) -> anyhow::Result<()> {
        loop {
            let line = speaker.hear()?;
            if line == "ready" {
                return Ok(());
            }
            if let Some(address) = line.strip_prefix("address ") {
                self.addresses.push(address.to_owned());
            } else {
                self.ca.push_str(&line);
                self.ca.push('\n');
            }
        }
    }

    /// How often each BMC has logged.
    pub(crate) fn logged(&self) -> &[u32] {
        &self.logged
    }

    /// Begins to log events spread over all BMCs; `rate` events a second, 0 as fast as they can.
    pub(crate) fn begin_log(&mut self, count: usize, rate: u32) -> anyhow::Result<()> {
        let all: usize = self.counts.iter().sum();
        let processes = u32::try_from(self.counts.len())?;
        let mut first = 0;
        let mut left = count;
        for (index, (child, bmcs)) in self.children.iter().zip(&self.counts).enumerate() {
            let share = if index + 1 == self.counts.len() { left } else { count * bmcs / all };
            left -= share;
            lock(child).say(&format!("log {share} {}", rate / processes))?;
            for event in 0..share {
                self.logged[first + event % bmcs] += 1;
            }
            first += bmcs;
        }
        Ok(())
    }

    /// Begins to log for so many seconds: `events` on each of the first `loud` BMCs, and one in a minute on every other.
    pub(crate) fn begin_uneven(
        &mut self,
        loud: usize,
        events: usize,
        seconds: usize,
    ) -> anyhow::Result<usize> {
        let mut first = 0;
        let mut all = 0;
        for (child, bmcs) in self.children.iter().zip(&self.counts) {
            let loud = loud.saturating_sub(first).min(*bmcs);
            let quiet = (bmcs - loud) * seconds / 60;
            lock(child).say(&format!("uneven {loud} {events} {quiet} {seconds}"))?;
            for index in 0..loud {
                self.logged[first + index] += u32::try_from(events)?;
            }
            for event in 0..quiet {
                self.logged[first + loud + event % (bmcs - loud)] += 1;
            }
            all += loud * events + quiet;
            first += bmcs;
        }
        Ok(all)
    }

    /// Waits until what was begun is logged.
    pub(crate) fn end_log(&self) -> anyhow::Result<()> {
        self.children.iter().try_for_each(|child| lock(child).hear().map(drop))
    }

    /// How long every answer takes from now on.
    pub(crate) fn set_latency(&self, latency: Duration) -> anyhow::Result<()> {
        self.ask(&format!("latency {}", latency.as_millis())).map(drop)
    }

    /// Breaks the stream of every `nth` BMC at once, from the `first` on.
    pub(crate) fn cut(&self, first: usize, nth: usize) -> anyhow::Result<()> {
        self.ask(&format!("cut {first} {nth}")).map(drop)
    }

    /// Requests that all BMCs have seen.
    pub(crate) fn requests(&self) -> anyhow::Result<u64> {
        Ok(self.ask("requests")?.into_iter().flatten().sum())
    }

    /// Takes the event service of one BMC in a hundred away, and waits until each of them was polled: the longest time from
    /// the service root that says so to the first page of entries, and what one in a hundred exceeds (of the worst process).
    pub(crate) fn downgrade_some(&self) -> anyhow::Result<(Duration, Duration)> {
        self.downgrade("downgrade_some")
    }

    /// The same for all others at once.
    pub(crate) fn downgrade_rest(&self) -> anyhow::Result<(Duration, Duration)> {
        self.downgrade("downgrade_rest")
    }

    fn downgrade(&self, which: &str) -> anyhow::Result<(Duration, Duration)> {
        let all = self.ask(which)?;
        let worst = |place: usize| all.iter().filter_map(|one| one.get(place)).max().copied().unwrap_or(0);
        Ok((Duration::from_millis(worst(0)), Duration::from_millis(worst(1))))
    }

    /// Asks all processes at once, and hears the numbers of each.
    fn ask(&self, question: &str) -> anyhow::Result<Vec<Vec<u64>>> {
        self.children.iter().try_for_each(|child| lock(child).say(question))?;
        let hear = |child: &Mutex<Speaker>| {
            let answer = lock(child).hear()?;
            answer.split_whitespace().map(|word| word.parse().context("hear a number")).collect()
        };
        self.children.iter().map(hear).collect()
    }

    /// Waits until so many streams are open.
    pub(crate) fn wait_until_open(&self, count: usize) -> anyhow::Result<()> {
        self.wait("open", count)
    }

    /// Waits until so many BMCs have an open stream and were asked for their entries.
    pub(crate) fn wait_until_read(&self, count: usize) -> anyhow::Result<()> {
        self.wait("read", count)
    }

    fn wait(&self, question: &str, count: usize) -> anyhow::Result<()> {
        let begun = process::now();
        let mut seen = 0;
        while begun.elapsed() < PATIENCE {
            seen = usize::try_from(self.ask(question)?.into_iter().flatten().sum::<u64>())?;
            if seen == count {
                return Ok(());
            }
            std::thread::sleep(LOOK_EVERY);
        }
        bail!("after {PATIENCE:?} {seen} streams instead of {count} are {question}")
    }
}

impl Drop for Bmcs {
    fn drop(&mut self) {
        for child in &self.children {
            // They end by themselves when we do.
            drop(process::stop(&mut lock(child).child));
        }
    }
}

fn lock(speaker: &Mutex<Speaker>) -> std::sync::MutexGuard<'_, Speaker> {
    speaker.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Speaker {
    fn say(&mut self, line: &str) -> anyhow::Result<()> {
        writeln!(self.input, "{line}").and_then(|()| self.input.flush()).context("speak to the BMCs")
    }

    fn hear(&mut self) -> anyhow::Result<String> {
        let mut line = String::new();
        if self.output.read_line(&mut line).context("hear the BMCs")? == 0 {
            bail!("the simulated BMCs have ended");
        }
        Ok(line.trim_end().to_owned())
    }
}
