//! The flavours: that every one is whole and repeats itself, and the habits that only they have.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use serde_json::{Value, json};
use sim::{Bmc, IdStyle, Profile, Severity, Skip, TimeStyle, flavoured_fleet};

use crate::support::{bmc, epoch, event, fill, get, ids, next, open_stream, texts};

fn flavour(name: &str) -> Arc<Bmc> {
    let (_, profile) = Profile::flavours().iter().find(|(known, _)| *known == name).expect("a known name");
    bmc(profile())
}

/// Every member of a collection, page after page.
async fn walk(bmc: &Arc<Bmc>, uri: &str) -> Vec<Value> {
    let next_link = bmc.config().profile.next_link;
    let (mut uri, mut all) = (uri.to_owned(), Vec::new());
    loop {
        let (status, page) = get(bmc, &uri).await;
        assert_eq!(status, 200, "{uri}");
        all.extend(page["Members"].as_array().unwrap().iter().cloned());
        match page.get(next_link).and_then(Value::as_str) {
            Some(next) => next.clone_into(&mut uri),
            None => return all,
        }
    }
}

/// Where the entries of a log are, as the log service says.
async fn entries_uri(bmc: &Arc<Bmc>, log: usize) -> String {
    let logged = bmc.log_in(log, Severity::Warning, "x", &[], "to learn the path");
    let (_, service) = get(bmc, logged.log.as_deref().expect("the log takes it")).await;
    service["Entries"]["@odata.id"].as_str().unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn in_every_flavour_every_log_holds_every_token_that_was_logged() {
    for (name, profile) in Profile::flavours() {
        let bmc = bmc(profile());
        for log in 0..bmc.config().profile.logs.len() {
            let uri = entries_uri(&bmc, log).await;
            for _ in 0..45 {
                bmc.log_in(log, Severity::Warning, "x.1.0.y", &[], "text");
            }
            let all = walk(&bmc, &uri).await;
            for logged in bmc
                .truth()
                .iter()
                .filter(|logged| logged.log.as_deref() == Some(path(&uri, log, &bmc).as_str()))
            {
                let holds = |entry: &Value| {
                    entry.to_string().contains(&format!("{}\"", logged.token))
                        || entry.to_string().contains(&format!("[{}]", logged.token))
                };
                assert!(all.iter().any(holds), "{name} log {log} {}", logged.token);
            }
        }
    }
}

fn path(entries: &str, log: usize, bmc: &Bmc) -> String {
    let parent = entries.split("/Log").next().unwrap();
    format!("{parent}/LogServices/{}", bmc.config().profile.logs[log].id)
}

#[tokio::test(start_paused = true)]
async fn the_same_flavour_and_the_same_levers_give_the_same_bytes() {
    for (name, profile) in Profile::flavours() {
        let mut answers = Vec::new();
        for _ in 0..2 {
            let bmc = bmc(profile());
            let uri = entries_uri(&bmc, 0).await;
            fill(&bmc, 7);
            bmc.clear_log();
            fill(&bmc, 3);
            answers.push((get(&bmc, &uri).await, bmc.truth()));
        }
        assert_eq!(answers[0], answers[1], "{name}");
    }
}

#[test]
fn flavours_have_names_of_their_own_and_come_in_turn() {
    let names: BTreeSet<_> = Profile::flavours().iter().map(|(name, _)| *name).collect();
    assert_eq!(names.len(), Profile::flavours().len());
    let fleet = flavoured_fleet(3, 1, epoch(), &Profile::flavours()[..2]);
    let habits: Vec<_> = fleet.iter().map(sim::DemoBmc::habit).collect();
    assert_eq!(habits, ["openbmc", "openbmc_dbus", "openbmc"]);
    assert!(flavoured_fleet(3, 1, epoch(), &[]).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_event_log_of_hpe_is_a_window_with_empty_slots_whose_newest_is_256() {
    let bmc = flavour("ilo5");
    let uri = entries_uri(&bmc, 3).await;
    bmc.log_in(3, Severity::Ok, "iLOEvents.3.15.PowerOn", &[], "");
    let all = walk(&bmc, &uri).await;
    assert_eq!((all.len(), &all[0]["MessageId"], &all[0]["Id"]), (256, &json!("NULL"), &json!("1")));
    assert_eq!((&all[255]["Id"], &all[255]["MessageArgs"]), (&json!("256"), &json!(["r01-u01-2"])));
    // Two different events of one moment share their UUID, and no text is sent.
    assert_eq!(all[254]["EventId"], all[255]["EventId"]);
    assert_eq!(all[255].get("Message"), None);
    assert_eq!(get(&bmc, &format!("{uri}/256")).await.1, all[255]);
    assert_eq!(get(&bmc, &format!("{uri}/1")).await.1, all[0]);
    assert_eq!(get(&bmc, &format!("{uri}/257")).await.0, 404);
    for _ in 0..300 {
        bmc.log_in(3, Severity::Ok, "x", &[], "");
    }
    let all = walk(&bmc, &uri).await;
    assert_eq!(
        (all.len(), &all[255]["Id"], &all[255]["MessageArgs"]),
        (256, &json!("256"), &json!(["r01-u01-302"]))
    );
}

#[tokio::test(start_paused = true)]
async fn ilo6_serves_the_block_of_its_window_twice() {
    let bmc = flavour("ilo6");
    let uri = entries_uri(&bmc, 3).await;
    for _ in 0..97 {
        bmc.log_in(3, Severity::Ok, "x", &[], "");
    }
    let all = walk(&bmc, &uri).await;
    let arguments = |entries: &[Value]| {
        entries.iter().map(|e| (e["EventId"].clone(), e["MessageArgs"].clone())).collect::<Vec<_>>()
    };
    assert_eq!(all.len(), 256);
    assert_eq!(arguments(&all[1..99]), arguments(&all[158..256]));
    assert!(all[99..158].iter().chain(&all[..1]).all(|entry| entry["MessageId"] == "NULL"));
}

#[tokio::test(start_paused = true)]
async fn a_clear_of_hpe_leaves_a_marker_and_several_oldest_go_at_once() {
    let bmc = flavour("ilo5");
    let uri = entries_uri(&bmc, 0).await;
    fill(&bmc, 499);
    fill(&bmc, 1);
    let all = walk(&bmc, &uri).await;
    assert_eq!((all.len(), &all[0]["Oem"]["Hpe"]["EventNumber"]), (498, &json!(4)));
    bmc.clear_log();
    let all = walk(&bmc, &uri).await;
    assert_eq!(
        (all.len(), &all[0]["Id"], &all[0]["Oem"]["Hpe"]["EventNumber"]),
        (1, &json!("1"), &json!(502))
    );
    assert!(all[0]["Message"].as_str().unwrap().starts_with("IML Cleared (iLO user: Administrator)"));
    assert_eq!(bmc.truth().pop().unwrap().generation, 1);
}

#[tokio::test(start_paused = true)]
async fn lenovo_serves_every_second_entry_twice_and_tells_its_numbers() {
    let bmc = flavour("xcc");
    let uri = entries_uri(&bmc, 0).await;
    fill(&bmc, 4);
    let before = bmc.clock();
    let (_, page) = get(&bmc, &uri).await;
    assert_eq!((bmc.clock() - before).num_milliseconds(), 300 + 7 * 17);
    assert_eq!(
        (ids(&page), &page["Members@odata.count"]),
        (["1", "2", "2", "3", "4", "4", "5"].map(str::to_owned).to_vec(), &json!(7))
    );
    assert_eq!(page["Members"][1], page["Members"][2]);
    let (_, service) = get(&bmc, uri.trim_end_matches("/Entries")).await;
    assert_eq!(service["Oem"]["Lenovo"], json!({ "FirstSeqNum": 1, "LastSeqNum": 5 }));
    assert_eq!(service["DateTime"], "2026-11-20 14:00:01+00:00");
}

#[tokio::test(start_paused = true)]
async fn old_dell_has_other_paths_keys_links_and_summer_time() {
    let bmc = flavour("idrac8");
    bmc.set_clock("2026-11-01T06:59:59Z".parse().unwrap());
    let uri = entries_uri(&bmc, 1).await;
    assert_eq!(uri, "/redfish/v1/Managers/iDRAC.Embedded.1/Logs/Sel");
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..59 {
        bmc.log_in(1, Severity::Ok, "x", &[], "y");
    }
    let (_, page) = get(&bmc, &uri).await;
    assert_eq!((&page["Members@odata.count"], ids(&page).len()), (&json!(60), 50));
    assert_eq!(page["@odata.nextLink"], format!("{uri}?$skip=50"));
    let newest = &page["Members"][0];
    assert_eq!(
        (&newest["MessageID"], &newest["Severity"], newest.get("MessageId")),
        (&json!("x"), &json!("Ok"), None)
    );
    assert_eq!(
        (&newest["Created"], &page["Members"][49]["Created"]),
        (&json!("2026-11-01T01:00:00-06:00"), &json!("2026-11-01T01:00:00-06:00"))
    );
    let oldest = walk(&bmc, &uri).await.pop().unwrap();
    assert_eq!(oldest["Created"], "2026-11-01T01:59:59-05:00");
    assert_eq!(get(&bmc, &format!("{uri}?$skip=61")).await.0, 400);
}

#[tokio::test(start_paused = true)]
async fn every_request_with_basic_writes_a_line_on_dell() {
    let bmc = flavour("idrac9");
    get(&bmc, "/redfish/v1/Systems").await;
    get(&bmc, "/redfish/v1/Systems").await;
    let ids: Vec<String> = bmc.truth().into_iter().map(|logged| logged.message_id).collect();
    assert_eq!(ids, ["USR0030", "USR0030"]);
}

#[tokio::test(start_paused = true)]
async fn cisco_shows_the_newest_fifty_and_the_severity_only_of_one() {
    let bmc = flavour("cimc");
    let uri = entries_uri(&bmc, 0).await;
    fill(&bmc, 99);
    for query in ["", "?$skip=50", "?$top=5"] {
        let (_, page) = get(&bmc, &format!("{uri}{query}")).await;
        assert_eq!(
            (ids(&page).len(), ids(&page)[0].as_str(), &page["Members@odata.count"]),
            (50, "100", &json!(50))
        );
        assert!(!page.to_string().contains("nextLink"));
        let newest = &page["Members"][0];
        assert_eq!((newest.get("Severity"), &newest["Created"]), (None, &json!("2026-11-20 14:00:00 ")));
    }
    let (_, alone) = get(&bmc, &format!("{uri}/100")).await;
    assert_eq!((&alone["Severity"], &alone["EventId"]), (&json!("Normal"), &json!("100")));
    let (_, service) = get(&bmc, uri.trim_end_matches("/Entries")).await;
    assert_eq!(
        (&service["DateTime"], &service["OverWritePolicy"]),
        (&json!("Fri Nov 20 14:00:00 2026"), &json!("NeverOverWrites"))
    );
}

#[tokio::test(start_paused = true)]
async fn cray_begins_in_1999_and_comes_to_its_senses() {
    let bmc = flavour("cray");
    tokio::time::advance(Duration::from_secs(39)).await;
    let first = bmc.log(Severity::Ok, "x", &[], "y");
    tokio::time::advance(Duration::from_secs(81)).await;
    let second = bmc.log(Severity::Ok, "x", &[], "y");
    assert_eq!(first.time.to_rfc3339(), "1999-12-31T12:00:39+00:00");
    assert_eq!(second.time, epoch() + Duration::from_mins(2));
    bmc.reboot(Duration::from_secs(30));
    tokio::time::advance(Duration::from_secs(31)).await;
    assert_eq!(bmc.clock().to_rfc3339(), "1999-12-31T12:00:01+00:00");
    bmc.set_clock(epoch());
    assert_eq!(bmc.clock(), epoch());
}

#[tokio::test(start_paused = true)]
async fn ami_refuses_to_leave_out_nothing_and_dates_an_entry_twice() {
    let bmc = flavour("ami");
    let uri = entries_uri(&bmc, 0).await;
    fill(&bmc, 160);
    assert_eq!(get(&bmc, &format!("{uri}?$skip=0")).await.0, 400);
    let all = walk(&bmc, &uri).await;
    assert_eq!((all.len(), &all[0]["Id"], &all[149]["Id"]), (150, &json!("12"), &json!("161")));
    assert_eq!(
        (&all[0]["Created"], &all[0]["EventTimestamp"]),
        (&json!("2026-11-20T14:00:00+00:00"), &json!("2025-10-20T14:00:00+00:00"))
    );
    let mut stream = open_stream(&bmc).await;
    fill(&bmc, 1);
    let frame = next(&mut stream).await.unwrap();
    assert!(frame.starts_with("id:162\ndata:{"), "{frame}");
}

#[tokio::test(start_paused = true)]
async fn the_openbmc_of_d_bus_keeps_ten_infos_says_nothing_and_counts_from_one_after_a_clear() {
    let bmc = flavour("openbmc_dbus");
    let uri = entries_uri(&bmc, 0).await;
    fill(&bmc, 12);
    let (_, page) = get(&bmc, &uri).await;
    let expected: Vec<String> =
        [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13].iter().map(ToString::to_string).collect();
    assert_eq!(ids(&page), expected);
    let entry = &page["Members"][0];
    assert_eq!(
        (entry.get("MessageId"), &entry["Resolved"], &entry["Modified"]),
        (None, &json!(false), &entry["Created"])
    );
    bmc.clear_log();
    let (_, page) = get(&bmc, &uri).await;
    assert_eq!(ids(&page), ["1"]);
    assert!(texts(&page)[0].as_str().unwrap().contains("Cleared"));
    assert!(bmc.truth().iter().all(|logged| !logged.pushed));
}

#[tokio::test(start_paused = true)]
async fn nvidia_mirrors_and_tells_its_latest() {
    let bmc = flavour("nvidia_gb200");
    let mut stream = open_stream(&bmc).await;
    let uri = entries_uri(&bmc, 0).await;
    let (_, service) = get(&bmc, uri.trim_end_matches("/Entries")).await;
    assert_eq!(service["Oem"]["Nvidia"]["LatestEntryID"], "1");
    assert_eq!(
        event(&next(&mut stream).await.unwrap())["Events"][0]["LogEntry"]["@odata.id"],
        format!("{uri}/1")
    );
    assert_eq!(texts(&get(&bmc, &uri).await.1), texts(&get(&bmc, &uri.replace("EventLog", "SEL")).await.1));
}

#[tokio::test(start_paused = true)]
async fn the_service_clock_of_an_x10_lies_behind_its_entries_which_have_no_severity() {
    let bmc = flavour("supermicro_x10");
    let uri = entries_uri(&bmc, 0).await;
    let (_, service) = get(&bmc, uri.trim_end_matches("/Entries")).await;
    assert_eq!(service["DateTime"], "2023-11-21T14:00:00Z");
    let (_, page) = get(&bmc, &uri).await;
    let entry = &page["Members"][0];
    assert_eq!(
        (entry.get("Severity"), &entry["Created"], &entry["MessageArgs"][0]),
        (None, &json!("2026-11-20T14:00:00Z"), &json!("ArrayOfMessageArgs"))
    );
}

#[tokio::test(start_paused = true)]
async fn the_texts_of_the_event_log_of_hpe_stand_in_its_registry() {
    let bmc = flavour("ilo7");
    let (_, root) = get(&bmc, "/redfish/v1").await;
    let (_, files) = get(&bmc, root["Registries"]["@odata.id"].as_str().unwrap()).await;
    let (_, file) = get(&bmc, files["Members"][0]["@odata.id"].as_str().unwrap()).await;
    assert_eq!(file["Registry"], "iLOEvents.3.15.0");
    let (_, registry) = get(&bmc, file["Location"][0]["Uri"].as_str().unwrap()).await;
    let message = &registry["Messages"]["FanFailed"];
    assert_eq!((&message["Message"], &message["NumberOfArgs"]), (&json!("Fan %1 has failed."), &json!(1)));
    bmc.set_registries(&[]);
    assert_eq!(get(&bmc, "/redfish/v1").await.1.get("Registries"), None);
    assert_eq!(get(&bmc, "/redfish/v1/Registries").await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_cleared_sel_of_dell_begins_at_one_with_a_marker_while_the_lifecycle_log_goes_on() {
    let bmc = flavour("idrac9");
    let (lclog, sel) = (entries_uri(&bmc, 0).await, entries_uri(&bmc, 1).await);
    bmc.clear_log_in(0);
    bmc.clear_log_in(1);
    let newest = async |uri: &str| get(&bmc, uri).await.1["Members"][0].clone();
    let (lclog, sel) = (newest(&lclog).await, newest(&sel).await);
    assert_eq!(
        (&lclog["MessageId"], &sel["Id"], &sel["MessageId"]),
        (&json!("USR0030"), &json!("1"), &json!("2ffff"))
    );
    assert_eq!(lclog["Id"], "4");
}

#[tokio::test(start_paused = true)]
async fn times_are_written_as_the_style_says() {
    let styles = [
        (TimeStyle::Offset, "2026-11-20T14:00:00+00:00"),
        (TimeStyle::OffsetMillis, "2026-11-20T14:00:00.250+00:00"),
        (TimeStyle::Zulu, "2026-11-20T14:00:00Z"),
        (TimeStyle::Local(2), "2026-11-20T16:00:00+02:00"),
        (TimeStyle::UsCentral, "2026-11-20T08:00:00-06:00"),
        (TimeStyle::Blank, "2026-11-20 14:00:00 "),
        (TimeStyle::BlankOffset, "2026-11-20 14:00:00+00:00"),
        (TimeStyle::Ctime, "Fri Nov 20 14:00:00 2026"),
        (TimeStyle::EpochText, "1795183200"),
        (TimeStyle::Naive, "2026-11-20T14:00:00"),
    ];
    for (time, expected) in styles {
        let bmc = bmc(Profile { time, ..Profile::openbmc() });
        let uri = entries_uri(&bmc, 0).await;
        assert_eq!(get(&bmc, &uri).await.1["Members"][0]["Created"], expected, "{time:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_first_entries_are_left_out_as_far_as_the_vendor_does_it() {
    let cases = [
        (Skip::Honoured, "$skip", 200, vec!["2", "3"]),
        (Skip::Honoured, "$skiptoken", 200, vec!["2", "3"]),
        (Skip::ZeroRefused, "$skip", 200, vec!["2", "3"]),
        (Skip::Ignored, "$skip", 200, vec!["1", "2"]),
        (Skip::NotImplemented, "$skip", 501, vec![]),
    ];
    for (skip, skip_key, expected, shown) in cases {
        let ids_rise = Profile { ids: IdStyle::Rising, page_size: Some(2), ..Profile::openbmc() };
        let bmc = bmc(Profile { skip, skip_key, ..ids_rise });
        let uri = entries_uri(&bmc, 0).await;
        fill(&bmc, 2);
        let (_, first) = get(&bmc, &uri).await;
        assert_eq!(first["Members@odata.nextLink"], format!("{uri}?{skip_key}=2"));
        let (status, page) = get(&bmc, &format!("{uri}?{skip_key}=1")).await;
        assert_eq!(status, expected, "{skip:?}");
        if status == 200 {
            assert_eq!(ids(&page), shown, "{skip:?}");
        }
    }
}
