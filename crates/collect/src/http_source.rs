//! A source behind HTTP, asked as Prometheus asks (`http_sd`): the whole list, as JSON, with status 200.
//!
//! Whatever else is answered, or nothing, is a failure, and the caller keeps the last good list: an inventory that is down
//! says nothing about BMCs. HTTP/1.1, no proxy, no redirect to another origin: the login and our certificate are for this
//! one. Not here: when to ask (`source`), what opens it (the program reads the files).

use std::{fmt, sync::Arc, time::Duration};

use model::Secret;
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue, USER_AGENT},
    redirect::Policy,
};
use tokio::time::timeout;

use crate::target_group::{LIST_BYTES_MAX, TargetGroup, TargetList, TargetListError, TargetPart, parse};

/// An inventory of 10,000 devices may take tens of seconds to answer; a refresh also ends before the next one begins.
const DEADLINE_MAX: Duration = Duration::from_mins(1);

/// A canonical path, a login page that is not needed: who needs more has a loop.
const REDIRECTS_MAX: usize = 5;

/// How often the list is wanted, as Prometheus says it.
const REFRESH_INTERVAL: &str = "x-prometheus-refresh-interval-seconds";

/// Where a list is, and how often it is wanted.
#[derive(Clone)]
pub struct HttpSource {
    /// What is asked, without a login in it.
    pub url: Url,
    /// Between two refreshes.
    pub refresh_interval: Duration,
    /// Reads what opens it, at each refresh: a token that was exchanged is used at once. It blocks.
    pub opener: Arc<dyn Fn() -> Result<HttpAccess, String> + Send + Sync>,
}

/// What opens a source.
#[derive(Debug)]
pub struct HttpAccess {
    /// The value of `Authorization`, where there is a login.
    pub authorization: Option<Secret>,
    /// Whom we believe, and who we are.
    pub tls: rustls::ClientConfig,
}

/// A list was not had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FetchError {
    /// What opens it cannot be read.
    #[error("read what opens {0}: {1}")]
    Opening(String, String),
    /// The thread that reads what opens it has ended.
    #[error("read what opens {0}")]
    Task(String, #[source] tokio::task::JoinError),
    /// The login cannot be sent.
    #[error("log in to {0}: the login holds characters that a header cannot")]
    Login(String),
    /// There is no client with this configuration, or the exchange failed.
    #[error("ask {0}")]
    Exchange(String, #[source] reqwest::Error),
    /// It took too long.
    #[error("ask {0}: no whole answer within {1:?}")]
    TimedOut(String, Duration),
    /// Another status.
    #[error("ask {0}: it answered {1}, and a list comes with 200")]
    Status(String, StatusCode),
    /// Something else than JSON: mostly a page for people.
    #[error("ask {0}: it answered with {1}, and a list is application/json")]
    ContentType(String, String),
    /// Larger than any list.
    #[error("ask {0}: the answer has more than {LIST_BYTES_MAX} bytes")]
    TooLarge(String),
    /// It is no list.
    #[error("understand the answer of {0}")]
    List(String, #[source] TargetListError),
}

impl HttpSource {
    /// How it may be named in logs: without what a query may hold.
    pub(crate) fn shown(&self) -> String {
        format!("{}{}", self.url.origin().ascii_serialization(), self.url.path())
    }

    /// How long one refresh may take.
    fn deadline(&self) -> Duration {
        self.refresh_interval.min(DEADLINE_MAX)
    }

    /// Asks for the list.
    pub(crate) async fn fetch(&self) -> Result<TargetList, FetchError> {
        let limit = self.deadline();
        let fetched = timeout(limit, self.exchange()).await;
        let groups = fetched.unwrap_or_else(|_| Err(FetchError::TimedOut(self.shown(), limit)))?;
        Ok(TargetList([TargetPart { origin: self.shown().into(), groups }].into()))
    }

    async fn exchange(&self) -> Result<Arc<[TargetGroup]>, FetchError> {
        // Its text names the URL, whose query may hold a secret.
        let failed = |source: reqwest::Error| FetchError::Exchange(self.shown(), source.without_url());
        let opener = Arc::clone(&self.opener);
        let access = tokio::task::spawn_blocking(move || opener()).await;
        let access = access.map_err(|error| FetchError::Task(self.shown(), error))?;
        let access = access.map_err(|why| FetchError::Opening(self.shown(), why))?;
        let client = client(access.tls).map_err(failed)?;
        let mut request = client
            .get(self.url.clone())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("bmcwatch/", env!("CARGO_PKG_VERSION")))
            .header(REFRESH_INTERVAL, self.refresh_interval.as_secs_f64().to_string());
        if let Some(secret) = access.authorization {
            let value = HeaderValue::from_str(secret.expose());
            let mut value = value.map_err(|_| FetchError::Login(self.shown()))?;
            value.set_sensitive(true);
            request = request.header(AUTHORIZATION, value);
        }
        let response = request.send().await.map_err(failed)?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(self.shown(), response.status()));
        }
        let kind = response.headers().get(CONTENT_TYPE);
        if !kind.is_some_and(is_json) {
            let kind = kind.map_or_else(|| "no content type".to_owned(), |kind| format!("{kind:?}"));
            return Err(FetchError::ContentType(self.shown(), kind.chars().take(100).collect()));
        }
        let body = body(response).await.map_err(failed)?;
        let body = body.ok_or_else(|| FetchError::TooLarge(self.shown()))?;
        parse(&body).map_err(|error| FetchError::List(self.shown(), error))
    }
}

impl fmt::Debug for HttpSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSource").field("url", &self.shown()).finish_non_exhaustive()
    }
}

/// A client for one refresh. The next is an hour away at times, and a connection that waited so long may be dead.
fn client(tls: rustls::ClientConfig) -> Result<Client, reqwest::Error> {
    let redirect = Policy::custom(|attempt| {
        let first = attempt.previous().first().map(Url::origin);
        if first != Some(attempt.url().origin()) {
            attempt.error("it redirects to another origin, which is not followed")
        } else if attempt.previous().len() > REDIRECTS_MAX {
            attempt.error("it redirects in circles")
        } else {
            attempt.follow()
        }
    });
    Client::builder().tls_backend_preconfigured(tls).redirect(redirect).no_proxy().referer(false).build()
}

/// `application/json`, in any case and with no other charset than UTF-8, as Prometheus takes it.
fn is_json(kind: &HeaderValue) -> bool {
    let Ok(kind) = kind.to_str() else { return false };
    let mut parts = kind.split(';').map(|part| part.trim().to_ascii_lowercase().replace('"', ""));
    parts.next().as_deref() == Some("application/json") && parts.all(|part| part == "charset=utf-8")
}

/// The whole body; `None` when it is larger than any list.
async fn body(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > LIST_BYTES_MAX {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

#[cfg(test)]
mod tests;
