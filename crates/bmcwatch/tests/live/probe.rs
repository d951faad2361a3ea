//! `bmcwatch probe` against simulated BMCs behind TLS: what it prints, whole, as text and as JSON, and what it sends.
//!
//! What differs from run to run (times, ports, the pin) is written as a word. `UPDATE_GOLDEN=1` rewrites the files.

use std::{env, fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use serde_json::Value;
use sim::{Profile, Severity};

use crate::{
    daemon::said,
    home::{Home, read},
    lab::Lab,
};

/// A text with words for what differs.
fn settled(text: &str, lab: &Lab, index: usize) -> String {
    let (address, pin) = (lab.fleet.address(index), lab.fleet.pin());
    let text = text.replace(&address, "ADDRESS").replace(&pin, "PIN");
    let line = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let follows = |at: usize| words.get(at + 1).is_some_and(|word| word.starts_with("ms"));
        let number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let numbered = words.iter().enumerate();
        let told = numbered.map(|(at, word)| if follows(at) && number(word) { "N" } else { word });
        let told = told.collect::<Vec<_>>().join(" ");
        match told.split_once("_ms\": ").or_else(|| told.split_once("clock_offset_seconds\": ")) {
            Some((name, value)) if value != "null" && value != "null," => format!("{name}...: N"),
            _ if told.starts_with("clock ") => "clock         N".to_owned(),
            _ => told,
        }
    };
    text.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

#[track_caller]
fn is_golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata/probe").join(name);
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    if env::var("UPDATE_GOLDEN").is_ok() {
        fs::create_dir_all(path.parent().expect("it is in a directory")).expect("the checkout is ours");
        fs::write(&path, text).expect("the checkout is ours");
    }
    let expected = read(&path);
    assert!(expected == text, "{} differs (UPDATE_GOLDEN=1 rewrites it); now:\n{text}", path.display());
}

fn password_file(home: &Home, password: &str) -> String {
    let path = home.path("password");
    fs::write(&path, password).expect("the directory is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    path.display().to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_tells_what_a_bmc_can_do_with_one_login_and_logs_out() {
    let flavours = [
        ("openbmc", Profile::openbmc()),
        ("idrac9", Profile::idrac9()),
        ("no_event_service", Profile::no_event_service()),
    ];
    let lab = Lab::start(86, flavours.iter().map(|(_, profile)| profile.clone()).collect()).await;
    for _ in 0..3 {
        for bmc in lab.bmcs() {
            bmc.log(Severity::Critical, "OpenBMC.0.1.FanFailed", &["fan0"], "Fan fan0 has failed.");
        }
        // BMCs tell whole seconds.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
    }
    let home = Home::new();
    let trust = format!("pin:sha256/{}", lab.fleet.pin());
    for (index, (name, profile)) in flavours.iter().enumerate() {
        let address = lab.fleet.address(index);
        let password = password_file(&home, profile.password.as_str());
        let user = profile.username.as_str();
        let asked =
            ["probe", &address, "--trust", &trust, "--user", user, "--password-file", &password, "--json"];
        for (arguments, kind) in [(&asked[..8], "txt"), (&asked[..], "json")] {
            let (code, out, errors) = said(&home, arguments).await;
            assert_eq!((code, errors.as_str()), (0, ""), "{out}");
            assert!(!out.contains(profile.password.as_str()), "{out}");
            is_golden(&format!("{name}.{kind}"), &settled(&out, &lab, index));
        }
        let counts = lab.bmcs()[index].counts();
        assert_eq!((counts.logins_ok, counts.sessions_open), (2, 0), "{name}: one login each, and a logout");
        assert_eq!((counts.logins_refused, counts.requests_in_flight_max), (0, 1), "{name}");
    }
    lab.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_trust_a_probe_shows_the_pin_and_sends_no_password() {
    let lab = Lab::start(87, vec![Profile::openbmc()]).await;
    let (home, profile) = (Home::new(), Profile::openbmc());
    let (address, password) = (lab.fleet.address(0), password_file(&home, profile.password.as_str()));
    let login = ["probe", &address, "--user", profile.username.as_str(), "--password-file", &password];
    for (arguments, expected) in [(&login[..2], 0), (&login[..], 1)] {
        let (code, out, errors) = said(&home, arguments).await;
        assert_eq!((code, errors.as_str()), (expected, ""), "{out}");
        let pin = format!("trust = \"pin:sha256/{}\"", lab.fleet.pin());
        assert!(out.contains(&pin) && out.contains("none, not verified"), "{out}");
        assert_eq!(out.contains("no password was sent"), expected == 1, "{out}");
    }
    let counts = lab.bmcs()[0].counts();
    assert_eq!((counts.logins_ok, counts.logins_refused, counts.requests_total()), (0, 0, 2));
    // A wrong pin is no licence either.
    let wrong = "pin:sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    let (code, out, _) = said(&home, &[&login[..], &["--trust", wrong]].concat()).await;
    assert!(code == 1 && out.contains("not the one that is trusted"), "{out}");
    assert_eq!(lab.bmcs()[0].counts().requests_total(), 2);
    lab.fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_what_it_could_not_do_and_what_cannot_be_asked() {
    let home = Home::new();
    let (code, out, _) = said(&home, &["probe", "https://127.0.0.1:1", "--json"]).await;
    let report: Value = serde_json::from_str(&out).expect("JSON all the same");
    assert_eq!((code, &report["failed"]), (1, &Value::Bool(true)));
    assert!(report["problems"][0].as_str().is_some_and(|problem| problem.contains("connect")), "{out}");
    for wrong in [
        &["probe"][..],
        &["probe", "10.0.17.12"],
        &["probe", "https://127.0.0.1:1", "--trust", "tofu"],
        &["probe", "https://127.0.0.1:1", "--user", "x"],
    ] {
        assert_eq!(said(&home, wrong).await.0, 2, "{wrong:?}");
    }
}
