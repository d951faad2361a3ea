//! Some consecutive records, made ready once for all clients: each as the event that is sent, and its facets to choose by.

use bytes::Bytes;
use journal::{Position, Stored};
use model::codec::{self, Facets};

use crate::admin::filter::Filter;

/// Records after one position up to another.
#[derive(Debug)]
pub(super) struct Batch {
    /// The position before the first record, as far as anybody has looked.
    pub(super) after: Position,
    /// The position of the last one.
    pub(super) last: Position,
    /// All events, one behind the other.
    events: Bytes,
    records: Vec<Record>,
}

#[derive(Debug)]
struct Record {
    position: Position,
    facets: Facets<'static>,
    /// Where its event ends among all.
    end: usize,
}

impl Batch {
    /// What was read after this position. A record that cannot be read has no event.
    pub(super) fn of(after: Position, slice: &[Stored]) -> Self {
        let mut events = Vec::new();
        let mut records = Vec::with_capacity(slice.len());
        for stored in slice {
            let Ok(facets) = codec::facets(&stored.bytes) else { continue };
            events.extend_from_slice(format!("id: {}\ndata: ", stored.position).as_bytes());
            // The line holds no line feed but its last.
            codec::write_line(stored.position, &stored.bytes, &mut events);
            events.push(b'\n');
            records.push(Record {
                position: stored.position,
                facets: facets.into_owned(),
                end: events.len(),
            });
        }
        let last = slice.last().map_or(after, |stored| stored.position);
        Self { after, last, events: events.into(), records }
    }

    /// The events after a position that a filter admits. Nothing is copied when these are all.
    pub(super) fn chosen(&self, filter: &Filter, after: Position) -> Bytes {
        if *filter == Filter::default() && self.after >= after {
            return self.events.clone();
        }
        let mut chosen = Vec::new();
        let mut start = 0;
        for record in &self.records {
            if record.position > after && filter.admits(&record.facets) {
                chosen.extend_from_slice(&self.events[start..record.end]);
            }
            start = record.end;
        }
        chosen.into()
    }
}
