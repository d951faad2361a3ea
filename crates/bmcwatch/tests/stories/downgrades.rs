//! Leaving the stream: what downgrades at once, what only when it repeats, what never does, and how the operator learns.

use std::time::Duration;

use collect::Mode;
use sim::{EventServiceState, PathClass, Profile, Reachability, StreamBehaviour};

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails};

/// An endpoint that says that it has no stream is polled at once, with one warning that says why.
async fn is_downgraded_at_once(prepare: impl FnOnce(&sim::Bmc), profile: Profile, why: &str) {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", profile);
    prepare(&bmc);
    fan_fails(&bmc);
    world.start();
    world.until("bmc", &format!("polling: sse_not_available: {why}"), 2 * SECOND).await;
    assert!(world.seconds("downgrade_to_first_poll_seconds") < 1.0);
    world.pass(SECOND).await;
    assert_eq!(world.tokens().await.len(), 1, "the first poll brought what was there");
    fan_fails(&bmc);
    world.pass(HOUR).await;
    let warnings = world.lines.warnings("bmc");
    assert_eq!(warnings.len(), 1, "{warnings:#?}");
    assert!(warnings[0].contains("downgraded") && warnings[0].contains(why), "{}", warnings[0]);
    assert_eq!(world.lines.about("bmc").len(), 1);
    assert_eq!(bmc.counts().requests_in_flight_max, 1);
    world.assert_nothing_lost_nothing_twice().await;
    world.stop().await;
    assert_eq!(bmc.counts().sessions_open, 0);
}

#[tokio::test(start_paused = true)]
async fn a_bmc_without_an_event_service_is_polled_at_once() {
    is_downgraded_at_once(|_| {}, Profile::no_event_service(), "the service root has no EventService").await;
}

#[tokio::test(start_paused = true)]
async fn a_bmc_without_a_stream_uri_is_polled_at_once() {
    let why = "the EventService has no ServerSentEventUri";
    is_downgraded_at_once(|_| {}, Profile::no_sse_uri(), why).await;
    is_downgraded_at_once(|_| {}, Profile::ilo5(), why).await;
    is_downgraded_at_once(|_| {}, Profile { sse_uri: Some(""), ..Profile::openbmc() }, why).await;
}

