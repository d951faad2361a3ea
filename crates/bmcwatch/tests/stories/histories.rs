//! First contact, restarts of the daemon, and a journal that cannot be written for a while.

use std::time::Duration;

use collect::{History, Mode};
use journal::Location;
use sim::Profile;

use crate::world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail};

fn profiles() -> [Profile; 5] {
    [Profile::openbmc(), Profile::idrac9(), Profile::nvidia(), Profile::lenovo(), Profile::ilo5()]
}

/// Three entries two days old and two of the last hour; how many of them a first contact brings.
async fn first_contact_brings(history: History, expected: usize) {
    for profile in profiles() {
        let mut world = World::new(1).await;
        world.settings.initial_history = history;
        let bmc = world.add("bmc", profile);
        fans_fail(&bmc, 3, MINUTE).await;
        world.pass(48 * HOUR).await;
        fans_fail(&bmc, 2, MINUTE).await;
        world.start();
        world.pass(MINUTE).await;
        assert_eq!(world.tokens().await.len(), expected, "{} with {history:?}", bmc.config().profile.vendor);
        // From here on everything, and nothing of the past comes again.
        fans_fail(&bmc, 3, MINUTE).await;
        world.pass(6 * MINUTE).await;
        bmc.reboot(MINUTE);
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), expected + 3, "{}", bmc.config().profile.vendor);
        world.excused = bmc.truth().iter().take(5 - expected).map(|logged| logged.token.clone()).collect();
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_first_contact_with_history_none_brings_nothing_of_the_past() {
    first_contact_brings(History::None, 0).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_contact_with_history_24h_brings_the_last_day() {
    first_contact_brings(History::Last(24 * HOUR), 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_first_contact_with_history_all_brings_everything() {
    first_contact_brings(History::All, 5).await;
}

#[tokio::test(start_paused = true)]
async fn what_happens_during_the_first_reading_is_news_even_with_history_none() {
    for profile in profiles() {
        let mut world = World::new(1).await;
        world.settings.initial_history = History::None;
        let bmc = world.add("bmc", profile);
        for _ in 0..100 {
            world.excused.insert(fan_fails(&bmc).token);
        }
        bmc.set_latency(3 * SECOND);
        world.pass(10 * SECOND).await;
        world.start();
        let streams = bmc.config().profile.sse_uri.is_some();
        if streams {
            world.until("bmc", "streaming", MINUTE).await;
            // The stream is open, the first page is not read yet.
            fans_fail(&bmc, 10, SECOND).await;
        }
        world.pass(10 * MINUTE).await;
        assert_eq!(world.tokens().await.len(), if streams { 10 } else { 0 });
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_daemon_resumes_and_replays_nothing() {
    for profile in profiles() {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        fans_fail(&bmc, 3, SECOND).await;
        for life in 1..=5 {
            world.start();
            world.pass(7 * MINUTE).await;
            fans_fail(&bmc, 2, SECOND).await;
            world.pass(6 * MINUTE).await;
            world.stop().await;
            // What happens while nobody watches is in the log.
            fans_fail(&bmc, 2, SECOND).await;
            world.pass(MINUTE).await;
            assert_eq!(world.tokens().await.len(), 1 + 4 * life);
        }
        world.start();
        world.pass(HOUR).await;
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn progress_of_infra_controller_is_taken_over_once_and_only_by_a_first_contact() {
    for profile in [Profile::idrac9(), Profile::nvidia(), Profile::ilo5()] {
        let directory = tempfile::tempdir().expect("a directory can be made");
        let state_file = directory.path().join("logs_collector_bmc.json");
        let mut world = World::new(1).await;
        world.settings.periodic.logs_state_file =
            Some(directory.path().join("logs_collector_{machine_id}.json"));
        let bmc = world.add("bmc", profile);
        fans_fail(&bmc, 10, SECOND).await;
        let path = bmc.truth()[0].log.clone().expect("it stands in a log");
        let write = |last: u32| {
            std::fs::write(&state_file, format!(r#"{{"last_seen_ids":{{"{path}":{last}}}}}"#))
                .expect("it can be written");
        };
        write(7);
        world.start();
        world.pass(10 * MINUTE).await;
        assert_eq!(world.tokens().await, ["bmc-8", "bmc-9", "bmc-10"], "{}", bmc.config().profile.vendor);
        // From here on the bookmark counts, whatever the file says.
        world.stop().await;
        write(1000);
        fans_fail(&bmc, 3, SECOND).await;
        world.start();
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), 6);
    }
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_killed_in_the_middle_of_anything_resumes_and_replays_nothing() {
    for profile in profiles() {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", profile);
        fans_fail(&bmc, 300, SECOND).await;
        for life in 0..10 {
            bmc.set_latency(Duration::from_millis(300));
            world.start();
            // Sooner or later: in the middle of the look-up, of the first page, of the stream.
            world.pass(Duration::from_millis(700) * life).await;
            world.kill();
            fans_fail(&bmc, 3, SECOND).await;
        }
        world.start();
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), 330);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_longer_than_the_journals_groups_is_read_whole_and_once() {
    for profile in profiles() {
        let mut world = World::new(1).await;
        let holds = profile.logs[0].capacity;
        let bmc = world.add("bmc", profile);
        for _ in 0..holds.min(1500) {
            fan_fails(&bmc);
        }
        world.start();
        world.pass(MINUTE).await;
        bmc.reboot(MINUTE);
        world.pass(10 * MINUTE).await;
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_journal_that_cannot_be_written_for_a_while_makes_collectors_wait_and_backfill() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut world = World::with_journal(1, Location::Directory(directory.path().to_owned())).await;
    let streaming = world.add("streams", Profile::openbmc());
    let polled = world.add("polled", Profile::openbmc());
    world.spec("polled").log_mode = Some(Mode::Periodic);
    world.start();
    world.pass(MINUTE).await;
    // Somebody holds the database: commits fail.
    let intruder = rusqlite::Connection::open(directory.path().join("journal.db")).expect("it is there");
    intruder.execute_batch("BEGIN IMMEDIATE").expect("nobody else writes now");
    fan_fails(&streaming);
    fan_fails(&polled);
    world.pass(Duration::from_millis(500)).await;
    assert_eq!(world.state("streams"), "backoff: the journal takes no records");
    assert_eq!(streaming.counts().streams_open, 0, "the BMC's own log is the buffer");
    fan_fails(&streaming);
    intruder.execute_batch("ROLLBACK").expect("it holds a transaction");
    drop(intruder);
    world.until("streams", "streaming", 40 * SECOND).await;
    world.pass(10 * MINUTE).await;
    assert_eq!(world.tokens().await.len(), 3);
    world.assert_nothing_lost_nothing_twice().await;
    world.stop().await;
}
