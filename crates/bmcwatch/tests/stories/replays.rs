//! What a BMC sends again, under old ids and new ones, in the middle of what it sends for the first time.

use collect::Mode;
use sim::{Bmc, Burst, EventServiceState, Profile, ResendIds, Severity};

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail, is_happening};

fn streaming() -> [Profile; 4] {
    [Profile::openbmc(), Profile::idrac9(), Profile::nvidia(), Profile::lenovo()]
}

fn fleeting(bmc: &Bmc) {
    bmc.push_only(Severity::Warning, "OpenBMC.0.1.Fleeting", &[], "Said once and written nowhere.");
}

/// How often the BMC said something, as far as the journal knows.
async fn told(world: &World) -> usize {
    world.records().await.iter().filter(|record| is_happening(record)).count()
}

/// An event without a time that a clock could show, as a BMC sends it.
fn undated(event_id: &str) -> String {
    let record = serde_json::json!({
        "EventId": event_id, "MessageId": "OpenBMC.0.1.Fleeting", "MessageArgs": ["a"],
        "EventTimestamp": "1970-01-01T00:00:12+00:00",
    });
    format!("id: {event_id}\ndata: {{\"Events\":[{record}]}}\n\n")
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_read_first_and_is_then_sent_twice_is_told_once() {
    for profile in streaming() {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        fans_fail(&bmc, 10, 10 * SECOND).await;
        // Alike in everything.
        bmc.log_again(0);
        bmc.log_again(0);
        world.start();
        world.until("bmc", "streaming", SECOND).await;
        // While the logs are read, and when they have been.
        bmc.resend_log(0);
        world.pass(MINUTE).await;
        assert_eq!(told(&world).await, 12);
        bmc.resend_log(0);
        bmc.resend_log(0);
        world.pass(HOUR).await;
        assert_eq!(told(&world).await, 12);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_sent_between_equal_events_hides_none_of_them() {
    for profile in streaming() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        fans_fail(&bmc, 3, 10 * SECOND).await;
        // All of one moment.
        fan_fails(&bmc);
        bmc.log_again(0);
        bmc.resend_log(0);
        bmc.log_again(0);
        bmc.resend_log(0);
        bmc.log_again(0);
        world.pass(SECOND).await;
        assert_eq!(told(&world).await, 7);
        world.pass(HOUR).await;
        bmc.resend_log(0);
        world.pass(HOUR).await;
        assert_eq!(told(&world).await, 7);
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_entry_comes_later_and_whose_log_is_then_sent_is_told_once() {
    for profile in streaming() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        fans_fail(&bmc, 3, 10 * SECOND).await;
        bmc.hold_log(0);
        fans_fail(&bmc, 3, 10 * SECOND).await;
        bmc.resend_log(0);
        world.pass(40 * MINUTE).await;
        bmc.release_log(0);
        bmc.resend_log(0);
        world.pass(40 * MINUTE).await;
        bmc.cut_streams();
        world.pass(MINUTE).await;
        bmc.resend_log(0);
        world.pass(HOUR).await;
        assert_eq!(told(&world).await, 6);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_step_back_of_the_clock_everything_is_told_and_old_news_is_still_known() {
    for step in [-3600, 400 * 86_400] {
        for profile in streaming() {
            let (world, bmc) = World::of(profile).await;
            world.pass(MINUTE).await;
            fans_fail(&bmc, 5, 10 * SECOND).await;
            for step in [step, -step] {
                bmc.step_clock(step);
                for _ in 0..5 {
                    fan_fails(&bmc);
                    fleeting(&bmc);
                    world.pass(10 * SECOND).await;
                }
                // Equal events are counted on, though the clock was later before.
                bmc.log_again(0);
                world.pass(SECOND).await;
                bmc.resend_log(0);
                bmc.resend_log(0);
                world.pass(MINUTE).await;
            }
            assert_eq!(told(&world).await, 27);
            world.pass(2 * HOUR).await;
            assert_eq!(told(&world).await, 27);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_sends_its_whole_log_at_each_first_line_is_heard_once() {
    let (world, bmc) = World::of(Profile { burst: Burst::FirstLine, ..Profile::openbmc() }).await;
    world.wire.choke_on_resume("bmc");
    world.pass(MINUTE).await;
    for round in 0..9 {
        fans_fail(&bmc, 4, 7 * SECOND).await;
        fleeting(&bmc);
        world.pass(SECOND).await;
        match round % 3 {
            0 => bmc.reboot(MINUTE),
            1 => bmc.rotate_log(0),
            _ => bmc.cut_streams(),
        }
        world.pass(3 * MINUTE).await;
    }
    world.pass(HOUR).await;
    assert_eq!(told(&world).await, 45);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_a_restart_of_the_daemon_is_known_after_it() {
    for profile in streaming() {
        let (mut world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        fans_fail(&bmc, 5, 10 * SECOND).await;
        let fleeting = bmc.push_only(Severity::Warning, "OpenBMC.0.1.Fleeting", &[], "Written nowhere.");
        world.pass(10 * SECOND).await;
        world.stop().await;
        world.start();
        world.pass(MINUTE).await;
        fan_fails(&bmc);
        bmc.resend_log(0);
        bmc.resend_event(&fleeting.token, ResendIds::NewIds);
        world.pass(HOUR).await;
        assert_eq!(told(&world).await, 7);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_polled_before_an_endpoint_had_a_stream_is_known_when_its_stream_sends_it() {
    for profile in streaming() {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        bmc.set_event_service(EventServiceState::Absent);
        world.start();
        world.until("bmc", "polling", MINUTE).await;
        fans_fail(&bmc, 5, 10 * SECOND).await;
        world.pass(10 * MINUTE).await;
        assert_eq!(told(&world).await, 5);
        bmc.set_event_service(EventServiceState::Enabled);
        world.until("bmc", "streaming", HOUR).await;
        bmc.resend_log(0);
        world.pass(2 * MINUTE).await;
        let newest = bmc.truth().last().expect("fans failed").token.clone();
        bmc.resend_event(&newest, ResendIds::NewIds);
        world.pass(HOUR).await;
        assert_eq!(told(&world).await, 5);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_polled_in_mode_periodic_is_known_when_another_mode_brings_a_stream() {
    for profile in streaming() {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        world.spec("bmc").log_mode = Some(Mode::Periodic);
        world.start();
        fans_fail(&bmc, 5, 10 * SECOND).await;
        world.pass(10 * MINUTE).await;
        world.spec("bmc").log_mode = None;
        world.reload();
        world.until("bmc", "streaming", HOUR).await;
        bmc.resend_log(0);
        world.pass(HOUR).await;
        assert_eq!(told(&world).await, 5);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_event_without_a_believable_time_is_never_taken_for_one_that_came_before() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    for _ in 0..3 {
        world.pass(MINUTE).await;
        // A clock that begins anew at each start, and event ids that do.
        bmc.push_raw(undated("1"));
        bmc.push_raw(undated("1"));
        bmc.push_raw(undated("2"));
        world.pass(SECOND).await;
        bmc.reboot(MINUTE);
        world.pass(5 * MINUTE).await;
    }
    assert_eq!(told(&world).await, 9);
}

#[tokio::test(start_paused = true)]
async fn t14_an_event_whose_entry_went_before_it_was_read_is_known_in_the_log_that_mirrors_it() {
    let (_, gb200) =
        Profile::flavours().iter().find(|(name, _)| *name == "nvidia_gb200").expect("it is there");
    let (world, bmc) = World::of(gb200()).await;
    world.pass(MINUTE).await;
    for _ in 0..5 {
        fan_fails(&bmc);
        world.pass(SECOND).await;
        // The event links its entry in the first log; the second one holds the same.
        bmc.trim_log(0, 1);
        world.pass(31 * MINUTE).await;
    }
    assert_eq!(world.tokens().await.len(), 5);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_takes_no_entry_of_another_log_that_counts_apart() {
    // Both logs give the number 1 within the same second.
    let (world, bmc) = World::of(Profile::lenovo()).await;
    world.pass(MINUTE).await;
    bmc.hold_log(1);
    bmc.log_in(1, Severity::Ok, "LenovoEvents.1.0.Login", &["USERID"], "Login of USERID.");
    world.pass(SECOND).await;
    bmc.log_silently(Severity::Critical, "LenovoEvents.1.0.FanFailed", &["fan0"], "Fan fan0 has failed.");
    world.pass(HOUR).await;
    bmc.release_log(1);
    world.pass(HOUR).await;
    assert_eq!(told(&world).await, 2);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn an_event_whose_entry_was_cleared_unread_takes_no_entry_that_has_its_path_now() {
    let (world, bmc) = World::of(Profile::nvidia()).await;
    world.pass(MINUTE).await;
    bmc.hold_log(0);
    fan_fails(&bmc);
    bmc.clear_log();
    bmc.release_log(0);
    bmc.log_silently(Severity::Critical, "OpenBMC.0.1.FanFailed", &["fan1"], "Fan fan1 has failed.");
    world.pass(HOUR).await;
    assert_eq!(told(&world).await, 2);
    world.assert_nothing_lost_nothing_twice().await;
}
