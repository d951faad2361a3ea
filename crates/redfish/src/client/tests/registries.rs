//! Texts from the BMC's message registry, and what they may cost.

use model::Severity;

use super::*;

const ENTRY: &str = r#"{"Id":"1","Created":"2026-11-20T10:00:00Z","MessageId":"iLOEvents.3.15.FanFailed","MessageArgs":["7","hot"]}"#;
const REGISTRY: &str =
    r#"{"Messages":{"FanFailed":{"Message":"Fan %1 failed, it is %2.","MessageSeverity":"Critical"}}}"#;

/// A BMC whose log holds these members and whose registry file is this.
fn bmc(members: &str, registry: &'static str) -> Bmc {
    let page = format!(r#"{{"Members":[{members}]}}"#);
    Bmc::new(move |asked| match asked.path.as_str() {
        "/redfish/v1/" => json(r#"{"Registries":{"@odata.id":"/redfish/v1/Registries"}}"#),
        "/log" => json(&page),
        "/redfish/v1/Registries" => json(
            r#"{"Members":[{"@odata.id":"/r/Base.1.18"},{"@odata.id":"/r/iLOEvents.3.14"},{"@odata.id":"/r/iLOEvents"}]}"#,
        ),
        "/r/iLOEvents.3.14" => {
            json(r#"{"Registry":"iLOEvents.3.14","Location":[{"Language":"en","Uri":"/old"}]}"#)
        }
        "/r/iLOEvents" => json(
            r#"{"Registry":"iLOEvents.3.15","Location":[{"Language":"ja","Uri":"/ja"},{"Language":"en","Uri":{"extref":"/en"},"PublicationUri":"https://evil/en"}]}"#,
        ),
        "/en" => json(registry),
        _ => status(404),
    })
}

async fn read(client: &Client) -> Vec<crate::Entry> {
    client.first_page(&log("/log")).await.unwrap().entries
}

async fn ready(bmc: &Bmc) -> Client {
    let client = bmc.client(AuthMode::None);
    client.root().await.unwrap();
    client
}

#[tokio::test]
async fn t50_a_text_is_rebuilt_from_the_bmcs_own_registry_which_is_fetched_once() {
    let bmc = bmc(ENTRY, REGISTRY);
    let client = ready(&bmc).await;
    for _ in 0..2 {
        let facts = read(&client).await.remove(0).facts;
        assert_eq!(
            (facts.message.as_str(), facts.severity),
            ("Fan 7 failed, it is hot.", Severity::Critical)
        );
    }
    let asked = ["/redfish/v1/", "/log", "/redfish/v1/Registries", "/r/iLOEvents", "/en", "/log"];
    assert_eq!(bmc.lines(), asked.map(|path| format!("GET {path}")));
}

#[tokio::test]
async fn t50_a_text_that_was_sent_is_never_replaced_and_costs_no_request() {
    let told = r#"{"Id":"1","MessageId":"iLOEvents.3.15.FanFailed","MessageArgs":["7"],"Message":"Fan 7 is broken"}"#;
    let other = r#"{"Id":"2","MessageId":"35.1017"}"#;
    let bmc = bmc(&format!("{told},{other}"), REGISTRY);
    let entries = read(&ready(&bmc).await).await;
    let texts: Vec<&str> = entries.iter().map(|entry| entry.facts.message.as_str()).collect();
    assert_eq!(texts, ["Fan 7 is broken", "35.1017"]);
    assert_eq!(bmc.lines(), ["GET /redfish/v1/", "GET /log"]);
}

#[tokio::test(start_paused = true)]
async fn a_registry_that_cannot_be_read_costs_only_the_text_and_is_left_alone_for_a_while() {
    for registry in ["<html>", "{}", r#"{"Messages":{"FanFailed":{"Message":[]}}}"#] {
        let bmc = bmc(ENTRY, registry);
        let client = ready(&bmc).await;
        for _ in 0..3 {
            assert_eq!(read(&client).await[0].facts.message, "FanFailed: 7, hot");
        }
        assert_eq!(bmc.count("GET /en"), 1, "{registry}");
    }
}

#[tokio::test]
async fn one_registry_serves_the_whole_fleet_and_is_fetched_by_one_at_a_time() {
    let (one, two) = (bmc(ENTRY, REGISTRY), bmc(ENTRY, REGISTRY));
    let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
    let mut clients = [ready(&one).await, ready(&two).await];
    for client in &mut clients {
        client.metrics = metrics.clone();
    }
    let (first, second) = tokio::join!(read(&clients[0]), read(&clients[1]));
    assert_eq!(first[0].facts.message, second[0].facts.message);
    assert_eq!(one.count("GET /en") + two.count("GET /en"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_bmc_that_hangs_over_its_registry_delays_a_page_by_one_request() {
    let bmc = bmc(ENTRY, REGISTRY);
    let answer = Arc::clone(&bmc.answer);
    let hung = Bmc::new(move |asked| match asked.path.as_str() {
        "/redfish/v1/Registries" => Reply::Hang,
        _ => answer(asked),
    });
    let client = ready(&hung).await;
    let begun = Instant::now();
    assert_eq!(read(&client).await[0].facts.message, "FanFailed: 7, hot");
    assert_eq!(begun.elapsed(), RESPONSE_HEAD_DEADLINE);
    read(&client).await;
    assert_eq!(begun.elapsed(), RESPONSE_HEAD_DEADLINE);
}

#[tokio::test]
async fn a_bmc_that_invents_registries_is_asked_a_bounded_number_of_times() {
    let members: Vec<String> =
        (0..100).map(|n| format!(r#"{{"Id":"{n}","MessageId":"R{n}.1.0.Key"}}"#)).collect();
    let bmc = bmc(&members.join(","), REGISTRY);
    let client = ready(&bmc).await;
    assert_eq!(read(&client).await.len(), 100);
    assert_eq!(bmc.count("GET /redfish/v1/Registries"), 4);
    for _ in 0..20 {
        read(&client).await;
    }
    assert_eq!(bmc.count("GET /redfish/v1/Registries"), 4, "what is missing is remembered");
}
