//! The promise against the network: connections that are delayed, trickle, are doubled, dropped, half-closed, reset or
//! swallowed, while BMCs have all the trouble of the simulation. When it ends, everything is there once.
//!
//! The size of the story is handed in: the suite tells a short one, `soak faults` ten minutes of it.

use std::time::Duration;

use model::Clock;

use crate::{
    home::Home,
    scene::{Outcome, Scene, Setting},
};

/// Tells the story; the daemon is killed once, in the middle.
pub(crate) async fn run(setting: Setting, lasts: Duration) -> (Outcome, Home) {
    let home = Home::kept("faults");
    let mut scene = Scene::start(setting, home, (Vec::new(), Clock::system())).await;
    scene.trouble.daemon.network.trouble();
    scene.suffer(lasts / 2).await;
    scene.kill().await;
    scene.suffer(lasts / 2).await;
    scene.end().await
}

#[cfg(test)]
#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_breaks_connections_costs_no_entry_and_repeats_none() {
    let setting = Setting {
        net: 87,
        seed: 1,
        bmcs: 16,
        pace: 0.005,
        levers: crate::trouble::LEVERS,
        lever_every: Duration::from_millis(50),
        strike_every: Duration::from_millis(200),
        read_every: Duration::from_secs(2),
        patience: Duration::from_mins(3),
    };
    let (outcome, home) = run(setting, Duration::from_secs(8)).await;
    println!("{outcome}");
    assert!(outcome.judgement.sums.told > 50, "the load was a load");
    assert!(outcome.faults() > 10, "the network was bad");
    outcome.assert_kept(setting.seed, home);
}
