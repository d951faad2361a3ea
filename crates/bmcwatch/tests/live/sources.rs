//! Endpoints that come from files and from a server while the daemon runs: they appear and go without a restart, no other
//! stream is touched, and neither a broken source nor a sudden drop costs a BMC its watch.

use std::{
    fs,
    os::unix::fs::symlink,
    sync::{Arc, Mutex},
};

use serde_json::json;
use sim::Profile;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use crate::{
    daemon::{Daemon, said},
    home::Home,
    lab::Lab,
    secrets::password_file,
};

/// Names of BMCs of the lab, as a list of targets.
fn list(lab: &Lab, bmcs: &[usize]) -> String {
    let group = |index: &usize| {
        let (address, name) = (lab.fleet.address(*index), lab.bmcs()[*index].name());
        let tls = format!("pin:sha256/{}", lab.fleet.pin());
        let target = address.trim_start_matches("https://").to_owned();
        json!({
            "targets": [target],
            "labels": { "rack": "r17", "__bmc_id": name, "__bmc_credential": name, "__bmc_tls": tls },
        })
    };
    json!(bmcs.iter().map(group).collect::<Vec<_>>()).to_string()
}

/// The logins of all BMCs, without their endpoints.
fn logins(lab: &Lab) -> String {
    let login = |index| {
        let text = lab.endpoint(index, "");
        text[text.find("[credentials").expect("it has a login")..].to_owned()
    };
    (0..lab.bmcs().len()).map(login).collect()
}

/// Moves a file into place, as careful writers do.
fn put(home: &Home, name: &str, text: &str) {
    fs::write(home.path(".new"), text).expect("the directory is ours");
    fs::rename(home.path(".new"), home.path(name)).expect("the directory is ours");
}

