//! Why entries of an endpoint may be missing: the reason of a gap record and the label of `gaps_total`.
//!
//! Not here: how a gap is recognised (`continuity`), nor the record of it (`ingest`).

use std::collections::BTreeMap;

/// Why something may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GapReason {
    /// The log wrote over entries that had not been read.
    Wrapped,
    /// The log was cleared, and what came between the last reading and the clear is not known.
    Cleared,
    /// The log or its numbers began anew, with a reset of the clock or of the service.
    Restarted,
    /// Another machine answers under this address.
    Replaced,
    /// The log service says itself that it has lost entries (`Overflow`).
    Overflow,
    /// The log is full and takes no new entries (`NeverOverWrites`).
    Full,
    /// The event stream said that it dropped events (`EventBufferExceeded`), or a part of it could not be read.
    Dropped,
}

/// How many reasons there are.
const REASONS: usize = 7;

impl GapReason {
    /// All of them, in the order of their numbers.
    const ALL: [Self; REASONS] = [
        Self::Wrapped,
        Self::Cleared,
        Self::Restarted,
        Self::Replaced,
        Self::Overflow,
        Self::Full,
        Self::Dropped,
    ];

    /// The word in records, status and labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wrapped => "wrapped",
            Self::Cleared => "cleared",
            Self::Restarted => "restarted",
            Self::Replaced => "replaced",
            Self::Overflow => "overflow",
            Self::Full => "full",
            Self::Dropped => "dropped",
        }
    }
}

/// Gaps of one endpoint by reason. Every endpoint has one, so it is 28 bytes and not a map.
#[derive(Debug, Default)]
pub(crate) struct GapCounts([u32; REASONS]);

impl GapCounts {
    /// Counts one; a BMC that makes 4 billion of them has no more to say.
    pub(crate) fn add(&mut self, reason: GapReason) {
        let count = &mut self.0[reason as usize];
        *count = count.saturating_add(1);
    }

    /// The reasons that there were, by their words.
    pub(crate) fn view(&self) -> BTreeMap<&'static str, u64> {
        let all = GapReason::ALL.iter().zip(self.0);
        all.filter(|(_, count)| *count > 0).map(|(reason, count)| (reason.as_str(), count.into())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_counted_under_its_own_word() {
        for (reason, number) in GapReason::ALL.into_iter().zip(0usize..) {
            assert_eq!(reason as usize, number);
            let mut counts = GapCounts::default();
            counts.add(reason);
            counts.add(reason);
            assert_eq!(counts.view(), [(reason.as_str(), 2)].into());
        }
    }

    #[test]
    fn reasons_that_never_happened_are_not_shown() {
        assert_eq!(GapCounts::default().view(), BTreeMap::new());
    }
}
