//! T1-T13: what names an entry when ids are places, begin anew, repeat, or are written otherwise.

use serde_json::json;
use sim::{Bmc, EntryShape, IdStyle, Members, Oem, Profile, Severity, Slots, TimeStyle};

use crate::{
    seen::{until_read, words},
    world::{MINUTE, SECOND, World, fan_fails, fans_fail},
};

/// Longer than two polls.
pub(crate) const TWO_POLLS: std::time::Duration = std::time::Duration::from_mins(11);

/// A BMC without a stream, with one log of so many entries.
pub(crate) fn polled(base: Profile, capacity: usize) -> Profile {
    let mut profile = Profile { sse_uri: None, ..base };
    profile.logs.truncate(1);
    profile.logs[0].capacity = capacity;
    profile
}

/// HPE's Event log: a window of places, named by UUIDs.
pub(crate) fn hpe_events(slots: Slots) -> Profile {
    let mut profile = polled(Profile::ilo5(), 256);
    profile.logs[0].shape = EntryShape::HpeEvent;
    profile.logs[0].slots = slots;
    Profile { vendor: "Hpe-Event", ..profile }
}

/// Counters that begin at 1 after a clear, dated entries.
pub(crate) fn restarting() -> Profile {
    Profile { ids: IdStyle::RestartsAtClear, oem: Oem::Plain, ..polled(Profile::nvidia(), 2000) }
}

/// Several fans fail within one second.
fn burst(bmc: &Bmc, times: usize) {
    for _ in 0..times {
        fan_fails(bmc);
    }
}

