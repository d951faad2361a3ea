//! What people read of a running daemon: `events`, `tail`, `sinks`, `journal`, against real BMCs of the simulator.

use std::{fs, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use sim::{Profile, Severity};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
    time::timeout,
};

use crate::{
    daemon::{Daemon, PATIENCE, command, said},
    home::{Home, read},
    lab::{Lab, free_address},
};

/// A message that no terminal and no page should obey.
const HOSTILE: &str = "<img src=x onerror=alert(1)> \u{1b}[2J\u{9b}31m fan";

async fn one_streaming(network: u8) -> (Lab, Home, Daemon) {
    let lab = Lab::start(network, vec![Profile::openbmc()]).await;
    let home = Home::new();
    home.write_config_at(&lab.endpoints(), &free_address(network));
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["streaming"]).await;
    (lab, home, daemon)
}

/// A command that runs on, and the lines that it prints.
struct Following {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Following {
    fn start(home: &Home, arguments: &[&str]) -> Self {
        let (mut command, _) = command(home, arguments);
        let mut child = command.spawn().expect("it was built for this test");
        let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        Self { child, lines }
    }

    async fn line(&mut self) -> String {
        let line = timeout(PATIENCE, self.lines.next_line()).await.expect("in time").expect("text");
        line.expect("it goes on")
    }

