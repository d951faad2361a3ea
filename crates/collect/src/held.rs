//! Events of a stream that wait for the end of a reading of the logs.
//!
//! It promises a limit: whoever holds more has stopped reading the stream, and TCP holds the BMC back. Not here: when events are
//! held, and what becomes of them (`follow`).

use crate::occurrence::Counted;

/// Events held at once.
const BUFFER_EVENTS_MAX: usize = 1024;

/// Bytes of such events.
const BUFFER_BYTES_MAX: usize = 4 << 20;

/// An event without its own text: times, ids, a short message.
const BYTES_WITHOUT_ORIGINAL: usize = 256;

/// What waits.
#[derive(Debug, Default)]
pub(crate) struct Held {
    events: Vec<Counted>,
    bytes: usize,
}

impl Held {
    /// Whether the stream may be read on.
    pub(crate) fn has_room(&self) -> bool {
        self.events.len() < BUFFER_EVENTS_MAX && self.bytes < BUFFER_BYTES_MAX
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Takes more in, behind those that wait.
    pub(crate) fn hold(&mut self, mut events: Vec<Counted>) {
        self.bytes += events.iter().map(size).sum::<usize>();
        self.events.append(&mut events);
    }

    /// Gives up what waited, in order.
    pub(crate) fn take(&mut self) -> Vec<Counted> {
        self.bytes = 0;
        std::mem::take(&mut self.events)
    }
}

fn size(counted: &Counted) -> usize {
    let original = counted.event.facts.original.as_ref();
    original.map_or(BYTES_WITHOUT_ORIGINAL, |original| original.get().len())
}
