//! The simulated BMCs: processes that serve them and log events when told, and the handle that tells them.
//!
//! They speak in lines: the child says its BMCs' addresses and `ready PIN`; then it is asked `open` (streams), `read`
//! (BMCs with a stream whose log was read) or `log COUNT RATE`, and answers each with one number.

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv4Addr, SocketAddrV4},
    process::{Child, ChildStdin, ChildStdout},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context, bail};
use model::Clock;
use sim::{Addresses, Bmc, BmcConfig, Fleet, FleetConfig, PathClass, Profile, Serve, Severity, Transport};
use tokio::io::AsyncBufReadExt;

use crate::process;

/// BMCs of one process: each takes a listener and up to two connections.
const PER_PROCESS: usize = 4_000;
/// How long everything may take to connect.
const PATIENCE: Duration = Duration::from_mins(4);
/// Between two questions.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The pace of steady logging.
const TICK: Duration = Duration::from_millis(1);

/// Events logged in a burst between two looks at the sockets.
const BURST_STEP: usize = 256;

/// One BMC's address and the pin of its key.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) address: String,
    pub(crate) pin: String,
}

/// A running fleet.
pub(crate) struct Bmcs {
    pub(crate) addresses: Vec<Place>,
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
            bmcs.hear_places(&mut speaker)?;
            bmcs.children.push(Mutex::new(speaker));
            bmcs.counts.push(count);
        }
        Ok(bmcs)
    }

    fn hear_places(&mut self, speaker: &mut Speaker) -> anyhow::Result<()> {
        let first = self.addresses.len();
        loop {
            let line = speaker.hear()?;
            if let Some(pin) = line.strip_prefix("ready ") {
                self.addresses[first..].iter_mut().for_each(|place| pin.clone_into(&mut place.pin));
                return Ok(());
            }
            if let Some(address) = line.strip_prefix("address ") {
                self.addresses.push(Place { address: address.to_owned(), pin: String::new() });
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

    /// Waits until what was begun is logged.
    pub(crate) fn end_log(&self) -> anyhow::Result<()> {
        self.children.iter().try_for_each(|child| lock(child).hear().map(drop))
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
            seen = 0;
            for child in &self.children {
                let mut child = lock(child);
                child.say(question)?;
                seen += child.hear()?.parse::<usize>()?;
            }
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

/// The child: serves BMCs until its input ends.
pub(crate) fn serve(first: usize, count: usize) -> anyhow::Result<()> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(serve_on(first, count))
}

async fn serve_on(first: usize, count: usize) -> anyhow::Result<()> {
    let clock = Clock::system();
    let bmc = |index: usize| {
        let profile = Profile { page_size: None, ..Profile::openbmc() };
        Bmc::new(BmcConfig { name: format!("b{index}"), seed: index as u64, profile, epoch: clock.now() })
    };
    let bmcs: Vec<Arc<Bmc>> = (first..first + count).map(bmc).collect();
    let serve = bmcs.iter().map(|bmc| Serve::Bmc(Arc::clone(bmc))).collect();
    let ip = Ipv4Addr::from_bits(Ipv4Addr::new(127, 66, 0, 1).to_bits() + u32::try_from(first)?);
    let addresses = Addresses::Each(SocketAddrV4::new(ip, 0));
    let fleet = Fleet::start(FleetConfig { serve, addresses, transport: Transport::Tls }).await?;
    answer(fleet.ca_pem().trim_end())?;
    for index in 0..fleet.len() {
        answer(&format!("address {}", fleet.address(index)))?;
    }
    answer(&format!("ready {}", fleet.pin()))?;
    let mut questions = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while let Some(question) = questions.next_line().await? {
        let mut words = question.split(' ');
        let done = match words.next() {
            Some("open") => bmcs.iter().map(|bmc| bmc.counts().streams_open).sum(),
            Some("read") => bmcs.iter().filter(|bmc| was_read(bmc)).count(),
            Some("log") => {
                let mut number = || words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
                log(&bmcs, &clock, number(), number()).await
            }
            _ => bail!("cannot answer {question}"),
        };
        answer(&done.to_string())?;
    }
    Ok(())
}

fn was_read(bmc: &Bmc) -> bool {
    let counts = bmc.counts();
    counts.streams_open > 0 && counts.requests_of(PathClass::Entries) > 0 && counts.requests_in_flight == 0
}

fn answer(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("answer")
}

/// Logs round the BMCs. The message says when, in microseconds, so that whoever reads it knows how long it took.
async fn log(bmcs: &[Arc<Bmc>], clock: &Clock, count: usize, rate: usize) -> usize {
    let begun = tokio::time::Instant::now();
    let mut tick = tokio::time::interval(TICK);
    let mut logged = 0;
    while logged < count {
        let due = if rate == 0 {
            logged + BURST_STEP
        } else {
            tick.tick().await;
            usize::try_from(begun.elapsed().as_micros() * rate as u128 / 1_000_000).unwrap_or(usize::MAX)
        };
        while logged < count.min(due) {
            let at = clock.now().timestamp_micros().to_string();
            let text = format!(
                "at={at}; Temperature sensor CPU0_TEMP of the system board crossed its upper warning threshold; \
                 reading 94.25 degrees C, threshold 90.00, hysteresis 2.00"
            );
            let args = [at.as_str(), "CPU0_TEMP", "94.25", "90.00"];
            bmcs[logged % bmcs.len()].log(
                Severity::Warning,
                "OpenBMC.0.2.SensorThresholdWarningHighGoingHigh",
                &args,
                &text,
            );
            logged += 1;
        }
        tokio::task::yield_now().await;
    }
    logged
}
