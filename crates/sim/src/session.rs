//! Sessions of a BMC: tokens, their expiry, their limit. Passwords are compared here and nowhere else.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::{Rng, distr::Alphanumeric, rngs::SmallRng};
use tokio::time::Instant;

/// bmcweb's tokens have this many characters.
const TOKEN_LENGTH: usize = 20;

pub(crate) struct Sessions {
    open: BTreeMap<String, Session>,
    timeout: Duration,
    max: usize,
}

struct Session {
    token: String,
    used: Instant,
}

/// A session just made.
pub(crate) struct Made {
    pub(crate) id: String,
    pub(crate) token: String,
}

impl Sessions {
    pub(crate) fn new(timeout: Duration, max: usize) -> Self {
        Self { open: BTreeMap::new(), timeout, max }
    }

    /// Makes a session, or none when all places are taken.
    pub(crate) fn make(&mut self, rng: &mut SmallRng, now: Instant) -> Option<Made> {
        self.expire(now);
        if self.open.len() >= self.max {
            return None;
        }
        let id: String = rng.sample_iter(Alphanumeric).take(10).map(char::from).collect();
        let token: String = rng.sample_iter(Alphanumeric).take(TOKEN_LENGTH).map(char::from).collect();
        self.open.insert(id.clone(), Session { token: token.clone(), used: now });
        Some(Made { id, token })
    }

    /// Whether the token belongs to a session; using it keeps the session alive.
    pub(crate) fn accepts(&mut self, token: &str, now: Instant) -> bool {
        self.expire(now);
        match self.open.values_mut().find(|session| session.token == token) {
            Some(session) => {
                session.used = now;
                true
            }
            None => false,
        }
    }

    pub(crate) fn has(&self, id: &str) -> bool {
        self.open.contains_key(id)
    }

    pub(crate) fn end(&mut self, id: &str) {
        self.open.remove(id);
    }

    pub(crate) fn end_all(&mut self) {
        self.open.clear();
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.open.keys().map(String::as_str)
    }

    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.open.values().map(|session| session.token.as_str())
    }

    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }

    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    fn expire(&mut self, now: Instant) {
        let timeout = self.timeout;
        self.open.retain(|_, session| now.duration_since(session.used) <= timeout);
    }
}

/// User and password of a `Basic` header.
pub(crate) fn basic(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = text.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}
