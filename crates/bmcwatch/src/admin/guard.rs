//! Who may ask what: every request passes here before it is answered. Probes pass always; they tell nothing but that the
//! program lives, and a probe that is refused gets a healthy pod killed.
//!
//! Not here: connections and handshakes (`server`), what is answered (`admin`).

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Extension,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use tokio::time::Instant;
use tracing::{debug, warn};

use super::{
    browser::{Hosts, is_cross_site},
    cors::Cors,
    login::{Login, Logins},
    problem::Problem,
    window::{Limit, Windows},
};
use crate::{
    config::AdminConfig,
    metrics::{Refusals, Refused},
};

/// No request to us needs a body, and none is read.
const BODY_BYTES_MAX: u64 = 64 << 10;
/// Fifty a second, for a minute: what two Prometheus, probes and scripts of operators behind one address never need.
const REQUESTS: Limit = Limit { times: 3000, window: Duration::from_mins(1) };
/// Wrong passwords of one client: room for typing errors, 2880 guesses a day for others.
const WRONG_LOGINS: Limit = Limit { times: 10, window: Duration::from_mins(5) };
/// Warnings about wrong logins: whoever guesses from many addresses must not fill our log. Further ones are `debug`.
const WARNINGS: Limit = Limit { times: 5, window: Duration::from_mins(1) };
/// What probes ask. They carry no login, and Kubernetes calls a pod by its address.
const PROBES: [&str; 4] = ["/livez", "/readyz", "/-/healthy", "/-/ready"];

/// The other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    /// Whether the handshake verified a certificate of the client.
    pub(super) certified: bool,
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Body,
    Rate(Duration),
    Host,
    CrossSite,
    Certificate,
    Login,
    LoginRate(Duration),
    Busy,
    Remote,
}

/// The rules of one listener, and what it remembers of its clients.
pub(super) struct Guard {
    /// `None` where a browser cannot be led to us by a name: TLS checks it, or a password is needed that only pages of
    /// our own get from the browser.
    hosts: Option<Hosts>,
    /// Whose browser asks beforehand gets an answer without a login: it sends none.
    cors: Arc<Cors>,
    needs_certificate: bool,
    logins: Option<Logins>,
    /// All are held for one look, never across a wait.
    requests: Mutex<Windows>,
    wrong_logins: Mutex<Windows>,
    /// Of everybody together.
    warnings: Mutex<Windows>,
    refusals: Refusals,
}

impl Guard {
    pub(super) fn new(config: &AdminConfig, cors: Arc<Cors>, refusals: Refusals) -> Self {
        let users = &config.basic_auth_users;
        let logins = (!users.is_empty()).then(|| Logins::new(users.clone()));
        let by_name = config.tls.is_none() && logins.is_none();
        Self {
            hosts: by_name.then(|| Hosts::new(&config.allowed_hosts)),
            cors,
            needs_certificate: config.tls.as_ref().is_some_and(|tls| tls.client_ca_file.is_some()),
            logins,
            requests: Mutex::new(Windows::new(REQUESTS)),
            wrong_logins: Mutex::new(Windows::new(WRONG_LOGINS)),
            warnings: Mutex::new(Windows::new(WARNINGS)),
            refusals,
        }
    }

    async fn admit(&self, peer: Peer, head: &Parts) -> Result<(), Refusal> {
        if announced_body(&head.headers) > BODY_BYTES_MAX {
            return Err(Refusal::Body);
        }
        if PROBES.contains(&head.uri.path()) {
            return Ok(());
        }
        take(&self.requests, peer.address.ip()).map_err(Refusal::Rate)?;
        if self.hosts.as_ref().is_some_and(|hosts| !hosts.include(&head.headers)) {
            return Err(Refusal::Host);
        }
        if self.cors.is_granted_preflight(head) {
            return Ok(());
        }
        let changes = !matches!(head.method, Method::GET | Method::HEAD);
        if changes && is_cross_site(&head.headers) {
            return Err(Refusal::CrossSite);
        }
        if self.needs_certificate && !peer.certified {
            return Err(Refusal::Certificate);
        }
        match &self.logins {
            Some(logins) => self.log_in(logins, peer, &head.headers).await,
            None if changes && !self.needs_certificate && !is_local(peer) => Err(Refusal::Remote),
            None => Ok(()),
        }
    }

    async fn log_in(&self, logins: &Logins, peer: Peer, headers: &HeaderMap) -> Result<(), Refusal> {
        let login = Login::of(headers).ok_or(Refusal::Login)?;
        // Not counted and not limited, so that others behind the same address cannot lock out who is known.
        if logins.knows(&login) {
            return Ok(());
        }
        // Counted before it is checked: many at once are not checked before the first has failed.
        take(&self.wrong_logins, peer.address.ip()).map_err(Refusal::LoginRate)?;
        let verified = logins.verify(login).await;
        if !matches!(verified, Ok(false)) {
            let mut windows = self.wrong_logins.lock().unwrap_or_else(PoisonError::into_inner);
            windows.give_back(peer.address.ip().into());
        }
        match verified {
            Ok(true) => Ok(()),
            Ok(false) => {
                if take(&self.warnings, Ipv4Addr::UNSPECIFIED.into()).is_ok() {
                    warn!(client = %peer.address.ip(), "a wrong login at the admin listener");
                }
                Err(Refusal::Login)
            }
            Err(super::login::Busy) => Err(Refusal::Busy),
        }
    }
}

