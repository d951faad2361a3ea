//! A page on its way to whoever scrapes, in parts.
//!
//! Not here: what stands on it (`metrics`, `endpoints`), and how long a part is (`text`).

use std::{
    convert::Infallible,
    pin::Pin,
    task::{Context, Poll},
    vec,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// A page in the text format 0.0.4: an iterator of its parts, and the body of an answer. A part is gone when it is sent.
#[derive(Debug)]
pub struct Exposition(vec::IntoIter<String>);

impl Exposition {
    pub(super) fn new(parts: Vec<String>) -> Self {
        Self(parts.into_iter())
    }
}

impl Iterator for Exposition {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        self.0.next()
    }
}

impl Body for Exposition {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.next().map(|part| Ok(Frame::data(part.into()))))
    }

    /// All of it is written already, so who scrapes is told how much will come, and sees when it is cut short.
    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_slice().iter().map(|part| part.len() as u64).sum())
    }
}
