//! The seam to what outlives the process: one small note per endpoint, which a client keeps and reads back.
//!
//! In production it is a mark in the journal (`collect`). What stands in the note is the client's own business
//! (`client/remembered`): no token and no password.

use futures_util::future::BoxFuture;

use crate::BoxError;

/// Keeps a note of one endpoint over restarts.
pub trait Memory: Send + Sync {
    /// The note that was kept last, if there is one.
    fn load(&self) -> BoxFuture<'_, Result<Option<Vec<u8>>, BoxError>>;

    /// Replaces the note; returns when the new one is durable.
    fn keep(&self, note: Vec<u8>) -> BoxFuture<'_, Result<(), BoxError>>;
}
