//! T51-T54, T65-T67: getting an event stream and keeping it, without hurting the BMC or being fooled by it.

use std::time::Duration;

use collect::Mode;
use sim::{EventServiceState, PathClass, Profile, Reachability, Severity, StreamBehaviour};

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail};

#[tokio::test(start_paused = true)]
async fn t51_one_comment_is_a_greeting_and_no_keep_alive() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(SECOND).await;
    bmc.push_raw(": welcome\n: you\n\n");
    world.pass(24 * HOUR).await;
    assert_eq!(bmc.counts().streams_opened, 1, "silence after a greeting is no death");
}

#[tokio::test(start_paused = true)]
async fn t51_keep_alives_of_earlier_streams_are_expected_on_the_next() {
    let (world, bmc) = World::of(Profile::lenovo()).await;
    world.pass(5 * MINUTE).await;
    bmc.cut_streams();
    world.pass(3 * SECOND).await;
    assert_eq!(bmc.counts().streams_opened, 2);
    // This one dies before the first of its own.
    bmc.set_reachability(Reachability::BlackHole);
    bmc.set_reachability(Reachability::Up);
    world.pass(85 * SECOND).await;
    assert_eq!(bmc.counts().streams_opened, 2);
    world.pass(10 * SECOND).await;
    assert_eq!(bmc.counts().streams_opened, 3, "five minutes would be the wait without knowing");
}

#[tokio::test(start_paused = true)]
async fn t51_a_firmware_that_sends_keep_alives_no_more_is_not_reconnected_to_for_ever() {
    let (world, bmc) = World::of(Profile::lenovo()).await;
    world.pass(5 * MINUTE).await;
    // The same machine, with a firmware that is silent by nature.
    let silent = sim::Bmc::new(sim::BmcConfig {
        profile: Profile { keep_alive: None, ..bmc.config().profile.clone() },
        ..bmc.config().clone()
    });
    world.wire.plug_in("bmc", std::sync::Arc::clone(&silent));
    bmc.cut_streams();
    world.pass(24 * HOUR).await;
    assert_eq!(silent.counts().streams_opened, 3, "two die of silence, and that is learned");
}

