//! Stories about pumps: a journal in memory and virtual time, sinks in real files.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::{
    fs,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use chrono::DateTime;

use journal::{Batch, Item, Journal, Location, Retention, When};
use model::{Clock, Endpoint, EndpointId, Facts, Kind, Origin, Record, Severity, Uid, codec};
use sink::{
    Attempts, DRAIN_DEADLINE, Dependencies, FileConfig, Filter, Metrics, Pump, Selection, Settings,
    SinkConfig, SinkStatus, SinkView,
};
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

/// Virtual time: no story waits longer than this for what it expects.
const PATIENCE: Duration = Duration::from_mins(5);

struct Story {
    directory: tempfile::TempDir,
    journal: Journal,
    tasks: JoinSet<()>,
    stop: CancellationToken,
    reopen: watch::Sender<u64>,
    now_ms: Arc<AtomicI64>,
}

impl Story {
    async fn begin() -> Self {
        let retention = Retention { max_age: Duration::from_secs(1 << 30), max_size: u64::MAX };
        let now_ms = Arc::new(AtomicI64::new(0));
        let wall = Arc::clone(&now_ms);
        let clock = Arc::new(move || wall.load(Ordering::Relaxed));
        let (journal, writer) = Journal::open(Location::Memory, retention, clock).await.unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(writer.run());
        let (stop, reopen) = (CancellationToken::new(), watch::Sender::new(0));
        Self { directory: tempfile::tempdir().unwrap(), journal, tasks, stop, reopen, now_ms }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("records.jsonl")
    }

    fn pump_to(&mut self, name: &str, path: PathBuf) -> SinkStatus {
        self.pump_selected(name, path, Selection::default())
    }

    fn pump_selected(&mut self, name: &str, path: PathBuf, selection: Selection) -> SinkStatus {
        let sink = SinkConfig::File(FileConfig::new(path, 1 << 30, 2));
        let wall = Arc::clone(&self.now_ms);
        let clock = Clock::from_fn(move || {
            DateTime::from_timestamp_millis(wall.load(Ordering::Relaxed)).expect("it is a time")
        });
        let metrics = Metrics::register(&prometheus::Registry::new()).unwrap();
        let reopen = self.reopen.subscribe();
        let with = Dependencies { journal: self.journal.clone(), clock, seed: 7, metrics, reopen };
        let (pump, status) = Pump::new(Settings { name: name.to_owned(), sink, selection }, with);
        self.tasks.spawn(pump.run(self.stop.clone()));
        status
    }

    fn pump(&mut self, name: &str) -> SinkStatus {
        self.pump_to(name, self.path())
    }

    /// Appends the records of these numbers, which become their entry ids.
    async fn append(&self, numbers: std::ops::RangeInclusive<u64>) {
        self.append_records(numbers.map(record)).await;
    }

    async fn append_records(&self, records: impl IntoIterator<Item = Record>) {
        let items = records.into_iter().map(|record| Item {
            key: record.uid.to_bytes(),
            twins: Vec::new(),
            bytes: Some(codec::encode(&record)),
            when: When::Always,
        });
        let batch = Batch { scope: "bmc".into(), items: items.collect(), marks: Vec::new() };
        self.journal.append(batch).await.unwrap();
    }

    /// The entry ids in the file, in order.
    fn delivered(&self) -> Vec<u64> {
        let text = fs::read_to_string(self.path()).unwrap();
        assert!(text.is_empty() || text.ends_with('\n'));
        let id = |line: &str| codec::read_line(line.as_bytes()).unwrap().1.facts.entry_id.unwrap();
        text.lines().map(|line| id(line).parse().unwrap()).collect()
    }

    /// Stops and waits for everybody.
    async fn end(&mut self) {
        self.stop.cancel();
        while self.tasks.len() > 1 {
            timeout(PATIENCE, self.tasks.join_next()).await.expect("pumps end").unwrap().unwrap();
        }
        self.journal.close();
        timeout(PATIENCE, self.tasks.join_next()).await.expect("the writer ends").unwrap().unwrap();
    }
}

