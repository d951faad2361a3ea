//! What a stream and a periodic collector have in common: what they are given, how they end, and how they tell the
//! endpoint's troubles.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use journal::{AppendError, ReadError};
use model::{Clock, EndpointId};
use redfish::{Client, FailureReason, RequestError};
use tokio::{
    sync::{Notify, Semaphore},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Board, Metrics, State,
    announce::Announcer,
    downgrade::{Registry, Role},
    ingest::Ingest,
    jitter::Jitter,
    notice::Notice,
    pace::Pace,
    periodic,
    plan::Wish,
    recover::{Recovery, recovery},
    status::Status,
    stream,
    take_over::TakeOver,
};

/// What all collectors of the process share.
pub(crate) struct World {
    pub(crate) journal: journal::Journal,
    pub(crate) ingest: Ingest,
    pub(crate) clock: Clock,
    pub(crate) seed: u64,
    pub(crate) board: Board,
    pub(crate) metrics: Metrics,
    pub(crate) announcer: Announcer,
    pub(crate) pace: Pace,
    /// Of those that have more than an event at hand, so many may gather a batch at once (`follow`).
    pub(crate) bursts: Semaphore,
}

/// What one collector is given. Its slot keeps the parts that outlive it: client, status, poke.
pub(crate) struct Context {
    pub(crate) world: Arc<World>,
    pub(crate) wish: Arc<Wish>,
    pub(crate) client: Arc<Client>,
    pub(crate) status: Arc<Status>,
    /// Somebody says: try now (a reload, another password, `endpoints retry`).
    pub(crate) poke: Arc<Notify>,
    /// What another collector had told before bmcwatch came.
    pub(crate) take_over: Arc<TakeOver>,
    pub(crate) stop: CancellationToken,
    /// When the endpoint was downgraded, if this collector is the answer to that.
    pub(crate) downgraded_at: Option<Instant>,
}

/// How a collector ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was told to.
    Stopped,
    /// The stream was given up at this time: respawn as a periodic collector.
    Downgraded(Instant),
    /// The stream shall be tried again: respawn as a stream collector.
    RetryStream,
}

/// Why a piece of work on an endpoint was not finished.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Broken {
    /// The BMC.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// The journal does not take records now; the BMC's own log is the buffer.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// The journal cannot be read now.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Runs the collector that the role asks for, until it ends.
pub(crate) async fn run(context: Context, role: Role) -> Exit {
    match role {
        Role::Periodic => periodic::run(&context).await,
        Role::Stream => stream::run(&context, stream::Standing::Trusted).await,
        Role::Trial => stream::run(&context, stream::Standing::OnTrial).await,
    }
}

impl Context {
    pub(crate) fn id(&self) -> &EndpointId {
        &self.wish.spec.endpoint.id
    }

