//! What came of trouble: everything that was there to be had is told once, and what is missing is covered by a gap record.
//! The same judge sits over simulated days and over the program on real sockets.

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
    token::token,
    trouble::{Excuse, Happened, listed},
};

/// What a run, or many, came to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Sums {
    /// Entries and events that happened.
    pub(crate) happened: usize,
    pub(crate) told: usize,
    /// Gone before anybody could read them, and a gap or a clear says so.
    pub(crate) covered: usize,
    /// Missing for a reason that no gap can tell, in the order of [`Excuse`].
    pub(crate) excused: [usize; 4],
    pub(crate) gaps: usize,
    pub(crate) cleared: usize,
    /// Told by the log and by the stream of a BMC that says different things in the two (T68).
    pub(crate) by_both: usize,
    /// Pushed while nobody was connected, and written nowhere.
    pub(crate) unheard: usize,
    /// Lines of the BMC's own that went with a clear or a wrap.
    pub(crate) own: usize,
    pub(crate) crashes: u32,
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
        let [nothing_left, singly, killed, broken] = self.excused;
        write!(
            f,
            "{} happened, {} told once, 0 lost, 0 twice, {} unread and covered by {} gaps and {} clears, {nothing_left} \
             came and went in a log that was empty or not read yet, {singly} deleted singly, {killed} pushed only and killed in flight, {broken} broken in flight, {} by a log and a stream with nothing in common, {} pushed to nobody, {} lines of the BMC's own gone, {} crashes",
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

/// The time within which a notice says that entries of a log may be missing.
struct Cover {
    log: String,
    from: DateTime<Utc>,
    to: DateTime<Utc>,
}

fn cover(record: &Record) -> Option<Cover> {
    let original = record.facts.original.as_ref()?;
    let fields: BTreeMap<String, serde_json::Value> = serde_json::from_str(original.get()).ok()?;
    let time = |name: &str| fields.get(name)?.as_str()?.parse().ok();
    Some(Cover {
        log: record.facts.log_service.clone()?,
        from: time("from").unwrap_or(DateTime::<Utc>::MIN_UTC),
        to: time("to")?,
    })
}

/// The sentence over what happened and what was told.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) sums: Sums,
    pub(crate) lost: Vec<String>,
    pub(crate) twice_by_uid: Vec<String>,
    pub(crate) twice_by_token: Vec<String>,
    /// Whatever else must not be.
    pub(crate) other: Vec<String>,
}

/// Compares what the BMCs did with all records, in their order.
pub(crate) fn judge(
    records: impl IntoIterator<Item = Record>,
    bmcs: &[Arc<Bmc>],
    happened: &BTreeMap<String, Happened>,
) -> Judgement {
    let mut judgement = Judgement::default();
    let Heard { mut told, covers, first_read } = judgement.hear(records);
    for bmc in bmcs {
        let logs = 0..bmc.config().profile.logs.len();
        let held: BTreeSet<String> = logs.flat_map(|log| listed(bmc, log)).collect();
        let covers: &[Cover] = covers.get(bmc.name()).map_or(&[], Vec::as_slice);
        let case = Case { bmc, happened, covers, first_read: &first_read };
        let mut told_of = BTreeSet::new();
        for logged in bmc.truth() {
            judgement.sums.happened += 1;
            let ways = told.remove(&logged.token).unwrap_or_default();
            if !ways.is_empty() {
                told_of.extend(logged.log.clone());
            }
            match ways.len() {
                0 if case.went_before_the_first_reading(&logged, &told_of)
                    && !held.contains(&logged.token) =>
                {
                    judgement.sums.excused[Excuse::NothingLeft as usize] += 1;
                }
                0 => case.missing(&logged, held.contains(&logged.token), &mut judgement),
                1 => judgement.sums.told += 1,
                2 if have_nothing_in_common(bmc, &ways) => judgement.sums.by_both += 1,
                _ => judgement.twice_by_token.push(format!(
                    "twice: {} of {}: {ways:?}",
                    logged.token,
                    bmc.config().profile.vendor
                )),
            }
        }
    }
    let invented = told.keys().filter(|token| happened.contains_key(*token));
    judgement.other.extend(invented.map(|token| format!("invented: {token}")));
    judgement
}