fn record(number: u64) -> Record {
    let endpoint = Endpoint {
        id: EndpointId::try_from("bmc").unwrap(),
        address: "https://bmc".to_owned(),
        labels: [].into(),
    };
    let facts = Facts {
        occurred_at: None,
        occurred_at_raw: None,
        severity: Severity::Ok,
        message: "something happened".to_owned(),
        message_id: None,
        message_args: Vec::new(),
        log_service: None,
        entry_id: Some(number.to_string()),
        event_id: None,
        origin: None,
        original: None,
    };
    Record {
        uid: Uid::derive([number.to_le_bytes().as_slice()]),
        kind: Kind::Entry,
        source: Origin::Poll,
        endpoint: Arc::new(endpoint),
        observed_at: "2026-11-20T13:59:00Z".parse().unwrap(),
        facts,
    }
}

async fn until(status: &mut SinkStatus, condition: impl FnMut(&SinkView) -> bool) -> SinkView {
    let met = timeout(PATIENCE, status.wait_for(condition)).await.expect("in time");
    assert!(met, "the pump ended: {:?}", status.view());
    status.view()
}

#[tokio::test(start_paused = true)]
async fn every_record_reaches_the_file_once_and_in_order() {
    let mut story = Story::begin().await;
    story.append(1..=1500).await;
    let mut status = story.pump("archive");
    let view = until(&mut status, |view| view.position == 1500).await;
    assert_eq!((view.lag, view.delivered, view.up, view.attempts.success), (0, 1500, true, 3));
    story.append(1501..=1502).await;
    until(&mut status, |view| view.position == 1502).await;
    assert_eq!(story.delivered(), (1..=1502).collect::<Vec<_>>());
    assert_eq!(story.journal.position("archive").await.unwrap(), 1502);
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_write_and_acknowledgement_writes_nothing_twice() {
    let mut story = Story::begin().await;
    story.append(1..=10).await;
    let mut status = story.pump("before");
    until(&mut status, |view| view.position == 10).await;
    // Another name has acknowledged nothing, which is how the journal looks after such a kill.
    story.append(11..=12).await;
    until(&mut status, |view| view.position == 12).await;
    let mut status = story.pump("after");
    until(&mut status, |view| view.position == 12).await;
    assert_eq!(story.delivered(), (1..=12).collect::<Vec<_>>());
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_of_another_journal_holds_nothing_back() {
    let mut story = Story::begin().await;
    let mut foreign = Vec::new();
    codec::write_line(5, &codec::encode(&record(99)), &mut foreign);
    fs::write(story.path(), &foreign).unwrap();
    story.append(1..=6).await;
    let mut status = story.pump("archive");
    until(&mut status, |view| view.position == 6).await;
    assert_eq!(story.delivered(), [99, 1, 2, 3, 4, 5, 6]);
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_says_why_and_loses_nothing() {
    let mut story = Story::begin().await;
    let nowhere = story.directory.path().join("later");
    story.append(1..=3).await;
    let mut status = story.pump_to("archive", nowhere.join("records.jsonl"));
    let view = until(&mut status, |view| view.attempts.retryable == 2).await;
    assert!(!view.up);
    assert_eq!(view.lag, 3);
    assert_eq!(view.oldest_pending_at, Some("2026-11-20T13:59:00Z".parse().unwrap()));
    let error = view.last_error.unwrap();
    assert!(
        error.starts_with("open ") && error.ends_with(": No such file or directory (os error 2)"),
        "{error}"
    );
    fs::create_dir(&nowhere).unwrap();
    let view = until(&mut status, |view| view.position == 3).await;
    assert!(view.up && view.oldest_pending_at.is_none());
    assert_eq!(fs::read_to_string(nowhere.join("records.jsonl")).unwrap().lines().count(), 3);
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_the_filter_holds_back_is_counted_and_passed_over() {
    let mut story = Story::begin().await;
    story.append(1..=600).await;
    let filter = Filter { kinds: vec![Kind::Gap], ..Filter::default() };
    let gaps = Selection { filter, max_lag: None };
    let mut none = story.pump_selected("none", story.directory.path().join("gaps.jsonl"), gaps);
    let view = until(&mut none, |view| view.position == 600).await;
    assert_eq!((view.filtered, view.delivered, view.attempts), (600, 0, Attempts::default()));
    assert!(!story.directory.path().join("gaps.jsonl").exists());
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_has_waited_for_longer_than_the_sink_wants_is_counted_as_expired() {
    let mut story = Story::begin().await;
    story.append(1..=3).await;
    story.now_ms.store(3_600_001, Ordering::Relaxed);
    story.append(4..=5).await;
    let lag = Selection { max_lag: Some(Duration::from_hours(1)), ..Selection::default() };
    let mut status = story.pump_selected("late", story.path(), lag);
    let view = until(&mut status, |view| view.position == 5).await;
    assert_eq!((view.expired, view.delivered), (3, 2));
    assert_eq!(story.delivered(), [4, 5]);
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn what_becomes_too_old_while_the_sink_is_down_is_not_delivered_when_it_is_back() {
    let mut story = Story::begin().await;
    let nowhere = story.directory.path().join("later");
    story.append(1..=3).await;
    let filter = Filter { min_severity: Some(Severity::Ok), ..Filter::default() };
    let lag = Selection { max_lag: Some(Duration::from_hours(1)), filter };
    let mut status = story.pump_selected("pager", nowhere.join("records.jsonl"), lag);
    until(&mut status, |view| view.attempts.retryable == 2).await;
    story.now_ms.store(3_600_001, Ordering::Relaxed);
    story.append(4..=5).await;
    fs::create_dir(&nowhere).unwrap();
    let view = until(&mut status, |view| view.position == 5).await;
    assert_eq!((view.expired, view.delivered, view.filtered), (3, 2, 0));
    assert_eq!(fs::read_to_string(nowhere.join("records.jsonl")).unwrap().lines().count(), 2);
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_tried_again_and_again_counts_what_its_filter_holds_back_once() {
    let mut story = Story::begin().await;
    let nowhere = story.directory.path().join("later");
    let mut gap = record(2);
    gap.kind = Kind::Gap;
    story.append(1..=1).await;
    story.append_records([gap]).await;
    let filter = Filter { kinds: vec![Kind::Entry], ..Filter::default() };
    let lag = Selection { max_lag: Some(Duration::from_hours(1)), filter };
    let mut status = story.pump_selected("entries", nowhere.join("records.jsonl"), lag);
    let view = until(&mut status, |view| view.attempts.retryable == 4).await;
    assert_eq!((view.filtered, view.position), (1, 0));
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_is_down_holds_up_no_other() {
    let mut story = Story::begin().await;
    let mut down = story.pump_to("down", story.directory.path().join("none/records.jsonl"));
    let mut up = story.pump("up");
    story.append(1..=3).await;
    until(&mut down, |view| !view.up).await;
    until(&mut up, |view| view.position == 3).await;
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_delivers_what_the_journal_holds() {
    let mut story = Story::begin().await;
    let status = story.pump("archive");
    story.append(1..=20_000).await;
    story.end().await;
    assert_eq!(story.delivered().len(), 20_000);
    assert_eq!(status.view().position, 20_000);
}

#[tokio::test(start_paused = true)]
async fn a_stop_does_not_wait_for_ever_for_a_sink_that_is_down() {
    let mut story = Story::begin().await;
    story.append(1..=3).await;
    let mut status = story.pump_to("archive", story.directory.path().join("none/records.jsonl"));
    until(&mut status, |view| !view.up).await;
    let begun = tokio::time::Instant::now();
    story.end().await;
    assert!(begun.elapsed() < DRAIN_DEADLINE + Duration::from_secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_file_is_let_go_when_it_is_asked_for_and_not_only_with_the_next_record() {
    let mut story = Story::begin().await;
    let mut status = story.pump("archive");
    story.append(1..=3).await;
    until(&mut status, |view| view.position == 3).await;
    let holds = |path: &PathBuf| {
        let open =
            fs::read_dir("/proc/self/fd").unwrap().filter_map(|fd| fs::read_link(fd.unwrap().path()).ok());
        open.into_iter().any(|target| target == *path)
    };
    assert!(holds(&story.path()));
    story.reopen.send_modify(|times| *times += 1);
    // Its own word for it there is none: the pump does it before it sleeps again.
    timeout(PATIENCE, async {
        while holds(&story.path()) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("in time");
    story.append(4..=5).await;
    until(&mut status, |view| view.position == 5).await;
    assert_eq!(story.delivered(), [1, 2, 3, 4, 5]);
    story.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_file_that_was_moved_away_is_made_anew_and_goes_on() {
    let mut story = Story::begin().await;
    let mut status = story.pump("archive");
    story.append(1..=3).await;
    until(&mut status, |view| view.position == 3).await;
    fs::rename(story.path(), story.directory.path().join("moved")).unwrap();
    story.append(4..=5).await;
    until(&mut status, |view| view.position == 5).await;
    assert_eq!(story.delivered(), [4, 5]);
    story.end().await;
}
