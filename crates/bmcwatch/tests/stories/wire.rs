//! The network of a simulated fleet: each request goes to the BMC that its host names, in process, without sockets.
//!
//! It promises the errors that real sockets give: refused, broken off, or no answer at all. Deadlines are the client's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use http::{Request, Response};
use http_body_util::Full;
use redfish::{
    Address, Body, Certificate, Handshake, HttpService, Looking, Network, Peer, TransportError, Trust,
    TrustError,
};
use sim::{Bmc, Refused};
use tower::{service_fn, util::BoxCloneSyncService};

/// When all certificates end: 2033.
pub(crate) const EXPIRY: DateTime<Utc> = DateTime::from_timestamp(2_000_000_000, 0).expect("it is a time");

/// Which hosts there are, and which of them make our own code panic.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Hosts>>);

#[derive(Default)]
struct Hosts {
    bmcs: BTreeMap<String, Arc<Bmc>>,
    panics_left: BTreeMap<String, u32>,
    choke_on_resume: BTreeSet<String>,
    /// Keys that hosts show; others show one of zeros.
    keys: BTreeMap<String, [u8; 32]>,
    /// Handshakes in which nothing was sent.
    looks: BTreeMap<String, usize>,
    /// Where requests went, with how many carried credentials.
    origins: BTreeMap<String, usize>,
}

impl Wire {
    fn lock(&self) -> MutexGuard<'_, Hosts> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Puts a BMC behind a host name, in place of the one that was there.
    pub(crate) fn plug_in(&self, host: &str, bmc: Arc<Bmc>) {
        self.lock().bmcs.insert(host.to_owned(), bmc);
    }

    /// The next requests to this host panic inside the collector's own task.
    pub(crate) fn panic_on(&self, host: &str, requests: u32) {
        self.lock().panics_left.insert(host.to_owned(), requests);
    }

    /// This host sends what was missed before the head of its answer to `Last-Event-ID`, which is no HTTP (T61).
    pub(crate) fn choke_on_resume(&self, host: &str) {
        self.lock().choke_on_resume.insert(host.to_owned());
    }

    /// From now on this host shows another key.
    pub(crate) fn show_key(&self, host: &str, key: [u8; 32]) {
        self.lock().keys.insert(host.to_owned(), key);
    }

    /// How often the key of this host was looked at.
    pub(crate) fn looks(&self, host: &str) -> usize {
        self.lock().looks.get(host).copied().unwrap_or_default()
    }

    /// Requests with credentials that went to an origin, written as in a URL.
    pub(crate) fn credentials_shown(&self, origin: &str) -> usize {
        self.lock().origins.get(origin).copied().unwrap_or_default()
    }

    fn key(&self, host: &str) -> [u8; 32] {
        self.lock().keys.get(host).copied().unwrap_or_default()
    }

    fn bmc(&self, host: &str) -> Option<Arc<Bmc>> {
        let mut hosts = self.lock();
        if let Some(left) = hosts.panics_left.get_mut(host).filter(|left| **left > 0) {
            *left -= 1;
            drop(hosts);
            panic!("an answer of {host} that our code cannot bear");
        }
        hosts.bmcs.get(host).cloned()
    }

    async fn carry(
        self,
        request: Request<Full<Bytes>>,
        trust: Trust,
    ) -> Result<Response<Body>, TransportError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let shown = self.key(&host);
        if matches!(trust, Trust::Pin(pin) if pin != shown) {
            return Err(TransportError::OtherKey { shown });
        }
        if request.headers().contains_key("x-auth-token") || request.headers().contains_key("authorization") {
            let authority = request.uri().authority().map(ToString::to_string).unwrap_or_default();
            *self.lock().origins.entry(format!("https://{authority}")).or_default() += 1;
        }
        let Some(bmc) = self.bmc(&host) else {
            return Err(TransportError::Dns("no such host".into()));
        };
        if request.headers().contains_key("last-event-id") && self.lock().choke_on_resume.contains(&host) {
            return Err(TransportError::Exchange("an answer that does not begin with HTTP".into()));
        }
        match bmc.handle(request).await {
            Ok(mut response) => {
                response.extensions_mut().insert(Peer { pin: shown, not_after: Some(EXPIRY) });
                Ok(response)
            }
            Err(refused @ Refused::Connection) => Err(TransportError::Connect(refused.into())),
            Err(refused @ Refused::Reset) => Err(TransportError::Exchange(refused.into())),
        }
    }

    fn service(&self, trust: &Trust) -> Result<HttpService, TrustError> {
        if let Trust::Ca(path) = trust {
            let read = std::fs::read(path).map(drop);
            read.map_err(|source| TrustError::CaFile { path: path.clone(), source: source.into() })?;
        }
        let (wire, trust) = (self.clone(), trust.clone());
        Ok(BoxCloneSyncService::new(service_fn(move |request| wire.clone().carry(request, trust.clone()))))
    }
}

impl Network for Wire {
    fn requests(&self, _: &Address, trust: &Trust) -> Result<HttpService, TrustError> {
        self.service(trust)
    }

    fn streams(&self, _: &Address, trust: &Trust) -> Result<HttpService, TrustError> {
        self.service(trust)
    }

    fn look(&self, address: &Address) -> Looking {
        let host = address.host().to_owned();
        let pin = self.key(&host);
        *self.lock().looks.entry(host).or_default() += 1;
        let certificate = Certificate {
            pin,
            subject: "CN=bmc".to_owned(),
            issuer: "CN=bmc".to_owned(),
            not_after: Some(EXPIRY),
            self_signed: true,
            x509_version: 3,
            key: "EC 256".to_owned(),
        };
        let (version, cipher) = ("TLS 1.3".to_owned(), String::new());
        Box::pin(async move { Ok(Handshake { version, cipher, certificate }) })
    }
}
