//! The fan-out: the one reader of the journal's head, which tells every client what is new, and the owner of the clients'
//! tasks.
//!
//! It reads nothing while nobody listens, and waits for nobody: who cannot follow is told so by his own task.

use std::{sync::Arc, time::Duration};

use journal::Position;
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{
    batch::Batch,
    client::{Client, Feed, SLICE},
};
use crate::{
    logging::Chain,
    metrics::{TailEnding, Tails},
};

/// After a read that failed; the journal tells the operator itself.
const READ_AGAIN: Duration = Duration::from_secs(1);

/// What serves all clients.
pub(in crate::admin) struct Fanout {
    arriving: mpsc::Receiver<Client>,
    feed: Feed,
    tails: Tails,
}

impl Fanout {
    pub(super) fn new(arriving: mpsc::Receiver<Client>, feed: Feed, tails: Tails) -> Self {
        Self { arriving, feed, tails }
    }

    /// Serves until `stop`; then every client is told so, and nobody is let in any more.
    pub(in crate::admin) async fn run(mut self, stop: CancellationToken) {
        let mut clients = JoinSet::new();
        let mut head = self.feed.head.clone();
        let mut at = *head.borrow();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(client) = self.arriving.recv() => drop(clients.spawn(client.run(stop.clone()))),
                Some(ended) = clients.join_next() => self.note_end(ended),
                Ok(newest) = newer(&mut head, at) => {
                    // First the head, then whether anybody listens: who comes in between reads up to that head itself.
                    let is_heard = self.feed.batches.receiver_count() > 0;
                    at = if is_heard { self.tell(at, newest).await } else { newest };
                }
            }
        }
        self.arriving.close();
        while let Some(ended) = clients.join_next().await {
            self.note_end(ended);
        }
    }

    /// Tells all what came after `at` up to `newest`, and says how far it came.
    async fn tell(&self, mut at: Position, newest: Position) -> Position {
        while at < newest {
            match self.feed.journal.search_after(at, SLICE).await {
                Ok(slice) if slice.is_empty() => return newest,
                Ok(slice) => {
                    let batch = Batch::of(at, &slice);
                    at = batch.last;
                    // Whoever listened may have left meanwhile.
                    drop(self.feed.batches.send(Arc::new(batch)));
                }
                Err(error) => {
                    debug!(error = %Chain(&error), "the newest records cannot be read for those who follow");
                    tokio::time::sleep(READ_AGAIN).await;
                    return at;
                }
            }
        }
        at
    }

    fn note_end(&self, ended: Result<TailEnding, tokio::task::JoinError>) {
        match ended {
            Ok(ending) => {
                self.tails.ended(ending);
                debug!(reason = ending.as_str(), "a client no longer follows the records");
            }
            Err(error) => warn!(error = %error, "serving a client of the tail panicked"),
        }
    }
}

/// The newest position, once it is beyond `at`.
async fn newer(
    head: &mut watch::Receiver<Position>,
    at: Position,
) -> Result<Position, watch::error::RecvError> {
    Ok(*head.wait_for(|head| *head > at).await?)
}
