//! Reading one log up to now, with as few and as small requests as what is known of it allows.
//!
//! What the pages mean is decided in `walk` and `continuity`; which logs there are and when they are read, elsewhere.

use std::{collections::HashSet, time::Duration};

use journal::ReadError;
use model::LogBookmark;
use redfish::{Keeping, KnownPage, LogService, Operation, Page, PageLink, RequestError, RequestErrorKind};
use tokio::time::Instant;

use crate::{
    GapReason,
    catch_up::{Occasion, Place, Tally},
    collector::{Broken, Context},
    continuity::{self, Ask, Continuity, EMPTY_BELIEVED_AFTER, Reading, SECOND_READING_AFTER},
    ingest::{LogName, Offer, Told},
    notice::{self, Notice},
    walk::{self, Named, Next, Part, Start, Walk},
};

/// Pages of one log in one reading. An iDRAC's Lclog of 500,000 entries has 10,000 pages of 50; more is a loop that the
/// link guard did not see.
const PAGES_MAX: usize = 10_000;

/// A log with more pages is left alone for so long: it has no end, and each try costs the BMC minutes of requests.
const ENDLESS_REST: Duration = Duration::from_hours(6);

/// How often a reading starts again because the log moved under it (T15). A log that is cleared or rotated faster
/// than it can be read is left to the next time.
const RESTARTS_MAX: usize = 3;

/// So many known entries are read again before what is new, to see that the log goes on: half of what the bookmark knows.
const TAIL_ENTRIES: u64 = 64;

/// What a log service says of its newest entry is believed for so long; then the log is read, whatever it says.
const LATEST_BELIEVED_FOR: Duration = Duration::from_hours(1);

/// Records that a full log may hold and be believed about it: Intel's says 1,869,181,520 (T39).
const CAPACITY_MAX: u64 = 1_000_000;

/// So many readings in a row that brought nothing but logins show that we read our own traces (T74).
const NOISY_READINGS: u8 = 3;

/// A log, and what its last readings taught about it.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) service: LogService,
    tail: Tail,
    noise: Noise,
    /// When a reading gave up after [`PAGES_MAX`].
    endless: Option<Instant>,
    /// Whether `service` was read just now.
    fresh: bool,
}

/// Whether the log can be read from near its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tail {
    /// Not known: the next reading is of the whole log.
    Unknown,
    /// It is long, oldest first, and held so many entries.
    Behind(u64),
    /// It sends something else than what was asked for (T29, T30).
    Refused,
}

/// Whether the log grows with our reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Noise {
    Readings(u8),
    Told,
}

impl Watched {
    /// A log as it was just looked up; `before` is what was known of it.
    pub(crate) fn new(service: LogService, before: Option<&Self>) -> Self {
        let noise = before.map_or(Noise::Readings(0), |before| before.noise);
        let endless = before.and_then(|before| before.endless);
        Self { service, tail: Tail::Unknown, noise, endless, fresh: true }
    }
}

/// One visit of one log.
pub(crate) struct Visit<'a> {
    pub(crate) context: &'a Context,
    pub(crate) occasion: Occasion,
    pub(crate) place: Place,
    /// UUID of the machine.
    pub(crate) machine: Option<&'a str>,
}

/// How a reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    Done,
    /// The log moved under it.
    Again,
}

