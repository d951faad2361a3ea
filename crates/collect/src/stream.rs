//! The stream collector: opens the event stream, reads the logs behind it, follows it, reconciles on a timer, reconnects,
//! and gives up when the BMC has no stream or fails too often.
//!
//! What a failure means is decided in [`StreamRun::judge`], without I/O; `follow` is the loop on an open stream.

use std::time::Duration;

use redfish::{NotAvailable, OpenStreamError, RequestError, ServiceRoot};
use tokio::time::Instant;

use crate::{
    Mode, State,
    backoff::Backoff,
    catch_up::{self, Logs},
    collector::{Broken, Context, Exit, Pause},
    downgrade::{Marked, Reason},
    failure_window::{FailureWindow, Verdict},
    follow::{self, Closed},
    jitter::Jitter,
    learned_key,
    occurrence::Newest,
    recover::{Recovery, recovery, strains},
    status::StreamTrouble,
    strain::Reading,
    wedge::Wedge,
};

/// A stream that ends after so long without an event was closed for idleness (Dell: one hour), which is no failure.
const IDLE_CLOSE_AFTER: Duration = Duration::from_mins(55);

/// Nobody waits for what an idle stream would bring, so such a one is opened again after a rest, whatever BMC it is of.
const IDLE_CLOSE_WAIT: Duration = Duration::from_secs(30);

/// Mode `sse` on a BMC without a stream looks again at this pace: there is nothing else to do, and no need to ask often.
const NO_STREAM_WAIT: Duration = Duration::from_mins(5);

/// How much a stream collector is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The whole failure window is before it.
    Trusted,
    /// It is a try after a downgrade: its first failure before it has proved itself ends it.
    OnTrial,
}

/// Whether a connection was opened with `Last-Event-ID`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resumed {
    No,
    Yes,
}

/// What one attempt came to.
#[derive(Debug)]
enum Attempt {
    Stopped,
    NotAvailable(NotAvailable),
    OpenFailed(RequestError),
    /// The journal cannot tell which key is to be believed, or store it.
    NoJournal,
    Closed(Closed),
}

/// What follows.
#[derive(Debug)]
enum Verdicted {
    Exit(Exit),
    Wait(Duration),
    /// The same, and nobody shortens it: it is for the BMC's sake.
    Rest(Duration),
    WaitForJournal,
}

/// The memory of one stream collector between connections.
pub(crate) struct StreamRun {
    pub(crate) jitter: Jitter,
    pub(crate) logs: Option<Box<Logs>>,
    /// As it was read to open the stream that is open now, for the look-up behind it.
    pub(crate) root: Option<Box<ServiceRoot>>,
    pub(crate) last_event_id: Option<String>,
    /// Whether the connection that is open was asked to go on after an event.
    pub(crate) resumed: Resumed,
    pub(crate) newest: Newest,
    pub(crate) wedge: Wedge,
    /// How long the BMC wants to be left alone after a stream.
    stream_rest: Duration,
    standing: Standing,
    window: FailureWindow,
    backoff: Backoff,
    not_available: u32,
}

/// Runs a stream collector until it is stopped or gives up.
pub(crate) async fn run(context: &Context, standing: Standing) -> Exit {
    let settings = &context.wish.logs;
    let mut run = StreamRun {
        jitter: context.jitter(),
        logs: None,
        root: None,
        last_event_id: None,
        resumed: Resumed::No,
        newest: Newest::default(),
        wedge: Wedge::default(),
        stream_rest: Duration::ZERO,
        standing,
        window: FailureWindow::new(
            settings.auto.connect_failure_window,
            settings.auto.connect_failure_threshold,
        ),
        backoff: Backoff::new(settings.sse.initial_backoff, settings.sse.max_backoff),
        not_available: 0,
    };
    loop {
        let attempt = run.attempt(context).await;
        let pause = match run.judge(context, attempt) {
            Verdicted::Exit(exit) => return exit,
            Verdicted::Wait(wait) => context.pause(wait).await,
            Verdicted::Rest(wait) => context.rest(wait).await,
            Verdicted::WaitForJournal => match context.pause_for_journal().await {
                Pause::Over if !run.stream_rest.is_zero() => context.rest(run.rest()).await,
                paused => paused,
            },
        };
        if pause == Pause::Stopped {
            return Exit::Stopped;
        }
    }
}

