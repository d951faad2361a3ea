//! The conversation with systemd over a real socket: ready, watchdog, reloading, stopping.

use nix::sys::signal::Signal;
use tokio::{net::UnixDatagram, time::timeout};

use crate::{
    daemon::{Daemon, PATIENCE},
    home::Home,
};

/// What the manager heard up to a message that holds this.
async fn heard(socket: &UnixDatagram, until: &str) -> Vec<String> {
    let mut messages = Vec::new();
    let mut buffer = vec![0; 4096];
    loop {
        let received = timeout(PATIENCE, socket.recv(&mut buffer)).await;
        let length = received.unwrap_or_else(|_| panic!("{until} after {messages:?}")).expect("it is bound");
        messages.push(String::from_utf8_lossy(&buffer[..length]).into_owned());
        if messages.last().is_some_and(|last| last.lines().any(|line| line == until)) {
            return messages;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn systemd_hears_ready_watchdog_reloading_and_stopping() {
    let home = Home::new();
    home.write_config("");
    let path = home.path("notify");
    let socket = UnixDatagram::bind(&path).expect("the directory is ours");
    let path = path.to_str().expect("temporary directories have plain names");
    let daemon = Daemon::start_with(&home, &[("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", "1000000")]).await;
    let ready = heard(&socket, "READY=1").await;
    assert!(ready.last().is_some_and(|last| last.contains("STATUS=watching 0 endpoints")), "{ready:?}");
    heard(&socket, "WATCHDOG=1").await;
    heard(&socket, "WATCHDOG=1").await;
    daemon.signal(Signal::SIGHUP);
    let reloading = heard(&socket, "RELOADING=1").await;
    assert!(reloading.last().is_some_and(|last| last.contains("MONOTONIC_USEC=")), "{reloading:?}");
    heard(&socket, "READY=1").await;
    daemon.signal(Signal::SIGTERM);
    heard(&socket, "STOPPING=1").await;
    assert_eq!(daemon.ended().await.0.code(), Some(0));
}