#[tokio::test(start_paused = true)]
async fn t01_positional_ids_sliding_window() {
    for oem in [Oem::HpeEventNumber, Oem::Plain] {
        let (world, bmc) = World::of(Profile { oem, ..polled(Profile::ilo5(), 218) }).await;
        fans_fail(&bmc, 218, SECOND).await;
        world.pass(TWO_POLLS).await;
        assert_eq!(world.tokens().await.len(), 218);
        for _ in 0..5 {
            // The ids are 1 to 218 before and after.
            fans_fail(&bmc, 15, SECOND).await;
            world.pass(TWO_POLLS).await;
        }
        assert_eq!(world.tokens().await.len(), 218 + 5 * 15);
        assert_eq!(words(&world).await, [""; 0], "an overlap is no gap");
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t01_positional_ids_without_a_number_and_without_a_time() {
    let profile = Profile { oem: Oem::Plain, time: TimeStyle::Naive, ..polled(Profile::ilo5(), 60) };
    let (world, bmc) = World::of(profile).await;
    fans_fail(&bmc, 60, SECOND).await;
    world.pass(TWO_POLLS).await;
    for _ in 0..5 {
        fans_fail(&bmc, 15, SECOND).await;
        world.pass(TWO_POLLS).await;
    }
    assert_eq!(world.tokens().await.len(), 60 + 5 * 15);
    assert_eq!(words(&world).await, [""; 0]);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t02_the_newest_is_always_id_256() {
    let (world, bmc) = World::of(hpe_events(Slots::Window)).await;
    for _ in 0..6 {
        fans_fail(&bmc, 60, SECOND).await;
        world.pass(TWO_POLLS).await;
    }
    let records = world.records().await;
    let newest = records.iter().filter(|record| record.facts.entry_id.as_deref() == Some("256"));
    assert!(newest.count() >= 6, "each poll met another one");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t03_empty_slots_are_no_records() {
    let (world, bmc) = World::of(hpe_events(Slots::Window)).await;
    fans_fail(&bmc, 92, SECOND).await;
    world.pass(TWO_POLLS).await;
    assert_eq!(world.records().await.len(), 92, "and no record for the 164 slots that were never written");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t04_a_member_that_is_gone_before_it_is_read_costs_itself() {
    let mut world = World::new(1).await;
    let links = Profile { ids: IdStyle::Rising, members: Members::Links, ..polled(Profile::openbmc(), 50) };
    let bmc = world.add("bmc", links);
    fans_fail(&bmc, 50, SECOND).await;
    bmc.set_latency(SECOND);
    world.start();
    // The log is listed; then it shrinks before the members are read.
    until_read(&bmc, 1).await;
    for gone in bmc.log_holds(0).into_iter().skip(30).take(10) {
        world.excused.insert(gone.token);
        bmc.delete_at(0, 30);
    }
    world.pass(TWO_POLLS).await;
    assert_eq!(world.tokens().await.len(), 40);
    // And one that is listed and never there.
    bmc.edit_pages(0, |page, _| {
        let link = format!("{}/440", page["@odata.id"].as_str().unwrap_or_default());
        page["Members"].as_array_mut().expect("a list").push(json!({ "@odata.id": link }));
    });
    fan_fails(&bmc);
    world.pass(TWO_POLLS).await;
    world.assert_nothing_lost_nothing_twice().await;
}

/// Lets the fans fail, has that read, and does what befalls the log, while the daemon runs or between two of its lives.
async fn befalls(before: usize, daemon: Daemon, what: impl Fn(&Bmc)) -> World {
    let (mut world, bmc) = World::of(restarting()).await;
    fans_fail(&bmc, before, SECOND).await;
    world.pass(TWO_POLLS).await;
    if daemon == Daemon::Stands {
        world.stop().await;
    }
    what(&bmc);
    world.pass(TWO_POLLS).await;
    if daemon == Daemon::Stands {
        world.start();
        world.pass(TWO_POLLS).await;
    }
    world.assert_nothing_lost_nothing_twice().await;
    world
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Daemon {
    Runs,
    Stands,
}

#[tokio::test(start_paused = true)]
async fn t05_ids_begin_anew_after_a_clear() {
    for daemon in [Daemon::Runs, Daemon::Stands] {
        let clear = |bmc: &Bmc| {
            bmc.clear_log();
            assert_eq!(fan_fails(bmc).id, "1");
        };
        let world = befalls(30, daemon, clear).await;
        assert_eq!(world.tokens().await.len(), 31);
        assert_eq!(words(&world).await, ["cleared cleared", "gap cleared"]);
    }
}

#[tokio::test(start_paused = true)]
async fn t06_cleared_and_refilled_beyond_the_cursor() {
    for daemon in [Daemon::Runs, Daemon::Stands] {
        // By the ids, 6 to 9 are new.
        let refill = |bmc: &Bmc| {
            bmc.clear_log();
            burst(bmc, 9);
        };
        let world = befalls(5, daemon, refill).await;
        assert_eq!(world.tokens().await.len(), 14);
        assert_eq!(words(&world).await, ["cleared cleared", "gap cleared"]);
    }
}

#[tokio::test(start_paused = true)]
async fn t07_an_id_is_given_again_after_a_restart() {
    for daemon in [Daemon::Runs, Daemon::Stands] {
        let restart = |bmc: &Bmc| {
            bmc.delete_newest(0);
            bmc.restart_logging(0);
            assert_eq!(fan_fails(bmc).id, "50");
        };
        let world = befalls(50, daemon, restart).await;
        assert_eq!(world.tokens().await.len(), 51);
        assert_eq!(words(&world).await, [""; 0], "the log goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn t08_holes_are_no_gaps() {
    for profile in [restarting(), polled(Profile::ilo5(), 500), polled(Profile::idrac9(), 500)] {
        let (world, bmc) = World::of(profile).await;
        fans_fail(&bmc, 60, SECOND).await;
        world.pass(TWO_POLLS).await;
        for index in [40, 20, 20, 7] {
            bmc.delete_at(0, index);
            fans_fail(&bmc, 2, SECOND).await;
            world.pass(TWO_POLLS).await;
        }
        assert_eq!(words(&world).await, [""; 0]);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t09_one_entry_listed_twice_under_its_id() {
    for oem in [Oem::LenovoSequence, Oem::Plain] {
        let mut profile = Profile { oem, ..polled(Profile::lenovo(), 1024) };
        profile.logs[0].slots = Slots::EverySecondTwice;
        let (world, bmc) = World::of(profile).await;
        for _ in 0..4 {
            burst(&bmc, 7);
            world.pass(TWO_POLLS).await;
        }
        assert_eq!(world.tokens().await.len(), 28);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t09b_one_event_under_two_ids() {
    let (world, bmc) = World::of(hpe_events(Slots::WindowWithEcho)).await;
    // As long as both fit, the block stands there twice; at last only once.
    for _ in 0..5 {
        fans_fail(&bmc, 49, SECOND).await;
        world.pass(TWO_POLLS).await;
    }
    assert_eq!(world.records().await.len(), 245);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t10_one_id_two_contents() {
    let (world, bmc) = World::of(polled(Profile::openbmc(), 4000)).await;
    let first = fan_fails(&bmc);
    world.pass(TWO_POLLS).await;
    bmc.same_id_next(0);
    let second = bmc.log(Severity::Ok, "OpenBMC.0.1.FanInserted", &["fan0"], "Fan fan0 was inserted.");
    assert_eq!(first.id, second.id);
    world.pass(TWO_POLLS).await;
    assert_eq!(world.tokens().await.len(), 2);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t11_rotation_renumbers_ids() {
    let (world, bmc) = World::of(polled(Profile::openbmc(), 4000)).await;
    // X, X_1, ... become X, X_1, ... of those that are left.
    burst(&bmc, 30);
    world.pass(TWO_POLLS).await;
    for _ in 0..3 {
        bmc.rotate_log(0);
        burst(&bmc, 3);
        world.pass(TWO_POLLS).await;
    }
    assert_eq!(world.tokens().await.len(), 39);
    assert_eq!(words(&world).await, [""; 0], "what was rotated away had been read");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t12_another_grammar_of_ids_with_the_firmware() {
    let profile = Profile { ids: IdStyle::EpochMicros, time: TimeStyle::OffsetMillis, ..Profile::openbmc() };
    let (world, bmc) = World::of(polled(profile, 4000)).await;
    fans_fail(&bmc, 20, SECOND).await;
    for ids in [IdStyle::BootTime, IdStyle::Cursor, IdStyle::EpochMicros] {
        world.pass(TWO_POLLS).await;
        bmc.reboot(MINUTE);
        bmc.renumber(0, ids);
        fans_fail(&bmc, 5, SECOND).await;
    }
    world.pass(TWO_POLLS).await;
    assert_eq!(world.tokens().await.len(), 35);
    assert_eq!(words(&world).await, [""; 0]);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t13_b1_is_always_the_newest_boot() {
    let profile = Profile { ids: IdStyle::PostCode, ..polled(Profile::openbmc(), 4000) };
    let (world, bmc) = World::of(profile).await;
    for _ in 0..4 {
        fans_fail(&bmc, 12, SECOND).await;
        world.pass(TWO_POLLS).await;
        bmc.new_boot(0);
    }
    assert_eq!(world.tokens().await.len(), 48);
    assert_eq!(words(&world).await, [""; 0]);
    world.assert_nothing_lost_nothing_twice().await;
}
