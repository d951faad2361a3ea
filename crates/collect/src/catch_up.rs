//! Reading the logs of one endpoint up to now: the one path of polls, backfills and reconciliations.
//!
//! Which entries are news is decided in `continuity` and by the journal; when to read, by the collectors.

use std::{collections::HashSet, time::Duration};

use chrono::{DateTime, Utc};
use journal::ReadError;
use model::{LogBookmark, Origin};
use redfish::{Entry, LogService, Operation, Page, PageLink, RequestError, RequestErrorKind, ServiceRoot};
use tokio::time::Instant;

use crate::{
    Mode,
    collector::{Broken, Context},
    continuity::{Next, Order, Walk},
    downgrade::Reason,
    ingest::{HAS_STREAMED, News, Offer, Witnesses},
    recover::{Scope, may_pass, scope},
};

/// Pages of one log in one reading. An iDRAC's Lclog of 500,000 entries has 10,000 pages of 50; more is a loop that the
/// link guard did not see.
const PAGES_MAX: usize = 10_000;

/// After so long a look-up or a reading that missed something is done again, if what it missed may be there then.
pub(crate) const PARTIAL_AGAIN_AFTER: Duration = Duration::from_mins(5);

/// What an endpoint's logs are, as looked up some time ago.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) root: ServiceRoot,
    services: Vec<LogService>,
    looked_up_at: Instant,
    missed: Missed,
}

/// Whether a look-up found all log services.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Missed {
    /// What could not be read will not be there soon either.
    Nothing,
    /// Something did not answer, this time.
    Something,
}

impl Logs {
    /// When the service root and the log services were looked up.
    pub(crate) fn looked_up_at(&self) -> Instant {
        self.looked_up_at
    }

    /// Whether log services may be missing that will be found soon.
    pub(crate) fn is_partial(&self) -> bool {
        self.missed == Missed::Something
    }
}

/// What a reading brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Logs that were read.
    pub(crate) logs: u32,
    /// Logs that could not be read, though the endpoint is well.
    pub(crate) failed_logs: u32,
    /// Entries that were listed.
    pub(crate) entries: usize,
    /// Records made.
    pub(crate) records: u64,
}

/// Logs as they are known: a fresh look-up when there is none or it is older than `max_age`.
pub(crate) async fn look_up(
    context: &Context,
    logs: Option<Box<Logs>>,
    max_age: Duration,
) -> Result<Box<Logs>, RequestError> {
    let good_for = |logs: &Logs| if logs.is_partial() { max_age.min(PARTIAL_AGAIN_AFTER) } else { max_age };
    if let Some(logs) = logs.filter(|logs| logs.looked_up_at.elapsed() < good_for(logs)) {
        return Ok(logs);
    }
    let root = context.client.root().await?;
    context.status.identified(&root);
    let mut found = context.client.log_services(&root).await?;
    for problem in &found.problems {
        context.failed_partly(problem);
    }
    let excluded = &context.wish.logs.exclude_services;
    found.found.retain(|log| log.enabled && !excluded.iter().any(|name| name.eq_ignore_ascii_case(&log.id)));
    tracing::debug!(endpoint = %context.id(), logs = found.found.len(), "log services looked up");
    let missed = if found.problems.iter().any(may_pass) { Missed::Something } else { Missed::Nothing };
    Ok(Box::new(Logs { root, services: found.found, looked_up_at: Instant::now(), missed }))
}

/// How a reading came about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Occasion {
    /// What its records say of the way they came.
    pub(crate) origin: Origin,
    /// When the endpoint was reached: what it logs after that is news even at a first contact.
    pub(crate) since: DateTime<Utc>,
}

/// Reads every log to its end or to what is known. A log that cannot be read costs only itself; an endpoint that does not
/// answer ends the reading.
pub(crate) async fn catch_up(context: &Context, logs: &Logs, occasion: Occasion) -> Result<Tally, Broken> {
    let mut tally = Tally::default();
    let witnesses = witnesses(context).await?;
    for (index, service) in logs.services.iter().enumerate() {
        let place = if index + 1 == logs.services.len() { Place::Last } else { Place::Before };
        match read_log(context, service, (occasion, witnesses, place), &mut tally).await {
            Ok(()) => tally.logs += 1,
            Err(Broken::Request(error)) if scope(&error) == Scope::Resource => {
                context.failed_partly(&error);
                tally.failed_logs += 1;
            }
            Err(error) => return Err(error),
        }
    }
    context.world.metrics.read(tally.entries);
    Ok(tally)
}

