//! One client of the tail: first it catches up with the journal, then it is told what the fan-out tells all.
//!
//! It promises every record that fits once and in order, from the position it began at, until it ends; and an end that
//! is not the client's own wish is told with its reason. A client that does not take what it is sent is let go; when it
//! comes back with its last position, it has missed nothing.

use std::{convert::Infallible, fmt::Write as _, sync::Arc, time::Duration};

use bytes::Bytes;
use journal::{Journal, Position, ReadLimit};
use tokio::{
    sync::{broadcast, mpsc, watch},
    time::{Instant, timeout, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{batch::Batch, seat::Seat};
use crate::{admin::filter::Filter, metrics::TailEnding};

/// Without a record, something is sent this often, so that proxies keep the connection and both ends notice its death.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// A client that takes nothing for so long is not there any more.
const STALL_MAX: Duration = Duration::from_secs(30);
/// How long the reason of an end may take to be sent.
const FAREWELL_MAX: Duration = Duration::from_millis(200);
/// Batches that a client may be behind the fan-out: a few seconds of a large fleet in trouble, 16 MiB for all together.
const BEHIND_MAX: usize = 64;
/// How soon a browser that lost its connection comes back.
const HELLO: &str = "retry: 2000\n\n";

/// Read at a time, by who catches up and by the fan-out.
pub(super) const SLICE: ReadLimit = ReadLimit { records: 256, bytes: 256 << 10 };

/// Where records come from: the journal, and the fan-out that reads its head for all.
#[derive(Clone)]
pub(super) struct Feed {
    pub(super) journal: Journal,
    pub(super) head: watch::Receiver<Position>,
    pub(super) batches: broadcast::Sender<Arc<Batch>>,
}

impl Feed {
    pub(super) fn new(journal: Journal) -> Self {
        let head = journal.head();
        Self { journal, head, batches: broadcast::Sender::new(BEHIND_MAX) }
    }
}

/// A client and where it is.
pub(super) struct Client {
    feed: Feed,
    filter: Filter,
    /// Where it asked to begin; at the head when it did not ask.
    asked: Option<Position>,
    /// Everything up to here has been sent, or does not fit.
    at: Position,
    out: mpsc::Sender<Bytes>,
    /// When it is due to hear something.
    due: Instant,
    /// Held, not used: free for another when this client is gone.
    _seat: Seat,
    /// Ends the connection.
    over: CancellationToken,
}

impl Client {
    pub(super) fn new(
        feed: Feed,
        filter: Filter,
        asked: Option<Position>,
        out: mpsc::Sender<Bytes>,
        (seat, over): (Seat, CancellationToken),
    ) -> Self {
        let head = *feed.head.borrow();
        let at = asked.unwrap_or(head).min(head);
        Self { feed, filter, asked, at, out, due: Instant::now() + KEEP_ALIVE, _seat: seat, over }
    }

    /// Serves the client until it leaves, until `stop`, or until it has to be let go; says which.
    pub(super) async fn run(mut self, stop: CancellationToken) -> TailEnding {
        let ending = tokio::select! {
            biased;
            () = stop.cancelled() => TailEnding::Stopping,
            ended = self.serve() => match ended { Err(ending) => ending, Ok(never) => match never {} },
        };
        if ending != TailEnding::Left {
            let farewell = format!("event: end\ndata: {{\"reason\":\"{}\"}}\n\n", ending.as_str());
            // Who does not listen does not hear it.
            drop(timeout(FAREWELL_MAX, self.out.send(farewell.into())).await);
        }
        if matches!(ending, TailEnding::Slow | TailEnding::Stalled) {
            self.over.cancel();
        }
        ending
    }

    async fn serve(&mut self) -> Result<Infallible, TailEnding> {
        self.send(self.hello()).await?;
        self.catch_up().await?;
        let mut batches = self.feed.batches.subscribe();
        // What came before the fan-out knew of us. From the head of now on, it tells everything.
        self.catch_up().await?;
        loop {
            let heard = tokio::select! {
                biased;
                () = self.out.closed() => return Err(TailEnding::Left),
                heard = timeout_at(self.due, batches.recv()) => heard,
            };
            match heard {
                Ok(Ok(batch)) => self.tell(&batch).await?,
                Ok(Err(broadcast::error::RecvError::Lagged(_))) => return Err(TailEnding::Slow),
                Ok(Err(broadcast::error::RecvError::Closed)) => return Err(TailEnding::Stopping),
                Err(_) => self.keep_alive().await?,
            }
        }
    }

    fn hello(&self) -> Bytes {
        let mut hello = HELLO.to_owned();
        if let Some(asked) = self.asked.filter(|asked| *asked > self.at) {
            let at = self.at;
            // The journal is another one than the client knew.
            write!(hello, ": position {asked} is beyond the newest record, {at}; going on from there\n\n")
                .expect("a String takes every write");
        }
        hello.into()
    }

    /// Reads until nothing is left up to the head.
    async fn catch_up(&mut self) -> Result<(), TailEnding> {
        loop {
            let head = *self.feed.head.borrow();
            if self.at >= head {
                return Ok(());
            }
            let read = self.feed.journal.search_after(self.at, SLICE).await;
            let slice = read.map_err(|_| TailEnding::Unreadable)?;
            let Some(first) = slice.first().map(|stored| stored.position) else {
                // Retention has deleted what was left.
                self.at = head;
                return Ok(());
            };
            if self.at > 0 && first > self.at + 1 {
                let (at, next) = (self.at, first);
                let expired = format!("event: expired\ndata: {{\"after\":{at},\"before\":{next}}}\n\n");
                self.send(expired.into()).await?;
            }
            self.tell(&Batch::of(self.at, &slice)).await?;
            if Instant::now() >= self.due {
                self.keep_alive().await?;
            }
        }
    }

    async fn tell(&mut self, batch: &Batch) -> Result<(), TailEnding> {
        let chosen = batch.chosen(&self.filter, self.at);
        self.at = self.at.max(batch.last);
        if chosen.is_empty() { Ok(()) } else { self.send(chosen).await }
    }

    /// A comment, and the position: what did not fit is not looked at again when the client comes back.
    async fn keep_alive(&mut self) -> Result<(), TailEnding> {
        self.send(format!(": keep-alive\nid: {}\n\n", self.at).into()).await
    }

    async fn send(&mut self, piece: Bytes) -> Result<(), TailEnding> {
        match timeout(STALL_MAX, self.out.send(piece)).await {
            Ok(Ok(())) => {
                self.due = Instant::now() + KEEP_ALIVE;
                Ok(())
            }
            Ok(Err(_)) => Err(TailEnding::Left),
            Err(_) => Err(TailEnding::Stalled),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use journal::{Batch as Appended, Item, Location, Retention, When};
    use tokio::task::JoinSet;

    use super::{super::seat::Seats, *};
    use crate::metrics::Metrics;

    const BODY: &str =
        r#"{"kind":"gap","severity":"ok","endpoint":{"id":"a"},"observed_at":"2026-11-20T14:00:00Z"}"#;

    async fn journal(tasks: &mut JoinSet<()>) -> Journal {
        let retention = Retention { max_age: Duration::from_hours(1), max_size: u64::MAX };
        let (journal, writer) = Journal::open(Location::Memory, retention, Arc::new(|| 0)).await.unwrap();
        tasks.spawn(writer.run());
        journal
    }

    async fn append(journal: &Journal, count: u8) {
        let item = |number| Item {
            key: [number; 16],
            twins: Vec::new(),
            bytes: Some(BODY.into()),
            when: When::Always,
        };
        let batch = Appended { scope: "a".into(), items: (1..=count).map(item).collect(), marks: Vec::new() };
        journal.append(batch).await.unwrap();
    }

    /// A client that begins at position 0, and what it is sent.
    fn client(journal: Journal) -> (Client, mpsc::Receiver<Bytes>, CancellationToken) {
        let seats = Seats::new(Metrics::new("test").unwrap().tails());
        let seat = seats.take(IpAddr::from([127, 0, 0, 1])).unwrap();
        let (out, pieces) = mpsc::channel(1);
        let over = CancellationToken::new();
        let feed = Feed::new(journal);
        (Client::new(feed, Filter::default(), Some(0), out, (seat, over.clone())), pieces, over)
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_is_let_go_with_the_connection() {
        let mut tasks = JoinSet::new();
        let journal = journal(&mut tasks).await;
        append(&journal, 3).await;
        let (client, pieces, over) = client(journal);
        let begun = Instant::now();
        let ending = client.run(CancellationToken::new()).await;
        assert_eq!(ending, TailEnding::Stalled);
        assert_eq!(begun.elapsed(), STALL_MAX + FAREWELL_MAX);
        assert!(over.is_cancelled());
        drop(pieces);
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_nothing_to_hear_hears_that_with_the_place_to_come_back_to() {
        let mut tasks = JoinSet::new();
        let journal = journal(&mut tasks).await;
        append(&journal, 3).await;
        let (client, mut pieces, _) = client(journal);
        let stop = CancellationToken::new();
        let (stopped, mut served) = (stop.clone(), JoinSet::new());
        served.spawn(client.run(stopped));
        let begun = Instant::now();
        let mut hear = async || String::from_utf8(pieces.recv().await.unwrap().to_vec()).unwrap();
        assert_eq!(hear().await, HELLO);
        assert!(hear().await.starts_with("id: 1\ndata: {\"schema\":1,\"position\":1,"));
        for times in 1..4 {
            assert_eq!(hear().await, ": keep-alive\nid: 3\n\n");
            assert_eq!(begun.elapsed(), KEEP_ALIVE * times);
        }
        stop.cancel();
        assert_eq!(hear().await, "event: end\ndata: {\"reason\":\"stopping\"}\n\n");
        assert_eq!(served.join_next().await.unwrap().unwrap(), TailEnding::Stopping);
    }
}
