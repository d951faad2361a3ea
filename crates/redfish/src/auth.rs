//! How we prove who we are: a Redfish session where the BMC gives one, Basic where it refuses, and waiting where the BMC
//! asks for that or the account could be locked.
//!
//! Here is the state, which decides without the network; `client/login` does what it says, and `login_tries` knows when a
//! login may be tried.

use std::time::Duration;

use http::HeaderValue;
use model::Secret;
use tokio::time::Instant;

use crate::{Proving, login_tries::Tries, metrics::InFlight};

/// How long Basic is used in mode `auto` before a session is tried again: the reason may have been a passing one.
const BASIC_FOR: Duration = Duration::from_hours(1);

/// Sessions of ours that may live on at the BMC, though nobody holds them: more than one is left only when deleting failed.
const LEFT_BEHIND_MAX: usize = 4;

/// What the operator asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub enum AuthMode {
    /// A session; Basic when the BMC has no session service or refuses to give a session.
    #[default]
    Auto,
    /// A session only.
    Session,
    /// Basic with each request.
    Basic,
    /// No credentials.
    None,
}

/// User name and password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// A session that the BMC gave us.
pub(crate) struct Session {
    /// `X-Auth-Token`, marked sensitive.
    pub(crate) token: HeaderValue,
    /// The path to delete it at.
    pub(crate) location: Option<String>,
    /// Counts it while it is held.
    pub(crate) _held: InFlight,
}

/// What a request carries as proof.
#[derive(Clone)]
pub(crate) enum Proof {
    None,
    Basic,
    Token(HeaderValue),
}

/// What to do before a request that needs proof.
pub(crate) enum Next {
    Send(Proof),
    LogIn,
    Paused(Duration),
    /// The BMC gives no session for so long, and said so with this status.
    Full(Duration, u16),
}

/// What we know about proving ourselves to one BMC.
pub(crate) struct AuthState {
    mode: AuthMode,
    session: Option<Session>,
    basic_until: Option<Instant>,
    /// The credentials were accepted by now.
    proven: bool,
    /// No login before this, as the BMC asked with this status.
    full_until: Option<(Instant, u16)>,
    pub(crate) tries: Tries,
    /// Paths of sessions of ours that nobody holds, oldest first.
    left_behind: Vec<String>,
    /// What was kept of an earlier life is taken over.
    pub(crate) recalled: bool,
    /// The path of the Sessions collection, once the service root was read.
    pub(crate) sessions: Option<String>,
}

impl AuthState {
    pub(crate) fn new(mode: AuthMode) -> Self {
        Self {
            mode,
            session: None,
            basic_until: None,
            proven: false,
            full_until: None,
            tries: Tries::default(),
            left_behind: Vec::new(),
            recalled: false,
            sessions: None,
        }
    }

    pub(crate) fn mode(&self) -> AuthMode {
        self.mode
    }

    /// What the next request needs.
    pub(crate) fn next(&self, now: Instant) -> Next {
        if self.mode == AuthMode::None {
            return Next::Send(Proof::None);
        }
        if let Err(left) = self.tries.may(now) {
            return Next::Paused(left);
        }
        if let Some(session) = &self.session {
            return Next::Send(Proof::Token(session.token.clone()));
        }
        let basic = self.mode == AuthMode::Basic || self.basic_until.is_some_and(|until| now < until);
        match (basic, self.full_until) {
            (true, _) => Next::Send(Proof::Basic),
            (false, Some((until, status))) if now < until => Next::Full(until - now, status),
            (false, _) => Next::LogIn,
        }
    }

    /// How the next request would prove who we are, if it were sent now.
    pub(crate) fn proving(&self, now: Instant) -> Proving {
        if self.session.is_some() {
            Proving::Session
        } else if self.mode == AuthMode::Basic || self.basic_until.is_some_and(|until| now < until) {
            Proving::Basic
        } else {
            Proving::Nothing
        }
    }

    /// A session was given.
    pub(crate) fn logged_in(&mut self, session: Session) {
        self.basic_until = None;
        self.full_until = None;
        self.proven = true;
        self.session = Some(session);
    }

    /// No session is to be had: Basic for the next hour.
    pub(crate) fn use_basic(&mut self, now: Instant) {
        self.basic_until = Some(now + BASIC_FOR);
    }

    /// No session is to be had for so long: wait.
    pub(crate) fn wait_with_logins(&mut self, until: Instant, status: u16) {
        self.full_until = Some((until, status));
    }

    /// An answer showed that our proof is good. True when that puts an end to doubts.
    pub(crate) fn accepted(&mut self) -> bool {
        self.proven = true;
        self.tries.accepted()
    }

    /// Whether the credentials were accepted, and not refused since.
    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    /// The credentials (not the connection) were refused.
    pub(crate) fn doubted(&mut self) {
        self.proven = false;
    }

    /// How long no login will be tried.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        self.tries.may(now).err()
    }

    /// Gives the session up: it expired, or is about to be deleted.
    pub(crate) fn take_session(&mut self) -> Option<Session> {
        self.session.take()
    }

    /// A session of ours may live on at this path.
    pub(crate) fn leave_behind(&mut self, path: String) {
        self.left_behind.retain(|other| *other != path);
        if self.left_behind.len() == LEFT_BEHIND_MAX {
            self.left_behind.remove(0);
        }
        self.left_behind.push(path);
    }

    /// Nothing is at this path any more, or nothing of ours.
    pub(crate) fn gone(&mut self, path: &str) {
        self.left_behind.retain(|other| other != path);
    }

    /// The sessions that are to be ended with this proof, if it is known to be good. The one that we hold is not among them:
    /// some BMCs give the same path again.
    pub(crate) fn left_behind(&mut self, proof: &Proof) -> Vec<String> {
        if let Some(held) = self.held().map(str::to_owned) {
            self.gone(&held);
        }
        let good = match proof {
            Proof::None => false,
            Proof::Basic => self.proven,
            Proof::Token(_) => true,
        };
        if good { self.left_behind.clone() } else { Vec::new() }
    }

    fn held(&self) -> Option<&str> {
        self.session.as_ref()?.location.as_deref()
    }

    /// Paths of all sessions of ours at the BMC.
    pub(crate) fn our_sessions(&self) -> impl Iterator<Item = &str> {
        self.left_behind.iter().map(String::as_str).chain(self.held())
    }

    /// Other credentials: what was refused were those before.
    pub(crate) fn changed(&mut self) {
        self.tries = Tries::default();
        self.proven = false;
    }

    /// Somebody says that the credentials are right now: one more login may be tried.
    pub(crate) fn retry(&mut self) {
        self.tries.grant();
    }
}
