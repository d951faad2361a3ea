//! Which records a refusal is about. A batch that the peer refuses for good is halved until single records are left; those
//! are poison when the peer takes others, and when it takes none, it is not the records.
//!
//! Pure: it says what to try next and what follows from an answer. It promises that nothing is called poison by a peer that
//! has taken nothing, so that a wrong address or a broken proxy does not empty the journal into dead letters; and that
//! what stands open is never passed over. Not here: delivering, waiting, keeping dead letters (`pump`).

use std::sync::Arc;

use journal::{Position, Stored};

/// So many records refused one after the other, and none taken: then the newest of the batch is asked about, and when it is
/// refused too, it is the peer. Few, because each costs a request and, with a peer that was trusted, a dead letter.
const REFUSED_IN_ROW_MAX: usize = 8;

/// Why a record is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    /// The peer says that it is wrong.
    Rejected,
    /// The peer says that it is too large.
    TooLarge,
}

/// A record that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) record: Stored,
    pub(crate) reason: Reason,
    /// What was said of it.
    pub(crate) error: String,
}

/// What follows from an answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing yet; try what is next.
    GoOn,
    /// These are poison: put them aside, then go on.
    Poison(Vec<Refused>),
    /// It is not the records. The batch is to be read anew, later.
    NotTheRecords,
}

/// A batch on its way.
#[derive(Debug, Default)]
pub(crate) struct Triage {
    /// Pieces that are to be delivered; the next one is the last.
    open: Vec<Arc<[Stored]>>,
    /// Refused, and not yet known to be poison.
    suspects: Vec<Refused>,
    refused_in_row: usize,
    /// The peer has taken something since it last was the one to blame.
    trusted: bool,
    /// The newest record was pulled forward, and its answer is not known.
    probing: bool,
}

impl Triage {
    /// Takes a batch. The one before must be done.
    pub(crate) fn begin(&mut self, batch: Arc<[Stored]>) {
        debug_assert!(self.is_done(), "a batch is begun when the one before is done");
        if !batch.is_empty() {
            self.open.push(batch);
        }
    }

    /// Nothing is open.
    pub(crate) fn is_done(&self) -> bool {
        self.open.is_empty() && self.suspects.is_empty()
    }

    /// Gives up what is open and not decided: it is to be read anew. What is known of the peer stays known.
    pub(crate) fn abandon(&mut self) {
        self.open.clear();
        self.suspects.clear();
        self.probing = false;
    }

    /// What to deliver next.
    pub(crate) fn next(&self) -> Option<Arc<[Stored]>> {
        self.open.last().cloned()
    }

    /// The first position that stands open.
    pub(crate) fn first_open(&self) -> Option<Position> {
        let open = self.open.iter().filter_map(|piece| piece.first());
        open.chain(self.suspects.iter().map(|refused| &refused.record)).map(|stored| stored.position).min()
    }

    /// The peer took the next piece, but for these, and asks for those positions again.
    pub(crate) fn answered(&mut self, refused: Vec<Refused>, again: &[Position]) -> Verdict {
        let Some(piece) = self.open.pop() else { return Verdict::GoOn };
        let left: Arc<[Stored]> =
            piece.iter().filter(|stored| again.contains(&stored.position)).cloned().collect();
        let taken = piece.len().saturating_sub(refused.len() + left.len());
        if !left.is_empty() {
            self.open.push(left);
        }
        self.refused_in_row += refused.len();
        self.suspects.extend(refused);
        if taken == 0 {
            return self.judge();
        }
        self.trusted = true;
        self.refused_in_row = 0;
        self.probing = false;
        self.poison()
    }

    /// The peer refused the next piece as a whole.
    pub(crate) fn refused(&mut self, reason: Reason, error: &str) -> Verdict {
        let Some(piece) = self.open.pop() else { return Verdict::GoOn };
        if let [record] = &*piece {
            self.suspects.push(Refused { record: record.clone(), reason, error: error.to_owned() });
            self.refused_in_row += 1;
            return self.judge();
        }
        let (first, second) = piece.split_at(piece.len() / 2);
        self.open.extend([second.into(), first.into()]);
        Verdict::GoOn
    }

    fn judge(&mut self) -> Verdict {
        let many = self.refused_in_row >= REFUSED_IN_ROW_MAX;
        if self.open.is_empty() && self.trusted && !many {
            return self.poison();
        }
        if self.open.is_empty() || (many && self.probing) {
            *self = Self::default();
            return Verdict::NotTheRecords;
        }
        if many {
            self.pull_newest_forward();
        }
        Verdict::GoOn
    }

    fn poison(&mut self) -> Verdict {
        match std::mem::take(&mut self.suspects) {
            none if none.is_empty() => Verdict::GoOn,
            some => Verdict::Poison(some),
        }
    }

