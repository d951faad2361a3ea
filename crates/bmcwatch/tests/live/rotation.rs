//! A password changes on the BMC and in its file while the daemon runs: by a file that is moved into place, and as
//! Kubernetes mounts a Secret, by a link that is moved.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    time::Duration,
};

use sim::Profile;
use tokio::time::Instant;

use crate::{daemon::Daemon, home::Home, lab::Lab, secrets::password_file};

/// What passes from the change of a file to the stream, with a login and a busy machine; two looks are 4 s.
const BACK_WITHIN: Duration = Duration::from_secs(15);

/// A directory as the kubelet writes it: `dell` is a link through `..data`, which is moved to a new directory.
fn mount_secret(home: &Home, version: u32, password: &str) {
    let (mount, data) = (home.path("mount"), format!("..2026_11_{version}"));
    fs::create_dir_all(mount.join(&data)).expect("the directory is ours");
    let file = mount.join(&data).join("dell");
    fs::write(&file, password).expect("the directory is ours");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).expect("the file is ours");
    symlink(&data, mount.join("..data_tmp")).expect("the directory is ours");
    fs::rename(mount.join("..data_tmp"), mount.join("..data")).expect("the directory is ours");
    if version == 1 {
        symlink("..data/dell", mount.join("dell")).expect("the directory is ours");
    } else {
        fs::remove_dir_all(mount.join(format!("..2026_11_{}", version - 1))).expect("the directory is ours");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_changes_is_taken_over_within_seconds_and_no_other_stream_is_touched() {
    let lab = Lab::start(84, vec![Profile::openbmc(); 4]).await;
    let home = Home::new();
    mount_secret(&home, 1, "0penBmc");
    let moved = password_file(&home, "moved", "0penBmc");
    let mounted = format!("password_file = \"{}\"", home.path("mount/dell").display());
    let inline = "password = \"0penBmc\"";
    let files = [moved.as_str(), mounted.as_str(), mounted.as_str(), inline];
    let endpoints: String =
        files.iter().enumerate().map(|(index, file)| lab.endpoint(index, "").replace(inline, file)).collect();
    home.write_config(&endpoints);
    let daemon = Daemon::start(&home).await;
    daemon.until_in_state(4, &["streaming"]).await;

    // The first two lose their sessions and streams, and are refused; the third keeps both.
    for bmc in &lab.bmcs()[..3] {
        bmc.set_password("rotated");
    }
    for bmc in &lab.bmcs()[..2] {
        bmc.end_sessions();
        bmc.cut_streams();
    }
    daemon.until_in_state(2, &["auth_failed"]).await;
    let changed = Instant::now();
    fs::write(home.path("new"), "rotated\n").expect("the directory is ours");
    fs::set_permissions(home.path("new"), fs::Permissions::from_mode(0o600)).expect("the file is ours");
    fs::rename(home.path("new"), home.path("moved")).expect("the directory is ours");
    mount_secret(&home, 2, "rotated");
    daemon.until_in_state(4, &["streaming"]).await;
    assert!(changed.elapsed() < BACK_WITHIN, "it took {:?}", changed.elapsed());
    println!("back after {:?}", changed.elapsed());

    let counts: Vec<_> = lab.bmcs().iter().map(|bmc| bmc.counts()).collect();
    assert_eq!(counts.iter().map(|one| one.streams_opened).collect::<Vec<_>>(), [2, 2, 1, 1]);
    assert_eq!(counts.iter().map(|one| one.logins_refused).collect::<Vec<_>>(), [2, 2, 0, 0]);
    assert_eq!(counts.iter().map(|one| one.logins_ok).collect::<Vec<_>>(), [2, 2, 1, 1]);
    // A reload finds nothing to do.
    assert_eq!(daemon.ask("POST", "/-/reload").await.0, 200);
    assert_eq!(daemon.sigterm().await.0.code(), Some(0));
    assert_eq!(lab.sessions_open(), 0);
    lab.fleet.stop().await;
}
