//! Nothing lost, nothing twice: long backfills, gaps between streams, reboots, clears, and what is never pushed.

use std::time::Duration;

use collect::Mode;
use sim::{Profile, Push, Severity, StreamBehaviour};

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail};

fn streaming_profiles() -> [Profile; 4] {
    [Profile::openbmc(), Profile::idrac9(), Profile::nvidia(), Profile::lenovo()]
}

#[tokio::test(start_paused = true)]
async fn events_during_a_long_backfill_are_held_and_come_once() {
    for profile in streaming_profiles() {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        for _ in 0..600 {
            fan_fails(&bmc);
        }
        world.pass(MINUTE).await;
        bmc.set_latency(8 * SECOND);
        world.start();
        world.until("bmc", "streaming", MINUTE).await;
        // One event a second while page after page takes eight.
        fans_fail(&bmc, 120, SECOND).await;
        world.pass(10 * MINUTE).await;
        assert_eq!(world.tokens().await.len(), 720);
        assert_eq!(bmc.counts().streams_opened, 1);
        assert_eq!(bmc.counts().requests_in_flight_max, 1);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_during_the_backfill_keeps_what_it_brought() {
    for profile in streaming_profiles() {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        bmc.set_latency(8 * SECOND);
        world.start();
        world.until("bmc", "streaming", MINUTE).await;
        for _ in 0..5 {
            bmc.push_only(Severity::Warning, "OpenBMC.0.1.Fleeting", &[], "Said once and written nowhere.");
            fan_fails(&bmc);
            world.pass(SECOND).await;
        }
        bmc.end_streams();
        world.pass(10 * MINUTE).await;
        assert_eq!(world.tokens().await.len(), 10);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_stops_during_the_backfill_keeps_what_the_stream_brought() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::openbmc());
    bmc.set_latency(2 * SECOND);
    world.start();
    world.until("bmc", "streaming", MINUTE).await;
    bmc.push_only(Severity::Warning, "OpenBMC.0.1.Fleeting", &[], "Said once and written nowhere.");
    world.pass(SECOND).await;
    world.stop().await;
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_logged_while_no_stream_is_open_comes_by_backfill() {
    for profile in streaming_profiles() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        for _ in 0..10 {
            bmc.cut_streams();
            fan_fails(&bmc);
            world.pass(2 * MINUTE).await;
            fan_fails(&bmc);
            world.pass(SECOND).await;
        }
        let ways = world.ways().await;
        assert_eq!(ways.get("entry by backfill"), Some(&10), "{ways:?}");
        assert_eq!(ways.values().sum::<usize>(), 20, "{ways:?}");
        assert_eq!(world.view("bmc").reconnections, 10);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t71_what_is_never_pushed_comes_by_reconciliation_within_half_an_hour() {
    for profile in streaming_profiles() {
        for push in [Push::Never, Push::AllButEach(2)] {
            let (world, bmc) = World::of(Profile { push, ..profile.clone() }).await;
            world.pass(MINUTE).await;
            fans_fail(&bmc, 20, SECOND).await;
            world.pass(31 * MINUTE).await;
            assert_eq!(world.tokens().await.len(), 20);
            assert_eq!(bmc.counts().streams_opened, 1, "silence is no failure");
            world.assert_nothing_lost_nothing_twice().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_stands_in_no_log_comes_once_as_an_event() {
    for profile in streaming_profiles() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        for _ in 0..10 {
            bmc.push_only(Severity::Ok, "OpenBMC.0.1.Fleeting", &[], "Said once and written nowhere.");
            world.pass(MINUTE).await;
        }
        world.pass(HOUR).await;
        assert_eq!(world.ways().await.get("event by stream"), Some(&10));
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reboot_loses_nothing_and_repeats_nothing_though_event_ids_begin_anew() {
    for profile in streaming_profiles() {
        let (world, bmc) = World::of(profile).await;
        for _ in 0..6 {
            world.pass(3 * MINUTE).await;
            fans_fail(&bmc, 5, SECOND).await;
            bmc.reboot(90 * SECOND);
            // Written on the way down and on the way up.
            fans_fail(&bmc, 3, 20 * SECOND).await;
        }
        world.pass(40 * MINUTE).await;
        assert_eq!(world.view("bmc").state.as_str(), "streaming");
        assert_eq!(world.tokens().await.len(), 48);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_clear_loses_nothing_that_was_pushed_and_ids_that_begin_anew_hide_nothing() {
    for profile in streaming_profiles() {
        for pause in [SECOND, 10 * MINUTE] {
            let (world, bmc) = World::of(profile.clone()).await;
            world.pass(MINUTE).await;
            for _ in 0..5 {
                fans_fail(&bmc, 4, pause).await;
                world.pass(SECOND).await;
                bmc.clear_log();
                // Ids of the cleared log are given again, to things that say nearly the same.
                fans_fail(&bmc, 2, SECOND).await;
                world.pass(10 * SECOND).await;
                for _ in 0..2 {
                    bmc.log_silently(
                        Severity::Critical,
                        "OpenBMC.0.1.FanFailed",
                        &["fan0"],
                        "Fan fan0 has failed.",
                    );
                }
                world.pass(31 * MINUTE).await;
            }
            assert_eq!(world.tokens().await.len(), 40);
            world.assert_nothing_lost_nothing_twice().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_clear_between_an_event_and_its_reconciliation_hides_no_entry_of_the_same_id() {
    for profile in streaming_profiles() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        let silently = || {
            bmc.log_silently(Severity::Critical, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
        };
        for _ in 0..3 {
            // Pushed, and its entry cleared before anybody read it; then the id names what was never pushed.
            fan_fails(&bmc);
            world.pass(MINUTE).await;
            bmc.clear_log();
            silently();
            world.pass(40 * MINUTE).await;
            // The reverse: read, cleared, and the id pushed with something new.
            bmc.clear_log();
            fan_fails(&bmc);
            world.pass(SECOND).await;
            assert_eq!(world.tokens().await.last(), bmc.truth().last().map(|logged| &logged.token));
            world.pass(40 * MINUTE).await;
            bmc.clear_log();
        }
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_logs_that_count_alike_hide_nothing_of_each_other() {
    for profile in streaming_profiles() {
        let (mut world, bmc) = World::of(profile.clone()).await;
        if profile.vendor == "OpenBMC" {
            // Its second log is excluded by default.
            world.settings.exclude_services.clear();
            world.reload();
        }
        world.pass(MINUTE).await;
        for _ in 0..5 {
            bmc.log_in(1, Severity::Ok, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
            bmc.log_silently(Severity::Critical, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
            world.pass(31 * MINUTE).await;
        }
        assert_eq!(world.tokens().await.len(), 10);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_of_one_log_is_no_twin_of_an_entry_of_another_that_has_the_same_number() {
    for profile in streaming_profiles().into_iter().filter(|profile| profile.vendor != "OpenBMC") {
        // Every other happening is pushed: those of the first log.
        let (world, bmc) = World::of(Profile { push: Push::AllButEach(2), ..profile }).await;
        world.pass(MINUTE).await;
        for _ in 0..5 {
            for log in [0, 1] {
                bmc.log_in(log, Severity::Ok, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
                world.pass(10 * SECOND).await;
            }
            world.pass(31 * MINUTE).await;
        }
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_waits_for_its_entry_through_a_downgrade_a_restart_and_a_change_of_mode() {
    for profile in streaming_profiles() {
        let (mut world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        fans_fail(&bmc, 5, SECOND).await;
        bmc.set_stream_behaviour(StreamBehaviour::NotFound);
        bmc.cut_streams();
        world.pass(10 * MINUTE).await;
        assert!(world.state("bmc").starts_with("polling: sse_not_available"));
        bmc.set_stream_behaviour(StreamBehaviour::Serve);
        world.until("bmc", "streaming", HOUR).await;
        world.pass(MINUTE).await;
        fans_fail(&bmc, 5, SECOND).await;
        world.stop().await;
        world.settings.mode = Mode::Periodic;
        world.start();
        world.pass(10 * MINUTE).await;
        assert_eq!(world.tokens().await.len(), 10);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_within_one_second_is_counted_and_not_compared() {
    for profile in streaming_profiles() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        for _ in 0..300 {
            fan_fails(&bmc);
        }
        world.pass(Duration::from_millis(200)).await;
        bmc.cut_streams();
        for _ in 0..100 {
            fan_fails(&bmc);
        }
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), 400);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn excluded_services_are_not_read_though_what_they_push_is_kept() {
    let mut world = World::new(1).await;
    world.settings.exclude_services = vec!["sel".to_owned()];
    let bmc = world.add("bmc", Profile::idrac9());
    let of_sel = bmc.log_in(1, Severity::Ok, "SEL0001", &[], "Nobody asked for this.");
    world.excused.insert(of_sel.token.clone());
    fan_fails(&bmc);
    world.start();
    world.pass(HOUR).await;
    assert!(!world.tokens().await.contains(&of_sel.token));
    world.assert_nothing_lost_nothing_twice().await;
    // The operator thinks again: a reload reads it.
    world.excused.clear();
    world.settings.exclude_services.clear();
    world.reload();
    world.pass(MINUTE).await;
    world.assert_nothing_lost_nothing_twice().await;
}
