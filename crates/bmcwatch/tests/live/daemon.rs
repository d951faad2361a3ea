//! The program as a child process: started, asked over its admin listener, signalled, killed, waited for.

use std::{
    fs::File,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

use crate::home::{Home, read};

/// A busy machine is slow, not broken; nothing here waits that long when all is well.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// The line that tells where the admin listener is.
const BOUND: &str = "admin listener is bound";

/// The program under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_bmcwatch");

/// A running daemon. Dropping it kills it.
pub(crate) struct Daemon {
    child: Child,
    log: PathBuf,
    admin: SocketAddr,
}

/// The program with these arguments in an empty environment, standard error in a file of the home.
pub(crate) fn command(home: &Home, arguments: &[&str]) -> (Command, PathBuf) {
    let log = home.next_log();
    let mut command = Command::new(PROGRAM);
    command.args(arguments).arg("--config").arg(home.config());
    prepare(&mut command, &log);
    (command, log)
}

fn prepare(command: &mut Command, log: &Path) {
    let stderr = File::create(log).expect("the directory is ours");
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).kill_on_drop(true);
}

/// Runs the program to its end: exit code, standard output, standard error.
pub(crate) async fn said(home: &Home, arguments: &[&str]) -> (i32, String, String) {
    let (mut command, _) = command(home, arguments);
    // Both outputs are taken here, whatever the command says.
    let output = timeout(PATIENCE, command.output()).await.expect("it ends").expect("it was built");
    let code = output.status.code().expect("it was not killed");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("output is UTF-8");
    (code, text(output.stdout), text(output.stderr))
}

impl Daemon {
    /// Starts `bmcwatch run` and waits until its admin listener is bound.
    pub(crate) async fn start(home: &Home) -> Self {
        Self::start_with(home, &[]).await
    }

    /// The same with variables in its environment.
    pub(crate) async fn start_with(home: &Home, environment: &[(&str, &str)]) -> Self {
        let (mut command, log) = command(home, &["run"]);
        command.envs(environment.iter().copied());
        Self::spawn(command, log).await
    }

    /// The same from a shell that sets limits first.
    pub(crate) async fn start_limited(home: &Home, limits: &str) -> Self {
        let log = home.next_log();
        let mut shell = Command::new("/bin/sh");
        let script = format!("{limits} && exec \"$0\" run --config \"$1\"");
        shell.args(["-c", &script, PROGRAM]).arg(home.config());
        prepare(&mut shell, &log);
        Self::spawn(shell, log).await
    }

    async fn spawn(mut command: Command, log: PathBuf) -> Self {
        let spawned = command.stdout(Stdio::null()).spawn();
        let mut child = spawned.expect("it was built for this test");
        let deadline = Instant::now() + PATIENCE;
        let admin = loop {
            if let Some(admin) = bound(&read(&log)) {
                break admin;
            }
            let ended = child.try_wait().expect("it is our child");
            assert!(ended.is_none() && Instant::now() < deadline, "it did not start: {}", read(&log));
            sleep(LOOK_EVERY).await;
        };
        Self { child, log, admin }
    }

    /// What this start wrote to standard error.
    pub(crate) fn log(&self) -> String {
        read(&self.log)
    }

    /// Lines of this start whose message contains a text.
    pub(crate) fn log_entries(&self, message: &str) -> Vec<Value> {
        let log = self.log();
        let entries = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        entries.filter(|entry| entry["message"].as_str().is_some_and(|have| have.contains(message))).collect()
    }

    /// Status and body of a request to the admin listener.
    pub(crate) async fn ask(&self, method: &str, path: &str) -> (u16, String) {
        exchange(self.admin, method, path).await
    }

    /// The page that Prometheus reads.
    pub(crate) async fn metrics(&self) -> String {
        let (status, page) = self.ask("GET", "/metrics").await;
        assert_eq!(status, 200, "{page}");
        page
    }

    /// The sum of all samples of a family, whose labels contain a text.
    pub(crate) async fn metric(&self, family: &str, label: &str) -> f64 {
        sum(&self.metrics().await, family, label)
    }

    /// What the status says of every endpoint, by id.
    pub(crate) async fn endpoints(&self) -> Vec<Value> {
        let (status, page) = self.ask("GET", "/api/v1/endpoints?limit=10000").await;
        assert_eq!(status, 200, "{page}");
        let page: Value = serde_json::from_str(&page).expect("the answer is JSON");
        page["endpoints"].as_array().expect("a list").clone()
    }

    /// How many endpoints are in one of these states.
    pub(crate) async fn in_state(&self, states: &[&str]) -> usize {
        let endpoints = self.endpoints().await;
        endpoints.iter().filter(|one| states.iter().any(|state| one["state"] == *state)).count()
    }

    /// Waits until something is true; what is not says what was waited for.
    pub(crate) async fn until<F: Future<Output = bool>>(&self, is: impl Fn() -> F, not: impl Fn() -> String) {
        let deadline = Instant::now() + PATIENCE;
        while !is().await {
            let late = Instant::now() >= deadline;
            assert!(!late, "{}: {:#?}\n{}", not(), self.endpoints().await, self.log());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until so many endpoints are in one of these states.
    pub(crate) async fn until_in_state(&self, count: usize, states: &[&str]) {
        let is = || async { self.in_state(states).await >= count };
        self.until(is, || format!("not {count} in {states:?}")).await;
    }

    /// Waits until this start has logged a message that contains a text, and gives the line.
    pub(crate) async fn until_logged(&self, message: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(entry) = self.log_entries(message).pop() {
                return entry;
            }
            assert!(Instant::now() < deadline, "{message:?} was not logged:\n{}", self.log());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(i32::try_from(self.id()).expect("a process id"));
        kill(id, signal).expect("it is our child");
    }

    /// Kills it as a power cut would.
    pub(crate) async fn sigkill(mut self) {
        self.child.kill().await.expect("it is our child");
    }

    /// Asks it to end and waits for that: how it ended and how long it took.
    pub(crate) async fn sigterm(self) -> (ExitStatus, Duration) {
        self.signal(Signal::SIGTERM);
        self.ended().await
    }

    /// Waits for its end: how it ended and how long that took.
    pub(crate) async fn ended(mut self) -> (ExitStatus, Duration) {
        let asked = Instant::now();
        let ended = timeout(PATIENCE, self.child.wait()).await;
        (ended.expect("it ends when asked").expect("it is our child"), asked.elapsed())
    }
}

fn bound(log: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains(BOUND))?;
    let entry: Value = serde_json::from_str(line).ok()?;
    entry["admin"].as_str()?.parse().ok()
}

/// One HTTP exchange on a connection of its own.
pub(crate) async fn exchange(at: SocketAddr, method: &str, path: &str) -> (u16, String) {
    let exchange = async {
        let mut socket = TcpStream::connect(at).await.expect("the admin listener listens");
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        socket.write_all(head.as_bytes()).await.expect("it takes requests");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).await.expect("it answers in UTF-8");
        answer
    };
    let answer = timeout(PATIENCE, exchange).await.expect("the admin listener answers");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
    assert!(!head.to_lowercase().contains("transfer-encoding"), "pages are sent whole: {head}");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    (status.expect("a status"), body.to_owned())
}

/// The sum of all samples of a family, whose labels contain a text.
pub(crate) fn sum(page: &str, family: &str, label: &str) -> f64 {
    let samples = page.lines().filter_map(|line| {
        let rest = line.strip_prefix(family)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        let named = labels.is_empty() || labels.starts_with('{');
        (named && labels.contains(label)).then(|| value.parse::<f64>().expect("a number"))
    });
    samples.sum()
}
