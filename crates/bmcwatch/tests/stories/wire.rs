//! The network of a simulated fleet: each request goes to the BMC that its host names, in process, without sockets.
//!
//! It promises the errors that real sockets give: refused, broken off, or no answer at all. Deadlines are the client's.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use redfish::{Address, Body, HttpService, Network, TransportError, Trust, TrustError};
use sim::{Bmc, Refused};
use tower::{service_fn, util::BoxCloneSyncService};

/// Which hosts there are, and which of them make our own code panic.
#[derive(Clone, Default)]
pub(crate) struct Wire(Arc<Mutex<Hosts>>);

#[derive(Default)]
struct Hosts {
    bmcs: BTreeMap<String, Arc<Bmc>>,
    panics_left: BTreeMap<String, u32>,
    choke_on_resume: BTreeSet<String>,
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

    fn bmc(&self, host: &str) -> Option<Arc<Bmc>> {
        let mut hosts = self.lock();
        if let Some(left) = hosts.panics_left.get_mut(host).filter(|left| **left > 0) {
            *left -= 1;
            drop(hosts);
            panic!("an answer of {host} that our code cannot bear");
        }
        hosts.bmcs.get(host).cloned()
    }

    async fn carry(self, request: Request<Full<Bytes>>) -> Result<Response<Body>, TransportError> {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let Some(bmc) = self.bmc(&host) else {
            return Err(TransportError::Dns("no such host".into()));
        };
        if request.headers().contains_key("last-event-id") && self.lock().choke_on_resume.contains(&host) {
            return Err(TransportError::Exchange("an answer that does not begin with HTTP".into()));
        }
        match bmc.handle(request).await {
            Ok(response) => Ok(response),
            Err(refused @ Refused::Connection) => Err(TransportError::Connect(refused.into())),
            Err(refused @ Refused::Reset) => Err(TransportError::Exchange(refused.into())),
        }
    }

    fn service(&self, trust: &Trust) -> Result<HttpService, TrustError> {
        if let Trust::Ca(path) = trust {
            let read = std::fs::read(path).map(drop);
            read.map_err(|source| TrustError::CaFile { path: path.clone(), source: source.into() })?;
        }
        let wire = self.clone();
        Ok(BoxCloneSyncService::new(service_fn(move |request| wire.clone().carry(request))))
    }
}

impl Network for Wire {
    fn requests(&self, _: &Address, trust: &Trust) -> Result<HttpService, TrustError> {
        self.service(trust)
    }

    fn streams(&self, _: &Address, trust: &Trust) -> Result<HttpService, TrustError> {
        self.service(trust)
    }
}
