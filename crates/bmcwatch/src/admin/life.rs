//! How long a connection may live: a short while, unless what it is used for is long by nature (a live tail). A long one
//! takes none of the places of the others, and whoever made it long can end it.
//!
//! Not here: the places themselves and the deadlines (`server`).

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// The life of one connection, known to its task, to whoever counts places, and to the request on it.
#[derive(Debug, Clone)]
pub(super) struct Life {
    long: Arc<AtomicBool>,
    /// Told when a connection becomes long: its place is free again.
    freed: Arc<Notify>,
    over: CancellationToken,
}

impl Life {
    pub(super) fn new(freed: Arc<Notify>) -> Self {
        Self { long: Arc::default(), freed, over: CancellationToken::new() }
    }

    /// From now on the connection is long; the token ends it.
    pub(super) fn lengthen(&self) -> CancellationToken {
        self.long.store(true, Ordering::Relaxed);
        self.freed.notify_one();
        self.over.clone()
    }

    pub(super) fn is_long(&self) -> bool {
        self.long.load(Ordering::Relaxed)
    }

    /// Waits for the end of a long life, or for that of a short one after `short`.
    pub(super) async fn over(&self, short: std::time::Duration) {
        let short = async {
            tokio::time::sleep(short).await;
            if self.is_long() {
                std::future::pending::<()>().await;
            }
        };
        tokio::select! {
            () = self.over.cancelled() => {}
            () = short => {}
        }
    }
}