    pub(crate) fn registry(&self) -> &Registry {
        self.world.board.registry()
    }

    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.world.clock.now()
    }

    pub(crate) fn jitter(&self) -> Jitter {
        Jitter::of(self.world.seed, self.id())
    }

    /// Waits after trouble, and is woken early by a stop or a poke. The status shows until when.
    pub(crate) async fn pause(&self, wait: Duration) -> Pause {
        let poked = self.poke.notified();
        // Told between the refusal and here.
        if self.status.state() == State::AuthFailed && self.client.login_pause().is_none() {
            return Pause::Over;
        }
        let woken = tokio::select! {
            biased;
            () = poked => Pause::Over,
            () = self.status.told_to_try() => Pause::Over,
            rested = self.rest(wait) => rested,
        };
        self.status.next_try(None);
        woken
    }

    /// Waits until logins are tried again before their pause is over: somebody gave another password, or asked for it.
    pub(crate) async fn login_is_free(&self) {
        let poked = self.poke.notified();
        if self.client.login_pause().is_some() {
            poked.await;
        }
    }

    /// Waits between healthy polls: only a stop ends it early. A poke is for those in trouble; if it woke the others, each
    /// reload would make the whole fleet poll at once, and ever after.
    pub(crate) async fn rest(&self, wait: Duration) -> Pause {
        self.status.next_try(Some(self.now() + wait));
        let woken = tokio::select! {
            biased;
            () = self.stop.cancelled() => Pause::Stopped,
            () = tokio::time::sleep(wait) => Pause::Over,
        };
        self.status.next_try(None);
        woken
    }

    /// Waits until the journal takes writes again.
    pub(crate) async fn pause_for_journal(&self) -> Pause {
        let mut writable = self.world.journal.writable();
        self.status.enter(State::Backoff, Some("the journal takes no records".to_owned()), self.now());
        let again = tokio::select! {
            biased;
            () = self.stop.cancelled() => return Pause::Stopped,
            again = writable.wait_for(|writable| *writable) => again.is_ok(),
        };
        if again {
            return Pause::Over;
        }
        // The journal was closed: nothing can be stored any more.
        self.stop.cancelled().await;
        Pause::Stopped
    }

    /// Tells that the endpoint failed, once when it goes down, and says what follows.
    pub(crate) fn failed(&self, error: &RequestError) -> Recovery {
        let text = chain(error);
        let reason = error.reason();
        self.status.failed(reason, text.clone(), self.now());
        let follows = recovery(error);
        let state = match follows {
            Recovery::BackOff(_) => State::Backoff,
            Recovery::WaitForCredentials(_) => State::AuthFailed,
        };
        self.status.opens_circuit(state == State::Backoff);
        let refuses_key = self.refuses_key(error, &text);
        let word = if refuses_key { "key_changed" } else { reason.as_str() };
        let before = self.status.enter(state, Some(word.to_owned()), self.now());
        tracing::debug!(endpoint = %self.id(), error = text, "request failed");
        if refuses_key {
            // That it is down goes without saying, but not that it is up again.
            self.status.goes_down();
            return follows;
        }
        if before != state {
            match follows {
                Recovery::WaitForCredentials(_) if self.status.gets_refused() => {
                    self.world.announcer.refused(self.id(), &text);
                }
                Recovery::BackOff(_) if self.status.goes_down() => {
                    self.world.announcer.down(self.id(), &text);
                }
                Recovery::WaitForCredentials(_) | Recovery::BackOff(_) => {}
            }
        }
        follows
    }

    /// Whether another key was shown than the one that was learned; each such key is told once.
    fn refuses_key(&self, error: &RequestError, text: &str) -> bool {
        let key = error.other_key().filter(|_| self.client.learns_key());
        if key.is_some() && self.status.refuses_key(key) {
            self.world.announcer.key_changed(self.id(), text);
        }
        key.is_some()
    }

    /// Tells that one resource could not be read; the endpoint itself is well.
    pub(crate) fn failed_partly(&self, error: &RequestError) {
        let text = chain(error);
        self.refuses_key(error, &text);
        tracing::debug!(endpoint = %self.id(), error = text, "resource could not be read");
        self.status.failed(error.reason(), text, self.now());
    }

    /// Tells that something may be missing, now that the record of it is durable.
    pub(crate) fn gap(&self, log: &str, gap: &Notice) {
        self.status.gap(gap.reason);
        self.world.announcer.gap(self.id(), log, gap.reason);
    }

    /// Tells that the endpoint is well and what it is doing; once, if it was told to be down.
    pub(crate) fn well(&self, state: State, reason: Option<String>) {
        self.status.answered(self.now());
        self.status.refuses_key(None);
        if let Some(peer) = self.client.peer() {
            self.status.met(peer);
        }
        self.status.enter(state, reason, self.now());
        if self.status.comes_up() {
            self.world.announcer.up(self.id(), state.as_str());
        }
    }

    /// Whether these failures mean that the BMC was not there at all, so that an answer now is evidence of a change.
    pub(crate) fn means_unreachable(reason: FailureReason) -> bool {
        match reason {
            FailureReason::Dns | FailureReason::Connect | FailureReason::Tls | FailureReason::Timeout => true,
            FailureReason::Auth
            | FailureReason::Forbidden
            | FailureReason::ClientError
            | FailureReason::ServerError
            | FailureReason::Protocol
            | FailureReason::TooLarge => false,
        }
    }
}

/// How a pause ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pause {
    /// Go on.
    Over,
    /// The collector shall end.
    Stopped,
}

/// An error with its causes on one line. A cause that its parent repeats word for word is left out.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let own = error.to_string();
        if !text.ends_with(&own) {
            write!(text, ": {own}").expect("a String takes every write");
        }
        cause = error.source();
    }
    text
}
