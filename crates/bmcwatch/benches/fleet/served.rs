//! The process that serves simulated BMCs and does what it is told, line by line, until its input ends.

use std::{
    io::Write,
    net::{Ipv4Addr, SocketAddrV4},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use model::Clock;
use sim::{
    Addresses, Bmc, BmcConfig, EventServiceState, Fleet, FleetConfig, PathClass, Profile, Serve, Severity,
    Transport,
};
use tokio::{io::AsyncBufReadExt, time::Instant};

/// The pace of steady logging.
const TICK: Duration = Duration::from_millis(1);
/// Events logged in a burst between two looks at the sockets.
const BURST_STEP: usize = 256;
/// How long a fleet may take to notice that its streams have ended, and to be polled.
const PATIENCE: Duration = Duration::from_mins(15);
/// One in so many loses its event service first, and the rest afterwards.
const SOME: usize = 100;
/// How exactly a first poll is timed.
const LOOK_EVERY: Duration = Duration::from_millis(20);

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
    answer("ready")?;
    let mut questions = tokio::io::BufReader::new(tokio::io::stdin()).lines();
    while let Some(question) = questions.next_line().await? {
        let (word, numbers) = question.split_once(' ').unwrap_or((&question, ""));
        let numbers: Vec<usize> = numbers.split(' ').filter_map(|number| number.parse().ok()).collect();
        let done = match (word, numbers.as_slice()) {
            ("open", []) => bmcs.iter().map(|bmc| bmc.counts().streams_open).sum::<usize>().to_string(),
            ("read", []) => bmcs.iter().filter(|bmc| was_read(bmc)).count().to_string(),
            ("requests", []) => bmcs.iter().map(|bmc| bmc.counts().requests_total()).sum::<u64>().to_string(),
            ("log", [count, rate]) => log(&bmcs, &clock, *count, *rate).await.to_string(),
            ("latency", [millis]) => {
                let latency = Duration::from_millis(*millis as u64);
                for bmc in &bmcs {
                    bmc.set_latency(latency);
                }
                String::new()
            }
            ("uneven", [loud, events, quiet, seconds]) => {
                let (loud, others) = bmcs.split_at(*loud);
                let length = Duration::from_secs(*seconds as u64);
                let both = tokio::join!(
                    log_for(loud, &clock, loud.len() * events, length),
                    log_for(others, &clock, *quiet, length)
                );
                (both.0 + both.1).to_string()
            }
            ("cut", [first, nth]) => {
                bmcs.iter().skip(*first).step_by(*nth).for_each(|bmc| bmc.cut_streams());
                String::new()
            }
            ("downgrade_some", []) => downgrade(bmcs.iter().step_by(SOME).collect()).await?,
            ("downgrade_rest", []) => {
                let rest = bmcs.iter().enumerate().filter(|(index, _)| index % SOME != 0);
                downgrade(rest.map(|(_, bmc)| bmc).collect()).await?
            }
            _ => bail!("cannot answer {question}"),
        };
        answer(&done)?;
    }
    Ok(())
}

fn was_read(bmc: &Bmc) -> bool {
    let counts = bmc.counts();
    counts.streams_open > 0 && counts.requests_of(PathClass::Entries) > 0 && counts.requests_in_flight == 0
}

/// Takes their event services away and watches what is asked: the longest time from the service root that says so to the first
/// page of entries, and what one in a hundred exceeds, in milliseconds.
async fn downgrade(bmcs: Vec<&Arc<Bmc>>) -> anyhow::Result<String> {
    let asked = |bmc: &Bmc| {
        let counts = bmc.counts();
        (counts.requests_of(PathClass::Root), counts.requests_of(PathClass::Entries))
    };
    let before: Vec<(u64, u64)> = bmcs.iter().map(|bmc| asked(bmc)).collect();
    for bmc in &bmcs {
        bmc.set_event_service(EventServiceState::Absent);
    }
    let mut told: Vec<Option<Instant>> = vec![None; bmcs.len()];
    let mut waits: Vec<Option<Duration>> = vec![None; bmcs.len()];
    let mut tick = tokio::time::interval(LOOK_EVERY);
    let begun = Instant::now();
    while waits.contains(&None) {
        let now = tick.tick().await;
        ensure!(
            now - begun < PATIENCE,
            "{PATIENCE:?} after the event services went, some BMCs are not polled"
        );
        for (index, bmc) in bmcs.iter().enumerate() {
            if waits[index].is_some() {
                continue;
            }
            let (roots, entries) = asked(bmc);
            if roots > before[index].0 {
                let at = *told[index].get_or_insert(now);
                waits[index] = (entries > before[index].1).then(|| now - at);
            }
        }
    }
    let mut waits: Vec<Duration> = waits.into_iter().flatten().collect();
    waits.sort_unstable();
    // A process that serves one BMC has no others.
    let last = waits.len().saturating_sub(1);
    let at = |share: usize| waits.get(last * share / 100).map_or(0, Duration::as_millis);
    Ok(format!("{} {}", at(100), at(99)))
}

fn answer(line: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("answer")
}

/// Logs so many events round the BMCs, at this rate a second; 0 is as fast as they can.
async fn log(bmcs: &[Arc<Bmc>], clock: &Clock, count: usize, rate: usize) -> usize {
    let length = Duration::from_micros((count as u64 * 1_000_000).checked_div(rate as u64).unwrap_or(0));
    log_for(bmcs, clock, count, length).await
}

/// The same, spread over a time.
async fn log_for(bmcs: &[Arc<Bmc>], clock: &Clock, count: usize, length: Duration) -> usize {
    let begun = Instant::now();
    let mut tick = tokio::time::interval(TICK);
    let mut logged = 0;
    while logged < count {
        let due = if length.is_zero() {
            logged + BURST_STEP
        } else {
            tick.tick().await;
            usize::try_from(begun.elapsed().as_micros() * count as u128 / length.as_micros())
                .unwrap_or(usize::MAX)
        };
        while logged < count.min(due) {
            log_one(&bmcs[logged % bmcs.len()], clock);
            logged += 1;
        }
        tokio::task::yield_now().await;
    }
    logged
}

/// The message says when, in microseconds, so that whoever reads it knows how long it took.
fn log_one(bmc: &Bmc, clock: &Clock) {
    let at = clock.now().timestamp_micros().to_string();
    let text = format!(
        "at={at}; Temperature sensor CPU0_TEMP of the system board crossed its upper warning threshold; reading 94.25 \
         degrees C, threshold 90.00, hysteresis 2.00"
    );
    let args = [at.as_str(), "CPU0_TEMP", "94.25", "90.00"];
    bmc.log(Severity::Warning, "OpenBMC.0.2.SensorThresholdWarningHighGoingHigh", &args, &text);
}
