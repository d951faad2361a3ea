//! What came of a run: everything that was there to be had is in the journal once, what is missing is covered by a gap
//! record, and no BMC was hurt.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    ops::AddAssign,
    sync::Arc,
};

use chrono::{DateTime, Utc};
use model::{Kind, Origin, Record};
use sim::{Bmc, Logged};

use crate::{
    trouble::{Excuse, Run, listed},
    world::{SECOND, token},
};

/// What a run, or many, came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Entries and events that happened.
    happened: usize,
    told: usize,
    /// Gone before anybody could read them, and a gap or a clear says so.
    covered: usize,
    /// Gone, and nothing was left that could show it.
    excused: [usize; 3],
    gaps: usize,
    cleared: usize,
    /// Told by the log and by the stream of a BMC that says different things in the two (T68).
    by_both: usize,
    /// Pushed while nobody was connected, and written nowhere.
    unheard: usize,
    /// Lines of the BMC's own that went with a clear or a wrap.
    own: usize,
    crashes: u32,
}

impl AddAssign for Sums {
    fn add_assign(&mut self, other: Self) {
        self.happened += other.happened;
        self.told += other.told;
        self.covered += other.covered;
        for (sum, more) in self.excused.iter_mut().zip(other.excused) {
            *sum += more;
        }
        self.gaps += other.gaps;
        self.cleared += other.cleared;
        self.by_both += other.by_both;
        self.unheard += other.unheard;
        self.own += other.own;
        self.crashes += other.crashes;
    }
}

impl fmt::Display for Sums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [nothing_left, singly, killed] = self.excused;
        write!(
            f,
            "{} happened, {} told once, 0 lost, 0 twice, {} unread and covered by {} gaps and {} clears, {nothing_left} \
             came and went in a log that was empty or not read yet, {singly} deleted singly, {killed} pushed only and killed in flight, {} by a log and a stream with nothing in common, {} pushed to nobody, {} lines of the BMC's own gone, {} crashes",
            self.happened,
            self.told,
            self.covered,
            self.gaps,
            self.cleared,
            self.by_both,
            self.unheard,
            self.own,
            self.crashes
        )
    }
}

/// AMI writes another MessageId and other arguments into its log than it pushes: nothing ties the two, and both are kept.
fn have_nothing_in_common(bmc: &Bmc, ways: &[String]) -> bool {
    let of = |kind: &str| ways.iter().filter(|way| way.starts_with(kind)).count();
    bmc.config().profile.vendor == "AMI" && of("entry") == 1 && of("event") == 1
}

/// When a log of an endpoint was first read.
type FirstRead = BTreeMap<(String, String), DateTime<Utc>>;

/// What the journal tells of a run.
#[derive(Default)]
struct Heard {
    /// Each token, with the ways on which it came.
    told: BTreeMap<String, Vec<String>>,
    covers: Vec<Cover>,
    first_read: FirstRead,
}

impl Heard {
    fn note(&mut self, record: &Record) {
        let way = format!("{} by {} at {}", record.kind.as_str(), record.source, record.observed_at);
        self.told.entry(token(record)).or_default().push(way);
        if let Some(log) = record.facts.log_service.clone().filter(|_| record.source != Origin::Stream) {
            let of_log = (record.endpoint.id.as_str().to_owned(), log);
            self.first_read.entry(of_log).or_insert(record.observed_at);
        }
    }
}

/// The time within which a notice says that entries of a log may be missing.
struct Cover {
    endpoint: String,
    log: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

fn cover(record: &Record) -> Option<Cover> {
    let original = record.facts.original.as_ref()?;
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(original.get()).ok()?;
    let time = |name: &str| fields.get(name)?.as_str()?.parse().ok();
    Some(Cover {
        endpoint: record.endpoint.id.as_str().to_owned(),
        log: record.facts.log_service.clone()?,
        from: time("from").unwrap_or(DateTime::<Utc>::MIN_UTC),
        to: time("to")?,
    })
}

impl Run {
    pub(crate) async fn judge(&mut self) -> Sums {
        self.world.pass(SECOND).await;
        let mut sums = Sums { crashes: self.crashes, ..Sums::default() };
        let mut wrong = Vec::new();
        let Heard { mut told, covers, first_read } = self.heard(&mut sums, &mut wrong).await;
        for (n, bmc) in self.bmcs.iter().enumerate() {
            let logs = 0..bmc.config().profile.logs.len();
            let held: BTreeSet<String> = logs.flat_map(|log| listed(bmc, log)).collect();
            let mut told_of = BTreeSet::new();
            for logged in bmc.truth() {
                sums.happened += 1;
                let ways = told.remove(&logged.token).unwrap_or_default();
                if !ways.is_empty() {
                    told_of.extend(logged.log.clone());
                }
                match ways.len() {
                    0 if self.went_before_the_first_reading(n, &logged, &told_of, &first_read)
                        && !held.contains(&logged.token) =>
                    {
                        sums.excused[0] += 1;
                    }
                    0 => self.missing(
                        (n, &logged, held.contains(&logged.token)),
                        &covers,
                        &mut sums,
                        &mut wrong,
                    ),
                    1 => sums.told += 1,
                    2 if have_nothing_in_common(bmc, &ways) => sums.by_both += 1,
                    _ => wrong.push(format!(
                        "twice: {} of {}: {ways:?}",
                        logged.token,
                        bmc.config().profile.vendor
                    )),
                }
            }
        }
        wrong.extend(
            told.keys()
                .filter(|token| self.happened.contains_key(*token))
                .map(|token| format!("invented: {token}")),
        );
        self.unhurt(&mut wrong).await;
        let shown = wrong.len().min(20);
        assert!(
            wrong.is_empty(),
            "seed {}: {} wrong:\n{}",
            self.world.seed,
            wrong.len(),
            wrong[..shown].join("\n")
        );
        sums
    }