impl StreamRun {
    /// One connection, from the service root to its end.
    async fn attempt(&mut self, context: &Context) -> Attempt {
        if matches!(context.status.state(), State::Streaming | State::Polling) {
            context.status.enter(State::Connecting, None, context.now());
        }
        // Whatever comes of it, the next try goes without, unless this stream brings another: some BMCs choke on it (T61).
        let last_event_id = self.last_event_id.take();
        self.resumed = if last_event_id.is_some() { Resumed::Yes } else { Resumed::No };
        let opening = Box::pin(async {
            context.world.pace.turn().await;
            match learned_key::settle(context).await {
                Ok(()) => {}
                Err(Broken::Request(error)) => return Err(Attempt::OpenFailed(error)),
                Err(Broken::Append(_) | Broken::Read(_)) => return Err(Attempt::NoJournal),
            }
            let (logs, root) = (self.logs.as_deref(), &mut self.root);
            match open(context, logs, root, last_event_id, &mut self.stream_rest).await {
                Ok(stream) => Ok(stream),
                Err(OpenStreamError::NotAvailable(why)) => Err(Attempt::NotAvailable(why)),
                Err(OpenStreamError::Failed(error)) => Err(Attempt::OpenFailed(error)),
            }
        });
        let opened = tokio::select! {
            biased;
            () = context.stop.cancelled() => return Attempt::Stopped,
            opened = opening => opened,
        };
        match opened {
            Ok(stream) => match follow::follow(context, self, stream).await {
                Closed { why: follow::Why::Stopped, .. } => Attempt::Stopped,
                closed => Attempt::Closed(closed),
            },
            Err(attempt) => attempt,
        }
    }

    /// What an attempt means and what follows. No I/O; the clock is asked once.
    fn judge(&mut self, context: &Context, attempt: Attempt) -> Verdicted {
        let now = Instant::now();
        match attempt {
            Attempt::Stopped => Verdicted::Exit(Exit::Stopped),
            Attempt::NotAvailable(why) => self.not_available(context, why, now),
            Attempt::NoJournal => Verdicted::WaitForJournal,
            Attempt::OpenFailed(error) => {
                context.status.stream_failed(StreamTrouble::Open(error.reason()));
                match self.opening_failed(context, &error) {
                    Recovery::WaitForCredentials(wait) => Verdicted::Wait(wait),
                    Recovery::BackOff(asked) => {
                        let reason = Reason::ConnectFailures(error.reason());
                        self.stream_failure(context, reason, asked, now)
                    }
                }
            }
            Attempt::Closed(closed) => self.closed(context, &closed, now),
        }
    }

    /// Tells that the stream was not opened. On trial that is no news: the endpoint is polled on, and if it does not answer
    /// at all, the next poll tells so.
    fn opening_failed(&self, context: &Context, error: &RequestError) -> Recovery {
        match (self.standing, recovery(error)) {
            (Standing::OnTrial, follows @ Recovery::BackOff(_)) => {
                context.failed_partly(error);
                follows
            }
            (Standing::OnTrial | Standing::Trusted, _) => context.failed(error),
        }
    }

    fn not_available(&mut self, context: &Context, why: NotAvailable, now: Instant) -> Verdicted {
        self.not_available = self.not_available.saturating_add(1);
        let reason = Reason::SseNotAvailable(why);
        let enough = self.not_available >= context.wish.logs.auto.sse_not_available_threshold;
        match context.wish.mode() {
            Mode::Auto if enough || self.standing == Standing::OnTrial => self.give_up(context, reason, now),
            Mode::Auto => Verdicted::Wait(self.backoff.next(None, &mut self.jitter)),
            Mode::Sse | Mode::Periodic => {
                context.well(State::Connecting, Some(reason.to_string()));
                Verdicted::Wait(self.jitter.around(NO_STREAM_WAIT))
            }
        }
    }

    fn closed(&mut self, context: &Context, closed: &Closed, now: Instant) -> Verdicted {
        let trouble = match &closed.why {
            follow::Why::Stopped => return Verdicted::Exit(Exit::Stopped),
            follow::Why::Journal => return Verdicted::WaitForJournal,
            follow::Why::Trouble(trouble) => *trouble,
        };
        context.status.stream_failed(trouble);
        let reason = format!("the stream ended: {}", trouble.label());
        context.status.enter(State::Connecting, Some(reason), context.now());
        tracing::debug!(
            endpoint = %context.id(),
            reason = trouble.label(),
            lived = ?closed.lived,
            "event stream ended"
        );
        if trouble == StreamTrouble::Eof && closed.silent_for >= IDLE_CLOSE_AFTER {
            self.stream_rest = self.stream_rest.max(IDLE_CLOSE_WAIT);
            return Verdicted::Rest(self.rest());
        }
        let follows = if trouble == StreamTrouble::Wedged {
            self.wedged(context, now)
        } else {
            let reason = Reason::ConnectFailures(redfish::FailureReason::Protocol);
            self.stream_failure(context, reason, None, now)
        };
        match follows {
            Verdicted::Wait(wait) if !self.stream_rest.is_zero() => Verdicted::Rest(wait.max(self.rest())),
            verdict => verdict,
        }
    }

