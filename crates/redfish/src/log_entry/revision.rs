//! What of an entry may change in place (T17), in one number: another number, another state of the same entry.
//!
//! An entry that shows none of it, or all of it as it was when it was written, has no number, so that an entry which
//! changes for the first time is seen to. Not here: what names the entry (`identity`), and who is told of a change.

use sha2::{Digest, Sha256};

use crate::{service_root::first_eight, time};

/// The fields that change in place, as sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Mutable<'a> {
    /// Not one of them: what `Updated` and `Modified` are compared with.
    pub(super) created: Option<&'a str>,
    /// It changes when an entry is repaired or resolved, and so says nothing by itself.
    pub(super) severity: Option<&'a str>,
    /// HPE: how often it happened, from 1.
    pub(super) count: Option<&'a str>,
    /// HPE: when it happened last.
    pub(super) updated: Option<&'a str>,
    /// HPE.
    pub(super) repaired: Option<&'a str>,
    pub(super) modified: Option<&'a str>,
    pub(super) resolved: Option<&'a str>,
}

impl Mutable<'_> {
    /// The number of the state; `None` for the first one.
    pub(super) fn revision(&self) -> Option<u64> {
        let later = |at: Option<&'_ str>| at.is_some_and(|at| !self.is_creation(at));
        let set = |flag: Option<&str>| flag.is_some_and(|flag| flag.eq_ignore_ascii_case("true"));
        let repeated = self.count.is_some_and(|count| count.parse() != Ok(1_u64));
        let changed = repeated
            || later(self.updated)
            || later(self.modified)
            || set(self.repaired)
            || set(self.resolved);
        if !changed {
            return None;
        }
        let mut hash = Sha256::new();
        let parts = [self.severity, self.count, self.updated, self.repaired, self.modified, self.resolved];
        for part in parts {
            // An absent field is no text of any length.
            hash.update(part.map_or(u64::MAX, |text| text.len() as u64).to_le_bytes());
            hash.update(part.unwrap_or_default());
        }
        Some(first_eight(&hash.finalize()))
    }

    /// Whether the two name the same moment, in whatever zone.
    fn is_creation(&self, at: &str) -> bool {
        let Some(created) = self.created else { return false };
        let moments = (time::parse(created), time::parse(at));
        created.trim() == at.trim() || moments.0.is_some() && moments.0 == moments.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Mutable<'_> = Mutable {
        created: Some("2025-05-13T14:46:21Z"),
        severity: Some("Warning"),
        count: Some("1"),
        updated: Some("2025-05-13T14:46:21Z"),
        repaired: Some("false"),
        modified: Some("2025-05-13T16:46:21+02:00"),
        resolved: Some("false"),
    };

    #[test]
    fn an_entry_as_it_was_written_has_no_revision() {
        assert_eq!(FIRST.revision(), None);
        assert_eq!(Mutable::default().revision(), None);
        let severity = Mutable { severity: Some("OK"), ..Mutable::default() };
        assert_eq!(severity.revision(), None, "a severity by itself is no change");
    }

    #[test]
    fn t17_each_change_in_place_gives_another_number() {
        let states = [
            Mutable { count: Some("7"), ..FIRST },
            Mutable { count: Some("642"), ..FIRST },
            Mutable { updated: Some("2025-05-13T14:46:22Z"), ..FIRST },
            Mutable { repaired: Some("true"), ..FIRST },
            Mutable { repaired: Some("true"), severity: Some("OK"), ..FIRST },
            Mutable { modified: Some("2025-05-14T14:46:21Z"), ..FIRST },
            Mutable { resolved: Some("true"), ..FIRST },
        ];
        let numbers: std::collections::HashSet<_> = states.map(|state| state.revision().unwrap()).into();
        assert_eq!(numbers.len(), states.len());
        assert_eq!(states[0].revision(), states[0].revision());
    }
}