    fn pull_newest_forward(&mut self) {
        self.probing = true;
        let Some((newest, others)) = self.open.first().and_then(|piece| piece.split_last()) else { return };
        let (newest, others): (Arc<[Stored]>, Arc<[Stored]>) = ([newest.clone()].into(), others.into());
        self.open.remove(0);
        if !others.is_empty() {
            self.open.insert(0, others);
        }
        self.open.push(newest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(positions: std::ops::RangeInclusive<Position>) -> Arc<[Stored]> {
        positions.map(|position| Stored { position, at_ms: 0, bytes: Vec::new() }).collect()
    }

    /// How a batch ended.
    #[derive(Debug, Default, PartialEq, Eq)]
    struct Ended {
        poison: Vec<Position>,
        taken: Vec<Position>,
        requests: usize,
        blamed_peer: bool,
    }

    /// Delivers 1 to `last` to a peer that refuses any request with one of `poison` in it.
    fn deliver(triage: &mut Triage, last: Position, poison: &[Position]) -> Ended {
        let mut ended = Ended::default();
        triage.begin(batch(1..=last));
        while let Some(piece) = triage.next() {
            ended.requests += 1;
            let before = triage.first_open();
            let verdict = if piece.iter().any(|stored| poison.contains(&stored.position)) {
                triage.refused(Reason::Rejected, "400")
            } else {
                ended.taken.extend(piece.iter().map(|stored| stored.position));
                triage.answered(Vec::new(), &[])
            };
            match verdict {
                Verdict::GoOn => {}
                Verdict::Poison(found) => {
                    ended.poison.extend(found.iter().map(|refused| refused.record.position));
                }
                Verdict::NotTheRecords => ended.blamed_peer = true,
            }
            assert!(triage.first_open().is_none_or(|now| Some(now) >= before), "never backwards");
        }
        assert!(triage.is_done());
        ended.poison.sort_unstable();
        ended.taken.sort_unstable();
        ended
    }

    #[test]
    fn one_record_is_found_in_the_middle_of_five_hundred() {
        let ended = deliver(&mut Triage::default(), 500, &[250]);
        assert_eq!(ended.poison, [250]);
        assert_eq!(ended.taken, (1..=500).filter(|position| *position != 250).collect::<Vec<_>>());
        assert!(ended.requests <= 20, "{}", ended.requests);
    }

    #[test]
    fn whatever_is_poison_is_found_and_everything_else_is_taken_once() {
        for poison in [&[1][..], &[8], &[1, 2, 3, 4, 5, 6, 7], &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10], &[3, 20, 40]]
        {
            let ended = deliver(&mut Triage::default(), 40, poison);
            let taken: Vec<_> = (1..=40).filter(|position| !poison.contains(position)).collect();
            assert_eq!((ended.poison, ended.taken), (poison.to_vec(), taken));
        }
    }

    #[test]
    fn a_peer_that_takes_nothing_is_to_blame_after_few_requests() {
        let all: Vec<Position> = (1..=512).collect();
        let ended = deliver(&mut Triage::default(), 512, &all);
        assert!(ended.blamed_peer && ended.poison.is_empty());
        assert!(ended.requests < 40, "{}", ended.requests);
    }

    #[test]
    fn a_lonely_record_is_poison_only_to_a_peer_that_takes_others() {
        let mut triage = Triage::default();
        assert!(deliver(&mut triage, 1, &[1]).blamed_peer);
        assert!(!deliver(&mut triage, 1, &[]).blamed_peer);
        assert_eq!(deliver(&mut triage, 1, &[1]).poison, [1]);
    }

    #[test]
    fn a_trusted_peer_that_begins_to_refuse_everything_is_blamed_soon() {
        let mut triage = Triage::default();
        deliver(&mut triage, 1, &[]);
        let one_by_one = |triage: &mut Triage| deliver(triage, 1, &[1]).blamed_peer;
        let blamed = (1..=100).find(|_| one_by_one(&mut triage));
        assert_eq!(blamed, Some(REFUSED_IN_ROW_MAX));
        assert!(one_by_one(&mut triage), "and stays to blame");
    }

    #[test]
    fn named_records_are_poison_when_others_of_the_same_request_are_taken() {
        let refused = |position: Position| Refused {
            record: batch(position..=position)[0].clone(),
            reason: Reason::TooLarge,
            error: "413".to_owned(),
        };
        let mut triage = Triage::default();
        triage.begin(batch(1..=3));
        assert_eq!(triage.answered(vec![refused(2)], &[3]), Verdict::Poison(vec![refused(2)]));
        assert_eq!(triage.first_open(), Some(3));
        assert_eq!(triage.answered(Vec::new(), &[]), Verdict::GoOn);
        assert!(triage.is_done());
        let mut triage = Triage::default();
        triage.begin(batch(1..=2));
        assert_eq!(triage.answered(vec![refused(1), refused(2)], &[]), Verdict::NotTheRecords);
    }
}
