//! What opens the peers of sinks: read at the start, and looked at every two seconds, so that a token or a certificate rotates
//! without a restart. Nothing is sent again and no position moves.
//!
//! Content decides, and what two looks in a row agree on counts, as for passwords (`rotation`). Files that cannot be used
//! change nothing and are told once. Not here: what makes a file usable (`config`), what a sink does with it (`sink`).

use std::time::Duration;

use sink::PeerAccess;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{Opening, OpeningRead, Unusable};

/// Between two looks, as for passwords.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// One peer's opening.
pub(super) struct Followed {
    sink: String,
    opening: Opening,
    in_use: OpeningRead,
    /// What the last look found other than it is in use.
    last: Option<Result<OpeningRead, Unusable>>,
    /// It was told that it cannot be used.
    told: bool,
    access: watch::Sender<PeerAccess>,
}

impl Followed {
    /// Reads what opens the peer of a sink.
    pub(super) fn begin(
        sink: &str,
        opening: &Opening,
    ) -> Result<(Self, watch::Receiver<PeerAccess>), Unusable> {
        let in_use = opening.read()?;
        let (access, receiver) = watch::channel(in_use.open(opening)?);
        let (sink, opening) = (sink.to_owned(), opening.clone());
        Ok((Self { sink, opening, in_use, last: None, told: false, access }, receiver))
    }

    fn look(&mut self) {
        let found = self.opening.read();
        if found.as_ref() == Ok(&self.in_use) {
            self.last = None;
            self.told = false;
        } else if self.last.as_ref() == Some(&found) {
            self.settle(found);
        } else {
            self.last = Some(found);
        }
    }

    /// Two looks agree.
    fn settle(&mut self, found: Result<OpeningRead, Unusable>) {
        let opened = found.and_then(|found| Ok((found.open(&self.opening)?, found)));
        match opened {
            Ok((access, found)) => {
                self.in_use = found;
                self.last = None;
                self.told = false;
                self.access.send_replace(access);
                tracing::info!(sink = %self.sink, "what opens the sink's peer has changed; the next delivery uses it");
            }
            Err(unusable) if !self.told => {
                self.told = true;
                let refusal = unusable.refusal;
                tracing::warn!(
                    sink = %self.sink, problem = refusal.text, hint = refusal.hint.as_deref(),
                    "what opens the sink's peer cannot be replaced; the old one stays in use"
                );
            }
            Err(_) => {}
        }
    }
}

/// Looks at the files of all peers until `stop`.
pub(super) async fn follow(mut all: Vec<Followed>, stop: CancellationToken) {
    while !all.is_empty() && stop.run_until_cancelled(tokio::time::sleep(LOOK_EVERY)).await.is_some() {
        // A file system that hangs holds up this thread, and nothing else.
        let look = move || {
            all.iter_mut().for_each(Followed::look);
            all
        };
        match tokio::task::spawn_blocking(look).await {
            Ok(same) => all = same,
            // The runtime ends, or looking panicked: what is in use stays in use.
            Err(error) => {
                tracing::warn!(error = %error, "files that open the peers of sinks are no longer followed");
                return;
            }
        }
    }
}
