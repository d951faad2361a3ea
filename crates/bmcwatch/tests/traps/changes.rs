//! What became of a log: wraps, clears, restarts, renewed firmware, another machine (T18, T33, T38, T76, T77, and what
//! T5-T7 leave behind). What nobody could read any more is covered by a gap record that says why and how many.

use std::collections::BTreeSet;

use model::Kind;
use serde_json::{Value, json};
use sim::{Bmc, LogFault, LogProfile, Oem, Profile, TimeStyle, WhenFull};

use crate::{
    identity::{TWO_POLLS, polled, restarting},
    seen::words,
    world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail},
};

/// Excuses what went before it was read: neither told nor in the log any more.
async fn excuse_gone(world: &mut World, bmc: &Bmc) -> usize {
    let mut there: BTreeSet<String> = world.tokens().await.into_iter().collect();
    there.extend(bmc.log_holds(0).into_iter().map(|logged| logged.token));
    let gone = bmc.truth().into_iter().map(|logged| logged.token).filter(|token| !there.contains(token));
    let gone: Vec<String> = gone.collect();
    let count = gone.len();
    world.excused.extend(gone);
    count
}

/// How many entries the last gap says may be missing.
async fn at_most(world: &World) -> Option<u64> {
    let gaps = world.gaps().await;
    let gap = gaps.iter().rfind(|gap| gap.kind == Kind::Gap)?;
    let told: Value = serde_json::from_str(gap.facts.original.as_ref()?.get()).ok()?;
    assert!(told["log"].is_string() && told["to"].is_string() && told["from"].is_string(), "{told}");
    told["at_most"].as_u64()
}