impl Visit<'_> {
    /// Reads the log to its end or to what is known.
    pub(crate) async fn read(&self, log: &mut Watched, tally: &mut Tally) -> Result<(), Broken> {
        if log.endless.is_some_and(|since| since.elapsed() < ENDLESS_REST) {
            return Err(endless(&log.service));
        }
        let before = self.bookmark(&log.service).await?;
        let start = self.start(&log.service, before.as_ref()).await;
        let undoubted = before.as_ref().filter(|before| before.doubted_since_ms.is_none());
        if let Some(before) = undoubted.filter(|_| !self.context.wish.logs.report_changes) {
            if self.says_nothing_new(log, before).await? {
                return Ok(());
            }
            if let Tail::Behind(count) = log.tail
                && let Some(page) = self.tail(log, before, (count, start)).await?
            {
                let walk = Walk::new(Some(before.clone()), Part::Tail, start);
                if self.walk(log, walk, (before.clone(), page), tally).await? == Read::Done {
                    return Ok(());
                }
            }
        }
        let mut before = before;
        for restarts in 0..=RESTARTS_MAX {
            let walk = Walk::new(before.clone(), Part::Whole, start);
            let walk = if restarts == RESTARTS_MAX { walk.for_the_last_time() } else { walk };
            let mut known = walk.known_page();
            if self.context.wish.logs.report_changes {
                // Which of several that say the same has changed is told by counting them all.
                known.members = None;
            }
            let changed = self.first_page(&log.service, known).await?;
            let Some(page) = changed.filter(|page| !walk.is_unchanged(page)) else {
                return self.unchanged(&log.service, before).await;
            };
            let walk = walk.beginning_with(&page);
            if self.walk(log, walk, (before.unwrap_or_default(), page), tally).await? == Read::Done {
                return Ok(());
            }
            before = self.bookmark(&log.service).await?;
        }
        Err(broken(&log.service, format!("the log moved under {} readings", RESTARTS_MAX + 1)))
    }

    async fn start(&self, log: &LogService, before: Option<&LogBookmark>) -> Start {
        let history = self.context.wish.logs.initial_history;
        let is_first = before.is_none_or(|before| before.unfinished_since_ms.is_some());
        let told_before = if is_first { self.context.take_over.last_seen(&log.path).await } else { None };
        Start { history, contact: self.occasion.since, told_before }
    }

    async fn bookmark(&self, log: &LogService) -> Result<Option<LogBookmark>, ReadError> {
        let stored = self.context.world.journal.mark(self.context.id().as_str(), &log.path).await?;
        Ok(stored.as_deref().and_then(LogBookmark::decode))
    }

    /// The first page, unless it is the one that is known.
    async fn first_page(&self, log: &LogService, known: KnownPage) -> Result<Option<Page>, RequestError> {
        match self.place {
            Place::Before => self.context.client.changed_first_page(log, known).await,
            Place::Last => self.context.client.changed_first_page_and_close(log, known).await,
        }
    }

    /// Whether the log service says of its newest entry what it said when that proved true (NVIDIA, Lenovo).
    async fn says_nothing_new(&self, log: &mut Watched, before: &LogBookmark) -> Result<bool, RequestError> {
        if log.service.latest.is_none() {
            return Ok(false);
        }
        if !std::mem::take(&mut log.fresh) {
            log.service = self.context.client.log_service(&log.service).await?;
        }
        let believed = before.read_at_ms.is_some_and(|read_at| {
            let age = self.context.now().timestamp_millis().saturating_sub(read_at);
            u128::try_from(age).is_ok_and(|age| age < LATEST_BELIEVED_FOR.as_millis())
        });
        let says = log.service.latest.as_ref().map(|latest| latest.text.as_str());
        Ok(believed && before.latest.is_some() && before.latest.as_deref() == says)
    }

    /// The last known entries and what came after them; nothing where the log does not answer that.
    async fn tail(
        &self,
        log: &mut Watched,
        before: &LogBookmark,
        (count, start): (u64, Start),
    ) -> Result<Option<Page>, RequestError> {
        let skip = count.saturating_sub(TAIL_ENTRIES).max(1);
        let walk = Walk::new(Some(before.clone()), Part::Tail, start);
        log.tail = match self.context.client.page_from(&log.service, skip).await {
            Ok(page) if walk.continues_with(&page) => return Ok(Some(page)),
            // The log as a whole, or its first page, in spite of what was asked.
            Ok(page) if before.first.is_some() && walk::first_listed(&page) == before.first => Tail::Refused,
            Ok(_) => Tail::Unknown,
            Err(RequestError {
                kind: RequestErrorKind::Status { status: 400 | 404 | 500 | 501, .. },
                ..
            }) => Tail::Refused,
            Err(error) => return Err(error),
        };
        Ok(None)
    }

    /// Nothing is new; that it was looked at is remembered now and then.
    async fn unchanged(&self, log: &LogService, before: Option<LogBookmark>) -> Result<(), Broken> {
        let now = self.context.now().timestamp_millis();
        let half = i64::try_from(LATEST_BELIEVED_FOR.as_millis() / 2).unwrap_or(i64::MAX);
        let Some(before) = before else { return Ok(()) };
        if before.read_at_ms.is_none_or(|read_at| now.saturating_sub(read_at) >= half) {
            let bookmark = LogBookmark { read_at_ms: Some(now), ..before };
            self.take(&log.path, Vec::new(), Some(bookmark)).await?;
        }
        Ok(())
    }

    /// Walks from a page to the end, and makes durable what each page brings.
    async fn walk(
        &self,
        log: &mut Watched,
        mut walk: Walk,
        (before, mut page): (LogBookmark, Page),
        tally: &mut Tally,
    ) -> Result<Read, Broken> {
        let service = log.service.clone();
        let mut links: HashSet<PageLink> = HashSet::new();
        let mut told = 0;
        for pages in 1..=PAGES_MAX {
            tally.entries += page.entries.len();
            self.context.world.metrics.rejected("entry", page.rejected);
            let (named, next) = walk.take(&mut page);
            if next == Next::StartAgain {
                return Ok(Read::Again);
            }
            let mut offers = self.offers(&service.path, before.generation, named);
            let link = page.next.clone().filter(|link| next == Next::GoOn && links.insert(link.clone()));
            let following = match &link {
                Some(link) => Some(self.context.client.next_page(&service, link).await),
                None => None,
            };
            let ends = match &following {
                None => true,
                Some(Ok(_)) => false,
                Some(Err(error)) => is_past_the_end(error, walk.entries(), page.count),
            };
            if !ends {
                let begun = walk.begun().filter(|_| pages == 1);
                let made = self.take(&service.path, offers, begun).await?;
                told += made.records;
                tally.told(made);
                page = following.expect("it does not end here")?;
                continue;
            }
            if walk.has_moved() || pages > 1 && told > 0 && self.has_moved(&service, &walk).await? {
                tally.told(self.take(&service.path, offers, None).await?);
                return Ok(Read::Again);
            }
            let whole = walk.is_whole();
            let length = page.count.filter(|count| whole && pages > 1 && *count == walk.entries() as u64);
            let ended = self.finish(log, walk, (&before, &page, pages));
            let closing = self.offers(&service.path, ended.bookmark.generation, ended.held);
            offers.splice(0..0, ended.notices.iter().map(|notice| self.notice(&service.path, notice)));
            offers.extend(closing);
            tally.told(self.take(&service.path, offers, Some(ended.bookmark)).await?);
            tally.ask_again(ended.ask);
            for gap in ended.notices.iter().filter(|notice| notice.kind == model::Kind::Gap) {
                self.context.gap(&service.path, gap);
            }
            log.tail = match (log.tail, length, page.count) {
                (Tail::Unknown, Some(count), _) => Tail::Behind(count),
                (Tail::Behind(_), _, Some(count)) if !whole => Tail::Behind(count),
                (tail, _, _) => tail,
            };
            return Ok(Read::Done);
        }
        log.endless = Some(Instant::now());
        Err(endless(&service))
    }

    /// Whether the log lists another entry first than when this reading began: what was trimmed meanwhile made others slip
    /// past between two pages (T15).
    async fn has_moved(&self, log: &LogService, walk: &Walk) -> Result<bool, RequestError> {
        if walk.first().is_none() {
            return Ok(false);
        }
        let page = self.context.client.first_page(log).await?;
        Ok(walk::first_listed(&page) != walk.first())
    }

    /// What follows from a reading that came to its end. No I/O; the clock is asked once.
    fn finish(
        &self,
        log: &mut Watched,
        mut walk: Walk,
        (before, last, pages): (&LogBookmark, &Page, usize),
    ) -> Ended {
        let now = self.context.now();
        let reading = walk.reading(self.machine);
        let is_first = walk.is_first();
        let verdict = match log.service.keeping {
            Keeping::UntilCleared if !is_first => continuity::judge(before, &reading, now.timestamp_millis()),
            // Entries of a list of alarms go when the alarm ends (T18).
            Keeping::UntilCleared | Keeping::WhileActive => Continuity::Continues,
        };
        let mut notices = notice::of_verdict(verdict, before, now);
        let (held, mut bookmark) = walk.finish(&verdict, (last, pages), now);
        if let Continuity::CannotTell(ask) = verdict {
            return Ended { bookmark, held, notices, ask: Some(ask) };
        }
        let loses = loses(&log.service, last.count);
        let says_so = if reading.overflowed && !is_first { Some(GapReason::Overflow) } else { None };
        let newly = loses.filter(|_| !before.overflow_told || verdict.begins_anew()).or(says_so);
        notices.extend(newly.map(|reason| notice::of_loss_at_the_source(reason, before, now)));
        bookmark.overflow_told = loses.is_some();
        bookmark.latest = trusted(&log.service, &reading);
        self.listen(log, &reading);
        Ended { bookmark, held, notices, ask: None }
    }

    /// Notes whether the log grows by nothing but our own coming and going, and says so once.
    fn listen(&self, log: &mut Watched, reading: &Reading) {
        let only_sessions = reading.fresh.entries > 0 && reading.fresh.entries == reading.fresh.sessions;
        log.noise = match log.noise {
            Noise::Told => Noise::Told,
            Noise::Readings(_) if !only_sessions => Noise::Readings(0),
            Noise::Readings(before) if before + 1 < NOISY_READINGS => Noise::Readings(before + 1),
            Noise::Readings(_) => {
                self.context.world.announcer.noisy(self.context.id(), &log.service.path);
                Noise::Told
            }
        };
    }

    fn notice(&self, path: &str, notice: &Notice) -> Offer {
        Offer::notice(self.context.status.endpoint(), Some(path), notice)
    }

    fn offers(&self, path: &str, generation: u32, named: Vec<Named>) -> Vec<Offer> {
        let endpoint = self.context.status.endpoint();
        let log = LogName { endpoint, path, generation };
        let reports_changes = self.context.wish.logs.report_changes;
        let mut offers = Vec::with_capacity(named.len());
        for named in named {
            let revision = named.entry.revision.filter(|_| reports_changes);
            let entry = Offer::entry(&log, named);
            let changed = revision.map(|revision| Offer::changed(&entry, revision));
            offers.push(entry);
            offers.extend(changed);
        }
        offers
    }

    async fn take(
        &self,
        path: &str,
        offers: Vec<Offer>,
        bookmark: Option<LogBookmark>,
    ) -> Result<Told, Broken> {
        let context = self.context;
        let marked = bookmark.map(|bookmark| (path, bookmark));
        let taken = context.world.ingest.take(&context.status, self.occasion.origin, offers, marked);
        Ok(taken.await?)
    }
}