#[tokio::test(start_paused = true)]
async fn a_disabled_event_service_is_polled_at_once_whether_its_stream_is_closed_or_silent() {
    for profile in [Profile::openbmc(), Profile::idrac9()] {
        let prepare = |bmc: &sim::Bmc| bmc.set_event_service(EventServiceState::Disabled);
        is_downgraded_at_once(prepare, profile, "the EventService is disabled").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_answers_404_405_406_501_or_403_is_polled_at_once() {
    for (status, why) in [
        (404, "the event stream answers 404"),
        (405, "the event stream answers 405"),
        (406, "the event stream answers 406"),
        (501, "the event stream answers 501"),
        (403, "the account may not open the event stream"),
    ] {
        let prepare = |bmc: &sim::Bmc| bmc.set_stream_behaviour(StreamBehaviour::Status(status));
        is_downgraded_at_once(prepare, Profile::openbmc(), why).await;
    }
}

/// Trouble with the stream counts in the window: the fifth failure within five minutes downgrades, the fourth does not.
async fn is_downgraded_by_the_fifth_failure(behaviour: StreamBehaviour) {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::idrac9());
    bmc.set_stream_behaviour(behaviour);
    world.start();
    while bmc.counts().requests_of(PathClass::Stream) < 4 {
        world.pass(Duration::from_millis(100)).await;
    }
    world.pass(SECOND).await;
    assert_eq!(world.count("downgrades_total", &[]), 0, "{behaviour:?}: four are bearable");
    world.until("bmc", "polling: connect_failures", MINUTE).await;
    assert_eq!(bmc.counts().requests_of(PathClass::Stream), 5, "{behaviour:?}");
    assert_eq!(world.count("downgrades_total", &["connect_failures"]), 1);
    assert_eq!(world.lines.told(&["downgraded"]).len(), 1);
    fan_fails(&bmc);
    world.pass(10 * MINUTE).await;
    let lines = world.lines.about("bmc");
    assert!(lines.len() <= 3, "{behaviour:?}: {lines:#?}");
    world.assert_nothing_lost_nothing_twice().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_fifth_server_error_or_login_page_or_immediate_end_within_the_window_downgrades() {
    for behaviour in [
        StreamBehaviour::Status(503),
        StreamBehaviour::Status(500),
        StreamBehaviour::Status(502),
        StreamBehaviour::WrongContentType,
        StreamBehaviour::CloseAtOnce,
    ] {
        is_downgraded_by_the_fifth_failure(behaviour).await;
    }
}

#[tokio::test(start_paused = true)]
async fn four_failures_within_the_window_and_the_fifth_after_it_do_not_downgrade() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.until("bmc", "streaming", SECOND).await;
    for _ in 0..12 {
        // A stream that breaks young, four times in five minutes, for a quarter of an hour.
        world.pass(74 * SECOND).await;
        bmc.set_stream_behaviour(StreamBehaviour::CloseAtOnce);
        bmc.cut_streams();
        world.pass(Duration::from_millis(500)).await;
        bmc.set_stream_behaviour(StreamBehaviour::Serve);
    }
    assert_eq!(world.count("downgrades_total", &[]), 0);
    world.until("bmc", "streaming", 2 * SECOND).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_proved_itself_clears_the_window() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.until("bmc", "streaming", SECOND).await;
    for _ in 0..20 {
        // A good event proves the stream; then it breaks.
        fan_fails(&bmc);
        world.pass(SECOND).await;
        bmc.cut_streams();
        let opened = bmc.counts().streams_opened;
        while bmc.counts().streams_opened == opened {
            world.pass(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(
        world.count("downgrades_total", &[]),
        0,
        "twenty breaks within a minute, each of a proven stream"
    );
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn mode_sse_never_downgrades() {
    let mut world = World::new(1).await;
    world.settings.mode = Mode::Sse;
    let without = world.add("without", Profile::no_sse_uri());
    let closing = world.add("closing", Profile::openbmc());
    closing.set_stream_behaviour(StreamBehaviour::CloseAtOnce);
    let dead = world.add("dead", Profile::openbmc());
    dead.set_reachability(Reachability::Refusing);
    world.start();
    world.pass(6 * HOUR).await;
    assert_eq!(world.count("downgrades_total", &[]), 0);
    assert_eq!(world.count("polls_total", &[]), 0);
    assert!(world.lines.told(&["downgraded"]).is_empty());
    // There is nothing to hurry for: at most one look every 2.5 min, one try every 15 s.
    assert!(without.counts().requests_total() < 6 * 24 * 3, "{:?}", without.counts());
    assert!(closing.counts().requests_of(PathClass::Stream) < 6 * 240 + 10, "{:?}", closing.counts());
    for name in ["without", "closing", "dead"] {
        assert!(world.lines.about(name).len() <= 2, "{:#?}", world.lines.about(name));
    }
    closing.set_stream_behaviour(StreamBehaviour::Serve);
    dead.set_reachability(Reachability::Up);
    world.until("closing", "streaming", MINUTE).await;
    world.until("dead", "streaming", MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn mode_periodic_never_opens_a_stream() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::openbmc());
    let other = world.add("other", Profile::openbmc());
    world.spec("bmc").log_mode = Some(Mode::Periodic);
    world.start();
    for _ in 0..20 {
        fan_fails(&bmc);
        fan_fails(&other);
        world.pass(3 * MINUTE).await;
    }
    world.pass(5 * MINUTE).await;
    assert_eq!(bmc.counts().requests_of(PathClass::Stream), 0);
    assert_eq!(bmc.counts().requests_of(PathClass::EventService), 0);
    assert_eq!(other.counts().streams_opened, 1, "the mode of one endpoint is its own");
    assert_eq!(world.ways().await.get("entry by poll"), Some(&20));
    world.assert_nothing_lost_nothing_twice().await;
}
