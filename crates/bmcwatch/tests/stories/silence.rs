//! Streams that say nothing: healthy ones are kept, dead ones are noticed, and orderly closes for idleness are no failure.

use std::time::Duration;

use sim::{PathClass, Profile, Reachability, Severity};

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails};

#[tokio::test(start_paused = true)]
async fn t51_a_stream_without_keep_alives_is_kept_for_days_and_proved_by_a_small_request() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    let before = bmc.counts().requests_of(PathClass::Root);
    world.pass(48 * HOUR).await;
    assert_eq!((bmc.counts().streams_opened, bmc.counts().streams_open), (1, 1));
    let roots = bmc.counts().requests_of(PathClass::Root) - before;
    assert!((500..=700).contains(&roots), "{roots} side reads and look-ups in two days");
    fan_fails(&bmc);
    world.pass(SECOND).await;
    assert_eq!(world.tokens().await.len(), 1);
    assert_eq!(world.lines.about("bmc"), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_stream_with_keep_alives_that_goes_silent_is_opened_again_after_the_idle_timeout() {
    let (world, bmc) = World::of(Profile::lenovo()).await;
    world.pass(5 * MINUTE).await;
    // The connection is forgotten on the way; the BMC itself is well.
    bmc.set_reachability(Reachability::BlackHole);
    bmc.set_reachability(Reachability::Up);
    fan_fails(&bmc);
    world.pass(59 * SECOND).await;
    assert_eq!(bmc.counts().streams_opened, 1, "two keep-alives may be late");
    world.pass(34 * SECOND).await;
    assert_eq!(bmc.counts().streams_opened, 2);
    world.pass(SECOND).await;
    assert_eq!(world.tokens().await.len(), 1);
    assert_eq!(bmc.counts().streams_open_max, 1, "the dead one is given up before the next is opened");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_dead_stream_of_a_bmc_without_keep_alives_costs_half_an_hour_and_no_event() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(5 * MINUTE).await;
    bmc.set_reachability(Reachability::BlackHole);
    bmc.set_reachability(Reachability::Up);
    fan_fails(&bmc);
    world.pass(31 * MINUTE).await;
    assert_eq!(world.tokens().await.len(), 1);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_black_hole_is_noticed_by_the_side_read_and_left_behind() {
    for profile in [Profile::openbmc(), Profile::lenovo()] {
        let (world, bmc) = World::of(profile).await;
        world.pass(10 * MINUTE).await;
        bmc.set_reachability(Reachability::BlackHole);
        fan_fails(&bmc);
        world.pass(20 * MINUTE).await;
        assert_eq!(world.view("bmc").state.as_str(), "backoff");
        let lines = world.lines.about("bmc");
        assert!(lines.len() <= 2, "{lines:#?}");
        bmc.set_reachability(Reachability::Up);
        world.until("bmc", "streaming", 62 * SECOND).await;
        world.pass(MINUTE).await;
        assert!(world.lines.about("bmc").len() <= lines.len() + 1, "{:#?}", world.lines.about("bmc"));
        assert_eq!(world.tokens().await.len(), 1);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t65_an_orderly_close_after_an_idle_hour_is_no_failure_and_is_not_answered_at_once() {
    // An iDRAC rests after every end of a stream, others only after this one.
    for profile in [Profile::idrac9(), Profile::openbmc()] {
        let (world, bmc) = World::of(profile).await;
        for closes in 1..=10 {
            world.pass(HOUR).await;
            bmc.end_streams();
            world.pass(15 * SECOND).await;
            assert_eq!(bmc.counts().streams_opened, closes);
            world.pass(30 * SECOND).await;
            assert_eq!(bmc.counts().streams_opened, closes + 1);
        }
        assert_eq!(world.count("downgrades_total", &[]), 0);
        assert_eq!(world.lines.about("bmc"), Vec::<String>::new());
    }
}

#[tokio::test(start_paused = true)]
async fn what_comes_during_a_side_read_is_kept_though_the_stream_breaks_before_the_answer() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    bmc.set_latency(20 * SECOND);
    world.pass(4 * MINUTE + 2 * SECOND).await;
    assert_eq!(bmc.counts().requests_in_flight, 1, "the side read waits for its answer");
    bmc.push_only(Severity::Warning, "OpenBMC.0.1.Fleeting", &[], "Said once and written nowhere.");
    world.pass(SECOND).await;
    bmc.cut_streams();
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_reading_that_takes_longer_than_the_silence_of_its_stream_comes_to_its_end() {
    // An iDRAC with 8 s an answer: 60 pages take eight minutes, and nothing happens on the stream.
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::idrac9());
    for _ in 0..3000 {
        fan_fails(&bmc);
    }
    bmc.set_latency(8 * SECOND);
    world.start();
    world.pass(20 * MINUTE).await;
    assert_eq!(world.tokens().await.len(), 3000);
    assert_eq!(bmc.counts().streams_opened, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_side_read_into_a_black_hole_is_not_held_up() {
    let (mut world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(4 * MINUTE).await;
    bmc.set_reachability(Reachability::BlackHole);
    world.pass(70 * SECOND).await;
    let took = world.stop().await;
    assert!(took <= Duration::from_millis(3500), "{took:?}");
    assert!(world.lines.told(&["did not end in time"]).is_empty());
}