#[tokio::test(start_paused = true)]
async fn t01_a_ring_that_wrapped_over_what_was_unread_leaves_a_gap_that_counts_it() {
    for profile in [polled(Profile::ilo5(), 100), Profile { oem: Oem::Plain, ..restarting() }] {
        let mut profile = profile;
        profile.logs[0].capacity = 100;
        let (mut world, bmc) = World::of(profile).await;
        fans_fail(&bmc, 100, SECOND).await;
        world.pass(TWO_POLLS).await;
        fans_fail(&bmc, 150, SECOND / 10).await;
        assert_eq!(excuse_gone(&mut world, &bmc).await, 50);
        world.pass(TWO_POLLS).await;
        assert_eq!(words(&world).await, ["gap wrapped"]);
        assert_eq!(at_most(&world).await, Some(50));
        fans_fail(&bmc, 10, SECOND).await;
        world.pass(TWO_POLLS).await;
        assert_eq!(words(&world).await.len(), 1, "told once");
        assert_eq!(world.view("bmc").gaps, [("wrapped", 1)].into());
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t11_a_rotation_over_what_was_unread_leaves_a_gap_though_ids_are_no_numbers() {
    let (mut world, bmc) = World::of(polled(Profile::openbmc(), 60)).await;
    fans_fail(&bmc, 60, SECOND).await;
    world.pass(TWO_POLLS).await;
    fans_fail(&bmc, 70, SECOND).await;
    assert!(excuse_gone(&mut world, &bmc).await > 0);
    world.pass(TWO_POLLS).await;
    assert_eq!(words(&world).await, ["gap wrapped"]);
    assert_eq!(at_most(&world).await, None);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t05_a_marker_whose_number_follows_proves_that_nothing_went_unread() {
    let mut profile = polled(Profile::ilo5(), 100);
    profile.logs[0].marker = Some(("", "IML Cleared (iLO user: Administrator)"));
    let (mut world, bmc) = World::of(profile).await;
    fans_fail(&bmc, 30, SECOND).await;
    world.pass(TWO_POLLS).await;
    bmc.clear_log();
    world.pass(TWO_POLLS).await;
    assert_eq!(words(&world).await, ["cleared cleared"]);
    // Seven more come and go unread: the numbers say so.
    fans_fail(&bmc, 7, SECOND / 10).await;
    bmc.clear_log();
    assert_eq!(excuse_gone(&mut world, &bmc).await, 7);
    world.pass(TWO_POLLS).await;
    assert_eq!(words(&world).await, ["cleared cleared", "cleared cleared", "gap cleared"]);
    assert_eq!(at_most(&world).await, Some(7));
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t07_a_counter_and_a_clock_that_begin_anew_are_told_as_a_restart() {
    let (world, bmc) = World::of(restarting()).await;
    fans_fail(&bmc, 30, SECOND).await;
    world.pass(TWO_POLLS).await;
    bmc.clear_log();
    bmc.step_clock(-86_400);
    fans_fail(&bmc, 3, SECOND).await;
    world.pass(TWO_POLLS).await;
    assert_eq!(words(&world).await, ["gap restarted"]);
    assert_eq!(world.tokens().await.len(), 33);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t07_a_number_that_is_given_again_and_goes_unread_is_a_gap() {
    let (mut world, bmc) = World::of(restarting()).await;
    fans_fail(&bmc, 30, SECOND).await;
    world.pass(TWO_POLLS).await;
    bmc.delete_newest(0);
    bmc.restart_logging(0);
    world.pass(TWO_POLLS).await;
    // The first of these has the number of the one that was deleted, and goes with all that is known.
    fans_fail(&bmc, 40, SECOND / 10).await;
    bmc.trim_log(0, 30);
    assert_eq!(excuse_gone(&mut world, &bmc).await, 1);
    world.pass(TWO_POLLS).await;
    assert_eq!(words(&world).await, ["gap wrapped"]);
    assert_eq!(at_most(&world).await, Some(1));
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t18_a_list_of_active_alarms_is_never_judged() {
    let profile = polled(Profile::lenovo(), 100);
    let log = LogProfile { id: "ActiveLog", ..profile.logs[0].clone() };
    // Undated: a new generation would tell again what is still active.
    let (world, bmc) =
        World::of(Profile { logs: vec![log], oem: Oem::Plain, time: TimeStyle::Naive, ..profile }).await;
    fans_fail(&bmc, 5, SECOND).await;
    world.pass(TWO_POLLS).await;
    for _ in 0..4 {
        // The alarms end, all but the oldest; others come, and again.
        (1..bmc.log_holds(0).len()).for_each(|_| bmc.delete_newest(0));
        world.pass(TWO_POLLS).await;
        bmc.set_log_fault(0, LogFault::Empty);
        world.pass(HOUR).await;
        bmc.set_log_fault(0, LogFault::None);
        world.pass(TWO_POLLS).await;
        fans_fail(&bmc, 2, SECOND).await;
        world.pass(TWO_POLLS).await;
    }
    assert_eq!(words(&world).await, [""; 0]);
    assert_eq!(world.tokens().await.len(), 13);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t33_an_empty_answer_while_the_backend_is_down_is_no_clear() {
    for profile in [restarting(), Profile { time: TimeStyle::Naive, ..restarting() }] {
        let (world, bmc) = World::of(profile).await;
        fans_fail(&bmc, 180, SECOND).await;
        world.pass(TWO_POLLS).await;
        for _ in 0..3 {
            bmc.set_log_fault(0, LogFault::Empty);
            world.pass(6 * MINUTE).await;
            bmc.set_log_fault(0, LogFault::None);
            world.pass(TWO_POLLS).await;
        }
        assert_eq!(words(&world).await, [""; 0]);
        // A clear that lasts is believed.
        bmc.clear_log();
        world.pass(HOUR).await;
        assert_eq!(words(&world).await, ["cleared cleared", "gap cleared"]);
        fan_fails(&bmc);
        world.pass(TWO_POLLS).await;
        assert_eq!(world.tokens().await.len(), 181);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t38_a_full_log_that_never_overwrites_is_told_once() {
    let mut profile = restarting();
    profile.logs[0].capacity = 20;
    profile.logs[0].claimed_capacity = Some(20);
    profile.logs[0].when_full = WhenFull::Discard;
    let (world, bmc) = World::of(profile).await;
    fans_fail(&bmc, 15, SECOND).await;
    world.pass(TWO_POLLS).await;
    assert_eq!(words(&world).await, [""; 0]);
    fans_fail(&bmc, 10, SECOND).await;
    world.pass(3 * HOUR).await;
    assert_eq!(words(&world).await, ["gap full"]);
    bmc.clear_log();
    fans_fail(&bmc, 25, SECOND).await;
    world.pass(3 * HOUR).await;
    let told = words(&world).await;
    assert_eq!(told.iter().filter(|word| *word == "gap full").count(), 2, "{told:?}");
    assert_eq!(world.tokens().await.len(), 40);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t76_a_firmware_update_renames_what_it_can_and_nothing_is_new() {
    let mut world = World::new(1).await;
    let profile = Profile { sse_uri: None, oem: Oem::Plain, ..Profile::lenovo() };
    let log = |id| LogProfile { id, ..profile.logs[0].clone() };
    let bmc =
        world.add("bmc", Profile { logs: vec![log("StandardLog"), log("PlatformLog")], ..profile.clone() });
    // The same log, under the name of the one firmware and of the next.
    bmc.mirror(0, 1);
    bmc.set_log_fault(1, LogFault::Missing);
    world.start();
    for _ in 0..30 {
        bmc.log(sim::Severity::Warning, "iLOEvents.3.15.FanFailed", &["fan0"], "Fan fan0 has failed.");
        world.pass(SECOND).await;
    }
    world.pass(TWO_POLLS).await;
    bmc.reboot(3 * MINUTE);
    bmc.set_firmware("AFBT60A-6.00");
    bmc.set_log_fault(0, LogFault::Missing);
    bmc.set_log_fault(1, LogFault::None);
    bmc.edit_pages(1, |page, _| {
        for member in page["Members"].as_array_mut().into_iter().flatten() {
            let id = member["MessageId"].as_str().unwrap_or_default().replace(".3.15.", ".3.16.");
            member["MessageId"] = json!(id);
            let words = member["Message"].as_str().unwrap_or_default().replace("has failed", "failed");
            member["Message"] = json!(words);
        }
    });
    fans_fail(&bmc, 5, SECOND).await;
    world.pass(2 * HOUR).await;
    assert_eq!(world.tokens().await.len(), 35);
    assert_eq!(words(&world).await, [""; 0]);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t77_another_machine_behind_the_address() {
    for (profile, streams) in
        [(restarting(), false), (Profile::nvidia(), true), (polled(Profile::ilo5(), 100), false)]
    {
        let (mut world, bmc) = World::of(profile).await;
        fans_fail(&bmc, 30, SECOND).await;
        world.pass(31 * MINUTE).await;
        let before = world.tokens().await.len();
        assert_eq!(before, 30);
        // What the old machine logs last goes with it.
        let unread =
            bmc.log_silently(sim::Severity::Ok, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
        world.excused.insert(unread.token);
        bmc.swap(77);
        bmc.reboot(20 * MINUTE);
        fans_fail(&bmc, 4, SECOND).await;
        world.pass(2 * HOUR).await;
        assert_eq!(world.tokens().await.len(), 34, "streams: {streams}");
        let told = words(&world).await;
        assert!(told.contains(&"gap replaced".to_owned()), "streams: {streams}: {told:?}");
        assert!(told.iter().all(|word| word.ends_with("replaced")), "{told:?}");
        world.assert_nothing_lost_nothing_twice().await;
    }
}
