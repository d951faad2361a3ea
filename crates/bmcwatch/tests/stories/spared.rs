//! What a BMC is spared: sessions that are left behind, wrong logins, requests while it is dead or has too much to do.

use std::{sync::Arc, time::Duration};

use collect::Mode;
use http::StatusCode;
use model::Secret;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use redfish::AuthMode;
use sim::{Bmc, LogFault, Login, PathClass, Profile, Reachability, StreamBehaviour};
use tokio::time::Instant;

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails};

/// Wrong logins in any hour; `redfish` says why so many.
const WRONG_LOGINS_PER_HOUR_MAX: u64 = 4;

#[tokio::test(start_paused = true)]
async fn fifty_kills_leave_one_session_at_the_bmc() {
    for (profile, mode) in [(Profile::openbmc(), Mode::Auto), (Profile::ilo5(), Mode::Periodic)] {
        let mut world = World::new(1).await;
        world.settings.mode = mode;
        let bmc = world.add("bmc", profile);
        for _ in 0..50 {
            world.start();
            world.pass(20 * SECOND).await;
            assert!(bmc.counts().sessions_open <= 2, "{:?}", bmc.counts());
            world.kill();
        }
        assert_eq!((bmc.counts().logins_ok, bmc.counts().sessions_open), (50, 1));
        fan_fails(&bmc);
        world.start();
        world.pass(10 * MINUTE).await;
        world.assert_nothing_lost_nothing_twice().await;
        world.stop().await;
        assert_eq!(bmc.counts().sessions_open, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bmc_whose_sessions_are_all_taken_is_asked_for_one_once_an_hour_and_read_with_basic() {
    let mut world = World::new(1).await;
    let profile = Profile { sessions_max: 0, ..Profile::idrac9() };
    let bmc = world.add("bmc", profile);
    world.settings.mode = Mode::Periodic;
    world.start();
    world.until("bmc", "polling", 5 * SECOND).await;
    for _ in 0..60 {
        world.pass(2 * MINUTE).await;
        world.reload();
    }
    let asked = bmc.counts().requests_of(PathClass::Sessions);
    assert!(asked <= 3, "{asked} logins in two hours");
    assert_eq!(bmc.counts().logins_refused, 0);
}

/// What can happen to the daemon and to a BMC without anybody changing the credentials.
async fn something_happens(world: &mut World, bmc: &Arc<Bmc>, rng: &mut SmallRng) {
    match rng.random_range(0..14) {
        0..3 => world.reload(),
        3 => {
            world.kill();
            world.start();
        }
        4 => {
            world.stop().await;
            world.start();
        }
        // Killed in the middle of whatever comes first.
        5 => {
            world.kill();
            world.start();
            world.pass(Duration::from_millis(rng.random_range(0..2000))).await;
            world.kill();
            world.start();
        }
        6 => bmc.reboot(Duration::from_secs(rng.random_range(1..120))),
        7 => bmc.cut_streams(),
        8 => bmc.end_sessions(),
        9 => world.wire.panic_on("bmc", 1),
        10 => {
            let behaviours =
                [StreamBehaviour::Serve, StreamBehaviour::CloseAtOnce, StreamBehaviour::NotFound];
            bmc.set_stream_behaviour(behaviours[rng.random_range(0..3)]);
        }
        // Another wish for the same endpoint: its slot is taken away and a new one made.
        11 => {
            let modes = [None, Some(Mode::Auto), Some(Mode::Sse), Some(Mode::Periodic)];
            world.spec("bmc").log_mode = modes[rng.random_range(0..4)];
            world.reload();
        }
        12 => {
            let ways = [Reachability::Refusing, Reachability::Resetting, Reachability::BlackHole];
            bmc.set_reachability(ways[rng.random_range(0..3)]);
            world.pass(Duration::from_secs(rng.random_range(1..90))).await;
            bmc.set_reachability(Reachability::Up);
        }
        _ => bmc.set_latency(Duration::from_millis(rng.random_range(0..4000))),
    }
}

#[tokio::test(start_paused = true)]
async fn no_sequence_of_happenings_sends_more_than_four_wrong_logins_in_an_hour() {
    for seed in 0..8 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut world = World::new(seed).await;
        let login = [Login::Either, Login::SessionOnly, Login::BasicOnly][rng.random_range(0..3)];
        let profile = Profile { login, ..Profile::openbmc() };
        let bmc = world.add("bmc", profile);
        world.spec("bmc").client.auth = match login {
            Login::SessionOnly => AuthMode::Session,
            Login::Either | Login::BasicOnly | Login::Open => AuthMode::Auto,
        };
        world.start();
        world.pass(Duration::from_secs(rng.random_range(0..120))).await;
        bmc.set_password("another");
        bmc.end_sessions();
        let mut seen: Vec<(Instant, u64)> = vec![(Instant::now(), 0)];
        for _ in 0..250 {
            something_happens(&mut world, &bmc, &mut rng).await;
            let wait = if rng.random_bool(0.5) { 5 } else { 600 };
            world.pass(Duration::from_secs(rng.random_range(0..wait))).await;
            let now = (Instant::now(), bmc.counts().logins_refused);
            seen.retain(|(at, _)| now.0 - *at <= HOUR);
            let within = seen.first().map_or(0, |(_, refused)| now.1 - refused);
            assert!(
                within <= WRONG_LOGINS_PER_HOUR_MAX,
                "seed {seed}: {within} wrong logins within an hour ({login:?})"
            );
            seen.push(now);
        }
        assert!(bmc.counts().logins_refused >= 10, "seed {seed}: it is tried at all: {:?}", bmc.counts());
        bmc.set_reachability(Reachability::Up);
        bmc.set_latency(Duration::ZERO);
        bmc.set_stream_behaviour(StreamBehaviour::Serve);
        world.spec("bmc").client.login.as_mut().expect("it has one").password =
            Secret::new("another".to_owned());
        world.reload();
        world.pass(5 * MINUTE).await;
        let state = world.view("bmc").state;
        assert!(
            matches!(state, collect::State::Streaming | collect::State::Polling),
            "seed {seed}: {state:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn credentials_that_were_changed_during_a_restart_are_tried_at_once_and_the_same_ones_are_not() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::openbmc());
    let login = world.spec("bmc").client.login.as_mut().expect("it has one");
    let right = std::mem::replace(&mut login.password, Secret::new("wrong".to_owned()));
    world.start();
    world.until("bmc", "auth_failed", MINUTE).await;
    for _ in 0..10 {
        world.kill();
        world.start();
        world.until("bmc", "auth_failed", MINUTE).await;
        world.stop().await;
        world.start();
        world.until("bmc", "auth_failed", MINUTE).await;
    }
    assert_eq!(bmc.counts().logins_refused, 2);
    world.kill();
    world.spec("bmc").client.login.as_mut().expect("it has one").password = right;
    world.start();
    world.until("bmc", "streaming", 5 * SECOND).await;
    assert_eq!(bmc.counts().logins_refused, 2);
}

#[tokio::test(start_paused = true)]
async fn a_dead_endpoint_costs_one_connect_a_try_and_its_return_is_noticed_within_half_a_minute() {
    for (profile, mode) in
        [(Profile::openbmc(), Mode::Auto), (Profile::openbmc(), Mode::Sse), (Profile::ilo5(), Mode::Periodic)]
    {
        let mut world = World::new(1).await;
        world.settings.mode = mode;
        let bmc = world.add("bmc", profile);
        world.start();
        world.pass(10 * MINUTE).await;
        assert!(!world.view("bmc").load.circuit_open);
        bmc.set_reachability(Reachability::Refusing);
        world.pass(HOUR).await;
        assert!(world.view("bmc").load.circuit_open, "{mode:?}");
        let before = bmc.counts();
        world.pass(24 * HOUR).await;
        let tries = bmc.counts().refused - before.refused;
        assert!((24 * 120..=24 * 240 + 1).contains(&tries), "{tries} connects in a day, {mode:?}");
        assert_eq!(bmc.counts().requests_total(), before.requests_total());
        bmc.set_reachability(Reachability::Up);
        let up = if mode == Mode::Periodic { "polling" } else { "streaming" };
        let back = world.until("bmc", up, MINUTE).await;
        assert!(back <= 32 * SECOND, "{back:?}, {mode:?}");
        assert!(!world.view("bmc").load.circuit_open);
    }
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_answers_nothing_but_503_is_asked_for_its_root_and_nothing_else() {
    let mut world = World::new(1).await;
    world.settings.mode = Mode::Periodic;
    let bmc = world.add("bmc", Profile::ilo5());
    world.start();
    world.pass(10 * MINUTE).await;
    bmc.fail_requests(u32::MAX, StatusCode::SERVICE_UNAVAILABLE);
    world.until("bmc", "backoff", 6 * MINUTE).await;
    let before = bmc.counts();
    world.pass(HOUR).await;
    let asked = bmc.counts().requests_total() - before.requests_total();
    let roots = bmc.counts().requests_of(PathClass::Root) - before.requests_of(PathClass::Root);
    assert!((120..=250).contains(&asked), "{asked}");
    assert_eq!(roots, asked, "{:?}", bmc.counts().requests);
    bmc.fail_requests(0, StatusCode::OK);
    world.until("bmc", "polling", 32 * SECOND).await;
    assert_eq!(world.view("bmc").reason.as_deref(), None, "a dead BMC is not a slow one");
}

#[tokio::test(start_paused = true)]
async fn a_bmc_for_which_its_log_is_too_much_is_asked_ever_more_seldom_and_comes_back() {
    let mut world = World::new(1).await;
    world.settings.mode = Mode::Periodic;
    let bmc = world.add("bmc", Profile::ilo5());
    fan_fails(&bmc);
    world.start();
    world.pass(20 * MINUTE).await;
    for log in 0..bmc.config().profile.logs.len() {
        bmc.set_log_fault(log, LogFault::Status(503));
    }
    world.pass(10 * MINUTE).await;
    assert!(world.view("bmc").load.slowed, "{}", world.state("bmc"));
    assert!(world.state("bmc").contains("slowed"), "{}", world.state("bmc"));
    world.pass(2 * HOUR).await;
    let before = bmc.counts().requests_total();
    world.pass(6 * HOUR).await;
    let asked = bmc.counts().requests_total() - before;
    assert!(asked <= 7 * 25, "{asked} requests in six hours");
    for log in 0..bmc.config().profile.logs.len() {
        bmc.set_log_fault(log, LogFault::None);
    }
    fan_fails(&bmc);
    world.pass(3 * HOUR).await;
    assert!(!world.view("bmc").load.slowed);
    let before = bmc.counts().requests_of(PathClass::Entries);
    world.pass(HOUR).await;
    assert!(bmc.counts().requests_of(PathClass::Entries) - before >= 11, "every five minutes again");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_dell_is_left_alone_for_20_to_30_seconds_after_any_end_of_its_stream() {
    for orderly in [true, false] {
        let (world, bmc) = World::of(Profile::idrac9()).await;
        world.pass(10 * MINUTE).await;
        for opened in 1..4 {
            if orderly {
                bmc.end_streams();
            } else {
                bmc.cut_streams();
            }
            world.pass(19 * SECOND).await;
            world.reload();
            world.pass(Duration::from_millis(900)).await;
            assert_eq!(bmc.counts().streams_opened, opened, "not yet, whoever asks");
            world.pass(12 * SECOND).await;
            assert_eq!(bmc.counts().streams_opened, opened + 1);
            world.pass(10 * MINUTE).await;
        }
        assert_eq!(world.count("downgrades_total", &[]), 0);
    }
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    bmc.cut_streams();
    world.pass(2 * SECOND).await;
    assert_eq!(bmc.counts().streams_opened, 2, "others do not ask for that");
}
