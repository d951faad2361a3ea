//! A daemon whose admin listener has TLS and a login: the commands reach it, its certificate rotates, and a config that
//! leaves it open is refused.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::Path,
    time::Duration,
};

use rcgen::{CertificateParams, KeyPair};
use tokio::time::sleep;

use crate::{
    daemon::{Daemon, said},
    home::Home,
    lab::free_address,
};

/// Puts a new certificate for the listener in place as a kubelet does with a Secret: behind a link that is swapped.
fn rotate(home: &Home, version: &str, certificate: Option<&str>) {
    let directory = home.path(version);
    fs::create_dir(&directory).expect("the directory is ours");
    let key = KeyPair::generate().expect("a key");
    let issued = CertificateParams::new(["bmcwatch.example".to_owned()]).expect("a name");
    let issued = issued.self_signed(&key).expect("a certificate").pem();
    fs::write(directory.join("tls.crt"), certificate.unwrap_or(&issued)).expect("the directory is ours");
    write_private(&directory.join("tls.key"), &key.serialize_pem());
    symlink(version, home.path("..data_tmp")).expect("the directory is ours");
    fs::rename(home.path("..data_tmp"), home.path("..data")).expect("the directory is ours");
}

fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("the directory is ours");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is our file");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commands_reach_a_listener_with_tls_and_a_login_whatever_its_certificate_is_today() {
    let home = Home::new();
    rotate(&home, "..1", None);
    let hash = bcrypt::hash("s3cret", 4).expect("a hash");
    let (cert, key) = (home.path("..data/tls.crt"), home.path("..data/tls.key"));
    let settings = format!(
        "[admin.basic_auth_users]\nada = \"{hash}\"\n[admin.tls]\ncert_file = \"{}\"\nkey_file = \"{}\"\n",
        cert.display(),
        key.display()
    );
    home.write_config_at(&settings, &free_address(81));
    write_private(&home.path("right"), "s3cret\n");
    write_private(&home.path("wrong"), "guess\n");
    let daemon = Daemon::start(&home).await;

    let as_ada = async |password: &str| {
        let path = home.path(password).display().to_string();
        said(&home, &["endpoints", "--username", "ada", "--password-file", &path]).await
    };
    let (code, out, errors) = as_ada("right").await;
    assert!(code == 0 && out.starts_with("ENDPOINT"), "{out}{errors}");
    let (code, _, errors) = as_ada("wrong").await;
    assert!(code == 1 && errors.contains("401") && errors.contains("password is wrong"), "{errors}");
    let (code, _, errors) = said(&home, &["endpoints"]).await;
    assert!(code == 1 && errors.contains("give --username and --password-file"), "{errors}");

    rotate(&home, "..2", None);
    daemon.until_logged("the admin certificate has changed").await;
    assert_eq!(as_ada("right").await.0, 0);

    rotate(&home, "..3", Some("no certificate"));
    daemon.until_logged("the admin certificate cannot be replaced").await;
    // Longer than until the next look, which has nothing new to say.
    sleep(Duration::from_secs(6)).await;
    assert_eq!(daemon.log_entries("the admin certificate cannot be replaced").len(), 1);
    let (code, _, errors) = as_ada("right").await;
    assert!(code == 1 && errors.contains("holds no certificate"), "{errors}");
    // The daemon goes on with the certificate before.
    fs::remove_file(home.path("..data")).expect("the directory is ours");
    symlink("..2", home.path("..data")).expect("the directory is ours");
    assert_eq!(as_ada("right").await.0, 0);

    let shown = said(&home, &["config", "show"]).await;
    assert!(shown.0 == 0 && shown.1.contains("ada = \"***\""), "{}{}", shown.1, shown.2);
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    let told = home.log_lines().join("\n") + &shown.1;
    assert!(!told.contains(&hash[7..]) && !told.contains("s3cret") && !told.contains("guess"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_others_reach_without_tls_and_login_is_not_started() {
    let home = Home::new();
    home.write_config_at("", "0.0.0.0:0");
    let (code, _, errors) = said(&home, &["run"]).await;
    assert_eq!(code, 78);
    for way_out in ["[admin.tls]", "basic_auth_users", "127.0.0.1:0", "allow_insecure = true"] {
        assert!(errors.contains(way_out), "{errors}");
    }
}
