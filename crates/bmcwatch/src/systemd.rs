//! The conversation with systemd: ready, reloading, stopping, a line of status, and the watchdog.
//!
//! Without systemd every call does nothing. The environment (`NOTIFY_SOCKET`, `WATCHDOG_USEC`) is read by the
//! `sd-notify` crate; this is the one place that uses it. Not here: when these things happen (the program's wiring).

use std::{future::Future, io, time::Duration};

use journal::{AppendError, Batch, Journal};
use sd_notify::NotifyState;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

/// `READY=1`: started, or done reloading.
pub fn ready(status: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(&one_line(status))]);
}

/// `RELOADING=1` with the monotonic time, which `Type=notify-reload` demands. [`ready`] must follow.
pub fn reloading() {
    match NotifyState::monotonic_usec_now() {
        Ok(now) => send(&[NotifyState::Reloading, now, NotifyState::Status("reloading the configuration")]),
        Err(error) => warn!(error = %error, "the monotonic time for systemd is not known"),
    }
}

/// `STOPPING=1`.
pub fn stopping() {
    send(&[NotifyState::Stopping, NotifyState::Status("shutting down")]);
}

/// The line that `systemctl status` shows.
pub fn status(status: &str) {
    send(&[NotifyState::Status(&one_line(status))]);
}

/// Feeds the watchdog, at half the time that systemd grants, as long as the journal's writer answers; returns at once when
/// systemd asks for no watchdog. Its owner awaits it.
///
/// It runs as a task of the same runtime, so a runtime that stands still feeds nothing, and it asks the writer for an
/// empty append, so a writer that hangs feeds nothing. A full disk is an answer: a restart would not empty it.
pub async fn watchdog(journal: Journal, stop: CancellationToken) {
    let Some(granted) = sd_notify::watchdog_enabled() else { return };
    let proof = || {
        let journal = journal.clone();
        async move { writer_moves(&journal).await }
    };
    feed(granted / 2, proof, || send(&[NotifyState::Watchdog]), stop).await;
}

async fn writer_moves(journal: &Journal) -> Proof {
    let nothing = Batch { scope: "watchdog".into(), items: Vec::new(), marks: Vec::new() };
    match journal.append(nothing).await {
        Ok(_) | Err(AppendError::Commit { .. } | AppendError::NotWritable) => Proof::Alive,
        Err(AppendError::Closed) => Proof::Over,
    }
}

/// What the proof found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    Alive,
    /// The journal is closed: shutting down, and systemd has been told.
    Over,
}

/// Calls `fed` once in every `period` in which `proof` answered in time.
async fn feed<F: Future<Output = Proof>>(
    period: Duration,
    proof: impl Fn() -> F,
    fed: impl Fn(),
    stop: CancellationToken,
) {
    let mut ticks = tokio::time::interval(period.max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        match tokio::time::timeout(period, proof()).await {
            Ok(Proof::Alive) => fed(),
            Ok(Proof::Over) => return,
            Err(_) => {
                warn!(waited = ?period, "the journal's writer does not answer; the watchdog is not fed");
            }
        }
    }
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        note(&error);
    }
}

fn note(error: &io::Error) {
    debug!(error = %error, "systemd was not told");
}

/// A status is one line of the protocol; a line feed in it would be read as another assignment.
fn one_line(status: &str) -> String {
    status.replace(|c: char| c.is_control(), " ")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    const PERIOD: Duration = Duration::from_secs(15);

    async fn meals(answers: impl Fn(u32) -> Option<Proof>) -> u32 {
        let (asked, fed) = (Cell::new(0), Cell::new(0));
        let stop = CancellationToken::new();
        let proof = || {
            asked.set(asked.get() + 1);
            let answer = answers(asked.get());
            async move {
                match answer {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            }
        };
        let feeding = feed(PERIOD, proof, || fed.set(fed.get() + 1), stop);
        drop(tokio::time::timeout(PERIOD.mul_f64(9.9), feeding).await);
        fed.get()
    }

    #[tokio::test(start_paused = true)]
    async fn the_watchdog_is_fed_twice_in_the_time_it_grants() {
        assert_eq!(meals(|_| Some(Proof::Alive)).await, 10);
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_that_hangs_starves_the_watchdog() {
        assert_eq!(meals(|asked| (asked <= 2).then_some(Proof::Alive)).await, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_closed_journal_ends_the_feeding() {
        assert_eq!(meals(|asked| Some(if asked <= 3 { Proof::Alive } else { Proof::Over })).await, 3);
    }

    #[test]
    fn a_status_cannot_smuggle_in_an_assignment() {
        assert_eq!(one_line("4 endpoints\nWATCHDOG=trigger"), "4 endpoints WATCHDOG=trigger");
    }
}
