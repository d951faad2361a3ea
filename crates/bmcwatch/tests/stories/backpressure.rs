//! More than can be stored: a disk that stalls, a BMC that floods. What waits, waits at the BMC; nothing grows here, nothing
//! is lost, and nobody else waits longer.

use std::{sync::Arc, time::Duration};

use sim::{Bmc, Profile, Severity};
use tokio::time::Instant;

use crate::world::{MINUTE, SECOND, World, fan_fails};

/// Events of one endpoint that may be out of their socket and not yet in the journal: one batch and what came with its last
/// payload; while its logs are read, what is held for the end of the reading too.
const BATCH: u64 = 64;
const HELD: u64 = 1024;

fn streaming() -> [Profile; 4] {
    [Profile::openbmc(), Profile::idrac9(), Profile::nvidia(), Profile::lenovo()]
}

/// What was taken from the stream and is not in the journal.
fn in_memory(world: &World, name: &str) -> u64 {
    let view = world.view(name);
    view.stream_items.saturating_sub(view.records)
}

fn fleeting(bmc: &Bmc) {
    bmc.push_only(Severity::Warning, "OpenBMC.0.1.Fleeting", &[], "Said once and written nowhere.");
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_stalls_for_half_a_minute_grows_nothing_and_loses_nothing() {
    for profile in streaming() {
        let (world, bmc) = World::of(profile).await;
        world.pass(2 * MINUTE).await;
        world.stall_journal();
        for _ in 0..300 {
            fan_fails(&bmc);
            for _ in 0..9 {
                fleeting(&bmc);
            }
            world.pass(SECOND / 10).await;
            assert!(in_memory(&world, "bmc") <= BATCH, "{}", in_memory(&world, "bmc"));
        }
        assert_eq!(world.view("bmc").records, 0, "it stalled");
        world.release_journal();
        world.pass(MINUTE).await;
        assert_eq!(world.view("bmc").records, 3000);
        assert_eq!(bmc.counts().streams_opened, 1, "the stream has survived");
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_stalls_while_the_logs_are_read_holds_a_bounded_number_of_events() {
    for profile in streaming() {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        (0..100).for_each(|_| drop(fan_fails(&bmc)));
        bmc.set_log_latency(0, SECOND);
        world.start();
        world.until("bmc", "streaming", SECOND).await;
        world.stall_journal();
        world.pass(2 * SECOND).await;
        for _ in 0..300 {
            (0..10).for_each(|_| fleeting(&bmc));
            world.pass(SECOND / 10).await;
            assert!(in_memory(&world, "bmc") <= HELD + BATCH, "{}", in_memory(&world, "bmc"));
        }
        assert!(in_memory(&world, "bmc") >= HELD, "the backfill waits for the journal");
        world.release_journal();
        world.pass(MINUTE).await;
        assert_eq!((world.view("bmc").records, bmc.counts().streams_opened), (3100, 1));
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stall_that_a_bmc_does_not_wait_for_is_backfilled() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(2 * MINUTE).await;
    world.stall_journal();
    fan_fails(&bmc);
    world.pass(31 * SECOND).await;
    // A write of its has blocked for 30 s (bmcweb).
    bmc.cut_streams();
    fan_fails(&bmc);
    world.pass(10 * MINUTE).await;
    world.release_journal();
    world.pass(MINUTE).await;
    assert_eq!(world.tokens().await.len(), 2);
    assert_eq!(world.state("bmc"), "streaming");
    world.assert_nothing_lost_nothing_twice().await;
}

/// The longest time from a push to the journal, over one event of each BMC after the other.
async fn slowest(world: &World, bmcs: &[(String, Arc<Bmc>)]) -> Duration {
    let mut slowest = Duration::ZERO;
    for (name, bmc) in bmcs {
        let before = world.view(name).records;
        let begun = Instant::now();
        fan_fails(bmc);
        while world.view(name).records == before {
            world.pass(Duration::from_millis(1)).await;
        }
        slowest = slowest.max(begun.elapsed());
    }
    slowest
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_sends_ten_thousand_events_a_second_is_slowed_and_not_dropped_and_starves_nobody() {
    let mut world = World::new(1).await;
    let flood = world.add("flood", Profile::openbmc());
    let others: Vec<(String, Arc<Bmc>)> = (0..9)
        .map(|n| format!("r{n}"))
        .map(|name| {
            let bmc = world.add(&name, Profile::openbmc());
            (name, bmc)
        })
        .collect();
    world.start();
    world.pass(MINUTE).await;
    let calm = slowest(&world, &others).await;
    let pouring = async {
        for _ in 0..1000 {
            (0..10).for_each(|_| fleeting(&flood));
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert!(in_memory(&world, "flood") <= BATCH, "{}", in_memory(&world, "flood"));
        }
    };
    let ((), flooded) = tokio::join!(pouring, slowest(&world, &others));
    assert!(in_memory(&world, "flood") <= BATCH);
    assert!(world.view("flood").records < 5000, "{} were read at our pace", world.view("flood").records);
    assert!(flooded <= 2 * calm, "{flooded:?}, and {calm:?} when it is calm");
    world.pass(MINUTE).await;
    assert_eq!((world.view("flood").records, flood.counts().streams_opened), (10_000, 1));
    world.assert_nothing_lost_nothing_twice().await;
}
