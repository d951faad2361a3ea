//! What a quiet endpoint costs its BMC: requests in an hour in which nothing is logged, by flavour, streaming and polled.
//!
//! `cargo test -p bmcwatch --test stories quiet -- --nocapture` prints the table.

use collect::Mode;
use sim::{PathClass, Profile};

use crate::world::{HOUR, World, fan_fails};

/// Over so many hours the mean is taken: four times the longest interval of the defaults.
const HOURS: u32 = 2;

/// What stands in the first log when it begins; more than a page of the longest.
const ENTRIES: usize = 1_200;

/// Requests in an hour.
#[derive(Debug, Clone, Copy)]
struct Cost {
    /// Whatever they are for.
    all: f64,
    /// For pages of entries.
    pages: f64,
}

/// What one BMC of this flavour is asked in a quiet hour.
async fn cost(profile: Profile, mode: Mode) -> Cost {
    let mut world = World::new(1).await;
    world.settings.mode = mode;
    let bmc = world.add("bmc", profile);
    for _ in 0..ENTRIES.min(bmc.config().profile.logs[0].capacity) {
        fan_fails(&bmc);
    }
    world.start();
    world.pass(HOUR).await;
    let before = bmc.counts();
    let told = world.tokens().await.len();
    assert!(told > 0, "it is watched");
    world.pass(HOURS * HOUR).await;
    assert_eq!(world.tokens().await.len(), told, "nothing is told twice");
    let after = bmc.counts();
    let per_hour =
        |count: u64| f64::from(u32::try_from(count).expect("a quiet BMC is asked little")) / f64::from(HOURS);
    Cost {
        all: per_hour(after.requests_total() - before.requests_total()),
        pages: per_hour(after.requests_of(PathClass::Entries) - before.requests_of(PathClass::Entries)),
    }
}

#[tokio::test(start_paused = true)]
async fn a_quiet_endpoint_is_asked_little() {
    println!("{:<16} {:>10} {:>10} {:>10} {:>10}", "", "stream", "of it", "poll", "of it");
    println!(
        "{:<16} {:>10} {:>10} {:>10} {:>10}",
        "flavour", "requests/h", "pages/h", "requests/h", "pages/h"
    );
    for (name, profile) in Profile::flavours() {
        let streams = profile().sse_uri.is_some();
        let stream = cost(profile(), if streams { Mode::Auto } else { Mode::Periodic }).await;
        let poll = cost(profile(), Mode::Periodic).await;
        let shown = if streams {
            format!("{:>10.1} {:>10.1}", stream.all, stream.pages)
        } else {
            format!("{:>10} {:>10}", "-", "-")
        };
        println!("{name:<16} {shown} {:>10.1} {:>10.1}", poll.all, poll.pages);
        let logs = f64::from(u32::try_from(profile().logs.len()).expect("a few"));
        // Twelve polls and two look-ups an hour. A long log must not cost more than a short one, but for two whole readings.
        let polls = 12.0 * logs + 2.0 * (10.0 + 3.0 * logs);
        assert!(poll.pages <= 12.0 * logs + 2.0 * 52.0 * logs, "{name}: {poll:?}");
        assert!(poll.all <= polls + poll.pages, "{name}: {poll:?}");
        assert!(!streams || stream.all <= poll.all, "{name}: {stream:?} and {poll:?}");
    }
}
