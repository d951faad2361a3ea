//! A peer that takes records over HTTP: how it is reached, one request with a deadline and a bounded answer, and what a
//! status means. The sinks `http` and `otlp` speak through it.
//!
//! HTTP/1.1, rustls, no proxy, no redirect. What opens the peer (headers with secrets, certificates) is handed in and may
//! change while the program runs; the next request then uses it. Not here: what is sent, and what an answer that came
//! with a success says of single records.

mod failure;

use std::{io::Write, sync::Arc, time::Duration};

use flate2::{Compression as Level, write::GzEncoder};
use model::Secret;
use reqwest::{
    Client, Response, StatusCode, Url,
    header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, USER_AGENT},
    redirect::Policy,
};
use tokio::{sync::watch, time::timeout};

use crate::nats::NatsLogin;
pub use failure::{Meaning, PeerError};
pub(crate) use failure::{is_tls, meaning};

/// Of an answer that is not a success so much is read, and so much of that is told.
const COMPLAINT_BYTES_MAX: usize = 16 << 10;
/// A sentence or two. What a peer quotes of a record need not fill the log.
const COMPLAINT_CHARS_MAX: usize = 300;

/// A connection that nobody used for so long may have been dropped silently by what lies between.
const POOL_IDLE: Duration = Duration::from_secs(30);

/// How to reach a peer.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// What is posted to, whole.
    pub url: Url,
    /// How bodies are packed.
    pub compression: Compression,
    /// How long one request may take, connecting and the answer included.
    pub timeout: Duration,
    /// What opens it, now and later.
    pub access: watch::Receiver<PeerAccess>,
}

/// How bodies are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// As they are.
    None,
    /// `Content-Encoding: gzip`.
    Gzip,
}

/// What opens a peer.
#[derive(Debug, Clone)]
pub struct PeerAccess {
    /// Headers of every request, their values being secrets for all we know.
    pub headers: Vec<(HeaderName, Secret)>,
    /// Who we are, where a peer is not asked over HTTP.
    pub login: NatsLogin,
    /// Whom we believe, and who we are.
    pub tls: Arc<rustls::ClientConfig>,
}

/// A peer, and the connection to it.
#[derive(Debug)]
pub(crate) struct Peer {
    config: PeerConfig,
    open: Option<Open>,
}

/// What is made of the access of the moment.
#[derive(Debug, Clone)]
struct Open {
    client: Client,
    headers: HeaderMap,
}

/// A body, and the headers that say what it is.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) content_type: &'static str,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Peer {
    pub(crate) fn new(config: PeerConfig) -> Self {
        Self { config, open: None }
    }

    /// How it packs what it is given. Packing takes milliseconds, so it is done where encoding is.
    pub(crate) fn compression(&self) -> Compression {
        self.config.compression
    }

    /// The peer, as it may be named in logs: without what a query may hold.
    fn shown(&self) -> String {
        let url = &self.config.url;
        format!("{}{}", url.origin().ascii_serialization(), url.path())
    }

    /// Sends a message and answers what came back with a success, at most `answer_bytes_max` of it.
    pub(crate) async fn post(
        &mut self,
        message: Message,
        answer_bytes_max: usize,
    ) -> Result<Vec<u8>, PeerError> {
        let open = self.open()?;
        let limit = self.config.timeout;
        let exchange = self.exchange(open, message, answer_bytes_max);
        match timeout(limit, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(PeerError::TimedOut { peer: self.shown(), limit }),
        }
    }

    async fn exchange(&self, open: Open, message: Message, most: usize) -> Result<Vec<u8>, PeerError> {
        let failed = |source: reqwest::Error| {
            // Its text names the URL, whose query may hold a secret.
            let (peer, source) = (self.shown(), source.without_url());
            if is_tls(&source) {
                PeerError::Tls { peer, source }
            } else {
                PeerError::Exchange { peer, source }
            }
        };
        let mut request = open.client.post(self.config.url.clone()).headers(open.headers);
        request = request.header(CONTENT_TYPE, message.content_type);
        if self.config.compression == Compression::Gzip {
            request = request.header(CONTENT_ENCODING, "gzip");
        }
        for (name, value) in message.headers {
            request = request.header(name, value);
        }
        let response = request.body(message.body).send().await.map_err(failed)?;
        let status = response.status();
        if status.is_success() {
            self.check_content(&response)?;
            let (answer, whole) = read(response, most).await.map_err(failed)?;
            return if whole { Ok(answer) } else { Err(PeerError::LongAnswer { peer: self.shown(), most }) };
        }
        Err(self.complaint(status, response).await)
    }

    async fn complaint(&self, status: StatusCode, response: Response) -> PeerError {
        let retry_after = response.headers().get(RETRY_AFTER).and_then(seconds);
        let peer = self.shown();
        // What it says is a courtesy; that it cannot be read changes nothing.
        let said = read(response, COMPLAINT_BYTES_MAX).await.map(|(said, _)| said).unwrap_or_default();
        let said: String = String::from_utf8_lossy(&said).trim().chars().take(COMPLAINT_CHARS_MAX).collect();
        PeerError::Status { peer, status, said, retry_after, meaning: meaning(status) }
    }

    /// A page for people means that something else answers at this address, whatever its status.
    fn check_content(&self, response: &Response) -> Result<(), PeerError> {
        let kind = response.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("text/html")) {
            return Err(PeerError::NotAPeer { peer: self.shown() });
        }
        Ok(())
    }

    fn open(&mut self) -> Result<Open, PeerError> {
        // Who hands in the access may have gone; what it said last stays.
        let changed = self.config.access.has_changed().unwrap_or(false);
        if let Some(open) = self.open.as_ref().filter(|_| !changed) {
            return Ok(open.clone());
        }
        let access = self.config.access.borrow_and_update().clone();
        let client = Client::builder()
            .tls_backend_preconfigured((*access.tls).clone())
            .redirect(Policy::none())
            .no_proxy()
            .referer(false)
            .tcp_nodelay(true)
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(POOL_IDLE)
            .build()
            .map_err(|source| PeerError::Setup { peer: self.shown(), source })?;
        let mut headers = HeaderMap::new();
        headers.insert(USER_AGENT, HeaderValue::from_static(concat!("bmcwatch/", env!("CARGO_PKG_VERSION"))));
        for (name, secret) in &access.headers {
            let value = HeaderValue::from_str(secret.expose());
            let mut value = value
                .map_err(|_| PeerError::Header { peer: self.shown(), name: name.as_str().to_owned() })?;
            value.set_sensitive(true);
            headers.insert(name.clone(), value);
        }
        let open = Open { client, headers };
        self.open = Some(open.clone());
        Ok(open)
    }
}

/// The body of an answer, up to a number of bytes, and whether that is all of it.
async fn read(mut response: Response, most: usize) -> Result<(Vec<u8>, bool), reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = most - body.len();
        if chunk.len() > room {
            body.extend_from_slice(&chunk[..room]);
            return Ok((body, false));
        }
        body.extend_from_slice(&chunk);
    }
    Ok((body, true))
}

/// `Retry-After` in seconds. A date is not read: it would need the peer's clock to be right.
fn seconds(value: &HeaderValue) -> Option<Duration> {
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// Packs a body.
pub(crate) fn pack(body: Vec<u8>, compression: Compression) -> Vec<u8> {
    match compression {
        Compression::None => body,
        Compression::Gzip => {
            let mut packed = GzEncoder::new(Vec::with_capacity(body.len() / 8), Level::fast());
            packed.write_all(&body).expect("a Vec takes every write");
            packed.finish().expect("a Vec takes every write")
        }
    }
}
