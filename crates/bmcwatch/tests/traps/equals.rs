//! T14-T24: entries that stand in two places, say the same, change in place, or come while the log is read.

use std::collections::BTreeSet;

use model::Kind;
use serde_json::{Value, json};
use sim::{Bmc, IdStyle, Order, Profile, Severity, Slots, TimeStyle};

use crate::{
    identity::{TWO_POLLS, hpe_events, polled, restarting},
    seen::{until_read, words},
    world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail},
};

/// Takes what tells this happening from its equals out of the newest entry.
fn make_alike(bmc: &Bmc) {
    bmc.edit_newest(0, |entry| {
        entry["MessageArgs"] = json!(["fan0"]);
        if entry.get("Message").is_some() {
            entry["Message"] = json!("Fan fan0 has failed.");
        }
    });
}

/// How many records there are of entries; each has a uid of its own.
async fn entries(world: &World) -> usize {
    let records = world.records().await;
    let uids: BTreeSet<_> = records.iter().map(|record| record.uid.to_bytes()).collect();
    assert_eq!(uids.len(), records.len(), "a uid twice");
    records.iter().filter(|record| record.kind == Kind::Entry).count()
}

#[tokio::test(start_paused = true)]
async fn t14_one_event_in_two_logs() {
    for sse_uri in [None, Profile::nvidia().sse_uri] {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", Profile { sse_uri, ..Profile::nvidia() });
        bmc.mirror(0, 1);
        fans_fail(&bmc, 20, SECOND).await;
        world.start();
        for _ in 0..3 {
            world.pass(31 * MINUTE).await;
            fans_fail(&bmc, 20, SECOND).await;
        }
        world.pass(31 * MINUTE).await;
        assert_eq!(world.tokens().await.len(), 80);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t15_entries_arrive_while_pages_are_read_newest_first() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", polled(Profile::idrac9(), 5000));
    fans_fail(&bmc, 300, SECOND).await;
    bmc.set_latency(3 * SECOND);
    world.start();
    until_read(&bmc, 1).await;
    // Each page is moved by what came since the one before.
    fans_fail(&bmc, 40, SECOND).await;
    world.pass(HOUR).await;
    assert_eq!(world.tokens().await.len(), 340);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t15_a_log_that_is_trimmed_while_pages_are_read_oldest_first() {
    let mut world = World::new(1).await;
    let profile = Profile { page_size: Some(20), ..polled(Profile::openbmc(), 200) };
    let bmc = world.add("bmc", profile);
    fans_fail(&bmc, 200, SECOND).await;
    bmc.set_latency(SECOND);
    world.start();
    until_read(&bmc, 1).await;
    // One page has been read. The log is full and stays as long as it is, so that what stood at the head of the next
    // page slips before its skip.
    for _ in 0..7 {
        fan_fails(&bmc);
    }
    // The next reading would come too late for them.
    world.pass(30 * SECOND).await;
    bmc.trim_log(0, 40);
    world.pass(HOUR).await;
    assert_eq!(world.tokens().await.len(), 207);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t15_a_log_that_is_cleared_while_pages_are_read() {
    let counting_anew =
        Profile { ids: IdStyle::RestartsAtClear, time: TimeStyle::Naive, ..Profile::idrac9() };
    for (order, profile) in [
        (Order::NewestFirst, Profile::idrac9()),
        (Order::OldestFirst, Profile::idrac9()),
        (Order::NewestFirst, counting_anew),
    ] {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", Profile { order, ..polled(profile, 5000) });
        fans_fail(&bmc, 300, SECOND).await;
        bmc.set_latency(3 * SECOND);
        world.start();
        until_read(&bmc, 1).await;
        world.pass(5 * SECOND).await;
        bmc.clear_log();
        let kept: BTreeSet<String> = world.tokens().await.into_iter().collect();
        let gone = bmc.truth().into_iter().map(|logged| logged.token);
        world.excused.extend(gone.filter(|token| !kept.contains(token)));
        // More than the page that was read, less than the log was; and the next reading would come too late for them.
        for _ in 0..120 {
            fan_fails(&bmc);
        }
        world.pass(100 * SECOND).await;
        bmc.clear_log();
        world.pass(HOUR).await;
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t16_a_known_entry_among_new_ones_ends_no_walk() {
    let profile = Profile { order: Order::NewestFirst, page_size: Some(50), ..Profile::lenovo() };
    let (world, bmc) = World::of(polled(profile, 1024)).await;
    fans_fail(&bmc, 60, SECOND).await;
    world.pass(TWO_POLLS).await;
    fans_fail(&bmc, 110, SECOND / 10).await;
    // The known entry 30 now stands before everything that is new.
    bmc.repeat_block(0, 30..31);
    world.pass(TWO_POLLS).await;
    assert_eq!(world.tokens().await.len(), 170);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t17_an_entry_that_changes_in_place_is_one_record() {
    for profile in [polled(Profile::ilo5(), 500), restarting()] {
        for reports in [false, true] {
            let mut world = World::new(1).await;
            world.settings.report_changes = reports;
            let bmc = world.add("bmc", profile.clone());
            fan_fails(&bmc);
            world.start();
            world.pass(TWO_POLLS).await;
            for count in [8, 9, 642] {
                bmc.edit_newest(0, move |entry| {
                    let at = format!("2026-11-20T12:{}:00Z", count % 60);
                    entry["Modified"] = json!(at);
                    entry["Resolved"] = json!(true);
                    entry["Severity"] = json!("OK");
                    entry["Oem"]["Hpe"]["Count"] = json!(count);
                    entry["Oem"]["Hpe"]["Updated"] = json!(at);
                    entry["Oem"]["Hpe"]["Repaired"] = json!(true);
                });
                world.pass(TWO_POLLS).await;
            }
            let records = world.records().await;
            let changed = records.iter().filter(|record| record.kind == Kind::Changed).count();
            assert_eq!(changed, if reports { 3 } else { 0 });
            // What has changed before anybody read it is one record and no change.
            fan_fails(&bmc);
            bmc.edit_newest(0, |entry| {
                entry["Resolved"] = json!(true);
                entry["Oem"]["Hpe"]["Count"] = json!(9);
            });
            world.pass(TWO_POLLS).await;
            assert_eq!(entries(&world).await, 2);
            let records = world.records().await;
            assert_eq!(records.iter().filter(|record| record.kind == Kind::Changed).count(), changed);
            world.assert_nothing_lost_nothing_twice().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t19_a_path_and_an_id_that_disagree_name_one_entry() {
    // Undated, so that the id is in the name.
    let (world, bmc) = World::of(Profile { time: TimeStyle::Naive, ..restarting() }).await;
    fans_fail(&bmc, 6, SECOND).await;
    world.pass(TWO_POLLS).await;
    bmc.edit_pages(0, |page, _| {
        for (place, member) in members(page).iter_mut().enumerate() {
            member["@odata.id"] =
                json!(format!("/redfish/v1/Systems/1/LogServices/Sel/Entries/{}", 24 + place));
        }
    });
    fans_fail(&bmc, 6, SECOND).await;
    world.pass(TWO_POLLS).await;
    let records = world.records().await;
    let ids: BTreeSet<_> = records.iter().filter_map(|record| record.facts.entry_id.as_deref()).collect();
    assert!(ids.iter().all(|id| id.parse::<u8>().is_ok_and(|id| id <= 12)), "{ids:?}");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t20_a_trailing_slash_is_no_other_log() {
    let (world, bmc) = World::of(Profile { time: TimeStyle::Naive, ..restarting() }).await;
    fans_fail(&bmc, 6, SECOND).await;
    world.pass(TWO_POLLS).await;
    bmc.edit_log_service(0, |service| {
        for pointer in ["/@odata.id", "/Entries/@odata.id"] {
            let path = service.pointer_mut(pointer).expect("the simulator sends it");
            *path = json!(format!("{}/", path.as_str().unwrap_or_default()));
        }
    });
    bmc.edit_pages(0, |page, _| {
        for member in members(page) {
            member["@odata.id"] = json!(format!("{}/", member["@odata.id"].as_str().unwrap_or_default()));
        }
    });
    fans_fail(&bmc, 6, SECOND).await;
    world.pass(HOUR).await;
    assert_eq!(world.tokens().await.len(), 12);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t21_an_event_id_that_is_a_class_names_nothing() {
    // Lenovo: one class for all. HPE: one UUID for what has one cause.
    for profile in [polled(Profile::lenovo(), 1024), hpe_events(Slots::Packed)] {
        let (world, bmc) = World::of(profile).await;
        for round in 1..=5 {
            fan_fails(&bmc);
            make_alike(&bmc);
            fan_fails(&bmc);
            make_alike(&bmc);
            bmc.log(Severity::Warning, "OpenBMC.0.1.TooHot", &["cpu0"], "CPU cpu0 is too hot.");
            world.pass(TWO_POLLS).await;
            assert_eq!(entries(&world).await, 3 * round);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn t22_an_etag_or_a_latest_id_that_never_changes_hides_nothing() {
    for profile in
        [polled(Profile::ilo5(), 500), polled(Profile::nvidia(), 500), polled(Profile::lenovo(), 500)]
    {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        bmc.edit_pages(0, |page, _| page["@odata.etag"] = json!("W/\"0\""));
        bmc.edit_log_service(0, |service| {
            service["@odata.etag"] = json!("\"ejUxX1N0YW5kYXJkTG9nRW50cnkK1\"");
            for (vendor, key) in
                [("Nvidia", "LatestEntryID"), ("Lenovo", "LastSeqNum"), ("Lenovo", "FirstSeqNum")]
            {
                let told = &mut service["Oem"][vendor][key];
                *told = json!("1");
            }
        });
        world.start();
        for _ in 0..12 {
            world.pass(6 * MINUTE).await;
            fan_fails(&bmc);
        }
        world.pass(6 * MINUTE).await;
        assert_eq!(world.tokens().await.len(), 12);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t23_two_events_alike_in_all_but_their_ids_are_two() {
    let by_id = Profile { ids: IdStyle::EpochSeconds, ..polled(Profile::openbmc(), 500) };
    for profile in [by_id, hpe_events(Slots::Packed), Profile { order: Order::NewestFirst, ..restarting() }] {
        let (world, bmc) = World::of(profile).await;
        for round in 1..=4 {
            for _ in 0..3 {
                fan_fails(&bmc);
                make_alike(&bmc);
            }
            world.pass(TWO_POLLS).await;
            assert_eq!(entries(&world).await, 3 * round);
        }
        assert_eq!(words(&world).await, [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn t24_an_entry_that_stands_for_twelve_is_told_as_it_is() {
    let (world, bmc) = World::of(polled(Profile::idrac9(), 5000)).await;
    for _ in 0..3 {
        fan_fails(&bmc);
        bmc.log(Severity::Ok, "LOG007", &[], "The previous log entry was repeated 12 times.");
        bmc.edit_newest(0, |entry| {
            entry["MessageArgs"] = json!(["12"]);
            entry["Message"] = json!("The previous log entry was repeated 12 times.");
        });
        fans_fail(&bmc, 60, SECOND).await;
        world.pass(TWO_POLLS).await;
    }
    let records = world.records().await;
    let repeats = records.iter().filter(|record| record.facts.message_id.as_deref() == Some("LOG007"));
    let ids: BTreeSet<_> = repeats.clone().filter_map(|record| record.facts.entry_id.clone()).collect();
    assert_eq!((repeats.count(), ids.len()), (3, 3));
    assert_eq!(entries(&world).await, 3 * 62);
}

/// The members of a page.
fn members(page: &mut Value) -> &mut Vec<Value> {
    page["Members"].as_array_mut().expect("the simulator lists members")
}
