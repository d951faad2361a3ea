//! The sources of endpoints beside the configuration's own list: one task each, which looks when it is time, and says what
//! it found. A source that cannot be read says nothing, so its last good list stays.
//!
//! Not here: how files and answers are read (`file_source`, `http_source`), what a target becomes and whether a refresh
//! takes effect (the program, with `guard`).

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use model::Clock;
use tokio::{
    sync::{mpsc, watch},
    task::{Id, JoinError, JoinSet},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    FileLook, FileNews, FilePattern, FileSource, HttpSource, Looking, Metrics, Moment, Occasion, TargetList,
    collector::chain,
};

/// Between two looks at files: one `stat` a file takes microseconds, and whoever changes an inventory waits for this.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Refreshes that wait to be taken over; a source that has more to say waits itself.
const REFRESHES_WAITING: usize = 16;

/// Lines about the files of one look; an inventory of a file for each endpoint is not worth 10,000 lines.
const LINES_MAX: usize = 20;

/// One source.
#[derive(Debug, Clone)]
pub struct SourceSpec {
    /// Its name in metrics and log, such as `file_sd/0`.
    pub name: Arc<str>,
    /// Which list it is, however it is read.
    pub identity: String,
    /// How it is read: with other settings the old one ends and a new one begins.
    pub settings: String,
    /// Where the targets are.
    pub place: Place,
    /// What it has until it says otherwise.
    pub last: TargetList,
}

/// Where the targets of a source are.
#[derive(Debug, Clone)]
pub enum Place {
    /// In files.
    Files {
        /// Which.
        files: Vec<FilePattern>,
        /// Between two readings of all of them.
        refresh_interval: Duration,
    },
    /// Behind HTTP.
    Http(HttpSource),
}

/// What one source said.
#[derive(Debug, Clone)]
pub struct Refresh {
    /// Which.
    pub source: Arc<str>,
    /// Which list that is.
    pub identity: String,
    /// What holds there now.
    pub list: TargetList,
    /// What it came of.
    pub moment: Moment,
}

/// The sources that there should be, and how often the operator has asked for a reload.
pub type Wanted = (Arc<[SourceSpec]>, u64);

/// All sources; its owner awaits [`run`](Self::run).
pub struct Sources {
    wanted: watch::Receiver<Wanted>,
    /// The reload that the tasks are to know of.
    asked: watch::Sender<u64>,
    found: mpsc::Sender<Refresh>,
    metrics: Metrics,
    clock: Clock,
    tasks: JoinSet<()>,
    running: BTreeMap<Arc<str>, Running>,
}

struct Running {
    settings: String,
    task: Id,
    stop: CancellationToken,
}

/// What the task of one source works with.
struct Follower {
    spec: SourceSpec,
    found: mpsc::Sender<Refresh>,
    asked: watch::Receiver<u64>,
    /// The last reload that it knows of.
    revision: u64,
    metrics: Metrics,
    clock: Clock,
    /// It was told that the source cannot be read.
    told: bool,
}

impl Sources {
    /// Sources that follow `wanted`; what they find comes out.
    pub fn new(
        wanted: watch::Receiver<Wanted>,
        metrics: Metrics,
        clock: Clock,
    ) -> (Self, mpsc::Receiver<Refresh>) {
        let (found, refreshes) = mpsc::channel(REFRESHES_WAITING);
        let (asked, _) = watch::channel(0);
        let (tasks, running) = (JoinSet::new(), BTreeMap::new());
        (Self { wanted, asked, found, metrics, clock, tasks, running }, refreshes)
    }

    /// Runs until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            self.reconcile(&stop);
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Ok(()) = self.wanted.changed() => {}
                Some(ended) = self.tasks.join_next() => {
                    if let Err(error) = ended {
                        self.panicked(&error, &stop);
                    }
                }
            }
        }
        // A file system that hangs is not waited for by a source: its task ends all the same.
        while self.tasks.join_next().await.is_some() {}
    }

    /// Ends what is not wanted any more and starts what is missing.
    fn reconcile(&mut self, stop: &CancellationToken) {
        let wanted = Arc::clone(&self.wanted.borrow_and_update().0);
        let metrics = &self.metrics;
        self.running.retain(|name, running| {
            let same = |spec: &SourceSpec| spec.name == *name && spec.settings == running.settings;
            let stays = wanted.iter().any(same);
            if !stays {
                running.stop.cancel();
            }
            if !wanted.iter().any(|spec| spec.name == *name) {
                metrics.forget_source(name);
            }
            stays
        });
        for spec in wanted.iter().filter(|spec| !self.running.contains_key(&spec.name)).collect::<Vec<_>>() {
            self.start(spec.clone(), Duration::ZERO, stop);
        }
        // Last: who is not wanted any more has heard of that before.
        self.asked.send_replace(self.wanted.borrow().1);
    }

    fn start(&mut self, spec: SourceSpec, delay: Duration, stop: &CancellationToken) {
        let stop = stop.child_token();
        let (name, settings) = (Arc::clone(&spec.name), spec.settings.clone());
        let follower = Follower {
            spec,
            found: self.found.clone(),
            asked: self.asked.subscribe(),
            revision: self.wanted.borrow().1,
            metrics: self.metrics.clone(),
            clock: self.clock.clone(),
            told: false,
        };
        let ends = stop.clone();
        let task = self.tasks.spawn(async move {
            let following = async {
                tokio::time::sleep(delay).await;
                follower.follow().await;
            };
            // Whoever is ended says nothing more, even if a quick look has an answer at the same moment.
            tokio::select! {
                biased;
                () = ends.cancelled() => {}
                () = following => {}
            }
        });
        self.running.insert(name, Running { settings, task: task.id(), stop });
    }

    /// One strange list must not stop the others: the source is counted, told, and looked at again after an interval.
    fn panicked(&mut self, error: &JoinError, stop: &CancellationToken) {
        let name = self.running.iter().find(|(_, running)| running.task == error.id());
        let Some(name) = name.map(|(name, _)| Arc::clone(name)) else { return };
        let wanted = Arc::clone(&self.wanted.borrow().0);
        let Some(spec) = wanted.iter().find(|spec| spec.name == name) else { return };
        let wait = spec.place.refresh_interval();
        self.metrics.source_panicked();
        tracing::error!(source = %name, error = %error, retry_in = ?wait, "source panicked; please report this");
        self.start(spec.clone(), wait, stop);
    }
}

