//! The model of pairing: a search through a plain list of all items that have not found their twin.

use journal::Twin;

/// The unspent items of one scope, in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Unspent {
    twins: Vec<(usize, Twin)>,
    items: usize,
}

impl Unspent {
    /// Whether an item with these twins has a partner, which is spent with it.
    pub(crate) fn spend(&mut self, twins: &[Twin]) -> bool {
        let Some(partner) = twins.iter().find_map(|twin| self.nearest(twin)) else { return false };
        self.twins.retain(|(number, _)| *number != partner);
        true
    }

    /// Lets an item wait for the other side.
    pub(crate) fn wait(&mut self, twins: impl IntoIterator<Item = Twin>) {
        self.items += 1;
        self.twins.extend(twins.into_iter().map(|twin| (self.items, twin)));
    }

    /// Nearest in time of those that say nothing else; of two as near the earlier; of two at once the one that came last if it is not later.
    fn nearest(&self, twin: &Twin) -> Option<usize> {
        let fits = |other: &Twin| {
            let apart = other.at_ms.abs_diff(twin.at_ms).cast_signed();
            other.side != twin.side
                && other.content == twin.content
                && apart <= twin.window_ms.max(other.window_ms)
                && !(0..2).any(|at| {
                    let (one, other) = (twin.claims[at], other.claims[at]);
                    one != 0 && other != 0 && one != other
                })
        };
        let rank = |number: usize, other: &Twin| {
            let later = other.at_ms > twin.at_ms;
            let order = i64::try_from(number).unwrap();
            (other.at_ms.abs_diff(twin.at_ms), later, if later { order } else { -order })
        };
        let fitting = self.twins.iter().filter(|(_, other)| fits(other));
        fitting.min_by_key(|(number, other)| rank(*number, other)).map(|(number, _)| *number)
    }
}
