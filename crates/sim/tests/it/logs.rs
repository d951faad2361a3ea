//! Logs, pages, sessions and failures in process.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use sim::{Members, Profile, Reachability, Recording, Refused, Severity};

use crate::support::{bmc, fill, get, ids, send};

#[tokio::test(start_paused = true)]
async fn dell_pages_newest_first_and_links_the_next_page() {
    let bmc = bmc(Profile::idrac9());
    fill(&bmc, 120);
    let entries = "/redfish/v1/Managers/iDRAC.Embedded.1/LogServices/Lclog/Entries";
    let (mut seen, mut uri) = (Vec::new(), entries.to_owned());
    loop {
        let (status, page) = get(&bmc, &uri).await;
        assert_eq!((status, &page["Members@odata.count"]), (200, &json!(120)));
        seen.extend(ids(&page));
        let Some(next) = page["Members@odata.nextLink"].as_str() else { break };
        uri = next.to_owned();
    }
    let expected: Vec<String> = (1..=120).rev().map(|id: u32| id.to_string()).collect();
    assert_eq!(seen, expected);
    assert_eq!(get(&bmc, &format!("{entries}?$skip=121")).await.0, 400);
    let (_, first) = get(&bmc, &format!("{entries}/120")).await;
    assert_eq!(first["Created"], "2026-11-20T08:00:00-06:00");
}

#[tokio::test(start_paused = true)]
async fn ids_of_bmcweb_count_within_a_second_and_its_log_may_hold_links_only() {
    let bmc = bmc(Profile { members: Members::Links, ..Profile::openbmc() });
    fill(&bmc, 2);
    bmc.step_clock(-1);
    fill(&bmc, 1);
    let entries = "/redfish/v1/Systems/system/LogServices/EventLog/Entries";
    let (_, page) = get(&bmc, entries).await;
    let expected: Vec<Value> = ["1795183200", "1795183200_1", "1795183199"]
        .iter()
        .map(|id| json!({ "@odata.id": format!("{entries}/{id}") }))
        .collect();
    assert_eq!(page["Members"], json!(expected));
    assert_eq!(get(&bmc, &format!("{entries}/1795183200_1")).await.1["Id"], "1795183200_1");
    assert_eq!(get(&bmc, &format!("{entries}?$filter=x")).await.0, 501);
    assert_eq!(ids(&get(&bmc, &format!("{entries}?$skip=9")).await.1), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn hpe_ids_are_places_while_event_numbers_go_on_over_wrap_and_clear() {
    let mut profile = Profile::ilo5();
    profile.logs[0].capacity = 3;
    let bmc = bmc(profile);
    fill(&bmc, 5);
    let entries = "/redfish/v1/Systems/1/LogServices/IML/Entries/";
    let numbers = |page: &Value| -> Vec<Value> {
        page["Members"].as_array().unwrap().iter().map(|e| e["Oem"]["Hpe"]["EventNumber"].clone()).collect()
    };
    let (_, page) = get(&bmc, entries).await;
    assert_eq!(
        (ids(&page), numbers(&page)),
        (vec!["1".into(), "2".into(), "3".into()], vec![json!(3), json!(4), json!(5)])
    );
    bmc.clear_log();
    let marker = bmc.log(Severity::Ok, "1.1", &[], "IML Cleared");
    let (_, page) = get(&bmc, entries).await;
    assert_eq!((ids(&page), numbers(&page)), (vec!["1".into()], vec![json!(6)]));
    assert_eq!((marker.generation, marker.number), (1, 6));
    let (status, body) = get(&bmc, &format!("{entries}2")).await;
    assert_eq!((status, &body["error"]["code"]), (404, &json!("Base.1.13.ResourceMissingAtURI")));
}

#[tokio::test(start_paused = true)]
async fn ids_restart_after_a_clear_where_the_vendor_does_so() {
    let bmc = bmc(Profile::nvidia());
    fill(&bmc, 3);
    bmc.clear_log();
    fill(&bmc, 1);
    let log = "/redfish/v1/Systems/System_0/LogServices/EventLog";
    assert_eq!(ids(&get(&bmc, &format!("{log}/Entries")).await.1), ["1"]);
    assert_eq!(get(&bmc, log).await.1["Oem"]["Nvidia"]["LatestEntryID"], "1");
}

#[tokio::test(start_paused = true)]
async fn every_link_of_the_tree_leads_somewhere() {
    let mut profiles: Vec<Profile> = Profile::flavours().iter().map(|(_, profile)| profile()).collect();
    profiles.extend([
        Profile::openbmc(),
        Profile::idrac9(),
        Profile::nvidia(),
        Profile::ilo5(),
        Profile::lenovo(),
        Profile::no_event_service(),
        Profile::no_sse_uri(),
    ]);
    for profile in profiles {
        let bmc = bmc(profile);
        fill(&bmc, 2);
        let (mut open, mut seen) = (vec!["/redfish/v1/".to_owned()], Vec::new());
        while let Some(uri) = open.pop() {
            let (status, body) = get(&bmc, &uri).await;
            assert_eq!(status, 200, "{uri}");
            links(&body, &mut |link| {
                if !seen.contains(&link) {
                    seen.push(link.clone());
                    open.push(link);
                }
            });
        }
        assert!(seen.iter().any(|link| link.contains("/Entries/") || link.contains("/Logs/")), "{seen:?}");
    }
}

fn links(value: &Value, found: &mut impl FnMut(String)) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| links(item, found)),
        Value::Object(fields) => {
            for (key, field) in fields {
                match field.as_str() {
                    Some(link) if key == "@odata.id" => found(link.to_owned()),
                    _ => links(field, found),
                }
            }
        }
        _ => {}
    }
}

