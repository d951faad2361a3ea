//! Coming and going of endpoints, wrong credentials, panics: what happens to one endpoint stays with it.

use std::{path::PathBuf, time::Duration};

use model::{HARDWARE_MARK, Hardware, Secret};
use redfish::Trust;
use sim::{PathClass, Profile, StreamBehaviour};

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails};

#[tokio::test(start_paused = true)]
async fn a_removed_endpoint_stops_logs_out_and_leaves_the_board() {
    let mut world = World::new(1).await;
    let going = [world.add("streams", Profile::openbmc()), world.add("polled", Profile::ilo5())];
    let staying = world.add("stays", Profile::idrac9());
    world.start();
    world.pass(MINUTE).await;
    world.specs.retain(|spec| spec.endpoint.id.as_str() == "stays");
    world.reload();
    world.pass(4 * SECOND).await;
    for bmc in going {
        assert_eq!((bmc.counts().sessions_open, bmc.counts().streams_open), (0, 0), "{}", bmc.name());
        let requests = bmc.counts().requests_total();
        world.pass(HOUR).await;
        assert_eq!(bmc.counts().requests_total(), requests, "nobody asks {} any more", bmc.name());
    }
    let left: Vec<String> = world.board().iter().map(|view| view.endpoint.id.to_string()).collect();
    assert_eq!(left, ["stays"]);
    assert_eq!((staying.counts().streams_opened, staying.counts().logins_ok), (1, 1));
    assert_eq!(world.count("endpoint_changes_total", &["removed"]), 2);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_cannot_be_started_does_not_stop_the_others_and_starts_when_it_can() {
    let mut world = World::new(1).await;
    world.add("a-good", Profile::openbmc());
    world.add("b-bad", Profile::openbmc());
    world.add("c-good", Profile::ilo5());
    world.spec("b-bad").client.trust = Trust::Ca(PathBuf::from("/nonexistent/ca.pem"));
    world.start();
    world.until("a-good", "streaming", SECOND).await;
    world.until("c-good", "polling", 2 * SECOND).await;
    assert_eq!(world.view("b-bad").state.as_str(), "unsupported");
    world.pass(HOUR).await;
    assert_eq!(world.lines.about("b-bad").len(), 1, "it is told once");
    world.spec("b-bad").client.trust = Trust::Insecure;
    world.reload();
    world.until("b-bad", "streaming", SECOND).await;
    assert_eq!(world.board().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn the_journal_keeps_what_the_machine_is_and_learns_of_another_firmware() {
    for (name, profile) in [("streams", Profile::openbmc()), ("polled", Profile::ilo5())] {
        let mut world = World::new(1).await;
        let bmc = world.add(name, profile);
        world.start();
        world.pass(MINUTE).await;
        let kept = async |world: &World| {
            let mark = world.journal.mark(name, HARDWARE_MARK).await.unwrap();
            Hardware::decode(&mark.expect("it was kept"))
        };
        let before = kept(&world).await;
        let said = [&before.system_uuid, &before.manufacturer, &before.model, &before.serial_number];
        assert!(said.iter().all(|text| text.is_some()), "{before:?}");
        bmc.set_firmware("99.1");
        world.pass(HOUR).await;
        let after = kept(&world).await;
        let firmware = Some("99.1".to_owned());
        assert_eq!(after, Hardware { bmc_firmware_version: firmware, ..before }, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_password_is_tried_twice_and_then_once_an_hour() {
    for (name, profile) in [("streams", Profile::openbmc()), ("polled", Profile::ilo5())] {
        let mut world = World::new(1).await;
        let bmc = world.add(name, profile);
        let login = world.spec(name).client.login.as_mut().expect("it has one");
        let right = std::mem::replace(&mut login.password, Secret::new("wrong".to_owned()));
        world.start();
        world.until(name, "auth_failed", MINUTE).await;
        world.pass(58 * MINUTE).await;
        assert_eq!(bmc.counts().logins_refused, 2, "{name}");
        assert_eq!(world.lines.about(name).len(), 2, "down, then refused: {:#?}", world.lines.about(name));
        world.pass(3 * MINUTE).await;
        assert_eq!(bmc.counts().logins_refused, 3, "{name}: the hour is over");
        world.pass(5 * HOUR).await;
        assert!((7..=9).contains(&bmc.counts().logins_refused), "{:?}", bmc.counts());
        assert!(world.lines.about(name).len() <= 3, "{:#?}", world.lines.about(name));
        // Somebody says that it is right now, but it is not.
        let before = bmc.counts().logins_refused;
        world.reload();
        world.pass(50 * MINUTE).await;
        assert_eq!(bmc.counts().logins_refused - before, 1, "{name}");
        world.spec(name).client.login.as_mut().expect("it has one").password = right;
        fan_fails(&bmc);
        world.reload();
        world.until(name, if name == "polled" { "polling" } else { "streaming" }, 5 * SECOND).await;
        world.pass(SECOND).await;
        assert_eq!(bmc.counts().sessions_open, 1);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_put_right_at_the_bmc_heals_by_a_reload_without_a_change() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    bmc.set_password("changed");
    bmc.reboot(MINUTE);
    world.until("bmc", "auth_failed", 10 * MINUTE).await;
    assert_eq!(bmc.counts().logins_refused, 2);
    bmc.set_password("0penBmc");
    world.reload();
    world.until("bmc", "streaming", 5 * SECOND).await;
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn sessions_that_end_are_renewed_one_at_a_time() {
    for profile in [Profile::openbmc(), Profile::lenovo(), Profile::ilo5()] {
        let (mut world, bmc) = World::of(profile).await;
        for n in 1..=12 {
            world.pass(5 * MINUTE).await;
            assert_eq!(bmc.counts().sessions_open, 1);
            bmc.end_sessions();
            fan_fails(&bmc);
            world.pass(31 * MINUTE).await;
            assert_eq!(bmc.counts().logins_refused, 0);
            assert!(bmc.counts().logins_ok <= 8 * n + 1, "{:?}", bmc.counts());
        }
        assert_eq!(bmc.counts().requests_in_flight_max, 1);
        world.assert_nothing_lost_nothing_twice().await;
        world.stop().await;
        assert_eq!(bmc.counts().sessions_open, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_in_one_collector_is_contained_counted_and_its_slot_started_again_later() {
    let mut world = World::new(1).await;
    let strange = world.add("strange", Profile::openbmc());
    let other = world.add("other", Profile::openbmc());
    world.wire.panic_on("strange", 3);
    world.start();
    world.until("other", "streaming", SECOND).await;
    world.until("strange", "streaming", 10 * SECOND).await;
    assert_eq!(world.count("task_restarts_total", &["collector", "panic"]), 3);
    assert_eq!(world.lines.told(&["collector panicked", "strange"]).len(), 3);
    fan_fails(&strange);
    fan_fails(&other);
    world.pass(MINUTE).await;
    assert_eq!(other.counts().streams_opened, 1);
    world.assert_nothing_lost_nothing_twice().await;
    // One that panics always is tried ever more seldom.
    world.wire.panic_on("strange", u32::MAX);
    strange.cut_streams();
    world.pass(6 * HOUR).await;
    let restarts = world.count("task_restarts_total", &["collector", "panic"]) - 3;
    assert!((72..200).contains(&restarts), "{restarts} restarts in six hours");
    world.wire.panic_on("strange", 0);
    fan_fails(&strange);
    world.until("strange", "streaming", 5 * MINUTE).await;
    assert_eq!(other.counts().streams_opened, 1);
    world.assert_nothing_lost_nothing_twice().await;
    assert_eq!(world.stop().await.as_secs(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stop_in_the_middle_of_anything_is_quick_and_logs_out() {
    for after in [0, 10, 500, 2_000, 3_500, 9_000, 20_000, 70_000] {
        let mut world = World::new(1).await;
        let slow = [Profile::openbmc(), Profile::idrac9(), Profile::ilo5(), Profile::lenovo()];
        let bmcs: Vec<_> =
            slow.map(|profile| world.add(&profile.vendor.to_lowercase(), profile)).into_iter().collect();
        for bmc in &bmcs {
            bmc.set_latency(Duration::from_millis(900));
            for _ in 0..200 {
                fan_fails(bmc);
            }
        }
        world.start();
        world.pass(Duration::from_millis(after)).await;
        let took = world.stop().await;
        assert!(took < 4 * SECOND, "{took:?} after {after} ms");
        for bmc in &bmcs {
            let counts = bmc.counts();
            assert_eq!(
                (counts.sessions_open, counts.streams_open),
                (0, 0),
                "{} after {after} ms",
                bmc.name()
            );
        }
        // Started again it goes on and ends with everything.
        world.start();
        world.pass(10 * MINUTE).await;
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_fleet_at_rest_costs_its_bmcs_next_to_nothing() {
    let mut world = World::new(1).await;
    let streams = world.add("streams", Profile::nvidia());
    let polled = world.add("polled", Profile::ilo5());
    world.start();
    world.pass(MINUTE).await;
    let before = [streams.counts(), polled.counts()];
    world.pass(24 * HOUR).await;
    let cost = |now: sim::Counts, then: &sim::Counts| now.requests_total() - then.requests_total();
    let entries = streams.counts().requests_of(PathClass::Entries);
    assert!(entries <= 3 * 49, "{entries} pages in a day, three logs each half hour");
    assert!(cost(streams.counts(), &before[0]) < 1500, "{:?}", streams.counts().requests);
    assert!(cost(polled.counts(), &before[1]) < 1500, "{:?}", polled.counts().requests);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_answers_401_to_a_session_that_is_good_for_all_else_is_polled() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::idrac9());
    bmc.set_stream_behaviour(StreamBehaviour::Status(401));
    fan_fails(&bmc);
    world.start();
    world.until("bmc", "polling: connect_failures: auth", 2 * MINUTE).await;
    world.pass(SECOND).await;
    assert_eq!((bmc.counts().logins_refused, bmc.counts().sessions_open), (0, 1), "{:?}", bmc.counts());
    fan_fails(&bmc);
    world.pass(24 * HOUR).await;
    assert_eq!(bmc.counts().sessions_open, 1, "{:?}", bmc.counts());
    assert!(world.lines.about("bmc").len() <= 3, "{:#?}", world.lines.about("bmc"));
    world.assert_nothing_lost_nothing_twice().await;
}
