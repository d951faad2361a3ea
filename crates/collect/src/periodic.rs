//! The periodic collector: reads the logs on a timer, looks the service root up again now and then, and ends when there is
//! reason to try the event stream.

use std::time::Duration;

use model::Origin;
use redfish::{FailureReason, NotAvailable, OpenStreamError};
use tokio::time::Instant;

use crate::{
    Mode, State,
    backoff::Backoff,
    catch_up::{self, Logs, Occasion, Tally},
    collector::{Broken, Context, Exit, Pause},
    downgrade::{Reason, Role},
    jitter::Jitter,
    recover::{Recovery, is_answer, strains},
    strain::Reading,
};

/// A BMC that does not answer is asked again after 1, 2, 4, ... 30 s: its return is noticed within half a minute, and a
/// refused connection costs it nothing.
const DOWN_WAIT_FIRST: Duration = Duration::from_secs(1);
const DOWN_WAIT_MAX: Duration = Duration::from_secs(30);

/// The memory of one periodic collector between polls.
struct Polling<'a> {
    context: &'a Context,
    jitter: Jitter,
    backoff: Backoff,
    logs: Option<Box<Logs>>,
    /// Why the BMC could not be reached when it was asked last, if it was not there at all.
    unreachable: Option<FailureReason>,
    /// What the service root said when it was looked at last.
    root_fingerprint: Option<u64>,
    first: bool,
}

/// Runs a periodic collector until it is stopped or the stream shall be tried.
pub(crate) async fn run(context: &Context) -> Exit {
    let mut polling = Polling {
        context,
        jitter: context.jitter(),
        backoff: Backoff::new(DOWN_WAIT_FIRST, DOWN_WAIT_MAX),
        logs: None,
        unreachable: None,
        root_fingerprint: None,
        first: true,
    };
    polling.show_stream_try();
    if let Some(at) = context.downgraded_at {
        context.world.metrics.first_poll_after(at.elapsed());
    }
    loop {
        let started = Instant::now();
        let answers_before = context.status.asked().answers;
        let poll = Box::pin(polling.poll());
        let polled = tokio::select! {
            biased;
            () = context.stop.cancelled() => return Exit::Stopped,
            polled = poll => polled,
        };
        let answers = context.status.asked().answers - answers_before;
        let next = polling.judge(polled, started, answers);
        let pause = match next {
            After::RetryStream => return Exit::RetryStream,
            After::Pause(wait) => context.pause(wait).await,
            After::Rest(wait) => context.rest(wait).await,
            After::WaitForJournal => context.pause_for_journal().await,
        };
        if pause == Pause::Stopped {
            return Exit::Stopped;
        }
        if polling.stream_is_due() {
            return Exit::RetryStream;
        }
    }
}

/// What follows from a poll.
enum After {
    RetryStream,
    /// After trouble.
    Pause(Duration),
    /// Until the next poll.
    Rest(Duration),
    WaitForJournal,
}

/// What a poll came to.
struct Polled {
    tally: Result<Tally, Broken>,
    /// The service root or the EventService shows that a stream may be there now.
    stream_appeared: bool,
}

