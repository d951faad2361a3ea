//! Real peers of sinks, each a process of its own that is stopped and started again, and what each of them has, by uid.
//!
//! Not here: when they are stopped (`outage`, `dead_sink`).

use std::{
    fs::File,
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use async_nats::{
    header::NATS_MESSAGE_ID,
    jetstream::{self, stream},
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

use crate::{home::read, otlp_python::python};

/// A start and an end take no longer, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The stream of the nats-server.
const STREAM: &str = "bmcwatch";

/// What the peer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Python's HTTP server, for JSON lines.
    Http,
    /// Python with `opentelemetry-proto`.
    Otlp,
    /// Debian's rsyslog over TCP.
    Syslog,
    /// Debian's nats-server, with a stream.
    Nats,
}

/// One of them, and its directory.
pub(crate) struct Peer {
    kind: Kind,
    port: u16,
    directory: PathBuf,
    process: Option<Child>,
}

impl Kind {
    /// The name of its sink.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Otlp => "otlp",
            Self::Syslog => "syslog",
            Self::Nats => "nats",
        }
    }
}

impl Peer {
    /// Starts one that keeps what it gets in this directory.
    pub(crate) async fn start(kind: Kind, directory: PathBuf) -> Self {
        std::fs::create_dir(&directory).expect("the directory is ours");
        let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
        let port = free.expect("loopback has free ports").port();
        let mut peer = Self { kind, port, directory, process: None };
        peer.start_again().await;
        if kind == Kind::Nats {
            let subjects = vec!["bmc.>".to_owned()];
            let stream = stream::Config { name: STREAM.to_owned(), subjects, ..Default::default() };
            peer.jetstream().await.create_stream(stream).await.expect("it is new");
        }
        peer
    }

    pub(crate) fn kind(&self) -> Kind {
        self.kind
    }

    /// The sink that leads to it.
    pub(crate) fn sink(&self) -> String {
        let (name, port) = (self.kind.name(), self.port);
        let keys = match self.kind {
            Kind::Http => format!("type = \"http\"\nformat = \"ndjson\"\nurl = \"http://127.0.0.1:{port}/\""),
            Kind::Otlp => format!("type = \"otlp\"\nurl = \"http://127.0.0.1:{port}/v1/logs\""),
            Kind::Syslog => format!("type = \"syslog\"\naddress = \"tcp://127.0.0.1:{port}\""),
            Kind::Nats => format!("type = \"nats\"\nservers = [\"nats://127.0.0.1:{port}\"]"),
        };
        format!("\n[[sinks]]\nname = \"{name}\"\n{keys}\n")
    }

    /// Stops it: killed, but for rsyslog, which is asked to end as systemd does, since nothing tells a sender what a killed
    /// one had not read.
    pub(crate) async fn stop(&mut self) {
        let mut process = self.process.take().expect("it runs");
        let signal = if self.kind == Kind::Syslog { Signal::SIGTERM } else { Signal::SIGKILL };
        kill(pid(&process), signal).expect("it is our child");
        tokio::time::timeout(PATIENCE, process.wait()).await.expect("it ends").expect("it is our child");
    }

    /// From now on it answers nothing, though its kernel takes what is sent; or it goes on.
    pub(crate) fn hang(&self, hangs: bool) {
        let process = self.process.as_ref().expect("it runs");
        let signal = if hangs { Signal::SIGSTOP } else { Signal::SIGCONT };
        kill(pid(process), signal).expect("it is our child");
    }

    /// Where it keeps what it gets.
    pub(crate) fn out(&self) -> PathBuf {
        self.directory.join("out")
    }

    /// Starts it with what it had.
    pub(crate) async fn start_again(&mut self) {
        let (port, out) = (self.port.to_string(), self.out());
        let open = |name: &str| File::options().create(true).append(true).open(self.directory.join(name));
        let mut command = match self.kind {
            Kind::Http => {
                let mut command = Command::new("python3");
                command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/benches/soak/peers/http_receiver.py"));
                command.arg(&port).arg(&out);
                command
            }
            Kind::Otlp => {
                let mut command = Command::new(python().expect("a Python with opentelemetry-proto"));
                let receiver = "/../sink/tests/peers/otlp_receiver.py";
                command.arg(format!("{}{receiver}", env!("CARGO_MANIFEST_DIR"))).arg(&port);
                command.stdout(open("out").expect("the directory is ours"));
                command
            }
            Kind::Syslog => {
                let conf = self.directory.join("conf");
                std::fs::write(&conf, self.rsyslog()).expect("the directory is ours");
                let mut command = Command::new("/usr/sbin/rsyslogd");
                command.arg("-n").arg("-f").arg(conf).arg("-i").arg(self.directory.join("pid"));
                command
            }
            Kind::Nats => {
                let mut command = Command::new("/usr/sbin/nats-server");
                command.args(["-js", "-a", "127.0.0.1", "-p", &port, "-sd"]).arg(&self.directory);
                command
            }
        };
        command.stdin(Stdio::null()).stderr(open("log").expect("the directory is ours")).kill_on_drop(true);
        self.process = Some(command.spawn().expect("it is installed: see .ci/run"));
        let (at, begun) = (SocketAddr::from(([127, 0, 0, 1], self.port)), Instant::now());
        while TcpStream::connect(at).is_err() {
            assert!(
                begun.elapsed() < PATIENCE,
                "{}: {}",
                self.kind.name(),
                read(&self.directory.join("log"))
            );
            sleep(LOOK_EVERY).await;
        }
    }

    fn rsyslog(&self) -> String {
        let (directory, port) = (self.directory.display(), self.port);
        format!(
            "global(workDirectory=\"{directory}\" maxMessageSize=\"8k\")\nmodule(load=\"imtcp\")\n\
             input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n\
             template(name=\"data\" type=\"string\" string=\"%structured-data% %msg%\\n\")\n\
             *.* action(type=\"omfile\" file=\"{directory}/out\" template=\"data\")\n"
        )
    }

    /// The uid of everything it has, as often as it has it.
    pub(crate) async fn uids(&self) -> Vec<String> {
        let before = match self.kind {
            Kind::Nats => return self.ids_in_stream().await,
            Kind::Http => "\"uid\":\"",
            Kind::Otlp => "{\"key\": \"log.record.uid\", \"value\": {\"stringValue\": \"",
            Kind::Syslog => " uid=\"",
        };
        uids(&read(&self.out()), before)
    }
}

fn pid(process: &Child) -> Pid {
    Pid::from_raw(process.id().and_then(|id| i32::try_from(id).ok()).expect("a process id"))
}

impl Peer {
    async fn jetstream(&self) -> jetstream::Context {
        let client = async_nats::connect(format!("127.0.0.1:{}", self.port)).await;
        jetstream::new(client.expect("it listens"))
    }

    async fn ids_in_stream(&self) -> Vec<String> {
        let stream = self.jetstream().await.get_stream(STREAM).await.expect("it was made");
        let mut ids = Vec::new();
        for sequence in 1..=stream.cached_info().state.last_sequence {
            let message = stream.get_raw_message(sequence).await.expect("nothing is deleted");
            ids.extend(message.headers.get(NATS_MESSAGE_ID).map(ToString::to_string));
        }
        ids
    }
}

/// What stands behind each of these marks, up to the next quotation mark.
pub(crate) fn uids(text: &str, mark: &str) -> Vec<String> {
    let uid = |rest: &str| rest.split('"').next().unwrap_or_default().to_owned();
    text.split(mark).skip(1).map(uid).collect()
}
