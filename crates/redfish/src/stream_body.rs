//! The body of an HTTP/1 response together with the connection that it comes on, for event streams (RFC 9112 6 and 7).
//!
//! An idle one holds its connection and where it stands, and no buffer: what comes is read into the stack and handed on at
//! once, without the framing. Not here: the head (`response_head`), and what the data is.

use std::{
    io,
    mem::{self, MaybeUninit},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{
    Response, StatusCode,
    header::{CONTENT_LENGTH, TRANSFER_ENCODING},
};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, ReadBuf};

use crate::BoxError;

/// What is read at once.
const READ_BYTES: usize = 8192;
/// Everything around the chunks' data, between two pieces of it: extensions and trailers, which nobody reads.
const OVERHEAD_BYTES_MAX: u32 = 8192;
/// Digits of a chunk's size: as many as 64 bits have.
const SIZE_DIGITS_MAX: u8 = 16;

/// A body and its connection.
pub(crate) struct StreamBody<T> {
    /// `None` when it is over.
    io: Option<T>,
    framing: Framing,
    /// What came with the head.
    first: Vec<u8>,
}

impl<T> StreamBody<T> {
    /// The body behind a head, of which `first` has come.
    pub(crate) fn new(io: T, head: &Response<()>, first: Vec<u8>) -> Result<Self, BoxError> {
        Ok(Self { io: Some(io), framing: Framing::of(head)?, first })
    }
}

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// By its length; so much is to come.
    Length(u64),
    /// By an empty chunk.
    Chunked(Place),
    /// By the end of the connection (bmcweb).
    UntilClose,
}

/// Where in a chunked body the next byte stands; `around` counts the bytes since the last data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the size, of which so much has come.
    Size { size: u64, digits: u8 },
    /// Behind the size, to the end of its line.
    Extension { size: u64, around: u32 },
    /// In the data.
    Data { left: u64 },
    /// At the line end behind the data.
    DataEnd,
    /// Between the CR and the LF of that.
    DataEndFeed,
    /// In the trailers; the line so far is empty or not.
    Trailer { line_is_empty: bool, around: u32 },
    /// Behind the body.
    End,
    /// Behind something that no chunked body has. What came before it is data all the same.
    Bad,
}

/// The body is not what HTTP says a chunked one is.
#[derive(Debug, thiserror::Error)]
#[error("a chunk of the response cannot be read")]
struct BadChunk;

impl Framing {
    fn of(head: &Response<()>) -> Result<Self, BoxError> {
        if matches!(head.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Ok(Self::Length(0));
        }
        let headers = head.headers();
        if let Some(coding) = headers.get_all(TRANSFER_ENCODING).iter().next_back() {
            let last = coding.to_str()?.rsplit(',').next().unwrap_or_default();
            let chunked = last.trim().eq_ignore_ascii_case("chunked");
            return Ok(if chunked { Self::Chunked(Place::BEGIN) } else { Self::UntilClose });
        }
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let Some(length) = lengths.next() else { return Ok(Self::UntilClose) };
        if lengths.any(|other| other != length) {
            return Err("the response has two lengths".into());
        }
        Ok(Self::Length(length.to_str()?.trim().parse()?))
    }

    fn is_over(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Place::End))
    }

    /// Takes the data out of what came.
    fn take(&mut self, came: &[u8]) -> Bytes {
        match self {
            Self::UntilClose => Bytes::copy_from_slice(came),
            Self::Length(left) => {
                // More than was announced is nobody's.
                let data = &came[..came.len().min(usize::try_from(*left).unwrap_or(usize::MAX))];
                *left -= data.len() as u64;
                Bytes::copy_from_slice(data)
            }
            Self::Chunked(place) => place.take(came),
        }
    }
}

impl Place {
    const BEGIN: Self = Self::Size { size: 0, digits: 0 };