impl Polling<'_> {
    /// One poll: the logs, and where that is due the service root and what log services there are.
    async fn poll(&mut self) -> Polled {
        let context = self.context;
        let occasion = Occasion { origin: Origin::Poll, since: context.now() };
        let max_age = context.wish.logs.periodic.state_refresh_interval;
        // What was looked up before the BMC went away may be another machine's.
        let before = if self.unreachable.is_some() { None } else { self.logs.take() };
        // A BMC that failed is asked one small thing first; without a look-up, that begins with it anyway.
        if before.is_some()
            && context.status.is_circuit_open()
            && let Err(error) = context.client.root().await
        {
            self.logs = before;
            return Polled { tally: Err(error.into()), stream_appeared: false };
        }
        let known_since = before.as_ref().map(|logs| logs.looked_up_at());
        let mut logs = match catch_up::look_up(context, before, None, max_age).await {
            Ok(logs) => logs,
            Err(broken) => return Polled { tally: Err(broken), stream_appeared: false },
        };
        let refreshed = known_since != Some(logs.looked_up_at());
        let tally = catch_up::catch_up(context, &mut logs, occasion).await;
        let stream_appeared = refreshed && tally.is_ok() && self.stream_appeared(&logs).await;
        self.logs = Some(logs).filter(|_| !catch_up::doubts(&tally));
        Polled { tally, stream_appeared }
    }

    /// Whether a look at the service root gives reason to try the stream again.
    async fn stream_appeared(&mut self, logs: &Logs) -> bool {
        let context = self.context;
        let fingerprint = logs.root.fingerprint;
        let changed = self.root_fingerprint.replace(fingerprint).is_some_and(|before| before != fingerprint);
        let Some(reason) = self.downgrade() else { return false };
        match reason {
            Reason::SseNotAvailable(
                NotAvailable::NoEventService | NotAvailable::NoUri | NotAvailable::Disabled,
            ) if !self.first || changed => {
                let found = context.client.find_stream(&logs.root).await;
                match found {
                    Ok(_) => true,
                    Err(OpenStreamError::NotAvailable(_) | OpenStreamError::Failed(_)) => false,
                }
            }
            Reason::SseNotAvailable(_) | Reason::ConnectFailures(_) | Reason::StreamWedged => changed,
        }
    }

    /// Why this endpoint is polled, if it would rather stream.
    fn downgrade(&self) -> Option<Reason> {
        match self.context.wish.mode() {
            Mode::Auto => self.context.registry().reason(self.context.id()),
            Mode::Sse | Mode::Periodic => None,
        }
    }

    /// What a poll with so many answers means and what follows. No I/O; the clock is asked once.
    fn judge(&mut self, polled: Polled, started: Instant, answers: u64) -> After {
        let now = Instant::now();
        let took = now.duration_since(started);
        let metrics = &self.context.world.metrics;
        match polled.tally {
            Ok(tally) => {
                metrics.polled(if tally.failed_logs == 0 { "success" } else { "partial" }, took);
                self.succeeded(&tally, polled.stream_appeared, now, started)
            }
            Err(Broken::Append(_) | Broken::Read(_)) => {
                metrics.polled("journal", took);
                After::WaitForJournal
            }
            Err(Broken::Request(error)) => {
                metrics.polled("failure", took);
                let reason = error.reason();
                if Context::means_unreachable(reason) {
                    self.unreachable = Some(reason);
                }
                let overloaded = strains(&error) && answers > u64::from(is_answer(&error));
                let quick = !self.backoff.is_at_its_longest();
                match self.context.failed(&error) {
                    Recovery::BackOff(asked) if overloaded => {
                        let wait = self.backoff.next(asked, &mut self.jitter);
                        After::Pause(wait.max(self.overloaded(quick)))
                    }
                    Recovery::BackOff(asked) => After::Pause(self.backoff.next(asked, &mut self.jitter)),
                    Recovery::WaitForCredentials(wait) => After::Pause(wait),
                }
            }
        }
    }

    /// The BMC is there, but a poll is too much for it. What passes within a minute is tried quickly; what does not, as often as
    /// it can bear.
    fn overloaded(&self, quick: bool) -> Duration {
        let interval = self.context.wish.logs.periodic.logs_collection_interval;
        self.context.status.note_reading(Reading::Overloaded, interval);
        if quick { Duration::ZERO } else { self.context.status.slowed(interval) }
    }

    fn succeeded(&mut self, tally: &Tally, stream_appeared: bool, now: Instant, started: Instant) -> After {
        self.backoff.reset();
        self.context.status.answered(self.context.now());
        let was_unreachable = self.unreachable.take().is_some();
        let downgrade = self.downgrade();
        let evidence = match downgrade {
            Some(Reason::ConnectFailures(_) | Reason::StreamWedged) => was_unreachable || stream_appeared,
            Some(Reason::SseNotAvailable(_)) => stream_appeared,
            None => false,
        };
        if evidence {
            let auto = &self.context.wish.logs.auto;
            if self.context.registry().evidence(self.context.id(), now, auto) == Role::Trial {
                return After::RetryStream;
            }
            self.show_stream_try();
        }
        self.context.well(State::Polling, downgrade.map(|reason| reason.to_string()));
        let interval = self.context.wish.logs.periodic.logs_collection_interval;
        self.context.status.note_reading(tally.reading(), interval);
        let interval = self.context.status.slowed(interval);
        // The second poll comes somewhere within the interval, and from then on polls keep that distance: thousands of
        // collectors that started together do not poll together.
        let full = if std::mem::take(&mut self.first) { self.jitter.up_to(interval) } else { interval };
        // A poll that takes longer than the time between two leaves the BMC as long a rest, within that time.
        let took = now.duration_since(started);
        let mut wait = full.saturating_sub(took).max(took.min(interval)).max(Duration::from_millis(100));
        wait = wait.min(tally.again_after.unwrap_or(wait));
        if let Some(at) = self.stream_try_at() {
            wait = wait.min(at.saturating_duration_since(now));
        }
        After::Rest(wait)
    }

    fn stream_try_at(&self) -> Option<Instant> {
        self.downgrade()?;
        self.context.registry().retry_at(self.context.id())
    }

    fn stream_is_due(&self) -> bool {
        self.stream_try_at().is_some_and(|at| at <= Instant::now())
    }

    fn show_stream_try(&self) {
        let wait = self.stream_try_at().map(|at| at.saturating_duration_since(Instant::now()));
        self.context.status.next_stream_try(wait.map(|wait| self.context.now() + wait));
    }
}
