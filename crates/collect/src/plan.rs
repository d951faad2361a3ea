//! What discovery has to do so that the running slots equal the wish. Pure: two maps in, steps out.
//!
//! Reconciliation: there is one path for the first start, a change, and recovery; doing nothing twice is doing nothing.

use std::{collections::BTreeMap, sync::Arc};

use model::EndpointId;
use tokio::time::Instant;

use crate::{EndpointSpec, LogSettings, Mode};

/// What one slot is asked to do; slots with equal wishes are left alone, so that their timers are not reset.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Wish {
    /// The endpoint.
    pub(crate) spec: EndpointSpec,
    /// How its logs are collected.
    pub(crate) logs: Arc<LogSettings>,
}

impl Wish {
    /// The endpoint's own mode, else that of all.
    pub(crate) fn mode(&self) -> Mode {
        self.spec.log_mode.unwrap_or(self.logs.mode)
    }

    /// Whether the other one is the same but for the password of the same user: nothing has to be restarted for that.
    pub(crate) fn differs_by_password(&self, other: &Self) -> bool {
        let Self { spec, logs } = self;
        let EndpointSpec { endpoint, client, log_mode } = spec;
        client.differs_by_password(&other.spec.client)
            && *endpoint == other.spec.endpoint
            && *log_mode == other.spec.log_mode
            && *logs == other.logs
    }
}

/// What a slot is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// A collector runs.
    Running,
    /// It was told to stop and has not ended yet.
    Stopping,
    /// No collector; one may start at this time (after a panic or a failed start, with backoff).
    Vacant(Instant),
}

/// One thing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    /// Tell the collector to end; its slot goes, or starts anew, when it has.
    Stop(&'a EndpointId),
    /// The slot is empty and unwanted, or wanted otherwise: take it away.
    Remove(&'a EndpointId),
    /// Start a collector.
    Spawn(&'a EndpointId),
}

/// The steps, in the order of the ids. `seats` says what each slot was asked and what it is doing.
pub(crate) fn plan<'a>(
    wanted: &'a BTreeMap<EndpointId, Arc<Wish>>,
    seats: impl Fn(&EndpointId) -> Option<(Arc<Wish>, Phase)>,
    present: impl Iterator<Item = &'a EndpointId>,
    now: Instant,
) -> Vec<Step<'a>> {
    let mut steps = Vec::new();
    for id in present {
        let Some((wish, phase)) = seats(id) else { continue };
        let same = wanted.get(id).is_some_and(|wanted| Arc::ptr_eq(wanted, &wish) || **wanted == *wish);
        match (same, phase) {
            (true, Phase::Running | Phase::Stopping | Phase::Vacant(_)) | (false, Phase::Stopping) => {}
            (false, Phase::Running) => steps.push(Step::Stop(id)),
            (false, Phase::Vacant(_)) => steps.push(Step::Remove(id)),
        }
    }
    for (id, wish) in wanted {
        match seats(id) {
            None => steps.push(Step::Spawn(id)),
            Some((before, Phase::Vacant(at))) if at <= now || *before != **wish => {
                steps.push(Step::Spawn(id));
            }
            Some((_, Phase::Running | Phase::Stopping | Phase::Vacant(_))) => {}
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::Endpoint;
    use redfish::{AuthMode, ClientConfig, Trust};

    use super::*;

    fn id(name: &str) -> EndpointId {
        EndpointId::try_from(name).unwrap()
    }

    /// `a` is a wish for endpoint a; `a!` is the same endpoint with another mode.
    fn wish(name: &str) -> (EndpointId, Arc<Wish>) {
        let id = id(name.trim_end_matches('!'));
        let endpoint = Endpoint { id: id.clone(), address: String::new(), labels: BTreeMap::new() };
        let client = ClientConfig {
            address: "https://127.0.0.1".parse().unwrap(),
            trust: Trust::System,
            allowed_origins: Vec::new(),
            auth: AuthMode::None,
            login: None,
        };
        let log_mode = name.ends_with('!').then_some(Mode::Periodic);
        let spec = EndpointSpec { endpoint: Arc::new(endpoint), client, log_mode };
        (id, Arc::new(Wish { spec, logs: Arc::default() }))
    }

    fn check(wanted: &[&str], present: &[(&str, Phase)], expected: &[&str]) {
        let wanted: BTreeMap<_, _> = wanted.iter().map(|name| wish(name)).collect();
        let seats: BTreeMap<EndpointId, (Arc<Wish>, Phase)> = present
            .iter()
            .map(|(name, phase)| {
                let (id, wish) = wish(name);
                (id, (wish, *phase))
            })
            .collect();
        let steps = plan(&wanted, |id| seats.get(id).cloned(), seats.keys(), now());
        let steps: Vec<String> = steps
            .iter()
            .map(|step| match step {
                Step::Stop(id) => format!("stop {id}"),
                Step::Remove(id) => format!("remove {id}"),
                Step::Spawn(id) => format!("spawn {id}"),
            })
            .collect();
        assert_eq!(steps, expected);
    }

    fn now() -> Instant {
        thread_local!(static START: Instant = Instant::now());
        START.with(|start| *start) + Duration::from_secs(1000)
    }

    #[test]
    fn the_first_pass_starts_everything() {
        check(&["a", "b"], &[], &["spawn a", "spawn b"]);
    }

    #[test]
    fn what_runs_as_wished_is_left_alone() {
        check(&["a", "b"], &[("a", Phase::Running), ("b", Phase::Running)], &[]);
    }

    #[test]
    fn a_bmc_that_left_the_inventory_is_stopped_and_then_removed() {
        check(&["b"], &[("a", Phase::Running), ("b", Phase::Running)], &["stop a"]);
        check(&["b"], &[("a", Phase::Stopping), ("b", Phase::Running)], &[]);
        check(&["b"], &[("a", Phase::Vacant(now())), ("b", Phase::Running)], &["remove a"]);
    }

    #[test]
    fn a_changed_endpoint_is_stopped_and_starts_anew_when_it_has_ended() {
        check(&["a!"], &[("a", Phase::Running)], &["stop a"]);
        check(&["a!"], &[("a", Phase::Vacant(now()))], &["remove a", "spawn a"]);
    }

    #[test]
    fn a_pruned_slot_is_respawned_at_its_time_and_not_before() {
        check(&["a"], &[("a", Phase::Vacant(now()))], &["spawn a"]);
        check(&["a"], &[("a", Phase::Vacant(now() + Duration::from_secs(1)))], &[]);
    }
}
