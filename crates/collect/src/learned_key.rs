//! Trust on first use: the key of an endpoint is learned at first contact and stored in the journal, before anything is
//! sent to it. Later connections must show the same key; another one is refused until the operator accepts it.
//!
//! The client knows nothing of the journal, and believes nobody under `tofu` until it is told here. Not here: the check of
//! the key, which is the handshake's.

use journal::{AppendError, Batch, Journal, Mark, ReadError};
use model::EndpointId;
use redfish::{RequestError, RequestErrorKind, Trust};

use crate::{
    Board,
    collector::{Broken, Context},
};

/// The mark of an endpoint's scope; its value are the 32 bytes of the SHA-256 of the key. Names of bookmarks are paths and
/// begin with a slash.
const MARK: &str = "learned key";

/// A refused key was not accepted.
#[derive(Debug, thiserror::Error)]
pub enum TrustKeyError {
    /// There is no such endpoint.
    #[error("there is no endpoint {0}")]
    NoSuchEndpoint(EndpointId),
    /// No key of it is refused now.
    #[error("no key of {0} is refused: there is nothing to accept")]
    NothingRefused(EndpointId),
    /// It could not be stored, and what is not stored is not trusted.
    #[error("store the key")]
    Append(#[from] AppendError),
}

impl Board {
    /// Accepts the key that an endpoint with trust `tofu` showed and that was refused; the answer is that key. The endpoint
    /// is tried again at once.
    pub async fn trust_refused_key(
        &self,
        journal: &Journal,
        id: &EndpointId,
    ) -> Result<Trust, TrustKeyError> {
        let status = self.status(id).ok_or_else(|| TrustKeyError::NoSuchEndpoint(id.clone()))?;
        let key = status.refused_key().ok_or_else(|| TrustKeyError::NothingRefused(id.clone()))?;
        store(journal, id, key).await?;
        tracing::info!(endpoint = %id, key = %Trust::Pin(key), "another key is trusted from now on");
        status.try_now();
        Ok(Trust::Pin(key))
    }
}

/// Makes sure that the client believes the stored key, and learns and stores it if there is none. To be called before
/// anything is asked of the endpoint; it costs something at the first call, and while another key is refused.
pub(crate) async fn settle(context: &Context) -> Result<(), Broken> {
    let client = &context.client;
    let settled = client.believes().is_some() && context.status.refused_key().is_none();
    if settled || !client.learns_key() {
        return Ok(());
    }
    let journal = &context.world.journal;
    let key = if let Some(key) = stored(journal, context.id()).await? {
        key
    } else {
        let key = client.look().await?.certificate.pin;
        store(journal, context.id(), key).await?;
        tracing::info!(endpoint = %context.id(), key = %Trust::Pin(key), "key learned at first contact");
        key
    };
    if client.believes() != Some(key) {
        client.believe(key).map_err(|error| unusable(context, error))?;
    }
    Ok(())
}

fn unusable(context: &Context, error: redfish::TrustError) -> RequestError {
    let kind = RequestErrorKind::Transport(redfish::TransportError::Tls(Box::new(error)));
    RequestError {
        operation: redfish::Operation::Root,
        path: context.wish.spec.endpoint.address.clone(),
        kind,
    }
}

async fn stored(journal: &Journal, id: &EndpointId) -> Result<Option<[u8; 32]>, ReadError> {
    let value = journal.mark(id.as_str(), MARK).await?;
    Ok(value.map(|value| value.try_into().expect("a stored key has 32 bytes")))
}

async fn store(journal: &Journal, id: &EndpointId, key: [u8; 32]) -> Result<(), AppendError> {
    let mark = Mark { name: MARK.to_owned(), value: key.to_vec() };
    let batch = Batch { scope: id.as_str().into(), items: Vec::new(), marks: vec![mark] };
    journal.append(batch).await.map(drop)
}