    /// What the journal holds.
    async fn heard(&self, sums: &mut Sums, wrong: &mut Vec<String>) -> Heard {
        let (mut heard, mut uids) = (Heard::default(), BTreeSet::new());
        for record in self.world.records().await {
            if !uids.insert(record.uid.to_bytes()) {
                wrong.push(format!("uid {:?} twice", record.uid));
            }
            match record.kind {
                Kind::Gap => sums.gaps += 1,
                Kind::Cleared => sums.cleared += 1,
                Kind::Changed => wrong.push("nobody asked for changes".to_owned()),
                Kind::Entry | Kind::Event => {
                    heard.note(&record);
                    continue;
                }
            }
            heard.covers.extend(cover(&record));
        }
        heard
    }

    /// Whether it is older than all that was ever told of its log, and happened before that log was read for the first
    /// time: a line that our own login wrote may have pushed it out of the ring.
    fn went_before_the_first_reading(
        &self,
        n: usize,
        logged: &Logged,
        told_of: &BTreeSet<Arc<str>>,
        first_read: &FirstRead,
    ) -> bool {
        let (Some(happened), Some(log)) = (self.happened.get(&logged.token), &logged.log) else {
            return false;
        };
        let first = first_read.get(&(self.bmcs[n].name().to_owned(), log.to_string()));
        !told_of.contains(log) && first.is_some_and(|first| happened.at < *first)
    }

    /// Why something is not in the journal.
    fn missing(
        &self,
        (n, logged, held): (usize, &Logged, bool),
        covers: &[Cover],
        sums: &mut Sums,
        wrong: &mut Vec<String>,
    ) {
        let name = self.bmcs[n].name();
        let vendor = self.bmcs[n].config().profile.vendor;
        let Some(happened) = self.happened.get(&logged.token) else {
            // A line that the BMC wrote by itself, such as the marker of a clear.
            if held {
                wrong.push(format!("lost though it is there: {} of {vendor} by itself", logged.token));
            }
            sums.own += 1;
            return;
        };
        let Some(log) = &logged.log else {
            if logged.pushed && happened.excuse != Some(Excuse::KilledInFlight) {
                wrong.push(format!("lost: {} of {vendor} was pushed at {}", logged.token, happened.at));
            }
            if logged.pushed {
                sums.excused[2] += usize::from(happened.excuse == Some(Excuse::KilledInFlight));
            } else {
                sums.unheard += 1;
            }
            return;
        };
        let is_covered = |cover: &&Cover| {
            cover.endpoint == name
                && cover.log == **log
                && cover.from <= happened.at
                && happened.at <= cover.to
        };
        if held {
            wrong
                .push(format!("lost though it is there: {} of {vendor} {} {log}", logged.token, happened.at));
        } else if covers.iter().find(is_covered).is_some() {
            sums.covered += 1;
        } else {
            match happened.excuse {
                Some(Excuse::NothingLeft) => sums.excused[0] += 1,
                Some(Excuse::DeletedSingly) => sums.excused[1] += 1,
                Some(Excuse::KilledInFlight) | None => {
                    wrong.push(format!(
                        "lost without a gap: {} of {vendor} {} {log}",
                        logged.token, happened.at
                    ));
                }
            }
        }
    }

    /// No BMC had more than one request at once, more than one stream, or a wrong password.
    async fn unhurt(&mut self, wrong: &mut Vec<String>) {
        for bmc in &self.bmcs {
            let (counts, state) = (bmc.counts(), self.world.state(bmc.name()));
            let name = format!("{} ({})", bmc.name(), bmc.config().profile.vendor);
            if !state.starts_with("streaming") && !state.starts_with("polling") {
                wrong.push(format!("{name} is {state}"));
            }
            if counts.requests_in_flight_max > 1 || counts.streams_open_max > 1 || counts.logins_refused > 0 {
                wrong.push(format!("{name} was hurt: {counts:?}"));
            }
        }
        self.world.stop().await;
        for bmc in &self.bmcs {
            if bmc.counts().streams_open > 0 {
                wrong.push(format!("{} has a stream left open", bmc.name()));
            }
        }
    }
}
