//! Scripts and the demo fleet: what happens, when, and that the seed decides it.

use std::{sync::Arc, time::Duration};

use sim::{Bmc, Logged, Profile, Reachability, Script, demo_fleet};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::support::{bmc, epoch, get, next, open_stream, send};

/// Runs a demo fleet for a while and gives everything that happened, by BMC.
async fn trace(seed: u64) -> Vec<Vec<Logged>> {
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    let mut bmcs = Vec::new();
    for demo in demo_fleet(32, seed, epoch()) {
        let bmc = Bmc::new(demo.config);
        for script in demo.scripts {
            running.spawn(script.run(Arc::clone(&bmc), stop.clone()));
        }
        bmcs.push(bmc);
    }
    tokio::time::sleep(Duration::from_mins(5)).await;
    stop.cancel();
    running.join_all().await;
    bmcs.iter().map(|bmc| bmc.truth()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_gives_the_same_events_and_another_seed_others() {
    let first = trace(1).await;
    assert_eq!(first, trace(1).await);
    assert_ne!(first, trace(2).await);
    assert!(first.iter().all(|truth| truth.len() > 8));
}

#[test]
fn a_demo_of_32_has_every_habit_and_names_nobody_twice() {
    let fleet = demo_fleet(32, 1, epoch());
    let names: std::collections::BTreeSet<_> = fleet.iter().map(|demo| demo.config.name.as_str()).collect();
    assert_eq!((names.len(), names.first(), names.last()), (32, Some(&"r01-u01"), Some(&"r02-u16")));
    let well = fleet.iter().filter(|demo| demo.habit().starts_with("streams well")).count();
    assert_eq!(well, 16);
    for habit in
        ["refuses", "restarts", "closes it at once", "slowly", "cleared", "no event service", "no Server"]
    {
        assert!(fleet.iter().any(|demo| demo.habit().contains(habit)), "{habit}");
    }
}

#[tokio::test(start_paused = true)]
async fn scripts_pull_their_levers_at_their_times() {
    let bmc = bmc(Profile::openbmc());
    let second = Duration::from_secs(1);
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(Script::Flapping { until: 10 * second }.run(Arc::clone(&bmc), stop.clone()));
    let refusing = Script::RefusingFor { from: 20 * second, length: 5 * second };
    running.spawn(refusing.run(Arc::clone(&bmc), stop.clone()));
    let clearing = Script::ClearingLog { every: 60 * second };
    running.spawn(clearing.run(Arc::clone(&bmc), stop.clone()));
    let steady = Script::Steady { every: 4 * second };
    running.spawn(steady.run(Arc::clone(&bmc), stop.clone()));

    tokio::time::sleep(second).await;
    assert_eq!(next(&mut open_stream(&bmc).await).await, None);
    tokio::time::sleep(10 * second).await;
    let mut stream = open_stream(&bmc).await;
    assert!(next(&mut stream).await.is_some_and(|event| event.starts_with("id: ")));
    tokio::time::sleep(10 * second).await;
    assert!(send(&bmc, "GET", "/redfish/v1", "*/*").await.is_err());
    tokio::time::sleep(10 * second).await;
    assert_eq!(bmc.reachability(), Reachability::Up);
    tokio::time::sleep(60 * second).await;
    let generations: Vec<u32> = bmc.truth().iter().map(|logged| logged.generation).collect();
    assert!(generations.is_sorted() && generations.last() == Some(&1));
    let (_, page) = get(&bmc, "/redfish/v1/Systems/system/LogServices/EventLog/Entries").await;
    let held = page["Members@odata.count"].as_u64().unwrap();
    assert_eq!(held, u64::try_from(generations.iter().filter(|g| **g == 1).count()).unwrap());
    stop.cancel();
    running.join_all().await;
}
