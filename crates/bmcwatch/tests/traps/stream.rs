//! T51-T75: what the event stream does, and how it meets the log.

use std::time::Duration;

use model::Record;
use serde_json::{Value, json};
use sim::{Bmc, Login, LoginLine, PathClass, Profile, Push, ResendIds, Resume, Severity};

use crate::{
    seen::words,
    world::{HOUR, MINUTE, SECOND, World, fan_fails, fans_fail, is_happening},
};

fn streaming() -> [Profile; 4] {
    [Profile::openbmc(), Profile::idrac9(), Profile::nvidia(), Profile::lenovo()]
}

/// One frame of records as a BMC sends it.
fn frame(id: &str, records: &Value) -> String {
    let payload =
        json!({ "@odata.type": "#Event.v1_9_0.Event", "Id": id, "Name": "Event", "Events": records });
    format!("id: {id}\ndata: {payload}\n\n")
}

/// What the BMC said, of all that is in the journal.
async fn happenings(world: &World) -> Vec<Record> {
    let mut records = world.records().await;
    records.retain(is_happening);
    records
}

fn fleeting(bmc: &Bmc, times: usize) {
    for _ in 0..times {
        bmc.push_only(Severity::Warning, "OpenBMC.0.1.Fleeting", &[], "Said once and written nowhere.");
    }
}

#[tokio::test(start_paused = true)]
async fn t51_silence_is_death_only_where_there_are_keep_alives() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(24 * HOUR).await;
    assert_eq!(bmc.counts().streams_opened, 1, "it is silent by nature");
    fan_fails(&bmc);
    world.pass(SECOND).await;
    assert_eq!(world.tokens().await.len(), 1);
    let (world, bmc) = World::of(Profile::lenovo()).await;
    world.pass(2 * MINUTE + SECOND).await;
    bmc.set_reachability(sim::Reachability::BlackHole);
    world.pass(SECOND).await;
    bmc.set_reachability(sim::Reachability::Up);
    world.pass(3 * MINUTE).await;
    assert_eq!(bmc.counts().streams_opened, 2, "its keep-alives have stopped");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t55_a_buffer_that_ran_over_is_a_gap_only_in_the_middle_of_a_stream() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    fan_fails(&bmc);
    world.pass(SECOND).await;
    bmc.cut_streams();
    fan_fails(&bmc);
    world.pass(MINUTE).await;
    assert_eq!(bmc.counts().streams_opened, 2, "it does not reconnect for ever with the same id");
    assert_eq!(words(&world).await, Vec::<String>::new(), "the answer to our id tells of the time before");
    // Now events are lost though we are connected.
    bmc.log_silently(Severity::Critical, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
    let message =
        json!({ "@odata.type": "#Message.v1_1_1.Message", "MessageId": "Base.1.19.EventBufferExceeded" });
    bmc.push_raw(format!("id: 99\ndata: {message}\n\n"));
    world.pass(MINUTE).await;
    assert_eq!(words(&world).await, ["gap dropped"]);
    assert_eq!(world.tokens().await.len(), 3, "what the log still has is read soon");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t56_a_replayed_bare_record_is_told() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    let record = json!({
        "EventId": 9, "MemberId": "0", "MessageId": "TaskEvent.1.0.TaskStarted", "MessageArgs": ["0"],
        "EventTimestamp": "2026-11-20T12:00:30+00:00", "OriginOfCondition": "/redfish/v1/TaskService/Tasks/0",
    });
    bmc.push_raw(format!("id: 9\ndata: {record}\n\n"));
    world.pass(SECOND).await;
    assert_eq!(world.tokens().await, ["0"]);
}