impl Place {
    /// Between two regular refreshes.
    pub fn refresh_interval(&self) -> Duration {
        match self {
            Self::Files { refresh_interval, .. } => *refresh_interval,
            Self::Http(http) => http.refresh_interval,
        }
    }
}

impl Follower {
    async fn follow(mut self) {
        match self.spec.place.clone() {
            Place::Files { files, .. } => self.follow_files(files).await,
            Place::Http(http) => self.follow_http(&http).await,
        }
    }

    async fn follow_files(&mut self, files: Vec<FilePattern>) {
        let mut source = FileSource::new(files, &self.spec.last);
        let mut list = self.spec.last.clone();
        let mut occasion = Occasion::Regular;
        let mut regular_at = Instant::now();
        loop {
            let begun = Instant::now();
            let how = match occasion {
                Occasion::Change => Looking::Quick,
                Occasion::Regular | Occasion::Asked => Looking::Whole,
            };
            // A file system that hangs holds up this thread, and nothing else.
            let looked = tokio::task::spawn_blocking(move || {
                let look = source.look(how);
                (source, look)
            });
            let look;
            (source, look) = match looked.await {
                Ok(looked) => looked,
                Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
                // The runtime ends.
                Err(_) => return,
            };
            self.tell_files(&look);
            if occasion != Occasion::Change || look.list != list {
                self.refreshed(look.failures.is_empty(), begun);
                list = look.list;
                if !self.say(list.clone(), occasion).await {
                    return;
                }
            }
            if occasion != Occasion::Change {
                regular_at = begun + self.spec.place.refresh_interval();
            }
            occasion = self.next(regular_at.min(Instant::now() + LOOK_EVERY), regular_at).await;
        }
    }

    async fn follow_http(&mut self, http: &HttpSource) {
        let mut occasion = Occasion::Regular;
        loop {
            let begun = Instant::now();
            let fetched = http.fetch().await;
            self.refreshed(fetched.is_ok(), begun);
            match fetched {
                Ok(list) => {
                    if std::mem::take(&mut self.told) {
                        tracing::info!(source = %self.spec.name, "source can be read again");
                    }
                    if !self.say(list, occasion).await {
                        return;
                    }
                }
                Err(error) if std::mem::replace(&mut self.told, true) => {
                    tracing::debug!(source = %self.spec.name, error = %chain(&error), "source cannot be read");
                }
                Err(error) => {
                    tracing::warn!(source = %self.spec.name, error = %chain(&error), "{UNREADABLE}");
                }
            }
            // From its end: a server that hangs is left alone as long as it was waited for.
            let regular_at = Instant::now() + http.refresh_interval;
            occasion = self.next(regular_at, regular_at).await;
        }
    }

    /// Waits, and says what for.
    async fn next(&mut self, look_at: Instant, regular_at: Instant) -> Occasion {
        tokio::select! {
            biased;
            Ok(revision) = asked(&mut self.asked, self.revision) => {
                self.revision = revision;
                Occasion::Asked
            }
            () = tokio::time::sleep_until(look_at) => {
                if look_at >= regular_at { Occasion::Regular } else { Occasion::Change }
            }
        }
    }

    /// Hands a list over; false when nobody takes it any more.
    async fn say(&self, list: TargetList, occasion: Occasion) -> bool {
        let moment = Moment { occasion, now: Instant::now(), interval: self.spec.place.refresh_interval() };
        let (source, identity) = (Arc::clone(&self.spec.name), self.spec.identity.clone());
        self.found.send(Refresh { source, identity, list, moment }).await.is_ok()
    }

    fn refreshed(&self, good: bool, begun: Instant) {
        let at = good.then(|| self.clock.now());
        self.metrics.refreshed(&self.spec.name, begun.elapsed(), at);
    }

    fn tell_files(&self, look: &FileLook) {
        let source = &self.spec.name;
        for news in look.news.iter().take(LINES_MAX) {
            match news {
                FileNews::Unusable(path, problem) => {
                    tracing::warn!(%source, file = %path.display(), problem, "{UNUSABLE}");
                }
                FileNews::Usable(path) => {
                    tracing::info!(%source, file = %path.display(), "file of a source can be used again");
                }
                FileNews::Missing(path) => {
                    tracing::warn!(%source, files = %path.display(), "{MISSING}");
                }
            }
        }
        if look.news.len() > LINES_MAX {
            let more = look.news.len() - LINES_MAX;
            tracing::warn!(%source, more, "more files of the source; `bmcwatch check-config` shows all");
        }
    }
}

const UNREADABLE: &str = "source cannot be read; its last good list stays in use";
const UNUSABLE: &str = "file of a source cannot be used; its last good list stays in use";
const MISSING: &str = "source names files that are not there: it has no endpoints from them";

/// Waits until the operator has asked for another reload than this one.
async fn asked(revisions: &mut watch::Receiver<u64>, revision: u64) -> Result<u64, watch::error::RecvError> {
    revisions.wait_for(|now| *now > revision).await.map(|now| *now)
}

#[cfg(test)]
mod tests;
