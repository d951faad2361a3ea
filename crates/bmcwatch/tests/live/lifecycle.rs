//! Start, signals, reload and the end of the process, as a service manager and an operator see them.

use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;
use sim::{Profile, Reachability};
use tokio::time::sleep;

use crate::{
    daemon::Daemon,
    home::Home,
    lab::{Lab, mixed},
    ledger,
};

/// What the program promises for its end.
const END_MAX: Duration = Duration::from_secs(10);

const ALL: &str = "[collectors.logs]\ninitial_history = \"all\"\n\
                   [collectors.logs.periodic]\nlogs_collection_interval = \"1s\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_under_load_logs_out_everywhere_and_delivers_what_was_accepted() {
    let mut lab = Lab::start(74, mixed(20)).await;
    let home = Home::new();
    home.write_config(&format!("{}{ALL}", lab.endpoints()));
    let daemon = Daemon::start(&home).await;
    lab.load(Duration::from_millis(100));
    daemon.until_in_state(20, &["streaming", "polling"]).await;
    sleep(Duration::from_secs(1)).await;
    assert!(lab.sessions_open() >= 10, "{} sessions", lab.sessions_open());

    let (status, took) = daemon.sigterm().await;
    assert_eq!(status.code(), Some(0));
    assert!(took < END_MAX, "it took {took:?}");
    assert_eq!(lab.sessions_open(), 0);
    let (delivered, torn) = ledger::lines(&home.records());
    assert_eq!(torn, Vec::<String>::new());
    assert!(delivered.len() > 100, "{} records", delivered.len());
    assert!(delivered.windows(2).all(|pair| pair[0].position < pair[1].position));

    // A start without endpoints adds nothing: what the journal holds is what the file holds.
    home.write_config("");
    let daemon = Daemon::start(&home).await;
    let head = daemon.metric("bmcwatch_journal_head_sequence", "").await;
    let last = delivered.last().map_or(0, |line| line.position);
    assert_eq!(head.to_string(), last.to_string(), "the journal holds what was not delivered");
    let (status, _) = daemon.sigterm().await;
    assert_eq!((status.code(), ledger::count(&home.records())), (Some(0), delivered.len()));
    lab.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bmcs_that_have_vanished_do_not_hold_up_the_end() {
    let lab = Lab::start(83, mixed(20)).await;
    let home = Home::new();
    home.write_config(&lab.endpoints());
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(20, &["streaming", "polling"]).await;
    for bmc in lab.bmcs() {
        bmc.set_reachability(Reachability::BlackHole);
    }
    let (status, took) = daemon.sigterm().await;
    assert_eq!(status.code(), Some(0));
    assert!(took < END_MAX, "it took {took:?}");
    lab.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sigint_ends_the_daemon_as_sigterm_does() {
    let home = Home::new();
    home.write_config("");
    let daemon = Daemon::start(&home).await;
    daemon.until_logged("ready").await;
    daemon.signal(Signal::SIGINT);
    daemon.until_logged("stopped").await;
    let (status, _) = daemon.ended().await;
    assert_eq!(status.code(), Some(0));
}

/// Id, mode and state of every endpoint.
async fn shown(daemon: &Daemon) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let endpoints = daemon.endpoints().await;
    endpoints.iter().map(|one| ["id", "mode", "state"].map(|name| text(&one[name]))).collect()
}

async fn until_shown(daemon: &Daemon, expected: &[[&str; 3]]) {
    daemon
        .until(|| async { shown(daemon).await == expected }, || format!("the endpoints are not {expected:?}"))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_changes_what_changed_and_a_broken_file_changes_nothing() {
    let lab = Lab::start(75, vec![Profile::openbmc(); 4]).await;
    let home = Home::new();
    home.write_config(&[0, 1, 2].map(|index| lab.endpoint(index, "")).concat());
    let daemon = Daemon::start(&home).await;
    let before = [
        ["bmc-000", "auto", "streaming"],
        ["bmc-001", "auto", "streaming"],
        ["bmc-002", "auto", "streaming"],
    ];
    until_shown(&daemon, &before).await;

    // The second is polled from now on, the third goes, a fourth comes; nothing happens to the first.
    let changed = [lab.endpoint(0, ""), lab.endpoint(1, "log_mode = \"periodic\""), lab.endpoint(3, "")];
    home.write_config(&changed.concat());
    daemon.signal(Signal::SIGHUP);
    let after = [
        ["bmc-000", "auto", "streaming"],
        ["bmc-001", "periodic", "polling"],
        ["bmc-003", "auto", "streaming"],
    ];
    until_shown(&daemon, &after).await;
    assert_eq!(lab.bmcs()[0].counts().streams_opened, 1, "its stream was left alone");
    let sessions = || lab.bmcs()[2].counts().sessions_open;
    daemon.until(|| async { sessions() == 0 }, || "the removed endpoint keeps its session".to_owned()).await;
    let page = daemon.metrics().await;
    assert!(!page.contains("bmc-002"), "series of a removed endpoint go away");
    assert!(page.contains("bmcwatch_config_last_reload_successful 1\n"), "{page}");

    home.write_config("[discovery]\ninterval = \"soon\"\n[jornal]\n");
    daemon.signal(Signal::SIGHUP);
    daemon.until_logged("config refused").await;
    let refused = daemon.log_entries("config refused");
    let told: Vec<&str> = refused.iter().filter_map(|entry| entry["problem"].as_str()).collect();
    assert_eq!(told.len(), 2, "each problem is a line: {told:?}");
    let (status, body) = daemon.ask("POST", "/-/reload").await;
    assert!(
        status == 422 && body.contains("discovery.interval") && body.contains("jornal"),
        "{status} {body}"
    );
    assert_eq!(daemon.metric("bmcwatch_config_last_reload_successful", "").await.to_string(), "0");
    assert_eq!(shown(&daemon).await, after);

    home.write_config(&changed.concat());
    assert_eq!(daemon.ask("POST", "/-/reload").await.0, 200);
    assert_eq!(daemon.metric("bmcwatch_config_last_reload_successful", "").await.to_string(), "1");
    assert_eq!(lab.bmcs()[0].counts().streams_opened, 1, "its stream was left alone");
    for page in ["/-/healthy", "/-/ready", "/livez", "/readyz"] {
        assert_eq!(daemon.ask("GET", page).await.0, 200, "{page}");
    }
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    lab.fleet.stop().await;
}
