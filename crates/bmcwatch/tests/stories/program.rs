//! The whole program in virtual time, from its config to the lines of its file sink: what the collectors promise holds for
//! what operators read, through faults, a bad and a good reload, and a restart on the same journal.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::Path,
    sync::{Arc, Mutex},
};

use bmcwatch::{
    app::{App, Control, Parts},
    config::{Config, Environment},
};
use collect::Board;
use journal::Location;
use sim::{Bmc, Profile, Reachability};
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::world::{MINUTE, SECOND, World, fan_fails, fans_fail};

const WRITES: &str = "a String takes every write";

/// The config of a fleet that keeps everything under `directory`.
pub(crate) fn config(directory: &Path, bmcs: &[Arc<Bmc>]) -> String {
    let mut text = String::from("[collectors.logs]\nmode = \"auto\"\ninitial_history = \"all\"\n");
    text.push_str(
        "[collectors.logs.periodic]\nlogs_collection_interval = \"5m\"\n[admin]\nlisten = \"127.0.0.1:0\"\n",
    );
    let (journal, records) = (directory.join("journal"), directory.join("records.jsonl"));
    write!(text, "[journal]\ndirectory = \"{}\"\n", journal.display()).expect(WRITES);
    write!(text, "[[sinks]]\nname = \"records\"\ntype = \"file\"\npath = \"{}\"\n", records.display())
        .expect(WRITES);
    for bmc in bmcs {
        let (name, profile) = (bmc.name(), &bmc.config().profile);
        write!(
            text,
            "[[endpoints]]\nid = \"{name}\"\naddress = \"https://{name}\"\ncredentials = \"{name}\"\n\
             trust = \"insecure\"\n[credentials.{name}]\nusername = \"{}\"\npassword = \"{}\"\n",
            profile.username, profile.password
        )
        .expect(WRITES);
    }
    text
}

/// A running program and the text that its next reload reads.
pub(crate) struct Program {
    pub(crate) board: Board,
    stop: CancellationToken,
    reload: mpsc::Sender<()>,
    text: Arc<Mutex<String>>,
    task: JoinSet<()>,
}

fn parse(text: &str) -> Result<(Config, Vec<bmcwatch::config::Warning>), bmcwatch::config::Problems> {
    Config::parse(Path::new("story.toml"), text, &Environment::of(BTreeMap::new()))
}

impl Program {
    pub(crate) async fn start(world: &World, text: String) -> Self {
        let (config, _) = parse(&text).expect("the story's config is valid");
        let text = Arc::new(Mutex::new(text));
        let again = Arc::clone(&text);
        let parts = Parts {
            network: Arc::new(world.wire.clone()),
            clock: world.clock.clone(),
            seed: world.seed,
            journal: Location::Directory(config.journal.directory.clone()),
            load: Box::new(move || parse(&again.lock().expect("nobody panicked with it"))),
            levels: None,
        };
        let app = App::build(config, parts).await.expect("everything is there");
        let board = app.board();
        let stop = CancellationToken::new();
        let (reload, reloads) = mpsc::channel(1);
        let (_, reopen) = tokio::sync::watch::channel(0);
        let control = Control { stop: stop.clone(), reload: reloads, reopen };
        let mut task = JoinSet::new();
        task.spawn(async move { app.run(control).await.expect("no part of it dies") });
        Self { board, stop, reload, text, task }
    }

    pub(crate) async fn reload(&self, text: String) {
        *self.text.lock().expect("nobody panicked with it") = text;
        self.reload.send(()).await.expect("it runs");
    }

    pub(crate) async fn stop(mut self) {
        self.stop.cancel();
        self.task.join_next().await.expect("there is one").expect("it does not panic");
    }
}

/// How often each token stands in the file.
fn delivered(directory: &Path) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    let text = fs::read_to_string(directory.join("records.jsonl")).unwrap_or_default();
    for line in text.lines() {
        let record: serde_json::Value = serde_json::from_str(line).expect("each line is one JSON object");
        let token = record["message_args"].as_array().and_then(|args| args.last()?.as_str());
        *times.entry(token.expect("simulated BMCs sign what they log").to_owned()).or_default() += 1;
    }
    times
}

fn assert_delivered_once(directory: &Path, bmcs: &[Arc<Bmc>]) {
    let delivered = delivered(directory);
    let logged = bmcs.iter().flat_map(|bmc| bmc.truth());
    let expected: BTreeMap<String, usize> = logged.map(|logged| (logged.token, 1)).collect();
    assert_eq!(delivered, expected);
}

#[tokio::test(start_paused = true)]
async fn each_event_stands_in_the_sinks_file_once_through_faults_reloads_and_a_restart() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let mut world = World::new(1).await;
    let profiles = [Profile::openbmc(), Profile::idrac9(), Profile::ilo5(), Profile::no_sse_uri()];
    let named = profiles.into_iter().enumerate();
    let bmcs: Vec<_> = named.map(|(n, profile)| world.add(&format!("bmc{n}"), profile)).collect();
    bmcs.iter().map(|bmc| fan_fails(bmc)).for_each(drop);
    let program = Program::start(&world, config(directory.path(), &bmcs[..3])).await;
    world.pass(MINUTE).await;
    assert_delivered_once(directory.path(), &bmcs[..3]);

    for bmc in &bmcs[..3] {
        fans_fail(bmc, 3, SECOND).await;
        bmc.reboot(2 * MINUTE);
        fan_fails(bmc);
    }
    bmcs[1].set_reachability(Reachability::Refusing);
    // A config with a mistake changes nothing; the next one adds an endpoint and leaves the others alone.
    program.reload("[[endpoints]]\n".to_owned()).await;
    world.pass(10 * MINUTE).await;
    let streams = bmcs[0].counts().streams_opened;
    program.reload(config(directory.path(), &bmcs)).await;
    bmcs[1].set_reachability(Reachability::Up);
    world.pass(10 * MINUTE).await;
    assert_eq!(bmcs[0].counts().streams_opened, streams);
    assert_delivered_once(directory.path(), &bmcs);

    program.stop().await;
    for bmc in &bmcs {
        let counts = bmc.counts();
        assert_eq!((counts.sessions_open, counts.streams_open), (0, 0), "{}", bmc.name());
        fans_fail(bmc, 2, SECOND).await;
    }
    let program = Program::start(&world, config(directory.path(), &bmcs)).await;
    world.pass(10 * MINUTE).await;
    assert_delivered_once(directory.path(), &bmcs);
    program.stop().await;
}