    fn take(&mut self, mut came: &[u8]) -> Bytes {
        let mut data = Vec::new();
        while let Some((byte, rest)) = came.split_first() {
            if let Self::Data { left } = self {
                let length = came.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                if data.is_empty() {
                    data.reserve_exact(came.len());
                }
                data.extend_from_slice(&came[..length]);
                came = &came[length..];
                *left -= length as u64;
                if *left == 0 {
                    *self = Self::DataEnd;
                }
                continue;
            }
            *self = self.after(*byte);
            came = rest;
        }
        data.into()
    }

    /// Where the byte behind this one stands. A lone LF ends a line too.
    fn after(self, byte: u8) -> Self {
        match (self, byte) {
            (Self::Size { size, digits: digits @ ..SIZE_DIGITS_MAX }, byte) if byte.is_ascii_hexdigit() => {
                let digit = char::from(byte).to_digit(16).unwrap_or_default();
                Self::Size { size: size << 4 | u64::from(digit), digits: digits + 1 }
            }
            (Self::Size { digits: 0, .. }, _) => Self::Bad,
            (Self::Size { size, .. } | Self::Extension { size, .. }, b'\n') => match size {
                0 => Self::Trailer { line_is_empty: true, around: 0 },
                left => Self::Data { left },
            },
            (Self::Size { size, .. }, b'\r' | b';' | b' ' | b'\t') => Self::Extension { size, around: 0 },
            (Self::Extension { size, around: around @ ..OVERHEAD_BYTES_MAX }, _) => {
                Self::Extension { size, around: around + 1 }
            }
            (Self::DataEnd, b'\r') => Self::DataEndFeed,
            (Self::DataEnd | Self::DataEndFeed, b'\n') => Self::BEGIN,
            (Self::Trailer { line_is_empty: true, .. }, b'\n') | (Self::End, _) => Self::End,
            (Self::Trailer { line_is_empty: empty, around: around @ ..OVERHEAD_BYTES_MAX }, _) => {
                let line_is_empty = byte == b'\n' || (empty && byte == b'\r');
                Self::Trailer { line_is_empty, around: around + 1 }
            }
            (
                Self::Size { .. }
                | Self::Extension { .. }
                | Self::Data { .. }
                | Self::DataEnd
                | Self::DataEndFeed
                | Self::Trailer { .. }
                | Self::Bad,
                _,
            ) => Self::Bad,
        }
    }
}

impl<T: AsyncRead + Unpin> Body for StreamBody<T> {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        loop {
            if this.framing.is_over() {
                this.io = None;
            }
            let Some(io) = &mut this.io else { return Poll::Ready(None) };
            if this.framing == Framing::Chunked(Place::Bad) {
                this.io = None;
                return Poll::Ready(Some(Err(BadChunk.into())));
            }
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut read = ReadBuf::uninit(&mut space);
            let first = mem::take(&mut this.first);
            let data = if first.is_empty() {
                match ready!(Pin::new(io).poll_read(cx, &mut read)) {
                    Ok(()) if !read.filled().is_empty() => this.framing.take(read.filled()),
                    ended => {
                        this.io = None;
                        return Poll::Ready(end(this.framing, ended).map(Err));
                    }
                }
            } else {
                this.framing.take(&first)
            };
            if !data.is_empty() {
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.io.is_none() || self.framing.is_over()
    }

    fn size_hint(&self) -> SizeHint {
        match self.framing {
            Framing::Length(left) => SizeHint::with_exact(left),
            Framing::Chunked(_) | Framing::UntilClose => SizeHint::default(),
        }
    }
}

/// What the end of the connection means. A process that ends closes TCP but says no farewell in TLS, which rustls calls an
/// unexpected end. An event that was cut is dropped by the reader.
fn end(framing: Framing, ended: io::Result<()>) -> Option<BoxError> {
    let error = ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into());
    match framing {
        Framing::UntilClose if error.kind() == io::ErrorKind::UnexpectedEof => None,
        Framing::UntilClose | Framing::Length(_) | Framing::Chunked(_) => Some(error.into()),
    }
}

#[cfg(test)]
mod tests;
