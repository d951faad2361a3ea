//! What a client's logins leave behind, as a mark of the endpoint in the journal: it outlives a `kill -9`.
//!
//! What stands in the note is the client's business (crate `redfish`).

use std::sync::Arc;

use futures_util::{FutureExt, future::BoxFuture};
use journal::{Batch, Journal, Mark};
use model::EndpointId;
use redfish::{BoxError, Memory};

/// The mark's name; those of bookmarks are paths.
const MARK: &str = "login";

/// The note of one endpoint.
pub(crate) struct LoginMemory {
    journal: Journal,
    endpoint: Arc<str>,
}

impl LoginMemory {
    pub(crate) fn new(journal: Journal, endpoint: &EndpointId) -> Self {
        Self { journal, endpoint: endpoint.as_str().into() }
    }
}

impl Memory for LoginMemory {
    fn load(&self) -> BoxFuture<'_, Result<Option<Vec<u8>>, BoxError>> {
        async { Ok(self.journal.mark(&self.endpoint, MARK).await?) }.boxed()
    }

    fn keep(&self, note: Vec<u8>) -> BoxFuture<'_, Result<(), BoxError>> {
        async {
            let marks = vec![Mark { name: MARK.to_owned(), value: note }];
            self.journal
                .append(Batch { scope: Arc::clone(&self.endpoint), items: Vec::new(), marks })
                .await?;
            Ok(())
        }
        .boxed()
    }
}