#[tokio::test(start_paused = true)]
async fn t52_a_200_that_ends_at_once_is_no_success() {
    let mut world = World::new(1).await;
    world.settings.mode = Mode::Sse;
    let bmc = world.add("bmc", Profile::openbmc());
    bmc.set_stream_behaviour(StreamBehaviour::CloseAtOnce);
    world.start();
    world.pass(10 * MINUTE).await;
    let tries = bmc.counts().requests_of(PathClass::Stream);
    assert!((20..=60).contains(&tries), "{tries} tries in ten minutes");
    // The same in mode auto: a failure like others, and what is logged comes by polls.
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    bmc.set_stream_behaviour(StreamBehaviour::CloseAtOnce);
    bmc.cut_streams();
    world.until("bmc", "polling: connect_failures", 2 * MINUTE).await;
    fans_fail(&bmc, 5, MINUTE).await;
    world.pass(6 * MINUTE).await;
    assert_eq!(world.tokens().await.len(), 5);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t53_a_disabled_service_streams_nothing_and_blinds_nobody() {
    for profile in [Profile::openbmc(), Profile::idrac9()] {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        // bmcweb leaves the stream open and silent, and advertises its URI.
        bmc.set_event_service(EventServiceState::Disabled);
        fan_fails(&bmc);
        world.pass(31 * MINUTE).await;
        assert_eq!(world.tokens().await.len(), 1, "the logs are read on a timer");
        bmc.cut_streams();
        world.until("bmc", "polling: sse_not_available: the EventService is disabled", MINUTE).await;
        bmc.set_event_service(EventServiceState::Enabled);
        world.until("bmc", "streaming", 36 * MINUTE).await;
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t54_the_stream_is_asked_for_in_the_form_that_bmcweb_wants_and_nothing_else_is() {
    // Without that `Accept` the stream answers 404, and with it everything else does.
    let (world, bmc) = World::of(Profile::openbmc()).await;
    fan_fails(&bmc);
    world.pass(MINUTE).await;
    assert_eq!(world.state("bmc"), "streaming");
    assert_eq!(world.tokens().await.len(), 1);
    assert_eq!(world.count("http_requests_total", &["4xx"]), 0);
}

#[tokio::test(start_paused = true)]
async fn t66_a_bmc_whose_streams_are_all_taken_has_a_stream_and_is_tried_again() {
    for (profile, taken) in [(Profile::openbmc(), 10), (Profile::idrac9(), 2)] {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        bmc.leak_streams(taken);
        world.start();
        world.until("bmc", "polling: connect_failures", MINUTE).await;
        assert_eq!(world.count("downgrades_total", &["sse_not_available"]), 0, "it is full, not without");
        fan_fails(&bmc);
        // Half an hour, an hour, two hours; in the meantime it is polled.
        world.pass(3 * HOUR).await;
        assert!(world.state("bmc").starts_with("polling: connect_failures"), "{}", world.state("bmc"));
        assert_eq!(bmc.counts().streams_opened, 0);
        let tries = bmc.counts().requests_of(PathClass::Stream);
        assert!((6..=8).contains(&tries), "{tries} tries in three hours");
        assert_eq!(world.tokens().await.len(), 1);
        bmc.leak_streams(0);
        world.until("bmc", "streaming", 5 * HOUR).await;
        world.pass(MINUTE).await;
        assert_eq!(world.count("recoveries_total", &[]), 1);
        assert!(world.lines.about("bmc").len() <= 4, "{:#?}", world.lines.about("bmc"));
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t66_a_place_that_a_dead_connection_holds_for_minutes_costs_no_downgrade_once_it_is_free() {
    let (world, bmc) = World::of(Profile::idrac9()).await;
    world.pass(MINUTE).await;
    // The BMC still counts both streams that it had, ours among them, for some seconds.
    bmc.leak_streams(2);
    bmc.cut_streams();
    world.pass(10 * SECOND).await;
    bmc.leak_streams(0);
    world.until("bmc", "streaming", 20 * SECOND).await;
    assert_eq!(world.count("downgrades_total", &[]), 0);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t67_sessions_that_expire_during_the_stream_cost_one_login_each_and_never_fill_the_bmc() {
    let profile = Profile { session_timeout: Duration::from_mins(5), ..Profile::idrac9() };
    let (mut world, bmc) = World::of(profile).await;
    for round in 1..=12 {
        world.pass(20 * MINUTE).await;
        bmc.cut_streams();
        world.pass(MINUTE).await;
        assert_eq!(world.state("bmc"), "streaming", "round {round}");
        assert!(bmc.counts().sessions_open <= 1, "{:?}", bmc.counts());
        fan_fails(&bmc);
    }
    let counts = bmc.counts();
    assert!((12..=40).contains(&counts.logins_ok), "{counts:?}");
    assert_eq!(counts.logins_refused, 0);
    world.assert_nothing_lost_nothing_twice().await;
    world.stop().await;
    assert_eq!(bmc.counts().sessions_open, 0, "it is given back");
}

#[tokio::test(start_paused = true)]
async fn t67_a_bmc_without_a_free_session_is_asked_with_basic_and_not_for_more_sessions() {
    let (world, bmc) = World::of(Profile { sessions_max: 0, ..Profile::idrac9() }).await;
    bmc.push_only(Severity::Ok, "OpenBMC.0.1.Fleeting", &[], "Said before anybody listened.");
    world.pass(MINUTE).await;
    fan_fails(&bmc);
    world.pass(HOUR).await;
    assert_eq!(world.state("bmc"), "streaming");
    assert!(bmc.counts().requests_of(PathClass::Sessions) <= 2, "{:?}", bmc.counts());
    assert_eq!(world.tokens().await.len(), 1);
}
