//! What a sink is doing, for `/metrics` and `/api/v1/sinks`: written by its pump alone, read by anybody.
//!
//! Reading never waits for the sink. Not here: the names under which it is shown (the program).

use chrono::{DateTime, Utc};
use journal::Position;
use tokio::sync::watch;

use crate::sink::Recovery;

/// Deliveries by what came of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attempts {
    /// The sink took the batch.
    pub success: u64,
    /// It did not, and is tried again.
    pub retryable: u64,
    /// It did not and never will as it was: the batch is halved, or somebody must act, or the sink has ended.
    pub permanent: u64,
}

impl Attempts {
    pub(crate) fn failed(&mut self, recovery: Recovery) {
        match recovery {
            Recovery::Retry { .. } => self.retryable += 1,
            Recovery::Refused(_) | Recovery::Act | Recovery::End => self.permanent += 1,
        }
    }
}

/// A snapshot of one sink: plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinkView {
    /// Its name in the config, and as a reader of the journal.
    pub name: String,
    /// Its type in the config, such as `file`.
    pub kind: &'static str,
    /// Everything up to here has been delivered and acknowledged.
    pub position: Position,
    /// Records that are in the journal and not yet acknowledged (positions, so records that retention took count too).
    pub lag: u64,
    /// The last delivery succeeded; true before the first.
    pub up: bool,
    /// The sink has ended for good, because nobody reads it any more.
    pub ended: bool,
    /// The last error, with its causes.
    pub last_error: Option<String>,
    /// What the peer last said of a record that it refused for good.
    pub last_refusal: Option<String>,
    /// When the last error happened.
    pub last_error_at: Option<DateTime<Utc>>,
    /// When the last delivery was acknowledged.
    pub last_success_at: Option<DateTime<Utc>>,
    /// While records wait: when the oldest of them was observed; looked at when a delivery fails and once a minute.
    pub oldest_pending_at: Option<DateTime<Utc>>,
    /// Records that the sink has taken since the start of the process.
    pub delivered: u64,
    /// Records that its filter held back since the start of the process.
    pub filtered: u64,
    /// Records that retention deleted before this sink had them, or that were older than its `max_lag`, since the start of
    /// the process: loss.
    pub expired: u64,
    /// Records that the peer refused for good since the start of the process.
    pub rejected: u64,
    /// The same, because they were too large.
    pub too_large: u64,
    /// Deliveries since the start of the process.
    pub attempts: Attempts,
}

impl SinkView {
    /// A sink that has done nothing yet.
    pub fn new(name: String, kind: &'static str) -> Self {
        Self {
            name,
            kind,
            position: 0,
            lag: 0,
            up: true,
            ended: false,
            last_error: None,
            last_refusal: None,
            last_error_at: None,
            last_success_at: None,
            oldest_pending_at: None,
            delivered: 0,
            filtered: 0,
            expired: 0,
            rejected: 0,
            too_large: 0,
            attempts: Attempts::default(),
        }
    }
}

/// A handle to the status of one sink; cheap to clone.
#[derive(Debug, Clone)]
pub struct SinkStatus {
    view: watch::Receiver<SinkView>,
    head: watch::Receiver<Position>,
}

impl SinkStatus {
    pub(crate) fn new(view: watch::Receiver<SinkView>, head: watch::Receiver<Position>) -> Self {
        Self { view, head }
    }

    /// The status now. The lag is measured against the journal's newest position at this moment.
    pub fn view(&self) -> SinkView {
        let mut view = self.view.borrow().clone();
        view.lag = self.head.borrow().saturating_sub(view.position);
        view
    }

    /// Waits until the status meets a condition (its lag is not kept up to date here); false when the pump has ended
    /// without it.
    pub async fn wait_for(&mut self, condition: impl FnMut(&SinkView) -> bool) -> bool {
        self.view.wait_for(condition).await.is_ok()
    }
}
