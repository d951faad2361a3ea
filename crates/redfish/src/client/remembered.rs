//! What a client remembers over restarts: the paths of its sessions, so that they can be deleted, and logins that were not
//! accepted, so that a new life does not begin to try anew.
//!
//! No token stands in the note: it would be a secret on disk that opens the BMC for as long as its session lives. Of the
//! credentials it has 12 bits of a hash, and those only while they are in doubt: enough to see that they were changed (but
//! for one in 4096), and too few to find them. There is no salt per endpoint on purpose: endpoints that share a password
//! tell the same 12 bits, not 12 more each. See `docs/adr/0011-what-a-login-leaves-in-the-journal.md`.

use chrono::{DateTime, TimeDelta, Utc};
use model::Uid;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Client, exchange::Ask};
use crate::{
    AuthMode, BoxError, Login, RequestError, RequestErrorKind,
    auth::AuthState,
    login_tries::{Ended, Outcome, PAUSE, Try},
};

/// The note.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Remembered {
    /// Paths of sessions of ours that may live.
    sessions: Vec<String>,
    /// Logins that were not accepted: when, in milliseconds since 1970, and whether that is known.
    tries: Vec<(i64, bool)>,
    /// Which credentials those were made with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    credentials: Option<u16>,
}

impl Remembered {
    fn of(auth: &AuthState, credentials: Option<u16>, now: (Instant, DateTime<Utc>)) -> Self {
        let at = |tried: &Try| now.1.timestamp_millis() - millis(now.0.duration_since(tried.at));
        let tries: Vec<_> =
            auth.tries.iter().map(|tried| (at(tried), tried.outcome == Outcome::Refused)).collect();
        Self {
            sessions: auth.our_sessions().map(str::to_owned).collect(),
            credentials: credentials.filter(|_| !tries.is_empty()),
            tries,
        }
    }

    /// Tries with these credentials. What lies in the future, or longer ago than matters, is moved to where it matters.
    fn tries(&self, credentials: Option<u16>, now: (Instant, DateTime<Utc>)) -> impl Iterator<Item = Try> {
        let same = self.credentials == credentials;
        self.tries.iter().filter(move |_| same).map(move |(at, refused)| {
            let age = TimeDelta::milliseconds(now.1.timestamp_millis().saturating_sub(*at));
            let age = age.to_std().unwrap_or_default().min(PAUSE);
            let outcome = if *refused { Outcome::Refused } else { Outcome::Unknown };
            Try { at: now.0.checked_sub(age).unwrap_or(now.0), outcome }
        })
    }
}

fn millis(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// Twelve bits that differ when the credentials do, mostly.
fn fingerprint(login: &Login) -> u16 {
    let parts = [b"login".as_slice(), login.username.as_bytes(), login.password.expose().as_bytes()];
    let [first, second, ..] = Uid::derive(parts).to_bytes();
    u16::from_le_bytes([first, second]) & 0x0fff
}

impl Client {
    /// Takes over what an earlier life has kept; once. The caller has the turn.
    pub(super) async fn recall(&self, ask: &Ask) -> Result<(), RequestError> {
        let wanted = {
            let auth = self.auth();
            auth.mode() != AuthMode::None && !auth.recalled
        };
        let Some(memory) = self.memory.as_ref().filter(|_| wanted) else { return Ok(()) };
        let note = memory.load().await.map_err(|error| ask.error(RequestErrorKind::Memory(error)))?;
        // A note that we cannot read is of a version to come, or none.
        let note: Remembered = note.and_then(|note| serde_json::from_slice(&note).ok()).unwrap_or_default();
        let mut auth = self.auth();
        auth.recalled = true;
        auth.tries.restore(note.tries(self.credentials(), self.times()));
        note.sessions.into_iter().for_each(|path| auth.leave_behind(path));
        Ok(())
    }

    /// A login is about to be tried: noted first, so that a life that ends now has counted it.
    pub(super) async fn begin_try(&self, ask: &Ask) -> Result<(), RequestError> {
        self.auth().tries.begin(Instant::now());
        self.remember().await.map_err(|error| {
            self.auth().tries.end(Ended::Otherwise);
            ask.error(RequestErrorKind::Memory(error))
        })
    }

    /// That login has ended.
    pub(super) async fn end_try(&self, ended: Ended) {
        {
            let mut auth = self.auth();
            auth.tries.end(ended);
            if ended == Ended::Refused {
                auth.doubted();
            }
        }
        self.note_down().await;
    }

    /// What had been accepted was refused: no try of ours, but as good as one.
    pub(super) async fn refused_anew(&self) {
        {
            let mut auth = self.auth();
            auth.tries.refused(Instant::now());
            auth.doubted();
        }
        self.note_down().await;
    }

    /// Keeps the note, best effort: where that fails an older one stands, which has more doubts and not fewer.
    pub(super) async fn note_down(&self) {
        drop(self.remember().await);
    }

    async fn remember(&self) -> Result<(), BoxError> {
        let Some(memory) = &self.memory else { return Ok(()) };
        let note = Remembered::of(&self.auth(), self.credentials(), self.times());
        let note = serde_json::to_vec(&note).expect("texts and numbers can be written");
        memory.keep(note).await
    }

    fn credentials(&self) -> Option<u16> {
        self.login().as_ref().map(fingerprint)
    }

    fn times(&self) -> (Instant, DateTime<Utc>) {
        (Instant::now(), self.clock.now())
    }
}
