//! Passwords that change while everything runs: who is concerned logs in with the new one, nobody else notices, no stream
//! is cut, and no BMC sees more than two wrong logins.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use collect::{RetryError, State};
use sim::{Profile, Reachability};

use crate::{
    program::{Program, config},
    world::{HOUR, MINUTE, SECOND, World, fan_fails, token},
};

/// Writes a password as careful operators do: beside the file, then in its place.
fn put(directory: &Path, name: &str, password: &str) {
    let (new, file) = (directory.join("new"), directory.join(name));
    fs::write(&new, password).expect("the directory is ours");
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    fs::rename(new, file).expect("the directory is ours");
}

#[tokio::test(start_paused = true)]
async fn a_password_that_changes_at_the_bmc_and_in_its_file_costs_two_logins_and_a_few_seconds() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut world = World::new(1).await;
    let names = ["rebooted", "streams", "polled", "other"];
    let profiles = [Profile::openbmc(), Profile::openbmc(), Profile::ilo5(), Profile::idrac9()];
    let bmcs: Vec<_> =
        names.into_iter().zip(profiles).map(|(name, profile)| world.add(name, profile)).collect();
    let mut text = config(directory.path(), &bmcs);
    for bmc in &bmcs {
        let password = &bmc.config().profile.password;
        put(directory.path(), bmc.name(), password);
        let file = directory.path().join(bmc.name());
        text = text.replace(
            &format!(
                "[credentials.{}]\nusername = \"{}\"\npassword = \"{password}\"",
                bmc.name(),
                bmc.config().profile.username
            ),
            &format!(
                "[credentials.{}]\nusername = \"{}\"\npassword_file = \"{}\"",
                bmc.name(),
                bmc.config().profile.username,
                file.display()
            ),
        );
    }
    let program = Program::start(&world, text).await;
    let state = |name: &str| {
        let views = program.board.snapshot();
        views.iter().find(|view| view.endpoint.id.as_str() == name).map(|view| view.state)
    };
    world.pass(MINUTE).await;
    assert_eq!(state("streams"), Some(State::Streaming));

    for bmc in &bmcs[..3] {
        bmc.set_password("rotated");
    }
    bmcs[0].reboot(SECOND);
    bmcs[2].end_sessions();
    world.pass(8 * MINUTE).await;
    assert_eq!(["rebooted", "polled"].map(state), [Some(State::AuthFailed); 2]);
    let before: Vec<_> = bmcs.iter().map(|bmc| bmc.counts()).collect();

    for bmc in &bmcs[..3] {
        put(directory.path(), bmc.name(), "rotated");
    }
    world.pass(6 * SECOND).await;
    assert_eq!(
        names.map(state),
        [State::Streaming, State::Streaming, State::Polling, State::Streaming].map(Some)
    );
    for (bmc, before) in bmcs.iter().zip(&before) {
        let (counts, name) = (bmc.counts(), bmc.name());
        assert!(counts.logins_refused <= 2, "{name}: {counts:?}");
        assert_eq!(counts.sessions_open, 1, "{name}");
        if ["streams", "other"].contains(&name) {
            let cost =
                |counts: &sim::Counts| (counts.streams_opened, counts.logins_ok, counts.requests_total());
            assert_eq!(cost(&counts), cost(before), "{name} notices nothing");
        }
    }
    // Who was left alone has the new password when its session ends.
    bmcs[1].end_sessions();
    world.pass(HOUR).await;
    assert_eq!((bmcs[1].counts().logins_refused, bmcs[1].counts().streams_opened), (0, 1));
    assert_eq!(world.lines.told(&["password has changed"]).len(), 1, "one line for one look");

    // A file that cannot be used changes nothing and is told once, also when it is looked at ever again.
    fs::remove_file(directory.path().join("other")).expect("it was there");
    bmcs[3].end_sessions();
    world.pass(HOUR).await;
    assert_eq!((state("other"), bmcs[3].counts().logins_refused), (Some(State::Streaming), 0));
    assert_eq!(world.lines.told(&["the old password stays in use"]).len(), 1);
    program.stop().await;
    assert!(bmcs.iter().all(|bmc| bmc.counts().sessions_open == 0));
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_session_is_gone_is_kept_and_its_logs_are_read_with_the_new_password_at_once() {
    let mut world = World::new(1).await;
    let bmc = world.add("bmc", Profile::openbmc());
    world.settings.reconcile_interval = 5 * MINUTE;
    world.start();
    world.pass(MINUTE).await;
    bmc.set_password("rotated");
    bmc.end_sessions();
    let silent =
        bmc.log_silently(sim::Severity::Critical, "OpenBMC.0.1.FanFailed", &["fan1"], "Fan fan1 has failed.");
    world.pass(20 * MINUTE).await;
    assert_eq!((world.state("bmc").as_str(), bmc.counts().logins_refused), ("streaming", 2));
    world.rotate("bmc", "rotated");
    world.pass(SECOND).await;
    assert!(world.records().await.iter().any(|record| token(record) == silent.token), "it is read at once");
    assert_eq!((bmc.counts().logins_refused, bmc.counts().streams_opened), (2, 1));
    world.assert_nothing_lost_nothing_twice().await;
}