    /// Reads until a line contains a text; says at which positions lines came.
    async fn until(&mut self, text: &str) -> Vec<u64> {
        let mut positions = Vec::new();
        loop {
            let line = self.line().await;
            let record: Value = serde_json::from_str(&line).expect("a JSON line");
            positions.push(record["position"].as_u64().expect("a position"));
            if line.contains(text) {
                return positions;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_found_by_what_they_are_and_cannot_steer_a_terminal() {
    let (lab, home, daemon) = one_streaming(101).await;
    lab.bmcs()[0].log(Severity::Critical, "Test.1.0.Fan", &[], HOSTILE);
    lab.bmcs()[0].log(Severity::Ok, "Test.1.0.Door", &[], "door closed");
    let seen = || async {
        let found = said(&home, &["events", "--since", "1h", "--message-id", "*Door", "--json"]).await;
        !found.1.is_empty()
    };
    daemon.until(seen, || "the door was not closed".to_owned()).await;

    let asked =
        ["events", "--since", "1h", "--severity", "critical", "--endpoint", "bmc-*", "--message-id", "Test*"];
    let (code, table, errors) = said(&home, &asked).await;
    assert_eq!((code, errors.as_str()), (0, ""));
    let rows: Vec<&str> = table.lines().collect();
    assert!(rows.len() == 2 && rows[0].starts_with("TIME") && rows[1].contains("critical"), "{table}");
    assert!(rows[1].contains("  <img src=x onerror=alert(1)> \\u{1b}[2J\\u{9b}31m fan"), "{table}");

    let (_, lines, _) = said(&home, &[&asked[..], &["--json"]].concat()).await;
    let record: Value = serde_json::from_str(&lines).expect("one JSON line");
    assert!(record["message"].as_str().is_some_and(|message| message.starts_with(HOSTILE)), "{record}");
    // The same line as in the file of the sink.
    daemon
        .until(|| async { read(&home.records()).contains("door closed") }, || "not in the file".to_owned())
        .await;
    assert!(read(&home.records()).contains(&lines));

    let (_, newest, _) = said(&home, &["events", "--json", "--limit", "1"]).await;
    assert!(newest.lines().count() == 1 && newest.contains("door closed"), "{newest}");
    let (code, _, errors) = said(&home, &["events", "--since", "yesterday"]).await;
    assert!(code == 1 && errors.contains("since: \"yesterday\" is neither a time"), "{errors}");

    let (code, sinks, errors) = said(&home, &["sinks"]).await;
    assert!(code == 0 && errors.is_empty() && sinks.lines().count() == 2, "{sinks}{errors}");
    assert!(sinks.lines().nth(1).is_some_and(|row| row.starts_with("records  file  up")), "{sinks}");
    let (_, sinks, _) = said(&home, &["sinks", "list", "--json"]).await;
    let sinks: Value = serde_json::from_str(&sinks).expect("JSON");
    assert_eq!(sinks["sinks"][0]["name"], "records");
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    lab.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_outlives_the_daemon_and_misses_nothing_and_nothing_comes_twice() {
    let (lab, home, daemon) = one_streaming(102).await;
    let bmc = &lab.bmcs()[0];
    let mut tail = Following::start(&home, &["tail", "--json", "--after", "0"]);
    bmc.log(Severity::Ok, "Test.1.0.First", &[], "the first");
    let mut positions = tail.until("the first").await;

    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    bmc.log(Severity::Ok, "Test.1.0.Between", &[], "in between");
    let daemon = Daemon::start(&home).await;
    positions.extend(tail.until("in between").await);
    daemon.sigkill().await;
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["streaming"]).await;
    bmc.log(Severity::Ok, "Test.1.0.Last", &[], "the last");
    positions.extend(tail.until("the last").await);
    let expected: Vec<u64> = (1..=u64::try_from(positions.len()).expect("few")).collect();
    assert_eq!(positions, expected);

    let id = i32::try_from(tail.child.id().expect("it runs")).expect("a process id");
    // Not SIGINT: whoever starts the tests in the background has it ignored, and children inherit that.
    kill(Pid::from_raw(id), Signal::SIGTERM).expect("it is our child");
    timeout(PATIENCE, tail.child.wait()).await.expect("it ends").expect("it is our child");
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    let (code, _, errors) = said(&home, &["tail"]).await;
    assert!(code == 1 && errors.contains("is it running?"), "{errors}");
    lab.fleet.stop().await;
}

/// What `journal stat --json` says.
async fn stat(home: &Home) -> Value {
    let (code, out, errors) = said(home, &["journal", "stat", "--json"]).await;
    assert_eq!((code, errors.as_str()), (0, ""));
    serde_json::from_str(&out).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_looked_at_and_copied_beside_the_daemon_and_without_it() {
    let (lab, home, daemon) = one_streaming(103).await;
    for number in 0..50 {
        lab.bmcs()[0].log(Severity::Ok, "Test.1.0.Door", &[], &format!("door {number}"));
    }
    daemon.until(|| async { read(&home.records()).contains("door 49") }, || "not all came".to_owned()).await;
    let live = stat(&home).await;
    assert!(live["records"].as_u64() >= Some(50), "{live}");
    let (code, out, _) = said(&home, &["journal", "verify"]).await;
    assert!(code == 0 && out.starts_with("sound: "), "{out}");

    let copy = home.path("copy.db");
    let copy = copy.to_str().expect("UTF-8");
    let (code, out, errors) = said(&home, &["journal", "backup", copy]).await;
    assert!(code == 0 && out.starts_with("copied and verified: "), "{out}{errors}");
    let (code, _, errors) = said(&home, &["journal", "backup", copy]).await;
    assert!(code == 1 && errors.contains("File exists"), "{errors}");
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));

    let stopped = stat(&home).await;
    assert!(stopped["records"].as_u64() >= live["records"].as_u64(), "{stopped}");
    let (code, out, _) = said(&home, &["journal", "stat"]).await;
    assert!(code == 0 && out.contains("sink       records at "), "{out}");
    // A daemon is started on the copy: it goes on where the copy was made.
    let directory = home.path("journal");
    fs::remove_dir_all(&directory).expect("the directory is ours");
    fs::create_dir(&directory).expect("the directory is ours");
    fs::rename(Path::new(copy), directory.join("journal.db")).expect("the directory is ours");
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["streaming"]).await;
    assert!(stat(&home).await["head"].as_u64() >= live["head"].as_u64());
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    let nowhere = Home::new();
    nowhere.write_config(&lab.endpoints());
    let (code, _, errors) = said(&nowhere, &["journal", "stat"]).await;
    assert!(code == 1 && errors.contains("open journal"), "{errors}");
    lab.fleet.stop().await;
}