async fn login(bmc: &std::sync::Arc<sim::Bmc>, password: &str) -> (u16, String, String) {
    let user = &bmc.config().profile.username;
    let body = json!({ "UserName": user, "Password": password }).to_string();
    let request = Request::post("/redfish/v1/SessionService/Sessions").body(Full::new(Bytes::from(body)));
    let response = bmc.handle(request.unwrap()).await.unwrap();
    let header = |name| response.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned();
    (response.status().as_u16(), header("x-auth-token"), header("location"))
}

async fn with_token(bmc: &std::sync::Arc<sim::Bmc>, method: &str, uri: &str, token: &str) -> u16 {
    let request = Request::builder().method(method).uri(uri).header("x-auth-token", token);
    bmc.handle(request.body(Full::<Bytes>::default()).unwrap()).await.unwrap().status().as_u16()
}

#[tokio::test(start_paused = true)]
async fn sessions_open_expire_are_limited_and_end() {
    let bmc = bmc(Profile { sessions_max: 2, ..Profile::lenovo() });
    assert_eq!(login(&bmc, "wrong").await.0, 401);
    let (status, token, location) = login(&bmc, "PASSW0RD").await;
    assert_eq!(status, 201);
    assert_eq!(with_token(&bmc, "GET", "/redfish/v1/Systems", &token).await, 200);
    assert_eq!(with_token(&bmc, "GET", "/redfish/v1/Systems", "forged").await, 401);
    assert_eq!(with_token(&bmc, "GET", "/redfish/v1", "").await, 200);
    assert_eq!(login(&bmc, "PASSW0RD").await.0, 201);
    assert_eq!(login(&bmc, "PASSW0RD").await.0, 503);
    assert_eq!(with_token(&bmc, "DELETE", &location, &token).await, 204);
    assert_eq!(with_token(&bmc, "GET", "/redfish/v1/Systems", &token).await, 401);
    let (_, token, _) = login(&bmc, "PASSW0RD").await;
    tokio::time::advance(Duration::from_secs(301)).await;
    assert_eq!(with_token(&bmc, "GET", "/redfish/v1/Systems", &token).await, 401);
    let counts = bmc.counts();
    assert_eq!((counts.logins_ok, counts.logins_refused, counts.tokens_refused), (3, 1, 3));
    assert_eq!(counts.sessions_open, 0);
    bmc.set_password("new");
    assert_eq!(login(&bmc, "PASSW0RD").await.0, 401);
    assert_eq!(login(&bmc, "new").await.0, 201);
}

#[tokio::test(start_paused = true)]
async fn requests_fail_wait_and_are_refused_as_the_levers_say() {
    let bmc = bmc(Profile::openbmc());
    bmc.fail_requests(2, StatusCode::SERVICE_UNAVAILABLE);
    let uri = "/redfish/v1/Systems";
    assert_eq!([get(&bmc, uri).await.0, get(&bmc, uri).await.0, get(&bmc, uri).await.0], [503, 503, 200]);
    bmc.set_latency(Duration::from_secs(8));
    let (before, both) = (bmc.clock(), tokio::join!(get(&bmc, uri), get(&bmc, uri)));
    assert_eq!(((both.0).0, (both.1).0, (bmc.clock() - before).num_seconds()), (200, 200, 8));
    assert_eq!(bmc.counts().requests_in_flight_max, 2);
    bmc.set_reachability(Reachability::Refusing);
    assert_eq!(send(&bmc, "GET", uri, "*/*").await.unwrap_err(), Refused::Connection);
    bmc.set_reachability(Reachability::Resetting);
    assert_eq!(send(&bmc, "GET", uri, "*/*").await.unwrap_err(), Refused::Reset);
    bmc.set_reachability(Reachability::Up);
    let rebooted = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        bmc.reboot(Duration::from_mins(1));
    };
    let (answer, ()) = tokio::join!(send(&bmc, "GET", uri, "*/*"), rebooted);
    assert_eq!(answer.unwrap_err(), Refused::Reset);
    assert_eq!((bmc.counts().requests_total(), bmc.counts().refused), (5, 3));
}

#[test]
fn a_recording_answers_what_it_holds_and_404_for_the_rest() {
    let folder = std::env::temp_dir().join(format!("sim-recording-{}", std::process::id()));
    let logs = folder.join("redfish/v1/Systems/1/LogServices");
    std::fs::create_dir_all(&logs).unwrap();
    std::fs::write(folder.join("redfish/v1/index.json"), r#"{"Id":"RootService"}"#).unwrap();
    std::fs::write(logs.join("index.json"), r#"{"Members":[]}"#).unwrap();
    let recording = Recording::load(&folder).unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    let status = |method: &str, uri: &str| {
        recording.handle(&Request::builder().method(method).uri(uri).body(()).unwrap()).status().as_u16()
    };
    assert_eq!(status("GET", "/redfish/v1/"), 200);
    assert_eq!(status("GET", "/redfish/v1/Systems/1/LogServices"), 200);
    assert_eq!(status("GET", "/redfish/v1/Systems/1/LogServices?$skip=50"), 404);
    assert_eq!(status("GET", "/redfish/v1/Systems/1"), 404);
    assert_eq!(status("POST", "/redfish/v1/SessionService/Sessions"), 201);
    assert!(Recording::load(&folder).is_err());
}
