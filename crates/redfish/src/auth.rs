//! How we prove who we are: a Redfish session where the BMC gives one, Basic where it refuses, and the rule that
//! keeps an account from being locked.
//!
//! Here is the state, which decides without the network; `client/login` does what it says.

use std::time::Duration;

use http::HeaderValue;
use model::Secret;
use tokio::time::Instant;

use crate::metrics::InFlight;

/// Refusals in a row after which no login is tried. AMI locks an account at five tries in 30 s; some sites set three.
const REFUSALS_MAX: u32 = 2;
/// How long no login is tried then.
const PAUSE: Duration = Duration::from_hours(1);
/// How long Basic is used in mode `auto` before a session is tried again: the reason may have been a passing one.
const BASIC_FOR: Duration = Duration::from_hours(1);

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
}

/// What we know about proving ourselves to one BMC.
pub(crate) struct AuthState {
    mode: AuthMode,
    session: Option<Session>,
    basic_until: Option<Instant>,
    refusals: u32,
    paused_until: Option<Instant>,
    /// The path of the Sessions collection, once the service root was read.
    pub(crate) sessions: Option<String>,
}

impl AuthState {
    pub(crate) fn new(mode: AuthMode) -> Self {
        Self { mode, session: None, basic_until: None, refusals: 0, paused_until: None, sessions: None }
    }

    pub(crate) fn mode(&self) -> AuthMode {
        self.mode
    }

    /// What the next request needs.
    pub(crate) fn next(&mut self, now: Instant) -> Next {
        if self.mode == AuthMode::None {
            return Next::Send(Proof::None);
        }
        match self.paused_until {
            Some(until) if now < until => return Next::Paused(until - now),
            Some(_) => {
                // The hour is over: one try, and if that is refused the next hour begins.
                self.paused_until = None;
                self.refusals = REFUSALS_MAX - 1;
            }
            None => {}
        }
        if let Some(session) = &self.session {
            return Next::Send(Proof::Token(session.token.clone()));
        }
        let basic = self.mode == AuthMode::Basic || self.basic_until.is_some_and(|until| now < until);
        if basic { Next::Send(Proof::Basic) } else { Next::LogIn }
    }

    /// A session was given.
    pub(crate) fn logged_in(&mut self, session: Session) {
        self.basic_until = None;
        self.session = Some(session);
    }

    /// No session is to be had: Basic for the next hour.
    pub(crate) fn use_basic(&mut self, now: Instant) {
        self.basic_until = Some(now + BASIC_FOR);
    }

    /// An answer showed that our proof is good.
    pub(crate) fn accepted(&mut self) {
        self.refusals = 0;
    }

    /// The credentials (not the connection) were refused.
    pub(crate) fn refused(&mut self, now: Instant) {
        self.refusals += 1;
        if self.refusals >= REFUSALS_MAX {
            self.paused_until = Some(now + PAUSE);
        }
    }

    /// How long no login will be tried.
    pub(crate) fn pause(&self, now: Instant) -> Option<Duration> {
        self.paused_until.map(|until| until.duration_since(now)).filter(|left| !left.is_zero())
    }

    /// Gives the session up: it expired, or is about to be deleted.
    pub(crate) fn take_session(&mut self) -> Option<Session> {
        self.session.take()
    }

    /// Forgets refusals and fallbacks.
    pub(crate) fn retry(&mut self) {
        self.refusals = 0;
        self.paused_until = None;
        self.basic_until = None;
    }
}