#[tokio::test(start_paused = true)]
async fn another_password_of_one_login_gives_no_other_login_a_new_try() {
    let mut world = World::new(1).await;
    let bmcs = ["a", "b"].map(|name| world.add(name, Profile::openbmc()));
    world.start();
    for bmc in &bmcs {
        bmc.set_password("rotated");
        bmc.reboot(SECOND);
    }
    world.until("a", "auth_failed", MINUTE).await;
    world.until("b", "auth_failed", MINUTE).await;
    world.rotate("a", "rotated");
    world.until("a", "streaming", SECOND).await;
    world.pass(30 * MINUTE).await;
    assert_eq!(
        (world.state("b").split(':').next(), bmcs[1].counts().logins_refused),
        (Some("auth_failed"), 2)
    );
    // A wrong one is tried twice, like any.
    world.rotate("b", "wrong, too");
    world.pass(30 * MINUTE).await;
    assert_eq!(bmcs[1].counts().logins_refused, 4);
}

#[tokio::test(start_paused = true)]
async fn a_reload_restarts_for_another_user_and_not_for_another_password() {
    let (mut world, bmc) = World::of(Profile::openbmc()).await;
    world.pass(MINUTE).await;
    bmc.set_password("rotated");
    world.spec("bmc").client.login.as_mut().expect("it has one").password =
        model::Secret::new("rotated".to_owned());
    world.reload();
    world.pass(MINUTE).await;
    assert_eq!((bmc.counts().streams_opened, bmc.counts().logins_ok), (1, 1));
    world.spec("bmc").client.login.as_mut().expect("it has one").username = "another".to_owned();
    world.reload();
    world.pass(MINUTE).await;
    assert_eq!(
        (bmc.counts().streams_open, bmc.counts().logins_refused),
        (0, 2),
        "the session was the old user's"
    );
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_tried_at_once_when_somebody_asks_and_no_other_is() {
    let mut world = World::new(1).await;
    let bmcs = ["asked", "other", "away", "strange"].map(|name| world.add(name, Profile::openbmc()));
    for name in ["asked", "other"] {
        world.spec(name).client.login.as_mut().expect("it has one").password =
            model::Secret::new("wrong".to_owned());
    }
    bmcs[2].set_reachability(Reachability::Refusing);
    world.wire.panic_on("strange", u32::MAX);
    world.start();
    world.pass(10 * MINUTE).await;
    assert_eq!(bmcs[0].counts().logins_refused, 2);
    bmcs[0].set_password("wrong");
    assert_eq!(world.retry("asked").await, Ok(State::AuthFailed));
    world.until("asked", "streaming", SECOND).await;
    assert_eq!(bmcs[1].counts().logins_refused, 2);

    // Waits for a BMC that does not answer, and after a panic, end as well.
    bmcs[2].set_reachability(Reachability::Up);
    assert_eq!(world.retry("away").await, Ok(State::Backoff));
    world.wire.panic_on("strange", 0);
    assert_eq!(world.retry("strange").await, Ok(State::Backoff));
    world.pass(SECOND).await;
    assert!(!world.state("away").starts_with("backoff"), "{}", world.state("away"));
    assert_eq!(world.state("strange"), "streaming");

    assert_eq!(world.retry("nobody").await, Err(RetryError::Unknown));
    // One that is well is left alone.
    fan_fails(&bmcs[0]);
    assert_eq!(world.retry("asked").await, Ok(State::Streaming));
    world.pass(MINUTE).await;
    assert_eq!(bmcs[0].counts().streams_opened, 1);
    assert_eq!(bmcs[1].counts().logins_refused, 2);
}
