//! Finding logs and reading their pages.

use super::*;

const ROOT: &str =
    r#"{"Systems":{"@odata.id":"/redfish/v1/Systems"},"Managers":{"@odata.id":"/redfish/v1/Managers"}}"#;
const ENTRY: &str = r#"{"@odata.id":"/redfish/v1/E/1","Id":"1","Name":"Entry","EntryType":"SEL","Created":"2026-11-20T10:00:00Z","Severity":"OK","Message":"Fan 1 is slow"}"#;

fn root() -> ServiceRoot {
    ServiceRoot::decode(&serde_json::from_str(ROOT).unwrap())
}

#[tokio::test]
async fn logs_are_found_by_links_each_once_and_a_broken_part_costs_only_itself() {
    let bmc = Bmc::serving([
        (
            "/redfish/v1/Systems",
            r#"{"Members":[{"@odata.id":"/redfish/v1/Systems/1/"},{"@odata.id":"/redfish/v1/Systems/2"}]}"#,
        ),
        ("/redfish/v1/Systems/1/", r#"{"LogServices":{"@odata.id":"/redfish/v1/Systems/1/LogServices/"}}"#),
        (
            "/redfish/v1/Systems/1/LogServices/",
            r#"{"Members":[{"@odata.id":"/redfish/v1/Systems/1/LogServices/SEL/"},{"@odata.id":"/redfish/v1/Systems/1/LogServices/Gone"},{"@odata.id":"/redfish/v1/Systems/1/LogServices/Dump","Id":"Dump","Entries":{"@odata.id":"/d/"}}]}"#,
        ),
        (
            "/redfish/v1/Systems/1/LogServices/SEL/",
            r#"{"Id":"SEL","Name":"System Event Log","MaxNumberOfRecords":"3008","ServiceEnabled":true,"Entries":{"@odata.id":"/redfish/v1/Systems/1/LogServices/SEL/Entries/"}}"#,
        ),
        ("/redfish/v1/Managers", r#"{"Members":[{"@odata.id":"/redfish/v1/Managers/1"}]}"#),
        (
            "/redfish/v1/Managers/1",
            r#"{"Links":{"LogServices":{"@odata.id":"/redfish/v1/Managers/1/Logs"}}}"#,
        ),
        (
            "/redfish/v1/Managers/1/Logs",
            r#"{"Members":[{"@odata.id":"/redfish/v1/systems/1/logservices/sel"}]}"#,
        ),
    ]);
    let logs = bmc.client(AuthMode::Auto).log_services(&root()).await.unwrap();
    let paths: Vec<_> = logs.found.iter().map(|log| (log.path.as_str(), log.entries.as_str())).collect();
    let base = "/redfish/v1/Systems/1/LogServices";
    let (dump, sel, entries) =
        (format!("{base}/Dump"), format!("{base}/SEL"), format!("{base}/SEL/Entries/"));
    assert_eq!(paths, [(dump.as_str(), "/d/"), (sel.as_str(), entries.as_str())]);
    assert_eq!((logs.found[1].max_records, logs.found[1].enabled), (Some(3008), true));
    let problems: Vec<_> = logs.problems.iter().map(|problem| problem.path.as_str()).collect();
    assert_eq!(problems, [format!("{base}/Gone"), "/redfish/v1/Systems/2".to_owned()]);
}

#[tokio::test]
async fn t37_logs_of_odd_parents_are_found_and_a_parent_without_any_is_no_problem() {
    let bmc = Bmc::serving([
        ("/redfish/v1/Systems", r#"{"Members":[]}"#),
        ("/redfish/v1/Managers", r#"{"Members":[{"@odata.id":"/m"}]}"#),
        ("/m", r#"{"UUID":"3ACC3025-eae6-52aa-aa5a-2a5052ce49bd"}"#),
        ("/dre", r#"{"LogServices":{"@odata.id":"/dre/LogServices"}}"#),
        ("/dre/LogServices", r#"{"Members":[{"@odata.id":"/dre/LogServices/ErrorLog"}]}"#),
        (
            "/dre/LogServices/ErrorLog",
            r#"{"Id":"ErrorLog","DateTime":"2001-01-01T00:00:00Z","Entries":{"@odata.id":"/e"}}"#,
        ),
    ]);
    let odd_parents = ["/telemetry", "/dre", "https://evil/logs"].map(str::to_owned).to_vec();
    let client = bmc.client(AuthMode::Auto);
    let logs = client.log_services(&ServiceRoot { odd_parents, ..root() }).await.unwrap();
    assert_eq!(logs.found.len(), 1);
    assert_eq!(logs.problems.len(), 0);
    assert_eq!(logs.machine.as_deref(), Some("3acc3025-eae6-52aa-aa5a-2a5052ce49bd"), "the manager's");
    assert!(logs.found[0].clock_offset.unwrap().num_days() < -9000);
    let again = client.log_service(&logs.found[0]).await.unwrap();
    assert_eq!((again.path, bmc.last().path), (logs.found[0].path.clone(), logs.found[0].path.clone()));
    let uuid = Some("u".to_owned());
    let logs = client.log_services(&ServiceRoot { uuid, ..root() }).await.unwrap();
    assert_eq!(logs.machine.as_deref(), Some("u"), "the service's comes first");
}

#[tokio::test]
async fn a_log_is_read_from_a_place_on() {
    let bmc = Bmc::new(|_| json(r#"{"Members":[]}"#));
    let client = bmc.client(AuthMode::None);
    for (entries, skip, path) in [
        ("/log", 7, "/log?$skip=7"),
        ("/log/", 7, "/log/?$skip=7"),
        ("/log?$top=50", 7, "/log?$top=50&$skip=7"),
        ("/log?$skip=1&a=b", 7, "/log?a=b&$skip=7"),
        ("/log?", 7, "/log?$skip=7"),
        // T29: AMI answers 400 to a skip of nothing.
        ("/log", 0, "/log"),
    ] {
        client.page_from(&log(entries), skip).await.unwrap();
        assert_eq!(bmc.last().path, path);
    }
}

#[tokio::test]
async fn a_bmc_that_gives_no_collection_at_all_is_an_error() {
    let error = Bmc::serving([]).client(AuthMode::Auto).log_services(&root()).await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::Status { status: 404, .. }));
}

#[tokio::test]
async fn a_bmc_in_trouble_is_left_alone_but_one_broken_resource_is_passed_over() {
    let members = r#"{"Members":[{"@odata.id":"/a"},{"@odata.id":"/b"},{"@odata.id":"/c"}]}"#;
    let bmc = move |broken: &'static [&'static str]| {
        Bmc::new(move |asked| match asked.path.as_str() {
            path if broken.contains(&path) => Reply::Broken,
            "/redfish/v1/Systems" | "/redfish/v1/Managers" => json(members),
            _ => json("{}"),
        })
    };
    let one = bmc(&["/a"]);
    assert_eq!(one.client(AuthMode::None).log_services(&root()).await.unwrap().problems.len(), 1);
    let two = bmc(&["/a", "/b"]);
    two.client(AuthMode::None).log_services(&root()).await.unwrap_err();
    assert_eq!(two.lines().len(), 3);
}

#[tokio::test]
async fn the_next_page_is_found_under_each_of_its_names_and_never_elsewhere() {
    let cases = [
        (r#""Members@odata.nextLink":"/log?$skip=50""#, Ok(Some("/log?$skip=50"))),
        (r#""@odata.nextLink":"/log?$skip=50""#, Ok(Some("/log?$skip=50"))),
        (r#""Members@odata.nextlink":"https://bmc/log?$skip=50""#, Ok(Some("/log?$skip=50"))),
        (r#""@odata.nextLink":{"@odata.id":"/log?$skip=50"}"#, Ok(Some("/log?$skip=50"))),
        (r#""@odata.nextLink":"/log""#, Ok(None)),
        // The count says more (T26).
        (r#""@odata.nextLink":null"#, Ok(Some("/log?$skip=1"))),
        (r#""@odata.nextLink":"""#, Ok(Some("/log?$skip=1"))),
        (r#""@odata.nextLink":"https://evil/log?$skip=50""#, Err(())),
    ];
    for (field, expected) in cases {
        let bmc = Bmc::new(move |_| {
            json(&format!(r#"{{"Members":[{ENTRY}],"Members@odata.count":"735",{field}}}"#))
        });
        let page = bmc.client(AuthMode::None).first_page(&log("/log")).await;
        match page {
            Ok(page) => {
                assert_eq!(page.next.as_ref().map(|next| next.path.as_str()), expected.unwrap(), "{field}");
                assert_eq!((page.entries.len(), page.count), (1, Some(735)));
            }
            Err(error) => {
                assert!(matches!(error.kind, RequestErrorKind::ForeignOrigin { .. }), "{error:?}");
                assert!(expected.is_err(), "{field}");
            }
        }
    }
}

#[tokio::test]
async fn a_further_page_that_is_refused_is_the_callers_to_judge() {
    let bmc = Bmc::new(|asked| match asked.path.as_str() {
        "/log" => json(&format!(r#"{{"Members":[{ENTRY}],"Members@odata.nextLink":"/log?$skip=1"}}"#)),
        _ => status(400),
    });
    let client = bmc.client(AuthMode::None);
    let next = client.first_page(&log("/log")).await.unwrap().next.unwrap();
    let error = client.next_page(&log("/log"), &next).await.unwrap_err();
    assert!(matches!(error.kind, RequestErrorKind::Status { status: 400, .. }));
    assert_eq!(bmc.last().path, "/log?$skip=1");
}

#[tokio::test]
async fn t26_a_place_that_only_the_count_told_of_is_empty_when_it_is_refused() {
    for refusal in [400, 404, 405, 500, 501, 503] {
        let bmc = Bmc::new(move |asked| match asked.path.as_str() {
            "/log" => json(&format!(r#"{{"Members":[{ENTRY}],"Members@odata.count":9}}"#)),
            _ => status(refusal),
        });
        let client = bmc.client(AuthMode::None);
        let next = client.first_page(&log("/log")).await.unwrap().next.unwrap();
        let page = client.next_page(&log("/log"), &next).await;
        assert_eq!(bmc.last().path, "/log?$skip=1");
        match page {
            Ok(page) => assert_eq!((page.entries.len(), page.next, page.count), (0, None, Some(9))),
            Err(_) => assert_eq!(refusal, 503, "it passes"),
        }
    }
}

#[tokio::test]
async fn members_may_be_null_or_absent_but_an_error_is_no_empty_log() {
    for (body, empty) in [
        (r#"{"Members":null}"#, true),
        ("{}", true),
        (r#"{"Members":[],"error":{}}"#, true),
        (r#"{"error":{"code":"x"}}"#, false),
        (r#"{"Members":7}"#, false),
        (r#"{"Members":[{"Id":"1""#, false),
        ("", false),
    ] {
        let bmc = Bmc::new(move |_| json(body));
        let page = bmc.client(AuthMode::None).first_page(&log("/log")).await;
        assert_eq!(page.is_ok_and(|page| page.entries.is_empty()), empty, "{body}");
    }
}

#[tokio::test]
async fn members_that_are_links_are_read_one_by_one_and_those_that_vanished_are_skipped() {
    let bmc = Bmc::new(|asked| match asked.path.as_str() {
        "/log" => json(
            r#"{"Members":[{"@odata.id":"/log/1"},{"@odata.id":"/log/2"},{"@odata.id":"/log/3"},{"@odata.id":"/log/1"}]}"#,
        ),
        "/log/1" => json(ENTRY),
        "/log/2" => status(404),
        _ => status(500),
    });
    let page = bmc.client(AuthMode::None).first_page(&log("/log")).await.unwrap();
    assert_eq!((page.entries.len(), page.rejected), (1, 1));
    assert_eq!(page.entries[0].facts.message, "Fan 1 is slow");
    assert_eq!(bmc.lines().len(), 4);
}

#[tokio::test]
async fn the_digest_tells_when_an_entry_behind_a_link_changed() {
    let digest = async |message: &'static str| {
        let bmc = Bmc::new(move |asked| match asked.path.as_str() {
            "/log" => json(r#"{"Members":[{"@odata.id":"/log/1"}]}"#),
            _ => json(&ENTRY.replace("Fan 1 is slow", message)),
        });
        bmc.client(AuthMode::None).first_page(&log("/log")).await.unwrap().digest
    };
    assert_eq!(digest("a").await, digest("a").await);
    assert_ne!(digest("a").await, digest("b").await);
}

#[tokio::test]
async fn a_page_that_is_known_is_not_decoded_and_one_whose_members_are_links_is_always_read() {
    let asked = async |body: &'static str, member: &'static str| {
        let bmc = Bmc::new(move |asked| match asked.path.as_str() {
            "/log" => json(body),
            _ => json(&ENTRY.replace("Fan 1 is slow", member)),
        });
        bmc.client(AuthMode::None)
    };
    let whole = r#"{"Members":[{"Id":"1","Message":"Fan 1 is slow"}]}"#;
    let log = log("/log");
    let known = asked(whole, "").await.first_page(&log).await.unwrap().digest;
    let page = |digest| KnownPage { digest, members: None };
    assert!(asked(whole, "").await.changed_first_page(&log, page(Some(known))).await.unwrap().is_none());
    assert!(asked(whole, "").await.changed_first_page(&log, page(None)).await.unwrap().is_some());
    assert!(asked(whole, "").await.changed_first_page(&log, page(Some(known + 1))).await.unwrap().is_some());

    // None of its members could be read then; now they can.
    let links = r#"{"Members":[{"@odata.id":"http://elsewhere/log/1"},{"@odata.id":"/log/1"}]}"#;
    for member in ["a", "b"] {
        let known = asked(links, "a").await.first_page(&log).await.unwrap().digest;
        let read = asked(links, member).await.changed_first_page(&log, page(Some(known))).await.unwrap();
        let page = read.expect("a page of links is read");
        assert_eq!(page.digest == known, member == "a");
    }
    let unread = r#"{"Members":[{"@odata.id":"http://elsewhere/log/1"}]}"#;
    let known = asked(unread, "").await.first_page(&log).await.unwrap().digest;
    assert!(asked(unread, "").await.changed_first_page(&log, page(Some(known))).await.unwrap().is_some());
}

#[tokio::test]
async fn a_member_that_cannot_be_read_costs_only_itself() {
    let bmc = Bmc::new(|_| json(&format!(r#"{{"Members":[7,{ENTRY},null]}}"#)));
    let page = bmc.client(AuthMode::None).first_page(&log("/log")).await.unwrap();
    assert_eq!((page.entries.len(), page.rejected), (1, 2));
}
