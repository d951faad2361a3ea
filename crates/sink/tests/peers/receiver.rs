//! Real syslog receivers, each a process of its own with its own directory: rsyslog as Debian has it, and syslog-ng, whose
//! package cannot stand beside it and is therefore unpacked to a directory of its own (`.ci/run` does it).
//!
//! Every record that a receiver has becomes a line of tabs in its file.

use std::{
    fs,
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    time::{sleep, timeout},
};

use crate::story::PATIENCE;

/// Between two looks at what another process does.
const TICK: Duration = Duration::from_millis(20);

/// Where Debian has it; the directory is not in everybody's path.
const RSYSLOGD: &str = "/usr/sbin/rsyslogd";

/// What the receiver is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Rsyslog,
    SyslogNg,
}

/// Through what it is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Udp,
    Tcp,
    Tls,
    Datagram,
    Stream,
}

pub(crate) struct Receiver {
    program: Program,
    way: Way,
    pub(crate) port: u16,
    directory: tempfile::TempDir,
    process: Option<Child>,
}

impl Receiver {
    /// `certificates` are an authority, a certificate and its key, in PEM; for TLS.
    pub(crate) async fn start(program: Program, way: Way, certificates: Option<[String; 3]>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, pem) in ["ca.pem", "cert.pem", "key.pem"].iter().zip(certificates.iter().flatten()) {
            fs::write(directory.path().join(name), pem).unwrap();
        }
        let mut receiver = Self { program, way, port: free_port(), directory, process: None };
        receiver.start_again().await;
        receiver
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) async fn start_again(&mut self) {
        let here = |name: &str| self.path(name).display().to_string();
        let configuration = match self.program {
            Program::Rsyslog => self.rsyslog(),
            Program::SyslogNg => self.syslog_ng(),
        };
        fs::write(self.path("conf"), configuration).unwrap();
        let mut command = match self.program {
            Program::Rsyslog => {
                assert!(
                    Path::new(RSYSLOGD).exists(),
                    "rsyslog is not installed: apt-get install rsyslog rsyslog-gnutls"
                );
                let mut command = Command::new(RSYSLOGD);
                command.args(["-n", "-f", &here("conf"), "-i", &here("pid")]);
                command
            }
            Program::SyslogNg => {
                let root = syslog_ng_root();
                let within = |path: &str| root.join(path).display().to_string();
                let mut command = Command::new(root.join("usr/sbin/syslog-ng"));
                let triplet = format!("{}-linux-gnu", std::env::consts::ARCH);
                let libraries =
                    ["usr/lib/syslog-ng".to_owned(), format!("usr/lib/{triplet}"), format!("lib/{triplet}")];
                command.env("LD_LIBRARY_PATH", libraries.map(|path| within(&path)).join(":"));
                command.args([
                    "-F",
                    "--no-caps",
                    "-f",
                    &here("conf"),
                    "-p",
                    &here("pid"),
                    "-c",
                    &here("control"),
                ]);
                command.args(["-R", &here("persist"), "--module-path", &within("usr/lib/syslog-ng/3.38")]);
                command
            }
        };
        let log = fs::File::options().create(true).append(true).open(self.path("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null()).kill_on_drop(true);
        self.process = Some(command.spawn().unwrap());
        self.wait_for("that it listens", Self::listens).await;
    }

    /// Asks it to end, as systemd does, and waits until it has.
    pub(crate) async fn stop(&mut self) {
        self.signal(Signal::SIGTERM).await;
    }

    pub(crate) async fn kill(&mut self) {
        self.signal(Signal::SIGKILL).await;
    }

    /// From now on it reads nothing, and its kernel takes what is sent.
    pub(crate) fn hang(&self) {
        kill(self.pid(), Signal::SIGSTOP).unwrap();
    }

    fn pid(&self) -> Pid {
        let id = self.process.as_ref().unwrap().id().unwrap();
        Pid::from_raw(i32::try_from(id).unwrap())
    }

    async fn signal(&mut self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
        let mut process = self.process.take().unwrap();
        timeout(PATIENCE, process.wait()).await.expect("it ends").unwrap();
        if matches!(self.way, Way::Datagram | Way::Stream) {
            let _already = fs::remove_file(self.path("socket"));
        }
    }

    /// What it has, line by line.
    pub(crate) fn lines(&self) -> Vec<String> {
        let text = fs::read(self.path("out")).unwrap_or_default();
        String::from_utf8(text).unwrap().lines().map(str::to_owned).collect()
    }

    /// Waits for so many lines.
    pub(crate) async fn has(&self, lines: usize) {
        self.wait_for(&format!("{lines} lines"), |receiver| receiver.lines().len() >= lines).await;
    }

    /// Waits for a line that ends so.
    pub(crate) async fn has_line(&self, end: &str) {
        self.wait_for(end, |receiver| receiver.lines().iter().any(|line| line.ends_with(end))).await;
    }

    async fn wait_for(&self, what: &str, is: impl Fn(&Self) -> bool) {
        let wait = async {
            while !is(self) {
                sleep(TICK).await;
            }
        };
        let log = || fs::read_to_string(self.path("log")).unwrap_or_default();
        timeout(PATIENCE, wait)
            .await
            .unwrap_or_else(|_| panic!("{what}: it has {} lines, and says {}", self.lines().len(), log()));
    }

    fn listens(&self) -> bool {
        match self.way {
            Way::Tcp | Way::Tls => TcpStream::connect(("127.0.0.1", self.port)).is_ok(),
            Way::Udp => UdpSocket::bind(("127.0.0.1", self.port)).is_err(),
            Way::Datagram | Way::Stream => self.path("socket").exists(),
        }
    }

    fn rsyslog(&self) -> String {
        let (port, at) = (self.port, |name: &str| self.path(name).display().to_string());
        let (socket, out) = (at("socket"), at("out"));
        let input = match self.way {
            Way::Udp => format!(
                "module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\" rcvbufSize=\"4m\")\n"
            ),
            Way::Tcp => format!(
                "module(load=\"imtcp\" maxSessions=\"20\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n"
            ),
            Way::Tls => format!(
                "module(load=\"imtcp\" streamDriver.name=\"gtls\" streamDriver.mode=\"1\" streamDriver.authMode=\"x509/certvalid\")\n\
                 input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")\n"
            ),
            Way::Datagram => format!(
                "module(load=\"imuxsock\" sysSock.use=\"off\")\ninput(type=\"imuxsock\" socket=\"{socket}\" useSpecialParser=\"off\" parseHostname=\"on\" ignoreTimestamp=\"off\" useSysTimeStamp=\"off\" rateLimit.interval=\"0\")\n"
            ),
            Way::Stream => format!("module(load=\"imptcp\")\ninput(type=\"imptcp\" path=\"{socket}\")\n"),
        };
        let tls = match self.way {
            Way::Tls => format!(
                " defaultNetstreamDriverCAFile=\"{}\" defaultNetstreamDriverCertFile=\"{}\" defaultNetstreamDriverKeyFile=\"{}\"",
                at("ca.pem"),
                at("cert.pem"),
                at("key.pem")
            ),
            _ => String::new(),
        };
        let fields = [
            "%pri%",
            "%timestamp:::date-rfc3339%",
            "%hostname%",
            "%app-name%",
            "%procid%",
            "%msgid%",
            "%structured-data%",
            "%msg%",
        ];
        format!(
            "global(workDirectory=\"{}\" maxMessageSize=\"8k\" parser.escapeControlCharactersOnReceive=\"off\"{tls})\n{input}\
             template(name=\"fields\" type=\"string\" string=\"{}\\n\")\n\
             *.* action(type=\"omfile\" file=\"{out}\" template=\"fields\" asyncWriting=\"off\")\n",
            self.directory.path().display(),
            fields.join("\\t")
        )
    }

    fn syslog_ng(&self) -> String {
        let (port, at) = (self.port, |name: &str| self.path(name).display().to_string());
        let network = |transport: &str, more: &str| {
            format!("syslog(ip(\"127.0.0.1\") port({port}) transport(\"{transport}\") {more});")
        };
        let source = match self.way {
            Way::Udp => network("udp", "so-rcvbuf(4194304)"),
            Way::Tcp => network("tcp", ""),
            Way::Tls => network(
                "tls",
                &format!(
                    "tls(ca-file(\"{}\") cert-file(\"{}\") key-file(\"{}\") peer-verify(required-trusted))",
                    at("ca.pem"),
                    at("cert.pem"),
                    at("key.pem")
                ),
            ),
            Way::Datagram => format!("unix-dgram(\"{}\" flags(syslog-protocol));", at("socket")),
            Way::Stream => format!("unix-stream(\"{}\" flags(syslog-protocol));", at("socket")),
        };
        let fields =
            ["${PRI}", "${ISODATE}", "${HOST}", "${PROGRAM}", "${PID}", "${MSGID}", "${SDATA}", "${MSG}"];
        format!(
            "@version: 3.38\noptions {{ keep-hostname(yes); use-dns(no); dns-cache(no); ts-format(iso); frac-digits(3); }};\n\
             source s {{ {source} }};\ndestination d {{ file(\"{}\" template(\"{}\\n\")); }};\n\
             log {{ source(s); destination(d); flags(flow-control); }};\n",
            at("out"),
            fields.join("\\t")
        )
    }
}

/// Where syslog-ng is unpacked.
fn syslog_ng_root() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "a test's own switch")]
    let given = std::env::var("BMCWATCH_SYSLOG_NG").ok().map(PathBuf::from);
    let fixed = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap().join("syslog-ng");
    let root = given.unwrap_or(fixed);
    assert!(
        root.join("usr/sbin/syslog-ng").exists(),
        "syslog-ng is not unpacked in {}: see the step \"syslog-ng\" in .ci/run, or name its place in BMCWATCH_SYSLOG_NG",
        root.display()
    );
    root
}

/// A port that is free for both kinds at this moment.
fn free_port() -> u16 {
    loop {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