#[tokio::test(start_paused = true)]
async fn t57_a_last_event_id_that_is_accepted_proves_nothing() {
    let (world, bmc) = World::of(Profile { resume: Resume::Ignored, ..Profile::openbmc() }).await;
    world.pass(MINUTE).await;
    fan_fails(&bmc);
    world.pass(SECOND).await;
    bmc.cut_streams();
    fan_fails(&bmc);
    world.pass(MINUTE).await;
    assert_eq!(world.tokens().await.len(), 2, "the logs are read after every reconnect");
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t58_ids_that_overlap_and_events_alike_in_everything_are_all_told() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    let alike = |id: &str, text: &str| {
        json!({
            "EventId": id, "MessageId": "OpenBMC.0.1.Fleeting", "MessageArgs": [text], "Severity": "OK",
            "EventTimestamp": "2026-11-20T12:01:00+00:00",
        })
    };
    // Three lines of one second in a batch, a fourth alone, and then another line under an id that was given.
    bmc.push_raw(frame("5", &json!([alike("2", "a"), alike("3", "a"), alike("4", "a")])));
    bmc.push_raw(frame("4", &json!([alike("3", "a")])));
    bmc.push_raw(frame("5", &json!([alike("4", "a")])));
    bmc.push_raw(frame("5", &json!([alike("4", "b")])));
    world.pass(SECOND).await;
    assert_eq!(world.tokens().await, ["a", "a", "a", "a", "a", "b"]);
}

#[tokio::test(start_paused = true)]
async fn t59_event_ids_that_begin_anew_hide_nothing() {
    for profile in streaming() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        for _ in 0..3 {
            fleeting(&bmc, 3);
            world.pass(SECOND).await;
            bmc.reboot(MINUTE);
            world.pass(5 * MINUTE).await;
            assert_eq!(world.state("bmc"), "streaming");
        }
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t60_a_whole_log_that_is_sent_again_tells_nothing_again() {
    for profile in streaming() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        fans_fail(&bmc, 20, 7 * SECOND).await;
        // In the middle of a connection, twice, with live events around it.
        for _ in 0..2 {
            bmc.resend_log(0);
            fan_fails(&bmc);
            world.pass(SECOND).await;
        }
        // As the first thing on a connection, and after what came while there was none.
        bmc.cut_streams();
        fan_fails(&bmc);
        world.pass(MINUTE).await;
        bmc.resend_log(0);
        world.pass(SECOND).await;
        fans_fail(&bmc, 2, SECOND).await;
        bmc.resend_log(0);
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), 25);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t61_a_bmc_that_chokes_on_a_last_event_id_is_asked_without() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.wire.choke_on_resume("bmc");
    world.pass(MINUTE).await;
    for _ in 0..3 {
        fan_fails(&bmc);
        world.pass(SECOND).await;
        bmc.cut_streams();
        fan_fails(&bmc);
        world.pass(MINUTE).await;
        assert_eq!(world.state("bmc"), "streaming");
    }
    assert_eq!(bmc.counts().streams_opened, 4);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t62_a_replay_loop_tells_each_event_once() {
    for profile in streaming() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        fan_fails(&bmc);
        let missed = fan_fails(&bmc);
        for _ in 0..50 {
            bmc.resend_event(&missed.token, ResendIds::SameIds);
        }
        world.pass(SECOND).await;
        fan_fails(&bmc);
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), 3);
        world.assert_nothing_lost_nothing_twice().await;
        // The same as bare records, whose `id:` counts on.
        for id in 100..150 {
            let time = "2026-11-20T13:01:01+00:00";
            let record =
                json!({ "EventId": "9", "Message": "Task", "MessageArgs": ["0"], "EventTimestamp": time });
            bmc.push_raw(format!("id: {id}\ndata: {record}\n\n"));
        }
        world.pass(SECOND).await;
        assert_eq!(world.tokens().await.len(), 4);
    }
}