fn take(windows: &Mutex<Windows>, client: IpAddr) -> Result<(), Duration> {
    let mut windows = windows.lock().unwrap_or_else(PoisonError::into_inner);
    windows.take(client.into(), Instant::now())
}

/// Passes a request on, or answers why not.
pub(super) async fn pass(
    State(guard): State<Arc<Guard>>,
    Extension(peer): Extension<Peer>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    match guard.admit(peer, &head).await {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err(refusal) => {
            guard.refusals.count(refusal.counted());
            debug!(client = %peer.address, reason = ?refusal, "an admin request is refused");
            refusal.into_response()
        }
    }
}

/// The size that a request says its body has; a body without one is not read, and ends its connection.
fn announced_body(headers: &HeaderMap) -> u64 {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    length.and_then(|length| length.parse().ok()).unwrap_or(0)
}

fn is_local(peer: Peer) -> bool {
    peer.address.ip().to_canonical().is_loopback()
}

impl Refusal {
    fn counted(self) -> Refused {
        match self {
            Self::Body => Refused::Body,
            Self::Rate(_) => Refused::Rate,
            Self::Host => Refused::Host,
            Self::CrossSite => Refused::CrossSite,
            Self::Certificate => Refused::Certificate,
            Self::Login => Refused::Login,
            Self::LoginRate(_) => Refused::LoginRate,
            Self::Busy => Refused::Busy,
            Self::Remote => Refused::Remote,
        }
    }

    fn says(self) -> (StatusCode, &'static str) {
        match self {
            Self::Body => (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large; no request here needs one"),
            Self::Rate(_) => (StatusCode::TOO_MANY_REQUESTS, "too many requests from this address"),
            Self::Host => (
                StatusCode::FORBIDDEN,
                "the Host of the request is neither an IP address nor localhost; admin.allowed_hosts adds names",
            ),
            Self::CrossSite => (StatusCode::FORBIDDEN, "a page of another origin may not ask for this"),
            Self::Certificate => (StatusCode::FORBIDDEN, "a client certificate is needed"),
            Self::Login => (StatusCode::UNAUTHORIZED, "a login is needed"),
            Self::LoginRate(_) => (StatusCode::TOO_MANY_REQUESTS, "too many wrong logins from this address"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "too many logins are being checked"),
            Self::Remote => (
                StatusCode::FORBIDDEN,
                "without a login, this may be asked only from the machine itself; admin.basic_auth_users adds logins",
            ),
        }
    }

    fn headers(self) -> HeaderMap {
        match self {
            Self::Login => {
                let challenge = HeaderValue::from_static("Basic realm=\"bmcwatch\", charset=\"UTF-8\"");
                HeaderMap::from_iter([(header::WWW_AUTHENTICATE, challenge)])
            }
            Self::Rate(wait) | Self::LoginRate(wait) => {
                // A whole second more at most; never less than it takes.
                let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
                HeaderMap::from_iter([(header::RETRY_AFTER, seconds.into())])
            }
            // The body that nobody reads is on its way.
            Self::Body => HeaderMap::from_iter([(header::CONNECTION, HeaderValue::from_static("close"))]),
            Self::Host | Self::CrossSite | Self::Certificate | Self::Busy | Self::Remote => HeaderMap::new(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, text) = self.says();
        (self.headers(), Problem::new(status, text)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use crate::{config::TlsConfig, metrics::Metrics};

    use super::*;

    async fn check(
        config: &AdminConfig,
        address: &str,
        method: &str,
        certified: bool,
    ) -> Result<(), Refusal> {
        let cors = Arc::new(Cors::new(&config.cors_origins));
        let guard = Guard::new(config, cors, Metrics::new("test").unwrap().refusals());
        let peer = Peer { address: SocketAddr::new(address.parse().unwrap(), 40_000), certified };
        let (head, ()) = Request::builder().method(method).uri("/-/reload").body(()).unwrap().into_parts();
        guard.admit(peer, &head).await
    }

    #[tokio::test]
    async fn without_a_login_only_the_machine_itself_changes_something() {
        let open = AdminConfig::default();
        for (address, method, outcome) in [
            ("127.0.0.1", "POST", Ok(())),
            ("::1", "PUT", Ok(())),
            ("::ffff:127.0.0.1", "POST", Ok(())),
            ("192.0.2.1", "POST", Err(Refusal::Remote)),
            ("2001:db8::1", "PUT", Err(Refusal::Remote)),
            ("192.0.2.1", "GET", Ok(())),
        ] {
            assert_eq!(check(&open, address, method, false).await, outcome, "{method} from {address}");
        }
        let pem = |name: &str| name.into();
        let tls = TlsConfig { cert_file: pem("c"), key_file: pem("k"), client_ca_file: Some(pem("a")) };
        let clients = AdminConfig { tls: Some(tls.clone()), ..AdminConfig::default() };
        assert_eq!(check(&clients, "192.0.2.1", "POST", true).await, Ok(()));
        assert_eq!(check(&clients, "127.0.0.1", "POST", false).await, Err(Refusal::Certificate));
        // TLS by itself says nothing about who asks.
        let tls =
            AdminConfig { tls: Some(TlsConfig { client_ca_file: None, ..tls }), ..AdminConfig::default() };
        assert_eq!(check(&tls, "192.0.2.1", "POST", false).await, Err(Refusal::Remote));
    }
}
