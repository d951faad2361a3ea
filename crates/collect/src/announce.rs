//! What the operator is told in the log: each change of an endpoint's state once, and fleet-wide trouble as one line a
//! minute. 10,000 dead BMCs do not make 10,000 lines a minute.
//!
//! Not here: metrics and status, which show every endpoint whatever the number.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use model::EndpointId;
use tokio::time::Instant;

use crate::{Board, GapReason, downgrade::Reason};

/// Lines of one kind about single endpoints that go out at their full level within one period; further ones are debug, and
/// the summary line counts them. Large enough for several racks, small enough for whatever keeps our log.
const LINES_PER_PERIOD_MAX: u32 = 500;

/// The period of that limit and of the summary line.
pub(crate) const SUMMARY_PERIOD: Duration = Duration::from_mins(1);

/// So many endpoints in trouble make a summary line; fewer have been told one by one.
const SUMMARY_ENDPOINTS_MIN: usize = 5;

/// Who speaks. The lock guards two numbers.
#[derive(Debug)]
pub(crate) struct Announcer(Mutex<Period>);

#[derive(Debug)]
struct Period {
    start: Instant,
    /// Lines so far, by kind.
    lines: [u32; 8],
    held_back: u32,
}

/// What a line is about. Each kind has its own allowance: that many are down must not hide that they were downgraded.
#[derive(Debug, Clone, Copy)]
enum Line {
    Down,
    Up,
    Refused,
    Downgraded,
    Recovered,
    Gap,
    Noisy,
    Key,
}

impl Announcer {
    /// A fresh period begins now.
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Period { start: now, lines: [0; 8], held_back: 0 }))
    }

    fn may_speak(&self, line: Line) -> bool {
        let now = Instant::now();
        let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if now.duration_since(period.start) >= SUMMARY_PERIOD {
            period.start = now;
            period.lines = [0; 8];
        }
        let lines = &mut period.lines[line as usize];
        *lines += 1;
        let may = *lines <= LINES_PER_PERIOD_MAX;
        period.held_back += u32::from(!may);
        may
    }

    /// The endpoint stopped answering, or never did.
    pub(crate) fn down(&self, endpoint: &EndpointId, error: &str) {
        if self.may_speak(Line::Down) {
            tracing::warn!(%endpoint, error, "endpoint is down");
        } else {
            tracing::debug!(%endpoint, error, "endpoint is down");
        }
    }

    /// The endpoint answers again.
    pub(crate) fn up(&self, endpoint: &EndpointId, doing: &str) {
        if self.may_speak(Line::Up) {
            tracing::info!(%endpoint, doing, "endpoint answers");
        } else {
            tracing::debug!(%endpoint, doing, "endpoint answers");
        }
    }

    /// The credentials were refused for good.
    pub(crate) fn refused(&self, endpoint: &EndpointId, error: &str) {
        if self.may_speak(Line::Refused) {
            tracing::warn!(
                %endpoint,
                error,
                "credentials refused; no more logins are tried until they change, a reload, or an hour has passed"
            );
        } else {
            tracing::debug!(%endpoint, error, "credentials refused");
        }
    }

    /// From stream to poll: one warning per transition.
    pub(crate) fn downgraded(&self, endpoint: &EndpointId, reason: Reason) {
        if self.may_speak(Line::Downgraded) {
            tracing::warn!(%endpoint, %reason, "downgraded from event stream to polling");
        } else {
            tracing::debug!(%endpoint, %reason, "downgraded from event stream to polling");
        }
    }

    /// From poll back to stream.
    pub(crate) fn recovered(&self, endpoint: &EndpointId) {
        if self.may_speak(Line::Recovered) {
            tracing::info!(%endpoint, "event stream recovered; polling ends");
        } else {
            tracing::debug!(%endpoint, "event stream recovered; polling ends");
        }
    }

    /// Something may be missing; the gap record says what.
    pub(crate) fn gap(&self, endpoint: &EndpointId, log: &str, reason: GapReason) {
        let reason = reason.as_str();
        if self.may_speak(Line::Gap) {
            tracing::warn!(%endpoint, log, reason, "entries may be missing; a gap record says which");
        } else {
            tracing::debug!(%endpoint, log, reason, "entries may be missing");
        }
    }

    /// A log grows by nothing but our own logins.
    pub(crate) fn noisy(&self, endpoint: &EndpointId, log: &str) {
        if self.may_speak(Line::Noisy) {
            tracing::warn!(
                %endpoint,
                log,
                "this log grows by our own logins; exclude it with exclude_services, or let auth use a session"
            );
        } else {
            tracing::debug!(%endpoint, log, "this log grows by our own logins");
        }
    }

    /// The endpoint shows another key than the one that was learned.
    pub(crate) fn key_changed(&self, endpoint: &EndpointId, error: &str) {
        if self.may_speak(Line::Key) {
            tracing::warn!(
                %endpoint,
                error,
                "endpoint shows another key and is not trusted; if its certificate was renewed, accept it with `bmcwatch endpoints trust`"
            );
        } else {
            tracing::debug!(%endpoint, error, "endpoint shows another key");
        }
    }

    /// The summary line, if there is fleet-wide trouble. To be called once a [`SUMMARY_PERIOD`].
    pub(crate) fn summary(&self, board: &Board) {
        let held_back = {
            let mut period = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut period.held_back)
        };
        let troubles = board.troubles();
        let total: usize = troubles.values().sum();
        if total >= SUMMARY_ENDPOINTS_MIN || held_back > 0 {
            let by_reason: Vec<String> =
                troubles.iter().map(|(reason, count)| format!("{reason}={count}")).collect();
            let text = match total {
                0 => "no endpoint is unreachable or refused now".to_owned(),
                _ => format!("{total} endpoints unreachable or refused: {}", by_reason.join(" ")),
            };
            tracing::warn!(lines_held_back = held_back, "{text}");
        }
    }
}