/// Where a log stands among those that are read in one go.
#[derive(Debug, Clone, Copy)]
enum Place {
    Before,
    /// Nothing is asked after it for a while, unless it has several pages.
    Last,
}

async fn read_log(
    context: &Context,
    service: &LogService,
    (occasion, witnesses, place): (Occasion, Witnesses, Place),
    tally: &mut Tally,
) -> Result<(), Broken> {
    let name = service.path.as_str();
    let stored = context.world.journal.mark(context.id().as_str(), name).await?;
    let before = stored.as_deref().and_then(LogBookmark::decode);
    let generation = before.as_ref().map_or(0, |before| before.generation);
    let mut walk = Walk::new(before, context.wish.logs.initial_history, occasion.since);

    let mut page = match place {
        Place::Before => context.client.first_page(service).await?,
        Place::Last => context.client.first_page_and_close(service).await?,
    };
    if walk.is_unchanged(&page) {
        return Ok(());
    }
    let mut links: HashSet<PageLink> = HashSet::new();
    let mut read = 0;
    for pages in 1..=PAGES_MAX {
        read += page.entries.len();
        tally.entries += page.entries.len();
        context.world.metrics.rejected("entry", page.rejected);
        let next = walk.take(&page);
        let offer = |entry: Entry| {
            let news = if walk.tells(&entry) { News::Tell } else { News::Note };
            Offer::entry(context.status.endpoint(), name, generation, entry, news, witnesses)
        };
        let offers = oldest_first(&mut page, walk.order()).into_iter().map(offer).collect();
        let link = page.next.clone().filter(|link| next == Next::GoOn && links.insert(link.clone()));
        let following = match &link {
            Some(link) => Some(context.client.next_page(service, link).await),
            None => None,
        };
        let ends = match &following {
            None => true,
            Some(Ok(_)) => false,
            Some(Err(error)) => is_past_the_end(error, read, page.count),
        };
        let bookmark = if ends {
            Some(walk.finished(&page, pages))
        } else if pages == 1 {
            walk.begun()
        } else {
            None
        };
        let marked = bookmark.map(|bookmark| (name, bookmark));
        tally.records +=
            context.world.ingest.take(&context.status, occasion.origin, offers, marked).await?.records;
        match following {
            Some(following) if !ends => page = following?,
            _ => return Ok(()),
        }
    }
    let kind = RequestErrorKind::Decode(format!("more than {PAGES_MAX} pages"));
    Err(Broken::Request(RequestError { operation: Operation::Logs, path: service.path.clone(), kind }))
}

/// Takes the entries out of a page, in the order in which they shall be told: oldest first.
fn oldest_first(page: &mut Page, order: Order) -> Vec<Entry> {
    let mut entries = std::mem::take(&mut page.entries);
    if order == Order::NewestFirst {
        entries.reverse();
    }
    entries
}

/// Whether what stands in this endpoint's logs may come on a stream too, or has: events that came before a downgrade
/// still wait for their entries, whatever the mode is now.
async fn witnesses(context: &Context) -> Result<Witnesses, ReadError> {
    let streams = match (context.wish.mode(), context.registry().reason(context.id())) {
        (Mode::Periodic, _) | (Mode::Auto, Some(Reason::SseNotAvailable(_))) => false,
        (Mode::Sse, _) | (Mode::Auto, None | Some(Reason::ConnectFailures(_))) => true,
    };
    let has_streamed = || context.world.journal.mark(context.id().as_str(), HAS_STREAMED);
    let both = streams || has_streamed().await?.is_some();
    Ok(if both { Witnesses::LogAndStream } else { Witnesses::Log })
}

/// A next link that leads past the end is answered by 400, 404 or 500 on some (T29). It is the end only when the log's own
/// count says so.
fn is_past_the_end(error: &RequestError, read: usize, count: Option<u64>) -> bool {
    let refused = matches!(error.kind, RequestErrorKind::Status { status: 400 | 404 | 500, .. });
    refused && count.is_some_and(|count| read as u64 >= count)
}
