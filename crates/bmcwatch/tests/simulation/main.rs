//! Seeded simulations: twenty BMCs of mixed flavours, a virtual day of random faults with crashes of the daemon, then quiet.
//! Nothing may be lost but what nobody could read, and that only where a gap record says so; nothing may come twice; the
//! same seed gives the same bytes.
//!
//! `SIM_SEED=7` runs that seed, `SIM_RUNS=1000` so many seeds from there on. The seed of a failure is in its message.

mod judge;
#[path = "../stories/lines.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod lines;
mod run;
#[path = "../stories/token.rs"]
mod token;
mod trouble;
#[path = "../stories/wire.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod wire;
#[path = "../stories/world.rs"]
#[expect(dead_code, reason = "the stories use the rest")]
mod world;

use std::{
    fmt::Write as _,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::available_parallelism,
    time::{Duration, Instant},
};

use judge::Sums;
use run::Run;
use world::HOUR;

/// Seeds that belong to the suite; the rest is `just sim-many`.
const SEEDS_IN_SUITE: u64 = 20;

/// How long faults go on.
const TROUBLE: Duration = Duration::from_hours(24);

/// Runs a seed and answers what it came to, with everything that was stored and logged as text.
fn simulate(seed: u64, trouble: Duration) -> (Sums, String) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime can be made");
    runtime.block_on(async {
        let mut run = Run::new(seed).await;
        run.trouble(trouble).await;
        run.quiet().await;
        let sums = run.judge().await;
        let (mut trace, records) = run.trace().await;
        for record in records {
            writeln!(trace, "{record:?}").expect("a String takes every write");
        }
        (sums, trace)
    })
}

#[expect(clippy::disallowed_methods, reason = "the seed of a test is no setting of the program")]
fn number(name: &str) -> Option<u64> {
    Some(std::env::var(name).ok()?.parse().expect("it is a number"))
}

#[expect(clippy::disallowed_methods, reason = "how long a run takes is printed, not judged")]
#[test]
fn random_faults_lose_nothing_and_repeat_nothing() {
    let first = number("SIM_SEED");
    let runs = number("SIM_RUNS").unwrap_or(if first.is_some() { 1 } else { SEEDS_IN_SUITE });
    let first = first.unwrap_or(1);
    let (begun, next, total) = (Instant::now(), AtomicU64::new(first), Mutex::new(Sums::default()));
    let simulate_some = || {
        loop {
            let seed = next.fetch_add(1, Relaxed);
            if seed >= first + runs {
                return;
            }
            let (sums, trace) = simulate(seed, TROUBLE);
            println!("seed {seed}: {sums}, {} lines", trace.lines().count());
            *total.lock().expect("no seed has failed") += sums;
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            scope.spawn(simulate_some);
        }
    });
    let total = *total.lock().expect("no seed has failed");
    println!("{runs} seeds in {:.0} s: {total}", begun.elapsed().as_secs_f64());
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_gives_others() {
    let simulate = |seed| simulate(seed, 2 * HOUR).1;
    let (once, again, other) = (simulate(101), simulate(101), simulate(102));
    let differs = once.lines().zip(again.lines()).find(|(one, two)| one != two);
    assert_eq!(differs, None);
    assert_eq!(once.len(), again.len());
    assert_ne!(once, other);
}
