//! Whether a refresh of a source takes effect: one that would drop more than half of its endpoints does so only when the
//! next one agrees. Pure: what there is, what there would be, and what is pending.
//!
//! Half an inventory does not leave within a minute; a query that lost its filter or an export that was cut short looks
//! just like that. Not here: what is told of it, and what an endpoint is.

use std::{collections::BTreeSet, time::Duration};

use model::EndpointId;
use tokio::time::Instant;

/// What a source was looked at for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// It was seen to have changed.
    Change,
    /// It was time.
    Regular,
    /// The operator asked for a reload.
    Asked,
}

/// One refresh.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// What it came of.
    pub occasion: Occasion,
    /// When.
    pub now: Instant,
    /// Between two regular refreshes of this source.
    pub interval: Duration,
}

/// What to do with a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It takes effect.
    Take,
    /// It takes effect: what was held before is taken back by it.
    TakenBack,
    /// It takes effect, though so many go: the one before said so too.
    Confirmed(usize),
    /// It does not take effect, because so many would go; the first to say so.
    Held(usize),
    /// It does not take effect either: nothing has been confirmed yet.
    StillHeld,
}

/// The verdict, and since when a large drop is pending after it.
pub fn judge(
    old: &BTreeSet<&EndpointId>,
    new: &BTreeSet<&EndpointId>,
    pending: Option<Instant>,
    moment: Moment,
) -> (Verdict, Option<Instant>) {
    let dropped = old.difference(new).count();
    let large = dropped * 2 > old.len();
    match pending {
        None if large => (Verdict::Held(dropped), Some(moment.now)),
        None => (Verdict::Take, None),
        Some(_) if !large => (Verdict::TakenBack, None),
        Some(since) if agrees(since, moment) => (Verdict::Confirmed(dropped), None),
        Some(since) => (Verdict::StillHeld, Some(since)),
    }
}

/// Whether this refresh counts as the next one. A change may be seen right before the regular refresh is due: half an
/// interval must lie between the two, or they would be one look.
fn agrees(since: Instant, moment: Moment) -> bool {
    match moment.occasion {
        Occasion::Asked => true,
        Occasion::Regular => moment.now.duration_since(since) >= moment.interval / 2,
        Occasion::Change => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_mins(5);

    /// From a list of ten, `0..9`: of each refresh when it is, in seconds, what it came of, how many of the ten it lists, and
    /// what follows. A refresh that takes effect is what the next one is compared with.
    fn check(refreshes: &[(u64, Occasion, usize, Verdict)]) {
        let ids: Vec<EndpointId> =
            (0..10).map(|n| EndpointId::try_from(n.to_string().as_str()).unwrap()).collect();
        let (start, mut old, mut pending) = (Instant::now(), 10, None);
        for (at, occasion, listed, expected) in refreshes {
            let moment =
                Moment { occasion: *occasion, now: start + Duration::from_secs(*at), interval: INTERVAL };
            let verdict;
            (verdict, pending) =
                judge(&ids[..old].iter().collect(), &ids[..*listed].iter().collect(), pending, moment);
            assert_eq!(verdict, *expected, "at {at} of {refreshes:?}");
            if matches!(verdict, Verdict::Take | Verdict::TakenBack | Verdict::Confirmed(_)) {
                old = *listed;
            }
        }
    }

    #[test]
    fn half_may_go_at_once_and_anything_may_come() {
        check(&[(0, Occasion::Change, 5, Verdict::Take), (1, Occasion::Change, 10, Verdict::Take)]);
        check(&[(0, Occasion::Regular, 10, Verdict::Take), (300, Occasion::Regular, 9, Verdict::Take)]);
    }

    #[test]
    fn more_than_half_go_when_the_next_regular_refresh_agrees() {
        check(&[
            (0, Occasion::Regular, 4, Verdict::Held(6)),
            (300, Occasion::Regular, 4, Verdict::Confirmed(6)),
            (600, Occasion::Regular, 4, Verdict::Take),
        ]);
        // It need not be the same list; it must drop more than half too.
        check(&[
            (0, Occasion::Regular, 0, Verdict::Held(10)),
            (300, Occasion::Regular, 3, Verdict::Confirmed(7)),
        ]);
    }

    #[test]
    fn two_looks_a_moment_apart_are_one() {
        check(&[
            (0, Occasion::Change, 4, Verdict::Held(6)),
            (2, Occasion::Change, 3, Verdict::StillHeld),
            // The regular one happens to be due right then.
            (4, Occasion::Regular, 3, Verdict::StillHeld),
            (304, Occasion::Regular, 3, Verdict::Confirmed(7)),
        ]);
    }

    #[test]
    fn the_operators_reload_counts_as_the_next_refresh_and_never_as_both() {
        check(&[(0, Occasion::Change, 4, Verdict::Held(6)), (1, Occasion::Asked, 4, Verdict::Confirmed(6))]);
        check(&[(0, Occasion::Asked, 4, Verdict::Held(6)), (1, Occasion::Change, 4, Verdict::StillHeld)]);
    }

    #[test]
    fn a_drop_that_was_a_mistake_is_taken_back() {
        check(&[
            (0, Occasion::Change, 1, Verdict::Held(9)),
            (10, Occasion::Change, 8, Verdict::TakenBack),
            (20, Occasion::Change, 2, Verdict::Held(6)),
        ]);
    }

    #[test]
    fn the_first_list_and_the_only_endpoint() {
        let (ids, none) = ([EndpointId::try_from("a").unwrap()], BTreeSet::new());
        let moment = Moment { occasion: Occasion::Regular, now: Instant::now(), interval: INTERVAL };
        assert_eq!(judge(&none, &ids.iter().collect(), None, moment), (Verdict::Take, None));
        assert_eq!(judge(&none, &none, None, moment), (Verdict::Take, None));
        // One of one is more than half.
        let held = (Verdict::Held(1), Some(moment.now));
        assert_eq!(judge(&ids.iter().collect(), &none, None, moment), held);
    }
}
