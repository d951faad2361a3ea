//! The ways to an endpoint's origins under its trust policy, and the key that `tofu` believes.
//!
//! Under `tofu` there is no way before somebody has said which key is to be believed ([`Client::believe`]): nothing, and
//! no credentials least of all, goes to a key that is not stored. Not here: the store.

use std::sync::PoisonError;

use super::{Client, exchange::Via};
use crate::{
    Handshake, HttpService, Network, Operation, Peer, RequestError, Trust, TrustError, origins::Origins,
};

/// The ways, one pair an origin, in their order.
pub(super) struct Doors {
    /// The key that all of them must show, under `tofu`.
    key: Option<[u8; 32]>,
    all: Vec<Door>,
}

struct Door {
    requests: HttpService,
    streams: HttpService,
}

impl Doors {
    fn new(network: &dyn Network, origins: &Origins, trust: &Trust) -> Result<Self, TrustError> {
        let door = |address| {
            let requests = network.requests(address, trust)?;
            Ok(Door { requests, streams: network.streams(address, trust)? })
        };
        Ok(Self { key: None, all: origins.all().iter().map(door).collect::<Result<_, TrustError>>()? })
    }

    /// The ways that a policy gives at once; none under `tofu`, but for plain HTTP, which has no keys.
    pub(super) fn at_once(
        network: &dyn Network,
        origins: &Origins,
        trust: &Trust,
    ) -> Result<Option<Self>, TrustError> {
        if *trust == Trust::Tofu && origins.own().scheme() == "https" {
            return Ok(None);
        }
        Self::new(network, origins, trust).map(Some)
    }

    /// One way for everything.
    #[cfg(test)]
    pub(super) fn of(service: HttpService) -> Self {
        Self { key: None, all: vec![Door { requests: service.clone(), streams: service }] }
    }

    pub(super) fn service(&self, origin: usize, via: Via) -> HttpService {
        let door = &self.all[origin];
        match via {
            Via::Requests => door.requests.clone(),
            Via::Stream => door.streams.clone(),
        }
    }
}

impl Client {
    /// Whether the policy is `tofu`, so that somebody must say which key is to be believed.
    pub fn learns_key(&self) -> bool {
        self.trust == Trust::Tofu && self.origins.own().scheme() == "https"
    }

    /// The key that was learned and is believed, under `tofu`.
    pub fn believes(&self) -> Option<[u8; 32]> {
        self.doors().as_ref().and_then(|doors| doors.key)
    }

    /// Believes this key from now on, and no other; on allowed origins too. It must be stored before.
    pub fn believe(&self, key: [u8; 32]) -> Result<(), TrustError> {
        let doors = Doors::new(self.network.as_ref(), &self.origins, &Trust::Pin(key))?;
        *self.doors() = Some(Doors { key: Some(key), ..doors });
        Ok(())
    }

    /// Shakes hands with whoever is there, and sends nothing.
    pub async fn look(&self) -> Result<Handshake, RequestError> {
        let _turn = self.turn().await;
        let seen = self.network.look(self.origins.own()).await;
        seen.map_err(|error| super::exchange::request_error(Operation::Root, "/", error.into()))
    }

    /// Whom the last answer came from; `None` before the first one and on plain HTTP.
    pub fn peer(&self) -> Option<Peer> {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn note_peer(&self, peer: Peer) {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = Some(peer);
    }
}