/// What a reading came to.
struct Ended {
    bookmark: LogBookmark,
    held: Vec<Named>,
    notices: Vec<Notice>,
    ask: Option<Ask>,
}

impl Ask {
    /// When.
    pub(crate) fn after(self) -> Duration {
        match self {
            Self::SecondReading => SECOND_READING_AFTER,
            Self::WhetherItStaysEmpty => EMPTY_BELIEVED_AFTER / 2,
        }
    }
}

/// What the log service says of its newest entry, if that is the newest that was read.
fn trusted(service: &LogService, reading: &Reading) -> Option<String> {
    let latest = service.latest.as_ref()?;
    let newest = reading.numbers.map(|(_, high)| high);
    (newest == Some(latest.number)).then(|| latest.text.clone())
}

/// Whether the log loses entries by itself (T38).
fn loses(service: &LogService, count: Option<u64>) -> Option<GapReason> {
    if service.overflows {
        return Some(GapReason::Overflow);
    }
    let keeps_old = service.overwrite_policy.as_deref().is_some_and(|policy| policy == "NeverOverWrites");
    let full = matches!((count, service.max_records), (Some(count), Some(max)) if max > 0 && max <= CAPACITY_MAX && count >= max);
    (keeps_old && full).then_some(GapReason::Full)
}

/// A next link that leads past the end is answered by 400, 404 or 500 on some (T29). It is the end only when the log's own
/// count says so.
fn is_past_the_end(error: &RequestError, read: usize, count: Option<u64>) -> bool {
    let refused = matches!(error.kind, RequestErrorKind::Status { status: 400 | 404 | 500, .. });
    refused && count.is_some_and(|count| read as u64 >= count)
}

fn endless(log: &LogService) -> Broken {
    let hours = ENDLESS_REST.as_secs() / 3600;
    broken(log, format!("more than {PAGES_MAX} pages; the log is left alone for {hours} hours"))
}

fn broken(log: &LogService, why: String) -> Broken {
    let kind = RequestErrorKind::Decode(why);
    Broken::Request(RequestError { operation: Operation::Logs, path: log.path.clone(), kind })
}
