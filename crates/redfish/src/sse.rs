//! Server-sent events (WHATWG HTML, 9.2): bytes in any pieces in, one complete event block out, and its fields.
//!
//! A BMC is not trusted to end a line, to write UTF-8 or to leave out a byte order mark, so a block is cut out first: LF
//! only, valid UTF-8, without comments, at most [`EVENT_BYTES_MAX`] long. Everything here is linear in the bytes received, and
//! between events nothing is kept but the last id. `eventsource-stream` reads the same of good text, which the tests show;
//! alone it panics on a byte order mark, stalls for ever on one byte of bad UTF-8, and is quadratic in an unfinished event
//! (ADR 15).
//!
//! Not here: what the data means (`event_stream`), and when silence means death (the collector).

use std::borrow::Cow;

use bytes::{Buf, Bytes};

/// The largest event block, comments not counted: the limit that DSP0266 sets for pushed payloads of format Event.
/// `MetricReports` are exempt from that rule in the protocol (T64) but not here: memory per endpoint is bounded first.
pub(crate) const EVENT_BYTES_MAX: usize = 1 << 20;

/// What is set aside when a block begins: most events are shorter and never grow.
const BLOCK_BYTES_LIKELY: usize = 2048;

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
        if self.block.is_empty() {
            self.block.reserve(chunk.len().min(BLOCK_BYTES_LIKELY));
        }
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

/// The fields of a block that mean something here: what an event is named and when to come back is not for the BMC to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fields<'a> {
    /// The `data:` lines, joined by LF. Without any the block is no event, but its id counts.
    pub(crate) data: Cow<'a, str>,
    /// The last `id:`. `None`: that of the block before holds on.
    pub(crate) id: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Reads a block that [`Guard`] made.
    pub(crate) fn of(block: &'a str) -> Self {
        let (mut data, mut id) = (None::<Cow<'_, str>>, None);
        let mut rest = block;
        while let Some((line, after)) = cut(rest, b'\n') {
            rest = after;
            let (name, value) = cut(line, b':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match name {
                "data" => match &mut data {
                    None => data = Some(value.into()),
                    Some(lines) => {
                        // Some send a line of indented JSON in each `data:`.
                        if let Cow::Borrowed(first) = lines {
                            let mut all = String::with_capacity(block.len());
                            all.push_str(first);
                            *lines = Cow::Owned(all);
                        }
                        let lines = lines.to_mut();
                        lines.push('\n');
                        lines.push_str(value);
                    }
                },
                "id" if !value.contains('\0') => id = Some(value),
                _ => {}
            }
        }
        Self { data: data.unwrap_or_default(), id }
    }
}

/// What stands before the first `byte` and after it; an ASCII one.
fn cut(text: &str, byte: u8) -> Option<(&str, &str)> {
    let at = memchr::memchr(byte, text.as_bytes())?;
    Some((&text[..at], &text[at + 1..]))
}

#[cfg(test)]
mod tests;
