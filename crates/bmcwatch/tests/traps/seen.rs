//! What a trap's test looks at beside the promise itself: what was told about the logs, how often they were read.

use std::time::Duration;

use model::Record;
use sim::{Bmc, PathClass};
use tokio::time::Instant;

use crate::world::{HOUR, World};

/// What bmcwatch itself told, as words: kind and reason, in order.
pub(crate) async fn words(world: &World) -> Vec<String> {
    let kind_and_reason = |record: &Record| {
        let original = record.facts.original.as_ref().map_or("", |original| original.get());
        let told: serde_json::Value = serde_json::from_str(original).unwrap_or_default();
        format!("{} {}", record.kind.as_str(), told["reason"].as_str().unwrap_or_default())
    };
    world.gaps().await.iter().map(kind_and_reason).collect()
}

/// Waits until the BMC has been asked so often for pages of its logs.
pub(crate) async fn until_read(bmc: &Bmc, times: u64) {
    let begun = Instant::now();
    while bmc.counts().requests_of(PathClass::Entries) < times {
        assert!(begun.elapsed() < HOUR, "{} was not read {times} times", bmc.name());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
