//! Reading the logs of one endpoint up to now: the one path of polls, backfills and reconciliations.
//!
//! Which entries are news is decided in `continuity` and by the journal; when to read, by the collectors.

use std::time::Duration;

use chrono::{DateTime, Utc};
use model::Origin;
use redfish::{LogService, RequestError, ServiceRoot};
use tokio::time::Instant;

use crate::{
    collector::{Broken, Context},
    continuity::Ask,
    hardware,
    ingest::Told,
    learned_key,
    read_log::{Visit, Watched},
    recover::{Scope, may_pass, scope, strains},
    strain::Reading,
};

/// After so long a look-up or a reading that missed something is done again, if what it missed may be there then.
pub(crate) const PARTIAL_AGAIN_AFTER: Duration = Duration::from_mins(5);

/// What an endpoint's logs are, as looked up some time ago.
#[derive(Debug)]
pub(crate) struct Logs {
    pub(crate) root: ServiceRoot,
    services: Vec<Watched>,
    /// UUID of the machine that these logs are of.
    machine: Option<String>,
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
    /// Of these, entries such as the stream of this endpoint pushes.
    pub(crate) unpushed: u32,
    /// Logs among those that could not be read whose BMC answered 5xx.
    pub(crate) overloaded_logs: u32,
    /// How long an answer took on average.
    pub(crate) latency: Option<Duration>,
    /// A log may have been cleared, or not: it must be read again after so long to find out.
    pub(crate) again_after: Option<Duration>,
}

impl Tally {
    /// Notes what became of some offers.
    pub(crate) fn told(&mut self, told: Told) {
        self.records += told.records;
        self.unpushed = self.unpushed.saturating_add(told.unpushed);
    }

    /// What the reading shows about how much the BMC can bear.
    pub(crate) fn reading(&self) -> Reading {
        Reading::Done { latency: self.latency, failed_logs: self.overloaded_logs }
    }

    /// Notes that a log must be asked again, and when.
    pub(crate) fn ask_again(&mut self, ask: Option<Ask>) {
        let after = ask.map(Ask::after);
        self.again_after = [self.again_after, after].into_iter().flatten().min();
    }
}

/// Whether a reading left a doubt about what became of a log. Which machine answers is then asked again too (T77).
pub(crate) fn doubts(read: &Result<Tally, Broken>) -> bool {
    read.as_ref().is_ok_and(|tally| tally.again_after.is_some())
}

/// Logs as they are known: a fresh look-up when there is none or it is older than `max_age`. It begins with the service root,
/// if that was not read just now.
pub(crate) async fn look_up(
    context: &Context,
    logs: Option<Box<Logs>>,
    root: Option<Box<ServiceRoot>>,
    max_age: Duration,
) -> Result<Box<Logs>, Broken> {
    learned_key::settle(context).await?;
    let good_for = |logs: &Logs| if logs.is_partial() { max_age.min(PARTIAL_AGAIN_AFTER) } else { max_age };
    let before = match logs {
        Some(logs) if logs.looked_up_at.elapsed() < good_for(&logs) => return Ok(logs),
        before => before,
    };
    let root = match root {
        Some(root) => *root,
        None => read_root(context).await?,
    };
    let mut found = context.client.log_services(&root).await?;
    for problem in &found.problems {
        context.failed_partly(problem);
    }
    hardware::keep(context, &found.hardware).await?;
    let excluded = &context.wish.logs.exclude_services;
    found.found.retain(|log| log.enabled && !excluded.iter().any(|name| name.eq_ignore_ascii_case(&log.id)));
    tracing::debug!(endpoint = %context.id(), logs = found.found.len(), "log services looked up");
    let missed = if found.problems.iter().any(may_pass) { Missed::Something } else { Missed::Nothing };
    if let Some(offset) = found.found.iter().find_map(|log| log.clock_offset) {
        context.status.clock_offset(offset);
    }
    let known = |path: &str| before.as_ref()?.services.iter().find(|log| log.service.path == path);
    let watched = |service: LogService| {
        let before = known(&service.path);
        Watched::new(service, before)
    };
    let services = found.found.into_iter().map(watched).collect();
    Ok(Box::new(Logs { root, services, machine: found.machine, looked_up_at: Instant::now(), missed }))
}

/// The service root, which says what the endpoint is.
pub(crate) async fn read_root(context: &Context) -> Result<ServiceRoot, RequestError> {
    let root = context.client.root().await?;
    context.status.identified(&root);
    Ok(root)
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
pub(crate) async fn catch_up(
    context: &Context,
    logs: &mut Logs,
    occasion: Occasion,
) -> Result<Tally, Broken> {
    let mut tally = Tally::default();
    let asked_before = context.status.asked();
    let (count, machine) = (logs.services.len(), logs.machine.as_deref());
    let mut broken_off = None;
    for (index, log) in logs.services.iter_mut().enumerate() {
        let place = if index + 1 == count { Place::Last } else { Place::Before };
        let visit = Visit { context, occasion, place, machine };
        match visit.read(log, &mut tally).await {
            Ok(()) => tally.logs += 1,
            Err(Broken::Request(error)) => match scope(&error) {
                Scope::Resource => {
                    context.failed_partly(&error);
                    tally.failed_logs += 1;
                    tally.overloaded_logs += u32::from(strains(&error));
                }
                // One log may hang or break off for ever and must not hide the others; two are a BMC in trouble.
                Scope::Unclear if broken_off.is_none() => broken_off = Some(error),
                Scope::Unclear | Scope::Endpoint => return Err(error.into()),
            },
            Err(error) => return Err(error),
        }
    }
    match broken_off {
        Some(error) if tally.logs == 0 => return Err(error.into()),
        Some(error) => {
            context.failed_partly(&error);
            tally.failed_logs += 1;
            tally.overloaded_logs += u32::from(strains(&error));
        }
        None => {}
    }
    context.world.metrics.read(tally.entries);
    tally.latency = context.status.asked().latency_since(&asked_before);
    Ok(tally)
}

/// Where a log stands among those that are read in one go.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Place {
    Before,
    /// Nothing is asked after it for a while, unless it has several pages.
    Last,
}
