//! Streams that are open, healthy and stuck (bmcweb): noticed by what the logs have and the stream should have said, and never
//! where a BMC only leaves out what it always leaves out (T71).

use collect::Mode;
use sim::{Bmc, PathClass, Profile, Push, Severity, StreamBehaviour};

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails};

/// A streaming BMC that has pushed an event.
async fn that_pushes(profile: Profile) -> (World, std::sync::Arc<Bmc>) {
    let (world, bmc) = World::of(profile).await;
    world.pass(MINUTE).await;
    fan_fails(&bmc);
    world.pass(MINUTE).await;
    assert_eq!(world.view("bmc").stream_items, 1);
    (world, bmc)
}

/// So many hours in which something happens every ten minutes.
async fn hours(world: &World, bmc: &Bmc, hours: u32) {
    for _ in 0..hours * 6 {
        fan_fails(bmc);
        world.pass(10 * MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stuck_stream_is_opened_again_when_two_reconciliations_find_what_it_should_have_pushed() {
    for profile in [Profile::openbmc(), Profile::idrac9(), Profile::nvidia(), Profile::lenovo()] {
        let (world, bmc) = that_pushes(profile).await;
        bmc.wedge_streams();
        hours(&world, &bmc, 1).await;
        world.pass(10 * MINUTE).await;
        assert_eq!((bmc.counts().streams_opened, bmc.counts().streams_open), (2, 1));
        let view = world.view("bmc");
        assert_eq!(view.stream_errors.get("wedged"), Some(&1), "{view:?}");
        assert!((5..=6).contains(&view.stream_missed_entries), "{view:?}");
        fan_fails(&bmc);
        world.pass(SECOND).await;
        assert_eq!(world.view("bmc").stream_items, view.stream_items + 1, "the new one pushes");
        // From now on it behaves, and the past is forgotten.
        hours(&world, &bmc, 6).await;
        assert_eq!(bmc.counts().streams_opened, 2);
        assert_eq!(world.count("downgrades_total", &[]), 0);
        assert_eq!(world.lines.about("bmc"), Vec::<String>::new());
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_stuck_again_is_polled_and_tried_again_until_it_pushes() {
    let (world, bmc) = that_pushes(Profile::openbmc()).await;
    bmc.set_stream_behaviour(StreamBehaviour::Silent);
    hours(&world, &bmc, 3).await;
    assert_eq!(world.count("downgrades_total", &["stream_wedged"]), 1);
    assert_eq!(world.lines.told(&["downgraded", "stream_wedged"]).len(), 1);
    let lines = world.lines.about("bmc");
    // Each try is a stream that lives and says nothing; that alone is no recovery, and failed tries are no news.
    hours(&world, &bmc, 24).await;
    assert_eq!(world.count("downgrades_total", &[]), 1);
    assert_eq!(world.count("recoveries_total", &[]), 0);
    assert_eq!(world.lines.about("bmc"), lines);
    let opened = bmc.counts().streams_opened;
    assert!((5..=8).contains(&opened), "{opened} streams in a day");
    bmc.set_stream_behaviour(StreamBehaviour::Serve);
    hours(&world, &bmc, 24).await;
    assert_eq!(world.state("bmc"), "streaming");
    assert_eq!(world.count("recoveries_total", &[]), 1);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_was_polled_for_its_stuck_stream_is_tried_at_once_after_a_reboot() {
    let (world, bmc) = that_pushes(Profile::openbmc()).await;
    bmc.set_stream_behaviour(StreamBehaviour::Silent);
    while !world.state("bmc").starts_with("polling: stream_wedged") {
        fan_fails(&bmc);
        world.pass(5 * MINUTE).await;
    }
    bmc.reboot(6 * MINUTE);
    bmc.set_stream_behaviour(StreamBehaviour::Serve);
    world.until("bmc", "streaming", 13 * MINUTE).await;
    fan_fails(&bmc);
    world.pass(SECOND).await;
    assert_eq!(world.count("recoveries_total", &[]), 1);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn mode_sse_opens_a_stuck_stream_again_and_again_and_never_polls() {
    let mut world = World::new(1).await;
    world.settings.mode = Mode::Sse;
    let bmc = world.add("bmc", Profile::openbmc());
    world.start();
    world.pass(MINUTE).await;
    fan_fails(&bmc);
    world.pass(SECOND).await;
    bmc.set_stream_behaviour(StreamBehaviour::Silent);
    hours(&world, &bmc, 12).await;
    assert_eq!(world.count("downgrades_total", &[]), 0);
    let opened = bmc.counts().streams_opened;
    assert!((10..=13).contains(&opened), "{opened} streams in half a day");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t71_what_a_bmc_never_pushes_is_no_evidence_against_its_stream() {
    let (world, bmc) = that_pushes(Profile::openbmc()).await;
    // Its registry does not know these; nothing else happens for a day.
    for _ in 0..24 {
        for _ in 0..3 {
            bmc.log_silently(Severity::Warning, "Vendor.1.0.Unregistered", &["x"], "Nobody knows me.");
        }
        world.pass(HOUR).await;
    }
    assert_eq!(bmc.counts().streams_opened, 1);
    assert_eq!(world.view("bmc").stream_missed_entries, 0);
    // Before anything was pushed at all, nothing is known of what should have come.
    let (world, bmc) = World::of(Profile { push: Push::Never, ..Profile::openbmc() }).await;
    hours(&world, &bmc, 12).await;
    assert_eq!(bmc.counts().streams_opened, 1);
    assert_eq!(world.view("bmc").stream_missed_entries, 0);
}

#[tokio::test(start_paused = true)]
async fn t71_a_stream_that_says_part_of_what_it_should_is_counted_and_kept() {
    let (world, bmc) = that_pushes(Profile { push: Push::AllButEach(3), ..Profile::openbmc() }).await;
    hours(&world, &bmc, 24).await;
    assert_eq!(bmc.counts().streams_opened, 1);
    let missed = world.view("bmc").stream_missed_entries;
    assert!((46..=49).contains(&missed), "{missed} of 145 were not pushed");
    assert!(bmc.counts().requests_of(PathClass::Entries) < 60, "{:?}", bmc.counts());
    world.assert_nothing_lost_nothing_twice().await;
}
