//! Entries of one log that say the same: how many there are, by the different ids that they have in one reading.
//!
//! A line listed twice under one id is one entry (T9); three lines of one second under three ids are three.

use std::collections::{HashMap, VecDeque};

use redfish::Entry;

/// Different entries whose equals are counted at once. Entries alike in everything, the time included, stand close together.
const EQUALS_WINDOW: usize = 8192;

/// Counts entries that say the same under different ids.
#[derive(Debug, Default)]
pub(crate) struct Equals {
    places: HashMap<[u8; 16], Places>,
    order: VecDeque<[u8; 16]>,
}

/// The ids of entries that say the same, hashed.
#[derive(Debug)]
struct Places {
    first: u64,
    further: Vec<u64>,
}

impl Equals {
    /// How many other ids said the same before this one did.
    pub(crate) fn count(&mut self, entry: &Entry) -> u32 {
        let digest = entry.placeless.digest;
        let Some(places) = self.places.get_mut(&digest) else {
            if self.order.len() == EQUALS_WINDOW
                && let Some(oldest) = self.order.pop_front()
            {
                self.places.remove(&oldest);
            }
            self.order.push_back(digest);
            self.places.insert(digest, Places { first: entry.place, further: Vec::new() });
            return 0;
        };
        if places.first == entry.place {
            return 0;
        }
        let known = places.further.iter().position(|place| *place == entry.place);
        let index = known.unwrap_or_else(|| {
            places.further.push(entry.place);
            places.further.len() - 1
        });
        u32::try_from(index + 1).unwrap_or(u32::MAX)
    }
}