async fn ids(daemon: &Daemon) -> Vec<String> {
    let endpoints = daemon.endpoints().await;
    endpoints.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

async fn until_watched(daemon: &Daemon, bmcs: &[usize]) {
    let expected: Vec<String> = bmcs.iter().map(|index| format!("bmc-{index:03}")).collect();
    daemon.until(|| async { ids(daemon).await == expected }, || format!("not {expected:?}")).await;
    daemon.until_in_state(bmcs.len(), &["streaming"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_in_files_come_and_go_without_a_restart_and_half_of_them_never_at_once() {
    let lab = Lab::start(92, vec![Profile::openbmc(); 5]).await;
    let home = Home::new();
    fs::create_dir(home.path("targets")).expect("the directory is ours");
    put(&home, "targets/a.json", &list(&lab, &[0, 1]));
    // As the kubelet mounts a ConfigMap.
    for version in ["1", "2"] {
        fs::create_dir(home.path(version)).expect("the directory is ours");
    }
    fs::write(home.path("1/b.json"), list(&lab, &[2])).expect("the directory is ours");
    fs::write(home.path("2/b.json"), list(&lab, &[2, 3])).expect("the directory is ours");
    symlink(home.path("1"), home.path("..data")).expect("the directory is ours");
    symlink("../..data/b.json", home.path("targets/b.json")).expect("the directory is ours");
    let files = home.path("targets/*.json").display().to_string();
    home.write_config(&format!("[[discovery.file_sd]]\nfiles = [\"{files}\"]\n{}", logins(&lab)));
    let (code, out, errors) = said(&home, &["check-config"]).await;
    assert_eq!(code, 0, "{errors}");
    assert!(out.ends_with("ok (0 endpoints, 3 in files, 1 sink)\n"), "{out}");
    let daemon = Daemon::start(&home).await;
    until_watched(&daemon, &[0, 1, 2]).await;
    assert_eq!(daemon.endpoints().await[0]["labels"]["rack"], "r17");
    let page = daemon.metrics().await;
    assert!(page.contains("bmcwatch_discovery_targets{source=\"file_sd/0\"} 3\n"), "{page}");

    // A link is moved, and another file is replaced.
    symlink(home.path("2"), home.path("..tmp")).expect("the directory is ours");
    fs::rename(home.path("..tmp"), home.path("..data")).expect("the directory is ours");
    until_watched(&daemon, &[0, 1, 2, 3]).await;
    put(&home, "targets/a.json", &list(&lab, &[0, 4]));
    until_watched(&daemon, &[0, 2, 3, 4]).await;
    // One bad target and one broken file cost nobody anything.
    let bad = r#"[{"targets": ["10.0.17"], "labels": {"__bmc_credential": "bmc-000"}}]"#;
    put(&home, "targets/c.json", bad);
    put(&home, "targets/b.json", "[");
    let told = daemon.until_logged("file of a source cannot be used").await;
    assert!(told["problem"].as_str().expect("a text").contains("line 1 column 1"), "{told}");
    let told = daemon.until_logged("target of a source").await;
    let problem = told["problem"].as_str().expect("a text");
    assert!(problem.contains("c.json: target \"10.0.17\": \"https://10.0.17\" is not"), "{problem}");
    until_watched(&daemon, &[0, 2, 3, 4]).await;

    // Half may go at once; both of two only when the operator's reload says so too.
    put(&home, "targets/b.json", "[]");
    until_watched(&daemon, &[0, 4]).await;
    put(&home, "targets/a.json", &list(&lab, &[1]));
    let held = daemon.until_logged("would drop more than half").await;
    assert_eq!((&held["would_drop"], &held["of"]), (&json!(2), &json!(2)), "{held}");
    until_watched(&daemon, &[0, 4]).await;
    assert_eq!(daemon.ask("POST", "/-/reload").await.0, 200);
    until_watched(&daemon, &[1]).await;
    daemon.until_logged("and the next refresh agreed").await;
    let opened: Vec<u64> = lab.bmcs().iter().map(|bmc| bmc.counts().streams_opened).collect();
    assert_eq!(opened, [1, 2, 1, 1, 1], "a stream was cut for the sake of another endpoint");
    daemon.sigterm().await;

    // A file that is broken at the start has the list of the last life.
    put(&home, "targets/a.json", "broken");
    let daemon = Daemon::start(&home).await;
    until_watched(&daemon, &[1]).await;
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    assert_eq!(home.alarming_lines(), Vec::<String>::new());
    lab.fleet.stop().await;
}

/// What the server does with a request.
#[derive(Clone)]
enum Does {
    Answer(&'static str, String),
    Hang,
}

/// An inventory behind HTTP that does what it is told, and keeps what it was asked last.
struct Server {
    address: String,
    does: Arc<Mutex<Does>>,
    asked: Arc<Mutex<String>>,
    _task: JoinSet<()>,
}

impl Server {
    async fn start(does: Does) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let (does, asked) = (Arc::new(Mutex::new(does)), Arc::new(Mutex::new(String::new())));
        let mut task = JoinSet::new();
        let (do_now, keep) = (Arc::clone(&does), Arc::clone(&asked));
        task.spawn(async move {
            let mut hanging = Vec::new();
            loop {
                let (mut socket, _) = listener.accept().await.expect("it listens");
                let head = head(&mut socket).await;
                *keep.lock().expect("nobody panicked with it") = head;
                let does = do_now.lock().expect("nobody panicked with it").clone();
                match does {
                    Does::Answer(head, body) => {
                        let length = body.len();
                        let answer = format!(
                            "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
                        );
                        // It may have given up.
                        socket.write_all(answer.as_bytes()).await.unwrap_or_default();
                    }
                    Does::Hang => hanging.push(socket),
                }
            }
        });
        Self { address, does, asked, _task: task }
    }

    fn set(&self, does: Does) {
        *self.does.lock().expect("nobody panicked with it") = does;
    }

    fn asked(&self) -> String {
        self.asked.lock().expect("nobody panicked with it").clone()
    }
}

async fn head(socket: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = socket.read_u8().await else { break };
        head.push(byte);
    }
    String::from_utf8_lossy(&head).to_lowercase()
}

const JSON: &str = "200 OK\r\nContent-Type: application/json";

#[tokio::test(flavor = "multi_thread")]
async fn endpoints_of_a_server_stay_while_it_fails_in_any_way_and_over_a_restart() {
    let lab = Lab::start(93, vec![Profile::openbmc(); 3]).await;
    let home = Home::new();
    let server = Server::start(Does::Answer(JSON, list(&lab, &[0, 1]))).await;
    let token = password_file(&home, "token", "t0ken-one").replace("password_file", "token_file");
    let url = format!("http://{}/bmcs", server.address);
    home.write_config(&format!(
        "[[discovery.http_sd]]\nurl = \"{url}\"\nrefresh_interval = \"1s\"\n{token}\n{}",
        logins(&lab)
    ));
    let daemon = Daemon::start(&home).await;
    until_watched(&daemon, &[0, 1]).await;
    let asked = server.asked();
    for part in ["get /bmcs http/1.1\r\n", "interval-seconds: 1\r\n", "authorization: bearer t0ken-one\r\n"] {
        assert!(asked.contains(part), "{part:?} is not in {asked}");
    }

    let failures =
        || async { daemon.metric("bmcwatch_discovery_refreshes_total", "result=\"failure\"").await };
    for does in [
        Does::Answer("500 Oops\r\nContent-Type: application/json", "[]".to_owned()),
        Does::Answer("200 OK\r\nContent-Type: text/html", "[]".to_owned()),
        Does::Answer(JSON, "[{".to_owned()),
        Does::Hang,
    ] {
        let before = failures().await;
        server.set(does);
        daemon.until(|| async { failures().await > before }, || "no failure".to_owned()).await;
        assert_eq!(ids(&daemon).await, ["bmc-000", "bmc-001"]);
    }
    let failed = daemon.log_entries("source cannot be read").len();
    assert_eq!(failed, 1, "a source that fails is told once");
    daemon.sigterm().await;

    // The server still hangs.
    let daemon = Daemon::start(&home).await;
    until_watched(&daemon, &[0, 1]).await;
    daemon.until_logged("begins with its last good list").await;
    password_file(&home, "token", "t0ken-two");
    server.set(Does::Answer(JSON, list(&lab, &[0, 1, 2])));
    until_watched(&daemon, &[0, 1, 2]).await;
    daemon.until_logged("source can be read again").await;
    assert!(server.asked().contains("authorization: bearer t0ken-two\r\n"), "{}", server.asked());
    assert!(!home.log_lines().iter().any(|line| line.contains("t0ken")), "a token was told");

    // Nothing at all, twice: it is meant.
    server.set(Does::Answer(JSON, "[]".to_owned()));
    daemon.until(|| async { ids(&daemon).await.is_empty() }, || "they stay".to_owned()).await;
    assert_eq!(daemon.log_entries("would drop more than half").len(), 1);
    assert_eq!(daemon.log_entries("and the next refresh agreed").len(), 1);
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    assert_eq!(lab.sessions_open(), 0);
    lab.fleet.stop().await;
}