    /// A wait of about what the BMC wants after a stream.
    fn rest(&mut self) -> Duration {
        self.jitter.around(self.stream_rest).max(self.stream_rest * 2 / 3)
    }

    /// A stream was found stuck. A new connection may help (bmcweb); if it did not, polls lose nothing and are less late.
    fn wedged(&mut self, context: &Context, now: Instant) -> Verdicted {
        let gives_up = self.wedge.is_hopeless() || self.standing == Standing::OnTrial;
        match context.wish.mode() {
            Mode::Auto if gives_up => self.give_up(context, Reason::StreamWedged, now),
            Mode::Auto | Mode::Sse | Mode::Periodic => {
                Verdicted::Wait(self.backoff.next(None, &mut self.jitter))
            }
        }
    }

    /// Counts a failure to connect or to keep the stream.
    fn stream_failure(
        &mut self,
        context: &Context,
        reason: Reason,
        asked: Option<Duration>,
        now: Instant,
    ) -> Verdicted {
        let verdict = self.window.record(now);
        let gives_up = verdict == Verdict::Exceeded || self.standing == Standing::OnTrial;
        match context.wish.mode() {
            Mode::Auto if gives_up => self.give_up(context, reason, now),
            Mode::Auto | Mode::Sse | Mode::Periodic => {
                Verdicted::Wait(self.backoff.next(asked, &mut self.jitter))
            }
        }
    }

    fn give_up(&mut self, context: &Context, reason: Reason, now: Instant) -> Verdicted {
        let auto = &context.wish.logs.auto;
        match context.registry().mark(context.id(), reason, now, auto, &mut self.jitter) {
            Marked::Downgraded => {
                context.world.metrics.downgraded(reason.label());
                context.world.announcer.downgraded(context.id(), reason);
            }
            Marked::StillDowngraded => {
                tracing::debug!(endpoint = %context.id(), %reason, "event stream tried again, still polling");
            }
        }
        Verdicted::Exit(Exit::Downgraded(now))
    }

    /// The stream has proved itself: a good event, or a long enough life.
    pub(crate) fn proved(&mut self, context: &Context) {
        self.window.clear();
        self.backoff.reset();
        self.not_available = 0;
        self.standing = Standing::Trusted;
        if context.registry().recovered(context.id()) {
            context.world.metrics.recovered();
            context.world.announcer.recovered(context.id());
            context.status.comes_up();
            context.status.next_stream_try(None);
        }
    }

    /// A failure while reading the logs behind an open stream: the stream goes on, the reading is tried again.
    pub(crate) fn after_reading(&mut self, context: &Context, broken: &Broken) -> Duration {
        match broken {
            Broken::Request(error) => {
                context.failed_partly(error);
                let interval = context.wish.logs.reconcile_interval;
                let quick = !self.backoff.is_at_its_longest();
                if strains(error) {
                    context.status.note_reading(Reading::Overloaded, interval);
                }
                match recovery(error) {
                    Recovery::BackOff(asked) => {
                        let wait = self.backoff.next(asked, &mut self.jitter);
                        if quick || !strains(error) {
                            wait
                        } else {
                            wait.max(context.status.slowed(interval))
                        }
                    }
                    Recovery::WaitForCredentials(wait) => wait,
                }
            }
            Broken::Append(_) | Broken::Read(_) => self.backoff.next(None, &mut self.jitter),
        }
    }
}

/// The service root (as looked up lately, or now) and the stream behind it.
async fn open(
    context: &Context,
    logs: Option<&Logs>,
    fresh: &mut Option<Box<ServiceRoot>>,
    last_event_id: Option<String>,
    stream_rest: &mut Duration,
) -> Result<redfish::EventStream, OpenStreamError> {
    let root = match logs {
        Some(logs) => &logs.root,
        None => fresh.insert(Box::new(catch_up::read_root(context).await.map_err(OpenStreamError::Failed)?)),
    };
    *stream_rest = root.stream_rest();
    context.client.open_stream(root, last_event_id.as_deref()).await
}