#[tokio::test(start_paused = true)]
async fn t68_an_event_and_its_entry_without_a_common_key_are_one_record() {
    let (world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    for _ in 0..10 {
        // Two of one second, whose fractions the stream leaves out.
        fans_fail(&bmc, 2, Duration::from_millis(300)).await;
        world.pass(MINUTE).await;
    }
    world.pass(HOUR).await;
    assert_eq!(world.tokens().await.len(), 20);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t69_an_event_before_its_entry_can_be_read_and_the_reverse() {
    for profile in streaming() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        bmc.hold_log(0);
        fans_fail(&bmc, 3, SECOND).await;
        // Two readings do not find the entries, the third does.
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), 3);
        bmc.release_log(0);
        world.pass(HOUR).await;
        let critical = Severity::Critical;
        let silent = bmc.log_silently(critical, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), 4);
        bmc.resend_event(&silent.token, ResendIds::NewIds);
        world.pass(HOUR).await;
        assert_eq!(world.tokens().await.len(), 4);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t70_a_generic_event_and_its_specific_twin_are_both_kept_and_whole() {
    let (world, bmc) = World::of(Profile::nvidia()).await;
    world.pass(MINUTE).await;
    let record = |message_id: &str, more: Value| {
        let mut record = json!({
            "EventId": "7", "MessageId": message_id, "MessageArgs": ["psu0"], "EventGroupId": 12,
            "EventTimestamp": "2026-11-20T12:01:00+00:00", "MessageSeverity": "Critical",
        });
        record["SpecificEventExistsInGroup"] = more;
        record
    };
    let generic = record("ResourceEvent.1.0.ResourceErrorsDetected", json!(true));
    bmc.push_raw(frame("7", &json!([generic, record("Power.1.0.PowerSupplyFailed", json!(false))])));
    world.pass(SECOND).await;
    let told = happenings(&world).await;
    let marked = |record: &Record| {
        let original = record.facts.original.as_ref().map_or("", |original| original.get());
        let original: Value = serde_json::from_str(original).unwrap_or_default();
        (original["EventGroupId"].clone(), original["SpecificEventExistsInGroup"].clone())
    };
    let marks: Vec<_> = told.iter().map(marked).collect();
    assert_eq!(marks, [(json!(12), json!(true)), (json!(12), json!(false))]);
}

