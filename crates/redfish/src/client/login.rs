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
    login_tries::Ended,
    metrics::SessionResult,
};

const ROOT: &str = "/redfish/v1/";
/// Where sessions are when the service root does not say.
const SESSIONS: &str = "/redfish/v1/SessionService/Sessions";
/// Shutdown waits for this; the BMC ends an idle session by itself.
const LOGOUT_DEADLINE: Duration = Duration::from_secs(3);

/// Sessions end after half an hour without use, and somebody may log out: where all are taken and Basic is not wanted, a
/// login is tried again after this, or after what the BMC asks for if that is longer.
const FULL_WAIT: Duration = Duration::from_mins(5);

/// Whether a request is a try of credentials that were not accepted yet.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Trying {
    Yes,
    No,
}

/// Whether a session may still be there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    Gone,
    There,
}

/// Whose session it is.
enum Whose {
    Ours,
    Others,
}

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
        self.end_left_behind(&proof).await;
        let (mut head, trying) = self.prove(via, ask, &proof).await?;
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
                match trying {
                    Trying::Yes => self.end_try(Ended::Refused).await,
                    Trying::No => self.refused_anew().await,
                }
                return Err(ask.error(RequestErrorKind::LoginRefused));
            }
            (status, _) => {
                let any = status.is_success() && self.auth().accepted();
                if any || trying == Trying::Yes {
                    self.end_try(Ended::Otherwise).await;
                }
            }
        }
        Ok(head)
    }

    /// Sends with proof. Basic that was not accepted yet is a try like a login.
    async fn prove(&self, via: Via, ask: &Ask, proof: &Proof) -> Result<(Head, Trying), RequestError> {
        let trying = if matches!(proof, Proof::Basic) && !self.auth().is_proven() {
            self.begin_try(ask).await?;
            Trying::Yes
        } else {
            Trying::No
        };
        match self.follow(via, ask, proof).await {
            Ok(head) => Ok((head, trying)),
            Err(error) => {
                if trying == Trying::Yes {
                    self.end_try(Ended::Otherwise).await;
                }
                Err(error)
            }
        }
    }

    async fn proof(&self, ask: &Ask) -> Result<Proof, RequestError> {
        self.recall(ask).await?;
        let next = self.auth().next(Instant::now());
        match next {
            Next::Send(proof) => Ok(proof),
            Next::Paused(rest) => Err(ask.error(RequestErrorKind::LoginPaused(rest))),
            Next::Full(rest, status) => {
                let message = Some("the BMC asked to wait with logins".to_owned());
                Err(ask.error(RequestErrorKind::Status { status, message, retry_after: Some(rest) }))
            }
            Next::LogIn => self.log_in().await,
        }
    }

    async fn log_in(&self) -> Result<Proof, RequestError> {
        let path = self.sessions_path().await?;
        // Taken at the last moment: it may have changed meanwhile.
        let Some(login) = self.login() else { return Ok(Proof::None) };
        let ask = login_ask(&login, path);
        self.begin_try(&ask).await?;
        let posted = self.follow(Via::Requests, &ask, &Proof::None).await;
        let answer = match posted {
            Ok(head) => self.finish(&ask, head).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) => self.logged_in(&ask, &answer).await,
            Err(error) => {
                self.metrics.login(SessionResult::Error);
                self.end_try(Ended::Otherwise).await;
                Err(error)
            }
        }
    }

    /// What the answer to a login means.
    async fn logged_in(&self, ask: &Ask, answer: &Answer) -> Result<Proof, RequestError> {
        let status = answer.status.as_u16();
        let full = sessions_exhausted(answer);
        if matches!(status, 401 | 403) && !full {
            self.metrics.login(SessionResult::Refused);
            self.end_try(Ended::Refused).await;
            return Err(ask.error(RequestErrorKind::LoginRefused));
        }
        if answer.status.is_success()
            && let Some(token) = answer.headers.get(X_AUTH_TOKEN)
        {
            self.metrics.login(SessionResult::Ok);
            // Before anything is waited for: who is stopped now must know what to delete.
            let proof = self.begin_session(answer, token);
            self.end_try(Ended::Otherwise).await;
            return Ok(proof);
        }
        self.metrics.login(SessionResult::Error);
        self.end_try(Ended::Otherwise).await;
        let none_to_be_had = answer.status.is_success() || matches!(status, 400 | 404 | 405 | 501) || full;
        if none_to_be_had && self.auth().mode() == AuthMode::Auto {
            self.auth().use_basic(Instant::now());
            return Ok(Proof::Basic);
        }
        if answer.status.is_success() {
            return Err(ask.error(RequestErrorKind::Decode("the new session has no X-Auth-Token".to_owned())));
        }
        let mut failure = answer.failure(self.clock.now());
        if let RequestErrorKind::Status { retry_after, .. } = &mut failure {
            if full {
                *retry_after = Some(retry_after.unwrap_or_default().max(FULL_WAIT));
            }
            if let Some(wait) = *retry_after {
                self.auth().wait_with_logins(Instant::now() + wait, status);
            }
        }
        Err(ask.error(failure))
    }

    fn begin_session(&self, answer: &Answer, token: &HeaderValue) -> Proof {
        // A copy: a value taken out of a response keeps the connection's whole read buffer alive, as long as the session.
        let mut token = HeaderValue::from_bytes(token.as_bytes()).expect("it was a header's value");
        token.set_sensitive(true);
        let header =
            answer.headers.get(LOCATION).and_then(|location| location.to_str().ok()).map(str::to_owned);
        // The body may be `null` or empty.
        let named = || json::link_at(&json::object(&answer.body).ok()?, "@odata.id");
        let location = header.or_else(named).and_then(|link| self.resolve(&answer.path, &link).ok());
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
        let path = root.sessions.as_deref().and_then(|link| self.resolve(ROOT, link).ok());
        self.auth().sessions = Some(path.unwrap_or_else(|| SESSIONS.to_owned()));
    }

    /// Deletes our session, if there is one.
    pub(super) async fn end_session(&self) {
        let ending = async {
            let _turn = self.turn().await;
            let session = self.auth().take_session();
            if let Some(session) = session {
                self.delete(session).await;
                self.note_down().await;
            }
        };
        if timeout(LOGOUT_DEADLINE, ending).await.is_err() {
            self.metrics.logout(SessionResult::Error);
        }
    }

    /// Deletes a session that is no longer ours to use; if that fails, it is left behind. The caller has the turn.
    async fn delete(&self, session: Session) {
        let Some(path) = session.location else { return };
        // Until the BMC says that it is gone it is not, whoever is stopped meanwhile.
        self.auth().leave_behind(path.clone());
        if self.delete_at(&path, &Proof::Token(session.token)).await == Left::Gone {
            self.auth().gone(&path);
        }
    }

    async fn delete_at(&self, path: &str, proof: &Proof) -> Left {
        let deleting = async {
            let ask = Ask { method: Method::DELETE, ..Ask::get(Operation::Session, path.to_owned()) };
            let head = self.follow(Via::Requests, &ask, proof).await.ok()?;
            self.count_head(&ask, &head);
            Some(head.response.status())
        };
        let status = timeout(LOGOUT_DEADLINE, deleting).await.ok().flatten();
        let deleted = status.is_some_and(|status| status.is_success());
        self.metrics.logout(if deleted { SessionResult::Ok } else { SessionResult::Error });
        left(status)
    }

    /// Ends the sessions that an earlier life has left behind, once our proof is known to be good. The caller has the turn.
    async fn end_left_behind(&self, proof: &Proof) {
        let paths = self.auth().left_behind(proof);
        if paths.is_empty() {
            return;
        }
        for path in paths {
            // BMCs count sessions from 1 again after a restart: the path may be somebody else's by now.
            let left = match self.user_of(&path, proof).await {
                Ok(Whose::Ours) => self.delete_at(&path, proof).await,
                Ok(Whose::Others) => Left::Gone,
                Err(status) => left(status),
            };
            match left {
                Left::Gone => self.auth().gone(&path),
                // The BMC has other troubles now; the next login brings the next try.
                Left::There => break,
            }
        }
        self.note_down().await;
    }

    /// Whose session it is; without an answer that tells, its status.
    async fn user_of(&self, path: &str, proof: &Proof) -> Result<Whose, Option<StatusCode>> {
        let asking = async {
            let ask = Ask::get(Operation::Session, path.to_owned());
            let head = self.follow(Via::Requests, &ask, proof).await.ok()?;
            self.finish(&ask, head).await.ok()
        };
        let answer = timeout(LOGOUT_DEADLINE, asking).await.ok().flatten().ok_or(None)?;
        if !answer.status.is_success() {
            return Err(Some(answer.status));
        }
        let user = json::object(&answer.body).ok().and_then(|session| json::string(&session, "UserName"));
        let ours = |login: &Login| user.is_some_and(|user| user.eq_ignore_ascii_case(&login.username));
        Ok(if self.login().as_ref().is_some_and(ours) { Whose::Ours } else { Whose::Others })
    }
}

fn login_ask(login: &Login, path: String) -> Ask {
    let headers = HeaderMap::from_iter([(CONTENT_TYPE, JSON)]);
    let get = Ask::get(Operation::Session, path);
    Ask { method: Method::POST, headers, body: disclosure::session_body(login), ..get }
}

/// Whether a session is still there, by the answer to who asked for it or deleted it.
fn left(status: Option<StatusCode>) -> Left {
    match status.map(|status| status.as_u16()) {
        None | Some(429 | 500..) => Left::There,
        // What may not be touched ends by itself.
        Some(_) => Left::Gone,
    }
}

/// Dell's RAC0218 and its like: all sessions are taken, and each try of ours would take another (T67). A 401 is about the
/// credentials, whatever else it says.
fn sessions_exhausted(answer: &Answer) -> bool {
    let text = String::from_utf8_lossy(&answer.body).to_ascii_lowercase();
    let told = text.contains("rac0218")
        || text.contains("sessionlimitexceeded")
        || (text.contains("maximum") && text.contains("session"));
    matches!(answer.status.as_u16(), 402..) && told
}
