//! The commands that need a fleet or a daemon: `endpoints`, `demo`, `simulate`.

use std::{collections::BTreeSet, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use sim::Profile;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::timeout,
};

use crate::{
    daemon::{Daemon, PATIENCE, command, said},
    home::{Home, read},
    lab::{Lab, free_address},
};

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_prints_a_row_for_each_and_says_when_there_is_no_daemon() {
    let lab = Lab::start(79, vec![Profile::openbmc(), Profile::no_event_service()]).await;
    let home = Home::new();
    let listen = free_address(79);
    home.write_config_at(&lab.endpoints(), &listen);
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["streaming"]).await;
    daemon.until_in_state(1, &["polling"]).await;
    let (code, out, errors) = said(&home, &["endpoints"]).await;
    assert_eq!((code, errors.as_str()), (0, ""));
    let rows: Vec<Vec<&str>> = out.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ENDPOINT", "STATE", "MODE", "SINCE", "WHY"]);
    assert_eq!(rows[1][..3], ["bmc-000", "streaming", "auto"]);
    assert_eq!(rows[2][..3], ["bmc-001", "polling", "auto"]);
    assert!(out.contains("sse_not_available"), "{out}");
    assert_eq!(rows.len(), 3);

    let (code, out, errors) = said(&home, &["endpoints", "retry", "bmc-001"]).await;
    assert!(code == 0 && out.starts_with("bmc-001 is tried now; it was in state polling."), "{out}{errors}");
    let (code, out, errors) = said(&home, &["endpoints", "retry", "bmc-01"]).await;
    assert_eq!((code, out.as_str()), (1, ""));
    assert!(errors.contains("there is no endpoint \"bmc-01\"; did you mean \"bmc-001\"?"), "{errors}");

    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    let (code, _, errors) = said(&home, &["endpoints"]).await;
    assert!(code == 1 && errors.contains("is it running?"), "{code} {errors}");
    lab.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_trust_accepts_the_other_key_that_a_tofu_endpoint_shows() {
    // Two fleets have two keys; the address of the endpoint changes with its key, its id does not.
    let first = Lab::start(88, vec![Profile::openbmc()]).await;
    let second = Lab::start(89, vec![Profile::openbmc()]).await;
    let tofu = |lab: &Lab| lab.endpoints().replace(&format!("pin:sha256/{}", lab.fleet.pin()), "tofu");
    let home = Home::new();
    let listen = free_address(88);
    home.write_config_at(&tofu(&first), &listen);
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["streaming"]).await;
    let (code, _, errors) = said(&home, &["endpoints", "trust", "bmc-000"]).await;
    assert!(code == 1 && errors.contains("bmc-000"), "nothing is refused yet: {code} {errors}");
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));

    home.write_config_at(&tofu(&second), &listen);
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["backoff"]).await;
    let (_, out, _) = said(&home, &["endpoints"]).await;
    assert!(out.contains("key_changed"), "{out}");
    assert_eq!(second.bmcs()[0].counts().requests_total(), 0, "nothing was sent to the other key");
    let (code, out, errors) = said(&home, &["endpoints", "trust", "bmc-000"]).await;
    assert!(code == 0 && out.contains(&second.fleet.pin()), "{code} {out}{errors}");
    daemon.until_in_state(1, &["streaming"]).await;
    let (code, _, errors) = said(&home, &["endpoints", "trust", "bmc-01"]).await;
    assert!(code == 1 && errors.contains("bmc-01"), "{code} {errors}");
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    first.fleet.stop().await;
    second.fleet.stop().await;
}

/// The names that every record has, from the documented schema.
fn names() -> BTreeSet<String> {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/records.schema.json");
    let schema: Value = serde_json::from_str(&read(&schema)).expect("the schema is JSON");
    let required = schema["required"].as_array().expect("a list").iter();
    required.map(|name| name.as_str().expect("a name").to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_demo_writes_nothing_but_records_on_standard_output() {
    let home = Home::new();
    let (code, out, errors) = said(&home, &["demo", "--json", "--duration", "5s", "--endpoints", "8"]).await;
    assert_eq!(code, 0, "{errors}");
    let names = names();
    for line in out.lines() {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let have: BTreeSet<String> = record.as_object().expect("an object").keys().cloned().collect();
        assert_eq!(have, names, "{line}");
    }
    assert!(out.lines().count() > 0 && out.ends_with('\n'), "{out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn simulate_prints_a_config_that_the_daemon_can_be_started_with() {
    let home = Home::new();
    let (mut command, log) = command(&home, &["simulate", "--endpoints", "3", "--listen", "127.80.0.1:0"]);
    let mut child = command.spawn().expect("it was built for this test");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let mut config = String::new();
    let mut endpoints = 0;
    // The password is the last line of each endpoint.
    while endpoints < 3 {
        let line = timeout(PATIENCE, lines.next_line()).await.expect("in time").expect("text");
        let line = line.unwrap_or_else(|| panic!("it ended: {}", read(&log)));
        endpoints += usize::from(line.starts_with("password"));
        config.push_str(&line);
        config.push('\n');
    }
    let watch = Home::new();
    watch.write_config(&config);
    let (code, out, errors) = said(&watch, &["check-config"]).await;
    assert!(code == 0 && out.contains("ok (3 endpoints, 1 sink)"), "{out}{errors}");
    let daemon = Daemon::start(&watch).await;
    daemon.until_in_state(3, &["streaming", "polling"]).await;
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));

    let id = i32::try_from(child.id().expect("it runs")).expect("a process id");
    kill(Pid::from_raw(id), Signal::SIGTERM).expect("it is our child");
    let status = timeout(PATIENCE, child.wait()).await.expect("it ends when asked").expect("it is our child");
    assert_eq!(status.code(), Some(0), "{}", read(&log));
}
