//! Keys of BMCs over the life of a daemon and beyond it.

use collect::TrustKeyError;
use redfish::Trust;
use sim::Profile;

use crate::{
    wire::EXPIRY,
    world::{HOUR, MINUTE, SECOND, World, fan_fails, id},
};

const FIRST: [u8; 32] = [1; 32];
const SECOND_KEY: [u8; 32] = [2; 32];

/// A BMC under `tofu` that has shown its first key.
async fn learned() -> (World, std::sync::Arc<sim::Bmc>) {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::openbmc());
    world.spec("bmc").client.trust = Trust::Tofu;
    world.wire.show_key("bmc", FIRST);
    world.start();
    world.until("bmc", "streaming", MINUTE).await;
    (world, bmc)
}

#[tokio::test(start_paused = true)]
async fn a_key_is_learned_once_and_outlives_the_daemon() {
    let (mut world, bmc) = learned().await;
    assert_eq!(world.wire.looks("bmc"), 1);
    assert_eq!(world.view("bmc").certificate_not_after, Some(EXPIRY));
    world.stop().await;
    world.wire.show_key("bmc", SECOND_KEY);
    let before = (bmc.counts().requests_total(), world.wire.credentials_shown("https://bmc"));
    world.start();
    world.until("bmc", "backoff: key_changed", MINUTE).await;
    world.pass(HOUR).await;
    assert_eq!(world.wire.looks("bmc"), 1, "what is stored is not learned again");
    let after = (bmc.counts().requests_total(), world.wire.credentials_shown("https://bmc"));
    assert_eq!(after, before, "nothing was sent to the other key");
    world.wire.show_key("bmc", FIRST);
    world.until("bmc", "streaming", HOUR).await;
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn another_key_is_refused_with_one_alarm_until_the_operator_accepts_it() {
    let (world, bmc) = learned().await;
    let (board, journal) = (world.board_handle(), world.journal.clone());
    let refused = board.trust_refused_key(&journal, &id("bmc")).await;
    assert!(matches!(refused, Err(TrustKeyError::NothingRefused(_))), "{refused:?}");
    let refused = board.trust_refused_key(&journal, &id("other")).await;
    assert!(matches!(refused, Err(TrustKeyError::NoSuchEndpoint(_))), "{refused:?}");

    world.wire.show_key("bmc", SECOND_KEY);
    bmc.cut_streams();
    world.until("bmc", "backoff: key_changed", MINUTE).await;
    fan_fails(&bmc);
    world.pass(HOUR).await;
    let view = world.view("bmc");
    let second = Trust::Pin(SECOND_KEY);
    assert_eq!(view.refused_key, Some(second.to_string()));
    let error = view.last_error.unwrap();
    let shown = second.to_string().replace("pin:", "");
    assert!(
        error.ends_with(&format!("the certificate has pin {shown}, not the one that is trusted")),
        "{error}"
    );
    assert_eq!(world.lines.told(&["endpoint shows another key"]).len(), 1);
    assert_eq!(world.lines.told(&["endpoint is down"]).len(), 0);

    assert_eq!(board.trust_refused_key(&journal, &id("bmc")).await.unwrap(), second);
    world.until("bmc", "streaming", 2 * SECOND).await;
    assert_eq!(world.view("bmc").refused_key, None);
    world.pass(MINUTE).await;
    assert_eq!(world.lines.told(&["event stream recovered"]).len(), 1);
    // And the first key is the stranger now.
    world.wire.show_key("bmc", FIRST);
    bmc.cut_streams();
    world.until("bmc", "backoff: key_changed", MINUTE).await;
    world.wire.show_key("bmc", SECOND_KEY);
    world.until("bmc", "streaming", HOUR).await;
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn a_key_that_changes_behind_an_open_stream_is_told_and_can_be_accepted() {
    let (world, bmc) = learned().await;
    world.wire.show_key("bmc", SECOND_KEY);
    world.pass(HOUR).await;
    assert_eq!(world.view("bmc").refused_key, Some(Trust::Pin(SECOND_KEY).to_string()));
    assert_eq!(world.lines.told(&["endpoint shows another key"]).len(), 1);
    world.board_handle().trust_refused_key(&world.journal, &id("bmc")).await.unwrap();
    fan_fails(&bmc);
    world.pass(HOUR).await;
    assert_eq!(world.view("bmc").refused_key, None);
    world.assert_nothing_lost_nothing_twice().await;
}
