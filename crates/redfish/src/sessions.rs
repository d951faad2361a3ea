//! TLS sessions to be resumed: the last ones of each server. Resumed, a handshake costs the BMC no signature and us none to
//! check.
//!
//! rustls' own store makes room for eight tickets of each server, 2 KiB, and fills it as connections come and go, so that the
//! memory of a large fleet grows for hours. Two are enough, for the stream and for requests, or for a second try: who resumes a
//! session is sent new ones, as a rule.

use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use rustls::{
    NamedGroup,
    client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue},
    pki_types::ServerName,
};

/// Tickets of TLS 1.3 of one server.
const TICKETS_MAX: usize = 2;

/// Sessions of so many servers at most. Beyond that one goes for each that comes, whichever: it costs a whole handshake.
pub(crate) struct Sessions {
    servers_max: usize,
    /// Held for one look, never across an await. Boxed, since a table has room for twice as many as it holds.
    servers: Mutex<HashMap<ServerName<'static>, Box<Session>>>,
}

/// What is known of one server.
#[derive(Default)]
struct Session {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    /// Tickets, each of which serves once; the newest last.
    tls13: Vec<Tls13ClientSessionValue>,
}

impl Sessions {
    pub(crate) fn new(servers_max: usize) -> Self {
        Self { servers_max: servers_max.max(1), servers: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<ServerName<'static>, Box<Session>>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn edit(&self, server: ServerName<'static>, edit: impl FnOnce(&mut Session)) {
        let mut servers = self.lock();
        let is_full = servers.len() >= self.servers_max && !servers.contains_key(&server);
        if is_full && let Some(other) = servers.keys().next().cloned() {
            servers.remove(&other);
        }
        edit(servers.entry(server).or_default());
    }
}

impl fmt::Debug for Sessions {
    /// Their secrets are nobody's business.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("servers", &self.lock().len()).finish_non_exhaustive()
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, server: ServerName<'static>, group: NamedGroup) {
        self.edit(server, |session| session.group = Some(group));
    }

    fn kx_hint(&self, server: &ServerName<'_>) -> Option<NamedGroup> {
        self.lock().get(server)?.group
    }

    fn set_tls12_session(&self, server: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.edit(server, |session| session.tls12 = Some(value));
    }

    fn tls12_session(&self, server: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.lock().get(server)?.tls12.clone()
    }

    fn remove_tls12_session(&self, server: &ServerName<'static>) {
        if let Some(session) = self.lock().get_mut(server) {
            session.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, server: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.edit(server, |session| {
            if session.tls13.len() == TICKETS_MAX {
                session.tls13.remove(0);
            }
            session.tls13.reserve_exact(TICKETS_MAX - session.tls13.len());
            session.tls13.push(value);
        });
    }

    fn take_tls13_ticket(&self, server: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.lock().get_mut(server)?.tls13.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_too_many_takes_the_place_of_another() {
        let sessions = Sessions::new(2);
        let names = ["a", "b", "c", "c"].map(|name| ServerName::try_from(name).unwrap());
        for name in &names {
            sessions.set_kx_hint(name.clone(), NamedGroup::X25519);
        }
        let known = names[..3].iter().filter(|name| sessions.kx_hint(name).is_some()).count();
        assert_eq!((known, sessions.kx_hint(&names[2])), (2, Some(NamedGroup::X25519)));
    }
}
