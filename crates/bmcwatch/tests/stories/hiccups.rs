//! One failed request, anywhere: it delays what it hit for minutes at most, and only that.

use std::time::Duration;

use collect::Mode;
use http::StatusCode;
use sim::{PathClass, Profile, Severity};

use crate::world::{MINUTE, SECOND, World, fan_fails};

/// Lets the `n`-th request of a first contact fail and answers when everything had come nevertheless.
async fn time_to_everything(profile: Profile, mode: Mode, n: u64, status: StatusCode) -> Duration {
    let mut world = World::new(1).await;
    world.settings.mode = mode;
    world.settings.exclude_services.clear();
    let bmc = world.add("bmc", profile);
    bmc.set_latency(Duration::from_millis(100));
    let logs = bmc.config().profile.logs.len();
    for log in 0..logs {
        bmc.log_in(log, Severity::Warning, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
    }
    world.start();
    while bmc.counts().requests_total() + 1 < n {
        world.pass(Duration::from_millis(5)).await;
    }
    bmc.fail_requests(1, status);
    let mut waited = Duration::ZERO;
    while world.tokens().await.len() < logs && waited < 40 * MINUTE {
        world.pass(5 * SECOND).await;
        waited += 5 * SECOND;
    }
    world.assert_nothing_lost_nothing_twice().await;
    waited
}

#[tokio::test(start_paused = true)]
async fn one_failed_request_of_a_first_contact_costs_minutes_and_not_half_an_hour() {
    for mode in [Mode::Auto, Mode::Periodic] {
        for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::SERVICE_UNAVAILABLE] {
            for n in 1..=20 {
                let took = time_to_everything(Profile::nvidia(), mode, n, status).await;
                assert!(took <= 11 * MINUTE, "{took:?} when request {n} answers {status} in mode {mode:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_without_a_change_does_not_make_the_fleet_poll_at_once() {
    let mut world = World::new(1).await;
    world.settings.mode = Mode::Periodic;
    let bmcs: Vec<_> = (0..20).map(|n| world.add(&format!("r{n:02}"), Profile::ilo5())).collect();
    world.start();
    world.pass(20 * MINUTE).await;
    let pages = |bmcs: &[std::sync::Arc<sim::Bmc>]| -> u64 {
        bmcs.iter().map(|bmc| bmc.counts().requests_of(PathClass::Entries)).sum()
    };
    let before = pages(&bmcs);
    for _ in 0..10 {
        world.reload();
        world.pass(SECOND).await;
    }
    let asked = pages(&bmcs) - before;
    assert!(asked <= 12, "{asked} pages in ten seconds of reloads");
}

#[tokio::test(start_paused = true)]
async fn a_reload_long_ago_does_not_shorten_the_wait_after_a_failure() {
    let (world, bmc) = World::of(Profile::idrac9()).await;
    world.pass(MINUTE).await;
    world.reload();
    world.pass(58 * MINUTE).await;
    bmc.end_streams();
    world.pass(15 * SECOND).await;
    assert_eq!(bmc.counts().streams_opened, 1, "Dell wants 20 to 30 s of rest after an idle close");
    world.pass(16 * SECOND).await;
    assert_eq!(bmc.counts().streams_opened, 2);
    fan_fails(&bmc);
    world.assert_nothing_lost_nothing_twice().await;
}
