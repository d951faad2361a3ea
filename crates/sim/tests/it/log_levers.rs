//! The levers on one log: what is served after each of them, and that the truth stays what it was.

use std::{sync::Arc, time::Duration};

use http_body_util::BodyExt;
use serde_json::{Value, json};
use sim::{Bmc, IdStyle, LogFault, LogProfile, Profile, Severity, WhenFull};

use crate::support::{bmc, epoch, fill, get, ids, send, texts};

const EVENT_LOG: &str = "/redfish/v1/Systems/system/LogServices/EventLog";
const ENTRIES: &str = "/redfish/v1/Systems/system/LogServices/EventLog/Entries";

fn counting() -> Profile {
    Profile { ids: IdStyle::RestartsAtClear, ..Profile::openbmc() }
}

async fn page(bmc: &Arc<Bmc>) -> Value {
    get(bmc, ENTRIES).await.1
}

#[tokio::test(start_paused = true)]
async fn an_entry_a_page_and_a_log_service_are_served_as_edited() {
    let bmc = bmc(counting());
    fill(&bmc, 2);
    bmc.edit_newest(0, |entry| entry["Count"] = json!(7));
    bmc.edit_newest(0, |entry| entry["Count"] = json!(642));
    fill(&bmc, 1);
    bmc.edit_newest(0, |entry| entry["Severity"] = Value::Null);
    let members = page(&bmc).await["Members"].clone();
    assert_eq!(
        [&members[0]["Count"], &members[1]["Count"], &members[2]["Severity"]],
        [&Value::Null, &json!(642), &Value::Null]
    );
    assert_eq!(get(&bmc, &format!("{ENTRIES}/2")).await.1["Count"], 642);
    bmc.edit_pages(0, |page, query| page["Asked"] = json!(query));
    assert_eq!(get(&bmc, &format!("{ENTRIES}?$skip=2")).await.1["Asked"], "$skip=2");
    bmc.edit_log_service(0, |service| service["Overflow"] = json!(true));
    assert_eq!(get(&bmc, EVENT_LOG).await.1["Overflow"], true);
    assert_eq!(bmc.truth().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_faulty_log_answers_as_its_fault_says_and_the_others_do_not() {
    let bmc = bmc(counting());
    fill(&bmc, 3);
    let other = "/redfish/v1/Managers/bmc/LogServices/Journal/Entries";
    bmc.set_log_fault(0, LogFault::Empty);
    assert_eq!(
        (page(&bmc).await["Members@odata.count"].clone(), ids(&page(&bmc).await).len()),
        (json!(0), 0)
    );
    bmc.set_log_fault(0, LogFault::Status(500));
    assert_eq!((get(&bmc, ENTRIES).await.0, get(&bmc, EVENT_LOG).await.0), (500, 200));
    bmc.set_log_fault(0, LogFault::Missing);
    assert_eq!((get(&bmc, ENTRIES).await.0, get(&bmc, EVENT_LOG).await.0), (404, 404));
    bmc.set_log_fault(0, LogFault::Cut);
    let mut body = send(&bmc, "GET", ENTRIES, "*/*").await.unwrap().into_body();
    let half = body.frame().await.unwrap().unwrap().into_data().unwrap();
    assert!(serde_json::from_slice::<Value>(&half).is_err() && half.starts_with(b"{"));
    assert!(body.frame().await.unwrap().is_err());
    assert_eq!(get(&bmc, other).await.0, 200);
    bmc.set_log_fault(0, LogFault::None);
    assert_eq!(ids(&page(&bmc).await), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_log_makes_only_its_own_entries_wait() {
    let bmc = bmc(counting());
    bmc.set_log_latency(0, Duration::from_secs(19));
    let mut taken = Vec::new();
    for uri in [ENTRIES, EVENT_LOG, "/redfish/v1/Managers/bmc/LogServices/Journal/Entries"] {
        let before = bmc.clock();
        get(&bmc, uri).await;
        taken.push((bmc.clock() - before).num_seconds());
    }
    assert_eq!(taken, [19, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn entries_go_from_the_old_end_from_the_middle_and_from_the_new_end() {
    let bmc = bmc(counting());
    fill(&bmc, 6);
    bmc.trim_log(0, 2);
    assert_eq!(ids(&page(&bmc).await), ["3", "4", "5", "6"]);
    bmc.delete_at(0, 1);
    assert_eq!(ids(&page(&bmc).await), ["3", "5", "6"]);
    bmc.delete_newest(0);
    fill(&bmc, 1);
    assert_eq!(ids(&page(&bmc).await), ["3", "5", "7"]);
    bmc.delete_newest(0);
    bmc.restart_logging(0);
    fill(&bmc, 1);
    assert_eq!(ids(&page(&bmc).await), ["3", "5", "6"]);
    assert_eq!((bmc.truth().len(), bmc.log_holds(0).len()), (8, 3));
    bmc.trim_log(0, 99);
    bmc.delete_newest(0);
    bmc.delete_at(0, 5);
    assert_eq!(ids(&page(&bmc).await), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn a_rotation_takes_the_older_half_and_counts_within_the_second_anew() {
    let bmc = bmc(Profile::openbmc());
    fill(&bmc, 4);
    let before = page(&bmc).await;
    assert_eq!(ids(&before), ["1795183200", "1795183200_1", "1795183200_2", "1795183200_3"]);
    bmc.rotate_log(0);
    let after = page(&bmc).await;
    assert_eq!(ids(&after), ["1795183200", "1795183200_1"]);
    assert_eq!(texts(&after), texts(&before)[2..]);
}

#[tokio::test(start_paused = true)]
async fn a_log_is_renumbered_and_the_new_grammar_names_what_comes() {
    let bmc = bmc(counting());
    fill(&bmc, 2);
    let before = texts(&page(&bmc).await);
    let grammars = [
        (IdStyle::EpochMicros, "1795183200250000"),
        (IdStyle::BootTime, "00000000000000000000000000000007_1795183200250000"),
        (IdStyle::EpochSeconds, "1795183200"),
        (IdStyle::Rising, "1"),
        (IdStyle::Position, "1"),
    ];
    for (grammar, first) in grammars {
        bmc.renumber(0, grammar);
        let page = page(&bmc).await;
        assert_eq!((ids(&page)[0].as_str(), texts(&page)), (first, before.clone()), "{grammar:?}");
    }
    bmc.renumber(0, IdStyle::Cursor);
    fill(&bmc, 1);
    let ids = ids(&page(&bmc).await);
    assert_eq!(ids.iter().map(String::len).collect::<Vec<_>>(), [152; 3]);
    assert!(ids[0] != ids[1] && ids[1] != ids[2]);
    assert_eq!(get(&bmc, &format!("{ENTRIES}/{}", ids[2])).await.0, 200);
}

#[tokio::test(start_paused = true)]
async fn post_codes_of_the_last_boot_become_those_of_the_boot_before() {
    let bmc = bmc(Profile { ids: IdStyle::PostCode, ..Profile::openbmc() });
    fill(&bmc, 2);
    assert_eq!(ids(&page(&bmc).await), ["B1-1", "B1-2"]);
    bmc.new_boot(0);
    fill(&bmc, 1);
    assert_eq!(ids(&page(&bmc).await), ["B2-1", "B2-2", "B1-1"]);
    assert_eq!(get(&bmc, &format!("{ENTRIES}/B2-2")).await.1["Message"], texts(&page(&bmc).await)[1]);
}

#[tokio::test(start_paused = true)]
async fn two_entries_share_an_id_and_one_stands_under_two() {
    let bmc = bmc(counting());
    fill(&bmc, 2);
    bmc.same_id_next(0);
    fill(&bmc, 2);
    assert_eq!(ids(&page(&bmc).await), ["1", "2", "2", "3"]);
    bmc.repeat_block(0, 0..2);
    let page = page(&bmc).await;
    assert_eq!(ids(&page), ["1", "2", "2", "3", "4", "5"]);
    assert_eq!(texts(&page)[4..], texts(&page)[..2]);
}

#[tokio::test(start_paused = true)]
async fn equal_lines_are_three_in_the_truth_and_alike_in_the_log() {
    let bmc = bmc(Profile::openbmc());
    assert!(bmc.log_again(0).is_none());
    fill(&bmc, 1);
    bmc.log_again(0);
    let third = bmc.log_again(0).unwrap();
    let page = page(&bmc).await;
    assert_eq!(ids(&page), ["1795183200", "1795183200_1", "1795183200_2"]);
    assert_eq!(texts(&page), vec![texts(&page)[0].clone(); 3]);
    assert_eq!((third.token.as_str(), bmc.truth().len()), ("r01-u01-3", 3));
}

#[tokio::test(start_paused = true)]
async fn another_machine_begins_with_empty_logs_and_the_truth_goes_on() {
    let bmc = bmc(counting());
    fill(&bmc, 3);
    let identity = async || {
        let (_, root) = get(&bmc, "/redfish/v1").await;
        let (_, system) = get(&bmc, "/redfish/v1/Systems/system").await;
        (root["UUID"].clone(), system["SerialNumber"].clone())
    };
    let before = identity().await;
    bmc.swap(8);
    assert_eq!(ids(&page(&bmc).await), [""; 0]);
    let after = identity().await;
    assert!(before.0 != after.0 && before.1 != after.1, "{before:?} {after:?}");
    fill(&bmc, 1);
    assert_eq!(ids(&page(&bmc).await), ["1"]);
    let last = bmc.truth().pop().unwrap();
    assert_eq!((last.token.as_str(), last.generation, last.number), ("r01-u01-4", 1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_one_log_mirrors_has_its_id_and_text_and_stands_in_the_truth_once() {
    let bmc = bmc(Profile::nvidia());
    bmc.mirror(0, 1);
    fill(&bmc, 2);
    let logs = "/redfish/v1/Systems/System_0/LogServices";
    let first = get(&bmc, &format!("{logs}/EventLog/Entries")).await.1;
    let second = get(&bmc, &format!("{logs}/SEL/Entries")).await.1;
    assert_eq!((ids(&first), texts(&first)), (ids(&second), texts(&second)));
    assert_eq!(bmc.truth().len(), 2);
    bmc.clear_log();
    fill(&bmc, 1);
    assert_eq!(ids(&get(&bmc, &format!("{logs}/SEL/Entries")).await.1), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_log_and_its_mirror_are_numbered_by_one_counter_until_both_are_cleared() {
    let bmc = bmc(Profile::nvidia());
    bmc.mirror(0, 1);
    for log in [1, 0, 1, 0, 1] {
        bmc.log_in(log, Severity::Ok, "x", &[], "y");
    }
    let logs = "/redfish/v1/Systems/System_0/LogServices";
    assert_eq!(ids(&get(&bmc, &format!("{logs}/EventLog/Entries")).await.1), ["2", "4"]);
    assert_eq!(ids(&get(&bmc, &format!("{logs}/SEL/Entries")).await.1), ["1", "2", "3", "4", "5"]);
    bmc.clear_log_in(1);
    bmc.log_in(1, Severity::Ok, "x", &[], "y");
    assert_eq!(ids(&get(&bmc, &format!("{logs}/SEL/Entries")).await.1), ["6"]);
    bmc.clear_log_in(0);
    bmc.log_in(1, Severity::Ok, "x", &[], "y");
    assert_eq!(ids(&get(&bmc, &format!("{logs}/SEL/Entries")).await.1), ["1"]);
}

#[tokio::test(start_paused = true)]
async fn a_held_log_shows_nothing_new_until_it_is_released() {
    let bmc = bmc(counting());
    fill(&bmc, 1);
    bmc.hold_log(0);
    fill(&bmc, 2);
    assert_eq!(ids(&page(&bmc).await), ["1"]);
    assert_eq!(get(&bmc, &format!("{ENTRIES}/2")).await.0, 404);
    bmc.release_log(0);
    assert_eq!(ids(&page(&bmc).await), ["1", "2", "3"]);
}

#[tokio::test(start_paused = true)]
async fn the_clock_is_set_and_goes_on_from_there() {
    let bmc = bmc(Profile::openbmc());
    bmc.set_clock("1970-01-01T00:00:00Z".parse().unwrap());
    tokio::time::advance(Duration::from_secs(5)).await;
    let logged = bmc.log(Severity::Ok, "x", &[], "y");
    assert_eq!(
        (logged.time.timestamp(), get(&bmc, EVENT_LOG).await.1["DateTime"].clone()),
        (5, json!("1970-01-01T00:00:05+00:00"))
    );
    bmc.set_clock(epoch());
    assert_eq!(bmc.clock(), epoch());
}

#[tokio::test(start_paused = true)]
async fn a_full_log_trims_several_discards_or_keeps_two_queues() {
    let with = |capacity, when_full| {
        let mut profile = counting();
        profile.logs[0] = LogProfile { capacity, when_full, ..profile.logs[0].clone() };
        bmc(profile)
    };
    let trims = with(4, WhenFull::Trim(3));
    fill(&trims, 5);
    assert_eq!(ids(&page(&trims).await), ["4", "5"]);
    let discards = with(2, WhenFull::Discard);
    fill(&discards, 4);
    assert_eq!(ids(&page(&discards).await), ["1", "2"]);
    assert_eq!(get(&discards, EVENT_LOG).await.1["OverWritePolicy"], "NeverOverWrites");
    let logged: Vec<bool> = discards.truth().iter().map(|logged| logged.log.is_some()).collect();
    assert_eq!(logged, [true, true, false, false]);
    let queues = with(3, WhenFull::TwoQueues(1));
    for severity in [Severity::Ok, Severity::Critical, Severity::Ok, Severity::Critical, Severity::Ok] {
        queues.log(severity, "x", &[], "y");
    }
    assert_eq!(ids(&page(&queues).await), ["2", "4", "5"]);
}

#[tokio::test(start_paused = true)]
async fn bytes_of_answers_are_counted() {
    let bmc = bmc(counting());
    let response = send(&bmc, "GET", ENTRIES, "*/*").await.unwrap();
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(bmc.counts().response_bytes, bytes.len() as u64);
}

#[tokio::test(start_paused = true)]
async fn a_renamed_log_serves_the_same_entries_at_its_new_place() {
    let bmc = bmc(counting());
    fill(&bmc, 2);
    let before = page(&bmc).await;
    bmc.rename_log(0, "PlatformLog");
    assert_eq!((get(&bmc, EVENT_LOG).await.0, get(&bmc, ENTRIES).await.0), (404, 404));
    let (_, listed) = get(&bmc, "/redfish/v1/Systems/system/LogServices").await;
    let service = "/redfish/v1/Systems/system/LogServices/PlatformLog";
    assert_eq!(listed["Members"], json!([{ "@odata.id": service }]));
    let (_, after) = get(&bmc, get(&bmc, service).await.1["Entries"]["@odata.id"].as_str().unwrap()).await;
    assert_eq!((ids(&after), texts(&after)), (ids(&before), texts(&before)));
    assert_eq!(bmc.log(Severity::Ok, "x", &[], "y").log.as_deref(), Some(service));
}

#[tokio::test(start_paused = true)]
async fn any_entry_and_any_resource_are_served_as_edited_and_the_stream_may_move() {
    let bmc = bmc(counting());
    fill(&bmc, 3);
    bmc.edit_at(0, 0, |entry| entry["Resolved"] = json!(true));
    bmc.edit_at(0, 9, |entry| entry["Resolved"] = json!(false));
    let members = page(&bmc).await["Members"].clone();
    assert_eq!([&members[0]["Resolved"], &members[2]["Resolved"]], [&json!(true), &Value::Null]);
    bmc.edit_resource("/redfish/v1/", |root| root["Vendor"] = json!("Somebody"));
    bmc.edit_resource("/redfish/v1/Managers/bmc", |manager| {
        manager["LastResetTime"] = json!("0000-00-00T00:00:00+00:00");
    });
    assert_eq!(get(&bmc, "/redfish/v1").await.1["Vendor"], "Somebody");
    assert_eq!(get(&bmc, "/redfish/v1/Managers/bmc").await.1["LastResetTime"], "0000-00-00T00:00:00+00:00");
    let uri = async || get(&bmc, "/redfish/v1/EventService").await.1["ServerSentEventUri"].clone();
    bmc.set_sse_uri(None);
    assert_eq!(uri().await, Value::Null);
    assert_eq!(
        send(&bmc, "GET", "/redfish/v1/EventService/SSE", "text/event-stream").await.unwrap().status(),
        404
    );
    bmc.set_sse_uri(Some("/redfish/v1/SSE"));
    assert_eq!(uri().await, "/redfish/v1/SSE");
    assert_eq!(send(&bmc, "GET", "/redfish/v1/SSE", "text/event-stream").await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_log_moves_between_two_pages() {
    let bmc = bmc(Profile { page_size: Some(2), ..Profile::idrac9() });
    fill(&bmc, 4);
    bmc.before_entries(0, |bmc, query| {
        if !query.is_empty() {
            fill(bmc, 1);
        }
    });
    let uri = "/redfish/v1/Managers/iDRAC.Embedded.1/LogServices/Lclog/Entries";
    assert_eq!(ids(&get(&bmc, uri).await.1), ["4", "3"]);
    assert_eq!(ids(&get(&bmc, &format!("{uri}?$skip=2")).await.1), ["3", "2"]);
}
