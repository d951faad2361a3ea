//! T25-T39: collections and their pages.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::{Value, json};
use sim::{
    Bmc, Count, LogFault, LogProfile, Members, PastEnd, PathClass, Profile, Severity, Skip, UnknownQuery,
    WhenFull,
};

use crate::{
    identity::{TWO_POLLS, polled, restarting},
    seen::words,
    world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail},
};

/// A BMC whose log holds so many entries when the daemon comes to it, after it was read.
pub(crate) async fn holding(profile: Profile, entries: usize) -> (World, Arc<Bmc>) {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", profile);
    fans_fail(&bmc, entries, SECOND).await;
    world.start();
    world.pass(TWO_POLLS).await;
    (world, bmc)
}

/// How often something of this endpoint could not be read.
fn failures(world: &World) -> u64 {
    world.view("bmc").failures.values().sum()
}

/// Fifty entries a page, oldest first.
fn paged() -> Profile {
    Profile { page_size: Some(50), ..polled(Profile::openbmc(), 4000) }
}

#[tokio::test(start_paused = true)]
async fn t25_next_link_under_another_name() {
    let dell = Profile { next_link: "@odata.nextLink", ..polled(Profile::idrac9(), 500) };
    let intel = Profile {
        next_link: "@odata.nextLink",
        skip_key: "$skiptoken",
        unknown_query: UnknownQuery::NotImplemented,
        ..paged()
    };
    let sailfish = Profile { next_link: "Members@odata.nextlink", ..polled(Profile::idrac9(), 500) };
    for profile in [dell, intel, sailfish] {
        let (world, _bmc) = holding(profile, 130).await;
        assert_eq!(world.tokens().await.len(), 130);
        assert_eq!(failures(&world), 0);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t26_no_next_link_though_more_exists() {
    // The count tells that there is more, and it can be had.
    let silent = Profile { next_link: "", ..polled(Profile::idrac9(), 500) };
    let (world, _bmc) = holding(silent.clone(), 130).await;
    assert_eq!(world.tokens().await.len(), 130);
    world.assert_nothing_lost_nothing_twice().await;
    // It tells, and there is none to be had: what can be read is read.
    let refusing = Profile { skip: Skip::NotImplemented, ..silent.clone() };
    let (mut world, bmc) = holding(refusing, 130).await;
    let first: Vec<String> = bmc.truth().into_iter().take(80).map(|logged| logged.token).collect();
    assert_eq!(world.tokens().await.len(), 50);
    assert_eq!(failures(&world), 0, "that is no failure");
    fans_fail(&bmc, 20, SECOND).await;
    world.pass(TWO_POLLS).await;
    world.excused.extend(first);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t26_what_was_pushed_off_the_only_page_is_a_gap() {
    let cisco = Profile { next_link: "", count: Count::OfPage, ..polled(Profile::idrac9(), 3008) };
    let (mut world, bmc) = holding(cisco, 10).await;
    for _ in 0..3 {
        fans_fail(&bmc, 40, Duration::ZERO).await;
        world.pass(TWO_POLLS).await;
    }
    assert_eq!(words(&world).await, [""; 0], "the page holds all that is new");
    world.assert_nothing_lost_nothing_twice().await;
    let pushed_off = bmc.truth().len();
    fans_fail(&bmc, 80, Duration::ZERO).await;
    world.pass(2 * TWO_POLLS).await;
    let lost = bmc.truth().into_iter().skip(pushed_off).take(30);
    world.excused.extend(lost.map(|logged| logged.token));
    assert_eq!(words(&world).await, ["gap wrapped"]);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t27_a_count_that_is_the_pages_ends_no_reading() {
    for count in [Count::OfPage, Count::Total] {
        let (world, bmc) = holding(Profile { count, ..paged() }, 120).await;
        assert_eq!(world.tokens().await.len(), 120);
        fans_fail(&bmc, 15, SECOND).await;
        world.pass(TWO_POLLS).await;
        assert_eq!(words(&world).await, [""; 0]);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t28_next_links_that_run_in_a_circle() {
    for to in ["", "?$skip=50", "?$skip=100"] {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", paged());
        bmc.edit_pages(0, move |page, _| {
            if page.get("Members@odata.nextLink").is_none() {
                let own = page["@odata.id"].as_str().expect("a page has a path");
                page["Members@odata.nextLink"] = json!(format!("{own}{to}"));
            }
        });
        fans_fail(&bmc, 120, SECOND).await;
        world.start();
        world.pass(TWO_POLLS).await;
        // Look-ups and three readings of three pages, each with the page that the circle leads back to.
        let pages = bmc.counts().requests_of(PathClass::Entries);
        assert!(pages <= 20, "{pages} pages were read for {to:?}");
        assert_eq!(failures(&world), 0);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t29_errors_that_mean_that_there_is_nothing() {
    let ami = Profile { skip: Skip::ZeroRefused, past_end: PastEnd::BadRequest, ..paged() };
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", ami);
    // The last page leads past the end.
    bmc.edit_pages(0, |page, _| {
        if page.get("Members@odata.nextLink").is_none() {
            let own = page["@odata.id"].as_str().expect("a page has a path");
            page["Members@odata.nextLink"] = json!(format!("{own}?$skip=1000"));
        }
    });
    fans_fail(&bmc, 130, SECOND).await;
    world.start();
    for _ in 0..4 {
        fans_fail(&bmc, 5, SECOND).await;
        world.pass(TWO_POLLS).await;
    }
    assert_eq!(failures(&world), 0);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t30_a_query_that_is_ignored_is_noticed_and_dropped() {
    let (mut world, bmc) = {
        let mut world = World::new(1).await;
        let bmc = world.add("bmc", paged());
        fans_fail(&bmc, 220, SECOND).await;
        world.start();
        (world, bmc)
    };
    // Its own links work; any other place gets the first page.
    let first: Mutex<Value> = Mutex::default();
    bmc.edit_pages(0, move |page, query| {
        let mut first = first.lock().expect("nobody panics with it");
        let skip = query.strip_prefix("$skip=").map(|skip| skip.parse::<usize>().expect("a number"));
        match skip {
            None => *first = page.clone(),
            Some(skip) if !skip.is_multiple_of(50) => {
                *page = first.clone();
                if let Some(page) = page.as_object_mut() {
                    page.remove("Members@odata.nextLink");
                }
            }
            Some(_) => {}
        }
    });
    world.settings.periodic.state_refresh_interval = HOUR;
    for _ in 0..6 {
        world.pass(TWO_POLLS).await;
        fans_fail(&bmc, 3, SECOND).await;
    }
    world.pass(TWO_POLLS).await;
    assert_eq!(words(&world).await, [""; 0]);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t31_members_that_are_only_links() {
    let links = Profile { members: Members::Links, ..polled(Profile::ilo5(), 100) };
    let (world, bmc) = holding(links, 20).await;
    assert_eq!(world.tokens().await.len(), 20);
    fans_fail(&bmc, 3, SECOND).await;
    world.pass(TWO_POLLS).await;
    assert_eq!(world.tokens().await.len(), 23);
    assert_eq!(failures(&world), 0);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t32_members_that_are_null_or_absent() {
    let (world, bmc) = holding(restarting(), 5).await;
    for shape in [json!({ "Members": null }), json!({})] {
        bmc.edit_pages(0, move |page, _| *page = shape.clone());
        // Long enough for a poll, too short for an empty log to be believed.
        world.pass(6 * MINUTE).await;
        bmc.edit_pages(0, |_, _| {});
        fan_fails(&bmc);
        world.pass(TWO_POLLS).await;
    }
    assert_eq!(failures(&world), 0, "it is an empty page");
    assert_eq!(words(&world).await, [""; 0]);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t33_an_empty_200_while_the_backend_is_down() {
    let (world, bmc) = holding(restarting(), 180).await;
    for _ in 0..3 {
        bmc.set_log_fault(0, LogFault::Empty);
        world.pass(6 * MINUTE).await;
        bmc.set_log_fault(0, LogFault::None);
        fan_fails(&bmc);
        world.pass(TWO_POLLS).await;
    }
    assert_eq!(words(&world).await, [""; 0], "nothing was cleared");
    assert_eq!(world.tokens().await.len(), 183);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t34_one_bad_line_stops_only_its_own_log() {
    let (world, bmc) = holding(Profile { sse_uri: None, ..Profile::ilo5() }, 10).await;
    bmc.set_log_fault(1, LogFault::Status(500));
    // The log that works is the one behind it too.
    fans_fail(&bmc, 5, SECOND).await;
    world.pass(HOUR).await;
    assert_eq!(world.tokens().await.len(), 15);
    assert_eq!(world.state("bmc").split(':').next(), Some("polling"));
    assert!(failures(&world) > 0, "it is told");
    bmc.log_in(1, Severity::Warning, "X.1.0.Behind", &[], "Written while nobody could read it.");
    world.pass(HOUR).await;
    bmc.set_log_fault(1, LogFault::None);
    world.pass(TWO_POLLS).await;
    assert_eq!(world.tokens().await.len(), 16);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t35_a_huge_slow_page() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", polled(Profile::lenovo(), 1024));
    fans_fail(&bmc, 1000, SECOND).await;
    bmc.set_log_latency(0, Duration::from_millis(19_300));
    world.start();
    for _ in 0..4 {
        world.pass(TWO_POLLS).await;
        fan_fails(&bmc);
    }
    world.pass(TWO_POLLS).await;
    assert_eq!(failures(&world), 0);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t36_a_body_that_is_cut_moves_nothing() {
    for profile in [polled(Profile::ilo5(), 500), polled(Profile::idrac9(), 500)] {
        let (world, bmc) = holding(profile, 130).await;
        bmc.set_log_fault(0, LogFault::Cut);
        fans_fail(&bmc, 10, SECOND).await;
        world.pass(HOUR).await;
        assert!(failures(&world) > 0, "it is told");
        bmc.set_log_fault(0, LogFault::None);
        world.pass(HOUR).await;
        assert_eq!(words(&world).await, [""; 0], "half a page is no cleared log");
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t37_a_log_that_is_listed_and_not_there() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile { sse_uri: None, ..Profile::nvidia() });
    bmc.set_log_fault(0, LogFault::Missing);
    let warning = Severity::Warning;
    bmc.log_in(2, warning, "X.1.0.Xid", &["79"], "GPU has fallen off the bus.");
    fan_fails(&bmc);
    world.start();
    world.pass(TWO_POLLS).await;
    assert_eq!(world.tokens().await.len(), 1, "the log of the chassis");
    bmc.set_log_fault(0, LogFault::None);
    world.pass(HOUR).await;
    assert_eq!(world.tokens().await.len(), 2);
    world.assert_nothing_lost_nothing_twice().await;
}

/// A log of so many entries that takes nothing more, and what it says it could take.
fn never_overwrites(capacity: usize, claimed: Option<u64>) -> Profile {
    let mut profile = polled(Profile::openbmc(), capacity);
    let log = profile.logs.remove(0);
    profile.logs = vec![LogProfile { when_full: WhenFull::Discard, claimed_capacity: claimed, ..log }];
    profile
}

#[tokio::test(start_paused = true)]
async fn t38_a_full_log_that_never_overwrites_is_told_once() {
    let (world, bmc) = holding(never_overwrites(20, Some(20)), 15).await;
    assert_eq!(words(&world).await, [""; 0]);
    for _ in 0..4 {
        fans_fail(&bmc, 4, SECOND).await;
        world.pass(TWO_POLLS).await;
    }
    assert_eq!(world.tokens().await.len(), 20);
    assert_eq!(words(&world).await, ["gap full"]);
    world.pass(HOUR).await;
    assert_eq!(words(&world).await, ["gap full"]);
}

#[tokio::test(start_paused = true)]
async fn t39_capacities_that_lie() {
    for claimed in [Some(1_869_181_520), Some(0), None] {
        let (world, bmc) = holding(never_overwrites(400, claimed), 30).await;
        fans_fail(&bmc, 30, SECOND).await;
        world.pass(TWO_POLLS).await;
        assert_eq!(words(&world).await, [""; 0], "{claimed:?}");
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_whose_pages_never_end_is_left_in_the_end_and_hides_no_other() {
    let mut profile = Profile { sse_uri: None, ..Profile::nvidia() };
    profile.logs.truncate(2);
    let (world, bmc) = holding(profile, 3).await;
    assert_eq!(world.tokens().await.len(), 3);
    // Each page holds an entry that was never seen and links another page that was never seen.
    bmc.edit_pages(0, |page, query| {
        let number = query.rsplit_once("page=").map_or(0, |(_, number)| number.parse().unwrap_or(0));
        page["Members"] = json!([{ "Id": format!("{number}"), "Message": format!("Line {number}.") }]);
        page["Members@odata.nextLink"] =
            json!(format!("{}?page={}", page["@odata.id"].as_str().unwrap(), number + 1));
    });
    let before = bmc.counts().requests_of(PathClass::Entries);
    bmc.log_in(1, Severity::Critical, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
    world.pass(5 * HOUR).await;
    assert_eq!(world.tokens().await.len(), 4, "the other log is read");
    assert!(failures(&world) > 0);
    let error = world.view("bmc").last_error.expect("it is shown");
    assert!(error.contains("more than 10000 pages"), "{error}");
    let asked = bmc.counts().requests_of(PathClass::Entries) - before;
    assert!((10_000..11_000).contains(&asked), "{asked} requests");
}
