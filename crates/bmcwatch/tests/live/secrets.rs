//! Passwords and session tokens of a running daemon are told to nobody, whoever asks and however much is logged; nor are
//! passwords that changed meanwhile, or that stand in a file which is refused.

use std::{fs, os::unix::fs::PermissionsExt};

use sim::Profile;

use crate::{
    daemon::{Daemon, said},
    home::Home,
    lab::{Lab, free_address},
};

const RIGHT: &str = "correct-horse-7f3a91";
const WRONG: &str = "battery-staple-c20d44";
const ROTATED: &str = "correct-pony-91bb02";
const REFUSED: &str = "staple-battery-5e77ad";

pub(crate) fn password_file(home: &Home, name: &str, password: &str) -> String {
    let path = home.path(name);
    fs::write(&path, format!("{password}\n")).expect("the directory is ours");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is our file");
    format!("password_file = \"{}\"", path.display())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_and_no_token_is_told_to_anyone() {
    let profile = || Profile { password: RIGHT.to_owned(), ..Profile::openbmc() };
    // The first opens a session, the second is polled with Basic, the third gets a wrong password.
    let lab = Lab::start(78, vec![profile(), profile(), profile()]).await;
    let home = Home::new();
    let inline = format!("password = \"{RIGHT}\"");
    let endpoints = [
        lab.endpoint(0, "").replace(&inline, &password_file(&home, "right", RIGHT)),
        lab.endpoint(1, "auth = \"basic\"\nlog_mode = \"periodic\""),
        lab.endpoint(2, "").replace(&inline, &password_file(&home, "wrong", WRONG)),
    ];
    let listen = free_address(78);
    home.write_config_at(&format!("{}[log]\nlevel = \"trace\"\n", endpoints.concat()), &listen);
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(1, &["streaming"]).await;
    daemon.until_in_state(1, &["polling"]).await;
    daemon.until_in_state(1, &["auth_failed"]).await;
    let tokens = lab.bmcs()[0].session_tokens();
    assert_eq!(tokens.len(), 1);

    let mut told = Vec::new();
    for page in ["/", "/metrics", "/api/v1/endpoints", "/api/v1/sinks"] {
        told.push((page.to_owned(), daemon.ask("GET", page).await.1));
    }
    // A password changes, and is used; then its file is one that cannot be used.
    lab.bmcs()[0].set_password(ROTATED);
    password_file(&home, "right", ROTATED);
    daemon.until_logged("password has changed").await;
    lab.bmcs()[0].end_sessions();
    lab.bmcs()[0].cut_streams();
    let logins = || async { lab.bmcs()[0].counts().logins_ok >= 2 };
    daemon.until(logins, || "no login with the new password".to_owned()).await;
    fs::write(home.path("wrong"), REFUSED).expect("it is our file");
    fs::set_permissions(home.path("wrong"), fs::Permissions::from_mode(0o644)).expect("it is our file");
    daemon.until_logged("the old password stays in use").await;
    let (code, out, errors) = said(&home, &["check-config"]).await;
    assert!(code == 78 && errors.contains("is open to others"), "{errors}");
    told.push(("check-config of a refused file".to_owned(), out + &errors));
    told.push(("a refused reload".to_owned(), daemon.ask("POST", "/-/reload").await.1));
    password_file(&home, "wrong", WRONG);

    let commands = [
        &["config", "show"][..],
        &["endpoints"],
        &["endpoints", "retry", "bmc-002"],
        &["check-config"],
        &["check-config", "--explain", "bmc-000"],
    ];
    for arguments in commands {
        let (code, out, errors) = said(&home, arguments).await;
        assert_eq!(code, 0, "{errors}");
        told.push((arguments.join(" "), out + &errors));
    }
    daemon.ask("POST", "/-/reload").await;
    let later = lab.bmcs()[0].session_tokens();
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    let log = home.log_lines().join("\n");
    assert!(log.contains("\"level\":\"trace\""), "the log was as loud as it can be");
    told.push(("the log".to_owned(), log));
    let basic = "cm9vdDpjb3JyZWN0LWhvcnNlLTdmM2E5MQ==";
    let tokens = tokens.iter().chain(&later).map(String::as_str);
    for secret in tokens.chain([RIGHT, WRONG, ROTATED, REFUSED, basic]) {
        for (place, text) in &told {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{place} tells {secret}");
        }
    }
    lab.fleet.stop().await;
}
