//! Whether the `Id`s of a log are places: an entry that was read under one stands under another now. Pure.
//!
//! Only entries without a time are watched, since only their names depend on it.

use std::collections::VecDeque;

use model::{BOOKMARK_PLACES_MAX, Listed};

use crate::walk::Order;

/// Where undated entries stood, and where they stand.
#[derive(Debug)]
pub(crate) struct Places {
    known: Vec<(Listed, Seen)>,
    newest: VecDeque<Listed>,
}

/// What became of an entry that was known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Nowhere,
    Elsewhere,
    InPlace,
}

impl Places {
    /// From what the bookmark remembers.
    pub(crate) fn new(known: &[Listed]) -> Self {
        let known = known.iter().map(|listed| (*listed, Seen::Nowhere)).collect();
        Self { known, newest: VecDeque::new() }
    }

    /// Takes an undated entry in.
    pub(crate) fn note(&mut self, listed: Listed, order: Order) {
        for (known, seen) in &mut self.known {
            if known.fingerprint == listed.fingerprint && *seen != Seen::InPlace {
                *seen = if known.place == listed.place { Seen::InPlace } else { Seen::Elsewhere };
            }
        }
        let full = self.newest.len() == BOOKMARK_PLACES_MAX;
        match order {
            Order::NewestFirst if full => {}
            Order::NewestFirst => self.newest.push_front(listed),
            Order::OldestFirst => {
                if full {
                    self.newest.pop_front();
                }
                self.newest.push_back(listed);
            }
        }
    }

    /// Whether an entry stands under another id than before, and not under its own too, as its equals may.
    pub(crate) fn have_moved(&self) -> bool {
        self.known.iter().any(|(_, seen)| *seen == Seen::Elsewhere)
    }

    /// What to remember of this reading.
    pub(crate) fn remember(self) -> Vec<Listed> {
        self.newest.into()
    }
}
