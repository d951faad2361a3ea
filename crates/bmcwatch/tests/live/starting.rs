//! Starts that fail: the exit code that a service manager acts on, and the words that an operator reads.

use std::{net::TcpListener, path::Path};

use nix::sys::signal::Signal;
use sim::Profile;

use crate::{
    daemon::{Daemon, said},
    home::{Home, read},
    lab::Lab,
};

/// Exit code and standard error of `bmcwatch run` that ends by itself.
async fn failed(home: &Home) -> (i32, String) {
    let (code, out, errors) = said(home, &["run"]).await;
    assert_eq!(out, "", "a daemon says nothing on standard output but records");
    (code, errors)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_daemon_on_the_same_journal_says_so_and_ends() {
    let home = Home::new();
    home.write_config("");
    let daemon = Daemon::start(&home).await;
    let (code, errors) = failed(&home).await;
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains("another process uses it"), "{errors}");
    assert_eq!(daemon.ask("GET", "/livez").await.0, 200, "the first is not disturbed");
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("it is bound").to_string();
    let home = Home::new();
    home.write_config_at("", &address);
    let (code, errors) = failed(&home).await;
    assert_eq!(code, 1, "{errors}");
    let told = format!("listen on {address} for admin requests");
    assert!(errors.contains(&told) && errors.to_lowercase().contains("in use"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_config_ends_with_78_and_every_problem() {
    let home = Home::new();
    home.write_raw_config(
        "[[endpoints]]\naddress = \"https://10.0.0.1\"\ncredentials = \"nobody\"\n\
         [discovery]\ninterval = \"0s\"\n[log]\nlevel = \"loud\"\nlevl = 1\n",
    );
    let (code, errors) = failed(&home).await;
    assert_eq!(code, 78, "{errors}");
    for problem in ["endpoints[0].credentials", "discovery.interval", "log.level", "log.levl"] {
        assert!(errors.contains(problem), "{problem} is missing in\n{errors}");
    }
    home.write_raw_config("[[endpoints]\n");
    assert_eq!(failed(&home).await.0, 78);
    std::fs::remove_file(home.config()).expect("it was written");
    let (code, errors) = failed(&home).await;
    assert!(code == 78 && errors.contains("is the path right?"), "{errors}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_mistake_a_thousand_times_is_no_thousand_lines() {
    let home = Home::new();
    let endpoint = |index: usize| {
        let port = index + 1;
        format!(
            "[[endpoints]]\nid = \"b{index}\"\naddress = \"https://127.0.0.1:{port}\"\ncredentials = \"c{index}\"\n\
             [credentials.c{index}]\nusername = \"u\"\npassword = \"p\"\n"
        )
    };
    let endpoints: String = (0..1000).map(endpoint).collect();
    home.write_config(&format!("{endpoints}[discovery]\nonly = {{ rack = \"none\" }}\n"));
    let daemon = Daemon::start(&home).await;
    daemon.until_logged("ready").await;
    assert_eq!(daemon.log_entries("config").len(), 21);
    let more = daemon.until_logged("more config warnings").await;
    assert_eq!(more["more"], 980);

    home.write_config(&endpoints.replace("username", "usrname"));
    daemon.signal(Signal::SIGHUP);
    daemon.until_logged("more problems in the config").await;
    assert_eq!(daemon.log_entries("config refused").len(), 20);
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
}

/// The soft limit of open files of a process, as the kernel shows it.
fn open_files(id: u32) -> String {
    let limits = read(Path::new(&format!("/proc/{id}/limits")));
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(3).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limit_of_open_files_is_raised_and_told_when_too_low() {
    let home = Home::new();
    let endpoint =
        |host| format!("[[endpoints]]\naddress = \"https://127.83.255.{host}:1\"\nauth = \"none\"\n");
    let files = home.path("targets.json");
    let source = format!("[[discovery.file_sd]]\nfiles = [\"{}\"]\n", files.display());
    let login = "[credentials.all]\nusername = \"u\"\npassword = \"p\"\nmatch.endpoints = [\"*\"]\n";
    home.write_config(&format!("{source}{login}{}", (1..=60).map(endpoint).collect::<String>()));
    let daemon = Daemon::start_limited(&home, "ulimit -Sn 64 && ulimit -Hn 200").await;
    assert_eq!(open_files(daemon.id()), "200");
    let warned = daemon.until_logged("the limit of open files is too low").await;
    assert_eq!((&warned["limit"], &warned["needed"]), (&200.into(), &504.into()));
    // What a source brings counts as well.
    let targets: Vec<String> = (1..=40).map(|host| format!("127.83.254.{host}:1")).collect();
    let list = serde_json::json!([{ "targets": targets }]).to_string();
    std::fs::write(&files, list).expect("the directory is ours");
    let told = || daemon.log_entries("the limit of open files is too low");
    daemon.until(|| async { told().len() == 2 }, || "it is not told again".to_owned()).await;
    assert_eq!(told()[1]["needed"], 584);
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_directory_that_cannot_be_used_is_named() {
    let home = Home::new();
    std::fs::remove_dir(home.path("journal")).expect("it is empty");
    std::fs::write(home.path("journal"), "a file").expect("the directory is ours");
    home.write_config("");
    let (code, errors) = failed(&home).await;
    assert_eq!(code, 1, "{errors}");
    assert!(errors.contains(&home.path("journal").display().to_string()), "{errors}");
}

/// The last error that the status shows of the first endpoint in `backoff`.
async fn tls_error(lab: &Lab, trust: &str) -> (String, Home) {
    let home = Home::new();
    let pinned = format!("pin:sha256/{}", lab.fleet.pin());
    home.write_config(&lab.endpoint(0, "").replace(&pinned, trust));
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["backoff"]).await;
    let endpoints = daemon.endpoints().await;
    assert_eq!(endpoints[0]["reason"], "tls");
    let error = endpoints[0]["last_error"].as_str().expect("there is one").to_owned();
    let line = daemon.until_logged("endpoint is down").await;
    assert_eq!(line["error"], error.as_str(), "log and status say the same");
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    (error, home)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_is_not_believed_says_what_to_write() {
    let lab = Lab::start(76, vec![Profile::openbmc()]).await;
    let (error, _) = tls_error(&lab, "pin:sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=").await;
    assert!(error.contains(&lab.fleet.pin()), "the pin that it shows is told, to be compared: {error}");
    // A CA that did not sign it; the daemon's own CA, and the journey ends well.
    let home = Home::new();
    std::fs::write(home.path("ca.pem"), lab.fleet.ca_pem()).expect("the directory is ours");
    let trust = |path: &Path| format!("ca:{}", path.display());
    let pinned = format!("pin:sha256/{}", lab.fleet.pin());
    home.write_config(&lab.endpoint(0, "").replace(&pinned, &trust(&home.path("ca.pem"))));
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["streaming"]).await;
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));

    let other = Lab::start(77, vec![Profile::openbmc()]).await;
    std::fs::write(home.path("other.pem"), other.fleet.ca_pem()).expect("the directory is ours");
    let (error, _) = tls_error(&lab, &trust(&home.path("other.pem"))).await;
    assert!(error.contains("pin:sha256/") || error.contains("ca:"), "{error}");
    other.fleet.stop().await;
    lab.fleet.stop().await;
}
