//! Logging in and out, and requests that carry proof. What to do when is decided by [`crate::auth::AuthState`].

use std::time::Duration;

use http::{
    HeaderMap, HeaderValue, Method, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use tokio::time::{Instant, timeout};

use super::{
    Client, disclosure,
    exchange::{Answer, Ask, Head, JSON, Via, X_AUTH_TOKEN},
};
use crate::{
    AuthMode, Login, Operation, RequestError, RequestErrorKind, ServiceRoot,
    auth::{Next, Proof, Session},
    json,
    metrics::SessionResult,
};

const ROOT: &str = "/redfish/v1/";
/// Where sessions are when the service root does not say.
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
/// Shutdown waits for this; the BMC ends an idle session by itself.
const LOGOUT_DEADLINE: Duration = Duration::from_secs(3);

impl Client {
    /// Reads the service root without credentials, with them when the BMC answers 401.
    pub(super) async fn read_root(&self) -> Result<ServiceRoot, RequestError> {
        let ask = Ask::get(Operation::Root, ROOT.to_owned());
        let _turn = self.turn().await;
        let mut head = self.follow(Via::Requests, &ask, &Proof::None).await?;
        if head.response.status() == StatusCode::UNAUTHORIZED && self.auth().mode() != AuthMode::None {
            self.count_head(&ask, &head);
            head = self.authorised(Via::Requests, &ask).await?;
        }
        let answer = self.finish(&ask, head).await?;
        let answer = self.succeeded(&ask, answer)?;
        let document = json::object(&answer.body).map_err(|why| ask.error(answer.not_json(&why)))?;
        let root = ServiceRoot::decode(&document);
        self.remember_sessions(&root);
        self.remember_registries(&root);
        Ok(root)
    }

    /// Sends with proof; a token that is refused is renewed once. The caller has the turn.
    pub(super) async fn authorised(&self, via: Via, ask: &Ask) -> Result<Head, RequestError> {
        let proof = self.proof(ask).await?;
        let mut head = self.follow(via, ask, &proof).await?;
        if head.response.status() == StatusCode::UNAUTHORIZED && matches!(proof, Proof::Token(_)) {
            // Sessions end by themselves (T67), and with each restart of the BMC.
            self.count_head(ask, &head);
            let old = self.auth().take_session();
            let renewed = self.proof(ask).await?;
            head = self.follow(via, ask, &renewed).await?;
            if head.response.status() == StatusCode::UNAUTHORIZED
                && let Some(old) = old
            {
                // Not the session was at fault: the old one lives on, and BMCs have few.
                self.delete(old).await;
            }
        }
        match (head.response.status(), &proof) {
            (_, Proof::None) => {}
            (StatusCode::UNAUTHORIZED, _) => {
                self.count_head(ask, &head);
                self.auth().refused(Instant::now());
                return Err(ask.error(RequestErrorKind::LoginRefused));
            }
            (status, _) if status.is_success() => self.auth().accepted(),
            _ => {}
        }
        Ok(head)
    }

    async fn proof(&self, ask: &Ask) -> Result<Proof, RequestError> {
        let next = self.auth().next(Instant::now());
        match next {
            Next::Send(proof) => Ok(proof),
            Next::Paused(rest) => Err(ask.error(RequestErrorKind::LoginPaused(rest))),
            Next::LogIn => self.log_in().await,
        }
    }

    async fn log_in(&self) -> Result<Proof, RequestError> {
        let path = self.sessions_path().await?;
        // Taken at the last moment: it may have changed meanwhile.
        let Some(login) = self.login() else { return Ok(Proof::None) };
        let ask = login_ask(&login, path);
        let posted = self.follow(Via::Requests, &ask, &Proof::None).await;
        let answer = match posted {
            Ok(head) => self.finish(&ask, head).await,
            Err(error) => Err(error),
        };
        let answer = answer.inspect_err(|_| self.metrics.login(SessionResult::Error))?;
        let status = answer.status.as_u16();
        if matches!(status, 401 | 403) {
            self.metrics.login(SessionResult::Refused);
            self.auth().refused(Instant::now());
            return Err(ask.error(RequestErrorKind::LoginRefused));
        }
        if answer.status.is_success()
            && let Some(token) = answer.headers.get(X_AUTH_TOKEN)
        {
            self.metrics.login(SessionResult::Ok);
            return Ok(self.begin_session(&answer, token));
        }
        self.metrics.login(SessionResult::Error);
        let none_to_be_had = answer.status.is_success()
            || matches!(status, 400 | 404 | 405 | 501)
            || sessions_exhausted(&answer);
        if none_to_be_had && self.auth().mode() == AuthMode::Auto {
            self.auth().use_basic(Instant::now());
            return Ok(Proof::Basic);
        }
        if answer.status.is_success() {
            return Err(ask.error(RequestErrorKind::Decode("the new session has no X-Auth-Token".to_owned())));
        }
        Err(ask.error(answer.failure(self.clock.now())))
    }

    fn begin_session(&self, answer: &Answer, token: &HeaderValue) -> Proof {
        // A copy: a value taken out of a response keeps the connection's whole read buffer alive, as long as the session.
        let mut token = HeaderValue::from_bytes(token.as_bytes()).expect("it was a header's value");
        token.set_sensitive(true);
        let header =
            answer.headers.get(LOCATION).and_then(|location| location.to_str().ok()).map(str::to_owned);
        // The body may be `null` or empty.
        let named = || json::link_at(&json::object(&answer.body).ok()?, "@odata.id");
        let location = header.or_else(named).and_then(|link| self.address.resolve(&answer.path, &link).ok());
        let held = self.metrics.session();
        self.auth().logged_in(Session { token: token.clone(), location, _held: held });
        Proof::Token(token)
    }

    /// The Sessions collection: as the service root says, read now if it was not yet.
    async fn sessions_path(&self) -> Result<String, RequestError> {
        let known = self.auth().sessions.clone();
        if let Some(path) = known {
            return Ok(path);
        }
        let ask = Ask::get(Operation::Root, ROOT.to_owned());
        let head = self.follow(Via::Requests, &ask, &Proof::None).await?;
        let answer = self.finish(&ask, head).await?;
        if answer.status.is_success()
            && let Ok(document) = json::object(&answer.body)
        {
            self.remember_sessions(&ServiceRoot::decode(&document));
        }
        Ok(self.auth().sessions.clone().unwrap_or_else(|| SESSIONS.to_owned()))
    }

    fn remember_sessions(&self, root: &ServiceRoot) {
        let path = root.sessions.as_deref().and_then(|link| self.address.resolve(ROOT, link).ok());
        self.auth().sessions = Some(path.unwrap_or_else(|| SESSIONS.to_owned()));
    }

    /// Deletes our session, if there is one.
    pub(super) async fn end_session(&self) {
        let ending = async {
            let _turn = self.turn().await;
            let session = self.auth().take_session();
            if let Some(session) = session {
                self.delete(session).await;
            }
        };
        if timeout(LOGOUT_DEADLINE, ending).await.is_err() {
            self.metrics.logout(SessionResult::Error);
        }
    }

    /// Deletes a session that is no longer ours to use. The caller has the turn.
    async fn delete(&self, session: Session) {
        let Some(path) = session.location else { return };
        let deleting = async {
            let ask = Ask { method: Method::DELETE, ..Ask::get(Operation::Session, path) };
            let sent = self.follow(Via::Requests, &ask, &Proof::Token(session.token)).await;
            let deleted = sent.is_ok_and(|head| {
                self.count_head(&ask, &head);
                head.response.status().is_success()
            });
            self.metrics.logout(if deleted { SessionResult::Ok } else { SessionResult::Error });
        };
        if timeout(LOGOUT_DEADLINE, deleting).await.is_err() {
            self.metrics.logout(SessionResult::Error);
        }
    }
}

fn login_ask(login: &Login, path: String) -> Ask {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
    let get = Ask::get(Operation::Session, path);
    Ask { method: Method::POST, headers, body: disclosure::session_body(login), ..get }
}

/// Dell's RAC0218 and its like: all sessions are taken, and each try of ours would take another (T67).
fn sessions_exhausted(answer: &Answer) -> bool {
    let text = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    let told = text.contains("rac0218")
        || text.contains("sessionlimitexceeded")
        || (text.contains("maximum") && text.contains("session"));
    answer.status == StatusCode::SERVICE_UNAVAILABLE && told
}
