//! A listener on a free port with everything behind it, and ways to ask it.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bmcwatch::{
    admin::{Admin, AdminState, Readiness, Reload, ReloadHandle},
    config::AdminConfig,
    metrics::{Metrics, Page},
};
use collect::{Board, Retry, RetryHandle};
use journal::{Journal, Location, Retention};
use model::Clock;
use sink::{Dependencies, Pump, Selection, Settings, SinkConfig, SinkStatus, StdoutConfig};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// A real socket on a busy machine; nothing here waits on purpose.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Story {
    pub(crate) address: SocketAddr,
    pub(crate) readiness: watch::Sender<Readiness>,
    pub(crate) reloads: mpsc::Receiver<Reload>,
    pub(crate) retries: mpsc::Receiver<Retry>,
    pub(crate) journal: Journal,
    pub(crate) tasks: JoinSet<()>,
    pub(crate) stop: CancellationToken,
    metrics: Arc<Metrics>,
}

impl Story {
    /// A listener with these rules, wherever its config says that it listens.
    pub(crate) async fn begin(config: AdminConfig) -> Self {
        let retention = Retention { max_age: Duration::from_hours(1), max_size: u64::MAX };
        let now_ms =
            || "2026-11-20T14:00:00Z".parse::<chrono::DateTime<chrono::Utc>>().unwrap().timestamp_millis();
        let (journal, writer) = Journal::open(Location::Memory, retention, Arc::new(now_ms)).await.unwrap();
        let clock = Clock::from_fn(|| "2026-11-20T14:00:00Z".parse().unwrap());
        let sink = SinkConfig::Stdout(StdoutConfig::default());
        let metrics = Arc::new(Metrics::new("bmcwatch").unwrap());
        let sink_metrics = sink::Metrics::register(metrics.registry()).unwrap();
        let (_, reopen) = watch::channel(0);
        let with = Dependencies {
            journal: journal.clone(),
            clock: clock.clone(),
            seed: 7,
            metrics: sink_metrics,
            reopen,
        };
        let settings = Settings { name: "stdout".to_owned(), sink, selection: Selection::default() };
        let (_, status) = Pump::new(settings, with);
        let sinks: Arc<[SinkStatus]> = [status].into();
        let counts = || [("error", 0), ("warn", 1), ("info", 2), ("debug", 3), ("trace", 4)];
        let page =
            Page::new(Arc::clone(&metrics), Board::default(), journal.clone(), Arc::clone(&sinks), counts);
        let (readiness, seen) = watch::channel(Readiness::default());
        let (reload, reloads) = ReloadHandle::channel();
        let (retry, retries) = RetryHandle::channel();
        let config = AdminConfig { listen: "127.0.0.1:0".parse().unwrap(), ..config };
        let admin = Admin::bind(&config, &metrics).await.unwrap();
        let (address, stop) = (admin.address(), CancellationToken::new());
        let board = Board::default();
        let journal_of_story = journal.clone();
        let state =
            AdminState { page, board, sinks, readiness: seen, reload, retries: retry, journal, clock };
        let mut tasks = JoinSet::new();
        tasks.spawn(writer.run());
        tasks.spawn(admin.serve(state, stop.clone()));
        Self { address, readiness, reloads, retries, journal: journal_of_story, tasks, stop, metrics }
    }

    /// The status and the whole answer to a request without a body.
    pub(crate) async fn ask(&self, request: &str) -> (u16, String) {
        self.ask_with(request, "host: localhost\r\n").await
    }

    /// The same with other headers.
    pub(crate) async fn ask_with(&self, request: &str, headers: &str) -> (u16, String) {
        exchange(self.address, format!("{request} HTTP/1.1\r\n{headers}connection: close\r\n\r\n")).await
    }

    /// The status of the answer, unless the connection is ended before there is one.
    pub(crate) async fn ask_if_it_answers(&self, request: &str) -> Option<u16> {
        let mut stream = TcpStream::connect(self.address).await.ok()?;
        let request = format!("{request} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.ok()?;
        answer.split(' ').nth(1)?.parse().ok()
    }

    /// How many requests were refused for this reason.
    pub(crate) fn refused(&self, reason: &str) -> u64 {
        self.sample("bmcwatch_admin_requests_refused_total", reason)
    }

    /// A number about those who follow the records.
    pub(crate) fn tails(&self, family: &str, reason: &str) -> u64 {
        self.sample(&format!("bmcwatch_{family}"), reason)
    }

    /// Waits until that number is this one.
    pub(crate) async fn until_tails(&self, family: &str, reason: &str, expected: u64) {
        let reached = async {
            while self.tails(family, reason) != expected {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let reached = timeout(PATIENCE, reached).await;
        assert!(reached.is_ok(), "{family} {reason}: {}", self.tails(family, reason));
    }

    fn sample(&self, family: &str, label: &str) -> u64 {
        let families = self.metrics.registry().gather();
        let family = families.iter().find(|have| have.name() == family);
        let sample =
            family.unwrap().get_metric().iter().find(|sample| {
                label.is_empty() || sample.get_label().iter().any(|pair| pair.value() == label)
            });
        let sample = sample.unwrap();
        let value = sample.get_gauge().get_value() + sample.get_counter().get_value();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of a test")]
        let count = value as u64;
        count
    }
}

/// Sends a request on a connection of its own: the status and the whole answer.
pub(crate) async fn exchange(address: SocketAddr, request: String) -> (u16, String) {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // A server that answers before it has read all ends the connection with a reset.
        drop(stream.read_to_end(&mut answer).await);
        String::from_utf8(answer).unwrap()
    };
    let answer = timeout(PATIENCE, exchange).await.expect("in time");
    let status = answer.split(' ').nth(1).unwrap_or_else(|| panic!("no answer: {answer:?}"));
    (status.parse().unwrap(), answer)
}
