//! The message registries that were read, shared by all clients of one process: ten thousand iLOs of one firmware have
//! one registry, and it is fetched once.
//!
//! A registry is what one BMC says that its own and others' `MessageId`s mean: a hostile one costs texts and nothing else,
//! for the record keeps id, arguments and the BMC's own JSON. Not here: the requests (`client/registries`).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::Mutex as Gate, time::Instant};

use crate::registry::{Registry, RegistryId};

/// Registries kept; a mixed fleet needs about twenty.
const REGISTRIES_MAX: usize = 64;
/// What their texts may take together.
const BYTES_MAX: usize = 32 << 20;
/// Registries remembered as not to be had.
const MISSING_MAX: usize = 256;

/// How long a registry that could not be had is not asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lack {
    /// The BMC does not have it: until the next firmware, but another BMC may.
    Unlisted,
    /// It could not be read: a passing trouble, or a broken file.
    Unread,
}

impl Lack {
    fn lasts(self) -> Duration {
        match self {
            Self::Unlisted => Duration::from_hours(6),
            Self::Unread => Duration::from_mins(10),
        }
    }
}

/// What is known of a registry.
pub(crate) enum Found {
    Known(Arc<Registry>),
    /// It was not to be had a short while ago.
    Missing,
    /// Whoever holds the gate fetches it; the others wait there and look again.
    Unknown(Arc<Gate<()>>),
}

/// The registries of a process.
#[derive(Default)]
pub(crate) struct Registries(Mutex<Shelf>);

#[derive(Default)]
struct Shelf {
    known: HashMap<RegistryId, Kept>,
    missing: HashMap<RegistryId, Instant>,
    /// Being fetched; entries go when the fetch has ended.
    gates: HashMap<RegistryId, Arc<Gate<()>>>,
    /// Counts uses, to find what was not used for the longest time.
    uses: u64,
}

struct Kept {
    registry: Arc<Registry>,
    used: u64,
}

impl Registries {
    /// What is known of a registry.
    pub(crate) fn find(&self, id: &RegistryId, now: Instant) -> Found {
        let mut stock = self.shelf();
        stock.uses += 1;
        let used = stock.uses;
        if let Some(kept) = stock.known.get_mut(id) {
            kept.used = used;
            return Found::Known(Arc::clone(&kept.registry));
        }
        if stock.missing.get(id).is_some_and(|until| now < *until) {
            return Found::Missing;
        }
        // Gates that nobody holds are of fetches that were given up.
        stock.gates.retain(|_, gate| Arc::strong_count(gate) > 1);
        Found::Unknown(Arc::clone(stock.gates.entry(id.clone()).or_default()))
    }

    /// Keeps a registry that was fetched; what was not used for the longest time makes room.
    pub(crate) fn keep(&self, id: &RegistryId, registry: Registry) -> Arc<Registry> {
        let registry = Arc::new(registry);
        let mut stock = self.shelf();
        stock.uses += 1;
        let used = stock.uses;
        stock.missing.remove(id);
        stock.gates.remove(id);
        stock.known.insert(id.clone(), Kept { registry: Arc::clone(&registry), used });
        while stock.known.len() > REGISTRIES_MAX || stock.bytes() > BYTES_MAX {
            let oldest = stock.known.iter().min_by_key(|(_, kept)| kept.used).map(|(id, _)| id.clone());
            let Some(oldest) = oldest else { break };
            stock.known.remove(&oldest);
        }
        registry
    }

    /// Remembers that a registry was not to be had.
    pub(crate) fn lack(&self, id: &RegistryId, lack: Lack, now: Instant) {
        let mut stock = self.shelf();
        stock.gates.remove(id);
        stock.missing.retain(|_, until| now < *until);
        if stock.missing.len() >= MISSING_MAX {
            let first = stock.missing.iter().min_by_key(|(_, until)| **until).map(|(id, _)| id.clone());
            first.map(|first| stock.missing.remove(&first));
        }
        stock.missing.insert(id.clone(), now + lack.lasts());
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelf {
    fn bytes(&self) -> usize {
        self.known.values().map(|kept| kept.registry.bytes()).sum()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(number: usize) -> RegistryId {
        RegistryId::of(&format!("R{number}.1.0.Key")).unwrap().0
    }

    fn registry(bytes: usize) -> Registry {
        let messages: serde_json::Map<_, _> =
            (0..bytes / 1000).map(|at| (at.to_string(), json!({"Message": "x".repeat(1000)}))).collect();
        Registry::decode(json!({ "Messages": messages }).to_string().as_bytes()).unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_to_be_had_is_not_asked_for_again_for_a_while() {
        let registries = Registries::default();
        let missing = || matches!(registries.find(&id(1), Instant::now()), Found::Missing);
        assert!(!missing());
        registries.lack(&id(1), Lack::Unread, Instant::now());
        assert!(missing());
        tokio::time::advance(Duration::from_mins(10)).await;
        assert!(!missing());
        registries.lack(&id(1), Lack::Unlisted, Instant::now());
        tokio::time::advance(Duration::from_mins(10)).await;
        assert!(missing());
        registries.keep(&id(1), Registry::default());
        assert!(matches!(registries.find(&id(1), Instant::now()), Found::Known(_)));
    }

    #[tokio::test]
    async fn those_who_look_for_one_registry_meet_at_one_gate() {
        let registries = Registries::default();
        let gate = |number| match registries.find(&id(number), Instant::now()) {
            Found::Unknown(gate) => gate,
            _ => panic!("nobody fetched it"),
        };
        let (one, two, other) = (gate(1), gate(1), gate(2));
        assert!(Arc::ptr_eq(&one, &two) && !Arc::ptr_eq(&one, &other));
        let held = one.lock().await;
        assert!(two.try_lock().is_err());
        drop(held);
        drop((one, two, other));
        gate(3);
        assert_eq!(registries.shelf().gates.len(), 1, "given up");
    }

    #[tokio::test]
    async fn the_shelf_is_bounded_in_number_and_in_bytes() {
        let registries = Registries::default();
        let is_known = |number| matches!(registries.find(&id(number), Instant::now()), Found::Known(_));
        for number in 0..=REGISTRIES_MAX {
            registries.keep(&id(number), Registry::default());
            assert!(is_known(0), "what is in use stays");
        }
        assert_eq!(registries.shelf().known.len(), REGISTRIES_MAX);
        assert!(!is_known(1) && is_known(2));
        for number in 0..10 {
            registries.keep(&id(100 + number), registry(4 << 20));
        }
        assert!(registries.shelf().bytes() <= BYTES_MAX);
        assert!(is_known(109) && !is_known(100));
        for number in 0..1000 {
            registries.lack(&id(1000 + number), Lack::Unread, Instant::now());
        }
        assert!(registries.shelf().missing.len() <= MISSING_MAX);
    }
}
