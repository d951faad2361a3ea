//! What the event streams of one endpoint have shown so far: whether keep-alives come, and which events are pushed. It
//! outlives connections and collectors, and goes with the endpoint's place on the board.
//!
//! Not here: what follows from it (`pulse` for keep-alives, `wedge` for what was not pushed).

use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::pulse::KeepAlives;

/// How many kinds of events are remembered. A BMC has a few hundred, of which a machine's life shows some dozens.
const KINDS_REMEMBERED: usize = 128;

/// What kind of event something is: registry and key of its MessageId, hashed. `None` where there is no MessageId, which
/// says nothing.
pub(crate) fn kind_of(message_id: Option<&str>) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    redfish::unversioned(message_id?).hash(&mut hasher);
    Some(hasher.finish())
}

#[derive(Debug, Default)]
struct Shown {
    keep_alives: KeepAlives,
    /// Kinds of events that were pushed; the one that came last is last.
    kinds: VecDeque<u64>,
}

/// The habits of one endpoint. The lock is held for a look, never across an await.
#[derive(Debug, Default)]
pub(crate) struct Habits(Mutex<Shown>);

impl Habits {
    fn lock(&self) -> MutexGuard<'_, Shown> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn keep_alives(&self) -> KeepAlives {
        self.lock().keep_alives
    }

    pub(crate) fn set_keep_alives(&self, keep_alives: KeepAlives) {
        self.lock().keep_alives = keep_alives;
    }

    /// An event of this kind came on a stream.
    pub(crate) fn pushed(&self, kind: u64) {
        let mut shown = self.lock();
        if shown.kinds.contains(&kind) {
            return;
        }
        if shown.kinds.len() == KINDS_REMEMBERED {
            shown.kinds.pop_front();
        }
        shown.kinds.push_back(kind);
    }

    /// Whether an event of this kind ever came on a stream of this endpoint.
    pub(crate) fn pushes(&self, kind: u64) -> bool {
        self.lock().kinds.contains(&kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_knows_no_version_and_what_has_no_message_id_has_no_kind() {
        let kind = |id| kind_of(Some(id));
        assert_eq!(kind("iLOEvents.3.15.FanFailed"), kind("iLOEvents.3.16.FanFailed"));
        assert_ne!(kind("iLOEvents.3.15.FanFailed"), kind("iLOEvents.3.15.FanRestored"));
        assert_ne!(kind("A.1.0.FanFailed"), kind("B.1.0.FanFailed"));
        assert_eq!(kind_of(None), None);
    }

    #[test]
    fn the_kinds_that_are_remembered_are_bounded() {
        let habits = Habits::default();
        for kind in 0..=KINDS_REMEMBERED as u64 {
            habits.pushed(kind);
            habits.pushed(kind);
        }
        assert_eq!(habits.lock().kinds.len(), KINDS_REMEMBERED);
        assert!(!habits.pushes(0) && habits.pushes(1) && habits.pushes(KINDS_REMEMBERED as u64));
    }
}
