//! One odd resource of a BMC: it is refused, counted, and stops nothing else.

use collect::Mode;
use serde_json::json;
use sim::{Bmc, LogFault, Profile, Severity};

use crate::world::{HOUR, MINUTE, SECOND, World};

/// Something happens in the second log, which is told although the first is what it is; and the endpoint is well.
async fn costs_only_itself(prepare: impl Fn(&Bmc), reason: &str) {
    for mode in [Mode::Auto, Mode::Periodic] {
        let mut world = World::new(1).await;
        world.settings.mode = mode;
        let bmc = world.add("bmc", Profile { push: sim::Push::Never, ..Profile::idrac9() });
        prepare(&bmc);
        world.start();
        world.pass(10 * MINUTE).await;
        bmc.log_in(1, Severity::Warning, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), 1, "{reason} {mode:?}");
        let state = world.state("bmc");
        assert!(state.starts_with("polling") || state.starts_with("streaming"), "{state}");
        let counted = world.view("bmc").failures.get(reason).copied().unwrap_or_default();
        assert!(counted > 0, "{:?}", world.view("bmc").failures);
        assert!(world.lines.about("bmc").len() <= 1, "{:#?}", world.lines.about("bmc"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_breaks_off_for_ever_hides_no_other() {
    costs_only_itself(|bmc| bmc.set_log_fault(0, LogFault::Cut), "protocol").await;
}

#[tokio::test(start_paused = true)]
async fn a_log_that_never_answers_in_time_hides_no_other() {
    costs_only_itself(|bmc| bmc.set_log_latency(0, 40 * SECOND), "timeout").await;
}

#[tokio::test(start_paused = true)]
async fn a_page_with_more_members_than_members_max_hides_no_other_log() {
    let prepare = |bmc: &Bmc| {
        bmc.edit_pages(0, |page, _| page["Members"] = json!(vec![json!({}); 10_001]));
    };
    costs_only_itself(prepare, "protocol").await;
}

#[tokio::test(start_paused = true)]
async fn a_page_larger_than_body_bytes_max_hides_no_other_log() {
    let prepare = |bmc: &Bmc| {
        bmc.edit_pages(0, |page, _| page["Oem"] = json!(" ".repeat(9 << 20)));
    };
    costs_only_itself(prepare, "too_large").await;
}
