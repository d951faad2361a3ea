//! Coming back: a downgrade is not a life sentence, and no endpoint flaps for ever.

use collect::{Mode, RetrySse};
use sim::{EventServiceState, PathClass, Profile, Reachability, StreamBehaviour};

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail};

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_accepts_and_closes_at_once_is_polled_and_tried_again_at_doubling_waits() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::idrac9());
    bmc.set_stream_behaviour(StreamBehaviour::CloseAtOnce);
    world.start();
    // A Dell is left alone for half a minute after each.
    world.until("bmc", "polling: connect_failures", 3 * MINUTE).await;
    let tries = |world: &World| (bmc.counts().requests_of(PathClass::Stream), world.lines.about("bmc").len());
    let (first, lines) = tries(&world);
    assert_eq!(first, 5);
    // 30 min, 1 h, 2 h, 4 h, ... each shortened by at most half: in a day between five and seven tries.
    world.pass(24 * HOUR).await;
    let (after, lines_after) = tries(&world);
    assert!((4..=7).contains(&(after - first)), "{} tries in a day", after - first);
    assert_eq!(lines, lines_after, "failed tries are no news: {:#?}", world.lines.about("bmc"));
    assert_eq!(world.count("downgrades_total", &[]), 1);
    // It behaves: the next try brings the stream back.
    bmc.set_stream_behaviour(StreamBehaviour::Serve);
    world.until("bmc", "streaming", 24 * HOUR).await;
    world.pass(MINUTE).await;
    assert_eq!(world.count("recoveries_total", &[]), 1);
    assert_eq!(world.lines.told(&["event stream recovered"]).len(), 1);
    fans_fail(&bmc, 5, SECOND).await;
    assert_eq!(world.ways().await.get("event by stream"), Some(&5));
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_for_a_day_is_told_once() {
    for status in [401, 403, 404, 500, 503] {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", Profile::openbmc());
        bmc.set_stream_behaviour(StreamBehaviour::Status(status));
        world.start();
        world.pass(10 * MINUTE).await;
        let lines = world.lines.about("bmc");
        assert!(lines.len() <= 3, "{status}: {lines:#?}");
        world.pass(24 * HOUR).await;
        assert_eq!(world.lines.about("bmc"), lines, "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_retry_comes_within_half_an_hour_and_polls_go_on_meanwhile() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::idrac9());
    bmc.set_stream_behaviour(StreamBehaviour::CloseAtOnce);
    world.start();
    world.until("bmc", "polling", 3 * MINUTE).await;
    bmc.set_stream_behaviour(StreamBehaviour::Serve);
    fan_fails(&bmc);
    let took = world.until("bmc", "streaming", 31 * MINUTE).await;
    assert!(took >= 15 * MINUTE, "{took:?}: a BMC that flaps is not asked too early");
    assert_eq!(world.ways().await.get("entry by poll"), Some(&1));
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn retry_never_keeps_a_downgrade_until_the_restart() {
    let mut world = World::new(1).await;
    world.settings.auto.retry_sse_after = RetrySse::Never;
    let bmc = world.add("bmc", Profile::idrac9());
    bmc.set_stream_behaviour(StreamBehaviour::CloseAtOnce);
    world.start();
    world.until("bmc", "polling", 3 * MINUTE).await;
    bmc.set_stream_behaviour(StreamBehaviour::Serve);
    world.pass(24 * HOUR).await;
    bmc.reboot(5 * MINUTE);
    world.pass(24 * HOUR).await;
    assert_eq!(bmc.counts().streams_opened, 0);
    world.stop().await;
    world.start();
    world.until("bmc", "streaming", SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn after_a_five_minute_network_outage_every_endpoint_streams_again_within_a_minute() {
    let mut world = World::new(1).await;
    let names: Vec<String> = (0..20).map(|n| format!("r{n:02}")).collect();
    let bmcs: Vec<_> = names.iter().map(|name| world.add(name, Profile::idrac9())).collect();
    world.start();
    world.pass(MINUTE).await;
    for bmc in &bmcs {
        bmc.set_reachability(Reachability::Refusing);
    }
    for _ in 0..10 {
        for bmc in &bmcs {
            fan_fails(bmc);
        }
        world.pass(30 * SECOND).await;
    }
    assert_eq!(world.count("downgrades_total", &["connect_failures"]), 20);
    for bmc in &bmcs {
        bmc.set_reachability(Reachability::Up);
    }
    world.pass(MINUTE).await;
    for name in &names {
        assert_eq!(world.state(name), "streaming", "{name}");
        let lines = world.lines.about(name);
        assert!(lines.len() <= 3, "{lines:#?}");
    }
    world.pass(MINUTE).await;
    assert_eq!(world.count("recoveries_total", &[]), 20);
    let summaries = world.lines.told(&["endpoints unreachable or refused"]);
    assert!((4..=6).contains(&summaries.len()), "{summaries:#?}");
    assert!(summaries[0].contains("20 endpoints"), "{}", summaries[0]);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_answers_before_its_stream_does_is_not_left_to_polling_for_an_hour() {
    let (world, bmc) = World::of(Profile::idrac9()).await;
    world.pass(MINUTE).await;
    bmc.set_reachability(Reachability::Refusing);
    world.pass(6 * MINUTE).await;
    // It has booted; its event service has not.
    bmc.set_stream_behaviour(StreamBehaviour::Status(503));
    bmc.set_reachability(Reachability::Up);
    world.pass(90 * SECOND).await;
    bmc.set_stream_behaviour(StreamBehaviour::Serve);
    world.until("bmc", "streaming", 5 * MINUTE).await;
    world.pass(MINUTE).await;
    let lines = world.lines.about("bmc");
    assert_eq!(lines.len(), 4, "down, downgraded, answers, recovered: {lines:#?}");
}

#[tokio::test(start_paused = true)]
async fn six_hundred_dead_bmcs_are_told_once_and_then_a_line_a_minute() {
    let mut world = World::new(1).await;
    for n in 0..600 {
        world.add(&format!("r{n:04}"), Profile::idrac9()).set_reachability(Reachability::Refusing);
    }
    world.start();
    world.pass(10 * MINUTE).await;
    assert_eq!(world.count("downgrades_total", &[]), 600);
    for line in ["downgraded from event stream", "endpoint is down"] {
        assert_eq!(world.lines.told(&[line]).len(), 500, "the rest of the minute is held back: {line}");
    }
    let summaries = world.lines.told(&["600 endpoints unreachable"]).len();
    assert!((9..=10).contains(&summaries), "{summaries} summaries in ten minutes");
    assert_eq!(world.lines.told(&[]).len(), 500 + 500 + summaries);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_down_from_the_start_streams_when_it_appears() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::openbmc());
    bmc.set_reachability(Reachability::Refusing);
    world.start();
    world.pass(HOUR).await;
    let lines = world.lines.about("bmc");
    assert!(lines.len() <= 2, "{lines:#?}");
    assert!(bmc.counts().refused <= 60 * 5, "{:?}", bmc.counts());
    bmc.set_reachability(Reachability::Up);
    world.until("bmc", "streaming", MINUTE).await;
    world.pass(MINUTE).await;
    let told = world.lines.about("bmc");
    assert!(told.len() <= lines.len() + 2, "{told:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_flaps_in_the_network_is_not_flapped_with() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::openbmc());
    bmc.set_stream_behaviour(StreamBehaviour::CloseAtOnce);
    world.start();
    for _ in 0..60 {
        world.pass(MINUTE).await;
        bmc.set_reachability(Reachability::Refusing);
        world.pass(MINUTE).await;
        bmc.set_reachability(Reachability::Up);
    }
    // Each return of the network is evidence, and each failed try doubles the distance to the next: 5 failures of the window,
    // then a try for evidence after 0, 1, 2, 4, ... minutes and one for the timer.
    let tries = bmc.counts().requests_of(PathClass::Stream);
    assert!(tries <= 5 + 8 + 2, "{tries} tries in two hours");
}

#[tokio::test(start_paused = true)]
async fn a_new_event_service_is_found_by_the_state_refresh() {
    for profile in [Profile::openbmc(), Profile::idrac9()] {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        bmc.set_event_service(EventServiceState::Absent);
        world.start();
        world.until("bmc", "polling", 2 * SECOND).await;
        world.pass(2 * HOUR).await;
        assert_eq!(bmc.counts().requests_of(PathClass::Stream), 0);
        bmc.set_event_service(EventServiceState::Disabled);
        world.pass(2 * HOUR).await;
        assert_eq!(world.view("bmc").state.as_str(), "polling", "it appeared, but it is off");
        bmc.set_event_service(EventServiceState::Enabled);
        world.until("bmc", "streaming", 36 * MINUTE).await;
        fans_fail(&bmc, 3, SECOND).await;
        world.pass(MINUTE).await;
        assert_eq!(world.lines.told(&["event stream recovered"]).len(), 1);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_answered_404_is_tried_again_by_timer() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.until("bmc", "streaming", SECOND).await;
    bmc.set_stream_behaviour(StreamBehaviour::NotFound);
    bmc.cut_streams();
    world.until("bmc", "polling: sse_not_available", MINUTE).await;
    bmc.set_stream_behaviour(StreamBehaviour::Serve);
    world.until("bmc", "streaming", 36 * MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_change_of_mode_by_reload_restarts_only_that_endpoint() {
    let mut world = World::new(1).await;
    let (one, other) = (world.add("one", Profile::openbmc()), world.add("other", Profile::openbmc()));
    world.start();
    world.pass(MINUTE).await;
    world.spec("one").log_mode = Some(Mode::Periodic);
    world.reload();
    world.until("one", "polling", 2 * SECOND).await;
    assert_eq!((one.counts().streams_open, other.counts().streams_open), (0, 1));
    fan_fails(&one);
    world.pass(6 * MINUTE).await;
    world.spec("one").log_mode = None;
    world.reload();
    world.until("one", "streaming", 2 * SECOND).await;
    world.pass(MINUTE).await;
    assert_eq!((one.counts().streams_opened, other.counts().streams_opened), (2, 1));
    assert_eq!(other.counts().logins_ok, 1);
    world.assert_nothing_lost_nothing_twice().await;
}
