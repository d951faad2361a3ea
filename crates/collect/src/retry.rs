//! `bmcwatch endpoints retry`: somebody asks that one endpoint is tried now, whatever it is waiting for.
//!
//! Here is how the wish gets to discovery and the answer back; what it does is [`Discovery`](crate::Discovery)'s.

use model::EndpointId;
use tokio::sync::{mpsc, oneshot};

use crate::State;

/// Somebody types them, or a script does: who finds the queue full waits.
const WAITING_MAX: usize = 16;

/// The wish.
#[derive(Debug)]
pub struct Retry {
    /// Of whom.
    pub endpoint: EndpointId,
    reply: oneshot::Sender<Option<State>>,
}

/// Why nothing is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RetryError {
    /// This process has no endpoint of that id.
    #[error("there is no such endpoint")]
    Unknown,
    /// Discovery has ended.
    #[error("shutting down")]
    Stopping,
}

/// Where wishes go in. Cheap to clone.
#[derive(Debug, Clone)]
pub struct RetryHandle(mpsc::Sender<Retry>);

impl Retry {
    /// Tells the one who asked what the endpoint was doing; nothing of one that is not known. Nobody may be listening any
    /// more.
    pub fn done(self, before: Option<State>) {
        self.reply.send(before).unwrap_or_default();
    }
}

impl RetryHandle {
    /// The handle, and the end from which the wishes are taken.
    pub fn channel() -> (Self, mpsc::Receiver<Retry>) {
        let (sender, receiver) = mpsc::channel(WAITING_MAX);
        (Self(sender), receiver)
    }

    /// Forgets that logins of this endpoint were refused and tries it now; answers what it was doing.
    pub async fn retry(&self, endpoint: EndpointId) -> Result<State, RetryError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Retry { endpoint, reply }).await.map_err(|_| RetryError::Stopping)?;
        answer.await.map_err(|_| RetryError::Stopping)?.ok_or(RetryError::Unknown)
    }
}
