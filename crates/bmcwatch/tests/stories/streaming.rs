//! The good case: an endpoint with an event stream streams, and polling is only the net below.

use sim::Profile;

use crate::world::{HOUR, MINUTE, SECOND, World, fans_fail};

async fn streams(profile: Profile) {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", profile);
    // Before anybody watches: these come by backfill.
    fans_fail(&bmc, 5, MINUTE).await;
    world.start();
    world.until("bmc", "streaming", SECOND).await;
    world.pass(SECOND).await;
    fans_fail(&bmc, 10, MINUTE).await;
    let came = world.ways().await;
    assert_eq!(came.get("entry by backfill"), Some(&5), "{came:?}");
    assert_eq!(came.values().sum::<usize>(), 15, "{came:?}");
    // Reconciliations read the log and find nothing new.
    world.pass(2 * HOUR).await;
    assert_eq!(world.ways().await, came);
    assert_eq!(bmc.counts().streams_opened, 1);
    assert_eq!(bmc.counts().requests_in_flight_max, 1);
    assert_eq!(bmc.counts().streams_open_max, 1);
    // Where sessions end after five idle minutes, each reconciliation needs another.
    let logins = if bmc.config().profile.session_timeout < 30 * MINUTE { 5 } else { 1 };
    assert_eq!(bmc.counts().logins_ok, logins);
    assert_eq!(bmc.counts().sessions_open, 1);
    assert_eq!(world.lines.about("bmc"), Vec::<String>::new(), "nothing happened that an operator must read");
    world.assert_nothing_lost_nothing_twice().await;
    world.stop().await;
    assert_eq!((bmc.counts().sessions_open, bmc.counts().streams_open), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn an_openbmc_streams_and_each_event_comes_once_although_it_is_also_in_the_log() {
    streams(Profile::openbmc()).await;
}

#[tokio::test(start_paused = true)]
async fn an_idrac9_streams_and_each_event_comes_once_although_it_is_also_in_the_log() {
    streams(Profile::idrac9()).await;
}

#[tokio::test(start_paused = true)]
async fn an_nvidia_streams_and_each_event_comes_once_although_it_is_also_in_the_log() {
    streams(Profile::nvidia()).await;
}

#[tokio::test(start_paused = true)]
async fn a_lenovo_streams_and_each_event_comes_once_although_it_is_also_in_the_log() {
    streams(Profile::lenovo()).await;
}
