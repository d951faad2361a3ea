//! The guard in front of `eventsource-stream`: bytes in any pieces in, one complete event block out.
//!
//! Alone, that parser panics on a byte order mark, stalls for ever on one byte of bad UTF-8, withholds an event that
//! ends in a lone CR, and is quadratic in an unfinished event. So it is handed one block at a time, in small portions: LF
//! only, valid UTF-8, without comments, at most [`EVENT_BYTES_MAX`] long. Everything here is linear in the bytes
//! received, and between events nothing is kept but the last id.
//!
//! Not here: what the data means (`event_stream`), and when silence means death (the collector).

use std::{convert::Infallible, iter};

use bytes::{Buf, Bytes};
use eventsource_stream::{Event, Eventsource};
use futures_util::{FutureExt, StreamExt, stream};

/// The largest event block, comments not counted: the limit that DSP0266 sets for pushed payloads of format Event.
/// `MetricReports` are exempt from that rule in the protocol (T64) but not here: memory per endpoint is bounded first.
pub(crate) const EVENT_BYTES_MAX: usize = 1 << 20;

/// How much of a block the parser is handed at once. It copies what is left of a portion at each line, which is
/// quadratic in the portion; and it allocates for each portion, so single lines would cost more.
const PORTION_BYTES: usize = 512;

/// What may stand at the beginning of a stream and means nothing.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// An event block, or one line, is larger than [`EVENT_BYTES_MAX`]. The stream cannot be read on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Cuts the bytes of a stream into event blocks (WHATWG HTML, "server-sent events").
#[derive(Debug, Default)]
pub(crate) struct Guard {
    /// The lines of the unfinished block, ended by LF, and the unfinished line.
    block: Vec<u8>,
    /// Where the unfinished line begins in `block`.
    line_start: usize,
    /// The last byte was a CR: an LF that follows belongs to it.
    after_cr: bool,
    /// How much of a byte order mark has come; its length once the question is settled.
    mark: usize,
    /// A comment has come.
    comments: bool,
    /// Blocks in which bad UTF-8 was replaced.
    replaced: u64,
}

impl Guard {
    /// Takes bytes from `chunk` up to the end of the next block. `None`: all are taken, and no block is complete.
    pub(crate) fn next_block(&mut self, chunk: &mut Bytes) -> Result<Option<String>, TooLarge> {
        self.skip_mark(chunk);
        loop {
            if self.after_cr && !chunk.is_empty() {
                self.after_cr = false;
                if chunk[0] == b'\n' {
                    chunk.advance(1);
                }
            }
            let Some(end) = memchr::memchr2(b'\n', b'\r', chunk) else {
                self.extend(chunk)?;
                // Dropping the emptied piece lets go of the connection's whole read buffer.
                *chunk = Bytes::new();
                return Ok(None);
            };
            self.extend(&chunk[..end])?;
            self.after_cr = chunk[end] == b'\r';
            chunk.advance(end + 1);
            if let Some(block) = self.end_line() {
                return Ok(Some(block));
            }
        }
    }

    /// Whether a comment has come since this was asked last, which is how keep-alives look.
    pub(crate) fn take_comments(&mut self) -> bool {
        std::mem::take(&mut self.comments)
    }

    /// Blocks in which bad UTF-8 was replaced.
    pub(crate) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// Drops the byte order mark at the very beginning, which may come in pieces.
    fn skip_mark(&mut self, chunk: &mut Bytes) {
        while self.mark < BYTE_ORDER_MARK.len() && !chunk.is_empty() {
            if chunk[0] == BYTE_ORDER_MARK[self.mark] {
                self.mark += 1;
                chunk.advance(1);
            } else {
                // It only looked like one: these bytes are the stream's.
                self.block.extend_from_slice(&BYTE_ORDER_MARK[..self.mark]);
                self.mark = BYTE_ORDER_MARK.len();
            }
        }
    }

    fn extend(&mut self, piece: &[u8]) -> Result<(), TooLarge> {
        // One more for the LF that will end the line.
        if self.block.len() + piece.len() >= EVENT_BYTES_MAX {
            self.block = Vec::new();
            self.line_start = 0;
            return Err(TooLarge);
        }
        self.block.extend_from_slice(piece);
        Ok(())
    }

    /// Ends the line; an empty one ends the block.
    fn end_line(&mut self) -> Option<String> {
        match self.block.get(self.line_start) {
            Some(b':') => {
                self.comments = true;
                self.block.truncate(self.line_start);
                None
            }
            Some(_) => {
                self.block.push(b'\n');
                self.line_start = self.block.len();
                None
            }
            None if self.block.is_empty() => None,
            None => {
                self.block.push(b'\n');
                self.line_start = 0;
                Some(self.text())
            }
        }
    }

    /// The finished block. Its buffer goes with it, so that an idle stream holds none.
    fn text(&mut self) -> String {
        String::from_utf8(std::mem::take(&mut self.block)).unwrap_or_else(|error| {
            self.replaced += 1;
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })
    }
}

/// Reads the fields of one block that [`Guard`] made. `last_id` (without line ends) is the id that holds until the
/// block says another. A block without data gives an event whose `data` is empty: it is no event, but its id counts.
pub(crate) fn parse(block: &str, last_id: &str) -> Event {
    // The parser tells an id only with an event: it is told the old one first, and an empty event follows for the case
    // that the block itself was none. The id line first also keeps it from seeing a byte order mark.
    let first = format!("id: {last_id}\n");
    let lines = iter::once(first.as_str()).chain(Portions(block)).chain(["data\n\n"]);
    let mut events = stream::iter(lines.map(Ok::<_, Infallible>)).eventsource();
    // Everything is at hand, so it never waits; and every line of text is a field, so it never fails.
    match events.next().now_or_never() {
        Some(Some(Ok(event))) => event,
        _ => Event { id: last_id.to_owned(), ..Event::default() },
    }
}

/// A block in portions of whole lines of about [`PORTION_BYTES`].
struct Portions<'a>(&'a str);

impl<'a> Iterator for Portions<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.0.as_bytes();
        let from = PORTION_BYTES.min(bytes.len());
        let end = memchr::memchr(b'\n', &bytes[from..]).map_or(bytes.len(), |at| from + at + 1);
        let (portion, rest) = self.0.split_at(end);
        self.0 = rest;
        (!portion.is_empty()).then_some(portion)
    }
}

#[cfg(test)]
mod tests;