#[tokio::test(start_paused = true)]
async fn t71_what_never_comes_on_the_stream_is_read_from_the_log() {
    for profile in streaming() {
        let (world, bmc) = World::of(Profile { push: Push::AllButEach(3), ..profile }).await;
        world.pass(MINUTE).await;
        fans_fail(&bmc, 9, SECOND).await;
        assert_eq!(world.tokens().await.len(), 6);
        world.pass(31 * MINUTE).await;
        assert_eq!(world.tokens().await.len(), 9);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t72_what_a_bmc_says_about_itself_is_counted_and_not_told() {
    let (world, bmc) = World::of(Profile { resume: Resume::Ignored, ..Profile::openbmc() }).await;
    world.pass(MINUTE).await;
    let subscription = "/redfish/v1/EventService/Subscriptions/7";
    let test = |origin: &str| json!({ "EventId": "1", "MessageId": "TST100", "OriginOfCondition": origin });
    for noise in [
        json!({ "MemberId": "0" }),
        json!({ "EventId": "0", "MessageId": "HeartbeatEvent.1.0.RedfishServiceFunctional" }),
        test(subscription),
        test("/redfish/v1/SessionService/Sessions/3"),
    ] {
        bmc.push_raw(frame("0", &json!([noise])));
    }
    world.pass(SECOND).await;
    assert_eq!(world.tokens().await, Vec::<String>::new());
    assert_eq!(world.count("events_rejected_total", &["own_noise"]), 4);
    // Somebody tries the alarms; a test that says something is told.
    bmc.push_raw(frame("3", &json!([{ "EventId": "2", "MessageId": "TST100", "Message": "Testing" }])));
    world.pass(SECOND).await;
    assert_eq!(world.tokens().await.len(), 1);
    // A new entry is told by the log, and soon.
    fan_fails(&bmc);
    bmc.log_silently(Severity::Ok, "OpenBMC.0.1.FanFailed", &[], "Fan fan0 has failed.");
    bmc.push_raw(frame("4", &json!([test("/redfish/v1/Managers/CMC/LogServices/Lclog/Entries/309")])));
    world.pass(10 * SECOND).await;
    assert_eq!(world.tokens().await.len(), 3);
    assert_eq!(world.count("events_rejected_total", &["own_noise"]), 5);
}

#[tokio::test(start_paused = true)]
async fn t73_everything_unrecovered_again_with_new_ids_is_told_once() {
    for profile in streaming() {
        let (world, bmc) = World::of(profile).await;
        world.pass(MINUTE).await;
        let mut unrecovered = Vec::new();
        for _ in 0..5 {
            unrecovered.push(fan_fails(&bmc));
            let critical = Severity::Critical;
            unrecovered.push(bmc.push_only(critical, "OpenBMC.0.1.Fleeting", &[], "Written nowhere."));
            world.pass(MINUTE).await;
        }
        for round in 0..4 {
            fan_fails(&bmc);
            world.pass(10 * SECOND).await;
            for event in &unrecovered {
                bmc.resend_event(&event.token, ResendIds::NewIds);
            }
            world.pass(10 * MINUTE).await;
            if round == 1 {
                bmc.cut_streams();
                world.pass(MINUTE).await;
            }
        }
        assert_eq!(world.tokens().await.len(), 14);
        world.assert_nothing_lost_nothing_twice().await;
    }
}

#[tokio::test(start_paused = true)]
async fn t74_entries_that_our_own_requests_make_are_no_reason_to_make_more() {
    let line = LoginLine { log: 0, message_id: "IDRAC.2.9.USR0030", text: "Logged in" };
    let login = Login::BasicOnly;
    let profile = Profile { login, login_line: Some(line), resume: Resume::Ignored, ..Profile::idrac9() };
    let (world, bmc) = World::of(profile).await;
    // Each new entry is announced by nothing but where it stands (sailfish).
    bmc.edit_events(|payload| {
        let origin = "/redfish/v1/Managers/iDRAC.Embedded.1/LogServices/Sel/Entries/1";
        let record =
            json!({ "EventType": "ResourceAdded", "MessageId": "TST100", "OriginOfCondition": origin });
        payload["Events"] = json!([record]);
    });
    world.pass(3 * HOUR).await;
    let read = bmc.counts().requests_of(PathClass::Entries);
    assert!(read < 100, "{read} pages of logs were read in three hours");
    assert!(world.count("events_rejected_total", &["own_noise"]) > 0);
}

#[tokio::test(start_paused = true)]
async fn t75_a_stream_on_another_port_never_sees_the_credentials() {
    let sse_uri = Some("https://bmc:9090/redfish/v1/EventService/SSE");
    let (world, bmc) = World::of(Profile { sse_uri, ..Profile::openbmc() }).await;
    fan_fails(&bmc);
    world.pass(10 * MINUTE).await;
    assert_eq!(world.state("bmc"), "polling: connect_failures: protocol", "it was asked for nowhere");
    assert_eq!(bmc.counts().streams_opened, 0);
    assert_eq!(world.wire.credentials_shown("https://bmc:9090"), 0);
    assert!(world.count("links_refused_total", &["foreign_origin"]) > 0);
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn t75_a_stream_on_an_allowed_port_is_followed_and_the_credentials_go_nowhere_else() {
    let mut world = World::new(1).await;
    let sse_uri = Some("https://bmc:9090/redfish/v1/EventService/SSE");
    let bmc = world.add("bmc", Profile { sse_uri, ..Profile::openbmc() });
    world.spec("bmc").client.allowed_origins = vec!["https://bmc:9090".parse().expect("an address")];
    world.start();
    world.until("bmc", "streaming", MINUTE).await;
    fan_fails(&bmc);
    world.pass(MINUTE).await;
    assert!(world.wire.credentials_shown("https://bmc:9090") > 0);
    assert_eq!(bmc.counts().streams_opened, 1);
    world.assert_nothing_lost_nothing_twice().await;
}
