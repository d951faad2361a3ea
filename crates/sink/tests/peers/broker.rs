//! A real nats-server, as Debian has it: a process of its own with its own directory, which keeps its streams when it is killed
//! and started again.

use std::{fs, path::Path, process::Stdio, time::Duration};

use async_nats::{
    ConnectOptions, HeaderMap,
    header::NATS_MESSAGE_ID,
    jetstream::{self, stream},
};
use reqwest::Url;
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::story::PATIENCE;

/// Where Debian has it; the directory is not in everybody's path.
const NATS_SERVER: &str = "/usr/sbin/nats-server";

/// Between two looks at what another process does.
const TICK: Duration = Duration::from_millis(20);

pub(crate) struct Broker {
    pub(crate) port: u16,
    directory: tempfile::TempDir,
    process: Option<Child>,
}

/// A stream called `bmc` that takes what bmcwatch publishes by itself.
pub(crate) fn stream() -> stream::Config {
    stream::Config { name: "bmc".to_owned(), subjects: vec!["bmc.>".to_owned()], ..Default::default() }
}

impl Broker {
    /// Open to all, with JetStream and the stream.
    pub(crate) async fn with_stream() -> Self {
        let broker = Self::start(&Self::jetstream_on("")).await;
        broker.jetstream().await.create_stream(stream()).await.unwrap();
        broker
    }

    /// With this in its configuration.
    pub(crate) async fn start(configuration: &str) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut broker = Self { port, directory: tempfile::tempdir().unwrap(), process: None };
        broker.start_again(configuration).await;
        broker
    }

    /// What switches JetStream on, and more.
    pub(crate) fn jetstream_on(more: &str) -> String {
        format!("jetstream {{ store_dir: \"$DIRECTORY/store\" }}\n{more}\n")
    }

    /// `$DIRECTORY` stands for its directory.
    pub(crate) async fn start_again(&mut self, configuration: &str) {
        assert!(Path::new(NATS_SERVER).exists(), "nats-server is not installed: apt-get install nats-server");
        let directory = self.directory.path().display().to_string();
        let text = format!("listen: \"127.0.0.1:{}\"\n{configuration}", self.port);
        self.write("conf", &text.replace("$DIRECTORY", &directory));
        let log = self.directory.path().join("log");
        let mut command = Command::new(NATS_SERVER);
        command.arg("-c").arg(self.directory.path().join("conf")).arg("-l").arg(&log);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.process = Some(command.spawn().unwrap());
        let listens = async {
            while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
                sleep(TICK).await;
            }
        };
        let said = || fs::read_to_string(&log).unwrap_or_default();
        timeout(PATIENCE, listens).await.unwrap_or_else(|_| panic!("it listens; it says {}", said()));
    }

    /// `kill -9`.
    pub(crate) async fn kill(&mut self) {
        self.process.take().unwrap().kill().await.unwrap();
    }

    /// Kills it, and starts it with this configuration.
    pub(crate) async fn restart(&mut self, configuration: &str) {
        self.kill().await;
        self.start_again(configuration).await;
    }

    /// Puts a file into its directory.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.directory.path().join(name), text).unwrap();
    }

    /// Its address, over `nats` or `tls`.
    pub(crate) fn url(&self, scheme: &str) -> Url {
        format!("{scheme}://localhost:{}", self.port).parse().unwrap()
    }

    /// A way in for the test, while it is open to all.
    pub(crate) async fn jetstream(&self) -> jetstream::Context {
        self.jetstream_as(ConnectOptions::new()).await
    }

    pub(crate) async fn jetstream_as(&self, options: ConnectOptions) -> jetstream::Context {
        jetstream::new(options.connect(self.url("nats").as_str()).await.unwrap())
    }

    /// The uids in its stream, in their order, and the subjects.
    pub(crate) async fn messages(context: &jetstream::Context) -> Vec<(String, String)> {
        let stream = context.get_stream("bmc").await.unwrap();
        let mut messages = Vec::new();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await.unwrap();
            messages.push((uid(&message.headers), message.subject.to_string()));
        }
        messages
    }

    pub(crate) async fn uids(&self) -> Vec<String> {
        Self::messages(&self.jetstream().await).await.into_iter().map(|(uid, _)| uid).collect()
    }
}

fn uid(headers: &HeaderMap) -> String {
    headers.get(NATS_MESSAGE_ID).unwrap().to_string()
}
