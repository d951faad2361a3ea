//! Whether a page begins with what was read before, and how much of that need not be read again.
//!
//! Most logs come in one page, and all that happens to them is that entries are added at the end. To decode hundreds for one
//! new one is most of what a poll costs. Members are left out only if they are byte for byte those that were read, and if no
//! new entry is of a second that is written in one of them: entries that say the same of the same time are told apart by
//! counting, and who counts must see all. (One moment written in two ways is not seen to be one; ADR 17.)

use memchr::memmem::Finder;
use model::ReadMembers;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::{Slot, Slots};
use crate::service_root::first_eight;

/// Known members that are read again before the new ones, so that whoever reads them sees how the log goes on: half of what
/// a bookmark knows.
const OVERLAP: usize = 64;

/// New members beyond which all are read.
const NEW_MAX: usize = 64;

/// A date with a time to the second. What follows, fractions and zone, may be written in several ways.
const SECOND_CHARS: usize = "2026-11-20T14:02:09".len();

/// The members at the beginning that were read before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Beginning {
    /// How many; none where the page begins in another way.
    pub(super) known: usize,
}

impl Beginning {
    /// Compares members with what is known; also, all members.
    pub(super) fn of(members: &[&RawValue], known: Option<ReadMembers>) -> (ReadMembers, Self) {
        let split = known.and_then(|known| members.split_at_checked(known.count as usize));
        let (old, new) = split.unwrap_or((&[], members));
        let mut hash = Sha256::new();
        for member in old {
            add(&mut hash, member);
        }
        let same = known.is_some_and(|known| known.digest == first_eight(&hash.clone().finalize()));
        for member in new {
            add(&mut hash, member);
        }
        let count = u32::try_from(members.len()).unwrap_or(u32::MAX);
        let all = ReadMembers { count, digest: first_eight(&hash.finalize()) };
        (all, Self { known: if same { old.len() } else { 0 } })
    }

    /// How many of all members may be left out, if `new` are those that are not known.
    pub(super) fn left_out(self, members: &[&RawValue], new: &Slots) -> usize {
        let old = &members[..self.known.saturating_sub(OVERLAP)];
        let few = members.len() - self.known <= NEW_MAX;
        if few && !new.filled.iter().any(|slot| may_repeat(slot, old)) { old.len() } else { 0 }
    }
}

fn add(hash: &mut Sha256, member: &RawValue) {
    hash.update((member.get().len() as u64).to_le_bytes());
    hash.update(member.get());
}

/// Whether a new entry may say the same as an old one. Then both have the same time.
fn may_repeat(new: &Slot, old: &[&RawValue]) -> bool {
    let Slot::Entry(entry) = new else { return true };
    let at = entry.facts.occurred_at_raw.as_deref().filter(|_| entry.identity.dating.is_dated());
    let Some(second) = at.and_then(|at| at.get(..SECOND_CHARS)) else { return true };
    // What JSON may write in two ways cannot be looked for.
    if !second.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b':' | b' ')) {
        return true;
    }
    let second = Finder::new(second);
    old.iter().any(|member| second.find(member.get().as_bytes()).is_some())
}

#[cfg(test)]
mod tests;