/// One BMC and what is known of it.
struct Case<'a> {
    bmc: &'a Bmc,
    happened: &'a BTreeMap<String, Happened>,
    covers: &'a [Cover],
    first_read: &'a FirstRead,
}

/// What the records say.
#[derive(Default)]
struct Heard {
    /// How each token was told.
    told: BTreeMap<String, Vec<String>>,
    /// What gaps and clears cover, by endpoint.
    covers: BTreeMap<String, Vec<Cover>>,
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

impl Judgement {
    /// Takes in all records.
    fn hear(&mut self, records: impl IntoIterator<Item = Record>) -> Heard {
        let (mut uids, mut heard) = (BTreeSet::new(), Heard::default());
        for record in records {
            if !uids.insert(record.uid.to_bytes()) {
                self.twice_by_uid.push(format!("uid {:?} twice: {}", record.uid, record.facts.message));
            }
            match record.kind {
                Kind::Gap => self.sums.gaps += 1,
                Kind::Cleared => self.sums.cleared += 1,
                Kind::Changed => self.other.push("nobody asked for changes".to_owned()),
                Kind::Entry | Kind::Event => {
                    heard.note(&record);
                    continue;
                }
            }
            if let Some(cover) = cover(&record) {
                heard.covers.entry(record.endpoint.id.as_str().to_owned()).or_default().push(cover);
            }
        }
        heard
    }

    /// Everything that is not as promised.
    pub(crate) fn wrong(&self) -> Vec<&String> {
        [&self.lost, &self.twice_by_uid, &self.twice_by_token, &self.other].into_iter().flatten().collect()
    }

    /// Panics when the promise is broken.
    pub(crate) fn assert_kept(&self, seed: u64) {
        let wrong = self.wrong();
        let shown: Vec<&str> = wrong.iter().take(20).map(|line| line.as_str()).collect();
        assert!(wrong.is_empty(), "seed {seed}: {} wrong:\n{}", wrong.len(), shown.join("\n"));
    }
}

impl Case<'_> {
    /// Whether it is older than all that was ever told of its log, and happened before that log was read for the first
    /// time: a line that our own login wrote may have pushed it out of the ring.
    fn went_before_the_first_reading(&self, logged: &Logged, told_of: &BTreeSet<Arc<str>>) -> bool {
        let (Some(happened), Some(log)) = (self.happened.get(&logged.token), &logged.log) else {
            return false;
        };
        let first = self.first_read.get(&(self.bmc.name().to_owned(), log.to_string()));
        !told_of.contains(log) && first.is_some_and(|first| happened.at < *first)
    }

    /// Why something is not told.
    fn missing(&self, logged: &Logged, held: bool, judgement: &mut Judgement) {
        let (sums, lost) = (&mut judgement.sums, &mut judgement.lost);
        let (vendor, token) = (self.bmc.config().profile.vendor, &logged.token);
        let Some(happened) = self.happened.get(token) else {
            // A line that the BMC wrote by itself, such as the marker of a clear.
            if held {
                lost.push(format!("lost though it is there: {token} of {vendor} by itself"));
            }
            sums.own += 1;
            return;
        };
        let at = happened.at;
        let mut excused = |excuse: Excuse| sums.excused[excuse as usize] += 1;
        let Some(log) = &logged.log else {
            match happened.excuse {
                _ if !logged.pushed => sums.unheard += 1,
                Some(excuse @ (Excuse::KilledInFlight | Excuse::BrokenInFlight)) => excused(excuse),
                Some(Excuse::NothingLeft | Excuse::DeletedSingly) | None => {
                    lost.push(format!("lost: {token} of {vendor} was pushed at {at}"));
                }
            }
            return;
        };
        let covers = |cover: &Cover| cover.log == **log && cover.from <= at && at <= cover.to;
        if held {
            lost.push(format!("lost though it is there: {token} of {vendor} {at} {log}"));
        } else if self.covers.iter().any(covers) {
            sums.covered += 1;
        } else {
            match happened.excuse {
                Some(excuse @ (Excuse::NothingLeft | Excuse::DeletedSingly)) => excused(excuse),
                Some(Excuse::KilledInFlight | Excuse::BrokenInFlight) | None => {
                    lost.push(format!("lost without a gap: {token} of {vendor} {at} {log}"));
                }
            }
        }
    }
}
